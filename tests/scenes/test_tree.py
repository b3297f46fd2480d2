"""A scene as a tree of resolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.reading.ranges import traffic
from astra_xr.sample import SCENE_ID
from tests import items
from tests.conftest import SIZE, World


def tree(bands: Any = None, **options: Any) -> xr.DataTree:
    return astra_xr.open_scene_tree(SCENE_ID, bands, catalog="sample", **options)


def test_each_band_is_in_its_own_pixels_and_unread() -> None:
    before = traffic().requests
    found = tree()
    assert traffic().requests == before
    assert list(found.children) == ["r10m", "r20m", "r60m"]
    assert {"B02", "B08", "TCI"} <= set(found["r10m"].data_vars)
    assert {"B05", "B8A", "SCL"} <= set(found["r20m"].data_vars)
    assert set(found["r60m"].data_vars) == {"B01", "B09"}
    for name, size in (("r10m", 10), ("r20m", 20), ("r60m", 60)):
        ds = found[name].to_dataset()
        assert ds.rio.resolution() == (size, -size)
        assert not any("resampling" in ds[band].attrs for band in ds)
        assert not any(ds[band].variable._in_memory for band in ds)
    assert found.attrs["scene_id"] == found["r20m"].attrs["scene_id"]
    own = astra_xr.open_scene(SCENE_ID, ["B11"], catalog="sample")
    half = found["r20m"].to_dataset()
    xr.testing.assert_identical(half.B11[:50].load(), own.B11[:50].load())


def test_a_place_is_covered_by_the_pixels_of_each_node() -> None:
    box = (-122.43, 37.50, -122.41, 37.51)
    found = tree(["red", "B11"], bbox=box, chunks={}, mask_and_scale=False)
    fine, coarse = (found[name].to_dataset() for name in ("r10m", "r20m"))
    own = astra_xr.open_scene(SCENE_ID, ["B11"], catalog="sample", bbox=box, mask_and_scale=False)
    np.testing.assert_array_equal(coarse.B11, own.B11)
    assert coarse.B11.dtype == np.uint16
    assert fine.red.chunks is not None
    assert abs(fine.sizes["x"] - 2 * coarse.sizes["x"]) <= 2
    assert coarse.astra.mask().shape == coarse.B11.shape


def test_grids_of_equal_pixels_at_other_positions(world: World) -> None:
    raw = items.planetary_computer(SIZE)
    raw["assets"]["B8A"] |= {"proj:epsg": 32611, "proj:shape": [SIZE, SIZE],
                             "proj:transform": [10, 0, -26850, 0, -10, 4217000]}  # fmt: skip
    world.planetary_computer.items[:] = [raw]
    found = astra_xr.open_scene_tree(
        f"sentinel-2:{items.PRODUCT}", ["red", "nir", "B8A"], catalog="planetary-computer"
    )
    assert list(found.children) == ["r10m", "r10m_2"]
    assert found["r10m_2"].to_dataset().rio.crs.to_epsg() == 32611


@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_it_goes_through_a_file_and_back(form: str, tmp_path: Path) -> None:
    if form == "zarr":
        pytest.importorskip("zarr")
    found = tree(["red", "nir", "B11", "SCL"], x=(552000, 554000), y=(4150000, 4152000))
    path = tmp_path / f"scene.{form}"
    written: dict[str, Any] = {"consolidated": False} if form == "zarr" else {}
    getattr(found, f"to_{form}")(path, **written)
    options: dict[str, Any] = {"engine": "zarr", "consolidated": False} if form == "zarr" else {}
    with xr.open_datatree(path, decode_coords="all", **options) as back:
        assert sorted(back.children) == ["r10m", "r20m"]
        assert back.attrs["scene_id"] == found.attrs["scene_id"]
        for name in back.children:
            ds, own = back[name].to_dataset(), found[name].to_dataset()
            assert ds.rio.crs == own.rio.crs
            assert ds.rio.transform() == own.rio.transform()
            for band in own:
                np.testing.assert_allclose(ds[band], own[band], atol=1e-6)
        fine, coarse = (back[name].to_dataset() for name in ("r10m", "r20m"))
        np.testing.assert_allclose(
            fine.astra.index("NDVI"), found["r10m"].to_dataset().astra.index("NDVI"), atol=1e-5
        )
        np.testing.assert_array_equal(coarse.astra.mask(), found["r20m"].to_dataset().astra.mask())


def test_errors_are_those_of_open_scene() -> None:
    with pytest.raises(errors.UnknownBand, match="rde"):
        tree(["rde"])
    with pytest.raises(errors.InvalidParameter, match="that overlaps the scene"):
        tree(["red"], bbox=(10, 50, 11, 51))
