"""Maps, and pictures of few pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.ranges import traffic
from astra_xr.sample import SCENE_ID
from tests.conftest import World


@pytest.fixture(autouse=True)
def pyplot() -> Iterator[Any]:
    mpl.use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def scene(bands: Any, **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


def test_a_band_has_robust_limits_and_a_unit() -> None:
    ds = scene(["red"])
    tile_cache.clear()
    before = traffic().bytes
    image = ds.astra.plot("B04", max_pixels=300)
    assert traffic().bytes - before < 1_000_000  # the overviews; the full image has some 6 MB
    low, high = np.nanpercentile(np.ma.filled(image.get_array(), np.nan), (2, 98))
    assert image.get_clim() == pytest.approx((low, high))
    assert image.cmap.name == "gray"
    assert image.axes.get_aspect() == 1
    assert image.axes.get_xlabel() == "x [metre]"
    assert image.colorbar.ax.get_ylabel() == "Red reflectance"
    assert image.axes.get_title() == "red"
    assert image.get_extent() == pytest.approx(ds.rio.bounds()[::2] + ds.rio.bounds()[1::2], abs=80)
    stored = scene(["red"], mask_and_scale=False).red.astra.plot(max_pixels=300)
    np.testing.assert_allclose(stored.get_array(), image.get_array(), atol=1e-4)


def test_an_index_is_found_by_its_name() -> None:
    ds = scene(["red", "nir"])
    image = ds.astra.plot("NDVI", max_pixels=256)
    assert image.cmap.name == "PiYG"
    assert "Vegetation" in image.colorbar.ax.get_ylabel()
    means = {name: ds[name].coarsen(y=8, x=8).mean() for name in ds}
    expected = (means["nir"] - means["red"]) / (means["nir"] + means["red"])
    got = np.flipud(image.get_array()) if image.origin == "lower" else image.get_array()
    assert float(np.nanmedian(np.ma.filled(abs(got - expected.values), np.nan))) < 2e-3
    assert ds.astra.index("NDVI").astra.plot(max_pixels=100, cmap="gray").cmap.name == "gray"
    with pytest.raises(errors.UnknownBand, match="NVDI"):
        ds.astra.plot("NVDI")
    with pytest.raises(errors.MissingIndexBand, match="swir16"):
        ds.astra.plot("NDMI")
    with pytest.raises(errors.InvalidDataset, match=r"a map of \(y, x\)"):
        ds.red[0].astra.plot()


def test_without_a_name_it_is_true_color_or_the_one_band() -> None:
    ds = scene(["red", "green", "blue", "nir"]).isel(x=slice(64), y=slice(64))
    image = ds.astra.plot()
    np.testing.assert_array_equal(image.get_array(), ds.astra.rgb().values)
    assert image.axes.get_title() == "true color"
    assert ds[["nir"]].astra.plot().axes.get_title() == "nir"
    with pytest.raises(errors.InvalidParameter, match="Invalid name=None: .*'red', 'nir', or an"):
        ds[["red", "nir"]].astra.plot()
    steps = xr.concat([ds, ds], "time")
    assert steps.astra.plot().axs.shape == (1, 2)


def test_size_and_aspect_are_those_of_xarray() -> None:
    ds = scene(["red", "nir"]).isel(x=slice(64), y=slice(64))
    image = ds.astra.plot("ndvi", size=4, aspect=1.5, vmin=-0.2, vmax=0.9, cmap="Greens")
    assert image.figure.get_size_inches().tolist() == [6.0, 4.0]
    assert image.get_array().shape == (64, 64)
    assert (*image.get_clim(), image.cmap.name) == (-0.2, 0.9, "Greens")
    assert ds.astra.plot("NDVI", max_pixels=np.int64(32)).get_array().shape == (32, 32)
    for wrong in (0, True, 2.5, "64"):
        with pytest.raises(errors.InvalidParameter, match="Invalid max_pixels"):
            ds.astra.plot("NDVI", max_pixels=wrong)


def test_classes_have_their_colours_and_names(world: World) -> None:
    scl = scene(["SCL"]).SCL
    image = scl.astra.plot(max_pixels=400)
    names = [label.get_text() for label in image.colorbar.ax.get_yticklabels()]
    assert {"vegetation", "water", "cloud high\nprobability"} <= set(names)
    assert "no data" not in names
    color = image.cmap(image.norm(names.index("vegetation")))
    assert mpl.colors.to_hex(color) == "#00a000"
    landsat = astra_xr.open_scene("landsat:LC08_L2SP_044034_20250115_02_T1", bands=["QA_PIXEL"])
    image = landsat.QA_PIXEL.astra.plot()
    names = [label.get_text() for label in image.colorbar.ax.get_yticklabels()]
    codes = np.flipud(image.get_array()) if image.origin == "lower" else image.get_array()
    stored = landsat.QA_PIXEL.values
    where = (stored & 0b1000 > 0) & (stored & 0b111 == 0)
    assert (codes[where] == names.index("cloud")).all()
    assert np.ma.getmaskarray(np.ma.masked_invalid(codes))[stored == 1].all()


def test_classes_of_strangers_and_after_masking(world: World) -> None:
    landsat = astra_xr.open_scene("landsat:LC08_L2SP_044034_20250115_02_T1", bands=["QA_PIXEL"])
    stored = landsat.QA_PIXEL.load()
    plain, masked = (
        np.ma.filled(da.astra.plot().get_array(), np.nan)
        for da in (stored, stored.where(stored != -1))
    )
    np.testing.assert_array_equal(masked, plain)
    attrs = {"flag_values": [1, 2], "flag_meanings": "wheat rye"}
    fields = xr.DataArray(np.array([[1, 2], [2, 1]]), dims=("y", "x"), name="crop", attrs=attrs)
    for colors in ("straw #00ff00", "#00ff00"):
        image = fields.assign_attrs(flag_colors=colors).astra.plot()
        names = [label.get_text() for label in image.colorbar.ax.get_yticklabels()]
        assert names == ["wheat", "rye"]
        assert len({*map(tuple, image.cmap(image.norm([0, 1])))}) == 2
    for broken in ({"flag_meanings": "wheat"}, {"flag_values": "1, 2"}):
        fields.assign_attrs(broken).astra.plot()
    many = xr.DataArray(np.arange(1600).reshape(40, 40) % 3 // 2 * 2, dims=("y", "x"), attrs=attrs)
    codes = many.assign_attrs(flag_values=[0, 2]).astra.plot(max_pixels=10).get_array()
    assert not np.ma.getmaskarray(np.ma.masked_invalid(codes)).any()
    del fields.attrs["flag_meanings"]
    fields.astra.plot()


def test_dimensions_in_another_order_and_bands_of_rioxarray() -> None:
    ds = scene(["red", "green", "blue"]).isel(x=slice(60), y=slice(40)).load()
    plain = ds.red.astra.plot().get_array()
    np.testing.assert_array_equal(ds.red.transpose("x", "y").astra.plot().get_array(), plain)
    np.testing.assert_array_equal(ds.red.expand_dims("band").astra.plot().get_array(), plain)
    image = ds.astra.rgb()
    for each in (image, image.transpose("band", "x", "y")):
        np.testing.assert_array_equal(each.astra.plot().get_array(), image.values)
    turned = ds.transpose("x", "y")
    np.testing.assert_array_equal(turned.astra.plot().get_array(), image.values)
    np.testing.assert_array_equal(turned.astra.thumbnail(), image)
    with pytest.raises(errors.InvalidDataset, match=r"3 or 4 bands.*not 2.*isel\(band=0\)"):
        xr.concat([ds.red, ds.green], "band").astra.plot()


def test_selections_without_pixels_or_rows_are_refused() -> None:
    ds = scene(["red", "green", "blue", "nir"]).isel(x=slice(60), y=slice(40)).load()
    north, south = float(ds.y[3]), float(ds.y[30])
    empty = ds.sel(y=slice(south, north))
    for draw in (
        empty.astra.plot,
        empty.red.astra.plot,
        empty.expand_dims("time").astra.index("NDVI").astra.plot,
    ):
        with pytest.raises(errors.InvalidDataset, match=r"plot\(\) needs pixels.*slice\(north"):
            draw()
    with pytest.raises(errors.InvalidDataset, match="SCL.*has no pixels"):
        empty.astra.mask()
    for method in (ds.isel(x=0).astra.plot, ds.isel(x=0).astra.thumbnail):
        with pytest.raises(errors.InvalidDataset, match=r"needs bands of \(y, x\)"):
            method()


def test_one_scene_with_a_dimension_time() -> None:
    ds = scene(["red", "green", "blue", "SCL"]).isel(x=slice(60), y=slice(1000, 1040)).load()
    image = ds.astra.rgb(limits=(0, 0.3), mask_clouds=True)
    one = ds.expand_dims("time")
    np.testing.assert_array_equal(one.astra.rgb(limits=(0, 0.3), mask_clouds=True)[0], image)
    assert one.astra.thumbnail(size=20).dims == ("time", "y", "x", "band")
    assert one.astra.plot() is not None
    with pytest.raises(errors.InvalidDataset, match="one further dimension at most"):
        one.expand_dims("member").astra.plot()


def test_steps_of_time_and_pictures() -> None:
    ds = scene(["red", "visual"]).isel(x=slice(99), y=slice(99))
    grid = xr.concat([ds.red, ds.red], "time").rename("red").astra.plot()
    assert [axes.get_aspect() for axes in grid.axs.flat] == [1, 1]
    assert ds.visual.astra.plot().get_array().shape[:2] == (99, 99)


def test_steps_of_time_one_below_the_other() -> None:
    ds = scene(["red"]).isel(x=slice(99), y=slice(99))
    grid = xr.concat([ds.red, ds.red], "time").rename("red").astra.plot(row="time")
    assert grid.axs.shape == (2, 1)


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_one_value_is_black_or_white(value: bool) -> None:
    image = xr.DataArray(np.full((9, 9), value), dims=("y", "x")).astra.plot()
    assert image.cmap(image.norm(float(value)))[:3] == (float(value),) * 3


def test_options_of_the_colorbar_and_no_labels() -> None:
    ds = scene(["red", "SCL"]).isel(x=slice(60), y=slice(40))
    bar = ds.red.astra.plot(cbar_kwargs={"shrink": 0.5}).colorbar
    assert bar.ax.get_ylabel() == "Red reflectance"
    assert ds.SCL.astra.plot(cbar_kwargs={"shrink": 0.5}).colorbar.ax.get_ylabel() == ""
    assert ds.red.astra.plot(add_labels=False, figsize=(3, 3)).axes.get_title() == ""
    with pytest.raises(errors.InvalidDataset, match="real numbers, not complex"):
        (ds.red * 1j).astra.plot()


def test_a_ratio_has_no_label_of_a_band() -> None:
    ds = scene(["red", "nir", "swir1"]).isel(x=slice(1000, 1060), y=slice(1000, 1040)).load()
    options: Any = xr.set_options
    with options(keep_attrs=True):  # the default of newer xarray
        ndvi = (ds.nir - ds.red) / (ds.nir + ds.red)
        bright = ds.where(ds.red > 0)
    for each, label in (
        (ndvi, "values"),
        (ndvi.rename("greenness"), "greenness"),
        (bright.red, "Red reflectance"),
        (ds.swir1, "Short-wave infrared 1.6 reflectance"),
        (ds.nir.rename("b"), "Near infrared reflectance"),
    ):
        assert each.astra.plot(figsize=(3, 3)).colorbar.ax.get_ylabel() == label
    with options(keep_attrs=True):
        by_name = ds.assign(greenness=ndvi).astra.plot("greenness", figsize=(3, 3))
    assert by_name.colorbar.ax.get_ylabel() == "greenness"


def test_thumbnails_read_overviews() -> None:
    ds = scene(["red", "green", "blue", "SCL"])
    tile_cache.clear()
    before = traffic().bytes
    picture = ds.astra.thumbnail(size=256, limits=(0, 0.3))
    assert traffic().bytes - before < 2_000_000
    full = ds.astra.rgb(limits=(0, 0.3))
    assert (picture.shape, picture.dtype) == ((256, 256, 4), np.uint8)
    means = full[..., :3].astype(float).coarsen(y=8, x=8).mean()
    assert float(abs(picture[..., :3].values - means.values).mean()) < 2
    assert picture.rio.crs == ds.rio.crs
    np.testing.assert_allclose(picture.rio.bounds(), ds.rio.bounds())


def test_thumbnails_of_windows_other_grids_dask_and_memory() -> None:
    ds = scene(["red", "B11", "visual"])
    window = ds.isel(x=slice(300, 1300), y=slice(500, 1500))
    expected = window.red.coarsen(y=4, x=4).mean().values
    values: dict[str, np.ndarray] = {}
    memory = window.copy().load()
    window = scene(["red", "B11", "visual"]).isel(x=slice(300, 1300), y=slice(500, 1500))
    for name, each in {"lazy": window, "dask": window.chunk(250), "memory": memory}.items():
        picture = each.astra.thumbnail(size=250, limits=(0, 0.5))
        assert picture.shape == (250, 250, 4)
        assert picture.attrs["long_name"] == "red, red, red"
        values[name] = picture[..., 0].values / 255 / 2
    np.testing.assert_allclose(values["lazy"], expected.clip(0, 0.5), atol=3e-3)
    np.testing.assert_array_equal(values["dask"], values["memory"])
    for options in ({"crs": "EPSG:4326"}, {"resolution": 30}):
        other = scene(["red", "B11"], **options)
        half = other.astra.thumbnail(["red", "B11", "red"], size=128)
        assert 100 <= max(half.shape) <= 128
        assert int((half[..., 3] > 0).sum()) > 1000
    with pytest.raises(errors.InvalidParameter, match="a number of pixels"):
        ds.astra.thumbnail(size=0)
    with pytest.raises(errors.InvalidDataset, match=r"bands of \(y, x\)"):
        ds[["visual"]].astra.thumbnail()


def test_a_masked_index_is_drawn_from_overviews_too() -> None:
    ds = scene(["red", "nir"])
    masked = ds.astra.index("NDVI", mask_clouds=True)
    tile_cache.clear()
    before = traffic().bytes
    image = masked.astra.plot(max_pixels=128)
    assert traffic().bytes - before < 2_000_000
    share = float(np.isnan(np.ma.filled(image.get_array(), np.nan)).mean())
    assert share == pytest.approx(float(masked.isnull().mean()), abs=0.05)


def test_few_pixels_without_a_crs_keep_their_coordinates() -> None:
    red = scene(["red"]).red.isel(x=slice(0, 600), y=slice(0, 600)).compute()
    bare = xr.DataArray(red.values, {"y": red.y.values, "x": red.x.values}, ("y", "x"), "red")
    whole, few = (bare.astra.plot(max_pixels=n).get_extent() for n in (600, 100))
    np.testing.assert_allclose(few, whole)
