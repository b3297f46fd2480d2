"""One picture of many moments: the median, the greenest or the best pixel, block by block."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.errors import InvalidParameter
from astra_xr.reading.array import cached, outer_of
from astra_xr.scenes.blocks import ahead, blocks
from astra_xr.scenes.masks import hidden
from astra_xr.scenes.names import find_variable, variables_of

_BLOCK_VALUES = 1 << 23
"""Values of a band over time that are held at once: 32 MiB."""

_BLOCKS = ((1024, 1024), (512, 1024), (512, 512), (256, 512), (256, 256), (128, 256), (128, 128))
"""Rows and columns of a block: whole tiles of most files, as long as that many fit."""

_AHEAD = 2
"""Blocks that are read while one is computed."""

_STRIP = 1 << 15
"""Pixels that are sorted at once."""

_HIDDEN = "hidden pixels"

Values = dict[str, npt.NDArray[Any]]


def composite(ds: xr.Dataset, how: str, *, mask_clouds: bool, dilate: int) -> xr.Dataset:
    """Make one picture of a stack; see ``ds.astra.composite``."""
    if how not in _WAYS:
        raise InvalidParameter(name="how", value=how, expected=f"one of {', '.join(_WAYS)}")
    if "time" not in ds.dims or not ds.sizes["time"]:
        expected = "a Dataset of open_scenes, with moments along time"
        raise InvalidParameter(name="how", value=how, expected=expected)
    names = [name for name in variables_of(ds) if _is_measured(ds[name])]
    if not names:
        expected = "a Dataset with bands over time that are not classes or masks"
        raise InvalidParameter(name="bands", value=list(ds.data_vars), expected=expected)
    shared: dict[str, xr.DataArray] = {}
    if mask_clouds:
        kinds = {"clouds": True, "shadows": True, "cirrus": True}
        shared[_HIDDEN] = hidden(ds, kinds, dilate)
    greenness = ("", "")
    if how == "max-ndvi":
        greenness = find_variable(ds, "red"), find_variable(ds, "nir")
        shared |= {name: ds[name] for name in greenness}
    order = tuple(map(int, _clearest_first(ds)))
    told = f"{how} of {ds.sizes['time']} moments" + (", clouds left out" if mask_clouds else "")
    pictures = {
        name: _picture(
            {name: ds[name], **shared},
            _Way(band=name, reduce=_WAYS[how], order=order, greenness=greenness),
        ).assign_attrs({**ds[name].attrs, "composite": told})
        for name in names
    }
    times = ds["time"].values
    span = f"{np.datetime_as_string(times.min(), 's')}/{np.datetime_as_string(times.max(), 's')}"
    return xr.Dataset(pictures, attrs={**ds.attrs, "composite": told, "datetime": span})


def _is_measured(band: xr.DataArray) -> bool:
    """Tell whether values can be compared over time; refuse stored numbers, which cannot."""
    if "time" not in band.dims or band.attrs.get("role") in ("class", "mask", "visual"):
        return False
    if "_FillValue" in band.attrs or "scale_factor" in band.attrs:
        expected = "a stack of values: stored numbers may mean others from scene to scene"
        raise InvalidParameter(name="mask_and_scale", value=False, expected=expected)
    return True


def _clearest_first(ds: xr.Dataset) -> npt.NDArray[np.intp]:
    """Return the moments by their cloud cover, the later of equals first."""
    count = ds.sizes["time"]
    cover = ds["cloud_cover"].values if "cloud_cover" in ds.coords else np.full(count, np.nan)
    latest = np.arange(count)[::-1]
    return latest[np.argsort(np.nan_to_num(cover, nan=100.0)[latest], kind="stable")]


def _picture(inputs: Mapping[str, xr.DataArray], way: _Way) -> xr.DataArray:
    pixels = inputs[way.band].transpose("time", ...)
    alone = pixels.isel(time=0, drop=True)
    # Those of the moments do not hold for all of them.
    coords = {name: each for name, each in alone.coords.items() if "time" not in pixels[name].dims}
    dtype = np.result_type(pixels.dtype, np.float32)
    if any(each.chunks is not None for each in inputs.values()):
        names = list(inputs)
        data = xr.apply_ufunc(
            lambda *parts: way(
                {n: np.moveaxis(part, -1, 0) for n, part in zip(names, parts, strict=True)}
            ),
            *(each.variable.chunk({"time": -1}) for each in inputs.values()),
            input_core_dims=[["time"]] * len(inputs),
            dask="parallelized",
            output_dtypes=[dtype],
        ).data
    else:
        data = cached(CompositeArray({n: each.variable for n, each in inputs.items()}, way, dtype))
    return xr.DataArray(xr.Variable(alone.dims, data), coords, name=way.band)


class CompositeArray(BackendArray):
    """A picture of variables over time, computed when indexed, block by block.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that ``way`` uses; all (time, y, x).
    way : callable
        Takes plain arrays by the same names, returns (y, x).
    dtype : numpy dtype
        Of the result.
    """

    def __init__(
        self,
        inputs: Mapping[str, xr.Variable],
        way: Callable[[Values], npt.NDArray[Any]],
        dtype: npt.DTypeLike,
    ) -> None:
        self._inputs = dict(inputs)
        self._way = way
        self.shape: tuple[int, ...] = next(iter(inputs.values())).shape[1:]
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._outer)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Compute beside any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.to_thread(self.__getitem__, key)

    def inputs(self, key: indexing.ExplicitIndexer) -> dict[str, xr.Variable]:
        """Return what an index takes of each input, lazily."""
        key = outer_of(key, self.shape)
        return {name: each[(slice(None), *key.tuple)] for name, each in self._inputs.items()}

    def _outer(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        # A whole number as a range of one, so that every block has rows and columns.
        ranges = tuple(slice(k, k + 1) if isinstance(k, int | np.integer) else k for k in key)
        parts = {name: each[(slice(None), *ranges)] for name, each in self._inputs.items()}
        first = next(iter(parts.values()))
        out = np.empty(first.shape[1:], self.dtype)
        with ThreadPoolExecutor(_AHEAD) as readers:
            parted = ahead(
                _blocks(first.shape), lambda block: readers.submit(_read, parts, block), _AHEAD
            )
            for block, values in parted:
                out[block] = self._way(values.result())
        return out[tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key)]


def _read(parts: Mapping[str, xr.Variable], block: tuple[slice, slice]) -> Values:
    return {name: np.asarray(each[(slice(None), *block)]) for name, each in parts.items()}


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cut rows and columns into blocks, the smaller the more moments there are."""
    count, rows, cols = shape
    fit = (block for block in _BLOCKS if math.prod(block) * count <= _BLOCK_VALUES)
    block = next(fit, _BLOCKS[-1])
    return blocks((rows, cols), block)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """From the values of a block to its picture."""

    band: str
    """Whose values are asked for."""

    reduce: Callable[[Values, _Way], npt.NDArray[Any]]

    order: tuple[int, ...]
    """The moments, the best first."""

    greenness: tuple[str, str]
    """Names of red and near infrared, where they count."""

    def __call__(self, values: Values) -> npt.NDArray[Any]:
        """Return (y, x) of values that are (time, y, x)."""
        pixels = values[self.band]
        if _HIDDEN in values:
            pixels = np.where(values[_HIDDEN], np.float32(np.nan), pixels)
        return self.reduce({**values, self.band: pixels}, self)


