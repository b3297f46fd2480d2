"""Cache of headers and tiles, bounded in bytes, shared by all threads."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

from astra_xr.locks import Lock
from astra_xr.settings import Settings, on_configure

T = TypeVar("T")


class ByteCache(Generic[T]):
    """A least-recently-used cache with a limit in bytes; 0 keeps nothing.

    Parameters
    ----------
    setting : str
        The field of :class:`astra_xr.Settings` that holds the limit.
    """

    def __init__(self, setting: str) -> None:
        self._lock = Lock()
        self._setting = setting
        self._limit: int | None = None
        on_configure(self.clear)

    @property
    def limit(self) -> int:
        """Return the limit in bytes; the setting is read when first needed."""
        if self._limit is None:
            self.clear()
        return self._limit or 0

    def clear(self) -> None:
        """Drop all entries and read the setting again."""
        limit: int = getattr(Settings.from_env(), self._setting)
        with self._lock:
            self._limit = limit
            self._kept: LRUCache[Hashable, tuple[int, T]] = LRUCache(
                max(limit, 1), getsizeof=lambda entry: entry[0]
            )

    def get(self, key: Hashable) -> T | None:
        """Return the value of a key, or None."""
        if not self.limit:
            return None
        with self._lock:
            entry: Any = self._kept.get(key)
            return None if entry is None else entry[1]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Store a value of ``size`` bytes, unless it is larger than the whole cache."""
        if size <= self.limit:
            with self._lock:
                self._kept[key] = (size, value)

    def drop(self, key: Hashable) -> None:
        """Drop one key."""
        if not self.limit:
            return
        with self._lock:
            self._kept.pop(key, None)

    @property
    def bytes(self) -> int:
        """Return the number of bytes kept."""
        if not self.limit:
            return 0
        with self._lock:
            return int(self._kept.currsize)


tile_cache: ByteCache[memoryview] = ByteCache("tile_cache")
"""Tiles as stored, compressed."""
