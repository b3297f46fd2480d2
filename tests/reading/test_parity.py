"""Pixels equal to rasterio's, bit by bit, over the ways to store a TIFF."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.model import Radiometry
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.reading.loop import run
from astra_xr.reading.overview import pyramid_of
from astra_xr.reading.window import Window
from astra_xr.testing import RangeServer
from tests.pixels import read

ROWS, COLS = 150, 181
WINDOWS = [
    ((0, ROWS), (0, COLS)),
    ((60, 70), (100, 181)),
    ((149, 150), (0, 1)),
    ((10, 140), (63, 129)),
]
INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float32", "float64"]


def write(path: Path, pixels: np.ndarray, **options: Any) -> None:
    profile = {
        "driver": "GTiff", "count": pixels.shape[0], "height": ROWS, "width": COLS,
        "dtype": str(pixels.dtype), "crs": "EPSG:32610", "transform": Affine(10, 0, 0, 0, -10, 0),
        "tiled": True, "blockxsize": 64, "blockysize": 64,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile | options) as file:
        file.write(pixels)


def make(dtype: str, planes: int = 1) -> np.ndarray:
    rng = np.random.default_rng(7)
    shape = (planes, ROWS, COLS)
    if np.dtype(dtype).kind == "f":
        return (rng.standard_normal(shape) * 1e3).astype(dtype)
    told = np.iinfo(dtype)
    steps = rng.integers(-9, 10, shape).cumsum(axis=2)
    noise = rng.integers(told.min, told.max, shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.02, noise, steps.astype(dtype))


def check(path: Path, *, engine: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Compare some windows and selections of planes with rasterio."""
    caplog.set_level(logging.INFO, logger="astra_xr")
    caplog.clear()
    with rasterio.open(path) as oracle:
        for rows, cols in WINDOWS:
            for indexes in {(1,), tuple(range(oracle.count, 0, -1))}:
                got = read(
                    source=FixedUrl(str(path)), label="scene red", shape=oracle.shape,
                    indexes=indexes, rows=rows, cols=cols, radiometry=None,
                )  # fmt: skip
                expected = oracle.read(list(indexes), window=(rows, cols))
                np.testing.assert_array_equal(got, expected)
                assert got.dtype == expected.dtype
    assert ("read by GDAL" in caplog.text) != engine, caplog.text


@pytest.mark.parametrize(
    ("dtype", "compress", "predictor"),
    [
        *itertools.product(INTEGERS, ["deflate", "lzw", "zstd"], [1, 2]),
        *itertools.product(FLOATS, ["deflate", "zstd", "lzw"], [1, 2, 3]),
        *itertools.product(INTEGERS + FLOATS, ["none", "packbits"], [1]),
    ],
)
def test_types_compressions_predictors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dtype: str, compress: str, predictor: int
) -> None:
    path = tmp_path / "a.tif"
    options = {"predictor": predictor} if predictor > 1 else {}
    write(path, make(dtype), compress=compress, **options)
    check(path, engine=True, caplog=caplog)


@pytest.mark.parametrize(
    ("interleave", "endianness", "bigtiff", "dtype", "predictor"),
    list(
        itertools.product(
            ["pixel", "band"], ["LITTLE", "BIG"], ["NO", "YES"], ["uint16", "float32"], [1, 2, 3]
        )
    ),
)
def test_layouts(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    interleave: str,
    endianness: str,
    bigtiff: str,
    dtype: str,
    predictor: int,
) -> None:
    if predictor == 3 and dtype != "float32":
        return
    path = tmp_path / "a.tif"
    options = {"interleave": interleave, "endianness": endianness, "bigtiff": bigtiff}
    write(path, make(dtype, planes=3), compress="deflate", predictor=predictor,
          photometric="minisblack", **options)  # fmt: skip
    check(path, engine=True, caplog=caplog)


@pytest.mark.parametrize("block", [16, 32, 128, 256])
def test_block_shapes(tmp_path: Path, caplog: pytest.LogCaptureFixture, block: int) -> None:
    path = tmp_path / "a.tif"
    write(path, make("int16", 2), compress="deflate", blockxsize=block, blockysize=16)
    check(path, engine=True, caplog=caplog)


@pytest.mark.parametrize("nodata", [None, 0, 7])
def test_sparse_tiles(tmp_path: Path, caplog: pytest.LogCaptureFixture, nodata: int | None) -> None:
    path = tmp_path / "a.tif"
    pixels = np.full((1, ROWS, COLS), nodata or 0, np.uint16)
    pixels[0, 70:, 70:] = 9
    write(path, pixels, compress="deflate", sparse_ok=True, nodata=nodata)
    check(path, engine=True, caplog=caplog)


