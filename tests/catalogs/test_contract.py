"""What holds of every catalog, whichever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from astra_xr.catalogs import CATALOGS, Catalog, connect, owner_of
from astra_xr.errors import AstraError, SceneNotFound, UpstreamError, UpstreamUnavailable
from astra_xr.missions import clean_item
from astra_xr.model import SignedUrl
from astra_xr.resolver.ids import parse_item_id
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.conftest import SIZE
from tests.stac_api import StacApi

HUSH = "HUSH-0123"
WITH_KEYS = Settings(
    aws_access_key_id=Secret("KEY"),
    aws_secret_access_key=Secret(HUSH),
    cdse_s3_access_key=Secret("KEY"),
    cdse_s3_secret_key=Secret(HUSH),
    earthdata_token=Secret(HUSH),
)


@dataclass(frozen=True)
class Case:
    """A catalog with the items of one scene, in its real shape."""

    root: str
    make: Callable[[int], Any]
    scene: str
    href: str
    """Of an asset, when the settings hold keys."""

    def served(self) -> list[dict[str, Any]]:
        made = self.make(SIZE)
        return made if isinstance(made, list) else [made]


S2, LANDSAT = items.PRODUCT, "LC08_L2SP_044034_20250115_20250120_02_T1"
CASES = {
    "earth-search": Case(
        "https://earth-search.aws.element84.com/v1",
        items.earth_search_c1,
        S2,
        f"https://{items.C1_HOST}/",
    ),
    "planetary-computer": Case(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        items.planetary_computer,
        S2,
        f"https://{items.BLOB_HOST}/",
    ),
    "cdse": Case(
        "https://stac.dataspace.copernicus.eu/v1",
        items.cdse,
        S2,
        "https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/",
    ),
    "usgs": Case(
        "https://landsatlook.usgs.gov/stac-server",
        items.usgs_landsat,
        LANDSAT,
        "https://s3.us-west-2.amazonaws.com/usgs-landsat/collection02/",
    ),
    "lpdaac": Case(
        "https://cmr.earthdata.nasa.gov/stac/LPCLOUD",
        items.lpdaac_hls,
        items.GRANULE,
        f"https://{items.EARTHDATA_HOST}/",
    ),
    "https://stac.example/v1": Case(
        "https://stac.example/v1",
        lambda size: items.plain("https://files.example/red.tif"),
        items.FIELD,
        "https://files.example/red.tif",
    ),
}
each = pytest.mark.parametrize("name", CASES)


def serve(network: Loopback, name: str) -> StacApi:
    """Lead a catalog's host to its items; a signing service on the same host answers too."""
    api = StacApi(CASES[name].served())

    def answer(request: httpx.Request) -> httpx.Response:
        if "/sas/" in request.url.path and api.fault is None:
            token = {"msft:expiry": "2099-01-01T00:00:00Z", "token": f"sig={HUSH}"}
            return httpx.Response(200, json=token)
        return api(request)

    network.routes[httpx.URL(CASES[name].root).host] = answer
    network.routes[items.EARTHDATA_HOST] = lambda request: httpx.Response(206, content=b"I")
    return api


def fresh(name: str) -> Catalog:
    """Return a catalog that has no token yet."""
    from astra_xr.catalogs import _connect

    _connect.cache_clear()
    return connect(name, WITH_KEYS)


def test_every_catalog_has_its_case() -> None:
    assert set(CATALOGS) <= {*CASES, "sample"}


@each
def test_it_finds_its_scene_and_raises_if_it_has_none(network: Loopback, name: str) -> None:
    api = serve(network, name)
    catalog, scene = fresh(name), parse_item_id(CASES[name].scene)
    found = catalog.find(scene)
    assert found["type"] == "Feature"
    assert found["assets"]
    api.items = []
    with pytest.raises(SceneNotFound) as caught:
        catalog.find(scene)
    assert caught.value.asked == (catalog.title,)


@each
def test_its_hrefs_are_signed_and_show_no_secret(network: Loopback, name: str) -> None:
    serve(network, name)
    catalog = fresh(name)
    found = catalog.find(parse_item_id(CASES[name].scene))
    asset = next(iter(found["assets"].values()))
    signed = catalog.sign(catalog.href(asset))
    assert isinstance(signed, SignedUrl)
    assert signed.url.startswith(CASES[name].href)
    assert HUSH not in f"{signed} {signed!r} {catalog!r} {catalog.href(asset)}"


