"""Signers that hang or fail: reads of other catalogs go on, and all who wait fail together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr.errors import UpstreamError
from astra_xr.model import SignedUrl, UrlSource
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.loop import run
from astra_xr.reading.signers import sign
from conftest import Loopback
from tests import items
from tests.conftest import World

SCENE = f"sentinel-2:{items.PRODUCT}"
PC = "planetarycomputer.microsoft.com"


def test_a_dead_signer_delays_no_reads_of_others(
    world: World, network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = astra_xr.open_scene(SCENE, ["red"], catalog="planetary-computer").red
    other = astra_xr.open_scene(SCENE, ["red"], catalog="earth-search").red
    api = network.routes[PC]
    assert callable(api)
    asked, over = [], threading.Event()

    def hangs(request: httpx.Request) -> httpx.Response:
        if "/sas/" not in request.url.path:
            return api(request)
        asked.append(request)
        over.wait(120)
        return httpx.Response(401, json={"message": "no key"})

    network.routes[PC] = hangs
    failed: list[str] = []
    come = threading.Semaphore(0)

    async def told(source: UrlSource, **options: Any) -> SignedUrl:
        come.release()
        return await sign(source, **options)

    monkeypatch.setattr("astra_xr.reading.ranges.sign", told)

    def read() -> None:
        try:
            ours[:3, :3].load()
        except UpstreamError as error:
            failed.append(str(error))

    # More than a signer has threads.
    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert come.acquire(timeout=60)
        tile_cache.clear()
        assert other[:3, :3].load().shape == (3, 3)
        assert failed == []
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert len(failed) == 20
    assert len(set(failed)) == 1
    assert len(asked) == 1


class Source:
    def __init__(self, catalog: str, act: Callable[[], SignedUrl]) -> None:
        self.catalog, self._act = catalog, act

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        return self._act()


def test_threads_are_few_and_used_again() -> None:
    used = set[str]()

    def act() -> SignedUrl:
        used.add(threading.current_thread().name)
        return SignedUrl(url="https://a.example/b.tif")

    async def many() -> list[SignedUrl]:
        source = Source("a", act)
        return list(await asyncio.gather(*(sign(source) for _ in range(200))))

    assert len(run(many())) == 200
    assert used == {"astra-xr signs a"}
    assert sum(thread.name in used for thread in threading.enumerate()) <= 8
    broken = Source("a", lambda: (_ for _ in ()).throw(ValueError("odd")))
    with pytest.raises(ValueError, match="odd"):
        run(sign(broken))
    assert len(run(many())) == 200
