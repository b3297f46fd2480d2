"""Files against what their items say of them: the file has the word, or an error names both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.testing import write_cog

SIDE = 300


def item_of(path: Path, described: dict[str, Any] | None = None) -> dict[str, Any]:
    """An item of one asset, ``data``; with its grid and ``described`` in raster:bands, or bare."""
    asset: dict[str, Any] = {"href": str(path), "type": "image/tiff", "roles": ["data"]}
    properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
    if described is not None:
        asset["raster:bands"] = [described]
        properties |= {
            "proj:epsg": 32610,
            "proj:shape": [SIDE, SIDE],
            "proj:transform": [10, 0, 499980, 0, -10, 4200000],
        }
    return {"type": "Feature", "id": "a", "properties": properties, "assets": {"data": asset}}


def band(path: Path, described: dict[str, Any] | None = None, **options: Any) -> xr.DataArray:
    return astra_xr.open_scene(item_of(path, described), **options)["data"]


def write(path: Path, stored: Any, **options: Any) -> Path:
    return write_cog(path, stored, blocksize=128, **options)


WIDE = [
    ("int32", -9999),
    ("int32", 2**31 - 1),
    ("uint32", 2**32 - 1),
    ("int64", -9999),
    ("int64", 2**63 - 1),
    ("uint64", 2**64 - 1),
]


@pytest.mark.parametrize(("dtype", "nodata"), WIDE)
def test_nodata_of_wide_integers_is_exact(tmp_path: Path, dtype: str, nodata: int) -> None:
    near = nodata - 1 if nodata > 0 else nodata + 1
    stored = np.full((SIDE, SIDE), 7, dtype)
    stored[:10], stored[10:20] = nodata, near
    path = write(tmp_path / "a.tif", stored, nodata=None)
    described = {"data_type": dtype, "nodata": nodata}
    values = band(path, described)
    np.testing.assert_array_equal(np.isnan(values), stored == nodata)
    numbers = band(path, described, mask_and_scale=False)
    np.testing.assert_array_equal(numbers, stored)
    assert numbers.attrs["_FillValue"] == np.dtype(dtype).type(nodata)


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int32", "nan"), ("uint32", -9999), ("int64", "inf"), ("uint64", 0.5)]
)
def test_nodata_that_the_type_cannot_hold_hides_nothing(
    tmp_path: Path, dtype: str, nodata: Any
) -> None:
    stored = np.arange(SIDE**2).reshape(SIDE, SIDE).astype(dtype)
    path = write(tmp_path / "a.tif", stored, nodata=None)
    values = band(path, {"data_type": dtype, "nodata": nodata})
    np.testing.assert_array_equal(values, stored)
    coarse = band(path, {"data_type": dtype, "nodata": nodata}, mask_and_scale=False, crs="utm",
                  resolution=20)  # fmt: skip
    assert coarse.shape == (SIDE // 2, SIDE // 2)
    coarse.load()


def test_a_bare_item_of_wide_integers_opens_at_once(tmp_path: Path) -> None:
    stored = np.full((SIDE, SIDE), 7, "int32")
    stored[:10] = -9999
    values = band(write(tmp_path / "a.tif", stored, nodata=-9999))
    np.testing.assert_array_equal(np.isnan(values), stored == -9999)
