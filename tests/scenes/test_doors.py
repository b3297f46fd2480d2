"""Other tools: xarray, pystac-client, odc-stac, stackstac, hvplot, xarray-spatial, xvec, …"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.sample import SCENE_ID
from astra_xr.scenes.backend import AstraBackend
from tests.servers import pgstac_missing, serve_stac_pgstac


def test_the_engine_opens_ids_with_all_options() -> None:
    ds = xr.open_dataset(
        f"sentinel-2:{SCENE_ID}",
        engine=AstraBackend,
        bands=["red", "B11"],
        catalog="sample",
        resolution=20,
    )
    expected = astra_xr.open_scene(SCENE_ID, ["red", "B11"], catalog="sample", resolution=20)
    assert not ds.red.variable._in_memory
    xr.testing.assert_identical(ds.isel(x=slice(9)).load(), expected.isel(x=slice(9)).load())
    stored = xr.open_dataset(
        SCENE_ID, engine=AstraBackend, bands=["red", "nir"], catalog="sample",
        mask_and_scale=False, drop_variables="nir", chunks={},
    )  # fmt: skip
    assert (list(stored), stored.red.dtype) == (["red"], np.uint16)
    assert stored.red.chunks == ((2048,), (2048,))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (f"sentinel-2:{SCENE_ID}", True),
        ("landsat:LC08_L2SP_044034_20171020", True),
        (f"sentinel2:{SCENE_ID}", True),
        (f"s2:{SCENE_ID}", True),
        ("sentinel-2:", False),
        ("sentinel-2/B04.tif", False),
        ("s3://bucket/sentinel-2:x", False),
        ("landsat:/a/b.nc", False),
        ("S2B_MSIL2A_20250115T184929", False),
        ("data.nc", False),
        (Path("data.nc"), False),
        (b"sentinel-2:x", False),
    ],
)
def test_the_engine_claims_ids_alone(name: Any, ours: bool) -> None:
    assert AstraBackend().guess_can_open(name) is ours


def test_the_engine_opens_items_too() -> None:
    item = astra_xr.resolve(SCENE_ID, "red", catalog="sample").to_item()
    expected = astra_xr.open_scene(item, ["B04"])
    forms: list[Any] = [item, item.to_dict()]
    for form in forms:
        ds = xr.open_dataset(form, engine=AstraBackend, bands=["B04"])
        assert not ds.B04.variable._in_memory
        xr.testing.assert_identical(ds, expected)


def test_what_is_no_scene() -> None:
    with pytest.raises(errors.InvalidParameter, match="a scene id, a pystac.Item or an item"):
        AstraBackend().open_dataset(3)


def test_the_engine_is_light() -> None:
    code = (
        "import sys, astra_xr.scenes.backend as b; b.AstraBackend().guess_can_open('a.nc');"
        "print([m for m in ('rasterio', 'odc', 'httpx', 'pystac', 'dask') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_odc_stac_opens_the_item() -> None:
    odc = pytest.importorskip("odc.stac")
    item = astra_xr.resolve(SCENE_ID, "red,nir", catalog="sample").to_item()
    theirs = odc.load([item], bands=["B04", "B08"], chunks={}).isel(time=0)
    ours = astra_xr.open_scene(SCENE_ID, ["B04", "B08"], catalog="sample", mask_and_scale=False)
    assert theirs.odc.geobox == ours.odc.geobox
    cut = {"x": slice(500, 600), "y": slice(700, 800)}
    np.testing.assert_array_equal(theirs.B04.isel(cut), ours.B04.isel(cut))


def test_stackstac_opens_the_item() -> None:
    stackstac = pytest.importorskip("stackstac")
    item = astra_xr.resolve(SCENE_ID, "red,nir", catalog="sample").to_item()
    # stackstac knows no CRS but as a number.
    theirs = stackstac.stack([item], assets=["B04"], epsg=32610, resolution=10, rescale=False)
    ours = astra_xr.open_scene(SCENE_ID, ["B04"], catalog="sample", mask_and_scale=False)
    # Its coordinates are corners of pixels.
    corner = {"x": float(ours.x[500]) - 5, "y": float(ours.y[700]) + 5}
    window = theirs.sel(corner, method="nearest")
    assert (float(window.x), float(window.y)) == tuple(corner.values())
    assert int(window.squeeze()) == int(ours.B04[700, 500])


@pytest.fixture
def window() -> xr.Dataset:
    ds = astra_xr.open_scene(SCENE_ID, ["red", "nir"], catalog="sample")
    return ds.isel(x=slice(500, 600), y=slice(700, 780))


def test_the_engine_goes_by_its_name(window: xr.Dataset) -> None:
    if "astra" not in xr.backends.list_engines():
        pytest.skip("astra-xr is on the path, but not installed: pip install -e .")
    named = xr.open_dataset(SCENE_ID, engine="astra", bands=["red", "nir"], catalog="sample")
    xr.testing.assert_identical(named.isel(x=slice(500, 600), y=slice(700, 780)), window)


def test_rioxarray_and_odc_geo_work_on_it(window: xr.Dataset) -> None:
    lonlat = window.rio.reproject("EPSG:4326")
    assert lonlat.rio.crs == "EPSG:4326"
    assert lonlat.red.attrs["units"] == window.red.attrs["units"]
    assert window.odc.reproject("EPSG:3857").odc.crs == "EPSG:3857"
    clipped = window.rio.clip_box(*window.isel(x=slice(9), y=slice(9)).rio.bounds())
    assert clipped.sizes["x"] >= 9


def test_hvplot_draws_it(window: xr.Dataset) -> None:
    pytest.importorskip("hvplot", reason='needs pip install -e ".[doors]"')
    import hvplot.xarray  # noqa: F401

    image = window.red.hvplot.image(x="x", y="y")
    np.testing.assert_array_equal(image.dimension_values("red", flat=False)[::-1], window.red)
    rgb = window.astra.rgb(["nir", "red", "red"])
    drawn = rgb.hvplot.rgb(x="x", y="y", bands="band")
    first = drawn.dimension_values(drawn.vdims[0], flat=False)[::-1]
    np.testing.assert_array_equal(np.asarray(first), rgb.isel(band=0))


def test_xarray_spatial_takes_it(window: xr.Dataset) -> None:
    xrspatial = pytest.importorskip("xrspatial", reason='needs pip install -e ".[doors]"')
    theirs = xrspatial.multispectral.ndvi(window.nir.load(), window.red.load())
    np.testing.assert_allclose(theirs, window.astra.index("NDVI"), rtol=1e-5)


def test_rasterix_takes_it() -> None:
    rasterix = pytest.importorskip("rasterix", reason='needs pip install -e ".[doors]"')
    ds = astra_xr.open_scene(SCENE_ID, ["red"], catalog="sample")
    # It takes the transform as it was opened: assigned first, cut after.
    cut = rasterix.assign_index(ds).isel(x=slice(500, 600), y=slice(700, 780))
    plain = ds.isel(x=slice(500, 600), y=slice(700, 780))
    assert cut.xindexes["x"].transform() == plain.rio.transform(recalc=True)
    np.testing.assert_allclose(cut.x, plain.x)
    np.testing.assert_array_equal(cut.red, plain.red)


@pytest.mark.filterwarnings("ignore:.*storage extension", "ignore:Could not parse bucket")
def test_other_clients_find_the_same(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pystac-client and odc-stac on the same real server, of recorded items."""
    client, odc = pytest.importorskip("pystac_client"), pytest.importorskip("odc.stac")
    if missing := pgstac_missing():
        pytest.skip(missing)
    paths = sorted((shared / "items").glob("earth-search-v1.sentinel-2-*l2a/*.json"))
    paths += sorted((shared / "items").glob("planetary-computer.landsat-c2-l2/*.json"))
    documents = [json.loads(path.read_text()) for path in paths]
    with serve_stac_pgstac([], documents) as url:
        opened = client.Client.open(url)
        monkeypatch.setenv("ASTRA_EARTH_SEARCH_URL", url)
        box = documents[0]["bbox"]
        asked = {"bbox": box, "datetime": "2025-07/2025-08"}
        theirs = list(opened.search(collections=["sentinel-2-c1-l2a"], **asked).items())
        for catalog in ("earth-search", url, opened):
            found = astra_xr.search("sentinel-2", catalog=catalog, **asked)
            assert len(found) == len(theirs) == 1
            product = theirs[0].properties["s2:product_uri"].removesuffix(".SAFE")
            assert list(found) == [f"sentinel-2:{product}"]
        loaded = odc.load(theirs, bands=["red"], bbox=box, resolution=1000, chunks={})
        assert loaded.sizes["time"] == len(found)
        for collection in ("sentinel-2-l2a", "landsat-c2-l2"):
            theirs = list(opened.search(collections=[collection]).items())
            found = astra_xr.search(collection, catalog=opened)
            assert set(found) == {item.id for item in theirs}


