"""Recorded items of real catalogs: grid and radiometry of each, by native and common names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pystac
import pytest

from astra_xr.catalogs import owner_of
from astra_xr.conversion.recipe import COG_TYPE
from astra_xr.missions import mission_of
from astra_xr.resolver.bands import match_bands, select_bands
from astra_xr.resolver.grids import item_grid
from astra_xr.resolver.ids import parse_scene_id
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import decide_radiometry
from astra_xr.settings import Settings
from conftest import Loopback

Json = dict[str, Any]
SETTINGS = Settings()
ITEMS = Path(__file__).parents[3] / "shared/real/items"
pytestmark = pytest.mark.usefixtures("shared")


class Told(NamedTuple):
    """What a recorded item comes to, for its red and near-infrared bands."""

    red: tuple[str, ...]
    """Names that mean the red band, the native one first."""
    nir: tuple[str, ...]
    grid: tuple[str, tuple[int, int], tuple[float, ...]] | None
    """CRS, rows and columns, and the transform's size, left and top."""
    scale: float
    offset: float
    nodata: float | None = 0
    catalog: str | None = "planetary-computer"
    mission: str | None = "sentinel-2"
    dtype: str = "uint16"


S2 = (("B04", "red", "B4"), ("B08", "nir", "B8"))
OLI = (("B04", "red", "SR_B4", "OLI_B4"), ("B05", "nir", "nir08", "SR_B5", "OLI_B5"))
TM = (("B03", "red", "SR_B3", "ETM_B3"), ("B04", "nir", "nir08", "SR_B4", "TM_B4"))
TILE, ES, USGS = (10980, 10980), "earth-search", "usgs"
REFLECTANCE = (2.75e-05, -0.2, 0)
L9 = "landsat-c2l2-sr/LC09_L2SP_092068_20230607_20230609_02_T1_SR"

