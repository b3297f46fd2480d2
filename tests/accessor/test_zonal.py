"""Statistics of polygons: exactextract's on loaded arrays, whatever is lazy, and in any CRS."""

from __future__ import annotations

import threading
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import dask
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401  (registers .rio)
import shapely
import xarray as xr
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st

import astra_xr
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.testing import RangeServer, write_cog

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"
PLACE = (-122.42, 37.49, -122.40, 37.51)


@pytest.fixture(scope="module")
def scene() -> xr.Dataset:
    ds = astra_xr.open_scene(SAMPLE, ["red", "nir"], catalog="sample", bbox=PLACE)
    return ds.load()


@pytest.fixture(scope="module")
def fields() -> gpd.GeoDataFrame:
    """Also a hole, two in one, a sliver below a pixel, across the edge, and off."""
    names = ["field", "ring", "two", "sliver", "edge", "off"]
    middle = shapely.Point(-122.41, 37.5)
    shapes = [
        shapely.box(-122.413, 37.497, -122.41, 37.4993),
        middle.buffer(0.004) - middle.buffer(0.002),
        shapely.union_all([middle.buffer(0.001), shapely.box(-122.419, 37.491, -122.418, 37.492)]),
        shapely.Polygon([(-122.405, 37.5), (-122.40495, 37.50003), (-122.40496, 37.5)]),
        shapely.box(-122.425, 37.495, -122.4194, 37.5),
        shapely.box(-122.9, 37.4, -122.8, 37.5),
    ]
    return gpd.GeoDataFrame(index=names, geometry=shapes, crs="EPSG:4326")


def expected(
    values: np.ndarray[Any, Any], fields: gpd.GeoDataFrame, like: xr.Dataset, stat: str
) -> Any:
    """Return what exactextract says of a loaded array, north up."""
    left, bottom, right, top = like.odc.geobox.boundingbox.bbox
    raster = NumPyRasterSource(values, left, bottom, right, top)
    frame = fields.to_crs(like.rio.crs)
    return exact_extract(raster, frame, [stat], output="pandas")[stat].to_numpy(float)


def test_the_table_is_exactextracts(scene: xr.Dataset, fields: gpd.GeoDataFrame) -> None:
    lazy = astra_xr.open_scene(SAMPLE, ["red", "nir"], catalog="sample", bbox=PLACE)
    stats = ("mean", "median", "std", "min", "max", "sum", "count")
    table = lazy.astra.zonal(fields, stats, min_coverage=0)
    assert list(table.geometry.values) == list(fields.index)
    for name in ("red", "nir"):
        for stat in stats:
            want = expected(
                scene[name].values, fields, scene, {"std": "stdev"}.get(stat, stat)
            ).copy()
            if stat == "sum":
                want[-1] = np.nan  # nothing is not 0
            np.testing.assert_allclose(table[name].sel(stat=stat), want, rtol=1e-6, err_msg=stat)
    assert table.red.sel(geometry="off").isnull().sum() == len(stats) - 1
    assert table.red.attrs["units"] == "1"


def test_valid_is_the_part_of_a_polygon_that_has_data(
    scene: xr.Dataset, fields: gpd.GeoDataFrame
) -> None:
    there = shapely.box(*scene.odc.geobox.boundingbox.bbox)
    shapes = fields.to_crs(scene.rio.crs).geometry
    share = (shapes.intersection(there).area / shapes.area).to_numpy()
    cut = scene.where(scene.x > float(scene.x[40]))
    for ds, want in ((scene, share), (cut[["red"]].assign(nir=scene.nir), None)):
        table = ds.astra.zonal(fields, "mean", min_coverage=0.75)
        if want is not None:
            np.testing.assert_allclose(table.valid, want, atol=1e-6)
        np.testing.assert_array_equal(table.red.isnull() | (table.valid >= 0.75 - 1e-6), True)
    assert float(table.valid.sel(geometry="edge")) == 0
    assert bool(table.nir.sel(geometry="field").notnull())


