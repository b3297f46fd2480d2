"""Scenes stacked along time as one lazy array, those of one time step mosaicked."""

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
from astra_xr.arrays.coarsening import Coarsening, Edges
from astra_xr.arrays.index import Axis, Index, Positions, positions_of, range_of
from astra_xr.arrays.lazy import cut, unwrap, values_of, wrap
from astra_xr.arrays.mask import ClassMask
from astra_xr.arrays.thumbnail import can_average, coarse
from astra_xr.model import PROBABILITY_ROLE
from astra_xr.reading.loop import start_unawaited, together

_FEWEST = 8
"""Minimum number of time steps that are read concurrently, whatever their size."""


Place = Sequence[Axis | Edges]
"""Rows and columns of the stack's grid."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A band of one scene on the grid of the stack."""

    pixels: xr.Variable
    """(y, x), or (band, y, x) for an image of several planes; lazy."""

    rows: tuple[int, int]
    """Half-open range of the grid's rows that the scene covers."""

    cols: tuple[int, int]

    classes: tuple[xr.Variable, ClassMask] | None = None
    """The classification band on the same grid, and which of its classes are masked; None if there
    is no such band, or no other scene to fill clouds from."""

    def meets(self, rows: Axis, cols: Axis) -> bool:
        """Return True if the scene may have data in these rows and columns."""
        return all(
            low < stop and high > start
            for (low, high), (start, stop) in (
                (range_of(rows), self.rows),
                (range_of(cols), self.cols),
            )
        )

    def clipped(self, values: npt.NDArray[Any], place: Place, fill: float) -> npt.NDArray[Any]:
        """Return values of a place, with ``fill`` outside the rows and columns of the scene.

        A file whose position differs from its item's may have pixels there.
        """
        lengths = values.shape * 2 if values.ndim == 1 else values.shape[-2:]
        inside = [
            _inside(axis, own, length)
            for axis, own, length in zip(place, (self.rows, self.cols), lengths, strict=True)
        ]
        if all(each.all() for each in inside):
            return values
        kept = np.logical_and(*inside) if values.ndim == 1 else np.logical_and.outer(*inside)
        return np.where(kept, values, np.asarray(fill).astype(values.dtype))


def _inside(axis: Axis | Edges, own: tuple[int, int], length: int) -> npt.NDArray[np.bool_]:
    """Return True where positions, or ``length`` even parts of a range, meet a half-open range."""
    if isinstance(axis, np.ndarray):
        return (axis >= own[0]) & (axis < own[1])
    first, last = (axis.start, axis.stop) if isinstance(axis, slice) else axis
    edges = np.linspace(first, last, length + 1)
    return (edges[1:] > own[0]) & (edges[:-1] < own[1])


Read = Callable[[xr.Variable], Coroutine[Any, Any, npt.NDArray[Any]]]
"""Reads a part of a layer's pixels or classes."""


