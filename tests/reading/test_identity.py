"""Which answers are of one file, where servers behind a name give it several ETags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

import astra_xr
from astra_xr.arrays.thumbnail import coarser
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.reading import tiles
from astra_xr.reading.cache import tile_cache
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from tests.pixels import read

SIDE = 512


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 9000, (SIDE, SIDE)).astype(np.uint16)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.setattr(tiles, "LARGEST_RUN", 1)
    with RangeServer(tmp_path) as running:
        yield running


class TwoBackends:
    """Which of two servers answers: for tiles by their position, for the header by turns.

    Not by number: requests for tiles arrive in any order.
    """

    def __init__(self) -> None:
        self._headers = 0

    def __call__(self, request: Request) -> int:
        if request.range and request.range[0]:
            return request.range[0] // 1000 % 2
        self._headers += 1
        return (self._headers + 1) % 2


def get(server: RangeServer) -> Any:
    tile_cache.clear()
    return read(
        source=FixedUrl(server.url("a.tif")), label="scene red", shape=(SIDE, SIDE),
        indexes=(1,), radiometry=None, rows=(0, SIDE), cols=(0, SIDE),
    )[0]  # fmt: skip


def test_servers_that_give_a_file_two_etags(server: RangeServer, tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", pixels(1), blocksize=128, overviews=None)
    backend = TwoBackends()
    server.rule = lambda request: Reply(headers={"etag": f'"{backend(request)}"'})
    np.testing.assert_array_equal(get(server), pixels(1))
    first = len(server.requests)
    # 16 tiles, a header, and those to compare it with.
    assert first <= 16 + 1 + 8
    np.testing.assert_array_equal(get(server), pixels(1))
    assert len(server.requests) == first + 16


def test_a_server_whose_etags_are_no_versions(server: RangeServer, tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", pixels(1), blocksize=128, overviews=None)
    server.rule = lambda request: Reply(headers={"etag": f'"{request.number}"'})
    with pytest.raises(ReadError, match="another ETag each time. Download the file first"):
        get(server)


@pytest.mark.parametrize("compress", ["deflate", "lzma"], ids=["engine", "GDAL"])
@pytest.mark.parametrize("where", ["local", "remote"])
def test_overviews_of_a_file_that_is_replaced(
    server: RangeServer, tmp_path: Path, compress: str, where: str
) -> None:
    """Those of its own header are read, not those that the file had before."""
    path = tmp_path / "a.tif"

    def write(side: int) -> None:
        columns = np.broadcast_to(np.linspace(1, 9000, side), (side, side)).astype(np.uint16)
        path.unlink(missing_ok=True)
        write_cog(
            path, columns, compress=compress, predictor=1, blocksize=128,
            transform=Affine(5120 / side, 0, 499980, 0, -5120 / side, 4200000),
        )  # fmt: skip

    write(512)
    href = str(path) if where == "local" else server.url("a.tif")
    item = {"id": "a", "properties": {}, "assets": {"v": {"href": href}}, "geometry": None}
    ds = astra_xr.open_scene(item | {"type": "Feature"})
    first = coarser(ds, 16).v.values
    write(1024)
    tile_cache.clear()
    if where == "remote":
        with pytest.raises(ReadError, match="the file changed while it was being read"):
            coarser(ds, 16)
    with pytest.warns(UserWarning, match="the file has 1024 x 1024 pixels"):
        np.testing.assert_allclose(coarser(ds, 16).v, first, atol=9)


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_another_file_of_the_same_size_is_another(
    server: RangeServer, tmp_path: Path, compress: str
) -> None:
    bodies = [
        write_cog(tmp_path / name, pixels(seed), blocksize=128, overviews=None,
                  compress=compress, predictor=1).read_bytes()
        for seed, name in ((1, "a.tif"), (2, "b.tif"))
    ]  # fmt: skip
    size = max(map(len, bodies))
    for body, name in zip(bodies, ("a.tif", "b.tif"), strict=True):
        (tmp_path / name).write_bytes(body.ljust(size, b"\0"))

    backend = TwoBackends()

    def rule(request: Request) -> Reply | None:
        if backend(request) == 0 or request.range is None:
            return Reply(headers={"etag": '"0"'})
        start, stop = request.range
        return Reply(
            status=206,
            headers={"etag": '"1"', "content-range": f"bytes {start}-{stop - 1}/{size}"},
            body=(tmp_path / "b.tif").read_bytes()[start:stop],
        )

    server.rule = rule
    with pytest.raises(ReadError, match="the file changed while it was being read"):
        get(server)
