"""Retries: one policy for catalogs, logins and storage."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from astra_xr.errors import AstraError
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)

A = TypeVar("A")
T = TypeVar("T")

_FIRST_WAIT = 0.2
"""Longest wait in seconds after the first failure; doubled each time."""

_LONGEST_WAIT = 8.0

_DOUBTFUL = 5.0
"""Seconds for retries after failures that are likely to last: of a host that never answered."""

_LAST = 1.0
"""Seconds before a time limit without retries: the message of the last failure is more useful than
that of an attempt without time."""

_NOTED = 1.0
"""Seconds; shorter waits are not reported."""

_WARNED = 5.0
"""Seconds; longer waits are warnings in the log."""


class Patience:
    """The time for retries of one request, and how it is spent.

    Parameters
    ----------
    seconds : float
        For failed attempts and the waits after them, together. Waiting for a place in a
        :class:`astra_xr.net.budget.Budget` is not counted.

    Examples
    --------
    >>> patience = Patience(60)
    >>> patience.wait() <= 0.2, 7 <= patience.wait(7) <= 9, patience.wait(90)
    (True, True, None)
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._tries = 0

    @classmethod
    def set(cls, *, doubtful: bool) -> Patience:
        """Return the patience by the settings; less if a failure is likely to last."""
        most = Settings.from_env().patience
        return cls(min(most, _DOUBTFUL) if doubtful else most)

    def spend(self, seconds: float) -> None:
        """Subtract the seconds that a failed attempt took."""
        self.left -= seconds

    def wait(self, retry_after: float | None = None) -> float | None:
        """Return how long to wait before the next attempt, with full jitter; None to give up.

        Parameters
        ----------
        retry_after : float, optional
            Seconds to wait at least, by the host's ``Retry-After``.
        """
        least = retry_after or 0
        if self.left <= 0 or least > self.left:
            return None
        # Jitter, so that the requests of a read are not all retried at once.
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._tries)
        wait = max(random.uniform(0, longest), random.uniform(1, 1.2) * least)  # noqa: S311
        self._tries += 1
        wait = min(wait, self.left)
        self.left -= wait
        return wait


@dataclass(frozen=True, kw_only=True)
class TimeLimit:
    """A time limit for requests that other services may answer as well."""

    until: float
    """On the clock of ``time.monotonic``."""

    over: threading.Event = field(default_factory=threading.Event)
    """Set when the answer is no longer needed."""

    troubled: Callable[[AstraError], None] = lambda error: None
    """Called with the error of a failed request whose retry delays the answer."""


_limit: ContextVar[TimeLimit | None] = ContextVar("limit", default=None)


@contextmanager
def time_limited(limit: TimeLimit | None) -> Iterator[None]:
    """Set a time limit for requests of this thread, within ``with``; None: no limit."""
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


def deadline() -> float:
    """Return when the requests of this thread have to end; infinite without a limit.

    On the clock of ``time.monotonic``.
    """
    limit = _limit.get()
    return limit.until if limit else math.inf


def time_left() -> float:
    """Return the seconds that this thread has for its requests; infinite without a limit."""
    return deadline() - time.monotonic()


def in_threads(function: Callable[[A], T], items: Collection[A], most: int) -> list[T]:
    """Call a function with each item, in threads under the same time limit as this one.

    Parameters
    ----------
    function : callable
    items : collection
    most : int
        Threads.

    Raises
    ------
    Exception
        What the function raised for the first item that failed.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(most, len(items)), "astra-look") as pool:
        work = [pool.submit(copy_context().run, function, item) for item in items]
        try:
            return [each.result() for each in work]
        finally:
            for each in work:
                each.cancel()


@dataclass(frozen=True, kw_only=True)
class Retryable:
    """A failed attempt after which a retry may help."""

    error: AstraError
    """To raise if there is no retry."""

    retry_after: float | None = None
    """Seconds to wait, by the host's ``Retry-After``."""

    doubtful: bool = False
    """True if the failure is likely to last."""

    answered: bool = True
    """False without an answer: the host may not exist."""


_answered: set[str] = set()
"""Hosts that have answered before."""


def with_retries(host: str, attempt: Callable[[], T | Retryable]) -> T:
    """Repeat an attempt, with waits in between, as long as that may help and time is left.

    Parameters
    ----------
    host : str
        For messages.
    attempt : callable
        Sends the request once.

    Raises
    ------
    AstraError
        The error of the last attempt.
    """
    limit = _limit.get()
    patience: Patience | None = None
    tries = 0
    while True:
        began = time.monotonic()
        got = attempt()
        if not isinstance(got, Retryable) or got.answered:
            _answered.add(host)
        if not isinstance(got, Retryable):
            return got
        tries += 1
        doubtful = got.doubtful or host not in _answered
        patience = patience or Patience.set(doubtful=doubtful)
        patience.spend(time.monotonic() - began)
        patience.left = min(patience.left, time_left() - _LAST)
        wait = patience.wait(got.retry_after)
        if wait is None:
            break
        note_wait(host, wait, got.retry_after)
        if limit is None:
            time.sleep(wait)
        else:
            if tries > 1 or wait > _NOTED:
                limit.troubled(got.error)
            if limit.over.wait(wait):
                break
    raise got.error


_waits: dict[str, tuple[float, str]] = {}
"""Host → when the wait for it ends, and its description."""


def note_wait(host: str, seconds: float, retry_after: float | None = None) -> None:
    """Report a wait for a host, in the log and by :func:`waiting`.

    Parameters
    ----------
    host : str
    seconds : float
    retry_after : float, optional
        Seconds of the host's ``Retry-After``, if it sent any.
    """
    if seconds < _NOTED:
        return
    now = time.monotonic()
    before = _waits.get(host, (now, ""))[0]
    if now + seconds <= before:
        return
    why = f"asked to wait {retry_after:.0f} s" if retry_after else "retrying after a failure"
    text = f"waiting for {host}, {why}"
    _waits[host] = now + seconds, text
    if before <= now:
        # Requests that fail together are one wait.
        _log.log(logging.WARNING if seconds >= _WARNED else logging.INFO, "%s", text)


def waiting() -> str:
    """Return which hosts requests wait for now, and why; empty if there are none."""
    now = time.monotonic()
    return "; ".join(text for until, text in tuple(_waits.values()) if until > now)
