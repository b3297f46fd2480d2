"""Pixels on another grid than the file's: from the overview, and the part of it, that it needs."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi

from astra_xr.model import Grid
from astra_xr.reading.loop import decode_pool, in_warp_thread
from astra_xr.reading.read import level_shapes, read
from astra_xr.reading.window import Window

RESAMPLINGS = ("nearest", "average", "bilinear", "cubic", "lanczos", "mode", "min", "max", "med")
"""Ways to resample, by GDAL's names."""

_REACH = {"bilinear": 1, "cubic": 2, "lanczos": 3}
"""Source pixels that a kernel takes in on either side, at a scale of 1."""

_CLOSE = 1e-6
"""Part of a pixel that is no difference: transforms are published as rounded decimals."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """From the grid of a file to another one."""

    source: Grid
    """Of the file's full image."""

    target: Grid
    resampling: str
    """One of :data:`RESAMPLINGS`."""

    nodata: float | None = None
    """Stored number of pixels without data, for stored numbers; values have NaN."""


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
        The file; its rows and columns do not count.
    rows, cols : (int, int)
        Half-open ranges of pixels of the target grid.
    dtype : numpy dtype
        Of the result: what :func:`astra_xr.reading.read.read` gives.

    Returns
    -------
    ndarray
        (planes, rows, columns). Where the file has no pixels: NaN, or for stored integers
        ``warp.nodata`` (0 where there is none).

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.read.read`.
    """
    nodata = math.nan if dtype.kind in "fc" else warp.nodata
    out = np.full((len(whole.indexes), rows[1] - rows[0], cols[1] - cols[0]), nodata or 0, dtype)
    if not out.size:
        return out
    window, origin = await source_window(whole, warp, rows, cols)
    if 0 in window.size:
        return out
    pixels = (await read(window)).astype(dtype, copy=False)
    goal = _moved(warp.target, cols[0], rows[0])
    step = ~origin @ goal
    if warp.source.crs == warp.target.crs and abs(step.b) + abs(step.d) < _CLOSE:
        if warp.resampling == "nearest" or (
            warp.resampling == "average" and _rounded(step, warp.target)
        ):
            await _beside(_nearest, pixels, step, out)
            return out
        if warp.resampling == "average" and min(step.a, step.e) > 0:
            await _beside(area_means, pixels, step, nodata, out)
            return out
    await in_warp_thread(_by_gdal, pixels, origin, out, goal, warp, nodata)
    return out


async def source_window(
    whole: Window, warp: Warp, rows: tuple[int, int], cols: tuple[int, int]
) -> tuple[Window, Affine]:
    """Choose the overview, and what of it a window of the target grid needs.

    Returns
    -------
    window : Window
        Of the coarsest overview that is no coarser than the target; empty where the two do not
        meet.
    origin : Affine
        From its columns and rows to the CRS of the file.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The file's header cannot be read.
    """
    level, (height, width), affine = await overview_for(whole, warp)
    here = GeoBox((height, width), affine, warp.source.crs)
    size = (rows[1] - rows[0], cols[1] - cols[0])
    goal = GeoBox(size, _moved(warp.target, cols[0], rows[0]), warp.target.crs)
    plan = compute_reproject_roi(here, goal)
    reach = math.ceil(_REACH.get(warp.resampling, 0) * max(1, plan.scale))
    ys, xs = (
        (max(0, roi.start - reach), min(size, roi.stop + reach))
        for roi, size in zip(plan.roi_src, (height, width), strict=True)
    )
    return whole.cut(ys, xs, level), affine @ Affine.translation(xs[0], ys[0])


async def overview_for(whole: Window, warp: Warp) -> tuple[int, tuple[int, int], Affine]:
    """Choose the coarsest overview that is no coarser than the target.

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
    shapes = await level_shapes(whole)
    across, down = _scale(warp)
    full = shapes[0]
    # The size of an overview may have been rounded down.
    fits = [(h + 1) * down > full[0] and (w + 1) * across > full[1] for h, w in shapes]
    level = max((number for number, fit in enumerate(fits) if fit), default=0)
    height, width = shapes[level]
    scale = Affine.scale(full[1] / width, full[0] / height)
    return level, (height, width), Affine(*warp.source.transform) @ scale


async def read_coarse(
    window: Window,
    shape: tuple[int, int],
    *,
    average: bool,
    nodata: float | None,
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read a window of the file's own grid at fewer pixels, from the overview that suffices.

    Parameters
    ----------
    window : Window
        Half-open ranges of rows and columns of the full image.
    shape : (int, int)
        Rows and columns of the result.
    average : bool
        Mean of the valid pixels under each of the result; else the one at its centre.
    nodata : float or None
        What stands for pixels without data, where they are stored numbers.
    dtype : numpy dtype
        Of the result.

    Returns
    -------
    ndarray
        (planes, rows, columns).

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.read.read`.
    """
    shapes = await level_shapes(window)
    spans = tuple(span for span in (window.rows, window.cols) if isinstance(span, tuple))
    steps = [(stop - start) / n for (start, stop), n in zip(spans, shape, strict=True)]
    fits = [
        all((n + 1) * step > full for n, step, full in zip(level, steps, shapes[0], strict=True))
        for level in shapes
    ]
    level = max((number for number, fit in enumerate(fits) if fit), default=0)
    ratios = [full / n for full, n in zip(shapes[0], shapes[level], strict=True)]
    edges = [
        (int(start / ratio + _CLOSE), min(n, math.ceil(stop / ratio - _CLOSE)))
        for (start, stop), ratio, n in zip(spans, ratios, shapes[level], strict=True)
    ]
    pixels = (await read(window.cut(edges[0], edges[1], level))).astype(dtype, copy=False)
    (down, top), (across, left) = (
        (step / ratio, start / ratio - edge[0])
        for step, ratio, (start, _), edge in zip(steps, ratios, spans, edges, strict=True)
    )
    step = Affine(across, 0, left, 0, down, top)
    missing = math.nan if dtype.kind in "fc" else nodata
    out = np.full((len(pixels), *shape), missing or 0, dtype)
    if average:
        await _beside(area_means, pixels, step, missing, out)
    else:
        await _beside(_nearest, pixels, step, out)
    return out


def _scale(warp: Warp) -> tuple[float, float]:
    """Return how many pixels of the file go into one of the target, across and down.

    It is taken of the whole target, so that each window of it is resampled in the same way.
    """
    full = GeoBox(warp.source.shape, Affine(*warp.source.transform), warp.source.crs)
    goal = GeoBox(warp.target.shape, Affine(*warp.target.transform), warp.target.crs)
    scale = compute_reproject_roi(full, goal).scale2
    return float(scale.x), float(scale.y)


def _rounded(step: Affine, target: Grid) -> bool:
    """Tell whether pixels differ in size by no more than an overview's, whose shape is whole."""
    rows, cols = target.shape
    return abs(step.e - 1) * rows <= 1 and abs(step.a - 1) * cols <= 1


