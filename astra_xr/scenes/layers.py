"""Scenes behind each other in time, as one lazy array; those of one moment fill each other up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.reading.array import behind, outer_of
from astra_xr.reading.loop import run, start, together
from astra_xr.reading.memory import check_memory
from astra_xr.scenes.hidden import Hide

_AT_ONCE = 8
"""Scenes that are read side by side."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A band of one scene on the grid of the stack."""

    pixels: xr.Variable
    """(y, x), or (band, y, x) for a picture; lazy."""

    rows: tuple[int, int]
    """Half-open range of the grid's rows beyond which the scene has nothing."""

    cols: tuple[int, int]

    fill: float
    """What stands where there is no data: NaN, or a stored number."""

    classes: xr.Variable | None = None
    """The class band on the same grid; None: nothing is known of clouds, or there is no need."""

    hide: Hide | None = None
    """What of ``classes`` hides the ground."""

    def meets(self, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> bool:
        """Tell whether the scene may have something in some rows and columns."""
        return bool(
            rows.size
            and cols.size
            and rows.min() < self.rows[1]
            and rows.max() >= self.rows[0]
            and cols.min() < self.cols[1]
            and cols.max() >= self.cols[0]
        )

    def has_data(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where values are data."""
        found: npt.NDArray[np.bool_] = (
            ~np.isnan(values) if np.isnan(self.fill) else values != self.fill
        )
        return found


class StackArray(BackendArray):
    """(time, …, y, x) of the layers of each moment, read when indexed.

    Where a moment has several layers each pixel is that of the first layer whose pixel is data
    and clear; where no layer is clear, of the first that has data.

    Parameters
    ----------
    moments : sequence of sequences of Layer
        Of each moment at least one, best first; all of one shape.
    dtype : numpy dtype
        One that holds the numbers of all layers.
    label : str
        For messages.
    allow_large : bool
        True: read even what is larger than memory.
    """

    def __init__(
        self,
        moments: Sequence[Sequence[Layer]],
        dtype: npt.DTypeLike,
        *,
        label: str,
        allow_large: bool = False,
    ) -> None:
        self._moments = tuple(map(tuple, moments))
        self._label = label
        self.allow_large = allow_large
        self.shape: tuple[int, ...] = (len(moments), *moments[0][0].pixels.shape)
        self.dtype = np.dtype(dtype)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        told = [
            (_token(layer.pixels), layer.classes is not None and _token(layer.classes), layer.fill)
            for moment in self._moments
            for layer in moment
        ]
        return type(self).__qualname__, tuple(map(len, self._moments)), told, str(self.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return run(self._get(key))

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Read from any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.wrap_future(start(self._get(key)))

    def inputs(self, key: indexing.ExplicitIndexer) -> dict[str, xr.Variable]:
        """Return what an index takes of each layer at most, lazily."""
        key = outer_of(key, self.shape)
        moments = np.atleast_1d(np.arange(self.shape[0])[key.tuple[0]])
        return {
            f"{moment}.{number}": layer.pixels[key.tuple[1:]]
            for moment in moments
            for number, layer in enumerate(self._moments[moment])
        }

    async def _get(self, key: indexing.ExplicitIndexer) -> Any:
        if not isinstance(key, indexing.VectorizedIndexer):
            return await self._outer(key.tuple)
        if len(self.shape) == 3:
            return await self._points(key)
        outer, rest = indexing.decompose_indexer(key, self.shape, indexing.IndexingSupport.OUTER)
        adapter = indexing.NumpyIndexingAdapter(await self._outer(outer.tuple))  # type: ignore[no-untyped-call, unused-ignore]
        return indexing.apply_indexer(adapter, rest)

    async def _outer(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        places = [
            np.arange(size)[np.atleast_1d(k) if not isinstance(k, slice) else k]
            for k, size in zip(key, self.shape, strict=True)
        ]
        size = [place.size for place in places]
        if not self.allow_large:
            check_memory(math.prod(size) * self.dtype.itemsize, self._label)
        out = np.empty(size, self.dtype)
        slots = asyncio.Semaphore(_AT_ONCE)
        inner = tuple(
            k if isinstance(k, slice) else place for k, place in zip(key, places, strict=True)
        )[1:]

        async def read(number: int, moment: int) -> None:
            async with slots:
                layers = self._moments[moment]
                out[number] = await _best(layers, inner, places[-2], places[-1], self.dtype)

        if out.size:
            await together(read(n, int(t)) for n, t in enumerate(places[0]))
        # Whole numbers take their dimension away.
        return out[tuple(slice(None) if isinstance(k, slice) or np.ndim(k) else 0 for k in key)]

    async def _points(self, key: indexing.VectorizedIndexer) -> npt.NDArray[Any]:
        """Read points, each given by its moment, row and column."""
        numbers = [np.arange(size)[k] for k, size in zip(key.tuple, self.shape, strict=True)]
        moments, rows, cols = np.broadcast_arrays(*numbers)
        out = np.empty(moments.shape, self.dtype)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def read(moment: int) -> None:
            async with slots:
                here = moments == moment
                down, across = rows[here], cols[here]
                inner = (xr.Variable("point", down), xr.Variable("point", across))
                out[here] = await _best(self._moments[moment], inner, down, across, self.dtype)

        await together(read(int(moment)) for moment in np.unique(moments))
        return out


async def _best(
    layers: Sequence[Layer],
    key: tuple[Any, ...],
    rows: npt.NDArray[np.intp],
    cols: npt.NDArray[np.intp],
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read an index of the layers of one moment, the best pixel of each place."""
    there = [layer for layer in layers if layer.meets(rows, cols)] or layers[:1]
    if len(there) == 1:
        return (await _read(there[0].pixels, key)).astype(dtype, copy=False)
    out: npt.NDArray[Any] | None = None
    for layer in there:
        values = await _read(layer.pixels, key)
        data = layer.has_data(values)
        clear = data
        if layer.classes is not None and layer.hide is not None:
            inner = key[-2:]
            clear = data & ~layer.hide(await _read(layer.classes, inner))
        if out is None:
            out, filled, done = values.astype(dtype), data, clear
        else:
            np.copyto(out, values, where=(clear & ~done) | (data & ~filled), casting="unsafe")
            filled, done = filled | data, done | clear
        if done.all():
            break
    assert out is not None
    return out


async def _read(variable: xr.Variable, key: tuple[Any, ...]) -> npt.NDArray[Any]:
    part = variable[key]
    await part.load_async()
    return np.asarray(part.values)


def _token(variable: xr.Variable) -> Any:
    array, key = behind(variable)
    return array, key and [repr(k) for k in key.tuple]
