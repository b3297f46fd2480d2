"""Memory of headers and tiles that were read before, bounded in bytes, shared by all threads."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Keeps what was used last, up to a number of bytes; 0 keeps nothing."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self.resize(limit)

    def resize(self, limit: int) -> None:
        """Set the limit in bytes, and forget everything."""
        with self._lock:
            self.limit = limit
            self._kept: LRUCache[Hashable, tuple[int, T]] = LRUCache(
                max(limit, 1), getsizeof=lambda entry: entry[0]
            )

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under a key; None where nothing is."""
        with self._lock:
            entry: Any = self._kept.get(key)
            return None if entry is None else entry[1]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep a value of so many bytes, unless it is larger than the whole cache."""
        if size <= self.limit:
            with self._lock:
                self._kept[key] = (size, value)

    def drop(self, key: Hashable) -> None:
        """Forget one key."""
        with self._lock:
            self._kept.pop(key, None)

    @property
    def bytes(self) -> int:
        """Bytes kept at the moment."""
        with self._lock:
            return int(self._kept.currsize)
