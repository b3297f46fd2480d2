"""A and B in the picker, and B - A: what is chosen, what is shown, and the code of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.widgets.picker import Picker
from astra_xr.widgets.state import InvalidState

DATES = ["2025-06-14", "2025-05-15", "2025-07-04"]
SHAPE = (3, 8, 9)


def stack(*, clouds: bool = False) -> xr.Dataset:
    """Reflectances of three dates; a pixel of the first and another of the last are clouds."""
    rng = np.random.default_rng(0)
    bands = {
        name: (("time", "y", "x"), rng.uniform(0.05, 0.6, SHAPE), {"role": "reflectance"})
        for name in ("red", "nir", "swir22")
    }
    ds = xr.Dataset(bands, {"time": np.array(DATES, "datetime64[ns]")})
    if clouds:
        scl = np.full(SHAPE, 4, np.uint8)
        scl[0, 1, 2] = scl[2, 3, 4] = 9
        ds["SCL"] = ("time", "y", "x"), scl, {"native_name": "SCL"}
        ds = ds.assign_coords(id=("time", [f"S2B_MSIL2A_{n}" for n in range(3)]))
        ds.attrs["mission"] = "sentinel-2"
    return ds


def made(code: str, ds: xr.Dataset) -> Any:
    """What a difference's code draws."""
    value: xr.DataArray = eval(code.partition(".plot.imshow")[0], {"ds": ds})
    return value


def pick(opened: list[Picker], ds: Any = None, **state: Any) -> Picker:
    opened.append((stack() if ds is None else ds).astra.pick(**state))
    return opened[-1]


def nbr(ds: xr.Dataset) -> Any:
    return (ds.nir - ds.swir22) / (ds.nir + ds.swir22)


BURN = {"index": "NBR", "time": "2025-05-15"}


def test_b_is_as_a_but_for_what_it_is_given(opened: list[Picker]) -> None:
    picker = pick(opened, **BURN, compare={"time": "2025-07"})
    assert picker.state["compare"] == {
        "time": "2025-07-04", "show": "swipe", "split": 0.5, "cmap": "BrBG"
    }  # fmt: skip
    assert pick(opened, **picker.state).state == picker.state
    assert pick(opened, compare={"index": "nbr"}).state["compare"]["mode"] == "index"
    assert pick(opened).state["compare"] is None
    a, b = picker.compared
    assert list(a) == list(b) == list(picker.selection) == ["nir", "swir22"]
    xr.testing.assert_identical(a, picker.selection)
    np.testing.assert_array_equal(b.nir, stack().nir[2])


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        ("2025-07-04", "a dict of what B shows"),
        ({"date": "2025-07-04"}, "a dict of time, mode, bands, index, band, show, split, cmap"),
        ({"time": "2031"}, r"compare\['time'\]='2031'"),
        ({"band": "green"}, "green"),
        ({"index": "NDWI"}, "Green"),
        ({"index": "(N-R)/X"}, r"compare\['index'\]='\(N-R\)/X': 'X' is not one of"),
        ({"show": "blink"}, "one of swipe, difference"),
        ({"split": 1.5}, "from 0 to 1"),
        ({"split": "half"}, "from 0 to 1"),
        ({"cmap": "jet2"}, r"compare\['cmap'\]='jet2': expected one of gray"),
        ({"bands": ["red", "nir", "nir"], "show": "difference"}, "one index or band"),
    ],
)
def test_comparisons_that_cannot_be(opened: list[Picker], compare: Any, message: str) -> None:
    with pytest.raises(AstraError, match=message):
        pick(opened, **BURN, compare=compare)
    picker = pick(opened, **BURN)
    before = picker.state
    with pytest.raises(InvalidState, match=message):
        picker.state = picker.state | {"compare": compare}
    assert picker.state == before


def test_classes_have_no_difference(opened: list[Picker]) -> None:
    ds = stack()
    ds["SCL"] = (
        ("time", "y", "x"), np.ones(SHAPE, np.uint8),
        {"flag_values": [0, 1], "flag_meanings": "no yes"},
    )  # fmt: skip
    with pytest.raises(InvalidParameter, match="without classes"):
        pick(opened, ds, band="SCL", compare={"time": "2025-07", "show": "difference"})


