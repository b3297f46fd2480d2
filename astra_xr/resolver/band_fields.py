"""Fields of a STAC item that describe the bands of an asset, in any version of STAC. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from astra_xr.missions import Item
from astra_xr.missions.media_types import raster_kind
from astra_xr.model import Band

_SPECTRAL = ("common_name", "center_wavelength", "full_width_half_max")


def describe_planes(item: Item, key: str, asset: Mapping[str, Any]) -> tuple[Band, ...]:
    """Read an asset's description of its bands; empty unless it describes all of them.

    It is the asset's ``eo:bands``, or STAC 1.1 ``bands``, or the asset's own fields; else the band
    of the asset's name in the item's properties. A common name of several bands is ``shared``.
    """
    described = asset.get("eo:bands") or asset.get("bands") or _of_item(item, key, asset)
    rasters = asset.get("raster:bands") or ()
    whole = _spectral(asset)
    if len(described or rasters) <= 1 and whole:
        # The asset's own fields describe its only band.
        described = [{**whole, **entry} for entry in described if isinstance(entry, Mapping)] or [
            whole
        ]
    planes = tuple(_planes(item, key, described))
    often = Counter(plane.common for plane in planes)
    planes = tuple(
        replace(plane, shared=(plane.common,))
        if plane.common and often[plane.common] > 1
        else plane
        for plane in planes
    )
    return planes if len(planes) == len(described) else ()


def _planes(item: Item, key: str, described: list[Any]) -> Iterator[Band]:
    of_item = item.get("properties", {}).get("eo:bands") or ()
    for listed in described:
        # STAC 0.7 and beta items list indexes into the item's eo:bands.
        by_index = isinstance(listed, int) and 0 <= listed < len(of_item)
        entry = of_item[listed] if by_index else listed
        if not isinstance(entry, Mapping):
            continue
        spectral = _spectral(entry)
        common = spectral.get("common_name")
        alone = key if spectral and len(described) == 1 else None
        name = entry.get("name") or common or alone
        if name:
            yield Band(
                native=str(name),
                common=common,
                wavelength=spectral.get("center_wavelength"),
                fwhm=spectral.get("full_width_half_max"),
                gsd=_number(entry.get("gsd")),
                title=str(entry.get("description") or ""),
            )


def _spectral(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the eo extension, without its prefix of later versions."""
    found = {name: entry.get(name) or entry.get(f"eo:{name}") for name in _SPECTRAL}
    return {
        name: value
        for name, value in found.items()
        if (isinstance(value, str) if name == "common_name" else _number(value)) and value
    }


def _number(value: Any) -> float | None:
    """Return a positive number; None for anything else."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return value if number and math.isfinite(value) else None


def _of_item(item: Item, key: str, asset: Mapping[str, Any]) -> list[Any]:
    """Return the description of an asset's bands in the item's properties, if it is certain.

    The asset is named after a band, or no other asset can hold the bands.
    """
    properties = item.get("properties", {})
    listed = list(properties.get("eo:bands") or properties.get("bands") or ())
    if not listed:
        return []
    named = [e for e in listed if isinstance(e, Mapping) and e.get("name") == key]
    if len(named) == 1:
        return named
    sole = [each for each in item.get("assets", {}).values() if raster_kind(each)] == [asset]
    return listed if sole and len(listed) == len(asset.get("raster:bands") or (1,)) else []