@pytest.mark.parametrize(
    ("options", "dtype", "planes"),
    [
        ({"tiled": False}, "uint16", 1),
        ({"compress": "jpeg", "photometric": "ycbcr"}, "uint8", 3),
        ({"compress": "webp", "webp_lossless": True}, "uint8", 3),
        ({"compress": "lzma"}, "uint16", 1),
        ({"nbits": 12}, "uint16", 1),
    ],
)
def test_what_the_engine_does_not_know_gdal_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: Any, dtype: str, planes: int
) -> None:
    path = tmp_path / "a.tif"
    pixels = make(dtype, planes) % 4000 if dtype == "uint16" else make(dtype, planes)
    write(path, pixels, **options)
    check(path, engine=False, caplog=caplog)


@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dtype: str, endianness: str
) -> None:
    path = tmp_path / "a.tif"
    real = make("float64", 2)
    pixels = (real + 1j * real[:, ::-1]).astype(dtype)
    write(path, pixels, compress="deflate", endianness=endianness)
    check(path, engine=True, caplog=caplog)


@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate", "lerc_zstd"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_lerc(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    compress: str,
    interleave: str,
    endianness: str,
    dtype: str,
) -> None:
    path = tmp_path / "a.tif"
    pixels = make(dtype, 2)
    if np.dtype(dtype).kind == "f":
        pixels[:, 20:90, 30:50] = np.nan
    write(path, pixels, compress=compress, interleave=interleave, endianness=endianness)
    check(path, engine=endianness == "LITTLE" or dtype == "uint8", caplog=caplog)


def values(path: Path, **fields: Any) -> np.ndarray:
    usual: dict[str, Any] = {
        "label": "scene red",
        "indexes": (1,),
        "rows": (3, ROWS),
        "cols": (0, 170),
    }
    return read(
        source=FixedUrl(str(path)), shape=(ROWS, COLS), radiometry=Radiometry(dtype="uint8"),
        **usual | fields,
    )  # fmt: skip


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_what_is_transparent_becomes_nan(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, interleave: str
) -> None:
    path = tmp_path / "a.tif"
    pixels = make("uint8", 4)
    pixels[3] = np.where(np.arange(COLS) % 5 == 0, 0, 200)
    write(path, pixels, alpha="yes", compress="deflate", interleave=interleave)
    check(path, engine=True, caplog=caplog)
    for indexes in ((1,), (3, 1)):
        got = values(path, indexes=indexes)
        expected = np.where(pixels[3] == 0, np.nan, pixels[[n - 1 for n in indexes]])
        np.testing.assert_array_equal(got, expected[:, 3:, :170])


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
def test_what_an_internal_mask_hides_becomes_nan(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, compress: str
) -> None:
    path = tmp_path / "a.tif"
    pixels = make("uint8", 3)
    mask = np.hypot(*np.mgrid[-75:75, -90:91]) < 70
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, pixels, compress=compress, photometric="rgb")
        with rasterio.open(path, "r+") as file:
            file.write_mask(mask)
            file.build_overviews([2, 4], rasterio.enums.Resampling.nearest)
    check(path, engine=compress == "deflate", caplog=caplog)
    got = values(path, indexes=(2, 3))
    np.testing.assert_array_equal(got, np.where(mask, pixels[1:], np.nan)[:, 3:, :170])
    points: dict[str, Any] = {
        "rows": np.array([0, 75, 80]),
        "cols": np.array([0, 90, 85]),
        "pointwise": True,
    }
    got = values(path, **points)
    np.testing.assert_array_equal(got[0], [np.nan, *pixels[0, [75, 80], [90, 85]]])
    with rasterio.open(path, overview_level=0) as file:
        got = values(path, rows=(0, 75), cols=(0, 91), level=1)
        expected = np.where(file.dataset_mask() == 0, np.nan, file.read(1))
        np.testing.assert_array_equal(got[0], expected)


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_overviews(tmp_path: Path, compress: str, predictor: int) -> None:
    path = tmp_path / "a.tif"
    write(path, make("int16", 2), compress=compress, predictor=predictor)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8], rasterio.enums.Resampling.average)
    window: dict[str, Any] = {
        "source": FixedUrl(str(path)), "label": "scene red", "shape": (ROWS, COLS),
        "indexes": (2, 1), "radiometry": None,
    }  # fmt: skip
    shapes = run(pyramid_of(Window(**window, rows=(0, 1), cols=(0, 1)))).shapes
    for level, shape in enumerate(shapes[1:], start=1):
        with rasterio.open(path, overview_level=level - 1) as file:
            assert file.shape == shape
            got = read(**window, rows=(2, shape[0]), cols=(0, shape[1]), level=level)
            np.testing.assert_array_equal(got, file.read([2, 1])[:, 2:])
    assert len(shapes) == 4


