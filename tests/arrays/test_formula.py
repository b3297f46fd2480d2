"""Indices of scenes that are not read yet: any part of them equals plain numpy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import traffic
from astra_xr.testing import write_cog
from tests import items
from tests.faulty import HeldServer

SIZE = 1300


def item(folder: str) -> dict[str, Any]:
    raw = items.earth_search_c1(SIZE)
    for asset in raw["assets"].values():
        asset["href"] = f"{folder}/{asset['href'].rsplit('/', 1)[1]}"
    return raw


def truth(folder: Path) -> np.ndarray:
    import rasterio

    red, nir = (rasterio.open(folder / f"{b}.tif").read(1).astype(float) for b in ("B04", "B08"))
    valid = (red > 0) & (nir > 0)
    red, nir = red * 1e-4 - 0.1, nir * 1e-4 - 0.1
    return np.where(valid, (nir - red) / (nir + red), np.nan)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formula")
    rng = np.random.default_rng(5)
    for band in ("B04", "B08"):
        dn = rng.integers(1100, 9000, (SIZE, SIZE)).astype(np.uint16)
        dn[:100, :700] = 0
        write_cog(folder / f"{band}.tif", dn, blocksize=256)
    return folder


CUTS = [
    {},
    {"y": slice(3, 1290), "x": slice(700, 701)},
    {"y": slice(100, 90), "x": slice(None)},
    {"y": slice(None, None, 7), "x": slice(1200, 10, -3)},
    {"y": 5, "x": slice(800, 900)},
    {"y": [9, 3, 1299], "x": slice(0, 1300)},
    {"y": 1299, "x": 1299},
]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("first", ["cut", "index"])
def test_any_part(folder: Path, cut: dict[str, Any], first: str) -> None:
    ds = astra_xr.open_scene(item(str(folder)))
    part = ds.isel(cut).astra.index("NDVI") if first == "cut" else ds.astra.index("NDVI").isel(cut)
    expected = xr.DataArray(truth(folder), dims=("y", "x")).isel(cut)
    np.testing.assert_allclose(part.values, expected.values, rtol=1e-3, atol=2e-5)
    assert part.dims == expected.dims


def test_files_of_other_tiles_or_strips_are_computed_too(folder: Path, tmp_path: Path) -> None:
    import rasterio

    expected = truth(folder)
    for name, options in {
        "B04": {"blockxsize": 128, "blockysize": 128, "tiled": True},
        "B08": {},
    }.items():
        with rasterio.open(folder / f"{name}.tif") as file:
            profile = {
                k: file.profile[k]
                for k in ("width", "height", "count", "dtype", "crs", "transform")
            }
            with rasterio.open(
                tmp_path / f"{name}.tif", "w", driver="GTiff", **profile | options
            ) as out:
                out.write(file.read())
    got = astra_xr.open_scene(item(str(tmp_path))).astra.index("NDVI")
    np.testing.assert_allclose(got.values, expected, rtol=1e-3, atol=2e-5)


def test_an_index_is_lazy_and_caches_its_values(folder: Path) -> None:
    before = traffic().requests
    ndvi = astra_xr.open_scene(item(str(folder))).astra.index("NDVI")
    assert traffic().requests == before
    window = ndvi[:10, 700:710]
    assert window.values is not None
    once = traffic().requests
    assert once > before
    np.testing.assert_array_equal(window.values, window.values)
    assert traffic().requests == once


def test_load_reads_all_bands_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with HeldServer(folder) as server:
        # No band is answered before both are asked for.
        server.held = lambda request: len({each.path for each in server.asked}) < 2
        ds = astra_xr.open_scene(item(server.url().rstrip("/")), bands=["red", "nir"])
        ds = ds.isel(x=slice(64), y=slice(64))
        assert ds.astra.load(progress=True) is ds
        asked = len(server.requests)
        assert asked == 4  # of each band a header and a tile, none again
        assert np.isfinite(ds.red.values[50:, 10:]).sum() == 0  # nodata there
        assert len(server.requests) == asked
    assert "2/2" in capsys.readouterr().err


async def ended() -> None:
    """Wait until no read is left on the background loop, which learns of an interrupt later."""
    async with asyncio.timeout(6):
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def interrupted(server: HeldServer) -> Iterator[None]:
    """Interrupt what is done within as by Ctrl-C, once it asks for both bands.

    They are answered only if it still waits for them seconds later, which must not happen.
    """
    over = threading.Event()
    server.held = lambda request: not over.is_set()

    def interrupt() -> None:
        while len({each.path for each in server.asked}) < 2:
            if over.wait(0.01):
                return
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(8)
        over.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        run(ended())
        assert server.requests == []
    finally:
        over.set()
        thread.join()


def test_an_interrupt_stops_all_reads_at_once(folder: Path) -> None:
    with HeldServer(folder) as server:
        ds = astra_xr.open_scene(item(server.url().rstrip("/")))
        with interrupted(server):
            _ = ds.astra.index("NDVI").values
        asked = len(server.asked)
        assert np.isfinite(ds.astra.index("NDVI")[200:210, 200:210].values).all()
        # Of each band a header and a tile; what was interrupted asks for nothing more.
        assert len(server.asked) == asked + 4


def test_an_interrupt_of_load_stops_all_reads(folder: Path) -> None:
    with HeldServer(folder) as server:
        ds = astra_xr.open_scene(item(server.url().rstrip("/")))
        with interrupted(server):
            ds.astra.load(progress=False)
        assert ds.B04.variable._in_memory is False
        asked = len(server.asked)
        assert np.isfinite(ds.B04[200:210, 200:210].values).all()
        assert len(server.asked) == asked + 2


def test_a_backward_empty_cut_of_an_index(folder: Path) -> None:
    ndvi = astra_xr.open_scene(item(str(folder))).astra.index("NDVI")
    assert ndvi.isel(x=slice(2, 8, -1)).values.shape == (SIZE, 0)


def test_the_damaged_band_is_named(folder: Path, tmp_path: Path) -> None:
    for name in ("B04", "B08"):
        (tmp_path / f"{name}.tif").write_bytes((folder / f"{name}.tif").read_bytes())
    body = bytearray((tmp_path / "B04.tif").read_bytes())
    middle = len(body) // 2
    body[middle : middle + 5000] = bytes(5000)
    (tmp_path / "B04.tif").write_bytes(body)
    ds = astra_xr.open_scene(item(str(tmp_path)), bands=["red", "nir"])
    with pytest.raises(astra_xr.AstraError, match=r" red from .*B04.tif: the tile at bytes"):
        _ = ds.astra.index("NDVI").values


def test_several_indices_take_one_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = astra_xr.open_scene(item(str(folder)), bands=["red", "nir"])
    found = ds.astra.index(["NDVI", "EVI2", "kNDVI"])
    expected = {name: ds.astra.index(name).values for name in found}
    tile_cache.clear()
    before = traffic().bytes
    _ = ds.astra.index("NDVI").values
    one = traffic().bytes - before
    tile_cache.clear()
    monkeypatch.setenv("ASTRA_TILE_CACHE", "0")
    tile_cache.clear()
    before = traffic().bytes
    assert found.astra.load(progress=False) is found
    assert traffic().bytes - before == one
    for name, values in expected.items():
        assert found[name].variable._in_memory
        np.testing.assert_array_equal(found[name], values)


def test_a_time_series_is_computed_block_by_block(folder: Path) -> None:
    ds = astra_xr.open_scene(item(str(folder)), bands=["red", "nir"]).load()
    series = xr.concat([ds, ds * 2, ds * 3], "time", combine_attrs="override")
    found = series.astra.index("NDVI")
    assert found.dims == ("time", "y", "x")
    np.testing.assert_array_equal(found[0], ds.astra.index("NDVI"))
    np.testing.assert_array_equal(series.chunk(time=1).astra.index("NDVI"), found)
