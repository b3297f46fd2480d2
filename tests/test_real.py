"""The whole way on real Sentinel-2 and Landsat pixels, with rasterio as the oracle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import astra_xr
from astra_xr.errors import ReadError
from astra_xr.testing import RangeServer
from conftest import Loopback
from tests.pixels import read
from tests.servers import pgstac_missing, serve_stac_pgstac, serve_stac_rustac

S2 = "sentinel2-S2A_29RKH_20200219_0_L2A"
LANDSAT = "landsat-LC08_L2SP_005009_20150710"
HOSTS = ("sentinel-cogs.s3.us-west-2.amazonaws.com", "landsateuwest.blob.core.windows.net")


def adapted(item: dict[str, Any], folder: Path, base: str) -> dict[str, Any]:
    """Let an item describe the recorded files: decimated ones have another grid."""
    for asset in item["assets"].values():
        name = Path(asset["href"]).name
        if (folder / name).suffix.lower() == ".tif" and (folder / name).exists():
            with rasterio.open(folder / name) as file:
                asset["proj:shape"] = list(file.shape)
                asset["proj:transform"] = list(file.transform)[:6]
                asset["proj:epsg"] = file.crs.to_epsg()
            asset["href"] = f"{base}/{name}"
    return item


@pytest.fixture
def storage(shared: Path, network: Loopback) -> Iterator[RangeServer]:
    with RangeServer(shared / "rasters") as server:
        network.routes |= dict.fromkeys(HOSTS, server.url())
        yield server


@pytest.fixture
def sentinel2(shared: Path, storage: RangeServer) -> dict[str, Any]:
    item = json.loads((shared / "rasters" / S2 / "S2A_29RKH_20200219_0_L2A.json").read_text())
    return adapted(item, shared / "rasters" / S2, f"https://{HOSTS[0]}/{S2}")


@pytest.fixture
def landsat(shared: Path, storage: RangeServer) -> dict[str, Any]:
    path = shared / "items/usgs-landsatlook.landsat-c2l2-sr"
    item = json.loads((path / "LC08_L2SP_005009_20150710_20200908_02_T2.json").read_text())
    return adapted(item, shared / "rasters" / LANDSAT, storage.url(LANDSAT))


def check(da: Any, path: Path, scale: float, offset: float) -> None:
    with rasterio.open(path) as file:
        stored = file.read(1)
        expected = np.where(stored == 0, np.nan, stored * scale + offset)
        np.testing.assert_allclose(
            da.values, expected, rtol=0, atol=2e-7 * max(1, abs(offset)) * 10
        )
        np.testing.assert_array_equal(np.isnan(da.values), stored == 0)
        assert da.rio.crs == file.crs
        assert tuple(da.rio.transform())[:6] == tuple(file.transform)[:6]
        rows, cols = np.arange(file.height) + 0.5, np.arange(file.width) + 0.5
        t = file.transform
        np.testing.assert_array_equal(da.x, t.c + cols * t.a)
        np.testing.assert_array_equal(da.y, t.f + rows * t.e)


@pytest.mark.parametrize(
    "group",
    [["red", "green", "blue", "nir"], ["B05", "nir08", "swir16", "B12"], ["coastal", "B09"]],
)
def test_sentinel2_pixels(sentinel2: dict[str, Any], shared: Path, group: list[str]) -> None:
    ds = astra_xr.open_scene(sentinel2, bands=group)
    for name in group:
        native = ds[name].attrs["native_name"]
        check(ds[name], shared / "rasters" / S2 / f"{native}.tif", 1e-4, 0.0)  # baseline 02.14


def test_sentinel2_classes_and_picture(sentinel2: dict[str, Any], shared: Path) -> None:
    scl = astra_xr.open_scene(sentinel2, bands=["SCL"]).SCL
    with rasterio.open(shared / "rasters" / S2 / "SCL.tif") as file:
        np.testing.assert_array_equal(scl, file.read(1))
        assert scl.dtype == file.dtypes[0]
    meanings = scl.attrs["flag_meanings"].split()
    assert meanings[list(scl.attrs["flag_values"]).index(4)] == "vegetation"
    visual = astra_xr.open_scene(sentinel2, bands=["visual"]).visual
    with rasterio.open(shared / "rasters" / S2 / "TCI.tif") as file:
        np.testing.assert_array_equal(visual, file.read())
    assert list(visual.band.values) == ["red", "green", "blue"]


def test_landsat_pixels(landsat: dict[str, Any], shared: Path) -> None:
    """The item is of STAC 0.7: it tells no CRS, so that the files' headers are asked."""
    ds = astra_xr.open_scene(landsat, bands=["red", "nir", "B06", "QA_PIXEL"])
    for name, file in (("red", "SR_B4"), ("nir", "SR_B5"), ("B06", "SR_B6")):
        path = shared / "rasters" / LANDSAT / f"LC08_L2SP_005009_20150710_20200908_02_T2_{file}.TIF"
        check(ds[name], path, 2.75e-5, -0.2)
    path = shared / "rasters" / LANDSAT / "LC08_L2SP_005009_20150710_20200908_02_T2_QA_PIXEL.TIF"
    with rasterio.open(path) as oracle:
        np.testing.assert_array_equal(ds.QA_PIXEL, oracle.read(1))


