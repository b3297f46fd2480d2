"""Catalogs and signing services that fail for seconds, hang, or give out expired tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

import astra_xr
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.conversion.recipe import Limits
from astra_xr.conversion.source import Source
from astra_xr.errors import UpstreamUnavailable
from astra_xr.testing import RangeServer, Reply
from conftest import Loopback
from tests import items
from tests.conftest import World

SCENE = f"sentinel-2:{items.PRODUCT}"
PC = "planetarycomputer.microsoft.com"
ES = "earth-search.aws.element84.com"

Route = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "60")


def busy(request: httpx.Request) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": "3"})


def down(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def resets(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("Connection reset by peer", request=request)


def silent(request: httpx.Request) -> httpx.Response:
    # As a connection on which nothing comes until the limit of a try is over.
    time.sleep(request.extensions["timeout"]["read"])
    raise httpx.ReadTimeout("nothing came", request=request)


FAULTS: dict[str, Route] = {"503": down, "429": busy, "resets": resets, "silence": silent}


def failing(good: Route, fault: Route, path: str, seconds: float = 5.0) -> Route:
    """A route that fails for some seconds from the first request to a path on."""
    until = 0.0

    def route(request: httpx.Request) -> httpx.Response:
        nonlocal until
        if path not in request.url.path:
            return good(request)
        until = until or time.monotonic() + seconds
        return fault(request) if time.monotonic() < until else good(request)

    return route


def of(network: Loopback, host: str) -> Route:
    route = network.routes[host]
    assert callable(route)
    return route


def pixels(world: World) -> np.ndarray:
    ds = astra_xr.open_scene(SCENE, ["B04"], catalog="planetary-computer", mask_and_scale=False)
    found: np.ndarray = ds.B04.values
    return found


@pytest.mark.parametrize("path", ["/stac/", "/sas/"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_pixels_after_a_while(
    world: World, network: Loopback, monkeypatch: pytest.MonkeyPatch, fault: str, path: str
) -> None:
    monkeypatch.setenv("ASTRA_TIMEOUT", "2")
    # A host that has answered before: one that never did may not exist.
    astra_xr.search("sentinel-2", datetime="2025-01", catalog="planetary-computer")
    network.routes[PC] = failing(of(network, PC), FAULTS[fault], path)
    np.testing.assert_array_equal(pixels(world), world.dn["B04"])


# One that is silent is left for the others, which is told.
@pytest.mark.parametrize("fault", ["503", "429", "resets"])
def test_a_search_misses_nothing_after_a_while(world: World, network: Loopback, fault: str) -> None:
    network.routes[ES] = failing(of(network, ES), FAULTS[fault], "/search", 4)
    found = astra_xr.search("sentinel-2", datetime="2025-01")
    assert (found.passed_over, found.asked) == ({}, ("earth-search", "planetary-computer", "cdse"))
    assert len(found.filter(catalog="earth-search")) == 1


class Signer:
    """Gives out tokens that end some time after what it says that the time is."""

    def __init__(self, world: World, off: timedelta, *lives: timedelta) -> None:
        self.world, self.off, self.lives, self.asked = world, off, list(lives), 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/sas/" not in request.url.path:
            return self.world.planetary_computer(request)
        self.asked += 1
        now = datetime.now(UTC) + self.off
        end = now + (self.lives.pop(0) if len(self.lives) > 1 else self.lives[0])
        self.world.tokens.append(f"SECRET{self.asked}")
        answer = {"msft:expiry": f"{end:%Y-%m-%dT%H:%M:%SZ}", "token": f"sig=SECRET{self.asked}"}
        date = {"Date": format_datetime(now, usegmt=True)}
        return httpx.Response(200, headers=date, json=answer)


HOUR = timedelta(hours=1)


def test_tokens_that_have_expired_are_requested_again(world: World, network: Loopback) -> None:
    signer = network.routes[PC] = Signer(world, timedelta(0), -HOUR, -HOUR, HOUR)
    np.testing.assert_array_equal(pixels(world), world.dn["B04"])
    assert signer.asked == 3


def test_a_service_that_issues_only_expired_tokens_is_an_error(
    world: World, network: Loopback
) -> None:
    network.routes[PC] = Signer(world, timedelta(0), -HOUR)
    with pytest.raises(UpstreamUnavailable, match="it returns tokens that have expired"):
        pixels(world)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_off_by_a_day_changes_nothing(
    world: World, network: Loopback, days: int
) -> None:
    signer = network.routes[PC] = Signer(world, timedelta(days=days), HOUR)
    for _ in range(20):
        np.testing.assert_array_equal(pixels(world), world.dn["B04"])
    assert signer.asked == 1


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(reset=True)], ids=["503", "resets"])
def test_a_file_to_be_converted_is_fetched_after_a_while(tmp_path: Path, reply: Reply) -> None:
    body = np.random.default_rng(0).bytes(20 << 20)
    (tmp_path / "a.jp2").write_bytes(body)
    (tmp_path / "work").mkdir()
    until = 0.0
    with RangeServer(tmp_path) as server:
        source = Source(FixedUrl(server.url("a.jp2")), "scene red", trusted=True)
        until = time.monotonic() + 5
        server.rule = lambda _: reply if time.monotonic() < until else None
        path = source.fetch(tmp_path / "work", Limits(), lambda share: None)
        assert path.read_bytes() == body
