"""Open a local source, and check it before GDAL decodes any of it."""

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
from astra_xr.tiff.signatures import MAGIC_BYTES, NO_RASTER, driver_of

_GDAL = {
    # No other file beside the source is read or written.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    # In bytes. Blocks are read once, so a larger cache only costs memory.
    "GDAL_CACHEMAX": 64 << 20,
}


@contextmanager
def opened(
    path: Path, limits: Limits, *, threads: int = 1, **options: int
) -> Iterator[rasterio.io.DatasetReader]:
    """Open a source with the driver of its first bytes.

    Parameters
    ----------
    threads : int
        Threads of GDAL.
    **options
        Options of GDAL's driver, e.g. ``overview_level``.

    Raises
    ------
    ConversionFailed
        It is not a raster, is damaged, or exceeds the limits.
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
        failure = ConversionFailed(source=path.name, reason=reason_of(error, path))
    # Raised outside of the handler, as GDAL's message may contain paths.
    if failure:
        raise failure


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(MAGIC_BYTES)
    driver = driver_of(head)
    if driver is None:
        raise ConversionFailed(source=path.name, reason=NO_RASTER.format(head[:8]))
    return driver


def reason_of(error: Exception, path: Path) -> str:
    """Return the reason of an error with a file, without its folder."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, RasterioError):
        return error.strerror.lower()
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"GDAL reports: {redact(error).replace(str(path), path.name)}"


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
        reason = f"it has {size} bytes, and the limit is {limits.source_bytes}"
    elif pixels > limits.pixels:
        reason = f"it has {pixels} pixels, and the limit is {limits.pixels}"
    elif block > limits.block_bytes:
        reason = f"a block decodes to {block} bytes, and the limit is {limits.block_bytes}"
    elif decoded > 64 << 20 and decoded > limits.expansion * size:
        reason = f"its {size} bytes would decode to {decoded}, which suggests a malicious file"
    if reason:
        raise ConversionFailed(source=path.name, reason=reason)


def has_mask(dataset: rasterio.io.DatasetReader) -> bool:
    """Return True if a file has a mask band for its pixels without data."""
    flags = dataset.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
