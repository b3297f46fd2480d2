"""Scenes of one moment that overlap: which of them each pixel is of."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.mosaic import Layer, MosaicArray
from astra_xr.testing import write_cog
from tests.stacks import add, landsat_item, s2_item

SIDE = 256
CLOUD, SHADOW, LAND = 9, 3, 4


def dn(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(1001, 9000, (side, side)).astype("uint16")


def reflectance(stored: np.ndarray) -> np.ndarray:
    return np.where(stored == 0, np.nan, stored * 1e-4 - 0.1)


def classes(seed: int) -> np.ndarray:
    """A class band in patches: some land, cloud, shadow, no data."""
    small = np.random.default_rng(seed).choice([LAND, LAND, CLOUD, SHADOW, 0], (16, 16))
    return np.kron(small, np.ones((16, 16))).astype("uint8")


def scene(
    folder: Path, seed: int, clouds: float, *, shift: tuple[int, int] = (0, 0), **options: Any
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """A scene, its stored red, and its classes; where it has no class it has no data."""
    scl = classes(seed)
    red = np.where(scl == 0, 0, dn(seed)).astype("uint16")
    item = s2_item(folder, clouds=clouds, **options)
    add(item, folder, "B04", red, shift=shift)
    add(item, folder, "SCL", scl, shift=shift)
    return item, red, scl


def best(layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What numpy says: the first clear pixel, else the first that has data."""
    out = np.full(layers[0][0].shape, np.nan)
    for want_clear in (True, False):
        for red, scl in layers:
            fits = (red != 0) & (~np.isin(scl, (3, 8, 9, 10)) if want_clear else True)
            out = np.where(np.isnan(out) & fits, red * 1e-4 - 0.1, out)
    return out


def test_the_clear_pixel_of_the_clearest_scene_comes_first(tmp_path: Path) -> None:
    first, red1, scl1 = scene(tmp_path, 1, 20.0)
    second, red2, scl2 = scene(tmp_path, 2, 60.0, time="184943")
    third, red3, scl3 = scene(tmp_path, 3, 40.0, time="184957")
    expected = best([(red1, scl1), (red3, scl3), (red2, scl2)])
    assert not np.array_equal(expected, reflectance(red1))
    for order in ([first, second, third], [third, second, first]):
        ds = astra_xr.open_scenes(order, ["red"])
        assert ds.sizes["time"] == 1
        np.testing.assert_allclose(ds.red[0], expected, atol=1e-6)
    # A window, points, and dask chunk by chunk, give the same.
    np.testing.assert_allclose(ds.red[0, 100:140, 30:90], expected[100:140, 30:90], atol=1e-6)
    p = xr.DataArray([3, 40, 250], dims="p")
    np.testing.assert_allclose(ds.red.isel(x=p, y=p)[0], expected[p, p], atol=1e-6)
    chunked = astra_xr.open_scenes(order, ["red"], chunks={"y": 100, "x": 100})
    np.testing.assert_allclose(chunked.red[0], expected, atol=1e-6)
    stored = astra_xr.open_scenes(order, ["red"], mask_and_scale=False).red[0]
    np.testing.assert_array_equal(
        stored, np.where(np.isnan(expected), 0, np.rint((expected + 0.1) * 1e4))
    )


def test_neighbours_fill_each_other_up(tmp_path: Path) -> None:
    west, red1, scl1 = scene(tmp_path, 1, 50.0)
    east, red2, scl2 = scene(tmp_path, 2, 10.0, shift=(200, 0), tile="10SFG")
    ds = astra_xr.open_scenes([west, east], ["red", "SCL"])
    assert dict(ds.sizes) == {"time": 1, "y": 256, "x": 456}
    a, b = np.zeros((2, 2, 256, 456))
    a[0, :, :256], a[1, :, :256] = red1, scl1
    b[0, :, 200:], b[1, :, 200:] = red2, scl2
    np.testing.assert_allclose(ds.red[0], best([(b[0], b[1]), (a[0], a[1])]), atol=1e-6)
    expected = best([(b[1], b[1]), (a[1], a[1])])
    numbers = np.where(np.isnan(expected), 0, np.rint((expected + 0.1) * 1e4))
    np.testing.assert_array_equal(ds.SCL[0], numbers)
    assert ds.SCL.dtype == np.uint8


def test_what_one_scene_covers_alone_costs_one_scene(tmp_path: Path) -> None:
    west, red, _ = scene(tmp_path, 1, 50.0)
    east, *_ = scene(tmp_path, 2, 10.0, shift=(200, 0), tile="10SFG")
    ds = astra_xr.open_scenes([west, east], ["red"])
    Path(east["assets"]["B04"]["href"]).unlink()
    for item in (west, east):
        Path(item["assets"]["SCL"]["href"]).unlink()
    np.testing.assert_allclose(ds.red[0, :, :190], reflectance(red)[:, :190], atol=1e-6)


