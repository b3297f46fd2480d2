"""Files against what their items say of them: the file has the word, or an error names both."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr import warned
from astra_xr.arrays.formula import compute
from astra_xr.arrays.thumbnail import coarser
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile
from astra_xr.testing import write_cog
from astra_xr.tiff.layout import read_layout

SIDE = 300


def item_of(path: Path, described: dict[str, Any] | None = None) -> dict[str, Any]:
    """An item of one asset, ``data``; with its grid and ``described`` in raster:bands, or bare."""
    asset: dict[str, Any] = {"href": str(path), "type": "image/tiff", "roles": ["data"]}
    properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
    if described is not None:
        asset["raster:bands"] = [described]
        properties |= {
            "proj:epsg": 32610,
            "proj:shape": [SIDE, SIDE],
            "proj:transform": [10, 0, 499980, 0, -10, 4200000],
        }
    return {"type": "Feature", "id": "a", "properties": properties, "assets": {"data": asset}}


def band(path: Path, described: dict[str, Any] | None = None, **options: Any) -> xr.DataArray:
    return astra_xr.open_scene(item_of(path, described), **options)["data"]


def write(path: Path, stored: Any, **options: Any) -> Path:
    return write_cog(path, stored, blocksize=128, **options)


WIDE = [
    ("int32", -9999),
    ("int32", 2**31 - 1),
    ("uint32", 2**32 - 1),
    ("int64", -9999),
    ("int64", 2**63 - 1),
    ("uint64", 2**64 - 1),
]


@pytest.mark.parametrize(("dtype", "nodata"), WIDE)
def test_nodata_of_wide_integers_is_exact(tmp_path: Path, dtype: str, nodata: int) -> None:
    near = nodata - 1 if nodata > 0 else nodata + 1
    stored = np.full((SIDE, SIDE), 7, dtype)
    stored[:10], stored[10:20] = nodata, near
    path = write(tmp_path / "a.tif", stored, nodata=None)
    described = {"data_type": dtype, "nodata": nodata}
    values = band(path, described)
    np.testing.assert_array_equal(np.isnan(values), stored == nodata)
    numbers = band(path, described, mask_and_scale=False)
    np.testing.assert_array_equal(numbers, stored)
    assert numbers.attrs["_FillValue"] == np.dtype(dtype).type(nodata)


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int32", "nan"), ("uint32", -9999), ("int64", "inf"), ("uint64", 0.5)]
)
def test_nodata_that_the_type_cannot_hold_hides_nothing(
    tmp_path: Path, dtype: str, nodata: Any
) -> None:
    stored = np.arange(SIDE**2).reshape(SIDE, SIDE).astype(dtype)
    path = write(tmp_path / "a.tif", stored, nodata=None)
    values = band(path, {"data_type": dtype, "nodata": nodata})
    np.testing.assert_array_equal(values, stored)
    coarse = band(path, {"data_type": dtype, "nodata": nodata}, mask_and_scale=False, crs="utm",
                  resolution=20)  # fmt: skip
    assert coarse.shape == (SIDE // 2, SIDE // 2)
    coarse.load()


def test_a_bare_item_of_wide_integers_opens_at_once(tmp_path: Path) -> None:
    stored = np.full((SIDE, SIDE), 7, "int32")
    stored[:10] = -9999
    values = band(write(tmp_path / "a.tif", stored, nodata=-9999))
    np.testing.assert_array_equal(np.isnan(values), stored == -9999)


def ways(path: Path, described: dict[str, Any], **options: Any) -> dict[str, xr.DataArray]:
    """A band as it is read by each path: plain, warped, coarse, points."""
    plain = band(path, described, **options)
    points = {"x": xr.DataArray([499985.0, 501005.0], dims="p"),
              "y": xr.DataArray([4199995.0, 4199005.0], dims="p")}  # fmt: skip
    grids: dict[str, dict[str, Any]] = {
        "finer": {"resolution": 5},
        "coarser": {"resolution": 20},
        "coarser, nearest": {"resolution": 40, "resampling": "nearest"},
        "other CRS": {"crs": "EPSG:3857"},
    }
    found = {name: band(path, described, **options, **grid) for name, grid in grids.items()}
    found |= {f"points, {name}": each.sel(points, method="nearest")
              for name, each in found.items() if name != "other CRS"}  # fmt: skip
    return found | {"plain": plain, "points": plain.sel(points, method="nearest")}


@pytest.fixture(params=["tiles", "strips"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Write a file for our own decoders, or one that only GDAL can read."""

    def write_one(stored: Any, *, nodata: float | None = None) -> Path:
        place = Affine(10, 0, 499980, 0, -10, 4200000)
        path = write(tmp_path / "a.tif", stored, nodata=nodata, transform=place)
        if request.param == "tiles":
            return path
        strips = tmp_path / "strips.tif"
        with rasterio.open(path) as tiled:
            profile = tiled.profile | {"tiled": False, "driver": "GTiff"}
            with rasterio.open(strips, "w", **profile) as file:
                file.write(tiled.read())
        return strips

    return write_one


TYPES = [("uint8", "int16"), ("int16", "uint16"), ("uint16", "float32"), ("int16", "complex64")]


