"""Indices of what is no reflectance: a warning where the values mislead, and none elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr import warned
from astra_xr.sample import SCENE_ID
from astra_xr.testing import write_cog
from tests.conftest import PLACE_OF_30_M
from tests.items import COG

Json = dict[str, Any]
SIDE = 64


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    warned._seen.clear()


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def item(
    folder: Path, numbers: Json | None = None, *, name: str = "field-7", dtype: str = "uint16"
) -> Json:
    """An item of no mission; ``numbers`` describe each of its bands, None: nothing does."""
    assets: Json = {}
    for key, value in (("red", 10000), ("nir", 20000), ("blue", 5000)):
        path = folder / f"{name}.{key}.tif"
        pixels = np.full((SIDE, SIDE), value * (1e-4 if dtype == "float32" else 1), dtype)
        write_cog(path, pixels, transform=PLACE_OF_30_M, nodata=0)
        described = {"raster:bands": [{"data_type": dtype, "nodata": 0, **numbers}]} if (
            numbers is not None) else {}  # fmt: skip
        assets[key] = {"href": str(path), "type": COG, "roles": ["data"], **described,
                       "eo:bands": [{"name": key, "common_name": key}]}  # fmt: skip
    grid = {"proj:epsg": 32610, "proj:shape": [SIDE, SIDE],
            "proj:transform": [30, 0, 499980, 0, -30, 4200000]}  # fmt: skip
    return {"type": "Feature", "id": name, "properties": grid, "assets": assets, "links": []}


TOLD = r"NDVI of field-7 is not computed from reflectance \((nir, red|red, nir): digital numbers"


@pytest.mark.parametrize("numbers", [{}, None], ids=["a type", "nothing"])
def test_digital_numbers_are_warned_of_once(tmp_path: Path, numbers: Json | None) -> None:
    ds = astra_xr.open_scene(item(tmp_path, numbers))
    with pytest.warns(UserWarning, match=TOLD) as caught:
        values = ds.astra.index("NDVI")
    (warning,) = caught
    assert warning.filename == __file__, "shown at the line that asks for the index"
    for words in ("raster:bands", "(ds * scale + offset).astra.index"):
        assert words in str(warning.message)
    assert values.values[1, 1] == pytest.approx(1 / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds.astra.index("NDVI")
        ds.astra.index(["NDVI", "EVI"])


@pytest.mark.usefixtures("quiet")
def test_what_the_warning_proposes_is_right_and_quiet(tmp_path: Path) -> None:
    ds = astra_xr.open_scene(item(tmp_path, {}))
    index = (ds * 2.75e-5 - 0.2).astra.index("NDVI")
    assert index.values[1, 1] == pytest.approx((0.35 - 0.075) / 0.425)


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ({"scale": 2.75e-5, "offset": -0.2}, "uint16"),
        ({"scale": 1e-4}, "uint16"),
        ({"scale": 1e-4, "unit": "1"}, "uint16"),
        ({"unit": "reflectance"}, "uint16"),
        ({}, "float32"),
        (None, "float32"),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_what_is_known_is_quiet(tmp_path: Path, numbers: Json | None, dtype: str) -> None:
    ds = astra_xr.open_scene(item(tmp_path, numbers, dtype=dtype))
    ds.astra.index(["NDVI", "EVI"])


@pytest.mark.parametrize("options", [{}, {"chunks": 512}, {"mask_and_scale": False}], ids=str)
@pytest.mark.usefixtures("quiet")
def test_reflectance_is_quiet(options: Json) -> None:
    ds = astra_xr.open_scene(SCENE_ID, ["red", "nir", "blue"], catalog="sample", **options)
    ds.astra.index(["NDVI", "EVI"])


def test_stored_numbers_as_requested(tmp_path: Path) -> None:
    bands = ["red", "nir", "blue"]
    ds = astra_xr.open_scene(SCENE_ID, bands, catalog="sample", radiometry="raw")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds.astra.index("NDVI")
    with pytest.warns(UserWarning, match="EVI.*stored numbers, as requested.*radiometry='raw'"):
        ds.astra.index("EVI")


def test_photographs(tmp_path: Path) -> None:
    pixels = np.full((4, SIDE, SIDE), 100, "uint8")
    path = write_cog(tmp_path / "naip.tif", pixels, transform=PLACE_OF_30_M, nodata=None)
    naip = item(tmp_path) | {"id": "id_m_4611606_ne_11_060_20231117_20240103"}
    naip["assets"] = {"image": {"href": str(path), "type": COG}}
    ds = astra_xr.open_scene(naip, ["red", "nir", "blue"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds.astra.index("NDVI")
    with pytest.warns(UserWarning, match="EVI.*photograph"):
        ds.astra.index("EVI")


def test_radiance_and_mixtures(tmp_path: Path) -> None:
    radiance = {"scale": 0.1, "unit": "watt/steradian/square_meter/micrometer"}
    ds = astra_xr.open_scene(item(tmp_path, radiance, name="radiance"))
    with pytest.warns(UserWarning, match="radiance.*metadata file"):
        ds.astra.index("NDVI")
    mixed = item(tmp_path, {"scale": 1e-4}, name="mixed")
    del mixed["assets"]["nir"]["raster:bands"][0]["scale"]
    with pytest.warns(UserWarning, match="nir: digital numbers.*the values are meaningless"):
        astra_xr.open_scene(mixed).astra.index("NDVI")


def test_reflectance_times_ten_thousand() -> None:
    ds = astra_xr.open_scene(SCENE_ID, ["red", "nir", "blue"], catalog="sample")
    ds = ds.isel(x=slice(1000, 1050), y=slice(1000, 1050)).load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (ds * 10000).astra.index("NDVI")
    for many in (ds * 10000, (ds * 10000).astype("uint16")):
        warned._seen.clear()
        with pytest.warns(UserWarning, match=r"EVI.*most values above 10.*\(ds / 10000\)"):
            many.astra.index("EVI")
    warned._seen.clear()
    with pytest.warns(UserWarning, match="red: most values above 10.*the values are meaningless"):
        ds.assign(red=ds.red * 10000).astra.index("NDVI")


@pytest.mark.usefixtures("quiet")
def test_arrays_of_the_users_own_have_no_warning() -> None:
    values = xr.DataArray(np.full((4, 4), 1000), dims=("y", "x"))
    xr.Dataset({"red": values, "nir": values}).astra.index("NDVI")
