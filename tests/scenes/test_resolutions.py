"""Bands of several resolutions on one grid."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.reading.ranges import traffic
from astra_xr.sample import SCENE_ID
from tests import items
from tests.conftest import SIZE, World


def scene(bands: Any = ("red", "B11", "SCL"), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


def own(band: str) -> np.ndarray:
    return scene([band])[band].values


def test_the_finest_is_the_default_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="astra_xr")
    ds = scene()
    (line,) = [r.getMessage() for r in caplog.records if "several resolutions" in r.getMessage()]
    assert "(red 10, B11 20, SCL 20); using the finest" in line
    assert ds.rio.resolution() == (10, -10)
    assert dict(ds.sizes) == {"y": 2048, "x": 2048}
    # Whole factors repeat each pixel.
    np.testing.assert_array_equal(ds.B11, own("B11").repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(ds.SCL, own("SCL").repeat(2, axis=0).repeat(2, axis=1))
    assert ds.B11.attrs["resampling"] == "nearest, from 20"
    assert ds.B11.attrs["gsd"] == 20
    assert "resampling" not in ds.red.attrs
    caplog.clear()
    scene(resolution="finest")
    assert "several resolutions" not in caplog.text


@pytest.mark.parametrize("resolution", [20, 20.0, "coarsest"])
def test_to_the_grid_of_a_coarser_band(resolution: float | str) -> None:
    ds = scene(resolution=resolution)
    assert ds.sizes["y"] == 1024
    np.testing.assert_array_equal(ds.B11, own("B11"))
    np.testing.assert_array_equal(ds.SCL, own("SCL"))
    assert ds.red.attrs["resampling"] == "average, from 10"
    full = own("red").reshape(1024, 2, 1024, 2)
    valid = ~np.isnan(full).any(axis=(1, 3))
    # The overview's own rounding to stored numbers, and its half-up.
    np.testing.assert_allclose(
        ds.red.values[valid], full.mean(axis=(1, 3))[valid], rtol=0, atol=1.01e-4
    )


def test_coordinates_and_transform_of_another_size() -> None:
    ds, fine = scene(["red"], resolution=100), scene(["red"])
    assert ds.rio.resolution() == (100, -100)
    assert dict(ds.sizes) == {"y": 205, "x": 205}
    assert float(ds.x[0]) == float(fine.x[0]) - 5 + 50
    assert float(ds.y[0]) == float(fine.y[0]) + 5 - 50
    assert ds.odc.geobox.shape == ds.red.shape
    assert ds.rio.crs == fine.rio.crs


def test_an_overview_costs_little() -> None:
    before = traffic().bytes
    scene(["red"], resolution=80).red.load()
    assert traffic().bytes - before < 500_000  # the full image has some 6 MB


def test_class_bands_always_use_the_nearest_pixel() -> None:
    ds = scene(["SCL", "red"], resolution=60, resampling="bilinear")
    assert ds.SCL.attrs["resampling"].startswith("nearest")
    assert ds.red.attrs["resampling"].startswith("bilinear")
    assert set(np.unique(ds.SCL)) <= set(np.unique(own("SCL"))) | {0}
    each = scene(["nir", "red"], resolution=60, resampling={"red": "max"})
    assert each.red.attrs["resampling"].startswith("max")
    assert each.nir.attrs["resampling"].startswith("average")
    assert (each.red >= scene(["red"], resolution=60).red - 2e-4).all()


def test_stored_numbers_and_pictures_on_another_grid() -> None:
    ds = scene(["red", "visual"], resolution=40, mask_and_scale=False)
    assert ds.red.dtype == np.uint16
    assert ds.visual.dtype == np.uint8
    assert ds.visual.shape == (3, 512, 512)
    fine = scene(["visual"]).visual.astype(float)
    means = fine.coarsen(y=4, x=4).mean()
    assert float(abs(ds.visual - means).mean()) < 1


@pytest.mark.parametrize("resolution", [0, -10, "fine", float("nan"), float("inf"), True])
def test_a_resolution_that_makes_no_sense(resolution: Any) -> None:
    with pytest.raises(errors.InvalidParameter, match="'finest' or 'coarsest'"):
        scene(["red"], resolution=resolution)


def test_a_resampling_that_there_is_not() -> None:
    with pytest.raises(errors.InvalidParameter, match="one of nearest, average"):
        scene(["red"], resolution=20, resampling="nearst")


def test_bands_in_several_crs_are_refused(world: World) -> None:
    raw = items.planetary_computer(SIZE)
    raw["assets"]["B8A"] |= {"proj:epsg": 32611, "proj:shape": [SIZE, SIZE],
                             "proj:transform": [10, 0, -26850, 0, -10, 4217000]}  # fmt: skip
    with pytest.raises(errors.MixedGrids, match=r"EPSG:32610: B04, B08; EPSG:32611: B8A"):
        astra_xr.open_scene(raw)


def test_an_index_over_bands_of_several_resolutions() -> None:
    ds = scene(["nir", "B11"])
    cut = ds.isel(y=slice(300, 420), x=slice(77, 190))
    ndmi = cut.astra.index("NDMI")
    nir, swir = cut.nir.values, cut.B11.values
    np.testing.assert_allclose(ndmi, (nir - swir) / (nir + swir), rtol=0, atol=1e-6)


def test_everything_can_be_awaited() -> None:
    ds = scene(["nir", "B11", "red"], resolution=20)
    ds["ndvi"] = ds.astra.index("NDVI")
    loaded = asyncio.run(ds.isel(x=slice(100, 300)).load_async())
    for name in ds:
        np.testing.assert_array_equal(loaded[name], ds[name][:, 100:300].values)


def test_chunks_are_whole_tiles() -> None:
    assert scene(["red"], chunks={}).red.chunks == ((2048,), (2048,))
    big = scene(["red"], resolution=1, chunks={}).red  # 20480 x 20480
    assert set(big.chunks[0]) == {2048}
    auto = scene(["red", "SCL"], resolution=1, chunks="auto")
    assert auto.red.chunks == auto.SCL.chunks
    assert auto.red.chunks[0][0] == 4096
    assert auto.red.data.npartitions == 25
