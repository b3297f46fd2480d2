"""Resample pixels, each at its own position: nearest, means and ranks. Pure.

A pixel is computed by the same operations on the same numbers whatever its position in an array.
So a part of a result equals that part of the whole, to the last bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.reading.decoding import is_number
from astra_xr.reading.positions import CLOSE, Array, Position

RESAMPLINGS = ("nearest", "average", "bilinear", "cubic", "lanczos", "mode", "min", "max", "med")
"""Resampling methods, by GDAL's names."""

RADIUS = {"bilinear": 1, "cubic": 2, "lanczos": 3}
"""Of the kernels, in source pixels at a scale of 1."""

_SHARP = 1 / 0.95
"""Scale below which a kernel is not widened, as in GDAL."""

_FINE = 4096
"""Positions within a pixel for which kernels are tabulated."""

_STRIP = 1 << 20
"""Source pixels that are averaged at once; bounds memory."""


Tap = tuple[npt.NDArray[np.intp], Array]
"""The source row, or column, that each pixel takes, and its weight."""


@dataclass(frozen=True, kw_only=True)
class SourcePixels:
    """Pixels of a source."""

    pixels: npt.NDArray[Any]
    """(planes, rows, columns): all of the source that are under the resampled pixels."""

    first: tuple[int, int] = (0, 0)
    """Row and column of the first pixel in the source."""

    nodata: float | None
    """Number of pixels without data, beside NaN."""

    def has_data(self) -> npt.NDArray[np.bool_]:
        """Return which pixels have data."""
        pixels = self.pixels
        valid = np.ones(pixels.shape, np.bool_) if pixels.dtype.kind in "iub" else ~np.isnan(pixels)
        if self.nodata is not None:
            valid &= ~is_number(pixels, self.nodata)
        return valid


def kernel_scale(scale: tuple[float, float]) -> tuple[float, float]:
    """Return how much a kernel is widened for larger pixels, down and across."""
    if max(scale) <= _SHARP:
        return 1.0, 1.0
    down, across = (max(1.0, each) for each in scale)
    return down, across


def resample(
    part: SourcePixels,
    how: str,
    position: Position,
    reach: Position | None,
    scale: tuple[float, float],
    out: npt.NDArray[Any],
) -> None:
    """Write resampled pixels to ``out``; those without data are left as they are.

    Parameters
    ----------
    part : SourcePixels
    how : str
        One of :data:`RESAMPLINGS`.
    position : (ndarray, ndarray)
        Row and column of each pixel's center in the source.
    reach : (ndarray, ndarray), optional
        Half the rows and columns that a pixel covers; not for nearest and kernels.
    scale : (float, float)
        Rows and columns of the source per pixel, of the whole grid.
    out : ndarray
        (planes, rows, columns); integer arrays get rounded numbers.
    """
    if how == "nearest":
        nearest(part, position, out)
        return
    if how in RADIUS:
        taps = [_kernel(v, how, s) for v, s in zip(position, kernel_scale(scale), strict=True)]
    else:
        assert reach is not None
        taps = [_footprint(v, half) for v, half in zip(position, reach, strict=True)]
    (down, top, bottom), (across, left, right) = (
        _within(*each, start, start + size)
        for each, start, size in zip(taps, part.first, part.pixels.shape[1:], strict=True)
    )
    if top >= bottom or left >= right:
        return
    row, col = part.first
    cut = part.pixels[:, top - row : bottom - row, left - col : right - col]
    part = SourcePixels(pixels=cut, first=(top, left), nodata=part.nodata)
    if how == "average" or how in RADIUS:
        _means(part, down, across, position if how in RADIUS else None, out)
    else:
        _ranked(part, how, down, across, out)


