"""Full-size scenes for the benchmarks: files of synthetic noise, and Sentinel-2 items over them."""

from __future__ import annotations

import os
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

SIZE = 10980
TRANSFORM = [10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0]
COARSE = [20.0, 0.0, TRANSFORM[2], 0.0, -20.0, TRANSFORM[5]]
EPSG = 32610
FOLDER = Path(tempfile.gettempdir()) / "astra-xr-benchmark"
DATES = 500
"""Dates that have files; these are the same files, by other paths."""

KEYS = ("B08", "B04", "B02", "B03", "B01", "B05", "B06", "B07", "B8A", "B09", "B11", "B12")
"""Bands of an item, in the order of the files ``B01.tif``, …"""

SIGNED = "st=2025-01-01T00%3A00%3A00Z&se=2035-01-01T00%3A00%3A00Z&sp=rl&sv=2024&sig=ab%2Bc%2F3D"
"""The query of all URLs where a catalog signs them."""

HIDDEN = (3, 8, 9, 10)
"""Cloud shadow, clouds and cirrus in SCL."""

_CLASSES = 10
_SCHEMAS = "https://stac-extensions.github.io"


def make_files() -> None:
    """Write two bands of 200 MB each, to which the other names are links, and ten class bands."""
    from scipy.ndimage import zoom

    from astra_xr.testing import write_cog

    FOLDER.mkdir(exist_ok=True)
    for seed in range(len(KEYS)):
        path = FOLDER / f"B{seed + 1:02d}.tif"
        if path.exists():
            continue
        if seed > 1:
            os.link(FOLDER / f"B{seed % 2 + 1:02d}.tif", path)
            continue
        rng = np.random.default_rng(seed)
        pixels = 2500 + 40 * rng.standard_normal((SIZE, SIZE), np.float32)
        for knots, height in ((8, 900), (64, 500), (512, 250), (2745, 120)):
            coarse = height * rng.standard_normal((knots + 1, knots + 1), np.float32)
            pixels += zoom(coarse, SIZE / knots, order=1)[:SIZE, :SIZE]
        stored = np.clip(pixels, 1, 12000).astype(np.uint16)
        stored[:, : SIZE // 12] = 0
        write_cog(path, stored)
    for number in range(_CLASSES):
        path = FOLDER / f"SCL{number}.tif"
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        patches = rng.choice([4, 4, 5, 5, 6, 9, 8, 10, 3], (SIZE // 90, SIZE // 90))
        pixels = np.kron(patches, np.ones((45, 45))).astype(np.uint8)
        pixels = np.pad(pixels, (0, SIZE // 2 - len(pixels)), mode="edge")
        write_cog(path, pixels, transform=Affine(*COARSE), overviews=None)
    for number in range(DATES):
        if not (FOLDER / f"s{number:03d}").exists():
            (FOLDER / f"s{number:03d}").symlink_to(".")


def file_of(key: str, number: int) -> str:
    """Return the name of the file that a band of a date is in; each other date has the same."""
    if key == "SCL":
        return f"SCL{number % _CLASSES}.tif"
    return f"B{(KEYS.index(key) + number) % len(KEYS) + 1:02d}.tif"


def href_of(base: str, key: str, number: int) -> str:
    root, mark, query = base.partition("?")
    return f"{root.rstrip('/')}/s{number:03d}/{file_of(key, number)}{mark}{query}"


def items(base: str, count: int) -> list[dict[str, Any]]:
    return [item(base, number) for number in range(count)]


def item(base: str, number: int = 0) -> dict[str, Any]:
    """Return a Sentinel-2 item, five days after the one before, with files of its own.

    Parameters
    ----------
    base : str
        URL of the folder; its query is that of all files.
    """
    day = date(2020, 1, 5) + timedelta(days=5 * number)
    stamp = f"{day:%Y%m%d}T184929"
    fine = {"proj:shape": [SIZE, SIZE], "proj:transform": TRANSFORM}
    half = {"proj:shape": [SIZE // 2, SIZE // 2], "proj:transform": COARSE}
    box = [-123.0002, 36.9515, -121.7507, 37.9475]
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"{_SCHEMAS}/projection/v1.1.0/schema.json",
            f"{_SCHEMAS}/raster/v1.1.0/schema.json",
        ],
        "id": f"S2B_MSIL2A_{stamp}_N0511_R113_T10SEG_{day:%Y%m%d}T210000",
        "bbox": box,
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {
            "datetime": f"{day:%Y-%m-%d}T18:49:29Z",
            "proj:epsg": EPSG,
            "platform": "sentinel-2b",
            "eo:cloud_cover": 30.0,
            "s2:processing_baseline": "05.11",
        },
        "assets": {
            key: {
                "href": href_of(base, key, number),
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "raster:bands": [{"data_type": "uint8" if key == "SCL" else "uint16", "nodata": 0}],
                **(half if key == "SCL" else fine),
            }
            for key in (*KEYS, "SCL")
        },
        "links": [],
    }
