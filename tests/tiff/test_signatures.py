"""What the first bytes of a file say, whatever they claim."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from astra_xr.testing import write_cog
from astra_xr.tiff.signatures import looks_like_cog

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def head(path: Path) -> bytes:
    return path.read_bytes()[:4096]


@pytest.mark.parametrize("bigtiff", ["YES", "NO"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize(
    ("size", "tiled", "overviews", "expected"),
    [
        (1024, True, False, True),
        (1025, True, False, False),
        (1025, True, True, True),
        (1025, False, True, False),
        (100, False, False, False),
    ],
)
def test_tiles_with_overviews_unless_small(
    tmp_path: Path,
    size: int,
    tiled: bool,
    overviews: bool,
    expected: bool,
    endianness: str,
    bigtiff: str,
) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"blockxsize": 256, "blockysize": 256} if tiled else {}
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=50, count=1, dtype="uint8", tiled=tiled,
        compress="deflate", endianness=endianness, bigtiff=bigtiff, **options,
    ) as file:  # fmt: skip
        file.write(np.zeros((1, 50, size), np.uint8))
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2])
    assert looks_like_cog(head(path)) == expected


def test_a_width_of_eight_bytes_counts() -> None:
    """BigTIFF may store numbers so; GDAL does not."""
    tags = [(256, 16, 1, 5000), (257, 16, 1, 10), (322, 16, 1, 256)]
    entries = b"".join(struct.pack("<HHQQ", *tag) for tag in tags)
    body = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", len(tags)) + entries
    assert not looks_like_cog(body + struct.pack("<Q", 0))
    assert looks_like_cog(body + struct.pack("<Q", 4000))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pixels = np.zeros((300, 300), np.uint16)
    return head(write_cog(tmp_path_factory.mktemp("good") / "a.tif", pixels, blocksize=128))


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 4096),
)
def test_a_damaged_head_is_answered_in_little_memory(
    good: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(good)
    for place, value in changes:
        damaged[place] = value
    tracemalloc.start()
    try:
        assert looks_like_cog(bytes(damaged[:length])) in (True, False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
