"""Rasters of other readers, whose bands are numbered and described in ``long_name``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr

import astra_xr  # noqa: F401  (registers .astra)
from astra_xr.errors import AmbiguousBand, UnknownBand


def raster(folder: Path, *names: str) -> Path:
    """Write a file of reflectance, whose bands are described by these names."""
    values = np.random.default_rng(2).uniform(0.01, 0.5, (len(names), 20, 30)).astype("f4")
    path = folder / "raster.tif"
    transform = rasterio.Affine(10, 0, 500000, 0, -10, 4000000)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(names), height=20, width=30, dtype="float32",
        crs="EPSG:32610", transform=transform,
    ) as file:  # fmt: skip
        file.write(values)
        file.descriptions = names
    return path


def opened(folder: Path, *names: str) -> xr.Dataset:
    found = rioxarray.open_rasterio(raster(folder, *names), band_as_variable=True)
    assert isinstance(found, xr.Dataset)
    return found


def test_descriptions_are_the_names_of_bands(tmp_path: Path) -> None:
    ds = opened(tmp_path, "blue", "Green", "red", "nir", "SWIR16")
    assert list(ds) == ["band_1", "band_2", "band_3", "band_4", "band_5"]
    assert ds.astra["red"].name == "band_3"
    ndvi = ds.astra.index("NDVI")
    usual = (ds.band_4 - ds.band_3) / (ds.band_4 + ds.band_3)
    np.testing.assert_allclose(ndvi, usual, rtol=1e-5)
    picker = ds.astra.pick()
    assert picker.state["bands"] == ["band_3", "band_2", "band_1"]
    assert "NDMI" in picker.about["indices"]
    made = eval(picker.code, {"ds": ds})
    assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
    picker.close()


def test_native_names_of_a_known_mission(tmp_path: Path) -> None:
    ds = opened(tmp_path, "B02", "B03", "B04", "B8A").assign_attrs(mission="sentinel-2")
    assert ds.astra["red"].name == "band_3"
    assert ds.astra["B8A"].name == "band_4"
    picker = ds.astra.pick()
    assert picker.state["bands"] == ["band_3", "band_2", "band_1"]
    picker.close()


def test_only_what_is_a_name_is_taken_for_one(tmp_path: Path) -> None:
    ds = opened(tmp_path, "red", "red", "mean of nir", "green")
    with pytest.raises(AmbiguousBand):
        ds.astra["red"]
    with pytest.raises(UnknownBand):
        ds.astra["nir"]
    # A variable that has a name of its own keeps it.
    named = ds.rename(band_4="blue")
    assert named.astra["blue"].name == "blue"
    with pytest.raises(UnknownBand):
        named.astra["green"]


def test_an_array_of_described_bands(tmp_path: Path) -> None:
    da = rioxarray.open_rasterio(raster(tmp_path, "nir", "red", "green"))
    assert isinstance(da, xr.DataArray)
    picker = da.astra.pick(code_name="array")
    assert list(picker.about["bands"]) == ["nir", "red", "green"]
    assert ["nir", "red", "green"] in picker.about["presets"].values()
    made = eval(picker.code, {"array": da})
    assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
    picker.close()


def test_arrays_whose_names_are_numbers_have_code_that_runs() -> None:
    ds = xr.Dataset({n: (("y", "x"), np.random.default_rng(n).random((8, 9))) for n in (1, 2)})
    picker = ds.astra.pick()
    assert eval(picker.code, {"ds": ds}) is not None
    picker.close()
    picker = ds[1].astra.pick()
    assert eval(picker.code, {"da": ds[1]}) is not None
    picker.close()
