"""Bool arrays that were computed from a band are no such band, though xarray keeps its attrs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from matplotlib import pyplot as plt

import astra_xr
from astra_xr.errors import MissingIndexBand

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


@pytest.fixture(autouse=True)
def _attrs_are_kept() -> Iterator[None]:
    options: Any = xr.set_options
    with options(keep_attrs=True):  # the default of newer xarray
        yield


@pytest.fixture
def scene() -> xr.Dataset:
    """A window of water and clouds, with where it is water."""
    ds = astra_xr.open_scene(SCENE, ["red", "nir", "SCL"], catalog="sample")
    ds = ds.isel(x=slice(0, 120), y=slice(1080, 1200))
    return ds.assign(lake=ds.SCL == 6, bright=ds.red > 0.02)


def test_it_is_not_the_classification_band(scene: xr.Dataset) -> None:
    expected = scene[["red", "nir", "SCL"]].astra.mask().compute()
    assert expected.any()
    numbers = scene.assign(lake=scene.lake.astype("uint8"))
    for other in (
        scene.drop_vars("SCL"), scene[["lake", "SCL", "red", "nir"]], numbers.drop_vars("SCL"),
        scene.rename(SCL="classes"), scene.rename(SCL="classes").where(scene.red > -1),
        scene.assign(SCL=scene.SCL == 4), scene.assign(SCL=scene.SCL.isin([8, 9])),
    ):  # fmt: skip
        np.testing.assert_array_equal(other.astra.mask(), expected)
        assert other.astra.cloud_cover() == scene.astra.cloud_cover()


def test_it_is_not_a_band_of_an_index(scene: xr.Dataset) -> None:
    expected = scene[["red", "nir"]].astra.index("NDVI")
    xr.testing.assert_identical(scene.astra.index("NDVI"), expected)
    with pytest.raises(MissingIndexBand):
        scene.drop_vars("red").astra.index("NDVI")


def test_false_is_no_missing_data(scene: xr.Dataset, tmp_path: Path) -> None:
    assert 0 < scene.lake.mean() < 1
    field = gpd.GeoSeries([shapely.box(*scene.rio.bounds())], crs=scene.rio.crs)
    for table in (
        scene[["lake"]].astra.zonal(field, ["mean", "count"]),
        scene.lake.astra.zonal(field, ["mean", "count"]),
    ):
        assert table.lake[0].values == pytest.approx([float(scene.lake.mean()), 120 * 120])
    for each in (scene[["lake"]].astra, scene.lake.astra):
        with rasterio.open(each.to_cog(tmp_path / "lake.tif")) as file:
            assert file.nodata is None
            np.testing.assert_array_equal(file.read(1), scene.lake)


def test_maps_show_true_and_false(scene: xr.Dataset) -> None:
    with mpl.rc_context({"backend": "agg"}):
        for draw in (scene.lake.astra.plot, lambda: scene.astra.plot("lake")):
            image = draw()
            np.testing.assert_array_equal(image.get_array().astype(bool), scene.lake)
            assert image.get_clim() == (0, 1)
            plt.close()


def test_values_that_are_read_are_kept_in_the_dataset(scene: xr.Dataset) -> None:
    scene["clouds"] = scene[["red"]].astra.mask()
    assert scene.astra.load(progress=False) is scene
    assert isinstance(scene.clouds.variable.data, np.ndarray)
