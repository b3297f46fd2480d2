"""Radiometry: the same ground gives the same value, whichever catalog serves it.

The expected numbers are the agencies' and the catalogs' own (ESA, USGS, recorded items).
"""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr import warned
from astra_xr.catalogs import owner_of
from astra_xr.errors import InvalidItem, InvalidParameter
from astra_xr.missions import MISSIONS, landsat_bands, mission_of, sentinel2
from astra_xr.model import Band, Radiometry
from astra_xr.resolver.bands import match_bands, select_bands
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import RadiometryMode, decide_radiometry, override
from astra_xr.settings import Settings
from astra_xr.testing import write_cog
from tests import items
from tests.items import COG

Json = dict[str, Any]
S2 = {band.native: band for band in sentinel2.BANDS}
OLI = {band.native: band for band in landsat_bands.OLI_BANDS}
PLAIN = Band(native="a")


def decide(item: Json, name: str) -> Radiometry | None:
    """Decide as the resolver does for an item that a user brings."""
    mission, owner = mission_of(item), owner_of(item, Settings())
    entry = select_bands(match_bands(item, mission), [name], scene="s:1")[name]
    return decide_radiometry(
        entry.band,
        item,
        item["assets"][entry.key],
        index=entry.indexes[0] if entry.indexes else 1,
        mission=mission,
        offset_applied=owner.offset_applied(item, entry.key) if owner else None,
    )


def alone(band: Band, asset: Json, index: int = 1) -> Radiometry | None:
    """Decide for an item of no mission."""
    item = {"id": "x", "properties": {}}
    return decide_radiometry(band, item, asset, index=index, mission=None, offset_applied=None)


def numbers(radiometry: Radiometry | None) -> tuple[Any, ...]:
    assert radiometry is not None
    return radiometry.dtype, radiometry.scale, radiometry.offset, radiometry.nodata


def planetary_computer(baseline: str) -> Json:
    item = items.planetary_computer(8)
    product = items.PRODUCT.replace("N0511", f"N{baseline.replace('.', '')}")
    item["properties"] |= {"s2:processing_baseline": baseline, "s2:product_uri": product}
    return item


def earth_search_v0(applied: bool, **told: Any) -> Json:
    """Keys are native names; scale, offset and nodata are nowhere."""
    item = items.planetary_computer(8)
    item["id"] = "S2B_10SEG_20250115_0_L2A"
    item["properties"] = {"sentinel:boa_offset_applied": applied, **told}
    for asset in item["assets"].values():
        asset["href"] = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif"
    return item


def cdse() -> Json:
    told = {
        "nodata": 0,
        "data_type": "uint16",
        "raster:scale": 0.0001,
        "raster:offset": -0.1,
        "type": "image/jp2",
    }
    assets: Json = {name: {"href": f"s3://eodata/{name}.jp2", **told} for name in S2}
    assets["SCL"] |= {"data_type": "uint8"}
    item_id = "S2B_MSIL2A_20200705T101559_N0500_R065_T32TMT_20230530T175912"
    return {"id": item_id, "properties": {"processing:version": "05.00"}, "assets": assets}


def usgs(sensor: str = "LC08") -> Json:
    """Scale and offset are nowhere, nor types and nodata."""
    keys = ["red", "nir08", "lwir11", "lwir", "qa_pixel", "qa_aerosol", "qa_radsat"]
    keys += ["QA", "TRAD", "ATRAN", "EMIS", "CDIST", "atmos_opacity"]
    kind = "image/vnd.stac.geotiff; cloud-optimized=true"
    assets = {key: {"href": f"https://landsatlook/{key}.TIF", "type": kind} for key in keys}
    item_id = f"{sensor}_L2SP_010067_20200424_20200918_02_T1"
    return {"id": item_id, "properties": {}, "assets": assets}