RECORDED = {
    "earth-search-v0.sentinel-s2-l2a-cogs/S2B_20EPT_20250731_0_L2A": Told(
        *S2, ("EPSG:32720", TILE, (10, 600000, 3300040)), 1e-4, 0, catalog=ES
    ),
    # Baseline 05.11: shifted by this catalog, published as -0.1.
    "earth-search-v1.sentinel-2-l2a/S2B_20EPT_20250731_0_L2A": Told(
        *S2, ("EPSG:32720", TILE, (10, 600000, 3300040)), 1e-4, 0, catalog=ES
    ),
    "earth-search-v1.sentinel-2-c1-l2a/S2B_T20EPT_20250731T131905_L2A": Told(
        *S2, ("EPSG:32720", TILE, (10, 600000, 3300040)), 1e-4, -0.1, catalog=ES
    ),
    # Baseline 02.14.
    "earth-search-v1.sentinel-2-l2a/S2A_29RKH_20200219_0_L2A": Told(
        *S2, ("EPSG:32629", TILE, (10, 199980, 2800020)), 1e-4, 0, catalog=ES
    ),
    # Baseline 02.12, and 05.11; neither scale nor offset published.
    "planetary-computer.sentinel-2-l2a/S2B_MSIL2A_20200705T101559_R065_T32TMT_20200825T083452": (
        Told(*S2, ("EPSG:32632", TILE, (10, 399960, 5300040)), 1e-4, 0)
    ),
    "planetary-computer.sentinel-2-l2a/S2B_MSIL2A_20250312T014549_R074_T53NKG_20250312T041213": (
        Told(*S2, ("EPSG:32653", TILE, (10, 199980, 700020)), 1e-4, -0.1)
    ),
    "planetary-computer.landsat-8-c2-l2/LC08_L2SP_044034_20171020_02_T1": Told(
        *OLI,
        ("EPSG:32610", (7811, 7671), (30, 461985, 4264515)),
        *REFLECTANCE,
        mission="landsat",
    ),
    "planetary-computer.landsat-c2-l2/LC08_L2SP_202033_20220327_02_T1": Told(
        *OLI,
        ("EPSG:32630", (8001, 7871), (30, 138585, 4429515)),
        *REFLECTANCE,
        mission="landsat",
    ),
    # South of the equator with a northern UTM code.
    "planetary-computer.landsat-c2-l2/LC09_L2SP_090091_20250310_02_T1": Told(
        *OLI,
        ("EPSG:32655", (7881, 7871), (30, 355785, -4821585)),
        *REFLECTANCE,
        mission="landsat",
    ),
    # STAC 0.7: no grid.
    "usgs-landsatlook.landsat-c2l2-sr/LC08_L2SP_005009_20150710_20200908_02_T2": Told(
        *OLI, None, *REFLECTANCE, catalog=USGS, mission="landsat"
    ),
    f"usgs-landsatlook.{L9}": Told(
        *OLI,
        ("EPSG:32656", (7721, 7601), (30, 310785, -1163385)),
        *REFLECTANCE,
        catalog=USGS,
        mission="landsat",
    ),
    "usgs-landsatlook.landsat-c2l2-sr/LE07_L2SP_044033_20210329_20210424_02_T1_SR": Told(
        *TM,
        ("EPSG:32610", (7131, 8151), (30, 478485, 4416615)),
        *REFLECTANCE,
        catalog=USGS,
        mission="landsat",
    ),
    "usgs-landsatlook.landsat-c2l2-sr/LT05_L2SP_010067_19860424_20200918_02_T2_SR": Told(
        *TM,
        ("EPSG:32617", (6911, 7761), (30, 416685, -1014285)),
        *REFLECTANCE,
        catalog=USGS,
        mission="landsat",
    ),
    # Level 1 of MSS: radiance, as the item says.
    "planetary-computer.landsat-c2-l1/LM05_L1TP_039036_20130107_02_T2": Told(
        ("B02", "red", "B2"),
        (),
        ("EPSG:32611", (3682, 3771), (60, 555570, 3942570)),
        0.66024,
        2.03976,
        mission="landsat",
        dtype="uint8",
    ),
    # The factors are in the MTL file alone, which cannot be reached here.
    "usgs-landsatlook.landsat-c2l1/LM05_L1GS_001001_19850524_20210918_02_T2": Told(
        ("B02", "red", "B2"),
        ("B03", "nir", "nir08", "B3"),
        ("EPSG:32631", (4308, 4371), (60, 376050, 9098730)),
        1,
        0,
        catalog=USGS,
        mission="landsat",
        dtype="uint8",
    ),
    "planetary-computer.naip/id_m_4611606_ne_11_060_20231117_20240103": Told(
        ("Red", "red"),
        ("NIR", "nir"),
        ("EPSG:26911", (12310, 8700), (0.6, 552066, 5205636)),
        1,
        0,
        nodata=None,
        mission="naip",
        dtype="uint8",
    ),
    # No grid, no bands; the id is the catalog's own.
    "nasa-cmr.HLSL30.v1.5/G1994512890-LPCLOUD": Told(
        ("B04", "red"),
        ("B05", "nir", "nir08"),
        None,
        1e-4,
        0,
        nodata=-9999,
        catalog="lpdaac",
        mission="hls",
        dtype="int16",
    ),
}

OTHERS = {
    # name → bands, scale, offset, nodata, type.
    "planetary-computer.sentinel-1-rtc/"
    "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_rtc": (
        ["vh", "vv"],
        (1, 0, -32768, "float32"),
    ),
    "planetary-computer.cop-dem-glo-30/Copernicus_DSM_COG_10_S90_00_W177_00_DEM": (
        ["data", "dem", "elevation"],
        (1, 0, None, "float32"),
    ),
    "earth-search-v1.sentinel-1-grd/"
    "S1A_IW_GRDH_1SSH_20250709T082729_20250709T082754_060004_07745C": (
        ["hh"],
        (1, 0, 0, "uint16"),
    ),
    "usgs-landsatlook.landsat-c2l2-st/LC08_L2SP_005009_20150710_20200908_02_T2": (
        ["B10", "ST_B10", "lwir11", "lwir"],
        (0.00341802, 149, 0, "uint16"),
    ),
    "usgs-landsatlook.landsat-c2l2-st/LT05_L2SP_010067_19860424_20200918_02_T2_ST": (
        ["B06", "ST_B6", "lwir", "thermal"],
        (0.00341802, 149, 0, "uint16"),
    ),
}
JPEG2000 = {
    "cdse.sentinel-2-l2a/S2B_MSIL2A_20200705T101559_N0500_R065_T32TMT_20230530T175912": "B04_10m",
    "earth-search-v1.sentinel-2-l1c/S2B_20EPT_20250731_0_L1C": "red",
}
TIFFS = {**RECORDED, **OTHERS}


