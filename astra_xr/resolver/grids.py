"""Grids of assets, read from their item. Pure."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from astra_xr.errors import InvalidItem, redact
from astra_xr.geometry import map_crs
from astra_xr.missions import Item
from astra_xr.model import Grid
from astra_xr.resolver.grid_check import contradiction
from astra_xr.warned import first_time

_log = logging.getLogger(__name__)

_Transform = tuple[float, float, float, float, float, float]


def item_grid(item: Item, asset: Mapping[str, Any]) -> Grid | None:
    """Read an asset's grid from the projection extension of the asset, else of the item.

    A missing transform is computed from shape and bounding box.

    Returns
    -------
    Grid or None
        None if CRS, shape or transform are missing or invalid, or contradict each other or the
        item's own boxes: the file has to be read.
    """
    given = _given(item, asset)
    if given is None:
        return None
    grid, fields = given
    problem = contradiction(grid, item, fields)
    if not problem:
        return grid
    for crs in _twins(grid.crs):
        mended = replace(grid, crs=crs)
        if not contradiction(mended, item, fields):
            _warn(item, f"{grid.crs} contradicts the item's bbox, using {crs}")
            return mended
    _warn(item, f"the grid of its proj: fields is not used: {problem}. The file's own is taken")
    return None


def grid_problem(item: Item, asset: Mapping[str, Any]) -> str:
    """Return how an asset's grid contradicts its item; empty if it does not."""
    given = _given(item, asset)
    return contradiction(given[0], item, given[1]) if given else ""


def item_crs(item: Item, asset: Mapping[str, Any]) -> str | None:
    """Read the CRS of an asset from the projection extension of the asset, else of the item.

    Returns
    -------
    str or None
        The first of ``proj:code``, ``proj:epsg``, ``proj:wkt2`` and ``proj:projjson`` that PROJ
        can read, without heights; None if there is none.
    """
    for fields in (asset, item.get("properties", {})):
        for name, read in _CRS_FIELDS.items():
            value = fields.get(name)
            text = read(value) if value else None
            crs = map_crs(text) if text else None
            if crs:
                return crs
            if value:
                _log.info("%s: %s names no CRS that PROJ knows", item.get("id"), name)
    return None


def check_gridded(item: Item) -> None:
    """Raise an error for an item whose files are in radar geometry, without a grid.

    Raises
    ------
    InvalidItem
        The files have only ground control points.
    """
    if _has_only_points(item, item_crs(item, {}) or ""):
        raise InvalidItem(
            item=str(item.get("id")),
            reason="its files have ground control points instead of a grid and need terrain "
            "correction first. The Planetary Computer has corrected scenes: mission "
            "sentinel-1-rtc.",
        )


def _has_only_points(item: Item, crs: str) -> bool:
    """Return True if a radar product is in ground or slant range, whatever grid its item has.

    Earth Search invents a transform in degrees for these. Products made from them, such as RTC,
    keep their product type but have a projected CRS.
    """
    product = item.get("properties", {}).get("sar:product_type")
    return product in ("GRD", "SLC") and crs in ("", "EPSG:4326")


def _given(item: Item, asset: Mapping[str, Any]) -> tuple[Grid, Mapping[str, Any]] | None:
    """Return the grid of an asset, and the fields of the item that it was read from."""
    properties = item.get("properties", {})
    crs = item_crs(item, asset)
    # Shape and transform belong together: never mix those of the asset and of the item.
    for fields in (asset, properties):
        try:
            shape = _numbers(fields, "proj:shape", (2,), _whole)
            transform = _transform(fields, shape)
            if crs and shape and transform:
                if _has_only_points(item, crs):
                    return None
                return Grid(crs=crs, shape=(shape[0], shape[1]), transform=transform), fields
        except ValueError as error:
            _log.info("%s: %s", item.get("id"), redact(error))
            return None
        if shape and list(shape) != properties.get("proj:shape"):
            return None
    return None


def _transform(fields: Mapping[str, Any], shape: list[int] | None) -> _Transform | None:
    numbers = _numbers(fields, "proj:transform", (6, 9), float)
    if numbers:
        a, b, c, d, e, f = numbers
        return a, b, c, d, e, f
    box = _numbers(fields, "proj:bbox", (4, 6), float)
    if not box or not shape or min(shape) < 1:
        return None
    # In a box of six numbers, the third and the sixth are heights.
    left, bottom, right, top = box[:4] if len(box) == 4 else (box[0], box[1], box[3], box[4])
    rows, cols = shape
    return (right - left) / cols, 0.0, left, 0.0, (bottom - top) / rows, top


def _numbers(
    fields: Mapping[str, Any],
    name: str,
    counts: tuple[int, int] | tuple[int],
    read: Callable[[Any], Any],
) -> list[Any] | None:
    value = fields.get(name)
    if not value:
        return None
    try:
        if isinstance(value, list | tuple) and len(value) in counts:
            kept = value[:6] if name == "proj:transform" else value
            return [read(number) for number in kept]
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is {value!r}, not {counts[0]} numbers")


def _whole(number: Any) -> int:
    whole = int(number)
    if whole != float(number):
        raise ValueError
    return whole


def _code(value: Any) -> str | None:
    """Return an authority's code; ``EPSG`` is the authority of a bare number."""
    if isinstance(value, bool):
        return None
    try:
        return f"EPSG:{_whole(value)}"
    except (TypeError, ValueError, OverflowError):
        return value if isinstance(value, str) else None


_CRS_FIELDS: dict[str, Callable[[Any], str | None]] = {
    "proj:code": _code,
    "proj:epsg": _code,
    "proj:wkt2": lambda value: value if isinstance(value, str) else None,
    "proj:projjson": lambda value: json.dumps(value) if isinstance(value, Mapping) else None,
}
"""Fields with a CRS, best first → functions that convert them for PROJ."""


def _twins(crs: str) -> list[str]:
    """Return the UTM codes that a wrong one may mean, best first.

    The Planetary Computer's older Landsat items have 3271, an Antarctic CRS, for zone 1; some of
    its HLS items have the other hemisphere.
    """
    match = _UTM.fullmatch(crs)
    if not match:
        return []
    # The code's own hemisphere first: Landsat uses northern zones south of the equator too.
    own, zone = int(match["hemisphere"]), int(match["zone"])
    return [f"EPSG:32{hemisphere}{zone:02d}" for hemisphere in (own, 13 - own)]


_UTM = re.compile(r"EPSG:32(?P<hemisphere>[67])(?P<zone>0[1-9]|[1-5]\d|60|[1-9])")


def _warn(item: Item, text: str) -> None:
    """Warn once of an item, not of each of its assets."""
    name = str(item.get("id"))
    if first_time(f"grid of {name}"):
        _log.warning("%s: %s", name, text)
