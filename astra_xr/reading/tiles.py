"""Which tiles a window needs, and how to join them into requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astra_xr.reading.window import Span, Window, crossing
from astra_xr.tiff.layout import Layout, Level

GAP = 32 * 1024
"""Largest gap in bytes between two tiles of one request: reading it is cheaper than a request."""

LARGEST_RUN = 2 << 20
"""Largest request in bytes: several concurrent requests beat one large one."""


@dataclass(frozen=True)
class Tile:
    """One tile that a window needs."""

    row: int
    """Row in the grid of tiles, from 0."""

    col: int
    plane: int
    """From 0; always 0 if a tile holds all planes."""

    start: int
    """Byte position in the file."""

    stop: int
    """End of its bytes, exclusive; equal to ``start`` if it is not stored."""


@dataclass(frozen=True)
class Run:
    """Tiles that one request fetches."""

    start: int
    stop: int
    tiles: tuple[Tile, ...]


def tiles_of(layout: Layout, planes: Sequence[int], window: Window) -> list[Tile]:
    """List the tiles that cover a window.

    Parameters
    ----------
    planes : sequence of int
        From 0.
    """
    level = layout.levels[window.level]
    height, width = level.tile
    positions: Iterable[tuple[int, int]]
    if window.pointwise:
        tiles = np.asarray(window.rows) // height, np.asarray(window.cols) // width
        positions = [(int(row), int(col)) for row, col in np.unique(np.stack(tiles, 1), axis=0)]
    else:
        across = _touched(window.cols, width)
        positions = [(row, col) for row in _touched(window.rows, height) for col in across]
    found = []
    for plane in planes if layout.planar else (0,):
        base = plane * level.across * level.down
        for row, col in positions:
            number = base + row * level.across + col
            start = int(level.offsets[number])
            found.append(Tile(row, col, plane, start, start + int(level.counts[number])))
    return found


def _touched(span: Span, size: int) -> Iterable[int]:
    """Return the numbers of the tiles that contain rows or columns."""
    if isinstance(span, tuple):
        return range(span[0] // size, -(-span[1] // size))
    return [int(number) for number in np.unique(span // size)]


def overlap(level: Level, tile: Tile, window: Window) -> tuple[Any, Any]:
    """Return the overlap of a tile and a window.

    Returns
    -------
    cut, target : index of the first two axes
        The overlap as a part of the tile, and as a part of the window.
    """
    height, width = level.tile
    top, left = tile.row * height, tile.col * width
    if window.pointwise:
        rows, cols = np.asarray(window.rows), np.asarray(window.cols)
        target = np.flatnonzero((rows // height == tile.row) & (cols // width == tile.col))
        return (rows[target] - top, cols[target] - left), (target,)
    cut_y, target_y = _overlap(window.rows, top, height)
    cut_x, target_x = _overlap(window.cols, left, width)
    return crossing(cut_y, cut_x), crossing(target_y, target_x)


def _overlap(span: Span, first: int, size: int) -> tuple[Any, Any]:
    """Return :func:`overlap` along one axis, for a tile that begins at pixel ``first``."""
    if isinstance(span, tuple):
        low, high = max(first, span[0]), min(first + size, span[1])
        return slice(low - first, high - first), slice(low - span[0], high - span[0])
    target = np.flatnonzero((span >= first) & (span < first + size))
    return span[target] - first, target


def runs_of(tiles: Sequence[Tile]) -> list[Run]:
    """Join tiles that are close to each other in the file into requests."""
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
