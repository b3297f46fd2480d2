"""A catalog of the user's own: a STAC API, static files, a folder, stac-geoparquet."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rustac
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

import astra_xr
from astra_xr.catalogs import _connect, connect
from astra_xr.catalogs.query import Query
from astra_xr.errors import (
    AmbiguousSceneId,
    InvalidParameter,
    InvalidSceneId,
    SceneNotFound,
    SigningError,
    UpstreamError,
)
from astra_xr.resolver.ids import parse_item_id
from astra_xr.settings import Settings
from astra_xr.testing import RangeServer, write_cog
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World, make_dn
from tests.servers import serve_stac_rustac
from tests.stac_api import StacApi

Json = dict[str, Any]
HOST, API = "stac.example", "https://stac.example/v1"
FIELD = items.FIELD


def sentinel2(name: str = "a name of its own") -> Json:
    """A Sentinel-2 product under another id, which its properties tell."""
    item = copy.deepcopy(items.earth_search_c1(SIZE))
    item["id"], item["links"] = name, []
    for band in ("red", "nir"):
        item["assets"][band]["href"] = f"./{item['assets'][band]['eo:bands'][0]['name']}.tif"
    return item


@pytest.fixture(autouse=True)
def _forget() -> None:
    _connect.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two items and a file that is none, in folders, with their pixels beside them."""
    for sub, item in (("fields", items.plain()), ("s2", sentinel2())):
        (tmp_path / sub).mkdir()
        (tmp_path / sub / f"{item['id']}.json").write_text(json.dumps(item))
    write_cog(tmp_path / "fields" / "red.tif", make_dn(5))
    write_cog(tmp_path / "s2" / "B04.tif", make_dn(6))
    (tmp_path / "s2" / "MTL.json").write_text('{"LANDSAT_METADATA_FILE": {}}')
    (tmp_path / "s2" / "broken.json").write_text("{")
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Iterator[RangeServer]:
    """The folder behind a URL, as a static catalog of two levels."""
    for sub, item in (("fields", items.plain()), ("s2", sentinel2())):
        links = [{"rel": "item", "href": f"./{item['id']}.json"}]
        links.append({"rel": "root", "href": "../catalog.json"})
        document = {"type": "Catalog", "id": sub, "links": links}
        (folder / sub / "catalog.json").write_text(json.dumps(document))
    links = [{"rel": "child", "href": f"./{sub}/catalog.json"} for sub in ("fields", "s2")]
    root = {"type": "Catalog", "id": "root", "links": links}
    (folder / "catalog.json").write_text(json.dumps(root))
    with RangeServer(folder) as server:
        yield server


def check_field(ds: Any) -> None:
    dn = make_dn(5)
    np.testing.assert_array_equal(ds.red, np.where(dn == 0, np.nan, dn.astype(float)))


def check_red(ds: Any) -> None:
    dn = make_dn(6)
    expected = np.where(dn == 0, np.nan, dn * 1e-4 - 0.1)  # baseline 05.11
    np.testing.assert_allclose(ds.red, expected, rtol=0, atol=1e-6)
    assert ds.attrs["scene_id"] == f"sentinel-2:{items.PRODUCT}"


@pytest.mark.parametrize("where", ["folder", "url of the folder", "static", "static item"])
def test_an_items_own_id_opens_for_any_mission(folder: Path, site: RangeServer, where: str) -> None:
    catalog = {
        "folder": str(folder),
        "url of the folder": folder.as_uri(),
        "static": site.url("catalog.json"),
        "static item": site.url(f"fields/{FIELD}.json"),
    }[where]
    ds = astra_xr.open_scene(FIELD, catalog=catalog)
    check_field(ds)
    check_field(pickle.loads(pickle.dumps(ds)))
    with pytest.raises(SceneNotFound, match="No scene 'field_8' found"):
        astra_xr.open_scene("field_8", catalog=catalog)


