"""Stored numbers, as mask_and_scale=False gives them: nodata never bleeds, attrs are true."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr

import astra_xr
from astra_xr import warned
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import InvalidDataset
from tests.truth.test_file_decides import SIDE, band, item_of, make, write

__all__ = ["make"]  # A fixture: one file for our own decoders, one that only GDAL can read.

TYPES = [("int16", -28672), ("uint8", 255), ("float32", -9999.0), ("float64", np.nan)]
HALF = SIDE // 2


def holed(dtype: str, nodata: float) -> np.ndarray:
    """Numbers of 100 to 200; blocks of nodata of odd size, and odd pixels of it."""
    rng = np.random.default_rng(3)
    stored = rng.integers(100, 200, (SIDE, SIDE)).astype(dtype)
    stored[41:121, 41:121] = nodata
    stored[rng.random(stored.shape) < 0.1] = nodata
    return stored


def means(stored: np.ndarray, nodata: float) -> np.ndarray:
    """Return the means of 2 x 2 pixels, without nodata; NaN where all are."""
    valid = ~np.isnan(stored) & (stored != nodata)
    blocks = np.where(valid, stored, np.nan).reshape(HALF, 2, HALF, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found: np.ndarray = np.nanmean(blocks, axis=(1, 3))
    return found


@pytest.mark.parametrize("told", ["nothing", "the same", "another"])
@pytest.mark.parametrize(("dtype", "nodata"), TYPES)
@pytest.mark.filterwarnings("ignore:.*nodata is .* in its item")
def test_averages_leave_out_the_files_nodata(
    make: Callable[..., Path], dtype: str, nodata: float, told: str
) -> None:
    stored = holed(dtype, nodata)
    path = make(stored, nodata=nodata)
    described = {"data_type": dtype}
    if told != "nothing":
        described["nodata"] = str(nodata) if told == "the same" else 7  # type: ignore[assignment]
    numbers = band(path, described, mask_and_scale=False, resolution=20)
    expected = means(stored, nodata)
    empty = np.isnan(expected)
    got = numbers.values
    np.testing.assert_allclose(
        got[~empty], expected[~empty], rtol=0, atol=0.501 if got.dtype.kind in "iu" else 1e-4
    )
    fill = numbers.attrs.get("_FillValue", nodata)
    assert fill == (7 if told == "another" else pytest.approx(nodata, nan_ok=True))
    # Of an overview that is read as it is, pixels are the file's own numbers.
    own = (got == nodata) | np.isnan(got)
    np.testing.assert_array_equal(got[empty & ~own], fill)
    assert told == "another" or np.array_equal(
        got[empty], np.full(empty.sum(), fill), equal_nan=True
    )
    warped = band(path, described, mask_and_scale=False, crs="EPSG:3857", resampling="bilinear")
    valid = warped.values[(warped.values != fill) & ~np.isnan(warped.values)]
    assert valid.min() >= 100
    assert valid.max() < 200
    thumbnail = coarser(band(path, described, mask_and_scale=False).to_dataset(), HALF)["data"]
    if told != "another":
        np.testing.assert_array_equal(thumbnail.values[empty], got[empty])
    np.testing.assert_allclose(thumbnail.values[~empty], got[~empty], atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*nodata is .* in its item")
@pytest.mark.parametrize("described", [None, {"data_type": "int16"},
                                       {"data_type": "int16", "nodata": 7}])  # fmt: skip
def test_mosaics_leave_out_the_files_nodata(
    make: Callable[..., Path], tmp_path: Path, described: dict[str, Any] | None
) -> None:
    stored = holed("int16", -9999)
    first = item_of(make(stored, nodata=-9999), described)
    other = tmp_path / "other"
    other.mkdir()
    second = item_of(write(other / "b.tif", np.full_like(stored, 5), nodata=-9999), described)
    second["id"] = "b"
    ds = astra_xr.open_scenes([first, second], mask_and_scale=False)
    assert ds.sizes["time"] == 1
    expected = np.where(stored == -9999, 5, stored)
    np.testing.assert_array_equal(ds["data"][0], expected)


SCALED: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "scale and offset": lambda ds: ds * 1e-4 - 0.1,
    "after where": lambda ds: ds.where(ds != 0) * 1e-4 - 0.1,
    "divided": lambda ds: ds / 10000,
    "dask": lambda ds: ds.chunk({"x": 30}) * 1e-4 - 0.1,
}


def stored_scene(**options: Any) -> xr.Dataset:
    options = {"mask_and_scale": False, **options}
    scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
    ds = astra_xr.open_scene(scene, ["red", "green", "blue", "nir"], catalog="sample", **options)
    return ds.isel(x=slice(1000, 1060), y=slice(1000, 1060))


@pytest.mark.parametrize("scaled", SCALED)
def test_numbers_that_the_user_scaled_are_not_scaled_again(scaled: str, tmp_path: Path) -> None:
    options: Any = xr.set_options
    with options(keep_attrs=True):  # the default of newer xarray
        ds = SCALED[scaled](stored_scene())
    for call in (lambda: ds.astra.index("NDVI").compute(), ds.astra.rgb, ds.red.astra.plot):
        with pytest.raises(InvalidDataset, match="B0.*scaled already.*without mask_and_scale"):
            call()
    values = rasterio.open(ds.astra.to_cog(tmp_path / "out.tif")).read(1, masked=True)
    np.testing.assert_array_equal(values.filled(np.nan), ds.red)
    plain = ds.copy()
    for each in plain.values():
        for name in ("scale_factor", "add_offset", "_FillValue"):
            del each.attrs[name]
    expected = (plain.nir - plain.red) / (plain.nir + plain.red)
    np.testing.assert_allclose(plain.astra.index("NDVI"), expected.clip(-1, 1), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds,
        lambda ds: ds.where(ds.red > 1500),
        lambda ds: ds.astype(float),
        lambda ds: ds.interp(x=ds.x.values[:-1] + 5.0),
        lambda ds: ds.where(ds.red > 60000),
    ],
    ids=["as opened", "where", "floats", "interpolated", "nothing left"],
)
def test_stored_numbers_in_any_type_are_scaled_once(
    change: Callable[[xr.Dataset], xr.Dataset],
) -> None:
    options: Any = xr.set_options
    with options(keep_attrs=True):
        ds = change(stored_scene().load())
    values = ds.astype("float64").where(ds != 0) * 1e-4 - 0.1
    expected = ((values.nir - values.red) / (values.nir + values.red)).clip(-1, 1)
    np.testing.assert_allclose(ds.astra.index("NDVI"), expected, atol=1e-4)


def test_where_the_header_is_read_at_opening_attrs_are_the_files(tmp_path: Path) -> None:
    stored = np.ones((SIDE, SIDE), "int16")
    path = write(tmp_path / "a.tif", stored, nodata=-9999, scales=(0.5,), offsets=(2,))
    bare = band(path, mask_and_scale=False)
    assert (bare.attrs["_FillValue"], bare.attrs["scale_factor"], bare.attrs["add_offset"]) == (
        -9999, 0.5, 2,
    )  # fmt: skip
    values = band(path)
    assert (values.attrs["scale"], values.attrs["offset"]) == (0.5, 2)
    assert values.attrs["radiometry"] == "offset 2: the file's own tags"
    # Its item tells type and nodata, but not where it lies.
    item = item_of(path)
    item["assets"]["data"]["raster:bands"] = [{"data_type": "uint8", "nodata": 7}]
    warned._seen.clear()
    with pytest.warns(UserWarning, match="nodata is 7 in its item, but -9999 in the file"):
        ds = astra_xr.open_scene(item, mask_and_scale=False)
    assert ds["data"].attrs["_FillValue"] == -9999
    assert ds["data"].attrs["scale_factor"] == 0.5
    assert ds["data"].dtype == "int16"
    assert astra_xr.open_scene(item)["data"].attrs["scale"] == 0.5
    decoded = xr.decode_cf(ds)["data"]
    with rasterio.open(path) as file:
        np.testing.assert_allclose(decoded, file.read(1) * 0.5 + 2)


CLASSES = [{"value": 10, "name": "trees"}, {"value": 80, "name": "water"}]


@pytest.mark.parametrize("described", [None, {"data_type": "uint8"},
                                       {"data_type": "uint8", "nodata": 0}])  # fmt: skip
@pytest.mark.parametrize("own", [None, 0])
def test_class_bands_stay_integers_and_keep_their_nodata_as_a_number(
    make: Callable[..., Path], described: dict[str, Any] | None, own: int | None
) -> None:
    stored = np.where(np.arange(SIDE) % 2, 10, 80)[None] * np.ones((SIDE, 1))
    stored[:50] = 0
    path = make(stored.astype("uint8"), nodata=own)
    item = item_of(path, described)
    item["assets"]["data"]["classification:classes"] = CLASSES
    for decoded in (True, False):
        classes = astra_xr.open_scene(item, mask_and_scale=decoded)["data"]
        np.testing.assert_array_equal(classes, stored)
        assert classes.dtype == "uint8"
        read = described is None
        known = (described or {}).get("nodata", own if read else None)
        assert classes.attrs.get("_FillValue") == known


def test_a_modis_item_whose_file_alone_gives_nodata(tmp_path: Path, shared: Path) -> None:
    found = json.loads((shared.parent / "cases/modis-nodata-only-in-file.json").read_text())
    key, asset = next(
        (key, asset) for key, asset in found["assets"].items() if "raster:bands" in asset
    )
    stored = np.full((64, 64), 1234, "int16")
    stored[:8] = -28672
    path = write(tmp_path / "a.tif", stored, nodata=-28672)
    scale = asset["raster:bands"][0]["scale"]
    item = {**found, "assets": {key: {**asset, "href": str(path)}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The file is smaller, and lies elsewhere.
        item["properties"] = {"datetime": "2024-06-01T10:00:00Z"}
        values = astra_xr.open_scene(item)[key]
    np.testing.assert_array_equal(np.isnan(values), stored == -28672)
    np.testing.assert_allclose(values[8:], 1234 * scale, rtol=1e-6)
