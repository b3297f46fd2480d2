"""Tiles of 16-bit codes: their values, stretch and colors. Pure.

``js/pixels`` does the same in the browser; both are tested on ``tests/widgets/vectors.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.accessor.rgb import BRIGHT

Box = tuple[int, int, int, int]
"""Rows and columns of the scene, half-open: (top, left, bottom, right)."""

Limits = tuple[float, float]
"""Low and high, in the units of the channel."""

_LAST = 65535
"""The highest code; 0 is no data."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Pixels of one channel: a band, an index, their difference or the cloud mask."""

    key: str
    """Name of the band or index, ``DIFFERENCE`` or ``MASK``."""

    box: tuple[float, float, float, float]
    """Top, left, bottom and right, in pixels of the scene."""

    codes: npt.NDArray[np.uint16]
    """(rows, columns); 0 is no data, else the value is ``low + (code - 1) * step``."""

    low: float
    step: float

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Return the values, NaN where there is no data."""
        values = self.low + (self.codes.astype(np.float64) - 1) * self.step
        values[self.codes == 0] = np.nan
        return values


Scale = tuple[float, float]
"""The value of code 1, and the step from a code to the next."""


def scale_of(values: npt.NDArray[Any], *, margin: float = 0.0) -> Scale:
    """Return a scale for values, all of them valid.

    Integers with a small range keep their exact values. Others are quantized to a 65,534th of
    their range, widened on both sides by the share ``margin`` for values that are not read yet.
    """
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "iub" and high - low < _LAST:
        return low, 1.0
    stride = max(1, values.size // 100_000)
    near, far = (float(edge) for edge in np.percentile(values[::stride], (0.1, 99.9)))
    room = margin * (high - low)
    low = max(low - room, near - 4 * (far - near))
    high = min(high + room, far + 4 * (far - near))
    return low, (high - low) / (_LAST - 1) or 1.0


def encode(
    key: str,
    box: Box,
    values: npt.NDArray[Any],
    *,
    nodata: float | None = None,
    scale: Scale | None = None,
    margin: float = 0.0,
) -> Tile:
    """Return values as codes, clipped to the scale; by default, it is one that fits them."""
    valid = np.isfinite(values)
    if nodata is not None:
        valid &= values != nodata
    low, step = scale or scale_of(values[valid], margin=margin)
    filled = np.where(valid, values, low).astype(np.float64)
    codes = np.clip(np.rint((filled - low) / step), 0, _LAST - 1).astype(np.uint16)
    codes += 1
    codes[~valid] = 0
    return Tile(key=key, box=box, codes=codes, low=low, step=step)


def stretch_of(
    tile: Tile, stretch: Mapping[str, Any], leave_out: npt.NDArray[np.bool_] | None = None
) -> Limits:
    """Return the limits of a channel that follow from a stretch.

    Parameters
    ----------
    tile : Tile
        The channel.
    stretch : mapping
        ``kind`` (percentile, sigma, minmax) with ``low`` and ``high`` (percent) or ``sigma``.
    leave_out : ndarray of bool, optional
        True where pixels do not count, e.g. clouds; ignored if that leaves less than 1 %.

    Returns
    -------
    (float, float)
        Rounded to six digits; (0, 1) if there is no data.
    """
    valid = tile.codes > 0
    if leave_out is not None and (valid & ~leave_out).sum() * 100 >= valid.sum():
        valid &= ~leave_out
    if not valid.any():
        return 0.0, 1.0
    values = tile.values[valid]
    if stretch["kind"] == "sigma":
        mean, reach = values.mean(), values.std() * stretch["sigma"]
        ends = mean - reach, mean + reach
    elif stretch["kind"] == "minmax":
        ends = values.min(), values.max()
    else:
        ends = np.percentile(values, (stretch["low"], stretch["high"]))
    low, high = (float(f"{end:.6g}") for end in ends)
    return low, high if high > low else low + max(abs(low) * 1e-3, 1e-6)


def centered(limits: Limits) -> Limits:
    """Return limits of one channel, as far from 0 on both sides if 0 is between them.

    ``ds.astra.plot`` does the same.

    Examples
    --------
    >>> centered((-0.2, 0.8)), centered((0.1, 0.8))
    ((-0.8, 0.8), (0.1, 0.8))
    """
    low, high = limits
    most = max(-low, high)
    return (-most, most) if low < 0 < high else limits


def symmetric(limits: Limits) -> Limits:
    """Return limits of a difference, as far from 0 on both sides.

    Examples
    --------
    >>> symmetric((-0.2, 0.1))
    (-0.2, 0.2)
    """
    most = max(map(abs, limits))
    return -most, most


def subtracted(key: str, a: Tile, b: Tile) -> Tile:
    """Return ``b - a`` of the same pixels, on a scale that holds all possible differences.

    There is no data where one of them has none.
    """
    step = a.step + b.step
    low = b.low - a.low - (_LAST - 1) * a.step
    p, q = (tile.codes.astype(np.float64) for tile in (a, b))
    codes = np.floor(((_LAST - p) * a.step + (q - 1) * b.step) / step + 0.5).astype(np.int64) + 1
    codes[(a.codes == 0) | (b.codes == 0)] = 0
    return Tile(key=key, box=a.box, codes=codes.astype(np.uint16), low=low, step=step)


def bright(tiles: Sequence[Tile]) -> npt.NDArray[np.bool_] | None:
    """Return where pixels are as bright as clouds in all channels; None if half of them are."""
    found = np.logical_and.reduce([tile.values > BRIGHT for tile in tiles])
    valid = np.logical_and.reduce([tile.codes > 0 for tile in tiles])
    return found if found.sum() * 2 < valid.sum() else None


def rgb(tiles: Sequence[Tile], limits: Sequence[Limits], gamma: float) -> npt.NDArray[np.uint8]:
    """Return an RGBA image of three channels, (rows, columns, 4); transparent without data."""
    out = np.zeros((*tiles[0].codes.shape, 4), np.uint8)
    for channel, (tile, (low, high)) in enumerate(zip(tiles, limits, strict=True)):
        codes = np.arange(_LAST + 1, dtype=np.float64)
        level = np.clip((tile.low + (codes - 1) * tile.step - low) / (high - low), 0, 1)
        out[..., channel] = (level ** (1 / gamma) * 255).round().astype(np.uint8)[tile.codes]
    out[..., 3] = np.where(np.logical_and.reduce([t.codes > 0 for t in tiles]), 255, 0)
    return out


def colored(tile: Tile, limits: Limits, table: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return an RGBA image of one channel with a colormap of 256 colors, (rows, columns, 4)."""
    low, high = limits
    codes = np.arange(_LAST + 1, dtype=np.float64)
    level = (tile.low + (codes - 1) * tile.step - low) / (high - low)
    picks = np.clip(np.floor(level * 256), 0, 255).astype(np.uint8)
    out = np.zeros((*tile.codes.shape, 4), np.uint8)
    out[..., :3] = table[picks][tile.codes]
    out[..., 3] = np.where(tile.codes > 0, 255, 0)
    return out


def classes(tile: Tile, named: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.uint8]:
    """Return an RGBA image of a classification band in its class colors; other values are gray."""
    out = np.full((*tile.codes.shape, 4), 128, np.uint8)
    values = tile.values
    for each in named:
        out[values == each["value"], :3] = list(bytes.fromhex(each["color"][1:]))
    out[..., 3] = np.where(tile.codes > 0, 255, 0)
    return out


def fitting(box: Box, most: int) -> tuple[int, int]:
    """Return the shape of a part of the scene with at most so many rows and columns.

    Examples
    --------
    >>> fitting((0, 0, 10980, 5490), 768)
    (768, 384)
    """
    rows, cols = box[2] - box[0], box[3] - box[1]
    factor = min(1.0, most / max(rows, cols))
    return max(1, round(rows * factor)), max(1, round(cols * factor))
