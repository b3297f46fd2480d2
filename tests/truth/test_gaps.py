"""Rows and columns that were dropped, repeated or shuffled: each pixel keeps its position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

import astra_xr
from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.errors import InvalidDataset, InvalidParameter

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
SIDE = 96
OPTIONS: dict[str, Any] = {"catalog": "sample"}


@pytest.fixture(scope="module")
def full() -> xr.Dataset:
    """Bands and classes of a window with clouds, in memory."""
    ds = astra_xr.open_scene(SCENE, ["red", "nir", "SCL"], **OPTIONS)
    return ds.isel(x=slice(960, 960 + SIDE), y=slice(672, 672 + SIDE)).compute()


@pytest.fixture(scope="module")
def masks(full: xr.Dataset) -> dict[int, xr.DataArray]:
    found = {dilate: full.astra.mask(dilate=dilate).compute() for dilate in (0, 2)}
    assert all(mask.any() and not mask.all() for mask in found.values())
    return found


PICKS: dict[str, dict[str, Any]] = {
    "window": {"x": slice(10, 50), "y": slice(20, 80)},
    "gap": {"x": np.r_[0:30, 60:90]},
    "gaps": {"x": np.r_[3:30, 31:90], "y": np.r_[0:5, 20:22, 90:96]},
    "shuffled": {"x": np.random.default_rng(0).permutation(SIDE)[:60]},
    "list": {"y": [50, 3, 9]},
    "doubled": {"x": [3, 3, 5, 7]},
    "the same twice": {"x": [3, 3]},
    "reversed": {"x": slice(None, None, -1), "y": slice(None, None, -1)},
    "gap, reversed": {"y": np.r_[0:30, 60:90][::-1]},
    "strides": {"x": slice(0, SIDE, 3), "y": slice(0, SIDE, 2)},
    "one row": {"y": [17]},
    "one column": {"x": slice(17, 18)},
    "one pixel": {"x": [17], "y": [40]},
}


@pytest.mark.parametrize("fetched", [True, False])
@pytest.mark.parametrize("pick", PICKS)
def test_the_mask_is_that_of_the_pixels(
    full: xr.Dataset, masks: dict[int, xr.DataArray], pick: str, fetched: bool
) -> None:
    part = full.isel(PICKS[pick]).drop_vars(["SCL"] if fetched else [])
    mask = part.astra.mask(dilate=0)
    np.testing.assert_array_equal(mask, masks[0].isel(PICKS[pick]))
    np.testing.assert_array_equal(mask.x, part.x)
    ndvi = part.astra.index("NDVI", mask_clouds=True)
    assert ndvi.shape == part.red.shape
    cover = part.astra.cloud_cover()
    assert cover == pytest.approx(_cover(full.SCL.isel(PICKS[pick])))


def _cover(classes: xr.DataArray) -> float:
    stored = classes.values
    valid = (stored != 0).sum()
    return 100 * float(np.isin(stored, (8, 9, 10)).sum() / valid) if valid else np.nan


@pytest.mark.parametrize("chunks", [None, 32])
@pytest.mark.parametrize("fetched", [True, False])
@pytest.mark.parametrize("pick", ["gap", "gaps", "shuffled", "doubled"])
def test_what_is_near_in_an_array_is_not_near_on_the_ground(
    full: xr.Dataset, masks: dict[int, xr.DataArray], pick: str, fetched: bool, chunks: Any
) -> None:
    part = full.isel(PICKS[pick]).drop_vars(["SCL"] if fetched else [])
    part = part if chunks is None else part.chunk(chunks)
    grid = pixel_grid(part, "test")
    assert grid is not None
    enclosing = full.sel(x=grid.x.centers, y=grid.y.centers, method="nearest", tolerance=0.1)
    if not fetched:  # nobody knows what was in the columns that were dropped
        there = enclosing.x.isin(part.x) & enclosing.y.isin(part.y)
        enclosing = enclosing.assign(SCL=enclosing.SCL.where(there, 0))
    expected = enclosing.astra.mask(dilate=2).sel(x=part.x, y=part.y)
    mask = part.astra.mask(dilate=2)
    assert (mask.chunks is None) == (chunks is None)
    np.testing.assert_array_equal(mask, expected)


def test_joined_windows_and_dropped_pixels(
    full: xr.Dataset, masks: dict[int, xr.DataArray]
) -> None:
    bands = full.drop_vars("SCL")
    joined = xr.concat(
        [bands.isel(x=slice(50, 90)), bands.isel(x=slice(0, 30))],
        "x", data_vars="minimal", coords="minimal", compat="override", join="outer",
    )  # fmt: skip
    seen = bands.where(full.red > full.red.quantile(0.9995), drop=True)
    assert seen.sizes["x"] < SIDE
    for part in (joined, seen):
        expected = masks[0].sel(x=part.x, y=part.y)
        np.testing.assert_array_equal(part.astra.mask(dilate=0), expected)


@pytest.mark.parametrize("pick", [pick for pick in PICKS if pick != "strides"])
def test_a_sample_is_of_the_pixel_that_holds_the_point(full: xr.Dataset, pick: str) -> None:
    rng = np.random.default_rng(1)
    part = full[["red"]].isel(PICKS[pick])
    # Anywhere in the window, off the edges of pixels, and one that is there.
    cols, rows = rng.uniform(0, SIDE, (2, 300)) // 1 + rng.uniform(0.1, 0.9, (2, 300))
    x = np.append(float(full.x[0]) + 10 * (cols - 0.5), part.x[0])
    y = np.append(float(full.y[0]) - 10 * (rows - 0.5), part.y[0])
    points = np.transpose(Transformer.from_crs(32610, 4326, always_xy=True).transform(x, y))
    picked = part.astra.sample(points)
    pixel_x = full.x.sel(x=x, method="nearest").values
    pixel_y = full.y.sel(y=y, method="nearest").values
    there = np.isin(pixel_x, part.x) & np.isin(pixel_y, part.y)
    expected = full.red.sel(x=xr.DataArray(pixel_x), y=xr.DataArray(pixel_y)).where(
        xr.DataArray(there)
    )
    assert there.any()
    np.testing.assert_array_equal(picked.red, expected)


def test_points_in_a_gap_alone_are_refused(full: xr.Dataset) -> None:
    part = full.isel(PICKS["gap"])
    point = Transformer.from_crs(32610, 4326, always_xy=True).transform(
        float(full.x[45]), float(full.y[10])
    )
    with pytest.raises(InvalidParameter, match="not in the gaps between its rows and columns"):
        part.astra.sample([point])


UNEVEN = ["gap", "gaps", "shuffled", "list", "doubled", "the same twice", "gap, reversed"]


@pytest.mark.parametrize("pick", PICKS)
def test_a_file_has_each_pixel_in_its_place(full: xr.Dataset, pick: str, tmp_path: Path) -> None:
    part = full[["red"]].isel(PICKS[pick])
    if pick in UNEVEN:
        with pytest.raises(InvalidDataset, match="evenly spaced") as caught:
            part.astra.to_cog(tmp_path / "out.tif")
        with pytest.raises(InvalidDataset, match="evenly spaced"):
            astra_xr.open_scene(SCENE, ["red"], like=part, **OPTIONS)
        assert not (tmp_path / "out.tif").exists()
        line = str(caught.value).partition("NaN fills the gaps: ")[2]
        part = eval(line, {"np": np, "ds": part})
    part.astra.to_cog(tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        values = file.read(1)
        x = [file.xy(0, col)[0] for col in range(file.width)]
        y = [file.xy(row, 0)[1] for row in range(file.height)]
    there = np.logical_and.outer(np.isin(y, part.y), np.isin(x, part.x))
    expected = full.red.sel(y=y, x=x, method="nearest", tolerance=0.1)
    kept = part.red.dropna("y", how="all").dropna("x", how="all")
    there &= np.logical_and.outer(np.isin(y, kept.y), np.isin(x, kept.x))
    np.testing.assert_array_equal(values, expected.where(xr.DataArray(there, dims=("y", "x"))))


@pytest.mark.parametrize("pick", ["gap", "gaps", "shuffled", "gap, reversed"])
def test_images_leave_gaps_empty(full: xr.Dataset, pick: str) -> None:
    part = full.isel(PICKS[pick])
    image = part.astra.thumbnail(["nir", "red", "red"], size=SIDE, limits=(0, 0.3))
    there = np.logical_and.outer(np.isin(image.y, part.y), np.isin(image.x, part.x))
    np.testing.assert_array_equal(image.sel(band="alpha") > 0, there)
    expected = full.astra.rgb(["nir", "red", "red"], limits=(0, 0.3)).sel(y=image.y, x=image.x)
    np.testing.assert_array_equal(image.values[there], expected.values[there])
    few = part.astra.thumbnail(["nir", "red", "red"], size=20)
    assert max(few.shape[:2]) <= 20
    assert not few.sel(band="alpha").values.all()
    drawn = part.astra.plot("red", add_colorbar=False)
    assert drawn.get_array().shape == image.shape[:2]
    picker = part.astra.pick()
    assert dict(picker.selection.sizes)["x"] == image.sizes["x"]
    np.testing.assert_array_equal(picker._scene.ds.SCL.dtype, full.SCL.dtype)
    picker.close()


def test_of_rows_that_are_there_twice_the_first_counts(full: xr.Dataset) -> None:
    joined = xr.concat([full.isel(y=slice(0, 8)), full.isel(y=slice(4, 12)) + 1], "y")
    joined["spatial_ref"] = full.spatial_ref
    grid = pixel_grid(joined, "it")
    assert grid is not None
    expected = joined.drop_duplicates("y").red
    np.testing.assert_array_equal(grid.filled(joined).red.sortby("y", False), expected)


@pytest.mark.parametrize(
    "pixels",
    [
        lambda ds: ds.isel(x=xr.DataArray([1, 2], dims="p"), y=xr.DataArray([3, 4], dims="p")),
        lambda ds: ds.stack(p=("y", "x")),
        lambda ds: ds.assign_coords(p=("x", range(ds.sizes["x"]))).swap_dims(x="p"),
    ],
    ids=["points", "stacked", "swapped"],
)
def test_pixels_along_other_dimensions_have_no_grid(full: xr.Dataset, pixels: Any) -> None:
    some = pixels(full.drop_vars("SCL").isel(x=slice(9), y=slice(9)))
    for call in (
        some.astra.mask,
        some.astra.cloud_cover,
        lambda: some.astra.sample([(0, 0)]),
        lambda: some.astra.index("NDVI", mask_clouds=True),
    ):
        with pytest.raises(InvalidDataset, match="has lost its grid|a grid of y and x"):
            call()
    assert some.astra.index("NDVI").sizes["p"] == some.sizes["p"]


def test_coordinates_that_are_no_grid_are_refused(full: xr.Dataset) -> None:
    bands = full[["red"]]
    uneven = bands.assign_coords(x=bands.x + np.linspace(0, 30, SIDE) ** 2)
    padded = bands.pad(x=3)
    for ds, why in ((uneven, "not evenly spaced"), (padded, "has NaN")):
        for call in (
            ds.astra.mask,
            lambda: ds.astra.sample([(-122.4, 37.5)]),  # noqa: B023
            lambda: ds.astra.to_cog("never.tif"),  # noqa: B023
            ds.astra.pick,
            ds.astra.thumbnail,
            lambda: astra_xr.open_scene(SCENE, ["red"], like=ds, **OPTIONS),  # noqa: B023
        ):
            with pytest.raises(InvalidDataset, match=why):
                call()


positions = st.lists(st.integers(0, SIDE - 1), min_size=1, max_size=12)


@settings(max_examples=60)
@given(x=positions, y=positions, crs=st.sampled_from([32610, 4326]))
@example(x=[0], y=[11, 5, 0], crs=32610)
def test_a_grid_encloses_its_pixels(x: list[int], y: list[int], crs: int) -> None:
    whole = _opened(crs)
    part = whole.isel(x=x, y=y)
    grid = pixel_grid(part, "test")
    assert grid is not None
    box = grid.box
    rows = grid.kept.get("y", np.arange(len(y)))
    cols = grid.kept.get("x", np.arange(len(x)))
    east = box.affine.c + box.affine.a * (cols + 0.5)
    north = box.affine.f + box.affine.e * (rows + 0.5)
    size = abs(float(whole.x[1] - whole.x[0]))
    np.testing.assert_allclose(east, part.x, atol=size * 1e-6)
    np.testing.assert_allclose(north, part.y, atol=size * 1e-6)


_WHOLE: dict[int, xr.Dataset] = {}


def _opened(crs: int) -> xr.Dataset:
    if crs not in _WHOLE:
        ds = astra_xr.open_scene(SCENE, ["red"], crs=crs, **OPTIONS)
        _WHOLE[crs] = ds.isel(x=slice(960, 960 + SIDE), y=slice(672, 672 + SIDE))
    return _WHOLE[crs]
