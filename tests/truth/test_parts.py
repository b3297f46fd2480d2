"""A part of an array on another grid equals that part of the whole, to the last bit."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from scipy.ndimage import binary_erosion

import astra_xr
from astra_xr.model import Grid
from astra_xr.reading.positions import Positions
from astra_xr.reading.resampling import RESAMPLINGS
from astra_xr.testing import write_cog

SINUSOIDAL = "+proj=sinu +lon_0=-120 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"  # as MODIS
CRSS = ("EPSG:32610", "EPSG:32611", "EPSG:3857", "EPSG:4326", "EPSG:3035", "EPSG:5070",
        "EPSG:3413", SINUSOIDAL)  # fmt: skip
BOXES = {
    "EPSG:32610": GeoBox((240, 220), Affine(10, 0, 500000, 0, -10, 4200000), "EPSG:32610"),
    "EPSG:4326": GeoBox((210, 260), Affine(1e-4, 0, -122, 0, -1e-4, 38), "EPSG:4326"),
}
KERNELS = ("bilinear", "cubic", "lanczos")


@functools.cache
def item(crs: str, overviews: str | None) -> dict[str, Any]:
    """A file whose pixels all differ from their neighbors, with gaps."""
    box = BOXES[crs]
    rng = np.random.default_rng(3)
    stored = rng.integers(1, 9000, box.shape).astype("uint16")
    stored[:50, :60] = 0
    stored[130:134, 100:170] = 0
    path = Path(tempfile.mkdtemp()) / "a.tif"
    write_cog(path, stored, crs=crs, transform=box.affine, blocksize=128, overviews=overviews)
    return {"id": "a", "properties": {"datetime": "2024-06-01T10:00:00Z"},
            "assets": {"data": {"href": str(path), "raster:bands": [{"scale": 1e-4, "offset": -0.1,
            "nodata": 0, "data_type": "uint16"}]}}}  # fmt: skip


def grid(source: str, crs: str, size: float) -> GeoBox:
    """A grid around the file, with pixels ``size`` times as large."""
    box = BOXES[source].to_crs(crs, tight=True).pad(5)
    return box.zoom_out(size) if crs != source else box.translate_pix(0.3, -0.4).zoom_out(size)


def band(source: str, target: GeoBox, how: str, overviews: str | None, **options: Any) -> Any:
    found = astra_xr.open_scene(item(source, overviews), geobox=target, resampling=how, **options)
    return found["data"]


def moved(whole: xr.DataArray, rows: int, cols: int) -> xr.DataArray:
    return whole.shift(y=rows, x=cols, fill_value=0)


def joined(array: xr.DataArray, down: int, across: int) -> Any:
    """Return an array cut in four, and put together by its coordinates."""
    parts = [[array[ys, xs] for xs in (slice(across), slice(across, None))]
             for ys in (slice(down), slice(down, None))]  # fmt: skip
    there = xr.combine_nested(parts, ["y", "x"])
    assert there.x.equals(array.x)
    assert there.y.equals(array.y)
    return there


@settings(max_examples=50)
@given(data=st.data())
def test_a_part_of_the_whole_is_the_whole_of_the_part(data: st.DataObject) -> None:
    def pick(values: Any) -> Any:
        return data.draw(st.sampled_from(values))

    source, crs = pick(list(BOXES)), pick(CRSS)
    target = grid(source, crs, pick([0.7, 1.0, 2.0, 3.3]))
    how = pick(RESAMPLINGS)
    options = {"mask_and_scale": pick([True, False])}
    given = source, target, how, pick(["average", None])
    whole = band(*given, **options).values
    rows, cols = whole.shape
    key = {"y": data.draw(st.slices(rows)), "x": data.draw(st.slices(cols))}
    expected = whole[key["y"], key["x"]]
    way = pick(["cut", "cut of a cut", "dask", "joined", "points", "shifted"])
    if way == "dask":
        chunks = {"y": data.draw(st.integers(7, rows)), "x": data.draw(st.integers(7, cols))}
        found = band(*given, chunks=chunks, **options).isel(key).values
    elif way == "points":
        ys, xs = (
            data.draw(st.lists(st.integers(0, n - 1), min_size=5, max_size=5)) for n in whole.shape
        )
        found = band(*given, **options).isel(y=xr.Variable("p", ys), x=xr.Variable("p", xs)).values
        expected = whole[ys, xs]
    else:
        lazy = band(*given, **options)
        if way == "cut":
            lazy = lazy.isel(key)
        elif way == "cut of a cut":
            lazy = lazy.isel(y=slice(None, None, -1)).isel(x=key["x"]).isel(y=slice(3, -2, 2))
            expected = whole[::-1][:, key["x"]][3:-2:2]
        elif way == "joined":
            lazy = joined(lazy, rows // 3, data.draw(st.integers(1, cols - 1)))
            expected = whole
        else:
            lazy, expected = (
                moved(lazy[:, 5:], 2, -1),
                moved(xr.DataArray(whole, dims=("y", "x"))[:, 5:], 2, -1),
            )
        found = lazy.values
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(found, expected)


# Against PROJ and GDAL


def exactly(source: GeoBox, target: GeoBox) -> tuple[Any, Any]:
    """Return the exact row and column of the file under each pixel's center."""
    rows, cols = (np.arange(n) + 0.5 for n in target.shape)
    x, y = target.affine @ tuple(np.meshgrid(cols, rows))
    way = pyproj.Transformer.from_crs(str(target.crs), str(source.crs), always_xy=True)
    x, y = way.transform(x, y)
    across, down = ~source.affine @ (x, y)
    return np.asarray(down), np.asarray(across)


