"""Ask several services in order, the next one when one fails or is slow; the first answer wins."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from astra_xr.errors import AstraError, UpstreamTimeout

T = TypeVar("T")

_SLOTS = 16


class Gate:
    """Lets so many requests at a time into one service, and knows when it last answered."""

    def __init__(self, slots: int = _SLOTS) -> None:
        self.slots = threading.BoundedSemaphore(slots)
        self.answered = -math.inf
        """On the clock of ``time.monotonic``."""

    def pass_through(self, ask: Callable[[], T]) -> T:
        """Ask while holding a slot; wait for it where all are taken."""
        with self.slots:
            try:
                answer = ask()
            except UpstreamTimeout:
                raise
            except AstraError:
                self.answered = time.monotonic()
                raise
            self.answered = time.monotonic()
            return answer


@dataclass(frozen=True, kw_only=True)
class Runner(Generic[T]):
    """One who can be asked."""

    name: str
    title: str
    """Its name in prose, for messages."""

    ask: Callable[[], T]
    gate: Gate = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Finish(Generic[T]):
    """How a race ended."""

    winner: str | None
    """Name of who answered; None: nobody."""

    answer: T | None
    failures: Mapping[str, AstraError]
    """Name → what was wrong with those that were passed over, in the order of their failing."""


def race(
    runners: Sequence[Runner[T]],
    *,
    timeout: float,
    hedge: float,
    passed_over: tuple[type[AstraError], ...],
) -> Finish[T]:
    """Return the first answer.

    Parameters
    ----------
    runners : sequence of Runner
        Whom to ask, the preferred one first. The last that is left is asked in this very thread,
        for as long as it takes: it keeps time itself.
    timeout : float
        Seconds that each has, from when its request goes out, until it is passed over.
    hedge : float
        Seconds of silence after which the next is asked as well.
    passed_over : tuple of exception types
        Those after which the next is asked at once. Every other ends the race and is raised.
    """
    if len(runners) == 1:
        return _ask_one(runners[0], passed_over)
    running: _Race[T] = _Race(timeout, passed_over)
    left = list(runners)
    try:
        while left or running.lanes:
            if left and running.silence() >= hedge:
                running.start(left.pop(0))
            won = running.wait(hedge if left else math.inf)
            if won:
                name, answer = won
                return Finish(winner=name, answer=answer, failures=running.failures)
    finally:
        running.over.set()
    return Finish(winner=None, answer=None, failures=running.failures)


def _ask_one(runner: Runner[T], passed_over: tuple[type[AstraError], ...]) -> Finish[T]:
    try:
        answer = runner.gate.pass_through(runner.ask)
    except passed_over as error:
        return Finish(winner=None, answer=None, failures={runner.name: error})
    return Finish(winner=runner.name, answer=answer, failures={})


@dataclass
class _Lane(Generic[T]):
    runner: Runner[T]
    queued: float
    started: float | None = None

    def quiet_since(self) -> float:
        # Waiting for a slot of a service that does answer others is not its silence.
        return self.started or max(self.queued, self.runner.gate.answered)


@dataclass(frozen=True)
class _Answer(Generic[T]):
    value: T


class _Race(Generic[T]):
    """The state of one race; everything but the asking happens in the caller's thread."""

    def __init__(self, timeout: float, passed_over: tuple[type[AstraError], ...]) -> None:
        self._timeout = timeout
        self._passed_over = passed_over
        self._news: queue.SimpleQueue[tuple[str, float | _Answer[T] | BaseException]]
        self._news = queue.SimpleQueue()
        self.lanes: dict[str, _Lane[T]] = {}
        self.failures: dict[str, AstraError] = {}
        self.over = threading.Event()

    def start(self, runner: Runner[T]) -> None:
        self.lanes[runner.name] = _Lane(runner, time.monotonic())
        # A daemon: nobody waits for a service that hangs, nor does the end of the process.
        name = f"astra-xr asks {runner.name}"
        threading.Thread(target=self._run, args=(runner,), name=name, daemon=True).start()

    def _run(self, runner: Runner[T]) -> None:
        def ask() -> T | None:
            if self.over.is_set():
                return None
            self._news.put((runner.name, time.monotonic()))
            return runner.ask()

        try:
            answer = runner.gate.pass_through(ask)
        except BaseException as error:  # noqa: BLE001 (raised in the caller's thread)
            self._news.put((runner.name, error))
        else:
            if answer is not None:
                self._news.put((runner.name, _Answer(answer)))

    def silence(self) -> float:
        """Return for how many seconds the last who was asked has been silent."""
        newest = next(reversed(self.lanes.values()), None)
        return time.monotonic() - newest.quiet_since() if newest else math.inf

    def wait(self, hedge: float) -> tuple[str, T] | None:
        """Wait for news, or until somebody's time has run out; return an answer."""
        moments = [lane.quiet_since() + self._timeout for lane in self.lanes.values()]
        newest = next(reversed(self.lanes.values()))
        until = min(*moments, newest.quiet_since() + hedge)
        try:
            name, news = self._news.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            self._expire()
            return None
        if isinstance(news, _Answer):
            self.failures.pop(name, None)
            return name, news.value
        if isinstance(news, BaseException):
            self.lanes.pop(name, None)
            if not isinstance(news, self._passed_over):
                raise news
            self.failures[name] = news
        elif name in self.lanes:
            self.lanes[name].started = news
        return None

    def _expire(self) -> None:
        now = time.monotonic()
        for name, lane in list(self.lanes.items()):
            if now - lane.quiet_since() >= self._timeout:
                del self.lanes[name]
                reason = f"it did not answer within {self._timeout:g} s"
                self.failures[name] = UpstreamTimeout(service=lane.runner.title, reason=reason)
