"""The order of conversions: a bounded queue in which API keys take turns. For one event loop."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from astra_xr.errors import ConversionsBusy

_FIRST_GUESS = 5.0
"""Assumed seconds of a conversion, before one was measured."""

_LONGEST_WAIT = 300.0
"""Longest ``Retry-After``, in seconds."""


@dataclass(eq=False)
class Turn:
    """A place in the queue, for one conversion of one key."""

    key: str
    job: Hashable
    coming: asyncio.Future[None]

    def come(self) -> None:
        """Let the conversion begin."""
        if not self.coming.done():
            self.coming.set_result(None)


@dataclass(eq=False)
class _Running:
    """A running conversion, and the turns that wait for it; it counts for the first one's key."""

    turns: list[Turn]
    since: float


class Turns:
    """A queue that decides when each conversion begins, once for all requests that wait for it.

    The key with the fewest running conversions is next; among equals, the one whose last turn is
    longest ago. Keys without a running conversion may start one beyond ``at_once``, up to twice as
    many in all.

    Parameters
    ----------
    at_once : int
        Concurrent conversions, besides the first ones of further keys.
    per_key, in_all : int
        Conversions that may wait, for one key and for all.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        *,
        at_once: int,
        per_key: int,
        in_all: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._per_key, self._in_all = at_once, per_key, in_all
        self._clock = clock
        self._waiting: dict[str, dict[Hashable, list[Turn]]] = {}
        """Key → conversions, in order."""
        self._running: dict[Hashable, _Running] = {}
        self._count = itertools.count(1)
        self._last: dict[str, int] = {}
        """Key → number of its last turn."""
        self._taken = _FIRST_GUESS
        """Moving average of the seconds of a conversion."""

    def join(self, key: str, jobs: Iterable[Hashable]) -> list[Turn]:
        """Return a turn for each conversion; end each with :meth:`leave`, even if it never came.

        ``per_key`` does not apply to a key with nothing waiting, as one request may need all bands
        of a scene.

        Raises
        ------
        ConversionsBusy
            Too many are waiting, for this key or in all.
        """
        turns = [Turn(key, job, asyncio.get_running_loop().create_future()) for job in jobs]
        self._check_room(key, {turn.job for turn in turns})
        for turn in turns:
            if turn.job in self._running:
                self._running[turn.job].turns.append(turn)
                turn.come()
            else:
                self._waiting.setdefault(key, {}).setdefault(turn.job, []).append(turn)
        self._let_in()
        return turns

    def leave(self, turn: Turn) -> None:
        """End a turn, whether it came or not; a second call does nothing."""
        running = self._running.get(turn.job)
        own = self._waiting.get(turn.key, {})
        if running and turn in running.turns:
            running.turns.remove(turn)
            if not running.turns:
                del self._running[turn.job]
                self._taken += 0.2 * (self._clock() - running.since - self._taken)
        elif turn in own.get(turn.job, []):
            own[turn.job].remove(turn)
            if not own[turn.job]:
                self._take_out(turn.key, turn.job)
        self._let_in()

    def _check_room(self, key: str, jobs: set[Hashable]) -> None:
        own = self._waiting.get(key, {})
        new = len(jobs - own.keys() - self._running.keys())
        waiting, full = sum(map(len, self._waiting.values())), ""
        if own and len(own) + new > self._per_key:
            waiting, full = len(own), f"{len(own)} conversions of this key are waiting"
        elif waiting and waiting + new > self._in_all:
            full = f"{waiting} conversions are waiting"
        if new and full:
            wait = float(math.ceil(self._taken * waiting / self._at_once))
            wait = min(_LONGEST_WAIT, max(1.0, wait))
            hint = "Finished conversions are kept: repeat the request."
            service = "The resolver service"
            raise ConversionsBusy(service=service, reason=full, retry_after=wait, hint=hint)

    def _let_in(self) -> None:
        while self._waiting:
            running = Counter(each.turns[0].key for each in self._running.values())
            key = min(self._waiting, key=lambda each: (running[each], self._last.get(each, 0)))
            room = self._at_once if running[key] else 2 * self._at_once
            if len(self._running) >= room:
                return
            job = next(iter(self._waiting[key]))
            others = [other for other in self._waiting if other != key]
            turns = [turn for each in (key, *others) for turn in self._take_out(each, job)]
            self._running[job] = _Running(turns, self._clock())
            self._last[key] = next(self._count)
            for turn in turns:
                turn.come()

    def _take_out(self, key: str, job: Hashable) -> list[Turn]:
        turns = self._waiting[key].pop(job, [])
        if not self._waiting[key]:
            del self._waiting[key]
        return turns
