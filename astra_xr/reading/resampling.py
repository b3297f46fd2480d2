"""Resample along the same axes: nearest pixel, or area means. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

CLOSE = 1e-6
"""Tolerance in pixels: transforms are published as rounded decimals."""

_STRIP = 1 << 22
"""Source pixels averaged at once; bounds memory."""


def nearest(pixels: npt.NDArray[Any], step: Affine, out: npt.NDArray[Any]) -> None:
    """Write the source pixel under the center of each target pixel to ``out``."""
    picks, targets = [], []
    for scale, first, length, size in (
        (step.e, step.f, out.shape[1], pixels.shape[1]),
        (step.a, step.c, out.shape[2], pixels.shape[2]),
    ):
        found = np.floor((np.arange(length) + 0.5) * scale + first + CLOSE).astype(np.intp)
        inside = np.flatnonzero((found >= 0) & (found < size))
        targets.append(inside)
        picks.append(found[inside])
    planes = np.arange(len(out))
    out[np.ix_(planes, *targets)] = pixels[np.ix_(planes, *picks)]


def area_means(
    pixels: npt.NDArray[Any], step: Affine, nodata: float | None, out: npt.NDArray[Any]
) -> None:
    """Write the area-weighted mean of the valid source pixels under each target pixel to ``out``.

    Target pixels without valid source pixels are left unchanged.

    Parameters
    ----------
    pixels : ndarray
        (planes, rows, columns) of the source.
    step : Affine
        From columns and rows of ``out`` to those of ``pixels``, without rotation.
    nodata : float or None
        Value to leave out, beside NaN.
    out : ndarray
        (planes, rows, columns); integer arrays get the rounded mean.
    """
    _, height, width = pixels.shape
    down = np.clip(np.arange(out.shape[1] + 1) * step.e + step.f, 0, height)
    across = np.clip(np.arange(out.shape[2] + 1) * step.a + step.c, 0, width)
    strip = max(1, int(_STRIP / step.e / width))
    for top in range(0, out.shape[1], strip):
        rows = slice(top, min(out.shape[1], top + strip))
        edges = down[rows.start : rows.stop + 1]
        first = int(edges[0])
        part = pixels[:, first : math.ceil(edges[-1])]
        valid = _valid(part, nodata)
        if valid.all():
            total = _integrals(_integrals(part, edges - first, 1), across, 2)
            area = np.broadcast_to(np.outer(np.diff(edges), np.diff(across)), total.shape)
        else:
            total = _integrals(_integrals(np.where(valid, part, 0), edges - first, 1), across, 2)
            area = _integrals(_integrals(valid, edges - first, 1), across, 2)
        some = area > CLOSE
        means = np.divide(total, area, out=total, where=some)
        np.copyto(
            out[:, rows],
            means if out.dtype.kind == "f" else np.rint(means),
            where=some,
            casting="unsafe",
        )


def _integrals(values: npt.NDArray[Any], edges: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Integrate values between consecutive edges along an axis; edges may cut pixels."""
    size = values.shape[axis]
    whole = np.minimum((edges + CLOSE).astype(np.intp), size)
    shape = [-1 if n == axis else 1 for n in range(values.ndim)]
    sums = np.cumsum(values, axis=axis, dtype=np.float64)
    at = np.take(sums, np.maximum(whole - 1, 0), axis)
    at *= (whole > 0).reshape(shape)
    part = np.maximum(edges - whole, 0) * (whole < size)
    if part.any():
        at += np.take(values, np.minimum(whole, size - 1), axis) * part.reshape(shape)
    return np.diff(at, axis=axis)


def _valid(pixels: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    valid = np.ones(pixels.shape, np.bool_) if pixels.dtype.kind in "iub" else ~np.isnan(pixels)
    if nodata is not None:
        valid &= pixels != nodata
    return valid
