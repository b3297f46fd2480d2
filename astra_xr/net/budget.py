"""How much is requested from a host at once: less if it refuses, fails or is slow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_REQUESTS = 64
"""Requests to one host at once, and so connections to it."""

_MOST_BYTES = 32 << 20
"""Maximum bytes from one host that are in flight or wait to be decoded."""

_FEWEST = 4
"""Requests at once, at least, to a host that refuses some."""

_SLOW = 5.0
"""Seconds after which an answer counts as slow."""


class Line(Generic[T]):
    """Coroutines of one event loop that wait in line until there is room for them.

    Parameters
    ----------
    fits : callable
        Takes what a coroutine needs, and returns True if there is room for it.
    admit : callable
        Takes the same, and occupies the room.
    leave : callable
        Takes the same, and frees the room of a coroutine that was canceled when admitted.
    """

    def __init__(
        self, fits: Callable[[T], bool], admit: Callable[[T], None], leave: Callable[[T], None]
    ) -> None:
        self._fits, self._admit, self._leave = fits, admit, leave
        self._waiting: deque[tuple[asyncio.Future[None], T]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def enter(self, need: T) -> None:
        """Wait until there is room, and occupy it."""
        if not self._waiting and self._fits(need):
            self._admit(need)
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((place, need))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave(need)
            raise

    def serve(self) -> None:
        """Admit those in front, as many as there is room for."""
        while self._waiting:
            place, need = self._waiting[0]
            if not place.done():
                if not self._fits(need):
                    return
                self._admit(need)
                place.set_result(None)
            self._waiting.popleft()


class Budget:
    """Limits on the requests and bytes that all reads of the process have in flight at one host.

    They are halved when the host refuses or slows down, and grow again with each answer. Lives on
    an event loop; requests are admitted in order.

    Parameters
    ----------
    host : str
        For messages.
    most : int
        Requests at once, at most.
    """

    def __init__(self, host: str, most: int = MOST_REQUESTS) -> None:
        self.host = host
        self.requests = 0
        """Requests in flight."""
        self._most = most
        self._limit = float(MOST_REQUESTS)
        self._held = 0
        self._most_held = _MOST_BYTES
        self._halved_at = 0.0
        self._paused_until = 0.0
        self._line = Line(self._fits, self._admit, self._cancel)

    @property
    def busy(self) -> bool:
        """Return True if there are requests in flight, or waiting."""
        return bool(self.requests or self._line)

    @property
    def reduced(self) -> bool:
        """Return True if fewer requests are sent because the host refused or stalled."""
        return self._limit < MOST_REQUESTS

    async def enter(self, size: int) -> None:
        """Wait until a request for some bytes may be sent.

        Call :meth:`leave` at its end, and :meth:`release` when its bytes are used up.
        """
        await self._line.enter(size)

    def leave(self) -> None:
        """End a request."""
        self.requests -= 1
        self._line.serve()

    def release(self, size: int) -> None:
        """Free bytes that are used up."""
        self._held -= size
        self._line.serve()

    def worked(self, began: float, size: int) -> None:
        """Record an answer to a request that began at a time of ``time.monotonic``."""
        if time.monotonic() - began > _SLOW:
            if began > self._halved_at:
                self._halved_at = time.monotonic()
                self._most_held = max(size, self._most_held // 2)
            return
        self._limit = min(MOST_REQUESTS, self._limit + 1 / self._limit)
        self._most_held = min(_MOST_BYTES, self._most_held + size)

    def refused(self, began: float, retry_after: float | None) -> None:
        """Record that the host refused a request, and for how many seconds to wait."""
        self._halve(began, _FEWEST)
        until = time.monotonic() + (retry_after or 0)
        if retry_after and until > self._paused_until:
            self._paused_until = until
            asyncio.get_running_loop().call_later(retry_after, self._line.serve)

    def stalled(self, began: float) -> None:
        """Record that a request got no answer, or part of one."""
        self._halve(began, 1)

    def _halve(self, began: float, least: int) -> None:
        # Requests sent before the last halving show nothing new.
        if began > self._halved_at:
            self._halved_at = time.monotonic()
            self._limit = max(least, min(self._limit, max(self.requests, 1)) / 2)
            self._most_held = max(1, self._most_held // 2)

    def _fits(self, size: int) -> bool:
        if time.monotonic() < self._paused_until:
            return False
        # One request is always allowed, however large; held bytes alone may block all others.
        if self._held and self._held + size > self._most_held:
            return False
        return self.requests < max(1, min(int(self._limit), self._most))

    def _admit(self, size: int) -> None:
        self.requests += 1
        self._held += size

    def _cancel(self, size: int) -> None:
        self.leave()
        self.release(size)
