"""COGs of arrays and of stacks: nothing is left out, and other tools read the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

import astra_xr
from astra_xr.errors import InvalidDataset, InvalidParameter, ReadError
from astra_xr.sample import SCENE_ID
from tests.stacks import s2_item

read_raster: Any = rioxarray.open_rasterio
PLACE = (-122.42, 37.49, -122.40, 37.51)


def scene(bands: Any = ("red", "nir"), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands, catalog="sample", bbox=PLACE, **options)


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    found = astra_xr.search("sentinel-2", bbox=PLACE, catalog="sample")
    return astra_xr.open_scenes(found[:3], ["red", "nir"], bbox=PLACE)


def read(path: Path) -> Any:
    assert cog_validate(path)[0]
    with rasterio.open(path) as file:
        values = file.read()
    for scaled in (True, False):
        with read_raster(path, mask_and_scale=scaled) as back:
            np.testing.assert_array_equal(np.asarray(back), values)
    return values


def test_a_file_of_an_index(tmp_path: Path) -> None:
    index = scene().astra.index("NDVI")
    path = index.astra.to_cog(tmp_path / "ndvi.tif", profile="zstd")
    np.testing.assert_array_equal(read(path)[0], index)
    with rasterio.open(path) as file:
        assert (file.descriptions, file.crs) == (("NDVI",), index.rio.crs)
        assert np.isnan(file.nodata)
        assert file.tags()["scene_id"] == index.attrs["scene_id"]


@pytest.mark.parametrize("chunks", [None, {"time": 1, "x": 50}])
def test_a_file_a_date(stack: xr.Dataset, chunks: Any, tmp_path: Path) -> None:
    ds = stack.astra.index(["NDVI", "EVI2"], mask_clouds=True)
    ds = ds if chunks is None else ds.chunk(chunks)
    paths = ds.astra.to_cog(tmp_path / "field.tif", by="time")
    expected = ds.compute()
    days = [str(each)[:10] for each in stack.time.values]
    assert [path.name for path in paths] == [f"field_{day}.tif" for day in days]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for step, path in enumerate(paths):
        np.testing.assert_array_equal(read(path), expected.isel(time=step).to_array())
        with rasterio.open(path) as file:
            assert file.descriptions == ("NDVI", "EVI2")
            assert file.tags()["id"] == str(stack.id.values[step])
            assert file.tags()["time"].startswith(days[step])
    one = ds.NDVI.astra.to_cog(tmp_path / "ndvi.tif", by="time")
    assert [path.name for path in one] == [f"ndvi_{day}.tif" for day in days]
    np.testing.assert_array_equal(read(one[1])[0], expected.NDVI[1])


def test_a_file_a_band(stack: xr.Dataset, tmp_path: Path) -> None:
    paths = stack.astra.to_cog(tmp_path / "field.tif", by="band")
    days = tuple(str(each)[:10] for each in stack.time.values)
    assert [path.name for path in paths] == ["field_red.tif", "field_nir.tif"]
    for name, path in zip(stack, paths, strict=True):
        np.testing.assert_array_equal(read(path), stack[name])
        with rasterio.open(path) as file:
            assert file.descriptions == days
    one = stack.red.astra.to_cog(tmp_path / "red.tif")
    np.testing.assert_array_equal(read(one), stack.red)


def test_names_that_files_do_not_tell_apart(stack: xr.Dataset, tmp_path: Path) -> None:
    same = xr.concat([stack.isel(time=0)] * 2, "time")
    paths = same.astra.to_cog(tmp_path / "a.tif", by="time")
    stamp = str(stack.time.values[0])[:19].replace(":", "")
    assert [path.name for path in paths] == [f"a_{stamp}.tif", f"a_{stamp}_2.tif"]
    part = stack.isel(time=0)
    odd = xr.Dataset({"a/b": part.red, "A b": part.nir, "a_b": part.nir})
    paths = odd.astra.to_cog(tmp_path / "b.tif", by="band")
    assert [path.name for path in paths] == ["b_a_b.tif", "b_A_b_2.tif", "b_a_b_3.tif"]
    monthly = stack.assign_coords(time=[3, 1, 2]).red.astra.to_cog(tmp_path / "c.tif")
    with rasterio.open(monthly) as file:
        assert file.descriptions == ("3", "1", "2")


def test_images_keep_their_colors(tmp_path: Path) -> None:
    ds = scene(["red", "green", "blue"]).isel(x=slice(64), y=slice(64))
    ds["red"] = ds.red.where(ds.x > float(ds.x[9]))
    image = ds.astra.rgb(limits=(0, 0.3))
    path = image.astra.to_cog(tmp_path / "image.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), image.transpose("band", "y", "x"))
        colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        assert file.colorinterp == colors
        assert not file.dataset_mask()[:, :9].any()
    with read_raster(path, mask_and_scale=True) as back:
        np.testing.assert_array_equal(back[0].isnull(), image.sel(band="alpha") == 0)


def test_bands_within_a_variable_are_written(tmp_path: Path) -> None:
    ds = scene(["red", "visual"])
    path = ds.astra.to_cog(tmp_path / "a.tif")
    values = read(path)
    with rasterio.open(path) as file:
        assert file.descriptions == ("red", "visual.red", "visual.green", "visual.blue")
    np.testing.assert_array_equal(values[0], ds.red)
    np.testing.assert_array_equal(values[1:], ds.visual)
    turned = ds.transpose("x", "y", ...).astra.to_cog(tmp_path / "b.tif")
    np.testing.assert_array_equal(read(turned), values)


@pytest.mark.parametrize("profile", ["deflate", "zstd"])
def test_stored_numbers_have_their_scale(profile: str, tmp_path: Path) -> None:
    stored, values = scene(mask_and_scale=False), scene()
    path = stored.astra.to_cog(tmp_path / "a.tif", profile=profile)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), stored.red)
        assert (file.scales, file.offsets) == ((1e-4, 1e-4), (-0.1, -0.1))
        assert (file.nodata, file.dtypes) == (0, ("uint16", "uint16"))
    with read_raster(path, mask_and_scale=True) as back:
        np.testing.assert_allclose(np.asarray(back), values.to_array(), atol=1e-6)
    # Computed from them, they are no stored numbers any more, whatever attrs were kept.
    index = (stored.nir / 2.0).assign_attrs(stored.nir.attrs)
    np.testing.assert_array_equal(read(index.astra.to_cog(path))[0], index)


def test_half_floats_are_written_as_floats(tmp_path: Path) -> None:
    ds = scene().astype("float16")
    np.testing.assert_array_equal(read(ds.astra.to_cog(tmp_path / "a.tif"))[0], ds.red)


def test_what_would_be_left_out_is_refused(stack: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with pytest.raises(InvalidDataset, match=r"one time step per file.*by='time'.*by='band'"):
        stack.astra.to_cog(path)
    mean = stack.assign(mean=stack.red.mean(["y", "x"]))
    with pytest.raises(InvalidDataset, match=r"'mean' cannot be written.*drop_vars\(\['mean'\]\)"):
        mean.astra.to_cog(path, by="time")
    ds = scene()
    when = ds.assign(when=xr.full_like(ds.red, np.nan).astype("datetime64[ns]"))
    with pytest.raises(InvalidDataset, match=r"'when' has the dtype datetime64"):
        when.astra.to_cog(path)
    deep = stack.red.expand_dims(level=2)
    with pytest.raises(InvalidDataset, match="one dimension besides y and x"):
        deep.astra.to_cog(path)
    with pytest.raises(InvalidDataset, match="a grid with a CRS"):
        stack.red.isel(x=0).astra.to_cog(path)
    for wrong, words in (
        ("date", "'time' for one file per time step"),
        ("band", "go into one file"),
    ):
        given: Any = wrong
        with pytest.raises(InvalidParameter, match=words):
            stack.red.astra.to_cog(path, by=given)
    with pytest.raises(InvalidParameter, match="time steps"):
        scene().astra.to_cog(path, by="time")
    with pytest.raises(InvalidParameter, match="time steps"):
        stack.isel(time=slice(0)).astra.to_cog(path, by="time")
    assert not list(tmp_path.iterdir())


def test_the_variable_of_a_crs_is_no_band(tmp_path: Path) -> None:
    ds = scene()
    ds.to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as back:  # where spatial_ref is a variable
        path = back.drop_vars(["time", "id"], errors="ignore").astra.to_cog(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(path)[0], ds.red)


def test_a_failure_leaves_no_half_file(tmp_path: Path) -> None:
    pixels = np.full((64, 64), 3000, "uint16")
    days = ("20250101", "20250111", "20250121")
    items = [s2_item(tmp_path, day, B04=pixels, B08=pixels) for day in days]
    stack = astra_xr.open_scenes(items, ["red", "nir"])
    out = tmp_path / "out"
    out.mkdir()
    old = out / "a_2025-01-11.tif"
    old.write_bytes(b"of yesterday")
    Path(items[1]["assets"]["B08"]["href"]).unlink()
    with pytest.raises(ReadError, match="20250111.* nir"):
        stack.astra.to_cog(out / "a.tif", by="time")
    assert sorted(path.name for path in out.iterdir()) == ["a_2025-01-01.tif", old.name]
    assert old.read_bytes() == b"of yesterday"
    np.testing.assert_array_equal(read(out / "a_2025-01-01.tif")[0], stack.red[0])
    again = stack[["red"]].astra.to_cog(out / "a.tif", by="time")
    assert [path.is_file() for path in again] == [True] * 3
    np.testing.assert_array_equal(read(old)[0], stack.red[1])
