"""Overviews of class maps: do they hold classes, or means of them."""

from __future__ import annotations

import warnings

import numpy as np

from astra_xr.model import UrlSource
from astra_xr.reading.engine import read
from astra_xr.reading.headers import Facts
from astra_xr.reading.window import Window, clamped
from astra_xr.warned import first_time

_SIDE = 512
"""Rows and columns of the coarsest overview that are looked at, in its middle."""
_ODD = 3
"""Pixels of other numbers that are compared with the image under them."""
_MOST = 4096

_judged: dict[tuple[UrlSource, tuple[int, ...]], bool] = {}
"""By source and classes, which files have overviews of classes."""


async def hold_classes(window: Window, facts: Facts) -> bool:
    """Return False if the file of a class map has overviews of numbers that are no classes.

    GDAL averages overviews of a file without a color table unless it is told otherwise. The
    coarsest one is looked at: a number that is no class is believed if the image has it at the
    same place.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    key = window.source, window.classes
    if key not in _judged:
        if len(_judged) >= _MOST:
            _judged.clear()
        _judged[key] = await _look(window, facts)
    return _judged[key]


async def _look(window: Window, facts: Facts) -> bool:
    level, shape = len(facts.shapes) - 1, facts.shapes[-1]
    middle = [clamped((n - _SIDE) / 2, (n + _SIDE) / 2, n) for n in shape]
    pixels = await read(window.cut(middle[0], middle[1], level))
    known = [*window.classes, *(n for n in (facts.nodata, window.nodata) if n is not None)]
    for plane, row, col in np.argwhere(~np.isin(pixels, known))[:_ODD]:
        # Of overviews made of overviews, a pixel may come from beside its place.
        around = [
            clamped((n + start - 1) * full / size, (n + start + 2) * full / size, full)
            for n, (start, _), full, size in zip(
                (row, col), middle, facts.shapes[0], shape, strict=True
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
