"""Which part of the earth a Dataset covers, and in which CRS; the options are those of odc-stac."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from odc.geo import geom
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from astra_xr.errors import InvalidParameter, TooLarge
from astra_xr.geometry import read_box, read_geometry
from astra_xr.model import Grid
from astra_xr.scenes.coords import geobox_of
from astra_xr.scenes.grids import Size, common_grid

if TYPE_CHECKING:
    from odc.geo.geom import BoundingBox, Geometry

_LONGEST = 1 << 22
"""Rows or columns above which a grid is refused: its coordinates alone would fill memory."""

_MOST = 1 << 36
"""Pixels above which a grid takes ``allow_large=True``: 24 times as fine as Sentinel-2's."""

_CLOSE = 1e-3
"""Part of a pixel that a box may reach into the next one and not take it in."""

_ANCHORS = ("edge", "center", "floating")

_LONLAT = "EPSG:4326"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What was asked for, as it was written; all None: the scene on its own grid."""

    crs: Any = None
    """What pyproj takes as a CRS, or ``"utm"``."""

    bbox: Any = None
    """West, south, east, north in degrees."""

    intersects: Any = None
    """A geometry in longitude and latitude; its bounds count."""

    x: Any = None
    """Two x of the CRS, with ``y``."""

    y: Any = None
    geobox: Any = None
    """A whole grid: a GeoBox, or an array on it."""

    like: Any = None
    """The same as ``geobox``."""

    anchor: str | None = None
    """Where pixel edges lie; None: where the file has them, else at multiples of their size."""


@dataclass(frozen=True, kw_only=True)
class _Region:
    """A checked region."""

    name: str
    """The parameter that it came by."""

    value: Any
    """As it was written."""

    shape: Geometry | None
    """In longitude and latitude; None: it is in the CRS of the result."""

    bounds: BoundingBox | None = None

    def within(self, crs: CRS) -> BoundingBox:
        """Return its bounds in a CRS."""
        if self.shape is None:
            assert self.bounds is not None
            left, bottom, right, top = self.bounds.bbox
            return geom.BoundingBox(left, bottom, right, top, crs)
        return self.shape.to_crs(crs, resolution=_step(self.shape)).boundingbox


def target_grid(grids: Mapping[str, Grid], size: Size, place: Place, *, scene: str) -> Grid:
    """Choose the grid of a Dataset.

    Parameters
    ----------
    grids : mapping of str to Grid
        Of each band, by name.
    size : float, "finest", "coarsest" or None
        See :func:`astra_xr.scenes.grids.common_grid`.
    place : Place
        What was asked for.

    Returns
    -------
    Grid
        With pixels of the bands' own grid where the CRS and ``anchor`` leave that open.

    Raises
    ------
    MixedGrids
        The bands have several CRSs.
    InvalidParameter
        An option makes no sense, or names a place that the scene does not cover.
    InvalidItem
        The CRS of the bands is none that PROJ knows.

    Examples
    --------
    >>> fine = Grid(crs="EPSG:32610", shape=(100, 100), transform=(10, 0, 5e5, 0, -10, 4e6))
    >>> target_grid({"red": fine}, 30, Place(x=(500120, 500330), y=(3999700, 4e6)), scene="s")
    Grid(crs='EPSG:32610', shape=(10, 7), transform=(30.0, 0.0, 500120.0, 0.0, -30.0, 4000000.0))
    """
    region = _region(place)
    base = _given(place, size, region)
    if base is None:
        # A size in units of another CRS says nothing of the bands.
        usual = size if place.crs is None or isinstance(size, str) else None
        base = common_grid(grids, usual, scene=scene)
        if region is not None or place.crs is not None or place.anchor is not None:
            base = _placed(base, size, place, region, scene)
    if max(base.shape) > _LONGEST:
        rows, cols = base.shape
        expected = f"larger pixels or a smaller place: that makes {rows} x {cols} pixels"
        raise InvalidParameter(name="resolution", value=size, expected=expected)
    return base


def check_size(grid: Grid, size: Size, place: Place) -> None:
    """Refuse a grid that nobody means.

    Raises
    ------
    TooLarge
        It has more pixels than :data:`_MOST`, and no Dataset is there whose grid it is.
    """
    rows, cols = grid.shape
    if rows * cols > _MOST and not hasattr(place.like, "dims"):
        wish = "" if size is None else f" at resolution={size}"
        raise TooLarge(
            what=f"A grid of {rows} x {cols} pixels{wish}",
            size=f"{4 * rows * cols / 1e9:.3g} GB a band",
            limit=f"more than {4 * _MOST / 1e9:.3g} GB is seldom meant",
            hint="Take larger pixels or a smaller place, or pass allow_large=True.",
        )


def _placed(base: Grid, size: Size, place: Place, region: _Region | None, scene: str) -> Grid:
    """Bring the bands' grid to another CRS, anchor or region."""
    own = geobox_of(base, scene)
    assert own.crs is not None
    crs = own.crs if place.crs is None else _crs(place.crs, region, own)
    bounds = None if region is None else _meeting(region, own, crs)
    if crs == own.crs and place.anchor is None and base.transform[1] == base.transform[3] == 0:
        base = common_grid({"": base}, size, scene=scene)
        return base if bounds is None else _cut(base, bounds)
    if place.anchor not in (None, *_ANCHORS):
        expected = f"one of {', '.join(_ANCHORS)}"
        raise InvalidParameter(name="anchor", value=place.anchor, expected=expected)
    whole = own if crs == own.crs else _there(own, crs)
    pixel = common_grid({"": _grid(whole)}, size, scene=scene).resolution
    anchor: Any = place.anchor or "edge"
    bounds = bounds or whole.boundingbox
    made = _grid(GeoBox.from_bbox(bounds, crs, resolution=pixel, anchor=anchor, tol=_CLOSE))
    return replace(made, crs=base.crs) if crs == own.crs else made


