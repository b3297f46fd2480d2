"""What a GeoTIFF says of its pixels, taken from the source and the recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rasterio
from rasterio.enums import ColorInterp

from astra_xr.conversion.recipe import Recipe

_OURS = {"AREA_OR_POINT"}
"""Tags of the file that are copied; others tell of the source's making."""


@contextmanager
def described(
    create: Callable[..., rasterio.io.DatasetWriter],
    source: rasterio.io.DatasetReader,
    recipe: Recipe,
    options: Mapping[str, Any],
) -> Iterator[rasterio.io.DatasetWriter]:
    """Create a GeoTIFF that lies where the source does, and describe its bands.

    Parameters
    ----------
    create : callable
        Takes rasterio's creation options and opens the new file.
    source : DatasetReader
        Open.
    recipe : Recipe
        What it says goes before what the source says.
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
    target.update_tags(**{k: v for k, v in source.tags().items() if k in _OURS})
