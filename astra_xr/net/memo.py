"""What was found lately, kept for a while, and found once however many ask for it at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

from cachetools import TTLCache

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Memo(Generic[K, T]):
    """A bounded cache whose entries live for a time; failures are not kept.

    Parameters
    ----------
    size : int
        Entries at most; the least recently used goes first.
    life : float
        Seconds that an entry is good for.
    clock : callable, optional
        Gives seconds; for tests.
    """

    def __init__(
        self, *, size: int, life: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: TTLCache[K, T] = TTLCache(size, life, clock)
        self._coming: dict[K, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], T]) -> T:
        """Return the entry of a key, made by this caller, or by another who is at it already.

        Raises
        ------
        Exception
            What ``make`` raised, for everybody who waited for it.
        """
        with self._lock:
            try:
                return self._kept[key]
            except KeyError:
                pass
            future = self._coming.get(key)
            mine = future is None
            if future is None:
                future = self._coming[key] = Future()
        if not mine:
            try:
                return future.result()
            except CancelledError:
                return self.get(key, make)
        try:
            made = make()
        except BaseException as error:
            self._done(key)
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                # Interrupted: the work is left to those who wait.
                future.cancel()
            raise
        self._done(key, made)
        future.set_result(made)
        return made

    def put(self, key: K, value: T) -> None:
        """Keep an entry."""
        with self._lock:
            self._kept[key] = value

    def _done(self, key: K, *made: T) -> None:
        with self._lock:
            del self._coming[key]
            for value in made:
                self._kept[key] = value
