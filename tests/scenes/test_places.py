"""A part of a scene, another CRS, a given grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo import geom
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform

import astra_xr
from astra_xr import errors
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.ranges import traffic
from astra_xr.sample import SCENE_ID

Box = tuple[float, float, float, float]
BOX = (-122.40, 37.45, -122.38, 37.46)


def scene(bands: Any = ("red",), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


@pytest.fixture(scope="module")
def middle() -> Box:
    """A box in degrees in the midst of the sample."""
    ds = astra_xr.open_scene(SCENE_ID, bands=["red"], catalog="sample")
    left, bottom, right, top = ds.rio.bounds()
    x, y = (left + right) / 2, (bottom + top) / 2
    (west, east), (south, north) = transform(
        ds.rio.crs, "EPSG:4326", [x - 3001, x + 2004], [y - 1507, y + 1009]
    )
    return west, south, east, north


def test_a_box_is_cut_from_the_file_exactly(middle: Box) -> None:
    whole, ds = scene(), scene(bbox=middle)
    west, south, east, north = middle
    lon, lat = [west, west, east, east], [south, north, south, north]
    x, y = (np.array(v) for v in transform("EPSG:4326", "EPSG:32610", lon, lat))
    left, bottom, right, top = ds.rio.bounds()
    assert left <= x.min() < left + 30
    assert right - 30 < x.max() <= right
    assert bottom <= y.min() < bottom + 30
    assert top - 30 < y.max() <= top
    np.testing.assert_array_equal(ds.red, whole.red.sel(x=ds.x, y=ds.y))
    assert "resampling" not in ds.red.attrs
    assert ds.odc.geobox == whole.odc.geobox[whole.odc.geobox.overlap_roi(ds.odc.geobox)]


def test_opening_and_reading_a_box_costs_its_tiles_alone(middle: Box) -> None:
    tile_cache.clear()
    before = traffic().bytes
    ds = scene(["red", "B11"], bbox=middle)
    assert traffic().bytes == before
    assert ds.astra.explain().tiles <= 2 * 4
    assert (ds.sizes["x"], ds.B11.attrs["resampling"]) == (ds.red.shape[1], "nearest, from 20")
    np.testing.assert_array_equal(ds.B11, scene(["red", "B11"]).B11.sel(x=ds.x, y=ds.y))


def test_pixels_beyond_the_scene_are_nodata() -> None:
    whole = scene()
    left, _, _, top = whole.rio.bounds()
    ds = scene(["red", "SCL"], x=(left - 40, left + 100), y=(top - 100, top + 20))
    assert ds.red.shape == (12, 14)
    assert np.isnan(ds.red[:2]).all()
    assert np.isnan(ds.red[:, :4]).all()
    assert (ds.SCL[:2] == 0).all()
    np.testing.assert_array_equal(ds.red[2:, 4:], whole.red[:10, :10])


def test_a_geometry_counts_by_its_bounds(middle: Box) -> None:
    shape = geom.box(*middle, "EPSG:4326")
    for form in (shape.geom, shape.geojson(), shape):
        xr.testing.assert_identical(scene(intersects=form).x, scene(bbox=middle).x)


def test_another_size_of_pixels_in_a_box() -> None:
    whole = scene(resolution=60)
    x, y = float(whole.x[10]), float(whole.y[20])
    ds = scene(resolution=60, x=(x, x + 600), y=(y, y - 300))
    assert ds.red.shape == (6, 11)
    np.testing.assert_array_equal(ds.red, whole.red[20:26, 10:21])


@pytest.mark.parametrize("crs", ["EPSG:4326", 3857, "EPSG:32611"])
def test_another_crs_equals_rasterios_warper(crs: Any, middle: Box) -> None:
    ds = scene(crs=crs, bbox=middle, mask_and_scale=False)
    box, source = ds.odc.geobox, scene(mask_and_scale=False)
    rows, cols = source.red.shape
    profile = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": "uint16",
               "crs": source.rio.crs, "transform": source.rio.transform()}  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(source.red.values, 1)
        with memory.open() as file, WarpedVRT(
            file, crs=str(box.crs), transform=box.affine, height=box.shape.y, width=box.shape.x,
            resampling=Resampling.nearest, tolerance=0.001,
        ) as oracle:  # fmt: skip
            expected = oracle.read(1)
    assert ds.rio.crs == rasterio.crs.CRS.from_user_input(crs)
    assert (ds.red != expected).mean() < 0.003
    assert (ds.red == 0).mean() < 0.2
    assert ds.red.attrs["resampling"] == "nearest, from 10"


def test_the_whole_scene_in_another_crs() -> None:
    ds = scene(crs="EPSG:4326", resolution=0.001)
    west, south, east, north = scene().odc.geobox.geographic_extent.boundingbox.bbox
    assert ds.rio.bounds() == pytest.approx((west, south, east, north), abs=0.0021)
    assert ds.red.attrs["resampling"] == "average, from 10"
    assert ds.rio.resolution() == pytest.approx((0.001, -0.001))
    angles = {"sun_elevation", "sun_azimuth"}
    assert set(ds.coords) == {"x", "y", "spatial_ref", "time", "id"} | angles
    assert float(ds.x[0]) == pytest.approx(west, abs=0.002)


def test_utm_is_the_scenes_own_zone_here(middle: Box) -> None:
    ds = scene(crs="utm", bbox=middle)
    xr.testing.assert_identical(ds, scene(bbox=middle))


def test_an_anchor_moves_the_pixels(middle: Box) -> None:
    edge = scene(bbox=middle, resolution=30, anchor="edge")
    assert (edge.rio.transform().c % 30, edge.rio.transform().f % 30) == (0, 0)
    center = scene(bbox=middle, resolution=30, anchor="center")
    assert (center.x[0] % 30, center.y[0] % 30) == (0, 0)


def test_the_grid_of_something_else(middle: Box) -> None:
    box = GeoBox.from_bbox(middle, "EPSG:4326", resolution=0.0005)
    ds = scene(["red", "B11"], geobox=box)
    assert ds.odc.geobox == box
    for like in (ds, ds.red, box):
        xr.testing.assert_identical(scene(like=like).red, ds.red)


def test_a_grid_elsewhere_is_refused() -> None:
    elsewhere = GeoBox.from_bbox((0, 0, 100, 100), "EPSG:32610", resolution=10)
    for name in ("geobox", "like"):
        options: dict[str, Any] = {name: elsewhere}
        with pytest.raises(errors.InvalidParameter, match=f"Invalid {name}=.*overlaps the scene"):
            scene(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bbox": (10, 50, 11, 51)}, r"bbox=.*expected an area that overlaps the scene, \(-122"),
        ({"bbox": (37.4, -122.4, 37.5, -122.3)}, "look swapped"),
        ({"bbox": (1, 2, 3)}, r"\(west, south, east, north\) in degrees"),
        ({"bbox": (-122.4, 37.4, -122.4, 37.5)}, "some width and height"),
        ({"bbox": BOX, "x": (0, 1), "y": (0, 1)}, "only one area of interest, not also x, y"),
        ({"x": (0, 1)}, "y is missing; expected two numbers each"),
        ({"x": (0, 1), "y": (0, 1)}, r"Invalid x=\(.*overlaps the scene, x 5.* in EPSG:32610"),
        (
            {"x": (552000, 553000), "y": (0, 1)},
            r"Invalid y=\(0.*overlaps the scene, x 5.* in EPSG:32610",
        ),
        ({"x": (5, 5), "y": (0, 1)}, "Invalid x=.*two different numbers"),
        ({"x": (0, 1), "y": (5, "a")}, "Invalid y=.*two different numbers"),
        ({"x": slice(0, 1), "y": (0, 1)}, "Invalid x=slice.*two different numbers"),
        ({"intersects": {"type": "Polygon"}}, "a GeoJSON geometry"),
        (
            {"intersects": geom.box(-179, 30, 179, 40, "EPSG:4326")},
            "across the antimeridian.*west greater than east",
        ),
        ({"crs": "EPSG:4326", "bbox": (170, 30, -120, 40)}, "a projected CRS"),
        ({"crs": "EPSG:123456789"}, "crs=.*'utm'"),
        ({"crs": [1]}, "crs=.*'utm'"),
        ({"anchor": "corner"}, "one of edge, center, floating"),
        ({"geobox": 3}, "GeoBox with a CRS"),
        ({"like": xr.Dataset()}, "GeoBox with a CRS"),
        ({"geobox": GeoBox((2, 2), Affine.identity(), None)}, "GeoBox with a CRS"),
        ({"geobox": GeoBox((2, 2), Affine.identity(), "EPSG:4326"), "resolution": 3}, "no other"),
        ({"resolution": 1e-3}, "larger pixels or a smaller area"),
        ({"bbox": BOX, "resolution": "fine"}, "'finest' or 'coarsest'"),
    ],
)
def test_places_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.InvalidParameter, match=words):
        scene(**options)


def test_a_box_with_swapped_edges_is_an_error() -> None:
    """Both of its readings are on earth, where the scene is."""
    item = {
        "id": "here",
        "properties": {"proj:code": "EPSG:32632", "datetime": "2025-01-01T00:00:00Z"},
        "assets": {
            "red": {
                "href": "https://example.com/red.tif",
                "proj:shape": [1000, 1000],
                "proj:transform": [10, 0, 500000, 0, -10, 5300000],
                "raster:bands": [{"data_type": "uint16"}],
            }
        },
    }
    assert astra_xr.open_scene(item, bbox=(9.01, 47.8, 9.02, 47.81)).sizes["x"] > 70
    with pytest.raises(errors.InvalidParameter, match="longitude and latitude look swapped"):
        astra_xr.open_scene(item, bbox=(47.8, 9.01, 47.81, 9.02))


def test_real_pixels_in_another_crs(shared: Path) -> None:
    path = shared / "rasters/sentinel2-S2A_29RKH_20200219_0_L2A/B04.tif"
    item = {"id": "real", "properties": {}, "assets": {"B04": {"href": str(path)}}}
    ds = astra_xr.open_scene(item, crs="EPSG:4326", mask_and_scale=False)
    part = ds.isel(x=slice(200, 500), y=slice(100, 300))
    with rasterio.open(path) as file:
        stored, affine, crs = file.read(1), file.transform, file.crs
    lon, lat = np.meshgrid(part.x, part.y)
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = there.transform(lon.ravel(), lat.ravel())
    col, row = ~affine * (x, y)
    expected = stored[np.floor(row).astype(int), np.floor(col).astype(int)]
    near = np.minimum(*(np.abs(v - np.round(v)) for v in (col, row))) < 0.01
    same = part.B04.values.ravel() == expected
    assert same[~near].all()
    assert same.mean() > 0.99
