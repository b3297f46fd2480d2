"""Read pixels on a target grid, from the part of the overview that is needed."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi

from astra_xr.model import Grid
from astra_xr.reading.engine import read
from astra_xr.reading.headers import Facts
from astra_xr.reading.loop import in_decode_thread, in_warp_thread
from astra_xr.reading.overview import facts_of, level_for, nodata_of, warn_of_palette
from astra_xr.reading.resampling import CLOSE, area_means, nearest
from astra_xr.reading.window import Window, clamped

RESAMPLINGS = ("nearest", "average", "bilinear", "cubic", "lanczos", "mode", "min", "max", "med")
"""Resampling methods, by GDAL's names."""

_REACH = {"bilinear": 1, "cubic": 2, "lanczos": 3}
"""Radius of the kernels in source pixels, at a scale of 1."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """From the grid of a file to a target grid."""

    source: Grid
    """Grid of the file's full image."""

    target: Grid
    resampling: str
    """One of :data:`RESAMPLINGS`."""


def usual_resampling(target: Grid, source: Grid) -> str:
    """Return how measured values come to another grid where nothing else is asked for."""
    return "average" if is_coarser(target, source) else "nearest"


@functools.lru_cache(maxsize=256)
def is_coarser(target: Grid, source: Grid) -> bool:
    """Return True where a grid has larger pixels than another one."""
    if target.crs == source.crs:
        return target.resolution > source.resolution
    full, goal = (GeoBox(g.shape, Affine(*g.transform), g.crs) for g in (source, target))
    # Pixels of the same size in two projections differ by some percent.
    return bool(compute_reproject_roi(full, goal).scale > 1.1)


async def read_warped(
    whole: Window,
    warp: Warp,
    rows: tuple[int, int],
    cols: tuple[int, int],
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read a window of the target grid.

    Parameters
    ----------
    whole : Window
        The file; its rows and columns are ignored.
    rows, cols : (int, int)
        Half-open ranges of pixels of the target grid.
    dtype : numpy dtype
        Of the result, as of :func:`astra_xr.reading.engine.read`.

    Returns
    -------
    ndarray
        (planes, rows, columns). Outside the file: NaN, or for stored numbers their nodata, if
        there is any, else NaN or 0.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    size = (len(whole.indexes), rows[1] - rows[0], cols[1] - cols[0])
    if 0 in size:
        return np.empty(size, dtype)
    facts = await facts_of(whole)
    missing, fill = nodata_of(whole, facts, dtype)
    out = np.full(size, fill, dtype)
    if facts.palette and warp.resampling != "nearest":
        warn_of_palette(whole.label, warp.resampling)
        warp = replace(warp, resampling="nearest")
    window, origin = await source_window(whole, warp, rows, cols, facts)
    if 0 in window.size:
        return out
    pixels = await read(window)
    goal = _moved(warp.target, cols[0], rows[0])
    step = ~origin @ goal
    if warp.source.crs == warp.target.crs and abs(step.b) + abs(step.d) < CLOSE:
        if warp.resampling == "nearest" or (
            warp.resampling == "average" and _rounded(step, warp.target)
        ):
            await in_decode_thread(nearest, pixels, step, out)
            return out
        if warp.resampling == "average" and min(step.a, step.e) > 0:
            await in_decode_thread(area_means, pixels, step, missing, out)
            return out
    nodata = (math.nan, math.nan) if dtype.kind in "fc" else (missing, fill)
    if missing is not None and dtype.kind in "fc":
        pixels = np.where(pixels == missing, dtype.type(math.nan), pixels)
    await in_warp_thread(_by_gdal, pixels, origin, out, goal, warp, nodata)
    if dtype.kind in "fc" and not math.isnan(fill):
        out[np.isnan(out)] = fill
    return out


async def source_window(
    whole: Window,
    warp: Warp,
    rows: tuple[int, int],
    cols: tuple[int, int],
    facts: Facts | None = None,
) -> tuple[Window, Affine]:
    """Return the overview, and the part of it, that a window of the target grid needs.

    Returns
    -------
    window : Window
        Of the coarsest overview that is no coarser than the target; empty if the two do not
        overlap.
    origin : Affine
        From its columns and rows to the CRS of the file.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The file's header cannot be read.
    """
    level, (height, width), affine = await overview_for(whole, warp, facts)
    here = GeoBox((height, width), affine, warp.source.crs)
    size = (rows[1] - rows[0], cols[1] - cols[0])
    goal = GeoBox(size, _moved(warp.target, cols[0], rows[0]), warp.target.crs)
    plan = compute_reproject_roi(here, goal)
    reach = math.ceil(_REACH.get(warp.resampling, 0) * max(1, plan.scale))
    ys, xs = (
        clamped(roi.start - reach, roi.stop + reach, size)
        for roi, size in zip(plan.roi_src, (height, width), strict=True)
    )
    return whole.cut(ys, xs, level), affine @ Affine.translation(xs[0], ys[0])


async def overview_for(
    whole: Window, warp: Warp, facts: Facts | None = None
) -> tuple[int, tuple[int, int], Affine]:
    """Return the coarsest overview that is no coarser than the target.

    Returns
    -------
    level : int
        0 is the full image.
    shape : (int, int)
        Its rows and columns.
    affine : Affine
        From its columns and rows to the CRS of the file.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The file's header cannot be read.
    """
    shapes = (facts or await facts_of(whole)).shapes
    across, down = _scale(warp)
    level = level_for(shapes, (down, across))
    full, (height, width) = shapes[0], shapes[level]
    scale = Affine.scale(full[1] / width, full[0] / height)
    return level, (height, width), Affine(*warp.source.transform) @ scale


def _scale(warp: Warp) -> tuple[float, float]:
    """Return the number of file pixels per target pixel, across and down.

    It is computed for the whole target: all windows of it are resampled alike.
    """
    full = GeoBox(warp.source.shape, Affine(*warp.source.transform), warp.source.crs)
    goal = GeoBox(warp.target.shape, Affine(*warp.target.transform), warp.target.crs)
    scale = compute_reproject_roi(full, goal).scale2
    return float(scale.x), float(scale.y)


def _rounded(step: Affine, target: Grid) -> bool:
    """Return True if pixels differ in size only because an overview's shape is rounded."""
    rows, cols = target.shape
    return abs(step.e - 1) * rows <= 1 and abs(step.a - 1) * cols <= 1


def _moved(grid: Grid, col: int, row: int) -> Affine:
    return Affine(*grid.transform) @ Affine.translation(col, row)


def _by_gdal(
    pixels: npt.NDArray[Any],
    origin: Affine,
    out: npt.NDArray[Any],
    goal: Affine,
    warp: Warp,
    nodata: tuple[float | None, float],
) -> None:
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    full = Affine(*warp.source.transform)
    across, down = _scale(warp)
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        reproject(
            pixels,
            out,
            src_transform=origin,
            src_crs=warp.source.crs,
            src_nodata=nodata[0],
            dst_transform=goal,
            dst_crs=warp.target.crs,
            dst_nodata=None if nodata[0] is None else nodata[1],
            resampling=Resampling[warp.resampling],
            num_threads=min(8, os.cpu_count() or 1),
            # Otherwise GDAL guesses its kernels' radius from each window.
            XSCALE=math.hypot(origin.a, origin.d) / math.hypot(full.a, full.d) / across,
            YSCALE=math.hypot(origin.b, origin.e) / math.hypot(full.b, full.e) / down,
        )
