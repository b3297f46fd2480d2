"""The region that bbox, intersects or x and y describe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from odc.geo import geom
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox, Geometry

from astra_xr.errors import InvalidParameter
from astra_xr.geometry import LONLAT, bounds_in, box_polygon, in_degrees, transformer
from astra_xr.scenes.options import TargetGrid

_CLOSE = 1e-6
"""Degrees."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A region, valid by itself."""

    name: str
    """The parameter that describes it."""

    value: Any
    """Value of the parameter."""

    shape: Geometry
    """In longitude and latitude; without a CRS, in the CRS of the Dataset."""

    def bounds_over(self, own: GeoBox, crs: CRS) -> BoundingBox:
        """Return the bounds in a CRS; InvalidParameter if they do not overlap the scene's grid."""
        box = self.shape.boundingbox
        bounds = bounds_in(self.shape, crs) if self.shape.crs else BoundingBox(*box.bbox, crs)
        scene = bounds_in(own.extent, crs)
        degrees = own.crs is not None and in_degrees(str(own.crs))
        crosses = crs.geographic and self.shape.crs and box.right > 180
        if crosses and not (is_beyond(own) and crs == own.crs):
            reason = "the area crosses the antimeridian"
            expected = "a projected CRS, e.g. 'utm'"
            raise InvalidParameter(name="crs", value=str(crs), expected=expected, reason=reason)
        inside = overlap(bounds, scene)
        if self.shape.crs and (degrees or has_pole(own)):
            # Around a pole, the outline of a scene has no bounds in longitude and latitude, and a
            # grid of 0 to 360° has none in others.
            met = turned_to(bounds_in(self.shape, own.crs), own.boundingbox)
            inside = met is not None
            bounds = met if met and crs == own.crs else bounds
        if all(map(math.isfinite, bounds.bbox)) and inside:
            return bounds
        if not self.shape.crs:
            left, bottom, right, top = scene.bbox
            there = f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g} in {crs}"
            beside = bounds.left >= right or left >= bounds.right
            raise InvalidParameter(
                name="x" if beside else "y",
                value=bounds.range_x if beside else bounds.range_y,
                expected=f"an area that overlaps the scene, {there}",
            )
        lonlat = own.geographic_extent.boundingbox
        there = f"({', '.join(f'{edge:.4f}' for edge in _degrees(own))})"
        swapped = overlap(BoundingBox(box.bottom, box.left, box.top, box.right), lonlat)
        reason = "longitude and latitude look swapped" if swapped else ""
        raise self.invalid(f"an area that overlaps the scene, {there}", reason)

    def invalid(self, expected: str, reason: str = "") -> InvalidParameter:
        """Return the error of a value that is not what is expected."""
        return InvalidParameter(name=self.name, value=self.value, expected=expected, reason=reason)


def region_of(options: TargetGrid) -> Region | None:
    """Return the region that options describe; None if they describe none."""
    given = {
        name: value
        for name in ("bbox", "intersects", "x", "y")
        if (value := getattr(options, name)) is not None
    }
    if not given:
        return None
    name, value = next(iter(given.items()))
    if given.keys() == {"x", "y"}:
        (left, right), (bottom, top) = sorted(options.x), sorted(options.y)
        return Region(name="x", value=value, shape=geom.box(left, bottom, right, top, None))
    if given.keys() <= {"x", "y"}:
        reason = f"{'y' if name == 'x' else 'x'} is missing"
        expected = "two numbers each for x and y"
        raise InvalidParameter(name=name, value=value, expected=expected, reason=reason)
    if len(given) > 1:
        expected = f"only one area of interest, not also {', '.join(list(given)[1:])}"
        raise InvalidParameter(name=name, value=value, expected=expected)
    shape = box_polygon(value) if name == "bbox" else geom.Geometry(value, LONLAT)
    region = Region(name=name, value=value, shape=shape)
    if name == "bbox" and 0 in (shape.boundingbox.span_x, shape.boundingbox.span_y):
        raise region.invalid("a box of some width and height")
    if name == "intersects" and shape.boundingbox.span_x > 180:
        raise region.invalid(
            "a geometry less than 180° wide, or for an area across the antimeridian bbox= with "
            "west greater than east"
        )
    return region


def has_pole(own: GeoBox) -> bool:
    """Return True if a grid contains a pole, which its outline in degrees does not surround."""
    if own.crs is None or own.crs.geographic:
        return False
    lon, lat = np.zeros(2), np.array([90.0, -90.0])
    x, y = transformer(LONLAT, str(own.crs)).transform(lon, lat)
    known = np.isfinite(x) & np.isfinite(y)
    col, row = ~own.affine @ (x[known], y[known])
    rows, cols = own.shape
    return bool(((col >= 0) & (col <= cols) & (row >= 0) & (row <= rows)).any())


def is_beyond(own: GeoBox) -> bool:
    """Return True if a grid in degrees extends beyond ±180, as grids of 0 to 360° do."""
    if own.crs is None or not in_degrees(str(own.crs)):
        return False
    return max(map(abs, own.boundingbox.range_x)) > 180 + _CLOSE


def turned_to(area: BoundingBox, own: BoundingBox) -> BoundingBox | None:
    """Return an area moved by whole turns to where it overlaps another; None if it does not.

    Both are in one CRS; only in degrees are there turns.
    """
    turns = (0, 360, -360) if area.crs and in_degrees(str(area.crs)) else (0,)
    left, bottom, right, top = area.bbox
    moved = (BoundingBox(left + n, bottom, right + n, top, area.crs) for n in turns)
    return next((each for each in moved if overlap(each, own)), None)


def overlap(a: BoundingBox, b: BoundingBox) -> bool:
    """Return True if two boxes share an area."""
    apart = a.left >= b.right or b.left >= a.right or a.bottom >= b.top or b.bottom >= a.top
    return not apart


def _degrees(own: GeoBox) -> tuple[float, float, float, float]:
    """Return the bounds of a grid in degrees; west is greater across the antimeridian."""
    west, south, east, north = own.geographic_extent.boundingbox.bbox
    longitudes = [lon for lon, _ in own.extent.to_crs("EPSG:4326").exterior.coords]
    if east - west > 180 and not any(-90 < lon < 90 for lon in longitudes):
        west = min(lon for lon in longitudes if lon > 0)
        east = max(lon for lon in longitudes if lon < 0)
    return west, south, east, north
