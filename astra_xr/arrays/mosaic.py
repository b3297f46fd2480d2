"""Scenes stacked along time as one lazy array; those of one time step are mosaicked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.blocks import at_once
from astra_xr.arrays.index import Axis, Index, ends, numbers_of
from astra_xr.arrays.lazy import unwrap, values_of, wrap
from astra_xr.arrays.mask import ClassMask
from astra_xr.arrays.thumbnail import coarse
from astra_xr.reading.loop import beside, together

_FEWEST = 8
"""Time steps that are read side by side, however large they are."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A band of one scene on the grid of the stack."""

    pixels: xr.Variable
    """(y, x), or (band, y, x) for an image of several planes; lazy."""

    rows: tuple[int, int]
    """Half-open range of the grid's rows outside which the scene has no data."""

    cols: tuple[int, int]

    classes: xr.Variable | None = None
    """The classification band on the same grid; None: nothing is known of clouds, or no other
    scene is there to fill what they cover."""

    mask: ClassMask | None = None
    """What of ``classes`` covers the ground."""

    def meets(self, rows: Axis, cols: Axis) -> bool:
        """Return True where the scene may have data in some rows and columns."""
        return all(
            low < stop and high > start
            for (low, high), (start, stop) in (
                (ends(rows), self.rows),
                (ends(cols), self.cols),
            )
        )

    async def absent(self) -> tuple[float | None, float]:
        """Return which number is no data, and what stands where the scene has no pixels.

        Of values these are None and NaN; of stored numbers the file gives them.
        """
        found = unwrap(self.pixels)
        return await found[0].no_data() if found else (None, math.nan)

    def clipped(
        self, values: npt.NDArray[Any], rows: Axis, cols: Axis, fill: float
    ) -> npt.NDArray[Any]:
        """Return values, and ``fill`` outside the scene's rows and columns.

        A file that does not lie where its item says may have some there.
        """
        lengths = values.shape * 2 if values.ndim == 1 else values.shape[-2:]
        inside = [
            _inside(axis, own, length)
            for axis, own, length in zip((rows, cols), (self.rows, self.cols), lengths, strict=True)
        ]
        if all(each.all() for each in inside):
            return values
        kept = np.logical_and(*inside) if values.ndim == 1 else np.logical_and.outer(*inside)
        return np.where(kept, values, np.asarray(fill).astype(values.dtype))


def _inside(axis: Axis, own: tuple[int, int], length: int) -> npt.NDArray[np.bool_]:
    """Return True where positions, or the parts of a range cut evenly, meet a half-open range."""
    if not isinstance(axis, slice):
        return (axis >= own[0]) & (axis < own[1])
    edges = np.linspace(axis.start, axis.stop, length + 1)
    return (edges[1:] > own[0]) & (edges[:-1] < own[1])


Take = Callable[[xr.Variable, bool], Coroutine[Any, Any, npt.NDArray[Any]]]
"""Reads what is asked of a layer's variable; True: it holds classes."""


