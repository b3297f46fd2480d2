"""Cloud and snow probabilities: 0 % is a value, whatever an item or a file calls nodata.

Also what masks make of a pixel that has values but no probability.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr

import astra_xr
from astra_xr.errors import ReadError
from astra_xr.resolver.local import LocalResolver
from astra_xr.testing import write_cog
from tests.stacks import EAST, NORTH, add, s2_item

Json = dict[str, Any]

SIDE = 640
DECLARED = [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}]
"""As at Earth Search."""


@pytest.fixture(scope="module")
def chances() -> np.ndarray:
    """Percentages, of which most are 0."""
    random = np.random.default_rng(7).integers(-100, 101, (SIDE, SIDE))
    return np.maximum(random, 0).astype("uint8")


@pytest.fixture(scope="module", params=[0, None], ids=["nodata 0", "no nodata"])
def item(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    chances: np.ndarray,
) -> Json:
    """A scene whose files call 0 nodata, as its item does, or say nothing, as JPEG 2000 files."""
    folder = tmp_path_factory.mktemp("scene")
    red = np.full((2 * SIDE, 2 * SIDE), 2000, "uint16")
    found = s2_item(folder, "20250701", B04=red)
    for key, title in (("cloud", "Cloud Probabilities"), ("snow", "Snow Probabilities")):
        add(found, folder, key, chances, gsd=20)
        path = found["assets"][key]["href"]
        with rasterio.open(path) as file:
            transform = file.transform
        # GDAL leaves nodata out of the means of overviews.
        write_cog(path, chances, transform=transform, nodata=request.param, blocksize=128)
        found["assets"][key] |= {"title": title, "roles": ["data"], "raster:bands": DECLARED}
    return found


def test_zero_percent_is_a_value(item: Json, chances: np.ndarray) -> None:
    ds = astra_xr.open_scene(item, ["red", "cloud", "snow"], resolution=20)
    for name in ("cloud", "snow"):
        assert ds[name].dtype == np.float32
        np.testing.assert_array_equal(ds[name], chances)
        assert ds[name].attrs["units"] == "%"
    assert "cloud" not in astra_xr.open_scene(item)
    assert float(ds.cloud.mean()) == pytest.approx(chances.mean())
    chunked = astra_xr.open_scene(item, ["cloud"], chunks=100)
    np.testing.assert_array_equal(chunked.cloud, chances)


@pytest.mark.parametrize("mode", ["file", "raw"])
def test_in_every_radiometry(item: Json, chances: np.ndarray, mode: Any) -> None:
    found = astra_xr.open_scene(item, ["cloud"], radiometry=mode).cloud
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, chances)


def test_coarser_pixels_are_means_with_zeros(item: Json, chances: np.ndarray) -> None:
    means = chances.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3))
    found = astra_xr.open_scene(item, ["cloud"], resolution=80).cloud
    rounded = 1  # overviews hold whole numbers
    np.testing.assert_allclose(found, means, atol=rounded)
    stored = astra_xr.open_scene(item, ["cloud"], resolution=80, mask_and_scale=False).cloud
    np.testing.assert_allclose(stored.astype(float), means, atol=rounded)
    small = astra_xr.open_scene(item, ["cloud"]).cloud.astra.plot(max_pixels=SIDE // 4)
    np.testing.assert_allclose(np.ma.filled(small.get_array(), np.nan), means, atol=rounded)


def test_beyond_the_file(item: Json, chances: np.ndarray) -> None:
    x, y = (EAST - 200, EAST + 20 * SIDE), (NORTH - 20 * SIDE, NORTH + 200)
    found = astra_xr.open_scene(item, ["cloud"], x=x, y=y).cloud
    np.testing.assert_array_equal(found[10:, 10:], chances)
    assert found[:10].isnull().all()
    assert found[:, :10].isnull().all()
    stored = astra_xr.open_scene(item, ["cloud"], x=x, y=y, mask_and_scale=False)
    assert (stored.cloud.dtype, stored.cloud.attrs["_FillValue"]) == (np.uint8, 255)
    np.testing.assert_array_equal(stored.cloud, found.fillna(255))
    xr.testing.assert_equal(xr.decode_cf(stored).cloud, found)
    mask = stored.astra.mask(by="probability", dilate=0)
    np.testing.assert_array_equal(mask, found > 40)
    degrees = astra_xr.open_scene(item, ["cloud"], crs="EPSG:4326", resampling="nearest").cloud
    assert degrees.isnull().any()
    assert {*np.unique(degrees)[:-1]} <= {*np.unique(chances)}
    assert (degrees == 0).sum() > 0.4 * degrees.notnull().sum()


@pytest.mark.parametrize("kind", ["nc", "zarr"])
@pytest.mark.parametrize("decoded", [True, False])
def test_files_of_other_writers(
    item: Json, chances: np.ndarray, tmp_path: Path, kind: str, decoded: bool
) -> None:
    options: Json = {"x": (EAST - 40, EAST + 20 * SIDE), "y": (NORTH - 20 * SIDE, NORTH)}
    options |= {"resolution": 20, "mask_and_scale": decoded}
    ds = astra_xr.open_scene(item, ["red", "cloud"], **options)
    if kind == "nc":
        ds.to_netcdf(tmp_path / "a.nc")
        read = xr.open_dataset(tmp_path / "a.nc", decode_coords="all")
    else:
        ds.to_zarr(tmp_path / "a.zarr", consolidated=False)
        read = xr.open_zarr(tmp_path / "a.zarr", consolidated=False, decode_coords="all")
    np.testing.assert_array_equal(read.cloud[:, 2:], chances)
    assert read.cloud[:, :2].isnull().all()
    mask = read.astra.mask(by="probability", dilate=0)
    np.testing.assert_array_equal(mask[:, 2:], chances > 40)
    assert not mask[:, :2].any()
    ds.cloud.rio.to_raster(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as file:
        masked = file.read(1, masked=True)
    np.testing.assert_array_equal(masked.data[:, 2:], chances)
    assert not masked.mask[:, 2:].any()


def test_points_and_fields(item: Json, chances: np.ndarray) -> None:
    ds = astra_xr.open_scene(item, ["cloud"])
    rows, cols = np.nonzero(chances == 0)
    points = gpd.GeoSeries(gpd.points_from_xy(ds.x[cols[:5]], ds.y[rows[:5]]), crs=32610)
    assert (ds.astra.sample(points).cloud == 0).all()
    field = gpd.GeoSeries([shapely.box(*ds.rio.bounds())], crs=32610)
    table = ds.astra.zonal(field, stats=["mean", "count"]).cloud.squeeze()
    np.testing.assert_allclose(table, [chances.mean(), chances.size], rtol=1e-5)


def test_the_item_of_a_resolution(item: Json, chances: np.ndarray) -> None:
    found = LocalResolver().resolve(item, ["cloud"], sign=False)
    assert found.to_dict()["assets"]["cloud"]["raster:bands"][0]["nodata"] == 255
    again = astra_xr.open_scene(found.to_item(), ["cloud"]).cloud
    np.testing.assert_array_equal(again, chances)


@pytest.mark.parametrize(
    "described",
    [
        {"raster:bands": [{"nodata": 0, "data_type": "uint8", "scale": 0.01}]},
        {"raster:bands": DECLARED, "classification:classes": [{"value": 1, "name": "cloud"}]},
    ],
    ids=["scaled", "classes"],
)
def test_an_asset_that_is_described_otherwise(tmp_path: Path, described: Json) -> None:
    stored = np.arange(100, dtype="uint8").reshape(10, 10) % 4
    item = s2_item(tmp_path, B04=np.full((10, 10), 2000, "uint16"))
    add(item, tmp_path, "cloud", stored, nodata=0)
    item["assets"]["cloud"] |= described
    found = astra_xr.open_scene(item, ["cloud"], mask_and_scale=False).cloud
    assert found.attrs["role"] != "probability"
    assert found.attrs["_FillValue"] == 0


@pytest.mark.parametrize("chunks", [None, 16])
@pytest.mark.parametrize("decoded", [True, False])
def test_scenes_of_a_day(tmp_path: Path, chunks: Any, decoded: bool) -> None:
    """Each pixel is of the scene that its red is of, as 0 beside a swath is not a value."""
    random, scenes = np.random.default_rng(3), []
    inside = np.tri(64, dtype=bool)
    for time, here in (("184929", inside), ("184941", ~inside)):
        red = np.where(here, random.integers(1500, 3000, here.shape), 0)
        day = f"202501{10 + 2 * bool(chunks) + decoded}"  # ids are kept by process
        item = s2_item(tmp_path, day, time=time, B04=red.astype("uint16"))
        add(item, tmp_path, "SCL", np.where(here, 4, 0).astype("uint8"))
        chance = np.where(here, random.integers(0, 3, here.shape) * 45, 0)
        add(item, tmp_path, "cloud", chance.astype("uint8"))
        scenes.append((item, red, chance))
    ds = astra_xr.open_scenes(
        [item for item, *_ in scenes], ["red", "cloud"], mask_and_scale=decoded, chunks=chunks
    )
    (_, red, chance), (_, other_red, other_chance) = scenes
    assert ds.sizes["time"] == 1
    expected = np.where(inside, chance, other_chance)
    np.testing.assert_array_equal(ds.cloud[0], expected)
    stored = ds.red[0] if not decoded else np.round((ds.red[0] + 0.1) * 1e4)
    np.testing.assert_array_equal(stored, np.where(inside, red, other_red))
    mask = ds.astra.mask(by="probability", dilate=0)
    np.testing.assert_array_equal(mask[0], expected > 40)
    fetched = ds[["red"]].astra.mask(by="probability", dilate=0)
    np.testing.assert_array_equal(fetched, mask)


def test_parts_of_a_mosaic_are_those_of_the_whole(tmp_path: Path) -> None:
    """Also where no scene has data: which ones are read depends on the part."""
    random, items = np.random.default_rng(4), []
    for shift, time in enumerate(("184929", "184941")):
        item = s2_item(tmp_path, "20250815", time=time, clouds=10.0 * shift)
        scl = random.choice([0, 4, 9], (64, 64)).astype("uint8")
        for key, pixels in {
            "B04": np.where(scl == 0, 0, random.integers(1500, 3000, scl.shape)).astype("uint16"),
            "SCL": scl,
            "cloud": np.where(scl == 0, 0, random.integers(0, 101, scl.shape)).astype("uint8"),
        }.items():
            add(item, tmp_path, key, pixels, shift=(20 * shift, 0))
        items.append(item)
    bands = ["red", "cloud"]
    whole = astra_xr.open_scenes(items, bands).load()
    beside = whole.isel(x=slice(-20, None))
    assert (beside.cloud.values[beside.red.isnull()] == 0).all()  # as of a single scene
    chunked = astra_xr.open_scenes(items, bands, chunks=8).compute()
    xr.testing.assert_identical(chunked, whole)
    for first in range(0, whole.sizes["x"], 7):
        part = {"x": slice(first, first + 3), "y": [5, 0, 63]}
        cut = astra_xr.open_scenes(items, bands).isel(part).load()
        xr.testing.assert_identical(cut, whole.isel(part))


def test_other_bands_are_read_only_where_there_is_no_probability(tmp_path: Path) -> None:
    chance = np.random.default_rng(1).integers(0, 101, (64, 64)).astype("uint8")
    item = s2_item(tmp_path, "20250702", B04=np.full((128, 128), 2000, "uint16"))
    add(item, tmp_path, "cloud", chance, gsd=20)
    ds = astra_xr.open_scene(item, ["red", "cloud"], resolution=20)
    x, y = (EAST - 40, EAST + 1280), (NORTH - 1280, NORTH)
    wider = astra_xr.open_scene(item, ["red", "cloud"], resolution=20, x=x, y=y)
    Path(item["assets"]["B04"]["href"]).unlink()
    np.testing.assert_array_equal(ds.astra.mask(by="probability", dilate=0), chance > 40)
    with pytest.raises(ReadError, match="red"):
        wider.astra.mask(by="probability").load()