class MosaicArray(LazyArray):
    """Time steps of (…, y, x), each a mosaic of its layers, read when indexed.

    Each pixel is from the first layer in which it is clear, else from the first with data. The
    same rule applies to overviews.

    Parameters
    ----------
    steps : sequence of sequences of Layer
        At least one per time step, best first; all of one shape.
    dtype : numpy dtype
        One that can hold the values of all layers.
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
        # Time steps that were read, and whose headers were read ahead.
        self._begun: set[int] = set()
        self._ahead: set[int] = set()

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        layers = [
            (unwrap(layer.pixels), layer.classes and unwrap(layer.classes[0]))
            for step in self._steps
            for layer in step
        ]
        return type(self).__qualname__, tuple(map(len, self._steps)), layers, str(self.dtype)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return the part of each layer under an index, and of the classes where layers overlap."""
        needed: dict[str, xr.Variable] = {}
        for step, _, part in _by_step(index):
            layers = self._layers(step, part)
            for number, layer in enumerate(layers):
                needed[f"{step}.{number}"] = cut(layer.pixels, part)
                if len(layers) > 1 and layer.classes is not None:
                    needed[f"{step}.{number} classes"] = cut(layer.classes[0], part)
        return needed

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Mosaic the layers of each time step; see :meth:`LazyArray.read`."""
        if index.points:
            return (await self._mosaics(index, (), values_of)).reshape(index.shape)
        self._look_ahead(index)
        return await self._mosaics(index, index.shape[1:], values_of)

    def _look_ahead(self, index: Index) -> None:
        """Read the headers of further time steps if steps are read one after the other.

        Dask does so: one step per task, few tasks at once, in its own order. Therefore the nearest
        steps are read ahead, at most as many as were read, since the others may not be needed.
        """
        here = positions_of(index.axes[0])
        first = self._begun.issubset(here.tolist())
        self._begun.update(here.tolist())
        if first or not here.size:
            return
        self._ahead -= self._begun
        left = set(range(len(self._steps))) - self._begun - self._ahead
        near = sorted(left, key=lambda step: abs(step - int(here[0])))
        steps = np.array(near[: len(self._begun) - len(self._ahead)], np.intp)
        self._ahead.update(steps.tolist())
        for variable in self.inputs(replace(index, axes=(steps, *index.axes[1:]))).values():
            found = unwrap(variable)
            if found:
                start_unawaited(found[0].prepare())

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Mosaic overviews of the layers, by the same rule; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None

        picks = replace(how, average=False)

        async def read(variable: xr.Variable) -> npt.NDArray[Any]:
            return await coarse(variable, how if can_average(variable) else picks)

        place = how.spans(index.window)
        return await self._mosaics(index, (*index.shape[1:-2], *how.shape), read, place)

    async def _mosaics(
        self, index: Index, shape: tuple[int, ...], read: Read, place: Place | None = None
    ) -> npt.NDArray[Any]:
        """Mosaic the time steps of an index concurrently.

        Parameters
        ----------
        place
            Of the result; by default all rows and columns of the index.

        Returns
        -------
        ndarray
            One of ``shape`` per step; of points one value each, 1-D.
        """
        steps = _by_step(index)
        out = np.empty((sum(members.size for _, members, _ in steps), *shape), self.dtype)
        # Points may need whole tiles of many files, whatever the size of the result.
        size = out.nbytes if index.points else out.nbytes // max(1, len(steps))
        slots = asyncio.Semaphore(at_once(size, _FEWEST))

        async def one(step: int, members: Positions, part: Index) -> None:
            async with slots:
                layers = self._layers(step, part)
                out[members] = await _mosaic(
                    layers, part, read, place or part.axes[-2:], self.dtype
                )

        if out.size:
            await together(one(*each) for each in steps)
        return out

    def _layers(self, step: int, part: Index) -> Sequence[Layer]:
        """Return the layers of a step that may have data under an index; if none has, the first."""
        layers = self._steps[step]
        return [layer for layer in layers if layer.meets(*part.axes[-2:])] or layers[:1]


def stacked(steps: Sequence[xr.Variable], label: str) -> xr.Variable:
    """Return variables of (y, x), of one shape and dtype, as one of (time, y, x), lazily."""
    rows, cols = steps[0].shape
    layers = [[Layer(pixels=each, rows=(0, rows), cols=(0, cols))] for each in steps]
    array = MosaicArray(layers, steps[0].dtype, label=label)
    return xr.Variable(("time", *steps[0].dims), wrap(array))


def _by_step(index: Index) -> list[tuple[int, Positions, Index]]:
    """Return each time step of an index, its positions in the result, and its index of a layer.

    Points are counted flat.
    """
    steps = positions_of(index.axes[0]).reshape(-1)
    order = np.argsort(steps, kind="stable")
    found, starts = np.unique(steps[order], return_index=True)
    groups = np.split(order, starts)[1:]
    if index.points:
        rows, cols = index.pixels
        parts = [Index(axes=(rows[each], cols[each]), points=True) for each in groups]
    else:
        parts = [Index(axes=index.axes[1:])] * len(groups)
    return list(zip(found.tolist(), groups, parts, strict=True))


async def _mosaic(
    layers: Sequence[Layer], part: Index, read: Read, place: Place, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Read layers of one time step, and return the best value of each pixel.

    Which layers are read depends on the part, so a value must not.
    """
    out: npt.NDArray[Any] | None = None
    for layer in layers:
        band, hiding = layer.classes if layer.classes and len(layers) > 1 else (None, None)
        variables = [layer.pixels] if band is None else [layer.pixels, band]
        values, *stored = await together(read(cut(each, part)) for each in variables)
        found = unwrap(layer.pixels)
        missing, fill = await found[0].nodata() if found else (None, math.nan)
        values = layer.clipped(values, place, fill)
        if len(layers) == 1:
            return values.astype(dtype, copy=False)
        there = ~np.isnan(values) & (values != fill)
        data = there if missing is None else there & (values != missing)
        if hiding and layer.pixels.attrs.get("role") == PROBABILITY_ROLE:
            # They are 0, a valid number, where the scene has no data.
            data = data & hiding.valid(stored[0])[1]
        clear = data & ~hiding(stored[0]) if hiding else data
        rank = there.astype(np.int8) + data + clear
        if out is None:
            out, best = values.astype(dtype), rank
        else:
            np.copyto(out, values, where=rank > best, casting="unsafe")
            best = np.maximum(best, rank)
        if (best == 3).all():
            break
    assert out is not None
    return out
