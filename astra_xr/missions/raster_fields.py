"""Type, nodata, scale, offset and unit in a STAC asset, in any version of the raster extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEYS = [
    (name, key)
    for name in ("data_type", "nodata", "scale", "offset", "unit")
    for key in (name, f"raster:{name}")
]


def raster_fields(asset: Mapping[str, Any], index: int = 1) -> dict[str, Any]:
    """Return type, nodata, scale, offset and unit of a plane of an asset's file.

    ``raster:bands`` of the extension's version 1 take precedence over STAC 1.1's ``bands``, these
    over the asset, and ``raster:scale`` over ``scale``. An asset's plain ``scale`` without an
    ``offset`` is ignored: it may be that of a map.

    Parameters
    ----------
    asset : mapping
    index : int
        Number of the plane in the file, from 1.

    Returns
    -------
    dict
        As the asset has them; missing ones are left out.

    Examples
    --------
    >>> asset = {"bands": [{"nodata": 0, "raster:scale": 1e-4}], "raster:bands": [{"nodata": 255}]}
    >>> raster_fields(asset)
    {'nodata': 255, 'scale': 0.0001}
    """
    sources: list[Mapping[str, Any]] = [asset]
    for field in ("bands", "raster:bands"):
        entries = asset.get(field) or []
        # One entry may describe all bands that the item names.
        number = 1 if len(entries) == 1 < len(asset.get("eo:bands") or ()) else index
        if 0 < number <= len(entries) and isinstance(entries[number - 1], Mapping):
            sources.append(entries[number - 1])
    return {
        name: source[key]
        for source in sources
        for name, key in _KEYS
        if source.get(key) is not None
        and (key != "scale" or source is not asset or "offset" in asset)
        and (name != "unit" or isinstance(source[key], str))
    }
