"""Scenes, stacks and indices still know their scenes: times that were rounded, files, attrs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset

WINDOW = {"x": slice(100, 160), "y": slice(100, 170)}


@pytest.fixture(scope="module")
def ids() -> list[str]:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return list(found)[:3]


def opened(name: str) -> xr.Dataset:
    return astra_xr.open_scene(name, ["red", "nir"], catalog="sample").isel(WINDOW)


TIMES: dict[str, Callable[[xr.DataArray], Any]] = {
    "day": lambda time: time.dt.floor("D"),
    "minute": lambda time: time.dt.floor("min"),
    "other day": lambda time: time + np.timedelta64(1, "D"),
    "hours later": lambda time: time + np.timedelta64(7, "h"),
}


@pytest.mark.parametrize("change", TIMES)
def test_a_time_that_was_rounded_is_the_same(ids: list[str], change: str) -> None:
    scene = opened(ids[0])
    stack = astra_xr.open_scenes(ids, ["red"], catalog="sample").isel(WINDOW)
    for ds in (scene, stack):
        changed = ds.assign_coords(time=TIMES[change](ds.time))
        if change in ("day", "minute"):
            np.testing.assert_array_equal(changed.astra.mask(), ds.astra.mask())
        else:
            with pytest.raises(InvalidDataset, match="its time differs"):
                changed.astra.mask()


STRINGS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "as they are": lambda ds: ds,
    "objects": lambda ds: ds.assign_coords(id=ds.id.astype(object)),
    "one length": lambda ds: ds.assign_coords(id=ds.id.astype(str)),
    "bytes": lambda ds: ds.assign_coords(id=ds.id.astype(str).astype("S")),
}


@pytest.mark.filterwarnings("ignore:The data type")  # of strings of one length, in Zarr 3
@pytest.mark.parametrize(
    ("what", "strings"),
    [
        *((what, strings) for what in ("scene", "stack") for strings in STRINGS),
        *((what, "as they are") for what in ("step", "joined", "composite", "index")),
    ],
)
@pytest.mark.parametrize("form", ["nc", "nc3", "zarr"])
def test_reopened_files(ids: list[str], tmp_path: Path, what: str, form: str, strings: str) -> None:
    stack = astra_xr.open_scenes(ids, ["red", "nir"], catalog="sample").isel(WINDOW)
    scene = opened(ids[0])
    ds = {
        "scene": scene,
        "step": stack.isel(time=1),
        "stack": stack,
        "joined": xr.concat([scene, opened(ids[1])], "time", coords="different", compat="equals"),
        "composite": stack.astra.composite(),
        "index": scene.astra.index(["NDVI"]),
    }[what]
    kept = STRINGS[strings](ds) if "id" in ds.coords else ds
    path = tmp_path / f"file.{form}"
    if form == "zarr":
        kept.to_zarr(path, consolidated=False)
        back = xr.open_dataset(path, engine="zarr", consolidated=False)
    else:
        kept.to_netcdf(path, engine="scipy" if form == "nc3" else None)
        back = xr.open_dataset(path)
    with back:
        if what == "composite":
            for call in (back.astra.mask, back.astra.cloud_cover):
                with pytest.raises(InvalidDataset, match="lost its scene id"):
                    call()
            return
        np.testing.assert_array_equal(back.astra.mask(), ds.astra.mask())
        assert back.astra.cloud_cover() == ds.astra.cloud_cover()
        if what != "index":
            again = back.astra.index("NDVI", mask_clouds=True)
            np.testing.assert_array_equal(again, ds.astra.index("NDVI", mask_clouds=True))


def test_an_index_knows_its_scene(ids: list[str]) -> None:
    scene = opened(ids[0])
    ndvi = scene.astra.index("NDVI")
    for name in ("scene_id", "catalog", "resolved_at", "resolved_by"):
        assert ndvi.attrs[name] == scene.red.attrs[name]
    np.testing.assert_array_equal(ndvi.to_dataset().astra.mask(), scene.astra.mask())
    mixed = scene.assign(nir=opened(ids[1]).nir).astra.index("NDVI")
    assert mixed.attrs["scene_id"].split(", ") == [opened(name).id.item() for name in ids[:2][::-1]]
    with pytest.raises(InvalidDataset, match="not also of"):
        mixed.to_dataset().astra.mask()
    stack = astra_xr.open_scenes(ids, ["red", "nir"], catalog="sample").isel(WINDOW)
    series = stack.astra.index("NDVI").to_dataset()
    np.testing.assert_array_equal(series.astra.mask(), stack.astra.mask())
    with pytest.raises(InvalidDataset):
        series.max("time", keep_attrs=True).astra.mask()
