"""What methods return is the same with dask, without it, and of values in memory.

That is values, dtype, order of dimensions, coordinates, attrs and encoding, or the error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

import astra_xr
from astra_xr.errors import AstraError
from tests.stacks import EAST, NORTH, add, s2_item

ROWS, COLS = 24, 20
Items = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Items:
    """Scenes of four bands, one that lacks two of them, and one beside the first."""
    folder = tmp_path_factory.mktemp("scenes")

    def made(seed: int, day: str, bands: tuple[str, ...], left: int = 0, **about: Any) -> Any:
        rng = np.random.default_rng(seed)
        item = s2_item(folder, day, **about)
        scl = rng.choice([4, 4, 5, 6, 3, 9, 0], (ROWS // 2, COLS // 2)).astype("uint8")
        nodata = np.kron(scl, np.ones((2, 2))) == 0
        for band in bands:
            if band in ("B04", "B08"):
                numbers = rng.integers(1100, 6000, (ROWS, COLS))
                pixels, gsd = np.where(nodata, 0, numbers).astype("uint16"), 10
            else:
                chance = np.where(scl == 0, 0, rng.integers(0, 101, scl.shape)).astype("uint8")
                pixels, gsd = scl if band == "SCL" else chance, 20
            add(item, folder, band, pixels, gsd=gsd, shift=(left, left // 2))
        return item

    every = ("B04", "B08", "SCL", "cloud")
    return {
        "first": made(1, "20250901", every, clouds=20.0),
        "beside": made(2, "20250901", every, 8, clouds=60.0, time="184943", tile="10SFG"),
        "second": made(3, "20250911", every, clouds=10.0),
        "lacking": made(4, "20250921", every[:2], clouds=30.0),
    }


def stack(items: Items, *names: str, bands: Any = None, **options: Any) -> xr.Dataset:
    bands = bands or ["red", "nir", "SCL", "cloud"]
    return astra_xr.open_scenes([items[name] for name in names], bands, **options)


def joined(items: Items, *names: str, **options: Any) -> xr.Dataset:
    """Join scenes as xarray does."""
    lacks = {"lacking": ["red", "nir"]}
    parts = [stack(items, name, bands=lacks.get(name), **options) for name in names]
    return xr.concat(parts, "time", coords="different", compat="equals", join="outer")


def two(items: Items, **options: Any) -> xr.Dataset:
    return stack(items, "first", "second", **options)


REVERSED = dict.fromkeys(("time", "y", "x"), slice(None, None, -1))

KINDS: dict[str, Callable[..., xr.Dataset]] = {
    "one time step": lambda items, **o: two(items, **o).isel(time=1),
    "mosaic": lambda items, **o: stack(items, "first", "beside", "second", **o),
    "stored numbers": lambda items, **o: two(items, **o, mask_and_scale=False),
    "without classes": lambda items, **o: two(items, **o, bands=["red", "nir"]),
    "joined with one that lacks classes": lambda items, **o: joined(items, "first", "lacking", **o),
    "another CRS": lambda items, **o: two(items, **o, crs="EPSG:32611", resolution=10),
    "the same time twice": lambda items, **o: joined(items, "first", "first", "second", **o),
    "reversed": lambda items, **o: two(items, **o).isel(REVERSED),
    "transposed": lambda items, **o: two(items, **o).transpose("x", "time", "y"),
    "with gaps": lambda items, **o: two(items, **o).isel(y=[0, 1, 5, 6, 20], x=[3, 4, 9]),
    "a row": lambda items, **o: two(items, **o).isel(y=7),
    "no time steps": lambda items, **o: two(items, **o).isel(time=slice(0)),
}


def southwest(block: xr.Dataset) -> Any:
    return (block.red > 0.3) & (block.y - NORTH + block.x - EAST < 20)


PLACES = gpd.GeoSeries([shapely.Point(EAST + 35, NORTH - 55), shapely.Point(0, 0)], crs=32610)
FIELDS = gpd.GeoSeries([shapely.box(EAST + 13, NORTH - 122, EAST + 110, NORTH - 40)], crs=32610)

METHODS: dict[str, Callable[[xr.Dataset], Any]] = {
    "values": lambda ds: ds,
    "mask": lambda ds: ds.astra.mask(["clouds", "water"], dilate=3),
    "mask by probability": lambda ds: ds.astra.mask(by="probability", above=60),
    "mask by a function": lambda ds: ds.astra.mask(by=southwest, overlap=5),
    "masked": lambda ds: ds.red.where(~ds.astra.mask()),
    "index": lambda ds: ds.astra.index("NDVI"),
    "indices, masked": lambda ds: ds.astra.index(["NDVI", "EVI2"], mask_clouds=True),
    "own formula": lambda ds: ds.astra.index("2*nir-red", mask_clouds={"by": southwest}),
    "median": lambda ds: ds.astra.composite("median", count=True),
    "mean": lambda ds: ds.astra.composite("mean", mask_clouds=False),
    "greenest": lambda ds: ds.astra.composite("max-ndvi", freq="10D"),
    "best pixel": lambda ds: ds.astra.composite("best-pixel", mask_clouds={"by": "probability"}),
    "sample": lambda ds: ds.astra.sample(PLACES),
    "zonal": lambda ds: ds.drop_vars("SCL", errors="ignore").astra.zonal(FIELDS),
    "cloud cover": lambda ds: xr.DataArray(ds.astra.cloud_cover()),
}
PIXELS = ("mask", "mask by probability", "mask by a function", "indices, masked", "median")
"""Methods that are called with chunks of one pixel, too."""

WHOLE = ("mosaic", "without classes", "joined with one that lacks classes", "another CRS")
"""Kinds for which all methods return something."""

OF_CHUNKS = ("chunks", "preferred_chunks", "chunksizes")


def outcome(method: str, ds: xr.Dataset) -> Any:
    """Return the result in memory, and what ``assert_identical`` does not compare; or the error."""
    try:
        found = METHODS[method](ds)
        found = found.compute()
    except AstraError as error:
        return type(error), str(error)
    named = found.to_dataset(name="it") if isinstance(found, xr.DataArray) else found
    about = {
        name: (
            each.dims,
            each.dtype,
            {k: v for k, v in each.encoding.items() if k not in OF_CHUNKS},
        )
        for name, each in named.variables.items()
    }
    return found, about


def check(method: str, ds: xr.Dataset, expected: Any) -> None:
    found = outcome(method, ds)
    if isinstance(expected[0], type) or isinstance(found[0], type):
        assert found == expected
        return
    xr.testing.assert_identical(found[0], expected[0])
    assert repr(found[1]) == repr(expected[1])  # NaN equals NaN


@pytest.mark.parametrize("kind", KINDS)
def test_parity(kind: str, items: Items) -> None:
    opened = KINDS[kind]
    loaded = opened(items).load()
    pixels = {dim: slice(1, 3) for dim in ("y", "x") if dim in loaded.dims}
    with dask.config.set(scheduler="synchronous"):
        for method in METHODS:
            expected = outcome(method, loaded)
            assert kind not in WHOLE or not isinstance(expected[0], type), expected
            check(method, opened(items), expected)
            check(method, opened(items, chunks={"y": 13, "x": -1}), expected)
            if method in PIXELS:
                few = opened(items).isel(pixels)
                check(method, few.chunk(1), outcome(method, loaded.isel(pixels)))
