"""The missions' tables: consistent, and what the agencies and the API page say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from astra_xr.missions import MISSIONS, Mission, hls, landsat_bands, mission_of, sentinel2
from astra_xr.model import ROLES, Band
from astra_xr.resolver.ids import parse_scene_id
from tests import items

S2, LANDSAT = MISSIONS["sentinel-2"], MISSIONS["landsat"]
TABLES = {
    "sentinel-2": sentinel2.BANDS,
    "oli": landsat_bands.OLI_BANDS,
    "tm": landsat_bands.TM_BANDS,
    "l30": hls.L30_BANDS,
    "s30": hls.S30_BANDS,
    **{
        scene: LANDSAT.bands({"id": scene})
        for scene in (
            "LC09_L1TP_044034_20221020_02_T1",
            "LE07_L1TP_044034_20021020_02_T1",
            "LT05_L1TP_044034_19911020_02_T1",
            "LM05_L1TP_039036_20130107_02_T2",
            "LM02_L1GS_041036_19770107_02_T2",
        )
    },
    "rtc": MISSIONS["sentinel-1-rtc"].bands({}),
    "naip": MISSIONS["naip"].bands({}),
    "dem": MISSIONS["copernicus-dem"].bands({}),
}
PIXEL_SIZES = (10, 15, 20, 30, 60, 100, 120)

# Of the API page: common name → native name.
COMMON = {
    "sentinel-2": {
        "blue": "B02",
        "green": "B03",
        "red": "B04",
        "nir": "B08",
        "swir16": "B11",
        "swir22": "B12",
    },
    "oli": {
        "blue": "B02",
        "green": "B03",
        "red": "B04",
        "nir": "B05",
        "swir16": "B06",
        "swir22": "B07",
    },
    # TM and ETM+ count otherwise.
    "tm": {
        "blue": "B01",
        "green": "B02",
        "red": "B03",
        "nir": "B04",
        "swir16": "B05",
        "swir22": "B07",
    },
}


def named(table: str, name: str) -> list[str]:
    wanted = name.casefold()
    return [b.native for b in TABLES[table] if wanted in {n.casefold() for n in b.names}]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("name", "common"),
    [("swir1", "swir16"), ("SWIR2", "swir22"), ("nir_narrow", "nir08")],
)
def test_the_names_of_textbooks(table: str, name: str, common: str) -> None:
    assert named(table, name) == named(table, common)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
class TestTables:
    def test_a_name_means_one_band(self, table: tuple[Band, ...]) -> None:
        owners = Counter(name for band in table for name in {n.casefold() for n in band.names})
        assert {name: n for name, n in owners.items() if n > 1} == {}
        shared = Counter(name for band in table for name in band.shared)
        assert not set(shared) & set(owners), "a shared name is nobody's own"
        assert all(n > 1 for n in shared.values())

    def test_values_fit_together(self, table: tuple[Band, ...]) -> None:
        for band in table:
            kind = np.dtype(band.dtype)
            # Sensors of these missions see from the coast's blue to thermal infrared.
            assert band.wavelength is None or 0.4 < band.wavelength <= 12, band.native
            # NAIP's differs from flight to flight.
            assert band.gsd in PIXEL_SIZES or band.native == "image", band.native
            assert band.nodata is None or band.nodata == kind.type(int(band.nodata)), band.native
            assert all(c.value == kind.type(c.value) for c in band.classes), band.native
            assert band.title, band.native
            assert band.role in ROLES
            assert band.role not in {n.casefold() for n in band.names} - {
                band.native,
                "thermal",
            } or (len([b for b in table if b.role == band.role]) == 1), (
                "a role is not the name of one of several"
            )
            if band.role in ("class", "mask", "visual"):
                assert (band.scale, band.offset, band.unit) == (1, 0, None), band.native

    def test_reflectance_is_whole(self, table: tuple[Band, ...]) -> None:
        for band in table:
            if band.role == "reflectance":
                assert band.common, band.native
                assert band.wavelength, band.native
                # Level 1 of Landsat: the scene's own file tells.
                assert band.unit == "1" or (band.scale, band.offset) == (1, 0)
        symbols = [band.symbol for band in table if band.symbol]
        assert len(symbols) == len(set(symbols)), "an index formula's letter means one band"
        if any(band.common == "swir22" for band in table):
            assert {"B", "G", "R", "N", "S1", "S2"} <= set(symbols)

    def test_classes_are_cf_flags(self, table: tuple[Band, ...]) -> None:
        for band in table:
            names = [c.name for c in band.classes]
            assert len(names) == len(set(names)), band.native
            assert all(name == name.lower() and not set(name) & set(" -") for name in names)
            for c in band.classes:
                assert c.mask is None or (c.mask and c.value & ~c.mask == 0), c.name
                assert c.color is None or len(c.color) == 7


class TestNames:
    @pytest.mark.parametrize("table", COMMON)
    def test_common_names_of_the_api_page(self, table: str) -> None:
        assert {name: named(table, name) for name in COMMON[table]} == {
            name: [native] for name, native in COMMON[table].items()
        }

    @pytest.mark.parametrize(
        ("table", "native", "spellings"),
        [
            ("oli", "B05", ["SR_B5", "B5", "OLI_B5", "nir08", "nir", "b05", "sr_b5"]),
            ("oli", "B10", ["ST_B10", "lwir11", "TIRS_B10", "B10", "lwir", "thermal"]),
            ("oli", "B04", ["SR_B4", "B4", "OLI_B4", "red"]),
            ("tm", "B04", ["B4", "SR_B4", "ETM_B4", "TM_B4", "nir", "nir08"]),
            ("tm", "B03", ["ETM_B3", "TM_B3", "red"]),
            ("tm", "B06", ["ST_B6", "lwir", "thermal"]),
            ("oli", "QA_AEROSOL", ["SR_QA_AEROSOL", "qa_aerosol"]),
            ("oli", "ST_QA", ["qa", "ST_QA"]),
            ("oli", "ST_TRAD", ["trad", "ST_TRAD", "TRAD"]),
            ("tm", "ATMOS_OPACITY", ["SR_ATMOS_OPACITY", "atmos_opacity"]),
            ("sentinel-2", "B08", ["B8", "nir", "b08"]),
            ("sentinel-2", "B8A", ["nir08", "B08A", "b8a"]),
            ("sentinel-2", "B05", ["rededge1", "rededge071", "B5"]),
            ("sentinel-2", "B09", ["nir09", "B9"]),
            ("sentinel-2", "SCL", ["scl"]),
            ("sentinel-2", "TCI", ["visual", "tci"]),
            ("sentinel-2", "WVP", ["wvp"]),
        ],
    )
    def test_spellings_of_the_catalogs(self, table: str, native: str, spellings: list[str]) -> None:
        assert {name: named(table, name) for name in spellings} == {
            name: [native] for name in spellings
        }

    def test_rededge_is_shared(self) -> None:
        assert [b.native for b in sentinel2.BANDS if "rededge" in b.shared] == ["B05", "B06", "B07"]

    @pytest.mark.parametrize(
        ("scene", "table"),
        [
            ("LC08_L2SP_044034_20171020_02_T1", landsat_bands.OLI_BANDS),
            ("LC09_L2SP_090091_20250310_20250311_02_T1", landsat_bands.OLI_BANDS),
            ("LE07_L2SP_044033_20210329_20210424_02_T1_SR", landsat_bands.TM_BANDS),
            ("LT05_L2SP_010067_19860424_20200918_02_T2_ST", landsat_bands.TM_BANDS),
            ("LT04_L2SP_010067_19860424_02_T2", landsat_bands.TM_BANDS),
        ],
    )
    def test_the_sensor_chooses_the_table(self, scene: str, table: tuple[Band, ...]) -> None:
        assert LANDSAT.bands({"id": scene}) == table


class TestQuality:
    @pytest.mark.parametrize(
        ("pixel", "meanings"),
        [
            (1, {"fill"}),
            # The clear-land value of every Landsat 8 scene.
            (
                21824,
                {"clear"}
                | {
                    f"{what}_confidence_low" for what in ("cloud", "cloud_shadow", "snow", "cirrus")
                },
            ),
            (
                22280,
                {"cloud", "cloud_confidence_high", "cloud_shadow_confidence_low"}
                | {"snow_confidence_low", "cirrus_confidence_low"},
            ),
            (
                21952,
                {"clear", "water"}
                | {
                    f"{what}_confidence_low" for what in ("cloud", "cloud_shadow", "snow", "cirrus")
                },
            ),
        ],
    )
    def test_landsat_pixel_flags(self, pixel: int, meanings: set[str]) -> None:
        flags = landsat_bands.QA_PIXEL_FLAGS
        assert {f.name for f in flags if f.mask and pixel & f.mask == f.value} == meanings

    def test_sentinel2_scene_classes(self) -> None:
        names = {c.value: c.name for c in sentinel2.SCENE_CLASSES}
        assert set(names) == set(range(12))
        assert names[0] == "no_data"
        assert names[3] == "cloud_shadow"
        assert names[4] == "vegetation"
        assert names[6] == "water"
        assert names[9] == "cloud_high_probability"
        assert names[11] == "snow"


PRODUCT = {
    "platform": "S2B",
    "level": "2A",
    "start": "20250115T184929",
    "day": "20250115",
    "baseline": "0511",
    "orbit": "113",
    "tile": "10SEG",
    "generation": "20250115T210000",
    "product": items.PRODUCT,
}


class TestDescribe:
    @pytest.mark.parametrize(
        ("item", "parts"),
        [
            ({"id": items.PRODUCT}, PRODUCT),
            ({"id": f"{items.PRODUCT}.SAFE"}, PRODUCT),
            # Catalogs whose own ids say less name the product in a property.
            (items.earth_search_l2a(8), PRODUCT),
            (items.earth_search_c1(8), PRODUCT),
            (items.planetary_computer(8), PRODUCT),
            ({"id": "x", "properties": {"sentinel:product_id": items.PRODUCT}}, PRODUCT),
            (
                {
                    "id": "S2B_10SEG_20250115_0_L2A",
                    "properties": {"sentinel:processing_baseline": "05.11"},
                },
                {
                    "platform": "S2B",
                    "tile": "10SEG",
                    "day": "20250115",
                    "sequence": "0",
                    "level": "2A",
                    "baseline": "0511",
                    "product": "S2B_10SEG_20250115_0_L2A",
                },
            ),
            (
                {"id": "LC08_L2SP_044034_20171020_20200902_02_T1_SR"},
                {
                    "sensor": "LC08",
                    "level": "L2SP",
                    "path": "044",
                    "row": "034",
                    "day": "20171020",
                    "processed": "20200902",
                    "collection": "02",
                    "tier": "T1",
                    "product": "LC08_L2SP_044034_20171020_20200902_02_T1",
                },
            ),
            (
                items.planetary_computer_landsat(8),
                {
                    "sensor": "LC08",
                    "level": "L2SP",
                    "path": "044",
                    "row": "034",
                    "day": "20250115",
                    "collection": "02",
                    "tier": "T1",
                    "product": "LC08_L2SP_044034_20250115_02_T1",
                },
            ),
        ],
    )
    def test_items(self, item: dict[str, Any], parts: dict[str, str]) -> None:
        mission = mission_of(item)
        assert mission is not None
        assert dict(mission.describe(item)) == parts
        # What it says of itself is an id that works.
        scene = parse_scene_id(f"{mission.name}:{parts['product']}")
        assert mission.matches(scene.parts, item)

    @pytest.mark.parametrize(
        "item",
        [
            {},
            {"id": None},
            {"id": "LM05_L2SP_039036_20130107_02_T2"},
            {"id": "MOD13Q1.A2023001.h08v05.061", "properties": {}},
            {"id": "G1994512890-LPCLOUD", "properties": {"datetime": None}},
            # The GRD product that an RTC scene was made of.
            {"id": "S1A_IW_GRDH_1SSH_20250709T082729_20250709T082754_060004_07745C"},
            {"id": f"{items.PRODUCT}_B04"},
        ],
    )
    def test_of_no_mission(self, item: dict[str, Any]) -> None:
        assert mission_of(item) is None
        assert all(mission.describe(item) == {} for mission in MISSIONS.values())
        assert LANDSAT.correction(item) is None

    @pytest.mark.parametrize(
        ("wanted", "fits"),
        [
            ("S2B_MSIL2A_20250115T184929", True),
            ("S2B_MSIL2A_20250115T184929_R113_T10SEG", True),
            # Another processing is the same acquisition.
            ("S2B_MSIL2A_20250115T184929_N0400_R113_T10SEG_20260101T000000", True),
            ("S2B_10SEG_20250115_1_L2A", True),
            ("S2B_MSIL1C_20250115T184929", False),
            ("S2A_MSIL2A_20250115T184929", False),
            ("S2B_MSIL2A_20250115T184930", False),
            ("S2B_MSIL2A_20250115T184929_R113_T10SEH", False),
            ("S2B_10SEG_20250116_0_L2A", False),
        ],
    )
    def test_matches(self, wanted: str, fits: bool) -> None:
        assert S2.matches(parse_scene_id(wanted).parts, {"id": items.PRODUCT}) is fits
        assert not S2.matches(parse_scene_id(wanted).parts, {"id": "unknown"})


class TestCorrection:
    @pytest.mark.parametrize(
        ("baseline", "offset"),
        [("02.14", 0), ("03.01", 0), ("04.00", -0.1), ("05.11", -0.1), ("10.00", -0.1)],
    )
    @pytest.mark.parametrize(
        "name",
        ["s2:processing_baseline", "sentinel:processing_baseline", "processing:version"],
    )
    def test_each_baseline(self, name: str, baseline: str, offset: float) -> None:
        correction = S2.correction({"id": "x", "properties": {name: baseline}})
        assert correction is not None
        assert correction.offset == offset
        assert correction.reason == f"baseline {baseline}"

    def test_the_baseline_counts_and_not_the_date(self) -> None:
        reprocessed = "S2B_MSIL2A_20200705T101559_N0500_R065_T32TMT_20230530T175912"
        original = "S2B_MSIL2A_20200705T101559_N0212_R065_T32TMT_20200825T083452"
        told: list[tuple[dict[str, Any], float]] = [
            ({"id": reprocessed}, -0.1),
            ({"id": original}, 0),
            ({"id": "x", "properties": {"s2:product_uri": f"{reprocessed}.SAFE"}}, -0.1),
            ({"id": "x", "properties": {"s2:product_uri": f"{original}.SAFE"}}, 0),
        ]
        for item, offset in told:
            correction = S2.correction(item)
            assert correction is not None
            assert correction.offset == offset

    @pytest.mark.parametrize("told", [None, "", "unknown", "5", [], "L2A"])
    def test_not_reported(self, told: Any) -> None:
        item = {"id": "S2B_10SEG_20250115_0_L2A", "properties": {"s2:processing_baseline": told}}
        assert S2.correction(item) is None

    def test_of_earth_search_v0(self) -> None:
        told = {"sentinel:product_id": items.PRODUCT}
        correction = S2.correction({"id": "S2B_10SEG_20250115_0_L2A", "properties": told})
        assert correction is not None
        assert correction.offset == -0.1

    @pytest.mark.parametrize("mission", MISSIONS.values(), ids=MISSIONS)
    def test_landsat_adds_nothing(self, mission: Mission) -> None:
        correction = LANDSAT.correction({"id": "LC08_L2SP_044034_20171020_02_T1"})
        assert correction is not None
        assert correction.offset == 0
        # A part that the rules name is one that the ids tell.
        parts = {part for form in mission.id_forms for part in form.pattern.groupindex}
        assert {*mission.acquisition, *mission.version} <= parts