def nearest(part: SourcePixels, position: Position, out: npt.NDArray[Any]) -> None:
    """Write the source pixel under the center of each pixel to ``out``."""
    inside, row, col = _under(part, position)
    pixels, inside = part.pixels, np.broadcast_to(inside, out.shape[1:])
    if row.shape[1] == col.shape[0] == 1:
        for plane, target in zip(pixels, out, strict=True):
            np.copyto(target, plane[row[:, 0]][:, col[0]], where=inside)
        return
    number = row * pixels.shape[2] + col
    for plane, target in zip(pixels, out, strict=True):
        np.copyto(target, np.take(plane, number), where=inside)


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
    part = SourcePixels(pixels=pixels, nodata=nodata)
    scale = abs(step.e), abs(step.a)
    reach = np.full((1, 1), scale[0] / 2), np.full((1, 1), scale[1] / 2)
    down, across = (np.arange(n) + 0.5 for n in out.shape[1:])
    rows, cols = (down * step.e + step.f)[:, None], (across * step.a + step.c)[None]
    strip = max(1, int(_STRIP / max(1.0, scale[0]) / pixels.shape[2]))
    for top in range(0, out.shape[1], strip):
        here = slice(top, top + strip)
        resample(part, "average", (rows[here], cols), reach, scale, out[:, here])


def _under(
    part: SourcePixels, position: Position
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return whether positions are in the source, and their row and column in the part."""
    numbers = [
        np.floor(v + CLOSE).astype(np.intp) - first
        for v, first in zip(position, part.first, strict=True)
    ]
    sizes = part.pixels.shape[1:]
    inside = [(n >= 0) & (n < size) for n, size in zip(numbers, sizes, strict=True)]
    row, col = (np.clip(n, 0, size - 1) for n, size in zip(numbers, sizes, strict=True))
    return inside[0] & inside[1], row, col


def _kernel(position: Array, how: str, scale: float) -> tuple[npt.NDArray[np.intp], list[Array]]:
    """Return the first tap of a kernel around each position, and the weights of all."""
    table = _table(how, scale)
    first = np.floor(position - 0.5)
    within = np.rint((position - 0.5 - first) * _FINE).astype(np.intp)
    start = first.astype(np.intp) - (len(table) // 2 - 1)
    return start, [np.take(weights, within) for weights in table]


@functools.lru_cache(maxsize=64)
def _table(how: str, scale: float) -> Array:
    """Return the weights of a kernel's taps, (taps, positions within a pixel)."""
    taps = math.ceil(RADIUS[how] * scale)
    x = np.arange(1 - taps, taps + 1)[:, None] - np.arange(_FINE + 1) / _FINE
    x = np.abs(x) / scale
    if how == "bilinear":
        return np.maximum(1 - x, 0)
    if how == "cubic":
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0))
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _footprint(position: Array, half: Array) -> tuple[npt.NDArray[np.intp], list[Array]]:
    """Return the first tap within ``half`` a pixel's size of each position, and all weights."""
    first = np.floor(position - half + CLOSE)
    count = max(1, int(np.max(np.ceil(position + half - CLOSE) - first)))
    away, most = position - first - 0.5, np.minimum(2 * half, 1)
    weights = [np.clip(half + 0.5 - np.abs(away - n), 0, most) for n in range(count)]
    return first.astype(np.intp), weights


def _within(
    first: npt.NDArray[np.intp], weights: list[Array], start: int, stop: int
) -> tuple[list[Tap], int, int]:
    """Return taps, with no weight outside of a range, and the part of the range that they take."""
    low, high = max(start, int(first.min())), min(stop, int(first.max()) + len(weights))
    taps = []
    for n, weight in enumerate(weights):
        number = np.clip(first + n, low, high - 1)
        if low == start or high == stop:
            weight = np.where(number == first + n, weight, 0)  # noqa: PLW2901
        taps.append((number - low, weight))
    return taps, low, high


def _means(
    part: SourcePixels,
    down: list[Tap],
    across: list[Tap],
    under: Position | None,
    out: npt.NDArray[Any],
) -> None:
    """Write weighted means of valid pixels; with ``under``, only where the pixel there is valid."""
    kind = np.result_type(part.pixels.dtype, np.float64)
    inside = _under(part, under) if under else None
    line = _total(weight for _, weight in across)
    whole = _total(line * weight for _, weight in down)
    for plane, data, target in zip(part.pixels, part.has_data(), out, strict=True):
        full = bool(data.all())
        values = (plane if full else np.where(data, plane, 0)).astype(kind)
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite pixels
            total = _weighted(values, down, across)
        weight = whole if full else _weighted(data.astype(float), down, across)
        some = weight > CLOSE
        if inside:
            some &= inside[0] if full else inside[0] & data[inside[1], inside[2]]
        means = np.divide(total, weight, out=np.zeros(target.shape, kind), where=some)
        np.copyto(target, _stored(means, target.dtype, part.nodata), where=some, casting="unsafe")


