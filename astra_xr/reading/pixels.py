"""Read single pixels of a target grid, fetching only the tiles under them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.reading.loop import together
from astra_xr.reading.overview import facts_of
from astra_xr.reading.positions import positions
from astra_xr.reading.warp import Warp, overview_for, read_warped
from astra_xr.reading.window import Window, by_block

_BLOCK = 256
"""Points within so many rows and columns of the overview are read together: they lie in one tile
of any file whose tiles are multiples of this."""

_AT_ONCE = 256
"""Such groups, whose pixels take a megabyte at most as a rule."""


async def read_warped_points(
    whole: Window,
    warp: Warp,
    rows: npt.NDArray[np.intp],
    cols: npt.NDArray[np.intp],
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read pixels of the target grid, given by row and column.

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
    """Return the pixels of the file's overview under the centers of target pixels.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The file's header cannot be read.
    """
    level, grid = overview_for(await facts_of(whole), warp)
    found = positions(grid, warp.target).exact(rows + 0.5, cols + 0.5)
    ys, xs = (
        np.clip(np.nan_to_num(v, nan=0, posinf=size, neginf=0), 0, size - 1).astype(np.intp)
        for v, size in zip(found, grid.shape, strict=True)
    )
    return replace(whole, rows=ys, cols=xs, level=level, pointwise=True)
