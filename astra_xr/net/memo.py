"""What was found or fetched lately: kept until its end, and made once however many ask for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

from cachetools import TLRUCache

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Memo(Generic[K, T]):
    """A bounded cache, each entry of which has an end; failures are not kept.

    Parameters
    ----------
    size : int
        Entries at most; the least recently used goes first.
    life : float or callable
        Seconds that an entry is good for; or takes an entry that was just made, and returns them.
        One that has none left is returned once, and not kept.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        *,
        size: int,
        life: float | Callable[[T], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def end(key: K, value: T, now: float) -> float:
            return now + (life(value) if callable(life) else life)

        self._kept: TLRUCache[K, T, float] = TLRUCache(size, end, clock)
        self._coming: dict[K, Future[T]] = {}
        self._lock = threading.Lock()

    def get(
        self, key: K, make: Callable[[], T], refused: Callable[[T], bool] = lambda _: False
    ) -> T:
        """Return the entry of a key, made by this caller, or by another who is at it already.

        Parameters
        ----------
        key : hashable
        make : callable
            Returns a new entry.
        refused : callable, optional
            Takes the entry that is kept; True: it is of no use any more, and made anew. Who comes
            with one that was replaced meanwhile just gets the new one.

        Raises
        ------
        Exception
            What ``make`` raised, for everybody who waited for it.
        """
        with self._lock:
            try:
                kept = self._kept[key]
            except KeyError:
                pass
            else:
                if not refused(kept):
                    return kept
                self._kept.pop(key, None)
            future = self._coming.get(key)
            mine = future is None
            if future is None:
                future = self._coming[key] = Future()
        if not mine:
            try:
                return future.result()
            except CancelledError:
                return self.get(key, make, refused)
        try:
            made = make()
        except BaseException as error:
            self._done(key, future)
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                # Interrupted: the work is left to those who wait.
                future.cancel()
            raise
        self._done(key, future, made)
        future.set_result(made)
        return made

    def put(self, key: K, value: T) -> None:
        """Keep an entry."""
        with self._lock:
            self._kept[key] = value

    def clear(self) -> None:
        """Forget all entries, those too that are being made: they go to who waits for them."""
        with self._lock:
            self._kept.clear()
            self._coming.clear()

    def _done(self, key: K, future: Future[T], *made: T) -> None:
        with self._lock:
            if self._coming.get(key) is future:
                del self._coming[key]
                for value in made:
                    self._kept[key] = value
