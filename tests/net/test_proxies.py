"""Proxies of files: by HTTP and SOCKS; their passwords stay where they are."""

from __future__ import annotations

import asyncio
import logging
import socket
import socketserver
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import MissingExtra, ReadError
from astra_xr.net.budget import MOST_REQUESTS
from astra_xr.net.connections import close_connections, host_at
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile
from astra_xr.testing import RangeServer
from tests import faulty

BODY = bytes(range(256))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.bin").write_bytes(BODY)
    with RangeServer(tmp_path) as server:
        yield server.url("a.bin")
    run(close_connections())


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def get(url: str) -> bytes:
    run(close_connections())
    source = FixedUrl(url)
    return bytes(run(RangeFile(source, source(), "scene red").get(0, 5)))


class Socks(socketserver.StreamRequestHandler):
    """SOCKS5 with a user and a password, for one connection."""

    def handle(self) -> None:
        self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\x05\x02")
        self.rfile.read(1)
        user, word = (self.rfile.read(self.rfile.read(1)[0]) for _ in range(2))
        if (user, word) != (b"me", b"SECRET"):
            self.wfile.write(b"\x01\x01")
            return
        self.wfile.write(b"\x01\x00")
        kind = self.rfile.read(4)[3]
        size = 4 if kind == 1 else self.rfile.read(1)[0]
        host = self.rfile.read(size)
        name = socket.inet_ntoa(host) if kind == 1 else host.decode()
        asked.append(name)
        port = struct.unpack(">H", self.rfile.read(2))[0]
        with socket.create_connection((name, port)) as target:
            self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            back = threading.Thread(target=_carry, args=(target, self.connection))
            back.start()
            _carry(self.connection, target)
            back.join()


asked: list[str] = []


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def socks() -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Socks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_files_are_read_through_socks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp_socks")
    with socks() as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:SECRET@127.0.0.1:{port}")
        asked.clear()
        assert get(url) == BODY[:5]
        assert asked == ["127.0.0.1"]
        run(close_connections())


def test_socks_without_its_package_names_what_would_do(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:SECRET@127.0.0.1:9")
    with pytest.raises(ReadError, match=r"pip install 'astra-xr\[socks\]'"):
        get(url)


def test_requests_that_find_no_client_leave_their_place_to_others(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:SECRET@127.0.0.1:9")
    run(close_connections())

    async def enter_often() -> None:
        host = host_at(url)
        for _ in range(MOST_REQUESTS + 1):
            with pytest.raises(MissingExtra):
                async with asyncio.timeout(5), host.connection():
                    pass
        assert not host.busy

    run(enter_often())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("refuses", [True, False])
def test_no_password_of_a_proxy_is_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    scheme: str, refuses: bool,
) -> None:  # fmt: skip
    if scheme == "socks5":
        pytest.importorskip("aiohttp_socks")
    caplog.set_level(logging.DEBUG)
    with faulty.serve(faulty.answer(407, b"")) as proxy, socks() as by_socks:
        port = by_socks if scheme == "socks5" else proxy.rpartition(":")[2]
        port = port if refuses else 9
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:SECRET2@127.0.0.1:{port}")
        with pytest.raises(ReadError) as caught:
            get(url)
        run(close_connections())
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = "".join(line for line in told.format() if __file__ not in line)
    assert "SECRET" not in frames + caplog.text + str(caught.value)
