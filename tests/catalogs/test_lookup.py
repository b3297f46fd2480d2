"""Finding scenes: ids, prefixes, reprocessings, outages; each catalogue's own ways."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr.catalogs import CATALOGS, ORDER, Catalog, connect
from astra_xr.errors import (
    AmbiguousSceneId,
    InvalidParameter,
    SceneNotFound,
    SigningError,
    UpstreamError,
)
from astra_xr.missions import MISSIONS
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World
from tests.stac_api import StacApi

PREFIX = "sentinel-2:S2B_MSIL2A_20250115T184929"
HOST = "earth-search.aws.element84.com"


@pytest.fixture
def earth_search(network: Loopback) -> StacApi:
    api = StacApi([])
    network.routes[HOST] = api
    return api


def found(scene: str, catalog: str = "earth-search") -> dict[str, Any]:
    return dict(astra_xr.resolve(scene, catalog=catalog, sign=False).item)


def test_a_prefix_of_several_scenes_lists_ids_that_work(earth_search: StacApi) -> None:
    earth_search.items = [items.earth_search_c1(SIZE), items.earth_search_c1(SIZE, tile="10SFH")]
    with pytest.raises(AmbiguousSceneId, match="matches 2 scenes") as caught:
        found(PREFIX)
    assert len(caught.value.candidates) == 2
    tiles = {found(candidate)["properties"]["grid:code"] for candidate in caught.value.candidates}
    assert tiles == {"MGRS-10SEG", "MGRS-10SFH"}


def test_paging_is_followed(earth_search: StacApi) -> None:
    earth_search.page = 1
    other = items.earth_search_c1(SIZE, tile="10SFH")
    earth_search.items = [other, items.earth_search_c1(SIZE)]
    product = f"sentinel-2:{items.PRODUCT}"
    assert found(product)["properties"]["grid:code"] == "MGRS-10SEG"
    with pytest.raises(AmbiguousSceneId):
        found(PREFIX)
    assert earth_search.asked.count("POST /v1/search") > 2


def test_of_two_processings_the_newest_is_taken_unless_the_id_names_one(
    earth_search: StacApi,
) -> None:
    old = items.earth_search_l2a(SIZE, baseline="02.14", applied=False, sequence=0)
    new = items.earth_search_l2a(SIZE, baseline="05.00", sequence=1)
    for order in ([old, new], [new, old]):
        earth_search.items = order
        assert found(PREFIX)["id"] == new["id"]
        named = items.PRODUCT.replace("N0511", "N0214")
        assert found(f"sentinel-2:{named}")["id"] == old["id"]
        assert found("sentinel-2:S2B_10SEG_20250115_0_L2A")["id"] == old["id"]


def test_a_scene_that_nobody_has(world: World) -> None:
    with pytest.raises(SceneNotFound, match="Asked: Earth Search, Planetary Computer") as caught:
        astra_xr.open_scene("sentinel-2:S2A_MSIL2A_20200101T000000")
    assert caught.value.asked == ("Earth Search", "Planetary Computer")
    with pytest.raises(SceneNotFound, match="Asked: the built-in sample"):
        astra_xr.open_scene("sentinel-2:S2A_MSIL2A_20200101T000000", catalog="sample")


def test_the_synthetic_sample_is_offered_but_never_taken_unasked(network: Loopback) -> None:
    for host in (HOST, "planetarycomputer.microsoft.com"):
        network.routes[host] = StacApi([])
    with pytest.raises(SceneNotFound, match="synthetic scene, has this id.*catalog='sample'"):
        astra_xr.open_scene(PREFIX)
    assert all("sample" not in order for order in ORDER.values())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item.update(properties=[1]),
        lambda item: item.pop("assets"),
        lambda item: item.update(assets=["odd"]),
        lambda item: item.update(id=7),
    ],
)
def test_an_answer_that_is_no_item(earth_search: StacApi, spoil: Any) -> None:
    item = copy.deepcopy(items.earth_search_c1(SIZE))
    keep = item["id"], item["collection"]
    spoil(item)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=item)

    earth_search.__class__ = type("Odd", (StacApi,), {"__call__": lambda self, r: answer(r)})
    with pytest.raises(UpstreamError, match="something that is no item"):
        found(f"sentinel-2:{keep[0]}")


def test_search_answer_without_features(earth_search: StacApi) -> None:
    earth_search.fault = httpx.Response(200, json={"message": "Forbidden"})
    with pytest.raises(UpstreamError, match="no features"):
        found(PREFIX)


def test_landsat_at_earth_search_says_who_has_it_without_payment(earth_search: StacApi) -> None:
    item = items.planetary_computer_landsat(SIZE)
    for asset in item["assets"].values():
        asset["href"] = "s3://usgs-landsat/" + asset["href"].rsplit("/", 1)[1]
    earth_search.items = [item]
    for scene in (
        item["id"],
        "LC08_L2SP_044034_20250115",
        "LC08_L2SP_044034_20250115_20250120_02_T1",
    ):
        answer = astra_xr.resolve(f"landsat:{scene}", "red", catalog="earth-search", sign=False)
        assert answer.item["id"] == item["id"]
    with pytest.raises(SigningError, match="requester-pays.*catalog='planetary-computer'"):
        astra_xr.resolve(f"landsat:{item['id']}", "red", catalog="earth-search")


def test_catalogues_cannot_lead_to_local_files(earth_search: StacApi) -> None:
    item = items.earth_search_c1(SIZE)
    item["assets"]["red"]["href"] = "file:///etc/hostname"
    earth_search.items = [item]
    ds = astra_xr.open_scene(PREFIX, bands=["red"], catalog="earth-search")
    with pytest.raises(SigningError, match="neither https nor s3"):
        ds.red.load()


def test_unknown_catalogue() -> None:
    with pytest.raises(InvalidParameter, match="one of earth-search, .*sample; or the URL"):
        astra_xr.open_scene(PREFIX, catalog="google")


def test_catalogue_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_CATALOG", "sample")
    assert astra_xr.resolve(PREFIX, "red").catalog == "sample"


@pytest.mark.parametrize("name", CATALOGS)
def test_contract_of_every_catalogue(name: str) -> None:
    catalog = connect(name, Settings())
    assert isinstance(catalog, Catalog)
    assert catalog.name == name
    assert catalog.title
    assert catalog.provider
    assert connect(name, Settings()) is catalog  # one token cache a process
    foreign = {"id": "x", "properties": {}, "assets": {}, "links": []}
    assert not catalog.owns(foreign)


def test_every_mission_has_somebody_to_ask() -> None:
    assert set(ORDER) == set(MISSIONS)
    assert {name for order in ORDER.values() for name in order} <= set(CATALOGS)