def test_opening_reads_no_pixel_file(sentinel2: dict[str, Any], storage: RangeServer) -> None:
    ds = astra_xr.open_scene(sentinel2, bands=["red", "nir"])
    assert storage.requests == []
    ds.red[500:510, 500:510].load()
    assert {request.path for request in storage.requests} == {f"/{S2}/B04.tif"}


def test_real_jp2_is_not_served_as_a_cog(shared: Path) -> None:
    from astra_xr.catalogs.urls import FixedUrl
    from astra_xr.reading.gdal import read_header

    path = shared / "rasters/jp2/T31TDH_20180101T105441_B01.jp2"
    header = read_header(FixedUrl(str(path)), "B01")
    assert (header.grid.crs, header.grid.shape) == ("EPSG:32631", (1830, 1830))
    got = read(source=FixedUrl(str(path)), label="B01", shape=(1830, 1830), indexes=(1,),
               rows=(100, 300), cols=(50, 400), radiometry=None)  # fmt: skip
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(got, file.read(window=((100, 300), (50, 400))))


ODD = ["cog_dateline", "cog_nodata_nan", "cog_rgb_mask", "cog_scale", "nocog", "rgb_lzw",
       "image_webp", "RGBA.uint16", "inverted_lat", "rotated", "corrupt"]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_rasters_open_as_rasterio_sees_them_or_say_why(shared: Path, name: str) -> None:
    path = shared / "rasters/odd" / f"{name}.tif"
    item = {"id": name, "properties": {}, "assets": {"data": {"href": str(path)}}}
    try:
        ds = astra_xr.open_scene(item, mask_and_scale=False)
        values = ds.data.values
    except ReadError as error:
        told = str(error)
    else:
        told = ""
    if told:
        assert name in ("corrupt", "rotated")
        assert f"{name} data" in told
        return
    with rasterio.open(path) as file:
        expected = file.read()
        np.testing.assert_array_equal(values, expected[0] if file.count == 1 else expected)
        assert ds.rio.crs == file.crs


@pytest.fixture(scope="module")
def documents(shared: Path) -> list[dict[str, Any]]:
    paths = sorted((shared / "items").glob("earth-search-v1.sentinel-2*l2a/*.json"))
    paths += sorted((shared / "items").glob("planetary-computer.landsat-c2-l2/*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_a_real_stac_server_answers_by_id(
    documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_stac_rustac([], documents) as url:
        monkeypatch.setenv("ASTRA_EARTH_SEARCH_URL", url)
        monkeypatch.setenv("ASTRA_PLANETARY_COMPUTER_URL", url)
        answer = astra_xr.resolve("sentinel-2:S2B_20EPT_20250731_0_L2A", "red,nir", sign=True)
        assert answer.to_dict()["assets"]["B04"]["raster:bands"][0]["offset"] == 0
        c1 = astra_xr.resolve("sentinel-2:S2B_T20EPT_20250731T131905_L2A", "red,nir")
        assert c1.to_dict()["assets"]["B04"]["raster:bands"][0]["offset"] == -0.1
        landsat = astra_xr.resolve("landsat:LC09_L2SP_090091_20250310_20250311_02_T1", sign=False)
        assert "B05" in landsat.assets
        with pytest.raises(astra_xr.AstraError, match="No scene"):
            astra_xr.resolve("sentinel-2:S2B_20EPT_20250731_7_L2A", catalog="earth-search")


def test_a_real_stac_server_answers_searches(
    documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, network: Loopback
) -> None:
    missing = pgstac_missing()
    if missing:
        pytest.skip(missing)
    with serve_stac_pgstac([], documents) as url:
        monkeypatch.setenv("ASTRA_EARTH_SEARCH_URL", url)
        monkeypatch.setenv("ASTRA_PLANETARY_COMPUTER_URL", url)
        product = "S2B_MSIL2A_20250731T131909_N0511_R095_T20EPT_20250731T143919"
        for scene in (product, product[:26], f"sentinel-2:{product[:44]}"):
            network.log.clear()
            ds = astra_xr.open_scene(scene, bands=["red"], catalog="earth-search")
            assert ds.attrs["scene_id"] == f"sentinel-2:{product}"
            assert ds.red.attrs["offset"] == -0.1  # of two collections, Collection 1
            assert len(network.log) == 1
        answer = astra_xr.resolve("landsat:LC09_L2SP_090091_20250310", sign=False)
        assert answer.item["id"] == "LC09_L2SP_090091_20250310_02_T1"
