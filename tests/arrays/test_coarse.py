"""Fewer pixels of a view: the same from files as from memory, at the same place, at few bytes.

Bands, and what is computed of them, are 20 m pixels on a grid of 10 m, which may be cut within
a pixel of 20 m.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.thumbnail import coarser
from astra_xr.testing import write_cog
from tests.arrays.maps import resized
from tests.stacks import EAST, NORTH, s2_item

SIDE = 256
"""Pixels of 10 m."""

STEP = 0.003
"""By which reflectance rises from a pixel of 20 m to the next."""


def write(folder: Path, overviews: str | None) -> list[dict[str, Any]]:
    """Write two scenes of slopes and, in every pixel, another class."""
    rng = np.random.default_rng(5)
    slope = 1000 + 30 * np.add.outer(np.arange(SIDE // 2), 2 * np.arange(SIDE // 2))
    classes = rng.choice(np.array([4, 5, 9], np.uint8), slope.shape)
    items = []
    for day in ("20250115", "20250125"):
        item = s2_item(folder, day) | {"bbox": [-123.0, 36.12, -122.97, 36.15]}
        for key, pixels in {
            "B04": np.kron(slope, np.ones((2, 2))),
            "B11": slope,
            "SCL": classes,
        }.items():
            gsd = 10 * SIDE // len(pixels)
            place = Affine(gsd, 0, EAST, 0, -gsd, NORTH)
            how = overviews and ("nearest" if key == "SCL" else overviews)
            path = write_cog(
                folder / f"{item['id']}-{key}.tif",
                pixels.astype("uint8" if key == "SCL" else "uint16"),
                transform=place,
                blocksize=16,
                overviews=how,
            )
            item["assets"][key] = {
                "href": str(path),
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "proj:shape": list(pixels.shape),
                "proj:transform": list(place)[:6],
            }
        items.append(item)
    return items


Items = list[dict[str, Any]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Items:
    """Files without overviews."""
    return write(tmp_path_factory.mktemp("plain"), None)


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Items:
    """Files with averaged overviews."""
    return write(tmp_path_factory.mktemp("reduced"), "average")


def stack(items: Items) -> xr.Dataset:
    return astra_xr.open_scenes(items, ["B11"])


def southwest(block: xr.Dataset) -> xr.DataArray:
    """Mask by coordinates."""
    masked: xr.DataArray = 0.77 * (block.x - EAST) + (block.y - NORTH) < -701
    return masked


MEASURED: dict[str, Callable[[Items], xr.Dataset]] = {
    "a band": lambda items: astra_xr.open_scene(items[0], ["B11"]),
    "a band cut": lambda items: astra_xr.open_scene(items[0], ["B11"]).isel(x=slice(3, -5)),
    "resampled": lambda items: astra_xr.open_scene(items[0], ["red"], resolution=20),
    "a stack": stack,
    "a formula": lambda items: (
        astra_xr.open_scene(items[0], ["B11"]).astra.index("1-swir16").to_dataset(name="B11")
    ),
    "a median": lambda items: stack(items).astra.composite("median", mask_clouds=False),
}
PICKED: dict[str, Callable[[Items], xr.Dataset]] = {
    "classes": lambda items: astra_xr.open_scene(items[0], ["SCL"]),
    "a mask": lambda items: (
        astra_xr.open_scene(items[0], ["SCL"]).astra.mask(dilate=0).to_dataset(name="mask")
    ),
    "a function's mask": lambda items: (
        astra_xr.open_scene(items[0], ["B11"])
        .astra.mask(by=southwest, dilate=0)
        .to_dataset(name="mask")
    ),
}


def on_10_m(ds: xr.Dataset, items: Items) -> xr.Dataset:
    """Return the variable of a Dataset at 20 m on the grid of 10 m, within pixels of 20 m."""
    several = "time" in ds.dims
    fine = (
        astra_xr.open_scenes(items, ["B04"]) if several else astra_xr.open_scene(items[0], ["B04"])
    )
    cut = fine.isel(y=slice(1, None), x=slice(7, -11))
    tree = xr.DataTree.from_dict({"r10": cut.rename(B04="fine"), "r20": ds})
    return tree.astra.to_dataset().drop_vars("fine")  # type: ignore[no-any-return]


VIEWS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "whole": lambda ds: ds,
    "cut": lambda ds: ds.isel(y=slice(4, -1), x=slice(12, 199)),
    "upside down": lambda ds: ds.isel(y=slice(None, None, -1), x=slice(2, None)),
    "sorted": lambda ds: ds.sortby("y"),
    "transposed": lambda ds: ds.transpose("x", "y", ...).isel(x=slice(3, 150)),
}


def small(view: xr.Dataset, size: int) -> tuple[xr.Dataset, list[tuple[Any, Any]]]:
    """Return a view at fewer pixels, and each time step at these and at all pixels."""
    image = coarser(view.transpose(..., "y", "x"), size)
    (name,) = image.data_vars
    full = view[name].transpose(..., "y", "x").values
    steps = (each.reshape(-1, *each.shape[-2:]) for each in (image[name].values, full))
    return image, list(zip(*steps, strict=True))


each_view = pytest.mark.parametrize("view", VIEWS)


@each_view
@pytest.mark.parametrize("kind", MEASURED)
def test_means(kind: str, view: str, plain: Items) -> None:
    """Without overviews, they are the means of the area under each pixel."""
    ds = VIEWS[view](on_10_m(MEASURED[kind](plain), plain))
    for size in (150, 60):
        for found, full in small(ds, size)[1]:
            np.testing.assert_allclose(found, resized(full, found.shape), rtol=0, atol=1e-6)


@each_view
@pytest.mark.parametrize("kind", MEASURED)
def test_means_of_overviews(kind: str, view: str, reduced: Items) -> None:
    """They are at their place: half a pixel of 20 m away they would differ by STEP."""
    ds = VIEWS[view](on_10_m(MEASURED[kind](reduced), reduced))
    for size in (60, 30):
        for found, full in small(ds, size)[1]:
            away = found - resized(full, found.shape)
            assert 0.1 * STEP < abs(away).max() < 0.8 * STEP  # they are of an overview
            assert abs(away.mean()) < 0.02 * STEP


@each_view
@pytest.mark.parametrize("kind", PICKED)
def test_picks(kind: str, view: str, plain: Items) -> None:
    """Classes and masks are those of the pixel at the center."""
    ds = VIEWS[view](on_10_m(PICKED[kind](plain), plain))
    for size in (150, 60):
        image, [(found, full)] = small(ds, size)
        rows, cols = Coarsening.of(full.shape, found.shape, average=False).centers()
        expected = full[np.ix_(rows, cols)]
        if kind == "a function's mask":  # it gets the coordinates of the larger pixels
            expected = southwest(image).transpose("y", "x").values
        assert len(np.unique(expected)) > 1
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["lazy", "in memory", "of dask"])
@pytest.mark.parametrize("size", [64, 43, 32])
def test_picks_of_a_flipped_view(size: int, kind: str, plain: Items) -> None:
    """They are those of the view, flipped, though two pixels are at its pixels' centers."""
    ds = astra_xr.open_scene(plain[0], ["SCL"])
    expected = coarser(ds, size).SCL.values
    ds = {"lazy": ds, "in memory": ds.compute(), "of dask": ds.chunk(50)}[kind]
    for dims in (["y"], ["x"], ["y", "x"], []):
        turn = dict.fromkeys(dims, slice(None, None, -1))
        found = coarser(ds.isel(turn), size).SCL.isel(turn)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("side", "size"), [(118, 30), (120, 14), (122, 8)])
