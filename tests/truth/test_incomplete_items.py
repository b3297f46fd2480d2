"""Items that lack bands give way to whole ones; hrefs that cannot be right are put right."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

import astra_xr
from astra_xr.errors import UnknownBand
from conftest import Loopback
from tests import items
from tests.stac_api import StacApi

Json = dict[str, Any]
ES = "earth-search.aws.element84.com"
C1 = "S2B_T10SEG_20250115T184927_L2A"
NATIVE = {"coastal": "B01", "red": "B04", "nir": "B08", "nir09": "B09"}


def holding(item: Json, *names: str) -> Json:
    """The item with these bands alone."""
    model = item["assets"]["red"]
    item["assets"] = {
        name: {**copy.deepcopy(model), "eo:bands": [{"name": NATIVE[name], "common_name": name}]}
        for name in names
    }
    return item


@pytest.fixture
def api(network: Loopback) -> StacApi:
    """Collection 1 lacks most bands of an acquisition that the older collection has whole."""
    c1 = holding(items.earth_search_c1(8), "coastal", "nir09")
    older = holding(items.earth_search_l2a(8), "red", "nir", "nir09")
    api = network.routes[ES] = StacApi([c1, older])
    return api


@pytest.mark.parametrize("scene", [items.PRODUCT, items.PRODUCT[:26]])
@pytest.mark.parametrize(
    ("bands", "collection"),
    [
        (None, "sentinel-2-l2a"),
        ("red", "sentinel-2-l2a"),
        ("red,nir09", "sentinel-2-l2a"),
        ("coastal", "sentinel-2-c1-l2a"),
        ("coastal,nir09", "sentinel-2-c1-l2a"),
    ],
)
def test_the_item_that_has_the_bands_is_taken(
    api: StacApi, caplog: pytest.LogCaptureFixture, scene: str, bands: Any, collection: str
) -> None:
    with caplog.at_level(logging.INFO, "astra_xr"):
        found = astra_xr.resolve(scene, bands, catalog="earth-search", sign=False)
    assert found.item["collection"] == collection
    assert len(found.assets) == (3 if bands is None else len(bands.split(",")))
    told = f"{C1} of sentinel-2-c1-l2a: using S2B_10SEG_20250115_0_L2A of sentinel-2-l2a"
    assert told in caplog.text


@pytest.mark.parametrize("bands", [None, "nir09"])
def test_whole_ones_are_taken_as_ever(network: Loopback, bands: Any) -> None:
    both = [items.earth_search_l2a(8), items.earth_search_c1(8)]
    network.routes[ES] = StacApi([holding(each, "red", "nir09") for each in both])
    found = astra_xr.resolve(items.PRODUCT, bands, catalog="earth-search", sign=False)
    assert found.item["id"] == C1


def test_a_cog_counts_for_more_than_a_jpeg_2000(network: Loopback) -> None:
    c1 = holding(items.earth_search_c1(8), "red", "nir")
    older = holding(items.earth_search_l2a(8), "red", "nir", "coastal")
    for name in ("nir", "coastal"):
        older["assets"][name] |= {"href": f"s3://sentinel-s2-l2a/{name}.jp2", "type": "image/jp2"}
    network.routes[ES] = StacApi([older, c1])
    found = astra_xr.resolve(items.PRODUCT, "red", catalog="earth-search", sign=False)
    assert found.item["id"] == C1
    coastal = astra_xr.resolve(items.PRODUCT, "coastal", catalog="earth-search", sign=False)
    assert coastal.assets["coastal"].radiometry.offset == -0.1  # type: ignore[union-attr]


def test_an_item_named_by_its_own_id_gives_way_too(
    api: StacApi, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "astra_xr"):
        found = astra_xr.resolve(C1, "red", catalog="earth-search", sign=False)
    assert found.item["collection"] == "sentinel-2-l2a"
    assert f"since {C1} has no band 'red'" in caplog.text


def test_a_band_that_none_has(api: StacApi) -> None:
    with pytest.raises(UnknownBand, match="no band 'swir16'"):
        astra_xr.resolve(items.PRODUCT, "swir16", catalog="earth-search", sign=False)


TILE = "tiles/10/S/EG/2025/1/15/0"


def jpeg_2000(level: str, **changed: Any) -> Json:
    item = items.earth_search_l2a(8)
    item |= {"id": f"S2B_10SEG_20250115_0_L{level}", "collection": f"sentinel-2-l{level.lower()}"}
    del item["properties"]["s2:product_uri"], item["properties"]["earthsearch:boa_offset_applied"]
    red = item["assets"]["red"] | {"type": "image/jp2"}
    item["assets"] = {"red": red | {"href": f"s3://sentinel-s2-l2a/{TILE}/B04.jp2", **changed}}
    return item


@pytest.mark.parametrize(
    ("level", "changed", "right"),
    [
        ("1C", {}, f"s3://sentinel-s2-l1c/{TILE}/B04.jp2"),
        ("2A", {"proj:shape": [10980, 10980]}, f"s3://sentinel-s2-l2a/{TILE}/R10m/B04.jp2"),
        ("2A", {"proj:shape": [1830, 1830]}, f"s3://sentinel-s2-l2a/{TILE}/R60m/B04.jp2"),
        # What exists, or may.
        ("2A", {}, f"s3://sentinel-s2-l2a/{TILE}/B04.jp2"),
        *((level, {"href": href}, href)
          for level in ("1C", "2A")
          for href in (f"s3://sentinel-s2-l2a/{TILE}/R10m/B04.jp2",
                       f"s3://sentinel-s2-l1c/{TILE}/B04.jp2",
                       f"s3://mine/{TILE}/B04.jp2")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ["item", "id"])
def test_files_that_cannot_be_where_they_are_said_to_be(
    network: Loopback, level: str, changed: Json, right: str, by: str
) -> None:
    item = jpeg_2000(level, **changed)
    network.routes[ES] = StacApi([item])
    scene: Any = item if by == "item" else item["id"]
    found = astra_xr.resolve(scene, "red", catalog="earth-search", sign=False)
    assert found.assets["red"].href == right
    assert found.item["assets"]["red"]["href"] == right


def test_an_item_of_two_levels_stays_as_it_is() -> None:
    item = jpeg_2000("1C") | {"collection": "sentinel-2-l2a"}
    (asset,) = astra_xr.resolve(item, "red", catalog="earth-search", sign=False).assets.values()
    assert asset.href == item["assets"]["red"]["href"]
