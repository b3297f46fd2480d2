"""Scale and offset: of one scene from one source, and by all that is known of its pixels."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr.errors import InvalidItem
from astra_xr.model import Radiometry
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.testing import write_cog
from tests import items
from tests.conftest import PLACE_OF_30_M
from tests.items import COG

Json = dict[str, Any]
SIDE = 64
MSS = "LM05_L1GS_039039_20130107_02_T2"
STORED = {"green": 40, "red": 30, "nir08": 50, "nir09": 45}
RADIANCE = {"green": (0.88504, 1.51496), "red": (0.66024, 2.03976), "nir08": (0.55866, 4.34134)}
"""What items give: of three of four bands."""
NATIVE = {"green": "B01", "red": "B02", "nir08": "B03", "nir09": "B04"}
ELEVATION = 30.10936649
REFLECTANCE = {"green": (2e-3, 2.5e-3), "red": (1.5e-3, 4e-3), "nir08": (1.9e-3, 1.3e-2),
               "nir09": (2.2e-3, 1e-2)}  # fmt: skip


def mtl(**left_out: str) -> Json:
    told: Json = {}
    for number, (name, (scale, offset)) in enumerate(REFLECTANCE.items(), 1):
        factors = {"REFLECTANCE_MULT": scale, "REFLECTANCE_ADD": offset,
                   "RADIANCE_MULT": 0.6, "RADIANCE_ADD": 2}  # fmt: skip
        told |= {f"{kind}_BAND_{number}": str(value) for kind, value in factors.items()}
        if left_out.get(name) == "reflectance":
            del told[f"REFLECTANCE_MULT_BAND_{number}"]
        elif left_out.get(name) == "all":
            told = {key: value for key, value in told.items() if not key.endswith(f"_{number}")}
    sections = {"IMAGE_ATTRIBUTES": {"SUN_ELEVATION": str(ELEVATION)},
                "LEVEL1_RADIOMETRIC_RESCALING": told}  # fmt: skip
    return {"LANDSAT_METADATA_FILE": sections}


def mss(folder: Path, document: Json | None) -> Json:
    """A scene of the Multispectral Scanner as the Planetary Computer describes it."""
    assets: Json = {}
    for name, number in STORED.items():
        pixels = np.full((SIDE, SIDE), number, "uint8")
        path = write_cog(folder / f"{name}.tif", pixels, transform=PLACE_OF_30_M)
        numbers: Json = {"nodata": 0, "data_type": "uint8"}
        if name in RADIANCE:
            scale, offset = RADIANCE[name]
            unit = "watt/steradian/square_meter/micrometer"
            numbers |= {"scale": scale, "offset": offset, "unit": unit}
        assets[name] = {"href": str(path), "type": COG, "raster:bands": [numbers]}
    assets["mtl.json"] = {"href": str(folder / "mtl.json"), "type": "application/json"}
    if document is not None:
        (folder / "mtl.json").write_text(json.dumps(document))
    grid = {"proj:epsg": 32610, "proj:shape": [SIDE, SIDE],
            "proj:transform": [30, 0, 499980, 0, -30, 4200000]}  # fmt: skip
    return {"type": "Feature", "id": MSS, "properties": grid, "assets": assets, "links": []}


class TestOneSource:
    def test_the_metadata_file_decides_for_all_bands(self, tmp_path: Path) -> None:
        ds = astra_xr.open_scene(mss(tmp_path, mtl()))
        height = math.sin(math.radians(ELEVATION))
        right = {name: (STORED[name] * scale + offset) / height
                 for name, (scale, offset) in REFLECTANCE.items()}  # fmt: skip
        for name, native in NATIVE.items():
            assert ds[native].values[1, 1] == pytest.approx(right[name])
            assert ds[native].attrs["units"] == "1"
        ndvi = (right["nir08"] - right["red"]) / (right["nir08"] + right["red"])
        assert ds.astra.index("NDVI").values[1, 1] == pytest.approx(ndvi)

    @pytest.mark.parametrize("bands", [("red", "nir09"), ("nir09", "red")])
    def test_in_any_order_and_alone(self, tmp_path: Path, bands: tuple[str, ...]) -> None:
        item = mss(tmp_path, mtl())
        for names in (bands, bands[:1]):
            ds = astra_xr.open_scene(item, names)
            assert {band.attrs["units"] for band in ds.values()} == {"1"}

    @pytest.mark.parametrize(
        "document",
        [None, {}, mtl(red="reflectance"), mtl(red="all")],
        ids=["no file", "empty", "one band in radiance", "one band left out"],
    )
    def test_without_it_each_band_is_what_it_is_said_to_be(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, document: Json | None
    ) -> None:
        with caplog.at_level(logging.WARNING, "astra_xr"):
            ds = astra_xr.open_scene(mss(tmp_path, document))
        for name, (scale, offset) in RADIANCE.items():
            band = ds[NATIVE[name]]
            assert band.values[1, 1] == pytest.approx(STORED[name] * scale + offset)
            assert "steradian" in band.attrs["units"]
        assert "units" not in ds["B04"].attrs
        assert "digital numbers" in ds["B04"].attrs["radiometry"]
        (said,) = caplog.messages
        assert f"{MSS} opens green and red and nir08 by the factors of the item" in said
        assert "nir09 as digital numbers: " in said


def earth_search(key: str, asset: Json, **told: Any) -> Json:
    item = items.earth_search_l2a(8, **told)
    item["assets"] = {key: item["assets"]["red"] | asset}
    return item


def decided(item: Json, name: str = "red", mode: RadiometryMode = "auto") -> Radiometry:
    (found,) = astra_xr.resolve(item, name, sign=False, radiometry=mode).assets.values()
    assert found.radiometry is not None
    return found.radiometry


JP2 = {"href": "s3://sentinel-s2-l2a/tiles/10/S/EG/2025/1/15/0/R10m/B04.jp2", "type": "image/jp2"}
BOTH = {**JP2, "type": COG}
NAMELESS = {"href": "https://x/files/17", "type": "image/jp2"}
TRUTH = [
    # baseline, flag of shifted pixels, file, offset
    ("05.11", True, {}, 0),
    ("05.11", True, JP2, -0.1),
    ("05.11", True, BOTH, -0.1),
    ("05.11", True, NAMELESS, -0.1),
    ("05.11", False, {}, -0.1),
    ("05.11", False, JP2, -0.1),
    ("04.00", True, {}, 0),
    ("04.00", True, JP2, -0.1),
    ("03.01", True, {}, 0),
    ("03.01", False, {}, 0),
    ("02.14", False, JP2, 0),
]


class TestSentinel2Offset:
    @pytest.mark.parametrize("key", ["red", "red-jp2", "B04"])
    @pytest.mark.parametrize(("baseline", "applied", "asset", "offset"), TRUTH)
    def test_by_baseline_flag_and_file_and_not_by_key(
        self, key: str, baseline: str, applied: bool, asset: Json, offset: float
    ) -> None:
        item = earth_search(key, asset, baseline=baseline, applied=applied)
        found = decided(item, key)
        assert (found.scale, found.offset) == (1e-4, offset)

    def test_one_band_as_jpeg_2000_beside_cogs(self) -> None:
        item = items.earth_search_l2a(8)
        coastal = {**item["assets"]["red"], **JP2, "eo:bands": [{"name": "B01"}], "gsd": 60}
        item["assets"] = {"coastal": coastal, "red": item["assets"]["red"]}
        assert decided(item, "coastal").offset == -0.1
        assert decided(item, "red").offset == 0

    @pytest.mark.parametrize("catalog", [None, "earth-search", "planetary-computer"])
    def test_by_whom_it_is_signed_changes_no_pixel(self, catalog: str | None) -> None:
        found = astra_xr.resolve(items.earth_search_l2a(8), "red", catalog=catalog, sign=False)
        (asset,) = found.assets.values()
        assert asset.radiometry is not None
        assert asset.radiometry.offset == 0

    def test_an_item_that_contradicts_itself_is_refused(self) -> None:
        item = items.planetary_computer(8)
        item["properties"]["s2:processing_baseline"] = "02.12"
        with pytest.raises(InvalidItem) as caught:
            decided(item)
        for words in ("02.12", "05.11", "s2:product_uri", "catalog=", "radiometry='file' or 'raw'"):
            assert words in str(caught.value)
        assert decided(item, mode="raw").scale == 1
        (asset,) = astra_xr.resolve(item, "red", sign=False, radiometry="file").assets.values()
        assert asset.radiometry is None

    def test_baselines_that_agree_in_what_counts_are_no_contradiction(self) -> None:
        item = items.planetary_computer(8)
        item["properties"] |= {"s2:processing_baseline": "05.10", "processing:version": "1.2"}
        assert decided(item).offset == -0.1

    def test_other_factors_in_the_item_are_warned_of_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        item = items.earth_search_c1(8)
        for key in ("red", "nir"):
            item["assets"][key]["raster:bands"][0]["offset"] = 0
        with caplog.at_level(logging.WARNING, "astra_xr"):
            assert decided(item, "red").offset == decided(item, "nir").offset == -0.1
        (said,) = caplog.messages
        assert "scale 0.0001 and offset 0; 0.0001 and -0.1 apply (baseline 05.11)" in said

    def test_what_a_catalog_is_known_to_say_is_not_warned_of(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "astra_xr"):
            decided(items.earth_search_l2a(8))
            decided(items.earth_search_c1(8))
            decided(items.planetary_computer(8))
            decided(items.planetary_computer_landsat(8))
        assert caplog.messages == []


class TestContradictions:
    def asset(self, folder: Path, **told: Any) -> Json:
        pixels = np.full((SIDE, SIDE), 3000, "uint16")
        path = write_cog(folder / "a.tif", pixels, transform=PLACE_OF_30_M)
        item = mss(folder, None) | {"id": "any"}
        item["assets"] = {"a": {"href": str(path), "type": COG, "data_type": "uint16", **told}}
        return item

    def test_two_forms_of_one_field_that_differ(self, tmp_path: Path) -> None:
        told = {"raster:bands": [{"scale": 1e-4}], "bands": [{"raster:scale": 1e-3}]}
        item = self.asset(tmp_path, **told)
        with pytest.raises(InvalidItem, match=r"0\.0001.*0\.001.*radiometry='file' or 'raw'"):
            astra_xr.open_scene(item)
        for mode in ("file", "raw"):
            ds = astra_xr.open_scene(item, radiometry=mode)
            assert ds["a"].values[1, 1] == 3000

    @pytest.mark.parametrize(
        "told",
        [
            {"raster:bands": [{"scale": 1e-4, "offset": -0.1}], "bands": [{"raster:scale": 1e-4}]},
            {"raster:offset": -0.1, "bands": [{"raster:scale": 1e-4}]},
            {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]},
        ],
    )
    def test_forms_that_agree_or_complete_each_other(self, tmp_path: Path, told: Json) -> None:
        ds = astra_xr.open_scene(self.asset(tmp_path, **told))
        assert ds["a"].values[1, 1] == pytest.approx(0.2)

    def test_floats_are_no_numbers_of_the_mission(self, tmp_path: Path) -> None:
        values = np.full((SIDE, SIDE), 0.25, "float32")
        path = write_cog(tmp_path / "B04.tif", values, transform=PLACE_OF_30_M, nodata=None)
        item = items.planetary_computer(SIDE)
        numbers = {"data_type": "float32"}
        item["assets"] = {"B04": {"href": str(path), "type": COG, "raster:bands": [numbers]}}
        item["properties"] |= {"proj:shape": [SIDE, SIDE],
                               "proj:transform": [30, 0, 499980, 0, -30, 4200000]}  # fmt: skip
        red = astra_xr.open_scene(item, "red").red
        assert red.values[1, 1] == 0.25
