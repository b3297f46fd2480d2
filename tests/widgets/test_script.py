"""``picker.script``: a program that opens the very Dataset again, or words that say why not."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset
from astra_xr.scenes.call_record import keep_call
from astra_xr.scenes.options import options_of

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
BANDS = ["red", "green", "blue"]
MEMORY = "# Opened like this; values in memory may have been changed since.\n"
BOX = (-122.43, 37.49, -122.41, 37.51)
FIELD = {
    "type": "Polygon",
    "coordinates": [[[-122.43, 37.49], [-122.42, 37.49], [-122.42, 37.51], [-122.43, 37.49]]],
}
LONG = {
    "type": "Polygon",
    "coordinates": [
        [[-122.43 + 0.01 * n / 300, 37.49] for n in range(300)]
        + [[-122.42, 37.51], [-122.43, 37.49]]
    ],
}


def scene(bands: Any = BANDS, **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE, bands, catalog="sample", **options)


def stack(**options: Any) -> xr.Dataset:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return astra_xr.open_scenes(found, BANDS, **options)


def tree() -> xr.DataTree:
    return astra_xr.open_scene_tree(SCENE, [*BANDS, "B11"], catalog="sample", bbox=BOX)


def node(name: str) -> xr.Dataset:
    return tree().children[name].to_dataset()


def done(program: str) -> tuple[Any, dict[str, Any]]:
    """Run a program; return the value of its last line, and its names."""
    *lines, last = ast.parse(program).body
    names: dict[str, Any] = {}
    exec(compile(ast.Module(lines, []), "script", "exec"), names)
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "script", "eval"), names), names


def corner(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel(y=slice(-200, None), x=slice(-200, None)).drop_vars("spatial_ref")


def same_image(ds: xr.Dataset, **state: Any) -> str:
    """Check that a picker's script opens the very Dataset and draws its image; return it."""
    picker = ds.astra.pick(**state)
    script: str = picker.script
    made, names = done(script)
    again = names["ds"]
    # All coordinates; of the values those of a corner, as the image is of the whole.
    xr.testing.assert_equal(again.coords.to_dataset(), ds.coords.to_dataset())
    xr.testing.assert_equal(corner(again), corner(ds))
    for name, band in ds.items():
        assert again[name].dtype == band.dtype
        assert again[name].attrs["radiometry"] == band.attrs["radiometry"]
    image = made.sortby("y", ascending=False)  # north up
    if image.shape != picker.image.shape:  # a picker's has fewer pixels
        second = again.astra.pick(**state)
        image = second.image
        second.close()
    # Rounded; what was read stays in memory, and is not read from overviews.
    assert np.abs(image.values.astype(int) - picker.image.values).max() <= 1
    picker.close()
    return script


