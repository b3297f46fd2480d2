"""The one grid of a Dataset, and how each band comes to it."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping

from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi

from astra_xr.errors import InvalidParameter, MixedGrids
from astra_xr.model import Asset, Grid
from astra_xr.reading.warp import RESAMPLINGS, Warp

_log = logging.getLogger(__name__)

Size = float | str | None
"""Pixel size in units of the CRS, ``"finest"``, ``"coarsest"``, or None for the bands' own."""

Resampling = str | Mapping[str, str] | None
"""How to resample, for all bands or by their names; None: what suits each."""


def common_grid(grids: Mapping[str, Grid], size: Size, *, scene: str) -> Grid:
    """Choose the grid of a Dataset.

    Parameters
    ----------
    grids : mapping of str to Grid
        Of each band, by name.
    size : float, "finest", "coarsest" or None
        See :data:`Size`.

    Returns
    -------
    Grid
        That of the band that has the size already, else the finest band's with other pixels,
        from the same corner.

    Raises
    ------
    MixedGrids
        The bands have several CRSs.
    InvalidParameter
        ``size`` is none of the above.

    Examples
    --------
    >>> fine = Grid(crs="EPSG:32610", shape=(100, 100), transform=(10, 0, 0, 0, -10, 0))
    >>> common_grid({"red": fine}, 30, scene="s").shape
    (34, 34)
    """
    if len({grid.crs for grid in grids.values()}) > 1:
        raise MixedGrids(scene=scene, bands={name: grid.crs for name, grid in grids.items()})
    finest = min(grids.values(), key=lambda grid: grid.resolution)
    if size is None and any(grid != finest for grid in grids.values()):
        told = ", ".join(f"{name} {grid.resolution:g}" for name, grid in grids.items())
        _log.info("%s: bands of several resolutions (%s) come at the finest", scene, told)
    if size in (None, "finest"):
        return finest
    if size == "coarsest":
        return max(grids.values(), key=lambda grid: grid.resolution)
    if isinstance(size, str | bool) or not 0 < float(size or 0) < math.inf:
        raise InvalidParameter(
            name="resolution",
            value=size,
            expected="a size in units of the CRS, 'finest' or 'coarsest'",
        )
    wanted = float(size or 0)
    for grid in grids.values():
        if math.isclose(grid.resolution, wanted, rel_tol=1e-6):
            return grid
    return _scaled(finest, wanted / finest.resolution)


def _scaled(grid: Grid, factor: float) -> Grid:
    a, b, c, d, e, f = grid.transform
    # A sliver of a pixel that rounding makes is no further pixel.
    rows, cols = (max(1, math.ceil(length / factor - 1e-6)) for length in grid.shape)
    transform = (a * factor, b * factor, c, d * factor, e * factor, f)
    return Grid(crs=grid.crs, shape=(rows, cols), transform=transform)


def cut_of(target: Grid, source: Grid) -> tuple[slice, slice] | None:
    """Return the rows and columns of a grid that another one is; None where it is none of it."""
    if target.crs != source.crs:
        return None
    (a, b, c, d, e, f), (p, q, r, s, t, u) = target.transform, source.transform
    if (a, b, d, e) != (p, q, s, t) or b or d:
        return None
    row, col = (f - u) / e, (c - r) / a
    top, left = round(row), round(col)
    whole = abs(row - top) < 1e-6 and abs(col - left) < 1e-6
    bottom, right = top + target.shape[0], left + target.shape[1]
    if not whole or min(top, left) < 0 or bottom > source.shape[0] or right > source.shape[1]:
        return None
    return slice(top, bottom), slice(left, right)


def warp_to(target: Grid, asset: Asset, name: str, resampling: Resampling) -> Warp | None:
    """Say how a band comes to a grid; None where it is there already.

    Raises
    ------
    InvalidParameter
        ``resampling`` names no way to resample.
    """
    assert asset.grid is not None
    assert asset.radiometry is not None
    wish = resampling if isinstance(resampling, str | None) else resampling.get(name)
    if wish is not None and wish not in RESAMPLINGS:
        expected = f"one of {', '.join(RESAMPLINGS)}"
        raise InvalidParameter(name="resampling", value=wish, expected=expected)
    if asset.grid == target:
        return None
    usual = "average" if _is_coarser(target, asset.grid) else "nearest"
    classes = asset.band.role in ("class", "mask")
    return Warp(
        source=asset.grid,
        target=target,
        resampling="nearest" if classes else wish or usual,
        nodata=asset.radiometry.nodata,
    )


@functools.lru_cache(maxsize=256)
def _is_coarser(target: Grid, source: Grid) -> bool:
    if target.crs == source.crs:
        return target.resolution > source.resolution
    goal, full = (GeoBox(g.shape, Affine(*g.transform), g.crs) for g in (target, source))
    # Pixels of the same size in two projections differ by some percent.
    return bool(compute_reproject_roi(full, goal).scale > 1.1)
