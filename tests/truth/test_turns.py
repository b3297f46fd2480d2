"""Grids of 0 to 360°, and others beyond ±180°: a place is the same a turn further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

import astra_xr
from astra_xr.errors import InvalidParameter
from tests.truth.test_odd_files import item_of

ROWS, COLS = 120, 160
GRIDS = {
    "0 to 360": Affine(2.25, 0, 0, 0, -1.5, 90),
    "170 to 220": Affine(50 / COLS, 0, 170, 0, -0.2, 50),
    "-230 to -140": Affine(90 / COLS, 0, -230, 0, -0.2, 50),
    "-180 to 180": Affine(2.25, 0, -180, 0, -1.5, 90),
}
HAWAII = (-158, 38, -150, 42)
ALEUTIANS = (178, 38, -178, 42)


@pytest.fixture(params=["nothing", "proj and raster:bands"])
def item(request: pytest.FixtureRequest, tmp_path: Path, grid: str) -> Any:
    stored = np.arange(1, ROWS * COLS + 1, dtype="uint16").reshape(1, ROWS, COLS)
    profile = {"driver": "GTiff", "count": 1, "height": ROWS, "width": COLS, "dtype": "uint16",
               "crs": "EPSG:4326", "transform": GRIDS[grid], "tiled": True, "blockxsize": 32,
               "blockysize": 32, "nodata": 0}  # fmt: skip
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(stored)
    return item_of(tmp_path / "a.tif", request.param)


def check(ds: xr.Dataset, grid: str, *, filled: bool) -> None:
    """Compare each pixel with that of the file at its longitude and latitude."""
    box, values = ds.odc.geobox, ds["data"].values
    rows, cols = values.shape
    x, y = box.affine @ np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    lon, lat = Transformer.from_crs(str(box.crs), "EPSG:4326", always_xy=True).transform(x, y)
    transform = GRIDS[grid]
    col, row = ~transform @ ((lon - transform.c) % 360 + transform.c, lat)
    inside = (col >= 0) & (col < COLS) & (row >= 0) & (row < ROWS)
    expected = np.where(inside, np.floor(row) * COLS + np.floor(col) + 1, np.nan)
    # Positions in other CRSs are interpolated.
    at_edge = np.minimum(np.abs(col - np.rint(col)), np.abs(row - np.rint(row))) < 0.02
    np.testing.assert_array_equal(values[~at_edge], expected[~at_edge])
    assert bool(np.isnan(values).any()) is not filled


@pytest.mark.parametrize("grid", GRIDS)
def test_an_area_is_found_from_either_side(item: Any, grid: str) -> None:
    utm: dict[str, Any] = {"crs": "utm", "resolution": 20_000, "resampling": "nearest"}
    check(astra_xr.open_scene(item, bbox=HAWAII), grid, filled=True)
    check(astra_xr.open_scene(item, bbox=HAWAII, **utm), grid, filled=True)
    check(astra_xr.open_scene(item, bbox=ALEUTIANS, **utm), grid, filled=True)
    if grid != "-180 to 180":
        check(astra_xr.open_scene(item, bbox=ALEUTIANS), grid, filled=True)


@pytest.mark.parametrize("grid", GRIDS)
def test_on_a_grid_of_the_world(item: Any, grid: str) -> None:
    whole = grid in ("0 to 360", "-180 to 180")
    for west in (-180, 0):
        world = GeoBox.from_bbox((west, -90, west + 360, 90), "EPSG:4326", resolution=1)
        ds = astra_xr.open_scene(item, geobox=world, resampling="nearest")
        check(ds, grid, filled=whole)
        one = ds.isel(y=slice(45, 55), x=slice(100, 260))
        np.testing.assert_array_equal(one["data"], ds["data"].values[45:55, 100:260])
        check(astra_xr.open_scenes([item], geobox=world, resampling="nearest").isel(time=0),
              grid, filled=whole)  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS)
def test_points(item: Any, grid: str) -> None:
    ds = astra_xr.open_scene(item)
    transform = GRIDS[grid]
    for lon in (-158.1, 179.3):
        col, row = ~transform @ ((lon - transform.c) % 360 + transform.c, 40.03)
        found = ds.astra.sample([(lon, 40.03)])["data"].item()
        assert found == int(row) * COLS + int(col) + 1


@pytest.mark.parametrize("grid", GRIDS)
def test_polygons(item: Any, grid: str) -> None:
    ds, transform = astra_xr.open_scene(item), GRIDS[grid]
    for west, east in ((-158, -142), (202, 218), (-20, 10), (170, 176)):
        lon = (np.arange(COLS) + 0.5) * transform.a + transform.c
        shares = [
            np.clip(np.minimum(lon + transform.a / 2, east + turn)
                    - np.maximum(lon - transform.a / 2, west + turn), 0, None)
            for turn in (-360, 0, 360)
        ]  # fmt: skip
        # A field across the end of a grid is cut there, as `valid` shows.
        share = max(shares, key=lambda each: float(each.sum()))
        field = shapely.box(west, 39.5, east, 42.5)
        if not share.any():
            with pytest.raises(InvalidParameter, match="polygons that overlap"):
                ds.astra.zonal([field])
            continue
        found = ds.astra.zonal([field], "mean")
        valid = share.sum() / (east - west)
        if west == -20 and valid < 1:
            assert 0 < found["valid"].item() < 1
            continue
        assert found["valid"].item() == pytest.approx(valid, abs=1e-3)
        row = (transform.f - 41) / -transform.e - 0.5
        expected = row * COLS + np.average(np.arange(COLS), weights=share) + 1
        assert found["data"].item() == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("grid", ["170 to 220", "-230 to -140"])
def test_elsewhere_is_refused(item: Any, grid: str) -> None:
    for options in ({}, {"crs": "utm"}, {"crs": "EPSG:3857", "resolution": 20_000}):
        with pytest.raises(InvalidParameter, match="expected an area that overlaps the scene"):
            astra_xr.open_scene(item, bbox=(10, 41, 20, 45), **options)
