"""Files, points and several indices of a scene."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_zeros
from pyproj import Transformer
from rasterio.enums import ColorInterp
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.warp import transform_bounds
from rio_cogeo.cogeo import cog_validate
from rio_cogeo.profiles import cog_profiles

import astra_xr
from astra_xr import errors
from astra_xr.sample import SCENE_ID
from tests import items
from tests.conftest import World


def scene(bands: Any = ("red", "nir"), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


def centre(ds: xr.Dataset, row: int, col: int) -> tuple[float, float]:
    """Longitude and latitude of a pixel."""
    grid = ds.odc.geobox
    x, y = grid.affine @ (col + 0.4, row + 0.6)
    points = geopandas.GeoSeries.from_xy([x], [y], crs=str(grid.crs)).to_crs(4326)
    return float(points.x[0]), float(points.y[0])


def test_a_cog_of_all_bands(tmp_path: Path) -> None:
    ds = scene().isel(x=slice(0, 1200), y=slice(100, 1300))
    path = ds.astra.to_cog(tmp_path / "out.tif")
    assert cog_validate(path)[:2] == (True, [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), ds.red)
        np.testing.assert_array_equal(file.read(2), ds.nir)
        assert (file.descriptions, file.crs) == (("red", "nir"), ds.rio.crs)
        assert tuple(file.transform)[:6] == tuple(ds.rio.transform())[:6]
        assert np.isnan(file.nodata)
        assert file.tags()["scene_id"] == ds.attrs["scene_id"]
        assert file.overviews(1)
    assert [each.name for each in tmp_path.iterdir()] == ["out.tif"]


def test_cogs_of_classes_and_stored_numbers(tmp_path: Path) -> None:
    for bands, options in ((["SCL"], {}), (["red"], {"mask_and_scale": False})):
        ds = scene(bands, **options).isel(x=slice(300), y=slice(300))
        with rasterio.open(ds.astra.to_cog(str(tmp_path / "a.tif"))) as file:
            np.testing.assert_array_equal(file.read(1), ds[bands[0]])
            assert (file.dtypes[0], file.nodata) == (str(ds[bands[0]].dtype), 0)


def test_no_data_stays_so_beside_bands_of_other_types(tmp_path: Path) -> None:
    stored = scene(["red"], mask_and_scale=False).isel(x=slice(40), y=slice(30)).load()
    stored["red"][:, :9] = 0
    stored["share"] = stored.red.where(stored.red > 0).drop_attrs() / 10_000
    with rasterio.open(stored.astra.to_cog(tmp_path / "a.tif")) as file:
        masked = file.read(masked=True).mask
        np.testing.assert_array_equal(masked[0], np.arange(40) < 9 + np.zeros((30, 1)))
        np.testing.assert_array_equal(masked[0], masked[1])
    stored["share"] = (stored.red.astype("int32") - 1).assign_attrs(_FillValue=-1)
    with pytest.raises(errors.InvalidDataset, match="one _FillValue .*not -1, 0"):
        stored.astra.to_cog(tmp_path / "b.tif")
    assert len(stored.astra.to_cog(tmp_path / "b.tif", by="band")) == 2


LOSSLESS = sorted(set(cog_profiles) - {"jpeg", "webp"})


@pytest.mark.parametrize("options", [{}, {"mask_and_scale": False}], ids=["values", "stored"])
@pytest.mark.parametrize("profile", LOSSLESS)
def test_cogs_by_the_profiles_of_rio_cogeo(
    tmp_path: Path, profile: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ds = scene(**options).isel(x=slice(700), y=slice(100, 800)).load()
    ds.red[:50, :50] = ds.red.attrs.get("_FillValue", np.nan)
    path = ds.astra.to_cog(tmp_path / "a.tif", profile=profile)
    assert not [each for each in caplog.records if each.levelno > logging.INFO]
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        for number, name in enumerate(("red", "nir"), 1):
            np.testing.assert_array_equal(file.read(number), ds[name])
        np.testing.assert_array_equal(file.nodata, ds.red.attrs.get("_FillValue", np.nan))
        assert not file.read_masks(1)[:50, :50].any()
        assert (file.descriptions, file.units) == (("red", "nir"), (ds.red.units, ds.nir.units))
        assert file.tags()["scene_id"] == ds.attrs["scene_id"]
        assert (file.crs, file.transform) == (ds.rio.crs, ds.rio.transform())
        compression = file.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "raw")
        assert compression.lower() == profile
        assert file.overviews(1) == [2]
    with rasterio.open(path, overview_level=0) as file:
        assert set(file.block_shapes) == {(512, 512)}
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def photograph(*names: str, nodata: int | None = None) -> xr.Dataset:
    """Bands of uint8, the first 100 rows without data where ``nodata`` is given."""
    y, x = np.mgrid[:600, :700]
    grid = scene(["red"]).odc.geobox[:600, :700]
    ds: xr.Dataset = xr_zeros(grid, "uint8").to_dataset(name="_").drop_vars("_")
    for number, name in enumerate(names):
        pixels = (100 + 10 * number + 50 * np.sin(x / 60 + y / 80)).astype("uint8")
        attrs: dict[str, Any] = {"units": "1"}
        if nodata is not None:
            pixels[:100], attrs["_FillValue"] = nodata, nodata
        ds[name] = ("y", "x"), pixels, attrs
    return ds


@pytest.mark.parametrize(
    ("profile", "names"),
    [("jpeg", "r"), ("jpeg", "rg"), ("jpeg", "rgb"), ("jpeg", "rgbn"), ("webp", "rgb")],
)
@pytest.mark.parametrize("web_optimized", [False, True])
def test_a_lossy_cog_has_its_nodata_in_a_mask(
    tmp_path: Path, profile: str, names: str, web_optimized: bool
) -> None:
    ds = photograph(*names, nodata=0)
    path = ds.astra.to_cog(tmp_path / "a.tif", profile=profile, web_optimized=web_optimized)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert (file.descriptions, file.nodata) == (tuple(names), None)
        assert file.colorinterp.count(ColorInterp.alpha) == 0
        there = file.dataset_mask() > 0
        pixels = file.read().astype(int)
    with rasterio.open(path, overview_level=0) as file:
        assert 0 < (file.dataset_mask() > 0).mean() < 1
    assert not there[:50].any()
    if web_optimized:
        assert pixels[:, there].min() > 20
    else:
        np.testing.assert_array_equal(there, ds.r > 0)
        expected = np.stack([ds[name] for name in names]).astype(int)
        assert np.abs(pixels - expected)[:, there].max() < 20


def test_four_bands_of_bytes_have_no_alpha(tmp_path: Path) -> None:
    ds = photograph("red", "green", "blue", "nir")
    for profile in ("deflate", "zstd"):
        with rasterio.open(ds.astra.to_cog(tmp_path / "a.tif", profile=profile)) as file:
            assert ColorInterp.alpha not in file.colorinterp
            assert file.dataset_mask().all()
            np.testing.assert_array_equal(file.read(4), ds.nir)


@pytest.mark.parametrize("profile", ["deflate", "lerc_zstd"])
@pytest.mark.parametrize("options", [{}, {"mask_and_scale": False}, {"crs": "EPSG:4326"}])
def test_a_web_optimized_cog_is_on_the_grid_of_web_maps(
    tmp_path: Path, profile: str, options: dict[str, Any]
) -> None:
    ds = scene(["red", "SCL"], **options).isel(x=slice(700), y=slice(100, 800))
    path = ds.astra.to_cog(tmp_path / "a.tif", profile=profile, web_optimized=True)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        zoom = int(file.tags()["TILING_SCHEME_ZOOM_LEVEL"])
        assert (file.tags()["TILING_SCHEME_NAME"], file.crs.to_epsg()) == ("WebMercatorQuad", 3857)
        tile = 40075016.685578488 / 2**zoom
        np.testing.assert_allclose(file.res, tile / 256, rtol=1e-12)
        # Its blocks are the tiles, of which a rim at most is empty.
        assert set(file.block_shapes) == {(256, 256)}
        corner = np.divide([file.bounds.left, file.bounds.top], tile)
        np.testing.assert_allclose(corner, np.round(corner), rtol=0, atol=1e-6)
        reach = transform_bounds(ds.rio.crs, 3857, *ds.rio.bounds())
        assert np.abs(np.subtract(file.bounds, reach)).max() <= tile
        for number, name in enumerate(("red", "SCL"), 1):
            band = ds[name] if np.isfinite(file.nodata) else ds[name].where(ds[name] != 0)
            assert_nearest(file.read(number), file.transform, band, file.nodata)
        assert (file.descriptions, file.units[0]) == (("red", "SCL"), ds.red.units)
        assert file.tags()["scene_id"] == ds.attrs["scene_id"]
    with rasterio.open(path, overview_level=0) as file:
        assert set(file.block_shapes) == {(256, 256)}


def assert_nearest(got: Any, transform: Affine, da: xr.DataArray, nodata: float) -> None:
    """Each pixel of web mercator has the value of the pixel where it lies, to an eighth of one."""
    rows, cols = np.indices(got.shape)
    x, y = transform @ (cols.ravel() + 0.5, rows.ravel() + 0.5)
    x, y = Transformer.from_crs(3857, da.rio.crs, always_xy=True).transform(x, y)
    col, row = ~da.rio.transform() @ (x, y)
    padded = np.pad(da.values.astype(got.dtype), 1, constant_values=nodata)
    around = [
        padded[
            np.clip(np.floor(row + dy).astype(int) + 1, 0, da.shape[0] + 1),
            np.clip(np.floor(col + dx).astype(int) + 1, 0, da.shape[1] + 1),
        ].reshape(got.shape)
        for dy in (-0.13, 0.13)
        for dx in (-0.13, 0.13)
    ]
    assert np.any([(got == each) | (np.isnan(got) & np.isnan(each)) for each in around], 0).all()
    assert (np.isfinite(got) & (got != nodata)).mean() > 0.3


def elsewhere(crs: str, left: float, top: float) -> xr.Dataset:
    grid = GeoBox((99, 99), Affine(100, 0, left, 0, -100, top), crs)
    ds: xr.Dataset = xr_zeros(grid, "float32").to_dataset(name="red")
    return ds


@pytest.mark.parametrize(
    ("ds", "options", "words"),
    [
        (photograph("r"), {"profile": "zip"}, r"'zip'.*deflate, jpeg, lerc, .*webp, zstd"),
        (photograph("r"), {"profile": "ZSTD"}, "expected one of deflate"),
        (elsewhere("EPSG:32610", 5e5, 4e6), {"profile": "jpeg"}, r"1 or .*× uint8.*1 × float32"),
        (photograph(*"rgbne"), {"profile": "jpeg"}, "1 or 2 or 3 or 4 × uint8; .* 5 × uint8"),
        (photograph("r"), {"profile": "webp"}, "3 × uint8; .* 1 × uint8"),
        (photograph("r") > 1, {"profile": "jpeg"}, "classes and masks; .* lossless profile"),
        (photograph("r").astype("int64"), {"profile": "lerc"}, "not hold int64"),
        (photograph("r"), {"web_optimized": True}, "one _FillValue in attrs"),
        (elsewhere("EPSG:3413", 0, 0), {"web_optimized": True}, "85.05° S and 85.05° N"),
        (
            elsewhere("EPSG:32733", 5e5, 4e5),
            {"web_optimized": True},
            "85.05° S and 85.05° N",
        ),
        (elsewhere("EPSG:32660", 825000, 1e6), {"web_optimized": True}, "not cross 180° E"),
    ],
)
def test_cogs_that_a_profile_or_the_web_does_not_hold(
    tmp_path: Path, ds: xr.Dataset, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.InvalidParameter, match=words):
        ds.astra.to_cog(tmp_path / "a.tif", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{}, {"profile": "zstd"}, {"web_optimized": True}])
def test_gdal_keeps_little_while_a_cog_is_written(tmp_path: Path, options: dict[str, Any]) -> None:
    kept = []

    def block(pixels: Any) -> Any:
        kept.append(get_gdal_config("GDAL_CACHEMAX"))
        return pixels

    ds = elsewhere("EPSG:32610", 5e5, 4e6)
    ds["red"] = ds.red.copy(data=ds.red.chunk(y=50).data.map_blocks(block))
    before = get_gdal_config("GDAL_CACHEMAX")
    set_gdal_config("GDAL_CACHEMAX", 100 << 20)
    try:
        kept.clear()
        ds.astra.to_cog(tmp_path / "a.tif", **options)
        assert set(kept) == {64 << 20}
        assert get_gdal_config("GDAL_CACHEMAX") == 100 << 20
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


def test_a_png_is_the_picture(tmp_path: Path) -> None:
    ds = scene(["red", "green", "blue"]).isel(x=slice(200), y=slice(150))
    path = ds.astra.to_png(tmp_path / "a.png", limits=(0, 0.3))
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path) as file:
        got = np.moveaxis(file.read(), 0, -1)
    np.testing.assert_array_equal(got, ds.astra.rgb(limits=(0, 0.3)))
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    ds = scene(["red"]).isel(x=slice(9), y=slice(9))
    with pytest.raises(errors.ConversionFailed, match="no/such.*No such file"):
        ds.astra.to_cog(tmp_path / "no/such/a.tif")
    with pytest.raises(errors.ConversionFailed, match="No such file"):
        ds.astra.to_png(tmp_path / "no/such/a.png", ["red"] * 3)
    with pytest.raises(errors.InvalidDataset, match="on a grid with a CRS"):
        ds.isel(x=0).astra.to_cog(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_round_trips_keep_everything_and_no_secret(world: World, tmp_path: Path, kind: str) -> None:
    ds = astra_xr.open_scene(
        f"sentinel-2:{items.PRODUCT}", ["red", "nir"], catalog="planetary-computer"
    )
    ds.red.load()
    assert world.tokens
    path = tmp_path / "file"
    if kind == "zarr":
        pytest.importorskip("zarr")
        ds.to_zarr(path, consolidated=False)
        again = xr.open_zarr(path, chunks=None, consolidated=False, decode_coords="all")
    else:
        ds.to_netcdf(path)
        again = xr.open_dataset(path, decode_coords="all")
    with again:
        # The stored numbers are written, and make the same values to float32 rounding.
        np.testing.assert_allclose(again.red, ds.red, rtol=0, atol=1e-6)
        assert again.rio.crs == ds.rio.crs
        assert again.odc.geobox == ds.odc.geobox
        assert sorted(again.astra.bands.index) == ["nir", "red"]
        assert again.red.attrs["radiometry"] == ds.red.attrs["radiometry"]
        assert again.attrs["scene_id"] == ds.attrs["scene_id"]
        np.testing.assert_allclose(
            again.astra.index("NDVI")[300:], ds.astra.index("NDVI")[300:], rtol=1e-2, atol=1e-2
        )
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    for each in files:
        data = each.read_bytes()
        assert not any(token.encode() in data for token in world.tokens)
        assert b"sig=" not in data


def test_points_are_the_pixels_that_hold_them() -> None:
    ds = scene(["red", "SCL"])
    places = [(10, 20), (1500, 700), (2047, 2047)]
    points = [centre(ds, *place) for place in places]
    found = ds.astra.sample(points)
    assert not found.red.variable._in_memory
    assert found[["red"]].astra.explain().tiles == 3
    rows, cols = zip(*places, strict=True)
    np.testing.assert_array_equal(found.red, ds.red.values[rows, cols])
    np.testing.assert_array_equal(found.SCL, ds.SCL.values[rows, cols])
    np.testing.assert_array_equal(found.x, ds.x.values[list(cols)])
    assert found.SCL.dtype == np.uint8


@pytest.mark.parametrize("options", [{}, {"resolution": 60}, {"crs": "EPSG:4326"}])
def test_points_of_bands_on_another_grid(options: dict[str, Any]) -> None:
    ds = scene(["B11", "SCL", "visual", "red"], **options)
    places = [(10, 20), (ds.sizes["y"] - 9, 200), (ds.sizes["y"] // 2, ds.sizes["x"] - 70)]
    found = ds.astra.sample([centre(ds, *place) for place in places])
    assert found.astra.explain().tiles <= 4 * len(places)
    rows, cols = (list(each) for each in zip(*places, strict=True))
    for name in ("B11", "SCL", "red"):
        np.testing.assert_allclose(found[name], ds[name].values[rows, cols], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.visual, ds.visual.values[:, rows, cols])


def test_points_over_time() -> None:
    ds = scene(["red", "SCL"])
    series = xr.concat([ds, ds], "time").assign_coords(time=[10, 20])
    points = [centre(ds, 10, 20), centre(ds, 30, 40)]
    for each in (series, series.chunk(time=1)):
        found = each.astra.sample(points)
        assert (found.red.dims, found.SCL.dims) == (("time", "point"),) * 2
        np.testing.assert_array_equal(
            found.red, ds.red.values[[10, 30], [20, 40]][None].repeat(2, 0)
        )
        np.testing.assert_array_equal(found.time, [10, 20])
        partly = each.astra.sample([*points, (0, 0)])
        assert np.isnan(partly.red.sel(point=2)).all()
        assert float(partly.red[1, 0]) == float(ds.red[10, 20])


def test_points_of_a_table() -> None:
    ds = scene(["red"])
    points = [centre(ds, 10, 20), centre(ds, 30, 40), (0.0, 0.0)]
    table = geopandas.GeoDataFrame(
        index=["a", "b", "far"], geometry=geopandas.points_from_xy(*zip(*points, strict=True)),
        crs=4326,
    )  # fmt: skip
    for each in (table, table.to_crs(3857), table.geometry):
        found = ds.astra.sample(each)
        assert float(found.red.sel(point="b")) == float(ds.red[30, 40])
        assert np.isnan(found.red.sel(point="far"))
        assert np.isnan(found.x.sel(point="far"))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "pairs of longitude and latitude"),
        ([(1,)], "pairs of longitude and latitude"),
        ("here", "pairs of longitude and latitude"),
        (3, "pairs of longitude and latitude"),
        ([(float("nan"), 1)], "pairs of longitude and latitude"),
        ([(10, 50)], r"points within the Dataset, \(-122"),
        ([(37.5, -122.4)], "look swapped"),
        (geopandas.GeoSeries.from_xy([0], [0]), r"no CRS, which \.set_crs\(\) sets"),
        (geopandas.GeoSeries.from_wkt(["POINT (1 2)", None, "POINT EMPTY"], crs=4326),
         "missing or empty: 1, 2"),
        (geopandas.GeoSeries.from_xy([0], [0], crs=4326).to_frame("geometry").loc[0], "with a CRS"),
        (geopandas.GeoSeries.from_xy([0], [0], crs=3857).buffer(1), r"zonal\(\) takes polygons"),
    ],
)  # fmt: skip
def test_points_that_are_none(points: Any, words: str) -> None:
    with pytest.raises(errors.InvalidParameter, match=words):
        scene(["red"]).astra.sample(points)


def test_a_band_that_has_the_name_of_the_dimension_is_not_lost() -> None:
    ds = scene(["red"])
    with pytest.raises(errors.InvalidDataset, match=r"the name 'point'.*ds\.rename\(point="):
        ds.rename(red="point").astra.sample([centre(ds, 10, 20)])


def test_several_indices_at_once() -> None:
    ds = scene(["red", "nir", "green"])
    found = ds.astra.index(["NDVI", "SAVI", "NDWI"], L=1.0)
    assert list(found) == ["NDVI", "SAVI", "NDWI"]
    xr.testing.assert_identical(found.SAVI, ds.astra.index("SAVI", L=1.0))
    xr.testing.assert_identical(found.NDVI, ds.astra.index("NDVI"))
    assert found.attrs["scene_id"] == ds.attrs["scene_id"]
    with pytest.raises(errors.InvalidParameter, match="Invalid l="):
        ds.astra.index(["NDVI", "SAVI"], l=1.0)
    with pytest.raises(errors.UnknownIndex, match="NVDI"):
        ds.astra.index(["NVDI", "SAVI"], L=1.0)


def test_indices_are_found() -> None:
    water = astra_xr.indices.search("Water")
    assert {"NDWI", "MNDWI"} <= set(water.index)
    assert water.loc["NDWI", "formula"] == "(G-N)/(G+N)"
    assert "NDVI" not in water.index
    assert astra_xr.indices.search("no such thing").empty
    ds = scene(["red", "nir"])
    able = astra_xr.indices.available(ds)
    assert {"NDVI", "SAVI"} <= set(able.index)
    for name in able.index:
        assert ds.isel(x=slice(2), y=slice(2)).astra.index(name).name == name
