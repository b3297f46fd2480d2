"""Many ids at once: few requests, few at a time, and none for what is known."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from astra_xr import LocalResolver, Settings
from conftest import Loopback
from tests import items

ES = "earth-search.aws.element84.com"


class Busy:
    """Returns any requested tile after some milliseconds; counts concurrent requests."""

    def __init__(self, seconds: float = 0.005) -> None:
        self.seconds = seconds
        self.asked = 0
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.asked += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self.seconds)
        tile = json.loads(request.content)["query"]["grid:code"]["eq"].removeprefix("MGRS-")
        answer = {"features": [items.earth_search_c1(8, tile=tile)], "links": []}
        with self._lock:
            self.inside -= 1
        return httpx.Response(200, json=answer)


@pytest.fixture
def busy(network: Loopback) -> Busy:
    busy = Busy()
    network.routes[ES] = busy
    return busy


def tiles(count: int) -> list[str]:
    letters = "ABCDEFGHJKLMNPQRSTUV"
    return [f"10S{letters[n // 20]}{letters[n % 20]}" for n in range(count)]


def scene(tile: str) -> str:
    return items.PRODUCT.replace("10SEG", tile)


@pytest.mark.parametrize("catalog", [None, "earth-search"])
def test_a_hundred_ids_at_once(busy: Busy, catalog: str | None) -> None:
    resolver = LocalResolver(Settings())
    wanted = [scene(tile) for tile in tiles(100)]

    def resolve(scene_id: str) -> str:
        return resolver.resolve(scene_id, "red", catalog=catalog, sign=False).full_id

    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(resolve, wanted)) == [f"sentinel-2:{name}" for name in wanted]
        assert busy.asked == 100
        assert 1 < busy.most <= 16
        list(pool.map(resolve, wanted))
    assert busy.asked == 100


def test_an_id_that_many_request_is_looked_up_once(busy: Busy) -> None:
    resolver = LocalResolver(Settings())
    with ThreadPoolExecutor(50) as pool:
        jobs = [pool.submit(resolver.resolve, scene("10SEG"), "red") for _ in range(50)]
        assert {job.result().catalog for job in jobs} == {"earth-search"}
    assert busy.asked == 1


def test_known_ids_are_known_by_catalog_too(busy: Busy) -> None:
    resolver = LocalResolver(Settings())
    for bands in ("red", "nir", None):
        resolver.resolve(scene("10SEG"), bands, sign=False)
        resolver.resolve(scene("10SEG"), bands, catalog="earth-search", sign=False)
    assert busy.asked == 1


def test_the_cache_is_bounded(busy: Busy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astra_xr.resolver.lookup._KEPT", 4)
    resolver = LocalResolver(Settings())
    for tile in (*tiles(8), tiles(8)[0]):
        resolver.resolve(scene(tile), "red", catalog="earth-search", sign=False)
    assert busy.asked == 9


def test_what_is_known_keeps_no_signature(busy: Busy) -> None:
    resolver = LocalResolver(Settings())
    signed = resolver.resolve(scene("10SEG"), "red")
    assert signed.assets["red"].signed
    assert resolver.resolve(scene("10SEG"), "red", sign=False).assets["red"].signed is None