def read(name: str) -> Json:
    item: Json = json.loads((ITEMS / f"{name}.json").read_text(encoding="utf-8"))
    return item


@pytest.fixture(scope="module")
def resolver() -> LocalResolver:
    return LocalResolver(SETTINGS)


@pytest.fixture(autouse=True)
def usgs(network: Loopback) -> None:
    """USGS wants a log-in for files, the MTL of a Level 1 scene among them."""
    for host in ("landsatlook.usgs.gov", "planetarycomputer.microsoft.com"):
        network.routes[host] = lambda request: httpx.Response(403)


def short(name: str) -> str:
    return name[:60]


def test_none_is_left_out() -> None:
    recorded = {str(path.relative_to(ITEMS).with_suffix("")) for path in ITEMS.glob("*/*.json")}
    assert recorded == {*TIFFS, *JPEG2000}


@pytest.mark.parametrize("name", RECORDED, ids=short)
def test_red_and_nir(resolver: LocalResolver, name: str) -> None:
    item, told = read(name), RECORDED[name]
    native = [names[0] for names in (told.red, told.nir) if names]
    by_native = resolver.resolve(item, native, sign=False)
    assert (by_native.catalog, by_native.mission) == (told.catalog, told.mission)
    assert list(by_native.to_dict()["assets"]) == native
    for names in (told.red, told.nir):
        for spelling in names:
            (asset,) = resolver.resolve(item, spelling, sign=False).assets.values()
            assert asset == by_native.assets[names[0]], spelling
            if told.grid is None:
                assert asset.grid is None
            else:
                crs, shape, (size, left, top) = told.grid
                assert asset.grid is not None
                assert (asset.grid.crs, asset.grid.shape) == (crs, shape)
                assert asset.grid.transform == (size, 0, left, 0, -size, top)
                assert asset.grid.resolution == size
            assert asset.radiometry is not None
            found = asset.radiometry
            assert (found.scale, found.offset) == (told.scale, told.offset)
            assert (found.nodata, found.dtype) == (told.nodata, told.dtype)


@pytest.mark.parametrize("name", OTHERS, ids=short)
def test_other_bands(resolver: LocalResolver, name: str) -> None:
    names, expected = OTHERS[name]
    for spelling in names:
        (asset,) = resolver.resolve(read(name), spelling, sign=False).assets.values()
        found = asset.radiometry
        assert (found and (found.scale, found.offset, found.nodata, found.dtype)) == expected, (
            spelling
        )


@pytest.mark.parametrize("name", TIFFS, ids=short)
def test_every_band(resolver: LocalResolver, name: str) -> None:
    item = read(name)
    found = resolver.resolve(item, sign=False)
    wire = found.to_dict()
    assert json.loads(json.dumps(wire, allow_nan=False)) == wire
    assert len(wire["assets"]) == len(found.assets) > 0
    for asset in found.assets.values():
        href = item["assets"][asset.key]["href"]
        # Each file's name tells the band that it holds, if its mission is known.
        if found.mission in ("sentinel-2", "landsat", "hls"):
            number = asset.name.lstrip("B").lstrip("0")
            assert number in href, (asset.name, href)
        assert asset.href == href
        role = asset.band.role
        if role in ("class", "mask", "visual"):
            assert asset.radiometry is not None
            assert asset.radiometry.as_is
    # The id that it gives itself works.
    if found.mission:
        scene = parse_scene_id(found.full_id)
        mission = mission_of(item)
        assert mission is not None
        assert mission.matches(scene.parts, item)


