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
        self._entries: LRUCache[Hashable, tuple[int, T]] | None = None
        on_configure(self.clear)

    def _kept(self) -> LRUCache[Hashable, tuple[int, T]]:
        """Return the entries; the limit is read from the settings when first needed."""
        if self._entries is None:
            limit = getattr(Settings.from_env(), self._setting)
            self._entries = LRUCache(limit, getsizeof=lambda entry: entry[0])
        return self._entries

    @property
    def limit(self) -> int:
        """Return the limit in bytes."""
        with self._lock:
            return int(self._kept().maxsize)

    @property
    def bytes(self) -> int:
        """Return the number of bytes kept."""
        with self._lock:
            return int(self._kept().currsize)

    def clear(self) -> None:
        """Drop all entries; the setting is read again."""
        with self._lock:
            self._entries = None

    def get(self, key: Hashable) -> T | None:
        """Return the value of a key, or None."""
        with self._lock:
            entry: Any = self._kept().get(key)
            return None if entry is None else entry[1]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Store a value of ``size`` bytes, unless it is larger than the whole cache."""
        with self._lock:
            kept = self._kept()
            if size <= kept.maxsize:
                kept[key] = (size, value)

    def drop(self, key: Hashable) -> None:
        """Drop one key."""
        with self._lock:
            self._kept().pop(key, None)


tile_cache: ByteCache[memoryview] = ByteCache("tile_cache")
"""Tiles as stored, compressed."""

header_cache: ByteCache[Any] = ByteCache("header_cache")
"""What is known of files by their headers; each kind has keys of its own, all share one limit."""
