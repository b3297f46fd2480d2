"""One image of many time steps, against numpy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset, InvalidParameter, UnknownBand
from tests.stacks import landsat_item, s2_item

SIDE = 300
COVER = {"20250115": 40.0, "20250125": 10.0, "20250204": 10.0, "20250214": None, "20250224": 70.0}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder, scenes = tmp_path_factory.mktemp("scenes"), []
    rng = np.random.default_rng(1)
    for day, clouds in COVER.items():
        files: dict[str, Any] = {
            k: rng.integers(1001, 9000, (SIDE, SIDE)).astype("uint16") for k in ("B04", "B08")
        }
        for band in files.values():
            band[:, :20] = 0
            band[rng.random((SIDE, SIDE)) < 0.05] = 0
        scl = np.kron(rng.choice([4, 5, 9, 3, 10], (30, 30)), np.ones((10, 10))).astype("uint8")
        scenes.append(s2_item(folder, day, clouds=clouds, SCL=scl, **files))
    return astra_xr.open_scenes(scenes, ["red", "nir", "SCL"])


def seen(stack: xr.Dataset, name: str, mask_clouds: bool = True) -> Any:
    values = stack[name].values
    if mask_clouds:
        values = np.where(stack.astra.mask().values, np.nan, values)
    return values


def median(values: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no moment has a value
        return np.nanmedian(values, axis=0)


@pytest.mark.parametrize("mask_clouds", [True, False])
def test_the_median(stack: xr.Dataset, mask_clouds: bool) -> None:
    picture = stack.astra.composite("median", mask_clouds=mask_clouds)
    assert list(picture) == ["red", "nir"]
    assert picture.red.dims == ("y", "x")
    for name in ("red", "nir"):
        expected = median(seen(stack, name, mask_clouds))
        assert np.isnan(expected[:, :20]).all()
        np.testing.assert_allclose(picture[name], expected, atol=1e-6)
    assert picture.red.dtype == np.float32
    assert picture.rio.crs == "EPSG:32610"
    assert "time" not in picture.coords
    assert picture.red.attrs["composite"].startswith("median of 5 time steps")
    assert picture.attrs["datetime"] == "2025-01-15T18:49:29/2025-02-24T18:49:29"
    assert picture.astra.index("NDVI").dims == ("y", "x")


def test_the_greenest(stack: xr.Dataset) -> None:
    picture = stack.astra.composite("max-ndvi")
    red, nir = seen(stack, "red"), seen(stack, "nir")
    with np.errstate(invalid="ignore"):
        ndvi = (nir - red) / (nir + red)
    which = np.argmax(np.nan_to_num(ndvi, nan=-9), axis=0)[None]
    some = np.isfinite(ndvi).any(axis=0)
    both = some & np.isfinite(picture.red.values) & np.isfinite(picture.nir.values)
    for name, values in (("red", red), ("nir", nir)):
        expected = np.take_along_axis(values, which, 0)[0]
        np.testing.assert_allclose(picture[name].values[both], expected[both], atol=1e-6)
        assert np.isfinite(picture[name].values[some]).all()


def test_the_best_pixel(stack: xr.Dataset) -> None:
    picture = stack.astra.composite("best-pixel")
    # 10 % twice, the later first; then 40, 70, and last what nobody knows.
    values = seen(stack, "red")[[2, 1, 0, 4, 3]]
    first = np.argmax(np.isfinite(values), axis=0)[None]
    np.testing.assert_allclose(picture.red, np.take_along_axis(values, first, 0)[0], atol=1e-6)


def test_a_part_of_it_and_dask_are_the_same(stack: xr.Dataset) -> None:
    whole = stack.astra.composite().red.values
    lazy = stack.astra.composite().red
    np.testing.assert_array_equal(lazy[50:90, [3, 200, 7]], whole[50:90, [3, 200, 7]])
    np.testing.assert_array_equal(lazy[7], whole[7])
    assert lazy[7, 9].item() == pytest.approx(whole[7, 9], nan_ok=True)
    chunked = stack.chunk({"time": 1, "y": 128, "x": 128}).astra.composite()
    assert chunked.red.chunks == ((128, 128, 44), (128, 128, 44))
    np.testing.assert_array_equal(chunked.red, whole)
    assert lazy.to_dataset().astra.explain().tiles >= 5


def test_one_moment_and_an_even_number(stack: xr.Dataset) -> None:
    one = stack.isel(time=[1]).astra.composite(mask_clouds=False)
    np.testing.assert_array_equal(one.red, stack.red[1])
    two = stack.isel(time=[1, 3]).astra.composite(mask_clouds=False)
    np.testing.assert_allclose(two.red, median(stack.red.values[[1, 3]]), atol=1e-6)


def test_landsat_clouds(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scenes = []
    for day in ("20250115", "20250131", "20250216"):
        red = rng.integers(7300, 20000, (64, 64)).astype("uint16")
        qa = rng.choice([21824, 22280, 23888], (64, 64)).astype("uint16")  # clear, cloud, shadow
        scenes.append(landsat_item(tmp_path, day, red=red, qa_pixel=qa))
    ds = astra_xr.open_scenes(scenes, ["red", "QA_PIXEL"])
    hidden = (ds.QA_PIXEL.values & 0b11110) != 0
    mask = ds.astra.mask(dilate=0).values
    np.testing.assert_array_equal(mask, hidden)
    picture = ds.astra.composite()
    expected = median(np.where(ds.astra.mask().values, np.nan, ds.red.values))
    np.testing.assert_allclose(picture.red, expected, atol=1e-6)


def test_clouds_of_scenes_whose_classes_are_not_open(stack: xr.Dataset) -> None:
    red = stack[["red"]].astra.composite().red
    np.testing.assert_array_equal(red, stack.astra.composite().red)


def test_bad_input(stack: xr.Dataset) -> None:
    with pytest.raises(InvalidParameter, match="median, max-ndvi, best-pixel"):
        stack.astra.composite("mean")
    for undated in (stack.isel(time=0), stack.drop_vars("time")):
        with pytest.raises(InvalidDataset, match=r"scenes along a dimension time.*open_scenes"):
            undated.astra.composite()
    with pytest.raises(InvalidDataset, match="not classes"):
        stack[["SCL"]].astra.composite()
    with pytest.raises(UnknownBand, match="nir"):
        stack[["red"]].astra.composite("max-ndvi", mask_clouds=False)
    stored = astra_xr.open_scenes(
        ["sentinel-2:S2B_MSIL2A_20250614T184929"], ["red"], catalog="sample", mask_and_scale=False
    )
    with pytest.raises(InvalidDataset, match="stored numbers.*mask_and_scale=True"):
        stored.astra.composite()
