"""What a catalog names is read on public hosts alone: files, alternates, sidecars, redirects."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import astra_xr
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.errors import SigningError, UpstreamError
from astra_xr.net.hosts import why_private
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import RangeServer, write_cog
from conftest import Loopback
from tests import items
from tests.catalogs.test_item_search import OddApi, names, plots
from tests.conftest import SIZE, make_dn
from tests.missions import test_level1
from tests.stac_api import StacApi

HOST, API = "stac.example", "https://stac.example/v1"
INTERN = "intern.example"
PRIVATE = "is or resolves to a private address. Add a host of your own to ASTRA_ALLOW"


@pytest.fixture
def site(tmp_path: Path, network: Loopback) -> Any:
    """A server of this machine, which is ``intern.example`` too."""
    write_cog(tmp_path / "red.tif", make_dn(5))
    with RangeServer(tmp_path) as server:
        network.names[INTERN] = ["10.0.0.7"]
        yield server


def offered(network: Loopback, item: Any, host: str = HOST) -> None:
    network.routes[host] = StacApi([item])


@pytest.mark.parametrize("query", ["", "?sig=HUSH"])
def test_a_file(query: str, site: RangeServer, network: Loopback) -> None:
    offered(network, items.plain(site.url("red.tif") + query))
    with pytest.raises(SigningError, match=PRIVATE) as caught:
        astra_xr.open_scene(items.FIELD, catalog=API).load()
    assert "HUSH" not in str(caught.value)
    assert site.requests == []


def test_a_host_that_is_allowed(
    site: RangeServer, network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_ALLOW_HOSTS", "127.0.0.1")
    offered(network, items.plain(site.url("red.tif")))
    check(astra_xr.open_scene(items.FIELD, catalog=API))


def test_an_item_of_the_users_own(site: RangeServer) -> None:
    check(astra_xr.open_scene(items.plain(site.url("red.tif"))))


def check(ds: Any) -> None:
    dn = make_dn(5)
    np.testing.assert_array_equal(ds.red, np.where(dn == 0, np.nan, dn))


@pytest.mark.parametrize(
    ("url", "root", "refused"),
    [
        ("https://intern.example/a.tif", API, True),
        ("http://10.0.0.8:9000/a.tif", API, True),
        ("http://[::1]/a.tif", API, True),
        ("http://169.254.169.254/latest", "", True),
        ("https://allowed.example/a.tif", API, False),
        ("https://stac.example/a.tif", API, False),
        # A catalog in the user's own network.
        ("http://10.0.0.8:9000/a.tif", "https://intern.example/stac", False),
        ("http://10.0.0.8:9000/a.tif", "http://10.0.0.8/stac", False),
        # Where it fails, the read has the words for it.
        ("https://unknown.example/a.tif", API, False),
        ("https://[", API, False),
        ("file:///etc/passwd", API, False),
    ],
)
def test_who_may_name_what(url: str, root: str, refused: bool, network: Loopback) -> None:
    network.routes[HOST] = StacApi([])
    network.names |= {
        INTERN: ["93.184.215.14", "10.0.0.7"],
        "allowed.example": ["10.0.0.9"],
        "::1": ["::1"],
    }
    assert bool(why_private(url, root, lambda: ["allowed.example"])) is refused


def test_an_alternate_href(network: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSE_USERNAME", "me")
    monkeypatch.setenv("CDSE_PASSWORD", "HUSH")
    network.names[INTERN] = ["10.0.0.7"]
    item = items.cdse(SIZE)
    for asset in item["assets"].values():
        asset["alternate"]["https"]["href"] = f"https://{INTERN}/a.jp2"
    offered(network, item, "stac.dataspace.copernicus.eu")
    with pytest.raises(SigningError, match=PRIVATE):
        astra_xr.resolve(items.PRODUCT, "red", catalog="cdse")
    assert not any(INTERN in url for _, url in network.log)


def test_a_sidecar(network: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    network.names[INTERN] = ["10.0.0.7"]
    item = copy.deepcopy(test_level1.item())
    item["properties"]["datetime"] = "2017-10-20T18:45:00Z"
    item["collection"] = "landsat-c2l1"
    item["assets"]["MTL.json"]["href"] = f"https://{INTERN}/MTL.json"
    offered(network, item)
    caplog.set_level(logging.WARNING)
    answer = astra_xr.resolve(test_level1.SCENE, "red", catalog=API, sign=False)
    radiometry = answer.assets["red"].radiometry
    assert radiometry is not None
    assert radiometry.reason.startswith("digital numbers, since neither")
    assert "is or resolves to a private address" in caplog.text
    assert not any(INTERN in url for _, url in network.log)


@pytest.mark.parametrize("target", [f"https://{INTERN}/MTL.json", "http://169.254.169.254/x"])
def test_a_sidecar_that_redirects(
    target: str, network: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    network.names[INTERN] = ["10.0.0.7"]
    item = copy.deepcopy(test_level1.item())
    item["properties"]["datetime"] = "2017-10-20T18:45:00Z"
    item["collection"] = "landsat-c2l1"
    item["assets"]["MTL.json"]["href"] = "https://files.example/MTL.json"
    offered(network, item)
    network.routes["files.example"] = lambda _: httpx.Response(302, headers={"Location": target})
    caplog.set_level(logging.WARNING)
    astra_xr.resolve(test_level1.SCENE, "red", catalog=API, sign=False)
    assert "it redirects elsewhere, and" in caplog.text
    assert not any(INTERN in url or "169.254" in url for _, url in network.log)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_next_page(method: str, network: Loopback) -> None:
    """It is requested at the API's origin; behind a proxy, only the path of a link may be right."""
    link = {"method": method, "body": {"page": 2}}
    api = OddApi(
        plots(4),
        methods=(method,),
        following=lambda n: {**link, "href": f"http://10.0.0.7:8080/search?page={n}"},
    )
    network.routes["odd.example"] = api
    assert len(names()) == 4
    assert not any("10.0.0.7" in url for _, url in network.log)


def test_where_earthdata_redirects_to(network: Loopback) -> None:
    network.names[INTERN] = ["10.0.0.7"]
    to = {"Location": f"https://{INTERN}/B04.tif?Signature=HUSH"}
    network.routes[items.EARTHDATA_HOST] = lambda _: httpx.Response(303, headers=to)
    href = f"https://{items.EARTHDATA_HOST}/B04.tif"
    assert LpDaac(Settings(earthdata_token=Secret("HUSH"))).sign(href).url == href


def test_a_landing_page_that_redirects(network: Loopback) -> None:
    to = {"Location": "http://169.254.169.254/latest/meta-data"}
    network.routes[HOST] = lambda _: httpx.Response(302, headers=to)
    with pytest.raises(UpstreamError, match="it redirects elsewhere, and"):
        astra_xr.open_scene(items.FIELD, catalog=API)
    assert not any("169.254" in url for _, url in network.log)
