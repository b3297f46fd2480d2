"""Footprints of items as geometries, also across the antimeridian, to intersect with areas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import shapely
from shapely import geometry
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from astra_xr.geometry import Box, flat_box

_NEAR = 1e-6
"""Degrees from ±180 within which a footprint reaches the edge of the map."""


def box_shape(box: Box) -> BaseGeometry:
    """Return a box as a shapely geometry within -180..180: two parts across the antimeridian."""
    west, south, east, north = box
    if west <= east:
        return geometry.box(*box)
    return geometry.MultiPolygon(
        [geometry.box(west, south, 180, north), geometry.box(-180, south, east, north)]
    )


def footprint(item: Mapping[str, Any]) -> BaseGeometry | None:
    """Return the footprint of an item within -180..180, by its geometry, else its bbox.

    Parameters
    ----------
    item : mapping
        As :func:`~astra_xr.missions.clean_item` returns it.

    Returns
    -------
    shapely geometry or None
        None if the item has neither, or they are invalid.

    Examples
    --------
    >>> footprint({"bbox": [-180.67, -18, -178.55, -16]}).bounds
    (-180.0, -18.0, 180.0, -16.0)
    """
    return _by_geometry(item.get("geometry")) or _by_box(item.get("bbox"))


def _by_geometry(value: Any) -> BaseGeometry | None:
    if not isinstance(value, Mapping):
        return None
    try:
        found = geometry.shape(value)
        if not all(map(math.isfinite, found.bounds)):
            return None
        found = shapely.make_valid(shapely.force_2d(found))
        parts = [_unwrapped(part) for part in getattr(found, "geoms", [found])]
        whole = shapely.union_all([each for part in parts for each in _on_map(part)])
    except (ShapelyError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return None if whole.is_empty else whole


def _by_box(value: Any) -> BaseGeometry | None:
    box = flat_box(value)
    if box is None or box[1] > box[3]:
        return None
    west, south, east, north = box
    found = _on_map(geometry.box(west, south, east + (360 if east < west else 0), north))
    return geometry.GeometryCollection(found) if found else None


def _unwrapped(part: BaseGeometry) -> BaseGeometry:
    """Return a part whose longitudes jump at ±180 with longitudes that continue beyond 180.

    No scene is wider than half the earth; one that reaches both edges of the map is the world.
    """
    west, _, east, _ = part.bounds
    if east - west <= 180 or (180 + west < _NEAR and 180 - east < _NEAR):
        return part

    def move(points: Any) -> Any:
        points = points.copy()
        points[points[:, 0] < 0, 0] += 360
        return points

    return shapely.transform(part, move)


def _on_map(part: BaseGeometry) -> list[BaseGeometry]:
    """Return the pieces of a part, each moved to -180..180."""
    west, _, east, _ = part.bounds
    if west >= -180 and east <= 180:
        return [part]
    world = geometry.box(-180, -90, 180, 90)
    moved = (translate(part, turn * 360) for turn in (-1, 0, 1))
    return [piece for each in moved if not (piece := each.intersection(world)).is_empty]
