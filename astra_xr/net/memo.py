"""A cache with expiry that makes each entry once for all threads that wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, wait
from threading import TIMEOUT_MAX
from typing import Generic, TypeVar

from cachetools import TLRUCache, TTLCache

from astra_xr.errors import UpstreamTimeout, UpstreamUnavailable
from astra_xr.locks import Lock, renew_in_child
from astra_xr.net.retries import deadline, time_left

_MORE = 1.0
"""Seconds that a caller must have more than another to try again after the other's failure."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Coming(Future[T]):
    """An entry that is being made, or the failure to make it."""

    def __init__(self) -> None:
        super().__init__()
        self.until = deadline()
        """When the requests of the thread that makes it have to end."""

    def counts(self) -> bool:
        """Return False for a failure for lack of time, if this thread has more of it."""
        late = self.done() and isinstance(self.exception(), UpstreamTimeout | UpstreamUnavailable)
        return not late or deadline() <= self.until + _MORE


class Memo(Generic[K, T]):
    """A bounded cache whose entries expire; failures are kept for a few seconds at most.

    Parameters
    ----------
    size : int
        Maximum number of entries; the least recently used is dropped first.
    life : float or callable
        Seconds until an entry expires, or a function of a new entry that returns them. An entry
        with no time left is returned once and not kept.
    failures : float
        Seconds for which a failure is raised for later callers too: they may have waited in a
        queue. A thread with more time for its requests than the one that failed tries again.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        *,
        size: int,
        life: float | Callable[[T], float],
        failures: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def end(key: K, value: T, now: float) -> float:
            return now + (life(value) if callable(life) else life)

        self._kept: TLRUCache[K, T, float] = TLRUCache(size, end, clock)
        self._failed: TTLCache[K, _Coming[T]] = TTLCache(size, failures, clock)
        self._coming: dict[K, _Coming[T]] = {}
        self._lock = Lock()
        renew_in_child(self)

    def get(
        self, key: K, make: Callable[[], T], refused: Callable[[T], bool] = lambda _: False
    ) -> T:
        """Return the entry of a key; if it is being made by another thread, wait for it.

        Parameters
        ----------
        key : hashable
        make : callable
            Returns a new entry, which is not None.
        refused : callable, optional
            Takes the kept entry, and returns True if it is no longer usable and must be made
            again.

        Raises
        ------
        Exception
            What ``make`` raised, in all threads that waited for it.
        """
        while True:
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None and not refused(kept):
                    return kept
                self._kept.pop(key, None)
                coming = self._coming.get(key) or self._failed.get(key)
                if coming is None or not coming.counts():
                    mine = self._coming[key] = _Coming()
                    break
            wait([coming], min(time_left(), TIMEOUT_MAX))
            if not coming.done():
                return make()  # fails at once, with the message of a request without time
            try:
                return coming.result()
            except CancelledError:
                continue
            except Exception:
                if coming.counts():
                    raise
        return self._made(key, make, mine)

    def _made(self, key: K, make: Callable[[], T], future: _Coming[T]) -> T:
        try:
            made = make()
        except BaseException as error:
            self._done(key, future)
            if isinstance(error, Exception):
                future.set_exception(error)
                with self._lock:
                    self._failed[key] = future
            else:  # interrupted: one of the waiting threads makes it
                future.set_exception(CancelledError())
            raise
        self._done(key, future, made)
        future.set_result(made)
        return made

    def put(self, key: K, value: T) -> None:
        """Store an entry."""
        with self._lock:
            self._kept[key] = value

    def clear(self) -> None:
        """Drop all entries; those being made are returned to their waiters and not kept."""
        with self._lock:
            self._kept.clear()
            self._failed.clear()
            self._coming.clear()

    def _done(self, key: K, future: _Coming[T], *made: T) -> None:
        with self._lock:
            if self._coming.get(key) is future:
                del self._coming[key]
                for value in made:
                    self._kept[key] = value

    def renew(self) -> None:
        """Forget entries that threads of the parent process were making."""
        self._coming = {}
