"""Read windows and points of a grid, by resampling the overview that is fine enough."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.model import Grid
from astra_xr.reading.engine import read
from astra_xr.reading.loop import in_decode_thread, together
from astra_xr.reading.overview import level_for, nodata_of, pyramid_of
from astra_xr.reading.positions import CLOSE, Array, Range, positions
from astra_xr.reading.resampling import RADIUS, SourcePixels, kernel_scale, resample
from astra_xr.reading.window import Pyramid, Window, by_block, clamped
from astra_xr.warned import first_time

_BLOCK = 256
"""Rows and columns of a block of the overview, whose points are read together: they share a tile if
the tile size is a multiple of it."""

_AT_ONCE = 256
"""Blocks read at once; the pixels of all rarely take more than a megabyte."""

_THREADS = os.cpu_count() or 1

_MOST = 1 << 19
"""Source pixels under those that are resampled at once; bounds memory."""

_WIDTH = 2048
"""Columns that are resampled at once, at most."""

_BESIDE = 0.1
"""How far a footprint may extend beyond the corners of its pixel, in source pixels."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """How a file is brought to another grid."""

    source: Grid
    """Grid of the file's full image."""

    target: Grid
    resampling: str
    """One of :data:`astra_xr.reading.resampling.RESAMPLINGS`."""


def usual_resampling(target: Grid, source: Grid) -> str:
    """Return the default resampling of measured values to another grid."""
    if target.crs == source.crs:
        return "average" if target.resolution > source.resolution else "nearest"
    # Pixels of the same size in two projections differ by some percent.
    return "average" if min(positions(source, target).scale) > 1.1 else "nearest"


