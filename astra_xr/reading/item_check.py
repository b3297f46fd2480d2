"""Compare a file with its item's description: bands, dtype, shape and position."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError, ProjError

from astra_xr.errors import ReadError, redact
from astra_xr.geometry import map_crs, transformer
from astra_xr.model import Grid
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.window import Window
from astra_xr.warned import first_time

_APART = 0.05
"""Maximum distance, in pixels, of two grids that count as the same."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """The full image of a file, by the file's own header."""

    shape: tuple[int, int]
    """Rows, columns."""

    count: int
    """Number of planes, with alpha."""

    alphas: int
    """How many of them are alpha."""

    names: tuple[str, ...] = ()
    """The name of each plane; empty for those without."""

    dtype: npt.DTypeLike
    """Of the stored numbers."""

    transform: tuple[float, ...] | None
    """As in :attr:`astra_xr.model.Grid.transform`; None: not georeferenced."""

    crs: str | None
    """As in :attr:`astra_xr.model.Grid.crs`; None: not in the header."""


class Elsewhere(ReadError):
    """A file is not where its item describes it, and can be read at its own position."""

    def __init__(self, own: Grid, described: Grid, file: RangeFile, label: str) -> None:
        """Take the grids of the file and of its item."""
        self.own, self.described, self.label = own, described, label
        super().__init__(source=label, href=redact(file.signed), reason=_difference(own, described))

    def warn(self) -> None:
        """Warn once per file that its own position is used."""
        warn_of_position(
            self.own,
            self.described,
            self.label,
            "Pixels are read from where the file has them; an item without proj:transform and "
            "proj:shape opens on the file's own grid",
        )


def warn_of_position(own: Grid, described: Grid, label: str, consequence: str) -> None:
    """Warn once per file that its position is not the one that its item describes."""
    if first_time(f"position of {label}"):
        warnings.warn(f"{label}: {_difference(own, described)}. {consequence}.", stacklevel=3)


def check_item(file: RangeFile, window: Window, image: Image) -> None:
    """Compare an open file with the item's description, which its window has.

    Warns once per asset if the file has more planes than the item describes.

    Raises
    ------
    ReadError
        It has fewer bands, or names them in another order, or has a dtype that does not fit, or
        another shape and no position.
    Elsewhere
        It has another position.
    """
    highest, dtype = max(window.indexes), np.dtype(image.dtype)
    problem = ""
    if highest > image.count:
        problem = f"the file has {image.count} bands, but its item describes {highest} or more"
    elif window.dtype is not None and not np.can_cast(
        # Values may be rounded to the type of the result, but never wrap around.
        dtype,
        window.dtype,
        "same_kind" if window.radiometry else "safe",
    ):
        described = window.radiometry.dtype if window.radiometry else window.dtype
        problem = f"the file holds {dtype.name}, while its item describes {described}"
    if problem:
        hint = "The item does not match this file: radiometry='file' uses the file's own metadata; "
        raise file.error(problem, f"{hint}another catalog may have the right one.")
    _check_order(file, window, image)
    _check_position(file, window, image)
    planes, more = image.count - image.alphas, f"planes of {window.label}"
    if window.count is not None and planes > window.count and first_time(more):
        warnings.warn(
            f"{window.label}: the file has {planes} bands, of which its item describes "
            f"{window.count}. Others open by number: bands=['data.{planes}'] is the last one of "
            "an asset 'data'.",
            stacklevel=2,
        )


def _check_order(file: RangeFile, window: Window, image: Image) -> None:
    """Refuse a file that gives another plane the name that its item has for one."""
    own = [_bare(name) for name in image.names]
    for plane, names in window.names:
        short = {_bare(name.rpartition(".")[2]) for name in names}
        short = {name for name in short if not name.isdecimal()}  # numbers are no names
        if plane <= len(own) and own[plane - 1] not in short and not short.isdisjoint(own):
            order = ", ".join(name or "without a name" for name in image.names)
            described = ", ".join(f"{each[0]} (band {n})" for n, each in window.names if each)
            raise file.error(
                f"the file names its bands {order}, while its item describes {described}",
                "The order of the item's bands does not match this file: correct it in the item.",
            )


