"""Requests a second of the service: ``python -m tests.benchmarks.serving``.

The load comes from this process's threads of raw sockets, on the cores that the service shares.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import threading
import time
from urllib.parse import urlsplit

import httpx

from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import new_key
from astra_xr.service.serve import running
from astra_xr.settings import Settings

_SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


def _load(url: str, headers: str, seconds: float, results: multiprocessing.Queue[int]) -> None:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}\r\n".encode()
    count, until = 0, time.perf_counter() + seconds
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        while time.perf_counter() < until:
            wire.sendall(head)
            data = wire.recv(1 << 17)
            while b"\r\n\r\n" not in data:
                data += wire.recv(1 << 17)
            first, _, rest = data.partition(b"\r\n\r\n")
            assert first[9:12] in (b"200", b"206"), first
            left = int(first.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(rest)
            while left > 0:
                left -= len(wire.recv(min(left, 1 << 17)))
            count += 1
    results.put(count)


def _rate(url: str, headers: str, seconds: float = 3.0, connections: int = 8) -> float:
    results: multiprocessing.Queue[int] = multiprocessing.Queue()
    load = [
        threading.Thread(target=_load, args=(url, headers, seconds, results))
        for _ in range(connections)
    ]
    for one in load:
        one.start()
    total = sum(results.get() for _ in load)
    for one in load:
        one.join()
    return total / seconds


def _serve(key: str, told: multiprocessing.Queue[str]) -> None:
    core = Settings(catalog="sample", cache_dir=Settings.from_env().cache_dir)
    with running(ServiceSettings(core=core, api_keys=(key,))) as url:
        told.put(url)
        time.sleep(600)


def main() -> None:
    """Print medians of three."""
    _, key = new_key("benchmark")
    told: multiprocessing.Queue[str] = multiprocessing.Queue()
    service = multiprocessing.Process(target=_serve, args=(key, told), daemon=True)
    service.start()
    auth = f"Authorization: Bearer {key}\r\n"
    ask = f"{told.get()}/api/v1/assets?scene_id={_SCENE}&bands=red,nir"
    headers = {"Authorization": f"Bearer {key}"}
    href = httpx.get(ask, headers=headers, timeout=120).json()["assets"]["B04"]["href"]
    for name, url, extra in (
        ("warm resolve", ask, auth),
        ("64 KiB signed ranges", href, "Range: bytes=65536-131071\r\n"),
    ):
        rates = [_rate(url, extra) for _ in range(3)]
        print(f"{name}: {statistics.median(rates):,.0f}/s on {os.cpu_count()} cores, load included")
    service.terminate()


if __name__ == "__main__":
    main()
