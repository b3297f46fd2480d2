"""Finding scenes: ids, prefixes, reprocessings, outages; each catalog's own ways."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pystac
import pytest

import astra_xr
from astra_xr.catalogs import CATALOGS, ORDER, Catalog, catalog_name, connect
from astra_xr.errors import (
    AmbiguousSceneId,
    InvalidParameter,
    SceneNotFound,
    SigningError,
    UpstreamError,
)
from astra_xr.missions import MISSIONS
from astra_xr.resolver.ids import parse_scene_id
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


def test_a_scene_that_no_catalog_has(world: World) -> None:
    with pytest.raises(
        SceneNotFound, match="found in Earth Search, Planetary Computer, Cop"
    ) as caught:
        astra_xr.open_scene("sentinel-2:S2A_MSIL2A_20200101T000000")
    assert caught.value.asked == ("Earth Search", "Planetary Computer", "Copernicus Data Space")
    with pytest.raises(SceneNotFound, match="found in the built-in sample"):
        astra_xr.open_scene("sentinel-2:S2A_MSIL2A_20200101T000000", catalog="sample")


def test_the_synthetic_sample_is_offered_but_never_taken_unasked(network: Loopback) -> None:
    for host in (HOST, "planetarycomputer.microsoft.com", "stac.dataspace.copernicus.eu"):
        network.routes[host] = StacApi([])
    with pytest.raises(SceneNotFound, match="synthetic scene with this id.*catalog='sample'"):
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
    with pytest.raises(UpstreamError, match="its answer is not a STAC item"):
        found(f"sentinel-2:{keep[0]}")


def test_search_answer_without_features(earth_search: StacApi) -> None:
    earth_search.fault = httpx.Response(200, json={"message": "Forbidden"})
    with pytest.raises(UpstreamError, match="no features"):
        found(PREFIX)


def test_landsat_at_earth_search_names_a_catalog_without_payment(earth_search: StacApi) -> None:
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


def test_catalogs_cannot_lead_to_local_files(earth_search: StacApi) -> None:
    item = items.earth_search_c1(SIZE)
    item["assets"]["red"]["href"] = "file:///etc/hostname"
    earth_search.items = [item]
    ds = astra_xr.open_scene(PREFIX, bands=["red"], catalog="earth-search")
    with pytest.raises(SigningError, match="neither https nor s3"):
        ds.red.load()


def test_unknown_catalog() -> None:
    with pytest.raises(InvalidParameter, match="one of earth-search, .*sample; or the URL"):
        astra_xr.open_scene(PREFIX, catalog="google")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Sample", "sample"),
        (" SAMPLE", "sample"),
        ("earthsearch", "earth-search"),
        ("Earth Search", "earth-search"),
        ("es", "earth-search"),
        ("pc", "planetary-computer"),
        ("MPC", "planetary-computer"),
        ("planetary_computer", "planetary-computer"),
        ("LPDAAC", "lpdaac"),
        ("", None),
        (None, None),
    ],
)
def test_catalogs_as_users_spell_them(written: str | None, name: str | None) -> None:
    assert catalog_name(written) == name


@pytest.mark.parametrize(
    ("written", "meant"),
    [("smaple", "sample"), ("earth-serch", "earth-search"), ("planetary", "planetary-computer")],
)
def test_a_slip_in_a_catalogs_name(written: str, meant: str) -> None:
    for door in (
        lambda: astra_xr.open_scene(PREFIX, catalog=written),
        lambda: astra_xr.resolve(PREFIX, catalog=written),
        lambda: astra_xr.search("sentinel-2", catalog=written),
    ):
        with pytest.raises(InvalidParameter, match=f"did you mean '{meant}'"):
            door()


def test_an_open_catalog_counts_as_its_url() -> None:
    url = "https://stac.example/v1"
    opened = pystac.Catalog("theirs", "as pystac_client.Client is one", href=url)
    assert catalog_name(opened) == url
    with pytest.raises(InvalidParameter, match="is None; expected the catalog's URL"):
        catalog_name(pystac.Catalog("memory", "lies nowhere"))


@pytest.mark.parametrize("odd", [7, True, ["sample"], object(), b"sample", {"sample": 1}])
def test_what_names_no_catalog(odd: Any) -> None:
    for door in (
        lambda: astra_xr.open_scene(PREFIX, catalog=odd),
        lambda: astra_xr.open_scenes([PREFIX], catalog=odd),
        lambda: astra_xr.search("sentinel-2", catalog=odd),
    ):
        with pytest.raises(InvalidParameter, match="Invalid catalog="):
            door()


def test_catalog_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_CATALOG", "sample")
    assert astra_xr.resolve(PREFIX, "red").catalog == "sample"


@pytest.mark.parametrize("name", CATALOGS)
def test_contract_of_every_catalog(name: str) -> None:
    catalog = connect(name, Settings())
    assert isinstance(catalog, Catalog)
    assert catalog.name == name
    assert catalog.title
    assert catalog.provider
    assert connect(name, Settings()) is catalog  # one token cache a process
    foreign = {"id": "x", "properties": {}, "assets": {}, "links": []}
    assert not catalog.owns(foreign)


def test_every_mission_has_a_catalog() -> None:
    assert set(ORDER) == set(MISSIONS)
    assert {name for order in ORDER.values() for name in order} <= set(CATALOGS)


def _anything(item_id: str, collection: str) -> dict[str, Any]:
    """Make an item that has some band of each mission."""
    item = items.planetary_computer(SIZE) | {"id": item_id, "collection": collection}
    for key in ("vv", "image", "data"):
        item["assets"][key] = item["assets"]["B04"] | {"eo:bands": []}
    return item


@pytest.mark.parametrize(
    ("scene", "collection", "item_id"),
    [
        (
            "LM05_L1TP_039036_20130107_20200820_02_T2",
            "landsat-c2-l1",
            "LM05_L1TP_039036_20130107_02_T2",
        ),
        (
            "HLS.S30.T12XYZ.2021001T180000.v2.0",
            "hls2-s30",
            "HLS.S30.T12XYZ.2021001T180000.v2.0",
        ),
        ("hls.l30.t01gel.2021001t213113", "hls2-l30", "HLS.L30.T01GEL.2021001T213113.v2.0"),
        (
            "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_AF19.SAFE",
            "sentinel-1-rtc",
            "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_rtc",
        ),
        (
            "id_m_4611606_ne_11_060_20231117_20240103",
            "naip",
            "id_m_4611606_ne_11_060_20231117_20240103",
        ),
        (
            "Copernicus_DSM_10_S90_00_W177_00",
            "cop-dem-glo-30",
            "Copernicus_DSM_COG_10_S90_00_W177_00_DEM",
        ),
        (
            "Copernicus_DSM_COG_30_N38_00_W123_00_DEM",
            "cop-dem-glo-90",
            "Copernicus_DSM_COG_30_N38_00_W123_00_DEM",
        ),
    ],
)
def test_further_missions_at_the_planetary_computer(
    network: Loopback, scene: str, collection: str, item_id: str
) -> None:
    item = _anything(item_id, collection)
    api = network.routes["planetarycomputer.microsoft.com"] = StacApi([item])
    (catalog,) = ORDER[parse_scene_id(scene).mission][:1]
    assert found(scene, catalog)["id"] == item_id
    assert api.asked == [f"GET /api/stac/v1/collections/{collection}/items/{item_id}"]


def test_a_photograph_without_its_state_is_searched_for(network: Loopback) -> None:
    item_id = "id_m_4611606_ne_11_060_20231117_20240103"
    item = _anything(item_id, "naip")
    item["properties"]["datetime"] = "2023-11-17T16:00:00Z"
    item["bbox"] = [-116.19, 46.93, -116.12, 47.0]
    other = item | {"id": item_id.replace("ne", "nw")}
    api = network.routes["planetarycomputer.microsoft.com"] = StacApi([other, item])
    assert found("m_4611606_ne_11_060_20231117", "planetary-computer")["id"] == item_id
    (search,) = api.searches
    # West, south, east, north of the cell that 46116 names.
    assert search["bbox"] == [-117, 46, -116, 47]


def test_level_1c_at_earth_search(earth_search: StacApi) -> None:
    product = items.PRODUCT.replace("MSIL2A", "MSIL1C")
    item = items.earth_search_l2a(SIZE) | {
        "id": "S2B_10SEG_20250115_0_L1C",
        "collection": "sentinel-2-l1c",
    }
    item["properties"]["s2:product_uri"] = f"{product}.SAFE"
    earth_search.items = [item, items.earth_search_l2a(SIZE)]
    for scene in (product, product[:26], "S2B_10SEG_20250115_0_L1C"):
        assert found(scene)["id"] == "S2B_10SEG_20250115_0_L1C"


def test_levels_that_a_catalog_lacks_are_not_requested(network: Loopback) -> None:
    for scene, catalog in (
        ("LC08_L1TP_044034_20171020_20200902_02_T1", "earth-search"),
        ("LC08_L1TP_044034_20171020_20200902_02_T1", "planetary-computer"),
        ("S2B_MSIL1C_20250115T184929_N0511_R113_T10SEG_20250115T210000", "planetary-computer"),
    ):
        with pytest.raises(SceneNotFound):
            found(scene, catalog)


def test_zones_of_one_digit_at_earth_search(earth_search: StacApi) -> None:
    item = items.earth_search_l2a(SIZE) | {"id": "S2B_4QGJ_20250115_0_L2A"}
    product = items.PRODUCT.replace("10SEG", "04QGJ")
    item["properties"] |= {"grid:code": "MGRS-4QGJ", "s2:product_uri": f"{product}.SAFE"}
    earth_search.items = [item]
    for scene in (product, "S2B_4QGJ_20250115_0_L2A", "S2B_04QGJ_20250115_0_L2A"):
        assert found(scene)["id"] == item["id"]
