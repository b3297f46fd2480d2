"""What users have been warned of: once is enough."""

from __future__ import annotations

from cachetools import LRUCache

from astra_xr.locks import Lock

_seen: LRUCache[str, None] = LRUCache(4096)
_lock = Lock()


def first_time(what: str) -> bool:
    """Return True when users are to be warned of something for the first time in this process.

    Of more things than are kept (4,096), the oldest may be warned of once more.
    """
    with _lock:
        if what in _seen:
            return False
        _seen[what] = None
        return True


def warned_of(what: str) -> bool:
    """Return True if users have been warned of something."""
    with _lock:
        return what in _seen
