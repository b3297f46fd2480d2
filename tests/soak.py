"""The service under load while all around it fails: ``python -m tests.soak --seconds 600``.

Clients ask two workers for scenes of a catalog that fails a third of the time, and one worker is
killed now and then; storage throttles, over a slow link. No answer may be wrong (hrefs and pixels
are looked at), no conversion may be lost, and every failure has to be one that the contract names.
Nearly all that the catalog lets have an answer must have one, in bounded time, memory and
descriptors.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import rasterio

import astra_xr
from astra_xr import RemoteResolver, Settings
from astra_xr.errors import AstraError, UnknownBand, UpstreamError
from astra_xr.model import Asset
from astra_xr.service.keys import KeyFile
from astra_xr.testing import RangeServer, write_cog
from tests import items
from tests.faulty import FailingCatalog, metered, slowed
from tests.servers import answers, free_port, wait_until
from tests.stac_api import StacApi

SIZE = 256
BANDS = ("B04", "B08")
SOURCES = 24
"""Different files of each band; a scene's number says which are its own."""

LEAST_OF_POSSIBLE = 0.99
"""Share of answers among requests that the catalog answered, or did not get."""

LEAST = 0.9
"""Share of answers among all requests: retries overcome most failures of the catalog."""

SLOWEST = {"direct": 15.0, "pixels": 60.0, "converted": 120.0}
"""Seconds that 99 % of the answers take at most; wide, since machines are busy."""

MOST_MEMORY = 1 << 30
MOST_DESCRIPTORS = 600
"""Of each worker."""

TILES = [f"10S{a}{b}" for a, b in itertools.product("ABCDEFGHJKLMNPQRSTUV", repeat=2)]


def scene_of(number: int) -> str:
    return "sentinel-2:" + items.PRODUCT.replace("10SEG", TILES[number])


@dataclass
class Tally:
    """What came of it, from many threads."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    converted: set[tuple[int, str]] = field(default_factory=set)
    """Scene and band of each conversion that was requested."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))
    """What each answer took, by its kind."""
    failed: int = 0
    excused: int = 0
    """The failures for which the catalog answered no request."""
    memory: int = 0
    descriptors: int = 0
    """The most that a worker had."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, *, wrong: bool = False) -> None:
        with self.lock:
            self.counts[what.split(":", maxsplit=1)[0][:60]] += 1
            if wrong:
                self.wrong.append(what)

    def answered(self, kind: str, since: float) -> None:
        self.add(kind)
        with self.lock:
            self.seconds[kind].append(time.monotonic() - since)

    def below_the_floor(self) -> list[str]:
        """Return in words what is too little, too slow or too large."""
        low = []
        answers = sum(map(len, self.seconds.values()))
        for share, of, least in (
            (answers / max(1, answers + self.failed - self.excused), "possible", LEAST_OF_POSSIBLE),
            (answers / max(1, answers + self.failed), "all", LEAST),
        ):
            if share < least:
                low.append(f"{share:.1%} of {of} answers, {least:.0%} are the least")
        for kind, most in SLOWEST.items():
            taken = self.seconds[kind]
            if not taken:
                low.append(f"nothing {kind}")
            elif np.quantile(taken, 0.99) > most:
                low.append(f"{kind}: 99 % within {np.quantile(taken, 0.99):.1f} s, not {most:g} s")
        if self.memory > MOST_MEMORY:
            low.append(f"a worker had {self.memory >> 20} MiB")
        if self.descriptors > MOST_DESCRIPTORS:
            low.append(f"a worker had {self.descriptors} descriptors")
        return low


def catalog_of(storage: str, failing: float) -> FailingCatalog:
    """Return a catalog of a scene a tile, which fails some of the time."""
    found = []
    for number, tile in enumerate(TILES):
        item = items.earth_search_c1(SIZE, tile)
        for key, asset in item["assets"].items():
            band = asset["eo:bands"][0]["name"]
            del asset["file:size"]
            item["assets"][key] = asset | {"href": f"{storage}{number % SOURCES}/{band}.tif"}
        found.append(item)
    return FailingCatalog(StacApi(found), failing, re.compile("|".join(TILES)))


class Client:
    """Sends one request after the other, and checks the responses."""

    def __init__(
        self, url: str, key: str, storage: str, catalog: FailingCatalog, truth: Truth, tally: Tally
    ) -> None:
        self._resolver = RemoteResolver(url, key, settings=Settings(timeout=10))
        self._url, self._storage, self._catalog = url, storage, catalog
        self._truth, self._tally = truth, tally

    def run(self, until: float, seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < until:
            number, what, since = rng.randrange(len(TILES)), rng.random(), time.monotonic()
            try:
                if what < 0.2:
                    kind = self.converted(number, rng.choice(BANDS))
                elif what < 0.3:
                    kind = self.slip(number)
                elif what < 0.4:
                    kind = self.pixels(number, rng.choice(BANDS))
                else:
                    kind = self.direct(number)
                self._tally.answered(kind, since)
            except UpstreamError as error:
                self._tally.failed += 1
                excused = self._catalog.excuses(TILES[number], since)
                self._tally.excused += excused
                self._tally.add(f"documented {error.code}{', excused' * excused}")
            except Exception as error:  # noqa: BLE001 - all others are what is looked for
                self._tally.add(f"undocumented {type(error).__name__}: {error}", wrong=True)

    def direct(self, number: int) -> str:
        answer = self._resolver.resolve(scene_of(number), "red,nir")
        for name, band in zip(("red", "nir"), BANDS, strict=True):
            self._same(url_of(answer.assets[name]), f"{self._storage}{number % SOURCES}/{band}.tif")
        return "direct"

    def pixels(self, number: int, band: str) -> str:
        """Read what a direct href leads to, as users do."""
        scene = astra_xr.open_scene(
            scene_of(number), band, resolver=self._resolver, mask_and_scale=False
        )
        self._same(bool((scene[band] == self._truth[number % SOURCES, band]).all()), True)
        return "pixels"

    def slip(self, number: int) -> str:
        try:
            self._resolver.resolve(scene_of(number), "nirr")
        except UnknownBand as error:
            self._same("B08" in error.available, True)
        else:
            self._tally.add("a band that is none was found", wrong=True)
        return "unknown band"

    def converted(self, number: int, band: str) -> str:
        with self._tally.lock:
            self._tally.converted.add((number, band))
        asset = self._resolver.resolve(scene_of(number), band, "geotiff").assets[band]
        url = url_of(asset)
        self._same(url.startswith(f"{self._url}/assets/converted/"), True)
        content = self._fetched(url)
        self._same(len(content), asset.size)
        with rasterio.MemoryFile(content) as memory, memory.open() as file:
            self._same(bool((file.read(1) == self._truth[number % SOURCES, band]).all()), True)
        return "converted"

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
        "ASTRA_RATE": "none",
    }
    command = [sys.executable, "-m", "astra_xr.cli", "serve", "--catalog", "earth-search"]
    command += ["--port", str(port), "--workers", "2", "--keys-file", str(folder / "keys.json")]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ASTRA_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=kept | told, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: answers(f"{url}/healthz"), process, folder / "log")
            yield url, process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()


def workers_of(parent: int) -> list[int]:
    """Return the process ids of the workers that a supervisor started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    workers = []
    for child in children:
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(int(child))
    return workers