def _there(own: GeoBox, crs: CRS) -> GeoBox:
    found = None
    with contextlib.suppress(ValueError, RuntimeError, ArithmeticError, AssertionError):
        found = own.to_crs(crs)
    if found is None or not all(map(math.isfinite, found.boundingbox.bbox)):
        expected = "a CRS in which the place of the scene has coordinates"
        raise InvalidParameter(name="crs", value=str(crs), expected=expected)
    return found


def _given(place: Place, size: Size, region: _Region | None) -> Grid | None:
    """Read ``geobox`` or ``like``."""
    name = "like" if place.like is not None else "geobox"
    value = getattr(place, name)
    if value is None:
        return None
    others = (place.crs, region, size, place.anchor, place.geobox if name == "like" else None)
    if any(each is not None for each in others):
        expected = "it alone: it says crs, resolution and extent itself"
        raise InvalidParameter(name=name, value=value, expected=expected)
    found = value
    if not isinstance(value, GeoBox) and hasattr(value, "dims"):
        import odc.geo.xr  # noqa: F401  (registers .odc)

        found = value.odc.geobox
    if not isinstance(found, GeoBox) or found.crs is None or 0 in found.shape:
        expected = "an odc.geo GeoBox with a CRS, or an xarray object that has one (.odc.geobox)"
        raise InvalidParameter(name=name, value=value, expected=expected)
    return _grid(found)


def _region(place: Place) -> _Region | None:
    xy = None if place.x is None and place.y is None else (place.x, place.y)
    options = {"bbox": place.bbox, "intersects": place.intersects, "x, y": xy}
    told = {name: value for name, value in options.items() if value is not None}
    if len(told) > 1:
        expected = f"either {' or '.join(told)}, not both"
        raise InvalidParameter(
            name=next(iter(told)), value=next(iter(told.values())), expected=expected
        )
    if not told:
        return None
    ((name, value),) = told.items()
    if name == "bbox":
        west, south, east, north = read_box(value)
        east += 360 if east < west else 0
        if not (west < east and south < north):
            expected = "a box of some width and height"
            raise InvalidParameter(name=name, value=value, expected=expected)
        return _Region(name=name, value=value, shape=geom.box(west, south, east, north, _LONLAT))
    if name == "intersects":
        shape = geom.Geometry(read_geometry(value), _LONLAT)
        if shape.boundingbox.span_x > 180:
            expected = (
                "a geometry of less than 180° across; one over the antimeridian is best asked for "
                "by its bbox, west beyond east"
            )
            raise InvalidParameter(name=name, value=value, expected=expected)
        return _Region(name=name, value=value, shape=shape)
    return _Region(name=name, value=value, shape=None, bounds=_ranges(place.x, place.y))


