"""What tracebacks with variables show, as those of Sentry, ``%xmode Verbose`` and ``pytest -l``."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_OURS = Path(__file__).resolve().parent


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that hang on it, also those that Python would not print."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        waiting.extend(e for e in (each.__cause__, each.__context__, *inner) if e is not None)


def leaks(error: BaseException, *secrets: str) -> list[str]:
    """Return where an exception shows a secret: in its words, or in a variable of any frame.

    Frames of the tests are left out: they have the secrets from the start.
    """
    found = []
    for each in chain(error):
        words = (str(each), repr(each), repr(each.args), repr(vars(each)))
        if _holds(words, secrets):
            found.append(f"{type(each).__name__}: {each}")
        printed = traceback.TracebackException.from_exception(each, capture_locals=True)
        for summary, (frame, _) in zip(
            printed.stack, traceback.walk_tb(each.__traceback__), strict=True
        ):
            path = Path(summary.filename).resolve()
            if path.is_relative_to(_OURS) or path.name == "conftest.py":
                continue
            shown = dict(summary.locals or {})
            for name, value in frame.f_locals.items():
                if _holds((shown.get(name, ""), *_reprs(value)), secrets):
                    found.append(f"{path.name}:{summary.lineno} {summary.name}: {name}")
    return found


def _holds(texts: Any, secrets: tuple[str, ...]) -> bool:
    return any(secret in text for text in texts for secret in secrets)


def _reprs(value: Any, depth: int = 6) -> Iterator[str]:
    """Yield the reprs of a value and of its contents, as Sentry and rich walk containers."""
    try:
        yield repr(value)
    except Exception:  # noqa: BLE001  (a repr of theirs)
        return
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    for each in inner if depth else ():
        yield from _reprs(each, depth - 1)