@pytest.mark.parametrize("size", [0.7, 2.6])
@pytest.mark.parametrize("crs", CRSS)
@pytest.mark.parametrize("source", BOXES)
def test_nearest_is_the_pixel_where_proj_has_it(source: str, crs: str, size: float) -> None:
    target = grid(source, crs, size)
    found = band(source, target, "nearest", None, mask_and_scale=False).values
    with rasterio.open(item(source, None)["assets"]["data"]["href"]) as file:
        stored = file.read(1)
    down, across = exactly(BOXES[source], target)
    inside = (down >= 0) & (down < stored.shape[0]) & (across >= 0) & (across < stored.shape[1])
    row, col = (
        np.clip(np.floor(v), 0, n - 1).astype(int)
        for v, n in zip((down, across), stored.shape, strict=True)
    )
    expected = np.where(inside, stored[row, col], 0)
    near = np.minimum(abs(down - np.round(down)), abs(across - np.round(across))) < 0.01
    assert near.mean() < 0.25
    np.testing.assert_array_equal(found[~near], expected[~near])


@pytest.mark.parametrize("size", [1.0, 2.6])
@pytest.mark.parametrize("how", [*KERNELS, "average", "min", "max", "med"])
@pytest.mark.parametrize("crs", ["EPSG:32611", "EPSG:3857"])
def test_others_are_those_of_gdals_exact_warper(crs: str, how: str, size: float) -> None:
    target = grid("EPSG:32610", crs, size)
    found = band("EPSG:32610", target, how, None, mask_and_scale=False).values.astype(int)
    down, across = steps(*exactly(BOXES["EPSG:32610"], target))
    with (
        rasterio.open(item("EPSG:32610", None)["assets"]["data"]["href"]) as file,
        # GDAL would guess the kernels' width from the size of the window.
        WarpedVRT(file, crs=crs, transform=target.affine, height=target.shape.y,
                  width=target.shape.x, resampling=Resampling[how], tolerance=1e-4,
                  XSCALE=1 / across, YSCALE=1 / down) as oracle,
    ):  # fmt: skip
        expected = oracle.read(1).astype(int)
    assert ((found > 0) != (expected > 0)).mean() < 0.003
    # Beside pixels without data GDAL takes bilinear for cubic.
    both = binary_erosion((found > 0) & (expected > 0), iterations=5)
    wrong = abs(found - expected)[both]
    if how in KERNELS:
        assert wrong.max() <= 0.01 * 9000
        assert np.median(wrong) <= 1
    else:
        # In a grid that is turned, GDAL takes the box between two of a pixel's corners.
        assert (wrong > 90).mean() < (0.6 if crs == "EPSG:32611" else 0.03)


