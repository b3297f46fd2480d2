"""What a service says of its own failure, in the forms that STAC APIs and clouds use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from astra_xr.errors import redact

_LONGEST = 200
_NAMES = ("detail", "message", "description", "title", "error", "msg", "errors", "code")
"""Fields that hold the words: FastAPI, stac-server, OGC, RFC 9457, CMR."""


def problem_text(content: bytes) -> str:
    """Return the words of an error response, on one line and without secrets; empty if none.

    Examples
    --------
    >>> problem_text(b'{"errors": ["bbox is not valid"]}')
    'bbox is not valid'
    >>> problem_text(b'{"code": "BadRequest", "description": "limit is over 1000?token=abc"}')
    'limit is over 1000?token=***'
    >>> problem_text(b"<html>Bad gateway</html>")
    ''
    """
    try:
        told = json.loads(content[:20_000])
    except (ValueError, RecursionError):
        return ""
    text = " ".join("; ".join(dict.fromkeys(_words(told))).split())
    return redact(text)[:_LONGEST].rstrip(".")


def _words(told: Any, depth: int = 3) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, list) and depth:
        for each in told[:5]:
            yield from _words(each, depth - 1)
    elif isinstance(told, dict) and depth:
        name = next((name for name in _NAMES if told.get(name)), None)
        yield from _words(told[name], depth - 1) if name else ()
