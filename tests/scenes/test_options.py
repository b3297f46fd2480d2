"""Each option is read in one place, in every form that peers take, and refused in words."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio.crs
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import geom, resxy_, resyx_, wh_
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

import astra_xr
from astra_xr.errors import InvalidParameter
from astra_xr.geometry import geometry_bounds, read_box, read_crs, read_geometry
from astra_xr.sample import SCENE_ID
from astra_xr.scenes.chunks import read_chunks
from astra_xr.scenes.options import options_of, read_resolution
from conftest import Loopback

FIELD = (-122.40, 37.50, -122.39, 37.51)
POLYGON = shapely.box(*FIELD)
UTM = "EPSG:32610"

# Pixel size


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (20, 20),
        (20.5, 20.5),
        (np.float32(20), 20),
        (np.int16(20), 20),
        (np.array(20), 20),
        (xr.DataArray(20.0), 20),
        ([20], 20),
        ((10, 10), 10),
        ([10, 10.0], 10),
        ((10, -10), 10),  # rioxarray: ds.rio.resolution()
        ((-10, 10), 10),  # the Open Data Cube's y, x
        (np.array([10.0, -10.0]), 10),
        (resxy_(10, -10), 10),
        (resyx_(-10, 10), 10),
        ("finest", "finest"),
        ("coarsest", "coarsest"),
        (None, None),
    ],
)
def test_resolutions(given: Any, size: Any) -> None:
    assert read_resolution(given) == size


def test_resolutions_that_objects_have() -> None:
    box = GeoBox.from_bbox((0, 0, 100, 100), UTM, resolution=10)
    assert read_resolution(box.resolution) == 10
    ds = astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample")
    assert read_resolution(ds.rio.resolution()) == 10
    assert read_resolution(ds.odc.geobox.resolution) == 10


@pytest.mark.parametrize("given", [(10, 20), [10, -30], np.array([10, 20]), resxy_(10, -20)])
def test_pixels_are_square(given: Any) -> None:
    with pytest.raises(InvalidParameter, match="pixels are square; expected one size for x and y"):
        read_resolution(given)


@pytest.mark.parametrize(
    "given",
    [
        0, -10, (-10, -10), math.nan, math.inf, (10, math.nan), True, np.True_, [True], "fine",
        "20", "Finest", b"20", [], (), (10, 10, 10), [[10], [10, 20]], {"x": 10}, {10}, object(),
        1j, [None], ["10"], pd.DataFrame({"a": [1, 2, 3]}), wh_(10, 20), 10**400,
    ],
)  # fmt: skip
def test_resolutions_that_cannot_be(given: Any) -> None:
    with pytest.raises(InvalidParameter, match="Invalid resolution="):
        read_resolution(given)


# Chunks


@pytest.mark.parametrize(
    ("given", "chunks"),
    [
        (None, None),
        (False, None),
        (np.False_, None),
        (True, "auto"),
        ("auto", "auto"),
        ({}, {}),
        (512, 512),
        (np.int64(512), 512),
        (-1, -1),
        ({"x": np.int64(512), "y": -1}, {"x": 512, "y": -1}),
        ({"time": 1, "x": "auto", "y": None}, {"time": 1, "x": "auto", "y": None}),
        ({"x": (100, 200)}, {"x": (100, 200)}),
    ],
)
def test_chunks(given: Any, chunks: Any) -> None:
    assert read_chunks(given) == chunks


@pytest.mark.parametrize(
    "given",
    [
        0, -2, 1.5, math.nan, (512, 512), [512], {512}, b"auto", object(), {"x": 0}, {"x": -7},
        {"x": 1.5}, {"x": True}, {"x": (100, 0)}, {"x": [True]}, np.array([1, 2]), {"x": {}}, "",
        " ", "512",
    ],
)  # fmt: skip
def test_chunks_that_cannot_be(given: Any) -> None:
    with pytest.raises(InvalidParameter, match="Invalid chunks="):
        read_chunks(given)


@pytest.mark.parametrize(
    ("given", "chunks"),
    [(True, ((2048,), (2048,))), (False, None), (1024, ((1024, 1024),) * 2), (-1, ((2048,),) * 2)],
)
def test_chunks_of_a_dataset(given: Any, chunks: Any) -> None:
    for ds in (
        astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample", chunks=given),
        astra_xr.open_scene_tree(SCENE_ID, ["red"], catalog="sample", chunks=given)["r10m"],
        astra_xr.open_scenes([SCENE_ID], ["red"], catalog="sample", chunks=given),
    ):
        whole = chunks and (((1,), *chunks) if "time" in ds.sizes else chunks)
        assert ds["red"].chunks == whole


@pytest.mark.parametrize("text", ["sensible", "a\nb", "x" * 9999])
def test_a_text_that_is_no_size_of_chunks(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample", chunks=text)
    assert caught.value.name == "chunks"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


# Words and ranges


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (name, given)
        for name in ("resampling", "anchor", "groupby", "x", "y", "resolver")
        for given in (
            5, b"nearest", ["nearest"], ("a", "b"), {"nearest"}, object(), np.array([1, 1]), "x",
            "", {"red": 5}, {"red": ["nearest"]}, slice(1, 2), pd.Series([1, 1]), 10**400,
        )
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, str) else each,
)  # fmt: skip
def test_words_and_ranges_that_cannot_be(network: Loopback, name: str, given: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        astra_xr.open_scenes([SCENE_ID], ["red"], **{name: given})
    assert caught.value.name == name
    assert "\n" not in str(caught.value)
    assert network.log == []


@pytest.mark.parametrize("name", ["mask_and_scale", "allow_large", "fail_on_error"])
@pytest.mark.parametrize("given", ["False", 2, 0.0, [], {"red": False}, np.array([True, False])])
def test_flags_that_cannot_be(network: Loopback, name: str, given: Any) -> None:
    with pytest.raises(InvalidParameter, match=f"Invalid {name}=.*True or False"):
        astra_xr.open_scenes([SCENE_ID], ["red"], **{name: given})
    assert network.log == []


@pytest.mark.parametrize("x", [(551000, 552000), [552000.0, 551000], np.array([551000, 552000])])
def test_ranges(x: Any) -> None:
    y: Any = pd.Series(["4152000", "4153000"])
    ds = astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample", x=x, y=y)
    assert ds.red.shape == (100, 100)


# CRS


@pytest.mark.parametrize(
    "given",
    [
        UTM, "epsg:32610", " EPSG:32610", 32610, np.int32(32610), "32610", CRS(UTM),
        pyproj.CRS(UTM), pyproj.CRS(UTM).to_wkt(), rasterio.crs.CRS.from_epsg(32610),
        pyproj.CRS(UTM).to_json_dict(), "+proj=utm +zone=10 +datum=WGS84 +units=m +type=crs",
        SimpleNamespace(to_wkt=lambda: pyproj.CRS(UTM).to_wkt()),
    ],
    ids=lambda given: f"{type(given).__name__} {str(given)[:12]}",
)  # fmt: skip
def test_crss(given: Any) -> None:
    assert read_crs(given) == CRS(UTM)


def test_the_word_utm() -> None:
    assert {read_crs(given) for given in ("utm", "UTM", " Utm ")} == {"utm"}
    assert read_crs(None) is None


@pytest.mark.parametrize(
    "given",
    ["EPSG:99", "mercator", "", 0, -5, True, 1.5, b"EPSG:4326", [], {}, (), object(), "x" * 9999,
     pd.DataFrame({"a": [1]}), xr.Dataset(), np.array([1, 2]), geopandas.GeoSeries([POLYGON])],
    ids=lambda given: type(given).__name__ + str(given)[:5],
)  # fmt: skip
def test_crss_that_cannot_be(given: Any) -> None:
    with pytest.raises(InvalidParameter, match="Invalid crs=") as caught:
        read_crs(given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


# Boxes and geometries


def frame(crs: str | None, *shapes: Any) -> geopandas.GeoDataFrame:
    found = geopandas.GeoDataFrame({"crop": range(len(shapes))}, geometry=list(shapes), crs=UTM)
    return found.set_crs(crs, allow_override=True) if crs is None else found.to_crs(crs)


FIELDS = [
    shapely.box(551000, 4152000, 551500, 4152500),
    shapely.box(552000, 4153000, 552600, 4153100),
]
PARTS = geopandas.GeoSeries(FIELDS, crs=UTM).to_crs("EPSG:4326")


@pytest.mark.parametrize("crs", ["EPSG:4326", UTM, "EPSG:3857", "EPSG:2227"])
@pytest.mark.parametrize(
    "form",
    [
        lambda gdf: gdf,
        lambda gdf: gdf.geometry,
        lambda gdf: gdf.geometry.values,
        lambda gdf: gdf.dissolve(),
        lambda gdf: list(gdf.to_crs("EPSG:4326").geometry),
        lambda gdf: gdf.to_crs("EPSG:4326").__geo_interface__,
        lambda gdf: gdf.to_crs("EPSG:4326").union_all(),
        lambda gdf: geom.Geometry(gdf.union_all(), gdf.crs.to_wkt()),
        lambda gdf: gdf.rename_geometry("outline"),
    ],
    ids=["GeoDataFrame", "GeoSeries", "values", "one row", "list", "FeatureCollection", "shapely",
         "odc", "another column"],
)  # fmt: skip
def test_several_fields_in_any_crs_are_their_union(
    crs: str, form: Callable[[geopandas.GeoDataFrame], Any]
) -> None:
    read = shapely.geometry.shape(read_geometry(form(frame(crs, *FIELDS))))
    assert read.symmetric_difference(PARTS.union_all()).area < 1e-9
    assert read.bounds == pytest.approx(PARTS.total_bounds, abs=1e-7)


def test_rows_without_a_geometry_do_not_count() -> None:
    gdf = frame(UTM, FIELDS[0], None, FIELDS[1])
    assert geometry_bounds(read_geometry(gdf)) == pytest.approx(PARTS.total_bounds)


def test_parts_that_overlap_or_cross_themselves_are_joined() -> None:
    bowtie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    read = shapely.geometry.shape(read_geometry([bowtie, shapely.box(1, 0, 3, 2)]))
    assert read.is_valid
    assert read.bounds == (0, 0, 3, 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (frame(None, *FIELDS), r"has no CRS, which .set_crs\(\)"),
        (frame(None, *FIELDS).geometry, r"has no CRS, which .set_crs\(\)"),
        (frame(UTM), "GeoDataFrame or GeoSeries with a CRS"),
        (frame(UTM, None), "GeoDataFrame or GeoSeries with a CRS"),
        (pd.DataFrame({"a": [1]}), "a GeoJSON geometry"),
        (shapely.Polygon(), "a GeoJSON geometry"),
        ([POLYGON, 5], "a GeoJSON geometry"),
        ([[5, 50], [6, 51]], "a GeoJSON geometry"),
        (FIELD, "bbox= takes boxes; expected a GeoJSON geometry"),
        (np.array(FIELD), "bbox= takes boxes; expected a GeoJSON geometry"),
        ({"type": "FeatureCollection"}, "a GeoJSON geometry"),
        (FIELDS[0], "leaves -180..180"),
        (b"POINT", "a GeoJSON geometry"),
        (7, "a GeoJSON geometry"),
        (object(), "a GeoJSON geometry"),
    ],
)
def test_geometries_that_cannot_be(given: Any, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words) as caught:
        read_geometry(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        FIELD,
        list(FIELD),
        np.array(FIELD),
        geopandas.GeoSeries([POLYGON], crs="EPSG:4326").total_bounds,
        POLYGON.bounds,
        pd.Series(FIELD),
        geom.BoundingBox(*FIELD, crs="EPSG:4326"),
        geom.BoundingBox(*FIELD),
        rasterio.coords.BoundingBox(*FIELD),
        [str(edge) for edge in FIELD],
    ],
    ids=lambda given: type(given).__name__,
)
def test_boxes(given: Any) -> None:
    assert read_box(given) == pytest.approx(FIELD)


def test_a_box_of_another_crs() -> None:
    box = geom.BoundingBox(551000, 4152000, 551500, 4152500, crs=UTM)
    assert read_box(box) == pytest.approx(PARTS.iloc[:1].total_bounds, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((551000, 4152000, 551500, 4152500), "projected coordinates go into x= and y="),
        (frame(UTM, *FIELDS), "intersects= takes geometries and GeoDataFrames"),
        (POLYGON, "intersects= takes geometries and GeoDataFrames"),
        ({"west": 1, "south": 2, "east": 3, "north": 4}, "in degrees"),
        ("1234", "in degrees"),
        (b"1234", "in degrees"),
        (np.ones((2, 2)), "in degrees"),
    ],
)
def test_boxes_that_cannot_be(given: Any, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words) as caught:
        read_box(given)
    assert "\n" not in str(caught.value)


def test_a_field_opens_the_same_by_every_form() -> None:
    gdf = frame(UTM, *FIELDS)
    forms = [gdf, gdf.to_crs(3857).geometry, gdf.to_crs(4326).union_all()]
    opened = [
        astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample", intersects=form) for form in forms
    ]
    assert {ds.odc.geobox for ds in opened} == {opened[0].odc.geobox}
    box = gdf.to_crs(4326).total_bounds
    assert astra_xr.search("sentinel-2", intersects=gdf, catalog="sample") == astra_xr.search(
        "sentinel-2", bbox=box, catalog="sample"
    )


# Every function, at once


BAD = {
    "resolution": (10, 20),
    "chunks": 0,
    "crs": "EPSG:99",
    "bbox": (1, 2, 3),
    "intersects": frame(None, *FIELDS),
    "catalog": "smaple",
    "radiometry": "none",
}


DOORS: dict[str, Any] = {
    "open_scene": SCENE_ID,
    "open_scenes": [SCENE_ID],
    "open_scene_tree": SCENE_ID,
    "search": "sentinel-2",
    "resolve": SCENE_ID,
}


@pytest.mark.parametrize(
    ("door", "name"),
    [
        (door, name)
        for door in DOORS
        for name in BAD
        if name in getattr(astra_xr, door).__annotations__
    ],
)
def test_invalid_options_send_no_request(network: Loopback, door: str, name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        getattr(astra_xr, door)(DOORS[door], **{name: BAD[name]})
    assert caught.value.name == name
    assert network.log == []


@pytest.mark.parametrize("door", ["open_scenes", "open_scene_tree"])
def test_options_are_the_same_everywhere(door: str) -> None:
    one = inspect.signature(astra_xr.open_scene).parameters
    other = inspect.signature(getattr(astra_xr, door)).parameters
    shared = one.keys() & other.keys()
    assert len(shared) >= 10
    assert {name: one[name] for name in shared} == {name: other[name] for name in shared}
    # In the same order, which help() shows.
    assert [name for name in one if name in shared] == [name for name in other if name in shared]


PUBLIC = {
    **{name: getattr(astra_xr, name) for name in astra_xr.__all__},
    **{
        f"{kind.__name__}.{name}": each
        for kind in (
            astra_xr.AstraAccessor, astra_xr.AstraArrayAccessor, astra_xr.Picker,
            astra_xr.SearchResult, astra_xr.service.KeyFile,
        )
        for name, each in vars(kind).items()
        if not name.startswith("_")
    },
    "indices.search": astra_xr.indices.search,
    "running": astra_xr.service.running,
    "KeyFile": astra_xr.service.KeyFile,
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, each in PUBLIC.items() if callable(each)])
def test_docstrings_describe_the_parameters_that_there_are(name: str) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    _, heading, rest = text.partition("\nParameters\n----------\n")
    if not heading:
        return  # it refers to another method, or needs no words
    section = re.split(r"\n\n[A-Z]\w+\n---", rest)[0]
    entries = [line.partition(" : ")[0] for line in section.splitlines() if re.match(r"\S", line)]
    described = [each.strip("* ") for entry in entries for each in entry.split(",")]
    assert len(described) == len({*described})
    parameters = [each for each in inspect.signature(PUBLIC[name]).parameters if each != "self"]
    assert {*described} == {*parameters}


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
anything = st.recursive(
    scalars | st.just(object()) | st.builds(np.array, st.lists(st.floats(), max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "features", "x", "y"]), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("name", BAD)
@given(value=anything)
def test_anything_is_read_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(InvalidParameter):
        options_of({name: value})
