"""Overviews of a file: which can be used, and which one is fine enough."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from astra_xr.reading.cache import header_cache
from astra_xr.reading.decoding import fitting
from astra_xr.reading.engine import read
from astra_xr.reading.headers import find_layout
from astra_xr.reading.loop import in_gdal_thread
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.window import Pyramid, Window, clamped
from astra_xr.tiff.directories import Unsupported
from astra_xr.warned import first_time

_CHECKED_SIDE = 512
"""Rows and columns, in the middle of the coarsest overview, that are checked for classes."""

_CHECKED_PIXELS = 3
"""Pixels of unknown classes that are compared with the image under them."""


async def pyramid_of(window: Window) -> Pyramid:
    """Return the usable levels of a window's file, and its nodata.

    Overviews of class maps that hold means are not used.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    file = await RangeFile.open(window.source, window.label)
    try:
        layout = await find_layout(file, window)
        shapes = tuple(level.shape for level in layout.levels)
        pyramid = Pyramid(shapes=shapes, nodata=layout.nodata, palette=layout.palette)
    except Unsupported:
        from astra_xr.reading.gdal import gdal_pyramid

        pyramid = await in_gdal_thread(gdal_pyramid, window, file.reopened())
    if window.only_nodata is not None and pyramid.nodata != window.only_nodata:
        # Means in its overviews were made without the valid number that it calls nodata.
        usable = len(pyramid.shapes) if pyramid.nodata is None else 1
        pyramid = replace(pyramid, shapes=pyramid.shapes[:usable], nodata=window.only_nodata)
    if window.classes and len(pyramid.shapes) > 1:
        key = window.source, window.classes
        holds: bool | None = header_cache.get(key)
        if holds is None:
            holds = await _hold_classes(window, pyramid)
            header_cache.put(key, holds, 1000)
        if not holds:
            return replace(pyramid, shapes=pyramid.shapes[:1])
    return pyramid


async def _hold_classes(window: Window, pyramid: Pyramid) -> bool:
    """Return False if the overviews of a class map hold numbers that are no classes.

    By default GDAL averages overviews of a file without a color table. The coarsest one is
    checked: an unknown number counts as a class if the image has it at the same place.
    """
    level, shape = len(pyramid.shapes) - 1, pyramid.shapes[-1]
    middle = [clamped((n - _CHECKED_SIDE) / 2, (n + _CHECKED_SIDE) / 2, n) for n in shape]
    pixels = await read(window.cut(middle[0], middle[1], level))
    known = [*window.classes, *(n for n in (pyramid.nodata, window.nodata) if n is not None)]
    for plane, row, col in np.argwhere(~np.isin(pixels, known))[:_CHECKED_PIXELS]:
        # In overviews of overviews, a pixel may come from a neighboring position.
        around = [
            clamped((n + start - 1) * full / size, (n + start + 2) * full / size, full)
            for n, (start, _), full, size in zip(
                (row, col), middle, pyramid.shapes[0], shape, strict=True
            )
        ]
        number = pixels[plane, row, col]
        if number not in (await read(window.cut(around[0], around[1])))[plane]:
            if first_time(f"overviews of {window.label}"):
                warnings.warn(
                    f"{window.label}: its overviews were averaged and hold numbers that are no "
                    f"classes, such as {number}. The full image is read instead, which takes "
                    "longer.",
                    stacklevel=2,
                )
            return False
    return True


def nodata_of(window: Window, pyramid: Pyramid, dtype: np.dtype[Any]) -> tuple[float | None, float]:
    """Return the number of pixels without data in a window, and the fill value outside the file.

    The file's own nodata marks pixels without data. Pixels outside the file are filled with the
    item's, which is the array's ``_FillValue``.
    """
    if window.radiometry is not None:
        return None, math.nan
    own, described = (fitting(value, dtype) for value in (pyramid.nodata, window.nodata))
    fill = own if described is None else described
    if fill is None:
        fill = math.nan if dtype.kind in "fc" else 0
    return described if own is None else own, fill


def level_for(shapes: Sequence[tuple[int, int]], steps: Sequence[float]) -> int:
    """Return the number of the coarsest level whose pixels are no larger than requested.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Rows and columns of the full image and its overviews.
    steps : (float, float)
        Rows and columns of the full image per requested pixel.

    Examples
    --------
    >>> level_for([(1000, 800), (500, 400), (250, 200)], (3.0, 2.5))
    1
    """
    # The size of an overview may be rounded down.
    fits = [
        all((n + 1) * step > full for n, step, full in zip(level, steps, shapes[0], strict=True))
        for level in shapes
    ]
    return max((number for number, fit in enumerate(fits) if fit), default=0)
