"""Every kind of array that a Dataset may have, each with the same values computed by numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import values_of, wrap
from tests.arrays.strips import (
    BESIDE,
    FIRST,
    SECOND,
    THIRD,
    Array,
    Pixels,
    Source,
    ndvi,
)

Bands = dict[str, Array]
DAYS = ((FIRST,), (SECOND,), (THIRD,))
MIXED = ((FIRST, BESIDE), (SECOND,))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A Dataset, and the results that are expected of it."""

    open: Callable[[Source], xr.Dataset]

    truth: Callable[[Pixels], Bands] | None = None
    """Its values by numpy; at larger pixels, its formula, rule or median of larger pixels of the
    inputs. None: there is no short way to them."""

    able: str = ""
    """Which of "index" and "mask" works; the other is refused, whether it is loaded or not."""

    overviews: bool = True
    """Whether maps of few pixels are read from overviews. If not, single pixels may be picked."""

    files: bool = True
    """Whether `explain` finds its files; if not, it may list the variables as unknown."""

    stored: bool = False
    """Whether its numbers are those of the files."""

    awaited: bool = True
    """Whether xarray's `load_async` works; some backends do not support it."""

    near: float = 1e-6
    """How far values may be from numpy's: averages come from overviews, which are rounded."""

    astray: float = 0.0
    """Share of a map's pixels that may be from another time step, if two are nearly equal."""