def test_centers_between_pixels(side: int, size: int, plain: Items) -> None:
    """Of a file and in memory the lower right pixel is picked, not the upper left by rounding."""
    view = astra_xr.open_scene(plain[0], ["SCL"]).isel(y=slice(side), x=slice(side))
    found, loaded = (coarser(each, size).SCL.values for each in (view, view.compute()))
    count = len(found)
    centers = (2 * np.arange(count) + 1) * side // (2 * count)
    np.testing.assert_array_equal(found, view.SCL.values[np.ix_(centers, centers)])
    np.testing.assert_array_equal(loaded, found)


@pytest.mark.parametrize("dim", ["y", "x"])
def test_margins_of_clouds_in_a_single_row(dim: str) -> None:
    """A margin of 14 pixels is one of 10, not 14 of these."""
    stored = np.full((300, 300), 4, np.uint8)
    stored[150:160, 150:160] = 9
    ds = xr.Dataset({"SCL": (("y", "x"), stored)}, attrs={"mission": "sentinel-2"})
    mask = ds.isel({dim: [155]}).astra.mask(dilate=14)
    image = coarser(mask.to_dataset(), 30).mask.values.ravel()
    np.testing.assert_array_equal(np.flatnonzero(image), [14, 15, 16])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("by", ["SCL", "probability", lambda block: block.SCL == 9])
@pytest.mark.parametrize("dilate", [20, 40])
def test_margins_of_clouds_beside_a_part(dilate: int, by: Any, turned: bool) -> None:
    """Clouds beside a part reach into it, as in the whole."""
    clouds = np.random.default_rng(2).random((32, 32)) > 0.99
    cloudy = np.kron(clouds, np.ones((8, 8), bool))
    bands = {"SCL": np.where(cloudy, 9, 4).astype("uint8"), "cloud": 90.0 * cloudy}
    attrs = {"mission": "sentinel-2"}
    ds = xr.Dataset({name: (("y", "x"), each) for name, each in bands.items()}, attrs=attrs)
    mask = ds.astra.mask(by=by, dilate=dilate).to_dataset()
    whole = coarser(mask, 32)
    for rows, cols in ((slice(8, 24), slice(2, 32)), (slice(9, 11), slice(25, 30))):
        pixels = (slice(8 * axis.start, 8 * axis.stop) for axis in (rows, cols))
        part = mask.isel(dict(zip(("y", "x"), pixels, strict=True)))
        expected = whole.mask[rows, cols]
        assert not expected.all()
        if turned:
            part, expected = part.isel(x=slice(None, None, -1)), expected[:, ::-1]
        size = max(part.sizes.values()) // 8
        np.testing.assert_array_equal(coarser(part, size).mask, expected)


def test_margins_of_clouds_beside_a_row() -> None:
    """A cloud above a row reaches into it, though its pixels are wider than high."""
    stored = np.full((300, 300), 4, np.uint8)
    stored[150:160, 150:160] = 9
    ds = xr.Dataset({"SCL": (("y", "x"), stored)}, attrs={"mission": "sentinel-2"})
    mask = ds.astra.mask(dilate=20)
    for row, there in ((129, []), (130, [15]), (150, [13, 14, 15, 16, 17])):
        image = coarser(mask.isel(y=[row]).to_dataset(), 30).mask.values.ravel()
        np.testing.assert_array_equal(np.flatnonzero(image), there)
