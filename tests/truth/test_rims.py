"""The last rows and columns, where a file's side is no multiple of the requested pixels."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

import astra_xr
from astra_xr.testing import write_cog


@functools.cache
def smooth(side: int) -> Any:
    y, x = np.mgrid[:side, :side]
    return (3000 + 1000 * np.sin(x / 90) + 900 * np.cos(y / 70)).astype("uint16")


@functools.cache
def item(side: int, overviews: str | None = "average", left: float = 500000) -> dict[str, Any]:
    path = Path(tempfile.mkdtemp()) / "a.tif"
    transform = Affine(10, 0, left, 0, -10, 4200000)
    write_cog(path, smooth(side), blocksize=128, overviews=overviews, transform=transform)
    return {"id": f"a{left:.0f}", "properties": {"datetime": "2024-06-01T10:00:00Z"},
            "assets": {"data": {"href": str(path), "raster:bands": [{"scale": 1e-4, "nodata": 0,
            "data_type": "uint16"}]}}}  # fmt: skip


def averaged(side: int, box: Any, left: float = 500000) -> Any:
    """Average the full resolution as rasterio does."""
    out = np.full(box.shape, np.nan, "float32")
    reproject(
        smooth(side) * np.float32(1e-4), out, src_crs="EPSG:32610", dst_crs=str(box.crs),
        src_transform=Affine(10, 0, left, 0, -10, 4200000), dst_transform=box.affine,
        src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.average,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("overviews", ["average", None])
@pytest.mark.parametrize("size", [20, 30, 80, 160])
@pytest.mark.parametrize("side", [1001, 1371, 1372, 1373])
def test_no_row_and_no_column_is_lost(side: int, size: int, overviews: str | None) -> None:
    ds = astra_xr.open_scene(item(side, overviews), resolution=size)
    expected = averaged(side, ds.odc.geobox)
    assert ds["data"].shape == (-(-side * 10 // size),) * 2
    assert not np.isnan(ds["data"]).any()
    assert not np.isnan(expected).any()
    # Half a pixel of what changes by 1e-3 in ten meters.
    np.testing.assert_allclose(ds["data"], expected, rtol=0, atol=6e-4 * size / 10 * 2)
    for part in (np.s_[-1:], np.s_[:, -1:], np.s_[-3::2, -2:]):
        lazy = astra_xr.open_scene(item(side, overviews), resolution=size)["data"]
        np.testing.assert_array_equal(lazy[part], ds["data"].values[part])


@pytest.mark.parametrize("side", [1371, 1372])
def test_nor_of_sentinel_2_with_overviews_at_80_meters(side: int) -> None:
    """A mosaic of two, its thumbnail and its plot."""
    scenes = [item(side), item(side, left=500000 + 10 * side)]
    ds = astra_xr.open_scenes(scenes, resolution=80, groupby="solar_day")
    values = ds["data"].isel(time=0).values
    assert not np.isnan(values).any()
    right = averaged(side, ds.odc.geobox, 500000 + 10 * side)
    left = averaged(side, ds.odc.geobox)
    only = np.isnan(left) != np.isnan(right)
    only[:, side * 10 // 80] = False  # of both
    expected = np.where(np.isnan(left), right, left)
    np.testing.assert_allclose(values[only], expected[only], rtol=0, atol=0.01)
    whole = astra_xr.open_scenes(scenes, groupby="solar_day").isel(time=0)
    image = whole.astra.thumbnail(["data"] * 3, size=172, limits=(0, 1))
    assert (image.values[..., 3] == 255).all()
    drawn = whole.astra.plot("data", max_pixels=172)
    assert np.isfinite(np.ma.filled(drawn.get_array().astype(float), np.nan)).all()
    box = whole.odc.geobox.zoom_to(drawn.get_array().shape[:2])
    both = np.nan_to_num(averaged(side, box)) + np.nan_to_num(
        averaged(side, box, 500000 + 10 * side)
    )
    error = abs(np.asarray(drawn.get_array(), float) - both)
    assert np.quantile(error, 0.98) < 0.01