def cut(ds: xr.Dataset) -> xr.Dataset:
    """Take a window of some 1024 rows."""
    rows, cols = ds.sizes["y"], ds.sizes["x"]
    return ds.isel(y=slice(rows // 4, rows * 3 // 4), x=slice(cols // 4, cols * 3 // 4))


def _cut(bands: Bands) -> Bands:
    rows, cols = next(iter(bands.values())).shape
    window = slice(rows // 4, rows * 3 // 4), slice(cols // 4, cols * 3 // 4)
    return {name: values[window] for name, values in bands.items()}


def _decoded(bands: Bands) -> Bands:
    """Do as xarray does with the fill value of classes."""
    return bands | {"SCL": np.where(bands["SCL"] == 0, np.nan, bands["SCL"])}


def _stored(bands: Bands) -> Bands:
    numbers = {n: np.nan_to_num(np.rint((bands[n] + 0.1) * 1e4)) for n in ("red", "nir")}
    return bands | numbers


def _one(pixels: Pixels) -> Bands:
    return pixels.bands(FIRST)


def _twice(pixels: Pixels) -> Bands:
    return Pixels(pixels.factor * 2, pixels.reach).bands(FIRST)


def _three(pixels: Pixels) -> Bands:
    return pixels.stack(*DAYS)


def _mixed(pixels: Pixels) -> Bands:
    return pixels.stack(*MIXED)


def _masked(bands: Bands, pixels: Pixels) -> Bands:
    return {"NDVI": np.where(pixels.clouds(bands["SCL"]), np.nan, ndvi(bands))}


def _median(bands: Bands, pixels: Pixels) -> Bands:
    hidden = pixels.clouds(bands["SCL"])
    out = {}
    for name in ("red", "nir"):
        values = np.sort(np.where(hidden, np.nan, bands[name]), axis=0)  # NaN goes to the end
        count = np.isfinite(values).sum(axis=0)
        pair = [np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1)]
        low, high = (np.take_along_axis(values, each[None], 0)[0] for each in pair)
        out[name] = np.where(count > 0, (low + high) / 2, np.nan)
    return out


def _mean(bands: Bands, pixels: Pixels) -> Bands:
    masked = pixels.clouds(bands["SCL"])
    out = {}
    for name in ("red", "nir"):
        values = np.where(masked, np.nan, bands[name])
        count = np.isfinite(values).sum(axis=0)
        total = np.nansum(values, axis=0)
        out[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def _count(bands: Bands, pixels: Pixels) -> Bands:
    there = np.isfinite(bands["red"]) & np.isfinite(bands["nir"])
    return {"count": (there & ~pixels.clouds(bands["SCL"])).sum(axis=0)}


def _months(pixels: Pixels) -> Bands:
    months = [pixels.stack((FIRST,), (SECOND,)), pixels.stack((THIRD,))]
    medians = [_median(month, pixels) for month in months]
    return {name: np.stack([each[name] for each in medians]) for name in medians[0]}


def _greenest(pixels: Pixels) -> Bands:
    bands = _three(pixels)
    hidden = pixels.clouds(bands["SCL"])
    green = np.nan_to_num(np.where(hidden, np.nan, ndvi(bands)), nan=-9)
    best = np.argmax(green, axis=0)[None]
    out = {}
    for name in ("red", "nir"):
        values = np.where(hidden, np.nan, bands[name])
        out[name] = np.take_along_axis(values, best, 0)[0]
    return out


def _clearest(pixels: Pixels) -> Bands:
    bands = _three(pixels)
    hidden = pixels.clouds(bands["SCL"])
    out = {}
    for name in ("red", "nir"):
        values = np.where(hidden, np.nan, bands[name])[[1, 0, 2]]  # by cloud cover
        first = np.argmax(np.isfinite(values), axis=0)[None]
        out[name] = np.take_along_axis(values, first, 0)[0]
    return out


def bright(bands: Any) -> Any:
    """Mask what is bright in red."""
    return (bands["red"] > 0.30003) & (bands["nir"] > 0.10003)


def _dataset(array: xr.DataArray) -> xr.Dataset:
    return array.to_dataset(name=array.name)


def _read(ds: xr.Dataset) -> xr.Dataset:
    """Fill xarray's caches, and leave the arrays as they are."""
    for each in ds.data_vars.values():
        np.asarray(each.values)
    return ds


def mirrored(values: Any) -> Any:
    """Return 1 - x in its own type, which NumPy 1 widens in single numbers."""
    return np.subtract(1, values, dtype=values.dtype)


class Mirrored(indexing.ExplicitlyIndexedNDArrayMixin):
    """A wrapper as xarray may add one tomorrow: 1 - x of what it wraps."""

    def __init__(self, array: Any) -> None:
        self.array: Any = indexing.as_indexable(array)  # type: ignore[no-untyped-call, unused-ignore]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.array.dtype)  # type: ignore[no-any-return]

    def _oindex_get(self, indexer: Any) -> Mirrored:
        return Mirrored(self.array.oindex[indexer])

    def _vindex_get(self, indexer: Any) -> Mirrored:
        return Mirrored(self.array.vindex[indexer])

    def __getitem__(self, key: Any) -> Mirrored:
        return Mirrored(self.array[key])

    def transpose(self, order: Any) -> Mirrored:
        return Mirrored(self.array.transpose(order))

    def get_duck_array(self) -> Any:
        return mirrored(self.array.get_duck_array())

    async def async_get_duck_array(self) -> Any:
        return mirrored(await self.array.async_get_duck_array())


class BareArray(LazyArray):
    """A lazy array with nothing but what the contract requires: 1 - x of a variable."""

    def __init__(self, variable: xr.Variable) -> None:
        self._variable = variable
        self.shape, self.dtype = variable.shape, variable.dtype

    async def read(self, index: Index) -> Array:
        values: Array = mirrored(await values_of(self._variable[index.axes]))
        return values


class MirroredBackend(BackendArray):
    """A backend's array as others may write one: 1 - x of a lazy array."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, indexing.VectorizedIndexer):
            return self._get(key.tuple)  # xarray's adapter fails on empty backward slices
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._get)

    def _get(self, key: tuple[Any, ...]) -> Any:
        dims = [f"dim_{n}" for n in range(len(self.shape))]
        return mirrored(xr.Variable(dims, self.array)[key].values)


def _wrapped(ds: xr.Dataset, wrapper: Callable[[Any], Any]) -> xr.Dataset:
    """Put a wrapper around the arrays of red and near infrared."""
    for name in ("red", "nir"):
        band = ds[name].variable
        data = wrapper(band._data)
        lazy = indexing.LazilyIndexedArray(data) if isinstance(data, BackendArray) else data
        ds[name] = xr.Variable(band.dims, lazy, band.attrs)
    return ds


def _bare(ds: xr.Dataset) -> xr.Dataset:
    """Put a lazy array with the contract's defaults around red and near infrared."""
    for name in ("red", "nir"):
        band = ds[name].variable
        ds[name] = xr.Variable(band.dims, wrap(BareArray(band)), band.attrs)
    return ds


def _mirrored(bands: Bands) -> Bands:
    return bands | {name: 1 - bands[name] for name in ("red", "nir")}


SUBJECTS = {
    # Bands of one scene
    "raster": Subject(open=lambda s: s.scene(), truth=_one, able="index mask"),
    "raster stored": Subject(
        open=lambda s: s.scene(mask_and_scale=False),
        truth=lambda p: _stored(_one(p)),
        stored=True,
        able="index mask",
    ),
    "raster cut": Subject(
        open=lambda s: cut(s.scene()), truth=lambda p: _cut(_one(p)), able="index mask"
    ),
    "raster upside down": Subject(
        open=lambda s: s.scene().isel(y=slice(None, None, -1)),
        truth=lambda p: {name: values[::-1] for name, values in _one(p).items()},
        able="index mask",
    ),
    "warped to 20 m": Subject(
        open=lambda s: s.scene(resolution=20, resampling={"red": "average", "nir": "average"}),
        truth=_twice,
        near=6e-5,
        able="index mask",
    ),
    "warped to degrees": Subject(open=lambda s: s.scene(crs="EPSG:4326"), able="index mask"),
    "repeated": Subject(open=lambda s: s.tree(), truth=_one, able="index mask"),
    "repeated, cut": Subject(
        open=lambda s: cut(s.tree()), truth=lambda p: _cut(_one(p)), able="index mask"
    ),
    "repeated, cut within pixels": Subject(
        open=lambda s: s.halves().isel(y=slice(1, None), x=slice(1, None)), able="index mask"
    ),
    "planes": Subject(
        open=lambda s: s.scene("visual"),
        truth=lambda p: {"visual": p.visual(FIRST)},
    ),
    "planes of a stack": Subject(
        open=lambda s: s.stack([FIRST, SECOND], "visual"),
        truth=lambda p: {"visual": np.stack([p.visual(FIRST), p.visual(SECOND)])},
    ),
    # Scenes over time
    "stack": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]), truth=_three, able="index mask"
    ),
    "stack with mosaic": Subject(
        open=lambda s: s.stack([FIRST, BESIDE, SECOND]), truth=_mixed, able="index mask"
    ),
    "mosaic": Subject(
        open=lambda s: s.stack([BESIDE, FIRST]).isel(time=0),
        truth=lambda p: p.mosaic((FIRST, BESIDE)),
        able="index mask",
    ),
    # Computed of them
    "formula": Subject(
        open=lambda s: _dataset(s.scene().astra.index("NDVI")),
        truth=lambda p: {"NDVI": ndvi(_one(p))},
    ),
    "own formula": Subject(
        open=lambda s: _dataset(s.scene().astra.index("(nir-red)/(nir+red)").rename("NDVI")),
        truth=lambda p: {"NDVI": ndvi(_one(p))},
    ),
    "formula, masked": Subject(
        open=lambda s: s.scene().astra.index(["NDVI"], mask_clouds=True),
        truth=lambda p: _masked(_one(p), p),
    ),
    "formula of a stack": Subject(
        open=lambda s: s.stack([FIRST, BESIDE, SECOND]).astra.index(["NDVI"], mask_clouds=True),
        truth=lambda p: _masked(_mixed(p), p),
    ),
    "mask": Subject(
        open=lambda s: _dataset(s.scene().astra.mask(dilate=0)),
        truth=lambda p: {"mask": Pixels(p.factor).clouds(p.classes(FIRST))},
    ),
    "mask, dilated": Subject(
        open=lambda s: _dataset(s.scene().astra.mask()),
        truth=lambda p: {"mask": p.clouds(p.classes(FIRST))},
    ),
    "mask of a stack": Subject(
        open=lambda s: _dataset(s.stack([FIRST, BESIDE, SECOND]).astra.mask()),
        truth=lambda p: {"mask": p.clouds(_mixed(p)["SCL"])},
    ),
    "mask by a function": Subject(
        open=lambda s: _dataset(s.scene("red", "nir").astra.mask(by=bright, dilate=0)),
        truth=lambda p: {"mask": bright(_one(p))},
        astray=0.02,
    ),
    "mask of a stack by a function": Subject(
        open=lambda s: _dataset(
            s.stack([FIRST, SECOND], "red", "nir").astra.mask(by=bright, dilate=0, overlap=8)
        ),
        truth=lambda p: {"mask": bright(p.stack((FIRST,), (SECOND,)))},
        astray=0.02,
    ),
    "median": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite("median"),
        truth=lambda p: _median(_three(p), p),
        able="index",
    ),
    "median of mosaics": Subject(
        open=lambda s: s.stack([FIRST, BESIDE, SECOND]).astra.composite("median"),
        truth=lambda p: _median(_mixed(p), p),
        able="index",
    ),
    "mean": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite("mean"),
        truth=lambda p: _mean(_three(p), p),
        able="index",
    ),
    "count": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite(count=True)[["count"]],
        truth=lambda p: _count(_three(p), p),
    ),
    "max-ndvi": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite("max-ndvi"),
        truth=_greenest,
        able="index",
        astray=0.02,
    ),
    "best-pixel": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite("best-pixel"),
        truth=_clearest,
        able="index",
    ),
    "medians of months": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite("median", freq="1MS"),
        truth=_months,
        able="index",
    ),
    "formula of a median": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD]).astra.composite().astra.index(["NDVI"]),
        truth=lambda p: {"NDVI": ndvi(_median(_three(p), p))},
    ),
    # Through xarray's own wrappers
    "engine": Subject(open=lambda s: s.engine(), truth=_one, able="index mask"),
    "engine stored": Subject(
        open=lambda s: s.engine(mask_and_scale=False, cache=False),
        truth=lambda p: _stored(_one(p)),
        stored=True,
        able="index mask",
    ),
    "decode_cf": Subject(
        open=lambda s: xr.decode_cf(s.scene(mask_and_scale=False)),
        truth=lambda p: _decoded(_one(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "decode_cf, cut before and twice after": Subject(
        open=lambda s: (
            xr.decode_cf(s.scene(mask_and_scale=False).isel(x=slice(16, None)))
            .isel(y=slice(256, 1792), x=slice(None, -16))
            .isel(y=slice(256, 1280))
        ),
        truth=lambda p: _cut(_decoded(_one(p))),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "decode_cf of a stack": Subject(
        open=lambda s: xr.decode_cf(s.stack([FIRST, BESIDE, SECOND], mask_and_scale=False)),
        truth=lambda p: _decoded(_mixed(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "an unknown wrapper": Subject(
        open=lambda s: _wrapped(s.scene(), Mirrored),
        truth=lambda p: _mirrored(_one(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "an unknown backend": Subject(
        open=lambda s: _wrapped(s.scene(), MirroredBackend),
        awaited=False,
        truth=lambda p: _mirrored(_one(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "a bare lazy array": Subject(
        open=lambda s: _bare(s.scene()),
        truth=lambda p: _mirrored(_one(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "a stranger's Dataset": Subject(
        open=lambda s: s.stranger(),
        awaited=False,
        truth=lambda p: {name: _one(p)[name] for name in ("red", "nir")},
        able="index",
        overviews=False,
        files=False,
    ),
    "formula of an unknown wrapper": Subject(
        open=lambda s: _wrapped(s.scene(), Mirrored).astra.index(["NDVI"], mask_clouds=True),
        truth=lambda p: _masked(_mirrored(_one(p)), p),
        overviews=False,
        files=False,
    ),
    "median of an unknown wrapper": Subject(
        open=lambda s: _wrapped(s.stack([FIRST, SECOND, THIRD]), Mirrored).astra.composite(),
        truth=lambda p: _median(_mirrored(_three(p)), p),
        able="index",
        overviews=False,
        files=False,
    ),
    # Computed by dask, or read
    "dask": Subject(
        open=lambda s: s.scene(chunks={"y": 1024, "x": 48}),
        truth=_one,
        able="index mask",
        overviews=False,
        files=False,
    ),
    "dask of a stack": Subject(
        open=lambda s: s.stack([FIRST, BESIDE, SECOND], chunks={"y": 1024}),
        truth=_mixed,
        able="index mask",
        overviews=False,
        files=False,
    ),
    "median by dask": Subject(
        open=lambda s: s.stack([FIRST, SECOND, THIRD], chunks={"y": 1024}).astra.composite(),
        truth=lambda p: _median(_three(p), p),
        able="index",
        overviews=False,
        files=False,
    ),
    "read before": Subject(
        open=lambda s: cut(_read(s.scene())),
        truth=lambda p: _cut(_one(p)),
        able="index mask",
        overviews=False,
        files=False,
    ),
    "half in memory": Subject(
        open=lambda s: s.scene().assign(red=lambda ds: ds.red.load()),
        truth=_one,
        able="index mask",
        overviews=False,
        files=False,
    ),
    "in memory": Subject(
        open=lambda s: s.scene().load(),
        truth=_one,
        able="index mask",
        overviews=False,
        files=False,
    ),
}  # fmt: skip
