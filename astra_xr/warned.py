"""Warnings that were shown in this process, each once."""

from __future__ import annotations

from cachetools import LRUCache

from astra_xr.locks import Lock

_seen: LRUCache[str, None] = LRUCache(4096)
_lock = Lock()


def first_time(what: str) -> bool:
    """Return True the first time in this process that a warning is to be shown.

    Of more than 4,096 warnings, the oldest may be shown again.
    """
    with _lock:
        if what in _seen:
            return False
        _seen[what] = None
        return True


def warned_of(what: str) -> bool:
    """Return True if a warning was shown."""
    with _lock:
        return what in _seen
