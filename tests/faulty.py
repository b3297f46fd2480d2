"""Real HTTP servers on loopback that misbehave as catalogs do, or are slow as storage is."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from astra_xr.testing import RangeServer, Reply, Request

LINK = Path(__file__).parent / "benchmarks" / "link.py"

Misbehave = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def answer(status: int, body: bytes, **headers: str) -> Misbehave:
    """Answer everything so."""

    def send(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def hang(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Take the request and say nothing."""
    over.wait()


def trickle(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Send a blank now and then, for ever: no single read times out."""
    handler.send_response(200)
    handler.end_headers()
    while not over.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def reset(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Hang up in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id":')
    handler.close_connection = True


@contextlib.contextmanager
def serve(misbehave: Misbehave) -> Iterator[str]:
    """Run the server; yields its base URL."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            with contextlib.suppress(OSError):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                misbehave(self, over)

        do_GET = do_POST = handle_any

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


class HeldServer(RangeServer):
    """A byte-range server that holds answers back until all that a test waits for was asked.

    Tests of what is asked together need no delay: how long would do on a busy machine?
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[Request] = []
        """As they came in, answered or not."""
        self.held: Callable[[Request], bool] = lambda request: False
        """Called again and again with a request, which is answered once this returns False."""

    async def _answer(self, writer: Any, request: Request, answer: Any) -> bool:
        self.asked.append(request)
        while self.held(request):
            await asyncio.sleep(0.01)
        return await super()._answer(writer, request, answer)


def metered(rate: float) -> Callable[[Request], Reply | None]:
    """A rule that serves a number of requests per second, and others with Retry-After."""
    allowed, at = rate, time.monotonic()

    def rule(request: Request) -> Reply | None:
        nonlocal allowed, at
        now = time.monotonic()
        allowed, at = min(rate, allowed + rate * (now - at)), now
        if allowed < 1:
            return Reply(status=503, headers={"Retry-After": "1"})
        allowed -= 1
        return None

    return rule


@contextlib.contextmanager
def slowed(server: RangeServer, mbit: float) -> Iterator[str]:
    """A link of a bandwidth in front of a server; yields the root of its files."""
    target = server.url().rstrip("/").rpartition(":")[2]
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, str(LINK), str(port), target, "20", str(mbit)]
        shaping = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if _listens(port, shaping):
            break
        # It takes the port after this one, too, which another had.
        shaping.kill()
        shaping.wait()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        shaping.terminate()
        shaping.wait()


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a process takes connections at a port; False if it ends before."""
    for _ in range(600):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


class FailingCatalog(ThreadingHTTPServer):
    """A STAC API that fails some of the time, in all the ways there are.

    Parameters
    ----------
    api : callable
        Takes a request, and returns the answer.
    failing : float
        Share of the requests that fail.
    names : re.Pattern
        Finds what a request asks for.
    """

    daemon_threads, block_on_close, request_queue_size = True, False, 256

    def __init__(
        self,
        api: Callable[[httpx.Request], httpx.Response],
        failing: float,
        names: re.Pattern[str],
    ) -> None:
        self.api, self.failing, self.names = api, failing, names
        self.told: dict[str, list[tuple[float, bool]]] = collections.defaultdict(list)
        """Name → when it was requested, and whether it was sent."""
        super().__init__(("127.0.0.1", 0), _CatalogHandler)

    def excuses(self, name: str, since: float) -> bool:
        """Return True if a file was requested since then, and never sent."""
        given = [given for at, given in list(self.told[name]) if at >= since]
        return bool(given) and not any(given)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet of clients that are gone."""


class _CatalogHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FailingCatalog

    def handle_any(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        failing = self.server.failing
        chance = random.random()
        for name in self.server.names.findall(f"{self.path} {content.decode()}"):
            self.server.told[name].append((time.monotonic(), chance >= failing))
        if chance < 0.03 * failing:
            time.sleep(5)
        if chance < 0.25 * failing:
            self.close_connection = True
            return
        if chance < failing:
            status = random.choice([429, 500, 502, 503])
            told = httpx.Response(status, headers={"Retry-After": "1"}, text="oops sig=SECRET")
        else:
            url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
            told = self.server.api(httpx.Request(self.command, url, content=content))
        self.send_response(told.status_code)
        for name, value in told.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(told.content)

    do_GET = do_POST = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass
