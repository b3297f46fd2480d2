"""Signing with SAS tokens: cached, single flight, renewed; recorded answers of the service."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.errors import SigningError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import FakeClock, require_query
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World

HOST = "planetarycomputer.microsoft.com"
BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/53/N/B04.tif"
START = datetime(2025, 1, 1, tzinfo=UTC)


class Tokens:
    """The signing service: each token is valid for ``life`` and has a number."""

    def __init__(self, clock: FakeClock, life: timedelta = timedelta(minutes=45)) -> None:
        self.clock, self.life, self.paths = clock, life, list[str]()
        self.keys: list[str | None] = []
        self.gate: threading.Event | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.gate:
            self.gate.wait(5)
        self.paths.append(request.url.path)
        self.keys.append(request.headers.get("Ocp-Apim-Subscription-Key"))
        expiry = f"{self.clock() + self.life:%Y-%m-%dT%H:%M:%SZ}"
        body = {"msft:expiry": expiry, "token": f"sv=1&sig=TOKEN{len(self.paths)}"}
        return httpx.Response(200, json=body)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def tokens(clock: FakeClock, network: Loopback) -> Tokens:
    service = Tokens(clock)
    network.routes[HOST] = service
    return service


@pytest.fixture
def catalog(clock: FakeClock) -> PlanetaryComputer:
    return PlanetaryComputer(Settings(), clock=clock, timer=clock.seconds)


def test_one_token_serves_a_container_until_shortly_before_its_own_expiry(
    catalog: PlanetaryComputer, tokens: Tokens, clock: FakeClock
) -> None:
    first = catalog.sign(BLOB)
    assert first.url == f"{BLOB}?sv=1&sig=TOKEN1"
    assert first.expires_at == START + timedelta(minutes=45)
    clock.advance(timedelta(minutes=39))
    assert catalog.sign(BLOB.replace("B04", "B08")).url.endswith("B08.tif?sv=1&sig=TOKEN1")
    clock.advance(timedelta(minutes=5))  # a minute before its end
    assert catalog.sign(BLOB).url.endswith("sig=TOKEN2")
    catalog.sign("https://landsateuwest.blob.core.windows.net/landsat-c2/x.TIF")
    assert tokens.paths == [
        "/api/sas/v1/token/sentinel2l2a01/sentinel2-l2",
        "/api/sas/v1/token/sentinel2l2a01/sentinel2-l2",
        "/api/sas/v1/token/landsateuwest/landsat-c2",
    ]


@pytest.mark.parametrize(
    ("told", "end"),
    [
        ({"msft:expiry": "2025-01-01T00:45:00Z"}, "2025-01-01T00:20:00+00:00"),
        ({"msft:expiry": "2025-01-01T00:10:00Z"}, "2025-01-01T00:10:00+00:00"),
        ({"msft:expiry": "soon"}, "2025-01-01T00:20:00+00:00"),
        ({}, "2025-01-01T00:20:00+00:00"),
    ],
)
def test_a_url_expires_with_its_token_whatever_the_service_reports(
    told: dict[str, str], end: str, catalog: PlanetaryComputer, network: Loopback
) -> None:
    answer = {"token": "se=2025-01-01T00%3A20%3A00Z&sig=a", **told}
    network.routes["planetarycomputer.microsoft.com"] = lambda _: httpx.Response(200, json=answer)
    ends = catalog.sign(BLOB).expires_at
    assert ends is not None
    assert ends.isoformat() == end


def test_many_threads_make_one_request(catalog: PlanetaryComputer, tokens: Tokens) -> None:
    tokens.gate = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        urls = [pool.submit(catalog.sign, BLOB) for _ in range(16)]
        tokens.gate.set()
        assert {url.result().url for url in urls} == {f"{BLOB}?sv=1&sig=TOKEN1"}
    assert len(tokens.paths) == 1


def test_a_refused_token_is_replaced_once_for_all_callers(
    catalog: PlanetaryComputer, tokens: Tokens
) -> None:
    old = catalog.sign(BLOB)
    with ThreadPoolExecutor(8) as pool:
        renewed = list(pool.map(lambda _: catalog.sign(BLOB, refused=old).url, range(8)))
    assert set(renewed) == {f"{BLOB}?sv=1&sig=TOKEN2"}
    assert len(tokens.paths) == 2


def test_an_old_signature_in_the_href_is_replaced(
    catalog: PlanetaryComputer, tokens: Tokens
) -> None:
    assert catalog.sign(f"{BLOB}?se=2020&sig=OLD").url == f"{BLOB}?sv=1&sig=TOKEN1"


def test_what_is_no_blob_needs_no_token(catalog: PlanetaryComputer, tokens: Tokens) -> None:
    href = "https://elsewhere.example/a.tif?x=1"
    assert catalog.sign(href).url == href
    with pytest.raises(SigningError, match="not https"):
        catalog.sign("file:///etc/passwd")
    assert tokens.paths == []


def test_subscription_key_is_sent_and_never_shown(
    tokens: Tokens, clock: FakeClock, network: Loopback
) -> None:
    settings = Settings(planetary_computer_key=Secret("KEY-SECRET"))
    PlanetaryComputer(settings, clock=clock).sign(BLOB)
    assert tokens.keys == ["KEY-SECRET"]
    assert "KEY-SECRET" not in repr(settings)


def answers(response: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(
        response.status_code, headers=response.headers, content=response.content
    )


@pytest.mark.parametrize(
    ("response", "error", "words"),
    [
        (
            httpx.Response(
                429, json={"message": "Rate limit is exceeded. Try again in 23 seconds."}
            ),
            UpstreamUnavailable,
            "too many requests.*retry after 23 s",
        ),
        (
            httpx.Response(429, headers={"Retry-After": "57"}),
            UpstreamUnavailable,
            "too many requests.*retry after 57 s",
        ),
        (httpx.Response(404), UpstreamError, "returned no token for sentinel2l2a01/sentinel2-l2"),
        (httpx.Response(200, json={"token": ""}), UpstreamError, "returned no token"),
        (httpx.Response(200, json=["odd"]), UpstreamError, "returned no token"),
        (httpx.Response(200, text="<html>"), UpstreamError, "not JSON"),
        (httpx.Response(503), UpstreamUnavailable, "down .HTTP 503"),
        (httpx.Response(403, text="sig=SECRET"), UpstreamError, "refused the request .HTTP 403"),
    ],
)
def test_failures_of_the_signing_service(
    catalog: PlanetaryComputer,
    network: Loopback,
    monkeypatch: pytest.MonkeyPatch,
    response: httpx.Response,
    error: type[UpstreamError],
    words: str,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    network.routes[HOST] = answers(response)
    with pytest.raises(error, match=words) as caught:
        catalog.sign(BLOB)
    assert caught.value.service == "Planetary Computer (signing)"
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_short_retry_after_is_waited_for(
    catalog: PlanetaryComputer,
    tokens: Tokens,
    network: Loopback,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setenv("ASTRA_PATIENCE", "60")
    replies = [httpx.Response(429, headers={"Retry-After": "23"})]
    network.routes[HOST] = lambda request: replies.pop() if replies else tokens(request)
    assert catalog.sign(BLOB).url.endswith("TOKEN1")
    assert 23 <= waits[0] <= 28


def test_timeout_and_refused_connection(
    catalog: PlanetaryComputer,
    clock: FakeClock,
    network: Loopback,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    network.routes[HOST] = slow
    with pytest.raises(UpstreamTimeout, match="did not answer in time"):
        catalog.sign(BLOB)
    del network.routes[HOST]
    clock.advance(timedelta(minutes=1))
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        catalog.sign(BLOB)


def test_the_recorded_token_answer(network: Loopback, shared: Path) -> None:
    name = "GET_api_sas_v1_token_sentinel2l2a01_sentinel2-l2_200.json"
    recorded = json.loads((shared / "responses/planetary-computer" / name).read_text())["response"]
    network.routes[HOST] = answers(httpx.Response(200, json=recorded["body"]))
    clock = FakeClock(datetime(2024, 5, 14, 10, tzinfo=UTC))
    signed = PlanetaryComputer(Settings(), clock=clock).sign(BLOB)
    assert signed.expires_at == datetime(2024, 5, 14, 19, 0, 49, tzinfo=UTC)
    assert signed.url == f"{BLOB}?{recorded['body']['token']}"
    assert "sig" not in f"{signed} {signed!r}"


def test_the_recorded_rate_limit(network: Loopback, shared: Path) -> None:
    recorded = json.loads((shared / "responses/errors/apim_429_rate_limit.json").read_text())
    reply = recorded["response"]
    headers = {"Retry-After": reply["headers"]["Retry-After"]}
    network.routes[HOST] = answers(httpx.Response(429, json=reply["body"], headers=headers))
    with pytest.raises(UpstreamUnavailable) as caught:
        PlanetaryComputer(Settings()).sign(BLOB)
    assert caught.value.retry_after == 57


def test_only_its_own_storage_is_taken_for_this_catalogs(catalog: PlanetaryComputer) -> None:
    def item(href: str) -> dict[str, Any]:
        return {"id": "x", "properties": {}, "links": [], "assets": {"red": {"href": href}}}

    other = "https://mine.blob.core.windows.net/c/red.tif"
    assert catalog.owns(item(BLOB))
    assert not catalog.owns(item(other))
    assert not catalog.owns(item(f"{other}?sp=r&sig=MINE"))
    # A token in Microsoft's own name: of an account that came later.
    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    assert catalog.owns(item(f"{other}?sktid={tenant}&sig=THEIRS"))


def test_the_callers_own_token_is_used_as_it_is(world: World, network: Loopback) -> None:
    """Even where the item's links still lead to the catalog that it was copied from."""
    root = {"rel": "root", "href": f"https://{HOST}/api/stac/v1/"}
    network.routes["mine.blob.core.windows.net"] = world.storage.url()
    world.storage.rule = require_query("sig", lambda sig: sig == "MINE")
    for links in ([], [root]):
        item = items.planetary_computer(SIZE) | {"links": links}
        for asset in item["assets"].values():
            moved = asset["href"].replace(items.BLOB_HOST, "mine.blob.core.windows.net")
            asset["href"] = f"{moved}?sp=r&sig=MINE"
        ds = astra_xr.open_scene(item, bands=["red"])
        assert float(ds.red.max()) > 0
        assert b"MINE" not in pickle.dumps(ds)
    assert world.tokens == []
