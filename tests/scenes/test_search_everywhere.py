"""Search over all catalogs of a mission: nothing is missing, and each row names its catalogs."""

from __future__ import annotations

import copy
import json
import pickle
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pystac
import pytest
import rustac
import shapely
from hypothesis import given
from hypothesis import strategies as st

import astra_xr
from astra_xr.catalogs import _connect
from astra_xr.catalogs.query import Query
from astra_xr.errors import InvalidParameter, UpstreamError
from astra_xr.model import FoundId
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World
from tests.servers import serve_stac_rustac
from tests.stac_api import StacApi

Json = dict[str, Any]
HOSTS = {
    "earth-search": "earth-search.aws.element84.com",
    "planetary-computer": "planetarycomputer.microsoft.com",
    "cdse": "stac.dataspace.copernicus.eu",
}
MAKE: dict[str, Callable[..., Json]] = {
    "earth-search": items.earth_search_c1,
    "planetary-computer": items.planetary_computer,
    "cdse": items.cdse,
}


def on(day: int, item: Json) -> Json:
    """Return the item as of another day of January 2025."""
    text = json.dumps(item).replace("20250115", f"202501{day:02d}")
    dated: Json = json.loads(text.replace("2025-01-15", f"2025-01-{day:02d}"))
    return dated


def search(**terms: Any) -> Any:
    return astra_xr.search("sentinel-2", **{"datetime": "2025-01", **terms})


@pytest.fixture
def apis(network: Loopback) -> dict[str, StacApi]:
    """Three catalogs that hold nothing yet."""
    _connect.cache_clear()
    made = {name: StacApi([]) for name in HOSTS}
    network.routes |= {HOSTS[name]: api for name, api in made.items()}
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_month_with_gaps_in_every_catalog(apis: dict[str, StacApi], seed: int) -> None:
    rng = random.Random(seed)
    held = {
        day: {name for name in HOSTS if rng.random() < 0.6} or {rng.choice(list(HOSTS))}
        for day in range(1, 32)
    }
    for name, api in apis.items():
        api.page = rng.choice([3, 7, 100])
        api.items = [on(day, MAKE[name](SIZE)) for day in held if name in held[day]]
        rng.shuffle(api.items)
    # Earth Search has some in its older collection, before an id tells the time.
    older = on(3, items.earth_search_l2a(SIZE))
    del older["properties"]["s2:product_uri"]
    held[3] |= {"earth-search", "cdse"}
    apis["earth-search"].items.append(older)
    apis["cdse"].items.append(on(3, items.cdse(SIZE)))

    found = search()

    days = {int(row.datetime[8:10]): row for row in found.rows}
    assert len(found) == len(days) == 31
    assert [row.datetime[:10] for row in found.rows] == sorted(
        (row.datetime[:10] for row in found.rows), reverse=True
    )
    for day, row in days.items():
        assert set(row.catalogs) == held[day], day
        assert row.need_account == (("cdse",) if "cdse" in held[day] else ())
        # Who needs an account comes last.
        assert row.catalogs[0] != "cdse" or held[day] == {"cdse"}
    assert found.passed_over == {}
    lacking = found.to_dataframe()
    assert (~lacking["catalogs"].str.contains("earth-search")).sum() == sum(
        "earth-search" not in names for names in held.values()
    )


def test_catalogs_are_queried_concurrently_one_page_at_a_time(
    network: Loopback, apis: dict[str, StacApi]
) -> None:
    together = threading.Barrier(len(HOSTS))
    now, most = Counter[str](), Counter[str]()
    for name, api in apis.items():
        api.page = 4
        api.items = [on(day, MAKE[name](SIZE)) for day in range(1, 13)]

    def asked(name: str) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            now[name] += 1
            most[name] = max(most[name], now[name])
            # Nobody is answered before all are asked, page after page.
            together.wait(timeout=60)
            now[name] -= 1
            return apis[name](request)

        return answer

    network.routes |= {HOSTS[name]: asked(name) for name in HOSTS}
    assert len(search()) == 12
    assert most == dict.fromkeys(HOSTS, 1)
    assert [len(api.searches) for api in apis.values()] == [3, 3, 3]