async def _beside(work: Callable[..., None], *args: object) -> None:
    await asyncio.get_running_loop().run_in_executor(decode_pool(), work, *args)


def _moved(grid: Grid, col: int, row: int) -> Affine:
    return Affine(*grid.transform) @ Affine.translation(col, row)


def _nearest(pixels: npt.NDArray[Any], step: Affine, out: npt.NDArray[Any]) -> None:
    """Take the pixel that holds the centre of each pixel of the target."""
    picks, places = [], []
    for scale, first, length, size in (
        (step.e, step.f, out.shape[1], pixels.shape[1]),
        (step.a, step.c, out.shape[2], pixels.shape[2]),
    ):
        found = np.floor((np.arange(length) + 0.5) * scale + first + _CLOSE).astype(np.intp)
        inside = np.flatnonzero((found >= 0) & (found < size))
        places.append(inside)
        picks.append(found[inside])
    planes = np.arange(len(out))
    out[np.ix_(planes, *places)] = pixels[np.ix_(planes, *picks)]


_STRIP = 1 << 22
"""Source pixels that are averaged at once: bounds the memory that takes."""


def area_means(
    pixels: npt.NDArray[Any], step: Affine, nodata: float | None, out: npt.NDArray[Any]
) -> None:
    """Average the valid source pixels under each target pixel, by the area that lies under it."""
    _, height, width = pixels.shape
    down = np.clip(np.arange(out.shape[1] + 1) * step.e + step.f, 0, height)
    across = np.clip(np.arange(out.shape[2] + 1) * step.a + step.c, 0, width)
    strip = max(1, int(_STRIP / step.e / width))
    for top in range(0, out.shape[1], strip):
        rows = slice(top, min(out.shape[1], top + strip))
        edges = down[rows.start : rows.stop + 1]
        first = int(edges[0])
        part = pixels[:, first : math.ceil(edges[-1])]
        valid = _valid(part, nodata)
        if valid.all():
            total = _integrals(_integrals(part, edges - first, 1), across, 2)
            area = np.broadcast_to(np.outer(np.diff(edges), np.diff(across)), total.shape)
        else:
            total = _integrals(_integrals(np.where(valid, part, 0), edges - first, 1), across, 2)
            area = _integrals(_integrals(valid, edges - first, 1), across, 2)
        some = area > _CLOSE
        means = np.divide(total, area, out=total, where=some)
        np.copyto(
            out[:, rows],
            means if out.dtype.kind == "f" else np.rint(means),
            where=some,
            casting="unsafe",
        )


def _integrals(values: npt.NDArray[Any], edges: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Add up values between each edge and the next along an axis, pixels cut by an edge in part."""
    size = values.shape[axis]
    whole = np.minimum((edges + _CLOSE).astype(np.intp), size)
    shape = [-1 if n == axis else 1 for n in range(values.ndim)]
    sums = np.cumsum(values, axis=axis, dtype=np.float64)
    at = np.take(sums, np.maximum(whole - 1, 0), axis)
    at *= (whole > 0).reshape(shape)
    part = np.maximum(edges - whole, 0) * (whole < size)
    if part.any():
        at += np.take(values, np.minimum(whole, size - 1), axis) * part.reshape(shape)
    return np.diff(at, axis=axis)


def _valid(pixels: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    if nodata is None:
        return np.ones(pixels.shape, np.bool_)
    valid: npt.NDArray[np.bool_] = ~np.isnan(pixels) if math.isnan(nodata) else pixels != nodata
    return valid


def _by_gdal(
    pixels: npt.NDArray[Any],
    origin: Affine,
    out: npt.NDArray[Any],
    goal: Affine,
    warp: Warp,
    nodata: float | None,
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
            src_nodata=nodata,
            dst_transform=goal,
            dst_crs=warp.target.crs,
            dst_nodata=nodata,
            resampling=Resampling[warp.resampling],
            num_threads=min(8, os.cpu_count() or 1),
            # Else GDAL guesses the reach of its kernels from each window.
            XSCALE=math.hypot(origin.a, origin.d) / math.hypot(full.a, full.d) / across,
            YSCALE=math.hypot(origin.b, origin.e) / math.hypot(full.b, full.e) / down,
        )
