"""Hints for items whose files have a format that is not read here: which one, what opens them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from astra_xr.catalogs import ORDER
from astra_xr.missions import Item, Mission

_FORMATS = (
    ("Zarr", re.compile(r"\bzarr\b", re.IGNORECASE), r"\.zarr(/|$)", "xarray.open_zarr"),
    ("netCDF", re.compile(r"netcdf", re.IGNORECASE), r"\.nc4?$", "xarray.open_dataset"),
    ("HDF", re.compile(r"\bx?-?hdf", re.IGNORECASE), r"\.(h5|he5|hdf5?)$", "xarray.open_dataset"),
)
"""Name, words of its media types, end of its names, and what opens it."""

_SHOWN = 4


def no_raster(item: Item, mission: Mission | None) -> str:
    """Return the files that an item without rasters has, and what opens the scene, if known.

    Examples
    --------
    >>> asset = {"href": "https://h/a.nc", "type": "application/netcdf"}
    >>> no_raster({"id": "a", "assets": {"data": asset}}, None)
    'its assets are netCDF (data), which is not read here; xarray.open_dataset opens them'
    """
    assets: Mapping[str, Mapping[str, Any]] = item["assets"]
    for name, kind, ending, opener in _FORMATS:
        keys = [key for key, asset in assets.items() if _is(asset, kind, ending)]
        if keys:
            how = _elsewhere(item, mission) or f"{opener} opens them"
            return f"its assets are {name} ({_listed(keys)}), which is not read here; {how}"
    listed = _listed([f"{key} ({asset.get('type') or 'no type'})" for key, asset in assets.items()])
    return f"none of its assets is a GeoTIFF or a JPEG 2000 file: {listed or 'it has none'}"


def _elsewhere(item: Item, mission: Mission | None) -> str:
    """Return how the scene opens from catalogs that have it as a raster; empty if none has."""
    *first, last = ORDER.get(mission.name, ()) if mission else ("",)
    if not mission or not last:
        return ""
    where = f"{', '.join(first)} or {last}" if first else last
    scene = mission.scene_id(item)
    return f"open_scene({scene!r}) opens the same scene from {where}, where it is a raster"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _is(asset: Mapping[str, Any], kind: re.Pattern[str], ending: str) -> bool:
    media_type, href = str(asset.get("type") or ""), str(asset.get("href") or "").split("?")[0]
    return bool(kind.search(media_type) or re.search(ending, href, re.IGNORECASE))
