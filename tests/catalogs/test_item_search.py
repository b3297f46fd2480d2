"""The search of any STAC API: however it is reached, paged and spoiled."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pandas as pd
import pytest

import astra_xr
from astra_xr.catalogs import _connect, connect
from astra_xr.catalogs.base import Page
from astra_xr.catalogs.query import Query
from astra_xr.errors import AmbiguousSceneId, InvalidParameter, SceneNotFound, UpstreamError
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.stac_api import StacApi

Json = dict[str, Any]
HOST, API = "odd.example", "https://odd.example/v1"
INNER = "http://10.0.0.7:8080"
PLOTS = Query(collection="fields")


def plots(count: int, collection: str = "fields") -> list[Json]:
    """Items of no mission of ours, a day each, oldest first."""
    made = []
    for day in range(1, count + 1):
        item = copy.deepcopy(items.plain())
        item["id"], item["collection"] = f"plot-{day}", collection
        item["properties"]["datetime"] = f"2025-01-{day:02d}T10:00:00Z"
        item["properties"]["eo:cloud_cover"] = 10 * day
        made.append(item)
    return made


class OddApi:
    """A STAC API of one collection, written for what servers do differently.

    Parameters
    ----------
    found : list of dict
        What it holds; they come in this order, whatever is asked. None leaves its place empty.
    methods : tuple of str
        Methods of the search links of its landing page.
    takes : tuple of str
        Methods that it really takes; others are answered by ``refusal``.
    endless : bool
        True: each page has a next one.
    more : int
        By how many it counts too many.
    following : callable
        Makes the ``next`` link from the number of the page that follows.
    """

    def __init__(
        self,
        found: list[Any],
        *,
        methods: tuple[str, ...] = ("GET", "POST"),
        takes: tuple[str, ...] = ("GET", "POST"),
        refusal: httpx.Response | None = None,
        search: str = f"{API}/search",
        following: Callable[[int], Json] | None = None,
        page: int = 2,
        conforms: tuple[str, ...] = (),
        matched: bool = True,
        endless: bool = False,
        more: int = 0,
    ) -> None:
        self.endless, self.more = endless, more
        self.found, self.page, self.takes = found, page, takes
        self.refusal = refusal or httpx.Response(405)
        self.following = following or (lambda n: {"href": f"{API}/search?page={n}"})
        self.matched = matched
        links = [{"rel": "search", "method": m, "href": search} for m in methods]
        self.root = {
            "type": "Catalog",
            "id": "odd",
            "links": links,
            "conformsTo": [f"https://api.stacspec.org/v1.0.0/item-search#{n}" for n in conforms],
        }
        self.asked: list[tuple[str, str]] = []
        self.terms: list[Json] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, str(request.url)))
        if request.url.path.rstrip("/") == "/v1":
            return httpx.Response(200, json=self.root)
        if request.url.path.endswith("/collections"):
            named = {each["collection"] for each in self.found if isinstance(each, dict)}
            return httpx.Response(200, json={"collections": [{"id": name} for name in named]})
        if request.method not in self.takes:
            return httpx.Response(self.refusal.status_code, content=self.refusal.content)
        query = {name: each[0] for name, each in parse_qs(request.url.query.decode()).items()}
        told = json.loads(request.content) if request.method == "POST" else query
        self.terms.append(told)
        number = int(told.get("page", 1))
        start = (number - 1) * self.page
        features = [each for each in self.found[start : start + self.page] if each is not None]
        links = []
        if self.endless or start + self.page < len(self.found):
            links = [{"rel": "next", **self.following(number + 1)}]
        answer: Json = {"type": "FeatureCollection", "features": features, "links": links}
        if self.matched:
            answer["numberMatched"] = sum(each is not None for each in self.found) + self.more
        return httpx.Response(200, json=answer)


@pytest.fixture(autouse=True)
def _forget() -> None:
    _connect.cache_clear()


def pages(query: Query = PLOTS) -> list[Page]:
    return list(connect(API, Settings()).search(query))


def names(query: Query = PLOTS) -> list[str]:
    return [item["id"] for page in pages(query) for item in page.items]


ALL = [f"plot-{day}" for day in (5, 4, 3, 2, 1)]

WAYS: dict[str, Json] = {
    "GET alone": {"methods": ("GET",), "takes": ("GET",)},
    "POST alone": {
        "methods": ("POST",),
        "takes": ("POST",),
        "following": lambda n: {"method": "POST", "href": f"{API}/search", "body": {"page": n}},
    },
    "POST that is refused (403)": {"takes": ("GET",), "refusal": httpx.Response(403)},
    "POST that is refused (405)": {"takes": ("GET",), "refusal": httpx.Response(405)},
    "POST that fails (500)": {"takes": ("GET",), "refusal": httpx.Response(500)},
    "elsewhere": {"search": f"{API}/api/search/items"},
    "relative": {"search": "./search"},
    "next by path": {"following": lambda n: {"href": f"/v1/search?page={n}"}},
    "next by query": {"following": lambda n: {"href": f"?page={n}"}},
    "next whole": {"following": lambda n: {"href": f"{API}/search?collections=fields&page={n}"}},
    "merge": {
        "following": lambda n: {
            "method": "POST", "href": f"{API}/search", "merge": True, "body": {"page": n},
        }
    },
    "the whole body": {
        "following": lambda n: {
            "method": "POST", "href": f"{API}/search",
            "body": {"collections": ["fields"], "page": n},
        }
    },
    "it knows only its inner name": {
        "search": f"{INNER}/search",
        "following": lambda n: {"href": f"{INNER}/search?page={n}"},
    },
    "it thinks it is http": {"following": lambda n: {"href": f"http://{HOST}/v1/search?page={n}"}},
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_form_of_query_and_paging_finds_all(
    network: Loopback, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    how = dict(WAYS[way])
    api = OddApi(plots(5), **how)
    if how.get("search") == f"{INNER}/search":
        api.root["links"] = [{"rel": "search", "href": f"{INNER}/v1/search"}]
    network.routes[HOST] = api
    query = Query(collection="fields", bbox=(-123, 37, -122, 38))
    assert names(query) == ALL
    assert len(api.terms) == 3
    for told in api.terms:
        assert told["collections"] in ("fields", ["fields"])
    first = api.terms[0]["bbox"]
    assert first in ([-123, 37, -122, 38], "-123,37,-122,38", "-123.0,37.0,-122.0,38.0")
    assert all(url.startswith(f"https://{HOST}/") for _, url in network.log)


def test_a_refused_post_is_not_tried_again(network: Loopback) -> None:
    network.routes[HOST] = api = OddApi(plots(2), takes=("GET",))
    assert len(names()) == len(names()) == 2
    assert [method for method, url in api.asked if "search" in url] == ["POST", "GET", "GET"]


def test_a_known_catalog_that_refuses_post_is_queried_by_get(network: Loopback) -> None:
    host = "earth-search.aws.element84.com"
    api = OddApi([items.earth_search_c1(8)], takes=("GET",), search=f"https://{host}/v1/search")
    network.routes[host] = api
    found = astra_xr.search("sentinel-2", datetime="2025-01", catalog="earth-search")
    assert list(found) == [f"sentinel-2:{items.PRODUCT}"]
    assert [method for method, _ in api.asked] == ["POST", "GET", "GET"]


def test_another_public_host_is_queried_if_next_names_it(network: Loopback) -> None:
    other = OddApi(plots(4))
    network.routes["more.example"] = other
    network.routes[HOST] = OddApi(
        plots(4), following=lambda n: {"href": f"https://more.example/search?page={n}"}
    )
    assert len(names()) == 4
    assert len(other.terms) == 1


@pytest.mark.parametrize("target", [f"{INNER}/latest/meta-data", "http://169.254.169.254/x"])
def test_no_redirect_leads_to_a_private_host(network: Loopback, target: str) -> None:
    api = OddApi(plots(4))

    def answer(request: httpx.Request) -> httpx.Response:
        if "page=2" in str(request.url):
            return httpx.Response(302, headers={"Location": target})
        return api(request)

    network.routes[HOST] = answer
    with pytest.raises(UpstreamError, match="it redirects elsewhere, and its URL at .* not https"):
        pages()
    assert not any("10.0.0.7" in url or "169.254" in url for _, url in network.log)


def test_filters_are_sent_to_an_api_that_has_them_and_checked_here(network: Loopback) -> None:
    query = Query(collection="fields", cloud_cover=(0, 30), when="2025-01-02T00:00:00Z/..")
    for conforms, sent in (((), set()), (("query", "sort"), {"query", "sortby"})):
        _connect.cache_clear()
        network.routes[HOST] = api = OddApi(plots(5), methods=("GET",), conforms=conforms)
        assert set(names(query)) == {"plot-2", "plot-3"}
        assert api.terms[0].keys() & {"query", "sortby", "filter"} == sent
    assert json.loads(api.terms[0]["query"]) == {"eo:cloud_cover": {"gte": 0, "lte": 30}}
    assert api.terms[0]["sortby"] == "-properties.datetime"


def test_a_large_geometry_goes_into_a_url_as_its_box(network: Loopback) -> None:
    ring = [[-122.9 + n / 1000, 37.1 + (n % 2) / 10] for n in range(200)]
    shape = {"type": "Polygon", "coordinates": [[*ring, [-122.8, 37.9], ring[0]]]}
    network.routes[HOST] = api = OddApi(plots(2), methods=("GET",))
    assert len(names(Query(collection="fields", intersects=shape))) == 2
    assert "intersects" not in api.terms[0]
    assert api.terms[0]["bbox"].startswith("-122.9,37.1,")


def test_broken_items_are_left_out_and_counted(network: Loopback) -> None:
    first, second, third = plots(3)
    first["assets"], second["id"] = None, 7
    network.routes[HOST] = OddApi([first, "no item", second, third], page=9)
    (page,) = pages()
    assert [item["id"] for item in page.items] == ["plot-3"]
    assert (len(page.broken), page.matched) == (3, 4)
    assert "'plot-1' cannot be used: it has no assets" in page.broken[0]
    # The one that is wanted opens, and one that is broken is told.
    assert astra_xr.resolve("plot-3", catalog=API, sign=False).full_id == "plot-3"
    network.routes[HOST] = OddApi([first])
    with pytest.raises(UpstreamError, match="not a STAC item .*it has no assets"):
        astra_xr.resolve("plot-1", catalog=API, sign=False)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"errors": ["bbox must not be so large"]}, "bbox must not be so large"),
        ({"code": "BadRequest", "description": "no sortby"}, "no sortby"),
        ({"detail": [{"loc": ["body"], "msg": "not a date"}]}, "not a date"),
        ({"message": "see https://h/x?sig=HUSH and token=HUSH"}, "see https://h/x and token"),
    ],
)
def test_the_servers_own_message_is_quoted(network: Loopback, body: Json, words: str) -> None:
    refusal = httpx.Response(400, json=body)
    network.routes[HOST] = OddApi(plots(1), methods=("POST",), takes=(), refusal=refusal)
    with pytest.raises(UpstreamError, match=rf"\(HTTP 400\): '{words}") as caught:
        pages()
    assert "HUSH" not in str(caught.value)


def test_pages_without_end(network: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = itertools.count()
    same: dict[str, Callable[[int], Json]] = {
        "the same request": lambda n: {"href": f"{API}/search?page=1"},
        "the same items": lambda n: {"href": f"{API}/search?turn={next(counts)}"},
    }
    for following in same.values():
        network.routes[HOST] = OddApi(plots(3), following=following, conforms=("sort",))
        _connect.cache_clear()
        found = pages()
        assert found[-1].trouble == "its pages repeat themselves"
        assert sum(len(page.items) for page in found) == 2
    monkeypatch.setattr("astra_xr.catalogs.item_search._MOST_PAGES", 3)
    _connect.cache_clear()
    network.routes[HOST] = OddApi(plots(9), page=1)
    (page,) = pages()
    assert (len(page.items), page.trouble) == (3, "it has more than 3 pages")


@pytest.mark.parametrize("matched", [True, False])
def test_pages_without_items_are_no_end(network: Loopback, matched: bool) -> None:
    one, two, three = plots(3)
    found = [one, None, None, None, None, two, None, None, three]
    network.routes[HOST] = OddApi(found, matched=matched)
    assert names() == ["plot-3", "plot-2", "plot-1"]
    assert not pages()[-1].trouble


@pytest.mark.parametrize("matched", [True, False])
def test_a_next_page_for_ever_is_an_end(network: Loopback, matched: bool) -> None:
    network.routes[HOST] = api = OddApi(plots(3), matched=matched, endless=True)
    found = pages()
    assert sum(len(page.items) for page in found) == 3
    assert not found[-1].trouble
    assert len(api.terms) <= 2 + 4
    network.routes[HOST] = OddApi(plots(3), matched=matched, endless=True, more=2)
    trouble = "its pages end after 3 of 5 items" if matched else ""
    assert pages()[-1].trouble == trouble


def test_a_composite_matches_all_times_of_its_span(network: Loopback) -> None:
    (item,) = plots(1)
    span = {"start_datetime": "2025-01-01T00:00:00Z", "end_datetime": "2025-01-08T23:59:59Z"}
    for when in (None, "2025-01-04T12:00:00Z"):
        item["properties"] |= {"datetime": when, **span}
        network.routes[HOST] = OddApi([item])
        for day, hit in (
            ("2024-12-31", 0),
            ("2025-01-01", 1),
            ("2025-01-06", 1),
            ("2025-01-09", 0),
        ):
            found = astra_xr.search("fields", datetime=day, catalog=API)
            assert len(found) == hit
            whole = astra_xr.search("fields", catalog=API)
            assert len(whole.filter(datetime=day)) == hit


def test_odd_times_of_rows(network: Loopback) -> None:
    found = plots(4)
    odd = ["2025-01-02t10:00:00z", "last week", None, "0001-01-01T00:00:00Z"]
    for item, time in zip(found, odd, strict=True):
        item["properties"] |= {"datetime": time, "start_datetime": "2024-05-06T00:00:00Z"}
    del found[2]["properties"]["start_datetime"]
    network.routes[HOST] = OddApi(found)
    result = astra_xr.search("fields", catalog=API)
    assert [row.datetime for row in result.rows] == [
        "2025-01-02T10:00:00Z", "2024-05-06T00:00:00Z", "", "0001-01-01T00:00:00Z",
    ]  # fmt: skip
    *times, early = result.to_dataframe()["datetime"]
    assert [pd.isna(time) for time in times] == [False, False, True]
    assert pd.isna(early) or early.year == 1  # pandas has these years since its version 3


def test_a_lookup_that_ends_early_is_not_none(
    network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = plots(2)
    broken["assets"] = None
    network.routes[HOST] = OddApi([broken, other])
    with pytest.raises(UpstreamError, match="its answer lacks items: .*'plot-1' cannot be used"):
        astra_xr.resolve("plot-1", catalog=API, sign=False)
    monkeypatch.setattr("astra_xr.catalogs.stac._MOST_PAGES", 2)
    network.routes[HOST] = OddApi(plots(5))
    with pytest.raises(UpstreamError, match="it has more than 4 at this time; use the item's own"):
        astra_xr.resolve("LC08_L2SP_044034_20250115_02_T1", catalog=API, sign=False)
    network.routes[HOST] = OddApi(plots(4))
    with pytest.raises(SceneNotFound):
        astra_xr.resolve("LC08_L2SP_044034_20250115_02_T1", catalog=API, sign=False)


def test_html_for_an_answer(network: Loopback) -> None:
    network.routes[HOST] = lambda request: httpx.Response(200, text="<html>Sign in</html>")
    with pytest.raises(UpstreamError, match="the answer is not JSON but HTML"):
        pages()


def test_an_unknown_collection_names_the_closest(network: Loopback) -> None:
    network.routes[HOST] = OddApi([])
    with pytest.raises(InvalidParameter, match=r"'feilds'.*which has none"):
        pages(Query(collection="feilds"))
    network.routes[HOST] = OddApi(plots(2))
    with pytest.raises(InvalidParameter, match=r"which has fields; did you mean 'fields'\?"):
        pages(Query(collection="feilds"))
    api = OddApi(plots(2))
    beyond = {"id": "feilds", "type": "Collection"}
    network.routes[HOST] = lambda request: (
        httpx.Response(200, json=beyond) if request.url.path.endswith("/feilds") else api(request)
    )
    assert pages(Query(collection="feilds"))[-1].items == []  # listed on a later page
    network.routes[HOST] = api
    # One that is there, with nothing of that time in it, is no mistake.
    assert names(Query(collection="fields", when="2020-01-01T00:00:00Z/..")) != []
    assert names(Query(collection="fields", when="../2020-01-01T00:00:00Z")) == []


def test_one_id_in_two_collections_is_not_the_first(network: Loopback) -> None:
    api = StacApi([*plots(1), *plots(1, "orthos")])
    network.routes[HOST] = api
    with pytest.raises(AmbiguousSceneId, match="matches 2 scenes") as caught:
        astra_xr.resolve("plot-1", catalog=API, sign=False)
    assert caught.value.candidates == (
        f"{API}/collections/fields/items/plot-1",
        f"{API}/collections/orthos/items/plot-1",
    )
