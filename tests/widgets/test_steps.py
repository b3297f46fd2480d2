"""Stacks in the picker: their steps, how they are chosen, and the code of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.reading.loop import run
from astra_xr.widgets.messages import addresses
from astra_xr.widgets.picker import Picker
from astra_xr.widgets.picker_scene import Scene
from astra_xr.widgets.state import InvalidState
from astra_xr.widgets.steps import in_order, step_named, steps_along, usual_step

DATES = ["2025-06-14", "2025-05-15", "2025-07-04", "2025-07-24"]


def stack(
    times: Any = DATES, *, clouds: Any = None, dim: str = "time", bands: Any = ("a", "b", "c")
) -> xr.Dataset:
    """Images whose values are the numbers of their steps."""
    times = np.array(times, "datetime64[ns]") if isinstance(times, list) else np.asarray(times)
    rng = np.random.default_rng(0)
    shape = (len(times), 8, 9)
    values = {name: ((dim, "y", "x"), rng.random(shape)) for name in bands}
    ds = xr.Dataset(values, {dim: times})
    return ds if clouds is None else ds.assign_coords(cloud_cover=(dim, clouds))


def made(picker: Picker, ds: Any, name: str = "ds") -> Any:
    return eval(picker.code, {name: ds})


def labels(times: Any) -> list[str]:
    ds = xr.Dataset(coords={"time": np.array(times, "datetime64[ns]")})
    return [step.label for step in steps_along(ds, "time")]


def test_labels_are_dates_and_times_where_a_date_is_there_twice() -> None:
    assert labels(DATES) == DATES
    assert labels(["2025-01-02T18:49:29.024", "2025-02-01T10:00"]) == ["2025-01-02", "2025-02-01"]
    doubled = ["2025-01-02T18:49:29", "2025-01-02T18:49:43", "2025-01-02T19:01", "2025-01-03"]
    assert labels(doubled) == [
        "2025-01-02T18:49:29", "2025-01-02T18:49:43", "2025-01-02T19:01", "2025-01-03",
    ]  # fmt: skip
    assert labels(["2025-01-02", "NaT", "2025-01-02", "NaT"]) == [
        "2025-01-02 (1)", "no date (1)", "2025-01-02 (2)", "no date (2)",
    ]  # fmt: skip


TIMES: dict[str, Any] = {
    "days": DATES,
    "times of day": [f"{date}T18:49:29.024" for date in DATES],
    "doubled dates": ["2025-06-14T18:49", "2025-06-14T18:50", "2025-07-04", "2025-07-04T01:02:03"],
    "doubled times": ["2025-06-14", "2025-06-14", "2025-07-04", "2025-06-14"],
    "holes": ["2025-06-14", "NaT", "2025-07-04", "NaT"],
    "seasons": np.array(["DJF", "JJA", "MAM", "SON"]),
    "years": np.array([2021, 2022, 2023, 2024]),
    "doubled years": np.array([2021, 2022, 2022, 2024]),
    "depths": np.array([0.5, 1.5, 2.25, 10.0]),
}


@pytest.mark.parametrize("name", TIMES)
def test_the_copied_code_makes_the_image_of_each_step(name: str, opened: list[Picker]) -> None:
    dim = "time" if isinstance(TIMES[name], list) else "step"
    ds = stack(TIMES[name], dim=dim)
    picker = ds.astra.pick(bands=["a", "b", "c"], view=[0, 1, 8, 7])
    opened.append(picker)
    for n, step in enumerate(picker.about["steps"]):
        picker.state = picker.state | {"time": step["label"]}
        assert f"{dim}=" in picker.code
        image = picker.image
        code = made(picker, ds)
        assert code.dims == image.dims
        assert np.abs(code.values.astype(int) - image.values).max() <= 1
        np.testing.assert_array_equal(picker.selection.a, ds.a[n, :, 1:7])


def test_code_has_the_date_where_that_is_enough(opened: list[Picker]) -> None:
    cases: tuple[tuple[list[str], str], ...] = (
        (DATES, '.sel(time="2025-07-24")'),
        (TIMES["times of day"], '.sel(time="2025-07-24T18:49:29.024")'),
        (["2025-06-14", "2025-07-24", "2025-07-24"], ".isel(time=1)"),
    )
    for times, expected in cases:
        opened.append(stack(times).astra.pick())
        label = opened[-1].about["steps"][1 if len(times) == 3 else 3]["label"]
        opened[-1].state = opened[-1].state | {"time": label}
        assert f"ds{expected}.astra.rgb(" in opened[-1].code


def test_it_opens_at_the_latest_clear_step(opened: list[Picker]) -> None:
    for clouds, expected in (
        ([5, 12, 20, 21], "2025-07-04"),
        ([60, 50, 90, np.nan], "2025-05-15"),
        ([np.nan] * 4, "2025-07-24"),
        (None, "2025-07-24"),
    ):
        opened.append(stack(clouds=clouds).astra.pick())
        assert opened[-1].state["time"] == expected
    assert [step["cloud"] for step in opened[1].about["steps"]] == [60, 50, 90, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-06-14", 0), ("2025-05", 1), (np.datetime64("2025-05"), 1),
        (dt.date(2025, 7, 4), 2), (pd.Timestamp("2025-07-24"), 3),
        (pd.Timestamp("2025-07-24T18:49:29", tz="UTC"), 3),
        ("2025-07-24T18:49", 3), (np.datetime64("2025-07-24T18:49:29"), 3),
    ],
)  # fmt: skip
def test_times_as_users_give_them(value: Any, expected: int) -> None:
    ds = xr.Dataset(coords={"time": np.array([f"{d}T18:49:29" for d in DATES], "datetime64[ns]")})
    assert step_named(steps_along(ds, "time"), "time", value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2025", "4 steps match; expected one of 2025-06-14, 2025-05-15"),
        ("2025-07", "2 steps match"),
        ("2024-01-01", "from 2025-05-15 to 2025-07-24"), ("yesterday", "from 2025-05-15"),
        (2, "from 2025-05-15"), ("", "from 2025-05-15"), (float("nan"), "from 2025-05-15"),
        (pd.Timestamp("2025-06-14T01:00"), "from 2025-05-15"),
    ],
)  # fmt: skip
def test_times_that_are_none_or_several(value: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        stack().astra.pick(time=value)


def test_a_state_with_a_time_that_is_not_there_is_refused(opened: list[Picker]) -> None:
    picker = stack().astra.pick(time="2025-05")
    opened.append(picker)
    assert picker.state["time"] == "2025-05-15"
    with pytest.raises(InvalidState, match="from 2025-05-15"):
        picker.state = picker.state | {"time": "2026"}
    assert picker.state["time"] == "2025-05-15"
    with pytest.raises(InvalidParameter, match="no dimension besides y and x"):
        stack().isel(time=0).astra.pick(**picker.state)
    with pytest.raises(InvalidParameter, match="DJF, JJA"):
        stack(TIMES["seasons"], dim="season").astra.pick(time="winter")


def test_limits_are_those_of_one_step_at_all_times(opened: list[Picker]) -> None:
    ds = stack()
    ds["a"] = ds.a + xr.DataArray(np.arange(4.0), dims="time")
    picker = ds.astra.pick(band="a", time="2025-06-14")
    opened.append(picker)
    assert picker.state["stretch"]["time"] == "2025-06-14"
    first = picker.image, picker.shown["limits"]
    picker.state = picker.state | {"time": "2025-07-24"}
    _ = picker.image
    assert picker.shown["limits"] == first[1]
    # The state makes the same image again.
    opened.append(ds.astra.pick(**picker.state))
    np.testing.assert_array_equal(opened[-1].image, picker.image)
    # Each step with limits of its own.
    picker.state = picker.state | {"stretch": picker.state["stretch"] | {"time": None}}
    _ = picker.image
    own = ds.a.isel(time=3)
    low, high = picker.shown["limits"]["a"]
    assert own.min() < low < high < own.max()
    with pytest.raises(InvalidParameter, match=r"stretch\['time'\]"):
        ds.astra.pick(stretch={"kind": "minmax", "time": "2031"})


def test_arrays_over_time(opened: list[Picker]) -> None:
    ds = stack()
    opened.append(ds.a.astra.pick(time="2025-05"))
    assert opened[-1].code.startswith('da.sel(time="2025-05-15").plot.imshow(cmap="gray"')
    cube = ds.to_dataarray("band").transpose("time", "band", "y", "x")
    opened.append(cube.astra.pick(time="2025-05"))
    code = made(opened[-1], cube, "da")
    assert np.abs(code.values.astype(int) - opened[-1].image.values).max() <= 1


def test_bands_that_are_the_same_at_all_times(opened: list[Picker]) -> None:
    ds = stack(bands=("a",)).assign(height=(("y", "x"), np.ones((8, 9))))
    picker = ds.astra.pick(bands=["a", "height", "a"], time="2025-05")
    opened.append(picker)
    assert np.abs(made(picker, ds).values.astype(int) - picker.image.values).max() <= 1


def test_two_dimensions_besides_y_and_x_are_refused() -> None:
    with pytest.raises(InvalidDataset, match=r"level=2, time=4, y=8, x=9.*isel\(level=0\)"):
        stack().expand_dims(level=2).astra.pick()


def test_steps_are_in_order_of_their_dates() -> None:
    ds = xr.Dataset(coords={"time": np.array([*DATES, "NaT"], "datetime64[ns]")})
    steps = steps_along(ds, "time")
    assert in_order(steps) == [1, 0, 2, 3, 4]
    assert usual_step(steps) == 3
    nothing = steps_along(
        xr.Dataset(coords={"time": np.array(["NaT"] * 2, "datetime64[ns]")}), "time"
    )
    assert usual_step(nothing) == 1


def test_tiles_are_of_their_step(opened: list[Picker]) -> None:
    ds = stack()
    picker = ds.astra.pick()
    opened.append(picker)
    found = run(picker._tiles.tiles(("a", 1), 0, [(0, 0)]))[0, 0]
    np.testing.assert_allclose(found.values, ds.a[1], atol=1e-4)
    listed = [["a", 3, 0, 0, 0], ["a", 4, 0, 0, 0], ["a", -1, 0, 0, 0], ["a", 0.5, 0, 0, 0]]
    assert addresses(listed, picker._tiles) == [("a", 3, 0, 0, 0)]


def test_spectra_are_of_the_step(opened: list[Picker]) -> None:
    ds = stack()
    picker = ds.astra.pick(pins=[(3.5, 2.5)], time="2025-05")
    opened.append(picker)
    assert picker.spectra.loc[0, "a"] == ds.a[1, 2, 3]
    assert picker.spectra.loc[0, "time"] == ds.time[1]
    picker.state = picker.state | {"time": "2025-07-24"}
    assert picker.spectra.loc[0, "a"] == ds.a[3, 2, 3]


def test_a_stack_of_scenes(opened: list[Picker]) -> None:
    ids = list(astra_xr.search("sentinel-2", catalog="sample"))[:3]
    ds = astra_xr.open_scenes(
        ids, ["red", "green", "blue", "nir", "SCL"], catalog="sample", resolution=60
    )
    ds = ds.isel(y=slice(60), x=slice(70))
    picker = ds.astra.pick()
    opened.append(picker)
    assert Scene(ds).masked
    assert "dates" in picker.about["title"]
    picker.state = picker.state | {"mask": True}
    code = made(picker, ds)
    np.testing.assert_array_equal(code[..., 3], picker.image[..., 3])
    assert np.abs(code.values.astype(int) - picker.image.values).max() <= 1
    for other in (ds.astra.index("NDVI"), ds.astra.composite("median", freq="1MS")):
        opened.append(other.astra.pick())
        assert opened[-1].image.shape == (60, 70, 4)
        assert not ds.red.variable._in_memory


def test_series_are_the_pixels_own_over_time(opened: list[Picker]) -> None:
    ds = stack(bands=("a",)).assign(height=(("y", "x"), np.ones((8, 9))))
    ds["a"] = ds.a.where(ds.time != ds.time[1])
    picker = ds.astra.pick(band="a", pins=[(3.5, 2.5), (0.5, 0.5), (99, 0)])
    opened.append(picker)
    table = picker.series
    assert list(table.columns) == ["pin", "x", "y", "time", "a"]
    np.testing.assert_array_equal(table[table.pin == 1].a, ds.a[:, 2, 3])
    np.testing.assert_array_equal(table[table.pin == 2].a, ds.a[:, 0, 0])
    assert list(table[table.pin == 1].time) == list(ds.time.values)
    assert set(table.pin) == {1, 2}  # nothing outside of the grid
    picker.state = picker.state | {"band": "height"}
    assert (picker.series.height == 1).all()


def test_series_have_gaps_where_clouds_are(opened: list[Picker]) -> None:
    ids = sorted(astra_xr.search("sentinel-2", catalog="sample"))[3:6]
    ds = astra_xr.open_scenes(ids, ["red", "nir", "SCL"], catalog="sample", resolution=60)
    masked = ds.astra.index("NDVI", mask_clouds=True).load()
    rows, cols = np.nonzero((masked.isnull().sum("time") == 1).values)
    x, y = float(ds.x[cols[7]]), float(ds.y[rows[7]])
    picker = ds.astra.pick("NDVI", pins=[(x, y)])
    opened.append(picker)
    np.testing.assert_allclose(picker.series.NDVI, masked.sel(x=x, y=y), rtol=1e-5)
    assert picker.series.NDVI.isna().sum() == 1
    assert not ds.red.variable._in_memory


@pytest.mark.parametrize("stacked", [True, False])
def test_series_whose_clouds_are_unknown_say_so(opened: list[Picker], stacked: bool) -> None:
    ids = sorted(astra_xr.search("sentinel-2", catalog="sample"))[3:5]
    ds = astra_xr.open_scenes(ids, ["red", "SCL"], catalog="sample", resolution=60).load()
    ds = ds.coarsen(y=3, x=3, boundary="trim").mean(keep_attrs=True)  # of classes too
    fractions = (ds.SCL % 1 > 0).all("time").values
    row, col = np.argwhere(fractions)[0]
    pin = float(ds.x[col]), float(ds.y[row])
    before, options = (ds, {}) if stacked else (ds.isel(time=0), {"compare": ds.isel(time=1)})
    picker = before.astra.pick(band="red", pins=[pin], **options)
    opened.append(picker)
    with pytest.warns(UserWarning, match="Not all clouds are masked: .* averaged"):
        table = picker.series
    np.testing.assert_allclose(table.red, ds.red[:, row, col], rtol=1e-6)
    (answer,) = run(picker._pins.series_answers("red", [list(pin)]))
    assert len(answer["values"]) == 2
    assert "Not all clouds are masked" in answer["message"]


def test_series_and_spectra_of_two_datasets(opened: list[Picker]) -> None:
    ds = stack()
    for before in (ds.isel(time=0), ds.isel(time=[0])):
        picker = before.astra.pick(band="a", compare=ds.isel(time=2), pins=[(3.5, 2.5)])
        opened.append(picker)
        expected = [ds.a[0, 2, 3].item(), ds.a[2, 2, 3].item()]
        assert list(picker.series.a) == pytest.approx(expected)
        assert list(picker.series.time) == ["2025-06-14", "2025-07-04"]
        assert picker.spectra.loc[0, "time"] == "2025-06-14"
        picker.state = picker.state | {"time": "2025-07-04"}
        assert picker.spectra.loc[0, "a"] == ds.a[2, 2, 3]
        assert picker.selection.time == ds.time[2]
    opened.append(ds.isel(time=0).astra.pick(pins=[(3.5, 2.5)]))
    assert opened[-1].series.empty
    assert "time" not in opened[-1].spectra


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"key": 3, "points": []},
        {"key": "a", "points": [[1], [1, "2"], None, [1, float("inf")]]},
    ],
)
def test_messages_about_points_that_are_none(content: dict[str, Any]) -> None:
    picker = stack().astra.pick()
    assert run(picker._pins.series_answers(content.get("key"), content.get("points"))) == []
    picker.close()


def test_a_series_that_cannot_be_read_has_a_message() -> None:
    picker = stack().astra.pick()
    (answer,) = run(picker._pins.series_answers("NDVI", [[1.5, 1.5]]))
    assert (answer["values"], answer["x"]) == ([], 1.5)
    assert "NDVI" in answer["message"]
    picker.close()


def test_thumbnails_are_read_without_overviews(opened: list[Picker]) -> None:
    ids = sorted(astra_xr.search("sentinel-2", catalog="sample"))[3:5]
    ds = astra_xr.open_scenes(ids, ["red", "nir", "SCL"], catalog="sample")
    picker = ds.astra.pick(band="red", time="2025-05")
    opened.append(picker)
    picker._read().result()
    pyramid = picker._tiles.pyramid
    for key, average in (("red", ds.red), ("NDVI", None)):
        tile = run(picker._tiles.tiles((key, 0), pyramid.thumbnail, [(0, 0)]))[0, 0]
        assert tile.codes.shape == (64, 64)
        assert tile.box == (0, 0, *picker._scene.shape)
        assert (key, 0) not in picker._tiles.overviews
        if average is not None:
            expected = average.isel(time=0).mean().item()
            assert np.nanmean(tile.values) == pytest.approx(expected, rel=0.02)
    clouds = run(picker._tiles.tiles((":mask", 0), pyramid.thumbnail, [(0, 0)]))[0, 0]
    assert 0.02 < clouds.codes.mean() < 0.9


def test_of_dask_arrays_nothing_is_read_ahead(opened: list[Picker]) -> None:
    pytest.importorskip("dask")
    for ds, quick in ((stack(), True), (stack().chunk(time=1), False)):
        opened.append(ds.astra.pick())
        assert opened[-1].about["quick"] is quick
