"""Items whose id has no known form: their mission by what else they say, where all of it agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import astra_xr
from astra_xr.errors import InvalidDataset
from astra_xr.missions import mission_of
from astra_xr.testing import write_cog
from tests.conftest import PLACE_OF_30_M
from tests.items import COG

Json = dict[str, Any]
SIDE = 64
GRID = {"proj:shape": [SIDE, SIDE], "proj:transform": [30, 0, 499980, 0, -30, 4200000]}
GRANULE = "S2A_OPER_MSI_L2A_TL_2APS_20240108T121951_A044635_T34VEL"


def item_of(name: str, properties: Json, assets: Json) -> Json:
    """An item of 30 m pixels, on the place where ``stored`` writes."""
    box = [-123.0, 37.9, -122.9, 38.0]
    corners = [[-123.0, 37.9], [-122.9, 37.9], [-122.9, 38.0], [-123.0, 38.0], [-123.0, 37.9]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "bbox": box,
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {"proj:epsg": 32610, **GRID, **properties},
        "assets": {key: {"type": COG, "roles": ["data"], **each} for key, each in assets.items()},
        "links": [],
    }


def stored(path: Path, values: Any, dtype: str = "uint16", nodata: int = 0) -> str:
    pixels = np.broadcast_to(np.asarray(values, dtype), (SIDE, SIDE))
    return str(write_cog(path, pixels.copy(), transform=PLACE_OF_30_M, nodata=nodata))


def sentinel2(folder: Path | None = None, name: str = GRANULE, **changed: Any) -> Json:
    """A granule as other tools describe it: no product id; reflectance and scene classes."""
    numbers = {"data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1}
    assets: Json = {
        "red": {"raster:bands": [numbers], "eo:bands": [{"name": "B04", "common_name": "red"}]},
        "nir": {"raster:bands": [numbers], "eo:bands": [{"name": "B08", "common_name": "nir"}]},
        "scl": {"raster:bands": [{"data_type": "uint8", "nodata": 0}]},
    }
    for key, asset in assets.items():
        asset["href"] = str(folder / f"{name}.{key}.tif") if folder else f"files/{key}.tif"
    if folder:
        stored(folder / f"{name}.red.tif", 3000)
        stored(folder / f"{name}.nir.tif", 5000)
        classes = np.where(np.arange(SIDE) < SIDE // 2, [4, 8] * (SIDE // 2), 4)
        stored(folder / f"{name}.scl.tif", classes, "uint8")
    properties = {
        "datetime": "2024-01-08T10:14:07.485Z",
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "grid:code": "MGRS-34VEL",
        "s2:product_type": "S2MSI2A",
        "s2:tile_id": f"{GRANULE}_N05.10",
        "s2:processing_baseline": "05.10",
    }
    return item_of(name, properties | changed, assets)


def landsat(folder: Path | None = None, name: str = "field-7", **changed: Any) -> Json:
    """A scene in a catalog of one's own: no scale, no type, any id."""
    assets: Json = {
        key: {"href": str(folder / f"{name}.{key}.tif") if folder else f"files/{key}.tif"}
        for key in ("red", "nir08", "qa_pixel")
    }
    if folder:
        stored(folder / f"{name}.red.tif", 10000)
        stored(folder / f"{name}.nir08.tif", 20000)
        stored(folder / f"{name}.qa_pixel.tif", np.where(np.arange(SIDE) < 8, 8, 64), nodata=1)
    properties = {
        "datetime": "2021-08-06T22:02:00Z",
        "platform": "LANDSAT_8",
        "instruments": ["OLI", "TIRS"],
        "landsat:correction": "L2SR",
        "landsat:collection_number": "02",
        "landsat:wrs_path": "082",
        "landsat:wrs_row": "024",
    }
    return item_of(name, properties | changed, assets)


def without(item: Json, *names: str) -> Json:
    kept = {name: value for name, value in item["properties"].items() if name not in names}
    return {**item, "properties": kept}


@pytest.mark.parametrize("as_given", [dict, pystac.Item.from_dict], ids=["dict", "pystac"])
@pytest.mark.parametrize("chunks", [None, 32])
def test_a_granule_is_sentinel_2(tmp_path: Path, as_given: Any, chunks: Any) -> None:
    name = f"{GRANULE}_{chunks}_{as_given.__name__}"
    ds = astra_xr.open_scene(as_given(sentinel2(tmp_path, name)), ["red", "nir"], chunks=chunks)
    assert ds.attrs["mission"] == "sentinel-2"
    assert ds.red.values[1, 1] == pytest.approx(0.2)
    assert ds.astra.index("NDVI").values[1, 1] == pytest.approx(0.2 / 0.6)
    masked = ds.astra.mask("clouds", dilate=0)
    assert masked.values[0, :4].tolist() == [False, True, False, True]
    assert ds.astra.cloud_cover() == pytest.approx(25)


