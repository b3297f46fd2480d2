"""Variables at fewer pixels, from overviews if there are any, for images on a screen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine

from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.lazy import unwrap
from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.model import CLASS_ROLES
from astra_xr.reading.loop import in_own_thread, run, together
from astra_xr.reading.resampling import area_means

_STRIP = 1 << 26
"""Pixels that are averaged at once."""


def can_average(band: xr.DataArray | xr.Variable) -> bool:
    """Return True for measured values, False for classes and masks."""
    return band.dtype != bool and band.attrs.get("role") not in CLASS_ROLES


def coarser(ds: xr.Dataset, size: int) -> xr.Dataset:
    """Read the (…, y, x) variables of a Dataset at fewer, larger pixels.

    Parameters
    ----------
    ds : xarray.Dataset
        If it has no grid, the result has no coordinates y and x.
    size : int
        Maximum rows and columns.

    Returns
    -------
    xarray.Dataset
        In memory, read by :func:`coarse`; unread if it has few pixels already.
    """
    from odc.geo.xr import xr_coords

    kept = ds[[name for name, each in ds.data_vars.items() if each.dims[-2:] == ("y", "x")]]
    if 0 in kept.sizes.values() or not kept.data_vars:
        return kept
    grid = pixel_grid(kept, "an image")
    rows, cols = grid.box.shape if grid else (kept.sizes["y"], kept.sizes["x"])
    factor = max(1, math.ceil(max(rows, cols) / size))
    shape = max(1, rows // factor), max(1, cols // factor)
    if grid is not None and grid.kept:  # nearest: gaps must stay empty
        centers = Coarsening.of((rows, cols), shape, average=False).centers()
        return grid.filled(kept, *centers)
    if factor == 1:
        return kept
    coords: dict[Any, Any] = {n: v for n, v in kept.coords.items() if not {"y", "x"} & set(v.dims)}
    if grid is not None:
        coords |= xr_coords(grid.box.zoom_to(shape), always_yx=True)

    # North up: of two classes at equal distance it is the southern or eastern, whatever the view.
    turned = (False, False) if grid is None else (grid.box.affine.e > 0, grid.box.affine.a < 0)
    flips = tuple(axis for axis, turn in zip((-2, -1), turned, strict=True) if turn)
    down, across = (slice(None, None, -1 if n in flips else 1) for n in (-2, -1))

    async def one(each: xr.DataArray) -> xr.Variable:
        how = Coarsening.of(each.shape, shape, average=can_average(each))
        upright = each.variable[..., down, across] if flips else each.variable
        values = await coarse(upright, how)
        return xr.Variable(each.dims, np.flip(values, flips), each.attrs)

    read = run(together(map(one, kept.values())))
    return xr.Dataset(dict(zip(kept, read, strict=True)), coords=coords, attrs=ds.attrs)


async def coarse(variable: xr.Variable, how: Coarsening) -> npt.NDArray[Any]:
    """Read a variable at fewer pixels; runs on the background loop.

    Parameters
    ----------
    variable : xarray.Variable
        (…, y, x), not empty; lazy, dask or in memory.
    how : Coarsening

    Returns
    -------
    ndarray
        (…, rows, columns): from overviews if the variable is lazy and its files have them, else
        from all pixels. Those of a part with gaps, such as every second row, are read one by one:
        overviews hold means that include the pixels in the gaps.

    Raises
    ------
    ReadError, SigningError, UpstreamError
    """
    found = unwrap(variable) if variable.shape[-2:] != how.shape else None
    if found is not None:
        array, index = found
        index, flips = index.forward()
        values = await array.coarse(index, how.flipped(flips, variable.shape))
        if values is not None:
            return np.asarray(index.finish(np.flip(values, flips)))
    return await in_own_thread(_shrunk, variable, how)


def _shrunk(variable: xr.Variable, how: Coarsening) -> npt.NDArray[Any]:
    """Compute a variable at fewer pixels, in strips, as all of it may not fit into memory."""
    cols = variable.shape[-1]
    if variable.shape[-2:] == how.shape:
        return np.asarray(variable.values)
    kind = variable.dtype.kind
    if not how.average or kind not in "iufc":
        rows, columns = how.centers()
        return np.asarray(variable[..., rows, :][..., columns].values)
    missing = None if kind == "c" else variable.attrs.get("_FillValue")
    fill = (math.nan if kind in "fc" else 0) if missing is None else missing
    count = math.prod(variable.shape[:-2])
    (first, _), (left, _) = how.edges
    down, across = how.steps
    high = max(1, min(how.shape[0], int(_STRIP / (count * cols * down))))
    out = np.empty((count, *how.shape), variable.dtype)
    for top in range(0, how.shape[0], high):
        bottom = min(how.shape[0], top + high)
        edges = (first + top * down, first + bottom * down)
        strip = variable[..., int(edges[0]) : math.ceil(edges[1]), :]
        pixels = np.asarray(strip.values).reshape(count, -1, cols)
        step = Affine(across, 0, left, 0, down, edges[0] - int(edges[0]))
        out[:, top:bottom] = fill
        area_means(pixels, step, missing, out[:, top:bottom])
    return out.reshape(*variable.shape[:-2], *how.shape)
