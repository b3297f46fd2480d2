"""Which tiles a window needs, and in which requests to ask for them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astra_xr.reading.header import Layout, Level

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


def tiles_of(
    layout: Layout,
    level: Level,
    planes: Sequence[int],
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> list[Tile]:
    """List the tiles that cover a window.

    Parameters
    ----------
    planes : sequence of int
        From 0.
    rows, cols : (int, int)
        Half-open ranges of pixels, from 0.
    """
    height, width = level.tile
    found = []
    for plane in planes if layout.planar else (0,):
        base = plane * level.across * level.down
        for row in range(rows[0] // height, -(-rows[1] // height)):
            for col in range(cols[0] // width, -(-cols[1] // width)):
                number = base + row * level.across + col
                start = int(level.offsets[number])
                found.append(Tile(row, col, plane, start, start + int(level.counts[number])))
    return found


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