def test_a_stack_is_read_step_by_step_as_a_whole(fields: gpd.GeoDataFrame) -> None:
    found = astra_xr.search("sentinel-2", bbox=PLACE, catalog="sample")
    stack = astra_xr.open_scenes(found[:4], ["red", "nir"], bbox=PLACE)
    lazy = stack.astra.index(["NDVI", "EVI2"], mask_clouds=True)
    table = lazy.astra.zonal(fields, ("mean", "count", "q10"))
    assert table.NDVI.dims == ("time", "geometry", "stat")
    loaded = lazy.load()
    for step in range(4):
        here = loaded.isel(time=step)
        values = here.NDVI.values
        count = expected(values, fields, here, "count")
        np.testing.assert_allclose(table.NDVI[step].sel(stat="count"), count, rtol=1e-6)
        want = np.where(table.valid[step] >= 0.75, expected(values, fields, here, "mean"), np.nan)
        np.testing.assert_allclose(table.NDVI[step].sel(stat="mean"), want, rtol=1e-6)
    xr.testing.assert_allclose(table, loaded.astra.zonal(fields, ("mean", "count", "q10")))
    chunked = loaded.chunk({"time": 1, "x": 50})
    xr.testing.assert_allclose(table, chunked.astra.zonal(fields, ("mean", "count", "q10")))
    frame = table.to_dataframe()
    assert frame.index.names == ["time", "geometry", "stat"]
    assert {"NDVI", "EVI2", "valid", "id"} <= set(frame.columns)


def test_only_the_tiles_beneath_are_read(tmp_path: Path, fields: gpd.GeoDataFrame) -> None:
    values = np.random.default_rng(0).integers(1, 9000, (4096, 4096)).astype("uint16")
    place = Affine(10, 0, 550000, 0, -10, 4160000)
    write_cog(tmp_path / "B04.tif", values, blocksize=256, transform=place, crs="EPSG:32610")
    with RangeServer(tmp_path) as server:
        item = {"id": "a", "properties": {}, "assets": {"v": {"href": server.url("B04.tif")}}}
        ds = astra_xr.open_scene(item | {"type": "Feature", "geometry": None})
        table = ds.astra.zonal(fields.iloc[[0]])
        assert server.bytes_sent < 3 * 256 * 256 * 2
        want = expected(ds.v.values, fields.iloc[[0]], ds, "mean")
    np.testing.assert_allclose(table.v.sel(stat="mean"), want, rtol=1e-6)


