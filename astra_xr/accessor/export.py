"""Datasets and images as files; see ``ds.astra.to_cog`` and ``ds.astra.to_png``."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.arrays.blocks import blocks
from astra_xr.errors import ConversionFailed, InvalidParameter

_BLOCK = (2048, 2048)
"""Rows and columns that are read and written at once."""


def write_cog(ds: xr.Dataset, path: Path) -> Path:
    """Write all bands of a Dataset into one COG."""
    import odc.geo.xr  # noqa: F401  (registers .odc)
    import rasterio
    from rasterio.shutil import copy

    bands = [(str(name), ds[name]) for name in ds.data_vars if ds[name].dims == ("y", "x")]
    grid = ds.odc.geobox if bands else None
    if grid is None or grid.crs is None:
        expected = "a Dataset of (y, x) bands on a grid with a CRS"
        raise InvalidParameter(name="to_cog of", value=list(ds.data_vars), expected=expected)
    dtype = np.result_type(*(_stored(band) for _, band in bands))
    fills = {band.attrs.get("_FillValue") for _, band in bands}
    nodata = np.nan if dtype.kind == "f" else fills.pop() if len(fills) == 1 else None
    height, width = grid.shape
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": len(bands), "dtype": dtype, "nodata": nodata,
        "height": height, "width": width, "transform": grid.affine,
        "crs": grid.crs.to_wkt(), "tiled": True, "blockxsize": 512, "blockysize": 512,
        "bigtiff": "IF_SAFER",
    }  # fmt: skip
    classes = all(band.attrs.get("role") in ("class", "mask") for _, band in bands)
    options = {
        "compress": "deflate", "predictor": "yes", "bigtiff": "if_safer", "blocksize": 512,
        "overview_resampling": "nearest" if classes else "average",
    }  # fmt: skip
    with _making(path) as made:
        plain = made.with_name("plain.tif")
        with rasterio.open(plain, "w", **profile) as file:
            file.update_tags(**{k: str(v) for k, v in ds.attrs.items()})
            for number, (name, band) in enumerate(bands, 1):
                file.set_band_description(number, name)
                file.set_band_unit(number, str(band.attrs.get("units", "")))
                for rows, cols in blocks((height, width), _BLOCK):
                    values = np.asarray(band[rows, cols].values, dtype)
                    file.write(values, number, window=_window(rows, cols))
        copy(plain, made, driver="COG", **options)
    return path


def _stored(band: xr.DataArray) -> np.dtype[Any]:
    """Return the type that a band is written in: TIFF knows no booleans."""
    return np.dtype("uint8") if band.dtype == bool else band.dtype


def _window(rows: slice, cols: slice) -> tuple[tuple[int, int], tuple[int, int]]:
    return (rows.start, rows.stop), (cols.start, cols.stop)


def write_png(picture: xr.DataArray, path: Path) -> Path:
    """Write a picture of (y, x, rgb) with alpha."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    pixels = np.moveaxis(picture.values, -1, 0)
    profile = {"driver": "PNG", "dtype": "uint8", "count": 4}
    height, width = pixels.shape[1:]
    # A picture has no place here, and no file beside it that would tell one.
    with (
        _making(path) as made,
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(made, "w", height=height, width=width, **profile) as file,
    ):
        file.write(pixels)
    return path


@contextmanager
def _making(path: Path) -> Iterator[Path]:
    """Yield where to make a file; it stands at ``path`` when it is whole, and only then."""
    from rasterio.errors import RasterioError

    reason = ""
    try:
        with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as folder:
            made = Path(folder, f"made{path.suffix}")
            yield made
            made.replace(path)
    except (OSError, RasterioError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise ConversionFailed(source=path.name, reason=f"{path.parent}: {reason}") from None
