"""Scenes over a pole and over the antimeridian, in CRSs that suit them and that do not."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from affine import Affine

import astra_xr
from astra_xr.errors import InvalidParameter
from astra_xr.testing import write_cog

STORED = np.random.default_rng(1).integers(1, 9000, (200, 200)).astype("int16")
FILES = {
    "north": ("EPSG:3413", Affine(5000, 0, -500000, 0, -5000, 500000)),
    "south": ("EPSG:3031", Affine(5000, 0, -500000, 0, -5000, 500000)),
    "beside": ("EPSG:3413", Affine(30, 0, 200000, 0, -30, -300000)),
    "antimeridian": ("EPSG:32660", Affine(30, 0, 830000, 0, -30, 200000)),
}


@functools.cache
def item(name: str) -> dict[str, Any]:
    crs, affine = FILES[name]
    path = Path(tempfile.mkdtemp()) / "a.tif"
    write_cog(path, STORED, crs=crs, transform=affine, nodata=-1, blocksize=128, overviews=None)
    return {"id": "a", "properties": {"datetime": "2024-06-01T10:00:00Z"},
            "assets": {"data": {"href": str(path)}}}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "north",
            {"crs": "EPSG:4326"},
            "no coordinates in it; .* such as 'EPSG:3413' or 'EPSG:32661'",
        ),
        ("north", {"crs": "EPSG:3857"}, "such as 'EPSG:3413' or 'EPSG:32661'"),
        ("north", {"crs": "EPSG:3031"}, "such as 'EPSG:3413' or 'EPSG:32661'"),
        ("north", {"crs": "utm"}, "UTM ends at 84° N.*such as 'EPSG:3413' or 'EPSG:32661'"),
        ("beside", {"crs": "utm"}, "UTM ends at 84° N.*such as 'EPSG:3413' or 'EPSG:32661'"),
        ("north", {"crs": "utm", "bbox": (10, 85, 30, 86)}, "UTM ends at 84° N"),
        ("south", {"crs": 4326}, "such as 'EPSG:3031' or 'EPSG:32761'"),
        ("south", {"crs": "utm"}, "UTM ends at 84° N.*such as 'EPSG:3031' or 'EPSG:32761'"),
        ("antimeridian", {"crs": "EPSG:4326"}, "such as 'utm'"),
    ],
)
def test_a_crs_that_does_not_suit_the_place_is_refused(
    name: str, options: dict[str, Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidParameter, match=words):
        astra_xr.open_scene(item(name), **options)
    with pytest.raises(InvalidParameter, match=words):
        astra_xr.open_scenes([item(name)], **options)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("north", {"crs": "EPSG:32661"}),
        ("north", {"crs": "EPSG:3995", "resampling": "nearest"}),
        ("north", {"crs": "EPSG:4326", "bbox": (10, 86, 30, 88)}),
        ("north", {"crs": "EPSG:3857", "bbox": (10, 85.6, 30, 86)}),
        ("south", {"crs": "EPSG:32761"}),
        ("beside", {"crs": "EPSG:4326"}),
        ("beside", {"crs": "EPSG:3995"}),
        ("antimeridian", {"crs": "utm"}),
        ("antimeridian", {"crs": "EPSG:32601"}),
        ("antimeridian", {"crs": "EPSG:3832"}),
    ],
)
def test_pixels_in_a_suitable_crs_are_where_proj_has_them(
    name: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    found = astra_xr.open_scene(
        item(name), mask_and_scale=False, **{"resampling": "nearest"} | options
    )["data"]
    assert max(found.shape) < 2000
    crs, affine = FILES[name]
    way = pyproj.Transformer.from_crs(str(found.rio.crs), crs, always_xy=True)
    x, y = way.transform(*np.meshgrid(found.x, found.y))
    across, down = ~affine * (x, y)
    inside = (across >= 0) & (across < 200) & (down >= 0) & (down < 200)
    assert inside.mean() > 0.3
    row, col = (np.clip(np.floor(v), 0, 199).astype(int) for v in (down, across))
    expected = np.where(inside, STORED[row, col], -1)
    near = np.minimum(abs(down - np.round(down)), abs(across - np.round(across))) < 0.01
    assert near.mean() < 0.1
    np.testing.assert_array_equal(found.values[~near], expected[~near])
    assert capfd.readouterr().err == ""
