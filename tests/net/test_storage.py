"""Byte ranges over the process's pool: connections, faults, which bytes are believed, secrets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socketserver
import threading
import traceback
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.model import SignedUrl
from astra_xr.net import connections
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from conftest import Loopback
from tests.pixels import read

BODY = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "a b+c.bin").write_bytes(BODY)
    (tmp_path / "a.bin").write_bytes(BODY)
    with RangeServer(tmp_path) as running:
        yield running


def file_at(url: str) -> RangeFile:
    source = FixedUrl(url)
    return RangeFile(source, source(), "scene red")


def get(url: str, start: int, stop: int) -> bytes:
    return bytes(run(file_at(url).get(start, stop)))


Answer = Callable[[BaseHTTPRequestHandler, int, int], None]


@contextmanager
def answering(answer: Answer, connected: Callable[[], None] = lambda: None) -> Iterator[str]:
    """A server whose answers to ranges are written by a function; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connected()

        def do_GET(self) -> None:
            start, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            answer(self, int(start), int(last) + 1)

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/a.tif"
        running.shutdown()


def test_connections_for_tiles_open_while_the_header_is_on_its_way(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = np.random.default_rng(0).integers(1, 60000, (2048, 2048), np.uint16)
    write_cog(path, pixels)
    data = path.read_bytes()
    opened = threading.Semaphore(0)
    there: list[bool] = []

    def answer(handler: BaseHTTPRequestHandler, start: int, stop: int) -> None:
        if start == 0:
            there.extend(opened.acquire(timeout=20) for _ in range(4))
        body = data[start:stop]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", '"1"')
        handler.end_headers()
        handler.wfile.write(body)

    with answering(answer, opened.release) as url:
        window = {"source": FixedUrl(url), "label": "scene red", "shape": (2048, 2048)}
        whole = read(**window, indexes=(1,), rows=(0, 2048), cols=(0, 2048), radiometry=None)
    assert np.array_equal(whole[0], pixels)
    assert there == [True] * 4


def test_queries_and_paths_arrive_as_they_were_signed(server: RangeServer) -> None:
    query = "st=2025-01-01T00%3A00%3A00Z&sig=a%2Bb%2Fc%3D&plain=a+b/c=&empty="
    url = f"{server.url()}a%20b%2Bc.bin?{query}"
    assert get(url, 3, 9) == BODY[3:9]
    assert [request.query for request in server.requests] == [query]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of descriptors")
def test_signed_files_of_one_host_share_its_connections(server: RangeServer) -> None:
    server.latency = 0.005

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def all_of_them() -> None:
        files = [file_at(server.url("a.bin", sig=str(number))) for number in range(300)]
        await asyncio.gather(*(file.get(0, 100) for file in files))

    get(server.url("a.bin"), 0, 1)
    before = descriptors()
    run(all_of_them())
    # The server's ends of the connections are in this process too.
    assert descriptors() - before <= 2 * 64 + 4
    assert len({request.query for request in server.requests}) == 301


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux's list of sockets")
def test_all_hosts_together_have_a_limit_of_connections(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    most = 0

    async def all_of_them(urls: list[str]) -> list[bytes]:
        nonlocal most
        files = [file_at(f"{url}?sig={number}") for number in range(60) for url in urls]
        reads = asyncio.gather(*(file.get(0, 100) for file in files))
        while not reads.done():
            most = max(most, connections_to(ports))
            await asyncio.sleep(0.01)
        return [bytes(each) for each in await reads]

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RangeServer(tmp_path, latency=0.01)) for _ in range(12)]
        ports = {urlsplit(server.url()).port for server in servers}
        # One host alone, two, and all; the first is busy when the last come.
        for few in (servers[:1], servers[:2], servers):
            urls = [server.url("a.bin") for server in few]
            assert run(all_of_them(urls)) == [BODY[:100]] * 60 * len(few)
    assert 0 < most <= 96


