"""Outages over the wire: the scene opens through another catalog, or the error lists them all."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest

import astra_xr
from astra_xr import LocalResolver, Settings
from astra_xr.errors import (
    AmbiguousSceneId,
    SceneNotFound,
    UnknownBand,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from conftest import Loopback
from tests import faulty, items
from tests.conftest import SIZE, World
from tests.stac_api import StacApi

SCENE = f"sentinel-2:{items.PRODUCT}"
ES, PC = "earth-search.aws.element84.com", "planetarycomputer.microsoft.com"


def spoiled(**change: Any) -> faulty.Misbehave:
    """Answer every search with an item that lacks something."""
    item = items.earth_search_c1(SIZE) | change
    page = {"type": "FeatureCollection", "features": [item], "links": []}
    return faulty.answer(200, httpx.Response(200, json=page).content)


def without(field: str) -> dict[str, Any]:
    """Return the assets of a good item, all of them without one field."""
    assets = items.earth_search_c1(SIZE)["assets"]
    return {key: {k: v for k, v in a.items() if k != field} for key, a in assets.items()}


# What a catalog does → what is said of it.
FAULTS: dict[str, tuple[faulty.Misbehave | None, str]] = {
    "dead": (None, "cannot be reached"),
    "hanging": (faulty.hang, "did not answer"),
    "trickling": (faulty.trickle, "did not answer"),
    "hanging up": (faulty.reset, "cannot be reached"),
    "too busy": (faulty.answer(429, b"", Retry_After="57"), "retry after 57 s"),
    "failing": (faulty.answer(500, b"oops"), r"HTTP 500"),
    "down": (faulty.answer(503, b""), r"down \(HTTP 503\)"),
    "closed": (faulty.answer(403, b'{"message":"Forbidden"}'), r"HTTP 403"),
    "garbage": (faulty.answer(200, b"<html>sig=SECRET</html>"), "not JSON"),
    "other JSON": (faulty.answer(200, b"[1]"), "no features"),
    "nothing": (faulty.answer(200, b'{"features":[]}'), "has no such scene"),
    "no assets": (spoiled(assets=None), "its answer is not a STAC item"),
    "assets without href": (
        spoiled(assets=without("href")),
        "no href|not in the asked format|no band",
    ),
    "odd properties": (spoiled(properties=[]), "its answer is not a STAC item"),
    "no red": (spoiled(assets={"nir": items.earth_search_c1(SIZE)["assets"]["nir"]}), "no band"),
}


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow each other at once."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def spoil(network: Loopback, stack: ExitStack, host: str, fault: str) -> None:
    misbehave = FAULTS[fault][0]
    if misbehave is None:
        # Nobody listens there, and it is given to no other.
        kept = stack.enter_context(socket.socket())
        kept.bind(("127.0.0.1", 0))
        network.routes[host] = f"http://127.0.0.1:{kept.getsockname()[1]}"
    else:
        network.routes[host] = stack.enter_context(faulty.serve(misbehave))


def impatient(timeout: float = 30, hedge: float = 0.3) -> LocalResolver:
    return LocalResolver(Settings(timeout=timeout), hedge=hedge)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_scene_opens_through_another(
    world: World, network: Loopback, stack: ExitStack, fault: str
) -> None:
    spoil(network, stack, ES, fault)
    silent = FAULTS[fault][1] == "did not answer"
    # The other is asked at once after a failure, and not before.
    answer = impatient(hedge=0.3 if silent else 60).resolve(SCENE, "red", sign=False)
    assert answer.catalog == "planetary-computer"
    assert answer.assets["red"].name == "B04"
    if silent:
        # It was still at it when the other had answered.
        assert answer.passed_over == {}
    else:
        assert re.search(FAULTS[fault][1], answer.passed_over["earth-search"])
        assert "SECRET" not in str(answer.passed_over)


@pytest.mark.parametrize("fault", FAULTS)
def test_if_all_fail_the_error_has_the_reason_of_each(
    network: Loopback, stack: ExitStack, fault: str
) -> None:
    spoil(network, stack, ES, fault)
    spoil(network, stack, PC, "too busy")
    silent = FAULTS[fault][1] == "did not answer"
    with pytest.raises(UpstreamUnavailable) as caught:
        impatient(3 if silent else 30).resolve(SCENE, "red", sign=False)
    text = str(caught.value)
    assert re.search(f"Earth Search: [^;]*({FAULTS[fault][1]})", text)
    assert re.search("Planetary Computer: too many requests[^;]*, retry after 57 s", text)
    assert caught.value.retry_after == 57
    assert "SECRET" not in text
    assert caught.value.__context__ is None


def test_both_hang(network: Loopback, stack: ExitStack) -> None:
    for host in (ES, PC):
        spoil(network, stack, host, "hanging")
    with pytest.raises(UpstreamUnavailable, match=r"Earth Search: .*Planetary Computer: "):
        impatient(0.4).resolve(SCENE, "red", sign=False)


@pytest.mark.parametrize(
    ("first", "second"), [("hanging", "failing"), ("dead", "hanging"), ("garbage", "too busy")]
)
def test_two_of_three_are_gone(
    network: Loopback, stack: ExitStack, first: str, second: str
) -> None:
    spoil(network, stack, PC, first)
    spoil(network, stack, ES, second)
    network.routes["landsatlook.usgs.gov"] = StacApi(items.usgs_landsat(SIZE))
    scene = f"landsat:{items.usgs_landsat(SIZE)[0]['id'].removesuffix('_SR')}"
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRET"}
    pays = {"AWS_REQUEST_PAYER": "requester", "ASTRA_TIMEOUT": "30"}
    resolver = LocalResolver(Settings.from_env(keys | pays), hedge=0.3)
    answer = resolver.resolve(scene, "red,lwir11", sign=False)
    assert answer.catalog == "usgs"
    assert set(answer.assets) == {"red", "lwir11"}


def test_one_alone_that_hangs(network: Loopback, stack: ExitStack) -> None:
    spoil(network, stack, ES, "hanging")
    with pytest.raises(UpstreamTimeout, match=f"Earth Search: {ES} did not answer in time"):
        impatient(0.4).resolve(SCENE, "red", catalog="earth-search")


def test_reflectance_is_the_same_on_the_way_round(
    world: World, network: Loopback, stack: ExitStack
) -> None:
    direct = astra_xr.open_scene(SCENE, ["red"])
    assert direct.attrs["catalog"] == "earth-search"
    spoil(network, stack, ES, "down")
    around = astra_xr.open_scene(SCENE, ["red"], resolver=impatient())
    assert around.attrs["catalog"] == "planetary-computer"
    np.testing.assert_array_equal(direct.red, around.red)


def test_a_band_that_only_the_other_has(world: World) -> None:
    answer = astra_xr.resolve(SCENE, "red,B8A", sign=False)
    assert answer.catalog == "planetary-computer"
    assert "no band 'B8A'" in answer.passed_over["earth-search"]
    # It is of Earth Search as long as it can be.
    assert astra_xr.resolve(SCENE, "red", sign=False).catalog == "earth-search"


def test_a_misspelled_name_does_not_query_other_catalogs(world: World) -> None:
    with pytest.raises(UnknownBand, match="no band 'rde'. Did you mean 'red'"):
        astra_xr.resolve(SCENE, "rde", sign=False)
    assert world.planetary_computer.asked == []


def test_a_band_that_no_catalog_has(world: World) -> None:
    with pytest.raises(UnknownBand, match="no band 'B12'"):
        astra_xr.resolve(SCENE, "B12", sign=False)


def test_signing_that_is_down_is_passed_over(world: World, network: Loopback) -> None:
    microsoft = network.routes[PC]

    def act(request: httpx.Request) -> httpx.Response:
        if "/sas/" in request.url.path:
            return httpx.Response(403)
        assert callable(microsoft)
        return microsoft(request)

    network.routes[PC] = act
    landsat = f"landsat:{items.planetary_computer_landsat(SIZE)['id']}"
    with pytest.raises(UpstreamUnavailable, match=r"HTTP 403.*Earth Search: has no such scene"):
        astra_xr.resolve(landsat, "red")


def test_an_id_of_several_scenes_is_said_at_once(world: World) -> None:
    world.earth_search.items.append(items.earth_search_c1(SIZE, tile="10SFH"))
    with pytest.raises(AmbiguousSceneId, match="matches 2 scenes"):
        astra_xr.resolve("sentinel-2:S2B_MSIL2A_20250115T184929", "red")
    assert world.planetary_computer.asked == []


def test_who_answered_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.earth_search.items = []
    with caplog.at_level(logging.INFO, "astra_xr"):
        answer = astra_xr.resolve(SCENE, "red", sign=False)
        astra_xr.resolve(SCENE, "nir", sign=False)  # known by now: nobody is asked
    assert [record.getMessage() for record in caplog.records] == [
        f"{SCENE}: planetary-computer; earth-search: has no such scene"
    ]
    assert answer.passed_over == {"earth-search": "has no such scene"}
    with pytest.raises(SceneNotFound, match="found in Earth Search, Planetary Computer"):
        astra_xr.resolve("sentinel-2:S2A_MSIL2A_20200101T000000", "red")