# What the agencies say of each role: scale, offset, nodata. Of reflectance see above.
FACTS: dict[str, dict[str, tuple[float, float, float | None]]] = {
    "sentinel-2": {"aerosol": (1e-3, 0, 0), "data": (1e-3, 0, 0)},
    "landsat": {"thermal": (0.00341802, 149, 0)},
    "hls": {"thermal": (0.01, 273.15, -9999), "angle": (0.01, 0, 40000)},
    "sentinel-1-rtc": {"backscatter": (1, 0, -32768)},
    "naip": {"data": (1, 0, None)},
    "copernicus-dem": {"elevation": (1, 0, None)},
}
NODATA = {"SCL": 0, "TCI": 0, "QA_PIXEL": 1, "QA_AEROSOL": 1, "Fmask": 255}
MSS_BAND_WITHOUT_FACTORS = "B04"


def own_words(item: Json, key: str) -> tuple[Any, Any, Any]:
    """Read CRS, shape and transform off an item as a person would."""
    asset, properties = item["assets"][key], item["properties"]
    code = asset.get("proj:code") or f"EPSG:{asset.get('proj:epsg') or properties['proj:epsg']}"
    source = asset if "proj:shape" in asset else properties
    return code, tuple(source["proj:shape"]), tuple(source["proj:transform"][:6])


@pytest.mark.parametrize("name", [*TIFFS, *JPEG2000], ids=short)
def test_every_band_of_a_mission(name: str) -> None:
    item = read(name)
    mission, owner = mission_of(item), owner_of(item, SETTINGS)
    if mission is None:
        pytest.skip("of no mission of ours")
    entries = match_bands(item, mission)
    listed = [entry for entry in entries if entry.listed]
    assert listed
    for entry in listed:
        band = entry.band
        for spelling in (band.native, band.common or band.native, band.native.lower()):
            assert select_bands(entries, [spelling], scene=name) == {spelling: entry}
        applied = owner.offset_applied(item, entry.key) if owner else None
        asset = item["assets"][entry.key]
        found = decide_radiometry(band, item, asset, mission=mission, offset_applied=applied)
        assert found is not None
        assert found.reason
        assert found.as_is == (band.role in ("class", "mask", "visual"))
        numbers = (found.scale, found.offset, found.nodata)
        if found.as_is:
            assert (numbers[:2], found.nodata) == ((1, 0), NODATA.get(band.native)), band.native
        elif band.role == "reflectance" and "-l1/" in name:
            # Radiance, except of the band whose factors the item lacks.
            expected = asset["raster:bands"][0].get("scale", 1)
            assert found.scale == expected
            assert (found.unit is None) == (band.native == MSS_BAND_WITHOUT_FACTORS)
        elif band.role == "reflectance":
            told = RECORDED.get(name)
            offset, nodata = (told.offset, told.nodata) if told else (-0.1, 0)
            scale = told.scale if told else 1e-4
            assert numbers == (scale, offset, nodata), band.native
        elif band.role in FACTS[mission.name]:
            assert numbers == FACTS[mission.name][band.role], band.native
        else:
            # Landsat's auxiliary bands; their scales are pinned elsewhere.
            assert band.native.startswith(("ST_", "ATMOS_"))
            assert (found.offset, found.nodata) == (0, -9999)
        grid = item_grid(item, asset)
        if grid is not None:
            assert (grid.crs, grid.shape, grid.transform) == own_words(item, entry.key)
            assert grid.bounds[1] < grid.bounds[3]
        else:
            assert "proj:transform" not in {**item["properties"], **asset}


def hls(product: str) -> Json:
    """Make an item as the Planetary Computer's collection of HLS describes its items."""
    folder = ITEMS.parent / "collections/planetary-computer"
    collection = json.loads((folder / f"hls2-{product.lower()}.json").read_text(encoding="utf-8"))
    scene = f"HLS.{product}.T32TMT.2021001T103000.v2.0"
    return {
        "type": "Feature",
        "id": scene,
        "collection": collection["id"],
        "properties": {
            "proj:epsg": 32632,
            "proj:shape": [3660, 3660],
            "proj:transform": [30.0, 0.0, 399960.0, 0.0, -30.0, 5300040.0, 0.0, 0.0, 1.0],
        },
        "assets": {
            key: asset | {"href": f"https://hls2euwest.blob.core.windows.net/h/{scene}.{key}.tif"}
            for key, asset in collection["item_assets"].items()
        },
        "links": [],
    }