def test_the_url_of_an_item_opens_it(
    folder: Path, site: RangeServer, network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_ALLOW_HOSTS", "127.0.0.1")
    path = folder / "fields" / "item.json"
    path.write_text(json.dumps(items.plain()))
    for url in (site.url(f"fields/{FIELD}.json"), site.url("fields/item.json")):
        for catalog in (None, site.url("catalog.json")):
            ds = astra_xr.open_scene(url, catalog=catalog)
            check_field(ds)
            assert ds.attrs["scene_id"] == FIELD
    twins = [items.plain(site.url("fields/red.tif")) | {"collection": name} for name in "ab"]
    for twin in twins:
        link = {"rel": "self", "href": f"{API}/collections/{twin['collection']}/items/{FIELD}"}
        twin["links"] = [link]
    network.routes[HOST] = StacApi(twins)
    with pytest.raises(AmbiguousSceneId) as caught:
        astra_xr.open_scene(FIELD, catalog=API)
    # What it says works.
    check_field(astra_xr.open_scene(caught.value.candidates[1], catalog=API))
    (folder / "fields" / "bad.json").write_text(json.dumps(items.plain() | {"assets": None}))
    with pytest.raises(UpstreamError, match="it has no assets"):
        astra_xr.open_scene(site.url("fields/bad.json"))
    with pytest.raises(UpstreamError, match="no STAC document found"):
        astra_xr.open_scene(site.url("fields/nothing.json"))


def test_a_large_static_catalog_has_no_silent_end(
    site: RangeServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        item = items.plain() | {"id": f"day_{number}"}
        (folder / "fields" / f"{number}.json").write_text(json.dumps(item))
    links = [{"rel": "item", "href": f"./{number}.json"} for number in range(300)]
    document = {"type": "Catalog", "id": "fields", "links": links}
    (folder / "fields" / "catalog.json").write_text(json.dumps(document))
    url = site.url("fields/catalog.json")
    assert astra_xr.resolve("day_250", catalog=url, sign=False).full_id == "day_250"
    assert len(astra_xr.search("fields", catalog=url)) == 300
    monkeypatch.setattr("astra_xr.catalogs.plain._MOST_FILES", 200)
    for ask in (
        lambda: astra_xr.resolve("day_251", catalog=url, sign=False),
        lambda: astra_xr.search("fields", catalog=url),
    ):
        with pytest.raises(UpstreamError, match="more than 200 files.*open the item by its own"):
            ask()


def test_a_static_catalog_leads_to_no_private_host(network: Loopback) -> None:
    inner = "http://10.0.0.7/catalog.json"
    root = {"type": "Catalog", "id": "x", "links": [{"rel": "child", "href": inner}]}
    network.routes[HOST] = lambda request: httpx.Response(200, json=root)
    with pytest.raises(SceneNotFound):
        astra_xr.resolve(FIELD, catalog=f"{API}/catalog.json")
    assert all("10.0.0.7" not in url for _, url in network.log)


def test_dead_links_and_missing_files_are_skipped(folder: Path) -> None:
    catalog, scene = connect(str(folder), Settings()), parse_item_id(items.FIELD)
    found = catalog.find(scene)
    (folder / f"{items.FIELD}.json").symlink_to(folder / "gone.json")
    assert catalog.find(scene) == found
    single = connect(str(folder / "fields" / f"{items.FIELD}.json"), Settings())
    assert single.find(scene) == found
    Path(single.name).unlink()
    for each in (single, catalog):
        with pytest.raises(SceneNotFound):
            each.find(scene)


def test_every_form_of_a_missions_id_opens(folder: Path, site: RangeServer) -> None:
    for catalog in (str(folder), site.url("catalog.json")):
        for scene in (
            "a name of its own",
            items.PRODUCT,
            f"sentinel-2:{items.PRODUCT.replace('_N0511', '')}",
            f"{items.PRODUCT[:26]}",
        ):
            check_red(astra_xr.open_scene(scene, bands=["red"], catalog=catalog))


def test_of_a_static_catalog_the_file_named_so_is_read_first(site: RangeServer) -> None:
    links = [
        {"rel": "item", "href": f"./{n}.json"} for n in ("x1", "x2", "a%20name%20of%20its%20own")
    ]
    assert links
    astra_xr.resolve(FIELD, catalog=site.url("fields/catalog.json"))
    assert [request.path for request in site.requests] == [
        "/fields/catalog.json",
        "/fields/catalog.json",
        f"/fields/{FIELD}.json",
    ]


def test_an_api_is_queried_by_id_then_by_time(network: Loopback, folder: Path) -> None:
    link = {"rel": "self", "href": f"{API}/collections/fields/items/{FIELD}"}
    api = StacApi(
        [items.plain("https://files.example/fields/red.tif") | {"links": [link]}, sentinel2()]
    )
    network.routes[HOST] = api
    with RangeServer(folder) as files:
        network.routes["files.example"] = files.url()
        check_field(astra_xr.open_scene(FIELD, catalog=API))
    assert api.asked == ["GET /v1", "POST /v1/search"]
    astra_xr.resolve(items.PRODUCT, "red", catalog=API, sign=False)
    assert api.asked[2:] == ["POST /v1/search", "POST /v1/search"]
    with pytest.raises(SceneNotFound, match=f"found in {API}"):
        astra_xr.resolve("LC08_L2SP_044034_20250115_02_T1", catalog=API)
    api.items.append(items.earth_search_c1(SIZE, tile="10SFH"))
    with pytest.raises(AmbiguousSceneId, match="matches 2 scenes"):
        astra_xr.resolve(items.PRODUCT[:26], catalog=API)


def test_a_real_stac_server(folder: Path, site: RangeServer) -> None:
    item = items.plain(site.url("fields/red.tif"))
    with serve_stac_rustac([], [item, sentinel2()]) as url:
        check_field(astra_xr.open_scene(FIELD, catalog=url))
        product = astra_xr.resolve(items.PRODUCT, "red", catalog=url, sign=False)
        assert product.full_id == f"sentinel-2:{items.PRODUCT}"


def test_stac_geoparquet(folder: Path) -> None:
    path = folder / "items.parquet"
    rustac.write_sync(str(path), [items.plain("./fields/red.tif"), sentinel2()])
    check_field(astra_xr.open_scene(FIELD, catalog=str(path)))
    answer = astra_xr.resolve(items.PRODUCT, catalog=str(path), sign=False)
    assert set(answer.assets) == {"B04", "B08"}
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(UpstreamError, match="cannot be read as stac-geoparquet"):
        astra_xr.open_scene(FIELD, catalog=str(path))


def test_copies_of_a_catalogs_items_keep_its_ways(world: World, tmp_path: Path) -> None:
    """Of Earth Search the shifted pixels, of the Planetary Computer the tokens."""
    copies = [world.earth_search.items[0], world.planetary_computer.items[0]]
    for item in copies:
        (tmp_path / f"{item['id']}.json").write_text(json.dumps(item))
    expected = np.where(world.dn["B04"] == 0, np.nan, world.dn["B04"] * 1e-4 - 0.1)
    for item in copies:
        ds = astra_xr.open_scene(item["id"], bands=["red"], catalog=str(tmp_path))
        valid = world.dn["B04"] > 1000
        np.testing.assert_allclose(
            ds.red.values[valid], expected[valid], rtol=0, atol=1e-6, err_msg=item["id"]
        )
    assert world.tokens


@pytest.mark.parametrize(
    "href", ["file:///etc/hostname", "file:///etc/hostname?sig=1", "/etc/hostname"]
)
def test_a_remote_catalog_cannot_lead_to_local_files(network: Loopback, href: str) -> None:
    network.routes[HOST] = StacApi([items.plain(href)])
    answer = astra_xr.resolve(FIELD, catalog=API, sign=False)
    source = answer.assets["red"].source
    if href.startswith("/"):
        assert source().url == "https://stac.example/etc/hostname"
        return
    with pytest.raises(SigningError, match="it is neither https nor s3"):
        source()


def test_a_signature_in_an_answer_is_used_and_stays_here(network: Loopback) -> None:
    network.routes[HOST] = StacApi([items.plain("https://files.example/red.tif?sig=SECRET")])
    answer = astra_xr.resolve(FIELD, catalog=API)
    source = answer.assets["red"].source
    assert source().url.endswith("?sig=SECRET")
    assert "SECRET" not in repr(answer)
    sent = pickle.dumps(answer)
    assert b"SECRET" not in sent
    with pytest.raises(SigningError, match="its signature is not sent to other processes"):
        pickle.loads(sent).assets["red"].source()


def test_search_returns_the_scenes_of_a_mission(folder: Path, site: RangeServer) -> None:
    for name in (str(folder), site.url("catalog.json")):
        catalog = connect(name, Settings())
        (page,) = catalog.search(Query(mission="sentinel-2", bbox=(-123, 37, -122, 38)))
        assert [item["id"] for item in page.items] == ["a name of its own"]
        for other in (
            Query(mission="sentinel-2", when="2020-01-01/2020-02-01"),
            Query(mission="landsat"),
        ):
            (page,) = catalog.search(other)
            assert page.items == []


@pytest.mark.parametrize(
    ("catalog", "error", "words"),
    [
        ("/no/such/folder", InvalidParameter, "an existing folder or file"),
        ("https://me:SECRET@stac.example", InvalidParameter, "a URL without user"),
        ("https://stac.example?token=SECRET", InvalidParameter, "a URL without user"),
        ("https://stac.example", UpstreamError, "no STAC document found at"),
    ],
)
def test_what_is_no_catalog(
    network: Loopback, catalog: str, error: type[Exception], words: str
) -> None:
    network.routes[HOST] = lambda request: httpx.Response(404)
    with pytest.raises(error, match=words) as caught:
        astra_xr.open_scene(FIELD, catalog=catalog)
    assert "SECRET" not in str(caught.value)


ODD = st.one_of(
    st.none(), st.integers(), st.text(max_size=9), st.sampled_from(["https://[", "//[x", "s3://"])
)


@examples(max_examples=80)
@given(
    href=ODD,
    links=st.lists(
        st.fixed_dictionaries(
            {"rel": st.sampled_from(["self", "item", "child", "search"]), "href": ODD}
        )
        | ODD,
        max_size=3,
    ),
    kind=st.sampled_from(["Feature", "Catalog", "FeatureCollection"]),
)
def test_odd_documents_give_no_foreign_error(
    network: Loopback, tmp_path: Path, href: Any, links: list[Any], kind: str
) -> None:
    document = items.plain(href) | {"links": links, "type": kind, "features": [items.plain(href)]}
    network.routes[HOST] = lambda request: httpx.Response(200, json=document)
    (tmp_path / "x.json").write_text(json.dumps(document))
    _connect.cache_clear()
    for catalog in (API, f"{API}/catalog.json", str(tmp_path)):
        with contextlib.suppress(astra_xr.AstraError):
            astra_xr.resolve(FIELD, catalog=catalog, sign=False)
        with contextlib.suppress(astra_xr.AstraError):
            list(connect(catalog, Settings()).search(Query(mission="sentinel-2")))


def test_a_path_names_a_folder(folder: Path) -> None:
    assert astra_xr.resolve(FIELD, catalog=folder, sign=False).full_id == FIELD
    for odd in (7, ["sample"]):
        with pytest.raises(InvalidParameter, match="catalog=.*the URL of a STAC catalog"):
            astra_xr.resolve(FIELD, catalog=odd)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "  ", "x" * 300, "a\nb", 7])
def test_what_can_be_no_id(folder: Path, text: Any) -> None:
    with pytest.raises((InvalidSceneId, astra_xr.AstraError)):
        astra_xr.open_scene(text, catalog=str(folder))