class TestSentinel2:
    @pytest.mark.parametrize(
        ("item", "name", "offset", "reason"),
        [
            # Published nowhere: the baseline decides.
            (planetary_computer("02.12"), "red", 0, "baseline 02.12"),
            (planetary_computer("03.01"), "B04", 0, "baseline 03.01"),
            (planetary_computer("04.00"), "red", -0.1, "baseline 04.00"),
            (planetary_computer("05.11"), "nir", -0.1, "baseline 05.11"),
            # The flag says "applied", and so does the offset: it holds for the JPEG 2000 alone.
            (
                items.earth_search_l2a(8),
                "red",
                0,
                "already applied by earth-search (baseline 05.11)",
            ),
            (items.earth_search_l2a(8), "red-jp2", -0.1, "baseline 05.11"),
            (
                items.earth_search_l2a(8, baseline="05.00", sequence=1),
                "nir",
                0,
                "already applied by earth-search (baseline 05.00)",
            ),
            (items.earth_search_l2a(8, baseline="05.11", applied=False), "red", -0.1, "baseline"),
            (items.earth_search_l2a(8, baseline="02.14", applied=False), "red", 0, "baseline"),
            (
                items.earth_search_l2a(8, baseline="02.14", applied=False),
                "red-jp2",
                0,
                "baseline 02.14",
            ),
            # No flag, and pixels as ESA made them.
            (items.earth_search_c1(8), "red", -0.1, "baseline 05.11"),
            (
                earth_search_v0(True, **{"sentinel:processing_baseline": "05.11"}),
                "B08",
                0,
                "already applied by earth-search (baseline 05.11)",
            ),
            (
                earth_search_v0(False, **{"sentinel:processing_baseline": "02.14"}),
                "B08",
                0,
                "baseline 02.14",
            ),
            # A reprocessing of a scene of 2020.
            (cdse(), "B04", -0.1, "baseline 05.00"),
        ],
    )
    def test_reflectance(self, item: Json, name: str, offset: float, reason: str) -> None:
        found = decide(item, name)
        assert numbers(found) == ("uint16", 0.0001, offset, 0)
        assert found is not None
        assert found.reason.startswith(f"offset {offset:g}: {reason}")
        assert not found.as_is
        if not name.endswith("-jp2"):
            assert found.unit == "1"

    def test_same_ground_same_reflectance(self) -> None:
        dn = 3456  # As ESA stores it since baseline 04.00.
        told = [
            (planetary_computer("05.11"), "red", dn),
            (items.earth_search_c1(8), "red", dn),
            (items.earth_search_l2a(8), "red-jp2", dn),
            (items.earth_search_l2a(8), "red", dn - 1000),
            (cdse(), "red", dn),
        ]
        for item, name, stored in told:
            found = decide(item, name)
            assert found is not None
            assert stored * found.scale + found.offset == pytest.approx(0.2456)

    @pytest.mark.parametrize(("name", "scale", "unit"), [("AOT", 0.001, "1"), ("WVP", 0.001, "cm")])
    def test_atmosphere(self, name: str, scale: float, unit: str) -> None:
        # Copernicus publishes the scale and offset of reflectance for these too.
        found = decide(cdse(), name)
        assert numbers(found) == ("uint16", scale, 0, 0)
        assert found is not None
        assert (found.unit, found.reason) == (unit, "offset 0: fixed for Sentinel-2")

    def test_classes_and_pictures_are_never_scaled(self) -> None:
        for name in ("SCL", "TCI"):
            found = decide(cdse(), name)
            assert found is not None
            assert (found.scale, found.offset, found.unit) == (1, 0, None)
            assert found.as_is
            assert found.reason.endswith("numbers, never scaled")
        assert numbers(decide(cdse(), "SCL")) == ("uint8", 1, 0, 0)

    @pytest.mark.parametrize("applied", [True, False])
    def test_no_baseline_is_warned_of(
        self, applied: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "astra_xr"):
            found = decide(earth_search_v0(applied), "red")
        assert numbers(found) == ("uint16", 0.0001, 0, 0)
        assert found is not None
        assert found.reason == "offset 0: the item has no processing baseline"
        assert caplog.messages == [
            "S2B_10SEG_20250115_0_L2A has no processing baseline: its offset is taken as 0"
        ]

    def test_a_baseline_is_not_warned_of(self, caplog: pytest.LogCaptureFixture) -> None:
        decide(planetary_computer("05.11"), "red")
        decide(usgs(), "red")
        assert caplog.messages == []

    def test_what_the_item_says_of_type_and_nodata(self) -> None:
        item = planetary_computer("05.11")
        item["assets"]["B04"]["raster:bands"] = [{"data_type": "int16", "nodata": -1, "scale": 7}]
        assert numbers(decide(item, "red")) == ("int16", 0.0001, -0.1, -1)

    @pytest.mark.parametrize(
        "told", [{"nodata": None}, {"raster:bands": [{"nodata": None}]}, {"bands": [{}]}]
    )
    def test_null_nodata_says_nothing(self, told: Json) -> None:
        item = planetary_computer("05.11")
        item["assets"]["B04"] |= told
        assert numbers(decide(item, "red")) == ("uint16", 0.0001, -0.1, 0)

    @pytest.mark.parametrize(("key", "unit", "as_is"), [("red", "1", False), ("scl", None, True)])
    def test_twins_are_of_their_band(self, key: str, unit: str | None, as_is: bool) -> None:
        item = items.earth_search_l2a(8)
        raster = [{"nodata": 0, "data_type": "uint8"}]
        for name, kind in [("scl", COG), ("scl-jp2", "image/jp2")]:
            item["assets"][name] = {"href": "s3://x", "type": kind, "raster:bands": raster}
        found = decide(item, f"{key}-jp2")
        assert found is not None
        assert (found.unit, found.as_is) == (unit, as_is)


