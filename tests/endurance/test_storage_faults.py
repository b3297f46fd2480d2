"""Storage that fails for seconds, throttles or is slow: the same pixels, later.

``pytest tests/endurance`` runs these, and ``.ci/run``; plain ``pytest`` leaves them out, since each
waits for seconds.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.reading import tiles
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from tests import items
from tests.faulty import metered, slowed

BANDS = [f"B{number:02d}" for number in range(1, 9)] + ["B8A", "B09", "B11", "B12"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "60")


def band(base: str, side: int) -> xr.Dataset:
    item = items.planetary_computer(side)
    item["assets"]["B04"]["href"] = f"{base}B04.tif"
    return astra_xr.open_scene(item, ["B04"], mask_and_scale=False)


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(1, 9000, (2048, 2048)).astype(np.uint16)
    write_cog(tmp_path / "B04.tif", pixels, blocksize=256, overviews=None)
    return pixels


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    with RangeServer(tmp_path, latency=0.01) as running:
        yield running


def failing(reply: Reply, seconds: float) -> Callable[[Request], Reply | None]:
    """A rule: from the first tile on, everything fails for some seconds."""
    until = 0.0

    def rule(request: Request) -> Reply | None:
        nonlocal until
        if not until and request.range and request.range[0]:
            until = time.monotonic() + seconds
        return reply if time.monotonic() < until else None

    return rule


def half() -> Callable[[Request], Reply | None]:
    """A rule that refuses every second tile at random, with Retry-After."""
    refused, rng = Reply(status=429, headers={"Retry-After": "3"}), random.Random(0)
    return lambda r: refused if r.range and r.range[0] and rng.random() < 0.5 else None


def stalled(request: Request) -> Reply | None:
    """A rule: the third request is never answered."""
    return Reply(delay=1000) if request.number == 2 else None


FAULTS: dict[str, Callable[[], Callable[[Request], Reply | None]]] = {
    "503 for 5 s": lambda: failing(Reply(status=503), 5),
    "500 for 5 s": lambda: failing(Reply(status=500), 5),
    "resets for 5 s": lambda: failing(Reply(reset=True), 5),
    "429 from half": half,
    "20 a second": lambda: metered(20),
    "one stalls": lambda: stalled,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_pixels_after_a_while(
    server: RangeServer, truth: np.ndarray, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "LARGEST_RUN", 1)  # 64 requests
    server.rule = FAULTS[fault]()
    np.testing.assert_array_equal(band(server.url(), 2048).B04.values, truth)
    refused = [request for request in server.requests if request.status >= 400]
    # No storm: what is refused is asked again seldom, and less at once.
    assert len(refused) < 8 * 64


def all_bands(base: str, side: int) -> xr.Dataset:
    item = items.planetary_computer(side)
    for name in BANDS:
        item["assets"][name] = {**item["assets"]["B04"], "href": f"{base}{name}.tif"}
        item["assets"][name]["eo:bands"] = [{"name": name}]
    return astra_xr.open_scene(item, BANDS, mask_and_scale=False)


@pytest.mark.parametrize(("side", "mbit"), [(1024, 20), (256, 2)])
def test_slow_links_are_read_to_the_end(tmp_path: Path, side: int, mbit: float) -> None:
    rng = np.random.default_rng(0)
    pixels = {name: rng.integers(1, 65000, (side, side)).astype(np.uint16) for name in BANDS}
    for name, each in pixels.items():
        write_cog(tmp_path / f"{name}.tif", each, blocksize=128, predictor=1, overviews=None)
    with RangeServer(tmp_path) as server, slowed(server, mbit) as base:
        loaded = all_bands(base, side).astra.load(progress=False)
        for name in BANDS:
            np.testing.assert_array_equal(loaded[name], pixels[name])
        sent = server.bytes_sent
        header_cache.clear()
        tile_cache.clear()
        server.reset()
        all_bands(server.url(), side).astra.load(progress=False)
        assert sent <= 1.05 * server.bytes_sent


FEW_DESCRIPTORS = """
import resource, sys, warnings
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
warnings.simplefilter("ignore")
import astra_xr
from tests import items
from tests.faulty import metered, slowed
for number in range(200):
    item = items.planetary_computer(2048)
    item["assets"]["B04"]["href"] = f"{sys.argv[1]}B04.tif?sig={number}"
    print(astra_xr.open_scene(item, ["B04"], mask_and_scale=False).B04[::256, ::256].values.sum())
"""
MANY_HOSTS = """
import os, sys, threading, time, resource, warnings
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
warnings.simplefilter("ignore")
import astra_xr
from concurrent.futures import ThreadPoolExecutor
from tests import items
def read(number):
    base = sys.argv[1 + number % (len(sys.argv) - 1)]
    item = items.planetary_computer(2048)
    item["assets"]["B04"]["href"] = f"{base}B04.tif?sig={number}"
    ds = astra_xr.open_scene(item, ["B04"], mask_and_scale=False)
    return ds.B04[::256, ::256].values.sum()
def look():
    while True:
        most[0] = max(most[0], len(os.listdir("/proc/self/fd")))
        time.sleep(0.002)
print(read(0))
before = len(os.listdir("/proc/self/fd")); most = [before]
threading.Thread(target=look, daemon=True).start()
with ThreadPoolExecutor(64) as pool:
    print(*pool.map(read, range(80)))
assert most[0] <= before + 96, most[0] - before
"""


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of descriptors")
def test_many_hosts_at_once_take_few_descriptors(tmp_path: Path, truth: np.ndarray) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RangeServer(tmp_path, latency=0.02)) for _ in range(8)]
        out = python(MANY_HOSTS, *(server.url() for server in servers))
    assert out.returncode == 0, out.stderr
    assert set(out.stdout.split()) == {str(truth[::256, ::256].sum())}


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of descriptors")
def test_many_signed_files_take_few_descriptors(server: RangeServer, truth: np.ndarray) -> None:
    server.latency = 0.0
    out = python(FEW_DESCRIPTORS, server.url())
    assert out.returncode == 0, out.stderr
    assert set(out.stdout.split()) == {str(truth[::256, ::256].sum())}
