"""Catalogs whose files open to an account alone: CDSE, USGS, NASA LP DAAC."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

import astra_xr
from astra_xr.catalogs.cdse import Cdse
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.catalogs.usgs import Usgs
from astra_xr.errors import ReadError, SigningError, UpstreamUnavailable
from astra_xr.model import SignedUrl
from astra_xr.resolver.ids import parse_scene_id
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import FakeClock, RangeServer, Reply, Request, require_query, write_cog
from conftest import Loopback
from tests import items
from tests.conftest import PLACE_OF_30_M, SIZE, World, make_dn
from tests.stac_api import StacApi

START = datetime(2025, 1, 1, tzinfo=UTC)
S3_HREF = "s3://eodata/Sentinel-2/B04_10m.jp2"
ZIPPER = f"https://{items.CDSE_HOST}/odata/v1/Products(1)/Nodes(B04.jp2)/$value"
HUSH = "HUSH-0123"
AWS: Any = {"aws_access_key_id": HUSH, "aws_secret_access_key": HUSH}
CLOUD = "d123.cloudfront.net"


class Login:
    """A login service that gives out numbered tokens to one account."""

    def __init__(self, user: str = "me", password: str = HUSH) -> None:
        self.user, self.password = user, password
        self.count = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        told = base64.b64decode(basic).decode()
        if self.account not in (told, f"{form.get('username')}:{form.get('password')}"):
            return httpx.Response(401, json={"error": "invalid_grant", "secret": HUSH})
        self.count += 1
        body = {"access_token": f"TOKEN{self.count}", "expires_in": 600}
        return httpx.Response(200, json=body | {"expiration_date": "03/02/2025"})

    @property
    def account(self) -> str:
        return f"{self.user}:{self.password}"


@pytest.fixture
def login(network: Loopback) -> Login:
    service = Login()
    network.routes["identity.dataspace.copernicus.eu"] = service
    network.routes["urs.earthdata.nasa.gov"] = service
    return service


@pytest.fixture
def cdse(network: Loopback) -> StacApi:
    api = StacApi([items.cdse(SIZE)])
    network.routes["stac.dataspace.copernicus.eu"] = api
    return api


def header(signed: SignedUrl) -> str:
    return dict(signed.headers).get("Authorization", "")


class TestCdse:
    def test_a_scene_is_found_by_its_product_id_and_by_its_beginnings(self, cdse: StacApi) -> None:
        for scene in (items.PRODUCT, items.PRODUCT[:26], items.PRODUCT.replace("_N0511", "")):
            found = Cdse(Settings()).find(parse_scene_id(scene))
            assert found["id"] == items.PRODUCT
        assert cdse.asked[0] == f"GET /v1/collections/sentinel-2-l2a/items/{items.PRODUCT}"

    def test_jpeg2000_has_to_be_converted(self, cdse: StacApi) -> None:
        answer = astra_xr.resolve(items.PRODUCT, "red", catalog="cdse", sign=False)
        assert answer.assets["red"].routing == "converted"

    def test_s3_keys_sign_headers(self) -> None:
        settings = Settings(cdse_s3_access_key=Secret("KEY"), cdse_s3_secret_key=Secret(HUSH))
        catalog = Cdse(settings, clock=FakeClock(START))
        asset = items.cdse(SIZE)["assets"]["B04_10m"]
        assert catalog.href(asset).startswith("s3://eodata/")
        signed = catalog.sign(S3_HREF)
        assert signed.url == "https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/B04_10m.jp2"
        assert "Credential=KEY/20250101/default/s3/aws4_request" in header(signed)
        assert signed.expires_at == START + timedelta(minutes=15)
        assert HUSH not in f"{signed.headers} {signed.url}"
        assert "KEY" not in f"{signed!r} {signed} {settings!r}"

    def test_an_account_reads_by_https_with_a_token_that_is_renewed(self, login: Login) -> None:
        clock = FakeClock(START)
        settings = Settings(cdse_username=Secret("me"), cdse_password=Secret(HUSH))
        catalog = Cdse(settings, clock=clock, timer=clock.seconds)
        asset = items.cdse(SIZE)["assets"]["B04_10m"]
        assert catalog.href(asset).startswith(f"https://{items.CDSE_HOST}/")
        signed = catalog.sign(ZIPPER)
        assert (signed.url, header(signed)) == (ZIPPER, "Bearer TOKEN1")
        assert signed.expires_at == START + timedelta(minutes=10)
        clock.advance(timedelta(minutes=7))
        assert header(catalog.sign(ZIPPER)) == "Bearer TOKEN1"
        clock.advance(timedelta(minutes=2))
        renewed = catalog.sign(ZIPPER)
        assert header(renewed) == "Bearer TOKEN2"
        assert header(catalog.sign(ZIPPER, refused=renewed)) == "Bearer TOKEN3"
        assert header(catalog.sign(ZIPPER, refused=signed)) == "Bearer TOKEN3"

    def test_the_token_goes_to_no_other_host(self, login: Login) -> None:
        catalog = Cdse(Settings(cdse_username=Secret("me"), cdse_password=Secret(HUSH)))
        for href in (
            "https://datahub.creodias.eu/odata/v1/Assets(1)/$value",
            "https://evil.example/zipper.dataspace.copernicus.eu",
            "https://evildataspace.copernicus.eu/x",
            ZIPPER.replace("https:", "http:"),
        ):
            assert catalog.sign(href).headers == ()
        assert login.count == 0

    def test_without_credentials_the_error_names_where_to_get_them(self) -> None:
        for href in (S3_HREF, ZIPPER):
            with pytest.raises(SigningError) as caught:
                Cdse(Settings()).sign(href)
            told = str(caught.value)
            assert "CDSE_S3_ACCESS_KEY" in told
            assert "https://eodata-s3keysmanager.dataspace.copernicus.eu" in told
            assert "catalog='earth-search'" in told

    def test_a_refused_login_and_one_that_is_down(
        self, login: Login, network: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        clock = FakeClock(START)
        settings = Settings(cdse_username=Secret("me"), cdse_password=Secret("wrong-" + HUSH))
        catalog = Cdse(settings, clock=clock, timer=clock.seconds)
        with pytest.raises(SigningError, match="HTTP 401.*Check CDSE_USERNAME") as caught:
            catalog.sign(ZIPPER)
        assert HUSH not in str(caught.value)
        host = "identity.dataspace.copernicus.eu"
        network.routes[host] = lambda request: httpx.Response(503)
        clock.advance(timedelta(minutes=1))
        with pytest.raises(UpstreamUnavailable, match=r"Copernicus Data Space \(login\): down"):
            catalog.sign(ZIPPER)
        network.routes[host] = lambda request: httpx.Response(200, json={"access_token": 5})
        clock.advance(timedelta(minutes=1))
        with pytest.raises(SigningError, match="it returned no token"):
            catalog.sign(ZIPPER)

    def test_the_recorded_item(self, shared: Path) -> None:
        (path,) = (shared / "items/cdse.sentinel-2-l2a").glob("*.json")
        item = json.loads(path.read_text())
        catalog = Cdse(Settings(cdse_username=Secret("me"), cdse_password=Secret(HUSH)))
        assert catalog.owns(item | {"assets": {}})
        assert catalog.href(item["assets"]["B04_10m"]).startswith("https://zipper.dataspace")
        assert Cdse(Settings()).href(item["assets"]["B04_10m"]).startswith("s3://eodata/")
        assert astra_xr.resolve(item, "red", sign=False).assets["red"].routing == "converted"


@pytest.fixture
def usgs(network: Loopback) -> StacApi:
    api = StacApi(items.usgs_landsat(SIZE))
    network.routes[items.USGS_HOST] = api
    return api


class TestUsgs:
    product = "LC08_L2SP_044034_20250115_20250120_02_T1"

    @pytest.mark.parametrize(
        "scene",
        [product, f"{product}_SR", "LC08_L2SP_044034_20250115_02_T1", "LC08_L2SP_044034_20250115"],
    )
    def test_the_two_items_of_a_scene_are_joined(self, usgs: StacApi, scene: str) -> None:
        answer = astra_xr.resolve(scene, "red,nir,lwir11,QA_PIXEL", catalog="usgs", sign=False)
        assert answer.full_id == f"landsat:{self.product}"
        assert answer.item["id"] == self.product
        assert len(usgs.asked) == 1
        red, thermal = answer.assets["red"].radiometry, answer.assets["lwir11"].radiometry
        assert red is not None
        assert (red.scale, red.offset, red.nodata, red.unit) == (2.75e-05, -0.2, 0, "1")
        assert thermal is not None
        assert (thermal.scale, thermal.offset, thermal.unit) == (0.00341802, 149.0, "K")

    def test_either_of_the_two_opens_too(self, usgs: StacApi) -> None:
        for item, key in zip(items.usgs_landsat(SIZE), ("red", "lwir11"), strict=True):
            usgs.items = [item]
            found = Usgs(Settings()).find(parse_scene_id(self.product))
            assert (found["id"], set(found["assets"])) == (self.product, set(item["assets"]))
            assert key in found["assets"]

    def test_its_https_hrefs_are_read_from_the_bucket_that_the_reader_pays(self) -> None:
        catalog = Usgs(Settings(**AWS))
        asset = items.usgs_landsat(SIZE)[0]["assets"]["red"]
        for href in (asset["href"], asset["alternate"]["s3"]["href"]):
            signed = catalog.sign(href)
            url, _, query = signed.url.partition("?")
            key = f"collection02/{self.product}/SR_B4.TIF"
            assert url == f"https://s3.us-west-2.amazonaws.com/usgs-landsat/{key}"
            assert "x-amz-request-payer=requester" in query

    def test_without_keys_the_error_names_the_free_catalog(self) -> None:
        with pytest.raises(SigningError, match="planetary-computer'.*https://ers.cr.usgs.gov"):
            Usgs(Settings()).sign(items.usgs_landsat(SIZE)[0]["assets"]["red"]["href"])

    def test_recorded_items(self, shared: Path) -> None:
        catalog = Usgs(Settings(**AWS))
        paths = list((shared / "items").glob("usgs-landsatlook.*/*.json"))
        assert len(paths) > 4
        for path in paths:
            item = json.loads(path.read_text())
            assert catalog.owns(item), path.name
            hrefs = [asset["href"] for asset in item["assets"].values()]
            tiffs = [href for href in hrefs if href.endswith(".TIF")]
            bucket = "https://s3.us-west-2.amazonaws.com/usgs-landsat/collection02/"
            assert all(catalog.sign(href).url.startswith(bucket) for href in tiffs), path.name
            for asset in item["assets"].values():
                s3 = asset.get("alternate", {}).get("s3", {}).get("href")
                if s3:
                    signed = [catalog.sign(href).url.split("?")[0] for href in (s3, asset["href"])]
                    assert signed[0] == signed[1]


def test_one_landsat_scene_is_the_same_in_every_catalog(
    world: World, usgs: StacApi, network: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free and signed by a token, or paid for with AWS keys."""
    at_earth_search = items.planetary_computer_landsat(SIZE)
    for key, file in (("red", "SR_B4"), ("nir08", "SR_B5"), ("lwir11", "ST_B10")):
        href = usgs.items[key == "lwir11"]["assets"][key]["alternate"]["s3"]["href"]
        at_earth_search["assets"][key]["href"] = href
        path = tmp_path / href.removeprefix("s3://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(world.folder / "landsat-c2" / f"{file}.TIF")
    world.earth_search.items.append(at_earth_search)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HUSH)
    with RangeServer(tmp_path) as amazon:
        amazon.rule = require_query("x-amz-request-payer", lambda payer: payer == "requester")
        network.routes["s3.us-west-2.amazonaws.com"] = amazon.url()
        names = ["planetary-computer", "earth-search", "usgs"]
        scenes = [
            astra_xr.open_scene(TestUsgs.product, bands=["red", "nir", "lwir11"], catalog=name)
            for name in names
        ]
        dn = make_dn(10)
        expected = np.where(dn == 0, np.nan, dn * 2.75e-05 - 0.2)
        for ds in scenes:
            np.testing.assert_allclose(ds.red, expected, rtol=0, atol=1e-6)
            for band in ("nir", "lwir11"):
                np.testing.assert_array_equal(ds[band], scenes[0][band])


