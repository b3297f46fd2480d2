"""GeoTIFFs that GDAL writes: plain ones, and COGs of sources with a mask."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from astra_xr.conversion.describe import described
from astra_xr.conversion.limits import Progress
from astra_xr.conversion.opened import has_mask, opened, told
from astra_xr.conversion.parts import is_whole
from astra_xr.conversion.task import Task
from astra_xr.errors import ConversionFailed

_ROWS = 1024
"""Rows that are read at once."""


def write_geotiff(task: Task, progress: Progress) -> None:
    """Write a GeoTIFF in strips, without overviews, compressed as every reader knows it."""
    with opened(task.source, task.limits, threads=task.threads) as dataset:
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
            "num_threads": task.threads,
        }
        create = partial(rasterio.open, task.target, "w")
        masked = has_mask(dataset)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            described(create, dataset, task.recipe, options) as out,
        ):
            for row in range(0, dataset.height, _ROWS):
                window = Window(0, row, dataset.width, min(_ROWS, dataset.height - row))
                out.write(dataset.read(window=window), window=window)
                if masked:
                    out.write_mask(dataset.read_masks(1, window=window), window=window)
                progress((row + window.height) / dataset.height)
    _check_whole(task)


def write_masked_cog(task: Task, progress: Progress) -> None:
    """Write a COG of a source that has a mask, by GDAL's COG driver."""
    with tempfile.TemporaryDirectory(dir=task.target.parent) as folder:
        plain = replace(task, target=Path(folder, "plain.tif"))
        write_geotiff(plain, lambda share: progress(share / 2))
        said = ""
        with opened(plain.target, task.limits, threads=task.threads) as dataset:
            floats = np.dtype(dataset.dtypes[0]).kind == "f"
            try:
                rasterio.shutil.copy(
                    dataset,
                    task.target,
                    driver="COG",
                    compress="deflate",
                    predictor="floating_point" if floats else "standard",
                    blocksize=512,
                    overviews="ignore_existing",
                    resampling="nearest" if task.recipe.categorical else "average",
                    bigtiff="if_safer",
                    num_threads=task.threads,
                )
            except Exception as error:  # noqa: BLE001  (GDAL's own, which rasterio has no name for)
                said = told(error, task.target)
    _check_whole(task, said)
    progress(1.0)


def _check_whole(task: Task, said: str = "") -> None:
    """Raise where a new file is cut short; ``said`` is what GDAL says of it, if anything."""
    # It only logs what goes wrong while it writes in threads, or closes.
    if said or not is_whole(task.target):
        reason = f"the new file cannot be written: {said or 'it ends early'}, as on a full disk"
        raise ConversionFailed(source=task.source.name, reason=reason)
