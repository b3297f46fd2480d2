"""Variables at fewer pixels, from overviews: what a screen shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine

from astra_xr.arrays.lazy import unwrap
from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.model import CLASS_ROLES
from astra_xr.reading.loop import in_own_thread, run, together
from astra_xr.reading.resampling import area_means

_STRIP = 1 << 26
"""Pixels that are averaged at once."""


def coarser(ds: xr.Dataset, size: int) -> xr.Dataset:
    """Read the (…, y, x) variables of a Dataset in pixels so large that few are left.

    Parameters
    ----------
    ds : xarray.Dataset
        On a grid; without one, the result has no coordinates of y and x.
    size : int
        Rows and columns that are left, at most.

    Returns
    -------
    xarray.Dataset
        In memory, by :func:`coarse`; the Dataset itself, unread, where it is small.
    """
    from odc.geo.xr import xr_coords

    kept = ds[[name for name, each in ds.data_vars.items() if each.dims[-2:] == ("y", "x")]]
    if 0 in kept.sizes.values() or not kept.data_vars:
        return kept
    grid = pixel_grid(kept, "an image")
    rows, cols = grid.box.shape if grid else (kept.sizes["y"], kept.sizes["x"])
    factor = math.ceil(max(rows, cols) / size)
    shape = max(1, rows // factor), max(1, cols // factor)
    if grid is not None and grid.kept:  # nearest: what lies between must stay empty
        return grid.filled(kept, *map(_nearest, (rows, cols), shape))
    if factor == 1:
        return kept
    box = None if grid is None else grid.box
    coords: dict[Any, Any] = {n: v for n, v in kept.coords.items() if not {"y", "x"} & set(v.dims)}
    if box is not None:
        coords |= xr_coords(box.zoom_to(shape), always_yx=True)
    names = list(kept.data_vars)

    async def one(each: xr.DataArray) -> xr.Variable:
        average = each.attrs.get("role") not in CLASS_ROLES and each.dtype != bool
        values = await coarse(each.variable, shape, average=average)
        return xr.Variable(each.dims, values, each.attrs)

    read = run(together(one(kept[name]) for name in names))
    variables = dict(zip(names, read, strict=True))
    return xr.Dataset(variables, coords=coords, attrs=ds.attrs)


def _nearest(size: int, count: int) -> npt.NDArray[np.intp]:
    """Return the pixels at the centers of fewer, larger ones."""
    return ((np.arange(count) + 0.5) * size / count).astype(np.intp)


async def coarse(
    variable: xr.Variable, shape: tuple[int, int], *, average: bool
) -> npt.NDArray[Any]:
    """Read a variable at fewer pixels; runs on the engine's loop.

    Parameters
    ----------
    variable : xarray.Variable
        (…, y, x), not empty; lazy, of dask or in memory.
    shape : (int, int)
        Rows and columns of the result, no more than the variable has.
    average : bool
        Mean of the valid pixels under each of the result, as suits measured values; else the
        pixel at its center, as suits classes.

    Returns
    -------
    ndarray
        (…, rows, columns), of the variable's values: from overviews where it is lazy and its
        files have them, else of all its pixels.

    Raises
    ------
    ReadError, SigningError, UpstreamError
    """
    found = unwrap(variable) if variable.shape[-2:] != shape else None
    if found is not None:
        array, index = found
        values = await array.coarse(index, shape, average=average)
        if values is not None:
            return index.drop(values)
    return await in_own_thread(_shrunk, variable, shape, average=average)


def _shrunk(variable: xr.Variable, shape: tuple[int, int], *, average: bool) -> npt.NDArray[Any]:
    """Compute a variable at fewer pixels, in strips: not all of it need fit into memory."""
    rows, cols = variable.shape[-2:]
    if (rows, cols) == shape:
        return np.asarray(variable.values)
    kind = variable.dtype.kind
    if not average or kind not in "iufc":
        down, across = map(_nearest, (rows, cols), shape)
        return np.asarray(variable[..., down, :][..., across].values)
    missing = None if kind == "c" else variable.attrs.get("_FillValue")
    fill = (math.nan if kind in "fc" else 0) if missing is None else missing
    count = math.prod(variable.shape[:-2])
    high = max(1, min(shape[0], int(_STRIP / (count * cols * rows / shape[0]))))
    out = np.empty((count, *shape), variable.dtype)
    for top in range(0, shape[0], high):
        bottom = min(shape[0], top + high)
        edges = (top * rows / shape[0], bottom * rows / shape[0])
        strip = variable[..., int(edges[0]) : math.ceil(edges[1]), :]
        pixels = np.asarray(strip.values).reshape(count, -1, cols)
        step = Affine(cols / shape[1], 0, 0, 0, rows / shape[0], edges[0] - int(edges[0]))
        out[:, top:bottom] = fill
        area_means(pixels, step, missing, out[:, top:bottom])
    return out.reshape(*variable.shape[:-2], *shape)