def test_an_outage_hides_only_scenes_of_that_catalog(
    network: Loopback, apis: dict[str, StacApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name, api in apis.items():
        api.page = 2
        api.items = [on(day, MAKE[name](SIZE)) for day in range(1, 6)]
    real = apis["planetary-computer"]

    def ends(request: httpx.Request) -> httpx.Response:
        return real(request) if len(real.searches) < 2 else httpx.Response(503)

    network.routes[HOSTS["planetary-computer"]] = ends
    apis["cdse"].fault = httpx.Response(400, json={"errors": ["bad day", "sig=HUSH"]})
    found = search()
    assert len(found) == 5
    assert [len(row.catalogs) for row in found.rows] == [2, 2, 2, 2, 1]
    assert found.passed_over == {
        "planetary-computer": "after 4 items: down (HTTP 503)",
        "cdse": "it refused the request (HTTP 400): 'bad day; sig=***'",
    }
    with pytest.raises(UpstreamError, match="down"):
        search(catalog="planetary-computer")


def test_incomplete_answers_are_reported(apis: dict[str, StacApi]) -> None:
    api = apis["earth-search"]
    api.items = [on(day, items.earth_search_c1(SIZE)) for day in (1, 2)]
    broken = on(3, items.earth_search_c1(SIZE))
    broken["assets"] = None
    api.items.append(broken)
    found = search()
    assert len(found) == 2
    assert re.match(
        r"1 entry is not an item \(.*it has no assets", found.passed_over["earth-search"]
    )
    assert "Passed over earth-search: 1 entry is not an item" in found._repr_html_()
    other = on(4, items.plain())
    other["collection"] = "sentinel-2-c1-l2a"
    api.items[2:] = [other]
    found = search()
    assert len(found) == 2
    assert found.passed_over == {"earth-search": f"1 item is not recognized ({other['id']})"}


def test_results_before_a_failure_are_kept(
    network: Loopback, apis: dict[str, StacApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name, api in apis.items():
        api.page = 2
        api.items = [on(day, MAKE[name](SIZE)) for day in range(1, 6)]

        def ends(request: httpx.Request, api: StacApi = api) -> httpx.Response:
            return api(request) if not api.searches else httpx.Response(503)

        network.routes[HOSTS[name]] = ends
    found = search()
    assert len(found) == 2
    assert set(found.passed_over.values()) == {"after 2 items: down (HTTP 503)"}


def test_a_page_that_fails_for_a_while_is_waited_for(
    network: Loopback, apis: dict[str, StacApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    monkeypatch.setenv("ASTRA_PATIENCE", "60")
    failures = [httpx.Response(503, headers={"Retry-After": "21"}), httpx.Response(502)]
    for name, api in apis.items():
        api.page = 2
        api.items = [on(day, MAKE[name](SIZE)) for day in range(1, 6)]

    def fails(request: httpx.Request) -> httpx.Response:
        api = apis["earth-search"]
        return failures.pop() if failures and api.searches else api(request)

    network.routes[HOSTS["earth-search"]] = fails
    found = search()
    assert (len(found), found.passed_over) == (5, {})
    assert max(naps) >= 21


def test_a_catalog_that_is_down_is_left_when_the_others_have_answered(
    network: Loopback, apis: dict[str, StacApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "3600")
    monkeypatch.setattr("astra_xr.net.retries._LAST", 9.7)  # of the ten seconds
    apis["planetary-computer"].items = [MAKE["planetary-computer"](SIZE)]
    apis["earth-search"].fault = httpx.Response(503)
    found = search()
    assert (len(found), found.passed_over) == (1, {"earth-search": "down (HTTP 503)"})


def test_no_page_is_read_after_an_interrupt(network: Loopback, apis: dict[str, StacApi]) -> None:
    pages, over = 0, threading.Event()

    def endless(request: httpx.Request) -> httpx.Response:
        nonlocal pages
        pages += 1
        assert over.wait(60)
        item = items.planetary_computer(SIZE) | {"id": f"S2B_MSIL2A_{pages}"}
        link = {"rel": "next", "href": f"https://{request.url.host}/search?page={pages}"}
        return httpx.Response(200, json={"features": [item], "links": [link]})

    def interrupted(request: httpx.Request) -> httpx.Response:
        over.set()
        raise KeyboardInterrupt

    network.routes[HOSTS["earth-search"]] = interrupted
    network.routes[HOSTS["planetary-computer"]] = endless
    with pytest.raises(KeyboardInterrupt):
        search()
    assert pages < 200


class TestCut:
    def many(self, api: StacApi, count: int, *, matched: bool) -> None:
        api.items = [on(day, items.planetary_computer(SIZE)) for day in range(1, count + 1)]
        api.page = 4
        if matched:
            answer = api._search

            def counted(request: httpx.Request) -> httpx.Response:
                document = json.loads(answer(request).content)
                return httpx.Response(200, json=document | {"numberMatched": count})

            api._search = counted  # type: ignore[method-assign]

    @pytest.mark.parametrize(
        ("matched", "wanted", "title"),
        [
            (True, 2, "<2 of about 20 scenes of sentinel-2"),
            (True, 19, "<19 of 20 scenes of sentinel-2"),
            (False, 2, "<2 scenes of sentinel-2 .*, and there are more>"),
            (False, 19, "<19 of 20 scenes"),
        ],
    )
    def test_is_told(
        self, apis: dict[str, StacApi], matched: bool, wanted: int, title: str
    ) -> None:
        self.many(apis["planetary-computer"], 20, matched=matched)
        with pytest.warns(UserWarning, match=f"the newest {wanted} .*max_items=None returns all"):
            found = search(max_items=wanted)
        assert re.match(title, repr(found))
        assert [row.datetime[8:10] for row in found.rows][:2] == ["20", "19"]
        # A part that the user takes is no cut.
        assert repr(found[:1]).startswith("<1 scene of sentinel-2")

    def test_none_is_all(self, apis: dict[str, StacApi]) -> None:
        self.many(apis["planetary-computer"], 20, matched=True)
        assert len(search()) == len(search(max_items=None)) == len(search(max_items=20)) == 20

    def test_ten_thousand_is_the_maximum_unless_more_are_requested(
        self, apis: dict[str, StacApi], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("catalogs.query", "scenes.scene_search"):
            monkeypatch.setattr(f"astra_xr.{module}.MOST", 5)
        self.many(apis["planetary-computer"], 20, matched=True)
        words = "the newest 5 of about 20 scenes: max_items= with a number above 5 returns more"
        with pytest.warns(UserWarning, match=words):
            assert len(search()) == 5
        assert len(search(max_items=20)) == 20


class TestIds:
    def test_remember_their_catalogs_through_lists_and_pickles(self, world: World) -> None:
        found = search()
        assert isinstance(found[0], FoundId)
        kept: list[Any] = pickle.loads(pickle.dumps([name for name in found if "S2B" in name]))
        assert kept == list(found)
        assert kept[0].catalogs == found.rows[0].catalogs == ("earth-search", "planetary-computer")
        assert json.dumps(kept[0]) == json.dumps(str(kept[0]))
        sample = astra_xr.search("sentinel-2", datetime="2025-07/2025-08", catalog="sample")
        ids = [name for name in sample if "202508" in name]
        ds = astra_xr.open_scenes(ids, ["red"])
        assert set(ds["catalog"].values) == {"sample"}

    def test_are_opened_where_they_are_and_elsewhere_in_an_outage(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        both, only_pc = 15, 12
        world.planetary_computer.items = [
            on(day, items.planetary_computer(SIZE)) for day in (both, only_pc)
        ]
        found = search()
        assert [row.catalog for row in found.rows] == ["earth-search", "planetary-computer"]
        world.earth_search.asked.clear()
        ds = astra_xr.open_scenes(found, ["red"])
        assert list(ds["catalog"].values) == ["planetary-computer", "earth-search"]
        # Who does not have the scene is not asked for it.
        assert len(world.earth_search.asked) == 1
        dn = world.dn["B04"]
        want = np.where(dn == 0, np.nan, dn * 1e-4 - 0.1)
        for step in range(2):
            np.testing.assert_allclose(ds.red[step], want, rtol=0, atol=1e-6)
        astra_xr.scenes.open._embedded.cache_clear()
        world.earth_search.fault = httpx.Response(503)
        ds = astra_xr.open_scenes(found, ["red"])
        assert list(ds["catalog"].values) == ["planetary-computer"] * 2


class TestTerms:
    def test_neither_area_nor_time_is_refused(self, network: Loopback) -> None:
        with pytest.raises(InvalidParameter, match=r"neither an area nor a time"):
            astra_xr.search("sentinel-2", cloud_cover=10)
        assert network.log == []
        assert len(astra_xr.search("sentinel-2", catalog="sample")) == 14

    @pytest.mark.parametrize(
        ("terms", "words"),
        [
            ({"bbox": (37.4, -122.6, 37.6, -122.3)}, "look swapped"),
            ({"bbox": (-122, 38, -123, 37)}, "south .* is greater than north"),
            ({"bbox": []}, "west, south, east, north"),
            ({"intersects": {"type": "FeatureCollection", "features": []}}, "GeoJSON geometry"),
            ({"datetime": "2025-02-30"}, "a day, month or year"),
            ({"datetime": "2025-03/2025-02"}, "the start is after the end"),
            ({"catalog": "earthsearhc"}, "did you mean 'earth-search'"),
            ({"catalog": "usgs"}, "has scenes of sentinel-2: earth-search, .* sample"),
            ({"max_items": 0}, "None for all"),
        ],
    )
    def test_impossible_ones_send_no_request(
        self, network: Loopback, terms: Json, words: str
    ) -> None:
        with pytest.raises(InvalidParameter, match=words):
            search(**terms)
        assert network.log == []

    def test_a_catalog_without_the_mission_does_not_find_none(self, network: Loopback) -> None:
        with pytest.raises(InvalidParameter, match="one that has scenes of landsat: planetary-"):
            astra_xr.search("landsat", datetime="2025", catalog="sample")
        assert network.log == []

    def test_the_world_is_a_box_and_a_point_is_one(self, apis: dict[str, StacApi]) -> None:
        apis["earth-search"].items = [items.earth_search_c1(SIZE)]
        assert len(search(bbox=(-180, -90, 180, 90))) == 1
        assert len(search(bbox=(-122.4, 37.5, -122.4, 37.5))) == 1


def fiji(west: float, east: float, ring: list[list[float]] | None = None) -> Json:
    item = items.planetary_computer(SIZE)
    item["bbox"] = [west, -18.5, east, -16.4]
    corners = [[west, -18.5], [east, -18.5], [east, -16.4], [west, -16.4], [west, -18.5]]
    closed = [*ring, ring[0]] if ring else corners
    item["geometry"] = {"type": "Polygon", "coordinates": [closed]}
    return item


ACROSS = {
    "below -180": fiji(-180.67, -178.55),
    "above 180": fiji(179.33, 181.45),
    "west beyond east": fiji(179.33, -178.55),
    "jumps": fiji(
        -180,
        180,
        [[179.3, -18.5], [-178.5, -18.5], [-178.5, -16.4], [179.3, -16.4], [179.3, -18.5]],
    ),
    "bbox alone": fiji(-180.67, -178.55) | {"geometry": None},
}


@pytest.mark.parametrize("form", ACROSS)
@pytest.mark.parametrize(
    ("box", "there"),
    [
        ((179.5, -17.7, 179.95, -17.0), True),
        ((-179.9, -17.7, -179.0, -17.0), True),
        ((179.0, -17.7, -179.0, -17.0), True),
        ((178.0, -17.7, 179.2, -17.0), False),
        ((-178.0, -17.7, -177.0, -17.0), False),
        ((10.0, -17.7, 11.0, -17.0), False),
        ((179.5, -10.0, 179.9, -9.0), False),
    ],
)
def test_footprints_and_boxes_across_the_antimeridian(
    form: str, box: tuple[float, float, float, float], there: bool
) -> None:
    assert Query(mission="sentinel-2", bbox=box).wants(ACROSS[form]) is there
    shape = shapely.box(*box) if box[0] < box[2] else None
    if shape is not None:
        query = Query(mission="sentinel-2", intersects=shapely.geometry.mapping(shape))
        assert query.wants(ACROSS[form]) is there


def test_a_box_across_the_antimeridian_is_queried_in_two_parts(apis: dict[str, StacApi]) -> None:
    apis["planetary-computer"].items = [ACROSS["below -180"]]
    assert len(search(bbox=(179, -18, -179, -17))) == 1
    (body,) = apis["planetary-computer"].searches
    assert "bbox" not in body
    assert body["intersects"]["type"] == "MultiPolygon"
    west, east = (shapely.Polygon(part[0]).bounds for part in body["intersects"]["coordinates"])
    assert (west, east) == ((179, -18, 180, -17), (-180, -18, -179, -17))


@given(
    west=st.floats(-180, 180), width=st.floats(0.01, 20), turn=st.sampled_from([-360, 0, 360]),
    at=st.floats(-180, 180),
)  # fmt: skip
def test_a_footprint_is_the_same_however_often_it_goes_around(
    west: float, width: float, turn: int, at: float
) -> None:
    item = fiji(west + turn, west + width + turn)
    inside = (at - west) % 360 <= width or (at - west) % 360 > 360 - 1e-9
    near = min((at - west) % 360, (west - at) % 360, abs((at - west) % 360 - width)) < 1e-6
    query = Query(mission="sentinel-2", bbox=(at, -17, at, -17))
    assert near or query.wants(item) is inside


class TestParts:
    def found(self, world: World) -> Any:
        world.planetary_computer.items = []
        world.earth_search.items = []
        for day in range(1, 7):
            item = on(day, items.earth_search_c1(SIZE))
            item["properties"]["eo:cloud_cover"] = 10.0 * day
            world.earth_search.items.append(item)
        return search()

    def test_by_mask_list_and_slice(self, world: World) -> None:
        found = self.found(world)
        frame = found.to_dataframe()
        mask = frame["cloud_cover"] < 35
        for index in (mask, mask.to_numpy(), list(mask), pd.array(mask.to_numpy())):
            assert [row.cloud_cover for row in found[index].rows] == [30, 20, 10]
        assert list(found[[0, -1]]) == [found[0], found[-1]]
        assert list(found[np.array([1])]) == [found[1]]
        assert list(found[::2]) == list(found)[::2]
        assert len(found[[]]) == 0
        with pytest.raises(IndexError, match="a mask of 2 booleans for 6 scenes"):
            found[[True, False]]
        with pytest.raises(InvalidParameter, match="a mask of booleans or a list of numbers"):
            found[["red"]]
        assert found[np.int64(1)] == found[np.array(1)] == found[1]
        for one, shown in ((True, "True"), (np.bool_(False), ".*False_?"), (None, "None")):
            with pytest.raises(InvalidParameter, match=f"Invalid index={shown}: expected a number"):
                found[:1][one]

    def test_by_terms(self, world: World, network: Loopback) -> None:
        found = self.found(world)
        network.log.clear()
        assert len(found.filter(cloud_cover=25)) == 2
        assert len(found.filter(datetime="2025-01-02/2025-01-03", tile="10SEG")) == 2
        assert len(found.filter(tile=["10SFH"])) == 0
        assert len(found.filter(bbox=(-122.4, 37.4, -122.3, 37.5))) == 6
        assert len(found.filter(bbox=(10, 50, 11, 51))) == 0
        assert len(found.filter(catalog="earth-search")) == 6
        assert len(found.filter(catalog="cdse")) == 0
        assert len(found.filter(catalog="ES")) == 6
        with pytest.raises(InvalidParameter, match="did you mean 'earth-search'"):
            found.filter(catalog="earth-serch")
        with pytest.raises(InvalidParameter, match="one that was queried: earth-search, "):
            found.filter(catalog="usgs")
        with pytest.raises(InvalidParameter, match="tile=44034: expected text"):
            found.filter(tile=44034)
        with pytest.raises(InvalidParameter, match="cloud_cover="):
            found.filter(cloud_cover=200)
        assert network.log == []

    def test_as_tables(self, world: World) -> None:
        found = self.found(world)
        frame = found.to_dataframe()
        assert list(frame["cloud_cover"]) == [60, 50, 40, 30, 20, 10]
        assert str(frame["datetime"].dt.tz) == "UTC"
        assert frame["id"][0] == found[0]
        assert len(found[[]].to_dataframe().columns) == len(frame.columns)

    def test_a_long_one_shows_its_beginning(self, world: World) -> None:
        found = self.found(world)
        rows = found.rows * 50
        from dataclasses import replace

        long = replace(found, rows=rows)
        assert "… and 200 more; to_dataframe() has all" in repr(long)
        assert long._repr_html_().count("<tr>") == 101


class TestMap:
    def test_shows_footprints_and_the_box(self, world: World) -> None:
        html = search(bbox=(-122.4, 37.4, -122.3, 37.5))._repr_html_()
        svg = re.search(r"<svg.*?</svg>", html)
        assert svg
        from xml.etree import ElementTree as ET

        root = ET.fromstring(svg[0])
        assert root.attrib["aria-label"] == "Footprints of 1 scene"
        paths = [each.attrib for each in root.iter("path")]
        (scene,) = [each for each in paths if each.get("fill") == "currentColor"]
        (box,) = [each for each in paths if each.get("stroke") == "#e8710a"]
        points = {
            name: shapely.Polygon(
                [tuple(map(float, p.split())) for p in each["d"].strip("MZ").split("L")]
            )
            for name, each in (("scene", scene), ("box", box))
        }
        assert points["scene"].contains(points["box"])
        # A degree east and a degree north, as the cosine of the latitude has it.
        west, north, east, south = points["scene"].bounds
        assert (east - west) / (south - north) == pytest.approx(np.cos(np.radians(37.5)), rel=0.01)
        assert "122.5°W" in svg[0]
        assert "http" not in svg[0]

    def test_lies_together_across_the_antimeridian(self, apis: dict[str, StacApi]) -> None:
        for number, form in enumerate(("below -180", "west beyond east", "above 180")):
            apis["planetary-computer"].items.append(on(number + 1, copy.deepcopy(ACROSS[form])))
        html = search(bbox=(179, -18, -179, -17))._repr_html_()
        xs = [float(x) for path in re.findall(r'd="(M[^"]*Z)"', html)
              for x in re.findall(r"[ML]([-\d.]+) ", path)]  # fmt: skip
        assert min(xs) >= 0
        assert max(xs) <= 320
        assert "180°" in html

    @pytest.mark.parametrize("far", [1e7, 1e300])
    def test_has_no_place_beyond_the_earth(self, far: float, apis: dict[str, StacApi]) -> None:
        ring = [[0, 0], [far, 0], [far, 1], [0, 0]]
        item = on(1, copy.deepcopy(ACROSS["above 180"]))
        item["geometry"] = {"type": "Polygon", "coordinates": [ring]}
        apis["planetary-computer"].items.append(item)
        html = search()._repr_html_()
        assert "T10SEG_20250101T210000" in html
        assert "<svg" not in html

    def test_there_is_none_of_nothing(self, apis: dict[str, StacApi]) -> None:
        assert "<svg" not in search()._repr_html_()


def test_collections_of_ones_own(network: Loopback, tmp_path: Path) -> None:
    orthos = []
    for day in (1, 2):
        item = on(day, items.plain("https://files.example/red.tif"))
        item["id"], item["collection"] = f"flight_{day}", "orthos"
        item["properties"]["datetime"] = f"2025-01-{day:02d}T10:00:00Z"
        orthos.append(item)
    held = [*orthos, items.plain()]
    network.routes["stac.example"] = StacApi(held)
    for item in held:
        (tmp_path / f"{item['id']}.json").write_text(json.dumps(item))
    parquet = tmp_path / "items.parquet"
    rustac.write_sync(str(parquet), held)
    opened = pystac.Catalog("mine", "what pystac_client.Client is", href="https://stac.example/v1")
    with serve_stac_rustac([], held) as url:
        for catalog in ("https://stac.example/v1", opened, tmp_path, parquet, url):
            _connect.cache_clear()
            found = astra_xr.search("orthos", catalog=catalog)
            assert list(found) == ["flight_2", "flight_1"]
            assert found.mission == "orthos"
            # It needs no catalog again.
            assert astra_xr.resolve(found[1], sign=False).full_id == "flight_1"
            assert len(astra_xr.search("orthos", datetime="2025-01-02", catalog=catalog)) == 1
            with pytest.raises(InvalidParameter, match="did you mean 'orthos'"):
                astra_xr.search("ortos", catalog=catalog)


def test_recorded_pages(shared: Path, network: Loopback) -> None:
    """Earth Search's second page of a search, and a whole answer of the Planetary Computer."""
    folder = shared / "responses"

    def recorded(name: str) -> Json:
        body: Json = json.loads((folder / name).read_text())["response"]["body"]
        return body

    last = recorded("earth-search/POST_v1_search_sentinel-2-l2a_bbox-datetime-next_200.json")
    posted: list[Json] = []

    def earth_search(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        following = len(posted) == 1
        return httpx.Response(200, json=last if following else last | {"features": [], "links": []})

    network.routes[HOSTS["earth-search"]] = earth_search
    found = astra_xr.search("sentinel-2", datetime="2020-03-01/2020-03-05", catalog="earth-search")
    # Each of them is there in two processings.
    ids = {item["properties"]["grid:code"] for item in last["features"]}
    assert len(found) == len(ids)
    assert posted[1]["next"] == last["links"][0]["body"]["next"]
    pc = recorded("planetary-computer/POST_api_stac_v1_search_sentinel-2-l2a_datetime_200.json")
    network.routes[HOSTS["planetary-computer"]] = lambda request: httpx.Response(200, json=pc)
    found = astra_xr.search("sentinel-2", datetime="2019-01-01", catalog="planetary-computer")
    uris = {item["properties"]["s2:product_uri"].removesuffix(".SAFE") for item in pc["features"]}
    assert {name.partition(":")[2] for name in found} == uris
