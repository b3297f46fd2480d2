"""Read pixels: by our own engine, or by GDAL what that does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.model import Radiometry, UrlSource
from astra_xr.reading.header import Unsupported
from astra_xr.reading.loop import run
from astra_xr.reading.values import decode_into, decoded_dtype
from astra_xr.reading.window import Window, read_window


def read(
    *,
    source: UrlSource,
    label: str,
    shape: tuple[int, int],
    indexes: tuple[int, ...],
    rows: tuple[int, int],
    cols: tuple[int, int],
    radiometry: Radiometry | None,
) -> npt.NDArray[Any]:
    """Read a window of a file; the parameters are those of :class:`Window`.

    Returns
    -------
    ndarray
        (planes, rows, columns): values where ``radiometry`` is given, else the stored numbers.

    Raises
    ------
    ReadError
        The file cannot be read, or is not what its item says.
    SigningError, UpstreamError
        There is no URL to read it by.
    """
    window = Window(
        source=source,
        label=label,
        shape=shape,
        indexes=indexes,
        rows=rows,
        cols=cols,
        radiometry=radiometry,
    )
    try:
        # Signing may take a request: it must not hold the loop up.
        return run(read_window(window, source()))
    except Unsupported:
        pass
    from astra_xr.reading.raster import read_by_gdal

    stored = read_by_gdal(source, label, shape=shape, indexes=indexes, rows=rows, cols=cols)
    if radiometry is None:
        return stored
    values = np.empty(stored.shape, decoded_dtype(stored.dtype))
    decode_into(stored, radiometry, values)
    return values
