"""Headers in the cache folder: the next process reads tiles at once, never by a wrong header."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import astra_xr
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.model import SignedUrl
from astra_xr.reading import loop
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.reading.kept_headers import KeptHeader, find, keep
from astra_xr.testing import RangeServer, Reply, write_cog
from tests.pixels import read
from tests.stacks import s2_item

SIDE = 512


def pixels(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(1001, 60000, (side, side)).astype(np.uint16)


def write(folder: Path, seed: int, side: int = SIDE, **options: Any) -> np.ndarray:
    """Put another file in the place of what is there, as a provider does."""
    found = pixels(seed, side)
    options = {"blocksize": 128, "overviews": None} | options
    (folder / "new.tif").unlink(missing_ok=True)
    write_cog(folder / "new.tif", found, **options)
    (folder / "new.tif").replace(folder / "a.tif")
    return found


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    cache = tmp_path / "cache"
    astra_xr.configure(cache_dir=cache, kept_headers=1 << 20)
    yield cache / "headers"
    astra_xr.configure(cache_dir=None, kept_headers=None)


@pytest.fixture
def files(tmp_path: Path, cache: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def server(files: Path) -> Iterator[RangeServer]:
    with RangeServer(files) as server:
        yield server


def settle() -> None:
    """Wait until headers are written, for which no read waits."""

    async def wait() -> None:
        await asyncio.gather(*loop._unawaited)

    loop.run(wait())


def get(server: RangeServer, query: str = "", side: int = SIDE, **fields: Any) -> np.ndarray:
    """Read a window as a fresh process does."""
    header_cache.clear()
    tile_cache.clear()
    server.reset()
    window = {"rows": (100, 300), "cols": (200, 500)} | fields
    found = read(
        source=FixedUrl(server.url("a.tif") + query), label="scene red", shape=(side, side),
        indexes=(1,), radiometry=None, **window,
    )  # fmt: skip
    settle()
    values: np.ndarray = found[0]
    return values


def headers_asked(server: RangeServer) -> int:
    """Count the requests from the beginning of a file on, but those that only confirm it."""
    return sum(r.range is not None and r.range[0] == 0 < r.range[1] - 1 for r in server.requests)


def kept(cache: Path) -> list[Path]:
    # A header is written under another name first, in the background.
    return sorted(p for p in cache.glob("*") if not p.name.startswith("new-"))


def test_the_next_process_requests_only_tiles(
    server: RangeServer, files: Path, cache: Path
) -> None:
    found = write(files, 1)
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])
    assert headers_asked(server) == 1
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])
    assert headers_asked(server) == 0
    assert [path.stat().st_size < 3000 for path in kept(cache)] == [True], "no tiles are kept"
    code = (
        "import sys; from tests.reading.test_kept_headers import *\n"
        "values = read(source=FixedUrl(sys.argv[1]), label='', shape=(SIDE, SIDE), indexes=(1,),"
        " rows=(0, 9), cols=(0, 9), radiometry=None)\n"
        "print(values.sum())"
    )
    environ = os.environ | {"ASTRA_CACHE_DIR": str(cache.parent), "ASTRA_KEPT_HEADERS": "9999"}
    server.reset()
    told = subprocess.run(
        [sys.executable, "-c", code, server.url("a.tif")], env=environ, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert int(told.stdout) == found[:9, :9].sum()
    assert headers_asked(server) == 0


CHANGES: dict[str, dict[str, Any]] = {
    "other pixels": {},
    "other tiles": {"blocksize": 256},
    "shorter": {"blocksize": 512, "compress": "zstd", "predictor": 2},
    "larger tiles, uncompressed": {"compress": "none", "predictor": 1},
    "overviews": {"overviews": "average"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_read_by_its_own_header(
    server: RangeServer, files: Path, change: str
) -> None:
    write(files, 1)
    get(server)
    found = write(files, 2, **CHANGES[change])
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])
    assert headers_asked(server) == 1
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])
    assert headers_asked(server) == 0, "the new header is kept"


def test_a_file_that_became_much_smaller(server: RangeServer, files: Path) -> None:
    write(files, 1, compress="none", predictor=1)
    get(server)
    flat = np.full((SIDE, SIDE), 7, np.uint16)
    write_cog(files / "new.tif", flat, blocksize=128, overviews=None)
    (files / "new.tif").replace(files / "a.tif")
    assert (get(server) == 7).all()


def test_a_file_in_whose_place_is_a_web_page(server: RangeServer, files: Path) -> None:
    write(files, 1)
    get(server)
    page = b"<html>not found</html>"
    whole = {"Content-Range": f"bytes 0-{len(page) - 1}/{len(page)}"}
    server.rule = lambda request: Reply(status=206, body=page, headers=whole)
    with pytest.raises(ReadError, match="not a TIFF or JPEG 2000"):
        get(server)


def test_a_kept_header_of_another_shape_is_read_again(server: RangeServer, files: Path) -> None:
    write(files, 1, side=300)
    get(server, side=300, rows=(0, 9), cols=(0, 9))
    found = write(files, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(get(server), found[100:300, 200:500])


def test_tiles_that_are_not_stored_are_believed_only_of_the_file_as_it_is(
    server: RangeServer,
    files: Path,
) -> None:
    write(files, 1)
    with rasterio.open(files / "a.tif") as file:
        profile = file.profile
    with rasterio.open(files / "a.tif", "w", **profile | {"driver": "GTiff", "SPARSE_OK": True}):
        pass
    assert not get(server).any()
    assert not get(server).any()
    assert headers_asked(server) == 0
    found = write(files, 2)
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])


def test_a_formula_of_changed_files(server: RangeServer, files: Path) -> None:
    item = s2_item(files, B04=pixels(1), B08=pixels(11))
    names = [Path(asset["href"]).name for asset in item["assets"].values()]
    for asset, name in zip(item["assets"].values(), names, strict=True):
        asset["href"] = server.url(name)
    ds = astra_xr.open_scene(item, ["red", "nir"])
    for seed in (1, 2):
        red, nir = pixels(seed), pixels(seed + 10)
        s2_item(files, B04=red, B08=nir)
        header_cache.clear()
        tile_cache.clear()
        found = ds.astra.index("NDVI").values
        settle()
        red, nir = red * np.float32(1e-4) - 0.1, nir * np.float32(1e-4) - 0.1
        np.testing.assert_allclose(found, (nir - red) / (nir + red), rtol=1e-3, atol=1e-3)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "junk": lambda data: b"\n\n" + os.urandom(500),
    "not JSON": lambda data: data.replace(b"[", b"{"),
    "no size": lambda data: data.replace(b"[", b"[null, "),
    "a bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "of another kind": lambda data: data.replace(b"header 1", b"header 9"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_in_the_cache_is_no_header(
    server: RangeServer, files: Path, cache: Path, damage: str
) -> None:
    found = write(files, 1)
    get(server)
    (path,) = kept(cache)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    np.testing.assert_array_equal(get(server), found[100:300, 200:500])
    assert headers_asked(server) == 1
    get(server)
    assert headers_asked(server) == 0, "it was kept anew"


def test_a_folder_that_cannot_be_written_to(
    server: RangeServer, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    astra_xr.configure(cache_dir=tmp_path / "file")
    found = write(files, 1)
    for _ in range(2):
        np.testing.assert_array_equal(get(server), found[100:300, 200:500])
        assert headers_asked(server) == 1


def test_files_without_a_version_are_not_kept(
    server: RangeServer, files: Path, cache: Path
) -> None:
    server.rule = lambda request: Reply(headers={"ETag": "", "Last-Modified": ""})
    write(files, 1)
    get(server)
    assert not kept(cache)


def test_signatures_are_neither_stored_nor_part_of_the_key(
    server: RangeServer, files: Path, cache: Path
) -> None:
    write(files, 1)
    get(server, "?sig=SECRET1")
    get(server, "?sig=SECRET2")
    assert headers_asked(server) == 0
    (path,) = kept(cache)
    assert b"SECRET" not in path.name.encode() + path.read_bytes()


def test_off_means_off(server: RangeServer, files: Path, cache: Path) -> None:
    write(files, 1)
    get(server)
    astra_xr.configure(kept_headers=0)
    get(server)
    assert headers_asked(server) == 1
    (path,) = kept(cache)
    path.unlink()
    get(server)
    assert not kept(cache)


def test_the_oldest_make_room(cache: Path) -> None:
    astra_xr.configure(kept_headers=100_000)
    urls = [SignedUrl(url=f"https://h/{n}.tif") for n in range(200)]
    for url in urls:
        keep(url, KeptHeader(size=10**6, version="1", head=bytes(2000)))
    assert sum(path.stat().st_size for path in kept(cache)) < 100_000 + 64 * 2100
    assert find(urls[-1])
    assert not find(urls[0])


def test_many_write_and_read_one_header(cache: Path) -> None:
    url = SignedUrl(url="https://h/a.tif")

    def work(number: int) -> None:
        for _ in range(20):
            keep(url, KeptHeader(size=number, version=str(number), head=bytes([number]) * 5000))
            found = find(url)
            assert found
            assert found.head == bytes([found.size]) * 5000
            assert found.version == str(found.size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    assert len(kept(cache)) == 1