def test_where_none_is_named_one_without_its_credentials_is_passed_over(
    world: World, usgs: StacApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though opening reads no pixel, and would fail only when values are read."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    world.planetary_computer.items = []
    with pytest.raises(SigningError, match="requester-pays, and there are no AWS credentials"):
        astra_xr.open_scene(TestUsgs.product, bands=["red"])
    assert astra_xr.open_scene(TestUsgs.product, bands=["red"], catalog="usgs").red.size
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HUSH)
    with pytest.raises(
        SigningError, match="usgs-landsat is requester-pays, and reading it was not allowed"
    ):
        astra_xr.open_scene(TestUsgs.product, bands=["red"])
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    assert astra_xr.open_scene(TestUsgs.product, bands=["red"]).attrs["catalog"] == "usgs"


@pytest.fixture
def lpdaac(network: Loopback, tmp_path: Path) -> Iterator[tuple[RangeServer, RangeServer]]:
    """The catalog, its storage, which requires a token, and the target of its redirects."""
    network.routes["cmr.earthdata.nasa.gov"] = StacApi([items.lpdaac_hls(SIZE)])
    folder = tmp_path / "lp-prod-protected/HLSS30.020"
    folder.mkdir(parents=True)
    for seed, band in enumerate(("B04", "B8A")):
        dn = make_dn(seed).astype("int16")
        path = folder / f"{items.GRANULE}.{band}.tif"
        write_cog(path, dn, nodata=-9999, transform=PLACE_OF_30_M)
    with RangeServer(tmp_path) as gate, RangeServer(tmp_path) as cloud:

        def rule(request: Request) -> Reply:
            if not request.headers.get("authorization", "").startswith("Bearer TOKEN"):
                return Reply(status=401)
            url = f"https://{CLOUD}{request.path}?Expires=4070908800&Signature={HUSH}"
            return Reply(status=303, headers={"Location": url})

        gate.rule = rule
        cloud.rule = require_query("Signature", lambda signature: signature == HUSH)
        network.routes |= {items.EARTHDATA_HOST: gate.url(), CLOUD: cloud.url()}
        yield gate, cloud


