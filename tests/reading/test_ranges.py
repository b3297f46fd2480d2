"""Byte ranges over HTTP with a server that fails in every way, and over local files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.model import SignedUrl
from astra_xr.reading.gdal import read_by_gdal, read_header
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile, traffic
from astra_xr.reading.window import Window
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from astra_xr.tiff.directories import HEAD
from tests.pixels import read

BODY = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "a.bin").write_bytes(BODY)
    (tmp_path / "empty.bin").write_bytes(b"")
    with RangeServer(tmp_path) as running:
        yield running


class Reader:
    """A RangeFile with its coroutines run to their end."""

    def __init__(self, url: str) -> None:
        source = FixedUrl(url)
        self.file = RangeFile(source, source(), "scene red")

    def read(self, start: int, stop: int) -> bytes:
        return bytes(run(self.file.get(start, stop)))


def remote(server: RangeServer, name: str = "a.bin") -> Reader:
    return Reader(server.url(name))


@pytest.mark.parametrize("where", ["http", "file", "path"])
def test_ranges_are_exact(server: RangeServer, tmp_path: Path, where: str) -> None:
    path = tmp_path / "a.bin"
    url = {"http": server.url("a.bin"), "file": path.as_uri(), "path": str(path)}[where]
    reader = Reader(url)
    assert reader.read(0, 10) == BODY[:10]
    assert reader.file.size == len(BODY)
    assert reader.read(40_000, 50_000) == BODY[40_000:50_000]
    assert reader.read(len(BODY) - 5, len(BODY) + 100) == BODY[-5:]
    assert reader.read(len(BODY) + 5, len(BODY) + 9) == b""


def test_the_header_is_fetched_once_and_traffic_is_counted(server: RangeServer) -> None:
    before = traffic()
    reader = remote(server)
    reader.read(0, HEAD)
    for start in range(0, HEAD, 1000):
        reader.read(start, min(HEAD, start + 1000))
    assert [request.method for request in server.requests] == ["GET"]
    after = traffic()
    assert (after.requests - before.requests, after.bytes - before.bytes) == (1, HEAD)


Rule = Callable[[Request], Reply | None]


@pytest.mark.parametrize(
    "reply",
    [Reply(truncate_at=2), Reply(reset=True), Reply(status=503), Reply(status=429)],
)
def test_a_passing_fault_is_overcome(
    server: RangeServer, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    server.rule = lambda request: reply if request.number == 0 else None
    assert remote(server).read(0, 5) == BODY[:5]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(truncate_at=0), "ended early"),
        (Reply(reset=True), "closed the connection"),
        (Reply(headers={"Content-Range": "bytes 7-9/256000"}), "different range"),
        (Reply(headers={"Content-Range": "odd"}), "different range"),
        (Reply(status=429), "too many requests"),
        (Reply(status=418), "HTTP 418"),
        (Reply(status=200, body=BODY), "does not support byte ranges"),
        (
            Reply(status=200, body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}),
            "sent a web page instead of the file.*may require a login",
        ),
    ],
)
def test_a_lasting_fault_raises(server: RangeServer, reply: Reply, words: str) -> None:
    server.rule = lambda request: reply
    with pytest.raises(ReadError, match=words) as caught:
        remote(server).read(0, 5)
    assert caught.value.source == "scene red"
    assert "a.bin" in caught.value.href


@pytest.mark.parametrize("body", [BODY[::-1], BODY[:100], b""], ids=["other", "shorter", "empty"])
def test_a_file_that_changes_under_the_reader_raises(
    server: RangeServer, tmp_path: Path, body: bytes
) -> None:
    file = remote(server)
    file.read(0, 5)
    (tmp_path / "a.bin").write_bytes(body)
    with pytest.raises(ReadError, match="changed while it was being read"):
        file.read(100_000, 100_005)


def test_empty_and_missing_files(server: RangeServer, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="the file is empty"):
        remote(server, "empty.bin").read(0, 5)
    with pytest.raises(ReadError, match="no such file"):
        remote(server, "none.bin").read(0, 5)
    with pytest.raises(ReadError, match=r"[Nn]o such file.*Check that the file still exists"):
        Reader(str(tmp_path / "none.bin")).read(0, 5)
    with pytest.raises(ReadError, match="Drop GDAL's prefix: https://… for /vsicurl/https://…"):
        Reader(f"/vsicurl/{server.url('a.bin')}").read(0, 5)
    with pytest.raises(ReadError, match="s3:// URLs are not supported"):
        Reader("s3://bucket/key").read(0, 5)


def test_a_text_file_named_tif_makes_gdal_open_nothing(server: RangeServer, tmp_path: Path) -> None:
    secret = write_cog(tmp_path / "secret.tif", np.ones((64, 64), np.uint8))
    (tmp_path / "evil.tif").write_text(
        f"<VRTDataset rasterXSize='64' rasterYSize='64'><VRTRasterBand dataType='Byte' band='1'>"
        f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand>"
        "</VRTDataset>"
    )
    with pytest.raises(ReadError, match="not a TIFF or JPEG 2000"):
        read_header(FixedUrl(server.url("evil.tif")), "scene red")


def test_a_damaged_tiff_raises(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "b.tif", np.arange(640_000, dtype=np.uint16).reshape(800, 800))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = FixedUrl(str(path))
    with pytest.raises(ReadError, match="GDAL reports"):
        read_by_gdal(
            Window(
                source=source, label="scene red", shape=(800, 800), indexes=(1,),
                rows=(0, 800), cols=(0, 800), radiometry=None,
            ),
            RangeFile(source, source(), "scene red"),
        )  # fmt: skip
    path.write_bytes(whole[:200])
    with pytest.raises(ReadError, match="GDAL reports"):
        read_header(FixedUrl(str(path)), "scene red")


def test_a_header_has_all_metadata(tmp_path: Path) -> None:
    data = np.ones((2, 64, 80), np.int16)
    path = write_cog(tmp_path / "c.tif", data, nodata=-1, scales=(0.5, 2.0), offsets=(1.0, 0.0))
    header = read_header(FixedUrl(str(path)), "scene red")
    assert header.grid.crs == "EPSG:32610"
    assert header.grid.shape == (64, 80)
    assert header.count == 2
    told = [(r.dtype, r.scale, r.offset, r.nodata) for r in header.radiometries]
    assert told == [("int16", 0.5, 1.0, -1), ("int16", 2.0, 0.0, -1)]


class Bearer:
    """A source whose URL is read with a token in a header."""

    def __init__(self, url: str, token: str = "SECRET") -> None:
        self.signed = SignedUrl(url=url, headers=(("Authorization", f"Bearer {token}"),))

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        return self.signed


def test_headers_go_to_their_own_host_and_no_further(server: RangeServer, tmp_path: Path) -> None:
    def rule(request: Request) -> Reply | None:
        if request.headers.get("authorization") != "Bearer SECRET":
            return Reply(status=401)
        return Reply(status=303, headers={"Location": elsewhere.url("a.bin")})

    server.rule = rule
    with RangeServer(tmp_path) as elsewhere:
        # Another port is another host.
        source = Bearer(server.url("a.bin"))
        assert bytes(run(RangeFile(source, source(), "red").get(0, 5))) == BODY[:5]
        assert [request.status for request in elsewhere.requests] == [206]
        assert "SECRET" not in str(elsewhere.requests)
    wrong = Bearer(server.url("a.bin"), token="OTHER-SECRET")
    with pytest.raises(ReadError, match="refuses the URL .HTTP 401") as caught:
        run(RangeFile(wrong, wrong(), "red").get(0, 5))
    shown = f"{caught.value} {caught.value.__context__} {wrong()!r} {wrong()}"
    assert "SECRET" not in shown


def test_tiles_larger_than_the_limit_are_not_decoded(tmp_path: Path) -> None:
    # A BigTIFF of 10 KB whose one tile would take 4 GB.
    side = 65520
    with rasterio.open(
        tmp_path / "huge.tif", "w", driver="GTiff", width=side, height=side, count=1,
        dtype="uint8", tiled=True, blockxsize=side, blockysize=side, SPARSE_OK=True,
        compress="deflate", BIGTIFF="YES", crs="EPSG:32610", transform=Affine(10, 0, 0, 0, -10, 0),
    ):  # fmt: skip
        pass
    with pytest.raises(ReadError, match="a tile takes 4292870400 bytes"):
        read(
            source=FixedUrl(str(tmp_path / "huge.tif")), label="scene red", shape=(side, side),
            indexes=(1,), rows=(0, 20), cols=(0, 20), radiometry=None,
        )  # fmt: skip


def test_a_tile_is_as_large_as_all_the_planes_that_it_holds(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "planes.tif", "w", driver="GTiff", width=8000, height=1000, count=40,
        dtype="uint8", blockysize=1000, interleave="pixel", SPARSE_OK=True, compress="deflate",
        crs="EPSG:32610", transform=Affine(10, 0, 0, 0, -10, 0),
    ):  # fmt: skip
        pass
    with pytest.raises(ReadError, match="a tile takes 320000000 bytes"):
        read(
            source=FixedUrl(str(tmp_path / "planes.tif")), label="scene red", shape=(1000, 8000),
            indexes=(1,), rows=(0, 20), cols=(0, 20), radiometry=None,
        )  # fmt: skip
