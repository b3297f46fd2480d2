"""A mask is of these very pixels, or refused, whatever xarray did to scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rioxarray.merge import merge_datasets

import astra_xr
from astra_xr.errors import InvalidDataset

pytestmark = pytest.mark.filterwarnings("ignore:In a future version of xarray:FutureWarning")

WINDOW = {"x": slice(100, 160), "y": slice(100, 170)}


@pytest.fixture(params=[False, True], ids=["old", "new"], autouse=True)
def _defaults(request: pytest.FixtureRequest) -> Iterator[None]:
    options: Any = xr.set_options
    with options(use_new_combine_kwarg_defaults=request.param):
        yield


@pytest.fixture(scope="module")
def ids() -> list[str]:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return list(found)[:3]


def opened(name: str, bands: Any = ("red", "nir")) -> xr.Dataset:
    return astra_xr.open_scene(name, list(bands), catalog="sample").isel(WINDOW)


def mask_of(ids: list[str], number: int) -> xr.DataArray:
    mask: xr.DataArray = opened(ids[number]).astra.mask().compute()
    return mask


def test_the_masks_differ(ids: list[str]) -> None:
    assert (mask_of(ids, 0).values != mask_of(ids, 1).values).any()


def test_a_scene_has_time_and_id(ids: list[str]) -> None:
    scene = opened(ids[0])
    stack = astra_xr.open_scenes(ids[:1], ["red"], catalog="sample").isel(time=0)
    assert scene["time"].dtype == "datetime64[ns]"
    for name in ("time", "id"):
        assert scene[name].dims == ()
        assert scene[name].values == stack[name].values


@pytest.mark.parametrize("chunks", [None, 32])
def test_scenes_joined_along_time(ids: list[str], chunks: Any) -> None:
    parts = [opened(name) if chunks is None else opened(name).chunk(chunks) for name in ids]
    stack = xr.concat(parts, "time", coords="different", compat="equals")
    mask = stack.astra.mask()
    for number in range(3):
        np.testing.assert_array_equal(mask[number], mask_of(ids, number))
    ndvi = stack.astra.index("NDVI", mask_clouds=True)
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(ndvi[number], part.astra.index("NDVI", mask_clouds=True))


def test_one_id_for_all_steps_is_refused_with_what_keeps_each(ids: list[str]) -> None:
    parts = [opened(name) for name in ids]
    stack = xr.concat(parts, "time", coords="minimal", compat="override")
    with pytest.raises(InvalidDataset, match="one for all of them: .* keeps each") as told:
        stack.astra.mask()
    line = str(told.value).partition("all of them: ")[2].partition(" keeps")[0]
    kept = eval(line, {"xr": xr, "scenes": parts})
    np.testing.assert_array_equal(kept.astra.mask()[1], mask_of(ids, 1))


def halves(a: xr.Dataset, b: xr.Dataset) -> list[xr.Dataset]:
    return [a.isel(x=slice(0, 30)), b.isel(x=slice(30, 60))]


MIXES: dict[str, Callable[[xr.Dataset, xr.Dataset], xr.Dataset]] = {
    "concat time, first's coords": lambda a, b: xr.concat(
        [a, b], "time", coords="minimal", compat="override"
    ),
    "concat another dimension": lambda a, b: xr.concat([a, b], "scene"),
    "concat x": lambda a, b: xr.concat(halves(a, b), "x", coords="different", compat="equals"),
    "merge": lambda a, b: xr.merge(
        [a[["red"]], b[["nir"]]], compat="override", join="outer", combine_attrs="override"
    ),
    "assign": lambda a, b: a.assign(nir=b.nir),
    "assign without coordinates": lambda a, b: a.assign(nir=b.nir.drop_vars(["id", "time"])),
    "fillna": lambda a, b: a.where(a.red > 0.1).fillna(b),
    "combine_first": lambda a, b: a.where(a.red > 0.1).combine_first(b),
    "where, else": lambda a, b: a.where(a.red > 0.1, b),
    "rioxarray": lambda a, b: merge_datasets([a, b]),
    "rioxarray, halves": lambda a, b: merge_datasets(halves(a, b)),
    "dask, concat x": lambda a, b: xr.concat(
        halves(a.chunk(), b.chunk()), "x", coords="minimal", compat="override"
    ),
    "dask, one of another dimension": lambda a, b: xr.concat(
        [a.chunk(), b.chunk()], "scene", coords="minimal", compat="override"
    ).isel(scene=1),
    "dask, values of both": lambda a, b: a.chunk().assign(
        red=a.red.chunk().where(a.red > 0.1, b.red.chunk().drop_vars(["id", "time"]))
    ),
    "one of time, first's coords": lambda a, b: xr.concat(
        [a, b], "time", coords="minimal", compat="override"
    ).isel(time=1),
    "max, first's coords": lambda a, b: xr.concat(
        [a, b], "time", coords="minimal", compat="override"
    ).max("time", keep_attrs=True),
    "before and after": lambda a, b: a.assign(after=b.red.drop_vars(["id", "time"])),
    "coordinates of the other": lambda a, b: a.assign_coords(b.coords),
    "max over time": lambda a, b: xr.concat(
        [a, b], "time", coords="different", compat="equals"
    ).max("time", keep_attrs=True),
}


@pytest.mark.parametrize("bands", [("red", "nir"), ("red", "nir", "SCL")], ids=["", "SCL"])
@pytest.mark.parametrize("mix", MIXES)
def test_mixed_scenes_are_refused(ids: list[str], mix: str, bands: Any) -> None:
    mixed = MIXES[mix](opened(ids[0], bands), opened(ids[1], bands))
    for method, options in (
        ("mask", {}),
        ("cloud_cover", {}),
        ("index", {"name": "NDVI", "mask_clouds": True}),
    ):
        with pytest.raises(InvalidDataset, match=r"open_scenes.*a band of your own"):
            getattr(mixed.astra, method)(**options)


def test_a_stack_without_its_ids_is_refused(ids: list[str]) -> None:
    stack = astra_xr.open_scenes(ids, ["red", "SCL"], catalog="sample").isel(WINDOW)
    for lost in (stack.max("time", keep_attrs=True), stack.drop_vars("id")):
        with pytest.raises(InvalidDataset, match="lost its scene id"):
            lost.astra.mask()


SAME: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "flip": lambda ds: ds.isel(x=slice(None, None, -1)),
    "stride": lambda ds: ds.isel(x=slice(0, 60, 2), y=slice(0, 70, 2)),
    "transpose": lambda ds: ds.transpose("x", "y"),
    "load": lambda ds: ds.compute(),
    "where": lambda ds: ds.where(ds.red > 0.1),
    "arithmetic": lambda ds: ds.assign(red=ds.red * 2),
    "clip": lambda ds: ds.rio.clip_box(*ds.rio.bounds()),
    "coordinates": lambda ds: ds.assign_coords(y2=("y", np.arange(70))),
}


@pytest.mark.parametrize("same", SAME)
def test_one_scene_stays_one(ids: list[str], same: str) -> None:
    changed = SAME[same](opened(ids[0]))
    mask, full = changed.astra.mask(dilate=0), opened(ids[0]).astra.mask(dilate=0)
    np.testing.assert_array_equal(mask.transpose("y", "x"), full.sel(x=changed.x, y=changed.y))


def test_stored_numbers_that_rioxarray_merged_are_refused(ids: list[str]) -> None:
    options: dict[str, Any] = {"catalog": "sample", "mask_and_scale": False}
    a, b = (astra_xr.open_scene(name, ["red", "nir"], **options).isel(WINDOW) for name in ids[:2])
    for parts in ([a, b], halves(a, b)):
        with pytest.raises(InvalidDataset, match="rioxarray merged"):
            merge_datasets(parts).astra.mask()
    for one in (a, a.compute(), a.rio.reproject(3857), a.rio.clip_box(*a.rio.bounds())):
        one.astra.mask()


def test_bands_of_other_stacks_are_refused(ids: list[str]) -> None:
    def stack(names: list[str], bands: list[str]) -> xr.Dataset:
        return astra_xr.open_scenes(names, bands, catalog="sample").isel(WINDOW)

    own, other = stack(ids[:2], ["red"]), stack(ids[1:], ["nir"]).compute()
    foreign = own.assign(nir=(other.nir.dims, other.nir.data, other.nir.attrs))
    for ds in (foreign, foreign.compute(), foreign.isel(time=0)):
        with pytest.raises(InvalidDataset, match="not also of"):
            ds.astra.mask()
    whole = xr.merge([own, stack(ids[:2], ["nir"])])
    np.testing.assert_array_equal(whole.astra.mask(), own.astra.mask())
    longer = xr.concat([own, stack(ids[2:], ["red"])], "time").astra.mask().sortby("time")
    np.testing.assert_array_equal(longer, stack(ids, ["red"]).astra.mask())


def test_a_step_of_joined_scenes(ids: list[str]) -> None:
    stack = xr.concat([opened(name) for name in ids], "time", coords="different", compat="equals")
    for number in range(3):
        for step in (stack.isel(time=number), stack.isel(time=[number])):
            np.testing.assert_array_equal(step.astra.mask().squeeze(), mask_of(ids, number))
    single = opened(ids[1]).expand_dims("time")
    np.testing.assert_array_equal(single.astra.mask(), mask_of(ids, 1))


def test_elevation_beside_a_scene(ids: list[str]) -> None:
    scene = opened(ids[0])
    ground = scene.red.copy(data=np.zeros(scene.red.shape)).assign_attrs(
        role="elevation", scene_id="copernicus-dem:Copernicus_DSM_COG_10_N37_00_W123_00_DEM"
    )
    np.testing.assert_array_equal(scene.assign(dem=ground).astra.mask(), mask_of(ids, 0))
