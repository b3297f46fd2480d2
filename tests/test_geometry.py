"""Boxes, geometries and points, however users have them at hand."""

from __future__ import annotations

import math
from typing import Any

import geopandas
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import geom
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.geometry import (
    bounds_in,
    box_polygon,
    geometry_bounds,
    in_usual_units,
    read_box,
    read_geometry,
    read_points,
)

BOX = geom.box(5, 50, 6, 51, "EPSG:4326")
SQUARE = {"type": "Polygon", "coordinates": [[[5, 50], [6, 50], [6, 51], [5, 51], [5, 50]]]}


class Shape:
    """What shapely geometries look like from outside."""

    __geo_interface__ = SQUARE


@pytest.mark.parametrize(
    "value",
    [
        (5, 50, 6, 51),
        [5.0, 50.0, 6.0, 51.0],
        np.array([5, 50, 6, 51]),
        ("5", "50", "6", "51"),
        (5, 50, -100, 6, 51, 4000),
    ],
)
def test_boxes(value: Any) -> None:
    assert read_box(value) == (5.0, 50.0, 6.0, 51.0)


def test_across_the_antimeridian() -> None:
    assert read_box((177, -19, -178, -16)) == (177.0, -19.0, -178.0, -16.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((37.0, -123.0, 38.0, -122.0), "longitude and latitude look swapped"),
        ((5, 51, 6, 50), "south (51) is greater than north (50)"),
        ((6, 50, 5, 51), "west (6) is greater than east (5)"),
        ((5, 50, 6, 200), "it leaves -180..180, -90..90"),
        ((5, 50, 6), "(west, south, east, north) in degrees"),
        ((5, 50, 6, math.nan), "(west, south, east, north) in degrees"),
        ("world", "(west, south, east, north) in degrees"),
        (7, "(west, south, east, north) in degrees"),
    ],
)
def test_boxes_that_cannot_be(value: Any, words: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_box(value)
    assert words in str(caught.value)
    assert caught.value.name == "bbox"


@pytest.mark.parametrize(
    "value",
    [
        SQUARE,
        Shape(),
        {"type": "Feature", "geometry": SQUARE, "properties": {}},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": SQUARE}]},
    ],
)
def test_geometries(value: Any) -> None:
    assert read_geometry(value) == SQUARE


def test_a_collection_of_geometries() -> None:
    parts = {"type": "GeometryCollection", "geometries": [SQUARE]}
    assert read_geometry(parts) == parts


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "Point", "coordinates": [50, 120]}, "look swapped"),
        ({"type": "Point", "coordinates": [500, 120]}, "leaves -180..180"),
        ({"type": "Point", "coordinates": []}, "a GeoJSON geometry"),
        ({"type": "Point", "coordinates": ["a", "b"]}, "a GeoJSON geometry"),
        ({"type": "Point"}, "a GeoJSON geometry"),
        ({"type": "Circle", "coordinates": [5, 50]}, "a GeoJSON geometry"),
        ({"type": "FeatureCollection", "features": []}, "a GeoJSON geometry"),
        ("POINT (5 50)", "a GeoJSON geometry"),
    ],
)
def test_geometries_that_cannot_be(value: Any, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        read_geometry(value)


@pytest.mark.parametrize(
    "value",
    [
        BOX.geom,
        BOX,
        geopandas.GeoSeries([BOX.geom], crs="EPSG:4326"),
        geopandas.GeoDataFrame(geometry=[BOX.geom], crs="EPSG:4326"),
    ],
)
def test_shapes_of_other_libraries(value: Any) -> None:
    assert geometry_bounds(read_geometry(value)) == (5, 50, 6, 51)


def test_a_box_as_a_polygon() -> None:
    assert box_polygon((5, 50, 6, 51)).boundingbox.bbox == (5, 50, 6, 51)
    assert box_polygon((177, -19, -178, -16)).boundingbox.bbox == (177, -19, 182, -16)


def test_bounds_in_another_crs_hold_the_sides_between_the_corners() -> None:
    west, south, east, north = 5.0, 50.0, 15.0, 51.0
    left, bottom, right, top = bounds_in(box_polygon((west, south, east, north)), "EPSG:3035")
    across = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    for lon, lat in ((9.0, south), (9.0, north), (west, 50.5), (east, 50.5)):
        x, y = across.transform(lon, lat)
        # Between 20 points of a side a curve may reach a little farther.
        assert left - 20 < x < right + 20
        assert bottom - 200 < y < top + 200
    box = GeoBox(
        (10, 10), GeoBox.from_bbox((0, 0, 1, 1), "EPSG:3857", shape=10).affine, "EPSG:3857"
    )
    assert bounds_in(box.extent, "EPSG:3857") == box.boundingbox


class TestPoints:
    def test_pairs(self) -> None:
        for form in ([(5, 50), (6, 51)], np.array([[5, 50], [6, 51]]), (("5", "50"), ("6", "51"))):
            x, y, crs, labels = read_points(form)
            assert (list(x), list(y), crs, list(labels)) == ([5, 6], [50, 51], "EPSG:4326", [0, 1])

    def test_frames_of_any_crs(self) -> None:
        series = geopandas.GeoSeries(
            [geom.point(5e5, 4e6, None).geom, geom.point(6e5, 5e6, None).geom],
            index=["a", "b"],
            crs="EPSG:32610",
        )
        for form in (series, geopandas.GeoDataFrame(geometry=series)):
            x, y, crs, labels = read_points(form)
            assert (list(x), list(y), list(labels)) == ([5e5, 6e5], [4e6, 5e6], ["a", "b"])
            assert "WGS 84 / UTM zone 10N" in crs

    @pytest.mark.parametrize(
        "value",
        [
            [],
            5,
            "here",
            [(5,)],
            [(5, math.nan)],
            geopandas.GeoSeries([geom.point(5, 50, None).geom]),
            geopandas.GeoSeries([BOX.geom], crs="EPSG:4326"),
        ],
    )
    def test_refused(self, value: Any) -> None:
        with pytest.raises(InvalidParameter, match="pairs of longitude and latitude") as caught:
            read_points(value)
        assert caught.value.name == "points"


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "geometries", "geometry"]), inner)
    ),
    max_leaves=8,
)
geojson = st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "Polygon", "Feature", "GeometryCollection"])},
    optional={"coordinates": junk, "geometries": junk, "geometry": junk},
)


@given(junk, junk | geojson)
def test_anything_is_taken_or_refused_with_our_message(value: Any, shape: Any) -> None:
    readers = (
        (read_box, value),
        (box_polygon, value),
        (read_points, value),
        (read_geometry, shape),
    )
    for read, given_ in readers:
        try:
            read(given_)
        except AstraError:
            continue


@pytest.mark.parametrize("first", [32600, 32700])
def test_units_are_those_that_proj_has_for_a_code(first: int) -> None:
    for code in range(first, first + 100):
        try:
            units = {axis.unit_name for axis in CRS(code).axis_info}
        except CRSError:
            continue
        assert in_usual_units(f"EPSG:{code}") == (units <= {"metre", "degree"}), code