def _ranges(x: Any, y: Any) -> BoundingBox:
    try:
        (left, right), (bottom, top) = (sorted(float(edge) for edge in pair) for pair in (x, y))
    except (TypeError, ValueError, OverflowError):
        left = right = bottom = top = math.nan
    if not (left < right and bottom < top) or not math.isfinite(left + right + bottom + top):
        expected = "two numbers each, in units of the CRS, and not the same twice"
        raise InvalidParameter(name="x, y", value=(x, y), expected=expected)
    return geom.BoundingBox(left, bottom, right, top)


def _crs(wish: Any, region: _Region | None, own: GeoBox) -> CRS:
    shape = region.shape if region and region.shape is not None else own.geographic_extent
    if isinstance(wish, str) and wish.strip().lower() == "utm":
        lon, lat = shape.centroid.coords[0]
        return CRS.utm((lon + 180) % 360 - 180, lat)
    reason = ""
    try:
        return CRS(wish)
    except (ValueError, TypeError, RuntimeError) as error:  # pyproj's own is a RuntimeError
        reason = str(error)[:200]
    expected = f"an EPSG code, WKT or whatever pyproj takes, or 'utm' ({reason})"
    raise InvalidParameter(name="crs", value=wish, expected=expected)


def _meeting(region: _Region, own: GeoBox, crs: CRS) -> BoundingBox:
    """Return the region's bounds, once it is known that the scene has something there."""
    if crs.geographic and region.shape is not None and region.shape.boundingbox.right > 180:
        expected = "with a box across the antimeridian a projected CRS, e.g. 'utm'"
        raise InvalidParameter(name="crs", value=str(crs), expected=expected)
    bounds = region.within(crs)
    extent = own.extent if crs == own.crs else own.extent.to_crs(crs, _step(own.extent))
    scene = extent.boundingbox
    if all(map(math.isfinite, bounds.bbox)) and _overlap(bounds, scene):
        return bounds
    hint = ""
    if region.shape is None:
        left, bottom, right, top = scene.bbox
        there = f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g} in {crs}"
    else:
        box = own.geographic_extent.boundingbox
        there = f"({', '.join(f'{edge:.4f}' for edge in box.bbox)})"
        west, south, east, north = region.shape.boundingbox.bbox
        if _overlap(geom.BoundingBox(south, west, north, east), box):
            hint = "; longitude and latitude look swapped"
    expected = f"a place that the scene covers, of {there}{hint}"
    raise InvalidParameter(name=region.name, value=region.value, expected=expected)


def _overlap(a: BoundingBox, b: BoundingBox) -> bool:
    apart = a.left >= b.right or b.left >= a.right or a.bottom >= b.top or b.bottom >= a.top
    return not apart


def _cut(grid: Grid, bounds: BoundingBox) -> Grid:
    """Take the pixels of a grid that a box touches; it may reach beyond the grid."""
    a, b, c, d, e, f = grid.transform
    (first, last), (top, bottom) = (
        _pixels(sorted(((low - origin) / step, (high - origin) / step)))
        for low, high, origin, step in (
            (bounds.left, bounds.right, c, a),
            (bounds.bottom, bounds.top, f, e),
        )
    )
    transform = (a, b, c + a * first, d, e, f + e * top)
    return Grid(crs=grid.crs, shape=(bottom - top, last - first), transform=transform)


def _pixels(edges: list[float]) -> tuple[int, int]:
    first = math.floor(edges[0] + _CLOSE)
    return first, max(first + 1, math.ceil(edges[1] - _CLOSE))


def _step(shape: Geometry) -> float:
    """Return how far apart to take points of an outline, whose sides bend in another CRS."""
    box = shape.boundingbox
    return max(box.span_x, box.span_y, 1e-9) / 20


def _grid(box: GeoBox) -> Grid:
    assert box.crs is not None
    code = box.crs.epsg
    crs = f"EPSG:{code}" if code else box.crs.to_wkt()
    a, b, c, d, e, f = list(box.affine)[:6]
    return Grid(crs=crs, shape=(box.shape.y, box.shape.x), transform=(a, b, c, d, e, f))