class TestLpDaac:
    def test_a_token_opens_a_granule_and_stays_with_its_host(
        self, lpdaac: tuple[RangeServer, RangeServer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, cloud = lpdaac
        monkeypatch.setenv("EARTHDATA_TOKEN", "TOKEN-" + HUSH)
        ds = astra_xr.open_scene(items.GRANULE, bands=["red", "nir08"], catalog="lpdaac")
        np.testing.assert_allclose(ds.red, make_dn(0) * 1e-4, rtol=0, atol=1e-6)
        assert all("authorization" not in request.headers for request in cloud.requests)
        ds.red[:10, :10].load()
        ds.nir08.load()
        assert [request.status for request in gate.requests] == [303, 303]  # one a file
        answer = astra_xr.resolve(items.GRANULE, "red", catalog="lpdaac").to_dict()
        assert answer["assets"]["B04"]["expires_at"] == "2099-01-01T00:00:00Z"
        assert answer["assets"]["B04"]["href"].startswith(f"https://{CLOUD}/")
        sent = pickle.dumps(ds)
        assert HUSH.encode() not in sent
        np.testing.assert_array_equal(pickle.loads(sent).red, ds.red)
        assert HUSH not in repr(ds) + str(ds.red.attrs)

    def test_a_granule_is_the_same_at_the_planetary_computer(
        self,
        world: World,
        lpdaac: tuple[RangeServer, RangeServer],
        network: Loopback,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        blobs = "hls.blob.core.windows.net"
        copied = items.lpdaac_hls(SIZE) | {"collection": "hls2-s30"}
        for asset in copied["assets"].values():
            asset["href"] = asset["href"].replace(items.EARTHDATA_HOST, blobs)
            asset["type"] = items.COG
        world.planetary_computer.items.append(copied)
        lpdaac[1].rule = None
        network.routes |= {
            blobs: lpdaac[1].url(),
            "cmr.earthdata.nasa.gov": StacApi([items.lpdaac_hls(SIZE)]),
        }
        monkeypatch.setenv("EARTHDATA_TOKEN", "TOKEN-" + HUSH)
        ours, theirs = (
            astra_xr.open_scene(items.GRANULE, bands=["red", "nir08"], catalog=name).load()
            for name in ("planetary-computer", "lpdaac")
        )
        assert float(ours.red.max()) > 0.5
        for name in ("red", "nir08"):
            np.testing.assert_array_equal(ours[name], theirs[name])
        assert world.tokens

    def test_an_account_gets_a_token(
        self,
        lpdaac: tuple[RangeServer, RangeServer],
        login: Login,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """From the environment, or from .netrc; one token for all bands."""
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine urs.earthdata.nasa.gov login me password {HUSH}\n")
        for variables in (
            {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": HUSH},
            {"NETRC": str(netrc)},
        ):
            login.count = 0
            with monkeypatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(name, value)
                ds = astra_xr.open_scene(items.GRANULE, bands=["red", "nir08"], catalog="lpdaac")
                ds.load()
            assert login.count == 1

    def test_a_token_that_is_refused(
        self, lpdaac: tuple[RangeServer, RangeServer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EARTHDATA_TOKEN", HUSH)
        ds = astra_xr.open_scene(items.GRANULE, bands=["red"], catalog="lpdaac")
        with pytest.raises((ReadError, SigningError), match="TOKEN was rejected") as caught:
            ds.load()
        assert HUSH not in str(caught.value)

    def test_without_a_token_the_error_names_where_to_get_one(
        self, lpdaac: tuple[RangeServer, RangeServer]
    ) -> None:
        with pytest.raises(SigningError) as caught:
            astra_xr.resolve(items.GRANULE, "red", catalog="lpdaac")
        for words in ("EARTHDATA_TOKEN", ".netrc", "catalog='planetary-computer'"):
            assert words in str(caught.value)

    def test_a_gate_that_leads_to_the_login_page(
        self, lpdaac: tuple[RangeServer, RangeServer]
    ) -> None:
        page = "https://urs.earthdata.nasa.gov/oauth/authorize?client_id=1"
        lpdaac[0].rule = lambda request: Reply(status=302, headers={"Location": page})
        href = items.lpdaac_hls(SIZE)["assets"]["B04"]["href"]
        with pytest.raises(SigningError, match="TOKEN was rejected"):
            LpDaac(Settings(earthdata_token=Secret("TOKEN-" + HUSH))).sign(href)

    def test_storage_without_a_redirect_gets_the_token_with_each_range(
        self, lpdaac: tuple[RangeServer, RangeServer]
    ) -> None:
        lpdaac[0].rule = None
        href = items.lpdaac_hls(SIZE)["assets"]["B04"]["href"]
        signed = LpDaac(Settings(earthdata_token=Secret(HUSH))).sign(href)
        assert (signed.url, header(signed)) == (href, f"Bearer {HUSH}")

    def test_a_url_is_renewed_when_it_ends_or_is_refused(
        self, lpdaac: tuple[RangeServer, RangeServer], login: Login
    ) -> None:
        clock = FakeClock(START)

        def rule(request: Request) -> Reply:
            if request.headers["authorization"] == "Bearer TOKEN1":
                return Reply(status=401)  # an account's token is replaced once
            query = f"X-Amz-Date={clock():%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&n={request.number}"
            return Reply(status=307, headers={"Location": f"https://{CLOUD}/x?{query}"})

        lpdaac[0].rule = rule
        settings = Settings(earthdata_username=Secret("me"), earthdata_password=Secret(HUSH))
        catalog = LpDaac(settings, clock=clock, timer=clock.seconds)
        href = items.lpdaac_hls(SIZE)["assets"]["B04"]["href"]
        first = catalog.sign(href)
        assert first.expires_at == START + timedelta(hours=1)
        clock.advance(timedelta(minutes=50))
        assert catalog.sign(href) == first
        clock.advance(timedelta(minutes=9))
        second = catalog.sign(href)
        assert second.expires_at == START + timedelta(minutes=119)
        third = catalog.sign(href, refused=second)
        assert third.url != second.url
        assert catalog.sign(href, refused=second) == third
        assert login.count == 2

    @pytest.mark.parametrize("location", ["https://[", "/relative", "", "ftp://x/y"])
    def test_odd_redirects_are_left_to_reading(
        self, lpdaac: tuple[RangeServer, RangeServer], location: str
    ) -> None:
        lpdaac[0].rule = lambda request: Reply(status=302, headers={"Location": location})
        href = items.lpdaac_hls(SIZE)["assets"]["B04"]["href"]
        signed = LpDaac(Settings(earthdata_token=Secret(HUSH))).sign(href)
        assert signed.url in (href, location)

    @pytest.mark.parametrize(
        "href",
        ["https://evil.example/x.tif", "http://data.lpdaac.earthdatacloud.nasa.gov/x.tif"],
    )
    def test_the_token_is_sent_only_to_earthdata(self, href: str) -> None:
        assert LpDaac(Settings(earthdata_token=Secret(HUSH))).sign(href).headers == ()

    def test_the_recorded_item(self, shared: Path) -> None:
        (path,) = (shared / "items/nasa-cmr.HLSL30.v1.5").glob("*.json")
        item = json.loads(path.read_text())
        assert LpDaac(Settings()).owns(item)
        with pytest.raises(
            SigningError, match="neither an Earthdata token nor an Earthdata account"
        ):
            LpDaac(Settings()).check(item["assets"]["B04"]["href"])
