"""Scenes of the further missions as Datasets: values, labels, units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

import astra_xr
from astra_xr.errors import InvalidParameter
from astra_xr.testing import write_cog
from tests.items import COG

Json = dict[str, Any]
SIZE = 64
UTM = {
    "proj:epsg": 32610,
    "proj:shape": [SIZE, SIZE],
    "proj:transform": [10, 0, 499980, 0, -10, 4200000],
}


def item_of(name: str, assets: Json, **properties: Any) -> Json:
    return {
        "type": "Feature",
        "id": name,
        "properties": properties or UTM,
        "assets": {key: {"type": COG, **asset} for key, asset in assets.items()},
        "links": [],
    }


@pytest.fixture
def naip(tmp_path: Path) -> Json:
    planes = np.stack([np.full((SIZE, SIZE), value, "uint8") for value in (200, 100, 50, 40)])
    path = write_cog(tmp_path / "m.tif", planes, nodata=None)
    bands = [{"name": name} for name in ("Red", "Green", "Blue", "NIR")]
    image = {"href": str(path), "eo:bands": bands}
    return item_of("ca_m_3812201_ne_10_060_20220101", {"image": image}, gsd=0.6, **UTM)


def test_a_photograph_is_one_variable_with_named_bands(naip: Json) -> None:
    ds = astra_xr.open_scene(naip)
    assert list(ds) == ["image"]
    assert ds.image.dims == ("band", "y", "x")
    assert ds.band.values.tolist() == ["red", "green", "blue", "nir"]
    assert ds.image.sel(band="nir").mean() == 40
    assert ds.image.attrs["gsd"] == 0.6
    assert ds.attrs["mission"] == "naip"


def test_its_bands_alone(naip: Json) -> None:
    ds = astra_xr.open_scene(naip, ["red", "NIR", "image"])
    assert ds.red.dims == ("y", "x")
    assert (ds.red.values == 200).all()
    assert ds.NIR.attrs["center_wavelength"] == 0.86
    # Bytes would wrap around.
    assert ds[["red", "NIR"]].astra.index("NDVI").mean().item() == pytest.approx(-160 / 240)


def test_radar_is_linear_power(tmp_path: Path) -> None:
    power = np.full((SIZE, SIZE), 0.25, "float32")
    power[0, 0] = -32768
    path = write_cog(tmp_path / "vv.tif", power, nodata=-32768, predictor=1)
    name = "S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_rtc"
    assets = {"vv": {"href": str(path)}, "vh": {"href": str(path)}}
    told = {**UTM, "sar:product_type": "GRD"}
    ds = astra_xr.open_scene(item_of(name, assets, **told), "backscatter")
    assert list(ds) == ["vv", "vh"]
    assert np.isnan(ds.vv.values[0, 0])
    assert ds.vv.values[1, 1] == 0.25
    assert ds.vv.attrs["role"] == "backscatter"


def test_heights_are_metres(tmp_path: Path) -> None:
    heights = np.full((SIZE, SIZE), -3.5, "float32")
    transform = Affine(1 / 3600, 0, -123.0, 0, -1 / 3600, 39.0)
    path = write_cog(
        tmp_path / "dem.tif", heights, crs="EPSG:4326", transform=transform, nodata=None,
        predictor=1,
    )  # fmt: skip
    told = {
        "proj:epsg": 4326,
        "proj:shape": [SIZE, SIZE],
        "proj:transform": list(transform)[:6],
    }
    name = "Copernicus_DSM_COG_10_N38_00_W123_00_DEM"
    ds = astra_xr.open_scene(item_of(name, {"data": {"href": str(path)}}, **told), "elevation")
    assert ds.elevation.attrs["units"] == "m"
    assert (ds.elevation.values == -3.5).all()
    assert ds.rio.crs.to_epsg() == 4326


def test_harmonised_reflectance_and_kelvin(tmp_path: Path) -> None:
    stored = np.full((SIZE, SIZE), 2500, "int16")
    stored[0, 0] = -9999
    path = str(write_cog(tmp_path / "a.tif", stored, nodata=-9999))
    assets = {"B04": {"href": path}, "B10": {"href": path}}
    ds = astra_xr.open_scene(
        item_of("HLS.L30.T10SEG.2025015T184929.v2.0", assets), ["red", "thermal"]
    )
    assert list(ds) == ["red", "B10"]
    assert ds.red.values[1, 1] == pytest.approx(0.25)
    assert ds.B10.values[1, 1] == pytest.approx(298.15)
    assert ds.B10.attrs["units"] == "K"
    assert np.isnan(ds.red.values[0, 0])


def test_files_of_other_bands_share_no_dimension(naip: Json, tmp_path: Path) -> None:
    bands = [{"name": "a"}, {"name": "b"}]
    path = write_cog(tmp_path / "two.tif", np.zeros((2, SIZE, SIZE), "uint8"), nodata=None)
    item = naip | {"id": "x"}
    item["assets"]["other"] = {"href": str(path), "type": COG, "eo:bands": bands}
    with pytest.raises(InvalidParameter, match="one band dimension"):
        astra_xr.open_scene(item, ["image", "other"])
