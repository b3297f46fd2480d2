"""Pixels that a file hides by a mask or alpha: missing also in class maps and stored numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr.arrays.thumbnail import coarser

SIDE = 256
SEEN = np.hypot(*np.mgrid[-128:128, -120:136]) < 90


def write(path: Path, stored: Any, kind: str, compress: str, nodata: int | None = None) -> Path:
    """Write a class map whose pixels outside of a disc are hidden; lzma is read by GDAL."""
    planes = [stored, SEEN.astype("uint8") * 255] if kind == "alpha" else [stored]
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=SIDE, height=SIDE, count=len(planes), dtype="uint8",
            crs="EPSG:32610", transform=Affine(10, 0, 499980, 0, -10, 4200000), tiled=True,
            blockxsize=128, blockysize=128, compress=compress, nodata=nodata,
            **({"alpha": "yes"} if kind == "alpha" else {}),
        ) as file,
    ):  # fmt: skip
        file.write(np.stack(planes))
        if kind == "mask":
            file.write_mask(SEEN)
    return path


def item_of(path: Path, name: str, **described: Any) -> dict[str, Any]:
    classes = [{"value": n, "name": f"class-{n}"} for n in (1, 2, 3)]
    asset = {
        "href": str(path),
        "type": "image/tiff",
        "roles": ["data"],
        "raster:bands": [{"data_type": "uint8"} | described],
        "classification:classes": classes,
    }
    properties = {
        "datetime": "2024-06-01T10:00:00Z",
        "proj:epsg": 32610,
        "proj:shape": [SIDE, SIDE],
        "proj:transform": [10, 0, 499980, 0, -10, 4200000],
    }
    return {"type": "Feature", "id": name, "properties": properties, "assets": {"data": asset}}


def values(data: xr.Dataset) -> Any:
    assert data["data"].dtype == "uint8"
    return data["data"].values


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
@pytest.mark.parametrize("kind", ["mask", "alpha"])
@pytest.mark.parametrize("where", ["item", "file", "nowhere"])
def test_hidden_classes_are_nodata(tmp_path: Path, kind: str, where: str, compress: str) -> None:
    stored = np.random.default_rng(0).integers(1, 4, (SIDE, SIDE), "uint8")
    own = 9 if where == "file" else None
    path = write(tmp_path / "a.tif", stored, kind, compress, own)
    told = {"nodata": 7} if where == "item" else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = astra_xr.open_scene(item_of(path, f"a-{kind}-{where}-{compress}", **told))
        found = values(data)
        rows, cols = xr.DataArray([128, 0]), xr.DataArray([120, 0])
        points = data["data"].isel(y=rows, x=cols).values
        small = coarser(data, 64)["data"].values
    with rasterio.open(path) as file:
        seen = (file.dataset_mask() if kind == "mask" else file.read(2)) != 0
    fill = {"item": 7, "file": 9, "nowhere": 0}[where]
    np.testing.assert_array_equal(found, np.where(seen, stored, fill))
    np.testing.assert_array_equal(points, [stored[128, 120], fill])
    assert small[0, 0] == fill
    said = [str(each.message) for each in caught if "hides pixels" in str(each.message)]
    assert len(said) == (where == "nowhere")


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
@pytest.mark.parametrize("kind", ["mask", "alpha"])
def test_hidden_classes_lose_to_real_ones_in_a_mosaic(
    tmp_path: Path, kind: str, compress: str
) -> None:
    stored = np.full((SIDE, SIDE), 3, "uint8")
    one = write(tmp_path / "one.tif", stored, kind, compress)
    other = tmp_path / "other.tif"
    with rasterio.open(one) as file:
        profile = file.profile | {"count": 1}
    with rasterio.open(other, "w", **profile) as file:
        file.write(np.full((1, SIDE, SIDE), 2, "uint8"))
    items = [item_of(one, f"one-{kind}"), item_of(other, f"other-{kind}")]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hides pixels")
        for order in (items, items[::-1]):
            found = astra_xr.open_scenes(order, groupby="solar_day")["data"].values[0]
            assert (found[~SEEN] == 2).all()
            assert set(np.unique(found)) <= {2, 3}


def test_all_seen_is_no_matter(tmp_path: Path) -> None:
    stored = np.full((SIDE, SIDE), 3, "uint8")
    path = write(tmp_path / "a.tif", stored, "mask", "deflate")
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.ones((SIDE, SIDE), np.bool_))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = values(astra_xr.open_scene(item_of(path, "seen")))
    np.testing.assert_array_equal(found, stored)