class TestLandsat:
    REFLECTANCE = ("uint16", 2.75e-05, -0.2, 0)
    TEMPERATURE = ("uint16", 0.00341802, 149, 0)

    @pytest.mark.parametrize("item", [usgs(), items.planetary_computer_landsat(8)])
    def test_the_same_with_and_without_declarations(self, item: Json) -> None:
        assert numbers(decide(item, "red")) == self.REFLECTANCE
        assert numbers(decide(item, "nir")) == self.REFLECTANCE
        assert numbers(decide(item, "lwir11")) == self.TEMPERATURE
        red, thermal = decide(item, "red"), decide(item, "ST_B10")
        assert red is not None
        assert thermal is not None
        assert (red.unit, red.reason) == ("1", "offset -0.2: Collection 2 Level-2")
        assert (thermal.unit, thermal.reason) == ("K", "offset 149: fixed for Landsat")
        # A pixel of 300 K.
        assert 44178 * thermal.scale + thermal.offset == pytest.approx(300, abs=0.01)

    @pytest.mark.parametrize("sensor", ["LT05", "LE07"])
    def test_thematic_mapper(self, sensor: str) -> None:
        assert numbers(decide(usgs(sensor), "nir")) == self.REFLECTANCE
        assert numbers(decide(usgs(sensor), "lwir")) == self.TEMPERATURE

    @pytest.mark.parametrize(
        ("name", "expected", "unit"),
        [
            ("ST_QA", ("int16", 0.01, 0, -9999), "K"),
            ("ST_TRAD", ("int16", 0.001, 0, -9999), "W m-2 sr-1 um-1"),
            ("ST_ATRAN", ("int16", 0.0001, 0, -9999), "1"),
            ("ST_EMIS", ("int16", 0.0001, 0, -9999), "1"),
            ("ST_CDIST", ("int16", 0.01, 0, -9999), "km"),
            ("ATMOS_OPACITY", ("int16", 0.001, 0, -9999), "1"),
        ],
    )
    def test_auxiliary(self, name: str, expected: tuple[Any, ...], unit: str) -> None:
        found = decide(usgs(), name)
        assert numbers(found) == expected
        assert found is not None
        assert found.unit == unit

    @pytest.mark.parametrize(
        ("name", "dtype", "nodata"),
        [("QA_PIXEL", "uint16", 1), ("QA_AEROSOL", "uint8", 1), ("QA_RADSAT", "uint16", None)],
    )
    def test_masks_are_never_scaled(self, name: str, dtype: str, nodata: float | None) -> None:
        item = usgs()
        for asset in item["assets"].values():
            asset["raster:bands"] = [{"scale": 5, "offset": 5, "unit": "bit index"}]
        found = decide(item, name)
        assert numbers(found) == (dtype, 1, 0, nodata)
        assert found is not None
        assert (found.as_is, found.unit) == (True, None)


