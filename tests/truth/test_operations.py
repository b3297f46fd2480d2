"""Masks after whatever xarray did to scenes: of these very pixels, or refused in words.

Which scene a pixel is of is read off its value, as each scene's own red was before.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rioxarray.exceptions import RioXarrayError

import astra_xr
from astra_xr.errors import InvalidDataset

pytestmark = pytest.mark.filterwarnings("ignore:In a future version of xarray:FutureWarning")

WINDOW = {"x": slice(100, 140), "y": slice(100, 150)}
Scenes = dict[str, xr.Dataset]


@pytest.fixture(scope="module")
def ids() -> list[str]:
    found = astra_xr.search("sentinel-2", datetime="2025-05/2025-10", catalog="sample")
    days = ("20250912", "20250714", "20251012", "20250515")
    return [name for day in days for name in found if f"MSIL2A_{day}" in name]


@pytest.fixture(scope="module")
def truth(ids: list[str]) -> Scenes:
    """By id: red, classes and the mask of each scene."""
    found = {}
    for name in ids:
        ds = astra_xr.open_scene(name, ["red", "SCL"], catalog="sample").isel(WINDOW).compute()
        found[ds["id"].item()] = ds.assign(mask=ds.astra.mask(dilate=0))
    assert len({each["mask"].values.tobytes() for each in found.values()}) == len(ids)
    return found


def opened(ids: list[str], kind: str, bands: list[str]) -> xr.Dataset:
    if kind == "scene":
        return astra_xr.open_scene(ids[0], bands, catalog="sample").isel(WINDOW)
    return astra_xr.open_scenes(ids, bands, catalog="sample").isel(WINDOW)


def later(ds: xr.Dataset) -> list[Any]:
    return [*np.atleast_1d(ds.time.values), np.datetime64("2026-01-01", "ns")]


ONE: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "gap": lambda ds: ds.isel(x=np.r_[0:10, 20 : ds.sizes["x"]]),
    "shuffle": lambda ds: ds.isel(y=np.random.default_rng(0).permutation(ds.sizes["y"])),
    "flip": lambda ds: ds.isel(x=slice(None, None, -1)),
    "stride": lambda ds: ds.isel(y=slice(None, None, 2)),
    "where drop": lambda ds: ds.where((ds.red > 0.1).compute(), drop=True),
    "where": lambda ds: ds.where(ds.red > 0.1),
    "transpose": lambda ds: ds.transpose("x", ..., "y"),
    "load": lambda ds: ds.compute(),
    "chunk": lambda ds: ds.chunk({"x": 16}),
    "pickle": lambda ds: pickle.loads(pickle.dumps(ds)),
    "rename": lambda ds: ds.rename(nir="b"),
    "arithmetic": lambda ds: ds.assign(nir=ds.nir * 2),
    "expand": lambda ds: ds.expand_dims("time"),
    "stack": lambda ds: ds.stack(pixel=("y", "x")).unstack("pixel"),
    "first": lambda ds: ds.isel(time=0),
    "second": lambda ds: ds.isel(time=1),
    "some": lambda ds: ds.isel(time=[1]),
    "backwards": lambda ds: ds.isel(time=slice(None, None, -1)),
    "sort": lambda ds: ds.sortby("time", ascending=False),
    "dropna": lambda ds: ds.dropna("time"),
    "reindex": lambda ds: ds.reindex(time=later(ds)),
    "forward": lambda ds: ds.reindex(time=later(ds), method="ffill"),
    "week": lambda ds: ds.resample(time="7D").nearest(),
    "month": lambda ds: ds.resample(time="1MS").first(),
    "groups": lambda ds: ds.groupby("time.month").max(),
    "mapped": lambda ds: ds.groupby("time").map(lambda part: part),
    "max": lambda ds: ds.max("time", keep_attrs=True),
    "quantile": lambda ds: ds.quantile(0.5, "time", keep_attrs=True),
    "roll": lambda ds: ds.roll(time=1, roll_coords=True),
    "roll x": lambda ds: ds.roll(x=3, roll_coords=True),
    "pad": lambda ds: ds.pad(x=2),
    "pad time": lambda ds: ds.pad(time=1),
    "wide": lambda ds: ds.reindex(x=np.append(ds.x.values, ds.x.values[-1] + 10)),
    "days": lambda ds: ds.assign_coords(time=ds.time.dt.floor("D")),
    "no time": lambda ds: ds.drop_vars("time"),
    "no id": lambda ds: ds.drop_vars("id"),
    "no attrs": lambda ds: ds.drop_attrs(deep=False),
    "renamed x": lambda ds: ds.rename(x="lon"),
    "halves": lambda ds: xr.concat([ds.isel(x=slice(0, 15)), ds.isel(x=slice(20, 40))], "x"),
    "steps": lambda ds: xr.concat([ds.isel(time=0), ds.isel(time=1)], "time"),
    "clip": lambda ds: ds.rio.clip_box(*ds.rio.bounds()),
    "band": lambda ds: ds[["red"]],
    "array": lambda ds: ds.red.to_dataset(),
}
TWO: dict[str, Callable[[xr.Dataset, xr.Dataset], xr.Dataset]] = {
    "concat": lambda a, b: xr.concat([a, b], "time"),
    "concat ids": lambda a, b: xr.concat([a, b], "time", coords="different", compat="equals"),
    "concat first": lambda a, b: xr.concat([a, b], "time", coords="minimal", compat="override"),
    "concat expanded": lambda a, b: xr.concat([d.expand_dims("time") for d in (a, b)], "time"),
    "concat attrs": lambda a, b: xr.concat(
        [a, b], "time", coords="different", compat="equals", combine_attrs="drop_conflicts"
    ),
    "concat scene": lambda a, b: xr.concat([a, b], "scene", coords="different", compat="equals"),
    "merge": lambda a, b: xr.merge([a[["red"]], b[["nir"]]], compat="override", join="inner"),
    "merge all": lambda a, b: xr.merge([a, b], compat="no_conflicts", join="outer"),
    "assign": lambda a, b: a.assign(nir=b.nir),
    "assign bare": lambda a, b: a.assign(red=b.red.drop_vars(["id", "time"])),
    "assign data": lambda a, b: a.assign(red=(b.red.dims, b.red.data, b.red.attrs)),
    "coords": lambda a, b: a.assign_coords(b.coords),
    "fillna": lambda a, b: a.where(a.red > 0.1).fillna(b),
    "combine": lambda a, b: a.where(a.red > 0.1).combine_first(b),
    "where": lambda a, b: a.where(a.red > 0.1, b),
    "difference": lambda a, b: b - a,
    "align": lambda a, b: xr.align(a, b.isel(x=slice(5, 20)), join="outer")[0],
}


#: Of xarray and rioxarray, for operations that a Dataset does not permit.
REFUSED = (
    *(AttributeError, LookupError, NotImplementedError, TypeError, UserWarning, ValueError),
    RioXarrayError,
)


# Quantiles of pixels that have no values.
@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")
@pytest.mark.parametrize("new", [False, True], ids=["old", "new"])
@settings(max_examples=12)
@given(
    kind=st.sampled_from(["scene", "stack"]),
    classes=st.booleans(),
    first=st.lists(st.sampled_from(sorted(ONE)), max_size=1),
    joined=st.lists(st.sampled_from(sorted(TWO)), max_size=1),
    last=st.lists(st.sampled_from(sorted(ONE)), max_size=2),
)
def test_any_operations(
    ids: list[str], truth: Scenes, new: bool, kind: str, classes: bool,
    first: list[str], joined: list[str], last: list[str],
) -> None:  # fmt: skip
    bands = ["red", "nir", *(["SCL"] if classes else [])]
    options: Any = xr.set_options
    with options(use_new_combine_kwarg_defaults=new):
        try:
            ds, other = opened(ids[:2], kind, bands), opened(ids[2:], kind, bands)
            for name in first:
                ds = ONE[name](ds)
            for name in joined:
                ds = TWO[name](ds, other)
            for name in last:
                ds = ONE[name](ds)
        except REFUSED:
            return
        check(ds, truth)


@pytest.mark.parametrize("new", [False, True], ids=["old", "new"])
@pytest.mark.parametrize("kind", ["scene", "stack"])
@pytest.mark.parametrize("operation", [*ONE, *TWO])
def test_one_operation(ids: list[str], truth: Scenes, operation: str, kind: str, new: bool) -> None:
    options: Any = xr.set_options
    with options(use_new_combine_kwarg_defaults=new):
        ds, other = (opened(some, kind, ["red", "nir"]) for some in (ids[:2], ids[2:]))
        try:
            made = ONE[operation](ds) if operation in ONE else TWO[operation](ds, other)
        except (ValueError, KeyError, AttributeError):
            return
        check(made, truth)


def check(ds: xr.Dataset, truth: Scenes) -> None:
    """Hold what is answered against the scenes that the pixels are of."""
    try:
        mask = ds.astra.mask(dilate=0)
    except InvalidDataset:
        for call in (
            ds.astra.cloud_cover,
            ds.astra.composite,
            lambda: ds.astra.index("NDVI", mask_clouds=True),
        ):
            with pytest.raises(astra_xr.AstraError):
                call()
        return
    if "lon" in mask.dims:  # of its own classes, which need no grid
        return
    assert set(mask.dims) <= {"time", "y", "x"}
    red = ds.red.transpose(..., "y", "x").compute()
    hidden = mask.compute().broadcast_like(red.astype(bool)).transpose(*red.dims)
    steps = red.sizes.get("time", 1)
    shape = (steps, red.sizes["y"], red.sizes["x"])
    places = {"y": red.y, "x": red.x}
    fits, known, cloudy, valid = (np.zeros(shape, bool) for _ in range(4))
    values, hides = red.values.reshape(shape), hidden.values.reshape(shape)
    for scene in truth.values():
        there = scene.reindex(places, method="nearest", tolerance=1)
        same = values == there["red"].values
        known |= same
        fits |= same & (there["mask"].fillna(False).values.astype(bool) == hides)
        cloudy |= same & np.isin(there["SCL"], (8, 9, 10))
        valid |= same & ~np.isin(there["SCL"], (0,))
    assert (fits | ~known).all()
    if known.size and known.all():
        assert ds.astra.cloud_cover() == pytest.approx(100 * cloudy.sum() / valid.sum(), abs=0.2)
