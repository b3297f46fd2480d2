"""Pixels on other grids: against numpy where they are exact, else against rasterio's warper."""

from __future__ import annotations

import itertools
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from xarray.core import indexing

from astra_xr.arrays.raster import RasterArray
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.model import Grid, Radiometry
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.ranges import traffic
from astra_xr.reading.warp import Warp
from astra_xr.reading.window import Window
from astra_xr.testing import RangeServer, write_cog

ROWS, COLS = 1100, 1000
FILE = (10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0)
RADIOMETRY = Radiometry(dtype="uint16", scale=1e-4, offset=-0.1, nodata=0)


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    rng = np.random.default_rng(5)
    waves = np.add.outer(np.sin(np.arange(ROWS) / 40), np.cos(np.arange(COLS) / 33))
    pixels = (3000 + 900 * waves + rng.integers(0, 50, (ROWS, COLS))).astype(np.uint16)
    pixels[:130, :217] = 0
    pixels[700:703, 500:599] = 0
    return pixels


@pytest.fixture(scope="module")
def path(stored: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image with no overviews."""
    path = tmp_path_factory.mktemp("warp") / "a.tif"
    profile = {"driver": "GTiff", "width": COLS, "height": ROWS, "count": 1, "dtype": "uint16",
               "crs": "EPSG:32610", "transform": Affine(*FILE), "nodata": 0, "tiled": True,
               "blockxsize": 128, "blockysize": 128, "compress": "deflate"}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(stored, 1)
    return path


@pytest.fixture(scope="module")
def pyramid(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image with overviews of 2, 4 and 8."""
    copy = tmp_path_factory.mktemp("warp") / "b.tif"
    copy.write_bytes(path.read_bytes())
    with rasterio.open(copy, "r+") as file:
        file.build_overviews([2, 4, 8], Resampling.average)
    return copy


def lazy(
    path: Path, target: Grid, resampling: str, *, decode: bool = True, base: str = ""
) -> xr.Variable:
    source = Grid(crs="EPSG:32610", shape=(ROWS, COLS), transform=FILE)
    whole = Window(
        source=FixedUrl(f"{base}{path}"), label="scene red", shape=(ROWS, COLS), indexes=(1,),
        rows=(0, ROWS), cols=(0, COLS), radiometry=RADIOMETRY,
    )  # fmt: skip
    warp = Warp(source=source, target=target, resampling=resampling)
    array = RasterArray(whole, decode=decode, planes=False, warp=warp)
    return xr.Variable(("y", "x"), indexing.LazilyIndexedArray(array))


def pixels_of(*args: Any, **options: Any) -> np.ndarray:
    return lazy(*args, **options).values


def coarser(size: float) -> Grid:
    shape = (int(np.ceil(ROWS * 10 / size)), int(np.ceil(COLS * 10 / size)))
    return Grid(crs="EPSG:32610", shape=shape, transform=(size, 0, FILE[2], 0, -size, FILE[5]))


def reflectance(stored: np.ndarray) -> np.ndarray:
    values = stored.astype(np.float32) * np.float32(1e-4) + np.float32(-0.1)
    return np.where(stored == 0, np.float32(np.nan), values)


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_whole_factors_are_means_of_the_valid_pixels(
    path: Path, stored: np.ndarray, factor: int
) -> None:
    target = coarser(10 * factor)
    padded = np.full((target.shape[0] * factor, target.shape[1] * factor), np.nan)
    padded[:ROWS, :COLS] = reflectance(stored)
    blocks = padded.reshape(target.shape[0], factor, target.shape[1], factor).swapaxes(1, 2)
    count = (~np.isnan(blocks)).sum(axis=(2, 3))
    with np.errstate(invalid="ignore"):
        expected = np.nansum(blocks, axis=(2, 3)) / count
    got = pixels_of(path, target, "average")
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-7)
    assert got.dtype == np.float32

    numbers = pixels_of(path, target, "average", decode=False)
    np.testing.assert_array_equal(numbers == 0, count == 0)
    means = (expected + 0.1) / 1e-4
    assert numbers.dtype == np.uint16
    valid = count > 0
    np.testing.assert_allclose(numbers[valid], means[valid], rtol=0, atol=0.51)