def _weighted(values: npt.NDArray[Any], down: list[Tap], across: list[Tap]) -> npt.NDArray[Any]:
    """Return weighted sums of the values that taps take.

    Both ways of computing add the same terms in the same order: along rows first.
    """
    # Infinity times a weight of 0 would be NaN.
    infinite = not np.isfinite(values).all()

    def times(taken: npt.NDArray[Any], weight: Array) -> npt.NDArray[Any]:
        return (np.where(weight == 0, 0, taken) if infinite else taken) * weight

    if down[0][0].shape[1] == across[0][0].shape[0] == 1:
        lines = _total(times(values[:, col[0]], weight) for col, weight in across)
        return _total(times(lines[row[:, 0]], weight) for row, weight in down)
    flat, width = values.ravel(), values.shape[1]
    taken = np.empty(np.broadcast_shapes(down[0][0].shape, across[0][0].shape), values.dtype)

    def line(start: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[Any]]:
        for col, weight in across:
            np.take(flat, start + col, out=taken, mode="clip")
            np.multiply(np.where(weight == 0, 0, taken) if infinite else taken, weight, out=taken)
            yield taken

    return _total(times(_total(line(row * width)), weight) for row, weight in down)


def _total(terms: Iterator[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    total = next(terms).copy()
    for term in terms:
        total += term
    return total


def _stored(
    means: npt.NDArray[Any], dtype: np.dtype[Any], nodata: float | None
) -> npt.NDArray[Any]:
    """Return means as a dtype holds them, changed slightly where they equal nodata by chance."""
    beside = None
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        most = high if dtype.itemsize < 8 else np.nextafter(float(high), 0)
        means = np.clip(np.rint(means), low, most)
        beside = None if nodata is None else nodata + 1 if nodata < high else nodata - 1
    elif nodata is not None and dtype.kind == "f":
        beside = np.nextafter(dtype.type(nodata), np.inf)
    return means if beside is None else np.where(means == nodata, beside, means)


def _ranked(
    part: SourcePixels, how: str, down: list[Tap], across: list[Tap], out: npt.NDArray[Any]
) -> None:
    """Write the minimum, maximum, median or mode of valid pixels."""
    width = part.pixels.shape[2]
    numbers = [
        np.broadcast_to(row * width + col, out.shape[1:]) for row, _ in down for col, _ in across
    ]
    weights = np.stack([np.broadcast_to(y * x, out.shape[1:]) for _, y in down for _, x in across])
    for plane, data, target in zip(part.pixels, part.has_data(), out, strict=True):
        flat = plane.ravel()
        values = np.stack([np.take(flat, each) for each in numbers])
        weight = np.where(np.stack([np.take(data.ravel(), each) for each in numbers]), weights, 0)
        some = (weight > CLOSE).any(axis=0)
        np.copyto(target, _rank(values, weight, how), where=some)


def _rank(values: npt.NDArray[Any], weight: Array, how: str) -> npt.NDArray[Any]:
    """Return the value of a rank along the first axis, of values with a weight."""
    found: npt.NDArray[Any]
    counts = weight > CLOSE
    if how in ("min", "max"):
        whole = np.iinfo(values.dtype) if values.dtype.kind in "iu" else None
        edges = (whole.min, whole.max) if whole else (-np.inf, np.inf)
        ends = np.min if how == "min" else np.max
        found = ends(values, axis=0, where=counts, initial=edges[how == "min"])
        return found
    keys = (np.abs(values) if values.dtype.kind == "c" else values).astype(float)
    order = np.argsort(np.where(counts, keys, np.nan), axis=0, kind="stable")
    values, weight = (
        np.take_along_axis(v, order, 0) for v in (values, np.where(counts, weight, 0))
    )
    if how == "med":
        rank = (np.maximum(counts.sum(axis=0), 1) - 1) // 2
    else:
        last = np.ones(values.shape, np.bool_)
        last[:-1] = values[1:] != values[:-1]
        sums = np.where(last, np.cumsum(weight, axis=0), 0)
        sums[1:] -= np.maximum.accumulate(sums, axis=0)[:-1]
        rank = np.argmax(sums, axis=0)
    found = np.take_along_axis(values, rank[None], 0)[0]
    return found
