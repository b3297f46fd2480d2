"""Search at a catalog: the requests, page by page, and the results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from astra_xr.catalogs import connect
from astra_xr.catalogs.query import Query
from astra_xr.errors import UpstreamError
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.stac_api import StacApi

HOSTS = {
    "earth-search": "earth-search.aws.element84.com",
    "planetary-computer": "planetarycomputer.microsoft.com",
}
BAY = (-123.0, 37.0, -122.0, 38.0)


def bodies(network: Loopback, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let Earth Search give these answers one by one; what was posted comes in the list."""
    posted: list[dict[str, Any]] = []

    def api(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        return httpx.Response(200, json=answers[len(posted) - 1])

    network.routes[HOSTS["earth-search"]] = api
    return posted


def names(query: Query, catalog: str = "earth-search") -> list[str]:
    return [item["id"] for item in items_found(query, catalog)]


def items_found(query: Query, catalog: str = "earth-search") -> Iterator[dict[str, Any]]:
    pages = connect(catalog, Settings()).search(query)
    return (item for page in pages for item in page.items)


def page(number: int, **link: Any) -> dict[str, Any]:
    found = items.earth_search_c1(10) | {"id": f"S2B_T10SEG_2025011{number}T184927_L2A"}
    following = [{"rel": "next", "href": f"https://{HOSTS['earth-search']}/v1/search", **link}]
    return {"features": [found], "links": following if link else []}


@pytest.mark.parametrize("catalog", HOSTS)
def test_parameters_of_a_search(network: Loopback, catalog: str) -> None:
    api = StacApi([])
    posted: list[dict[str, Any]] = []

    def keep(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        return api(request)

    network.routes[HOSTS[catalog]] = keep
    when = "2025-01-01T00:00:00Z/2025-01-31T23:59:59Z"
    query = Query(mission="sentinel-2", bbox=BAY, when=when, cloud_cover=(0, 20), max_items=5)
    assert names(query, catalog) == []
    (body,) = posted
    assert body["bbox"] == [-123, 37, -122, 38]
    assert body["datetime"] == when
    assert body["query"] == {"eo:cloud_cover": {"gte": 0, "lte": 20}}
    assert body["sortby"] == [{"field": "properties.datetime", "direction": "desc"}]
    assert body["collections"][0].startswith("sentinel-2")
    assert 5 <= body["limit"] <= 100


def test_pages_are_fetched_as_they_are_taken(network: Loopback) -> None:
    # Earth Search's token alone, the Planetary Computer's whole body, and a link to get.
    posted = bodies(
        network,
        [
            page(3, method="POST", merge=False, body={"next": "a"}),
            page(2, method="POST", body={"collections": ["x"], "token": "b"}),
            page(1),
        ],
    )
    found = items_found(Query(mission="sentinel-2", bbox=BAY))
    assert next(found)["id"] == "S2B_T10SEG_20250113T184927_L2A"
    assert len(posted) == 1
    assert [item["id"][11:19] for item in found] == ["20250112", "20250111"]
    assert posted[1]["next"] == "a"
    assert posted[1]["bbox"] == list(BAY)
    assert posted[2]["token"] == "b"


def test_pages_that_repeat_themselves_end(network: Loopback) -> None:
    again = page(1, method="POST", body={"next": "a"})
    posted = bodies(network, [again] * 5)
    first, second = connect("earth-search", Settings()).search(Query(mission="sentinel-2"))
    assert (len(first.items), first.trouble) == (1, "")
    assert (second.items, second.trouble) == ([], "its pages repeat themselves")
    assert len(posted) == 2


def test_an_api_that_does_not_heed_the_clouds(network: Loopback) -> None:
    cloudy, clear, silent = page(1)["features"] + page(2)["features"] + page(3)["features"]
    cloudy["properties"]["eo:cloud_cover"] = 80.5
    clear["properties"]["eo:cloud_cover"] = 0
    bodies(network, [{"features": [cloudy, clear, silent]}])
    assert names(Query(mission="sentinel-2", cloud_cover=(0, 20))) == [clear["id"]]


def test_garbage_is_an_upstream_error(network: Loopback) -> None:
    bodies(network, [{"message": "Forbidden"}])
    with pytest.raises(UpstreamError, match="Earth Search: the search result has no features"):
        names(Query(mission="sentinel-2"))


def test_a_mission_that_is_not_served(network: Loopback) -> None:
    assert names(Query(mission="modis")) == []
    assert network.log == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, True),
        ({"bbox": (-122.4, 37.4, -122.3, 37.5)}, True),
        ({"bbox": (-10.0, 37.4, -9.0, 37.5)}, False),
        ({"bbox": (-122.4, 47.4, -122.3, 47.5)}, False),
        # West beyond east: across the antimeridian.
        ({"bbox": (170.0, 30.0, -122.4, 40.0)}, True),
        ({"bbox": (170.0, 30.0, -150.0, 40.0)}, False),
        ({"intersects": {"type": "Point", "coordinates": [-122.4, 37.5]}}, True),
        ({"intersects": {"type": "Point", "coordinates": [22.4, 37.5]}}, False),
        ({"when": "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"}, True),
        ({"when": "../2025-01-15T23:59:59Z"}, True),
        ({"when": "2025-01-16T00:00:00Z/.."}, False),
        ({"cloud_cover": (0.0, 100.0)}, True),
        ({"cloud_cover": (99.0, 100.0)}, False),
        ({"mission": "landsat"}, False),
    ],
)
def test_the_sample_answers_too(wanted: dict[str, Any], found: bool) -> None:
    query = Query(**{"mission": "sentinel-2", **wanted})
    assert (items.PRODUCT in names(query, "sample")) == found
