"""The grid of an item, checked against the item's own boxes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from astra_xr.errors import InvalidParameter
from astra_xr.geometry import Box, flat_box, geometry_bounds, read_geometry
from astra_xr.missions import Item
from astra_xr.model import Grid

if TYPE_CHECKING:
    from pyproj import CRS

_BEYOND = 0.1
"""Part of a grid's sides by which a box may extend beyond it."""

_CLOSE = 0.01
"""The same, of a box that fits a grid well."""

_LONGEST = 3e8
"""Longest side of a grid on the earth, in feet or meters."""

_POINTS = 17
"""Points along a row and a column of a grid that are transformed to longitude and latitude."""


def contradiction(grid: Grid, item: Item, fields: Mapping[str, Any]) -> str:
    """Return how the grid in an item contradicts its boxes, in words; empty if it does not.

    A box within the grid is no contradiction: many are of the valid pixels. The item's ``bbox``
    is compared, else the box of its ``geometry``; and, if that leaves open how large the grid is,
    the ``proj:bbox`` in the fields that the grid was read from.
    """
    return _contradiction(grid, _box_of(item), flat_box(fields.get("proj:bbox")))


@functools.lru_cache(maxsize=1024)
def _contradiction(grid: Grid, box: Box | None, projected: Box | None) -> str:
    own = lonlat_bounds(grid)
    if own is None:
        return "it extends beyond the earth"
    if box is not None:
        fits, turned = _holds(own, box, _CLOSE), replace(grid, shape=grid.shape[::-1])
        if not _holds(own, box, _BEYOND) or (
            not fits and (other := lonlat_bounds(turned)) and _holds(other, box, _CLOSE)
        ):
            return f"it covers {_words(own)} in degrees, while the item's bbox is {_words(box)}"
        if _area(box) > _area(own) / 4:
            return ""
    if projected and not (
        _holds_plain(grid.bounds, projected) and _holds_plain(projected, grid.bounds)
    ):
        return f"it covers {_words(grid.bounds)}, while proj:bbox is {_words(projected)}"
    return ""


@functools.lru_cache(maxsize=1024)
def lonlat_bounds(grid: Grid) -> Box | None:
    """Return west, south, east, north of a grid in degrees; None if it is not on the earth.

    East is greater than west, and may be greater than 180.
    """
    import numpy as np
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    left, bottom, right, top = grid.bounds
    crs = CRS.from_user_input(grid.crs)
    if crs.is_geographic:
        on_earth = -91 <= bottom <= top <= 91 and right - left <= 361
        return grid.bounds if on_earth else None
    if max(right - left, top - bottom) > _LONGEST:
        return None
    try:
        way = _to_lonlat(grid.crs)
    except ProjError:
        return None
    a, b, c, d, e, f = grid.transform
    down, across = np.meshgrid(
        np.linspace(0, grid.shape[0], _POINTS), np.linspace(0, grid.shape[1], _POINTS)
    )
    lons, lats = way.transform(a * across + b * down + c, d * across + e * down + f)
    known = np.isfinite(lons) & np.isfinite(lats)
    if not known.any():
        return None
    lons, lats = lons[known], lats[known]
    # Relative to the middle one, so that the antimeridian makes no gap.
    middle = float(lons[len(lons) // 2])
    around = (lons - middle + 180) % 360 - 180 + middle
    return float(around.min()), float(lats.min()), float(around.max()), float(lats.max())


@functools.lru_cache(maxsize=256)
def _to_lonlat(crs: str) -> Any:
    from pyproj import CRS, Transformer

    given = CRS.from_user_input(crs)
    own = given.geodetic_crs
    if own is None or not _is_lonlat(own):
        body = given.ellipsoid or CRS("EPSG:4326").ellipsoid
        assert body is not None
        own = CRS({"proj": "longlat", "a": body.semi_major_metre, "b": body.semi_minor_metre})
    # On the same datum if it can be, as PROJ looks long for ways to another one: none moves a grid
    # by a pixel.
    return Transformer.from_crs(given, own, always_xy=True)


def _is_lonlat(crs: CRS) -> bool:
    """Return True for degrees, to the north and, from Greenwich, to the east."""
    axes = sorted((axis.direction, axis.unit_name) for axis in crs.axis_info)
    meridian = crs.prime_meridian
    from_greenwich = meridian is not None and meridian.longitude == 0
    return (
        crs.is_geographic and from_greenwich and axes == [("east", "degree"), ("north", "degree")]
    )


def _box_of(item: Item) -> Box | None:
    """Return the box of an item; None without one in degrees, or if it is the whole world."""
    box = flat_box(item.get("bbox"))
    if box is None and item.get("geometry"):
        try:
            box = geometry_bounds(read_geometry(item["geometry"]))
        except InvalidParameter:
            return None
    if box is None or max(abs(box[1]), abs(box[3])) > 91 or _span(box) > 540:
        return None
    everywhere = box[3] - box[1] > 170 and _span(box) > 340
    return None if everywhere else box


def _span(box: Box) -> float:
    """Return the degrees from west to east."""
    return box[2] - box[0] if box[2] >= box[0] else (box[2] - box[0]) % 360


def _holds(own: Box, box: Box, beyond: float) -> bool:
    """Return True if a box in degrees extends beyond another one by at most a part of its size."""
    rounded = 10.0 ** -max(map(_decimals, box))
    width, height = own[2] - own[0], own[3] - own[1]
    if max(own[1] - box[1], box[3] - own[3]) > beyond * height + rounded:
        return False
    span = _span(box)
    if max(width, span) > 180:
        return True
    shift = (box[0] + span / 2 - own[0] - width / 2 + 180) % 360 - 180
    return abs(shift) + span / 2 - width / 2 <= beyond * width + rounded


def _holds_plain(own: Box, box: Box) -> bool:
    near_x, near_y = _BEYOND * (own[2] - own[0]), _BEYOND * (own[3] - own[1])
    return (
        own[0] - box[0] <= near_x
        and box[2] - own[2] <= near_x
        and own[1] - box[1] <= near_y
        and box[3] - own[3] <= near_y
    )


def _decimals(number: float) -> int:
    return len(f"{number:.8f}".rstrip("0").partition(".")[2])


def _area(box: Box) -> float:
    return _span(box) * (box[3] - box[1])


def _words(box: Box) -> str:
    return "(" + ", ".join(f"{edge:.7g}" for edge in box) + ")"
