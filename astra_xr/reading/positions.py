"""Positions of the pixels of one grid in another, the same in whichever window they are read."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from numpy.lib.stride_tricks import sliding_window_view

from astra_xr.geometry import in_degrees, transformer, turned
from astra_xr.model import Grid

CLOSE = 1e-6
"""Tolerance in pixels: transforms are published as rounded decimals."""

NEAR = 0.005
"""Greatest error of an interpolated position, in source pixels; it is measured halfway between
control points, where it is greatest."""

_SIDES = (64, 8, 1)
"""Pixels between control points; cells whose error exceeds :data:`NEAR` use closer ones."""

_FAR = -1e9
"""Row and column of a pixel that has no position in the source."""

_SITES = 9
"""Rows and columns of points at which the scale is measured."""

_WIDEST = 8
"""How much larger than usual a pixel's footprint may be: at a pole it would be the whole width of
a file in degrees."""

Range = tuple[int, int]
"""Rows or columns, half-open."""

Array = npt.NDArray[np.floating[Any]]

Sides = tuple[int, ...] | list[int]

Extent = tuple[float, float]
"""The least and the greatest row, or column."""

Position = tuple[Array, Array]
"""Rows and columns in the source, from the outer corner of its first pixel, with shapes that
broadcast to rows and columns of the target."""


class Positions:
    """Positions of the pixels of a target grid in a source grid.

    Between CRSs, positions are interpolated between control points at fixed multiples of the
    target grid's pixels. So a pixel has the same position in every window, to the last bit.

    Parameters
    ----------
    source, target : Grid
    """

    def __init__(self, source: Grid, target: Grid) -> None:
        self._grids = source, target
        self._to_source, self._to_crs = ~Affine(*source.transform), Affine(*target.transform)
        edges = [*source.bounds[::2], *target.bounds[::2]]
        beyond = max(map(abs, edges)) > 180 + CLOSE
        self._turn = beyond and in_degrees(source.crs)
        self.other_crs = source.crs != target.crs or self._turn
        """True: positions are not affine, even if it is of the longitudes alone."""

        self.step = self._to_source @ self._to_crs
        """From columns and rows of the target to those of the source, in one CRS."""

        self.aligned = not self.other_crs and abs(self.step.b) + abs(self.step.d) < CLOSE
        """True: rows of the target are parallel to rows of the source."""

    @property
    def scale(self) -> tuple[float, float]:
        """Return the source rows and columns from one target pixel to the next.

        They are medians over the grid, in the direction in which pixels are closest together.
        """
        return self._measured[0]

    @functools.cached_property
    def _measured(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the scale, and how many source rows and columns a target pixel spans."""
        source, target = self._grids
        if self.other_crs:
            rows, cols = (np.linspace(0, n, 2 * _SITES + 1)[1::2] for n in source.shape)
            sites = Positions(target, source).exact(rows[:, None], cols)
        else:
            sites = np.zeros((1, 1)), np.zeros((1, 1))
        row, col = (
            np.clip(np.nan_to_num(v, posinf=0, neginf=0), 0, n - 1)
            for v, n in zip(sites, target.shape, strict=True)
        )
        here, right, below = (self.exact(row + r, col + c) for r, c in ((0, 0), (0, 1), (1, 0)))
        with np.errstate(all="ignore"):
            (a, b), (c, d) = ((right[n] - here[n], below[n] - here[n]) for n in (0, 1))
            down, across = np.hypot(a, b), np.hypot(c, d)
            area = np.abs(a * d - b * c)
            found = [area / across, area / down, down, across]
        known = (each[np.isfinite(each)] for each in found)
        steps = [float(np.median(each)) if each.size else 0.0 for each in known]
        return (steps[0], steps[1]), (steps[2], steps[3])

    def exact(self, rows: Array, cols: Array) -> Position:
        """Return exact positions of points of the target; not finite if they have none."""
        if not self.other_crs:
            x, y = _apply(self.step, cols, rows)
            return y, x
        source, target = self._grids
        x, y = np.broadcast_arrays(*_apply(self._to_crs, cols, rows))
        x, y = transformer(target.crs, source.crs).transform(x, y)
        if self._turn:
            x = turned(x, sum(source.bounds[::2]) / 2)
        with np.errstate(invalid="ignore"):  # infinity times 0
            x, y = _apply(self._to_source, x, y)
        return y, x

    def at(self, rows: Range, cols: Range, shift: float = 0.5) -> Position:
        """Return the positions of a window's pixels: of centers, or with 0 of first corners."""
        down, across = np.arange(*rows), np.arange(*cols)
        if self.other_crs:
            return self._between(down, across, shift, _SIDES)
        if self.aligned:
            y, x = (down + shift) * self.step.e + self.step.f, (across + shift) * self.step.a
            return y[:, None], (x + self.step.c)[None]
        return self.exact(down[:, None] + shift, across[None] + shift)

    def reach(self, rows: Range, cols: Range) -> Position:
        """Return half the source rows and columns that each pixel of a window covers."""
        usual = self._measured[1]
        if not self.other_crs:
            down, across = (np.full((1, 1), n / 2) for n in usual)
            return down, across
        widest = [_WIDEST * max(1.0, n) / 2 for n in usual]
        corners = self.at((rows[0], rows[1] + 1), (cols[0], cols[1] + 1), 0)
        down, across = (
            np.minimum(_length(v[:-1, 1:] - v[:-1, :-1], v[1:, :-1] - v[:-1, :-1]) / 2, most)
            for v, most in zip(corners, widest, strict=True)
        )
        return down, across

    def bounds(self, rows: Range, cols: Range, shift: float = 0.5) -> tuple[Extent, Extent] | None:
        """Return the extents of rows and columns that :meth:`at` returns for a window.

        None if no pixel has a position.
        """
        if rows[0] == rows[1] or cols[0] == cols[1]:
            return None
        if self.other_crs:
            parts = list(self._ends(rows, cols, shift, _SIDES))
        else:
            down, across = (np.array([first, last - 1]) + shift for first, last in (rows, cols))
            parts = [self.exact(down[:, None], across[None])]
        ends = []
        for axis in (0, 1):
            known = [part[axis][part[axis] > _FAR] for part in parts]
            known = [each for each in known if each.size]
            if not known:
                return None
            low, high = min(each.min() for each in known), max(each.max() for each in known)
            ends.append((float(low), float(high)))
        return ends[0], ends[1]

    def _between(
        self, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], shift: float, sides: Sides
    ) -> Position:
        """Return the positions of pixels, from control points that are close enough."""
        side, *closer = sides
        if not closer:
            found = self.exact(rows[:, None] + shift, cols[None] + shift)
            known = np.isfinite(found[0]) & np.isfinite(found[1])
            down, across = (np.where(known, v, _FAR) for v in found)
            return down, across
        down, across, coarse = self._interpolated(rows, cols, shift, side)
        if coarse.all():
            return self._between(rows, cols, shift, closer)
        for in_rows, in_cols in _cells(rows, cols, side, coarse):
            part = in_rows, in_cols
            down[part], across[part] = self._between(rows[in_rows], cols[in_cols], shift, closer)
        return down, across

    def _ends(self, rows: Range, cols: Range, shift: float, sides: Sides) -> Iterator[Position]:
        """Yield positions of pixels, in parts: of a cell only its corners, its extremes."""
        side, *closer = sides
        down, across = (_ends_of_cells(each, side) for each in (rows, cols))
        if not closer:
            yield self._between(down, across, shift, sides)
            return
        *found, coarse = self._interpolated(down, across, shift, side)
        for in_rows, in_cols in _cells(down, across, side, coarse):
            for v in found:
                v[in_rows, in_cols] = _FAR
            part = down[in_rows], across[in_cols]
            (top, bottom), (left, right) = ((int(v[0]), int(v[-1]) + 1) for v in part)
            yield from self._ends((top, bottom), (left, right), shift, closer)
        yield found[0], found[1]

    def _interpolated(
        self, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], shift: float, side: int
    ) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        """Return interpolated positions, and which cells need closer control points."""
        top, left = int(rows[0]) // side, int(cols[0]) // side
        down, across = (
            np.arange(2 * first, 2 * (int(v[-1]) // side + 1) + 1) * (side / 2)
            for v, first in ((rows, top), (cols, left))
        )
        row, col = rows // side - top, cols // side - left
        y, x = (rows % side + shift) / side, (cols % side + shift) / side
        found, error = [], np.zeros((len(down), len(across)))
        for exact in self.exact(down[:, None], across[None]):
            points = exact[::2, ::2]
            halfway = np.empty_like(exact)
            halfway[::2, ::2] = points
            halfway[1::2, ::2] = (points[1:] + points[:-1]) / 2
            halfway[:, 1::2] = (halfway[:, 2::2] + halfway[:, :-2:2]) / 2
            error = np.maximum(error, np.abs(halfway - exact))
            lines = points[:, col] + (points[:, col + 1] - points[:, col]) * x
            values = np.diff(lines, axis=0)[row]
            values *= y[:, None]
            values += lines[row]
            found.append(values)
        most = sliding_window_view(error, (3, 3))[::2, ::2].max(axis=(2, 3))
        return found[0], found[1], ~(most < NEAR)


def _cells(
    rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], side: int, which: npt.NDArray[np.bool_]
) -> Iterator[tuple[slice, slice]]:
    """Yield the slices of rows and columns that are in each cell."""
    top, left = int(rows[0]) // side, int(cols[0]) // side
    for row, col in np.argwhere(which):
        starts = (top + row) * side, (left + col) * side
        down, across = (
            slice(*np.searchsorted(v, (start, start + side)))
            for v, start in zip((rows, cols), starts, strict=True)
        )
        yield down, across


def _ends_of_cells(span: Range, side: int) -> npt.NDArray[np.intp]:
    """Return the first and the last pixel of a range in each cell."""
    pixels = np.arange(*span)
    kept = (pixels % side == 0) | (pixels % side == side - 1)
    kept[[0, -1]] = True
    ends: npt.NDArray[np.intp] = pixels[kept]
    return ends


def _length(x: Array, y: Array) -> Array:
    """Return np.hypot in a quarter of the time; overflows where np.hypot does not."""
    x *= x
    y *= y
    x += y
    return np.sqrt(x, out=x)


def _apply(affine: Affine, x: Any, y: Any) -> tuple[Any, Any]:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


@functools.lru_cache(maxsize=256)
def positions(source: Grid, target: Grid) -> Positions:
    """Return the positions of a target grid's pixels in a source grid."""
    return Positions(source, target)
