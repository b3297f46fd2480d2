"""Read pixels: by our own engine, or by GDAL what that does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.reading.header import Unsupported
from astra_xr.reading.loop import in_gdal_thread, in_thread
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.values import decode_into, decoded_dtype, warn_of_offset
from astra_xr.reading.window import Window, find_layout, read_window


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
        return await read_window(window, signed)
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
