"""Headers that lie: refused fast, in little memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.reading.ranges import traffic
from astra_xr.testing import write_cog
from tests.pixels import read

LONG, SHORT = 4, 3

pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning",
    # rasterio's log stumbles over bytes that are no text.
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def tiff(entries: list[tuple[int, int, int, int]], size: int = 1024) -> bytes:
    """Write a little-endian TIFF of one directory, of (tag, type, count, value)."""
    body = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    for tag, kind, count, value in sorted(entries):
        body += struct.pack("<HHII", tag, kind, count, value)
    return (body + b"\0\0\0\0").ljust(size, b"\0")


def claims(*, width: int, height: int, tile: int, count: int, at: int = 200) -> bytes:
    return tiff(
        [
            (256, LONG, 1, width), (257, LONG, 1, height), (258, SHORT, 1, 16),
            (259, SHORT, 1, 8), (262, SHORT, 1, 1), (277, SHORT, 1, 1), (284, SHORT, 1, 1),
            (322, LONG, 1, tile), (323, LONG, 1, tile), (324, LONG, count, at),
            (325, LONG, count, at), (339, SHORT, 1, 1),
        ]
    )  # fmt: skip


def get(path: Path, shape: tuple[int, int]) -> np.ndarray:
    return read(
        source=FixedUrl(str(path)), label="scene red", shape=shape, indexes=(1,),
        rows=(0, 10), cols=(0, 10), radiometry=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        (claims(width=500_000, height=500_000, tile=16, count=976_562_500), (500_000, 500_000)),
        (claims(width=16, height=16, tile=16, count=1_000_000_000), (16, 16)),
        (claims(width=10**9, height=10**9, tile=10**9, count=1), (10**9, 10**9)),
        (claims(width=0, height=10, tile=16, count=1), (10, 1)),
        (claims(width=10, height=10, tile=0, count=1), (10, 10)),
        (claims(width=100, height=100, tile=16, count=3), (100, 100)),
        (claims(width=16, height=16, tile=16, count=1, at=2**32 - 2), (16, 16)),
    ],
)
def test_absurd_claims_fail_in_little_memory(
    tmp_path: Path, header: bytes, shape: tuple[int, int]
) -> None:
    (tmp_path / "a.tif").write_bytes(header)
    assert len(header) == 1024
    before = traffic().requests
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="scene red"):
            get(tmp_path / "a.tif", shape)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert traffic().requests - before < 60


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.arange(300 * 300, dtype=np.uint16).reshape(300, 300)
    return write_cog(tmp_path_factory.mktemp("good") / "a.tif", pixels, blocksize=128)


@settings(max_examples=150)
@given(
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=4)
)
@example(changes=[(330, 0)])
def test_a_damaged_header_is_an_error_or_read_correctly(
    good: Path, changes: list[tuple[int, int]], tmp_path: Path
) -> None:
    """Our pixels are those of the whole file, or what GDAL reads of these bytes, or our error."""
    damaged = bytearray(good.read_bytes())
    for place, value in changes:
        damaged[place] = value
    path = tmp_path / "b.tif"
    path.write_bytes(damaged)
    try:
        got = get(path, (300, 300))
    except ReadError:
        return
    if np.array_equal(got[0], np.arange(300 * 300).reshape(300, 300)[:10, :10]):
        # GDAL itself may lose them: without byte counts it reads zeros of a path, and by the
        # sizes that a COG has before its tiles of anything else.
        return
    try:
        with rasterio.open(path) as file:
            expected = file.read([1], window=((0, 10), (0, 10)))
    except rasterio.errors.RasterioError:
        return  # tags that GDAL needs and the engine does not
    np.testing.assert_array_equal(got, expected)