@pytest.mark.parametrize(
    ("product", "names"),
    [
        (
            "S30",
            {
                "B04": ("red",),
                "B08": ("nir",),
                "B8A": ("nir08",),
                "B05": ("rededge071", "rededge1"),
                "B11": ("swir16",),
                "B10": ("cirrus",),
                "Fmask": ("fmask",),
                "SZA": ("sza",),
            },
        ),
        (
            "L30",
            {
                "B04": ("red",),
                "B05": ("nir", "nir08"),
                "B06": ("swir16",),
                "B09": ("cirrus",),
                "B10": ("lwir11",),
                "B11": ("lwir12",),
                "Fmask": ("fmask",),
            },
        ),
    ],
)
def test_hls(resolver: LocalResolver, product: str, names: dict[str, tuple[str, ...]]) -> None:
    item = hls(product)
    everything = resolver.resolve(item, sign=False)
    assert (everything.mission, everything.catalog) == ("hls", "planetary-computer")
    assert set(everything.assets) == set(item["assets"])
    for native, spellings in names.items():
        for name in (native, *spellings):
            (asset,) = resolver.resolve(item, name, sign=False).assets.values()
            assert asset.name == native
            assert asset.grid is not None
            assert asset.grid.shape == (3660, 3660)
            assert asset.grid.transform == (30, 0, 399960, 0, -30, 5300040)
            found = asset.radiometry
            assert found is not None
            expected = FACTS["hls"].get(asset.band.role, (1e-4, 0, -9999))
            if asset.band.role != "mask":
                assert (found.scale, found.offset, found.nodata) == expected


def as_item(resolver: LocalResolver, name: str) -> tuple[list[str], Json]:
    found = resolver.resolve(read(name), sign=False)
    item = found.to_item().to_dict(include_self_link=False, transform_hrefs=False)
    return [asset.name for asset in found.assets.values()], item


OLD = [name for name in TIFFS if "LC08_L2SP_005009_20150710" in name]


# pystac says so of any item of Earth Search c1.
@pytest.mark.filterwarnings("ignore:Could not parse bucket/account from href")
@pytest.mark.parametrize("name", [n for n in TIFFS if n not in OLD], ids=short)
def test_as_an_item_for_other_tools(resolver: LocalResolver, name: str) -> None:
    names, item = as_item(resolver, name)
    assert list(item["assets"]) == names
    again = pystac.Item.from_dict(item).to_dict(include_self_link=False, transform_hrefs=False)
    del again["stac_extensions"], item["stac_extensions"]
    assert again == item


@pytest.mark.parametrize("name", [n for n in TIFFS if "planetary-computer." in n], ids=short)
def test_extensions_once(resolver: LocalResolver, name: str) -> None:
    _, item = as_item(resolver, name)
    named = [url.split("/")[-3] for url in item["stac_extensions"]]
    assert sorted(set(named)) == sorted(named)


@pytest.mark.parametrize("name", OLD, ids=short)
def test_old_items(resolver: LocalResolver, name: str) -> None:
    names, item = as_item(resolver, name)
    assert list(item["assets"]) == names


@pytest.mark.parametrize("name", JPEG2000, ids=short)
def test_jpeg2000(resolver: LocalResolver, name: str) -> None:
    item = read(name)
    answer = resolver.resolve(item, "red", sign=False)
    (served,) = answer.assets.values()
    assert (served.routing, served.media_type) == ("converted", COG_TYPE)
    assert answer.to_dict()["metadata"]["routing"] == "converted"
    mission, owner = mission_of(item), owner_of(item, SETTINGS)
    for spelling in ("red", "B04"):
        (entry,) = select_bands(match_bands(item, mission), [spelling], scene=name).values()
        assert entry.key == JPEG2000[name]
        asset = item["assets"][entry.key]
        applied = owner.offset_applied(item, entry.key) if owner else None
        found = decide_radiometry(entry.band, item, asset, mission=mission, offset_applied=applied)
        assert found is not None
        assert (found.dtype, found.scale, found.offset, found.nodata) == ("uint16", 1e-4, -0.1, 0)
