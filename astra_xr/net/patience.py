"""How long failures are waited out: one policy for catalogs, logins and storage."""

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
"""Seconds that failures may cost which may well last: of a host that has never answered."""

_LAST = 1.0
"""Seconds before a time limit in which nothing is tried again: the words of the failure that there
is say more than a try that has no time left."""

_NOTED = 1.0
"""Seconds; shorter waits are not reported."""

_WARNED = 5.0
"""Seconds; longer waits are warnings in the log."""


class Patience:
    """The time that failures of one request may cost, and how it is spent.

    Parameters
    ----------
    seconds : float
        What failing tries and the waits after them may take together. Waiting for a place in a
        :class:`astra_xr.net.endurance.Budget` costs nothing.

    Examples
    --------
    >>> patience = Patience(60)
    >>> patience.wait() <= 0.2, 7 <= patience.wait(asked=7) <= 9, patience.wait(asked=90)
    (True, True, None)
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._tries = 0

    @classmethod
    def set(cls, *, doubtful: bool) -> Patience:
        """Return that of the settings.

        Parameters
        ----------
        doubtful : bool
            True if the failure may well last.
        """
        most = Settings.from_env().patience
        return cls(min(most, _DOUBTFUL) if doubtful else most)

    def spend(self, seconds: float) -> None:
        """Count the time that a failing try took."""
        self.left -= seconds

    def wait(self, asked: float | None = None) -> float | None:
        """Return how long to wait before the next try, with full jitter; None to give up.

        Parameters
        ----------
        asked : float, optional
            Seconds that the host asked to wait (``Retry-After``).
        """
        if self.left <= 0 or (asked or 0) > self.left:
            return None
        # Jitter, so that the requests of a read are not all repeated at once.
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._tries)
        wait = max(random.uniform(0, longest), random.uniform(1, 1.2) * (asked or 0))  # noqa: S311
        self._tries += 1
        wait = min(wait, self.left)
        self.left -= wait
        return wait


@dataclass(frozen=True, kw_only=True)
class Hurry:
    """A time limit for requests where others can be asked, too."""

    until: float
    """On the clock of ``time.monotonic``."""

    over: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for an answer any more."""

    troubled: Callable[[AstraError], None] = lambda error: None
    """Takes what requests fail with, when their answer is long in coming because of it."""


_hurry: ContextVar[Hurry | None] = ContextVar("hurry", default=None)


@contextmanager
def hurried(hurry: Hurry | None) -> Iterator[None]:
    """Hold requests of this thread to a time limit, within ``with``; None sets none."""
    token = _hurry.set(hurry)
    try:
        yield
    finally:
        _hurry.reset(token)


def deadline() -> float:
    """Return when the requests of this thread have to end; infinite without a limit.

    On the clock of ``time.monotonic``.
    """
    hurry = _hurry.get()
    return hurry.until if hurry else math.inf


def time_left() -> float:
    """Return the seconds that this thread has for its requests; infinite without a limit."""
    return deadline() - time.monotonic()


def side_by_side(function: Callable[[A], T], items: Collection[A], most: int) -> list[T]:
    """Call a function with each item, in threads that have the time limit of this one.

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
class Again:
    """A try that failed in a way that may pass."""

    error: AstraError
    """To raise in the end."""

    asked: float | None = None
    """Seconds that the host asked to wait."""

    doubtful: bool = False
    """True if the failure may well last."""

    answered: bool = True
    """False if nothing came: the host may not exist."""


_answered: set[str] = set()
"""Hosts that have ever answered."""


def patiently(host: str, ask: Callable[[], T | Again]) -> T:
    """Ask again, with waits between, as long as that may help and there is time.

    Parameters
    ----------
    host : str
        For messages.
    ask : callable
        One try.

    Raises
    ------
    AstraError
        What the last try failed with.
    """
    hurry = _hurry.get()
    patience: Patience | None = None
    tries = 0
    while True:
        began = time.monotonic()
        got = ask()
        if not isinstance(got, Again) or got.answered:
            _answered.add(host)
        if not isinstance(got, Again):
            return got
        tries += 1
        doubtful = got.doubtful or host not in _answered
        patience = patience or Patience.set(doubtful=doubtful)
        patience.spend(time.monotonic() - began)
        patience.left = min(patience.left, time_left() - _LAST)
        wait = patience.wait(got.asked)
        if wait is None:
            break
        note_wait(host, wait, got.asked)
        if hurry is None:
            time.sleep(wait)
        else:
            if tries > 1 or wait > _NOTED:
                hurry.troubled(got.error)
            if hurry.over.wait(wait):
                break
    raise got.error


_waits: dict[str, tuple[float, str]] = {}
"""Host → until when it is waited for, and the words for it."""


def note_wait(host: str, seconds: float, asked: float | None = None) -> None:
    """Report that a host is waited for, in the log and by :func:`waiting`.

    Parameters
    ----------
    host : str
    seconds : float
    asked : float, optional
        What the host asked for, if it did.
    """
    if seconds < _NOTED:
        return
    now = time.monotonic()
    before = _waits.get(host, (now, ""))[0]
    if now + seconds <= before:
        return
    why = f"asked to wait {asked:.0f} s" if asked else "it fails, and is asked again"
    text = f"waiting for {host}, {why}"
    _waits[host] = now + seconds, text
    if before <= now:
        # Requests that fail together make one wait.
        _log.log(logging.WARNING if seconds >= _WARNED else logging.INFO, "%s", text)


def waiting() -> str:
    """Return which hosts are waited for now, and why; empty if none are."""
    now = time.monotonic()
    return "; ".join(text for until, text in tuple(_waits.values()) if until > now)
