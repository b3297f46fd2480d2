"""Which tiles a window needs, and in which requests to ask for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.reading.header import Layout, Level

GAP = 32 * 1024
"""Bytes between two tiles that are rather read along than cost a request."""

LARGEST_RUN = 2 << 20
"""Bytes of one request: several under way beat one large one."""


Span = tuple[int, int] | npt.NDArray[np.integer[Any]]
"""Rows or columns, from 0: a half-open range, or one by one, in any order."""


@dataclass(frozen=True)
class Tile:
    """One tile that a window needs."""

    row: int
    """Of the grid of tiles, from 0."""

    col: int
    plane: int
    """From 0; always 0 where a tile holds all planes."""

    start: int
    """Byte position in the file."""

    stop: int
    """Behind its last byte; equal to ``start`` where it is not stored."""


@dataclass(frozen=True)
class Run:
    """Tiles that come with one request."""

    start: int
    stop: int
    tiles: tuple[Tile, ...]


def tiles_of(
    layout: Layout,
    level: Level,
    planes: Sequence[int],
    rows: Span,
    cols: Span,
    *,
    pointwise: bool = False,
) -> list[Tile]:
    """List the tiles that hold some pixels.

    Parameters
    ----------
    planes : sequence of int
        From 0.
    rows, cols : (int, int) or ndarray of int
        Half-open ranges of pixels, or the pixels themselves, from 0.
    pointwise : bool
        True: ``rows`` and ``cols`` are arrays that name points in pairs; False: every row at
        every column.
    """
    height, width = level.tile
    places: Iterable[tuple[int, int]]
    if pointwise:
        pairs = np.stack([np.asarray(rows) // height, np.asarray(cols) // width], axis=1)
        places = [(int(row), int(col)) for row, col in np.unique(pairs, axis=0)]
    else:
        across = _touched(cols, width)
        places = [(row, col) for row in _touched(rows, height) for col in across]
    found = []
    for plane in planes if layout.planar else (0,):
        base = plane * level.across * level.down
        for row, col in places:
            number = base + row * level.across + col
            start = int(level.offsets[number])
            found.append(Tile(row, col, plane, start, start + int(level.counts[number])))
    return found


def bounds_of(span: Span) -> tuple[tuple[int, int], slice | npt.NDArray[np.integer[Any]]]:
    """Return the range that holds rows or columns, and what to take of that range."""
    if isinstance(span, tuple):
        return span, slice(None)
    if not span.size:
        return (0, 0), span
    low = int(span.min())
    return (low, int(span.max()) + 1), span - low


def _touched(span: Span, size: int) -> Iterable[int]:
    """Give the numbers of the tiles of a size that rows or columns lie in."""
    if isinstance(span, tuple):
        return range(span[0] // size, -(-span[1] // size))
    return [int(number) for number in np.unique(span // size)]


def runs_of(tiles: Sequence[Tile]) -> list[Run]:
    """Join tiles that lie near each other in the file into requests."""
    stored = sorted((t for t in tiles if t.stop > t.start), key=lambda t: t.start)
    groups: list[list[Tile]] = []
    for tile in stored:
        if (
            groups
            and tile.start - groups[-1][-1].stop <= GAP
            and tile.stop - groups[-1][0].start <= LARGEST_RUN
        ):
            groups[-1].append(tile)
        else:
            groups.append([tile])
    return [Run(g[0].start, max(t.stop for t in g), tuple(g)) for g in groups]
