"""The area of a picker: where it lies, and the statistics of its pixels."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.widgets import area_statistics as module
from astra_xr.widgets.georeference import degrees_of
from tests.widgets.conftest import SAMPLE, scene

AREA = [20, 30, 120, 250]


def part(ds: xr.Dataset) -> xr.Dataset:
    """The pixels of the area."""
    return ds.isel(y=slice(20, 120), x=slice(30, 250))


@pytest.mark.parametrize("mask", [False, True], ids=["all", "clear"])
def test_statistics_are_those_of_the_pixels(mask: bool) -> None:
    ds = scene()
    picker = ds.astra.pick(bands=["nir", "red", "red"], mask=mask, area=AREA)
    table = picker.statistics
    assert list(table.index) == ["nir", "red"]  # each channel once
    seen = part(ds)
    clear = ~seen.astra.mask() if mask else xr.ones_like(seen.SCL, bool)
    for name in ("nir", "red"):
        values = seen[name].where(clear).astype(float)
        row = table.loc[name]
        assert row["mean"] == pytest.approx(float(values.mean()), rel=1e-9)
        assert row["std"] == pytest.approx(float(values.std()), rel=1e-9)
        assert row["valid"] == pytest.approx(float(values.notnull().mean()))
        assert row["count"] == int(values.notnull().sum())
    assert (table["mean_of"] == 1).all()
    assert (table["valid"] < 1).all() == mask
    picker.close()


def test_statistics_of_an_index_and_of_classes() -> None:
    ds = scene()
    picker = ds.astra.pick(index="NDVI", area=AREA)
    expected = float(part(ds).astra.index("NDVI").astype(float).mean())
    assert picker.statistics.loc["NDVI", "mean"] == pytest.approx(expected, rel=1e-6)
    picker.state = picker.state | {"mode": "single", "band": "SCL"}
    row = picker.statistics.loc["SCL"]
    assert np.isnan(row["mean"])  # of numbers that stand for names
    assert np.isnan(row["std"])
    assert row["valid"] == 1
    picker.close()


def test_a_comparison_has_the_statistics_of_both_and_of_their_difference() -> None:
    ds = scene()
    picker = ds.astra.pick(index="NDVI", mask=True, area=AREA, compare={"index": "NDWI"})
    table = picker.statistics
    assert list(table.index) == [("A", "NDVI"), ("B", "NDWI"), ("B - A", "B - A")]
    seen = part(ds)
    clear = ~seen.astra.mask()
    a, b = (seen.astra.index(name).where(clear).astype(float) for name in ("NDVI", "NDWI"))
    for row, values in zip(table.itertuples(), (a, b, b - a), strict=True):
        assert row.mean == pytest.approx(float(values.mean()), rel=1e-6)
        assert row.std == pytest.approx(float(values.std()), rel=1e-6)
        assert row.count == int(values.notnull().sum())
    # Three channels, or classes, have no difference.
    picker.state = picker.state | {"compare": {"mode": "rgb", "bands": ["nir", "red", "green"]}}
    assert [name for name, _ in picker.statistics.index] == ["A", "B", "B", "B"]
    picker.close()


def test_a_large_area_is_read_from_overviews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10_000)
    ds = scene()
    picker = ds.astra.pick(band="nir", area=[0, 0, 300, 300])
    row = picker.statistics.loc["nir"]
    assert row["mean_of"] == 9
    assert row["count"] == 10_000
    assert row["mean"] == pytest.approx(float(ds.nir.astype(float).mean()), rel=1e-3)
    picker.close()


def test_pixels_without_data_do_not_count() -> None:
    values = np.array([[1.0, 3.0, np.nan, 5.0]])
    picker = xr.Dataset({"a": (("y", "x"), values)}).astra.pick(area=[0, 0, 1, 3])
    assert picker.statistics.loc["a"].tolist() == [2, 1, 2 / 3, 2, 1]
    picker.state = picker.state | {"area": [0, 2, 1, 3]}
    assert picker.statistics.loc["a", ["mean", "valid"]].fillna(-1).tolist() == [-1, 0]
    picker.state = picker.state | {"area": None}
    assert picker.statistics.empty
    assert picker.area is None
    picker.close()


def test_rows_from_south_to_north_count_from_the_north() -> None:
    y = np.arange(4.0)
    da = xr.DataArray(y[:, None] * [1, 1], {"y": y, "x": [0.0, 1.0]}, ("y", "x"), name="a")
    picker = da.to_dataset().astra.pick(area=[0, 0, 1, 2])
    assert picker.statistics.loc["a", "mean"] == 3
    assert picker.selection.y.item() == 3
    picker.close()


def test_the_area_is_a_bbox_that_opens_it() -> None:
    ds = scene()
    picker = ds.astra.pick(area=AREA)
    bbox = picker.area
    assert bbox is not None
    again = astra_xr.open_scene(SAMPLE, ["red"], catalog="sample", resolution=30, bbox=bbox)
    seen = part(ds)
    west, south, east, north = (
        seen.x.min() - 15, seen.y.min() - 15, seen.x.max() + 15, seen.y.max() + 15,
    )  # fmt: skip
    assert again.x.min() - 15 <= west
    assert again.y.min() - 15 <= south
    assert again.x.max() + 15 >= east
    assert again.y.max() + 15 >= north
    # UTM is turned a little against longitude and latitude, no more.
    assert again.sizes["x"] <= 1.1 * 220
    assert picker.selection.sizes == {"y": 100, "x": 220}
    picker.close()


def grid(x: float, y: float, step: float) -> dict[str, Any]:
    return {"x": x, "y": y, "dx": step, "dy": -step, "placed": True}


@pytest.mark.parametrize(
    ("crs", "corner", "area", "expected"),
    [
        ("EPSG:4326", (10, 50, 0.5), [0, 0, 4, 6], (10, 48, 13, 50)),
        # Across the antimeridian west is greater than east, as in open_scene.
        ("EPSG:4326", (179, 1, 0.5), [0, 0, 4, 4], (179, -1, -179, 1)),
        ("EPSG:4326", (350, 1, 0.5), [0, 0, 4, 4], (-10, -1, -8, 1)),
        ("EPSG:4326", (-180, 90, 1), [0, 0, 180, 360], (-180, -90, 180, 90)),
    ],
    ids=["plain", "antimeridian", "0-360", "earth"],
)
def test_areas_in_degrees(
    crs: str, corner: tuple[float, float, float], area: list[int], expected: Any
) -> None:
    from odc.geo import CRS

    assert degrees_of(grid(*corner), CRS(crs), area) == pytest.approx(expected)


def test_areas_whose_sides_bend_and_around_poles() -> None:
    from odc.geo import CRS

    # In UTM the northern side bulges: its middle lies north of both corners.
    utm = grid(300_000, 7_000_000, 1000)
    west, _, east, north = degrees_of(utm, CRS("EPSG:32633"), [0, 0, 400, 400])
    from pyproj import Transformer

    to = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    xs = np.linspace(300_000, 700_000, 999)
    assert north == pytest.approx(to.transform(xs, np.full(999, 7e6))[1].max(), abs=1e-6)
    assert north > to.transform(300_000, 7e6)[1] + 1e-3
    assert west < 15 < east
    polar = grid(-500_000, 500_000, 1000)
    west, south, east, north = degrees_of(polar, CRS("EPSG:3413"), [0, 0, 1000, 1000])
    assert (west, east, north) == (-180, 180, 90)
    assert south == pytest.approx(83.4, abs=0.3)  # of the corners
    assert degrees_of(polar, CRS("EPSG:3031"), [0, 0, 1000, 1000])[1] == -90
    # Beside the pole, across the antimeridian.
    box = degrees_of(polar, CRS("EPSG:3413"), [0, 0, 400, 400])
    assert box[0] > 0 > box[2]


def test_the_area_of_a_grid_without_crs_is_refused() -> None:
    picker = xr.Dataset({"a": (("y", "x"), np.ones((8, 9)))}).astra.pick(area=[0, 0, 2, 2])
    with pytest.raises(InvalidDataset, match="needs a CRS and coordinates"):
        _ = picker.area
    picker.close()


@pytest.mark.parametrize("area", [[0, 0, 9, 9], [2, 2, 2, 3], [-1, 0, 2, 2], "all", [1, 2, 3]])
def test_areas_that_cannot_be(area: Any) -> None:
    ds = xr.Dataset({"a": (("y", "x"), np.ones((8, 9)))})
    with pytest.raises(InvalidParameter, match="within 8 rows and 9 columns"):
        ds.astra.pick(area=area)


def test_each_change_is_sent_to_the_browser_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALM", 0.05)
    ds = scene(60)
    picker = ds.astra.pick(band="nir")
    sent = queue.Queue[dict[str, Any]]()
    monkeypatch.setattr(picker, "send", lambda message, buffers=None: sent.put(message))
    for bottom in (10, 20, 30):  # a drag
        picker.state = picker.state | {"area": [0, 0, bottom, 10]}
    message = sent.get(timeout=30)
    assert (message["type"], message["area"], message["of"]) == (
        "statistics", [0, 0, 30, 10], [[["nir"], False, None]],
    )  # fmt: skip
    assert message["bbox"] == picker.area
    (row,) = message["sides"][0]
    assert row["mean"] == picker.statistics.loc["nir", "mean"]
    picker.state = picker.state | {"gamma": 2.0}  # changes nothing of it
    picker._on_message(None, {"type": "statistics"}, None)  # a further view
    assert sent.get(timeout=30) == message
    picker.close()
    assert sent.empty()
