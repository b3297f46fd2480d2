"""Composites over time, one per period: median, mean, count, greenest or best pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.blocks import blocks
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.computed import ComputedArray, Values, compute_by_blocks
from astra_xr.arrays.index import Axis, Index, Positions, positions_of

_BLOCK_BYTES = 40 << 20
"""Maximum bytes of a block, of all inputs and time steps."""

_BLOCKS = ((1024, 1024), (512, 1024), (512, 512), (256, 512), (256, 256), (128, 256), (128, 128))
"""Rows and columns of a block: whole tiles of most files, if these fit."""

_FEWEST = 2
"""Minimum number of concurrent blocks, whatever their size."""

_STRIP = 1 << 15
"""Pixels that are sorted at once."""

MASK = "masked pixels"
"""Name of the input that is True where a pixel is masked."""

COUNT = "count"
"""The reduction to the number of time steps that have a value in all bands."""


class CompositeArray(ComputedArray):
    """Variables over time, reduced to one image per period, block by block when indexed.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that ``reduction`` uses; all (time, y, x).
    reduction : Reduction
    periods : sequence of sequences of int
        Time steps of each period, best first; the array is (period, y, x).
    dtype : numpy dtype
        Of the result, which is :attr:`Reduction.fill` for a period without time steps.
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
        """Return each input cut to an index, at the time steps of its periods."""
        steps = np.concatenate([np.empty(0, np.intp), *self._steps(index)])
        key: tuple[Axis, ...] = (_range(steps), *index.axes[1:])
        return {name: each[key] for name, each in self._inputs.items()}

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the blocks that are reduced one by one."""
        return [index.cut(place) for place in self._places(index)]

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Reduce block by block; see :meth:`LazyArray.read`."""
        out = np.full(index.shape, self._reduction.fill, self.dtype)

        def take(place: tuple[slice, ...]) -> Mapping[str, xr.Variable]:
            return self.inputs(index.cut(place))

        def use(place: tuple[slice, ...], values: Values) -> None:
            out[place] = self._reduction(values)

        await compute_by_blocks(self._places(index), take, use, least=_FEWEST)
        return out

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Reduce fewer pixels of the inputs; see :meth:`LazyArray.coarse`.

        The result is the composite of averages, which differs from the average of the composite.
        """
        if index.window is None:
            return None
        out = np.full((index.shape[0], *how.shape), self._reduction.fill, self.dtype)
        for number, steps in enumerate(self._steps(index)):
            if steps.size:
                whole = (slice(0, size) for size in index.shape[1:])
                one = index.cut((slice(number, number + 1), *whole))
                out[number] = await super().coarse(one, how)
        return out

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        return self._reduction(values)

    def _steps(self, index: Index) -> list[Positions]:
        return [self._periods[period] for period in positions_of(index.axes[0])]

    def _places(self, index: Index) -> list[tuple[slice, ...]]:
        """Return period, rows and columns of the blocks of an index, those with most steps first.

        Periods without time steps have no blocks.
        """
        pixel = sum(each.dtype.itemsize for each in self._inputs.values())
        counts = [len(steps) for steps in self._steps(index)]
        return [
            (slice(number, number + 1), *block)
            for number in sorted(np.flatnonzero(counts), key=lambda number: -counts[number])
            for block in _blocks(index.shape[1:], pixel * counts[number])
        ]


def _range(steps: Positions) -> Axis:
    """Return consecutive time steps as a slice, others unchanged."""
    first = int(steps[0]) if steps.size else 0
    along = slice(first, first + steps.size)
    return along if np.array_equal(steps, positions_of(along)) else steps


def _blocks(shape: tuple[int, ...], pixel: int) -> list[tuple[slice, slice]]:
    """Cut rows and columns into blocks, smaller ones if a pixel has more bytes over time."""
    rows, cols = shape
    fit = (block for block in _BLOCKS if math.prod(block) * pixel <= _BLOCK_BYTES)
    block = next(fit, _BLOCKS[-1])
    return blocks((rows, cols), block)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """Reduces the values of a block over time, best time step first, to an image."""

    bands: tuple[str, ...]
    """The variable that is reduced; for a count, all that must have a value."""

    how: str
    """One of :data:`REDUCTIONS`, or :data:`COUNT`."""

    greenness: tuple[str, str] = ("", "")
    """Names of the red and near infrared variables, for ``max-ndvi``."""

    @property
    def fill(self) -> float:
        """Value where no time step has one."""
        return 0 if self.how == COUNT else math.nan

    def __call__(self, values: Values) -> npt.NDArray[Any]:
        """Return (y, x) from values of (time, y, x), which have at least one time step."""
        masked = values.get(MASK)
        if self.how == COUNT:
            missing = [np.isnan(values[name]) for name in self.bands]
            missing += [] if masked is None else [masked]
            return np.asarray((~np.logical_or.reduce(missing)).sum(axis=0))
        (band,) = self.bands
        pixels = values[band]
        if masked is not None:
            pixels = np.where(masked, np.float32(np.nan), pixels)
        return REDUCTIONS[self.how]({**values, band: pixels}, self)


def _median(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the median of the values that are not NaN; NaN where all are."""
    pixels = values[reduction.bands[0]]
    count = len(pixels)
    flat = pixels.reshape(count, -1)
    out = np.empty(flat.shape[1], pixels.dtype)
    for start in range(0, flat.shape[1], _STRIP):
        strip = np.sort(flat[:, start : start + _STRIP], axis=0)  # NaN is last
        valid = count - np.isnan(strip).sum(axis=0)
        column = np.arange(strip.shape[1])
        low = strip[np.maximum(valid - 1, 0) // 2, column]
        high = strip[np.minimum(valid // 2, count - 1), column]
        out[start : start + _STRIP] = np.where(low == high, low, low + (high - low) / 2)
    return out.reshape(pixels.shape[1:])


def _mean(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the mean of the values that are not NaN; NaN where all are."""
    pixels = values[reduction.bands[0]]
    total = np.zeros(pixels.shape[1:], np.float64)
    count = np.zeros(pixels.shape[1:], np.int32)
    for step in pixels:  # in a fixed order, so that a block sums up as the whole does
        valid = ~np.isnan(step)
        np.add(total, step, out=total, where=valid)
        count += valid
    np.divide(total, count, out=total, where=count > 0)
    return np.where(count > 0, total, np.nan)


def _greenest(values: Values, reduction: Reduction) -> npt.NDArray[Any]:
    """Return the value of the time step with the highest NDVI; of equals, the better step."""
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
    """Return the value of the first time step that has one."""
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
