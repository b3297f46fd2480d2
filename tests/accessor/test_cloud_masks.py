"""Clouds and the like: which pixels are hidden, by the class bands of the missions."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from scipy import ndimage

import astra_xr
from astra_xr import errors
from astra_xr.missions.classes import MASKED
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.ranges import traffic
from astra_xr.sample import SCENE_ID
from tests import items
from tests.conftest import World

SCL = {"clouds": (8, 9), "shadows": (3,), "cirrus": (10,), "snow": (11,), "water": (6,)}
QA_PIXEL = {"clouds": (1, 3), "shadows": (4,), "cirrus": (2,), "snow": (5,), "water": (7,)}
FMASK = {"clouds": (1, 2), "shadows": (3,), "cirrus": (0,), "snow": (4,), "water": (5,)}
"""Values, and numbers of bits, as the agencies document them."""

KINDS = list(SCL)


def scene(bands: Any = ("red",), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x**2 + y**2 <= radius**2)


def classes_of(mission: str, name: str, stored: np.ndarray) -> xr.Dataset:
    attrs = {"mission": mission, "scene_id": f"{mission}:LC08_L2SP_044034_20171020_02_T1"}
    dims = ("time", "y", "x")[-stored.ndim :]
    return xr.Dataset({name: (dims, stored, {"native_name": name})}, attrs=attrs)


@pytest.mark.parametrize("kind", KINDS)
def test_sentinel2_classes(kind: str) -> None:
    stored = np.arange(12, dtype="uint8").reshape(3, 4)
    mask = classes_of("sentinel-2", "SCL", stored).astra.mask(kind, dilate=0)
    np.testing.assert_array_equal(mask, np.isin(stored, SCL[kind]))
    assert mask.dtype == bool


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("mission", "name", "bits", "dtype", "nodata"),
    [("landsat", "QA_PIXEL", QA_PIXEL, "uint16", 1), ("hls", "Fmask", FMASK, "uint8", 255)],
)
def test_bits(
    mission: str, name: str, bits: dict[str, tuple[int, ...]], dtype: str, nodata: int, kind: str
) -> None:
    stored = np.arange(256, dtype=dtype).reshape(16, 16)
    ds = classes_of(mission, name, stored)
    expected = np.isin(stored, stored[(stored & sum(1 << bit for bit in bits[kind])) > 0])
    expected &= stored != nodata
    np.testing.assert_array_equal(ds.astra.mask(kind, dilate=0), expected)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 7, 30])
def test_dilation_is_a_disc(radius: int) -> None:
    rng = np.random.default_rng(1)
    stored = np.where(rng.random((40, 25)) < 0.01, 9, 4).astype("uint8")
    mask = classes_of("sentinel-2", "SCL", stored).astra.mask(dilate=radius)
    expected = ndimage.binary_dilation(stored == 9, disc(radius))
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("chunks", [None, 7])
@pytest.mark.parametrize("shape", [(3, 40, 25), (2, 9, 1), (2, 1, 9), (2, 0, 9)])
def test_dilation_is_along_rows_and_columns(shape: tuple[int, ...], chunks: int | None) -> None:
    rng = np.random.default_rng(1)
    stored = np.where(rng.random(shape) < 0.05, 9, 4).astype("uint8")
    expected = ndimage.binary_dilation(stored == 9, disc(3)[None])
    ds = classes_of("sentinel-2", "SCL", stored)
    for turned in (ds, ds.transpose(), ds.transpose("y", "time", "x")):
        mask = (turned.chunk(chunks) if chunks else turned).astra.mask(dilate=3)
        np.testing.assert_array_equal(mask, expected)
        assert mask.dims == ("time", "y", "x")


@pytest.mark.parametrize("chunks", [None, 7])
def test_a_row_without_its_dimension_is_not_dilated_over_time(chunks: int | None) -> None:
    stored = np.zeros((5, 9, 9), "uint8")
    stored[2, 4, 4] = 9
    ds = classes_of("sentinel-2", "SCL", stored)
    ds = ds.chunk(chunks) if chunks else ds
    with pytest.raises(errors.InvalidDataset, match=r"y and x.* has no y\. .*ds\.isel\(y=\[0\]\)"):
        ds.isel(y=4).astra.mask()
    with pytest.raises(errors.InvalidDataset, match="has no y and no x"):
        ds.isel(y=4, x=4).astra.mask()
    expected = np.zeros((5, 9), bool)
    expected[2, 2:7] = True
    np.testing.assert_array_equal(ds.isel(y=[4]).astra.mask()[:, 0], expected)
    np.testing.assert_array_equal(ds.isel(y=4).astra.mask(dilate=0), stored[:, 4] == 9)


def test_nodata_hides_nothing_and_has_no_margin() -> None:
    stored = np.full((6, 6), 255, "uint8")
    stored[:, 3:] = 0
    assert not classes_of("hls", "Fmask", stored).astra.mask().any()


def test_the_class_band_is_opened_on_the_same_grid() -> None:
    ds = scene()
    mask = ds.astra.mask()
    opened = scene(["red", "SCL"])
    xr.testing.assert_identical(mask.load(), opened.astra.mask().load())
    np.testing.assert_array_equal(
        mask, ndimage.binary_dilation(np.isin(opened.SCL, (3, 8, 9, 10)), disc(2))
    )
    assert mask.any()
    cut = ds.isel(x=slice(300, 500), y=slice(100, 250))
    clear = cut.where(~cut.astra.mask(dilate=0))
    expected = np.isin(opened.SCL[100:250, 300:500], (3, 8, 9, 10)) | np.isnan(cut.red)
    np.testing.assert_array_equal(np.isnan(clear.red), expected)
    xr.testing.assert_equal(clear.x, cut.x)


def test_it_is_lazy_and_a_window_reads_what_it_needs() -> None:
    mask = scene().astra.mask(dilate=3)
    whole = mask.copy(deep=True)
    assert not mask.variable._in_memory
    part = mask[100:110, 200:205]
    cost = part.to_dataset(name="mask").astra.explain()
    assert cost.tiles == 1
    np.testing.assert_array_equal(part, whole[100:110, 200:205])
    np.testing.assert_array_equal(mask[7, [3, 900, 2]], whole.values[7, [3, 900, 2]])
    np.testing.assert_array_equal(mask[::-5, 20], whole.values[::-5, 20])
    points = xr.DataArray([5, 700, 1900], dims="point")
    np.testing.assert_array_equal(
        mask[points, points], whole.values[[5, 700, 1900], [5, 700, 1900]]
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)), whole)
    assert mask[3:3].shape == (0, 2048)


def test_classes_that_were_loaded_in_between_are_not_read_again() -> None:
    ds = scene(["red", "SCL"]).isel(y=slice(40), x=slice(40))
    mask = ds.astra.mask()
    ds.load()
    tile_cache.clear()
    before = traffic().bytes
    assert mask.values.any() == ds.astra.mask().values.any()
    assert traffic().bytes == before


@pytest.mark.parametrize("bands", [("red",), ("red", "SCL")])
def test_with_dask(bands: tuple[str, ...]) -> None:
    place = {"x": (552000, 560000), "y": (4150000, 4158000)}
    ds = scene(bands, chunks=512, **place)
    mask = ds.astra.mask(dilate=5)
    assert mask.chunks == ds.red.chunks == ((512, 288), (512, 288))
    assert mask.data.name == ds.astra.mask(dilate=5).data.name != ds.astra.mask().data.name
    np.testing.assert_array_equal(mask, scene(**place).astra.mask(dilate=5))


def test_with_dask_a_fetched_class_band_takes_a_task_a_chunk() -> None:
    mask = scene(chunks=256).astra.mask(dilate=5)
    assert len(mask.data.dask) == mask.data.npartitions + 1
    uneven = scene(chunks=512).chunk({"x": 700}).isel(x=slice(100, 900))
    assert uneven.astra.mask().chunks == uneven.red.chunks
    mixed = scene(["red", "nir"], chunks=512)
    mixed["nir"] = mixed.nir.chunk(300)
    assert mixed.astra.mask().chunks == mixed.red.chunks


def test_of_landsat_fetched(world: World) -> None:
    scene_id = "landsat:LC08_L2SP_044034_20250115_02_T1"
    ds = astra_xr.open_scene(scene_id, bands=["red"])
    with rasterio.open(world.folder / "landsat-c2" / "QA_PIXEL.TIF") as file:
        stored = file.read(1)
    expected = ((stored & 0b11110) > 0) & (stored != 1)
    np.testing.assert_array_equal(ds.astra.mask(dilate=0), expected)


ELSEWHERE: dict[str, Any] = {
    "kilometers": lambda ds: ds.assign_coords(x=ds.x / 1000, y=ds.y / 1000),
    "row and column": lambda ds: ds.assign_coords(x=range(ds.sizes["x"]), y=range(ds.sizes["y"])),
    "another zone": lambda ds: ds.rio.write_crs(32611),
}


@pytest.mark.parametrize("change", ELSEWHERE)
@pytest.mark.parametrize("kind", ["scene", "stack", "loaded", "stored"])
def test_a_scene_at_coordinates_of_another_place_is_refused(change: str, kind: str) -> None:
    ds = scene(["red", "nir"], mask_and_scale=kind != "stored")
    if kind == "stack":
        ds = astra_xr.open_scenes([SCENE_ID], ["red", "nir"], catalog="sample")
    ds = ds.isel(x=slice(0, 50), y=slice(1000, 1050))
    moved = ELSEWHERE[change](ds.load() if kind == "loaded" else ds)
    with pytest.raises(errors.InvalidDataset, match="this Dataset is elsewhere"):
        moved.astra.index("NDVI", mask_clouds=True)
    with pytest.raises(errors.InvalidDataset, match="this Dataset is elsewhere"):
        moved.astra.cloud_cover()


@pytest.mark.parametrize("by_file", [False, True])
def test_scenes_of_two_zones_that_were_joined_are_refused(by_file: bool, tmp_path: Path) -> None:
    """Tiles of neighboring zones have the same coordinates; xarray keeps the attrs of the first."""
    ds = scene(["red", "nir"]).isel(x=slice(0, 50), y=slice(1000, 1050)).load()
    twice = [ds, ds.assign_coords(spatial_ref=xr.full_like(ds.spatial_ref, 32611))]
    joined = xr.concat(twice, "time", coords="different", compat="equals")
    if by_file:  # where spatial_ref becomes a variable
        joined.to_netcdf(tmp_path / "a.nc")
        joined = xr.open_dataset(tmp_path / "a.nc")
    methods: list[Any] = [
        joined.astra.mask,
        lambda: joined.astra.sample([(-122.5, 37.5)]),
    ]
    for method in methods:
        with pytest.raises(errors.InvalidDataset, match="one CRS, .* in EPSG:32610, EPSG:32611"):
            method()
    same = xr.concat([ds, ds.rio.write_crs(32610)], "time", coords="all", compat="equals")
    assert same.spatial_ref.dims == ("time",)
    assert same.astra.thumbnail(size=10).sizes["time"] == 2


@pytest.mark.parametrize("gap", [False, True])
def test_pixels_beyond_the_scene_are_not_masked(gap: bool) -> None:
    ds = scene().isel(x=slice(-50, None), y=slice(0, 40))
    beyond = ds.reindex(x=float(ds.x[-1]) + 10 * np.arange(1, 30)).isel(x=slice(5, None))
    beyond = beyond.isel(x=[0, 1, 2, 8, 9]) if gap else beyond
    mask = beyond.astra.mask()
    assert mask.shape == beyond.red.shape
    assert not mask.any()
    assert np.isnan(beyond.astra.cloud_cover())


@pytest.mark.parametrize(
    "add",
    [
        lambda ds: ds.fillna(0),
        lambda ds: ds.assign(bright=~(ds.red < 0.3)),
        lambda ds: ds.assign(height=xr.full_like(ds.red, 5).drop_attrs()),
        lambda ds: (ds.red > 0.3).to_dataset(),
    ],
)
def test_what_was_added_beyond_the_scene_is_not_taken_for_its_pixels(add: Any) -> None:
    ds = scene().isel(x=slice(-50, None), y=slice(0, 40))
    beyond = ds.reindex(x=float(ds.x[-1]) + 10 * np.arange(1, 30))
    assert not add(beyond).assign_attrs(ds.attrs).astra.mask().any()


def test_an_index_without_clouds() -> None:
    for options in ({}, {"chunks": 1024}):
        ds = scene(["red", "nir"], **options)
        ndvi, plain = ds.astra.index("NDVI", mask_clouds=True), ds.astra.index("NDVI")
        assert not ndvi.variable._in_memory
        expected = np.where(ds.astra.mask(), np.nan, plain)
        np.testing.assert_array_equal(ndvi, expected)
        assert ndvi.dtype == np.float32
    loaded = scene(["red", "nir"]).isel(x=slice(99)).load()
    np.testing.assert_array_equal(
        loaded.astra.index("NDVI", mask_clouds=True).isnull(),
        np.isnan(loaded.astra.index("NDVI")) | loaded.astra.mask(),
    )


def test_cloud_cover() -> None:
    scl = scene(["SCL"])
    stored = scl.SCL.values
    expected = 100 * np.isin(stored, (8, 9, 10)).sum() / (stored != 0).sum()
    assert scl.astra.cloud_cover() == pytest.approx(expected)
    assert scene(["B11"]).astra.cloud_cover() == pytest.approx(expected)
    part = scl.isel(x=slice(200, 500), y=slice(300, 600))
    # A box within the part touches no pixel around it.
    west, south, east, north = part.odc.geobox.geographic_extent.boundingbox.bbox
    middle = (west * 0.6 + east * 0.4, south * 0.6 + north * 0.4,
              west * 0.4 + east * 0.6, south * 0.4 + north * 0.6)  # fmt: skip
    there = astra_xr.open_scene(SCENE_ID, ["SCL"], catalog="sample", bbox=middle).SCL.values
    expected = 100 * np.isin(there, (8, 9, 10)).sum() / (there != 0).sum()
    assert scl.astra.cloud_cover(middle) == pytest.approx(expected)
    with pytest.raises(errors.InvalidParameter, match="a box that overlaps the Dataset"):
        scl.astra.cloud_cover((10, 10, 11, 11))
    empty = classes_of("sentinel-2", "SCL", np.zeros((2, 2), "uint8"))
    assert np.isnan(empty.astra.cloud_cover())


def test_the_table_of_classes(world: World) -> None:
    ds = astra_xr.open_scene(f"sentinel-2:{items.PRODUCT}", bands=["red"])
    table = ds.astra.classes("scl")
    assert table.loc[11, "meaning"] == "snow"
    assert table.loc[9, "color"] == "#ffffff"
    landsat = classes_of("landsat", "QA_PIXEL", np.zeros((1, 1), "uint16"))
    row = landsat.astra.classes("QA_PIXEL").query("meaning == 'cloud_shadow'")
    assert (row.index[0], row["mask"].iloc[0]) == (16, 16)
    with pytest.raises(errors.InvalidParameter, match="are classes or bits: SCL"):
        ds.astra.classes("red")
    with pytest.raises(errors.UnknownBand):
        ds.astra.classes("SLC")


def test_a_margin_in_meters() -> None:
    ds = scene(["red"], resolution=20)
    for meters, pixels in (("60m", 3), ("61 m", 4), ("0m", 0), ("19.5m", 1)):
        np.testing.assert_array_equal(ds.astra.mask(dilate=meters), ds.astra.mask(dilate=pixels))
    np.testing.assert_array_equal(ds.astra.mask(dilate=np.int64(3)), ds.astra.mask(dilate=3))
    degrees = scene(["red"], crs="EPSG:4326")
    assert degrees.astra.mask(dilate=1).any()
    with pytest.raises(errors.InvalidDataset, match="a projected CRS to dilate by meters"):
        degrees.astra.mask(dilate="60m")


def test_what_cannot_be_masked() -> None:
    ds = scene()
    for what in ("cloud", [], ["clouds", "haze"]):
        with pytest.raises(errors.InvalidParameter, match="Invalid what=.*'clouds', 'shadows'"):
            ds.astra.mask(what)
    for dilate in (-1, 1.5, 10_000, True, "60", "60km", "1e9m", "-5m"):
        with pytest.raises(errors.InvalidParameter, match="a whole number of pixels.*'60m'"):
            ds.astra.mask(dilate=dilate)
    with pytest.raises(
        errors.InvalidDataset, match=r"a built-in cloud mask.*sentinel-2, land.*mask_clouds=False"
    ):
        ds.assign_attrs(mission="naip").astra.mask()
    for lost in (ds.drop_vars("spatial_ref").drop_attrs(), ds.isel(x=0)):
        with pytest.raises(errors.InvalidDataset, match=r"known here|has lost its grid"):
            lost.astra.mask()
    ds = ds.drop_vars("id").drop_attrs(deep=True).assign_attrs(mission="sentinel-2")
    with pytest.raises(
        errors.InvalidDataset,
        match=r"the band SCL.*has lost its scene id. Open .*bands=\[…, 'SCL'\]",
    ):
        ds.astra.mask()


def test_real_classes(shared: Path) -> None:
    folder = shared / "rasters/sentinel2-S2A_29RKH_20200219_0_L2A"
    path = folder / "SCL.tif"
    item = {"id": "S2A_29RKH_20200219_0_L2A", "collection": "sentinel-2-l2a", "properties": {},
            "assets": {"SCL": {"href": str(path)}}}  # fmt: skip
    ds = astra_xr.open_scene(item, bands=["SCL"]).assign_attrs(mission="sentinel-2")
    with rasterio.open(path) as file:
        stored = file.read(1)
    expected = ndimage.binary_dilation(np.isin(stored, (3, 8, 9, 10, 6)), disc(2))
    np.testing.assert_array_equal(ds.astra.mask([*MASKED, "water"]), expected)
