"""Values of pixels at points; see ``ds.astra.sample``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.pixel_grid import grid_of
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.geometry import read_points

_Pixels = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]
"""Rows, columns, and True for points on the grid."""


def sample(ds: xr.Dataset, points: Any) -> xr.Dataset:
    """Return the pixels at points."""
    placed = grid_of(ds, "sample()")
    grid, there = placed.box, (placed.y.pixels(), placed.x.pixels())
    if "point" in ds.data_vars:
        needs = "the name 'point' for the dimension of its result"
        hint = "Rename your variable, e.g. ds.rename(point='values')."
        raise InvalidDataset(method="sample()", needs=needs, hint=hint)
    x, y, crs, labels = read_points(points)
    convert = placed.converter(crs)

    def pixel_of(x: Any, y: Any) -> _Pixels:
        col, row = map(np.floor, convert(x, y))
        inside = (col >= 0) & (col < grid.shape.x) & (row >= 0) & (row < grid.shape.y)
        rows, cols = (
            found[np.where(inside, n, 0).astype(int)]
            for found, n in zip(there, (row, col), strict=True)
        )
        return rows, cols, inside & (rows >= 0) & (cols >= 0)

    rows, cols, inside = pixel_of(x, y)
    if not inside.any():
        reason = "longitude and latitude look swapped" if pixel_of(y, x)[2].any() else ""
        gaps = ", and not in the gaps between its rows and columns" if placed.kept else ""
        expected = f"points within the Dataset, ({placed.edges}){gaps}"
        raise InvalidParameter(name="points", value=points, expected=expected, reason=reason)
    picked = ds.isel(y=xr.DataArray(rows, dims="point"), x=xr.DataArray(cols, dims="point"))
    picked = picked.assign_coords(point=labels)
    if inside.all():
        return picked
    # Points outside have the first pixel, which is elsewhere.
    keep = xr.DataArray(inside, dims="point")
    picked = picked.assign_coords(x=picked.x.where(keep), y=picked.y.where(keep))
    return picked.where(keep)
