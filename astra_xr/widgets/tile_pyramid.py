"""A scene as square tiles at several levels; ``js/geo/pyramid.js`` is the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from astra_xr.widgets.tile_codes import Box, Tile, fitting

SIDE = 256
"""Rows and columns of a tile; fewer at the ends of the scene."""

OVERVIEW = 768
"""Maximum rows and columns of the top level, and of the pixels that limits follow from."""

THUMBNAIL = 64
"""Maximum rows and columns of the level above the top: an image in the strip of time steps."""

Place = tuple[int, int]
"""Row and column of a tile in its level."""


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Levels of a scene: a pixel of level n is 2ⁿ pixels of the scene wide.

    The top level is an overview of the whole scene in pixels of one size; above it is a thumbnail.
    On other levels, last rows and columns that the scene would fill only in part are left out.
    """

    rows: int
    cols: int

    @property
    def top(self) -> int:
        """Return the first level of at most 768 rows and columns."""
        return max(0, math.ceil(math.log2(max(self.rows, self.cols) / OVERVIEW)))

    @property
    def thumbnail(self) -> int:
        """Return the level of one small tile."""
        return self.top + 1

    @property
    def whole(self) -> Box:
        """Return the box of the scene."""
        return 0, 0, self.rows, self.cols

    def shape(self, level: int) -> tuple[int, int]:
        """Return rows and columns of a level."""
        if level == self.thumbnail:
            return fitting(self.whole, THUMBNAIL)
        return max(1, self.rows >> level), max(1, self.cols >> level)

    def pitch(self, level: int) -> tuple[float, float]:
        """Return the height and width of a level's pixels, in pixels of the scene."""
        rows, cols = self.shape(level)
        return (self.rows / rows, self.cols / cols) if level >= self.top else (2**level, 2**level)

    def within(self, level: int, box: Box) -> list[Place]:
        """Return the tiles that intersect a box of the scene, row by row."""
        spans = []
        for n in (0, 1):
            pitch = self.pitch(level)[n] * SIDE
            last = math.ceil(self.shape(level)[n] / SIDE) - 1
            ends = (math.floor(box[n] / pitch), math.ceil(box[n + 2] / pitch) - 1)
            first, end = (min(last, max(0, each)) for each in ends)
            spans.append(range(first, end + 1))
        return [(row, col) for row in spans[0] for col in spans[1]]

    def pixels(self, level: int, first: Place, last: Place) -> Box:
        """Return the box of a level's pixels in a rectangle of tiles, including the last."""
        rows, cols = self.shape(level)
        bottom, right = min(rows, (last[0] + 1) * SIDE), min(cols, (last[1] + 1) * SIDE)
        return first[0] * SIDE, first[1] * SIDE, bottom, right

    def box(self, level: int, pixels: Box) -> tuple[float, float, float, float]:
        """Return the box of the scene that pixels of a level cover."""
        down, across = self.pitch(level)
        top, left, bottom, right = pixels
        ends = min(self.rows, bottom * down), min(self.cols, right * across)
        return top * down, left * across, *ends

    def level_of(self, box: Box) -> int:
        """Return the level from which limits of a box are computed."""
        level = 0
        while level < self.top and max(box[2] - box[0], box[3] - box[1]) > OVERVIEW << level:
            level += 1
        return level


def window_of(tile: Tile, box: Box) -> Box:
    """Return the pixels of a tile whose centers are in a box of the scene."""
    found = []
    for n, at in ((0, box[0]), (1, box[1]), (0, box[2]), (1, box[3])):
        size, low, high = tile.codes.shape[n], tile.box[n], tile.box[n + 2]
        index = math.ceil((at - low) / (high - low) * size - 0.5)
        found.append(min(size, max(0, index)))
    return found[0], found[1], found[2], found[3]


def rectangles(places: list[Place]) -> list[tuple[Place, Place]]:
    """Return rectangles of tiles, by their first and last, that cover the places exactly.

    Examples
    --------
    >>> rectangles([(0, 0), (0, 1), (1, 0), (1, 1), (3, 2)])
    [((0, 0), (1, 1)), ((3, 2), (3, 2))]
    """
    left = set(places)
    found = []
    while left:
        row, col = min(left)
        right = col
        while (row, right + 1) in left:
            right += 1
        bottom = row
        while all((bottom + 1, each) in left for each in range(col, right + 1)):
            bottom += 1
        found.append(((row, col), (bottom, right)))
        left -= {(r, c) for r in range(row, bottom + 1) for c in range(col, right + 1)}
    return found


def joined(tiles: Mapping[Place, Tile], box: Box) -> Tile:
    """Return the pixels in a box, from tiles of one level, as one tile."""
    lines: dict[int, list[npt.NDArray[np.uint16]]] = {}
    for (row, _), tile in sorted(tiles.items(), key=lambda each: each[0]):
        top, left, bottom, right = window_of(tile, box)
        lines.setdefault(row, []).append(tile.codes[top:bottom, left:right])
    first = next(iter(tiles.values()))
    codes = np.vstack([np.hstack(line) for line in lines.values()])
    return Tile(key=first.key, box=box, codes=codes, low=first.low, step=first.step)
