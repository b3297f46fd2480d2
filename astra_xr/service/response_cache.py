"""Responses, made once for equal concurrent requests, and cached for some seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from cachetools import LRUCache

_LIFE = 30.0
"""Seconds for which a response is reused. Its URLs are valid for an hour, less this time."""

_SPARE = timedelta(minutes=2)
"""Time that signed URLs must remain valid."""

_BYTES = 32 << 20

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response to be cached."""

    body: bytes

    expires_at: datetime | None = None
    """UTC time at which the first of its URLs expires; None if none does."""

    files: tuple[Path, ...] = ()
    """Local files of its URLs; it is not reused if one is gone."""


@dataclass
class _Flight:
    """A response that is being made, and the number of requests that wait for it."""

    task: asyncio.Task[Answer]
    waiting: int = 0


class Answers(Generic[K]):
    """Responses by request; failures are not cached. For one event loop.

    Parameters
    ----------
    make : callable
        Makes the response to a key; it is canceled when no request waits for it.
    life : float
        Seconds for which a response is cached.
    max_bytes : int
        Size of the cache, in bytes; the least recently used response is dropped first.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        make: Callable[[K], Awaitable[Answer]],
        *,
        life: float = _LIFE,
        max_bytes: int = _BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._life = life
        self._clock = clock
        self._kept: LRUCache[K, tuple[float, Answer]] = LRUCache(max_bytes, _size)
        self._flights: dict[K, _Flight] = {}

    def kept(self, key: K) -> bytes | None:
        """Return the body of a cached response that is still valid, or None."""
        entry = self._kept.get(key)
        if not entry or self._clock() >= entry[0] or not all(map(Path.exists, entry[1].files)):
            return None
        return entry[1].body

    async def get(self, key: K) -> bytes:
        """Return the body of a response, which is made if it is not cached.

        Raises
        ------
        Exception
            Whatever ``make`` raised, for all requests that waited.
        """
        body = self.kept(key)
        if body is not None:
            return body
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(self._made(key)))
            flight.task.add_done_callback(partial(self._land, key, flight))
        flight.waiting += 1
        try:
            return (await asyncio.shield(flight.task)).body
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._land(key, flight, flight.task)

    async def _made(self, key: K) -> Answer:
        answer = await self._make(key)
        life = self._life
        if answer.expires_at is not None:
            left = answer.expires_at - _SPARE - datetime.now(UTC)
            life = min(life, left.total_seconds())
        if life > 0 and len(answer.body) <= self._kept.maxsize:
            self._kept[key] = (self._clock() + life, answer)
        return answer

    def _land(self, key: K, flight: _Flight, task: asyncio.Task[Answer]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _size(entry: tuple[float, Answer]) -> int:
    # With the overhead of an entry, so that small ones are bounded too.
    return len(entry[1].body) + 1000