def test_gdal_reads_single_pixels_without_those_between(tmp_path: Path) -> None:
    side, path = 12_000, tmp_path / "strips.tif"
    corner = np.arange(300 * 400, dtype="float32").reshape(1, 300, 400)
    write(
        path, corner[:, :0], width=side, height=side, tiled=False, blockxsize=side, blockysize=16,
        compress="deflate", SPARSE_OK=True,
    )  # fmt: skip
    with rasterio.open(path, "r+") as file:
        for row, col in ((0, 0), (side - 300, side - 400)):
            file.write(corner, window=rasterio.windows.Window(col, row, 400, 300))
    rows, cols = np.array([side - 1, 5, 290, 5, 9000]), np.array([side - 2, 7, 399, 7, 100])
    with rasterio.open(path) as file:
        expected = [next(file.sample([file.xy(*each)]))[0] for each in zip(rows, cols, strict=True)]
    same: dict[str, Any] = {
        "source": FixedUrl(str(path)), "label": "scene red", "shape": (side, side),
        "indexes": (1,), "radiometry": None,
    }  # fmt: skip
    tracemalloc.start()
    try:
        points = read(rows=rows, cols=cols, pointwise=True, **same)
        crossing = read(rows=rows, cols=cols, **same)
        lines = read(rows=rows, cols=(side - 5, side), **same)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # the whole: 576 MB
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(points[0], expected)
    np.testing.assert_array_equal(np.diagonal(crossing[0]), expected)
    assert (crossing.shape, lines.shape) == ((1, 5, 5), (1, 5, 5))
    np.testing.assert_array_equal(lines[0, 0], corner[0, -1, -5:])
    assert not lines[0, 1:].any()


def test_a_corrupt_tile_raises_and_names_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, make("uint16"), compress="deflate")
    body = bytearray(path.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 200] = bytes(200)
    path.write_bytes(body)
    with pytest.raises(ReadError, match=r"the tile at bytes \d+-\d+ is corrupt"):
        read(source=FixedUrl(str(path)), label="scene red", shape=(ROWS, COLS), indexes=(1,),
             rows=(0, ROWS), cols=(0, COLS), radiometry=None)  # fmt: skip


def test_panning_a_window_reads_each_tile_once(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", make("uint16"), compress="deflate")
    with RangeServer(tmp_path) as server:
        source = FixedUrl(server.url("a.tif"))
        for left in range(0, 100, 5):
            read(source=source, label="scene red", shape=(ROWS, COLS), indexes=(1,),
                 rows=(0, 50), cols=(left, left + 60), radiometry=None)  # fmt: skip
        once = len(server.requests)
        assert once <= 4
        header_cache.clear()
        tile_cache.clear()
        read(source=source, label="scene red", shape=(ROWS, COLS), indexes=(1,),
             rows=(0, 50), cols=(0, 60), radiometry=None)  # fmt: skip
        assert len(server.requests) > once


def test_a_file_that_changes_between_reads_raises_once_then_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    first, second = make("uint16"), make("uint16")[:, ::-1]
    with RangeServer(tmp_path) as server:
        source = FixedUrl(server.url("a.tif"))

        def get(rows: tuple[int, int]) -> Any:
            return read(source=source, label="scene red", shape=(ROWS, COLS), indexes=(1,),
                        rows=rows, cols=(0, COLS), radiometry=None)  # fmt: skip

        write(path, first, compress="deflate")
        np.testing.assert_array_equal(get((0, 10))[0], first[0, :10])
        write(path, second, compress="zstd")
        with pytest.raises(ReadError, match="changed while it was being read"):
            get((130, 150))
        np.testing.assert_array_equal(get((0, 10))[0], second[0, :10])


def test_a_rewritten_local_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for pixels in (make("uint16"), make("uint16")[:, ::-1]):
        write(path, pixels, compress="deflate")
        got = read(source=FixedUrl(str(path)), label="scene red", shape=(ROWS, COLS),
                   indexes=(1,), rows=(0, ROWS), cols=(0, COLS), radiometry=None)  # fmt: skip
        np.testing.assert_array_equal(got[0], pixels[0])


def test_a_forked_process_says_that_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, make("uint16"), compress="deflate")
    code = f"""
import os, sys
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from tests.pixels import read
def get():
    return read(source=FixedUrl({str(path)!r}), label="s", shape=({ROWS}, {COLS}), indexes=(1,),
                rows=(0, 5), cols=(0, 5), radiometry=None)
get()
pid = os.fork()
if not pid:
    try:
        get()
    except ReadError as error:
        os._exit(7 if "spawn" in str(error) else 8)
    os._exit(9)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert out.returncode == 7