def _median(values: Values, way: _Way) -> npt.NDArray[Any]:
    """Return the median of the values that there are, NaN where there is none."""
    pixels = values[way.band]
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


def _greenest(values: Values, way: _Way) -> npt.NDArray[Any]:
    """Return the value of the moment of the highest NDVI; the better moment of equals."""
    red, nir = (values[name] for name in way.greenness)
    pixels = values[way.band]
    best = np.full(pixels.shape[1:], -np.inf, np.float32)
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for moment in way.order:
        total = nir[moment] + red[moment]
        ndvi = np.full_like(best, np.nan)
        np.divide(nir[moment] - red[moment], total, out=ndvi, where=total > 0)
        better = (ndvi > best) & ~np.isnan(pixels[moment])
        np.copyto(best, ndvi, where=better)
        np.copyto(out, pixels[moment], where=better)
    return out


def _clearest(values: Values, way: _Way) -> npt.NDArray[Any]:
    """Return the value of the best moment that has one."""
    pixels = values[way.band]
    out = np.full(pixels.shape[1:], np.nan, pixels.dtype)
    for moment in way.order:
        missing = np.isnan(out)
        if not missing.any():
            break
        np.copyto(out, pixels[moment], where=missing)
    return out


_WAYS: dict[str, Callable[[Values, _Way], npt.NDArray[Any]]] = {
    "median": _median,
    "max-ndvi": _greenest,
    "best-pixel": _clearest,
}
