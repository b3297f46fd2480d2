"""Read pixels: by our own engine, or by GDAL what that does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.conversion.tags import Unsupported
from astra_xr.model import Radiometry, SignedUrl
from astra_xr.reading.loop import decode_pool, in_gdal_thread, in_thread
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.stream import Job, Part, jobs_of, overlap, stream, tile_pixels
from astra_xr.reading.values import decode_into, decoded_dtype, warn_of_offset
from astra_xr.reading.window import Window, find_layout


async def read(window: Window) -> npt.NDArray[Any]:
    """Read a window of a file.

    Returns
    -------
    ndarray
        Of ``window.size``: values where the window has a radiometry, else the stored numbers.

    Raises
    ------
    ReadError
        The file cannot be read, or is not what its item says.
    SigningError, UpstreamError
        There is no URL to read it by.
    """
    values = await _read(window)
    warn_of_offset(values, window.radiometry, window.label)
    return values


async def _read(window: Window) -> npt.NDArray[Any]:
    # Signing may take a request: it must not hold the loop up.
    signed = await in_thread(window.source)
    try:
        return await _by_engine(window, signed)
    except Unsupported:
        pass
    from astra_xr.reading.raster import read_by_gdal

    stored, valid = await in_gdal_thread(read_by_gdal, window)
    if window.radiometry is None:
        return stored
    values = np.empty(stored.shape, decoded_dtype(stored.dtype))
    decode_into(stored, window.radiometry, values)
    if valid is not None:
        values[:, ~valid] = np.nan
    return values


async def _by_engine(window: Window, signed: SignedUrl) -> npt.NDArray[Any]:
    """Read a window.

    Returns
    -------
    ndarray
        Of ``window.size``: values as of :func:`decode_into`, or the stored numbers.

    Raises
    ------
    Unsupported
        GDAL has to read this file.
    ReadError
        It cannot be read, or is not what its item says.
    """
    file = RangeFile(window.source, signed, window.label)
    layout = await find_layout(file, window)
    jobs = jobs_of(file, window, layout)
    image = jobs[0]
    native = layout.dtype.newbyteorder("=")
    dtype = decoded_dtype(native) if window.radiometry else native
    out = np.empty(window.size, dtype)
    judged = len(jobs) > 1 or image.alpha is not None
    valid = np.ones(out.shape[1:], np.bool_) if judged else None
    loop = asyncio.get_running_loop()

    def paint(job: Job, parts: Sequence[Part]) -> None:
        for tile, data in parts:
            pixels = tile_pixels(job, tile, data)
            cut, place = overlap(job.level, tile, job.window)
            judge = job.judge(tile)
            if valid is not None and judge is not None:
                valid[place] = pixels[cut][..., judge] != 0
            if job is image:
                for plane, index in enumerate(window.indexes):
                    if not layout.planar or index - 1 == tile.plane:
                        stored = pixels[cut][..., 0 if layout.planar else index - 1]
                        _put(stored, window.radiometry, out[plane], place)

    async def use(job: Job, parts: Sequence[Part]) -> None:
        await loop.run_in_executor(decode_pool(), paint, job, parts)

    await stream(jobs, use)
    if valid is not None:
        out[:, ~valid] = np.nan
    return out


def _put(
    stored: npt.NDArray[Any], radiometry: Radiometry | None, out: npt.NDArray[Any], place: Any
) -> None:
    """Write stored numbers, or their values, to a place of the result."""
    if radiometry is None:
        out[place] = stored
    elif isinstance(place[0], slice):
        decode_into(stored, radiometry, out[place])
    else:
        values = np.empty(stored.shape, out.dtype)
        decode_into(stored, radiometry, values)
        out[place] = values


async def level_shapes(window: Window) -> tuple[tuple[int, int], ...]:
    """Return rows and columns of the image and its overviews, from fine to coarse.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`read`.
    """
    signed = await in_thread(window.source)
    try:
        layout = await find_layout(RangeFile(window.source, signed, window.label), window)
        return tuple(level.shape for level in layout.levels)
    except Unsupported:
        pass
    from astra_xr.reading.raster import gdal_levels

    return await in_gdal_thread(gdal_levels, window)
