"""astra_xr.search: ids newest first that open, as a table, from whichever catalog answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr.errors import InvalidParameter, MissingExtra, UpstreamUnavailable
from astra_xr.scenes.search_result import SearchResult
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World

BAY = (-122.6, 37.4, -122.3, 37.6)
PC = "planetarycomputer.microsoft.com"


def days(world: World, *wanted: int) -> None:
    """Give Earth Search a c1 scene of each of these days of January, in this order."""
    world.earth_search.items, world.planetary_computer.items = [], []
    for day in wanted:
        text = json.dumps(items.earth_search_c1(SIZE))
        text = text.replace("20250115", f"202501{day:02d}").replace(
            "2025-01-15", f"2025-01-{day:02d}"
        )
        item = json.loads(text)
        item["properties"]["eo:cloud_cover"] = float(day)
        world.earth_search.items.append(item)


def search(**terms: Any) -> SearchResult:
    return astra_xr.search("sentinel-2", **{"datetime": "2025", **terms})


def test_newest_first_and_max_items_for_any_page_size(world: World) -> None:
    days(world, 3, 9, 1, 7, 5)
    for page in (1, 2, 100):
        world.earth_search.page = page
        with pytest.warns(UserWarning, match="the newest 3.* scenes.*: max_items=None"):
            found = search(max_items=3)
        assert [name[22:30] for name in found] == ["20250109", "20250107", "20250105"]
        assert len(search()) == 5


def test_pages_that_are_not_needed_are_not_fetched(world: World) -> None:
    days(world, *range(1, 20))
    world.earth_search.page = 1
    with pytest.warns(UserWarning, match="the newest 2 scenes; there are more: max"):
        found = search(max_items=2, catalog="earth-search")
    assert repr(found).startswith("<2 scenes of sentinel-2 at earth-search, and there are more>")
    # One acquisition more tells that all items of the second have come, and one more its end.
    assert len(world.earth_search.searches) <= 4


def test_place_time_and_clouds(world: World) -> None:
    days(world, 3, 9, 15)
    assert len(search(bbox=BAY)) == 3
    assert len(search(bbox=(10, 50, 11, 51))) == 0
    assert [row.cloud_cover for row in search(cloud_cover=10).rows] == [9, 3]
    assert [row.cloud_cover for row in search(cloud_cover=(5, 10)).rows] == [9]
    assert [row.datetime[:10] for row in search(datetime="2025-01-09").rows] == ["2025-01-09"]
    assert len(search(datetime=("2025-01-04", None))) == 2
    search(intersects={"type": "Point", "coordinates": [-122.4, 37.5]})
    assert world.earth_search.searches[-1]["intersects"]["type"] == "Point"


def test_rows_say_what_they_are_and_open(world: World) -> None:
    found = search(bbox=BAY, max_items=5)
    # The acquisition is in both of the catalog's collections; it is one scene.
    (row,) = found.rows
    assert row.id == f"sentinel-2:{items.PRODUCT}"
    assert (row.tile, row.catalog, found.catalog) == ("10SEG", "earth-search", None)
    assert row.catalogs == ("earth-search", "planetary-computer")
    assert row.datetime.startswith("2025-01-15T18:54:10")
    ds = astra_xr.open_scene(found[0], bands=["red"], catalog=row.catalog)
    assert ds.attrs["scene_id"] == found[0]


def test_of_two_processings_the_newest_is_the_row(world: World) -> None:
    old = items.earth_search_l2a(SIZE, baseline="02.14", applied=False, sequence=0)
    new = items.earth_search_l2a(SIZE, baseline="05.00", sequence=1)
    world.earth_search.items = [old, new]
    found = search(catalog="earth-search")
    assert list(found) == [f"sentinel-2:{items.PRODUCT.replace('N0511', 'N0500')}"]


def test_landsat_rows(world: World) -> None:
    (row,) = astra_xr.search("landsat", datetime="2025").rows
    assert row.id == "landsat:LC08_L2SP_044034_20250115_02_T1"
    assert (row.tile, row.catalog) == ("044034", "planetary-computer")


def test_landsat_passes_of_one_place_are_several_scenes(world: World) -> None:
    one = world.planetary_computer.items[1]
    other = json.loads(json.dumps(one).replace("20250115", "20250131"))
    other["properties"]["datetime"] = "2025-01-31T18:45:00Z"
    world.planetary_computer.items = [one, other]
    found = astra_xr.search("landsat", datetime="2025")
    assert [name.split("_")[3] for name in found] == ["20250131", "20250115"]


def test_a_catalog_that_is_down_is_passed_over(
    world: World, network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    world.earth_search.fault = httpx.Response(503)
    found = search(bbox=BAY)
    assert found.rows[0].catalogs == ("planetary-computer",)
    assert found.passed_over == {"earth-search": "down (HTTP 503)"}
    assert list(found) == [f"sentinel-2:{items.PRODUCT}"]
    assert "Passed over earth-search: down (HTTP 503)" in repr(found)
    with pytest.raises(UpstreamUnavailable, match=r"Earth Search: down \(HTTP 503\)"):
        search(bbox=BAY, catalog="earth-search")
    world.planetary_computer.fault = httpx.Response(500)
    del network.routes["stac.dataspace.copernicus.eu"]
    with pytest.raises(
        UpstreamUnavailable,
        match=r"scenes of sentinel-2: Earth Search: down.*; Planetary Computer: .*HTTP 500",
    ):
        search(bbox=BAY)


def test_invalid_terms_send_no_request(network: Loopback) -> None:
    with pytest.raises(InvalidParameter, match="look swapped"):
        search(bbox=(37.4, -122.6, 37.6, -122.3))
    with pytest.raises(InvalidParameter, match="datetime="):
        search(datetime="yesterday")
    with pytest.raises(InvalidParameter, match="catalog='google'"):
        search(catalog="google")
    assert network.log == []


@pytest.mark.parametrize("mission", ["sentinel-2", "Sentinel2", "s2"])
def test_missions_as_users_spell_them(mission: str) -> None:
    found = astra_xr.search(mission, catalog="Sample")
    assert (found.mission, found.catalog, len(found)) == ("sentinel-2", "sample", 14)


class TestResult:
    def test_is_a_sequence_of_ids(self, world: World) -> None:
        days(world, 1, 2, 3)
        found = search()
        assert len(found) == 3
        assert found[0] == found.rows[0].id
        assert found[-1] in found
        part = found[:2]
        assert isinstance(part, SearchResult)
        assert list(part) == [found[0], found[1]]

    def test_as_text(self, world: World) -> None:
        days(world, 1, 2)
        text = repr(search())
        everywhere = "scenes of sentinel-2 at earth-search, planetary-computer and cdse>"
        assert text.splitlines()[0] == f"<2 {everywhere}"
        assert "2025-01-02T18:54  10SEG  2 %  earth-search" in text
        assert repr(search(bbox=(10, 50, 11, 51))) == f"<0 {everywhere}"

    def test_as_html(self, world: World) -> None:
        item = items.earth_search_c1(SIZE)
        item["properties"]["eo:cloud_cover"] = 12.6
        picture = {"href": "https://pictures.example/a.jpg?w=1&h=2", "type": "image/jpeg"}
        item["assets"]["thumbnail"] = picture | {"roles": ["thumbnail"]}
        world.earth_search.items = [item]
        html = search()._repr_html_()
        assert '<img src="https://pictures.example/a.jpg?w=1&amp;h=2"' in html
        for cell in ("2025-01-15 18:54", "10SEG", "13 %", "earth-search, planetary-computer"):
            assert f">{cell}</td>" in html
        assert f">sentinel-2:{items.PRODUCT}</td>" in html

    @pytest.mark.parametrize(
        "href",
        [
            "javascript:alert(1)",
            "http://pictures.example/a.jpg",
            "s3://bucket/a.jpg",
            "https://pictures.example/a.jpg?sig=SECRET",
            "",
        ],
    )
    def test_pictures_that_are_not_shown(self, world: World, href: str) -> None:
        item = items.earth_search_c1(SIZE)
        item["assets"]["thumbnail"] = {"href": href, "type": "image/jpeg", "roles": ["thumbnail"]}
        world.earth_search.items = [item]
        html = search()._repr_html_()
        assert "<img" not in html
        assert "SECRET" not in html

    def test_html_of_a_hostile_catalog(self, world: World) -> None:
        item = items.earth_search_c1(SIZE)
        picture = {"href": 'https://h/"><script>', "type": "image/png", "roles": ["thumbnail"]}
        item["assets"]["thumbnail"] = picture
        item["properties"]["datetime"] = "2025-01-15T18:54:10Z"
        world.earth_search.items = [item]
        assert "<script>" not in search()._repr_html_()

    def test_to_geodataframe(self, world: World) -> None:
        pytest.importorskip("geopandas")
        days(world, 1, 2)
        frame = search().to_geodataframe()
        assert list(frame.columns) == [
            "id", "datetime", "tile", "cloud_cover", "catalog", "catalogs", "needs_account",
            "thumbnail", "geometry",
        ]  # fmt: skip
        assert list(frame["catalogs"]) == ["earth-search"] * 2
        assert not frame["needs_account"].any()
        assert frame.crs.to_epsg() == 4326
        assert list(frame.total_bounds) == [-123, 37, -122, 38]
        assert str(frame["datetime"].dtype).startswith("datetime64[")
        assert list(frame["cloud_cover"]) == [2, 1]
        empty = search(bbox=(10, 50, 11, 51)).to_geodataframe()
        assert len(empty) == 0
        assert "geometry" in empty.columns

    def test_without_geopandas(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "geopandas", None)
        with pytest.raises(MissingExtra, match=r"needs geopandas.*'astra-xr\[geo\]'"):
            search().to_geodataframe()


def test_recorded_thumbnails(shared: Any) -> None:
    from astra_xr.catalogs import connect
    from astra_xr.missions import mission_of
    from astra_xr.resolver.search_rows import Hit, Row
    from astra_xr.settings import Settings

    def row(path: str) -> Row:
        item = json.loads((shared / "items" / path).read_text())
        hit = Hit.of(item, connect("earth-search", Settings()), mission_of(item), {})
        assert hit is not None
        return hit.row

    pc = row(
        "planetary-computer.sentinel-2-l2a/"
        "S2B_MSIL2A_20250312T014549_R074_T53NKG_20250312T041213.json"
    )
    assert pc.thumbnail
    assert pc.thumbnail.startswith(f"https://{PC}/api/data/v1/item/preview.png?")
    assert pc.tile == "53NKG"
    c1 = row("earth-search-v1.sentinel-2-c1-l2a/S2B_T20EPT_20250731T131905_L2A.json")
    assert c1.thumbnail
    assert c1.thumbnail.endswith(".jpg")
    assert c1.cloud_cover == 26.02542


def test_the_first_of_nothing_says_what_to_do(world: World) -> None:
    days(world)
    with pytest.raises(IndexError, match="widen bbox, datetime or cloud_cover"):
        search(bbox=BAY, catalog="earth-search")[0]
