"""The part of the earth that was asked for, by whichever option."""

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
from astra_xr.geometry import LONLAT, bounds_in, box_polygon, read_geometry
from astra_xr.reading.positions import transformer
from astra_xr.scenes.options import TargetGrid


@dataclass(frozen=True, kw_only=True)
class Region:
    """A region whose option made sense."""

    name: str
    """The parameter that it came by."""

    value: Any
    """As it was written."""

    shape: Geometry
    """In longitude and latitude; without a CRS it is in that of the result."""

    def meeting(self, own: GeoBox, crs: CRS) -> BoundingBox:
        """Return its bounds in a CRS, once it is known that the scene has something there.

        Raises
        ------
        InvalidParameter
            It lies beside the scene, whose grid is ``own``, or has no bounds in the CRS.
        """
        box = self.shape.boundingbox
        if crs.geographic and self.shape.crs and box.right > 180:
            expected = "with a box across the antimeridian a projected CRS, e.g. 'utm'"
            raise InvalidParameter(name="crs", value=str(crs), expected=expected)
        bounds = bounds_in(self.shape, crs) if self.shape.crs else BoundingBox(*box.bbox, crs)
        scene = bounds_in(own.extent, crs)
        # Around a pole, the outline of a scene has no bounds in longitude and latitude.
        inside = _overlap(bounds, scene)
        if self.shape.crs and has_pole(own):
            inside = _overlap(bounds_in(self.shape, own.crs), own.boundingbox)
        if all(map(math.isfinite, bounds.bbox)) and inside:
            return bounds
        if not self.shape.crs:
            left, bottom, right, top = scene.bbox
            there = f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g} in {crs}"
            raise self.invalid(f"an area that overlaps the scene, {there}")
        lonlat = own.geographic_extent.boundingbox
        there = f"({', '.join(f'{edge:.4f}' for edge in _degrees(own))})"
        swapped = _overlap(BoundingBox(box.bottom, box.left, box.top, box.right), lonlat)
        hint = "; longitude and latitude look swapped" if swapped else ""
        raise self.invalid(f"an area that overlaps the scene, {there}{hint}")

    def invalid(self, expected: str) -> InvalidParameter:
        """Return the error that says what it should be."""
        return InvalidParameter(name=self.name, value=self.value, expected=expected)


def region_of(asked: TargetGrid) -> Region | None:
    """Read the region that was asked for; None where there is none.

    Raises
    ------
    InvalidParameter
        It cannot be one, or there are several.
    """
    xy = None if asked.x is None and asked.y is None else (asked.x, asked.y)
    options = {"bbox": asked.bbox, "intersects": asked.intersects, "x, y": xy}
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    name, value = next(iter(given.items()))
    if len(given) > 1:
        expected = f"either {' or '.join(given)}, not both"
        raise InvalidParameter(name=name, value=value, expected=expected)
    if name == "x, y":
        return Region(name=name, value=value, shape=_rectangle(asked.x, asked.y))
    if name == "bbox":
        region = Region(name=name, value=value, shape=box_polygon(value))
        if 0 in (region.shape.boundingbox.span_x, region.shape.boundingbox.span_y):
            raise region.invalid("a box of some width and height")
        return region
    region = Region(name=name, value=value, shape=geom.Geometry(read_geometry(value), LONLAT))
    if region.shape.boundingbox.span_x > 180:
        raise region.invalid(
            "a geometry less than 180° wide; across the antimeridian pass bbox= with a west "
            "greater than east"
        )
    return region


def _rectangle(x: Any, y: Any) -> Geometry:
    try:
        (left, right), (bottom, top) = (sorted(float(edge) for edge in pair) for pair in (x, y))
    except (TypeError, ValueError, OverflowError):
        left = right = bottom = top = math.nan
    if not (left < right and bottom < top) or not math.isfinite(left + right + bottom + top):
        expected = "two numbers each, in units of the CRS, and not the same twice"
        raise InvalidParameter(name="x, y", value=(x, y), expected=expected)
    return geom.box(left, bottom, right, top, None)


def has_pole(own: GeoBox) -> bool:
    """Return True where a pole lies in a grid; its outline in degrees is then not one around it."""
    if own.crs is None or own.crs.geographic:
        return False
    lon, lat = np.zeros(2), np.array([90.0, -90.0])
    x, y = transformer("EPSG:4326", str(own.crs)).transform(lon, lat)
    known = np.isfinite(x) & np.isfinite(y)
    col, row = ~own.affine @ (x[known], y[known])
    rows, cols = own.shape
    return bool(((col >= 0) & (col <= cols) & (row >= 0) & (row <= rows)).any())


def _overlap(a: BoundingBox, b: BoundingBox) -> bool:
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
