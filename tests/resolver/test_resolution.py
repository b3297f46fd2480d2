"""The resolver's answer: exactly the API's fields, valid STAC, and no secret that travels."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pystac
import pytest
from pyproj import CRS

from astra_xr.errors import (
    AstraError,
    InvalidFormat,
    InvalidItem,
    InvalidParameter,
    SigningError,
    UnknownBand,
)
from astra_xr.model import SignedUrl
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.resolution import Resolution
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.frames import leaks
from tests.items import COG

Json = dict[str, Any]
SECRET = "hUsH0123"
TRANSFORM = [10, 0, 499980, 0, -10, 4200000]
DEGREES = [1e-3, 0, -122.5, 0, -1e-3, 37.5]


@pytest.fixture
def resolver(tmp_path: Path) -> LocalResolver:
    # Catalogs and their tokens are kept by settings: these are this test's own.
    return LocalResolver(Settings(cache_dir=tmp_path))


def foreign(**asset: Any) -> Json:
    """An item of an unknown catalog, whose hrefs are signed."""
    href = f"https://store.example/a.tif?se=2025&sig={SECRET}"
    return items._feature(
        "scene-1",
        "own",
        {
            "datetime": "2025-01-15T00:00:00Z",
            "note": f"https://user:{SECRET}@store.example/x",
            "providers": [{"name": "Us", "roles": ["host"]}],
        },
        {
            "a": {"href": href, "type": COG, "alternate": {"s3": {"href": href}}, **asset},
            "thumbnail": {"href": href, "type": "image/png"},
        },
    )


def signed_planetary_computer() -> Json:
    item = items.planetary_computer(64)
    for asset in item["assets"].values():
        asset["href"] += f"?se=2025&sig={SECRET}"
    return item


def signing(network: Loopback, expiry: str, token: str = f"se=1&sig={SECRET}") -> None:
    answer = {"msft:expiry": expiry, "token": token}
    network.routes["planetarycomputer.microsoft.com"] = lambda _: httpx.Response(200, json=answer)


class TestWire:
    def test_all_of_it(self, resolver: LocalResolver) -> None:
        before = datetime.now(UTC)
        item = items.earth_search_c1(64)
        answer = resolver.resolve(item, "red,B08", catalog="earth-search").to_dict()
        expiries = {asset.pop("expires_at") for asset in answer["assets"].values()}
        shared = {
            "type": COG,
            "file:size": 1234,
            "gsd": 10,
            "routing": "direct",
            "proj:code": "EPSG:32610",
            "proj:shape": [64, 64],
            "proj:transform": TRANSFORM,
            "raster:bands": [
                {
                    "data_type": "uint16",
                    "nodata": 0,
                    "scale": 0.0001,
                    "offset": -0.1,
                    "unit": "1",
                    "reason": "offset -0.1: baseline 05.11",
                }
            ],
        }
        red, nir = (f"https://{items.C1_HOST}/{name}.tif" for name in ("B04", "B08"))
        assert answer == {
            "scene_id": f"sentinel-2:{items.PRODUCT}",
            "format": "cog",
            "assets": {
                "B04": {
                    "href": red,
                    "source_href": red,
                    "title": "Red (B04) - 10m",
                    "eo:bands": [
                        {"name": "B04", "common_name": "red", "center_wavelength": 0.665}
                        | {"full_width_half_max": 0.038}
                    ],
                    **shared,
                },
                "B08": {
                    "href": nir,
                    "source_href": nir,
                    "title": "Near infrared (B08) - 10m",
                    "eo:bands": [
                        {"name": "B08", "common_name": "nir", "center_wavelength": 0.842}
                        | {"full_width_half_max": 0.145}
                    ],
                    **shared,
                },
            },
            "metadata": {
                "crs": "EPSG:32610",
                "resolution": 10,
                "source_provider": "element84",
                "routing": "direct",
            },
        }
        # A public URL is promised for the hour that the API promises.
        (expiry,) = expiries
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expiry)
        left = datetime.fromisoformat(expiry) - before
        assert timedelta(minutes=59) < left <= timedelta(hours=1, minutes=1)

    def test_landsat(self, resolver: LocalResolver) -> None:
        item = items.planetary_computer_landsat(64)
        answer = resolver.resolve(item, "nir,QA_PIXEL,lwir11", sign=False).to_dict()
        assert list(answer["assets"]) == ["B05", "QA_PIXEL", "B10"]
        nir, quality, thermal = answer["assets"].values()
        # Nothing was signed: the href is the catalog's and nothing is promised.
        assert nir["href"] == nir["source_href"] == item["assets"]["nir08"]["href"]
        assert nir["expires_at"] is None
        assert nir["file:size"] is None
        assert nir["title"] == "Near infrared (B05) - 30m"
        assert nir["proj:transform"] == [30, 0, 499980, 0, -30, 4200000]
        assert nir["eo:bands"][0]["common_name"] == "nir08"
        assert quality["raster:bands"] == [
            {"data_type": "uint16", "nodata": 1, "reason": "mask numbers, never scaled"}
        ]
        assert quality["eo:bands"] == [{"name": "QA_PIXEL"}]
        (raster,) = thermal["raster:bands"]
        assert (raster["scale"], raster["offset"], raster["unit"]) == (0.00341802, 149, "K")
        assert thermal["gsd"] == 100
        assert answer["scene_id"] == "landsat:LC08_L2SP_044034_20250115_02_T1"
        assert answer["metadata"]["resolution"] == 30
        assert answer["metadata"]["source_provider"] == "microsoft"

    def test_expiry_of_a_token(self, resolver: LocalResolver, network: Loopback) -> None:
        signing(network, "2099-01-01T02:00:00+02:00")
        item = items.planetary_computer(64)
        asset = resolver.resolve(item, "red").to_dict()["assets"]["B04"]
        assert asset["expires_at"] == "2099-01-01T00:00:00Z"
        plain = item["assets"]["B04"]["href"]
        assert asset["href"] == f"{plain}?se=1&sig={SECRET}"
        assert asset["source_href"] == plain

    @pytest.mark.parametrize("names", [None, ["B04", "nir"], ["B8A", "red"]])
    def test_json_and_native_names(self, resolver: LocalResolver, names: Any) -> None:
        for item in (items.planetary_computer(8), items.planetary_computer_landsat(8)):
            wanted = names if "B8A" in item["assets"] else None
            answer = resolver.resolve(item, wanted, sign=False).to_dict()
            assert json.loads(json.dumps(answer, allow_nan=False)) == answer
            for native, asset in answer["assets"].items():
                assert asset["eo:bands"][0]["name"] == native

    def test_finest_resolution(self, resolver: LocalResolver) -> None:
        item = items.planetary_computer(8)
        item["assets"]["B8A"] |= {"gsd": 20, "proj:transform": [20, 0, 0, 0, -20, 0]}
        assert resolver.resolve(item, "B8A,red", sign=False).to_dict()["metadata"] == {
            "crs": "EPSG:32610",
            "resolution": 10,
            "source_provider": "microsoft",
            "routing": "direct",
        }
        answer = resolver.resolve(item, "B8A", sign=False).to_dict()
        assert answer["metadata"]["resolution"] == 20

    def test_of_no_mission(self, resolver: LocalResolver) -> None:
        answer = resolver.resolve(foreign(), sign=False).to_dict()
        assert answer["scene_id"] == "scene-1"
        assert list(answer["assets"]) == ["a"]
        assert "proj:shape" not in answer["assets"]["a"]
        assert "raster:bands" not in answer["assets"]["a"]
        assert answer["metadata"] == {
            "crs": None,
            "resolution": None,
            "source_provider": "Us",
            "routing": "direct",
        }

    @pytest.mark.parametrize("text", ["nan", "NaN"])
    def test_nodata_nan_is_text(self, resolver: LocalResolver, text: str) -> None:
        told = {"raster:bands": [{"data_type": "float32", "nodata": text}]}
        asset = resolver.resolve(foreign(**told), sign=False).to_dict()["assets"]["a"]
        assert asset["raster:bands"][0]["nodata"] == "nan"

    @pytest.mark.parametrize("text", ["inf", "-inf"])
    def test_infinite_nodata_is_text(self, resolver: LocalResolver, text: str) -> None:
        told = {"raster:bands": [{"data_type": "float32", "nodata": text}]}
        asset = resolver.resolve(foreign(**told), sign=False).to_dict()["assets"]["a"]
        assert asset["raster:bands"][0]["nodata"] == text

    @pytest.mark.parametrize(
        "told",
        [
            {"proj:epsg": 4326, "proj:shape": [9, 9], "proj:transform": [3e-4, 0, 0, 0, -3e-4, 0]},
            {},
        ],
    )
    def test_resolution_in_metres(self, resolver: LocalResolver, told: Json) -> None:
        answer = resolver.resolve(foreign(gsd=30, **told), sign=False).to_dict()
        assert answer["metadata"]["resolution"] == pytest.approx(30, rel=0.1)

    def test_crs_codes(self, resolver: LocalResolver) -> None:
        told = {"proj:code": "IAU_2015:30100", "proj:shape": [1, 1], "proj:transform": DEGREES}
        asset = resolver.resolve(foreign(**told), sign=False).to_dict()["assets"]["a"]
        assert asset["proj:code"] == "IAU_2015:30100"
        assert "proj:wkt2" not in asset

    def test_crs_as_wkt(self, resolver: LocalResolver) -> None:
        wkt = CRS("+proj=sinu +lon_0=-128 +R=6371007.181").to_wkt()
        told = {"proj:wkt2": wkt, "proj:shape": [1, 1], "proj:transform": TRANSFORM}
        asset = resolver.resolve(foreign(**told), sign=False).to_dict()["assets"]["a"]
        assert asset["proj:wkt2"] == wkt
        assert "proj:code" not in asset


class TestResolve:
    def test_keeps_names_and_order(self, resolver: LocalResolver) -> None:
        found = resolver.resolve(items.earth_search_l2a(8), ["nir", "B04"])
        assert list(found.assets) == ["nir", "B04"]
        assert [asset.name for asset in found.assets.values()] == ["B08", "B04"]
        assert [asset.key for asset in found.assets.values()] == ["nir", "red"]
        assert (found.mission, found.catalog) == ("sentinel-2", "earth-search")
        assert found.full_id == f"sentinel-2:{items.PRODUCT}"

    def test_pystac_items_are_taken(self, resolver: LocalResolver) -> None:
        raw = items.earth_search_c1(8)
        expected = resolver.resolve(raw, sign=False).to_dict()
        assert resolver.resolve(pystac.Item.from_dict(raw), sign=False).to_dict() == expected

    def test_the_callers_item_stays_as_it_was(self, resolver: LocalResolver) -> None:
        item = signed_planetary_computer()
        before = copy.deepcopy(item)
        resolver.resolve(item, sign=False).to_item()
        assert item == before

    @pytest.mark.parametrize(
        ("item", "words"),
        [
            ({}, "it has no id"),
            ({"id": "x", "assets": None}, "it has no assets"),
            ({"id": "x", "assets": {"a": "https://h/a.tif"}}, "it has no assets"),
            ({"id": "x", "assets": {"a": {"type": COG}}}, "its asset 'a' has no href"),
        ],
    )
    def test_no_items(self, resolver: LocalResolver, item: Any, words: str) -> None:
        with pytest.raises(InvalidItem, match=words):
            resolver.resolve(item, sign=False)

    @pytest.mark.parametrize("item", [5, None, ["x"], ("x",)])
    def test_neither_id_nor_item(self, resolver: LocalResolver, item: Any) -> None:
        with pytest.raises(InvalidParameter, match="expected a scene id, a pystac.Item or an item"):
            resolver.resolve(item, sign=False)

    @pytest.mark.parametrize(
        ("changed", "error"),
        [
            ({"format": "gif"}, InvalidFormat),
            ({"bands": "green"}, UnknownBand),
            ({"bands": ""}, InvalidParameter),
            ({"catalog": "google"}, InvalidParameter),
        ],
    )
    def test_errors(self, resolver: LocalResolver, changed: Json, error: type[AstraError]) -> None:
        with pytest.raises(error):
            resolver.resolve(items.earth_search_l2a(8), **{"sign": False, **changed})

    def test_relative_hrefs(self, resolver: LocalResolver) -> None:
        item = foreign(href="./B04.tif")
        item["links"] = [{"rel": "self", "href": "https://store.example/items/x.json"}]
        (asset,) = resolver.resolve(item).assets.values()
        assert asset.href == "https://store.example/items/B04.tif"

    def test_requester_pays(self, resolver: LocalResolver) -> None:
        item = items.earth_search_l2a(8)
        item["assets"]["red"]["href"] = "s3://usgs-landsat/B4.TIF"
        assert resolver.resolve(item, "red", sign=False).assets["red"].signed is None
        with pytest.raises(SigningError, match="requester-pays"):
            resolver.resolve(item, "red")

    def test_a_relative_cache_folder(self) -> None:
        resolver = LocalResolver(Settings.from_env({"ASTRA_CACHE_DIR": "cache"}))
        assert list(resolver.resolve(foreign(), sign=False).assets) == ["a"]

    @pytest.mark.parametrize(
        ("asset", "item"),
        [
            ({}, {"properties": None}),
            ({}, {"properties": [1]}),
            ({}, {"properties": {"providers": 5}}),
            ({}, {"properties": {"description": "https://[bucket].s3.example"}}),
            ({"href": "https://[bucket/a.tif"}, {}),
            ({"href": "a.tif"}, {"links": 5}),
            ({"href": "a.tif"}, {"links": [5]}),
            ({"gsd": "10"}, {}),
            ({"roles": 5}, {}),
            ({"eo:bands": 5}, {}),
            ({"eo:bands": [0]}, {"properties": {"eo:bands": {"name": "red"}}}),
            ({"raster:bands": 5}, {}),
        ],
    )
    def test_odd_items(self, resolver: LocalResolver, asset: Json, item: Json) -> None:
        try:
            found = resolver.resolve({**foreign(**asset), **item}, sign=False)
        except AstraError:
            return
        json.dumps(found.to_dict(), allow_nan=False)


class TestItem:
    @pytest.mark.parametrize("sign", [True, False])
    def test_valid_stac(self, resolver: LocalResolver, network: Loopback, sign: bool) -> None:
        signing(network, "2099-01-01T00:00:00Z")
        for raw in (
            items.earth_search_c1(8),
            items.planetary_computer(8),
            items.planetary_computer_landsat(8),
            foreign(),
        ):
            found = resolver.resolve(raw, sign=sign)
            item = found.to_item()
            told = item.to_dict(include_self_link=False)
            assert pystac.Item.from_dict(told).to_dict(include_self_link=False) == told
            assert (item.id, item.geometry) == (raw["id"], raw["geometry"])
            assert list(item.assets) == [asset.name for asset in found.assets.values()]
            for asset in found.assets.values():
                href = asset.signed.url if asset.signed else asset.href
                assert item.assets[asset.name].href == href
                assert "alternate" not in item.assets[asset.name].extra_fields

    def test_shows_no_signature_and_holds_it(
        self, resolver: LocalResolver, network: Loopback
    ) -> None:
        signing(network, "2099-01-01T00:00:00Z")
        item = resolver.resolve(items.planetary_computer(8), "red").to_item()
        asset = item.assets["B04"]
        secret = asset.href.partition("?")[2]
        assert secret
        copies = (item, item.clone(), item.full_copy(), pystac.Item.clone(item))
        for each in (*copies, *(made.assets for made in copies), asset, asset.clone()):
            html = getattr(each, "_repr_html_", str)()
            assert secret not in f"{each!r} {each} {html}"
            assert "B04" in f"{each!r} {html}"
        assert asset._repr_html_().count("sentinel2-l2/B04.tif")
        # What other tools take is whole.
        assert {made.assets["B04"].href for made in copies} == {asset.href}
        assert item.to_dict()["assets"]["B04"]["href"] == asset.href
        assert asset.owner is item
        assert asset.get_absolute_href() == asset.href

    def test_a_failure_shows_no_signature(self, resolver: LocalResolver, network: Loopback) -> None:
        signing(network, "2099-01-01T00:00:00Z")
        answer = resolver.resolve(items.planetary_computer(8), "red")
        signed = answer.assets["red"].signed
        assert signed is not None
        broken = replace(answer, item={**answer.item, "bbox": 7, "geometry": 7, "links": [7]})
        with pytest.raises(InvalidItem, match="pystac does not accept it") as caught:
            broken.to_item()
        assert leaks(caught.value, signed.url.partition("?")[2]) == []

    def test_scale_and_grid_are_ours(self, resolver: LocalResolver) -> None:
        item = resolver.resolve(items.earth_search_l2a(64), "red").to_item()
        (asset,) = item.assets.values()
        # The catalog says -0.1 of pixels that are shifted already.
        assert asset.extra_fields["raster:bands"][0]["offset"] == 0
        assert asset.extra_fields["raster:bands"][0]["scale"] == 0.0001
        assert asset.extra_fields["proj:shape"] == [64, 64]
        assert item.properties["proj:code"] == "EPSG:32610"
        wanted = ("eo", "projection", "raster")
        assert [e.split("/")[3] for e in item.stac_extensions] == list(wanted)
        assert (asset.media_type, asset.title) == (COG, "Red (B04) - 10m")

    def test_planes(self, resolver: LocalResolver) -> None:
        eo = [{"name": "Red", "common_name": "red"}, {"name": "NIR", "common_name": "nir"}]
        item = resolver.resolve(foreign(**{"eo:bands": eo}), "nir", sign=False).to_item()
        (asset,) = item.assets.values()
        assert len(asset.extra_fields["eo:bands"]) == 2


class TestSecrets:
    @staticmethod
    def assert_silent(found: Resolution) -> None:
        shown = f"{found!r} {found} {found.assets} {found.item}"
        for asset in found.assets.values():
            shown += f"{asset!r} {asset} {asset.source!r} {asset.signed!r} {asset.signed}"
            shown += f"{dataclasses.asdict(asset)} {dataclasses.astuple(asset)}"
        shown += f"{dataclasses.asdict(found)}"
        shown += json.dumps(found, default=lambda each: getattr(each, "__dict__", str(each)))
        assert SECRET not in shown
        for protocol in (2, pickle.HIGHEST_PROTOCOL):
            sent = pickle.dumps(found, protocol)
            assert SECRET.encode() not in sent
            arrived = pickle.loads(sent)
            assert arrived.scene_id == found.scene_id
            assert [asset.href for asset in arrived.assets.values()] == [
                asset.href for asset in found.assets.values()
            ]
            assert all(asset.signed is None for asset in arrived.assets.values())
            assert SECRET not in json.dumps(arrived.to_dict())

    @pytest.mark.parametrize("sign", [True, False])
    def test_of_the_callers_urls(self, resolver: LocalResolver, sign: bool) -> None:
        found = resolver.resolve(foreign(), sign=sign)
        self.assert_silent(found)
        (asset,) = found.assets.values()
        assert asset.href == "https://store.example/a.tif"
        assert asset.source().url == foreign()["assets"]["a"]["href"]
        wire = found.to_dict()["assets"]["a"]
        assert (SECRET in wire["href"]) is sign
        assert SECRET not in wire["source_href"]
        # In another process there is no signature to read it by, and it says so.
        (arrived,) = pickle.loads(pickle.dumps(found)).assets.values()
        with pytest.raises(SigningError, match="its signature is not sent to other processes"):
            arrived.source()

    @pytest.mark.parametrize("sign", [True, False])
    def test_of_a_catalog(self, resolver: LocalResolver, network: Loopback, sign: bool) -> None:
        signing(network, "2099-01-01T00:00:00Z")
        found = resolver.resolve(signed_planetary_computer(), ["red", "nir"], sign=sign)
        self.assert_silent(found)
        # Whoever it arrives at signs anew.
        arrived = pickle.loads(pickle.dumps(found)).assets["red"]
        assert arrived.source().url == f"{arrived.href}?se=1&sig={SECRET}"

    def test_of_a_key(self, tmp_path: Path) -> None:
        settings = Settings(cache_dir=tmp_path, planetary_computer_key=Secret(SECRET))
        resolver = LocalResolver(settings)
        self.assert_silent(resolver.resolve(items.planetary_computer(8), sign=False))
        assert SECRET.encode() not in pickle.dumps(resolver)

    def test_public_urls_travel_whole(self, resolver: LocalResolver) -> None:
        found = resolver.resolve(items.earth_search_c1(8), "red", catalog="earth-search")
        (asset,) = pickle.loads(pickle.dumps(found)).assets.values()
        assert asset.source() == SignedUrl(url=asset.href)
        assert asset == pickle.loads(pickle.dumps(asset))

    @pytest.mark.parametrize(
        "told",
        [
            {"assets": {"a": {"href": f"a.tif?sig={SECRET}", "type": COG}}},
            {"properties": {"note": f"see https://user:{SECRET}@store.example/x"}},
        ],
    )
    def test_of_odd_places(self, resolver: LocalResolver, told: Json) -> None:
        self.assert_silent(resolver.resolve({**foreign(), **told}, sign=False))