class TestUnknownMission:
    @pytest.mark.parametrize(
        ("asset", "index", "expected", "unit"),
        [
            # Landsat 5 MSS, Level 1.
            (
                {
                    "raster:bands": [
                        {"scale": 0.66024, "offset": 2.03976, "nodata": 0, "data_type": "uint8"}
                        | {"unit": "watt/steradian/square_meter/micrometer"}
                    ]
                },
                1,
                ("uint8", 0.66024, 2.03976, 0),
                "watt/steradian/square_meter/micrometer",
            ),
            # Sentinel-1 RTC: no scale, no offset.
            (
                {"raster:bands": [{"nodata": -32768, "data_type": "float32"}]},
                1,
                ("float32", 1, 0, -32768),
                None,
            ),
            # STAC 1.1, at the asset and at the band.
            (
                {"data_type": "int16", "nodata": -1, "raster:scale": 0.1, "raster:offset": 2},
                1,
                ("int16", 0.1, 2, -1),
                None,
            ),
            (
                {
                    "data_type": "int16",
                    "unit": "m",
                    "bands": [{"nodata": 0}, {"raster:scale": 0.5, "nodata": 9, "unit": "km"}],
                },
                2,
                ("int16", 0.5, 0, 9),
                "km",
            ),
            # A plane of a file.
            (
                {"raster:bands": [{"data_type": "uint8"}, {"data_type": "uint16", "nodata": 7}]},
                2,
                ("uint16", 1, 0, 7),
                None,
            ),
            ({"data_type": "int8", "raster:offset": -5}, 1, ("int8", 1, -5, None), None),
            ({"data_type": "cint16"}, 1, ("complex64", 1, 0, None), None),
            ({"data_type": "int8", "scale": 0.5, "offset": 3}, 1, ("int8", 0.5, 3, None), None),
            # The type is the file's.
            ({"raster:bands": [{"scale": 2, "nodata": 0}]}, 1, ("", 2, 0, 0), None),
            ({"nodata": 9, "data_type": "other"}, 1, ("", 1, 0, 9), None),
        ],
    )
    def test_as_declared(
        self, asset: Json, index: int, expected: tuple[Any, ...], unit: str | None
    ) -> None:
        found = alone(PLAIN, asset, index)
        assert numbers(found) == expected
        assert found is not None
        assert found.unit == unit
        declares = "scale" in str(asset) or "offset" in str(asset)
        said = f"offset {found.offset:g}: from the item" if declares else "no scale or offset"
        assert said in found.reason
        assert found.file_tags == ("compared" if declares else "applied")

    @pytest.mark.parametrize(
        ("properties", "asset", "expected"),
        [
            (
                {"data_type": "int16", "nodata": -1, "raster:scale": 0.1, "raster:offset": 2},
                {},
                ("int16", 0.1, 2, -1),
            ),
            ({"scale": 0.1, "offset": 2}, {"data_type": "uint8"}, ("uint8", 0.1, 2, None)),
            # The asset, and a band of it, are nearer.
            (
                {"nodata": 0, "raster:scale": 7},
                {"nodata": 1, "bands": [{"data_type": "int8", "raster:scale": 0.5}]},
                ("int8", 0.5, 0, 1),
            ),
            # What may be something else: of a map, of a product, of nothing.
            (
                {"scale": 25000, "data_type": "DEM", "nodata": "none", "raster:scale": None},
                {"data_type": "int8"},
                ("int8", 1, 0, None),
            ),
            ({}, {"data_type": "int8", "scale": 25000}, ("int8", 1, 0, None)),
            ({}, {"data_type": "int8", "offset": 7}, ("int8", 1, 7, None)),
        ],
    )
    def test_properties_of_the_item_are_of_all_its_bands(
        self, properties: Json, asset: Json, expected: tuple[Any, ...]
    ) -> None:
        item = {"id": "x", "properties": properties}
        found = decide_radiometry(PLAIN, item, asset, mission=None, offset_applied=None)
        assert numbers(found) == expected

    def test_properties_of_the_item_do_not_overrule_a_table(self) -> None:
        item = usgs()
        before = numbers(decide(item, "QA_PIXEL")), numbers(decide(item, "red"))
        item["properties"] |= {"nodata": 7, "data_type": "int8", "raster:scale": 3}
        assert (numbers(decide(item, "QA_PIXEL")), numbers(decide(item, "red"))) == before

    @pytest.mark.parametrize(
        "asset",
        [
            {},
            {"raster:bands": []},
            {"raster:bands": [{}]},
            {"raster:bands": None},
            {"data_type": "other"},
        ],
    )
    def test_no_metadata(self, asset: Json) -> None:
        assert alone(PLAIN, asset) is None

    def test_a_plane_beyond_the_metadata(self) -> None:
        assert alone(PLAIN, {"raster:bands": [{"data_type": "uint8"}]}, index=2) is None

    @pytest.mark.parametrize("text", ["nan", "NaN", math.nan])
    def test_nodata_nan(self, text: Any) -> None:
        found = alone(PLAIN, {"data_type": "float32", "nodata": text})
        assert found is not None
        assert found.nodata is not None
        assert math.isnan(found.nodata)

    @pytest.mark.parametrize("text", ["-inf", "inf", "0", "-9999"])
    def test_numbers_as_text(self, text: str) -> None:
        found = alone(PLAIN, {"raster:bands": [{"data_type": "float32", "nodata": text}]})
        assert found is not None
        assert found.nodata == float(text)

    @pytest.mark.parametrize("name", ["nodata", "scale", "offset"])
    @pytest.mark.parametrize("odd", ["none", "", [0], {"value": 0}])
    def test_what_is_no_number(self, name: str, odd: Any) -> None:
        with pytest.raises(InvalidItem) as caught:
            alone(PLAIN, {"raster:bands": [{"data_type": "int16", name: odd}]})
        assert str(caught.value) == (
            f"STAC item 'x' cannot be used: its {name} is {odd!r}, not a number."
        )

    @pytest.mark.parametrize(
        ("name", "odd"), [("scale", "nan"), ("scale", math.inf), ("scale", 0), ("offset", "nan")]
    )
    def test_numbers_that_cannot_be(self, name: str, odd: Any) -> None:
        with pytest.raises(InvalidItem):
            alone(PLAIN, {"raster:bands": [{"data_type": "int16", name: odd}]})

    @pytest.mark.parametrize(
        "asset",
        [
            {"data_type": ["int16"]},
            {"data_type": "int16", "nodata": 10**400},
            {"data_type": "object"},
            {"data_type": "str"},
        ],
    )
    def test_odd_types(self, asset: Json) -> None:
        try:
            found = alone(PLAIN, asset)
        except InvalidItem:
            return
        assert found is None


