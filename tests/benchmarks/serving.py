"""Requests a second of the service: ``python -m tests.benchmarks.serving``.

It is run as users run it (``astra-xr serve``), over the sample, and asked by wrk
(``apt-get install wrk``) with 64 connections, on the cores that it shares with it. ``--workers 2``
asks two processes; ``--requests 1000000`` asks so many, and tells what memory that leaves.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from astra_xr.service.keys import new_key
from tests.servers import free_port

_SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
_CONNECTIONS = 64
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one run of wrk saw."""

    rate: float
    """Requests a second."""

    p99: float
    """Milliseconds."""

    cpu: float
    """Microseconds of the service's processor time a request."""

    count: int
    """Requests."""


@contextmanager
def _service(key: str, workers: int, folder: Path) -> Iterator[tuple[str, int]]:
    """Yield its root URL and the number of its process group."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "astra_xr.cli", "serve", "--catalog", "sample"]
    command += ["--port", str(port), "--workers", str(workers)]
    command += ["--keys-file", str(folder / "keys.json")]
    environ = os.environ | {"ASTRA_API_KEYS": key, "ASTRA_RATE": "none"}
    with (folder / "log").open("wb") as log:
        run = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        try:
            for _ in range(300):
                try:
                    httpx.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url, run.pid
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def _processes(group: int) -> Iterator[Path]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                told = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(told[2]) == group:
                yield path


def _cpu(group: int) -> float:
    """Seconds of processor time that a process group took."""
    told = [(p / "stat").read_text().rpartition(")")[2].split() for p in _processes(group)]
    return sum(int(one[11]) + int(one[12]) for one in told) / _TICK


def _memory(group: int) -> float:
    """MB that the largest process of a group holds."""
    texts = [(path / "status").read_text() for path in _processes(group)]
    return max(int(m[1]) for m in (re.search(r"VmRSS:\s+(\d+)", t) for t in texts) if m) / 1000


def _stolen() -> tuple[int, int]:
    """Return the ticks of all cores that a hypervisor gave to others, and all ticks."""
    told = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return told[7], sum(told)


def _load(url: str, headers: list[str], seconds: float, group: int) -> Round:
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:.0f}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    before = _cpu(group)
    told = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    taken = _cpu(group) - before
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", told)
    if "Non-2xx" in told or (errors and any(map(int, errors.groups()))):
        sys.exit(told)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", told)
    count = re.search(r"(\d+) requests in", told)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert late
    assert count
    assert rate
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}[late[2]]
    asked = int(count[1])
    return Round(
        rate=float(rate[1]), p99=float(late[1]) * unit, cpu=taken / asked * 1e6, count=asked
    )


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--requests", type=int, default=0)
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not here, which makes the load: apt-get install wrk")
    key = new_key("benchmark")[1].reveal()
    auth = [f"Authorization: Bearer {key}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        _service(key, args.workers, Path(folder)) as (root, group),
    ):
        ask = f"{root}/api/v1/assets?scene_id={_SCENE}&bands=red,nir"
        answer = httpx.get(ask, headers={"Authorization": auth[0].partition(" ")[2]}, timeout=120)
        href = answer.json()["assets"]["B04"]["href"]
        print(f"{args.workers} worker(s), wrk on the same {os.cpu_count()} cores")
        before = _stolen()
        for name, url, headers in (
            ("warm resolve", ask, auth),
            ("64 KiB signed ranges", href, ["Range: bytes=65536-131071"]),
        ):
            _load(url, headers, 1, group)
            rounds = [_load(url, headers, args.seconds, group) for _ in range(args.rounds)]
            rate, p99, cpu = (
                statistics.median(getattr(one, part) for one in rounds)
                for part in ("rate", "p99", "cpu")
            )
            print(f"{name}: {rate:,.0f}/s, p99 {p99:.1f} ms, {cpu:.0f} µs of CPU a request")
        stolen, ticks = (now - then for now, then in zip(_stolen(), before, strict=True))
        print(f"meanwhile the hypervisor gave {stolen / ticks:.0%} of the cores' time to others")
        print(f"memory: {_memory(group):.0f} MB")
        asked = 0
        while asked < args.requests:
            asked += _load(ask, auth, 60, group).count
            print(f"memory after {asked:,} warm resolves more: {_memory(group):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
