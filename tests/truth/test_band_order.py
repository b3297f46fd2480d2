"""Files that name their bands in another order than their items are refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

import astra_xr
from astra_xr.errors import ReadError

SIDE = 64
STORED = np.stack([np.full((SIDE, SIDE), n, "uint8") for n in (10, 20, 30)])


def write(path: Path, names: list[str], compress: str) -> None:
    """Write a file of three bands; lzma is read by GDAL."""
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=3, dtype="uint8",
        crs="EPSG:32610", transform=Affine(10, 0, 499980, 0, -10, 4200000), tiled=True,
        blockxsize=16, blockysize=16, compress=compress,
    ) as file:  # fmt: skip
        file.write(STORED)
        for number, name in enumerate(names, 1):
            if name:
                file.set_band_description(number, name)


USUAL = [("B0", "blue"), ("B1", "green"), ("B2", "red")]


def item_of(path: Path, *, gridded: bool, named: list[tuple[str, str]] = USUAL) -> dict[str, Any]:
    bands = [{"name": name, "common_name": common} for name, common in named]
    asset = {"href": str(path), "type": "image/tiff", "roles": ["data"], "eo:bands": bands}
    properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
    if gridded:
        asset["raster:bands"] = [{"data_type": "uint8"}] * 3
        properties |= {
            "proj:epsg": 32610,
            "proj:shape": [SIDE, SIDE],
            "proj:transform": [10, 0, 499980, 0, -10, 4200000],
        }
    return {"type": "Feature", "id": "a", "properties": properties, "assets": {"image": asset}}


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
@pytest.mark.parametrize("gridded", [True, False])
@pytest.mark.parametrize("names", [["red", "green", "blue"], ["B2", "B1", "B0"], ["Red", "", ""]])
def test_another_order_is_refused(
    tmp_path: Path, names: list[str], gridded: bool, compress: str
) -> None:
    write(tmp_path / "a.tif", names, compress)
    item = item_of(tmp_path / "a.tif", gridded=gridded)
    for bands in (["red"], ["image"], ["image.3"]):
        with pytest.raises(ReadError, match=rf"names its bands {names[0]}, .*while its item"):
            astra_xr.open_scene(item, bands=bands).compute()


@pytest.mark.parametrize("compress", ["deflate", "lzma"])
@pytest.mark.parametrize("gridded", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        ["BLUE", "Green", "red"],
        ["B0", "B1", "B2"],
        ["", "", ""],
        ["1", "2", "3"],
        ["Band 3", "Band 2", "Band 1"],
        ["&<", "x", "y"],
    ],
)
def test_the_same_order_and_other_words_are_read(
    tmp_path: Path, names: list[str], gridded: bool, compress: str
) -> None:
    write(tmp_path / "a.tif", names, compress)
    item = item_of(tmp_path / "a.tif", gridded=gridded)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = astra_xr.open_scene(item, bands=["blue", "green", "red"]).compute()
    np.testing.assert_array_equal(np.stack([found[name] for name in found.data_vars]), STORED)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["green_i", "green", "red"], [("Green I", "green"), ("Green II", "green"), ("R", "red")]),
        (["green_i", "green", "red"], [("Green I", "green"), ("Green", "green"), ("R", "red")]),
        (["nir", "nir2", "red"], [("B08", "nir"), ("B8A", "nir"), ("B04", "red")]),
    ],
)
def test_a_common_name_of_several_bands_is_of_none(
    tmp_path: Path, names: list[str], named: list[tuple[str, str]]
) -> None:
    write(tmp_path / "a.tif", names, "deflate")
    item = item_of(tmp_path / "a.tif", gridded=True, named=named)
    for number, (name, _) in enumerate(named):
        for band in (name, f"image.{number + 1}"):
            found = astra_xr.open_scene(item, bands=[band]).compute()
            np.testing.assert_array_equal(next(iter(found.values())), STORED[number])
    np.testing.assert_array_equal(astra_xr.open_scene(item, bands=["image"]).image, STORED)
