"""The service under load while all around it fails: ``python -m tests.soak --seconds 600``.

Clients ask two workers for scenes of a catalog that fails a third of the time, and one worker is
killed now and then. No answer may be wrong (hrefs and pixels are looked at), no conversion may be
lost, and every failure has to be one that the contract names.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import rasterio

from astra_xr import RemoteResolver, Settings
from astra_xr.errors import AstraError, UnknownBand, UpstreamError
from astra_xr.model import Asset
from astra_xr.service.keys import KeyFile
from astra_xr.testing import RangeServer, write_cog
from tests import items
from tests.servers import free_port
from tests.stac_api import StacApi

SIZE = 256
BANDS = ("B04", "B08")
SOURCES = 24
"""Different files of each band; a scene's number says which are its own."""

TILES = [f"10S{a}{b}" for a, b in itertools.product("ABCDEFGHJKLMNPQRSTUV", repeat=2)]


def scene_of(number: int) -> str:
    return "sentinel-2:" + items.PRODUCT.replace("10SEG", TILES[number])


@dataclass
class Tally:
    """What came of it, from many threads."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    converted: set[tuple[int, str]] = field(default_factory=set)
    """Scene and band of each conversion that was asked for."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, *, wrong: bool = False) -> None:
        with self.lock:
            self.counts[what.split(":", maxsplit=1)[0][:60]] += 1
            if wrong:
                self.wrong.append(what)


class Catalog(ThreadingHTTPServer):
    """A STAC API that fails a third of the time, in all the ways there are."""

    daemon_threads, block_on_close, request_queue_size = True, False, 256
    failing = True

    def __init__(self, storage: str) -> None:
        found = []
        for number, tile in enumerate(TILES):
            item = items.earth_search_c1(SIZE, tile)
            for key, asset in item["assets"].items():
                band = asset["eo:bands"][0]["name"]
                del asset["file:size"]
                item["assets"][key] = asset | {"href": f"{storage}{number % SOURCES}/{band}.tif"}
            found.append(item)
        self.api = StacApi(found)
        super().__init__(("127.0.0.1", 0), _CatalogHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet of workers that are gone."""


class _CatalogHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Catalog

    def handle_any(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chance = random.random() if self.server.failing else 1.0
        if chance < 0.01:
            time.sleep(5)
        if chance < 0.08:
            self.close_connection = True
            return
        if chance < 0.33:
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


class Client:
    """Asks one thing after the other, and looks at what it gets."""

    def __init__(self, url: str, key: str, storage: str, truth: Truth, tally: Tally) -> None:
        self._resolver = RemoteResolver(url, key, settings=Settings(timeout=10))
        self._url, self._storage, self._truth, self._tally = url, storage, truth, tally

    def run(self, until: float, seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < until:
            number, what = rng.randrange(len(TILES)), rng.random()
            try:
                if what < 0.2:
                    self.converted(number, rng.choice(BANDS))
                elif what < 0.3:
                    self.slip(number)
                else:
                    self.direct(number)
            except UpstreamError as error:
                self._tally.add(f"documented {error.code}")
            except Exception as error:  # noqa: BLE001 - all others are what is looked for
                self._tally.add(f"undocumented {type(error).__name__}: {error}", wrong=True)

    def direct(self, number: int) -> None:
        answer = self._resolver.resolve(scene_of(number), "red,nir")
        for name, band in zip(("red", "nir"), BANDS, strict=True):
            self._same(url_of(answer.assets[name]), f"{self._storage}{number % SOURCES}/{band}.tif")
        self._tally.add("direct")

    def slip(self, number: int) -> None:
        try:
            self._resolver.resolve(scene_of(number), "nirr")
        except UnknownBand as error:
            self._same("B08" in error.available, True)
            self._tally.add("unknown band")
        else:
            self._tally.add("a band that is none was found", wrong=True)

    def converted(self, number: int, band: str) -> None:
        with self._tally.lock:
            self._tally.converted.add((number, band))
        asset = self._resolver.resolve(scene_of(number), band, "geotiff").assets[band]
        url = url_of(asset)
        self._same(url.startswith(f"{self._url}/assets/converted/"), True)
        content = self._fetched(url)
        self._same(len(content), asset.size)
        with rasterio.MemoryFile(content) as memory, memory.open() as file:
            self._same(bool((file.read(1) == self._truth[number % SOURCES, band]).all()), True)
        self._tally.add("converted")

    def _fetched(self, url: str) -> bytes:
        for _ in range(8):
            try:
                response = httpx.get(url, timeout=30)
            except httpx.TransportError:
                # The worker was killed; another one is there.
                time.sleep(0.5)
                continue
            self._same(response.status_code, 200)
            return response.content
        raise AstraError("a file could not be fetched")

    def _same(self, got: object, expected: object) -> None:
        if got != expected:
            self._tally.add(f"wrong answer: {got!r} for {expected!r}", wrong=True)


Truth = dict[tuple[int, str], npt.NDArray[np.uint16]]


def url_of(asset: Asset) -> str:
    assert asset.signed
    return asset.signed.url


def make_sources(folder: Path) -> Truth:
    truth: Truth = {}
    for number, band in itertools.product(range(SOURCES), BANDS):
        seed = 100 * number + int(band[1:])
        dn = np.random.default_rng(seed).integers(1, 9999, (SIZE, SIZE)).astype(np.uint16)
        (folder / str(number)).mkdir(exist_ok=True)
        write_cog(folder / str(number) / f"{band}.tif", dn)
        truth[number, band] = dn
    return truth


@contextlib.contextmanager
def service(folder: Path, catalog: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run ``astra-xr serve`` with two workers."""
    port = free_port()
    told = {
        "ASTRA_CACHE_DIR": str(folder / "cache"),
        "ASTRA_EARTH_SEARCH_URL": catalog,
        "ASTRA_ALLOW_HOSTS": "127.0.0.1",
        "ASTRA_TIMEOUT": "3",
    }
    command = [sys.executable, "-m", "astra_xr.cli", "serve", "--catalog", "earth-search"]
    command += ["--port", str(port), "--workers", "2", "--keys-file", str(folder / "keys.json")]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ASTRA_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=kept | told, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"{url}/healthz")
                    break
                time.sleep(0.2)
            yield url, process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()