def test_the_image_of_a_difference_is_that_of_its_numbers(opened: list[Picker]) -> None:
    ds = stack()
    picker = pick(opened, ds, **BURN, compare={"time": "2025-07", "show": "difference"})
    made = picker.image
    expected = nbr(ds.isel(time=2)) - nbr(ds.isel(time=1))
    low, high = picker.shown["limits"]["B - A"]
    reach = np.abs(np.percentile(expected, (2, 98))).max()
    assert -low == high == pytest.approx(reach, abs=1e-3)
    level = np.clip((expected.values + high) / (2 * high) * 256, 0, 255)
    from astra_xr.widgets.colormaps import colors

    around = np.stack([colors("BrBG")[np.clip(level + d, 0, 255).astype(int)] for d in (-1, 0, 1)])
    image = made.values[..., :3].astype(int)
    assert (np.abs(around.astype(int) - image).max(axis=-1).min(axis=0) == 0).all()
    # Other limits, and another map.
    picker.state = picker.state | {"limits": {"B - A": (-0.5, 0.5)}}
    picker.state = picker.state | {"compare": picker.state["compare"] | {"cmap": "RdYlBu"}}
    assert picker.shown["limits"]["B - A"] == [-0.5, 0.5]
    assert (picker.image.values != made.values).any()
    assert pick(opened, ds, **picker.state).code == picker.code


def test_the_code_of_a_difference_makes_its_numbers(opened: list[Picker]) -> None:
    ds = stack(clouds=True)
    compare = {"time": "2025-07-04", "show": "difference"}
    options = {"time": "2025-06-14", "mask": True, "view": (0, 0, 6, 7)}
    picker = pick(opened, ds, index="NBR", compare=compare, **options)
    assert picker.code.startswith('(ds.sel(time="2025-07-04").isel(y=slice(0, 6)')
    assert '.plot.imshow(cmap="BrBG", vmin=-' in picker.code
    first, last = (ds.isel(time=n, y=slice(6), x=slice(7)) for n in (0, 2))
    clear = ~(ds.isel(time=0).astra.mask() | ds.isel(time=2).astra.mask())[:6, :7]
    expected = (nbr(last) - nbr(first)).where(clear)
    np.testing.assert_allclose(made(picker.code, ds), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(picker.image[..., 3] > 0, expected.notnull())
    # Numbers that wrap around.
    counts = xr.Dataset({"dn": (("time", "y", "x"), np.zeros((2, 3, 4), np.uint16))})
    counts["dn"][0] = 7
    other = pick(opened, counts, time="0", compare={"time": "1", "show": "difference"})
    assert (made(other.code, counts) == -7).all()
    assert (
        made(pick(opened, counts.dn, **other.state).code.replace("da.", "ds.dn."), counts) == -7
    ).all()


def test_the_code_of_a_and_b_makes_both(opened: list[Picker]) -> None:
    picker = pick(opened, **BURN, compare={"time": "2025-07-04", "bands": ["nir", "red", "red"]})
    first, second = picker.code.splitlines()
    assert first.startswith('ds.sel(time="2025-05-15").astra.index("NBR").plot.imshow(cmap="')
    drawn = eval(second, {"ds": stack()})
    assert drawn.dims == ("y", "x", "band")
    picker.state = picker.state | {"compare": None}
    assert picker.code == first


def test_clouds_of_either_are_gaps_of_the_difference(opened: list[Picker]) -> None:
    compare = {"time": "2025-07-04", "show": "difference"}
    options = {"index": "NBR", "time": "2025-06-14", "compare": compare}
    ds = stack(clouds=True)
    shown = pick(opened, ds, **options)
    assert (shown.image[..., 3] == 255).all()
    hidden = pick(opened, ds, **options, mask=True)
    first, last = (ds.isel(time=n).astra.mask().values for n in (0, 2))
    assert first.any()
    assert (first != last).any()
    np.testing.assert_array_equal(hidden.image[..., 3] == 0, first | last)


def test_what_both_show_has_the_limits_of_a(opened: list[Picker]) -> None:
    ds = stack()
    ds["nir"] = ds.nir + xr.DataArray([0, 0, 0.3], dims="time")
    picker = pick(opened, ds, band="nir", time="2025-05-15")
    _ = picker.code
    single = picker.shown["limits"]["nir"]
    for time in (picker.state["time"], None):
        stretch = picker.state["stretch"] | {"time": time}
        picker.state = picker.state | {"stretch": stretch, "compare": {"time": "2025-07-04"}}
        _ = picker.code
        assert picker.shown["limits"] == {"nir": single}
    picker.state = picker.state | {"compare": {"time": "2025-07-04", "band": "red"}}
    _ = picker.code
    assert set(picker.shown["limits"]) == {"nir", "red"}


def test_a_page_has_what_is_compared(opened: list[Picker], tmp_path: Any) -> None:
    picker = pick(opened, **BURN, compare={"time": "2025-07-04", "show": "difference"})
    text = picker.to_html(tmp_path / "page.html").read_text()
    assert text.count('"label": "2025-0') == 2
