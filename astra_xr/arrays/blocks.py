"""Blocks of rows and columns, and how many are read at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

B = TypeVar("B")
T = TypeVar("T")

_ROOM = 128 << 20
"""Maximum bytes of the blocks that are being read or wait to be computed."""


def blocks(size: tuple[int, int], block: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Cut an array of ``size`` (rows, columns) into blocks of at most ``block``, row by row.

    Examples
    --------
    >>> blocks((3, 4), (2, 4))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(0, 4, None))]
    """
    edges = ([*range(0, n, side), n] for n, side in zip(size, block, strict=True))
    down, across = ([slice(*pair) for pair in itertools.pairwise(e)] for e in edges)
    return list(itertools.product(down, across))


def at_once(size: int, least: int) -> int:
    """Return how many parts of ``size`` bytes are read concurrently, at least ``least``."""
    return max(least, _ROOM // max(1, size))


def as_completed(
    parts: Iterable[B], start: Callable[[B], Future[T]], count: int
) -> Iterator[tuple[B, T]]:
    """Yield parts and their results as they come, of at most ``count`` started parts.

    So a failure is raised at once, whatever part it is of.
    """
    left, started = iter(parts), dict[Future[T], B]()
    while True:
        started.update((start(part), part) for part in itertools.islice(left, count - len(started)))
        if not started:
            return
        for future in wait(started, return_when=FIRST_COMPLETED).done:
            yield started.pop(future), future.result()
