"""Convert a local file, by the writer of its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astra_xr.conversion.disk import NEW_FILE, disk_errors
from astra_xr.conversion.geotiff import write_geotiff, write_masked_cog
from astra_xr.conversion.image import Drawn, write_image
from astra_xr.conversion.opened import has_mask, opened
from astra_xr.conversion.recipe import FORMATS, Limits, Progress, Recipe


@dataclass(frozen=True, kw_only=True)
class Made:
    """A converted file."""

    path: Path
    """The file; the world file of an image is beside it."""

    size: int
    """Size in bytes."""

    crs: str | None
    """CRS as WKT2; None if the source has none."""

    drawn: Drawn | None = None
    """For images, their size, transform and stretch."""


def convert(
    source: Path,
    target: Path,
    recipe: Recipe,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    classes: Path | None = None,
) -> Made:
    """Convert a file; if that fails, an incomplete one may be left at ``target``.

    Parameters
    ----------
    source : Path
        A GeoTIFF or JPEG 2000 file.
    target : Path
        The new file; an existing one is replaced.
    recipe : Recipe
        Format and metadata of the new file.
    limits : Limits, optional
        Limits of the source's size, and number of threads.
    progress : callable, optional
        Called with the share that is done, 0 to 1; an exception from it ends the conversion.
    classes : Path, optional
        For images, the classification band with the classes of ``recipe.left_out``.

    Raises
    ------
    ConversionFailed
        The source is not a raster, damaged or too large, or the target cannot be written.
    """
    limits = limits or Limits()
    progress = progress or (lambda share: None)
    with disk_errors(source.name, NEW_FILE):
        with opened(source, limits) as dataset:
            masked = has_mask(dataset)
            crs = dataset.crs or dataset.gcps[1]
        drawn = None
        if recipe.format == "cog":
            # Importing its compressors takes as long as drawing a small image.
            from astra_xr.conversion.cog import write_cog

            write = write_masked_cog if masked else write_cog
            write(source, target, recipe, limits, progress)
        elif recipe.format == "geotiff":
            write_geotiff(source, target, recipe, limits, progress)
        else:
            drawn = write_image(source, target, recipe, limits, classes)
            progress(1.0)
            if recipe.world_file:
                _write_world(target, recipe, drawn)
        size = target.stat().st_size
    return Made(
        path=target, size=size, crs=crs.to_wkt(version="WKT2_2019") if crs else None, drawn=drawn
    )


def _write_world(image: Path, recipe: Recipe, drawn: Drawn) -> None:
    """Write the world file of an image: pixel sizes, and the center of the first pixel."""
    a, b, c, d, e, f = drawn.transform
    lines = (a, d, b, e, c + (a + b) / 2, f + (d + e) / 2)
    world = image.with_suffix(f".{FORMATS[recipe.format].sidecar}")
    world.write_text("".join(f"{line!r}\n" for line in lines))
