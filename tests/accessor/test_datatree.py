"""``tree.astra``: the bands of several resolutions on the finest grid, with no resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
# Its west and north are in the middle of pixels of 20 and 60 m.
BOX = (-122.43, 37.49, -122.41, 37.51)
NAMES = ["B04", "B08", "B11", "SCL", "B01"]


def tree(**options: Any) -> xr.DataTree:
    return astra_xr.open_scene_tree(SCENE, NAMES, catalog="sample", **options)


def node(size: float, *names: str, edge: float = 0.0, pixels: int = 12) -> xr.Dataset:
    """Return bands of some 120 m, as a reader of another project may."""
    count = round(pixels * 10 / size)
    places = edge + size * (np.arange(count) + 0.5)
    values = np.arange(count**2, dtype=float).reshape(count, count)
    coords = {"y": 1000 - places, "x": places}
    return xr.Dataset(dict.fromkeys(names, (("y", "x"), values)), coords)


@pytest.mark.parametrize("options", [{}, {"bbox": BOX}], ids=["whole", "part"])
def test_larger_pixels_are_repeated(options: dict[str, Any]) -> None:
    opened = tree(**options)
    ds = opened.astra.to_dataset()
    assert list(ds) == NAMES
    assert len(ds.astra.explain().files) == len(NAMES)  # nothing is read so far
    usual = astra_xr.open_scene(SCENE, NAMES, catalog="sample", resampling="nearest", **options)
    assert ds.sizes == usual.sizes
    assert ds.attrs == usual.attrs
    edge = {"y": slice(-250, None), "x": slice(-250, None)}
    for name in NAMES:
        np.testing.assert_array_equal(ds[name].isel(edge), usual[name].isel(edge))
        assert ds[name].attrs["native_name"] == name
        assert "resampling" not in ds[name].attrs
    coarse = opened["r60m/B01"]
    assert np.isin(ds.B01.isel(edge), coarse).all()


def test_a_part_a_point_and_a_step_are_of_the_whole() -> None:
    ds = tree(bbox=BOX).astra.to_dataset()
    whole = ds.B01.values
    np.testing.assert_array_equal(ds.B01[7:31, 3:40], whole[7:31, 3:40])
    np.testing.assert_array_equal(ds.B01[::-5, [1, 90, 2]], whole[::-5][:, [1, 90, 2]])
    rows, cols = xr.DataArray([3, 100, 3], dims="p"), xr.DataArray([5, 6, 150], dims="p")
    np.testing.assert_array_equal(ds.B01[rows, cols], whole[[3, 100, 3], [5, 6, 150]])
    assert ds.B01[0:0].shape == (0, whole.shape[1])
    loaded = xr.DataTree.from_dict(
        {n: each.to_dataset().load() for n, each in tree(bbox=BOX).children.items()}
    )
    np.testing.assert_array_equal(loaded.astra.to_dataset().B01, whole)
    chunked = ds.chunk({"y": 50, "x": 70})
    np.testing.assert_array_equal(chunked.B01, whole)


def test_trees_of_others() -> None:
    found = xr.DataTree.from_dict(
        {
            "measurements/r10m": node(10, "b04"),
            "measurements/r20m": node(20, "b04", "b11"),
            "quality": xr.Dataset({"note": 1}),
        }
    )
    ds = found.astra.to_dataset()
    assert list(ds) == ["b04", "b11"]
    np.testing.assert_array_equal(ds.b04, found["measurements/r10m/b04"])  # the finest
    np.testing.assert_array_equal(ds.b11, np.kron(found["measurements/r20m/b11"], np.ones((2, 2))))
    picker = found.astra.pick("b11", code_name="product")
    assert picker.code.startswith('product.astra.to_dataset()["b11"].plot')
    assert "was not opened by astra_xr" in picker.about["unopened"]
    picker.close()


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ({"a": node(15, "pan"), "b": node(30, "red", edge=7.5)}, "divide evenly.*'red' do not fit"),
        ({"a": node(10, "red"), "b": node(15, "nir")}, "divide evenly"),
        ({"a": node(10, "red"), "b": node(20, "nir", pixels=6)}, "divide evenly"),
        ({"a": node(10, "red").isel(x=[0, 1, 5]), "b": node(20, "nir")}, "without gaps.*/a lacks"),
        ({"a": node(10, "red").drop_vars("x")}, "without gaps"),
        ({"a/r10m": node(10, "red"), "b/r10m": node(10, "red")}, "'red' is in /a/r10m and in /b"),
        ({"a": xr.Dataset({"red": 1.0})}, "a node with variables along y and x"),
    ],
    ids=["half a pixel", "no whole number", "smaller", "gaps", "no x", "two of a name", "none"],
)
def test_what_does_not_fit_is_refused(nodes: dict[str, xr.Dataset], reason: str) -> None:
    with pytest.raises(InvalidDataset, match=reason):
        xr.DataTree.from_dict(nodes).astra.to_dataset()


def test_other_crs_is_refused() -> None:
    nodes = {"a": node(10, "red").rio.write_crs(32610), "b": node(20, "nir").rio.write_crs(32611)}
    with pytest.raises(InvalidDataset, match="divide evenly"):
        xr.DataTree.from_dict(nodes).astra.to_dataset()