@pytest.mark.parametrize("size", [11, 15, 20])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_grid_of_few_pixels_has_those_of_a_large_one(path: Path, size: int, count: int) -> None:
    whole = coarser(size)
    row, col = 300, 400
    corner = Affine(*whole.transform) @ Affine.translation(col, row)
    part = Grid(crs=whole.crs, shape=(count, count), transform=tuple(corner)[:6])
    expected = lazy(path, whole, "average")[row : row + count, col : col + count]
    np.testing.assert_allclose(pixels_of(path, part, "average"), expected, rtol=1e-6)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_overview_of_just_that_size_is_taken_as_it_is(pyramid: Path, level: int) -> None:
    with rasterio.open(pyramid, overview_level=level - 1) as file:
        expected = file.read(1)
        a, e = 10 * COLS / file.width, 10 * ROWS / file.height
        shape = file.shape
    target = Grid(crs="EPSG:32610", shape=shape, transform=(a, 0, FILE[2], 0, -e, FILE[5]))
    for resampling in ("nearest", "average"):
        got = pixels_of(pyramid, target, resampling, decode=False)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("size", "level"), [(20, 1), (30, 1), (79, 2), (80, 3), (500, 3)])
def test_the_nearest_overview_at_or_finer_is_read(
    tmp_path: Path, stored: np.ndarray, size: int, level: int
) -> None:
    path = write_cog(tmp_path / "c.tif", stored, blocksize=128)
    target = coarser(size)
    whole = Window(
        source=FixedUrl(str(path)), label="scene red", shape=(ROWS, COLS), indexes=(1,),
        rows=(0, ROWS), cols=(0, COLS), radiometry=RADIOMETRY,
    )  # fmt: skip
    warp = Warp(source=coarser(10), target=target, resampling="average")
    array = RasterArray(whole, decode=False, planes=False, warp=warp)
    before = traffic().bytes
    _ = xr.Variable(("y", "x"), indexing.LazilyIndexedArray(array)).values
    with rasterio.open(path, overview_level=level - 1) as file:
        pixels = file.read(1)
    stored_bytes = len(zlib.compress(pixels.tobytes()))
    assert stored_bytes * 0.5 < traffic().bytes - before < 32768 + 1.5 * stored_bytes


@pytest.mark.parametrize(
    ("resampling", "size"),
    [
        *itertools.product(("nearest", "average", "bilinear"), (3.7, 5, 10, 15, 24.3)),
        *itertools.product(("cubic", "lanczos", "max"), (3.7, 24.3)),
    ],
)
def test_the_same_crs_as_the_warper_has_it(path: Path, resampling: str, size: float) -> None:
    check(path, coarser(size), resampling)


@pytest.mark.parametrize("resampling", ["nearest", "average", "bilinear", "cubic"])
def test_other_crs_as_the_warper_has_it(path: Path, resampling: str) -> None:
    lonlat = Grid(
        crs="EPSG:4326", shape=(900, 1200), transform=(1e-4, 0, -123.0005, 0, -1e-4, 37.9481)
    )
    check(path, lonlat, resampling)
    shifted = Grid(
        crs="EPSG:32611", shape=(700, 700), transform=(12, 0, -28000.0, 0, -12, 4211000.0)
    )
    check(path, shifted, resampling)


def check(path: Path, target: Grid, resampling: str) -> None:
    got = pixels_of(path, target, resampling, decode=False)
    down, across = steps(target)
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file, crs=target.crs, transform=Affine(*target.transform), height=target.shape[0],
            width=target.shape[1], resampling=Resampling[resampling], tolerance=0.001,
            # Otherwise GDAL guesses the width of kernels from the size of the window.
            XSCALE=1 / across, YSCALE=1 / down,
        ) as oracle,
    ):  # fmt: skip
        expected = oracle.read(1)
    assert (expected > 0).mean() > 0.2
    different = np.abs(got.astype(int) - expected)
    # At the rim GDAL takes bilinear for cubic; where a grid is turned, it averages over the box
    # between two corners of a pixel.
    assert ((got > 0) != (expected > 0)).mean() < 0.0005
    most = 0.97 if resampling == "average" else 0.99
    assert (different <= (0 if resampling in ("nearest", "max") else 1)).mean() > most


