"""The picker from Python: state, what is taken along, odd inputs."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
import xarray as xr

import astra_xr
from astra_xr.errors import AstraError, InvalidDataset, InvalidParameter, UnknownBand, UnknownIndex
from astra_xr.reading.loop import run, start
from astra_xr.widgets import picker as module
from astra_xr.widgets import tile_cache as cache_module
from astra_xr.widgets.colormaps import colors
from astra_xr.widgets.picker import Picker
from astra_xr.widgets.picker_scene import MASK, Scene
from astra_xr.widgets.state import InvalidState
from astra_xr.widgets.tile_cache import TileCache
from tests.widgets.conftest import SAMPLE, scene

mpl.use("agg")


def done(code: str, ds: xr.Dataset) -> object:
    """Do what a user does with the copied line."""
    lines = code.splitlines()
    names = {"ds": ds}
    exec("\n".join(lines[:-1]), names)
    return eval(lines[-1], names)


def plain(*bands: str) -> xr.Dataset:
    """Arrays that are none of ours."""
    rng = np.random.default_rng(1)
    return xr.Dataset({name: (("y", "x"), rng.random((8, 9))) for name in bands})


def test_it_opens_in_true_colour_stretched_without_clouds(picker: Picker) -> None:
    assert picker.state["mode"] == "rgb"
    assert picker.state["bands"] == ["red", "green", "blue"]
    image = picker.image
    assert image.dims == ("y", "x", "band")
    assert image.name == "image"
    clear = ~scene().astra.mask().values
    # 2 to 98 % of what is no cloud.
    assert 90 < image.values[clear][:, :3].mean() < 165


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bands": ["nir", "red", "green"], "gamma": 1.4},
        {"bands": ["swir16", "nir", "blue"], "stretch": "minmax", "mask": True},
        {"view": [20, 30, 120, 250], "stretch": {"kind": "sigma", "sigma": 1.5, "of": "view"}},
    ],
    ids=["default", "gamma", "masked", "view"],
)
def test_the_copied_line_makes_the_same_image(state: dict[str, object]) -> None:
    ds = scene()
    picker = ds.astra.pick(**state)
    made = done(picker.code, ds)
    assert isinstance(made, xr.DataArray)
    np.testing.assert_array_equal(made[..., 3], picker.image[..., 3])
    shown = picker.image.values[..., 3] > 0
    far = np.abs(made.values[shown].astype(int) - picker.image.values[shown]).max()
    assert far <= 1  # codes are rounded
    np.testing.assert_allclose(made.x, picker.image.x)
    picker.close()


@pytest.mark.parametrize(
    "state",
    [
        {"index": "NDVI", "mask": True},
        {"index": "EVI", "cmap": "viridis"},
        {"index": "nir / red - 1", "limits": {"nir / red - 1": (0, 4)}},
        {"band": "nir", "limits": {"nir": (0.05, 0.4)}},
        {"band": "nir", "mask": True},
    ],
    ids=["NDVI", "EVI", "formula", "band", "masked"],
)
def test_the_copied_line_plots_the_same(state: dict[str, object]) -> None:
    ds = scene(120)
    picker = ds.astra.pick(**state)
    figure = plt.figure()
    plot = done(picker.code, ds)
    made = plot.to_rgba(plot.get_array(), bytes=True)  # type: ignore[attr-defined]
    plt.close(figure)
    ours = picker.image.values
    shown = (ours[..., 3] > 0) & (made[..., 3] > 0)
    assert shown.mean() > 0.5
    np.testing.assert_array_equal(ours[..., 3] > 0, made[..., 3] > 0)
    # A code's rounding may take a value to the next colour.
    assert (np.abs(ours[shown].astype(int) - made[shown]).max(axis=-1) <= 8).mean() > 0.999
    picker.close()


def test_limits_follow_the_state_whoever_sets_it(picker: Picker) -> None:
    before = picker.image
    stretched = picker.shown["limits"]
    assert picker.state["limits"] == {}
    picker.state = picker.state | {"stretch": "minmax"}
    widest = picker.shown["limits"]
    assert all(widest[key][1] > stretched[key][1] for key in stretched)
    assert (picker.image.values[..., :3] != before.values[..., :3]).any()
    # A chosen limit holds, whatever the stretch; the others follow it.
    picker.state = picker.state | {"limits": {"red": (0.0, 0.5)}}
    picker.state = picker.state | {"stretch": {"kind": "percentile", "low": 2, "high": 98}}
    assert picker.shown["limits"] == stretched | {"red": [0, 0.5]}
    assert "(0, 0.5)" in picker.code
    with pytest.raises(traitlets.TraitError):
        picker.shown = {}
    picker.set_state({"shown": {"limits": {"red": [0, 9]}}})  # nor by the browser
    assert picker.shown["limits"]["red"] == [0, 0.5]


def test_limits_of_an_earlier_state_are_not_shown(
    picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ = picker.image
    picker._read().result()
    known, computed, go, done = picker._drawing.limits, *(threading.Event() for _ in range(3))

    def slow(state: Any, tiles: Any) -> Any:
        found = known(state, tiles)
        if threading.current_thread() is not threading.main_thread():
            computed.set()
            assert go.wait(30)
        return found

    monkeypatch.setattr(picker._drawing, "limits", slow)
    picker._soon(picker._update_shown)
    assert computed.wait(30)
    picker.state = picker.state | {"stretch": "minmax"}
    later: list[Any] = []
    picker.observe(lambda change: later.append(change["new"]), "shown")
    go.set()
    picker._soon(done.set)
    assert done.wait(30)
    assert later == []


def test_limits_of_the_view_follow_the_view_whoever_moves_it() -> None:
    stretch = {"kind": "percentile", "low": 2, "high": 98, "of": "view"}
    moved = scene().astra.pick(stretch=stretch)
    _ = moved.image
    moved.state = moved.state | {"view": [0, 0, 60, 60]}
    fresh = scene().astra.pick(stretch=stretch, view=[0, 0, 60, 60])
    assert moved.code == fresh.code
    np.testing.assert_array_equal(moved.image, fresh.image)
    moved.close()
    fresh.close()


def test_limits_are_those_of_plot() -> None:
    ds = scene()
    for name in ("NDVI", "nir"):
        plotted = ds.astra.plot(name)
        expected = plotted.get_clim()
        plt.close(plotted.figure)
        picker = ds.astra.pick(name)
        _ = picker.image
        # Those of the picker leave out clouds.
        reach = expected[1] - expected[0]
        np.testing.assert_allclose(picker.shown["limits"][name], expected, atol=0.03 * reach)
        picker.close()
    land = ds.load().where(ds.astra.index("NDVI") > 0.1)
    for cmap, low in (("PiYG", -1), ("YlGn", 0.05)):  # 0 is in the middle of a diverging map
        plotted = land.astra.plot("NDVI", cmap=cmap)
        expected = plotted.get_clim()
        plt.close(plotted.figure)
        picker = land.astra.pick("NDVI", cmap=cmap)
        _ = picker.image
        np.testing.assert_allclose(picker.shown["limits"]["NDVI"], expected, atol=0.03)
        assert expected[0] == pytest.approx(-expected[1]) if low < 0 else expected[0] > low
        picker.close()
    difference = (ds.nir - ds.red) - 0.1  # in memory, of neither formula nor role
    difference.attrs.clear()
    plotted = difference.astra.plot()
    picker = difference.astra.pick()
    _ = picker.image
    low, high = next(iter(picker.shown["limits"].values()))
    assert low == -high == pytest.approx(plotted.get_clim()[0], rel=0.01)
    assert picker.state["cmap"] == plotted.cmap.name == "BrBG"
    plt.close(plotted.figure)
    picker.close()
    picker = ds.astra.index("NDVI").astra.pick()
    assert picker.state["cmap"] == "PiYG"
    picker.close()


@pytest.mark.parametrize(
    ("name", "attrs", "chunks"),
    [("NDVI", {}, None), ("NDVI", {}, {}), (None, {}, None), ("x", {"units": "dB"}, None)],
)
def test_differences_have_a_diverging_map(name: str, attrs: dict[str, str], chunks: Any) -> None:
    values = np.linspace(-0.2, 0.4, 72, dtype=np.float32).reshape(8, 9)
    da = xr.DataArray(values, dims=("y", "x"), name=name, attrs=attrs)
    da = da if chunks is None else da.chunk(chunks)
    picker = da.astra.pick()
    plotted = da.astra.plot()
    assert picker.state["cmap"] == plotted.cmap.name == "BrBG"
    plt.close(plotted.figure)
    picker.close()


def test_indices_have_the_map_of_plot() -> None:
    ds = scene(60)
    for name in ("NDVI", "NDWI", "NDBI", "BI"):
        plotted = ds.astra.plot(name)
        picker = ds.astra.pick(name)
        assert picker.state["cmap"] == plotted.cmap.name
        plt.close(plotted.figure)
        picker.close()


def test_colormaps_are_grouped_marked_and_reversed() -> None:
    picker = plain("a").astra.pick(cmap="viridis_r")
    maps, safe = picker.about["maps"], set(picker.about["safe"])
    assert [each for group in maps.values() for each in group] == list(picker.about["colormaps"])
    assert {"RdYlGn", "Spectral", "turbo"}.isdisjoint(safe)
    assert {"viridis", "cividis", "BrBG"} <= safe
    assert 'cmap="viridis_r"' in picker.code
    for name in picker.about["colormaps"]:
        for each in (name, f"{name}_r"):
            expected = mpl.colormaps[each](np.arange(256), bytes=True)[:, :3]
            np.testing.assert_allclose(colors(each).astype(int), expected, atol=1)
    picker.close()


def test_state_opens_it_again_as_it_was(picker: Picker) -> None:
    picker.state = picker.state | {"mode": "index", "index": "NDWI", "pins": [[551000, 4150000]]}
    state = json.loads(json.dumps(picker.state))
    again = scene().astra.pick(**state)
    assert again.state == picker.state
    assert again.code == picker.code
    again.close()


def test_observers_follow(picker: Picker) -> None:
    seen = []
    picker.observe(lambda change: seen.append(change["new"]["gamma"]), "state")
    picker.state = picker.state | {"gamma": 2.0}
    assert seen == [2.0]


def test_what_is_picked(picker: Picker) -> None:
    picker.state = picker.state | {"bands": ["nir", "B11", "red"], "view": [0, 0, 50, 60]}
    assert list(picker.selection) == ["nir", "swir16", "red"]
    assert picker.selection.sizes == {"y": 50, "x": 60}
    assert not picker.selection.nir.variable._in_memory
    picker.state = picker.state | {"mode": "index", "index": "NDVI"}
    assert set(picker.selection) == {"nir", "red"}
    picker.state = picker.state | {"mode": "single", "band": "SCL"}
    assert list(picker.selection) == ["SCL"]


def test_spectra_are_the_pixels_own(picker: Picker) -> None:
    ds = scene()
    x, y = float(ds.x[17]) + 3, float(ds.y[40]) - 2
    picker.state = picker.state | {"pins": [[x, y]]}
    table = picker.spectra
    assert table.loc[0, "x"] == x
    here = ds.sel(x=x, y=y, method="nearest")
    for band in ("red", "nir", "swir16"):
        assert table.loc[0, band] == pytest.approx(here[band].item())
    assert "SCL" not in table


def test_presets_and_indices_are_those_the_bands_suffice_for(picker: Picker) -> None:
    assert picker.about["presets"]["Agriculture"] == ["swir16", "nir", "blue"]
    assert "Geology" not in picker.about["presets"]
    assert list(picker.about["indices"])[:3] == ["NDVI", "EVI", "SAVI"]
    assert "NBR" not in picker.about["indices"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"mode": "cmyk"}, "one of rgb, index, single"),
        ({"bands": ["red", "green"]}, "three band names"),
        ({"bands": "red"}, "three band names"),
        ({"stretch": "log"}, "percentile"),
        ({"stretch": {"kind": "percentile", "low": 98, "high": 2}}, "percentile"),
        ({"limits": {"red": (0.3, 0.1)}}, "low < high"),
        ({"limits": {"red": "wide"}}, "low < high"),
        ({"gamma": 0}, "0.1 to 10"),
        ({"view": [0, 0, 9999, 10]}, "within 300 rows and 300 columns"),
        ({"pins": [1, 2]}, r"a list of \(x, y\)"),
        ({"cmap": "jet2"}, "one of gray"),
        ({"colour": "red"}, "one of time, mode, bands"),
    ],
)
def test_states_that_cannot_be(state: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        scene().astra.pick(**state)


def test_bands_and_indices_that_are_not_there(picker: Picker) -> None:
    for wrong, kind, message in (
        ({"bands": ["rde", "green", "blue"]}, UnknownBand, "Did you mean"),
        ({"index": "NVDI"}, UnknownIndex, "NDVI"),
        ({"index": "NBR"}, AstraError, "swir22"),
        ({"index": "(N-R)/X"}, InvalidParameter, r"Invalid index='\(N-R\)/X': 'X' is not one of"),
    ):
        with pytest.raises(InvalidState, match=message):
            picker.state = picker.state | wrong
        with pytest.raises(kind, match=message):
            scene(50).astra.pick(**wrong)


def test_a_refused_state_leaves_the_last_one(
    picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = picker.state
    sent: list[Any] = []
    monkeypatch.setattr(picker, "send", lambda content, buffers=None: sent.append(content))
    monkeypatch.setattr(picker, "send_state", sent.append)
    stretch = before["stretch"] | {"kind": "sigma", "sigma": 500}
    for wrong in ({"bands": ["nope", "red", "red"]}, {"stretch": stretch}):
        with pytest.raises(traitlets.TraitError):
            picker.set_state({"state": before | wrong})
        assert picker.state == before
    # The browser is given the valid state back, and the reason.
    assert sent[0] == "state"
    assert "nope" in sent[1]["message"]
    assert list(picker.selection) == before["bands"]
    with pytest.raises(traitlets.TraitError), picker.hold_trait_notifications():
        picker.state = before | {"gamma": 99}
    assert picker.state == before


# Odd inputs.


def test_one_band() -> None:
    picker = plain("one").astra.pick()
    assert picker.state["mode"] == "single"
    assert picker.image.shape == (8, 9, 4)
    assert picker.code.startswith('ds["one"].plot.imshow(cmap="gray"')
    assert picker.about["grid"]["crs"] is None
    picker.close()


def test_a_single_array() -> None:
    picker = scene(50).astra.index("NDVI").astra.pick(cmap="RdYlGn")
    assert picker.state["band"] == "NDVI"
    assert picker.image.shape == (50, 50, 4)
    assert picker.code.startswith('da.plot.imshow(cmap="RdYlGn", vmin=')
    picker.close()


def test_an_array_of_bands() -> None:
    da = xr.DataArray(np.random.default_rng(0).random((3, 5, 6)), dims=("band", "y", "x"))
    for each in (da, da.assign_coords(band=[4, 5, 6]), da.assign_coords(band=["a", "b", "c"])):
        picker = each.astra.pick()
        made = eval(picker.code, {"da": each})
        assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
        picker.close()


def test_nothing_but_nan() -> None:
    picker = xr.Dataset({"a": (("y", "x"), np.full((4, 4), np.nan))}).astra.pick()
    assert (picker.image[..., 3] == 0).all()
    picker.close()


def test_a_class_band_keeps_its_colours() -> None:
    picker = scene(60).astra.pick(band="SCL")
    scl = scene(60).SCL.values
    image = picker.image.values
    assert (image[scl == 6][:, :3] == [0, 0, 255]).all()
    assert ".plot.imshow()" in picker.code
    picker.state = picker.state | {"mode": "rgb", "bands": ["SCL", "red", "nir"]}
    assert picker.image.shape == (60, 60, 4)
    picker.close()


def test_two_hundred_bands() -> None:
    ds = plain(*(f"b{n}" for n in range(200)))
    picker = ds.astra.pick(bands=["b7", "b100", "b199"])
    assert len(picker.about["bands"]) == 200
    assert picker.image.shape == (8, 9, 4)
    picker.state = picker.state | {"pins": [[2.5, 3.5]]}
    assert picker.spectra.loc[0, "b150"] == ds.b150[3, 2]
    picker.close()


def test_dask_arrays() -> None:
    pytest.importorskip("dask")
    ds = scene(100)
    lazy = ds.chunk({"y": 40, "x": 40})
    picker, same = lazy.astra.pick(), ds.astra.pick()
    np.testing.assert_array_equal(picker.image, same.image)
    picker.close()
    same.close()


def test_rows_that_go_north_are_shown_north_up() -> None:
    rows = np.arange(5.0)
    ds = xr.Dataset(
        {"a": (("y", "x"), np.tile(rows[:, None], (1, 4)))}, {"y": rows, "x": np.arange(4.0)}
    )
    picker = ds.astra.pick(view=[0, 0, 2, 4])
    assert picker.image[0, 0, 0] > picker.image[1, 0, 0]
    made = done(picker.code.split(".plot")[0], ds)
    assert isinstance(made, xr.DataArray)
    assert sorted(made.y.values) == [3, 4]
    picker.close()


@pytest.mark.parametrize(
    "ds",
    [
        xr.Dataset({"a": (("row", "col"), np.zeros((2, 2)))}),
        xr.Dataset({"a": (("time", "level", "y", "x"), np.zeros((2, 2, 2, 2)))}),
        xr.Dataset({"a": (("time", "y", "x"), np.zeros((0, 2, 2)))}),
        xr.Dataset({"a": (("level", "y", "x"), np.zeros((0, 2, 2)))}),
        xr.Dataset({"a": (("y", "x"), np.zeros((0, 2)))}),
        xr.Dataset({"a": (("y", "x"), np.array([["x"]]))}),
        xr.Dataset(),
    ],
    ids=["row-col", "time-level", "no-time", "no-level", "empty", "text", "none"],
)
def test_datasets_that_cannot_be_shown_are_refused_with_a_hint(ds: xr.Dataset) -> None:
    with pytest.raises(InvalidDataset, match=r"isel\(level=0\)"):
        ds.astra.pick()


def test_a_time_of_one_will_do() -> None:
    ds = xr.Dataset({"a": (("time", "y", "x"), np.random.default_rng(0).random((1, 4, 4)))})
    picker = ds.astra.pick()
    assert picker.image.shape == (4, 4, 4)
    picker.close()


def test_the_whole_scene_is_read_from_overviews() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    picker._read().result()
    red = picker._tiles.overviews["red", 0]
    assert red.codes.shape == (512, 512)
    assert not ds.red.variable._in_memory
    coarse = ds.red.coarsen(y=8, x=8).mean().values
    ours = red.values[4::3, 4::3]
    assert abs(ours.mean() - coarse.mean()) < 2e-3
    picker.close()


# Arrays of other readers.


@pytest.mark.parametrize("where", ["_FillValue", "nodata", "missing_value", "encoding", "rio"])
def test_nodata_counts_for_nothing_wherever_its_reader_put_it(where: str) -> None:
    import rioxarray  # noqa: F401

    values = np.random.default_rng(0).integers(100, 5000, (20, 20)).astype("uint16")
    values[:10] = 0
    da = xr.DataArray(values, dims=("y", "x"))
    if where == "encoding":
        da.encoding["_FillValue"] = 0
    elif where == "rio":
        da = da.rio.write_nodata(0)
    else:
        da.attrs[where] = 0
    picker = da.astra.pick()
    np.testing.assert_array_equal(picker.image[..., 3] == 0, values == 0)
    limits = picker.shown["limits"]["values"]
    np.testing.assert_allclose(limits, np.percentile(values[10:], (2, 98)), rtol=1e-3)
    picker.close()


@pytest.mark.parametrize(
    ("names", "attrs"),
    [
        (("latitude", "longitude"), ({}, {})),
        (("lat", "lon"), ({}, {})),
        (("northing", "easting"), ({}, {})),
        (("row", "col"), ({"axis": "Y"}, {"standard_name": "projection_x_coordinate"})),
    ],
)
def test_dimensions_and_names_of_others(
    names: tuple[str, str], attrs: tuple[dict[str, str], dict[str, str]]
) -> None:
    rng = np.random.default_rng(1)
    coords = {
        names[0]: (names[0], np.linspace(10, 9, 8), attrs[0]),
        names[1]: (names[1], np.linspace(1, 2, 9), attrs[1]),
    }
    ds = xr.Dataset({n: (names, rng.random((8, 9))) for n in (1, 2, "b3")}, coords)
    picker = ds.astra.pick(code_name="scene", view=[1, 2, 6, 7])
    made = eval(picker.code, {"scene": ds})
    assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
    assert picker.selection.sizes == {names[0]: 5, names[1]: 5}
    assert list(picker.selection) == [1, 2, "b3"]
    picker.close()
    one = ds[1].astra.pick(code_name="array")
    assert one.code.startswith("array.rename({")
    one.close()


def test_degrees_are_known_by_their_names() -> None:
    coords = {"lat": np.linspace(10, 9, 8), "lon": np.linspace(1, 2, 9)}
    picker = xr.Dataset({"a": (("lat", "lon"), np.ones((8, 9)))}, coords).astra.pick()
    assert picker.about["grid"]["degrees"]
    picker.close()


def test_many_bands_open_in_those_nearest_to_red_green_and_blue() -> None:
    waves = np.linspace(0.38, 2.5, 60)
    ds = xr.Dataset(
        {
            f"band{n}": (("y", "x"), np.ones((3, 4)), {"center_wavelength": wave})
            for n, wave in enumerate(waves)
        }
    )
    picker = ds.assign_attrs(mission="none").astra.pick()
    chosen = [waves[int(name[4:])] for name in picker.state["bands"]]
    np.testing.assert_allclose(chosen, [0.66, 0.56, 0.49], atol=0.02)
    picker.close()


def test_attrs_that_are_no_colors_and_no_numbers() -> None:
    flags = {
        "flag_values": np.array([0, 1, 2, 3]),
        "flag_meanings": "a b c",
        "flag_colors": "red 0xff0000 #ff0000;background:url(https://x.example) #00FF00",
    }
    ds = xr.Dataset(
        {
            "c": (("y", "x"), np.arange(4, dtype="u1").reshape(2, 2), flags),
            "d": (("y", "x"), np.ones((2, 2)), {"center_wavelength": float("nan")}),
            "e": (("y", "x"), np.ones((2, 2)), {"center_wavelength": np.array([1.0, 2.0])}),
        }
    )
    picker = ds.astra.pick(band="c")
    classes = picker.about["bands"]["c"]["classes"]
    assert all(re.fullmatch("#[0-9a-f]{6}", each["color"]) for each in classes)
    assert [each["name"] for each in classes] == ["a", "b", "c", "3"]
    assert picker.image.values[1, 1, :3].tolist() == [0, 255, 0]
    assert picker.about["bands"]["d"]["wavelength"] is None
    assert picker.about["bands"]["e"]["wavelength"] is None
    json.dumps(picker.about, allow_nan=False)
    picker.close()


# Saved and closed.


def test_saved_notebooks_have_an_image_and_no_secret(picker: Picker, tmp_path: Path) -> None:
    picker._read().result()  # showing it waits for none
    data, _ = picker._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "data:image/jpeg;base64," in data["text/html"]
    assert len(data["text/html"]) < 200_000
    page = picker.to_html(tmp_path / "picker.html").read_text()
    for text in (
        data["text/html"],
        page,
        json.dumps(picker.get_state(), default=str),
        repr(picker),
    ):
        for word in ("sig=", "token", str(Path.home()), "file://"):
            assert word not in text


def test_saved_state_has_the_image(picker: Picker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALM", 0.01)
    drawn: queue.Queue[bytes] = queue.Queue()
    picker.observe(lambda change: drawn.put(change["new"]), "preview")
    picker.state = picker.state | {"gamma": 2.0}
    _ = picker.image
    picker._update_shown()
    first = imagecodecs.jpeg8_decode(drawn.get(timeout=30))
    assert first.shape == (300, 300, 3)
    np.testing.assert_allclose(first, picker.image.values[..., :3], atol=90)
    assert abs(first.mean() - picker.image.values[..., :3].mean()) < 2
    picker.state = picker.state | {"mode": "index", "index": "NDVI"}
    _ = picker.image
    picker._update_shown()
    second = imagecodecs.jpeg8_decode(drawn.get(timeout=30))
    assert abs(first.mean() - second.mean()) > 5
    assert picker.get_state()["preview"] == picker.preview
    assert len(picker.preview) < 100_000


def test_closing_stops_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(Scene, "read", forever)
    picker = plain("a", "b", "c").astra.pick()
    assert "Run the cell to see it" in picker._repr_mimebundle_()[0]["text/html"]
    reads = list(picker._work.reads)
    assert reads
    picker.close()
    assert all(read.cancelled() for read in reads)


def send_want(picker: Picker, store: str, *, add: object = (), drop: object = ()) -> None:
    """Send a "want" message as a browser would, and wait until it is taken."""
    content = {"type": "want", "store": store, "add": add, "drop": drop, "raw": False}
    run(picker._requests.want(content))


def test_stores_share_reads_and_cancel_none_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    picker = plain("a", "b", "c").astra.pick()
    picker._read().result()
    go, count = asyncio.Event(), []
    tiles = picker._tiles.tiles

    async def slow(channel: Any, *rest: Any) -> Any:
        count.append(channel[0])
        await go.wait()
        return await tiles(channel, *rest)

    monkeypatch.setattr(picker._tiles, "tiles", slow)
    sent: list[dict[str, Any]] = []
    picker._requests._send = lambda message, _: sent.append(message)
    a, b = ["a", 0, 0, 0, 0], ["b", 0, 0, 0, 0]
    send_want(picker, "A", add=[a, b])
    send_want(picker, "B", add=[a])  # on its way already
    jobs = list(picker._requests._jobs)
    send_want(picker, "A", drop=[a, b])  # b is wanted by none any more, a by B
    start(_set(go)).result()
    run(_ended(jobs))
    assert len(sent) == 1
    assert (sent[0]["type"], sent[0]["key"]) == ("tile", "a")
    assert sorted(count) == ["a", "b"]
    assert sorted(job.cancelled() for job in jobs) == [False, True]
    picker.close()


def test_spectra_that_take_their_time_hold_up_no_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    picker = plain("a", "b", "c").astra.pick()
    go, sent = asyncio.Event(), queue.Queue[dict[str, Any]]()
    spectrum = picker._pins.spectrum

    async def slow(step: int, x: float, y: float) -> Any:
        await go.wait()
        return await spectrum(step, x, y)

    monkeypatch.setattr(picker._pins, "spectrum", slow)
    monkeypatch.setattr(picker, "send", lambda message, buffers=None: sent.put(message))
    picker.state = picker.state | {"pins": [[1.5, 1.5]]}
    picker.state = picker.state | {"pins": [[1.5, 1.5], [2.5, 1.5]]}
    send_want(picker, "A", add=[["a", 0, 0, 0, 0]])
    assert sent.get(timeout=30)["type"] == "tile"
    start(_set(go)).result()
    spectra = sent.get(timeout=30)
    assert [pin["x"] for pin in spectra["spectra"]] == [1.5, 2.5]
    picker.close()
    assert sent.empty()  # those of only one pin are not sent after those of two


async def _ended(jobs: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*jobs, return_exceptions=True)


async def _set(event: asyncio.Event) -> None:
    event.set()


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"type": "want"},
        {"type": "want", "add": "all", "drop": 7},
        {
            "type": "want",
            "add": [["a", 0, 99, 0, 0], ["a", 0, 0, -1, 0], ["a", 0, 0], [1, 0, 0, 0, 0], None],
        },
        {
            "type": "want",
            "add": [["a", 0, 0.5, 0, 0], ["a", 0, 0, 9999, 9999], ["a", 1, 0, 0, 0]],
            "store": {},
        },
    ],
)
def test_messages_that_mean_nothing_do_nothing(content: Any) -> None:
    picker = plain("a", "b", "c").astra.pick()
    picker._on_message(None, content, [])
    for read in list(picker._work.reads):
        read.result()
    assert not picker._requests._wanted
    picker.close()


def test_tiles_are_the_scene_wherever_they_are_cut() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "nir", "SCL"], catalog="sample")
    picker = ds.astra.pick()
    reads, pyramid = picker._tiles, picker._tiles.pyramid
    assert pyramid.top == 2
    for key in ("red", "NDVI", MASK):
        together = run(reads.tiles((key, 0), 1, pyramid.within(1, (0, 0, 1500, 700))))
        single = run(TileCache(picker._scene).tiles((key, 0), 1, [(2, 1)]))[2, 1]
        np.testing.assert_array_equal(together[2, 1].codes, single.codes)
        assert single.box == (1024, 512, 1536, 1024)
    exact = run(reads.tiles(("red", 0), 0, [(3, 2)]))[3, 2]
    here = ds.red[768:1024, 512:768].values
    np.testing.assert_allclose(exact.values, here, atol=6e-5)
    # All have the scale of the overview, so that they are colored and counted as one.
    assert (exact.low, exact.step) == (
        reads.overviews["red", 0].low,
        reads.overviews["red", 0].step,
    )
    picker.close()


def test_tiles_on_their_way_arrive_whatever_else_is_requested_meanwhile() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    places = picker._tiles.pyramid.within(1, picker._tiles.pyramid.whole)
    sent: list[tuple[str, int, int]] = []
    more: list[asyncio.Task[None]] = []

    def send(message: dict[str, Any], _: list[bytes]) -> None:
        sent.append((message["key"], message["row"], message["col"]))
        want = {"type": "want", "store": "B", "add": [["green", 0, 0, 0, len(sent)]], "raw": False}
        if len(sent) <= 3:
            more.append(asyncio.ensure_future(picker._requests.want(want)))

    picker._requests._send = send
    send_want(picker, "A", add=[["red", 0, 1, *place] for place in places])
    run(_ended(list(picker._requests._jobs)))
    assert {each[1:] for each in sent if each[0] == "red"} == set(places)
    picker.close()


def test_the_whole_is_sent_before_what_is_finer() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    pyramid, sent = picker._tiles.pyramid, list[tuple[str, int]]()
    picker._requests._send = lambda message, _: sent.append((message["key"], message["level"]))
    keys = ("red", "green", "blue")
    add = [
        [key, 0, level, *place]
        for level in (1, pyramid.top)
        for key in keys
        for place in pyramid.within(level, pyramid.whole)
    ]
    send_want(picker, "A", add=add)
    run(_ended(list(picker._requests._jobs)))
    whole = len(pyramid.within(pyramid.top, pyramid.whole)) * len(keys)
    assert len(sent) == len(add)
    assert {level for _, level in sent[:whole]} == {pyramid.top}
    picker.close()


def test_tiles_wait_only_for_overviews(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    picker._read().result()
    go, sent = asyncio.Event(), queue.Queue[str]()
    tiles = picker._tiles.tiles

    async def slow(channel: Any, *rest: Any) -> Any:
        if channel[0] == "red":
            await go.wait()
        return await tiles(channel, *rest)

    monkeypatch.setattr(picker._tiles, "tiles", slow)
    picker._requests._send = lambda message, _: sent.put(message["key"])
    send_want(picker, "A", add=[[key, 0, 1, 0, 0] for key in ("red", "green")])
    assert sent.get(timeout=30) == "green"
    start(_set(go)).result()
    assert sent.get(timeout=30) == "red"
    picker.close()


def test_statistics_of_a_view_are_joined_once() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    box = (300, 200, 900, 1000)
    assert picker._tiles.ready(("red", 0), box) is None
    part = run(picker._tiles.part(("red", 0), box))
    assert picker._tiles.ready(("red", 0), box) is part
    assert part.codes.shape == (300, 400)
    expected = ds.red[300:900, 200:1000].coarsen(y=2, x=2).mean()
    assert abs(part.values - expected.values).mean() < 1e-3
    picker.close()


def test_tiles_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    picker = ds.astra.pick()
    picker._read().result()
    overviews = picker._tiles.held
    monkeypatch.setattr(cache_module, "_BYTES", overviews + 5 * 256 * 256 * 2)
    for row in range(4):
        run(picker._tiles.tiles(("red", 0), 0, [(row, col) for col in range(3)]))
    assert len(picker._tiles._tiles) == 5
    assert picker._tiles.held == overviews + 5 * 256 * 256 * 2
    picker.close()


def test_all_pickers_share_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue"], catalog="sample")
    first, second = ds.astra.pick(), ds.astra.pick()
    for picker in (first, second):
        picker._read().result()
    overviews = first._tiles.held
    monkeypatch.setattr(cache_module, "_BYTES", 2 * overviews + 4 * 256 * 256 * 2)
    row = [(0, col) for col in range(3)]
    for picker in (first, second):
        run(picker._tiles.tiles(("red", 0), 0, row))
    # The least recently used goes first, whosever it is.
    assert [len(picker._tiles._tiles) for picker in (first, second)] == [1, 3]
    again = run(first._tiles.tiles(("red", 0), 0, row))
    assert again[0, 2].codes.shape == (256, 256)
    for picker in (first, second):
        picker.close()


def until(found: Callable[[], bool]) -> None:
    """Wait for what is made behind one's back."""
    end = time.monotonic() + 30
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_picker_that_was_released_reads_its_image_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue", "scl"], catalog="sample")
    first = ds.astra.pick(mask=True)
    first._read().result()
    until(lambda: bool(first.preview))
    before, shown = first.preview, first.shown
    with monkeypatch.context() as small:
        small.setattr(cache_module, "_BYTES", 1)
        second = ds.astra.pick()
        second._read().result()
    assert not first._tiles.overviews
    assert first._drawing._known
    assert base64.b64encode(before).decode() in first._repr_mimebundle_()[0]["text/html"]
    # Limits are set only once all that they follow from is read, also the mask.
    changes: list[Any] = []
    first.observe(lambda change: changes.append(change["new"]), "shown")
    first.state = first.state | {"bands": ["green", "red", "blue"]}
    until(lambda: first.preview != before)
    assert first.shown == shown
    assert not changes
    assert {key for key, _ in first._tiles.overviews} == {"red", "green", "blue", ":mask"}
    for picker in (first, second):
        picker.close()


def test_a_closed_picker_holds_nothing(picker: Picker) -> None:
    _ = picker.image
    picker.close()
    start(picker._stop()).result()
    assert not picker._tiles.overviews
    assert not picker._work.reads
    assert repr(picker) == "<astra picker: closed>"
    picker._on_message(None, {"type": "want", "store": "A", "add": [["red", 0, 0, 0, 0]]}, [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [("NDVI", ("index", "NDVI", "index")), ("ndvi", ("index", "NDVI", "index")),
     ("B04", ("single", "red", "band"))],
)  # fmt: skip
def test_a_name_is_what_it_begins_with(name: str, shown: tuple[str, str, str]) -> None:
    mode, variable, key = shown
    picker = scene(50).astra.pick(name, cmap="magma")
    assert (picker.state["mode"], picker.state[key], picker.state["cmap"]) == (
        mode, variable, "magma",
    )  # fmt: skip
    picker.close()


def test_a_program_may_end_with_an_open_picker(environment: None) -> None:
    program = f"""
import astra_xr
ds = astra_xr.open_scene({SAMPLE!r}, ["red", "nir"], catalog="sample")
picker = ds.astra.pick("NDVI")
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
