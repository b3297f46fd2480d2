"""Items of any kind: what a STAC item says of itself, in whichever version and place, is heeded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling

import astra_xr
from astra_xr.catalogs import connect
from astra_xr.errors import (
    AmbiguousBand,
    InvalidDataset,
    InvalidItem,
    InvalidParameter,
    ReadError,
    SigningError,
)
from astra_xr.missions import clean_item
from astra_xr.reading.loop import run
from astra_xr.resolver.bands import is_raster, match_bands
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.routing import needs_conversion, route
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import write_cog
from astra_xr.widgets.picker_scene import Scene
from tests import items

Json = dict[str, Any]
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
SIDE = 256


def item_of(assets: Json, **properties: Any) -> Json:
    grid = {
        "proj:code": "EPSG:32610",
        "proj:shape": [SIDE, SIDE],
        "proj:transform": [10, 0, 499980, 0, -10, 4200000],
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "x-1",
        "geometry": None,
        "properties": {"datetime": "2024-06-01T10:00:00Z"} | grid | properties,
        "assets": assets,
        "links": [],
    }


def case(shared: Path, name: str) -> Json:
    item: Json = json.loads((shared.parent / "cases" / f"{name}.json").read_text())
    return item


@pytest.fixture
def classes_file(tmp_path: Path) -> Path:
    """Classes 10 and 80 side by side: any average of them is another number."""
    stored = np.random.default_rng(0).choice(np.array([10, 80], "uint8"), (SIDE, SIDE))
    return write_cog(tmp_path / "classes.tif", stored, nodata=None, overviews=None, blocksize=128)


def opened(item: Json, band: str, **options: Any) -> xr.DataArray:
    return astra_xr.open_scene(item, [band], **options)[band]


LAND = [
    {"value": 10, "name": "trees", "description": "Tree cover", "color_hint": "006400"},
    {"value": 80, "description": "Permanent water bodies!", "color-hint": "0064C8"},
]
BITS = [
    {
        "name": "cloud",
        "offset": 1,
        "length": 1,
        "classes": [{"value": 0, "name": "not_cloud"}, {"value": 1, "name": "cloud"}],
    },
    {
        "description": "Cirrus confidence",
        "offset": 6,
        "length": 2,
        "classes": [{"value": 1, "name": "low"}, {"value": 3, "description": "very high"}],
    },
]
VALUES = [{"values": [10], "summary": "Trees"}, {"values": [80, 81], "summary": "Water"}]

TOLD = [
    ({"classification:classes": LAND}, "trees permanent_water_bodies"),
    ({"raster:bands": [{"classification:classes": LAND}]}, "trees permanent_water_bodies"),
    (
        {"bands": [{"data_type": "uint8", "classification:classes": LAND}]},
        "trees permanent_water_bodies",
    ),
    ({"eo:bands": [{"name": "m", "classification:classes": LAND}]}, "trees permanent_water_bodies"),
    ({"file:values": VALUES}, "trees water water_81"),
    (
        {"classification:bitfields": BITS},
        "not_cloud cloud cirrus_confidence_low cirrus_confidence_very_high",
    ),
    (
        {"bands": [{"name": "m", "classification:bitfields": BITS}]},
        "not_cloud cloud cirrus_confidence_low cirrus_confidence_very_high",
    ),
    ({"roles": ["data", "cloud"]}, None),
    ({"roles": ["snow-ice"], "raster:bands": [{"data_type": "uint8"}]}, None),
    ({"roles": ["metadata", "water-mask"]}, None),
    ({"bands": [{"name": "m", "roles": ["quality"]}]}, None),
]


class TestClasses:
    @pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
    @pytest.mark.parametrize(("told", "meanings"), TOLD, ids=lambda each: str(each)[:40])
    def test_classes_are_never_averaged(
        self, classes_file: Path, told: Json, meanings: str | None, typed: bool
    ) -> None:
        asset: Json = {"href": str(classes_file), "type": COG, "title": "Map"} | told
        if typed and not {"raster:bands", "bands"} & told.keys():
            asset["raster:bands"] = [{"data_type": "uint8", "nodata": 0}]
        item = item_of({"map": asset})
        own = opened(item, "map")
        for grid in ({"resolution": 40}, {"resolution": 35}, {"crs": "EPSG:3857"}):
            coarse = opened(item, "map", resampling="average", **grid)
            assert coarse.dtype == np.uint8
            # Beyond the edges of the file there is nothing: 0.
            assert set(np.unique(coarse)) - {0} == {10, 80}
            assert "average" not in coarse.attrs["resampling"]
        # Listed among the bands of the scene, and never scaled.
        assert list(astra_xr.open_scene(item)) == ["map"]
        np.testing.assert_array_equal(own, opened(item, "map", mask_and_scale=False))
        assert own.attrs.get("flag_meanings") == meanings

    def test_worldcover(self, shared: Path, tmp_path: Path) -> None:
        stored = np.full((512, 512), 10, "uint8")
        stored[:, 1::2] = 80
        place = Affine(8.333333333333333e-05, 0, 6, 0, -8.333333333333333e-05, 3)
        path = write_cog(tmp_path / "wc.tif", stored, crs="EPSG:4326", transform=place,
                         overviews="nearest")  # fmt: skip
        item = case(shared, "worldcover-classes-averaged")
        item["assets"]["map"]["href"] = str(path)
        coarse = opened(item, "map", resolution=3 * place.a)
        assert set(np.unique(coarse)) == {10, 80}
        flags = dict(zip(coarse.attrs["flag_meanings"].split(), coarse.attrs["flag_values"],
                         strict=True))  # fmt: skip
        assert flags["tree_cover"] == 10
        assert flags["permanent_water_bodies"] == 80
        table = coarse.to_dataset().astra.classes("map")
        assert table.loc[50, "meaning"] == "built-up"
        assert table.loc[50, "color"] == "#fa0000"

    @pytest.mark.parametrize("strips", [False, True])
    def test_averaged_overviews_are_not_used(self, tmp_path: Path, strips: bool) -> None:
        # As GDAL makes them of a file without a color table.
        stored = np.random.default_rng(0).choice(np.array([10, 80], "uint8"), (SIDE, SIDE))
        path = write_cog(tmp_path / "a.tif", stored, nodata=None, blocksize=128)
        if strips:
            with rasterio.open(path) as tiled:
                profile = tiled.profile | {"tiled": False, "driver": "GTiff"}
            path = tmp_path / "strips.tif"
            with rasterio.open(path, "w", **profile) as file:
                file.write(stored, 1)
                file.build_overviews([2, 4], Resampling.average)
        told = {"href": str(path), "type": COG, "classification:classes": LAND}
        item = item_of({"map": told}) | {"id": path.stem}
        with pytest.warns(UserWarning, match=f"{path.stem} map: its overviews were averaged"):
            coarse = opened(item, "map", resolution=40).load()
        assert set(np.unique(coarse)) == {10, 80}
        scene = Scene(astra_xr.open_scene(item))
        assert set(np.unique(run(scene.read("map", 0, scene.pyramid.whole, (64, 64))).values)) == {
            10,
            80,
        }

    def test_overviews_of_a_class_that_the_item_forgot_are_used(self, tmp_path: Path) -> None:
        stored = np.random.default_rng(0).choice(np.array([10, 80, 90], "uint8"), (SIDE, SIDE))
        path = write_cog(tmp_path / "a.tif", stored, nodata=None, blocksize=128,
                         overviews="nearest")  # fmt: skip
        told = {"href": str(path), "type": COG, "classification:classes": LAND}
        coarse = opened(item_of({"map": told}), "map", resolution=20)
        with rasterio.open(path, overview_level=0) as overview:
            np.testing.assert_array_equal(coarse, overview.read(1))

    @pytest.mark.parametrize("form", [LAND, BITS], ids=["classes", "bits"])
    @pytest.mark.parametrize("stored_as", ["netcdf", "zarr"])
    def test_flags_survive_files(
        self, classes_file: Path, tmp_path: Path, form: list[Json], stored_as: str
    ) -> None:
        field = "classification:classes" if form is LAND else "classification:bitfields"
        item = item_of({"map": {"href": str(classes_file), "type": COG, field: form}})
        before = opened(item, "map").to_dataset()
        path = tmp_path / "a"
        if stored_as == "zarr":
            pytest.importorskip("zarr")
            before.to_zarr(path, zarr_format=2)
            after = xr.open_zarr(path, mask_and_scale=False)
        else:
            before.to_netcdf(path)
            after = xr.open_dataset(path, mask_and_scale=False)
        for name in ("flag_values", "flag_meanings", "flag_masks"):
            np.testing.assert_array_equal(
                after["map"].attrs.get(name, "none"), before["map"].attrs.get(name, "none")
            )
        assert after["map"].dtype == np.uint8
        assert after.astra.classes("map").equals(before.astra.classes("map"))

    def test_a_scaled_band_with_special_values_is_a_measurement(self, tmp_path: Path) -> None:
        stored = np.arange(SIDE * SIDE, dtype="uint16").reshape(SIDE, SIDE) % 100 + 1
        path = write_cog(tmp_path / "a.tif", stored, nodata=255, overviews=None)
        bands = [{"data_type": "uint16", "scale": 0.01, "nodata": 255,
                  "classification:classes": [{"value": 250, "name": "cloud"}]}]  # fmt: skip
        item = item_of({"snow": {"href": str(path), "type": COG, "raster:bands": bands}})
        values = opened(item, "snow")
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, stored * np.float32(0.01))
        assert "flag_values" not in values.attrs

    @pytest.mark.parametrize(
        "told",
        [
            {"title": "Cloud Probabilities", "roles": ["data", "cloud"]},
            {"roles": ["quality"], "raster:bands": [{"data_type": "float32"}]},
            {"roles": ["cloud"], "bands": [{"unit": "%", "data_type": "uint8"}]},
        ],
    )
    def test_a_degree_is_no_flag(self, classes_file: Path, told: Json) -> None:
        item = clean_item(item_of({"a": {"href": str(classes_file), "type": COG} | told}))
        assert [entry.band.role for entry in match_bands(item, None)] == ["data"]

    def test_planes_of_classes(self, tmp_path: Path) -> None:
        stored = np.random.default_rng(0).choice(np.array([0, 1], "uint8"), (2, SIDE, SIDE))
        path = write_cog(tmp_path / "udm.tif", stored, nodata=None, overviews=None)
        clear = [{"value": 0, "description": "not clear"}, {"value": 1, "description": "clear"}]
        snow = [{"value": 0, "description": "no snow"}, {"value": 1, "description": "snow"}]
        bands = [
            {"name": "clear", "classification:classes": clear},
            {"name": "snow", "classification:classes": snow},
        ]
        udm = {"href": str(path), "type": COG, "roles": ["metadata", "cloud"], "eo:bands": bands}
        ds = astra_xr.open_scene(item_of({"udm": udm}), resolution=40)
        assert ds["udm"].dims == ("band", "y", "x")
        assert set(np.unique(ds["udm"])) == {0, 1}
        alone = opened(item_of({"udm": udm}), "udm.snow", resolution=40)
        np.testing.assert_array_equal(alone, ds["udm"][1])
        assert alone.attrs["flag_meanings"] == "no_snow snow"

    def test_a_mask_of_such_a_scene_is_refused_with_its_own_band(self, classes_file: Path) -> None:
        told = {"href": str(classes_file), "type": COG, "classification:classes": LAND}
        ds = astra_xr.open_scene(item_of({"map": told}))
        with pytest.raises(
            InvalidDataset, match=r"mask\(by=lambda block: block\['map'\] == value\)"
        ):
            ds.astra.mask("clouds")

    @pytest.mark.parametrize(
        ("name", "band", "dtype", "meaning", "value"),
        [
            (items.PRODUCT, "SCL", "uint8", "cloud_high_probability", 9),
            ("LC08_L2SP_044034_20171020_02_T1", "QA_PIXEL", "uint16", "cloud_confidence_high", 768),
            ("HLS.S30.T10SEG.2025015T184929.v2.0", "Fmask", "uint8", "cloud_shadow", 8),
        ],
    )
    def test_flags_of_a_mission_come_from_its_table(
        self, classes_file: Path, name: str, band: str, dtype: str, meaning: str, value: int
    ) -> None:
        # What the item says of them is of another catalog's wording.
        told = {"href": str(classes_file), "type": COG, "classification:classes": LAND}
        opened_band = opened(item_of({band: told}) | {"id": name}, band)
        flags = opened_band.attrs
        assert flags["flag_values"].dtype == np.dtype(dtype)
        assert flags["flag_values"][flags["flag_meanings"].split().index(meaning)] == value
        assert "trees" not in flags["flag_meanings"]

    @pytest.mark.parametrize("form", [LAND, BITS], ids=["classes", "bits"])
    def test_views_do_not_average_classes(self, classes_file: Path, form: list[Json]) -> None:
        field = "classification:classes" if form is LAND else "classification:bitfields"
        ds = astra_xr.open_scene(
            item_of({"map": {"href": str(classes_file), "type": COG, field: form}})
        )
        scene = Scene(ds)
        tile = run(scene.read("map", 0, scene.pyramid.whole, (60, 60)))
        assert tile.values.shape == (60, 60)
        assert set(np.unique(tile.values)) == {10, 80}
        named = [(each["name"], each["color"]) for each in scene.bands["map"]["classes"]]
        told = [("trees", "#006400"), ("permanent water bodies", "#0064c8")]
        assert named == (told if form is LAND else [])

    def test_a_plot_of_bits_shows_those_that_are_set(self, classes_file: Path) -> None:
        pytest.importorskip("matplotlib").use("Agg")
        told = {"href": str(classes_file), "type": COG, "classification:bitfields": BITS}
        bar = astra_xr.open_scene(item_of({"map": told})).astra.plot("map").colorbar
        # 10 has the bit of clouds, 80 that of cirrus alone.
        labels = [" ".join(text.get_text().split()) for text in bar.ax.get_yticklabels()]
        assert labels == ["cloud", "cirrus confidence low"]


words = st.text(max_size=12) | st.sampled_from(["cloud", "Snow/ice", "été", "水", "a  b", "-", ""])
numbers = st.integers(-300, 70000) | st.floats() | st.none() | st.booleans() | words
entries = st.fixed_dictionaries(
    {},
    optional={
        "value": numbers, "values": st.lists(numbers, max_size=3) | words, "name": words,
        "description": words, "summary": words, "color_hint": words | st.just("00ff00"),
        "offset": numbers | st.integers(0, 8), "length": numbers | st.integers(1, 3),
    },
)  # fmt: skip
fields = entries.flatmap(
    lambda field: st.lists(entries, max_size=3).map(lambda inner: {**field, "classes": inner})
)
told_fields = st.fixed_dictionaries(
    {},
    optional={
        "classification:classes": st.lists(entries, max_size=5) | words,
        "classification:bitfields": st.lists(fields, max_size=3) | words,
        "file:values": st.lists(entries, max_size=4) | numbers,
        "roles": st.lists(st.sampled_from(["cloud", "data", "qa"]), max_size=2) | words,
    },
)


@settings(max_examples=150)
@given(told=told_fields, at=st.sampled_from(["asset", "raster:bands", "bands", "eo:bands"]))
def test_flags_are_cf_attributes_for_any_description_of_classes(told: Json, at: str) -> None:
    asset: Json = {"href": "https://h/a.tif", "type": COG}
    asset |= told if at == "asset" else {at: [{"name": "a", **told}]}
    (entry,) = match_bands(clean_item(item_of({"a": asset})), None)
    classes = entry.band.classes
    names = [each.name for each in classes]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_.+@-]+", name) for name in names)
    assert len({(each.value, each.mask) for each in classes}) == len(classes)
    assert all(each.mask is None or each.value & ~each.mask == 0 for each in classes)
    assert not classes or entry.band.role in ("class", "mask")


@pytest.mark.parametrize("field", ["classification:classes", "file:values"])
def test_classes_that_a_pixel_cannot_have_are_no_flags(classes_file: Path, field: str) -> None:
    told = [{"value": v, "values": [v], "name": f"c{v}", "summary": f"c{v}"} for v in (-1, 10, 300)]
    item = item_of({"map": {"href": str(classes_file), "type": COG, field: told}})
    assert list(opened(item, "map").attrs["flag_values"]) == [10]


EO_FORMS: dict[str, tuple[Json, Json]] = {
    "eo:bands": ({"eo:bands": [{"name": "B04", "common_name": "red",
                                "center_wavelength": 0.665}]}, {}),
    "bands": ({"bands": [{"name": "B04", "eo:common_name": "red",
                          "eo:center_wavelength": 0.665}]}, {}),
    "asset": ({"eo:common_name": "red", "eo:center_wavelength": 0.665}, {}),
    "asset, unnamed bands": ({"eo:common_name": "red", "eo:center_wavelength": 0.665,
                              "bands": [{"data_type": "uint16"}]}, {}),
    "asset and band": ({"eo:center_wavelength": 0.665,
                        "bands": [{"name": "B04", "eo:common_name": "red"}]}, {}),
    "asset and raster:bands": ({"eo:common_name": "red", "eo:center_wavelength": 0.665,
                                "raster:bands": [{"data_type": "uint16"}]}, {}),
    "indexes": ({"eo:bands": [1]},
                {"eo:bands": [{"name": "B03", "common_name": "green"},
                              {"name": "B04", "common_name": "red",
                               "center_wavelength": 0.665}]}),
    "properties by name": ({}, {"bands": [{"name": "B03", "eo:common_name": "green"},
                                          {"name": "a", "eo:common_name": "red",
                                           "eo:center_wavelength": 0.665}]}),
    "properties": ({}, {"bands": [{"name": "B04", "eo:common_name": "red",
                                   "eo:center_wavelength": 0.665}]}),
}  # fmt: skip


class TestNames:
    @pytest.mark.parametrize("other", ["red_20m", "red-jp2", "red_60m", "a"])
    def test_an_assets_own_key_opens_it(self, other: str) -> None:
        bands = {"eo:bands": [{"name": "B04", "common_name": "red"}]}
        assets = {key: {"href": f"https://h/{key}.tif", "type": COG} | bands
                  for key in (other, "red")}  # fmt: skip
        item = item_of(assets)
        for key in assets:
            answer = astra_xr.resolve(item, [key], sign=False)
            assert answer.assets[key].key == key
        with pytest.raises(AmbiguousBand, match="Use one of them"):
            astra_xr.resolve(item, ["B04"], sign=False)
        with pytest.raises(AmbiguousBand):
            astra_xr.resolve(item, ["RED"], sign=False)

    def test_red_and_red_20m(self, shared: Path) -> None:
        item = case(shared, "asset-key-red-and-red_20m")
        for key in ("red", "red_20m"):
            assert astra_xr.resolve(item, [key], sign=False).assets[key].key == key

    def test_common_names_at_the_asset(self, shared: Path, tmp_path: Path) -> None:
        place = Affine(30, 0, 500000, 0, -30, 4000000)
        stored = np.full((512, 512), 3000, "uint16")
        path = write_cog(tmp_path / "one.tif", stored, transform=place)
        item = case(shared, "stac11-common-name-at-asset")
        for asset in item["assets"].values():
            asset["href"] = str(path)
        ds = astra_xr.open_scene(item, ["red", "nir"])
        assert float(ds["red"][0, 0]) == pytest.approx(0.2)
        assert ds["red"].attrs["native_name"] == "B4"
        assert ds["red"].attrs["center_wavelength"] == 0.665
        assert ds["nir"].attrs["native_name"] == "B5"

    @pytest.mark.parametrize("form", EO_FORMS)
    def test_each_version_of_the_eo_fields(self, form: str) -> None:
        told, properties = EO_FORMS[form]
        item = item_of({"a": {"href": "https://h/a.tif", "type": COG} | told}, **properties)
        for name in ("red", "a", "RED"):
            asset = astra_xr.resolve(item, [name], sign=False).assets[name]
            assert (asset.key, asset.indexes) == ("a", (1,))
            assert asset.band.wavelength == 0.665

    def test_what_the_properties_say_of_several_files_names_none(self) -> None:
        assets = {key: {"href": f"https://h/{key}.tif", "type": COG} for key in ("a", "b")}
        bands = [{"name": "B04", "eo:common_name": "red"}]
        found = match_bands(clean_item(item_of(assets, bands=bands)), None)
        assert [entry.band.common for entry in found] == [None, None]


EO = {"common_name": "red", "center_wavelength": 0.665, "full_width_half_max": 0.03}
EO2 = {f"eo:{name}": value for name, value in EO.items()}
SAID: Json = {"data_type": "uint16", "nodata": 0}


@st.composite
def told_items(draw: st.DrawFn) -> tuple[Json, str]:
    """An item that says the same of its band, in any version and place; and what the band is."""
    what = draw(st.sampled_from(["scaled", "classes", "bits"]))
    forms: dict[str, Json] = {
        "scaled": {"scale": 0.01, "offset": -1.0, "unit": "K"},
        "classes": {"classification:classes": LAND},
        "bits": {"classification:bitfields": BITS},
    }
    numbers = forms[what]
    version = draw(st.sampled_from(["indexes", "eo:bands", "bands", "asset", "properties"]))
    properties: Json = {}
    asset: Json = {"href": "https://h/a.tif", "type": COG}
    if version in ("indexes", "eo:bands", "properties"):
        asset["raster:bands"] = [SAID | numbers]
        named = {"name": "B04" if version != "properties" else "a", **EO}
        if version == "eo:bands":
            asset["eo:bands"] = [named]
        else:
            properties = {"eo:bands": [{"name": "B03", "common_name": "green"}, named]}
            asset |= {"eo:bands": [1]} if version == "indexes" else {}
    elif version == "bands":
        asset["bands"] = [{"name": "B04", **EO2, **SAID} | numbers]
    else:
        raster = {f"raster:{n}" if n in ("scale", "offset") else n: v for n, v in numbers.items()}
        asset |= EO2 | SAID | raster
        if draw(st.booleans()):
            asset["bands"] = [{"name": "B04"}]
    # Classes of a file of one band may stand at the asset in all versions.
    if what != "scaled" and draw(st.booleans()):
        for entry in (*asset.get("raster:bands", ()), *asset.get("bands", ())):
            for field in numbers:
                entry.pop(field, None)
        asset |= numbers
    other = {"href": "https://h/b.tif", "type": COG}
    return item_of({"a": asset, "b": other}, **properties), what


@settings(max_examples=60)
@given(told=told_items())
def test_equal_items_of_all_stac_versions_open_alike(told: tuple[Json, str]) -> None:
    item, what = told
    item = json.loads(json.dumps(item))
    (asset,) = astra_xr.resolve(item, ["red"], sign=False).assets.values()
    assert (asset.key, asset.indexes) == ("a", (1,))
    assert (asset.band.common, asset.band.wavelength, asset.band.fwhm) == ("red", 0.665, 0.03)
    read = asset.radiometry
    assert read is not None
    assert (read.dtype, read.nodata) == ("uint16", 0)
    if what == "scaled":
        assert (read.scale, read.offset, read.unit, read.as_is) == (0.01, -1.0, "K", False)
        assert (asset.band.role, asset.band.classes) == ("data", ())
    else:
        assert read.as_is
        assert asset.band.role == {"classes": "class", "bits": "mask"}[what]
        values = {"classes": [10, 80], "bits": [0, 2, 64, 192]}[what]
        assert [each.value for each in asset.band.classes] == values


def of_table(value: Any, make: Any) -> Any:
    """JSON with other sequences than lists, and numbers of NumPy, as tables of items have them."""
    if isinstance(value, dict):
        return {key: of_table(each, make) for key, each in value.items()}
    if isinstance(value, list):
        return make([of_table(each, make) for each in value])
    return np.asarray(value)[()] if isinstance(value, int | float) else value


def array_of(values: list[Any]) -> Any:
    made = np.empty(len(values), object)
    made[:] = values
    return made


@pytest.mark.parametrize("make", [tuple, array_of])
def test_items_of_tables(make: Any) -> None:
    item = item_of(
        {
            "a": {
                "href": "https://h/a.tif",
                "type": COG,
                "roles": ["data"],
                "gsd": 10,
                "eo:bands": [{"name": "B1", "common_name": "red", "center_wavelength": 0.66}],
                "raster:bands": [{"data_type": "uint16", "scale": 0.1, "offset": 2, "nodata": 7}],
            },
            "b": {
                "href": "https://h/b.tif",
                "type": COG,
                "bands": [{"data_type": "uint8", "classification:classes": LAND}],
            },
        }
    )
    told, found = (
        astra_xr.resolve(each, ["red", "b"], sign=False).assets
        for each in (item, of_table(item, make))
    )
    for name, asset in told.items():
        for field in ("key", "band", "indexes", "grid", "radiometry"):
            assert getattr(found[name], field) == getattr(asset, field)


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("media_type", "href", "raster", "served"),
        [
            ("image/geotiff", "https://h/a", True, "direct"),
            ("image/x.geotiff", "https://h/a", True, "direct"),
            ("application/x-geotiff", "https://h/a", True, "direct"),
            ("image/tif", "https://h/a", True, "direct"),
            ("IMAGE/TIFF; Application=GeoTIFF", "https://h/a", True, "direct"),
            ("application/octet-stream", "https://h/a.TIF?sig=1", True, "direct"),
            ("binary/octet-stream", "https://h/a.tif", True, "direct"),
            ("application/octet-stream", "https://h/a.jp2", True, "converted"),
            ("image/jpx", "https://h/a", True, "converted"),
            (None, "https://h/a.TIFF#part", True, "direct"),
            (None, "https://h/a.Jp2?v=2.tif", True, "converted"),
            (None, "/data/50%/a#1.tif", True, "direct"),
            (None, "https://h/a.tif.aux.xml", False, None),
            (None, "https://h/a.nc", False, None),
            (None, "https://h/a.zarr", False, None),
            (None, "https://h/tif", False, None),
            ("application/x-netcdf", "https://h/a.nc", False, None),
            ("application/x-hdf5", "https://h/a.h5", False, None),
            ("application/vnd+zarr", "https://h/a.zarr", False, None),
            ("image/jpeg", "https://h/a.jpg", False, None),
            ("image/png", "https://h/preview.png?url=a.tif", False, None),
            ("text/html", "https://h/a.tif", False, None),
        ],
    )
    def test_by_type_else_by_ending(
        self, media_type: str | None, href: str, raster: bool, served: str | None
    ) -> None:
        asset = {"href": href} | ({"type": media_type} if media_type else {})
        assert is_raster(asset) is raster
        if raster:
            assert route(asset, "cog") == served
            assert needs_conversion(asset, "png") is True

    def test_data_without_media_type_or_ending_is_recognized_by_its_bytes(
        self, tmp_path: Path
    ) -> None:
        path = write_cog(tmp_path / "data", np.full((SIDE, SIDE), 7, "uint8"), nodata=None)
        item = item_of({"a": {"href": str(path), "roles": ["data"]},
                        "index": {"href": str(tmp_path / "index")}})  # fmt: skip
        assert list(astra_xr.open_scene(item)) == ["a"]
        assert int(opened(item, "a")[0, 0]) == 7

    @pytest.mark.parametrize(
        ("media_type", "said"),
        [
            ("application/x-netcdf", r"netCDF \(data\).*xarray\.open_dataset"),
            ("application/x-cloud", r"data \(application/x-cloud\), log \(no type\)"),
        ],
    )
    def test_an_item_without_a_raster_names_its_assets(self, media_type: str, said: str) -> None:
        assets = {"data": {"href": "https://h/a", "type": media_type},
                  "log": {"href": "https://h/a.txt"}}  # fmt: skip
        for bands in (None, ["data"], ["all"]):
            with pytest.raises(InvalidItem, match=said):
                astra_xr.open_scene(item_of(assets), bands)

    def test_an_item_of_previews_alone_says_so(self) -> None:
        item = item_of({"small": {"href": "https://h/a.tif", "type": COG, "roles": ["overview"]}})
        with pytest.raises(InvalidParameter, match="x-1 has only previews and metadata.*'small'"):
            astra_xr.open_scene(item)
        assert astra_xr.resolve(item, ["small"], sign=False).assets["small"].key == "small"


TWINS: Json = {
    "s3": {"href": "s3://maxar/a.tif"},
    "public": {"href": "https://maxar.example/a.tif"},
}
KEYS = Settings(aws_access_key_id=Secret("a"), aws_secret_access_key=Secret("b"))


class TestHrefs:
    def asset(self, settings: Settings, **told: Any) -> str:
        item = item_of({"a": {"href": "s3://maxar/a.tif", "type": COG} | told})
        answer = LocalResolver(settings).resolve(item, sign=False)
        return answer.assets["a"].href

    def test_the_https_twin_is_taken_without_keys(self) -> None:
        assert self.asset(Settings(), alternate=TWINS) == "https://maxar.example/a.tif"
        assert self.asset(KEYS, alternate=TWINS) == "s3://maxar/a.tif"
        unsigned = Settings(aws_no_sign_request=True)
        assert self.asset(unsigned, alternate=TWINS) == "s3://maxar/a.tif"

    @pytest.mark.parametrize(
        "alternate",
        [
            None,
            4,
            {"a": {}},
            {"a": {"href": "http://h/a.tif"}},
            {"a": {"href": "file:///etc/passwd"}},
            {"login": {"href": "https://h/a.tif", "auth:refs": ["oidc"]}},
        ],
    )
    def test_no_other_address_is(self, alternate: Any) -> None:
        assert self.asset(Settings(), alternate=alternate) == "s3://maxar/a.tif"
        item = item_of({"a": {"href": "s3://maxar/a.tif", "type": COG, "alternate": alternate}})
        with pytest.raises(SigningError, match="no AWS credentials"):
            LocalResolver(Settings()).resolve(item)

    def test_in_the_users_own_catalogs_too(self, tmp_path: Path) -> None:
        item = item_of({"a": {"href": "s3://maxar/a.tif", "type": COG, "alternate": TWINS}})
        (tmp_path / "item.json").write_text(json.dumps(item))
        for catalog in (str(tmp_path), "https://stac.example"):
            hrefs = {connect(catalog, settings).href(item["assets"]["a"])
                     for settings in (Settings(), KEYS)}  # fmt: skip
            assert hrefs == {"https://maxar.example/a.tif", "s3://maxar/a.tif"}

    @pytest.mark.parametrize(
        ("href", "whole"),
        [
            ("/data/one.tif", "https://h.example/data/one.tif"),
            ("//cdn.example/one.tif", "https://cdn.example/one.tif"),
            ("one.tif", "https://h.example/items/one.tif"),
            ("./a b/é+%23.tif", "https://h.example/items/a b/é+%23.tif"),
            ("../one.tif", "https://h.example/one.tif"),
            ("https://other.example/../one.tif", "https://other.example/../one.tif"),
        ],
    )
    def test_relative_to_an_item_on_the_web(self, href: str, whole: str) -> None:
        item = item_of({"a": {"href": href, "type": COG}})
        item["links"] = [{"rel": "self", "href": "https://h.example/items/x-1.json"}]
        assert astra_xr.resolve(item, sign=False).assets["a"].href == whole

    def test_an_item_on_the_web_opens_no_local_file(self, classes_file: Path) -> None:
        item = item_of({"a": {"href": str(classes_file), "type": COG}})
        item["links"] = [{"rel": "self", "href": "https://h.example/items/x-1.json"}]
        answer = astra_xr.resolve(item, sign=False)
        assert answer.assets["a"].source().url == f"https://h.example{classes_file}"

    @pytest.mark.parametrize("name", ["one.tif", "a b.tif", "é+.tif", "50%23.tif", "a#1.tif"])
    @pytest.mark.parametrize("form", ["path", "url", "beside"])
    def test_relative_to_an_item_on_disk(self, tmp_path: Path, name: str, form: str) -> None:
        path = write_cog(tmp_path / name, np.full((SIDE, SIDE), 7, "uint8"), nodata=None)
        href = {"path": str(path), "url": path.as_uri(), "beside": name}[form]
        item = item_of({"a": {"href": href, "type": COG}})
        item["links"] = [{"rel": "self", "href": str(tmp_path / "item.json")}]
        assert int(opened(item, "a")[0, 0]) == 7


@pytest.mark.parametrize(
    ("told", "offset"),
    [
        ({"type": COG, "href": "https://h/B04.tif"}, 0.0),
        ({"type": "image/jp2", "href": "https://h/B04.jp2"}, -0.1),
        ({"href": "https://h/B04.jp2?v=1"}, -0.1),
        ({"type": "application/octet-stream", "href": "https://h/B04.jp2"}, -0.1),
    ],
)
@pytest.mark.parametrize("key", ["red", "red-jp2", "B04"])
def test_what_a_file_is_decides_on_its_offset_not_its_key(
    key: str, told: Json, offset: float
) -> None:
    item = items.earth_search_l2a(8)
    item["assets"] = {key: item["assets"]["red"] | told}
    if "type" not in told:
        del item["assets"][key]["type"]
    (asset,) = astra_xr.resolve(item, [key], sign=False).assets.values()
    assert asset.radiometry is not None
    assert asset.radiometry.offset == pytest.approx(offset)


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("2024-06-01t10:00:00z", "2024-06-01T10:00:00"),
        ("2024-06-01T10:00:00+02:00", "2024-06-01T08:00:00"),
        ("2024-06-01T10:00:00.123456789Z", "2024-06-01T10:00:00.123456"),
        ("no time", "2023-01-01T00:00:00"),
        (None, "2023-01-01T00:00:00"),
        # Beyond those of datetime64[ns].
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
    ],
)
def test_times(classes_file: Path, told: str | None, time: str | None) -> None:
    asset = {"href": str(classes_file), "type": COG}
    item = item_of({"a": asset}, datetime=told, start_datetime="2023-01-01T00:00:00Z")
    ds = astra_xr.open_scene(item)
    if time:
        assert ds["time"].values == np.datetime64(time)
        assert astra_xr.open_scenes([item])["time"].values == np.datetime64(time)
    else:
        assert "time" not in ds.coords
        with pytest.raises(InvalidItem, match="its datetime is in the year"):
            astra_xr.open_scenes([item])


class TestMessages:
    @pytest.mark.parametrize("field", ["raster:bands", "bands"])
    def test_an_item_of_more_bands_than_its_file(self, classes_file: Path, field: str) -> None:
        told = {"href": str(classes_file), "type": COG, field: [{"name": "B1"}, {"name": "B2"}]}
        item = item_of({"a": told})
        with pytest.raises(
            InvalidItem, match=r"'a' has 2 bands here, while its file has 1; .*'a\.1'"
        ):
            opened(item, "a")
        assert set(np.unique(opened(item, "a.1"))) == {10, 80}

    @pytest.mark.parametrize(
        ("name", "planes", "count"),
        [("x", 1, 1), ("y", 3, 1), ("spatial_ref", 1, 2), ("band", 3, 1), ("time", 1, 2)],
    )
    def test_a_band_with_the_name_of_a_coordinate(
        self, tmp_path: Path, name: str, planes: int, count: int
    ) -> None:
        write_cog(tmp_path / "a.tif", np.full((planes, SIDE, SIDE), 7, "uint8"))
        asset = {"href": str(tmp_path / "a.tif"), "type": COG}
        scenes = [item_of({name: asset, "b": asset}) | {"id": str(n)} for n in range(count)]
        for n, scene in enumerate(scenes):
            scene["properties"] = {"datetime": f"2024-01-0{n + 1}T00:00:00Z"}
        found = scenes if count > 1 else scenes[0]
        open_any: Any = astra_xr.open_scenes if count > 1 else astra_xr.open_scene
        for bands in (None, [name]):
            with pytest.raises(InvalidParameter, match=rf"\['{name}'\].*e.g. '{name}\.1'"):
                open_any(found, bands)
        assert (open_any(found, [f"{name}.1"])[f"{name}.1"] == 7).all()

    def test_a_page_in_place_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_text("<!DOCTYPE html><html><p>Sign in</p></html>")
        item = item_of({"a": {"href": str(tmp_path / "a.tif"), "type": COG}})
        with pytest.raises(ReadError, match=r"begins with b'<!DOCTYP'.*another catalog"):
            opened(item, "a").load()

    def test_a_place_beside_a_scene_across_the_antimeridian(self) -> None:
        transform = [30, 0, 130000, 0, -30, 8100000]
        told = {"href": "https://h/a.tif", "type": COG, "raster:bands": [{"data_type": "uint8"}]}
        item = item_of({"a": told},
                       **{"proj:code": "EPSG:32701", "proj:transform": transform,
                          "proj:shape": [3000, 3000]})  # fmt: skip
        with pytest.raises(
            InvalidParameter, match=r"overlaps the scene, \(179\.\d+, -\d.*, -179\.\d+, -"
        ):
            opened(item, "a", bbox=(0, 0, 1, 1))
