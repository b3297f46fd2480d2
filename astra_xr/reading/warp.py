"""Read pixels on a target grid, from the part of the overview that is needed."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.model import Grid
from astra_xr.reading.engine import read
from astra_xr.reading.headers import Facts
from astra_xr.reading.loop import in_decode_thread, together
from astra_xr.reading.overview import facts_of, level_for, nodata_of, warn_of_palette
from astra_xr.reading.positions import CLOSE, Array, Range, positions
from astra_xr.reading.resampling import RADIUS, Part, kernel_scale, resample
from astra_xr.reading.window import Window, clamped

_THREADS = os.cpu_count() or 1

_MOST = 1 << 19
"""Source pixels under those that are resampled at once; bounds memory."""

_WIDTH = 2048
"""Columns that are resampled at once, at most."""

_BESIDE = 0.1
"""By how much a footprint may lie beside the corners of its pixel, in source pixels."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """From the grid of a file to a target grid."""

    source: Grid
    """Grid of the file's full image."""

    target: Grid
    resampling: str
    """One of :data:`astra_xr.reading.resampling.RESAMPLINGS`."""


def usual_resampling(target: Grid, source: Grid) -> str:
    """Return how measured values come to another grid where nothing else is asked for."""
    if target.crs == source.crs:
        return "average" if target.resolution > source.resolution else "nearest"
    # Pixels of the same size in two projections differ by some percent.
    return "average" if min(positions(source, target).scale) > 1.1 else "nearest"


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
    level, way = _way(facts, warp)
    spans = await in_decode_thread(way.source, rows, cols)
    window = whole.cut(*spans, level)
    if 0 in window.size:
        return out
    part = Part(pixels=await read(window), first=(spans[0][0], spans[1][0]), nodata=missing)
    blocks = list(way.blocks(rows, cols))
    threads = min(_THREADS, len(blocks))
    await together(
        in_decode_thread(way.resample, part, blocks[n::threads], (rows[0], cols[0]), out)
        for n in range(threads)
    )
    return out


async def source_window(whole: Window, warp: Warp, rows: Range, cols: Range) -> Window:
    """Return the overview, and the part of it, that a window of the target grid needs.

    Returns
    -------
    Window
        Of the coarsest overview that is no coarser than the target; empty if the two do not
        overlap.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The file's header cannot be read.
    """
    level, way = _way(await facts_of(whole), warp)
    return whole.cut(*await in_decode_thread(way.source, rows, cols), level)


def overview_for(facts: Facts, warp: Warp) -> tuple[int, Grid]:
    """Return the coarsest overview that is no coarser than the target, for all of its windows.

    Returns
    -------
    level : int
        0 is the full image.
    grid : Grid
        Of its pixels.
    """
    level = level_for(facts.shapes, positions(warp.source, warp.target).scale)
    full, (height, width) = facts.shapes[0], facts.shapes[level]
    scale = Affine.scale(full[1] / width, full[0] / height)
    a, b, c, d, e, f = list(Affine(*warp.source.transform) @ scale)[:6]
    return level, replace(warp.source, shape=(height, width), transform=(a, b, c, d, e, f))


def _way(facts: Facts, warp: Warp) -> tuple[int, _Way]:
    """Return the overview of a file that is read, and how its pixels come to the target."""
    level, grid = overview_for(facts, warp)
    return level, _Way(replace(warp, resampling="nearest") if facts.palette else warp, grid)


class _Way:
    """How pixels of an overview come to a target grid."""

    def __init__(self, warp: Warp, grid: Grid) -> None:
        self._positions = positions(grid, warp.target)
        self._size = grid.shape
        step, (rows, cols) = self._positions.step, warp.target.shape
        # They differ in size only because an overview's shape is rounded.
        same = (
            self._positions.aligned and abs(step.e - 1) * rows <= 1 and abs(step.a - 1) * cols <= 1
        )
        self._as_it_is = same and warp.resampling == "average"
        self._how = "nearest" if self._as_it_is else warp.resampling

    def source(self, rows: Range, cols: Range) -> tuple[Range, Range]:
        """Return which rows and columns of the overview pixels of the target take."""
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
        part: Part,
        blocks: Iterable[tuple[Range, Range]],
        first: tuple[int, int],
        out: npt.NDArray[Any],
    ) -> None:
        """Write blocks of the target to ``out``, which begins at row and column ``first``."""
        for rows, cols in blocks:
            place = self._positions.at(rows, cols)
            reach = None if self._how in ("nearest", *RADIUS) else self._positions.reach(rows, cols)
            if self._as_it_is:
                down, across = (_meeting(*each) for each in zip(place, self._size, strict=True))
                place = down, across
            in_rows, in_cols = (
                slice(start - zero, stop - zero)
                for (start, stop), zero in zip((rows, cols), first, strict=True)
            )
            here = out[:, in_rows, in_cols]
            resample(part, self._how, place, reach, self._positions.scale, here)


def _meeting(place: Array, size: int) -> Array:
    """Return centers of pixels, those of pixels that meet the file just within it."""
    meets = (place > CLOSE - 0.5) & (place < size + 0.5 - CLOSE)
    return np.where(meets, np.clip(place, 0.5, size - 0.5), place)
