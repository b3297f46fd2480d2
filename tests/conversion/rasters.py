"""Sources that the tests make: small, of known pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil

PLACE = rasterio.Affine(10, 0, 499980, 0, -10, 4200000)


def numbers(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> npt.NDArray[Any]:
    """Stored numbers from 1, smooth as ground is, with an empty corner of 0."""
    rng = np.random.default_rng(seed)
    most = 200 if np.dtype(dtype).itemsize == 1 else 9999
    rows, cols = shape[-2:]
    slope = np.linspace(0.2, 0.8, rows)[:, None] * np.linspace(0.5, 1, cols)
    pixels = (most * slope + rng.normal(0, most / 100, shape)).clip(1, most).astype(dtype)
    pixels[..., : rows // 4, : cols // 3] = 0
    return pixels


def write(
    path: Path, pixels: npt.NDArray[Any], *, driver: str = "GTiff", nodata: float | None = None,
    options: dict[str, Any] | None = None, **profile: Any,
) -> Path:  # fmt: skip
    """Write a raster with GDAL; JPEG 2000 as Sentinel-2 has it: lossless, of 15 bits."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    outline = {
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": "EPSG:32610",
        "transform": PLACE,
        "nodata": nodata,
    } | profile
    if driver == "JP2OpenJPEG":
        options = {"QUALITY": 100, "REVERSIBLE": "YES", "NBITS": 15, "BLOCKXSIZE": 256,
                   "BLOCKYSIZE": 256, "RESOLUTIONS": 4} | (options or {})  # fmt: skip
    with (
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open("", "w", driver="MEM", **outline) as memory,
    ):
        memory.write(bands)
        rasterio.shutil.copy(memory, path, driver=driver, **(options or {}))
    return path