async def read_warped(
    whole: Window,
    warp: Warp,
    rows: Range,
    cols: Range,
    dtype: np.dtype[Any],
    *,
    blend: bool = False,
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
    blend : bool
        True, for images on a screen: averages between pixels of the same size are means of both.
        False: they are the nearest pixel.

    Returns
    -------
    ndarray
        (planes, rows, columns). Outside the file: NaN; of stored numbers their nodata, else NaN
        or 0.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    size = (len(whole.indexes), rows[1] - rows[0], cols[1] - cols[0])
    if 0 in size:
        return np.empty(size, dtype)
    pyramid = await pyramid_of(whole)
    missing, fill = nodata_of(whole, pyramid, dtype)
    out = np.full(size, fill, dtype)
    other = pyramid.palette and warp.resampling != "nearest"
    if other and not blend and first_time(f"palette of {whole.label}"):
        warnings.warn(
            f"{whole.label}: the file has a color table, so its numbers are classes: resampling is "
            f"nearest, not {warp.resampling}.",
            stacklevel=2,
        )
    level, resampler = _resampler(pyramid, warp, blend=blend)
    spans = await in_decode_thread(resampler.source, rows, cols)
    window = whole.cut(*spans, level)
    if 0 in window.size:
        return out
    part = SourcePixels(pixels=await read(window), first=(spans[0][0], spans[1][0]), nodata=missing)
    blocks = list(resampler.blocks(rows, cols))
    threads = min(_THREADS, len(blocks))
    await together(
        in_decode_thread(resampler.resample, part, blocks[n::threads], (rows[0], cols[0]), out)
        for n in range(threads)
    )
    return out


async def read_warped_points(
    whole: Window,
    warp: Warp,
    rows: npt.NDArray[np.intp],
    cols: npt.NDArray[np.intp],
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read pixels of the target grid by row and column.

    Parameters
    ----------
    whole : Window
        The file; its rows and columns are ignored.
    rows, cols : ndarray
        1-D, of the same length.
    dtype : numpy dtype
        Of the result.

    Returns
    -------
    ndarray
        (planes, points), the same values as in a window around them.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    out = np.empty((len(whole.indexes), len(rows)), dtype)
    if not len(rows):
        return out
    under = await points_under(whole, warp, rows, cols)
    found = np.asarray(under.rows), np.asarray(under.cols)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(members: npt.NDArray[np.intp]) -> None:
        y, x = rows[members], cols[members]
        (top, bottom), (left, right) = ((int(v.min()), int(v.max()) + 1) for v in (y, x))
        async with slots:
            pixels = await read_warped(whole, warp, (top, bottom), (left, right), dtype)
        out[:, members] = pixels[:, y - top, x - left]

    await together(map(one, by_block(found, (_BLOCK, _BLOCK))))
    return out


async def points_under(
    whole: Window, warp: Warp, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
) -> Window:
    """Return the pixels of the file's overview under the centers of target pixels."""
    level, grid = overview_for(await pyramid_of(whole), warp)
    found = positions(grid, warp.target).exact(rows + 0.5, cols + 0.5)
    ys, xs = (
        np.clip(np.nan_to_num(v, nan=0, posinf=size, neginf=0), 0, size - 1).astype(np.intp)
        for v, size in zip(found, grid.shape, strict=True)
    )
    return replace(whole, rows=ys, cols=xs, level=level, pointwise=True)


async def source_window(whole: Window, warp: Warp, rows: Range, cols: Range) -> Window:
    """Return the window of the file, in an overview, that a window of the target grid needs.

    It is empty if the two do not overlap.
    """
    level, resampler = _resampler(await pyramid_of(whole), warp)
    return whole.cut(*await in_decode_thread(resampler.source, rows, cols), level)


def overview_for(pyramid: Pyramid, warp: Warp) -> tuple[int, Grid]:
    """Return the coarsest overview that is no coarser than the target, for all of its windows.

    Returns
    -------
    level : int
        0 is the full image.
    grid : Grid
        Of its pixels.
    """
    level = level_for(pyramid.shapes, positions(warp.source, warp.target).scale)
    full, (height, width) = pyramid.shapes[0], pyramid.shapes[level]
    scale = Affine.scale(full[1] / width, full[0] / height)
    a, b, c, d, e, f = list(Affine(*warp.source.transform) @ scale)[:6]
    return level, replace(warp.source, shape=(height, width), transform=(a, b, c, d, e, f))


def _resampler(pyramid: Pyramid, warp: Warp, *, blend: bool = False) -> tuple[int, _Resampler]:
    """Return the number of the overview to read, and the resampler of its pixels."""
    level, grid = overview_for(pyramid, warp)
    warp = replace(warp, resampling="nearest") if pyramid.palette else warp
    return level, _Resampler(warp, grid, blend=blend)


class _Resampler:
    """Resamples an overview to a target grid."""

    def __init__(self, warp: Warp, grid: Grid, *, blend: bool) -> None:
        self._positions = positions(grid, warp.target)
        self._size = grid.shape
        step, (rows, cols) = self._positions.step, grid.shape
        # Pixels of the same size, except that an overview's shape is rounded. The target's shape
        # says nothing: over few pixels, those of any size are about the same.
        same = (
            self._positions.aligned and abs(step.e - 1) * rows <= 1 and abs(step.a - 1) * cols <= 1
        )
        self._as_it_is = same and warp.resampling == "average" and not blend
        self._how = "nearest" if self._as_it_is else warp.resampling

    def source(self, rows: Range, cols: Range) -> tuple[Range, Range]:
        """Return the rows and columns of the overview that a window of the target needs."""
        if self._how == "nearest" and not self._as_it_is:
            found = self._positions.bounds(rows, cols)
            margins = [(CLOSE, CLOSE)] * 2
        elif self._how in RADIUS:
            found = self._positions.bounds(rows, cols)
            taps = [math.ceil(RADIUS[self._how] * s) for s in kernel_scale(self._positions.scale)]
            margins = [(0.5 - n, n - 0.5) for n in taps]
        else:
            found = self._positions.bounds((rows[0], rows[1] + 1), (cols[0], cols[1] + 1), 0)
            # A footprint is nearly as wide as the corners of its pixel.
            beyond = _BESIDE if self._positions.other_crs else -CLOSE / 2
            margins = [(-beyond, beyond)] * 2
        if found is None:
            return (0, 0), (0, 0)
        down, across = (
            clamped(math.floor(low + before), math.floor(high + after) + 1, size)
            for (low, high), (before, after), size in zip(found, margins, self._size, strict=True)
        )
        return down, across

    def blocks(self, rows: Range, cols: Range) -> Iterator[tuple[Range, Range]]:
        """Yield parts of a window that are resampled at once."""
        down, across = self._positions.scale
        most = max(1, int(_MOST / (down + 2) / (across + 2)))
        width = min(_WIDTH, most)
        height = most // width
        for top, left in itertools.product(range(*rows, height), range(*cols, width)):
            yield (top, min(top + height, rows[1])), (left, min(left + width, cols[1]))

    def resample(
        self,
        part: SourcePixels,
        blocks: Iterable[tuple[Range, Range]],
        first: tuple[int, int],
        out: npt.NDArray[Any],
    ) -> None:
        """Write blocks of the target to ``out``, which begins at row and column ``first``."""
        for rows, cols in blocks:
            position = self._positions.at(rows, cols)
            reach = None if self._how in ("nearest", *RADIUS) else self._positions.reach(rows, cols)
            if self._as_it_is:
                down, across = (_meeting(*each) for each in zip(position, self._size, strict=True))
                position = down, across
            in_rows, in_cols = (
                slice(start - zero, stop - zero)
                for (start, stop), zero in zip((rows, cols), first, strict=True)
            )
            here = out[:, in_rows, in_cols]
            resample(part, self._how, position, reach, self._positions.scale, here)


def _meeting(position: Array, size: int) -> Array:
    """Return centers of pixels, moved into the file if their pixels overlap its edge."""
    meets = (position > CLOSE - 0.5) & (position < size + 0.5 - CLOSE)
    return np.where(meets, np.clip(position, 0.5, size - 0.5), position)
