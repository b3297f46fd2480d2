"""Stored numbers to values: scale, offset, nodata."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.model import Radiometry


def decoded_dtype(stored: npt.DTypeLike) -> np.dtype[Any]:
    """Return the type of values: float32, or wider where it cannot hold the stored numbers.

    Examples
    --------
    >>> decoded_dtype("uint16"), decoded_dtype("int32")
    (dtype('float32'), dtype('float64'))
    """
    dtype = np.dtype(stored)
    if dtype.kind == "c":
        return dtype
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def decode_into(
    stored: npt.NDArray[Any], radiometry: Radiometry, out: npt.NDArray[np.floating[Any]]
) -> None:
    """Write ``stored · scale + offset`` to ``out``, NaN where stored is nodata.

    Parameters
    ----------
    stored : ndarray
        Stored numbers of any type.
    radiometry : Radiometry
        Scale, offset and nodata.
    out : ndarray of float or complex
        Of the same shape; in the type of :func:`decoded_dtype`.

    Examples
    --------
    >>> values = np.empty(3, "float32")
    >>> decode_into(np.array([0, 2000, 4000], "uint16"),
    ...             Radiometry(dtype="uint16", scale=1e-4, offset=-0.1, nodata=0), values)
    >>> values.round(3)
    array([nan, 0.1, 0.3], dtype=float32)
    """
    kind = out.dtype.type
    np.multiply(stored, kind(radiometry.scale), out=out, casting="unsafe")
    if radiometry.offset:
        np.add(out, kind(radiometry.offset), out=out)
    nodata = radiometry.nodata
    if nodata is not None and not math.isnan(nodata):
        np.copyto(out, np.nan, where=stored == nodata)
