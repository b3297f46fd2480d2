"""GeoTIFFs written by GDAL: plain ones, and COGs of sources with a mask."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from astra_xr.conversion.disk import NEW_FILE
from astra_xr.conversion.image_ranges import is_whole
from astra_xr.conversion.opened import has_mask, opened, reason_of
from astra_xr.conversion.recipe import Limits, Progress, Recipe
from astra_xr.errors import ConversionFailed

_ROWS = 1024
"""Rows read at once."""

_COPIED = {"AREA_OR_POINT"}
"""Tags that are copied; others describe how the source was made."""


def write_geotiff(
    source: Path, target: Path, recipe: Recipe, limits: Limits, progress: Progress
) -> None:
    """Write a GeoTIFF in strips, without overviews, with the most common compression."""
    with opened(source, limits, threads=limits.threads) as dataset:
        options = {
            "driver": "GTiff",
            "width": dataset.width,
            "height": dataset.height,
            "tiled": False,
            "blockysize": 64,
            "compress": "deflate",
            "zlevel": 1,
            "predictor": 1 if np.dtype(dataset.dtypes[0]).kind == "f" else 2,
            "interleave": "pixel",
            "bigtiff": "if_safer",
            "num_threads": limits.threads,
        }
        create = partial(rasterio.open, target, "w")
        masked = has_mask(dataset)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            described(create, dataset, recipe, options) as out,
        ):
            for row in range(0, dataset.height, _ROWS):
                window = Window(0, row, dataset.width, min(_ROWS, dataset.height - row))
                out.write(dataset.read(window=window), window=window)
                if masked:
                    out.write_mask(dataset.read_masks(1, window=window), window=window)
                progress((row + window.height) / dataset.height)
    _check_whole(source, target)


def write_masked_cog(
    source: Path, target: Path, recipe: Recipe, limits: Limits, progress: Progress
) -> None:
    """Write a COG of a source with a mask, by GDAL's COG driver."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        plain = Path(folder, "plain.tif")
        write_geotiff(source, plain, recipe, limits, lambda share: progress(share / 2))
        failure = ""
        with opened(plain, limits, threads=limits.threads) as dataset:
            floats = np.dtype(dataset.dtypes[0]).kind == "f"
            try:
                rasterio.shutil.copy(
                    dataset,
                    target,
                    driver="COG",
                    compress="deflate",
                    predictor="floating_point" if floats else "standard",
                    blocksize=512,
                    overviews="ignore_existing",
                    resampling="nearest" if recipe.categorical else "average",
                    bigtiff="if_safer",
                    num_threads=limits.threads,
                )
            except Exception as error:  # noqa: BLE001  (GDAL's own, which rasterio has no name for)
                failure = reason_of(error, target)
    _check_whole(source, target, failure)
    progress(1.0)


def _check_whole(source: Path, target: Path, failure: str = "") -> None:
    """Raise if a new file is incomplete; ``failure`` is GDAL's error, if any."""
    # GDAL only logs errors of its threads and of closing.
    if failure or not is_whole(target):
        reason = f"{NEW_FILE}{failure or 'it ends early'}, as on a full disk"
        raise ConversionFailed(source=source.name, reason=reason)


@contextmanager
def described(
    create: Callable[..., rasterio.io.DatasetWriter],
    source: rasterio.io.DatasetReader,
    recipe: Recipe,
    options: Mapping[str, Any],
) -> Iterator[rasterio.io.DatasetWriter]:
    """Create a GeoTIFF with the georeferencing and band metadata of a source.

    Parameters
    ----------
    create : callable
        Opens the new file, with rasterio's creation options.
    source : DatasetReader
        The source, open.
    recipe : Recipe
        Metadata that override the source's.
    options : mapping
        Driver, size and layout.
    """
    gcps, gcp_crs = source.gcps
    profile: dict[str, Any] = {
        "count": source.count,
        "dtype": source.dtypes[0],
        "crs": gcp_crs if gcps else source.crs,
        "nodata": source.nodata if recipe.nodata is None else recipe.nodata,
    }
    profile |= {"gcps": gcps} if gcps else {"transform": source.transform}
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if ColorInterp.palette not in source.colorinterp:
        profile["photometric"] = "rgb" if source.colorinterp[:3] == rgb else "minisblack"
    with create(**profile, **options) as target:
        _describe(target, source, recipe)
        yield target


def _describe(
    target: rasterio.io.DatasetWriter, source: rasterio.io.DatasetReader, recipe: Recipe
) -> None:
    one = source.count == 1
    if ColorInterp.palette in source.colorinterp:
        target.write_colormap(1, source.colormap(1))
    else:
        target.colorinterp = source.colorinterp
    scale, offset = recipe.scale, recipe.offset
    target.scales = [scale] * source.count if scale is not None else source.scales
    target.offsets = [offset] * source.count if offset is not None else source.offsets
    units = [recipe.unit] * source.count if recipe.unit else source.units
    for number, (name, unit) in enumerate(zip(source.descriptions, units, strict=True), start=1):
        if (recipe.name and one) or name:
            target.set_band_description(number, recipe.name if recipe.name and one else name)
        if unit:
            target.set_band_unit(number, unit)
    target.update_tags(**{k: v for k, v in source.tags().items() if k in _COPIED})
