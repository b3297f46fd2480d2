"""Hedged requests: to the next service if one fails or is slow; the first answer wins."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from astra_xr.errors import AstraError, UpstreamTimeout
from astra_xr.locks import Lock
from astra_xr.net.retries import TimeLimit, time_limited

T = TypeVar("T")

_SLOTS = 16


class Gate:
    """Limits concurrent requests to a service, and records when it last answered."""

    def __init__(self, slots: int = _SLOTS) -> None:
        self.slots = Lock(partial(threading.BoundedSemaphore, slots))
        self.answered = -math.inf
        """On the clock of ``time.monotonic``."""

    def pass_through(self, ask: Callable[[], T]) -> T:
        """Call ``ask`` while holding a slot; waits for a free slot."""
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
    """A service that can be queried."""

    name: str
    title: str
    """Its name in messages."""

    ask: Callable[[], T]
    gate: Gate = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Finish(Generic[T]):
    """How a race ended."""

    winner: str | None
    """Name of the service that answered; None if none did."""

    answer: T | None
    failures: Mapping[str, AstraError]
    """Name → failure of the services that were passed over, in order of failure."""


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
        Services to query, the preferred one first. A single one is queried in this thread, without
        a timeout: its failures are waited out, since there is no other one.
    timeout : float
        Seconds after its request at which a service is passed over.
    hedge : float
        Seconds without an answer after which the next is queried too; at once where requests fail.
    passed_over : tuple of exception types
        Exceptions after which the next is queried at once. Others end the race and are raised.
    """
    if len(runners) == 1:
        return _ask_one(runners[0], passed_over)
    running: _Race[T] = _Race(timeout, passed_over)
    left = list(runners)
    try:
        while left or running.lanes:
            if left and running.silence() >= hedge:
                running.start(left.pop(0))
            running.wait(hedge if left else math.inf)
            if running.finish:
                return running.finish
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
    troubled: bool = False
    """True if its requests fail and are repeated."""

    def quiet_since(self) -> float:
        # A service that answers other requests is not silent while this one waits for a slot.
        return self.started or max(self.queued, self.runner.gate.answered)


class _Race(Generic[T]):
    """The state of a race. Only requests run in other threads, which put what changes it."""

    def __init__(self, timeout: float, passed_over: tuple[type[AstraError], ...]) -> None:
        self._timeout = timeout
        self._passed_over = passed_over
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.lanes: dict[str, _Lane[T]] = {}
        self.failures: dict[str, AstraError] = {}
        self.over = threading.Event()
        self.finish: Finish[T] | None = None

    def start(self, runner: Runner[T]) -> None:
        self.lanes[runner.name] = _Lane(runner, time.monotonic())
        # A daemon thread: a service that hangs must not delay the end of the process.
        name = f"astra-xr asks {runner.name}"
        threading.Thread(target=self._run, args=(runner,), name=name, daemon=True).start()

    def _run(self, runner: Runner[T]) -> None:
        name, put = runner.name, self._news.put

        def ask() -> T | None:
            if self.over.is_set():
                return None
            now = time.monotonic()
            put(lambda: self._began(name, now))
            limit = TimeLimit(
                until=now + self._timeout,
                over=self.over,
                troubled=lambda error: put(lambda: self._troubled(name, error)),
            )
            with time_limited(limit):
                return runner.ask()

        try:
            answer = runner.gate.pass_through(ask)
        except BaseException as error:  # noqa: BLE001 (raised in the caller's thread)
            put(partial(self._failed, name, error))
        else:
            if answer is not None:
                put(partial(self._won, name, answer))

    def silence(self) -> float:
        """Return the seconds without an answer from the service queried last."""
        newest = next(reversed(self.lanes.values()), None)
        if newest is None or newest.troubled:
            return math.inf
        return time.monotonic() - newest.quiet_since()

    def wait(self, hedge: float) -> None:
        """Wait for a change or a timeout."""
        deadlines = [lane.quiet_since() + self._timeout for lane in self.lanes.values()]
        newest = next(reversed(self.lanes.values()))
        until = min(*deadlines, newest.quiet_since() + hedge)
        try:
            change = self._news.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            change = self._expire
        change()

    def _began(self, name: str, now: float) -> None:
        if name in self.lanes:
            self.lanes[name].started = now

    def _troubled(self, name: str, error: AstraError) -> None:
        if name in self.lanes:
            self.lanes[name].troubled = True
            self.failures[name] = error

    def _failed(self, name: str, error: BaseException) -> None:
        self.lanes.pop(name, None)
        if not isinstance(error, self._passed_over):
            raise error
        self.failures[name] = error

    def _won(self, name: str, answer: T) -> None:
        self.failures.pop(name, None)
        self.finish = Finish(winner=name, answer=answer, failures=self.failures)

    def _expire(self) -> None:
        now = time.monotonic()
        for name, lane in list(self.lanes.items()):
            if now - lane.quiet_since() >= self._timeout:
                del self.lanes[name]
                reason = f"it did not answer within {self._timeout:g} s"
                late = UpstreamTimeout(service=lane.runner.title, reason=reason)
                self.failures.setdefault(name, late)
