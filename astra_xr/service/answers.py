"""Answers, each made once for all who ask the same at a time, and kept for a little while."""

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
"""Seconds for which an answer is given again: of the hour that its URLs are good for, as much
may be gone when a client gets them."""

_SPARE = timedelta(minutes=2)
"""Time that URLs have to have left, whose storage reports an earlier end."""

_BYTES = 32 << 20

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The body of an answer."""

    body: bytes

    expires_at: datetime | None = None
    """When the first of its URLs stops working, in UTC; None: none does."""

    files: tuple[Path, ...] = ()
    """Files of this machine that its URLs lead to."""


@dataclass
class _Flight:
    """An answer in the making, and how many wait for it."""

    task: asyncio.Task[Answer]
    waiting: int = 0


class Answers(Generic[K]):
    """Answers by what was asked; failures are not kept. For one event loop.

    Parameters
    ----------
    make : callable
        Takes a key, and makes the answer. It is cancelled when nobody waits any more.
    life : float
        Seconds that an answer is kept.
    max_bytes : int
        Of all that are kept; the least recently used goes first.
    clock : callable
        Gives seconds.
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
        """Return an answer that is there, and still good: its files are there too."""
        entry = self._kept.get(key)
        if not entry or self._clock() >= entry[0] or not all(map(Path.exists, entry[1].files)):
            return None
        return entry[1].body

    async def get(self, key: K) -> bytes:
        """Return an answer, made where it is not there.

        Raises
        ------
        Exception
            What making it raised, for everybody who waited.
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
    # What an entry takes beside its body, so that empty ones are bounded too.
    return len(entry[1].body) + 1000