def steps(target: Grid) -> tuple[float, float]:
    """Rows and columns of the file per pixel of the target, in the midst of the file."""
    x, y = Affine(*FILE) @ (COLS / 2, ROWS / 2)
    way = Transformer.from_crs("EPSG:32610", target.crs, always_xy=True)
    col, row = ~Affine(*target.transform) @ way.transform(x, y)
    points = np.array([Affine(*target.transform) @ (col + c, row + r)
                       for c, r in ((0, 0), (1, 0), (0, 1))]).T  # fmt: skip
    across, down = ~Affine(*FILE) @ tuple(way.transform(points[0], points[1], direction="INVERSE"))
    return tuple(math.hypot(v[1] - v[0], v[2] - v[0]) for v in (down, across))  # type: ignore[return-value]


@settings(max_examples=60)
@given(data=st.data())
def test_a_window_is_that_part_of_the_whole(data: st.DataObject, path: Path, pyramid: Path) -> None:
    size = data.draw(st.sampled_from([5.0, 10.0, 20.0, 33.0, 100.0]))
    resampling = data.draw(st.sampled_from(["nearest", "average", "bilinear", "cubic"]))
    file = data.draw(st.sampled_from([path, pyramid]))
    target = coarser(size)
    if data.draw(st.booleans()):
        target = Grid(
            crs="EPSG:32611", shape=(150, 170), transform=(60, 0, -28000.0, 0, -60, 4211000.0)
        )
    array = lazy(file, target, resampling)
    whole = lazy(file, target, resampling).values
    key = tuple(data.draw(st.slices(length)) for length in target.shape)
    got = array[key].values
    np.testing.assert_array_equal(got, whole[key])


@pytest.mark.parametrize("resampling", ["nearest", "average", "bilinear"])
@pytest.mark.parametrize("crs", ["EPSG:32610", "EPSG:32611"])
@pytest.mark.parametrize("size", [3.7, 25, 60])
def test_points_are_those_of_the_whole(
    pyramid: Path, resampling: str, crs: str, size: float
) -> None:
    target = coarser(size)
    if crs != target.crs:
        shape = (int(9000 / size), int(10200 / size))
        affine = (size, 0, -28000.0, 0, -size, 4211000.0)
        target = Grid(crs=crs, shape=shape, transform=affine)
    rng = np.random.default_rng(1)
    rows, cols = (xr.Variable("p", rng.integers(0, n, 40)) for n in target.shape)
    array = lazy(pyramid, target, resampling)
    got, expected = array[rows, cols].values, array.values[rows.values, cols.values]
    np.testing.assert_array_equal(got, expected)
    assert array[rows[:0], cols[:0]].values.shape == (0,)


@pytest.mark.parametrize("resampling", ["nearest", "average"])
def test_points_read_their_tiles_alone(path: Path, resampling: str) -> None:
    """Four points in the corners: not the sixteen tiles where their rows and columns cross."""
    target = coarser(20)
    ends = ([3, 3, 200, 546], [3, 496, 300, 3])
    rows, cols = (xr.Variable("p", each) for each in ends)
    picked = lazy(path, target, resampling)[rows, cols]
    tile_cache.clear()
    asked = []
    with RangeServer(path.parent) as server:
        array = lazy(Path("a.tif"), target, resampling, base=server.url())
        np.testing.assert_array_equal(array[rows, cols].values, picked.values)
        asked = server.requests
    assert len(asked) <= 2 + 4


def test_where_the_file_has_nothing_there_is_nothing(path: Path) -> None:
    far = Grid(crs="EPSG:32610", shape=(20, 30), transform=(10, 0, 0, 0, -10, 0))
    assert np.isnan(pixels_of(path, far, "average")).all()
    assert (pixels_of(path, far, "nearest", decode=False) == 0).all()
    edge = Grid(
        crs="EPSG:32610", shape=(10, 10), transform=(10, 0, FILE[2] - 50, 0, -10, FILE[5] - 7000)
    )
    got = pixels_of(path, edge, "nearest")
    assert np.isnan(got[:, :5]).all()
    assert not np.isnan(got[:, 5:]).any()
