"""Clouds by choice: by probabilities, and by functions of the user's."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import astra_xr
from astra_xr import errors
from astra_xr.arrays import function_mask
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.testing import write_cog
from tests import items
from tests.conftest import SIZE, World
from tests.stacks import add, s2_item

ROWS, COLS = 90, 70


def bright(block: xr.Dataset) -> xr.DataArray:
    found: xr.DataArray = block.red > 0.3
    return found


def crowded(block: xr.Dataset, reach: int) -> Any:
    """True where the number of bright pixels near by is a multiple of 16: each one counts."""
    side = np.ones((2 * reach + 1,) * 2, int)
    return ndimage.correlate(bright(block).values.astype(int), side, mode="constant") % 16 == 0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder, rng, scenes = tmp_path_factory.mktemp("scenes"), np.random.default_rng(1), []
    for day in ("20250601", "20250611"):
        red = np.where(rng.random((ROWS, COLS)) < 0.2, 5000, 2000).astype("uint16")
        scl = rng.choice([4, 9], (ROWS, COLS)).astype("uint8")
        scenes.append(s2_item(folder, day, B04=red, B08=red, SCL=scl))
    return astra_xr.open_scenes(scenes, ["red", "nir", "SCL"])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_mask, "_BLOCK", 32)


# By functions


def test_what_a_function_is_called_with(stack: xr.Dataset) -> None:
    blocks: list[xr.Dataset] = []

    def look(block: xr.Dataset) -> Any:
        blocks.append(block)
        return block.red > 0.3

    mask = stack[["red", "SCL"]].astra.mask(by=look, dilate=0)
    assert not blocks
    np.testing.assert_array_equal(mask, stack.red > 0.3)
    assert mask.dims == ("time", "y", "x")
    assert mask.dtype == bool
    assert mask.attrs["long_name"].endswith("look")
    first = min(blocks, key=lambda block: block.time.item())
    expected = stack[["red", "SCL"]].isel(time=0).compute()
    xr.testing.assert_equal(first.drop_vars("spatial_ref"), expected.drop_vars("spatial_ref"))
    assert first.red.attrs == stack.red.attrs
    assert first.astra["B04"].name == "red"
    assert first.rio.crs == "EPSG:32610"


def test_a_dataset_whose_dimensions_are_in_another_order(stack: xr.Dataset) -> None:
    square = stack[["red"]].isel(y=slice(60), x=slice(60))
    for order in (("x", "y", "time"), ("time", "x", "y")):
        mask = square.transpose(*order).astra.mask(by=bright, dilate=0)
        xr.testing.assert_equal(mask, (square.red > 0.3).transpose(*mask.dims))
    for empty in (square.isel(x=slice(0)), square.chunk(y=30).isel(x=slice(0))):
        assert empty.astra.mask(by=bright, dilate=0).values.shape == (2, 60, 0)


def test_an_index_and_a_composite_by_a_function(stack: xr.Dataset) -> None:
    by = {"by": bright, "dilate": 1}
    mask = stack.astra.mask(by=bright, dilate=1).values
    disc = ndimage.generate_binary_structure(2, 1)
    expected = [ndimage.binary_dilation(day, disc) for day in stack.red.values > 0.3]
    np.testing.assert_array_equal(mask, expected)
    index = stack.astra.index("DVI", mask_clouds=by)
    assert not index.variable._in_memory
    np.testing.assert_array_equal(np.isnan(index), mask)
    image = stack.astra.composite("mean", mask_clouds=by, count=True)
    np.testing.assert_array_equal(image["count"], (~mask).sum(axis=0))
    rgb = stack.astra.rgb(["red"] * 3, mask_clouds=by)
    np.testing.assert_array_equal(rgb[..., 3] == 0, mask)


@settings(max_examples=8)
@given(data=st.data(), reach=st.integers(0, 5), dilate=st.sampled_from([0, 0, 2]))
def test_any_part_is_that_of_the_whole(
    data: Any, reach: int, dilate: int, stack: xr.Dataset
) -> None:
    by = functools.partial(crowded, reach=reach)
    whole = np.stack([crowded(stack.compute().isel(time=n), reach) for n in range(2)])
    y, x = np.ogrid[-dilate : dilate + 1, -dilate : dilate + 1]
    whole = np.stack([ndimage.binary_dilation(each, y**2 + x**2 <= dilate**2) for each in whole])
    some = stack[["red"]]
    if data.draw(st.booleans(), "dask"):
        sizes = data.draw(st.tuples(st.integers(7, 50), st.integers(7, 50)))
        some = some.chunk({"time": 1, "y": sizes[0], "x": sizes[1]})
    overlap = reach + data.draw(st.sampled_from([0, 0, 3]))
    mask = some.astra.mask(by=by, overlap=overlap, dilate=dilate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function_mask, "_BLOCK", 32)
        np.testing.assert_array_equal(mask.copy().values, whole)
        for dim, size in (("y", ROWS), ("x", COLS)):
            several = st.lists(st.integers(-size, size - 1), max_size=5)
            key = data.draw(several | st.slices(size) | st.integers(0, size - 1), dim)
            mask = mask.isel({dim: key})
            whole = whole[:, key] if dim == "y" else whole[..., key]
        np.testing.assert_array_equal(mask.values, whole)


def test_a_scene_points_and_pickles(stack: xr.Dataset, small_blocks: None) -> None:
    scene = stack.isel(time=1, drop=True)
    mask = scene.astra.mask(by=functools.partial(crowded, reach=2), overlap="20m", dilate=0)
    assert mask.dims == ("y", "x")
    whole = crowded(scene.compute(), 2)
    assert whole.any()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)), whole)
    points = xr.DataArray([5, 60, 33], dims="point")
    np.testing.assert_array_equal(mask[points, points], whole[[5, 60, 33], [5, 60, 33]])
    cost = scene[["red"]].astra.mask(by=bright).to_dataset(name="mask").astra.explain()
    assert not cost.unknown


def test_what_a_function_may_not_do(stack: xr.Dataset) -> None:
    def broken(block: xr.Dataset) -> Any:
        raise KeyError("weights")

    with pytest.raises(
        InvalidParameter, match=r"by=.*broken.*raised KeyError: 'weights'"
    ) as caught:
        stack.astra.mask(by=broken).load()
    assert isinstance(caught.value.__cause__, KeyError)
    for wrong, words in (
        (lambda block: block.red, "returned float32 of"),
        (
            lambda block: bright(block)[1:],
            r"bool of \(89, 70\).*bool of the block's shape \(90, 70\)",
        ),
        (lambda block: True, r"returned bool of \(\)"),
        (lambda block: None, "returned object"),
    ):
        for ds in (stack, stack.chunk({"y": 90})):
            with pytest.raises(InvalidParameter, match=rf"lambda.*{words}"):
                ds.astra.mask(by=wrong, dilate=0).load()
    turned = stack.astra.mask(by=lambda block: bright(block).transpose("x", "y"), dilate=0)
    np.testing.assert_array_equal(turned, stack.red > 0.3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": 3}, "Invalid by=3.*'SCL', 'probability' or a function"),
        ({"by": "QA"}, "Invalid by='QA'.*'SCL', 'probability'"),
        ({"above": 40}, "Invalid above=40.*by='probability'"),
        ({"by": "probability", "above": 100}, "percent, 0 to below 100"),
        ({"by": "probability", "what": "snow"}, "Invalid what='snow'.*no probabilities of other"),
        ({"by": "SCL", "overlap": 3}, "Invalid overlap=3.*a function"),
        ({"by": bright, "overlap": -1}, "Invalid overlap=-1.*0 to 1000"),
        ({"by": bright, "what": "clouds"}, "Invalid what='clouds'.*the function decides"),
    ],
)
def test_options_that_do_not_go_together(
    stack: xr.Dataset, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidParameter, match=words):
        stack.astra.mask(**options)


def test_what_mask_clouds_takes(stack: xr.Dataset) -> None:
    for wrong in ("SCL", {"clouds": True}, None):
        with pytest.raises(InvalidParameter, match=r"Invalid mask_clouds=.*a dict of options of"):
            stack.astra.composite(mask_clouds=wrong)
    xr.testing.assert_identical(stack.astra.mask(by="scl").load(), stack.astra.mask().load())
    snow = stack.astra.index("NDVI", mask_clouds={"what": "snow"})
    xr.testing.assert_equal(snow, stack.astra.index("NDVI"))


# By probabilities


@pytest.fixture(scope="module")
def likely(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder, rng, scenes = tmp_path_factory.mktemp("likely"), np.random.default_rng(1), []
    for day in ("20250701", "20250711"):
        red = rng.integers(1500, 3000, (ROWS, COLS)).astype("uint16")
        item = s2_item(folder, day, B04=red)
        add(
            item,
            folder,
            "cloud",
            rng.integers(0, 101, (ROWS // 2, COLS // 2)).astype("uint8"),
            gsd=20,
        )
        scenes.append(item)
    return astra_xr.open_scenes(scenes, ["red", "cloud"], resolution=20)


@pytest.mark.parametrize("above", [None, 0, 70.5])
def test_by_probability(likely: xr.Dataset, above: float | None) -> None:
    mask = likely.astra.mask(by="probability", above=above, dilate=0)
    limit = 40 if above is None else above
    np.testing.assert_array_equal(mask, likely.cloud.values > limit)
    assert mask.attrs["band"] == "cloud"
    # Not open, it is fetched of the items that were given.
    fetched = likely[["red"]].astra.mask("clouds", by="probability", above=above, dilate=0)
    assert not fetched.variable._in_memory
    xr.testing.assert_equal(fetched.load(), mask.load())
    wide = likely.astra.mask(by="probability", above=99, dilate="40m")
    assert wide.sum() > (likely.cloud > 99).sum()


def test_probabilities_of_another_catalog(world: World) -> None:
    chance = np.random.default_rng(1).integers(1, 101, (SIZE, SIZE)).astype("uint8")
    write_cog(world.folder / "CLD_20m.tif", chance)
    c1 = items.earth_search_c1(SIZE)
    red = c1["assets"]["red"]
    asset = {**red, "href": red["href"].replace("B04", "CLD_20m")}
    asset["raster:bands"] = [{"nodata": 0, "data_type": "uint8"}]
    asset.pop("eo:bands", None)
    c1["assets"]["cloud"] = asset
    world.earth_search.items = [each for each in world.earth_search.items if each["id"] != c1["id"]]
    world.earth_search.items.append(c1)
    ds = astra_xr.open_scene(f"sentinel-2:{items.PRODUCT}", ["red"], catalog="planetary-computer")
    mask = ds.astra.mask(by="probability", dilate=0)
    np.testing.assert_array_equal(mask, chance > 40)
    assert mask.attrs["catalog"] == "earth-search"


def test_scenes_without_probabilities(world: World) -> None:
    ds = astra_xr.open_scene(f"sentinel-2:{items.PRODUCT}", ["red"], catalog="planetary-computer")
    with pytest.raises(
        InvalidDataset, match="band cloud, which no catalog provides for sentinel-2:S2B"
    ):
        ds.astra.mask(by="probability")
    ds = astra_xr.open_scene("landsat:LC08_L2SP_044034_20250115_02_T1", bands=["red"])
    with pytest.raises(InvalidDataset, match=r"probabilities \(sentinel-2\)"):
        ds.astra.mask(by="probability")
    with pytest.raises(errors.InvalidParameter, match="'QA_PIXEL', 'probability'"):
        ds.astra.mask(by="SCL")