def test_its_classes_are_never_averaged(tmp_path: Path) -> None:
    coarse = astra_xr.open_scene(sentinel2(tmp_path), "SCL", resolution=60).SCL
    assert set(np.unique(coarse)) <= {4, 8}
    assert "cloud_medium_probability" in coarse.attrs["flag_meanings"]


def test_a_stack_of_own_items_has_masks(tmp_path: Path) -> None:
    names = ["granule-1", "granule-2"]
    scenes = [
        sentinel2(tmp_path, name, datetime=f"2024-01-0{day}T10:14:07Z")
        for day, name in enumerate(names, 1)
    ]
    ds = astra_xr.open_scenes(scenes, ["red", "nir"])
    assert ds["id"].values.tolist() == names
    assert ds.astra.mask("clouds", dilate=0).values[:, 0, :2].tolist() == [[False, True]] * 2
    assert ds.astra.index("NDVI").values[0, 1, 1] == pytest.approx(0.2 / 0.6)


def test_two_items_of_one_id_have_no_mask(tmp_path: Path) -> None:
    first = astra_xr.open_scene(sentinel2(tmp_path, "twice"), "red")
    other = sentinel2(tmp_path, "twice")
    other["assets"]["scl"]["href"] = "elsewhere.tif"
    astra_xr.open_scene(other, "red")
    with pytest.raises(InvalidDataset, match=r"SCL.*twice.*bands=\[…, 'SCL'\]"):
        first.astra.mask()


ALBERS = "LC08_L2SR_082024_20210806_20210811_02_A1_SR"
ARD = "LC09_AK_000010_20250506_20250510_02_SR"


@pytest.mark.parametrize("name", [ALBERS, ARD, "field-9"])
def test_landsat_on_other_grids(tmp_path: Path, name: str) -> None:
    changed = {"platform": "LANDSAT_9"} if name == ARD else {}
    ds = astra_xr.open_scene(landsat(tmp_path, name, **changed), ["red", "nir"])
    assert ds.attrs["mission"] == "landsat"
    assert ds.red.values[1, 1] == pytest.approx(0.075)
    assert ds.astra.index("NDVI").values[1, 1] == pytest.approx((0.35 - 0.075) / 0.425)
    assert ds.astra.mask("clouds", dilate=0).values[0].sum() == 8
    assert str(ds["id"].values) == name


@pytest.mark.parametrize("product", ["TA", "BT"])
def test_the_top_of_the_atmosphere_has_no_factors_of_the_surface(product: str) -> None:
    for name in (ALBERS.replace("_SR", f"_{product}"), ARD.replace("_SR", f"_{product}")):
        assert mission_of(landsat(None, name)) is None
    item = landsat()
    item["assets"]["red"]["description"] = "Top of Atmosphere Reflectance"
    assert mission_of(item) is None


def test_bands_are_those_of_the_sensor(tmp_path: Path) -> None:
    older = landsat(tmp_path, "older", platform="landsat-5", instruments=["tm"])
    for item, red, symbols in ((older, "B03", "N=nir08, R=red"), (landsat(tmp_path), "B04", "")):
        ds = astra_xr.open_scene(item, ["red", "nir08"])
        assert ds.red.attrs["native_name"] == red
        by_native = astra_xr.open_scene(item, [red, f"B0{int(red[2]) + 1}"])
        index = by_native.astra.index("NDVI")
        assert index.values[1, 1] == pytest.approx((0.35 - 0.075) / 0.425), symbols


def hls(**changed: Any) -> Json:
    files = "HLS.S30.T32TMT.2021001T103000.v2.0"
    assets: Json = {
        key: {"href": f"https://x/{files}.{key}.tif"} for key in ("B04", "B8A", "Fmask")
    }
    assets["browse"] = {
        "href": f"https://x/{files}.jpg",
        "type": "image/jpeg",
        "roles": ["thumbnail"],
    }
    return item_of("any", {"datetime": "2021-01-01T10:30:00Z", **changed}, assets)


def test_hls_by_its_files() -> None:
    item = hls(platform="sentinel-2b", instruments=["MSI"])
    found = astra_xr.resolve(item, sign=False)
    assert (found.mission, found.full_id) == ("hls", "hls:HLS.S30.T32TMT.2021001T103000.v2.0")
    red = found.assets["B04"].radiometry
    assert red is not None
    assert (red.scale, red.offset, red.nodata) == (1e-4, 0, -9999)
    assert [*found.assets] == ["B04", "B8A", "Fmask"]
    for wrong in (hls(platform="landsat-8"), hls(instruments=["OLI"])):
        assert mission_of(wrong) is None
    mixed = hls()
    mixed["assets"]["B8A"]["href"] = "https://x/HLS.S30.T32TMT.2021002T103000.v2.0.B8A.tif"
    assert mission_of(mixed) is None, "files of two granules"


