"""Overviews: half the rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_WIDE = {1: 2, 2: 4, 4: 8, 8: 8}
"""Bytes of an integer → bytes of one that can hold the sum of four."""


def halve(
    pixels: npt.NDArray[Any], *, nodata: float | None, nearest: bool = False
) -> npt.NDArray[Any]:
    """Return an overview at half the resolution.

    Parameters
    ----------
    pixels : ndarray
        (planes, rows, columns); odd rows and columns at the end are averaged with themselves.
    nodata : float or None
        Stored number (or NaN) that averages leave out; it is the result where all four have it.
    nearest : bool
        True for the upper left of each four pixels, False for their mean; integers are rounded
        half up.

    Returns
    -------
    ndarray
        (planes, ceil(rows / 2), ceil(columns / 2)), of the same dtype.

    Examples
    --------
    >>> halve(np.array([[[1, 2, 9], [3, 0, 9]]], "uint8"), nodata=0)
    array([[[2, 9]]], dtype=uint8)
    """
    if nearest:
        return np.ascontiguousarray(pixels[:, ::2, ::2])
    _, rows, cols = pixels.shape
    if rows % 2 or cols % 2:
        pixels = np.pad(pixels, ((0, 0), (0, rows % 2), (0, cols % 2)), mode="edge")
    corners = [pixels[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    empty = _empty(pixels, nodata)
    if empty is None or not empty.any():
        return _mean(_total(corners), 4, pixels.dtype)
    valid = [~empty[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    total = _total([np.where(ok, c, 0) for ok, c in zip(valid, corners, strict=True)])
    count = np.add.reduce([ok.astype(np.uint8) for ok in valid])
    mean = _mean(total, np.maximum(count, 1), pixels.dtype)
    return np.where(count > 0, mean, pixels.dtype.type(nodata))


def _empty(pixels: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_] | None:
    if nodata is None:
        return None
    if math.isnan(nodata):
        return np.isnan(pixels) if pixels.dtype.kind == "f" else None
    kind = pixels.dtype
    if kind.kind != "f" and (
        nodata != int(nodata) or not np.iinfo(kind).min <= nodata <= np.iinfo(kind).max
    ):
        return None
    return np.asarray(pixels == kind.type(nodata))


def _total(corners: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Add four arrays in a type that holds their sum."""
    kind = corners[0].dtype
    wide = "f8" if kind.kind == "f" else f"{kind.kind}{_WIDE[kind.itemsize]}"
    total = np.add(corners[0], corners[1], dtype=wide)
    for corner in corners[2:]:
        np.add(total, corner, out=total)
    return np.asarray(total)


def _mean(total: npt.NDArray[Any], count: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind == "f":
        return np.asarray(total / count).astype(dtype)
    if isinstance(count, int):  # four
        return np.asarray((total + 2) >> 2).astype(dtype)
    count = count.astype(total.dtype)
    return np.asarray((2 * total + count) // (2 * count)).astype(dtype)
