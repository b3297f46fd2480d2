"""Programs that end in the middle of reads and right after them, and workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from tests import items

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SIDE = 1024


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(1, 9000, (SIDE, SIDE)).astype(np.uint16)
    write_cog(tmp_path / "B04.tif", pixels, blocksize=256, overviews=None)
    return pixels


@pytest.fixture
def server(tmp_path: Path, truth: np.ndarray) -> Iterator[RangeServer]:
    del truth
    with RangeServer(tmp_path, latency=0.01) as running:
        yield running


# A child that is forked before anything was read ends as any program does: it falls off the end of
# the script, threads are joined, `atexit` hooks run, and the interpreter is taken apart. It does
# not import everything anew, which would be most of a second for each run.
RUNS = """
import asyncio, json, os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
import astra_xr
from tests import items

def red():
    item = items.planetary_computer(SIDE)
    item["assets"]["B04"]["href"] = sys.argv[1] + "B04.tif"
    return astra_xr.open_scene(item, ["B04"], mask_and_scale=False).B04

async def broken_off(array):
    read = asyncio.ensure_future(array.load_async())
    await asyncio.sleep(0.02)
    read.cancel()

def read():
    lazy, way = red(), sys.argv[3]
    if way == "load":
        lazy.load()
    elif way == "dask":
        lazy.chunk(256).load()
    elif way == "async, broken off":
        asyncio.run(broken_off(lazy))
    elif way == "exit on SIGTERM":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.write(ready, b".")
        lazy.load()
    elif way == "SIGTERM":
        os.write(ready, b".")
        lazy.load()

red()
codes, running = [], 0
told, ready = os.pipe()
for _ in range(int(sys.argv[2])):
    if running == 4:
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
        running -= 1
    child = os.fork()
    if not child:
        read()
        break
    running += 1
    if "SIGTERM" in sys.argv[3]:
        os.read(told, 1)
        os.kill(child, signal.SIGTERM)
else:
    codes += [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(running)]
    print(json.dumps(codes))
""".replace("SIDE", str(SIDE))


def codes_of(url: str, runs: int, way: str) -> tuple[Counter[int], str]:
    """Return the exit codes of so many programs, and all that they said."""
    out = subprocess.run(
        [sys.executable, "-c", RUNS, url, str(runs), way],
        capture_output=True, text=True, check=True, timeout=400,
    )  # fmt: skip
    return Counter(json.loads(out.stdout)), out.stderr


@pytest.mark.parametrize(("way", "runs"), [("load", 100), ("dask", 50), ("async, broken off", 50)])
def test_a_program_ends_right_after_a_read(server: RangeServer, way: str, runs: int) -> None:
    assert codes_of(server.url(), runs, way) == ({0: runs}, "")


@pytest.mark.parametrize(("way", "code"), [("SIGTERM", -signal.SIGTERM), ("exit on SIGTERM", 0)])
def test_a_program_is_ended_in_the_middle_of_a_read(
    server: RangeServer, way: str, code: int
) -> None:
    server.rule = lambda request: Reply(delay=60) if request.range and request.range[0] else None
    assert codes_of(server.url(), 20, way) == ({code: 20}, "")


def test_a_program_is_ended_right_after_a_read(server: RangeServer) -> None:
    """Whatever it does at that time, it neither aborts nor hangs."""
    codes, _ = codes_of(server.url(), 20, "SIGTERM")
    assert set(codes) <= {0, -signal.SIGTERM}


def test_a_worker_that_is_killed_in_the_middle_of_a_read(
    server: RangeServer, truth: np.ndarray
) -> None:
    distributed = pytest.importorskip("distributed")
    reached = threading.Event()

    def rule(request: Request) -> Reply | None:
        if request.number > 8:
            reached.set()
        return Reply(delay=0.2)

    server.rule = rule
    item = items.planetary_computer(SIDE)
    item["assets"]["B04"]["href"] = server.url("B04.tif")
    lazy = astra_xr.open_scene(item, ["B04"], mask_and_scale=False, chunks={"y": 128, "x": 128})
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers: dict[str, Any] = client.run(os.getpid)
        coming = client.compute(lazy.B04)
        assert reached.wait(120)
        os.kill(next(iter(workers.values())), signal.SIGKILL)
        np.testing.assert_array_equal(coming.result(300), truth)
        assert set(client.run(os.getpid).values()) != set(workers.values())