def kill_a_worker(parent: int) -> bool:
    """Kill one of the workers that a supervisor started; tell whether there was one."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    workers = []
    for child in children:
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(int(child))
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)
    return bool(workers)


def soak(seconds: float, clients: int, kill_every: float) -> Tally:
    """Run it all, and return what came of it."""
    tally = Tally()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        sources = folder / "sources"
        sources.mkdir()
        truth = make_sources(sources)
        storage = stack.enter_context(RangeServer(sources)).url()
        catalog = stack.enter_context(Catalog(storage))
        threading.Thread(target=catalog.serve_forever, daemon=True).start()
        stack.callback(catalog.shutdown)
        key = KeyFile(folder / "keys.json").add("soak").reveal()
        at = f"http://127.0.0.1:{catalog.server_port}"
        url, process = stack.enter_context(service(folder, at))
        until = time.monotonic() + seconds
        asking = [Client(url, key, storage, truth, tally) for _ in range(clients)]
        threads = [
            threading.Thread(target=client.run, args=(until, seed), daemon=True)
            for seed, client in enumerate(asking)
        ]
        for thread in threads:
            thread.start()
        _kill_now_and_then(process.pid, kill_every, until, tally)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()) + 180)
            if thread.is_alive():
                tally.add("a client that waits for ever", wrong=True)
        # What was asked for once is there, or can be had: nothing stands in its way.
        catalog.failing = False
        for number, band in sorted(tally.converted):
            try:
                asking[0].converted(number, band)
            except AstraError as error:
                tally.add(f"lost conversion: {number} {band} {error}", wrong=True)
        _sweep((folder / "log").read_text("utf-8", "replace"), key, tally)
    return tally


def _kill_now_and_then(parent: int, every: float, until: float, tally: Tally) -> None:
    while time.monotonic() + every < until:
        time.sleep(every)
        if kill_a_worker(parent):
            tally.add("workers killed")


def _sweep(log: str, key: str, tally: Tally) -> None:
    for odd in (key, key[-64:], "SECRET", "Traceback"):
        if odd in log:
            tally.add(f"in the log: {odd[:9]}", wrong=True)
    if tally.wrong:
        print(log[-3000:])


def main() -> int:
    """Soak, print what came of it, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kill-every", type=float, default=30, help="seconds")
    args = parser.parse_args()
    tally = soak(args.seconds, args.clients, args.kill_every)
    for what, count in sorted(tally.counts.items()):
        print(f"{count:8d}  {what}")
    for what in tally.wrong[:20]:
        print(f"WRONG {what}"[:500])
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
