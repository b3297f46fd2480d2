"""Locks that are open in a forked child."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol


class _Renewed(Protocol):
    def renew(self) -> None:
        """Start again in a forked child."""
        ...


_all: weakref.WeakSet[_Renewed] = weakref.WeakSet()


def renew_in_child(each: _Renewed) -> None:
    """Call ``each.renew()`` in a forked child of this process, as long as ``each`` exists.

    A child has none of its parent's other threads, so what they hold would never be released.
    """
    _all.add(each)


class Lock:
    """A lock for ``with``, which is open in a forked child.

    Parameters
    ----------
    make : callable, optional
        Returns the lock or semaphore to use, e.g. ``threading.RLock``.
    """

    def __init__(self, make: Callable[[], Any] = threading.Lock) -> None:
        self._make = make
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Open it, even if another thread holds it."""
        self._inner = self._make()

    def __enter__(self) -> None:
        self._inner.acquire()

    def __exit__(self, *exception: object) -> None:
        self._inner.release()


def _after_fork() -> None:
    for each in tuple(_all):
        each.renew()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
