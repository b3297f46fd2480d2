"""Items of formats that are not read here, JPEG 2000 alone, and hrefs of the wrong bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

import astra_xr
from astra_xr.errors import InvalidItem, SigningError
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World
from tests.stac_api import StacApi

Json = dict[str, Any]


def other(item_id: str, assets: Json) -> Json:
    item = items.plain()
    return item | {"id": item_id, "assets": assets}


ZARR = {
    name: {
        "href": f"https://objects.eodc.eu/{items.PRODUCT}.zarr/measurements/reflectance/{name}",
        "type": "application/vnd+zarr",
        "bands": [{"name": "B04", "eo:common_name": "red"}],
        "roles": ["data"],
    }
    for name in ("SR_10m", "SR_20m", "SR_60m", "product", "AOT_10m")
} | {"thumbnail": {"href": "https://h/t.png", "type": "image/png", "roles": ["thumbnail"]}}


@pytest.mark.parametrize("bands", [None, ["red", "nir"]])
def test_zarr_is_named_with_a_catalog_that_has_rasters(world: World, bands: Any) -> None:
    item = other(items.PRODUCT, ZARR)
    with pytest.raises(InvalidItem) as caught:
        astra_xr.open_scene(item, bands)
    words = str(caught.value)
    assert "its assets are Zarr (SR_10m, SR_20m, SR_60m, product, …), which is not read" in words
    scene = f"sentinel-2:{items.PRODUCT}"
    assert f"open_scene({scene!r}) opens the same scene from earth-search, " in words
    # What it says works.
    assert astra_xr.open_scene(scene, ["red"]).attrs["scene_id"] == scene


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        ({"href": "https://h/EMIT_L2A.nc", "type": "application/x-netcdf"}, "netCDF (data)"),
        ({"href": "https://h/EMIT_L2A.nc"}, "xarray.open_dataset opens them"),
        ({"href": "s3://b/VNP09A1.h5", "type": "application/x-hdf5"}, "HDF (data)"),
        ({"href": "https://h/cube.zarr", "type": "application/vnd.zarr; version=3"}, "open_zarr"),
    ],
)
def test_formats_of_items_of_no_mission(asset: Json, words: str) -> None:
    with pytest.raises(InvalidItem) as caught:
        astra_xr.open_scene(other("EMIT_L2A_RFL", {"data": asset}))
    assert words in str(caught.value)


def test_a_catalog_that_has_it_as_zarr_is_passed_over(world: World) -> None:
    found = other(items.PRODUCT, ZARR) | {"collection": "sentinel-2-l2a"}
    found["properties"] = world.earth_search.items[0]["properties"]
    world.earth_search.items = [found]
    answer = astra_xr.resolve(items.PRODUCT, "red", sign=False)
    assert answer.catalog == "planetary-computer"
    assert "its assets are Zarr" in answer.passed_over["earth-search"]


def jp2_only() -> Json:
    item = items.earth_search_l2a(SIZE)
    item["assets"] = {
        key.removesuffix("-jp2"): asset
        for key, asset in item["assets"].items()
        if key.endswith("-jp2")
    }
    return item


def test_jpeg_2000_alone(world: World) -> None:
    """Its numbers are the agency's, whatever the flag says; who has COGs comes first."""
    world.earth_search.items = [jp2_only()]
    answer = astra_xr.resolve(items.PRODUCT, "red", catalog="earth-search", sign=False)
    radiometry = answer.assets["red"].radiometry
    assert radiometry is not None
    assert radiometry.offset == -0.1
    with pytest.raises(SigningError, match="open with catalog='planetary-computer', without"):
        astra_xr.resolve(items.PRODUCT, "red", catalog="earth-search")
    (row,) = astra_xr.search("sentinel-2", datetime="2025-01").rows
    assert row.catalogs == ("planetary-computer", "earth-search")
    assert row.need_account == ("earth-search",)
    assert "earth-search*" in repr(astra_xr.search("sentinel-2", datetime="2025-01"))
    ds = astra_xr.open_scene(row.id, ["red"])
    assert ds.attrs["catalog"] == "planetary-computer"


def test_level_1c_is_in_its_own_bucket(network: Loopback) -> None:
    text = json.dumps(jp2_only()).replace("sentinel-2-l2a", "sentinel-2-l1c")
    item = json.loads(text.replace("MSIL2A", "MSIL1C").replace("_L2A", "_L1C"))
    item["assets"]["odd"] = {**item["assets"]["red"], "href": "s3://sentinel-s2-l2a/R10m/B04.jp2"}
    network.routes["earth-search.aws.element84.com"] = StacApi([item])
    answer = astra_xr.resolve(item["id"], "red", catalog="earth-search", sign=False)
    assert answer.assets["red"].href == "s3://sentinel-s2-l1c/tiles/B04.jp2"
    kept = astra_xr.resolve(item["id"], "odd", catalog="earth-search", sign=False)
    assert kept.assets["odd"].href == "s3://sentinel-s2-l2a/R10m/B04.jp2"
