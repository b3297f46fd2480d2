"""One image of many time steps: the median, the greenest or the best pixel, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.blocks import blocks
from astra_xr.arrays.computed import ComputedArray, Values, compute_by_blocks
from astra_xr.arrays.index import Index

_BLOCK_VALUES = 1 << 23
"""Values of a band over time that are held at once: 32 MiB."""

_BLOCKS = ((1024, 1024), (512, 1024), (512, 512), (256, 512), (256, 256), (128, 256), (128, 128))
"""Rows and columns of a block: whole tiles of most files, as long as that many fit."""

_FEWEST = 2
"""Blocks that are read or wait to be reduced at once, however large they are."""

_STRIP = 1 << 15
"""Pixels that are sorted at once."""

MASK = "masked pixels"
"""Name of the input that is True where a pixel is left out."""


class CompositeArray(ComputedArray):
    """Variables over time reduced to one image, computed when indexed, block by block.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that ``reduce`` uses; all (time, y, x).
    reduce : callable
        Takes plain arrays by the same names, returns (y, x).
    dtype : numpy dtype
        Of the result.
    """

    label = "a composite"

    def __init__(
        self,
        inputs: Mapping[str, xr.Variable],
        reduce: Callable[[Values], npt.NDArray[Any]],
        dtype: npt.DTypeLike,
    ) -> None:
        super().__init__(inputs, next(iter(inputs.values())).shape[1:], dtype)
        self._reduce = reduce

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return what an index takes of each input, at all time steps."""
        return {name: each[(slice(None), *index.axes)] for name, each in self._inputs.items()}

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Reduce block by block; see :meth:`LazyArray.read`."""
        parts = self.inputs(index)
        out = np.empty(index.shape, self.dtype)
        cuts = [(slice(None), *cut) for cut in _blocks(next(iter(parts.values())).shape)]

        def use(cut: tuple[Any, ...], values: Values) -> None:
            out[cut[1:]] = self._apply(values)

        await compute_by_blocks(parts, cuts, use, least=_FEWEST)
        return out

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the blocks that are reduced one by one."""
        count = next(iter(self._inputs.values())).shape[0]
        return [index.cut(block) for block in _blocks((count, *index.shape))]

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        return self._reduce(values)


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cut rows and columns into blocks, the smaller the more time steps there are."""
    count, rows, cols = shape
    fit = (block for block in _BLOCKS if math.prod(block) * count <= _BLOCK_VALUES)
    block = next(fit, _BLOCKS[-1])
    return blocks((rows, cols), block)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """From the values of a block over time to its image."""

    band: str
    """The variable that is reduced."""

    how: str
    """One of :data:`REDUCTIONS`."""

    order: tuple[int, ...]
    """Time steps, the best first."""

    greenness: tuple[str, str] = ("", "")
    """Names of the red and near infrared variables, for ``max-ndvi``."""

    def __call__(self, values: Values) -> npt.NDArray[Any]:
        """Return (y, x) of values that are (time, y, x)."""
        pixels = values[self.band]
        if MASK in values:
            pixels = np.where(values[MASK], np.float32(np.nan), pixels)
        return REDUCTIONS[self.how]({**values, self.band: pixels}, self)


def _median(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the median of the values that are not NaN; NaN where all are."""
    pixels = values[reduction.band]
    count = len(pixels)
    flat = pixels.reshape(count, -1)
    out = np.empty(flat.shape[1], pixels.dtype)
    for start in range(0, flat.shape[1], _STRIP):
        # NaN goes to the end.
        strip = np.sort(flat[:, start : start + _STRIP], axis=0)
        there = count - np.isnan(strip).sum(axis=0)
        column = np.arange(strip.shape[1])
        low = strip[np.maximum(there - 1, 0) // 2, column]
        high = strip[np.minimum(there // 2, count - 1), column]
        out[start : start + _STRIP] = np.where(low == high, low, low + (high - low) / 2)
    return out.reshape(pixels.shape[1:])


def _greenest(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the value of the time step of the highest NDVI; of equals, the better step."""
    red, nir = (values[name] for name in reduction.greenness)
    pixels = values[reduction.band]
    best = np.full(pixels.shape[1:], -np.inf, np.float32)
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for step in reduction.order:
        total = nir[step] + red[step]
        ndvi = np.full_like(best, np.nan)
        np.divide(nir[step] - red[step], total, out=ndvi, where=total > 0)
        better = (ndvi > best) & ~np.isnan(pixels[step])
        np.copyto(best, ndvi, where=better)
        np.copyto(out, pixels[step], where=better)
    return out


def _clearest(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the value of the best time step that has one."""
    pixels = values[reduction.band]
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for step in reduction.order:
        missing = np.isnan(out)
        if not missing.any():
            break
        np.copyto(out, pixels[step], where=missing)
    return out


REDUCTIONS: dict[str, Callable[[Values, Reduction], npt.NDArray[Any]]] = {
    "median": _median,
    "max-ndvi": _greenest,
    "best-pixel": _clearest,
}
"""Ways to reduce a stack, by name."""