def connections_to(ports: Container[int | None]) -> int:
    """Count the clients' open ends alone: a server closes its own when it comes to it."""
    rows = [row.split() for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    # The inode of a socket that no process has open any more is 0.
    return sum(int(row[2].partition(":")[2], 16) in ports and row[9] != "0" for row in rows)


def test_what_has_arrived_is_not_fetched_again(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    server.rule = lambda request: Reply(truncate_at=60_000) if request.number < 2 else None
    assert get(server.url("a.bin"), 1000, 201_000) == BODY[1000:201_000]
    ranges = [request.range for request in server.requests]
    assert ranges == [(1000, 201_000), (61_000, 201_000), (121_000, 201_000)]


def test_a_file_that_changes_between_two_tries_is_one_version(
    server: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "30")

    def rule(request: Request) -> Reply | None:
        if request.number == 0:
            return Reply(truncate_at=50_000)
        if request.number == 1:
            (tmp_path / "a.bin").write_bytes(BODY[::-1])
            return Reply(reset=True)
        return None

    server.rule = rule
    assert get(server.url("a.bin"), 0, 100_000) == BODY[::-1][:100_000]


def test_a_wait_beyond_the_patience_is_an_error_at_once(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "60")
    server.rule = lambda _: Reply(status=503, headers={"Retry-After": "3600"})
    with pytest.raises(ReadError, match="HTTP 503, retry after 3600 s.*ASTRA_PATIENCE"):
        get(server.url("a.bin"), 0, 5)
    assert len(server.requests) == 1


def test_a_wait_by_retry_after_is_logged(
    server: RangeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    server.rule = lambda r: (
        Reply(status=429, headers={"Retry-After": "1"}) if not r.number else None
    )
    with caplog.at_level(logging.INFO, "astra_xr"):
        assert get(server.url("a.bin"), 0, 5) == BODY[:5]
    assert "waiting for 127.0.0.1, asked to wait 1 s" in caplog.text


def test_chunked_answers_of_unknown_size_are_read(tmp_path: Path) -> None:
    def answer(to: BaseHTTPRequestHandler, start: int, stop: int) -> None:
        stop = min(stop, len(BODY))
        to.send_response(206)
        to.send_header("Content-Range", f"bytes {start}-{stop - 1}/*")
        to.send_header("Transfer-Encoding", "chunked")
        to.send_header("ETag", '"1"')
        to.end_headers()
        for at in range(start, stop, 1000):
            piece = BODY[at : min(at + 1000, stop)]
            to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        to.wfile.write(b"0\r\n\r\n")

    with answering(answer) as url:
        file = file_at(url)
        assert bytes(run(file.get(5, 9000))) == BODY[5:9000]
        assert file.size == len(BODY)
        assert bytes(run(file.get(len(BODY) - 3, len(BODY) + 9))) == BODY[-3:]


@pytest.mark.parametrize("chunked", [True, False])
def test_more_bytes_than_requested_are_not_taken(chunked: bool) -> None:
    sent = 0

    def answer(to: BaseHTTPRequestHandler, start: int, stop: int) -> None:
        nonlocal sent
        to.send_response(206)
        to.send_header("Content-Range", f"bytes {start}-{stop - 1}/{1 << 40}")
        how = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(1 << 34))
        to.send_header(*how)
        to.end_headers()
        piece = bytes(1 << 16)
        to.close_connection = True
        try:
            for _ in range(2000):
                to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
        except OSError:
            pass

    with answering(answer) as url, pytest.raises(ReadError, match="different range"):
        get(url, 0, 1000)
    assert sent < 100 << 20


def test_tiles_without_a_version_are_not_cached(tmp_path: Path) -> None:
    one, two = (
        np.random.default_rng(seed).integers(1, 9000, (512, 512)).astype(np.uint16)
        for seed in (1, 2)
    )
    bodies = [
        write_cog(tmp_path / f"{n}.tif", each, blocksize=256, overviews=None).read_bytes()
        for n, each in enumerate((one, two))
    ]
    body = bodies[0]

    def answer(to: BaseHTTPRequestHandler, start: int, stop: int) -> None:
        piece = body[start:stop]
        to.send_response(206)
        to.send_header("Content-Range", f"bytes {start}-{start + len(piece) - 1}/{len(body)}")
        to.send_header("Content-Length", str(len(piece)))
        to.end_headers()
        to.wfile.write(piece)

    with answering(answer) as url:
        fields: dict[str, Any] = {
            "source": FixedUrl(url), "label": "scene red", "shape": (512, 512), "indexes": (1,),
            "radiometry": None,
        }  # fmt: skip
        corner = read(**fields, rows=(0, 200), cols=(0, 200))
        np.testing.assert_array_equal(corner[0], one[:200, :200])
        body = bodies[1]
        for _ in range(2):
            whole = read(**fields, rows=(0, 512), cols=(0, 512))
            np.testing.assert_array_equal(whole[0], two)


def test_a_redirect_leads_to_no_private_host(server: RangeServer, network: Loopback) -> None:
    network.routes["public.example"] = server.url()
    network.names["intern.example"] = ["10.0.0.5"]
    where = ""
    server.rule = lambda _: Reply(status=302, headers={"Location": where})
    for target, why in (
        ("https://intern.example/a.bin", "private address"),
        ("http://public.example/a.bin", "not to https"),
        ("https://public.example/a.bin", "in a circle"),
    ):
        where = target
        with pytest.raises(ReadError, match=why):
            get("https://public.example/a.bin", 0, 5)


class Secret:
    """A source whose URL and headers are secret."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        return SignedUrl(url=self.url, headers=(("Authorization", "Bearer SECRET"),))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(reset=True),
        Reply(truncate_at=0),
        Reply(status=403),
        Reply(status=500, body=b"SECRET"),
        Reply(headers={"Content-Range": "SECRET"}),
        Reply(status=302, headers={"Location": "http://127.0.0.1:1/a.bin?sig=SECRET"}),
        Reply(status=302, headers={"Location": "https://intern.example/a.bin?sig=SECRET"}),
    ],
    ids=repr,
)
def test_no_secret_is_logged_raised_or_left_in_a_frame(
    server: RangeServer, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    server.rule = lambda _: reply
    caplog.set_level(logging.DEBUG)
    source = Secret(server.url("a.bin", sig="SECRET"))
    file = RangeFile(source, source(), "scene red")
    with pytest.raises(ReadError) as caught:
        run(file.get(0, 5))
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = "".join(line for line in told.format() if __file__ not in line)
    assert "SECRET" not in frames + caplog.text + repr(caught.value.__dict__)
    assert "SECRET" not in repr(connections._hosts)
