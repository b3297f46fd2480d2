"""Scenes behind each other in time: what is opened, in which order, on which grid."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

import astra_xr
from astra_xr.arrays.lazy import unwrap
from astra_xr.errors import (
    AstraError,
    InvalidItem,
    InvalidParameter,
    InvalidSceneId,
    MixedGrids,
    ReadError,
    SceneNotFound,
    UnknownBand,
)
from astra_xr.sample import SCENES
from tests.stacks import add, landsat_item, s2_item

DAYS = ("20250614", "20250818", "20250917")
IDS = [f"sentinel-2:{name}" for name in SCENES if name.split("_")[2][:8] in DAYS]


def dn(seed: int, side: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(1001, 9000, (side, side)).astype("uint16")


def reflectance(stored: np.ndarray) -> np.ndarray:
    return np.where(stored == 0, np.nan, stored * 1e-4 - 0.1)


@pytest.fixture(scope="module")
def sample() -> xr.Dataset:
    return astra_xr.open_scenes(reversed(IDS), ["red", "nir"], catalog="sample")


# What comes of it


def test_each_moment_is_the_scene_as_it_opens_alone(sample: xr.Dataset) -> None:
    for number, name in enumerate(IDS):
        alone = astra_xr.open_scene(name, ["red", "nir"], catalog="sample")
        here = sample.isel(time=number)
        np.testing.assert_array_equal(here.red, alone.red)
        assert (here.x.values == alone.x.values).all()
        assert (here.y.values == alone.y.values).all()
        assert here.rio.crs == alone.rio.crs
        assert here.odc.geobox == alone.odc.geobox


def test_time_is_sorted_utc_and_each_step_has_its_scene(sample: xr.Dataset) -> None:
    assert sample.time.dtype == "datetime64[ns]"
    assert sample.indexes["time"].is_monotonic_increasing
    assert sample.time.values[0] == np.datetime64("2025-06-14T18:49:29")
    assert list(sample.id.values) == IDS
    assert list(sample.platform.values) == ["sentinel-2b", "sentinel-2c", "sentinel-2c"]
    assert set(sample.mission.values) == {"sentinel-2"}
    assert set(sample.catalog.values) == {"sample"}
    covers = [SCENES[name.partition(":")[2]].cloud_cover for name in IDS]
    np.testing.assert_allclose(sample.cloud_cover, covers)
    assert sample.red.dims == ("time", "y", "x")
    assert sample.red.attrs["native_name"] == "B04"
    assert sample.attrs["mission"] == "sentinel-2"
    assert "scene_id" not in sample.attrs


def test_a_search_opens_as_it_is() -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-08/2025-09", catalog="sample")
    ds = astra_xr.open_scenes(found, "red", bbox=(-122.41, 37.5, -122.4, 37.51))
    assert list(ds.id.values) == list(reversed(found))
    assert max(ds.sizes["x"], ds.sizes["y"]) < 130


def test_any_index_reads_what_numpy_has(sample: xr.Dataset) -> None:
    whole = sample.red.values
    every = slice(None)
    for t, y, x in [
        (0, every, every), (slice(1, 3), every, every), ([2, 0], every, every),
        (-1, slice(5, 9), every),
        (every, 5, every), (every, 5, 7), (2, -1, 0), ([0, 2], [5, 50, 7], slice(10, 400, 7)),
        (slice(None, None, -1), slice(3), [4, 1]), (slice(0, 0), every, every), (1, slice(0, 0), 3),
    ]:  # fmt: skip
        expected = whole[t][..., y, :][..., x]
        np.testing.assert_array_equal(sample.red[t, y, x].values, expected)
    x, y = xr.DataArray([5, 300, 599], dims="p"), xr.DataArray([9, 8, 0], dims="p")
    np.testing.assert_array_equal(sample.red.isel(x=x, y=y).values, whole[:, y, x])
    t = xr.DataArray([2, 0, 1], dims="p")
    np.testing.assert_array_equal(sample.red.isel(time=t, x=x, y=y).values, whole[t, y, x])


def test_the_accessor_works_over_time(sample: xr.Dataset) -> None:
    part = sample.isel(x=slice(40), y=slice(30))
    ndvi = part.astra.index("NDVI")
    assert ndvi.dims == ("time", "y", "x")
    red, nir = part.red.values, part.nir.values
    expected = np.clip((nir - red) / (nir + red), -1, 1)
    np.testing.assert_allclose(ndvi, expected, atol=1e-5)
    assert "B04" in repr(part.astra)
    assert part.astra.failures.empty
    assert "failures" not in part.attrs, "attrs go into files"
    assert part.astra["B08"].name == "nir"


@pytest.mark.parametrize("options", [{}, {"chunks": {"y": 256, "x": 256}}])
def test_points_have_their_values_over_time(sample: xr.Dataset, options: dict[str, Any]) -> None:
    rows, cols = [3, 310, 599], [590, 17, 300]
    edge = [float(sample[name][0] - step / 2) for name, step in (("x", 10), ("y", -10))]
    east, north = edge[0] + 10 * np.array(cols) + 4, edge[1] - 10 * np.array(rows) - 7
    lonlat = Transformer.from_crs(sample.rio.crs, "EPSG:4326", always_xy=True)
    points = list(zip(*lonlat.transform(east, north), strict=True))
    ds = astra_xr.open_scenes(IDS, ["red", "nir"], catalog="sample", **options)
    found = ds.astra.sample(points)
    assert found.red.dims == ("time", "point")
    assert list(found.id.values) == list(sample.id.values)
    for name in ("red", "nir"):
        np.testing.assert_array_equal(found[name], sample[name].values[:, rows, cols])
    ndvi = found.astra.index("NDVI", mask_clouds=False)
    np.testing.assert_array_equal(ndvi, sample.astra.index("NDVI").values[:, rows, cols])
    beside = ds.astra.sample([points[1], (10.0, 50.0)])
    np.testing.assert_array_equal(beside.red[:, 0], found.red[:, 1])
    assert np.isnan(beside.red[:, 1]).all()


def test_a_mask_fetches_the_class_band_of_each_scene(sample: xr.Dataset) -> None:
    mask = sample.astra.mask(dilate=0)
    assert mask.dims == ("time", "y", "x")
    for number, name in enumerate(IDS):
        alone = astra_xr.open_scene(name, ["red"], catalog="sample").astra.mask(dilate=0)
        np.testing.assert_array_equal(mask[number], alone)


def test_dask_gives_the_same_in_a_task_a_chunk(sample: xr.Dataset) -> None:
    ds = astra_xr.open_scenes(IDS, ["red", "nir"], catalog="sample", chunks={"y": 256, "x": 256})
    assert ds.red.chunks == ((1, 1, 1), (256, 256, 88), (256, 256, 88))
    assert len(ds.red.data.dask) <= ds.red.data.npartitions + 3
    np.testing.assert_array_equal(ds.red.values, sample.red.values)
    again = astra_xr.open_scenes(IDS, ["red", "nir"], catalog="sample", chunks={"y": 256, "x": 256})
    assert again.red.data.name == ds.red.data.name
    auto = astra_xr.open_scenes(IDS, ["red"], catalog="sample", chunks="auto")
    assert auto.red.chunks[0] == (1, 1, 1)


def test_a_stack_travels_small(sample: xr.Dataset) -> None:
    lazy = astra_xr.open_scenes(IDS, ["red"], catalog="sample").red
    found = unwrap(lazy.variable)
    assert found
    assert len(pickle.dumps(found[0])) < 3 * 1500
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy))[1, :5], sample.red[1, :5])


def test_it_goes_through_a_file_and_back(sample: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    part = sample.isel(x=slice(8), y=slice(8))
    part.to_zarr(tmp_path / "stack.zarr", zarr_format=2, consolidated=False)
    with xr.open_zarr(tmp_path / "stack.zarr", consolidated=False, decode_coords="all") as back:
        np.testing.assert_allclose(back.red, part.red, atol=1e-4)
        assert list(back.id.values) == IDS
        assert back.astra.failures.empty


# Which scenes make a moment, on which grid


def test_groups(tmp_path: Path) -> None:
    pixels = dn(0)
    morning = s2_item(tmp_path, time="184929", B04=pixels)
    later = s2_item(tmp_path, time="184943", clouds=40.0, B04=pixels)
    # Past midnight in UTC, the same day by the sun at 123° W.
    evening = s2_item(tmp_path, "20250116", time="013000", clouds=None, B04=pixels)
    scenes = [evening, later, morning]
    by_day = astra_xr.open_scenes(scenes, ["red"])
    assert by_day.sizes["time"] == 1
    assert by_day.time.values[0] == np.datetime64("2025-01-15T18:49:29")
    assert by_day.cloud_cover.item() == 25
    assert by_day.id.item().count(", ") == 2
    assert astra_xr.open_scenes(scenes, ["red"], groupby="time").sizes["time"] == 3
    twin = s2_item(tmp_path, tile="10SFG", B04=pixels)
    assert astra_xr.open_scenes([morning, twin], ["red"], groupby="time").sizes["time"] == 1
    by_id = astra_xr.open_scenes([morning, twin], ["red"], groupby="id")
    assert by_id.sizes["time"] == 2


def test_the_grid_holds_all_scenes(tmp_path: Path) -> None:
    first, second = s2_item(tmp_path, B04=dn(0)), s2_item(tmp_path, "20250125")
    add(second, tmp_path, "B04", dn(1), shift=(100, -50))
    ds = astra_xr.open_scenes([first, second], ["red"])
    assert dict(ds.sizes) == {"time": 2, "y": 306, "x": 356}
    expected = np.full((2, 306, 356), np.nan)
    expected[0, 50:, :256] = reflectance(dn(0))
    expected[1, :256, 100:] = reflectance(dn(1))
    np.testing.assert_allclose(ds.red, expected, atol=1e-6)
    stored = astra_xr.open_scenes([first, second], ["red"], mask_and_scale=False).red
    np.testing.assert_array_equal(stored[0, 50:, :256], dn(0))
    assert (stored[0, :50] == 0).all()
    assert stored.dtype == np.uint16
    assert (stored.attrs["scale_factor"], stored.attrs["_FillValue"]) == (0.0001, 0)


def test_grid_options_mean_what_they_mean_for_one_scene(sample: xr.Dataset) -> None:
    box = (-122.41, 37.5, -122.4, 37.51)
    for options in (
        {"bbox": box}, {"bbox": box, "resolution": 60}, {"crs": "EPSG:4326", "bbox": box},
        {"like": sample.isel(x=slice(100, 200), y=slice(50))}, {"resolution": "coarsest"},
        {"x": (550000, 551000), "y": (4152000, 4153000), "resampling": "cubic", "resolution": 15},
    ):  # fmt: skip
        ds = astra_xr.open_scenes(IDS, ["red", "B11"], catalog="sample", **options)
        alone = astra_xr.open_scene(IDS[1], ["red", "B11"], catalog="sample", **options)
        assert ds.odc.geobox == alone.odc.geobox, options
        np.testing.assert_array_equal(ds.red[1], alone.red)
        np.testing.assert_array_equal(ds.B11[1], alone.B11)


def test_scenes_of_several_zones(tmp_path: Path) -> None:
    # Both lie about their own zone's middle, 6 degrees apart: one box in degrees holds both.
    west, east = s2_item(tmp_path, B04=dn(0)), s2_item(tmp_path, tile="11SKB")
    add(east, tmp_path, "B04", dn(1), epsg=32611, shift=(-53800, 300))
    with pytest.raises(MixedGrids, match="crs='utm'") as told:
        astra_xr.open_scenes([west, east], ["red"])
    assert "EPSG:32610" in str(told.value)
    for crs, expected in (("utm", "EPSG:32610"), ("EPSG:32611", "EPSG:32611"), (3857, "EPSG:3857")):
        ds = astra_xr.open_scenes([west, east], ["red"], crs=crs, groupby="id", resolution=200)
        assert ds.rio.crs == expected
        assert np.isfinite(ds.red.values).any(axis=(1, 2)).all()
    box = GeoBox.from_bbox((500000, 3997500, 501000, 4000000), "EPSG:32610", resolution=20)
    only = astra_xr.open_scenes([west, east], ["red"], like=box)
    assert only.sizes["time"] == 1
    assert only.id.item() == f"sentinel-2:{west['id']}"


def test_scenes_outside_are_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    near, far = s2_item(tmp_path, B04=dn(0)), s2_item(tmp_path, "20250125")
    add(far, tmp_path, "B04", dn(1), shift=(5000, 0))
    options: dict[str, Any] = {"x": (500000, 501000), "y": (3999000, 4000000)}
    with caplog.at_level("INFO", "astra_xr"):
        ds = astra_xr.open_scenes([far, near], ["red"], **options)
    assert ds.sizes["time"] == 1
    assert str(far["id"]) in caplog.text
    with pytest.raises(InvalidParameter, match="an area that overlaps the scene"):
        astra_xr.open_scenes([near, far], ["red"], x=(0, 100), y=(0, 100))
    elsewhere = GeoBox.from_bbox((0, 0, 100, 100), "EPSG:32610", resolution=10)
    with pytest.raises(InvalidParameter, match="overlaps one of the scenes"):
        astra_xr.open_scenes([near, far], ["red"], geobox=elsewhere)


# Missions together


def test_missions_go_together_by_names_that_both_have(tmp_path: Path) -> None:
    s2 = s2_item(tmp_path, B04=dn(0), B08=dn(1))
    landsat = landsat_item(tmp_path, red=dn(2, 90), nir08=dn(3, 90))
    ds = astra_xr.open_scenes([s2, landsat], ["red", "nir"], resolution=30)
    # The same day, and yet two moments: sensors are not mixed within one.
    assert list(ds.mission.values) == ["landsat", "sentinel-2"]
    assert list(ds.platform.values) == ["landsat-8", "sentinel-2b"]
    np.testing.assert_allclose(ds.nir[0].values[:90, :90], dn(3, 90) * 2.75e-5 - 0.2, atol=1e-6)
    assert "mission" not in ds.attrs
    assert "native_name" not in ds.nir.attrs
    assert ds.red.attrs["common_name"] == "red"


def test_scenes_that_do_not_match_are_not_stacked(tmp_path: Path) -> None:
    s2 = s2_item(tmp_path, B04=dn(0), B05=dn(1))
    landsat = landsat_item(tmp_path, red=dn(2, 90), nir08=dn(3, 90), swir16=dn(4, 90))
    with pytest.raises(InvalidParameter, match="0.704 and 0.87 µm"):
        astra_xr.open_scenes([s2, landsat], ["B05"])
    with pytest.raises(InvalidParameter, match="names that mean one band"):
        astra_xr.open_scenes([s2, landsat])
    with pytest.raises(InvalidParameter, match="mask_and_scale=True"):
        astra_xr.open_scenes([s2, landsat], ["red"], mask_and_scale=False)


# What goes wrong


@pytest.mark.parametrize(
    ("scenes", "options", "words"),
    [
        ([], {}, "at least one scene"),
        (IDS[0], {}, "a list of scene ids"),
        ({"id": "x"}, {}, "a list of scene ids"),
        (7, {}, "a list of scene ids"),
        ([IDS[0], IDS[0].partition(":")[2]], {}, "each scene once"),
        (IDS, {"groupby": "day"}, "solar_day, time, id"),
        (IDS, {"groupby": None}, "solar_day, time, id"),
        (IDS, {"crs": "EPSG:99"}, "an EPSG code"),
        (IDS, {"resampling": "best", "resolution": 60}, "nearest, average"),
        (IDS, {"bbox": (37.5, -122.4, 37.6, -122.3)}, "swapped"),
        (IDS, {"chunks": {"z": 3}}, "chunks"),
    ],
)
def test_bad_input(scenes: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        astra_xr.open_scenes(scenes, ["red"], catalog="sample", **options)


def test_an_empty_search_says_so() -> None:
    found = astra_xr.search("sentinel-2", datetime="1999", catalog="sample")
    with pytest.raises(InvalidParameter, match="search result is empty"):
        astra_xr.open_scenes(found)


def test_failures_are_raised_or_listed(tmp_path: Path) -> None:
    missing = "sentinel-2:S2B_MSIL2A_20250615T184929"
    bad: dict[Any, type[AstraError]] = {missing: SceneNotFound, "rubbish": InvalidSceneId}
    for scene, error in bad.items():
        with pytest.raises(error):
            astra_xr.open_scenes([*IDS, scene], ["red"], catalog="sample")
    ds = astra_xr.open_scenes([*IDS, *bad], ["red"], catalog="sample", fail_on_error=False)
    assert ds.sizes["time"] == 3
    failures = ds.astra.failures
    assert isinstance(failures, pd.DataFrame)
    assert list(failures.scene) == [missing, "rubbish"]
    assert failures.reason.str.len().min() > 20
    with pytest.raises(SceneNotFound):
        astra_xr.open_scenes([missing], ["red"], catalog="sample", fail_on_error=False)


def test_a_scene_without_the_band_is_left_out_as_a_whole(tmp_path: Path) -> None:
    whole, poor = s2_item(tmp_path, B04=dn(0), B08=dn(1)), s2_item(tmp_path, "20250125", B04=dn(2))
    with pytest.raises(UnknownBand):
        astra_xr.open_scenes([whole, poor], ["red", "nir"])
    ds = astra_xr.open_scenes([whole, poor], ["red", "nir"], fail_on_error=False)
    assert ds.sizes["time"] == 1
    assert ds.astra.failures[["scene", "band"]].values.tolist() == [[poor["id"], "nir"]]


def test_a_scene_without_time_is_an_error(tmp_path: Path) -> None:
    odd = s2_item(tmp_path, B04=dn(0))
    odd["properties"]["datetime"] = None
    with pytest.raises(InvalidItem, match="no datetime"):
        astra_xr.open_scenes([odd], ["red"])


def test_a_failure_while_reading_is_raised_and_names_the_scene(tmp_path: Path) -> None:
    good, gone = s2_item(tmp_path, B04=dn(0)), s2_item(tmp_path, "20250125", B04=dn(1))
    ds = astra_xr.open_scenes([good, gone], ["red"], fail_on_error=False)
    Path(gone["assets"]["B04"]["href"]).unlink()
    np.testing.assert_allclose(ds.red[0], reflectance(dn(0)), atol=1e-6)
    with pytest.raises(ReadError, match="20250125.* red"):
        ds.red.load()