def test_fields_over_the_same_tiles_are_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tiles of each would be decoded anew; those far from each other are read apart."""
    pixels = np.arange(4096.0 * 4096).reshape(4096, 4096) % 1000
    ys, xs = 4200000 - 10 * np.arange(0.5, 4096), 500000 + 10 * np.arange(0.5, 4096)
    ds = xr.Dataset({"red": (("y", "x"), pixels)}, {"y": ys, "x": xs}).rio.write_crs(32610)
    corners = [(512, 512), (450, 900), (3000, 3000)]
    boxes = [shapely.box(c - 70, r - 70, c + 170, r + 170) for r, c in corners]
    place = Affine(10, 0, 500000, 0, -10, 4200000).to_shapely()
    fields = gpd.GeoSeries([shapely.affinity.affine_transform(b, place) for b in boxes], crs=32610)
    read = []

    async def load(part: xr.Dataset) -> xr.Dataset:
        read.append(part.red.shape)
        return part.load()

    monkeypatch.setattr("astra_xr.accessor.zonal.load_part", load)
    table = ds.astra.zonal(fields, "mean")
    assert sorted(read) == [(240, 240), (302, 628)]
    want = [pixels[r - 70 : r + 170, c - 70 : c + 170].mean() for r, c in corners]
    np.testing.assert_allclose(table.red, want, rtol=1e-6)


def test_parts_of_dask_leave_threads_to_the_functions_that_they_wait_for(
    scene: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More parts at once than in_own_thread runs functions.
    monkeypatch.setattr("astra_xr.accessor.zonal._BATCH", 1)
    ds = astra_xr.open_scene(SAMPLE, ["red"], catalog="sample", bbox=PLACE)
    dark = ds.astra.mask(by=lambda block: block.red < 0.1, dilate=0)
    days = [ds.assign(dark=dark).chunk({"y": 64, "x": 64})] * 20
    stack = xr.concat(days, "time").assign_coords(time=np.arange(20.0))
    stack["dark"] = stack.dark.astype(np.float32)
    tables: list[xr.Dataset] = []

    def use() -> None:
        with dask.config.set(pool=pool):  # its threads do not know for whom they read
            tables.append(stack.astra.zonal([scene.odc.geobox.geographic_extent.geom], "mean"))

    pool = ThreadPool(2)
    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(60)
    pool.close()
    assert tables
    np.testing.assert_allclose(tables[0].dark, float((scene.red < 0.1).mean()), atol=1e-4)


def test_classes_have_a_majority_and_fractions(fields: gpd.GeoDataFrame) -> None:
    ds = astra_xr.open_scene(SAMPLE, ["SCL"], catalog="sample", bbox=PLACE)
    table = ds.astra.zonal(fields, ("majority", "count", "fractions"))
    scl = ds.SCL.values
    found = table.SCL_fractions.sel(geometry="field")
    assert float(found.sum()) == pytest.approx(1)
    for number in found["class"].values:
        want = expected((scl == number).astype("f4"), fields, ds, "mean")[0]
        assert float(found.sel({"class": number})) == pytest.approx(want, abs=1e-6)
    most = found["class"][int(found.argmax("class"))]
    assert float(table.SCL.sel(geometry="field", stat="majority")) == float(most)
    assert table.SCL_fractions.sel(geometry="off").isnull().all()
    with pytest.raises(InvalidParameter, match=r"numbers of SCL are classes.*drop_vars"):
        ds.astra.zonal(fields)
    with pytest.raises(InvalidParameter, match="not classes"):
        ds.astra.mask().to_dataset(name="m").astra.zonal(fields, "fractions")


def test_a_mask_has_a_share(scene: xr.Dataset, fields: gpd.GeoDataFrame) -> None:
    dark = (scene.red < 0.05).to_dataset(name="dark")
    dark = dark.assign_coords(spatial_ref=scene.spatial_ref)
    got = dark.astra.zonal(fields, "mean", min_coverage=0)
    np.testing.assert_allclose(
        got.dark, expected((scene.red < 0.05).values.astype("f4"), fields, scene, "mean"), rtol=1e-6
    )


@pytest.mark.parametrize("turned", ["y", "x", "yx", "T"])
def test_however_the_pixels_are_ordered(
    scene: xr.Dataset, fields: gpd.GeoDataFrame, turned: str
) -> None:
    want = scene.astra.zonal(fields)
    if turned == "T":
        got = scene.transpose("x", "y").astra.zonal(fields)
    else:
        got = scene.isel({dim: slice(None, None, -1) for dim in turned}).astra.zonal(fields)
    xr.testing.assert_allclose(got, want)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32611", "EPSG:5070"])
def test_fields_come_in_any_crs(scene: xr.Dataset, fields: gpd.GeoDataFrame, crs: str) -> None:
    want = scene.astra.zonal(fields)
    got = scene.astra.zonal(fields.to_crs(crs))
    xr.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    xr.testing.assert_allclose(scene.astra.zonal(fields.to_crs(crs).geometry), got)


def test_fields_without_a_frame_are_numbered(scene: xr.Dataset, fields: gpd.GeoDataFrame) -> None:
    want = scene.astra.zonal(fields).assign_coords(geometry=np.arange(6))
    shapes = list(fields.geometry)
    for given_ in (shapes, shapely.geometry.mapping(fields.geometry)):
        xr.testing.assert_identical(scene.astra.zonal(given_), want)
    one = scene.astra.zonal(shapes[0])
    xr.testing.assert_identical(one, want.isel(geometry=[0]))


# Not any floats: of a corner at 1e-107 shapely, the oracle, makes areas that are off by a quarter.
PLACES = st.integers(-4000, 24000).map(lambda thousandths: thousandths / 1000)


@settings(max_examples=40)
@given(
    corners=st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=7, unique=True),
    kind=st.sampled_from(["whole", "hole", "two"]),
)
def test_weights_are_areas_of_intersection(corners: list[tuple[float, float]], kind: str) -> None:
    hull = shapely.MultiPoint(corners).convex_hull
    if hull.geom_type != "Polygon" or hull.area < 1e-2:
        return
    if kind != "whole":
        half, quarter = (shapely.affinity.scale(hull, part, part) for part in (0.5, 0.25))
        hull = hull - half if kind == "hole" else (hull - half) | quarter
    if "Polygon" not in hull.geom_type or shapely.minimum_clearance(hull) < 1e-3:
        return  # 500 km from the origin it would cross itself
    values = np.random.default_rng(1).random((20, 20)).astype("float32")
    values[3:6, 4] = np.nan
    da = xr.DataArray(
        values,
        dims=("y", "x"),
        coords={"y": 4_000_000 - 5 - 10.0 * np.arange(20), "x": 500_005 + 10.0 * np.arange(20)},
        name="v",
    )
    ds = da.to_dataset().rio.write_crs("EPSG:32610")
    place = shapely.transform(hull, lambda p: p * [10, -10] + [500_000, 4_000_000])
    if not hull.intersects(shapely.box(0, 0, 20, 20)):
        return
    frame = gpd.GeoSeries([place], crs=32610)
    try:
        table = ds.astra.zonal(frame, ("sum", "count"), min_coverage=0)
    except InvalidParameter:
        assert hull.intersection(shapely.box(0, 0, 20, 20)).area < 1e-9
        return
    rows, cols = np.mgrid[:20, :20]
    weights = shapely.area(shapely.intersection(hull, shapely.box(cols, rows, cols + 1, rows + 1)))
    there = np.isfinite(values)
    assert float(table.v.sel(stat="count").item()) == pytest.approx(weights[there].sum(), abs=2e-4)
    if weights[there].sum() > 1e-3:
        total = (weights * np.nan_to_num(values)).sum()
        assert float(table.v.sel(stat="sum").item()) == pytest.approx(total, abs=2e-4)
    assert float(table.valid.item()) == pytest.approx(weights[there].sum() / hull.area, abs=1e-4)


def test_nothing_is_left_out(scene: xr.Dataset) -> None:
    shapes = [shapely.box(-122.413, 37.497, -122.41, 37.499), None, shapely.Polygon()]
    table = scene.astra.zonal(gpd.GeoSeries(shapes, index=[7, 8, 9], crs=4326))
    assert table.geometry.values.tolist() == [7, 8, 9]
    assert table.red.sel(stat="count").values[1:].tolist() == [0, 0]
    assert table.red.sel(stat="mean").isnull().values.tolist() == [False, True, True]
    assert table.valid.values[1:].tolist() == [0, 0]


ITEM: dict[str, Any] = {"type": "Feature", "geometry": None, "properties": {}}
bow = shapely.Polygon([(-122.41, 37.5), (-122.40, 37.51), (-122.40, 37.5), (-122.41, 37.51)])
good = shapely.box(-122.413, 37.497, -122.41, 37.499)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "it is empty"),
        (gpd.GeoSeries([], crs=4326), "it is empty"),
        (gpd.GeoDataFrame(geometry=[], crs=4326), "it is empty"),
        (gpd.GeoSeries([None, shapely.Polygon()], crs=4326), "geometries are missing or empty"),
        ("fields.geojson", r"geopandas\.read_file"),
        (gpd.GeoDataFrame({"crop": ["rye"]}), r"\.set_geometry"),
        ({"a": good}, "geopandas.GeoSeries"),
        (3, "it holds no polygons"),
        ((-122.413, 37.497, -122.41, 37.499), r"it is a box: shapely\.box.* makes a polygon"),
        ([(-122.41, 37.5)], r"sample\(\) takes points"),
        (gpd.GeoSeries([good, shapely.Point(-122.41, 37.5)], ["a", "b"], crs=4326), "take.*: 'b'"),
        (shapely.GeometryCollection([good]), "no polygons.*: 0"),
        (shapely.Polygon([(0, 0), (float("inf"), 0), (1, 1)]), "not valid"),
        (gpd.GeoSeries([good]), r"which \.set_crs\(\) sets"),
        ([shapely.Point(-122.41, 37.5)], r"no polygons .sample.. takes points.: 0"),
        ([good, shapely.LineString([(0, 0), (1, 1)])], "no polygons.*: 1"),
        (gpd.GeoSeries([good, bow], index=["a", "b"], crs=4326), "not valid.*make_valid.*: 'b'"),
        ([bow] * 7, "0, 1, 2, 3, 4 and 2 more"),
        (gpd.GeoSeries([good, good], index=[1, 1], crs=4326), "reset_index"),
        (shapely.box(0, 0, 1, 1), "overlap the Dataset"),
        ([good, shapely.box(37.497, -122.413, 37.499, -122.41)], "look swapped in: 1"),
        ([good, shapely.box(552000, 4150000, 552100, 4150100)], "off the earth.*CRS.*: 1"),
    ],
)
def test_bad_fields(scene: xr.Dataset, fields: Any, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        scene.astra.zonal(fields)


def test_fields_that_look_swapped_where_both_are_possible(tmp_path: Path) -> None:
    numbers = np.full((64, 64), 5, "uint16")
    path = tmp_path / "v.tif"
    write_cog(path, numbers, transform=Affine(0.01, 0, 10, 0, -0.01, 50.64), crs="EPSG:4326")
    ds = astra_xr.open_scene({"id": "a", "assets": {"v": {"href": str(path)}}} | ITEM)
    right, turned = shapely.box(10.1, 50.1, 10.2, 50.2), shapely.box(50.1, 10.1, 50.2, 10.2)
    with pytest.warns(UserWarning, match=r"NaN for the fields 'b': .* look swapped") as told:
        table = ds.astra.zonal(gpd.GeoSeries([right, turned], ["a", "b"], crs=4326), "mean")
    assert [each.filename for each in told if each.category is UserWarning] == [__file__]
    assert table.v.isnull().values.tolist() == [False, True]
    with pytest.raises(InvalidParameter, match=r"look swapped; .*overlap the Dataset"):
        ds.astra.zonal(turned)


def test_features_without_a_geometry_keep_their_place(scene: xr.Dataset) -> None:
    shape = shapely.geometry.mapping(good)
    features: list[Any] = [
        {"type": "Feature", "properties": {}, "geometry": each} for each in (None, shape)
    ]
    for given_ in (features, {"type": "FeatureCollection", "features": features}):
        table = scene.astra.zonal(given_, "mean")
        assert table.red.isnull().values.tolist() == [True, False]


def test_bad_options(scene: xr.Dataset) -> None:
    for stats in ("avg", ("mean", "avg"), "q101", "q-1", 10):
        with pytest.raises(InvalidParameter, match="some of mean, median.*percentile"):
            scene.astra.zonal([good], stats)
    for names in (list[str](), ["mean", "mean"]):
        with pytest.raises(InvalidParameter, match="each once"):
            scene.astra.zonal([good], names)
    half = scene.astra.zonal([good], min_coverage=np.float32(0.5))
    xr.testing.assert_identical(half, scene.astra.zonal([good], min_coverage=0.5))
    for part in (75, float("nan"), "half"):
        with pytest.raises(InvalidParameter, match="0 to 1"):
            scene.astra.zonal([good], min_coverage=part)
    with pytest.raises(InvalidDataset, match="a grid of y and x"):
        scene.drop_vars(["y", "x"]).astra.zonal([good])
    with pytest.raises(InvalidDataset, match="evenly spaced"):
        scene.isel(x=[0, 1, 5, 9]).astra.zonal([good])
    with pytest.raises(InvalidDataset, match="a variable along y and x"):
        scene[[]].astra.zonal([good])


def test_a_variable_of_its_own_name_is_not_lost(scene: xr.Dataset) -> None:
    field = shapely.box(-122.43, 37.5, -122.42, 37.51)
    for name in ("valid", "stat", "geometry"):
        with pytest.raises(InvalidDataset, match=f"the name '{name}' for its own table"):
            scene.rename(red=name).astra.zonal(field)


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[ns]", "U4"])
def test_only_real_numbers_have_statistics(dtype: str, scene: xr.Dataset) -> None:
    """The real part alone of complex numbers would be another number."""
    ds = scene.assign(slc=(("y", "x"), np.zeros((scene.sizes["y"], scene.sizes["x"]), dtype)))
    field = gpd.GeoSeries([shapely.box(*ds.rio.bounds())], crs=ds.rio.crs)
    with pytest.raises(InvalidDataset, match="real numbers, and 'slc' is"):
        ds.astra.zonal(field)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("lazily", [False, True])
def test_numbers_without_data_in_another_type(dtype: str, lazily: bool) -> None:
    options: Any = xr.set_options
    ds = astra_xr.open_scene(SAMPLE, ["red", "SCL"], catalog="sample", mask_and_scale=False)
    ds = ds.isel(x=slice(400), y=slice(400)).load()
    ds["red"][:, :200] = 0
    ds["SCL"][:, :200] = 0
    field = gpd.GeoSeries([shapely.box(*ds.rio.bounds())], crs=ds.rio.crs)
    with options(keep_attrs=True):
        other = ds.astype(dtype)
    other = other.chunk({"x": 100}) if lazily else other
    for name, stats in (("red", ["mean", "min", "count"]), ("SCL", ["fractions", "majority"])):
        expected = ds[[name]].astra.zonal(field, stats, min_coverage=0)
        assert float(expected.valid[0]) == pytest.approx(0.5)
        xr.testing.assert_allclose(
            other[[name]].astra.zonal(field, stats, min_coverage=0), expected
        )


def test_classes_that_were_averaged_are_refused() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["SCL"], catalog="sample")
    ds = ds.isel(x=slice(400), y=slice(1000, 1400))
    field = gpd.GeoSeries([shapely.box(*ds.rio.bounds())], crs=ds.rio.crs)
    options: Any = xr.set_options
    with options(keep_attrs=True):
        means = ds.coarsen(x=4, y=4).mean()
    with pytest.raises(InvalidDataset, match="SCL has .*averaged or interpolated"):
        means.astra.zonal(field, "fractions")


def test_many_corners(scene: xr.Dataset) -> None:
    angles = np.linspace(0, 2 * np.pi, 200_000)
    corners = np.column_stack([np.cos(angles), np.sin(angles)]) * 0.003 + (-122.41, 37.5)
    table = scene.astra.zonal(shapely.Polygon(corners))
    few = scene.astra.zonal(shapely.Point(-122.41, 37.5).buffer(0.003, quad_segs=500))
    np.testing.assert_allclose(table.red, few.red, rtol=1e-4)
    assert pd.api.types.is_integer_dtype(table.geometry.dtype)
