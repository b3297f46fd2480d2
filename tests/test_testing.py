"""The fakes do what their documentation says, as real clients see it."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from astra_xr.testing import FakeClock, RangeServer, Reply, Request, require_query, write_cog

DATA = bytes(range(256)) * 12_000  # 3 MB: more than one write to the connection.
SIZE = len(DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a b").mkdir(parents=True)
    (root / "data.bin").write_bytes(DATA)
    (root / "small.tif").write_bytes(b"0123456789")
    (root / "a b" / "c.json").write_bytes(b"{}")
    (root / "empty.bin").write_bytes(b"")
    (tmp_path / "root-secret").write_bytes(b"not for you")
    return root


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    with RangeServer(folder) as running:
        yield running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as opened:
        yield opened


class TestAnswers:
    @pytest.mark.parametrize(
        ("header", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=100-299", 100, 300),
            ("bytes=1000-", 1000, SIZE),
            ("bytes=-7", SIZE - 7, SIZE),
            (f"bytes=-{SIZE + 9}", 0, SIZE),
            (f"bytes={SIZE - 1}-{SIZE + 500}", SIZE - 1, SIZE),
            ("bytes=5-2500000", 5, 2_500_001),
        ],
    )
    def test_range(
        self, server: RangeServer, client: httpx.Client, header: str, start: int, stop: int
    ) -> None:
        answer = client.get(server.url("data.bin"), headers={"Range": header})
        assert answer.status_code == 206
        assert answer.content == DATA[start:stop]
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        (logged,) = server.requests
        assert (logged.range, logged.status, logged.sent) == ((start, stop), 206, stop - start)
        assert (logged.method, logged.path, logged.number) == ("GET", "/data.bin", 0)
        assert logged.headers["range"] == header
        assert server.bytes_sent == stop - start

    @pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
    def test_range_outside(self, server: RangeServer, client: httpx.Client, header: str) -> None:
        answer = client.get(server.url("data.bin"), headers={"Range": header})
        assert (answer.status_code, answer.content) == (416, b"")
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        assert server.requests[0].range is None

    @pytest.mark.parametrize("header", [None, "bytes=9-3", "bytes=-", "rows=0-1", "bytes=0-1,4-5"])
    def test_whole(self, server: RangeServer, client: httpx.Client, header: str | None) -> None:
        headers = {"Range": header} if header else {}
        answer = client.get(server.url("data.bin"), headers=headers)
        assert (answer.status_code, answer.content) == (200, DATA)
        assert answer.headers["accept-ranges"] == "bytes"
        assert "content-range" not in answer.headers

    def test_empty_file(self, server: RangeServer, client: httpx.Client) -> None:
        url = server.url("empty.bin")
        assert client.get(url).content == b""
        assert client.get(url, headers={"Range": "bytes=0-9"}).status_code == 416

    def test_head(self, server: RangeServer, client: httpx.Client) -> None:
        answer = client.head(server.url("small.tif"), headers={"Range": "bytes=0-1"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == "10"
        assert answer.headers["content-type"] == "image/tiff"
        assert server.bytes_sent == 0
        assert client.get(server.url("small.tif")).content == b"0123456789"

    def test_query_and_quoted_path(self, server: RangeServer, client: httpx.Client) -> None:
        answer = client.get(server.url("/a b/c.json", sig="x/y=", sp="r"))
        assert (answer.content, answer.headers["content-type"]) == (b"{}", "application/json")
        (logged,) = server.requests
        assert logged.path == "/a b/c.json"
        assert logged.query == "sig=x%2Fy%3D&sp=r"
        assert logged.params == {"sig": "x/y=", "sp": "r"}

    @pytest.mark.parametrize(
        "target",
        ["/missing", "/", "/a%20b", "/../root-secret", "/%2e%2e/root-secret", "-secret", "/x%00"],
    )
    def test_not_found(self, server: RangeServer, target: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(server.url()).netloc, timeout=60)
        connection.request("GET", target)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (404, b"")
        connection.close()

    def test_post_is_refused_and_its_body_skipped(
        self, server: RangeServer, client: httpx.Client
    ) -> None:
        assert client.post(server.url("data.bin"), content=b"x" * 100_000).status_code == 405
        assert client.get(server.url("small.tif")).status_code == 200

    def test_validators(self, server: RangeServer, client: httpx.Client, folder: Path) -> None:
        url = server.url("small.tif")
        headers = client.head(url).headers
        first, etag, date = {"Range": "bytes=0-0"}, headers["etag"], headers["last-modified"]

        def status(**more: str) -> int:
            named = {name.replace("_", "-"): value for name, value in more.items()}
            return client.get(url, headers={**first, **named}).status_code

        assert [status(If_Range=value) for value in (etag, date, '"other"')] == [206, 206, 200]
        assert [status(If_Match=value) for value in (etag, "*", '"other"')] == [206, 206, 412]
        os.utime(folder / "small.tif", ns=(0, 1))
        assert client.head(url).headers["etag"] != etag
        assert status(If_Match=etag) == 412


class TestServing:
    def test_connection_is_kept(self, server: RangeServer) -> None:
        connection = http.client.HTTPConnection(urlsplit(server.url()).netloc, timeout=60)
        connection.connect()
        kept = connection.sock
        for path in ("/small.tif", "/missing", "/data.bin"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is kept
        connection.request("GET", "/small.tif", headers={"Connection": "close"})
        assert connection.getresponse().read() == b"0123456789"
        assert kept.recv(1) == b""
        connection.close()

    def test_many_at_once(self, server: RangeServer, client: httpx.Client) -> None:
        server.latency = 0.05

        def read(number: int) -> bool:
            start = number * 1000
            header = {"Range": f"bytes={start}-{start + 69_999}"}
            answer = client.get(server.url("data.bin"), headers=header)
            return answer.content == DATA[start : start + 70_000]

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(read, range(64)))
        assert sorted(request.number for request in server.requests) == list(range(64))
        assert server.bytes_sent == 64 * 70_000

    def test_latency(self, server: RangeServer, client: httpx.Client) -> None:
        client.get(server.url("small.tif"))
        server.latency = 0.2
        begun = time.perf_counter()
        client.get(server.url("small.tif"))
        assert time.perf_counter() - begun >= 0.2

    def test_reset_of_the_log(self, server: RangeServer, client: httpx.Client) -> None:
        client.get(server.url("small.tif"))
        server.reset()
        assert (server.requests, server.bytes_sent) == ([], 0)
        client.get(server.url("small.tif"))
        assert [request.number for request in server.requests] == [0]

    def test_end_while_an_answer_is_due(self, folder: Path) -> None:
        with RangeServer(folder, latency=60) as server:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(server.url("small.tif"), timeout=0.1, trust_env=False)
            url, begun = server.url("small.tif"), time.perf_counter()
        assert time.perf_counter() - begun < 60
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)


class TestFaults:
    def test_status_body_headers(self, server: RangeServer, client: httpx.Client) -> None:
        busy = Reply(status=503, body=b"busy", headers={"Retry-After": "1"})
        server.rule = lambda request: busy if request.number < 2 else None
        statuses = [client.get(server.url("small.tif")).status_code for _ in range(3)]
        assert statuses == [503, 503, 200]
        server.reset()
        answer = client.get(server.url("small.tif"))
        assert (answer.content, answer.headers["retry-after"]) == (b"busy", "1")
        assert (server.requests[0].status, server.requests[0].sent) == (503, 4)

    def test_rule_sees_the_request(self, server: RangeServer, client: httpx.Client) -> None:
        seen: list[Request] = []
        server.rule = seen.append
        client.get(server.url("data.bin", v="1"), headers={"Range": "bytes=-10", "X-Y": "z"})
        (request,) = seen
        assert (request.method, request.path, request.query) == ("GET", "/data.bin", "v=1")
        assert (request.range, request.headers["x-y"]) == ((SIZE - 10, SIZE), "z")
        assert (request.status, request.sent) == (0, 0)

    def test_truncated(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(truncate_at=1000)
        read = bytearray()

        def read_all(answer: httpx.Response) -> None:
            for piece in answer.iter_raw():
                read.extend(piece)

        with client.stream("GET", server.url("data.bin")) as answer:
            assert answer.headers["content-length"] == str(SIZE)
            with pytest.raises(httpx.RemoteProtocolError):
                read_all(answer)
        assert read == DATA[:1000]
        assert server.bytes_sent == 1000

    def test_reset(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(reset=True) if request.number == 0 else None
        with pytest.raises(httpx.ReadError) as caught:
            client.get(server.url("small.tif"))
        assert "reset" in str(caught.value).lower()
        assert client.get(server.url("small.tif")).status_code == 200
        assert [request.status for request in server.requests] == [0, 200]

    def test_delay(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(delay=30)
        with pytest.raises(httpx.ReadTimeout):
            client.get(server.url("small.tif"), timeout=0.1)

    def test_trickle(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(trickle=1000)
        begun = time.perf_counter()
        answer = client.get(server.url("data.bin"), headers={"Range": "bytes=0-199"})
        assert answer.content == DATA[:200]
        assert time.perf_counter() - begun >= 0.15

    def test_client_leaves_a_trickle(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(trickle=10_000)
        with client.stream("GET", server.url("data.bin")) as answer:
            next(answer.iter_raw())
        deadline = time.monotonic() + 60
        while server.bytes_sent == SIZE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert 0 < server.bytes_sent < SIZE

    def test_wrong_content_range(self, server: RangeServer, client: httpx.Client) -> None:
        wrong = Reply(headers={"Content-Range": "bytes 7-9/10"})
        server.rule = lambda request: wrong
        answer = client.get(server.url("small.tif"), headers={"Range": "bytes=0-2"})
        assert answer.headers.get_list("content-range") == ["bytes 7-9/10"]
        assert (answer.status_code, answer.content) == (206, b"012")

    def test_corrupt(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = lambda request: Reply(corrupt=True)
        answer = client.get(server.url("data.bin"), headers={"Range": "bytes=3-9"})
        assert (answer.status_code, answer.headers["content-length"]) == (206, "7")
        assert answer.content == bytes(255 - value for value in DATA[3:10])

    def test_rule_that_raises(self, server: RangeServer, client: httpx.Client) -> None:
        def rule(request: Request) -> Reply:
            raise AssertionError("no request was expected")

        server.rule = rule
        answer = client.get(server.url("small.tif"))
        assert answer.status_code == 500
        assert "no request was expected" in answer.text

    def test_require_query(self, server: RangeServer, client: httpx.Client) -> None:
        server.rule = require_query("sig", {"good", ""}.__contains__, status=401, body=b"signed?")
        assert client.get(server.url("small.tif", sig="good")).status_code == 200
        assert client.get(server.url("small.tif", sig="")).status_code == 200
        for url in (server.url("small.tif"), server.url("small.tif", sig="bad")):
            answer = client.get(url)
            assert (answer.status_code, answer.content) == (401, b"signed?")


class TestFakeClock:
    def test_moves_only_when_advanced(self) -> None:
        clock = FakeClock()
        begun = clock()
        assert clock() == begun
        clock.advance(seconds=90)
        clock.advance(timedelta(hours=1))
        assert clock() - begun == timedelta(hours=1, seconds=90)
        assert clock().tzinfo is UTC

    def test_start(self) -> None:
        east = datetime(2025, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        assert FakeClock(east)().isoformat() == "2025-01-01T00:00:00+00:00"
        with pytest.raises(ValueError, match="time zone"):
            FakeClock(datetime(2025, 1, 1))  # noqa: DTZ001 - that is the mistake


class TestWriteCog:
    @pytest.mark.parametrize(
        ("dtype", "predictor", "shape", "blocksize", "overviews", "compress"),
        [
            ("uint16", 2, (700, 900), 256, "average", "deflate"),
            ("uint8", 1, (3, 520, 600), 512, "nearest", "lzw"),
            ("float32", 3, (2, 600, 600), 128, "average", "zstd"),
            ("int16", 2, (100, 80), 512, None, "deflate"),
        ],
    )
    def test_is_a_cog(
        self,
        tmp_path: Path,
        dtype: str,
        predictor: int,
        shape: tuple[int, ...],
        blocksize: int,
        overviews: str | None,
        compress: str,
    ) -> None:
        array = np.random.default_rng(1).integers(1, 200, shape).astype(dtype)
        path = write_cog(
            tmp_path / "x.tif",
            array,
            blocksize=blocksize,
            predictor=predictor,
            overviews=overviews,
            compress=compress,
        )
        assert list(tmp_path.iterdir()) == [path]
        assert cog_validate(path, strict=True) == (True, [], [])
        with rasterio.open(path) as dataset:
            bands = array if array.ndim == 3 else array[None]
            np.testing.assert_array_equal(dataset.read(), bands)
            assert set(dataset.block_shapes) == {(blocksize, blocksize)}
            assert bool(dataset.overviews(1)) is (max(shape) > blocksize)
            assert dataset.compression.name == compress
            tags = dataset.tags(ns="IMAGE_STRUCTURE")
            assert int(tags.get("PREDICTOR", 1)) == predictor

    def test_says_where_and_what(self, tmp_path: Path) -> None:
        transform = rasterio.Affine(0.1, 0, 5, 0, -0.1, 60)
        path = write_cog(
            tmp_path / "x.tif",
            np.ones((2, 8, 8), "uint16"),
            crs="EPSG:4326",
            transform=transform,
            nodata=None,
            scales=(1e-4, 2e-4),
            offsets=(-0.1, 0.0),
        )
        assert list(tmp_path.iterdir()) == [path]
        with rasterio.open(path) as dataset:
            assert (dataset.crs.to_epsg(), dataset.transform) == (4326, transform)
            assert dataset.nodata is None
            assert (dataset.scales, dataset.offsets) == ((1e-4, 2e-4), (-0.1, 0.0))

    def test_defaults(self, tmp_path: Path) -> None:
        path = write_cog(str(tmp_path / "x.tif"), np.ones((8, 8), "uint16"))
        with rasterio.open(path) as dataset:
            assert (dataset.crs.to_epsg(), dataset.nodata) == (32610, 0)
            assert tuple(dataset.transform)[:6] == (10, 0, 499980, 0, -10, 4200000)
            assert (dataset.scales, dataset.offsets) == ((1.0,), (0.0,))

    def test_gdal_reads_it_through_the_server(self, folder: Path) -> None:
        array = np.random.default_rng(2).integers(1, 9000, (2, 1500, 1300)).astype("uint16")
        write_cog(folder / "scene.tif", array, blocksize=256)
        with (
            RangeServer(folder) as server,
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
            rasterio.open(f"/vsicurl/{server.url('scene.tif')}") as dataset,
        ):
            window = rasterio.windows.Window(300, 400, 200, 100)
            np.testing.assert_array_equal(dataset.read(window=window), array[:, 400:500, 300:500])
            assert 0 < server.bytes_sent < (folder / "scene.tif").stat().st_size / 2
            assert {request.status for request in server.requests} <= {200, 206}
            np.testing.assert_array_equal(dataset.read(), array)
