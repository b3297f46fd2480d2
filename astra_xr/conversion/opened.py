"""A source file on this machine: looked at before GDAL may decode any of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from astra_xr.conversion.recipe import Limits
from astra_xr.errors import ConversionFailed, redact
from astra_xr.tiff.signatures import MAGIC_BYTES, driver_of

_GDAL = {
    # No other file is looked for or read beside the source, and none is written.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    # In bytes. What is decoded is read once, so that keeping more only costs memory.
    "GDAL_CACHEMAX": 64 << 20,
}


@contextmanager
def opened(
    path: Path, limits: Limits, *, threads: int = 1, **options: int
) -> Iterator[rasterio.io.DatasetReader]:
    """Open a source with the one driver that its first bytes name.

    Parameters
    ----------
    threads : int
        Of GDAL.
    **options
        Of GDAL's driver, e.g. ``overview_level``.

    Raises
    ------
    ConversionFailed
        It is no raster, is damaged, or holds more than the limits allow.
    """
    failure: ConversionFailed | None = None
    try:
        driver = _sniffed(path)
        with (
            rasterio.Env(**_GDAL, GDAL_NUM_THREADS=threads),
            rasterio.open(path, driver=driver, **options) as dataset,
        ):
            _check(dataset, path, limits)
            yield dataset
    except (RasterioError, OSError, ValueError) as error:
        failure = ConversionFailed(source=path.name, reason=said(error, path))
    # Raised outside the handler: what GDAL says may hold paths.
    if failure:
        raise failure


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(MAGIC_BYTES)
    driver = driver_of(head)
    if driver is None:
        reason = f"it is no TIFF or JPEG 2000 file (it begins with {head[:8]!r})"
        raise ConversionFailed(source=path.name, reason=reason)
    return driver


def said(error: Exception, path: Path) -> str:
    """Return what went wrong with a file, in words that name no folder."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, RasterioError):
        return error.strerror.lower()
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"GDAL says: {redact(error).replace(str(path), path.name)}"


def _check(dataset: rasterio.io.DatasetReader, path: Path, limits: Limits) -> None:
    dtypes = [np.dtype(name) for name in dataset.dtypes]
    pixels = dataset.width * dataset.height * dataset.count
    decoded = dataset.width * dataset.height * sum(dtype.itemsize for dtype in dtypes)
    size = path.stat().st_size
    rows, cols = dataset.block_shapes[0]
    block = rows * cols * max(dtype.itemsize for dtype in dtypes)
    reason = ""
    if len(set(dtypes)) != 1 or dtypes[0].kind not in "iuf":
        reason = f"its pixels are of type {', '.join(dict.fromkeys(map(str, dtypes)))}"
    elif size > limits.source_bytes:
        reason = f"it has {size} bytes, and {limits.source_bytes} are the limit"
    elif pixels > limits.pixels:
        reason = f"it has {pixels} pixels, and {limits.pixels} are the limit"
    elif block > limits.block_bytes:
        reason = f"one block of it decodes to {block} bytes, and {limits.block_bytes} are the limit"
    elif decoded > 64 << 20 and decoded > limits.expansion * size:
        reason = f"its {size} bytes would decode to {decoded}, as only harmful files do"
    if reason:
        raise ConversionFailed(source=path.name, reason=reason)


def has_mask(dataset: rasterio.io.DatasetReader) -> bool:
    """Return True if a file marks its pixels without data by a plane of their own."""
    flags = dataset.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
