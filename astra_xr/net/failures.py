"""Failures of services as our errors, with the message of the service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from astra_xr.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable, redact
from astra_xr.settings import Settings

_LONGEST = 200
_NAMES = ("detail", "message", "description", "title", "error", "msg", "errors", "code")
"""Fields that hold the message: FastAPI, stac-server, OGC, RFC 9457, CMR."""


def retry_after(headers: Mapping[str, str], text: str = "") -> float | None:
    """Return the seconds to wait by an answer's ``Retry-After`` or its text; None: not stated.

    Examples
    --------
    >>> retry_after({"Retry-After": "7"}), retry_after({}, "Try again in 23 seconds")
    (7.0, 23.0)
    """
    header = headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdigit():
        return float(header)
    if header:
        date = http_date(header)
        return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date else None
    match = re.search(r"[Tt]ry again in (\d+) seconds", text)
    return float(match[1]) if match else None


def http_date(header: str) -> datetime | None:
    """Return the time in an HTTP header, or None."""
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def host_of(url: str) -> str:
    """Return the host of a URL, for messages; if it has none, the URL without secrets."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return redact(url)


def lasts(error: Exception) -> bool:
    """Return True if a retry does not help after an exception of the HTTP client."""
    lasting = httpx.UnsupportedProtocol | httpx.ProxyError | httpx.LocalProtocolError
    if isinstance(error, lasting) or not isinstance(error, httpx.TransportError):
        return True
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def upstream_error(service: str, error: Exception, url: str) -> UpstreamError:
    """Return our error for an exception of the HTTP client."""
    host = host_of(url)
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(service=service, reason=f"{host} did not answer in time")
    if isinstance(error, httpx.TransportError):
        return UpstreamUnavailable(
            service=service,
            reason=f"{host} cannot be reached ({type(error).__name__}: {error})",
            hint="Check the network connection, or name another catalog with catalog=.",
        )
    return UpstreamError(service=service, reason=f"{type(error).__name__} from {host}")


def refusal(service: str, response: httpx.Response, content: bytes) -> UpstreamError:
    """Return our error for an unsuccessful response, with the beginning of its message."""
    status = f"HTTP {response.status_code}"
    wait = retry_after(response.headers, content[:1000].decode("utf-8", "replace"))
    passing = {429: "too many requests", 502: "down", 503: "down", 504: "down"}
    if response.status_code in passing:
        longer = wait is not None and wait > Settings.from_env().patience
        return UpstreamUnavailable(
            service=service,
            reason=f"{passing[response.status_code]} ({status})",
            retry_after=wait,
            hint="Try again then, or set ASTRA_PATIENCE to more seconds." if longer else "",
        )
    text = problem_text(content)
    reason = f"it refused the request ({status}){f': {text!r}' if text else ''}"
    error = UpstreamError(service=service, reason=reason)
    error.status = response.status_code
    return error


def problem_text(content: bytes) -> str:
    """Return the message of an error response, on one line and without secrets; empty if none.

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
        document = json.loads(content[:20_000])
    except (ValueError, RecursionError):
        return ""
    text = " ".join("; ".join(dict.fromkeys(_messages(document))).split())
    return redact(text)[:_LONGEST].rstrip(".")


def _messages(value: Any, depth: int = 3) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for each in value[:5]:
            yield from _messages(each, depth - 1)
    elif isinstance(value, dict) and depth:
        name = next((name for name in _NAMES if value.get(name)), None)
        yield from _messages(value[name], depth - 1) if name else ()
