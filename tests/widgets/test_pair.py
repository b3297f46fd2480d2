"""Two Datasets in one picker, on the same grid and on others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset
from astra_xr.widgets.picker import Picker


def scene(
    date: str | None = None, *, step: float = 10, origin: tuple[float, float] = (5e5, 4e6),
    size: int = 24, crs: str | None = "EPSG:32610", bands: tuple[str, ...] = ("red", "nir"),
) -> xr.Dataset:  # fmt: skip
    """Bands whose values follow from longitude and latitude."""
    x = origin[0] + step * (np.arange(size) + 0.5)
    y = origin[1] - step * (np.arange(size) + 0.5)
    east, north = np.meshgrid(x, y)
    plane = (np.sin(east / 70) + np.cos(north / 90)) / 8 + 0.4
    values = {name: (("y", "x"), plane * (n + 1) / 2) for n, name in enumerate(bands)}
    ds = xr.Dataset(values, {"x": x, "y": y})
    if date:
        ds = ds.assign_coords(time=np.datetime64(date, "ns"))
    return ds.rio.write_crs(crs) if crs else ds


def difference(picker: Picker) -> None:
    compare = picker.state["compare"] | {"show": "difference"}
    picker.state = picker.state | {"compare": compare}


def made(picker: Picker, ds: xr.Dataset, other: xr.Dataset) -> Any:
    return eval(picker.code.partition(".plot.imshow")[0], {"ds": ds, "other": other})


def test_two_datasets_of_one_grid(opened: list[Picker]) -> None:
    ds, other = scene("2025-06-01"), scene("2025-07-01") * 1.1
    picker = ds.astra.pick("nir", compare=other)
    opened.append(picker)
    assert picker.state["time"] == "2025-06-01"
    assert picker.state["compare"]["time"] == "2025-07-01"
    a, b = picker.compared
    np.testing.assert_array_equal(a.nir, ds.nir)
    np.testing.assert_array_equal(b.nir, other.nir)
    difference(picker)
    assert picker.code.startswith('(other["nir"] - ds["nir"]).plot.imshow(cmap="BrBG", vmin=-')
    np.testing.assert_allclose(made(picker, ds, other), ds.nir * 0.1, atol=1e-9)
    with pytest.raises(InvalidDataset, match="A: .*not opened by astra_xr.* B: .*not opened"):
        _ = picker.script


def test_without_dates_they_are_called_by_their_names(opened: list[Picker]) -> None:
    opened.append(scene().astra.pick(compare=scene(), code_name="before"))
    assert [opened[0].state["time"], opened[0].state["compare"]["time"]] == ["before", "other"]
    arrays = scene()["red"], scene()["red"] + 1
    opened.append(arrays[0].astra.pick(compare=arrays[1]))
    difference(opened[1])
    assert opened[1].code.startswith("(other - da).plot")


def test_the_first_may_be_called_other(opened: list[Picker]) -> None:
    opened.append(scene().astra.pick(compare=scene() + 1, code_name="other"))
    assert opened[0].state["time"] == "other"
    assert opened[0].state["compare"]["time"] == "ds"
    difference(opened[0])
    assert opened[0].code.startswith('(ds["red"] - other["red"]).plot')


def test_what_is_compared_has_the_names_of_the_first(opened: list[Picker]) -> None:
    def degrees(size: int) -> xr.Dataset:
        ds = scene(step=0.24 / size, origin=(10, 50), size=size, crs="EPSG:4326")
        return ds.rename(y="lat", x="lon")

    opened.append(degrees(24).astra.pick("nir", compare=degrees(12)))
    a, b = opened[0].compared
    assert a.sizes == b.sizes == {"lat": 24, "lon": 24}
    np.testing.assert_allclose(b.lat, a.lat)


def test_the_other_is_given_beside_how_it_is_shown(opened: list[Picker]) -> None:
    ds, other = scene("2025-06-01"), scene("2025-07-01") * 1.1
    opened.append(ds.astra.pick("nir", compare={"other": other, "show": "difference"}))
    assert opened[0].state["compare"]["show"] == "difference"
    state = opened[0].state | {"compare": opened[0].state["compare"] | {"other": other}}
    opened.append(ds.astra.pick(**state))
    assert opened[1].state == opened[0].state


@pytest.mark.parametrize(
    "other",
    [
        {"step": 10 / 3, "size": 72}, {"origin": (500_040, 3_999_950)}, {"step": 30, "size": 8},
        {"crs": "EPSG:32611", "origin": (-40_200, 4_016_800), "size": 50},
    ],
    ids=["finer", "shifted", "coarser", "other zone"],
)  # fmt: skip
def test_another_grid_is_brought_onto_the_first(opened: list[Picker], other: Any) -> None:
    ds, far = scene("2025-06-01"), scene("2025-07-01", **other)
    picker = ds.astra.pick("nir", compare=far, view=(2, 3, 22, 23))
    opened.append(picker)
    assert picker.about["steps"][1]["matched"]
    difference(picker)
    assert "other.rio.reproject_match(ds.sel(y=slice(" in picker.code
    expected = made(picker, ds, far)
    part = ds.nir.isel(y=slice(2, 22), x=slice(3, 23))
    shown = picker._channels(picker._drawing.channels(picker.state), (2, 3, 22, 23), 99)
    ours = shown["nir", 1].values - shown["nir", 0].values
    assert ours.shape == part.shape == expected.shape
    known = np.isfinite(expected.values)
    assert known.any()
    # GDAL may take the neighbor where a pixel's center is close to an edge.
    same = np.isclose(ours, expected, atol=1e-4) | (np.isnan(ours) & ~known)
    assert same.mean() > 0.97
    np.testing.assert_allclose(picker.compared[1].nir, expected + part, atol=1e-9)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (scene(bands=("red",)), "the bands nir in the other Dataset too"),
        (scene(step=20, crs=None), "The other has none; set it"),
        (scene(origin=(7e5, 4e6)), "Datasets that overlap"),
        (scene().expand_dims(time=2), "of one time"),
    ],
    ids=["bands", "crs", "apart", "stack"],
)
def test_what_cannot_be_compared_is_refused(other: xr.Dataset, message: str) -> None:
    with pytest.raises(InvalidDataset, match=message):
        scene().astra.pick(compare=other)


def test_numbers_of_other_units_are_not_subtracted() -> None:
    other = scene()
    other["nir"].attrs["units"] = "K"
    with pytest.raises(InvalidDataset, match="nir has '' and 'K'"):
        scene().astra.pick(compare=other)


@pytest.mark.usefixtures("environment")
def test_scenes_are_read_lazily_and_by_overviews(opened: list[Picker]) -> None:
    ids = list(astra_xr.search("sentinel-2", catalog="sample"))[:2]
    before, after = (
        astra_xr.open_scene(each, ["red", "nir", "SCL"], catalog="sample") for each in ids
    )
    after = after.isel(x=slice(64, None), y=slice(128, None))
    picker = before.astra.pick("NDVI", compare=after, mask=True)
    opened.append(picker)
    difference(picker)
    image = picker.image
    assert not after.red.variable._in_memory
    alpha = image[..., 3].values
    rows = round(128 / before.sizes["y"] * len(alpha))
    assert (alpha[: rows - 1] == 0).all()  # outside of the other
    assert (alpha[rows + 1 :, rows:] > 0).any()