def _bare(name: str) -> str:
    """Return a name without case, spaces and punctuation: ``Green I`` is ``green_i``."""
    return re.sub(r"[\W_]", "", name.casefold())


def _check_position(file: RangeFile, window: Window, image: Image) -> None:
    described = window.grid
    own = described and _grid_of(image, described.crs)
    if described is None or own is None:
        if image.shape == tuple(window.shape):
            return
        raise file.error(
            f"the file has {image.shape} pixels, while its item describes {tuple(window.shape)}, "
            "and the file is not georeferenced",
            "The item does not match this file; try another catalog.",
        )
    elsewhere = differing(own, described)
    if elsewhere:
        raise Elsewhere(elsewhere, described, file, window.label)


def differing(own: Grid, described: Grid) -> Grid | None:
    """Return a file's grid, in the item's CRS if they are equivalent; None if it is the item's."""
    if own == described:
        return None
    own = _in_crs_of(described, own)
    comparable = own.shape == described.shape and own.crs == described.crs
    return None if comparable and _pixels_apart(own, described) <= _APART else own


def is_shift(target: Grid, source: Grid) -> bool:
    """Return True if the pixels of two grids coincide wherever both have some."""
    if target.crs != source.crs:
        return False
    step = ~Affine(*source.transform) @ Affine(*target.transform)
    corner = round(step.c), round(step.f)
    shifted = Affine.translation(*corner)
    rows, cols = target.shape
    corners = [(col, row) for col in (0, cols) for row in (0, rows)]
    return max(math.dist(step @ each, shifted @ each) for each in corners) <= _APART


def _grid_of(image: Image, crs: str) -> Grid | None:
    """Return the grid of a file, in ``crs`` if it has none itself; None if it has no valid one."""
    if image.transform is None:
        return None
    a, b, c, d, e, f = image.transform[:6]
    own = image.crs or crs
    try:
        return Grid(crs=map_crs(own) or own, shape=image.shape, transform=(a, b, c, d, e, f))
    except ValueError:
        return None


def _in_crs_of(described: Grid, own: Grid) -> Grid:
    """Return a grid with the CRS of another one if the two CRSs are equivalent there."""
    if own.crs == described.crs:
        return own
    corners = np.array(_corners(own)).T
    try:
        if CRS(own.crs) == CRS(described.crs):
            return replace(own, crs=described.crs)
        moved = np.array(transformer(own.crs, described.crs).transform(*corners))
    except (CRSError, ProjError):
        return own
    near = np.abs(moved - corners).max() <= _APART * own.resolution
    return replace(own, crs=described.crs) if near else own


def _pixels_apart(own: Grid, described: Grid) -> float:
    """Return how far the corners of two grids of one CRS and shape are apart, in pixels."""
    back = ~Affine(*described.transform)
    pairs = zip(_corners(own), _corners(described), strict=True)
    return max(math.dist(back @ here, back @ there) for here, there in pairs)


def _corners(grid: Grid) -> list[tuple[float, float]]:
    affine, (rows, cols) = Affine(*grid.transform), grid.shape
    return [affine @ (col, row) for col in (0, cols) for row in (0, rows)]


def _difference(own: Grid, described: Grid) -> str:
    return f"its item describes {_text(described)}; the file has {_text(own)}"


def _text(grid: Grid) -> str:
    rows, cols = grid.shape
    numbers = ", ".join(f"{value:.10g}" for value in grid.transform)
    crs = CRS(grid.crs).name if "[" in grid.crs else grid.crs
    return f"{rows} x {cols} pixels at ({numbers}) in {crs}"