def soak(seconds: float, clients: int, kill_every: float, failing: float = 1 / 3) -> Tally:
    """Run it all, and return what came of it."""
    tally = Tally()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        sources = folder / "sources"
        sources.mkdir()
        truth = make_sources(sources)
        server = stack.enter_context(RangeServer(sources))
        server.rule = metered(30)
        storage = stack.enter_context(slowed(server, 50))
        catalog = stack.enter_context(catalog_of(storage, failing))
        threading.Thread(target=catalog.serve_forever, daemon=True).start()
        stack.callback(catalog.shutdown)
        key = KeyFile(folder / "keys.json").add("soak").reveal()
        at = f"http://127.0.0.1:{catalog.server_port}"
        url, process = stack.enter_context(service(folder, at))
        until = time.monotonic() + seconds
        asking = [Client(url, key, storage, catalog, truth, tally) for _ in range(clients)]
        threads = [
            threading.Thread(target=client.run, args=(until, seed), daemon=True)
            for seed, client in enumerate(asking)
        ]
        for thread in threads:
            thread.start()
        _watch(process.pid, kill_every, until, tally)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()) + 180)
            if thread.is_alive():
                tally.add("a client that waits for ever", wrong=True)
        refused = sum(request.status == 503 for request in server.requests)
        tally.counts["requests that storage refused"] = refused
        server.rule = None
        # What was asked for once is there, or can be had: nothing stands in its way.
        catalog.failing = 0.0
        for number, band in sorted(tally.converted):
            try:
                asking[0].converted(number, band)
                tally.add("conversions that are there afterwards")
            except AstraError as error:
                tally.add(f"lost conversion: {number} {band} {error}", wrong=True)
        _sweep((folder / "log").read_text("utf-8", "replace"), key, tally)
    return tally


def _watch(parent: int, kill_every: float, until: float, tally: Tally) -> None:
    """See what the workers take, and kill one now and then."""
    due = time.monotonic() + kill_every
    while time.monotonic() < until:
        time.sleep(0.5)
        workers = workers_of(parent)
        for worker in workers:
            with contextlib.suppress(OSError, IndexError):
                resident = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
                tally.memory = max(tally.memory, resident * os.sysconf("SC_PAGE_SIZE"))
                held = len(os.listdir(f"/proc/{worker}/fd"))  # noqa: PTH208
                tally.descriptors = max(tally.descriptors, held)
        if workers and due < time.monotonic() < until - 1:
            os.kill(random.choice(workers), signal.SIGKILL)
            tally.add("workers killed")
            due += kill_every


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
    for kind, taken in sorted(tally.seconds.items()):
        half, most = np.quantile(taken, (0.5, 0.99))
        print(f"{kind}: half within {half:.2f} s, 99 % within {most:.2f} s")
    print(f"a worker: at most {tally.memory >> 20} MiB, {tally.descriptors} descriptors")
    wrong = tally.wrong[:20] + tally.below_the_floor()
    for what in wrong:
        print(f"WRONG {what}"[:500])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
