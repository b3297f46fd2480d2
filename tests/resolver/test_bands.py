"""Bands: which asset holds which, and which one a name means."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astra_xr.errors import AmbiguousBand, AstraError, InvalidParameter, UnknownBand
from astra_xr.missions import MISSIONS, clean_item, mission_of
from astra_xr.missions.media_types import is_cog_type
from astra_xr.resolver.band_fields import describe_planes
from astra_xr.resolver.bands import (
    BandAsset,
    is_raster,
    match_bands,
    select_bands,
    split_names,
)
from tests import items
from tests.items import COG

Json = dict[str, Any]
S2, LANDSAT = MISSIONS["sentinel-2"], MISSIONS["landsat"]
VND = "image/vnd.stac.geotiff; cloud-optimized=true"


def tiff(name: str = "a", **fields: Any) -> Json:
    return {"href": f"https://store.example/{name}.tif", "type": COG, **fields}


def item_of(assets: Json, item_id: str = "x", **properties: Any) -> Json:
    return {"id": item_id, "properties": properties, "assets": assets}


def match(item: Json) -> list[BandAsset]:
    return match_bands(item, mission_of(item))


def select(item: Json, *names: str) -> dict[str, tuple[str, str, tuple[int, ...] | None]]:
    """Give name → (native name, asset key, planes)."""
    chosen = select_bands(match(item), list(names) or None, scene="s:1")
    return {name: (e.band.native, e.key, e.indexes) for name, e in chosen.items()}


def test_textbook_names_of_an_item_of_no_mission() -> None:
    described = {"eo:bands": [{"name": "b6", "common_name": "swir16"}]}
    item = item_of({"sw": tiff() | described, "red": tiff("b")})
    assert select(item, "swir1") == {"swir1": ("sw", "sw", (1,))}


def full_sentinel2() -> Json:
    """Every reflectance band as Earth Search c1 names them."""
    keys = {
        "rededge1": ("B05", "rededge"),
        "rededge2": ("B06", "rededge"),
        "rededge3": ("B07", "rededge"),
        "nir08": ("B8A", "nir08"),
    }
    item = items.earth_search_c1(8)
    for key, (name, common) in keys.items():
        bands = [{"name": name, "common_name": common, "center_wavelength": 0.7}]
        item["assets"][key] = tiff(name, **{"eo:bands": bands})
    for key in ("scl", "aot", "wvp"):
        item["assets"][key] = tiff(key)
    rgb = [{"name": n, "common_name": c} for n, c in (("B04", "red"), ("B03", "green"))]
    blue = {"name": "B02", "common_name": "blue"}
    item["assets"]["visual"] = tiff("TCI", **{"eo:bands": [*rgb, blue], "roles": ["visual"]})
    item["assets"]["preview"] = tiff("L2A_PVI", roles=["overview"])
    item["assets"]["thumbnail"] = {"href": "https://h/preview.jpg", "type": "image/jpeg"}
    return item


def naip() -> Json:
    """Four planes in one file, as the Planetary Computer describes NAIP."""
    names = [("Red", "red"), ("Green", "green"), ("Blue", "blue"), ("NIR", "nir")]
    bands = [{"name": name, "common_name": common} for name, common in names]
    image = tiff("m_46", **{"eo:bands": bands, "roles": ["data"], "title": "RGBIR COG tile"})
    thumbnail = {"href": "https://h/m_46.200.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}
    return item_of({"image": image, "thumbnail": thumbnail})


def cdse() -> Json:
    """JPEG 2000 at several resolutions, STAC 1.1 bands, and none of SCL, AOT and WVP."""
    assets: Json = {}
    for key, sampling in [
        ("AOT_10m", None), ("B01_20m", "upsampled"), ("B01_60m", "original"),
        ("B04_10m", "original"), ("B04_20m", "downsampled"), ("B04_60m", "downsampled"),
        ("B08_10m", "original"), ("SCL_20m", "original"), ("SCL_60m", "downsampled"),
        ("WVP_10m", None),
    ]:  # fmt: skip
        name = key[:3]
        roles = ["data", *([f"sampling:{sampling}"] if sampling else []), f"gsd:{key[4:]}"]
        assets[key] = {"href": f"s3://eodata/{key}.jp2", "type": "image/jp2", "roles": roles}
        if name.startswith("B"):
            common = {"B01": "coastal", "B04": "red", "B08": "nir"}[name]
            assets[key]["bands"] = [{"name": name, "eo:common_name": common}]
    return item_of(assets, items.PRODUCT)


class TestNames:
    @pytest.mark.parametrize(
        ("item", "names", "natives"),
        [
            (items.earth_search_l2a(8), ["red", "nir"], ["B04", "B08"]),
            (items.earth_search_l2a(8), ["B04", "B08"], ["B04", "B08"]),
            (items.earth_search_l2a(8), ["nir", "B4"], ["B08", "B04"]),
            (items.earth_search_l2a(8), [" RED ", "b8"], ["B04", "B08"]),
            (items.planetary_computer(8), ["red", "B08", "nir08"], ["B04", "B08", "B8A"]),
            (
                items.planetary_computer_landsat(8),
                ["nir", "red", "lwir11", "QA_PIXEL"],
                ["B05", "B04", "B10", "QA_PIXEL"],
            ),
            (items.planetary_computer_landsat(8), ["OLI_B5", "SR_B4"], ["B05", "B04"]),
            (items.planetary_computer_landsat(8), ["nir08", "ST_B10"], ["B05", "B10"]),
            (full_sentinel2(), ["rededge1", "B06", "rededge078"], ["B05", "B06", "B07"]),
            (full_sentinel2(), ["SCL", "visual", "aot"], ["SCL", "TCI", "AOT"]),
        ],
    )
    def test_any_of_a_bands_names(self, item: Json, names: list[str], natives: list[str]) -> None:
        chosen = select(item, *names)
        # In the order that was asked for, under the names that were asked for.
        assert list(chosen) == names
        assert [native for native, _, _ in chosen.values()] == natives

    def test_same_names_on_every_catalog(self) -> None:
        for item in (
            items.earth_search_l2a(8),
            items.earth_search_c1(8),
            items.planetary_computer(8),
        ):
            by_common, by_native = select(item, "red", "nir"), select(item, "B04", "B08")
            assert list(by_common.values()) == list(by_native.values())

    def test_planetary_computer_calls_b8a_rededge(self) -> None:
        item = items.planetary_computer(8)
        for name in ("B8A", "nir08"):
            assert select(item, name)[name][:2] == ("B8A", "B8A")
        with pytest.raises(UnknownBand):
            select(item, "rededge")

    def test_rededge_is_ambiguous(self) -> None:
        with pytest.raises(AmbiguousBand) as caught:
            select(full_sentinel2(), "red", "rededge")
        assert str(caught.value) == (
            "'rededge' fits several bands of s:1: B05 (Red edge 1, 0.704 µm), "
            "B06 (Red edge 2, 0.74 µm), B07 (Red edge 3, 0.783 µm). Use one of them."
        )
        assert list(caught.value.candidates) == ["B05", "B06", "B07"]
        for name in caught.value.candidates:
            assert select(full_sentinel2(), name)[name][0] == name

    def test_one_rededge_is_not(self) -> None:
        item = full_sentinel2()
        del item["assets"]["rededge1"], item["assets"]["rededge3"]
        assert select(item, "rededge")["rededge"][0] == "B06"

    def test_unknown(self) -> None:
        with pytest.raises(UnknownBand) as caught:
            select(items.planetary_computer(8), "red", "nirr")
        assert str(caught.value) == (
            "s:1 has no band 'nirr'. Did you mean 'nir' or 'nir08'? "
            "Bands, native (common): B04 (red), B08 (nir), B8A (nir08)."
        )
        assert caught.value.available == {"B04": "red", "B08": "nir", "B8A": "nir08"}

    def test_known_of_the_mission_but_not_in_the_scene(self) -> None:
        with pytest.raises(UnknownBand, match=r"has no band 'green'"):
            select(items.earth_search_l2a(8), "green")
        # The other sensor's name of the band.
        with pytest.raises(UnknownBand):
            select(items.planetary_computer_landsat(8), "ETM_B3")

    @pytest.mark.parametrize(
        "names", [["red", "B04"], ["B04", "B4"], ["nir", "nir"], ["red", "nir", "Red"]]
    )
    def test_each_band_once(self, names: list[str]) -> None:
        with pytest.raises(InvalidParameter, match="; expected each band once") as caught:
            select(items.earth_search_l2a(8), *names)
        assert f"{names[0]!r} and {names[-1]!r} are both B0" in str(caught.value)

    def test_no_names(self) -> None:
        with pytest.raises(InvalidParameter, match="at least one band name, or None"):
            select_bands(match(items.earth_search_l2a(8)), [], scene="s:1")

    def test_all_bands(self) -> None:
        natives = ["B04", "B05", "B06", "B07", "B08", "B8A", "AOT", "WVP", "SCL", "TCI"]
        assert list(select(full_sentinel2())) == natives
        assert list(select(items.earth_search_l2a(8))) == ["B04", "B08"]

    def test_no_bands_at_all(self) -> None:
        item = item_of({"metadata": {"href": "https://h/x.xml", "type": "application/xml"}})
        for names in ([], ["red"]):
            with pytest.raises(UnknownBand, match="None of its assets is a raster"):
                select(item, *names)


class TestTwins:
    def test_cog_before_jpeg2000(self) -> None:
        item = items.earth_search_l2a(8)
        backwards = {**item, "assets": dict(reversed(item["assets"].items()))}
        for each in (item, backwards):
            assert select(each, "red")["red"][:2] == ("B04", "red")
            assert list(select(each)) == ["B04", "B08"]

    def test_jpeg2000_by_its_key(self) -> None:
        assert select(items.earth_search_l2a(8), "red-jp2", "red") == {
            "red-jp2": ("red-jp2", "red-jp2", (1,)),
            "red": ("B04", "red", (1,)),
        }

    def test_jpeg2000_where_there_is_nothing_else(self) -> None:
        item = items.earth_search_l2a(8)
        for key in ("red", "nir"):
            item["assets"][key]["type"] = "image/jp2"
        assert select(item, "red")["red"][:2] == ("B04", "red")

    def test_previews_by_their_keys(self) -> None:
        assert select(full_sentinel2(), "preview") == {"preview": ("preview", "preview", None)}
        with pytest.raises(UnknownBand):
            select(full_sentinel2(), "thumbnail")

    def test_overview_is_not_the_picture(self) -> None:
        item = full_sentinel2()
        item["assets"]["overview"] = item["assets"]["visual"] | {"roles": ["overview"]}
        assert select(item, "TCI")["TCI"] == ("TCI", "visual", (1, 2, 3))

    def test_copernicus_by_name(self) -> None:
        assert select(cdse(), "red", "B08") == {
            "red": ("B04", "B04_10m", (1,)),
            "B08": ("B08", "B08_10m", (1,)),
        }
        assert select(cdse(), "B04_20m")["B04_20m"][:2] == ("B04_20m", "B04_20m")

    @pytest.mark.parametrize(("name", "key"), [("B01", "B01_60m"), ("red", "B04_10m")])
    def test_copernicus_native_resolution(self, name: str, key: str) -> None:
        item = cdse()
        assert select(item, name)[name][1] == key
        item["assets"] = dict(reversed(item["assets"].items()))
        assert select(item, name)[name][1] == key

    @pytest.mark.parametrize(
        ("name", "key"), [("SCL", "SCL_20m"), ("AOT", "AOT_10m"), ("WVP", "WVP_10m")]
    )
    def test_copernicus_without_bands(self, name: str, key: str) -> None:
        assert select(cdse(), name)[name][:2] == (name, key)


class TestLandsat:
    def test_indexes_into_the_items_bands(self) -> None:
        names = [("SR_B4", "red"), ("SR_B5", "nir08")]
        eo = [{"name": name, "common_name": common} for name, common in names]
        assets = {
            "four": {"href": "https://h/4.TIF", "type": VND, "eo:bands": [0]},
            "SR_B5.TIF": {"href": "https://h/5.TIF", "type": VND, "eo:bands": [1]},
        }
        item = item_of(assets, "LC08_L2SP_005009_20150710_20200908_02_T2", **{"eo:bands": eo})
        assert select(item, "red", "nir") == {
            "red": ("B04", "four", (1,)),
            "nir": ("B05", "SR_B5.TIF", (1,)),
        }
        assert [b.common for b in describe_planes(item, "four", assets["four"])] == ["red"]
        for odd in ([2], [-1], ["0"], [None], [0, 2]):
            assert describe_planes(item, "a", {"eo:bands": odd}) == ()

    @pytest.mark.parametrize("sensor", ["LE07", "LT05"])
    def test_thematic_mapper(self, sensor: str) -> None:
        assets = {
            key: {"href": f"https://h/{name}.TIF", "type": VND, "eo:bands": [{"name": name}]}
            for key, name in [("red", "B3"), ("nir08", "B4"), ("swir16", "B5"), ("lwir", "B6")]
        }
        item = item_of(assets, f"{sensor}_L2SP_010067_19860424_20200918_02_T2_SR")
        wanted = {"red": "B03", "nir": "B04", "swir16": "B05", "thermal": "B06"}
        assert {n: native for n, (native, _, _) in select(item, *wanted).items()} == wanted
        assert select(item, "B5")["B5"][1] == "swir16"


class TestUnknownMission:
    def test_keys_and_own_names(self) -> None:
        item = item_of(
            {
                "asset1": tiff("1", **{"eo:bands": [{"name": "Band 1", "common_name": "red"}]}),
                "asset2": tiff("2", bands=[{"name": "b2", "eo:common_name": "nir"}]),
                "hh": tiff("3"),
            }
        )
        assert list(select(item)) == ["asset1", "asset2", "hh"]
        for name, key in [
            *(("asset1", "asset1"), ("band 1", "asset1"), ("RED", "asset1")),
            *(("asset2", "asset2"), ("b2", "asset2"), ("nir", "asset2"), ("HH", "hh")),
        ]:
            assert select(item, name)[name][:2] == (key, key)

    def test_what_an_asset_says_of_itself(self) -> None:
        told = {
            "name": "B1",
            "eo:common_name": "red",
            "eo:center_wavelength": 0.65,
            "eo:full_width_half_max": 0.04,
        }
        (entry,) = match(item_of({"a": tiff(bands=[told], gsd=5, title="Red band")}))
        band = entry.band
        assert (band.native, band.common, band.spellings) == ("a", "red", ("B1",))
        assert (band.wavelength, band.fwhm, band.gsd, band.title) == (0.65, 0.04, 5, "Red band")
        assert (band.role, band.scale, band.unit) == ("data", 1, None)

    def test_planes_of_one_file(self) -> None:
        assert select(naip()) == {"image": ("image", "image", (1, 2, 3, 4))}
        assert select(naip(), "nir", "Red", "image") == {
            "nir": ("NIR", "image", (4,)),
            "Red": ("Red", "image", (1,)),
            "image": ("image", "image", (1, 2, 3, 4)),
        }
        (whole, *_) = match(naip())
        assert [plane.common for plane in whole.planes] == ["red", "green", "blue", "nir"]

    def test_a_file_beats_a_plane_of_its_name(self) -> None:
        item = naip()
        item["assets"]["red"] = tiff("red")
        assert select(item, "red")["red"] == ("red", "red", None)

    @pytest.mark.parametrize(
        ("fields", "indexes"),
        [
            ({}, None),
            ({"raster:bands": [{}]}, (1,)),
            ({"raster:bands": [{}, {}, {}]}, (1, 2, 3)),
            ({"bands": [{"data_type": "uint8"}, {"data_type": "uint8"}]}, (1, 2)),
            ({"eo:bands": [{"name": "a"}, {"name": "b"}]}, (1, 2)),
        ],
    )
    def test_how_many_planes(self, fields: Json, indexes: tuple[int, ...] | None) -> None:
        assert match(item_of({"a": tiff(**fields)}))[0].indexes == indexes

    def test_ambiguous(self) -> None:
        eo: Json = {"eo:bands": [{"common_name": "rededge", "name": "RE"}]}
        item = item_of({"a": tiff(**eo), "b": tiff(**eo)})
        with pytest.raises(AmbiguousBand) as caught:
            select(item, "rededge")
        assert caught.value.candidates == {"a": "a", "b": "b"}

    def test_previews_are_not_listed(self) -> None:
        item = item_of({"a": tiff(), "b": tiff("b", roles=["overview"])})
        assert list(select(item)) == ["a"]
        assert select(item, "b")["b"][1] == "b"

    def test_unknown_names_the_planes(self) -> None:
        with pytest.raises(UnknownBand) as caught:
            select(naip(), "nirr")
        assert "Did you mean 'nir'" in str(caught.value)
        assert "NIR (nir)" in str(caught.value)

    def test_planes_of_one_name_in_two_files(self) -> None:
        item = naip()
        item["assets"]["second"] = item["assets"]["image"]
        with pytest.raises(AmbiguousBand) as caught:
            select(item, "red")
        assert len(caught.value.candidates) == 2
        for name in caught.value.candidates:
            select(item, name)

    def test_keys_that_differ_in_case(self) -> None:
        item = item_of({"vza": tiff("a"), "VZA": tiff("b")})
        assert select(item, "vza", "VZA").keys() == {"vza", "VZA"}


class TestSplitNames:
    @pytest.mark.parametrize(
        ("bands", "names"),
        [
            (None, None),
            ("red", ["red"]),
            ("red,nir", ["red", "nir"]),
            (" red , B08 ,", ["red", "B08"]),
            ("", []),
            (",", []),
            (["red", "nir"], ["red", "nir"]),
            (("red",), ["red"]),
            (iter(["red", "nir"]), ["red", "nir"]),
            ([], []),
        ],
    )
    def test_forms(self, bands: Any, names: list[str] | None) -> None:
        assert split_names(bands) == names

    @pytest.mark.parametrize("bands", [[4], ["red", None], b"red", [["red"]]])
    def test_not_text(self, bands: Any) -> None:
        with pytest.raises(InvalidParameter, match="expected band names as text"):
            split_names(bands)

    @pytest.mark.parametrize("bands", [4, 1.5, object()])
    def test_not_even_a_list(self, bands: Any) -> None:
        with pytest.raises(InvalidParameter):
            split_names(bands)


class TestRasters:
    @pytest.mark.parametrize(
        ("kind", "href", "raster", "cog"),
        [
            (COG, "https://h/x", True, True),
            (VND, "https://h/x.TIF", True, True),
            ("image/tiff; application=geotiff", "https://h/x.tif", True, False),
            ("IMAGE/TIFF", "https://h/x", True, False),
            ("image/jp2", "s3://h/x.jp2", True, False),
            (None, "https://h/x.TIF?sig=1", True, False),
            ("", "x.jp2", True, False),
            (None, "https://h/x", False, False),
            (None, None, False, False),
            ("image/jpeg", "https://h/x.tif", False, False),
            ("application/json", "https://h/x.tif", False, False),
            ("text/html", "https://h/?file=x.tif", False, False),
        ],
    )
    def test_by_type_else_by_name(
        self, kind: str | None, href: str | None, raster: bool, cog: bool
    ) -> None:
        assert is_raster({"type": kind, "href": href}) is raster
        assert is_cog_type(kind) is cog


# Items of the right outline, with anything inside it.
words = st.sampled_from(
    ["B04", "B8A", "red", "nir", "rededge", "SR_B5", "qa", "visual", "SCL_20m", "red-jp2", "a"]
) | st.text(max_size=5)
numbers = st.none() | st.floats() | st.integers()
bands = st.fixed_dictionaries(
    {},
    optional={
        "name": words,
        "common_name": words,
        "eo:common_name": words,
        "center_wavelength": st.none() | st.floats(0, 20),
        "description": words,
    },
)
roles = st.lists(st.sampled_from(["data", "visual", "overview", "thumbnail", "metadata"]))
assets = st.fixed_dictionaries(
    {"href": words.map("https://h/{}.tif".format)},
    optional={
        "type": st.none() | st.sampled_from([COG, VND, "image/jp2", "image/jpeg", "text/xml"]),
        "roles": st.none() | roles,
        "eo:bands": st.none() | st.lists(bands | st.integers(-2, 4), max_size=4),
        "bands": st.none() | st.lists(bands, max_size=4),
        "raster:bands": st.none() | st.lists(st.fixed_dictionaries({"nodata": numbers})),
        "gsd": st.none() | st.floats(0, 100),
        "title": words,
    },
)
ids = st.sampled_from([items.PRODUCT, "LC08_L2SP_044034_20171020_02_T1", "LT05_X", "x"])
real_items = st.builds(
    lambda item_id, found, eo: item_of(found, item_id, **({"eo:bands": eo} if eo else {})),
    ids,
    st.dictionaries(words, assets, max_size=6),
    st.none() | st.lists(bands, max_size=4),
)

anything = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["href", "type", "roles", "eo:bands", "bands", "raster:bands", "gsd", "title"]
odd_assets = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything)).map(
    lambda asset: {"href": "x.tif", **asset}
)
odd_items = st.fixed_dictionaries(
    {
        "id": ids | anything,
        "properties": st.none() | st.fixed_dictionaries({"eo:bands": anything}),
        "assets": st.dictionaries(words, odd_assets, max_size=3),
    }
)


class TestAnyItem:
    @given(item=real_items, names=st.none() | st.lists(words, max_size=3))
    def test_only_our_errors(self, item: Json, names: list[str] | None) -> None:
        before = copy.deepcopy(item)
        for mission in (None, S2, LANDSAT):
            found = match_bands(item, mission)
            with contextlib.suppress(AstraError):
                chosen = select_bands(found, names, scene="s:1")
                assert list(chosen) == names or names is None
                assert {entry.key for entry in chosen.values()} <= item["assets"].keys()
                places = [(entry.key, entry.indexes) for entry in chosen.values()]
                assert len(set(places)) == len(places)
        assert item == before, "what it reads stays as it was"

    @given(item=real_items)
    def test_listed_names_open(self, item: Json) -> None:
        for mission in (S2, LANDSAT):
            found = match_bands(item, mission)
            for entry in found:
                if entry.listed:
                    name = entry.band.native
                    assert select_bands(found, [name], scene="s:1") == {name: entry}

    @settings(max_examples=50)
    @given(item=odd_items)
    def test_only_our_errors_for_odd_types(self, item: Json) -> None:
        with contextlib.suppress(AstraError):
            found = match(clean_item(item))
            select_bands(found, ["red"], scene="s:1")


class TestRoles:
    @pytest.mark.parametrize("names", [["reflectance"], [" Reflectance "]])
    def test_all_of_a_role(self, names: list[str]) -> None:
        natives = ["B04", "B05", "B06", "B07", "B08", "B8A"]
        assert list(select(full_sentinel2(), *names)) == natives

    @pytest.mark.parametrize(
        ("item", "names", "chosen"),
        [
            (full_sentinel2(), ["class"], ["SCL"]),
            (full_sentinel2(), ["aerosol", "nir", "class"], ["AOT", "nir", "SCL"]),
            (items.planetary_computer_landsat(8), ["mask", "red"], ["QA_PIXEL", "red"]),
            (items.planetary_computer_landsat(8), ["thermal"], ["thermal"]),
            (items.planetary_computer_landsat(8), ["all"], ["B04", "B05", "B10", "QA_PIXEL"]),
            (naip(), ["all"], ["image"]),
            (naip(), ["data"], ["image"]),
        ],
    )
    def test_mixed_with_names(self, item: Json, names: list[str], chosen: list[str]) -> None:
        assert list(select(item, *names)) == chosen

    def test_all_is_what_comes_without_names(self) -> None:
        assert select(full_sentinel2(), "all") == select(full_sentinel2())

    @pytest.mark.parametrize(
        "names", [["red", "reflectance"], ["reflectance", "B8A"], ["all", "SCL"], ["class", "scl"]]
    )
    def test_a_band_twice(self, names: list[str]) -> None:
        with pytest.raises(InvalidParameter, match="each band once"):
            select(full_sentinel2(), *names)

    def test_none_of_a_role(self) -> None:
        with pytest.raises(UnknownBand, match="has no band 'thermal'"):
            select(full_sentinel2(), "thermal")

    def test_a_name_comes_before_a_role(self) -> None:
        item = item_of({"mask": tiff("m"), "all": tiff("a"), "b": tiff("b")})
        assert list(select(item, "mask", "all")) == ["mask", "all"]


class TestPlanes:
    def test_each_alone(self) -> None:
        item = naip() | {"id": "id_m_4611606_ne_11_060_20231117_20240103"}
        entries = {e.band.native: e for e in match(item)}
        assert entries["NIR"].band.wavelength == 0.86
        assert select(item, "image", "red", "NIR") == {
            "image": ("image", "image", (1, 2, 3, 4)),
            "red": ("Red", "image", (1,)),
            "NIR": ("NIR", "image", (4,)),
        }
        assert select(item, "image.green")["image.green"] == ("Green", "image", (2,))
        with pytest.raises(InvalidParameter, match="each band once"):
            select(item, "red", "image.red")

    def test_in_the_order_of_the_file(self) -> None:
        item = naip() | {"id": "al_m_3008501_ne_16_1_20110815"}
        bands = [{"name": "NIR", "common_name": "nir"}, {"name": "Red"}, {"name": "Extra"}]
        item["assets"]["image"]["eo:bands"] = bands
        assert [select(item, name)[name][2] for name in ("nir", "red", "Extra")] == [
            (1,),
            (2,),
            (3,),
        ]
        with pytest.raises(UnknownBand):
            select(item, "blue")

    def test_where_the_item_does_not_tell(self) -> None:
        item = naip() | {"id": "al_m_3008501_ne_16_1_20110815"}
        del item["assets"]["image"]["eo:bands"]
        assert select(item, "nir")["nir"] == ("NIR", "image", (4,))

    @pytest.mark.parametrize("name", ["TCI.green", "visual.green", "tci.GREEN"])
    def test_a_pictures_colours_go_by_longer_names(self, name: str) -> None:
        item = full_sentinel2()
        assert select(item, name)[name] == ("TCI.green", "visual", (2,))
        del item["assets"]["red"]
        with pytest.raises(UnknownBand):
            # Eight bits for the eye are no reflectance.
            select(item, "red")
