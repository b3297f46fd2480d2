"""Where a file lies, held against what its item says."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError, ProjError

from astra_xr.errors import ReadError
from astra_xr.geometry import map_crs
from astra_xr.model import Grid
from astra_xr.reading.positions import transformer
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.window import Window
from astra_xr.warned import first_time

_APART = 0.05
"""Part of a pixel by which grids may differ and still be the same place."""


class Elsewhere(ReadError):
    """A file does not lie where its item says, but can be read from where it does."""

    def __init__(self, own: Grid, said: Grid, file: RangeFile, label: str) -> None:
        """Take the file's own grid, and the one that its item gives."""
        self.own, self.said, self.label = own, said, label
        error = file.error(_places(own, said), "Open the scene again: the file may have changed.")
        super().__init__(source=label, href=error.href, reason=error.reason)

    def warn(self) -> None:
        """Warn, once a file, that its pixels are read from where it has them."""
        warn_of_place(
            self.own,
            self.said,
            self.label,
            "Pixels are read from where the file has them; an item without proj:transform and "
            "proj:shape opens on the file's own grid",
        )


def warn_of_place(own: Grid, said: Grid, label: str, consequence: str) -> None:
    """Warn, once a file, that it lies elsewhere than its item says."""
    if first_time(f"place of {label}"):
        warnings.warn(f"{label}: {_places(own, said)}. {consequence}.", stacklevel=3)


def check_place(
    file: RangeFile,
    window: Window,
    shape: tuple[int, int],
    transform: tuple[float, ...] | None,
    crs: str | None,
) -> None:
    """Hold shape, transform and CRS of a file against those that its window has from the item.

    Parameters
    ----------
    shape, transform, crs : (int, int), tuple of float or None, str or None
        The file's own; None: it does not say.

    Raises
    ------
    Elsewhere
        It lies elsewhere.
    ReadError
        It has another shape, and does not say where it lies.
    """
    said = window.grid
    own = said and _grid_of(shape, transform, crs or said.crs)
    if said is None or own is None:
        if shape == tuple(window.shape):
            return
        raise file.error(
            f"the file has {shape} pixels, while its item says {tuple(window.shape)}, and the "
            "file does not say where they lie",
            "The item does not describe this file; try another catalog.",
        )
    elsewhere = differing(own, said)
    if elsewhere:
        raise Elsewhere(elsewhere, said, file, window.label)


def differing(own: Grid, said: Grid) -> Grid | None:
    """Return a file's grid, by the item's CRS if that means the same; None if it is the item's."""
    if own == said:
        return None
    own = _in_terms_of(own, said)
    alike = own.shape == said.shape and own.crs == said.crs
    return None if alike and _pixels_apart(own, said) <= _APART else own


def is_shift(target: Grid, source: Grid) -> bool:
    """Return True where the pixels of two grids coincide, as far as both reach."""
    if target.crs != source.crs:
        return False
    step = ~Affine(*source.transform) @ Affine(*target.transform)
    corner = round(step.c), round(step.f)
    shifted = Affine.translation(*corner)
    rows, cols = target.shape
    corners = [(col, row) for col in (0, cols) for row in (0, rows)]
    return max(math.dist(step @ each, shifted @ each) for each in corners) <= _APART


def _grid_of(shape: tuple[int, int], transform: tuple[float, ...] | None, crs: str) -> Grid | None:
    """Return what a file says as a grid; None if it does not say it, or says nonsense."""
    if transform is None:
        return None
    a, b, c, d, e, f = transform[:6]
    try:
        return Grid(crs=map_crs(crs) or crs, shape=shape, transform=(a, b, c, d, e, f))
    except ValueError:
        return None


def _in_terms_of(own: Grid, said: Grid) -> Grid:
    """Return a grid with the CRS of another one where the two CRSs mean the same there."""
    if own.crs == said.crs:
        return own
    corners = np.array(_corners(own)).T
    try:
        if CRS(own.crs) == CRS(said.crs):
            return replace(own, crs=said.crs)
        moved = np.array(transformer(own.crs, said.crs).transform(*corners))
    except (CRSError, ProjError):
        return own
    near = np.abs(moved - corners).max() <= _APART * own.resolution
    return replace(own, crs=said.crs) if near else own


def _pixels_apart(own: Grid, said: Grid) -> float:
    """Return how far the corners of two grids of one CRS and shape are apart, in pixels."""
    back = ~Affine(*said.transform)
    pairs = zip(_corners(own), _corners(said), strict=True)
    return max(math.dist(back @ here, back @ there) for here, there in pairs)


def _corners(grid: Grid) -> list[tuple[float, float]]:
    affine, (rows, cols) = Affine(*grid.transform), grid.shape
    return [affine @ (col, row) for col in (0, cols) for row in (0, rows)]


def _places(own: Grid, said: Grid) -> str:
    return f"its item says {_words(said)}; the file has {_words(own)}"


def _words(grid: Grid) -> str:
    rows, cols = grid.shape
    numbers = ", ".join(f"{value:.10g}" for value in grid.transform)
    crs = CRS(grid.crs).name if "[" in grid.crs else grid.crs
    return f"{rows} x {cols} pixels at ({numbers}) in {crs}"
