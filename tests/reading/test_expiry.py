"""Late signing that lasts: reads hours after opening, and expiry in the middle of one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.errors import ReadError, UpstreamError
from astra_xr.model import SignedUrl
from astra_xr.reading import tiles
from astra_xr.reading.cache import tile_cache
from astra_xr.settings import Settings
from astra_xr.testing import FakeClock, RangeServer, Reply, Request, write_cog
from conftest import Loopback
from tests.pixels import read

SIZE = 800
LIFE = timedelta(minutes=45)


class Azure:
    """Storage and signing service that go by one clock, which may differ from the reader's."""

    def __init__(self, server: RangeServer, skew: timedelta) -> None:
        self.clock = FakeClock(datetime(2025, 1, 1, tzinfo=UTC))
        self.skew = skew
        self.server = server
        self.given: list[datetime] = []
        self.refused = 0
        self.down = False
        self.lock = threading.Lock()
        server.rule = self.check

    def sign(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(400)
        with self.lock:
            self.given.append(self.clock() + self.skew + LIFE)
            told = self.given[-1]
        answer = {
            "msft:expiry": f"{told:%Y-%m-%dT%H:%M:%SZ}",
            "token": f"sig={len(self.given) - 1}",
        }
        return httpx.Response(200, json=answer)

    def check(self, request: Request) -> Reply | None:
        number = int(request.params.get("sig", -1))
        if 0 <= number < len(self.given) and self.clock() + self.skew < self.given[number]:
            return None
        self.refused += 1
        return Reply(status=403)


class Scene:
    """One band behind that storage."""

    def __init__(self, azure: Azure) -> None:
        self.catalog = PlanetaryComputer(Settings(), clock=azure.clock, timer=azure.clock.seconds)

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        href = "https://account.blob.core.windows.net/container/a.tif"
        return self.catalog.sign(href, refused=refused)

    def read(self) -> Any:
        tile_cache.clear()
        return read(source=self, label="scene red", shape=(SIZE, SIZE), indexes=(1,),
                    rows=(0, SIZE), cols=(0, SIZE), radiometry=None)[0]  # fmt: skip


TRUTH = np.random.default_rng(0).integers(0, 60000, (SIZE, SIZE)).astype(np.uint16)


@pytest.fixture(params=[0, 5, -5], ids=lambda minutes: f"skew {minutes} min")
def azure(request: pytest.FixtureRequest, tmp_path: Path, network: Loopback) -> Iterator[Azure]:
    (tmp_path / "container").mkdir()
    write_cog(tmp_path / "container/a.tif", TRUTH, blocksize=128)
    with RangeServer(tmp_path) as server:
        azure = Azure(server, timedelta(minutes=request.param))
        network.routes |= {
            "planetarycomputer.microsoft.com": azure.sign,
            "account.blob.core.windows.net": server.url(),
        }
        yield azure


@pytest.mark.parametrize("wait", [timedelta(minutes=61), timedelta(hours=10)])
def test_still_readable_hours_later(azure: Azure, wait: timedelta) -> None:
    scene = Scene(azure)
    np.testing.assert_array_equal(scene.read(), TRUTH)
    azure.clock.advance(wait)
    np.testing.assert_array_equal(scene.read(), TRUTH)
    assert len(azure.given) == 2
    assert azure.refused == 0


def test_expiry_in_the_middle_of_a_read(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LARGEST_RUN", 64 * 1024)  # many requests
    scene = Scene(azure)
    scene.read()
    azure.server.reset()
    usual = azure.check

    def late(request: Request) -> Reply | None:
        if request.number == 3:
            azure.given[0] = azure.clock() - timedelta(hours=1)  # from now on it is refused
        return usual(request)

    azure.server.rule = late
    np.testing.assert_array_equal(scene.read(), TRUTH)
    assert azure.refused > 0
    assert len(azure.given) == 2


def test_one_renewal_for_all_who_wait(azure: Azure) -> None:
    scene = Scene(azure)
    scene.read()
    azure.clock.advance(timedelta(hours=2))
    with ThreadPoolExecutor(8) as pool:
        for pixels in pool.map(lambda _: scene.read(), range(8)):
            np.testing.assert_array_equal(pixels, TRUTH)
    assert len(azure.given) == 2


def test_when_renewal_fails_it_says_so_and_later_works(azure: Azure) -> None:
    scene = Scene(azure)
    scene.read()
    azure.clock.advance(timedelta(hours=2))
    azure.down = True
    with pytest.raises(UpstreamError, match=r"Planetary Computer \(signing\)"):
        scene.read()
    azure.down = False
    azure.clock.advance(timedelta(seconds=2))
    np.testing.assert_array_equal(scene.read(), TRUTH)


def test_the_recorded_refusals_of_azure(azure: Azure, shared: Path) -> None:
    def recorded(name: str) -> Reply:
        told = json.loads((shared / "responses/errors" / name).read_text())["response"]
        headers = {k: v for k, v in told["headers"].items() if k.lower() != "content-length"}
        return Reply(status=told["status"], body=told["body"].encode(), headers=headers)

    expired = recorded("azure_403_sas_outside_validity.json")
    unsigned = recorded("azure_409_public_access_not_permitted.json")
    scene = Scene(azure)
    scene.read()
    usual = azure.check
    azure.server.rule = lambda request: expired if usual(request) else None
    azure.given[0] = azure.clock() - timedelta(hours=1)
    np.testing.assert_array_equal(scene.read(), TRUTH)
    assert len(azure.given) == 2
    azure.server.rule = lambda request: unsigned
    with pytest.raises(ReadError, match=r"requires a signed URL \(HTTP 409\)") as caught:
        scene.read()
    assert "sig=" not in str(caught.value)
