"""One acquisition in every dialect of ids opens through every catalog that has it."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astra_xr
from astra_xr.catalogs import connect
from astra_xr.errors import AmbiguousSceneId, AstraError, SceneNotFound
from astra_xr.missions import MISSIONS
from astra_xr.resolver.ids import parse_scene_id
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World
from tests.stac_api import StacApi

Json = dict[str, Any]
ES, PC = "earth-search.aws.element84.com", "planetarycomputer.microsoft.com"

# Whoever gave the id, and however it was pasted.
DIALECTS = {
    "product": items.PRODUCT,
    "with .SAFE": f"{items.PRODUCT}.SAFE",
    "in lower case": items.PRODUCT.lower(),
    "with its mission": f"sentinel-2:{items.PRODUCT}",
    "beginning": items.PRODUCT[:26],
    "other generation time": f"{items.PRODUCT[:-15]}20250116T031522",
    "Planetary Computer": items.PRODUCT.replace("_N0511", ""),
    "Earth Search, v0 and v1": "S2B_10SEG_20250115_0_L2A",
    "Earth Search, c1": "S2B_T10SEG_20250115T184927_L2A",
    "URL at Earth Search": f"https://{ES}/v1/collections/sentinel-2-l2a/items/S2B_10SEG_20250115_0_L2A",
    "URL at the Planetary Computer": (
        f"https://{PC}/api/stac/v1/collections/sentinel-2-l2a/items/"
        + items.PRODUCT.replace("_N0511", "")
    ),
    "URL at Copernicus": (
        f"https://stac.dataspace.copernicus.eu/v1/collections/sentinel-2-l2a/items/{items.PRODUCT}"
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reflectance_is_the_same_by_every_id_at_every_catalog(
    world: World, network: Loopback, dialect: str
) -> None:
    both = list(world.earth_search.items)
    want = (world.dn["B04"].astype(np.float32) - 1000) * np.float32(1e-4)
    want[world.dn["B04"] == 0] = np.nan

    def opened(catalog: str) -> Any:
        resolver = astra_xr.LocalResolver()
        ds = astra_xr.open_scene(DIALECTS[dialect], ["red"], catalog=catalog, resolver=resolver)
        return ds.red.isel(y=slice(100, 300), x=slice(50, 250))

    for item in both:
        world.earth_search.items = [item]
        red = opened("earth-search")
        np.testing.assert_allclose(red, want[100:300, 50:250], atol=1e-7)
    np.testing.assert_allclose(opened("planetary-computer"), want[100:300, 50:250], atol=1e-7)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_request_where_the_catalog_has_it(world: World, dialect: str) -> None:
    for catalog, api in (
        ("earth-search", world.earth_search),
        ("planetary-computer", world.planetary_computer),
    ):
        # By an id of the agency's from the time when both ran the same processor, the item's own
        # id may differ still: then there is a search after it.
        differs = dialect == "other generation time" and catalog == "planetary-computer"
        api.asked.clear()
        astra_xr.resolve(DIALECTS[dialect], "red", catalog=catalog, sign=False)
        assert len(api.asked) == 1 + differs


@pytest.mark.parametrize("dialect", DIALECTS)
def test_copernicus_finds_it_by_every_id(network: Loopback, dialect: str) -> None:
    # JPEG 2000 behind an account: finding it is what an id can do.
    network.routes["stac.dataspace.copernicus.eu"] = StacApi([items.cdse(SIZE)])
    catalog = connect("cdse", Settings())
    assert catalog.find(parse_scene_id(DIALECTS[dialect]))["id"] == items.PRODUCT


LANDSAT = {
    "product": "LC08_L2SP_044034_20250115_20250120_02_T1",
    "surface reflectance item": "LC08_L2SP_044034_20250115_20250120_02_T1_SR",
    "surface temperature item": "LC08_L2SP_044034_20250115_20250120_02_T1_ST",
    "no processing date": "LC08_L2SP_044034_20250115_02_T1",
    "beginning": "LC08_L2SP_044034_20250115",
    "real time, before its tier": "LC08_L2SP_044034_20250115_20250116_02_RT",
    "URL": (
        "https://landsatlook.usgs.gov/stac-server/collections/landsat-c2l2-sr/items/"
        "LC08_L2SP_044034_20250115_20250120_02_T1_SR"
    ),
}


@pytest.mark.parametrize("dialect", LANDSAT)
def test_landsat(world: World, dialect: str) -> None:
    item = world.planetary_computer.items[1]
    world.earth_search.items = [item]
    for catalog in ("planetary-computer", "earth-search"):
        answer = astra_xr.resolve(LANDSAT[dialect], "red", catalog=catalog, sign=False)
        assert answer.item["id"] == item["id"]


class TestTimes:
    """What a day and a datastrip's start in an id say of the start of sensing."""

    def planetary(self, network: Loopback, *starts: str) -> None:
        found = []
        for start in starts:
            text = json.dumps(items.planetary_computer(8)).replace("20250115T184929", start)
            item = json.loads(text)
            day, clock = start.split("T")
            item["properties"]["datetime"] = (
                f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}.024Z"
            )
            found.append(item)
        network.routes[PC] = StacApi(found)

    def found(self, scene: str) -> str:
        answer = astra_xr.resolve(scene, "red", catalog="planetary-computer", sign=False)
        return str(answer.item["id"])[11:26]

    def test_a_datastrip_identifies_one_of_two_passes_of_a_day(self, network: Loopback) -> None:
        self.planetary(network, "20250115T184929", "20250115T202849")
        assert self.found("S2B_T10SEG_20250115T184927_L2A") == "20250115T184929"
        # Ten minutes into the datatake.
        assert self.found("S2B_T10SEG_20250115T203855_L2A") == "20250115T202849"
        with pytest.raises(AmbiguousSceneId, match="matches 2 scenes") as caught:
            self.found("S2B_10SEG_20250115_0_L2A")
        for candidate in caught.value.candidates:
            assert self.found(candidate) in candidate

    def test_a_datatake_over_midnight(self, network: Loopback) -> None:
        # The tile's own time is minutes later, of the next day.
        self.planetary(network, "20250115T235531", "20250117T235531")
        assert self.found("S2B_10SEG_20250116_0_L2A") == "20250115T235531"
        assert self.found("S2B_T10SEG_20250116T000312_L2A") == "20250115T235531"

    def test_another_day_is_another_scene(self, network: Loopback) -> None:
        self.planetary(network, "20250115T184929")
        for scene in (
            "S2B_10SEG_20250116_0_L2A",
            "S2B_T10SEG_20250116T184927_L2A",
            "S2B_MSIL2A_20250116T184929",
        ):
            with pytest.raises(SceneNotFound):
                self.found(scene)

    def test_in_a_folder_of_many_days(self, network: Loopback, tmp_path: Path) -> None:
        for day in (13, 15, 18):
            text = json.dumps(items.planetary_computer(8)).replace("20250115T", f"202501{day}T")
            (tmp_path / f"{day}.json").write_text(text, encoding="utf-8")
        for scene in ("S2B_10SEG_20250115_0_L2A", "S2B_T10SEG_20250115T184927_L2A"):
            answer = astra_xr.resolve(scene, "red", catalog=str(tmp_path), sign=False)
            assert "20250115T184929" in answer.item["id"]