class MosaicArray(LazyArray):
    """(time, …, y, x) of the layers of each time step, read when indexed.

    Where a time step has several layers, each pixel is that of the first layer whose pixel is
    data and clear; where no layer is clear, of the first that has data. At fewer pixels the same
    rule holds for the overviews of the layers.

    Parameters
    ----------
    steps : sequence of sequences of Layer
        Of each time step at least one, best first; all of one shape.
    dtype : numpy dtype
        One that holds the numbers of all layers.
    label : str
        For messages.
    allow_large : bool
        True: read even what is larger than memory.
    """

    def __init__(
        self,
        steps: Sequence[Sequence[Layer]],
        dtype: npt.DTypeLike,
        *,
        label: str,
        allow_large: bool = False,
    ) -> None:
        self._steps = tuple(map(tuple, steps))
        self.label = label
        self.allow_large = allow_large
        self.shape: tuple[int, ...] = (len(steps), *steps[0][0].pixels.shape)
        self.takes_points = len(self.shape) == 3
        self.dtype = np.dtype(dtype)
        # Time steps that were read, and those whose headers were read ahead.
        self._begun: set[int] = set()
        self._ahead: set[int] = set()

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        layers = [
            (unwrap(layer.pixels), layer.classes is not None and unwrap(layer.classes))
            for step in self._steps
            for layer in step
        ]
        return type(self).__qualname__, tuple(map(len, self._steps)), layers, str(self.dtype)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return what an index takes of the layers that it meets, and of their classes."""
        rows, cols = index.axes[-2:]
        needed: dict[str, xr.Variable] = {}
        for step, members in _by_step(index).items():
            layers = _layers_under(self._steps[step], rows, cols)
            for number, layer in enumerate(layers):
                needed[f"{step}.{number}"] = _part(layer.pixels, index, members)
                if len(layers) > 1 and layer.classes is not None:
                    needed[f"{step}.{number} classes"] = _part(layer.classes, index, members)
        return needed

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Mosaic the layers of each time step; see :meth:`LazyArray.read`."""
        if index.points:
            return await self._read_points(index)
        self._look_ahead(index)
        rows, cols = index.axes[-2:]

        async def take(variable: xr.Variable, _: bool) -> npt.NDArray[Any]:
            return await values_of(_part(variable, index))

        return await self._stacked(index, rows, cols, index.shape[1:], take)

    def _look_ahead(self, index: Index) -> None:
        """Read the headers of more time steps, where these are read one after the other.

        So dask reads them, a step a task and a few tasks at once, in an order of its own: the
        nearest are taken. No more are read ahead than were read, since the rest may never be.
        """
        here = numbers_of(index.axes[0])
        alone = self._begun.issubset(here.tolist())
        self._begun.update(here.tolist())
        if alone or not here.size:
            return
        self._ahead -= self._begun
        left = set(range(len(self._steps))) - self._begun - self._ahead
        near = sorted(left, key=lambda step: abs(step - int(here[0])))
        coming = np.array(near[: len(self._begun) - len(self._ahead)], np.intp)
        self._ahead.update(coming.tolist())
        for variable in self.inputs(replace(index, axes=(coming, *index.axes[1:]))).values():
            found = unwrap(variable)
            if found:
                beside(found[0].prepare())

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Mosaic the layers at fewer pixels; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None

        async def take(variable: xr.Variable, classes: bool) -> npt.NDArray[Any]:
            part = _part(variable, index)
            return await coarse(part, shape, average=average and not classes)

        return await self._stacked(index, *index.window, (*index.shape[1:-2], *shape), take)

    async def _stacked(
        self, index: Index, rows: Axis, cols: Axis, shape: tuple[int, ...], take: Take
    ) -> npt.NDArray[Any]:
        """Mosaic each time step that an index takes, side by side."""
        steps = numbers_of(index.axes[0])
        out = np.empty((len(steps), *shape), self.dtype)
        slots = asyncio.Semaphore(at_once(out.nbytes // max(1, len(steps)), _FEWEST))

        async def read(number: int, step: int) -> None:
            async with slots:
                layers = _layers_under(self._steps[step], rows, cols)
                out[number] = await _mosaic(layers, rows, cols, take, self.dtype)

        if out.size:
            await together(read(n, int(step)) for n, step in enumerate(steps))
        return out

    async def _read_points(self, index: Index) -> npt.NDArray[Any]:
        out = np.empty(index.shape, self.dtype)
        flat = out.reshape(-1)
        slots = asyncio.Semaphore(at_once(out.nbytes, _FEWEST))

        async def read(step: int, members: npt.NDArray[np.intp]) -> None:
            rows, cols = (numbers_of(axis).reshape(-1)[members] for axis in index.axes[-2:])

            async def take(variable: xr.Variable, _: bool) -> npt.NDArray[Any]:
                return await values_of(_part(variable, index, members))

            async with slots:
                layers = _layers_under(self._steps[step], rows, cols)
                flat[members] = await _mosaic(layers, rows, cols, take, self.dtype)

        await together(read(step, members) for step, members in _by_step(index).items())
        return out


def stacked(steps: Sequence[xr.Variable], label: str) -> xr.Variable:
    """Return variables of (y, x), of one shape and dtype, as one of (time, y, x), lazily."""
    rows, cols = steps[0].shape
    layers = [[Layer(pixels=each, rows=(0, rows), cols=(0, cols))] for each in steps]
    array = MosaicArray(layers, steps[0].dtype, label=label)
    return xr.Variable(("time", *steps[0].dims), wrap(array))


def _by_step(index: Index) -> dict[int, npt.NDArray[np.intp]]:
    """Return of each time step that an index takes which of its points are there, counted flat."""
    steps = numbers_of(index.axes[0]).reshape(-1)
    order = np.argsort(steps, kind="stable")
    found, starts = np.unique(steps[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, starts)[1:], strict=True))


def _layers_under(layers: Sequence[Layer], rows: Axis, cols: Axis) -> Sequence[Layer]:
    """Return the layers that may have data in rows and columns; of none the first."""
    return [layer for layer in layers if layer.meets(rows, cols)] or layers[:1]


def _part(
    variable: xr.Variable, index: Index, members: npt.NDArray[np.intp] | None = None
) -> xr.Variable:
    """Cut a layer's variable, (y, x) or (band, y, x), to what an index takes, lazily.

    Of points ``members`` are those of the layer's time step.
    """
    if index.points:
        places = (numbers_of(axis).reshape(-1)[members] for axis in index.axes[-2:])
        return variable[tuple(xr.Variable("p", each) for each in places)]
    return variable[index.axes[-variable.ndim :]]


async def _mosaic(
    layers: Sequence[Layer], rows: Axis, cols: Axis, take: Take, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Read layers of one time step, and return the best of each pixel."""
    first, *others = layers
    if not others:
        values = await take(first.pixels, False)
        _, fill = await first.absent()
        return first.clipped(values, rows, cols, fill).astype(dtype, copy=False)
    out: npt.NDArray[Any] | None = None
    for layer in layers:
        work = [take(layer.pixels, False)]
        if layer.classes is not None and layer.mask is not None:
            work.append(take(layer.classes, True))
        values, *stored = await together(work)
        missing, fill = await layer.absent()
        values = layer.clipped(values, rows, cols, fill)
        data = ~np.isnan(values) & (values != fill)
        if missing is not None:
            data &= values != missing
        clear = data & ~layer.mask(stored[0]) if layer.mask and stored else data
        if out is None:
            out, filled, done = values.astype(dtype), data, clear
        else:
            np.copyto(out, values, where=(clear & ~done) | (data & ~filled), casting="unsafe")
            filled, done = filled | data, done | clear
        if done.all():
            break
    assert out is not None
    return out
