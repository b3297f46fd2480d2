"""Rows and columns, cut into blocks that are worked through one by one."""

from __future__ import annotations

import itertools


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
