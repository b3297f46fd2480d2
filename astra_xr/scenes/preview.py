"""A part of a lazy band at fewer pixels, from overviews: what a screen shows."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from astra_xr.reading.array import RasterArray, behind
from astra_xr.reading.loop import run, together
from astra_xr.scenes.formula import FormulaArray
from astra_xr.scenes.hidden import HiddenArray

Box = tuple[int, int, int, int]
"""Half-open rows and columns: (top, left, bottom, right)."""


def coarser(ds: xr.Dataset, size: int) -> xr.Dataset:
    """Read the (y, x) variables of a Dataset in pixels so large that few are left.

    Parameters
    ----------
    ds : xarray.Dataset
        On a grid; without one, coordinates are means.
    size : int
        Rows and columns that are left, at most.

    Returns
    -------
    xarray.Dataset
        In memory, by :func:`preview`; the Dataset itself, unread, where it is small.
    """
    import odc.geo.xr  # noqa: F401  (registers .odc)
    from odc.geo.xr import xr_coords

    kept = ds[[name for name, each in ds.data_vars.items() if each.dims[-2:] == ("y", "x")]]
    factor = math.ceil(max(kept.sizes.get("y", 0), kept.sizes.get("x", 0)) / size)
    if factor <= 1:
        return kept
    shape = (max(1, kept.sizes["y"] // factor), max(1, kept.sizes["x"] // factor))
    box = kept.odc.geobox
    coords: dict[Any, Any] = {n: v for n, v in kept.coords.items() if not {"y", "x"} & set(v.dims)}
    if box is not None and box.crs is not None:
        coords |= xr_coords(box.zoom_to(shape), always_yx=True)
    variables = {}
    for name, each in kept.data_vars.items():
        average = each.attrs.get("role") not in ("class", "mask") and each.dtype.kind not in "bm"
        flat = [each.variable[at] for at in np.ndindex(each.shape[:-2])]
        whole = (0, 0, kept.sizes["y"], kept.sizes["x"])
        values = run(together(preview(part, whole, shape, average=average) for part in flat))
        stacked = np.stack(values).reshape((*each.shape[:-2], *shape))
        variables[name] = xr.Variable(each.dims, stacked, each.attrs)
    return xr.Dataset(variables, coords=coords, attrs=ds.attrs)


async def preview(
    variable: xr.Variable, box: Box, shape: tuple[int, int], *, average: bool
) -> npt.NDArray[Any]:
    """Read a part of a band at fewer pixels; runs on the engine's loop.

    Parameters
    ----------
    variable : xarray.Variable
        Of (y, x); lazy, computed of lazy ones, dask's or in memory.
    box : (int, int, int, int)
        Top, left, bottom and right, in pixels of the variable; half-open, not empty.
    shape : (int, int)
        Rows and columns of the result, no more than those of the box.
    average : bool
        Mean of the valid pixels under each of the result, as suits measured values; else, as
        suits classes, the one at its centre. What is no file of the engine's is always thinned.

    Returns
    -------
    ndarray
        (rows, columns), of the variable's values.

    Raises
    ------
    ReadError, SigningError, UpstreamError
    """
    top, left, bottom, right = box
    part = variable[top:bottom, left:right]
    array, key = behind(part)
    if key is None or part.shape == shape:
        return await asyncio.to_thread(_thinned, part, shape)
    if isinstance(array, RasterArray):
        found = await array.coarse(key, shape, average=average)
        if found is not None:
            return found
    if isinstance(array, FormulaArray) and not isinstance(key, indexing.VectorizedIndexer):
        inputs = array.inputs(key)
        work = (_whole(each, shape, average=each.dtype != bool) for each in inputs.values())
        values = dict(zip(inputs, await together(work), strict=True))
        return np.asarray(await asyncio.to_thread(array.formula, values))
    if isinstance(array, HiddenArray) and not isinstance(key, indexing.VectorizedIndexer):
        classes = array.classes[key.tuple]
        values_ = await _whole(classes, shape, average=False)
        reach = round(array.hide.dilate * shape[0] / part.shape[0])
        return replace(array.hide, dilate=reach)(values_)
    return await asyncio.to_thread(_thinned, part, shape)


async def _whole(
    variable: xr.Variable, shape: tuple[int, int], *, average: bool
) -> npt.NDArray[Any]:
    rows, cols = variable.shape
    return await preview(variable, (0, 0, rows, cols), shape, average=average)


def _thinned(variable: xr.Variable, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Take the pixel at the centre of each of the result."""
    for axis, (size, count) in enumerate(zip(variable.shape, shape, strict=True)):
        if size != count:
            picks = ((np.arange(count) + 0.5) * size / count).astype(np.intp)
            variable = variable[(slice(None),) * axis + (picks,)]
    return np.asarray(variable.values)
