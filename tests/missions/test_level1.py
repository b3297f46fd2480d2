"""Landsat Level 1: digital numbers to reflectance or radiance, by the scene's own MTL file."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import astra_xr
from astra_xr.missions import MISSIONS, Factors
from astra_xr.missions.landsat import mtl_asset, read_mtl
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.testing import write_cog
from conftest import Loopback
from tests.conftest import PLACE_OF_30_M
from tests.items import COG

Json = dict[str, Any]
HOST = "landsatlook.usgs.gov"
SCENE = "LC08_L1TP_044034_20171020_20200902_02_T1"
# As of the scene that the recorded MTL is of.
ELEVATION = 40.00159030


def mtl(**changed: Any) -> Json:
    """Give the parts that matter of an MTL, in its own spelling: numbers are text."""
    sections: Json = {
        "IMAGE_ATTRIBUTES": {"SPACECRAFT_ID": "LANDSAT_8", "SUN_ELEVATION": f"{ELEVATION:.8f}"},
        "LEVEL1_RADIOMETRIC_RESCALING": {
            "RADIANCE_MULT_BAND_4": "9.6662E-03",
            "RADIANCE_MULT_BAND_10": "3.3420E-04",
            "RADIANCE_ADD_BAND_4": "-48.33104",
            "RADIANCE_ADD_BAND_10": "0.10000",
            "REFLECTANCE_MULT_BAND_4": "2.0000E-05",
            "REFLECTANCE_ADD_BAND_4": "-0.100000",
        },
    }
    return {"LANDSAT_METADATA_FILE": sections | changed}


def item(folder: Path | None = None) -> Json:
    """Describe a scene as USGS does: no scale, no offset, no type."""
    assets: Json = {
        key: {"href": f"https://{HOST}/data/{SCENE}_{name}.TIF", "type": COG}
        for key, name in (("red", "B4"), ("nir08", "B5"), ("lwir11", "B10"))
    }
    assets["MTL.json"] = {
        "href": f"https://{HOST}/data/{SCENE}_MTL.json",
        "type": "application/json",
        "roles": ["metadata"],
    }
    if folder:
        for asset in assets.values():
            asset["href"] = str(folder / asset["href"].rpartition("/")[2])
    grid = {
        "proj:epsg": 32610,
        "proj:shape": [64, 64],
        "proj:transform": [30.0, 0.0, 499980.0, 0.0, -30.0, 4200000.0],
    }
    return {"type": "Feature", "id": SCENE, "properties": grid, "assets": assets, "links": []}


class TestReadMtl:
    def test_reflectance_is_of_the_suns_height(self) -> None:
        found = read_mtl(mtl())
        red = found["B04"]
        height = math.sin(math.radians(ELEVATION))
        assert (red.scale, red.offset) == pytest.approx((2e-5 / height, -0.1 / height))
        assert (red.unit, red.reason) == (
            "1",
            "reflectance factors of the MTL, sun elevation 40.00 degrees",
        )
        # What USGS's own formula gives for a number of the file.
        assert 10000 * red.scale + red.offset == pytest.approx((10000 * 2e-5 - 0.1) / height)
        assert found["B10"] == Factors(
            scale=3.342e-4, offset=0.1, unit="W m-2 sr-1 um-1", reason="radiance factors of the MTL"
        )

    def test_without_the_sun_there_is_radiance(self) -> None:
        for sun in ({}, {"SUN_ELEVATION": "-2.5"}, {"SUN_ELEVATION": "none"}):
            red = read_mtl(mtl(IMAGE_ATTRIBUTES=sun))["B04"]
            assert (red.scale, red.offset, red.unit) == (9.6662e-3, -48.33104, "W m-2 sr-1 um-1")

    def test_both_gains_of_landsat_7(self) -> None:
        told = {
            f"RADIANCE_{kind}_BAND_6_VCID_{gain}": value
            for gain in (1, 2)
            for kind, value in (("MULT", f"{gain}.0E-2"), ("ADD", "-0.1"))
        }
        found = read_mtl(mtl(LEVEL1_RADIOMETRIC_RESCALING=told))
        assert {name: factors.scale for name, factors in found.items()} == {
            "B06_VCID_1": 0.01,
            "B06_VCID_2": 0.02,
        }
        natives = {b.native for b in MISSIONS["landsat"].bands({"id": "LE07_L1TP_044034_20021020"})}
        assert found.keys() <= natives

    @pytest.mark.parametrize(
        "odd",
        [
            *(None, [], "text", {}, {"LANDSAT_METADATA_FILE": []}),
            {"LANDSAT_METADATA_FILE": {"LEVEL1_RADIOMETRIC_RESCALING": 5}},
            mtl(LEVEL1_RADIOMETRIC_RESCALING={"RADIANCE_MULT_BAND_4": "1"}),
            mtl(LEVEL1_RADIOMETRIC_RESCALING={"RADIANCE_MULT_BAND_4": None, "X_BAND_": 1}),
            mtl(
                LEVEL1_RADIOMETRIC_RESCALING={
                    "RADIANCE_MULT_BAND_4": "inf",
                    "RADIANCE_ADD_BAND_4": [],
                }
            ),
        ],
    )
    def test_items_without_information(self, odd: Any) -> None:
        assert read_mtl(odd) == {}

    def test_a_recorded_file(self, shared: Path) -> None:
        (path,) = shared.glob("rasters/landsat-*/*_MTL.json")
        found = read_mtl(json.loads(path.read_text()))
        assert sorted(found) == [f"B{number:02d}" for number in range(1, 12)]
        height = math.sin(math.radians(40.0015903))
        for name in ("B01", "B09"):
            assert found[name].scale == pytest.approx(2e-5 / height)
            assert found[name].unit == "1"
        assert found["B11"].unit == "W m-2 sr-1 um-1"

    def test_its_asset(self) -> None:
        for key in ("MTL.json", "mtl.json"):
            assert mtl_asset({"assets": {"red": {}, key: {}}}) == key
        assert mtl_asset({"assets": {"mtl.txt": {}}}) is None


class TestOpening:
    def test_reflectance(self, network: Loopback) -> None:
        asked: list[str] = []

        def usgs(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            return httpx.Response(200, json=mtl())

        network.routes[HOST] = usgs
        found = astra_xr.resolve(item(), "red,lwir11", sign=False)
        height = math.sin(math.radians(ELEVATION))
        red, thermal = (asset.radiometry for asset in found.assets.values())
        assert red is not None
        assert thermal is not None
        assert (red.scale, red.offset) == pytest.approx((2e-5 / height, -0.1 / height))
        assert (red.unit, red.nodata, red.dtype) == ("1", 0, "uint16")
        assert red.reason.endswith("reflectance factors of the MTL, sun elevation 40.00 degrees")
        assert (thermal.scale, thermal.unit) == (3.342e-4, "W m-2 sr-1 um-1")
        assert asked == [f"/data/{SCENE}_MTL.json"], "once for all bands"

    def test_values(self, tmp_path: Path) -> None:
        dn = np.full((64, 64), 12000, "uint16")
        dn[0, 0] = 0
        write_cog(tmp_path / f"{SCENE}_B4.TIF", dn, transform=PLACE_OF_30_M)
        (tmp_path / f"{SCENE}_MTL.json").write_text(json.dumps(mtl()))
        ds = astra_xr.open_scene(item(tmp_path), bands="red")
        expected = (12000 * 2e-5 - 0.1) / math.sin(math.radians(ELEVATION))
        assert ds.red.values[1, 1] == pytest.approx(expected, rel=1e-5)
        assert np.isnan(ds.red.values[0, 0])
        assert ds.red.attrs["units"] == "1"

    def test_without_its_file(self, network: Loopback, caplog: pytest.LogCaptureFixture) -> None:
        network.routes[HOST] = lambda request: httpx.Response(200, text="<html>Log in</html>")
        with caplog.at_level(logging.WARNING, "astra_xr"):
            (asset,) = astra_xr.resolve(item(), "red", sign=False).assets.values()
        found = asset.radiometry
        assert found is not None
        assert (found.scale, found.offset, found.unit, found.nodata) == (1, 0, None, 0)
        assert found.reason == (
            "digital numbers, since neither the item nor a file beside it has factors"
        )
        (said,) = caplog.messages
        assert said.startswith(f"{SCENE} opens red as digital numbers: The scene's metadata file: ")

    def test_a_local_file_that_is_not_there(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for content in (None, "{"):
            if content:
                (tmp_path / f"{SCENE}_MTL.json").write_text(content)
            (asset,) = astra_xr.resolve(item(tmp_path), "red", sign=False).assets.values()
            assert asset.radiometry is not None
            assert asset.radiometry.scale == 1
        assert len(caplog.messages) == 2

    @pytest.mark.parametrize("bands", ["red", None])
    def test_it_is_not_requested_if_it_is_not_needed(self, bands: str | None) -> None:
        # No host answers here: that it does not fail shows that none is asked.
        modes: tuple[RadiometryMode, ...] = ("file", "raw")
        for mode in modes:
            assert astra_xr.resolve(item(), bands, sign=False, radiometry=mode).assets