def steps(down: Any, across: Any) -> tuple[float, float]:
    """Return rows and columns of the file per pixel, in the middle."""
    row, col = down.shape[0] // 2, down.shape[1] // 2
    return tuple(
        math.hypot(v[row, col + 1] - v[row, col], v[row + 1, col] - v[row, col])
        for v in (down, across)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("crs", ["EPSG:32610", "EPSG:3857"])
def test_mode_is_the_class_that_most_of_a_pixel_is_of(tmp_path: Path, crs: str) -> None:
    classes = np.add.outer(np.arange(300) // 7, np.arange(310) // 11).astype("uint8") % 5 + 1
    write_cog(tmp_path / "a.tif", classes, overviews=None)
    scene = {"id": "a", "properties": {}, "assets": {"data": {"href": str(tmp_path / "a.tif")}}}
    options: Any = {"mask_and_scale": False, "crs": crs, "resolution": 40}
    found = astra_xr.open_scene(scene, resampling="mode", **options)["data"]
    shares = [
        astra_xr.open_scene(share_of(tmp_path, classes, n), resampling="average", crs=crs,
                            resolution=40, mask_and_scale=False)["data"].values
        for n in range(1, 6)
    ]  # fmt: skip
    most = np.max(shares, axis=0)
    clear = np.sort(shares, axis=0)[-2] < most - 1e-6
    inside = most > 0
    assert (clear & inside).mean() > 0.5
    np.testing.assert_array_equal(
        found.values[clear & inside], np.argmax(shares, axis=0)[clear & inside] + 1
    )


def share_of(folder: Path, classes: Any, n: int) -> dict[str, Any]:
    path = folder / f"share{n}.tif"
    write_cog(path, (classes == n).astype("float32"), overviews=None, nodata=None, predictor=1)
    return {"id": "a", "properties": {}, "assets": {"data": {"href": str(path)}}}


@pytest.mark.parametrize("how", RESAMPLINGS)
def test_infinite_and_complex_numbers_stay_where_they_are(tmp_path: Path, how: str) -> None:
    box = BOXES["EPSG:32610"]
    stored = np.random.default_rng(1).normal(size=(60, 60)).astype("complex64")
    special = stored.real.copy()
    special[20, 30], special[40, 10] = np.inf, -np.inf
    for name, values, nodata in (
        ("complex", stored, None),
        ("filled", stored, -9999),
        ("special", special, None),
    ):
        path = tmp_path / f"{name}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=60, height=60, count=1, crs=box.crs,
                           dtype=values.dtype, transform=box.affine,
                           nodata=nodata) as file:  # fmt: skip
            file.write(values, 1)
        scene = {"id": "a", "properties": {}, "assets": {"data": {"href": str(path)}}}
        opened: Any = {"resolution": 15, "resampling": how, "mask_and_scale": False}
        whole = astra_xr.open_scene(scene, **opened)["data"].values
        assert whole.dtype == values.dtype
        finite = np.isfinite(whole)
        assert finite.all() if name != "special" else finite.mean() > 0.9
        assert name != "special" or how == "med" or not finite.all()
        part = astra_xr.open_scene(scene, **opened)["data"][11:30, 3:-4]
        np.testing.assert_array_equal(part, whole[11:30, 3:-4])


# Where pixels lie


PLACES = {
    "EPSG:32610": (500000, 4200000), "EPSG:32760": (800000, 8000000), "EPSG:32601": (200000, 1e6),
    "EPSG:4326": (179.9, 40.0), "EPSG:3857": (-13.5e6, 4.5e6), "EPSG:3413": (3e5, -2e5),
    "EPSG:3035": (4e6, 3e6), "EPSG:5070": (-2e6, 1.9e6), "EPSG:3031": (1e5, 1e5),
    SINUSOIDAL: (-1e5, 4.1e6),
}  # fmt: skip


@settings(max_examples=40)
@given(data=st.data())
def test_pixels_are_where_proj_has_them(data: st.DataObject) -> None:
    """Of any grids, over the antimeridian and near a pole too, and alike in any window."""
    crs, other = data.draw(st.permutations(list(PLACES)))[:2]
    meters = data.draw(st.sampled_from([1, 10, 30, 300, 1000, 20000]))
    size, step = (meters / 1e5 if each == "EPSG:4326" else meters for each in (crs, other))
    x, y = PLACES[crs]
    target = Grid(crs=crs, shape=(150, 180), transform=(size, 0, x, 0, -size, y))
    way = pyproj.Transformer.from_crs(crs, other, always_xy=True)
    left, top = way.transform(x + 70 * size, y - 80 * size)
    assume(math.isfinite(left))
    left, top = left - 200 * step, top + 200 * step
    source = Grid(crs=other, shape=(500, 500), transform=(step, 0, left, 0, -step, top))
    found = Positions(source, target)
    starts = [data.draw(st.integers(0, n - 1)) for n in target.shape]
    rows, cols = (
        (low, data.draw(st.integers(low + 1, n)))
        for low, n in zip(starts, target.shape, strict=True)
    )
    here = found.at(rows, cols)
    whole = found.at((0, 150), (0, 180))
    exact = found.exact(np.arange(*rows)[:, None] + 0.5, np.arange(*cols)[None] + 0.5)
    for axis in (0, 1):
        np.testing.assert_array_equal(here[axis], whole[axis][slice(*rows), slice(*cols)])
        known = np.isfinite(exact[0]) & np.isfinite(exact[1])
        assert (here[axis][~known] < -1e6).all()
        assert np.abs(here[axis] - exact[axis])[known].max(initial=0) < 0.01
    bounds = found.bounds(rows, cols)
    if known.any():
        assert bounds == tuple((float(v[known].min()), float(v[known].max())) for v in here)
