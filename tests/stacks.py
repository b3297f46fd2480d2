"""Sentinel-2 and Landsat items over small files of this machine, for stacks of scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from astra_xr.testing import write_cog

EAST, NORTH = 500000, 4000000


def s2_item(
    folder: Path,
    day: str = "20250115",
    *,
    tile: str = "10SEG",
    time: str = "184929",
    platform: str = "S2B",
    clouds: float | None = 10.0,
    **files: np.ndarray,
) -> dict[str, Any]:
    """An item whose bands are the arrays of ``files``, at 10 m from (EAST, NORTH)."""
    name = f"{platform}_MSIL2A_{day}T{time}_N0511_R113_T{tile}_{day}T210000"
    epsg = 32600 + int(tile[:2])
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "bbox": [-123.0, 36.0, -122.9, 36.2],
        "properties": {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z",
            "platform": f"sentinel-{platform[1:].lower()}",
            "s2:processing_baseline": "05.11",
            "proj:epsg": epsg,
        },
        "links": [],
        "assets": {},
    }
    if clouds is not None:
        item["properties"]["eo:cloud_cover"] = clouds
    for key, pixels in files.items():
        add(item, folder, key, pixels, epsg=epsg)
    return item


def add(
    item: dict[str, Any],
    folder: Path,
    key: str,
    pixels: np.ndarray,
    *,
    epsg: int = 32610,
    shift: tuple[int, int] = (0, 0),
    gsd: int = 10,
    nodata: float | None = 0,
) -> None:
    """Write a band beside the others, its corner shifted by some columns and rows of 10 m."""
    transform = Affine(gsd, 0, EAST + 10 * shift[0], 0, -gsd, NORTH - 10 * shift[1])
    path = folder / f"{item['id']}-{key}.tif"
    write_cog(
        path, pixels, crs=f"EPSG:{epsg}", transform=transform, nodata=nodata, blocksize=128,
        overviews=None,
    )  # fmt: skip
    item["assets"][key] = {
        "href": str(path),
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "proj:shape": list(pixels.shape),
        "proj:transform": list(transform)[:6],
        "proj:epsg": epsg,
    }


def landsat_item(folder: Path, day: str = "20250115", **files: np.ndarray) -> dict[str, Any]:
    """A Landsat 8 item of the same kind, at 30 m."""
    name = f"LC08_L2SP_044034_{day}_{day}_02_T1"
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "bbox": [-123.0, 36.0, -122.9, 36.2],
        "properties": {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T18:30:00Z",
            "platform": "landsat-8",
            "eo:cloud_cover": 3.0,
        },
        "links": [],
        "assets": {},
    }
    for key, pixels in files.items():
        add(item, folder, key, pixels, gsd=30, nodata=1 if key == "qa_pixel" else 0)
    return item