@pytest.mark.parametrize(("told", "held"), TYPES)
def test_numbers_that_do_not_fit_are_refused_on_every_path(
    make: Callable[..., Path], told: str, held: str
) -> None:
    path = make(np.full((SIDE, SIDE), 1000, held))
    both = f"the file holds {held}, while its item describes {told}"
    for name, lazy in ways(path, {"data_type": told}, mask_and_scale=False).items():
        with pytest.raises(ReadError, match=both):
            pytest.fail(f"{name}: {lazy.values}")
    way_out = band(path, {"data_type": told}, mask_and_scale=False, radiometry="file")
    assert way_out.dtype == held
    np.testing.assert_array_equal(way_out, 1000)
    with pytest.raises(ReadError, match="radiometry='file' uses the file's own metadata"):
        coarser(band(path, {"data_type": told}, mask_and_scale=False).to_dataset(), 50)


def test_numbers_of_another_type_that_fit_are_read(make: Callable[..., Path]) -> None:
    stored = np.arange(SIDE**2).reshape(SIDE, SIDE) % 250
    path = make(stored.astype("uint8"))
    numbers = band(path, {"data_type": "int16"}, mask_and_scale=False)
    assert numbers.dtype == "int16"
    np.testing.assert_array_equal(numbers, stored)


def test_values_of_another_type_do_not_wrap(make: Callable[..., Path]) -> None:
    path = make(np.full((SIDE, SIDE), 1000, "int16"))
    for lazy in ways(path, {"data_type": "uint8", "scale": 0.5}).values():
        assert lazy.dtype == "float32"
        assert np.nanmin(lazy) == np.nanmax(lazy) == 500
    path = make(np.full((SIDE, SIDE), 1000, "complex64"))
    for lazy in ways(path, {"data_type": "int16", "scale": 0.5}).values():
        with pytest.raises(ReadError, match="the file holds complex64"):
            lazy.load()


ITEMS = [{"data_type": "int16", "scale": 1e-4}, {"data_type": "int16", "nodata": 0, "scale": 1e-4}]


@pytest.fixture
def holed() -> Any:
    """Stored numbers with a block of -28672, the file's nodata, and one of 0."""
    stored = np.random.default_rng(2).integers(1, 9000, (SIDE, SIDE)).astype("int16")
    stored[40:120, 40:120], stored[200:240, 200:240] = -28672, 0
    return stored


def opened(path: Path, described: dict[str, Any], **options: Any) -> xr.DataArray:
    """A band; where the item gives another nodata than the file, one warning says so."""
    lazy = band(path, described, **options)
    warned._seen.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lazy.load()
        lazy.copy().load()
    caught = [each for each in caught if "nodata" in str(each.message)]
    if "nodata" in described:
        (warning,) = caught
        assert "nodata is 0 in its item, but -28672 in the file" in str(warning.message)
    else:
        assert not caught, str(caught[0].message)
    return lazy


@pytest.mark.parametrize("described", ITEMS, ids=["the item gives none", "the item gives another"])
@pytest.mark.parametrize(
    "grid",
    [{}, {"resolution": 5}, {"resolution": 20, "resampling": "average"}, {"resolution": 40},
     {"crs": "EPSG:3857", "resampling": "bilinear"}],
    ids=str,
)  # fmt: skip
def test_the_files_own_nodata_counts(
    make: Callable[..., Path], holed: Any, described: dict[str, Any], grid: dict[str, Any]
) -> None:
    right = make(holed, nodata=-28672)
    got = opened(right, described, **grid)
    expected = band(right, {**described, "nodata": -28672}, **grid)
    np.testing.assert_array_equal(got, expected)
    assert np.isnan(got).any()
    assert np.nanmin(got) == 0
    if not grid:
        with rasterio.open(right) as file:
            masked = file.read(1, masked=True)
        np.testing.assert_array_equal(np.isnan(got), masked.mask)
        np.testing.assert_allclose(got, (masked * 1e-4).filled(np.nan), rtol=1e-6)
        numbers = opened(right, described, mask_and_scale=False)
        np.testing.assert_array_equal(numbers, holed)


@pytest.mark.parametrize("described", ITEMS)
def test_the_files_own_nodata_counts_in_points_formulas_and_thumbnails(
    make: Callable[..., Path], holed: Any, described: dict[str, Any]
) -> None:
    path = make(holed, nodata=-28672)
    known = {**described, "nodata": -28672}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, lazy in ways(path, described).items():
            np.testing.assert_array_equal(lazy, ways(path, known)[name])
        small = coarser(band(path, described).to_dataset(), 50)["data"]
        expected = coarser(band(path, known).to_dataset(), 50)["data"]
        np.testing.assert_array_equal(small, expected)
        inputs = {"a": band(path, described).variable, "b": band(path, known).variable}
        out = np.empty((SIDE, SIDE), "float32")
        compute(inputs, [(lambda bands: bands["a"] + bands["b"], out)])
    np.testing.assert_array_equal(np.isnan(out), holed == -28672)


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("rotation", [0, 20])
def test_the_transform_of_a_header_is_gdals(tmp_path: Path, point: bool, rotation: float) -> None:
    path = tmp_path / "a.tif"
    transform = Affine(10, 0, 499980, 0, -12, 4200000) @ Affine.rotation(rotation)
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8",
               "crs": "EPSG:32610", "transform": transform, "tiled": True, "blockxsize": 64,
               "blockysize": 64}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.ones((1, 64, 64), "uint8"))
        if point:
            file.update_tags(AREA_OR_POINT="Point")
    source = FixedUrl(str(path))
    layout = run(read_layout(RangeFile(source, source(), "a")))
    with rasterio.open(path) as file:
        assert file.tags()["AREA_OR_POINT"] == ("Point" if point else "Area")
        assert layout.transform is not None
        np.testing.assert_allclose(layout.transform, file.transform[:6], rtol=1e-12)
