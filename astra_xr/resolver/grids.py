"""Grids of assets, read from their item. Pure."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from astra_xr.errors import InvalidItem
from astra_xr.missions import Item
from astra_xr.model import Grid

_log = logging.getLogger(__name__)

_Transform = tuple[float, float, float, float, float, float]


def item_grid(item: Item, asset: Mapping[str, Any]) -> Grid | None:
    """Read an asset's grid from the projection extension of the asset, else of the item.

    A missing transform is computed from shape and bounding box.

    Returns
    -------
    Grid or None
        None if CRS, shape or transform are missing, or contradict each other: the file has to be
        read.

    Raises
    ------
    InvalidItem
        The fields do not describe a valid grid.
    """
    properties = item.get("properties", {})
    reason = ""
    try:
        crs = _crs(asset) or _crs(properties)
        # Shape and transform belong together: never mix those of the asset and of the item.
        for fields in (asset, properties):
            shape = _numbers(fields, "proj:shape", (2,), _whole)
            transform = _transform(fields, shape)
            if crs and shape and transform:
                if _has_points_alone(item, crs):
                    return None
                rows, cols = shape
                grid = Grid(crs=crs, shape=(rows, cols), transform=transform)
                return _mended(grid, item)
            if shape and list(shape) != properties.get("proj:shape"):
                return None
    except ValueError as error:
        reason = str(error)
    if reason:
        raise InvalidItem(item=str(item.get("id")), reason=reason)
    return None


def check_gridded(item: Item) -> None:
    """Refuse an item whose files are in radar geometry, without a grid.

    Raises
    ------
    InvalidItem
        The files have only ground control points.
    """
    if _has_points_alone(item, _crs(item.get("properties", {})) or ""):
        raise InvalidItem(
            item=str(item.get("id")),
            reason="its files have ground control points instead of a grid and need terrain "
            "correction first. The Planetary Computer has corrected scenes: mission "
            "sentinel-1-rtc.",
        )


def _has_points_alone(item: Item, crs: str) -> bool:
    """Return True if a radar product is in ground or slant range, whatever grid its item has.

    Earth Search invents a transform in degrees for these. Products made from them, such as RTC,
    keep their product type but have a projected CRS.
    """
    product = item.get("properties", {}).get("sar:product_type")
    return product in ("GRD", "SLC") and crs in ("", "EPSG:4326")


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
    if isinstance(number, str) or int(number) != number:
        raise ValueError
    return int(number)


def _crs(fields: Mapping[str, Any]) -> str | None:
    code = fields.get("proj:code")
    if code:
        return f"EPSG:{code}" if str(code).isdecimal() else str(code)
    epsg = fields.get("proj:epsg")
    if epsg:
        (number,) = _numbers({"proj:epsg": [epsg]}, "proj:epsg", (1,), _whole) or (0,)
        return f"EPSG:{number}"
    wkt = fields.get("proj:wkt2")
    return str(wkt) if wkt else None


def _mended(grid: Grid, item: Item) -> Grid:
    """Return the grid with a corrected UTM code if the code contradicts the item's bounding box.

    The Planetary Computer's older Landsat items have 3271, an Antarctic CRS, for zone 1; some of
    its HLS items have the other hemisphere. The code stays if it agrees with the bounding box, or
    if neither hemisphere of the zone does.
    """
    match = _UTM.fullmatch(grid.crs)
    box = item.get("bbox")
    if not match or not isinstance(box, list) or len(box) not in (4, 6):
        return grid
    zone, own = int(match["zone"]), int(match["hemisphere"])
    # The code's own hemisphere first: Landsat goes south in northern zones too.
    for hemisphere in (own, 13 - own):
        if _lies_in(grid, zone, 1e7 if hemisphere == 7 else 0.0, box):
            crs = f"EPSG:32{hemisphere}{zone:02d}"
            if crs == grid.crs:
                return grid
            _log.warning(
                "%s: %s contradicts the item's bbox, using %s", item.get("id"), grid.crs, crs
            )
            return Grid(crs=crs, shape=grid.shape, transform=grid.transform)
    return grid


_UTM = re.compile(r"EPSG:32(?P<hemisphere>[67])(?P<zone>0[1-9]|[1-5]\d|60|[1-9])")


def _lies_in(grid: Grid, zone: int, false_northing: float, box: list[Any]) -> bool:
    """Return True if a UTM grid's center is within an item's box, to about a degree."""
    try:
        west, south, east, north = (
            float(edge) for edge in (box if len(box) == 4 else (box[0], box[1], box[3], box[4]))
        )
    except (TypeError, ValueError):
        return False
    left, bottom, right, top = grid.bounds
    # A degree of latitude is 110.6 to 111.7 km long.
    latitude = ((bottom + top) / 2 - false_northing) / 110_950
    if not south - 1 <= latitude <= north + 1:
        return False
    width = 111_320 * math.cos(math.radians(min(abs(latitude), 85)))
    longitude = 6 * zone - 183 + ((left + right) / 2 - 500_000) / width
    span = (east - west) % 360 or 360
    return (longitude - west + 1) % 360 <= span + 2
