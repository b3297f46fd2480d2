"""One image of many time steps, against numpy."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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
        warnings.simplefilter("ignore", RuntimeWarning)  # where no time step has a value
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


@pytest.mark.parametrize(
    ("how", "freq"), [("median", "1MS"), ("mean", "QS-DEC"), ("median", pd.Timedelta("15D"))]
)
def test_periods_are_those_of_xarray(stack: xr.Dataset, how: str, freq: Any) -> None:
    clear = stack[["red", "nir"]].compute().where(~stack.astra.mask().compute())
    expected = getattr(clear.resample(time=freq), how)()
    both = clear.red.notnull() & clear.nir.notnull()
    count = both.astype(int).resample(time=freq).sum().fillna(0)
    found = stack.astra.composite(how, freq=freq, count=True)
    assert found.red.dims == ("time", "y", "x")
    assert not found.red.variable._in_memory
    found = found.compute()
    np.testing.assert_array_equal(found.time, expected.time)
    for name in ("red", "nir"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
    np.testing.assert_array_equal(found["count"], count)
    assert found["count"].dtype == np.uint16
    chunked = stack.chunk({"time": 1, "y": 128, "x": 128})
    xr.testing.assert_identical(
        chunked.astra.composite(how, freq=freq, count=True).compute(), found
    )


@settings(max_examples=15)
@given(
    days=st.lists(st.integers(0, 400), min_size=1, max_size=6),
    freq=st.sampled_from(["1MS", "QS", "QS-DEC", "YS", "7D", "W", "ME", "3D"]),
    how=st.sampled_from(["median", "mean"]),
    data=st.data(),
)
def test_any_days_in_any_periods(days: list[int], freq: str, how: str, data: Any) -> None:
    numbers = st.floats(0, 1, width=32) | st.just(float("nan"))
    pixels = data.draw(hnp.arrays(np.float32, (len(days), 2, 3), elements=numbers))
    times = np.datetime64("2024-12-20T10:00", "ns") + np.sort(days) * np.timedelta64(1, "D")
    ds = xr.Dataset({"red": (("time", "y", "x"), pixels)}, {"time": times})
    found = ds.astra.composite(how, freq=freq, count=True, mask_clouds=False)
    expected = getattr(ds.resample(time=freq), how)()
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_allclose(found.red, expected.red, atol=1e-6)
    np.testing.assert_array_equal(
        found["count"], ds.red.notnull().astype(int).resample(time=freq).sum().fillna(0)
    )


def test_the_mean_of_all(stack: xr.Dataset) -> None:
    clear = stack[["red"]].compute().where(~stack.astra.mask().compute()).red
    found = stack[["red"]].astra.composite("mean", count=True)
    np.testing.assert_allclose(found.red, clear.mean("time"), atol=1e-6)
    np.testing.assert_array_equal(found["count"], clear.count("time"))
    assert found.red.attrs["composite"] == "mean of 5 time steps, clouds masked"


def test_the_best_of_each_period(stack: xr.Dataset) -> None:
    for how in ("best-pixel", "max-ndvi"):
        months = stack.astra.composite(how, freq="1MS")
        for number, days in enumerate((slice(0, 2), slice(2, 5))):
            alone = stack.isel(time=days).astra.composite(how)
            for name in ("red", "nir"):
                np.testing.assert_array_equal(months[name][number], alone[name])


def test_cuts_of_periods(stack: xr.Dataset) -> None:
    lazy = stack.astra.composite(freq="5D", count=True)
    whole = lazy.compute()
    assert lazy.sizes["time"] == 9
    empty = [number for number, each in enumerate(whole["count"]) if not each.any()]
    assert empty
    for key in (
        {"time": empty[0]},
        {"time": [-1, 0], "y": slice(50, 90), "x": [3, 200, 7]},
        {"time": slice(1, 3), "y": 7},
        {"time": slice(0, 0)},
    ):
        xr.testing.assert_identical(lazy.isel(key).compute(), whole.isel(key))
    xr.testing.assert_identical(pickle.loads(pickle.dumps(lazy)).compute(), whole)
    assert lazy.astra.index("NDVI").dims == ("time", "y", "x")


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


@pytest.mark.parametrize("how", ["median", "max-ndvi", "best-pixel"])
@pytest.mark.parametrize("chunks", [None, {"time": 2}])
def test_dimensions_in_another_order(stack: xr.Dataset, how: str, chunks: Any) -> None:
    expected = stack.astra.composite(how, count=True).compute()
    turned = stack[["red", "nir"]].transpose("time", "x", "y")
    some = turned.assign(nir=stack.nir)  # red and nir differ in their order
    for ds in (turned, some, stack.transpose("x", "time", "y")):
        found = (ds.chunk(chunks) if chunks else ds).astra.composite(how, count=True)
        for name, image in found.items():
            np.testing.assert_array_equal(image.transpose("y", "x"), expected[name])


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


@pytest.fixture
def mixed(tmp_path: Path) -> xr.Dataset:
    """A day of Sentinel-2 and Landsat, and a later one of each."""
    rng = np.random.default_rng(1)
    scenes = []
    for day in ("20250315", "20250320"):
        red = rng.integers(1500, 4000, (96, 96)).astype("uint16")
        scl = np.kron(rng.choice([4, 5, 9], (12, 12)), np.ones((8, 8))).astype("uint8")
        scenes.append(s2_item(tmp_path, day, B04=red, SCL=scl))
    for day in ("20250315", "20250331"):
        red = rng.integers(8000, 12000, (32, 32)).astype("uint16")
        qa = np.kron(rng.choice([21824, 22280], (8, 8)), np.ones((4, 4))).astype("uint16")
        scenes.append(landsat_item(tmp_path, day, red=red, qa_pixel=qa))
    return astra_xr.open_scenes(scenes, ["red"], resolution=30)


def test_days_without_a_scene_are_of_no_mission(stack: xr.Dataset) -> None:
    days = pd.date_range("2025-01-15", "2025-02-24")
    daily = stack[["red"]].reindex(time=days, method="nearest", tolerance="1D")
    assert "missions" not in daily.astra.composite(mask_clouds=False).attrs


def test_days_of_several_missions(mixed: xr.Dataset) -> None:
    landsat, s2 = "landsat", "sentinel-2"
    assert list(mixed.mission.values) == [landsat, s2, s2, landsat]
    mask = mixed.astra.mask(dilate="30m")
    whole = mask.compute()
    for name in (landsat, s2):
        alone = mixed.isel(time=(mixed.mission == name).values)
        np.testing.assert_array_equal(
            whole.isel(time=(mixed.mission == name).values), alone.astra.mask(dilate="30m")
        )
    assert mask.attrs["band"] == "QA_PIXEL, SCL"
    np.testing.assert_array_equal(mask[1:, 3:9, [1, 30]], whole[1:, 3:9, [1, 30]])
    chunked = mixed.chunk({"time": 1, "y": 20}).astra.mask(dilate="30m")
    assert chunked.chunks[1:] == ((20, 12), (32,))
    xr.testing.assert_identical(chunked.compute(), whole)
    covers = [mixed.isel(time=[step]).astra.cloud_cover() for step in range(4)]
    assert mixed.astra.cloud_cover() == pytest.approx(np.mean(covers))

    mixes = r"mixes landsat, sentinel-2.*not adjusted.*'hls'"
    with pytest.warns(UserWarning, match=mixes) as told:
        days = mixed.astra.composite("median", freq="1D", count=True)
    assert __file__ in [each.filename for each in told if "mixes" in str(each.message)]
    clear = mixed.red.where(~mixed.astra.mask())
    np.testing.assert_allclose(days.red[0], median(clear[:2].values), atol=1e-6)
    np.testing.assert_array_equal(days["count"], clear.resample(time="1D").count().fillna(0))
    assert days.attrs["missions"] == "landsat, sentinel-2"
    assert days.attrs["harmonization"].startswith("none")
    assert "missions" not in mixed.isel(time=[1, 2]).astra.composite().attrs
    assert mixed.isel(time=[1, 2]).astra.rgb(["red"] * 3).shape == (2, 32, 32, 4)


def test_levels_are_not_mixed(tmp_path: Path) -> None:
    red = np.full((8, 8), 3000, "uint16")
    surface, top = s2_item(tmp_path, "20250415", B04=red), s2_item(tmp_path, "20250425", B04=red)
    top["id"] = top["id"].replace("MSIL2A", "MSIL1C")
    ds = astra_xr.open_scenes([surface, top], ["red"])
    with pytest.raises(InvalidDataset, match=r"scenes of one level: sentinel-2:S2B_MSIL1C.*top of"):
        ds.astra.composite(mask_clouds=False)
    assert ds.isel(time=[1]).astra.composite(mask_clouds=False).red.notnull().all()


def test_clouds_of_scenes_whose_classes_are_not_open(stack: xr.Dataset) -> None:
    red = stack[["red"]].astra.composite().red
    np.testing.assert_array_equal(red, stack.astra.composite().red)


def test_bad_input(stack: xr.Dataset) -> None:
    with pytest.raises(InvalidParameter, match="median, mean, max-ndvi, best-pixel"):
        stack.astra.composite("mode")
    for freq in ("month", 3, "0D", ["1MS"]):
        with pytest.raises(InvalidParameter, match=r"Invalid freq=.*resample.*'1MS' \(months\)"):
            stack.astra.composite(freq=freq)
    with pytest.raises(InvalidParameter, match="1min.* periods are more than 10000"):
        stack.astra.composite(freq="1min")
    with pytest.raises(InvalidDataset, match=r"in order.*ds.sortby\('time'\)"):
        stack.isel(time=[1, 0]).astra.composite(freq="1MS")
    with pytest.raises(InvalidDataset, match="the name 'count' for the number"):
        stack.rename(red="count").astra.composite(count=True)
    zoned = stack.assign_coords(time=pd.DatetimeIndex(stack.time.values).tz_localize("UTC"))
    with pytest.raises(InvalidDataset, match=r"without a time zone.*tz_convert\(None\)"):
        zoned.astra.composite()
    for undated in (stack.isel(time=0), stack.drop_vars("time")):
        with pytest.raises(InvalidDataset, match=r"scenes along a dimension time.*open_scenes"):
            undated.astra.composite()
    planes = stack.assign(image=stack.red.expand_dims(band=3, axis=1))
    with pytest.raises(InvalidDataset, match=r"of \(time, y, x\), not .*'band'.*Drop 'image'"):
        planes.astra.composite()
    with pytest.raises(InvalidDataset, match="not classes"):
        stack[["SCL"]].astra.composite()
    with pytest.raises(UnknownBand, match="nir"):
        stack[["red"]].astra.composite("max-ndvi", mask_clouds=False)
    stored = astra_xr.open_scenes(
        ["sentinel-2:S2B_MSIL2A_20250614T184929"], ["red"], catalog="sample", mask_and_scale=False
    )
    with pytest.raises(InvalidDataset, match="stored numbers.*mask_and_scale=True"):
        stored.astra.composite()


def test_attrs_are_of_all_scenes() -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    scenes = [astra_xr.open_scene(each, ["red"]) for each in reversed(found)]
    joined = xr.concat(scenes, "time", coords="different", compat="equals")
    assert joined.attrs["cloud_cover"] == scenes[0].attrs["cloud_cover"]  # xarray keeps the first's
    stacked = astra_xr.open_scenes(found, ["red"])
    for stack in (joined, stacked, stacked.assign_attrs(joined.attrs)):
        picture = stack.astra.composite(mask_clouds=False)
        assert (
            not {"cloud_cover", "platform", "item_url"} & (picture.attrs | picture.red.attrs).keys()
        )
        assert picture.red.attrs["scene_id"] == stacked.red.attrs["scene_id"]
        assert picture.attrs["mission"] == "sentinel-2"
    alone = joined.isel(time=[1]).assign_attrs(scenes[1].attrs).astra.composite(mask_clouds=False)
    assert alone.attrs["platform"] == scenes[1].attrs["platform"]
    same = stacked.isel(time=[0, 1]).assign_attrs(platform="sentinel-2b")
    assert same.astra.composite(mask_clouds=False).attrs["platform"] == "sentinel-2b"
