"""What other tools write of a Dataset, and what readers that mask and scale find in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (registers .odc)
import pytest
import rasterio
import rioxarray
import xarray as xr
from odc.geo.geobox import GeoBox

import astra_xr
from astra_xr.missions import Item
from tests.stacks import s2_item

SIDE = 200


read_raster: Any = rioxarray.open_rasterio


def files(seed: int) -> dict[str, Any]:
    """Stored numbers with nodata on the left, in places, and beyond reflectance of 1."""
    rng = np.random.default_rng(seed)
    numbers = {key: rng.integers(900, 12000, (SIDE, SIDE)).astype("uint16") for key in BANDS}
    for band in numbers.values():
        band[:, :20] = 0
        band[rng.random(band.shape) < 0.05] = 0
    return numbers | {"SCL": np.full((SIDE, SIDE), 4, "uint8")}


BANDS = ("B04", "B08")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    folder = tmp_path_factory.mktemp("scenes")
    days = ("20250115", "20250125", "20250204")
    return [s2_item(folder, day, **files(seed)) for seed, day in enumerate(days)]


def made(scenes: list[Item], what: str, chunks: Any) -> xr.Dataset:
    """A scene, a scene on another grid, indices of it, or a composite, in (y, x)."""
    if what == "composite":
        stack = astra_xr.open_scenes(scenes, ["red", "nir", "SCL"], chunks=chunks)
        composite: xr.Dataset = stack.astra.composite()
        return composite
    options: dict[str, Any] = {"crs": 3857, "resolution": 13} if what == "resampled" else {}
    if what.startswith("step"):
        ds = astra_xr.open_scenes(scenes, ["red", "nir"], chunks=chunks).isel(time=1)
    else:
        ds = astra_xr.open_scene(scenes[0], ["red", "nir"], chunks=chunks, **options)
    found: xr.Dataset = ds.astra.index(["NDVI", "EVI2"]) if "indices" in what else ds
    return found


def truth(ds: xr.Dataset) -> xr.Dataset:
    values = ds.astype("float32").compute()
    assert all(band.isnull().any() and band.notnull().any() for band in values.values())
    return values


def assert_reads_back(path: Path, values: xr.Dataset, *, tagged: bool = True) -> None:
    """Read a GeoTIFF by rasterio and rioxarray, as it is and masked and scaled."""
    expected = np.stack([band.values for band in values.values()])
    with rasterio.open(path) as file:
        assert (set(file.scales), set(file.offsets)) == ({1.0}, {0.0})
        assert np.isnan(file.nodata) if tagged else file.nodata is None
        np.testing.assert_array_equal(file.read(), expected)
        filled = file.read(masked=True).filled(np.nan)
    np.testing.assert_array_equal(filled, expected)
    for mask_and_scale in (True, False):
        with read_raster(path, mask_and_scale=mask_and_scale) as back:
            np.testing.assert_array_equal(np.asarray(back), expected)


GEOTIFFS: dict[str, Callable[[xr.Dataset, Path], Any]] = {
    "rio.to_raster": lambda ds, path: ds.rio.to_raster(path),
    "astra.to_cog": lambda ds, path: ds.astra.to_cog(path),
    "to_array.rio.to_raster": lambda ds, path: ds.to_array("band").rio.to_raster(path),
}

WHAT = ["scene", "resampled", "indices", "step", "step's indices", "composite"]


@pytest.mark.parametrize("chunks", [None, 64])
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("how", GEOTIFFS)
def test_a_geotiff_of_a_dataset(
    scenes: list[Item], what: str, how: str, chunks: Any, tmp_path: Path
) -> None:
    ds = made(scenes, what, chunks)
    GEOTIFFS[how](ds, tmp_path / "out.tif")
    tagged = not how.startswith("to_array")  # which leaves the encoding behind
    assert_reads_back(tmp_path / "out.tif", truth(ds), tagged=tagged)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("how", ["rio.to_raster", "odc.write_cog"])
def test_a_geotiff_of_a_band(scenes: list[Item], what: str, how: str, tmp_path: Path) -> None:
    ds = made(scenes, what, None)
    for name, band in ds.items():
        path = tmp_path / f"{name}.tif"
        if how == "rio.to_raster":
            band.rio.to_raster(path)
        else:
            band.odc.write_cog(path)
        assert_reads_back(path, truth(ds[[name]]))


def test_a_geotiff_beside_classes_and_of_masked_values(scenes: list[Item], tmp_path: Path) -> None:
    ds = astra_xr.open_scene(scenes[0], ["red", "SCL"])
    ds.rio.to_raster(tmp_path / "both.tif")
    with read_raster(tmp_path / "both.tif", mask_and_scale=True) as back:
        np.testing.assert_array_equal(back[0], ds.red)
        np.testing.assert_array_equal(back[1], ds.SCL)
    clear = ds.where(ds.SCL != 4).red
    clear.rio.to_raster(tmp_path / "clear.tif")
    with read_raster(tmp_path / "clear.tif", mask_and_scale=True) as back:
        assert np.isnan(np.asarray(back)).all()


def test_a_geotiff_of_stored_numbers(scenes: list[Item], tmp_path: Path) -> None:
    stored = astra_xr.open_scene(scenes[0], ["red", "nir"], mask_and_scale=False)
    scaled = astra_xr.open_scene(scenes[0], ["red", "nir"])
    stored.rio.to_raster(tmp_path / "out.tif")
    with read_raster(tmp_path / "out.tif", mask_and_scale=True) as back:
        np.testing.assert_allclose(np.asarray(back), scaled.to_array(), atol=1e-6)


@pytest.mark.filterwarnings("ignore:The data type")  # of strings of one length, in Zarr 3
@pytest.mark.parametrize("what", [*WHAT, "stack"])
@pytest.mark.parametrize("form", ["nc", "zarr"])
@pytest.mark.parametrize("chunks", [None, 64])
def test_netcdf_and_zarr(
    scenes: list[Item], what: str, form: str, chunks: Any, tmp_path: Path
) -> None:
    if what == "stack":
        ds = astra_xr.open_scenes(scenes, ["red", "nir"], chunks=chunks)
    else:
        ds = made(scenes, what, chunks)
    path = tmp_path / f"out.{form}"
    if form == "nc":
        ds.to_netcdf(path)
    else:
        ds.to_zarr(path, consolidated=False)
    engine = {"nc": None, "zarr": "zarr"}[form]
    options: dict[str, Any] = {"consolidated": False} if form == "zarr" else {}
    with xr.open_dataset(path, engine=engine, **options, decode_coords="all") as back:
        for name, values in truth(ds).items():
            np.testing.assert_array_equal(back[name], values)
        assert back.rio.crs == ds.rio.crs


@pytest.mark.parametrize("what", WHAT)
def test_a_grid_that_reaches_beyond(scenes: list[Item], what: str) -> None:
    ds = made(scenes, what, None)
    own = ds.odc.geobox
    wide = GeoBox.from_bbox(own.boundingbox.buffered(500), own.crs, shape=own.shape)
    for name, band in ds.odc.reproject(wide).items():
        assert band[:, -3:].isnull().all(), name
        assert band.notnull().any()


@pytest.mark.filterwarnings("ignore:The data type")  # of strings of one length, in Zarr 3
@pytest.mark.parametrize("what", ["scene", "stack", "step"])
def test_classes_and_masks(scenes: list[Item], what: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"bands": ["red", "SCL"]}
    ds = astra_xr.open_scene(scenes[0], **options)
    ds = ds if what == "scene" else astra_xr.open_scenes(scenes, **options)
    ds = ds.isel(time=1) if what == "step" else ds
    expected = np.where(np.isnan(ds.red), 0, np.arange(ds.red.size).reshape(ds.red.shape) % 12)
    classes = ds.SCL.copy(data=expected.astype("uint8"))
    mask = ds.assign(SCL=classes).astra.mask(dilate=0)
    classes.rio.to_raster(tmp_path / "classes.tif")
    mask.astype("uint8").rio.to_raster(tmp_path / "mask.tif")
    with rasterio.open(tmp_path / "classes.tif") as file:
        assert (set(file.dtypes), file.nodata) == ({"uint8"}, 0)
        np.testing.assert_array_equal(file.read().reshape(classes.shape), classes)
    with rasterio.open(tmp_path / "mask.tif") as file:
        assert file.nodata is None
        np.testing.assert_array_equal(file.read().reshape(mask.shape), mask)
    if what != "stack":
        classes.odc.write_cog(tmp_path / "cog.tif")
        classes.to_dataset(name="SCL").astra.to_cog(tmp_path / "own.tif")
        for name in ("cog", "own"):
            with rasterio.open(tmp_path / f"{name}.tif") as file:
                assert (file.dtypes, file.nodata) == (("uint8",), 0)
                np.testing.assert_array_equal(file.read(1), classes)
    both = xr.Dataset({"SCL": classes, "mask": mask})
    both.to_netcdf(tmp_path / "both.nc")
    both.to_zarr(tmp_path / "both.zarr", consolidated=False)
    zarr: dict[str, Any] = {"engine": "zarr", "consolidated": False}
    for path, how in (("both.nc", {}), ("both.zarr", zarr)):
        with xr.open_dataset(tmp_path / path, mask_and_scale=False, **how) as back:
            assert (back.SCL.dtype, back.mask.dtype) == ("uint8", "bool")
            np.testing.assert_array_equal(back.SCL, classes)
            np.testing.assert_array_equal(back.mask, mask)
            np.testing.assert_array_equal(back.SCL.flag_values, ds.SCL.flag_values)
        with xr.open_dataset(tmp_path / path, **how) as back:
            np.testing.assert_array_equal(back.SCL, classes.where(classes != 0))


def test_classes_and_stored_numbers_on_a_grid_that_reaches_beyond(scenes: list[Item]) -> None:
    ds = astra_xr.open_scene(scenes[0], ["red", "SCL"], mask_and_scale=False)
    own = ds.odc.geobox
    wide = GeoBox.from_bbox(own.boundingbox.buffered(500), own.crs, shape=own.shape)
    found = ds.odc.reproject(wide)
    for name, band in found.items():
        assert band.dtype == ds[name].dtype
        assert (band[:, -3:] == 0).all()  # nodata of both
        assert set(np.unique(band)) <= {*np.unique(ds[name]), 0}