class TestProcessings:
    @pytest.fixture
    def two(self, network: Loopback) -> StacApi:
        old = items.earth_search_l2a(SIZE, baseline="02.14", applied=False, sequence=0)
        new = items.earth_search_l2a(SIZE, baseline="05.00", sequence=1)
        api = network.routes[ES] = StacApi([old, new])
        return api

    def test_the_newest_is_taken_and_the_other_named(
        self, two: StacApi, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = items.PRODUCT.replace("N0511", "N0214")
        new = items.PRODUCT.replace("N0511", "N0500")
        with caplog.at_level(logging.INFO, "astra_xr"):
            answer = astra_xr.resolve(items.PRODUCT[:26], "red", sign=False)
        assert answer.full_id == f"sentinel-2:{new}"
        assert answer.other_processings == (old,)
        assert f"using sentinel-2:{new} instead of {old}" in caplog.text
        ds = astra_xr.open_scene(items.PRODUCT[:26], ["red"])
        assert ds.attrs["other_processings"] == old
        assert ds.attrs["scene_id"] == f"sentinel-2:{new}"

    def test_the_one_that_is_named_is_taken(self, two: StacApi) -> None:
        for baseline in ("0214", "0500"):
            product = items.PRODUCT.replace("0511", baseline)
            answer = astra_xr.resolve(product, "red", sign=False)
            assert answer.full_id == f"sentinel-2:{product}"

    def test_one_that_is_not_there(self, two: StacApi, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "astra_xr"):
            answer = astra_xr.resolve(items.PRODUCT, "red", sign=False)
        assert "_N0500_" in answer.full_id
        assert "baseline 0511 not found" in caplog.text

    def test_the_same_product_twice_is_no_other_processing(self, world: World) -> None:
        answer = astra_xr.resolve(items.PRODUCT, "red", sign=False)
        assert answer.other_processings == ()
        assert answer.item["collection"] == "sentinel-2-c1-l2a"


def test_recorded_items_of_one_acquisition(shared: Path, network: Loopback) -> None:
    def recorded(path: str) -> Json:
        item: Json = json.loads((shared / "items" / path).read_text(encoding="utf-8"))
        return item

    product = "S2B_MSIL2A_20250731T131909_N0511_R095_T20EPT_20250731T143919"
    c1 = recorded("earth-search-v1.sentinel-2-c1-l2a/S2B_T20EPT_20250731T131905_L2A.json")
    l2a = recorded("earth-search-v1.sentinel-2-l2a/S2B_20EPT_20250731_0_L2A.json")
    pc = recorded(
        "planetary-computer.sentinel-2-l2a/"
        "S2B_MSIL2A_20250312T014549_R074_T53NKG_20250312T041213.json"
    )
    # The same shape, as this acquisition.
    text = json.dumps(pc).replace("20250312T014549", "20250731T131909").replace("R074", "R095")
    text = text.replace("53NKG", "20EPT").replace("20250312T041213", "20250731T143919")
    pc = json.loads(text.replace("2025-03-12T01:45:49", "2025-07-31T13:19:09"))
    network.routes[PC] = StacApi([pc])
    for scene in (
        product,
        product.replace("_N0511", ""),
        product[:26],
        c1["id"],
        l2a["id"],
        next(link["href"] for link in c1["links"] if link["rel"] == "self"),
    ):
        for held in (c1, l2a):
            network.routes[ES] = StacApi([copy.deepcopy(held)])
            resolver = astra_xr.LocalResolver()
            answer = resolver.resolve(scene, "red", catalog="earth-search", sign=False)
            assert answer.full_id == f"sentinel-2:{product}"
            assert answer.item["id"] == held["id"]
        answer = astra_xr.resolve(scene, "red", catalog="planetary-computer", sign=False)
        assert answer.full_id == f"sentinel-2:{product}"


def test_recorded_reprocessings(shared: Path, network: Loopback) -> None:
    name = "GET_v1_collections_sentinel-2-l2a_items_S2A_32TMT_20200305_{}_L2A_200.json"
    both = [
        json.loads((shared / "responses/earth-search" / name.format(n)).read_text())["response"][
            "body"
        ]
        for n in (0, 1)
    ]
    network.routes[ES] = StacApi(both)
    for scene, sequence in (
        ("S2A_MSIL2A_20200305T103021", 1),
        ("S2A_MSIL2A_20200305T103021_N0214_R108_T32TMT_20200305T132101.SAFE", 0),
        ("S2A_MSIL2A_20200305T103021_N0500_R108_T32TMT_20230630T022413", 1),
        ("S2A_32TMT_20200305_0_L2A", 0),
        ("S2A_32TMT_20200305_1_L2A", 1),
    ):
        answer = astra_xr.resolve(scene, catalog="earth-search", bands=["red"], sign=False)
        assert answer.item["id"] == f"S2A_32TMT_20200305_{sequence}_L2A"


formed = st.sampled_from(
    [(m.name, form) for m in MISSIONS.values() for form in m.id_forms]
).flatmap(
    lambda pair: st.tuples(
        st.just(pair[0]),
        st.from_regex(pair[1].pattern, fullmatch=True, alphabet=st.characters(codec="ascii")),
    )
)
answers = st.sampled_from(
    [
        httpx.Response(404),
        httpx.Response(200, json={"features": []}),
        httpx.Response(200, json={"id": "x", "assets": {}, "properties": {}}),
        httpx.Response(200, json=items.planetary_computer(8)),
        httpx.Response(200, json={"features": [items.earth_search_c1(8)], "links": [{}]}),
        httpx.Response(200, content=b"[[["),
        httpx.Response(403),
    ]
)


@given(formed, answers)
def test_any_id_with_any_answer_ends_in_a_resolution_or_one_of_our_errors(
    network: Loopback, scene: tuple[str, str], answer: httpx.Response
) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    class Everywhere(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return act

    network.routes = Everywhere()
    with contextlib.suppress(AstraError):
        astra_xr.LocalResolver().resolve(":".join(scene), "red", sign=False)
