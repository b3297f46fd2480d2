"""Masks by a user's function; see ``by`` of ``ds.astra.mask``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import variables_of
from astra_xr.arrays.function_mask import BlockFunction, FunctionMaskArray
from astra_xr.arrays.lazy import wrap
from astra_xr.errors import InvalidDataset


def function_mask(
    ds: xr.Dataset, function: Callable[[xr.Dataset], Any], overlap: int
) -> xr.Variable:
    """Return the pixels that a function masks, lazily, as (time, y, x) or (y, x)."""
    order = ("time", "y", "x")
    bands = {
        name: ds[name].variable.transpose(*(dim for dim in order if dim in ds[name].dims))
        for name in variables_of(ds)
        if {"y", "x"} <= {*ds[name].dims} <= {*order}
    }
    if not bands:
        needs = "bands of (y, x) or (time, y, x) for the function"
        raise InvalidDataset(method="mask()", needs=needs, hint="Open them with bands=[…].")
    dims = tuple(dim for dim in order if any(dim in each.dims for each in bands.values()))
    shape = tuple(ds.sizes[dim] for dim in dims)
    called = BlockFunction(
        function=function,
        name=name_of(function),
        band_attrs={name: each.attrs for name, each in bands.items()},
        coords={
            name: xr.Variable(each.dims, each.values, each.attrs)  # load() makes text of dask a str
            for name, each in ds.coords.items()
            if each.ndim < 2 and {*each.dims} <= {*dims}
        },
        attrs=ds.attrs,
    )
    if any(each.chunks is not None for each in bands.values()):
        alike = [
            each.set_dims(dict(zip(dims, shape, strict=True))).transpose(*dims)  # type: ignore[no-untyped-call, unused-ignore]
            for each in bands.values()
        ]
        return xr.Variable(dims, _by_dask(dict(zip(bands, alike, strict=True)), called, overlap))
    return xr.Variable(dims, wrap(FunctionMaskArray(bands, dims, shape, called, overlap)))


def name_of(function: Any) -> str:
    """Return the name of a function, or of a callable object's class, for messages."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def _by_dask(bands: dict[str, xr.Variable], called: BlockFunction, overlap: int) -> Any:
    """Call a function with the chunks of bands, which have one shape."""
    import dask.array as da

    chunks = next(each.chunks for each in bands.values() if each.chunks is not None)
    shape = next(iter(bands.values())).shape
    down = len(shape) - 2
    numbered = functools.partial(_numbers, shape=shape)
    numbers = da.map_blocks(numbered, chunks=chunks, dtype=np.int64)  # type: ignore[no-untyped-call, unused-ignore]
    arrays = [da.asarray(each.data).rechunk(chunks) for each in bands.values()]  # type: ignore[no-untyped-call, unused-ignore]
    found = da.map_overlap(  # type: ignore[no-untyped-call, unused-ignore]
        functools.partial(_masked, names=tuple(bands), called=called, shape=shape),
        *arrays,
        numbers,
        # Dask refuses more pixels than an array has; "none": nothing lies beyond the edges.
        depth={axis: min(overlap, shape[axis]) for axis in (down, down + 1)},
        boundary="none",
        dtype=bool,
        meta=np.empty((0,) * len(shape), bool),
    )
    return found.rechunk(chunks)


def _numbers(*, block_info: Any, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the number of each pixel of a chunk within the whole."""
    place = block_info[None]["array-location"]
    along = np.ix_(*(np.arange(start, stop) for start, stop in place))
    return np.ravel_multi_index(along, shape).astype(np.int64)


def _masked(
    *arrays: npt.NDArray[Any], names: Sequence[str], called: BlockFunction, shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Call a function with a chunk of each band; the last array has the numbers of the pixels."""
    *values, numbers = arrays
    if not numbers.size:
        return np.zeros(numbers.shape, np.bool_)
    first = np.unravel_index(int(numbers.flat[0]), shape)
    rows, cols = (
        slice(int(start), int(start) + size)
        for start, size in zip(first[-2:], numbers.shape[-2:], strict=True)
    )
    if numbers.ndim == 2:
        return called(dict(zip(names, values, strict=True)), {"y": rows, "x": cols})
    masks = [
        called(
            {name: each[n] for name, each in zip(names, values, strict=True)},
            {"time": int(first[0]) + n, "y": rows, "x": cols},
        )
        for n in range(numbers.shape[0])
    ]
    return np.stack(masks)
