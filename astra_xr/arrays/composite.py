"""Images of many time steps, one per period: a median, mean, count, the greenest or best pixel."""

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
from astra_xr.arrays.index import Axis, Index, numbers_of

_BLOCK_BYTES = 40 << 20
"""Values of all inputs over time that are held at once for a block."""

_BLOCKS = ((1024, 1024), (512, 1024), (512, 512), (256, 512), (256, 256), (128, 256), (128, 128))
"""Rows and columns of a block: whole tiles of most files, as long as that many fit."""

_FEWEST = 2
"""Blocks that are read or wait to be reduced at once, however large they are."""

_STRIP = 1 << 15
"""Pixels that are sorted at once."""

MASK = "masked pixels"
"""Name of the input that is True where a pixel is left out."""

COUNT = "count"
"""The reduction to the number of time steps that have a value in all bands."""


class CompositeArray(ComputedArray):
    """Variables over time reduced to an image a period, computed when indexed, block by block.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that ``reduction`` uses; all (time, y, x).
    reduction : Reduction
        From the values of a period to its image.
    periods : sequence of sequences of int
        The time steps of each period, the best first; the array is (period, y, x).
    dtype : numpy dtype
        Of the result, which is :attr:`Reduction.nothing` where a period has no time step.
    """

    label = "a composite"

    def __init__(
        self,
        inputs: Mapping[str, xr.Variable],
        reduction: Reduction,
        periods: Sequence[Sequence[int]],
        dtype: npt.DTypeLike,
    ) -> None:
        shape = next(iter(inputs.values())).shape
        super().__init__(inputs, (len(periods), *shape[1:]), dtype)
        self._reduction = reduction
        self._periods = tuple(np.asarray(steps, np.intp) for steps in periods)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return what an index takes of each input, at the time steps of its periods."""
        steps = np.concatenate([np.empty(0, np.intp), *self._steps(index)])
        key: tuple[Axis, ...] = (_range(steps), *index.axes[1:])
        return {name: each[key] for name, each in self._inputs.items()}

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the blocks that are reduced one by one."""
        return [index.cut(place) for place in self._places(index)]

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Reduce block by block; see :meth:`LazyArray.read`."""
        out = np.full(index.shape, self._reduction.nothing, self.dtype)

        def take(place: tuple[slice, ...]) -> Mapping[str, xr.Variable]:
            return self.inputs(index.cut(place))

        def use(place: tuple[slice, ...], values: Values) -> None:
            out[place] = self._reduction(values)

        await compute_by_blocks(self._places(index), take, use, least=_FEWEST)
        return out

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Reduce fewer pixels of the inputs, period by period; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        out = np.full((index.shape[0], *shape), self._reduction.nothing, self.dtype)
        for number, steps in enumerate(self._steps(index)):
            if steps.size:
                whole = (slice(0, size) for size in index.shape[1:])
                one = index.cut((slice(number, number + 1), *whole))
                out[number] = await super().coarse(one, shape, average=average)
        return out

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        return self._reduction(values)

    def _steps(self, index: Index) -> list[npt.NDArray[np.intp]]:
        return [self._periods[number] for number in numbers_of(index.axes[0])]

    def _places(self, index: Index) -> list[tuple[slice, ...]]:
        """Return period, rows and columns of the blocks within an index, by those of most steps.

        Periods without a time step have none.
        """
        pixel = sum(each.dtype.itemsize for each in self._inputs.values())
        counts = [len(steps) for steps in self._steps(index)]
        return [
            (slice(number, number + 1), *block)
            for number in sorted(np.flatnonzero(counts), key=lambda number: -counts[number])
            for block in _blocks(index.shape[1:], pixel * counts[number])
        ]


def _range(steps: npt.NDArray[np.intp]) -> Axis:
    """Return steps that follow each other as a slice."""
    first = int(steps[0]) if steps.size else 0
    along = slice(first, first + steps.size)
    return along if np.array_equal(steps, numbers_of(along)) else steps


def _blocks(shape: tuple[int, ...], pixel: int) -> list[tuple[slice, slice]]:
    """Cut rows and columns into blocks, the smaller the more bytes a pixel takes over time."""
    rows, cols = shape
    fit = (block for block in _BLOCKS if math.prod(block) * pixel <= _BLOCK_BYTES)
    block = next(fit, _BLOCKS[-1])
    return blocks((rows, cols), block)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """From the values of a block over time, the best time step first, to its image."""

    bands: tuple[str, ...]
    """The variable that is reduced; of a count all that must have a value."""

    how: str
    """One of :data:`REDUCTIONS`, or :data:`COUNT`."""

    greenness: tuple[str, str] = ("", "")
    """Names of the red and near infrared variables, for ``max-ndvi``."""

    @property
    def nothing(self) -> float:
        """What stands where no time step has a value."""
        return 0 if self.how == COUNT else math.nan

    def __call__(self, values: Values) -> npt.NDArray[Any]:
        """Return (y, x) of values that are (time, y, x), at least one step."""
        hidden = values.get(MASK)
        if self.how == COUNT:
            missing = [np.isnan(values[name]) for name in self.bands]
            missing += [] if hidden is None else [hidden]
            return np.asarray((~np.logical_or.reduce(missing)).sum(axis=0))
        (band,) = self.bands
        pixels = values[band]
        if hidden is not None:
            pixels = np.where(hidden, np.float32(np.nan), pixels)
        return REDUCTIONS[self.how]({**values, band: pixels}, self)


def _median(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the median of the values that are not NaN; NaN where all are."""
    pixels = values[reduction.bands[0]]
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


def _mean(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the mean of the values that are not NaN; NaN where all are."""
    pixels = values[reduction.bands[0]]
    total = np.zeros(pixels.shape[1:], np.float64)
    count = np.zeros(pixels.shape[1:], np.int32)
    for step in pixels:  # one after the other: a part sums up as the whole does
        there = ~np.isnan(step)
        np.add(total, step, out=total, where=there)
        count += there
    np.divide(total, count, out=total, where=count > 0)
    return np.where(count > 0, total, np.nan)


def _greenest(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the value of the time step of the highest NDVI; of equals, the better step."""
    red, nir = (values[name] for name in reduction.greenness)
    pixels = values[reduction.bands[0]]
    best = np.full(pixels.shape[1:], -np.inf, np.float32)
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for step in range(len(pixels)):
        total = nir[step] + red[step]
        ndvi = np.full_like(best, np.nan)
        np.divide(nir[step] - red[step], total, out=ndvi, where=total > 0)
        better = (ndvi > best) & ~np.isnan(pixels[step])
        np.copyto(best, ndvi, where=better)
        np.copyto(out, pixels[step], where=better)
    return out


def _clearest(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the value of the best time step that has one."""
    pixels = values[reduction.bands[0]]
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for step in range(len(pixels)):
        missing = np.isnan(out)
        if not missing.any():
            break
        np.copyto(out, pixels[step], where=missing)
    return out


REDUCTIONS: dict[str, Callable[[Values, Reduction], npt.NDArray[Any]]] = {
    "median": _median,
    "mean": _mean,
    "max-ndvi": _greenest,
    "best-pixel": _clearest,
}
"""Ways to reduce a stack, by name."""