NEEDED = {
    "sentinel-2": ["datetime"],
    "landsat": ["datetime", "platform", "instruments", "landsat:correction",
                "landsat:collection_number"],
}  # fmt: skip
WRONG: dict[str, dict[str, list[Any]]] = {
    "sentinel-2": {
        "platform": ["sentinel-2b", "landsat-8", "sentinel-1a"],
        "constellation": ["landsat", "sentinel-1"],
        "instruments": [["oli", "tirs"], ["msi", "oli"], ["olci"]],
        "s2:product_type": ["S2MSI1C"],
        "grid:code": ["MGRS-10SEG"],
        "s2:tile_id": [f"{GRANULE.replace('L2A', 'L1C')}_N05.10", GRANULE.replace("S2A", "S2C")],
    },
    "landsat": {
        "platform": ["landsat-7", "landsat-5", "sentinel-2a", "landsat"],
        "instruments": [["etm"], ["msi"], ["oli", "msi"], ["tm"], []],
        "landsat:correction": ["L3", "L2", "SR"],
        "landsat:processing_level": ["L1TP"],
        "landsat:collection_number": ["01", "1", "03"],
    },
}
MADE = {"sentinel-2": lambda **changed: sentinel2(None, "any", **changed), "landsat": landsat}
missions = st.sampled_from([*MADE])


@settings(max_examples=60)
@given(name=missions, data=st.data())
def test_what_is_left_out_makes_it_unknown_and_never_another(name: str, data: Any) -> None:
    item = MADE[name]()
    fields = [field for field in item["properties"] if not field.startswith("proj:")]
    left_out = data.draw(st.sets(st.sampled_from(fields)))
    found = mission_of(without(item, *left_out))
    if left_out & {*NEEDED[name]}:
        assert found is None
    elif found:
        assert found.name == name
        parts, whole = found.describe(without(item, *left_out)), found.describe(item)
        assert parts.items() <= whole.items()
        assert found.bands(item) == found.bands(without(item, *left_out))
    if len(left_out) <= 1 and not left_out & {*NEEDED[name]}:
        assert found, f"without {left_out} enough agrees"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [(name, field, value) for name, fields in WRONG.items()
     for field, values in fields.items() for value in values],
)  # fmt: skip
def test_what_contradicts_makes_it_unknown(name: str, field: str, value: Any) -> None:
    assert mission_of(MADE[name]()) is not None
    assert mission_of(MADE[name](**{field: value})) is None


@pytest.mark.parametrize("name", [*MADE])
@pytest.mark.parametrize(
    "numbers",
    [{"data_type": "float32"}, {"data_type": "uint8"}, {"scale": 0.01}, {"offset": 0.5},
     {"nodata": -9999}, {"scale": 1}, {"scale": "x"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", ["raster:bands", "bands", "asset"])
def test_other_numbers_make_it_unknown(name: str, numbers: Json, form: str) -> None:
    item = MADE[name]()
    red = item["assets"]["red"]
    red.pop("raster:bands", None)
    red |= numbers if form == "asset" else {form: [numbers]}
    assert mission_of(item) is None


def test_other_levels_make_it_unknown() -> None:
    for key, level in (("cirrus", "2A"), ("scl", "1C")):
        item = without(sentinel2(None, "any"), "s2:tile_id")
        item["properties"]["s2:product_type"] = f"S2MSI{level}"
        item["assets"][key] = {"href": "x.tif", "type": COG}
        assert mission_of(item) is None


def test_items_of_other_data_have_no_mission() -> None:
    derived = sentinel2(None, "any")
    derived["assets"] = {"ndvi": {"href": "ndvi.tif", "type": COG}}
    assert mission_of(derived) is None
    assert mission_of(item_of("any", {}, {"red": {"href": "red.tif"}})) is None


def test_a_folder_of_own_items(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    for name in ("west", "east"):
        item = sentinel2(tmp_path, name)
        (folder / f"{name}.json").write_text(json.dumps(item))
    found = astra_xr.search("sentinel-2", catalog=folder, bbox=(-123, 37.9, -122.9, 38))
    assert sorted(found) == ["east", "west"], "parts of one tile are scenes of their own"
    ds = astra_xr.open_scene("west", "red", catalog=folder)
    assert ds.red.values[1, 1] == pytest.approx(0.2)
    assert ds.astra.mask("clouds", dilate=0).values[0, :2].tolist() == [False, True]