CASES: dict[str, Callable[[], xr.Dataset]] = {
    "plain": scene,
    "bbox": lambda: scene(bbox=BOX),
    "x and y": lambda: scene(x=(550000, 551000), y=(4150000, 4151500)),
    "window": lambda: scene().isel(y=slice(100, 300), x=slice(50, 190)),
    "window of a window": lambda: scene(bbox=BOX).isel(y=slice(9, -9)).sel(x=slice(None, 551000)),
    "mercator": lambda: scene(crs="EPSG:3857", resolution=30, bbox=BOX),
    "degrees": lambda: scene(crs="EPSG:4326", bbox=BOX),
    "utm": lambda: scene(crs="utm", bbox=BOX),
    "WKT": lambda: scene(crs="+proj=laea +lat_0=37.5 +lon_0=-122.4", resolution=20, bbox=BOX),
    "stored": lambda: scene(mask_and_scale=False, bbox=BOX),
    "60 m": lambda: scene(resolution=60, resampling="bilinear"),
    "coarsest": lambda: scene(["red", "B11", "B12"], resolution="coarsest", bbox=BOX),
    "resampling by band": lambda: scene(resolution=40, resampling={"red": "max"}),
    "raw": lambda: scene(radiometry="raw", bbox=BOX),
    "polygon": lambda: scene(intersects=FIELD),
    "long polygon": lambda: scene(intersects=LONG),
    "like": lambda: scene(like=scene(crs=4326, resolution=3e-4, bbox=BOX)),
    "geobox": lambda: scene(geobox=scene(bbox=BOX).odc.geobox.pad(3)),
    "strided": lambda: scene().isel(y=slice(3, None, 4), x=slice(0, 1500, 5)),
    "flipped": lambda: scene(bbox=BOX).isel(y=slice(None, None, -1)),
    "flipped and strided": lambda: scene(bbox=BOX).isel(y=slice(200, 11, -3)),
    "transposed": lambda: scene(bbox=BOX).transpose("x", "y").transpose("y", "x"),
    "some bands": lambda: scene(["red", "green", "blue", "nir"], bbox=BOX)[BANDS],
    "roles": lambda: scene("reflectance", bbox=BOX)[["B04", "B03", "B02"]],
    "engine": lambda: xr.open_dataset(
        SCENE, engine="astra", bands=BANDS, catalog="sample", bbox=BOX
    ),
    "one step": lambda: scene(bbox=BOX).expand_dims("time"),
    "pickled": lambda: pickle.loads(pickle.dumps(scene(bbox=BOX))),
    "dask": lambda: scene(bbox=BOX, chunks={"y": 64}),
    "loaded": lambda: scene(bbox=BOX).load(),
    "found": lambda: astra_xr.open_scene(
        astra_xr.search("sentinel-2", datetime="2025-07", catalog="sample")[0], BANDS, bbox=BOX),
    "step of a stack": lambda: stack(bbox=BOX).isel(time=1),
    "step by its date": lambda: stack(resolution=20).sel(time="2025-09-12").isel(time=0),
    "step of ungrouped": lambda: stack(groupby="id", bbox=BOX).isel(time=[2]).isel(time=0),
    "node": lambda: node("r10m"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_script_opens_the_very_dataset(case: str) -> None:
    script = same_image(CASES[case]())
    assert (MEMORY in script) == (case in ("dask", "loaded", "one step"))


def test_the_script_is_the_call_as_it_was_made() -> None:
    picker = scene(bbox=BOX).isel(x=slice(10, 90)).astra.pick()
    assert picker.script.startswith(
        "import astra_xr\n\n"
        "ds = astra_xr.open_scene(\n"
        '    "sentinel-2:S2B_MSIL2A_20250115T184929",\n'
        '    ["red", "green", "blue"],\n'
        '    catalog="sample",\n'
        "    bbox=(-122.43, 37.49, -122.41, 37.51),\n"
        ")\n"
        "ds = ds.isel(x=slice(10, 90))\n"
        "ds.astra.rgb("
    )
    picker.close()


def test_a_view_masks_and_an_index_are_in_the_script() -> None:
    ds = scene(["red", "green", "blue", "nir", "SCL"], bbox=BOX)
    same_image(ds, view=[20, 30, 120, 150], mask=True, gamma=1.3)
    picker = ds.astra.pick("NDVI", code_name="field")
    made, names = done(picker.script)
    np.testing.assert_allclose(made.get_array(), ds.astra.index("NDVI"), equal_nan=True)
    xr.testing.assert_equal(names["field"], ds)
    picker.close()


def test_a_stack_is_opened_whole_and_its_step_selected() -> None:
    ds = stack(bbox=BOX)
    picker = ds.isel(time=slice(1, None)).astra.pick()
    label = picker.about["steps"][2]["label"]
    picker.state = picker.state | {"time": label}
    made, names = done(picker.script)
    xr.testing.assert_equal(names["ds"].red, ds.red.isel(time=slice(1, None)))
    assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
    assert "ds = ds.isel(time=slice(1, " in picker.script
    picker.close()
    some = ds.isel(time=[0, 3, 4]).astra.pick()
    assert "ds = ds.isel(time=[0, 3, 4])\n" in some.script
    some.close()


def test_an_array_of_a_dataset_has_a_script() -> None:
    picker = scene(bbox=BOX)["red"].isel(y=slice(5, 50)).astra.pick()
    made, names = done(picker.script)
    xr.testing.assert_equal(names["da"], scene(bbox=BOX)["red"].isel(y=slice(5, 50)))
    assert made.get_array().shape == names["da"].shape
    picker.close()


def other(ds: xr.Dataset) -> xr.Dataset:
    """The same bands and grid of another day."""
    found = astra_xr.search("sentinel-2", datetime="2025-07", catalog="sample")
    return astra_xr.open_scene(found[0], BANDS, geobox=ds.odc.geobox)


def moved(ds: xr.Dataset) -> xr.Dataset:
    return ds.assign_coords(x=ds.x + 3)


def reopened(ds: xr.Dataset, folder: Path) -> xr.Dataset:
    ds.to_netcdf(folder / "saved.nc")
    return xr.open_dataset(folder / "saved.nc", decode_coords="all")


CHANGES: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "times two": (lambda ds: ds * 2, "red, green, blue: computed"),
    "where": (lambda ds: ds.where(ds.red > 0.1), "computed"),
    "one band": (lambda ds: ds.assign(red=ds.red / 2), r"\(red: computed"),
    "added": (lambda ds: ds.assign(ndvi=ds.red - ds.blue), r"\(ndvi: computed"),
    "interp": (lambda ds: ds.interp(x=ds.x[:9] + 3), "computed"),
    "coarsened": (
        lambda ds: ds.coarsen(y=2, x=2, boundary="trim").mean(), "pixels along y are elsewhere"),
    "moved": (moved, "pixels along x are elsewhere"),
    "padded": (
        lambda ds: ds.reindex(x=np.arange(ds.x[0] - 50, ds.x[-1], 10), method="nearest"),
        "pixels along x that were not opened"),
    "gaps": (lambda ds: ds.isel(x=[0, 1, 5]), "parts along x are left out"),
    "repeated": (lambda ds: ds.isel(x=[0, 1, 1, 2]), "parts along x are left out or repeated"),
    "one column twice": (lambda ds: ds.isel(x=[0, 0]), "parts along x are left out or repeated"),
    "no coordinate": (lambda ds: ds.drop_vars("x"), "x has no coordinate"),
    "no id": (lambda ds: ds.drop_vars("id"), "lost its scene id"),
    "renamed": (lambda ds: ds.rename(red="blue", blue="red"), "(blue|red) was renamed"),
    "of another type": (lambda ds: ds.astype("float64"), "computed"),
    "decoded": (
        lambda ds: xr.decode_cf(scene(bbox=BOX, mask_and_scale=False)).load(), "red was uint16"),
    "joined": (
        lambda ds: ds.drop_vars("red").assign(red=scene(["red"], bbox=BOX).red), "several calls"),
    "of another day": (lambda ds: other(ds).assign_coords(ds.coords), "a script needs"),
    "later of two": (
        lambda ds: xr.concat(
            [ds, other(ds)], "time", coords="different", compat="equals").isel(time=1),
        "another scene"),
    "reprojected": (lambda ds: ds.rio.reproject("EPSG:3857"), "are elsewhere|not opened"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_dataset_has_no_script(change: str) -> None:
    act, reason = CHANGES[change]
    picker = act(scene(bbox=BOX)).astra.pick()
    assert picker.about["opening"] is None
    with pytest.raises(InvalidDataset, match=rf"changed since it was opened.*{reason}"):
        _ = picker.script
    assert picker.code  # which does not open the Dataset
    picker.close()


def test_a_dataset_not_opened_by_an_id_has_no_script(tmp_path: Path) -> None:
    item = astra_xr.resolve(SCENE, BANDS, catalog="sample", sign=False).to_item()
    own = astra_xr.open_scene(item, BANDS)
    foreign = xr.Dataset({"red": (("y", "x"), np.eye(9))})
    saved = reopened(scene(bbox=BOX), tmp_path)
    for ds, reason in [
        (own, "from an item of your own, not by its id"),
        (foreign, "was not opened by astra_xr"),
        (saved, "computed, or read from a file"),
    ]:
        picker = ds.astra.pick()
        with pytest.raises(InvalidDataset, match=reason):
            _ = picker.script
        assert reason in picker.about["unopened"]
        picker.close()
    picker = scene().astra.pick(code_name="scenes[0]")
    with pytest.raises(InvalidDataset, match=r"code_name='scenes\[0\]' is not a plain name"):
        _ = picker.script
    picker.close()


@pytest.mark.parametrize(
    ("by", "options"),
    [
        ("https://stac.example/items/a.json?sig=hush", {}),
        (SCENE, {"catalog": "https://me:hush@stac.example/v1"}),
        (SCENE, {"resolver": "https://assets.example/?token=hush"}),
    ],
)
def test_a_url_with_a_secret_is_in_no_record(by: str, options: dict[str, str]) -> None:
    resolver = options.pop("resolver", None)
    ds = keep_call(scene(), "open_scene", by, options_of(options), resolver=resolver)
    picker = ds.astra.pick()
    assert "hush" not in str([ds.red.encoding, picker.about])
    with pytest.raises(InvalidDataset, match="by a URL with a query or a user"):
        _ = picker.script
    picker.close()


def test_a_record_of_an_own_item_holds_no_secret() -> None:
    item = astra_xr.resolve(SCENE, BANDS, catalog="sample").to_item().to_dict()
    for asset in item["assets"].values():
        asset["href"] += "?sig=hush"
    ds = astra_xr.open_scene(item, BANDS)
    picker = ds.astra.pick()
    kept = [ds.red.encoding, ds.attrs, picker.about, pickle.dumps(ds.red.encoding)]
    assert not any("hush" in str(each) for each in kept)
    picker.close()


def test_datasets_of_one_scene_still_join_and_are_written(tmp_path: Path) -> None:
    west, east = scene(bbox=(*BOX[:2], -122.42, BOX[3])), scene(bbox=(-122.42, *BOX[1:]))
    joined = xr.combine_by_coords([west, east.isel(x=slice(2, None))], join="inner")
    assert joined.sizes["x"] == west.sizes["x"] + east.sizes["x"] - 2
    assert scene(bbox=BOX).attrs == scene().attrs
    west.to_zarr(tmp_path / "west.zarr", consolidated=False)
    assert "opened" not in xr.open_zarr(tmp_path / "west.zarr", consolidated=False).red.encoding


def test_a_tree_opens_by_its_script() -> None:
    picker = tree().astra.pick(bands=["B11", "green", "red"])
    assert "\ntree = astra_xr.open_scene_tree(\n" in picker.script
    made, names = done(picker.script)
    xr.testing.assert_equal(names["tree"]["r20m/B11"], tree()["r20m/B11"])
    assert np.abs(made.values.astype(int) - picker.image.values).max() <= 1
    picker.close()
    part = same_image(tree().astra.to_dataset().isel(x=slice(3, 90))[BANDS])
    assert 'ds = ds.astra.to_dataset()[["red", "green", "blue"]].isel(x=slice(3, 90))\n' in part
    for changed in (
        tree().isel(x=slice(0, 40)),
        tree() * 2,
        tree().filter(lambda each: each.name != "r20m"),
    ):
        picker = changed.astra.pick()
        with pytest.raises(InvalidDataset, match="changed since it was opened"):
            _ = picker.script
        picker.close()


def test_two_datasets_are_opened_by_one_script() -> None:
    ds = scene(["red", "nir"], bbox=BOX)
    before = scene(["red", "nir"], geobox=ds.odc.geobox.pad(5)).isel(x=slice(3, None))
    picker = ds.astra.pick("NDVI", compare=before)
    script = picker.script
    assert script.count("import astra_xr\n") == 1
    assert script.count("from affine import Affine\n") == 1
    _, names = done(script)
    xr.testing.assert_equal(names["ds"], ds)
    xr.testing.assert_equal(names["other"], before)
    picker.close()
    picker = ds.astra.pick("NDVI", compare=ds * 0.9)
    with pytest.raises(InvalidDataset, match="opened. B: The Dataset was changed since"):
        _ = picker.script
    picker.close()