def test_xvec_and_exactextract_take_statistics_of_polygons() -> None:
    xvec = pytest.importorskip("xvec", reason='needs pip install -e ".[doors]"')
    exactextract = pytest.importorskip("exactextract")
    import geopandas as gpd
    import shapely

    box = (-122.42, 37.49, -122.40, 37.51)
    found = astra_xr.search("sentinel-2", bbox=box, catalog="sample")
    stack = astra_xr.open_scenes(found[:2], ["red", "nir"], bbox=box)
    shapes = [shapely.box(-122.413, 37.497, -122.41, 37.4993), shapely.Point(-122.41, 37.5)]
    fields = gpd.GeoSeries([shapes[0], shapes[1].buffer(0.002)], ["a", "b"], crs=4326)
    own = fields.to_crs(stack.rio.crs)
    ours = stack.astra.zonal(fields, "mean", min_coverage=0)
    assert xvec.__version__
    theirs = stack.xvec.zonal_stats(own, "x", "y", stats="mean", method="exactextract")
    one = stack.isel(time=0)
    frame = gpd.GeoDataFrame(geometry=own)
    table = exactextract.exact_extract(one, frame, ["mean"], output="pandas")
    for name in ("red", "nir"):
        np.testing.assert_allclose(
            theirs[name].transpose("time", "geometry"), ours[name], rtol=1e-6
        )
        np.testing.assert_allclose(table[f"{name}_mean"], ours[name][0], rtol=1e-6)
    points = stack.xvec.extract_points(own.centroid, "x", "y")
    np.testing.assert_array_equal(points.red, stack.astra.sample(own.centroid).red)