@each
def test_it_owns_its_items_by_their_links_and_no_others(network: Loopback, name: str) -> None:
    if name not in CATALOGS:
        pytest.skip("nobody but the user can tell")
    for item in CASES[name].served():
        link = {"rel": "self", "href": f"{CASES[name].root}/collections/c/items/{item['id']}"}
        bare = item | {"links": [link], "assets": {}}
        for other in CATALOGS:
            assert connect(other, WITH_KEYS).owns(bare) is (other == name)
        owner = owner_of(bare, WITH_KEYS)
        assert owner is not None
        assert owner.name == name


@pytest.mark.parametrize(
    ("name", "href"),
    [
        ("planetary-computer", "https://Sentinel2L2A01.Blob.Core.Windows.net/c/B04.tif"),
        ("usgs", "https://LandsatLook.USGS.gov/data/B4.tif"),
        ("lpdaac", "https://Data.LPDAAC.EarthDataCloud.NASA.gov/B04.tif"),
    ],
)
def test_files_have_an_owner_however_their_host_is_written(name: str, href: str) -> None:
    item: dict[str, Any] = {"id": "x", "properties": {}, "assets": {"a": {"href": href}}}
    owner = owner_of(item, WITH_KEYS)
    assert owner is not None
    assert owner.name == name
    elsewhere = href.replace("https://", "https://files.example/?at=")
    assert owner_of(item | {"assets": {"a": {"href": elsewhere}}}, WITH_KEYS) is None


@each
def test_outages_are_errors_of_ours(
    network: Loopback, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    api = serve(network, name)
    scene = parse_item_id(CASES[name].scene)
    for fault, error in (
        (httpx.Response(503), UpstreamUnavailable),
        (httpx.Response(429, headers={"Retry-After": "99"}), UpstreamUnavailable),
        (httpx.ConnectError("down"), UpstreamUnavailable),
        (httpx.Response(200, text=f"<html>{HUSH}"), UpstreamError),
        (httpx.Response(200, json=[HUSH]), UpstreamError),
        (httpx.Response(200, json={"type": "Feature", "links": [{"rel": "search"}]}), AstraError),
    ):
        api.fault = fault
        with pytest.raises(error) as caught:
            fresh(name).find(scene)
        assert HUSH not in str(caught.value)


ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["s3://", "s3://b", "https://", "https://[", "file:///x", "//h/x", "gs://b/x"]),
    st.builds(
        str.__add__,
        st.sampled_from(
            [
                "s3://usgs-landsat/",
                "s3://eodata/",
                "https://h.dataspace.copernicus.eu:",
                "https://[",
            ]
        ),
        st.text(max_size=20),
    ),
)


@pytest.mark.parametrize("name", [*CASES, "sample"])
@examples(max_examples=60)
@given(href=ODD, alternate=st.one_of(st.none(), st.dictionaries(st.just("https"), ODD)))
def test_odd_hrefs_give_no_foreign_error(
    network: Loopback, name: str, href: str, alternate: Any
) -> None:
    catalog = connect(name, WITH_KEYS)
    # As every item comes: from a catalog or from the caller.
    asset = {"href": href, "alternate": alternate}
    item = clean_item({"id": "x", "properties": {}, "assets": {"red": asset}, "links": []})
    place = catalog.href(item["assets"]["red"])
    catalog.owns(item)
    catalog.signs(place)
    assert catalog.offset_applied(item, "red") is None
    told, signed = "", None
    try:
        catalog.check(place)
        signed = catalog.sign(place)
    except AstraError as error:
        told = str(error)
    assert HUSH not in told
    assert signed is None or name == "sample" or signed.url.startswith(("http://", "https://"))


def test_recorded_items_are_known_by_their_catalogs(shared: Path) -> None:
    folders = {
        "earth-search-v0": "earth-search",
        "earth-search-v1": "earth-search",
        "planetary-computer": "planetary-computer",
        "cdse": "cdse",
        "usgs-landsatlook": "usgs",
        "nasa-cmr": "lpdaac",
    }
    for path in (shared / "items").glob("*/*.json"):
        owner = owner_of(json.loads(path.read_text()), WITH_KEYS)
        assert owner is not None, path
        assert owner.name == folders[path.parent.name.split(".")[0]], path
