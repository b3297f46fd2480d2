"""Convert a file on this machine: the one door to the writers of the formats."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astra_xr.conversion.geotiff import write_geotiff, write_masked_cog
from astra_xr.conversion.image import Drawn, write_image
from astra_xr.conversion.opened import has_mask, opened
from astra_xr.conversion.recipe import FORMATS, Limits, Progress, Recipe
from astra_xr.errors import ConversionFailed


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file that a conversion made."""

    path: Path
    """The file; the world file of an image lies beside it."""

    size: int
    """Bytes."""

    crs: str | None
    """WKT2 of where it lies; None: the source does not say."""

    drawn: Drawn | None = None
    """For images: their size, transform and stretch."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Made:
        """Take it from JSON."""
        drawn = Drawn.from_json(given["drawn"]) if given["drawn"] else None
        return cls(**{**given, "path": Path(given["path"]), "drawn": drawn})


def convert(
    source: Path,
    target: Path,
    recipe: Recipe,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    classes: Path | None = None,
) -> Made:
    """Make a file of another format; nothing is left at ``target`` if that fails.

    Parameters
    ----------
    source : Path
        A GeoTIFF or JPEG 2000 file.
    target : Path
        Where to; a file that is there is replaced.
    recipe : Recipe
        The format, and what the file says of its pixels.
    limits : Limits, optional
        What the source may hold, and how many threads work on it.
    progress : callable, optional
        Takes the share that is done, 0 to 1; what it raises ends the conversion.
    classes : Path, optional
        For images, the class band in which ``recipe.left_out`` is looked up.

    Raises
    ------
    ConversionFailed
        The source is no raster, is damaged or too large, or the target cannot be written.
    """
    limits = limits or Limits()
    progress = progress or (lambda share: None)
    reason = ""
    try:
        with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
            new = Path(folder, target.name)
            with opened(source, limits) as dataset:
                masked = has_mask(dataset)
                crs = dataset.crs or dataset.gcps[1]
            drawn = None
            if recipe.format == "cog":
                # Its compressors take as long to import as a small image takes to draw.
                from astra_xr.conversion.cog import write_cog

                write = write_masked_cog if masked else write_cog
                write(source, new, recipe, limits, progress)
            elif recipe.format == "geotiff":
                write_geotiff(source, new, recipe, limits, progress)
            else:
                drawn = write_image(source, new, recipe, limits, classes)
                progress(1.0)
                if recipe.world_file:
                    world = _write_world(new, recipe, drawn)
                    world.replace(target.parent / world.name)
            size = new.stat().st_size
            new.replace(target)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    if reason:
        raise ConversionFailed(
            source=source.name, reason=f"the new file cannot be written: {reason}"
        )
    return Made(
        path=target, size=size, crs=crs.to_wkt(version="WKT2_2019") if crs else None, drawn=drawn
    )


def _write_world(image: Path, recipe: Recipe, drawn: Drawn) -> Path:
    """Write beside an image where its first pixel's center lies, and how far the next is."""
    a, b, c, d, e, f = drawn.transform
    lines = (a, d, b, e, c + (a + b) / 2, f + (d + e) / 2)
    world = image.with_suffix(f".{FORMATS[recipe.format].sidecar}")
    world.write_text("".join(f"{line!r}\n" for line in lines))
    return world
