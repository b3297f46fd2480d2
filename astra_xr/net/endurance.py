"""How much is asked of a host at once: less where it refuses, fails or is slow."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_REQUESTS = 64
"""Requests to one host at once, and so its connections."""

_MOST_BYTES = 32 << 20
"""Bytes of one host that are on their way, or wait to be decoded."""

_FEWEST = 4
"""Requests at once that a host which refuses some is asked at least."""

_SLOW = 5.0
"""Seconds after which an answer counts as slow."""


def asked_wait(headers: Mapping[str, str], text: str = "") -> float | None:
    """Return the seconds that an answer asks to wait, in ``Retry-After`` or in its text.

    Examples
    --------
    >>> asked_wait({"Retry-After": "7"}), asked_wait({}, "Try again in 23 seconds"), asked_wait({})
    (7.0, 23.0, None)
    """
    header = headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdigit():
        return float(header)
    if header:
        date = http_date(header)
        return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date else None
    match = re.search(r"[Tt]ry again in (\d+) seconds", text)
    return float(match[1]) if match else None


def http_date(header: str) -> datetime | None:
    """Return the time in an HTTP header, or None."""
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


class Budget:
    """What may be asked of one host at once, by all reads of the process.

    It is halved when the host refuses or slows down, and grows again with each answer. Lives on
    an event loop; whoever waits is served in order.

    Parameters
    ----------
    host : str
        For messages.
    most : int
        How many requests there may be at once at best.
    """

    def __init__(self, host: str, most: int = MOST_REQUESTS) -> None:
        self.host = host
        self.requests = 0
        """Requests under way."""
        self._most = most
        self._limit = float(MOST_REQUESTS)
        self._held = 0
        self._most_held = _MOST_BYTES
        self._halved_at = 0.0
        self._paused_until = 0.0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def busy(self) -> bool:
        """Return True if there are requests under way, or waiting."""
        return bool(self.requests or self._waiting)

    @property
    def reduced(self) -> bool:
        """Return True if the host has refused or stalled, and is asked less."""
        return self._limit < MOST_REQUESTS

    async def enter(self, size: int) -> None:
        """Wait until a request for some bytes may be sent.

        Call :meth:`leave` at its end, and :meth:`release` when its bytes are used up.
        """
        if not self._waiting and self._fits(size):
            self._admit(size)
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((place, size))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
                self.release(size)
            raise

    def leave(self) -> None:
        """End a request."""
        self.requests -= 1
        self._serve()

    def release(self, size: int) -> None:
        """Give back bytes that are used up."""
        self._held -= size
        self._serve()

    def worked(self, began: float, size: int) -> None:
        """Note an answer to a request that began at a time of ``time.monotonic``."""
        if time.monotonic() - began > _SLOW:
            if began > self._halved_at:
                self._halved_at = time.monotonic()
                self._most_held = max(size, self._most_held // 2)
            return
        self._limit = min(MOST_REQUESTS, self._limit + 1 / self._limit)
        self._most_held = min(_MOST_BYTES, self._most_held + size)

    def refused(self, began: float, asked: float | None) -> None:
        """Note that the host refused a request, and asked to wait some seconds."""
        self._halve(began, _FEWEST)
        until = time.monotonic() + (asked or 0)
        if asked and until > self._paused_until:
            self._paused_until = until
            asyncio.get_running_loop().call_later(asked, self._serve)

    def stalled(self, began: float) -> None:
        """Note that a request got no answer, or a part of one."""
        self._halve(began, 1)

    def _halve(self, began: float, least: int) -> None:
        # What was sent before the last time shows nothing new.
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

    def _serve(self) -> None:
        while self._waiting:
            place, size = self._waiting[0]
            if not place.done():
                if not self._fits(size):
                    return
                self._admit(size)
                place.set_result(None)
            self._waiting.popleft()
