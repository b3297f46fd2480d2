"""Scene ids: all forms, all beginnings, and one error for the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.errors import InvalidSceneId
from astra_xr.missions import MISSIONS
from astra_xr.resolver.ids import parse_scene_id

PRODUCT = "S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000"
LANDSAT = "LC08_L2SP_044034_20171020_20200902_02_T1"
S2_FORMS = (
    "sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000, "
    "sentinel-2:S2B_MSIL2A_20250115T184929_R113_T10SEG_20250115T210000, "
    "sentinel-2:S2B_10SEG_20250115_0_L2A, sentinel-2:S2B_T10SEG_20250115T185934_L2A"
)
ONE_OF_EACH = (
    "sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000, "
    "landsat:LC08_L2SP_044034_20171020_20200902_02_T1, "
    "hls:HLS.S30.T10SEG.2025015T184929.v2.0, "
    "sentinel-1-rtc:S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_rtc, "
    "naip:id_m_4611606_ne_11_060_20231117_20240103, "
    "copernicus-dem:Copernicus_DSM_COG_10_N38_00_W123_00_DEM"
)

# Name → mission, form, and some of what it says.
NAMES: dict[str, tuple[str, str, dict[str, str]]] = {
    PRODUCT: (
        "sentinel-2",
        "product",
        {
            "platform": "S2B",
            "level": "2A",
            "start": "20250115T184929",
            "day": "20250115",
            "baseline": "0511",
            "orbit": "113",
            "tile": "10SEG",
            "generation": "20250115T210000",
        },
    ),
    "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911": (
        "sentinel-2",
        "product",
        {"platform": "S2A", "level": "1C", "baseline": "0206"},
    ),
    "S2C_MSIL2A_20250115T184929": ("sentinel-2", "product", {"platform": "S2C"}),
    "S2B_MSIL2A_20250115T184929_R113_T10SEG_20250115T210000": (
        "sentinel-2",
        "planetary-computer",
        {"orbit": "113", "tile": "10SEG", "generation": "20250115T210000"},
    ),
    "S2B_10SEG_20250115_0_L2A": (
        "sentinel-2",
        "earth-search",
        {"platform": "S2B", "tile": "10SEG", "day": "20250115", "sequence": "0", "level": "2A"},
    ),
    "S2B_T10SEG_20250115T185934_L2A": (
        "sentinel-2",
        "earth-search-c1",
        {"platform": "S2B", "tile": "10SEG", "day": "20250115", "datastrip": "20250115T185934"},
    ),
    LANDSAT: (
        "landsat",
        "product",
        {
            "sensor": "LC08",
            "level": "L2SP",
            "path": "044",
            "row": "034",
            "day": "20171020",
            "processed": "20200902",
            "collection": "02",
            "tier": "T1",
        },
    ),
    "LE07_L2SP_044033_20210329_20210424_02_T1_SR": ("landsat", "product", {"sensor": "LE07"}),
    "LT05_L2SP_010067_19860424_20200918_02_T2_ST": ("landsat", "product", {"tier": "T2"}),
    "LC09_L2SR_090091_20250310_20250311_02_RT": ("landsat", "product", {"level": "L2SR"}),
    "LC08_L2SP_044034_20171020_02_T1": (
        "landsat",
        "no-processing-date",
        {"path": "044", "row": "034", "day": "20171020", "tier": "T1"},
    ),
    "LC08_L2SP_044034_20171020_02_T1_SR": ("landsat", "no-processing-date", {"tier": "T1"}),
    "LC09_L1TP_044034_20221020_20230324_02_T1": ("landsat", "product", {"level": "L1TP"}),
    "LE07_L1GT_044034_20021020_02_T1": ("landsat", "no-processing-date", {"level": "L1GT"}),
    "LM05_L1TP_039036_20130107_20200820_02_T2": ("landsat", "product", {"sensor": "LM05"}),
    "S2A_4QGJ_20260920_0_L2A": ("sentinel-2", "earth-search", {"tile": "04QGJ"}),
    "S2A_T4QGJ_20260920T205930_L2A": ("sentinel-2", "earth-search-c1", {"tile": "04QGJ"}),
    "S2B_20EPT_20250731_0_L1C": ("sentinel-2", "earth-search", {"level": "1C"}),
    "HLS.S30.T12XYZ.2021001T180000.V2.0": (
        "hls",
        "granule",
        {"sensor": "S30", "tile": "12XYZ", "start": "2021001T180000", "version": "2.0"},
    ),
    "HLS.L30.T01GEL.2021001T213113.V1.5": ("hls", "granule", {"sensor": "L30", "version": "1.5"}),
    "HLS.L30.T01GEL.2021001T213113": ("hls", "granule", {"tile": "01GEL"}),
    "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_RTC": (
        "sentinel-1-rtc",
        "rtc",
        {"platform": "S1A", "start": "20240419T045749", "datatake": "067DF2"},
    ),
    # The GRD product's own id.
    "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_AF19": (
        "sentinel-1-rtc",
        "rtc",
        {"datatake": "067DF2", "unique": "AF19"},
    ),
    "ID_M_4611606_NE_11_060_20231117_20240103": (
        "naip",
        "photograph",
        {"state": "ID", "quad": "4611606", "quarter": "NE", "day": "20231117"},
    ),
    "M_3008501_NE_16_1_20110815": ("naip", "photograph", {"zone": "16", "size": "1"}),
    "TX_M_2609719_SE_14_H_20121217": ("naip", "photograph", {"size": "H"}),
    "COPERNICUS_DSM_COG_10_S90_00_W177_00_DEM": (
        "copernicus-dem",
        "tile",
        {"spacing": "10", "lat": "S90", "lon": "W177"},
    ),
    "COPERNICUS_DSM_30_N38_00_W123_00": ("copernicus-dem", "tile", {"spacing": "30"}),
}


class TestForms:
    @pytest.mark.parametrize("name", NAMES)
    def test_with_and_without_its_mission(self, name: str) -> None:
        mission, form, parts = NAMES[name]
        for text in (
            name,
            f"{mission}:{name}",
            f"{mission.upper()}:{name.lower()}",
            f"  {name.swapcase()}\n",
            f"{mission}: {name}",
        ):
            scene = parse_scene_id(text)
            assert (scene.mission, scene.name, scene.form) == (mission, name, form)
            assert parts.items() <= dict(scene.parts).items()
            assert str(scene) == f"{mission}:{name}"

    def test_safe_is_dropped(self) -> None:
        for name in (PRODUCT, "S2B_MSIL2A_20250115T184929"):
            assert parse_scene_id(f"{name}.SAFE") == parse_scene_id(f"sentinel-2:{name}.safe")
            assert str(parse_scene_id(f"{name}.SAFE")) == f"sentinel-2:{name}"

    def test_safe_is_dropped_from_every_form(self) -> None:
        name = "S2B_MSIL2A_20250115T184929_R113_T10SEG_20250115T210000"
        assert str(parse_scene_id(f"{name}.SAFE")) == f"sentinel-2:{name}"

    @pytest.mark.parametrize(
        "url",
        [
            "https://earth-search.aws.element84.com/v1/collections/sentinel-2-l2a/items/{}",
            "https://stac.dataspace.copernicus.eu/v1/collections/sentinel-2-l2a/items/{}/",
            "https://h.example/scenes/{}.json?sig=SECRET",
            "https://h.example/{}.SAFE",
            "s3://bucket/10/S/EG/{}.json",
        ],
    )
    @pytest.mark.parametrize("name", [PRODUCT, "S2B_10SEG_20250115_0_L2A", LANDSAT])
    def test_the_url_of_an_item(self, url: str, name: str) -> None:
        assert parse_scene_id(url.format(name)) == parse_scene_id(name)

    def test_every_example_works(self) -> None:
        for mission in MISSIONS.values():
            for form in mission.id_forms:
                scene = parse_scene_id(form.example)
                assert (scene.mission, scene.form) == (mission.name, form.name)

    @pytest.mark.parametrize(
        ("whole", "cuts"),
        [
            (PRODUCT, {26, 32, 37, 44, 60}),
            # Without the baseline a start alone is a product id's beginning too.
            ("S2B_MSIL2A_20250115T184929_R113_T10SEG_20250115T210000", {26, 31, 38, 54}),
            (LANDSAT, {25, 34, 37, 40}),
            ("LC08_L2SP_044034_20171020_02_T1", {25, 28, 31}),
            ("S2B_10SEG_20250115_0_L2A", {24}),
            ("S2B_T10SEG_20250115T185934_L2A", {30}),
        ],
    )
    def test_beginnings_end_between_parts(self, whole: str, cuts: set[int]) -> None:
        parts = parse_scene_id(whole).parts
        good = set()
        for length in range(len(whole) + 1):
            try:
                scene = parse_scene_id(whole[:length])
            except InvalidSceneId:
                continue
            good.add(length)
            assert scene.name == whole[:length]
            assert scene.parts.items() <= parts.items()
        assert good == cuts

    def test_equal_by_mission_and_name(self) -> None:
        same = {parse_scene_id(PRODUCT), parse_scene_id(f"sentinel-2:{PRODUCT.lower()}.SAFE")}
        assert len(same) == 1
        assert parse_scene_id(PRODUCT) != parse_scene_id(PRODUCT[:26])


class TestBadIds:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                "S2B",
                (
                    "'S2B' is not a scene id: 'S2B' has none of the forms of Sentinel-2, Landsat, "
                    "HLS, Sentinel-1 RTC, NAIP or Copernicus DEM. "
                    f"Forms that work: {ONE_OF_EACH}."
                ),
            ),
            (
                "sentinel-2:LC08_L2SP_044034_20171020_02_T1",
                (
                    "'sentinel-2:LC08_L2SP_044034_20171020_02_T1' is not a scene id: "
                    "'LC08_L2SP_044034_20171020_02_T1' has none of the forms of Sentinel-2. "
                    f"Forms that work: {S2_FORMS}."
                ),
            ),
            (
                "modis:MOD13Q1",
                (
                    "'modis:MOD13Q1' is not a scene id: there is no mission 'modis' "
                    "(missions: sentinel-2, landsat, hls, sentinel-1-rtc, naip, copernicus-dem). "
                    f"Forms that work: {ONE_OF_EACH}."
                ),
            ),
            (
                "/vsis3/bucket/a.tif",
                (
                    "'/vsis3/bucket/a.tif' is not a scene id: it begins with a prefix of GDAL. "
                    "Pass the URL without /vsicurl/, or s3://… instead of /vsis3/…."
                ),
            ),
            (
                "S2B_MSIL2É",
                (
                    "'S2B_MSIL2É' is not a scene id: it is too long or has odd characters. "
                    f"Forms that work: {ONE_OF_EACH}."
                ),
            ),
        ],
    )
    def test_words(self, text: str, words: str) -> None:
        with pytest.raises(InvalidSceneId) as caught:
            parse_scene_id(text)
        assert str(caught.value) == words
        assert caught.value.scene_id == text
        assert isinstance(caught.value, ValueError)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            ":",
            "sentinel-2",
            "sentinel-2:",
            f":{PRODUCT}",
            f"sentinel-2:sentinel-2:{PRODUCT}",
            f"{PRODUCT}_B04",
            f"{PRODUCT}/B04.tif",
            f"{PRODUCT}\n{PRODUCT}",
            f"{PRODUCT}\0",
            "S2E_MSIL2A_20250115T184929",
            "S2B_MSIL3A_20250115T184929",
            "S2B_MSIL2A_2025-01-15",
            "S2B_20250115T184929",
            # Collection 1, and a level that MSS does not have.
            "LC08_L2SP_044034_20171020_20200902_01_T1",
            "LM05_L2SP_039036_20130107_02_T2",
            "HLS.S10.T10SEG.2025015T184929.v2.0",
            "HLS.S30.T10SEG.2025415T184929.v2.0",
            "S1A_IW_SLC__1SDV_20240419T045749_20240419T045814_053498_067DF2",
            "m_4611606_ne_11_060",
            "Copernicus_DSM_COG_20_N38_00_W123_00_DEM",
            "https://planetarycomputer.microsoft.com/api/stac/v1/collections/sentinel-2-l2a",
            "https://",
            "x" * 501,
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(InvalidSceneId) as caught:
            parse_scene_id(text)
        assert len(str(caught.value)) < 1200

    @pytest.mark.parametrize("value", [None, 5, b"S2B", ["S2B"], {"id": "S2B"}])
    def test_no_text(self, value: Any) -> None:
        with pytest.raises(InvalidSceneId, match=f"it is a {type(value).__name__}, not text"):
            parse_scene_id(value)

    @pytest.mark.parametrize("prefix", ["sentinel2", "s2", "S2", "Sentinel-2", "sentinel_2"])
    def test_missions_as_users_spell_them(self, prefix: str) -> None:
        assert parse_scene_id(f"{prefix}:{PRODUCT}") == parse_scene_id(f"sentinel-2:{PRODUCT}")

    def test_a_slip_in_the_mission(self) -> None:
        with pytest.raises(InvalidSceneId, match=r"no mission 'lansdat' \(did you mean 'landsat'"):
            parse_scene_id("lansdat:LC08_L2SP_044034_20171020_02_T1")

    @pytest.mark.parametrize(
        "text", ["S2B_MSIL2A_20251399T999999", "LC08_L2SP_044034_20170230_02_T1"]
    )
    def test_impossible_dates(self, text: str) -> None:
        with pytest.raises(InvalidSceneId):
            parse_scene_id(text)


def _broken(text: str) -> st.SearchStrategy[str]:
    """Take a good id and put something in its place anywhere."""
    places = st.integers(0, len(text))
    return st.builds(
        lambda start, stop, new: text[:start] + new + text[stop:],
        places,
        places,
        st.text(max_size=3) | st.sampled_from("_:.T0S ٣"),
    )


near = st.sampled_from([*NAMES, *(f"{m}:{n}" for n, (m, _, _) in NAMES.items())]).flatmap(_broken)
formed = st.sampled_from([f for m in MISSIONS.values() for f in m.id_forms]).flatmap(
    lambda form: st.from_regex(form.pattern, fullmatch=True)
)


@given(st.text() | near | formed)
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        scene = parse_scene_id(text)
    except InvalidSceneId:
        return
    again = parse_scene_id(str(scene))
    assert again == scene
    assert (again.form, again.parts, str(again)) == (scene.form, scene.parts, str(scene))