def test_scenes_that_only_touch_read_no_class_band(tmp_path: Path) -> None:
    first, second = s2_item(tmp_path, B04=dn(0)), s2_item(tmp_path, tile="10SFG")
    add(second, tmp_path, "B04", dn(1), shift=(0, 256))
    ds = astra_xr.open_scenes([first, second], ["red"])
    expected = np.concatenate([reflectance(dn(0)), reflectance(dn(1))])
    np.testing.assert_allclose(ds.red[0], expected, atol=1e-6)


def test_without_a_class_band_the_next_fills_what_has_no_data(tmp_path: Path) -> None:
    holes = dn(0)
    holes[:100] = 0
    first = s2_item(tmp_path, clouds=1.0, B04=holes)
    second = s2_item(tmp_path, clouds=2.0, time="184943", B04=dn(1))
    ds = astra_xr.open_scenes([first, second], ["red"])
    expected = np.where(holes == 0, reflectance(dn(1)), reflectance(holes))
    np.testing.assert_allclose(ds.red[0], expected, atol=1e-6)


# Real rasters, cut into two overlapping scenes


def _cut(path: Path, folder: Path, name: str, rows: slice, cols: slice) -> dict[str, Any]:
    with rasterio.open(path) as file:
        stored = file.read(1)[rows, cols]
        transform = file.transform @ Affine.translation(cols.start, rows.start)
        target = folder / f"{name}-{path.name}"
        crs, nodata = file.crs.to_string(), file.nodata
    write_cog(
        target, stored, crs=crs, transform=transform, nodata=nodata, blocksize=128, overviews=None
    )
    return {
        "href": str(target),
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "proj:shape": list(stored.shape),
        "proj:transform": list(transform)[:6],
        "proj:epsg": int(crs.split(":")[1]),
    }


REAL = {
    "sentinel-2": (
        "sentinel2-S2A_29RKH_20200219_0_L2A/{}.tif", ("B04", "B04"), ("SCL", "SCL"), 1e-4, -0.1,
    ),
    "landsat": (
        "landsat-LC08_L2SP_005009_20150710/LC08_L2SP_005009_20150710_20200908_02_T2_{}.TIF",
        ("SR_B4", "red"), ("QA_PIXEL", "qa_pixel"), 2.75e-5, -0.2,
    ),
}  # fmt: skip
"""Files, the red one and the name of its asset, the same of the class band, scale, offset."""


@pytest.mark.parametrize("mission", REAL)
def test_real_mosaics_equal_numpy(shared: Path, tmp_path: Path, mission: str) -> None:
    files, (red, name), (mask, key), scale, offset = REAL[mission]
    paths = {each: shared / "rasters" / files.format(each) for each in (red, mask)}
    with rasterio.open(paths[red]) as file, rasterio.open(paths[mask]) as qa:
        stored, size, crs = file.read(1), file.shape, file.crs
        factor = round(file.width / qa.width)
    half, lap = size[1] // 2 // 8 * 8, 40
    cuts = (slice(0, half + lap), slice(half - lap, size[1] // 8 * 8))
    make = s2_item if mission == "sentinel-2" else landsat_item
    scenes = []
    for number, cols in enumerate(cuts):
        item = make(tmp_path, f"2025011{5 + number}")
        item["properties"]["datetime"] = "2025-01-15T18:00:00Z"
        item["properties"]["eo:cloud_cover"] = 10.0 * number
        down = slice(0, size[0] // 8 * 8)
        item["assets"][name] = _cut(paths[red], tmp_path, str(number), down, cols)
        small = [slice(s.start // factor, s.stop // factor) for s in (down, cols)]
        item["assets"][key] = _cut(paths[mask], tmp_path, str(number), *small)
        scenes.append(item)
    ds = astra_xr.open_scenes(scenes, ["red"], groupby="time")
    assert ds.rio.crs == crs
    values = np.where(stored == 0, np.nan, stored * scale + offset)[down, : cuts[1].stop]
    # Both halves are of one picture: the seam cannot be seen.
    np.testing.assert_allclose(ds.red[0], values, atol=1e-6)
    stack = astra_xr.open_scenes(scenes, ["red"], groupby="id")
    assert stack.sizes["time"] == 2
    np.testing.assert_allclose(stack.red.mean("time"), values, atol=1e-6)


def test_points_over_many_time_steps_take_memory_for_their_values_alone(tmp_path: Path) -> None:
    steps, points = 300, 600
    item = s2_item(tmp_path, B04=dn(1, 64))
    red = astra_xr.open_scene(item, ["red"]).red.variable
    layer = Layer(pixels=red, rows=(0, 64), cols=(0, 64))
    array = MosaicArray([[layer]] * steps, "f4", label="red")
    rng = np.random.default_rng(2)
    rows, cols = (xr.Variable("point", rng.integers(0, 64, points)) for _ in range(2))
    wanted = xr.Variable(("time", "y", "x"), wrap(array)).isel(y=rows, x=cols)
    tracemalloc.start()
    values = wanted.values
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(values[7], reflectance(dn(1, 64))[rows, cols], atol=1e-6)
    assert peak < 40 * values.nbytes