def test_an_unknown_band_of_a_mission_uses_the_item() -> None:
    asset = {"raster:bands": [{"data_type": "uint8", "nodata": 0, "scale": 0.01}]}
    item = {"id": items.PRODUCT, "properties": {}}
    band = Band(native="cloud")
    found = decide_radiometry(
        band, item, asset, mission=MISSIONS["sentinel-2"], offset_applied="already applied"
    )
    assert numbers(found) == ("uint8", 0.01, 0, 0)


def test_tables_alone_are_enough() -> None:
    """Where an item says nothing the mission's table does, for every band of it."""
    for mission, table, item_id in (
        (MISSIONS["sentinel-2"], S2, items.PRODUCT),
        (MISSIONS["landsat"], OLI, "LC08_L2SP_044034_20171020_02_T1"),
    ):
        for band in table.values():
            item = {"id": item_id, "properties": {}}
            found = decide_radiometry(band, item, {}, mission=mission, offset_applied=None)
            assert found is not None, band.native
            assert found.nodata == band.nodata
            assert found.reason, band.native


class TestOverride:
    @pytest.mark.parametrize("item", [items.earth_search_c1(8), items.planetary_computer(8)])
    def test_stored_numbers(self, item: Json) -> None:
        (asset,) = (
            LocalResolver().resolve(item, "red", sign=False, radiometry="raw").assets.values()
        )
        assert numbers(asset.radiometry) == ("uint16", 1, 0, 0)
        assert asset.radiometry is not None
        assert asset.radiometry.unit is None
        assert asset.radiometry.reason == "stored numbers, by radiometry='raw'"

    def test_the_files_own(self) -> None:
        (asset,) = (
            LocalResolver()
            .resolve(items.earth_search_c1(8), "red", sign=False, radiometry="file")
            .assets.values()
        )
        assert asset.radiometry is None, "the file's header is to tell"

    @pytest.mark.parametrize("mode", ["file", "raw"])
    def test_classes_stay(self, mode: RadiometryMode) -> None:
        band = S2["SCL"]
        decided = decide_radiometry(
            band, cdse(), cdse()["assets"]["SCL"], mission=MISSIONS["sentinel-2"],
            offset_applied=None,
        )  # fmt: skip
        assert override(decided, mode) == decided

    @pytest.mark.parametrize(
        "mode", ["none", "None", "RAW", "", 1, True, False, ["file"], np.array(["file", "raw"])]
    )
    def test_other_wishes(self, mode: Any) -> None:
        with pytest.raises(InvalidParameter, match=r"radiometry=.* expected 'auto'"):
            LocalResolver().resolve(items.earth_search_c1(8), "red", radiometry=mode)

    @pytest.mark.parametrize(
        ("mode", "expected"), [(None, 0.3), ("auto", 0.3), ("file", 0.4001), ("raw", 4000)]
    )
    def test_values(self, tmp_path: Path, mode: RadiometryMode | None, expected: float) -> None:
        dn = np.full((64, 64), 4000, "uint16")
        dn[0, 0] = 0
        path = write_cog(tmp_path / "B04.tif", dn, scales=(1e-4,), offsets=(1e-4,))
        item = items.earth_search_c1(64)
        item["assets"] = {"red": item["assets"]["red"] | {"href": str(path)}}
        ds = astra_xr.open_scene(item, "red", radiometry=mode)
        assert ds.red.dtype == "float32"
        told = warnings.catch_warnings(record=True)
        warned._seen.clear()
        with told as caught:
            warnings.simplefilter("always")
            assert ds.red.values[1, 1] == pytest.approx(expected)
            assert ds.red.copy().values[2, 2] == pytest.approx(expected)
        said = [str(each.message) for each in caught]
        assert len(said) == (mode in (None, "auto")), said
        assert all("file's own tags are 0.0001 and 0.0001" in each for each in said)
        assert np.isnan(ds.red.values[0, 0])
        assert ds.red.attrs.get("units") == ("1" if mode in (None, "auto") else None)
