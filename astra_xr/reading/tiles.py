"""Which tiles a window needs, and in which requests to ask for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.reading.window import Span, Window
from astra_xr.tiff.layout import Layout, Level

GAP = 32 * 1024
"""Bytes between two tiles that are rather read along than cost a request."""

LARGEST_RUN = 2 << 20
"""Bytes of one request: several under way beat one large one."""


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


def tiles_of(layout: Layout, planes: Sequence[int], window: Window) -> list[Tile]:
    """List the tiles that hold a window.

    Parameters
    ----------
    planes : sequence of int
        From 0.
    """
    level = layout.levels[window.level]
    height, width = level.tile
    places: Iterable[tuple[int, int]]
    if window.pointwise:
        tiles = np.asarray(window.rows) // height, np.asarray(window.cols) // width
        places = [(int(row), int(col)) for row, col in np.unique(np.stack(tiles, 1), axis=0)]
    else:
        across = _touched(window.cols, width)
        places = [(row, col) for row in _touched(window.rows, height) for col in across]
    found = []
    for plane in planes if layout.planar else (0,):
        base = plane * level.across * level.down
        for row, col in places:
            number = base + row * level.across + col
            start = int(level.offsets[number])
            found.append(Tile(row, col, plane, start, start + int(level.counts[number])))
    return found


def _touched(span: Span, size: int) -> Iterable[int]:
    """Return the numbers of the tiles of a size that rows or columns lie in."""
    if isinstance(span, tuple):
        return range(span[0] // size, -(-span[1] // size))
    return [int(number) for number in np.unique(span // size)]


def overlap(level: Level, tile: Tile, window: Window) -> tuple[Any, Any]:
    """Return what a window has of a tile.

    Returns
    -------
    cut, place : index of the first two axes
        Its part of the tile, and where that goes in the window.
    """
    height, width = level.tile
    top, left = tile.row * height, tile.col * width
    if window.pointwise:
        rows, cols = np.asarray(window.rows), np.asarray(window.cols)
        place = np.flatnonzero((rows // height == tile.row) & (cols // width == tile.col))
        return (rows[place] - top, cols[place] - left), (place,)
    cut_y, place_y = _overlap(window.rows, top, height)
    cut_x, place_x = _overlap(window.cols, left, width)
    if isinstance(cut_y, slice) and isinstance(cut_x, slice):
        return (cut_y, cut_x), (place_y, place_x)
    return np.ix_(*map(_numbers, (cut_y, cut_x))), np.ix_(*map(_numbers, (place_y, place_x)))


def _numbers(span: slice | npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.arange(span.start, span.stop) if isinstance(span, slice) else span


def _overlap(span: Span, first: int, size: int) -> tuple[Any, Any]:
    """Return :func:`overlap` along one axis, for the tile that begins at a pixel."""
    if isinstance(span, tuple):
        low, high = max(first, span[0]), min(first + size, span[1])
        return slice(low - first, high - first), slice(low - span[0], high - span[0])
    place = np.flatnonzero((span >= first) & (span < first + size))
    return span[place] - first, place


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
