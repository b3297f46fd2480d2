"""Memory of headers and tiles: bounded, settable, off-able."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

import astra_xr
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import InvalidParameter
from astra_xr.model import Grid
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.reading.loop import run
from astra_xr.reading.overview import pyramid_of
from astra_xr.reading.warp import Warp, read_warped
from astra_xr.reading.window import Window
from astra_xr.settings import Settings
from astra_xr.testing import RangeServer, write_cog
from tests.pixels import read

SIZE = 1024
PLACE = Affine(10, 0, 500000, 0, -10, 4200000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    pixels = np.random.default_rng(0).integers(0, 60000, (SIZE, SIZE)).astype(np.uint16)
    write_cog(tmp_path / "a.tif", pixels, blocksize=256, overviews=None)
    with RangeServer(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    astra_xr.configure(tile_cache=None, header_cache=None)


def get(server: RangeServer, left: int = 0, width: int = 256) -> Any:
    return read(
        source=FixedUrl(server.url("a.tif")), label="scene red", shape=(SIZE, SIZE), indexes=(1,),
        rows=(0, 256), cols=(left, left + width), radiometry=None,
    )  # fmt: skip


def test_the_defaults() -> None:
    assert (header_cache.limit, tile_cache.limit) == (16 << 20, 256 << 20)


def test_headers_of_both_readers_share_one_limit(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": 64, "width": 64}
    for number in range(8):
        path = tmp_path / f"{number}.tif"
        tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16} if number % 2 else {}
        with rasterio.open(
            path, "w", **profile, **tiled, crs="EPSG:32610", transform=PLACE
        ) as file:
            file.write(np.ones((1, 64, 64), np.uint8))
    astra_xr.configure(header_cache=3500)
    kept = []
    for number in range(8):
        window = Window(
            source=FixedUrl(str(tmp_path / f"{number}.tif")), label="scene class", shape=(64, 64),
            indexes=(1,), rows=(0, 64), cols=(0, 64), radiometry=None,
        )  # fmt: skip
        run(pyramid_of(window))
        kept.append(header_cache.bytes)
    assert 2000 < max(kept) <= 3500


def test_off_means_off(server: RangeServer) -> None:
    astra_xr.configure(tile_cache=0, header_cache=0)
    get(server)
    once = len(server.requests)
    get(server)
    assert len(server.requests) == 2 * once
    assert header_cache.bytes == tile_cache.bytes == 0


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_TILE_CACHE", "1000")
    tile_cache.clear()
    assert tile_cache.limit == 1000
    assert astra_xr.configure(tile_cache=2000).tile_cache == tile_cache.limit == 2000
    assert Settings.from_env({}).tile_cache == 256 << 20
    with pytest.raises(InvalidParameter, match="ASTRA_HEADER_CACHE.*a number of bytes"):
        Settings.from_env({"ASTRA_HEADER_CACHE": "plenty"})
    with pytest.raises(InvalidParameter, match="no such setting.*one of .*tile_cache"):
        astra_xr.configure(tiles=3)


def test_it_holds_no_more_than_its_limit(server: RangeServer) -> None:
    astra_xr.configure(tile_cache=1_200_000)
    with ThreadPoolExecutor(8) as pool:
        for pixels in pool.map(lambda n: get(server, 256 * (n % 4)), range(64)):
            assert pixels.shape == (1, 256, 256)
            assert tile_cache.bytes <= 1_200_000
    assert tile_cache.bytes > 0


def test_a_read_that_would_evict_everything_is_not_cached(server: RangeServer) -> None:
    get(server)
    kept = tile_cache.bytes
    astra_xr.configure(tile_cache=kept * 10)
    get(server)
    get(server, 0, SIZE)
    assert tile_cache.bytes == kept


def test_a_file_replaced_by_one_without_overviews_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "strips.tif"
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)

    def write() -> None:
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "height": 64, "width": 64}
        with rasterio.open(path, "w", **profile, crs="EPSG:32610", transform=PLACE) as file:
            file.write(pixels, 1)

    def coarse() -> Any:
        window = Window(
            source=FixedUrl(str(path)), label="scene red", shape=(64, 64), indexes=(1,),
            rows=(0, 64), cols=(0, 64), radiometry=None,
        )  # fmt: skip
        full, half = (
            Grid(crs="", shape=(side, side), transform=(64 / side, 0, 0, 0, 64 / side, 0))
            for side in (64, 32)
        )
        warp = Warp(source=full, target=half, resampling="nearest")
        return run(read_warped(window, warp, (0, 32), (0, 32), np.dtype("uint16")))

    write()
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    assert coarse().shape == (1, 32, 32)
    path.unlink()
    pixels += 1
    write()
    np.testing.assert_array_equal(coarse()[0], pixels[1::2, 1::2])
