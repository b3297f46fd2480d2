"""The one reader of boxes, geometries and points, however users have them at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astra_xr.errors import InvalidParameter

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.geom import BoundingBox, Geometry

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

LONLAT = "EPSG:4326"

_STEPS = 20
"""Points along a side of an outline that goes to another CRS."""

_GEOMETRIES = (
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
)


def read_box(value: Any) -> Box:
    """Read a box in degrees; heights of a box with six numbers are dropped.

    Raises
    ------
    InvalidParameter
        It is no such box.

    Examples
    --------
    >>> read_box([-122.6, 37.4, -122.3, 37.6])
    (-122.6, 37.4, -122.3, 37.6)
    """
    wanted = "(west, south, east, north) in degrees"
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise InvalidParameter(name="bbox", value=value, expected=wanted)
    west, south, east, north = numbers
    if not _on_earth([(west, south), (east, north)]):
        swapped = _on_earth([(south, west), (north, east)])
        hint = "; longitude and latitude look swapped" if swapped else ", -180..180 and -90..90"
        raise InvalidParameter(name="bbox", value=value, expected=wanted + hint)
    if south > north or (west > east and not (west > 0 > east)):
        which = "south is north of north" if south > north else "west is east of east"
        expected = f"{wanted}; {which} (west may be beyond east across the antimeridian alone)"
        raise InvalidParameter(name="bbox", value=value, expected=expected)
    return west, south, east, north


def box_polygon(value: Any) -> Geometry:
    """Read a box in degrees as a polygon in longitude and latitude.

    Returns
    -------
    odc.geo.geom.Geometry
        Across the antimeridian its longitudes go on beyond 180.

    Raises
    ------
    InvalidParameter
        As of :func:`read_box`.
    """
    from odc.geo import geom

    west, south, east, north = read_box(value)
    return geom.box(west, south, east + (360 if east < west else 0), north, LONLAT)


def bounds_in(shape: Geometry, crs: Any) -> BoundingBox:
    """Return the bounds of an outline in another CRS, where its sides may bend."""
    box = shape.boundingbox
    step = max(box.span_x, box.span_y, 1e-9) / _STEPS
    return shape.to_crs(crs, resolution=step).boundingbox


def _on_earth(points: Sequence[tuple[float, float]]) -> bool:
    return all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in points)


def read_geometry(value: Any) -> dict[str, Any]:
    """Read a GeoJSON geometry or feature, or whatever has a ``__geo_interface__``.

    Returns
    -------
    dict
        A GeoJSON geometry in longitude and latitude, of lists and floats.

    Raises
    ------
    InvalidParameter
        It is none, or it leaves the earth.

    Examples
    --------
    >>> read_geometry({"type": "Point", "coordinates": (-122.4, 37.5)})
    {'type': 'Point', 'coordinates': [-122.4, 37.5]}
    """
    shape = getattr(value, "__geo_interface__", value)
    if isinstance(shape, Mapping) and shape.get("type") == "FeatureCollection":
        features = shape.get("features")
        if isinstance(features, list | tuple) and len(features) == 1:
            shape = features[0]
    if isinstance(shape, Mapping) and shape.get("type") == "Feature":
        shape = shape.get("geometry")
    try:
        geometry = _geometry(shape)
        points = list(_points(geometry))
    except (TypeError, ValueError, LookupError, OverflowError, RecursionError):
        geometry, points = {}, []
    wanted = "one GeoJSON geometry or feature in longitude and latitude, or a shapely geometry"
    if not points:
        raise InvalidParameter(name="intersects", value=value, expected=wanted)
    if not _on_earth(points):
        swapped = _on_earth([(lat, lon) for lon, lat in points])
        hint = "longitude and latitude look swapped" if swapped else "it leaves -180..180, -90..90"
        expected = f"{wanted}; {hint}"
        raise InvalidParameter(name="intersects", value=value, expected=expected)
    return geometry


def geometry_bounds(geometry: Mapping[str, Any]) -> Box:
    """Return the box of a geometry that :func:`read_geometry` has read.

    Examples
    --------
    >>> geometry_bounds({"type": "LineString", "coordinates": [[5.0, 50.0], [6.0, 49.0]]})
    (5.0, 49.0, 6.0, 50.0)
    """
    lons, lats = zip(*_points(geometry), strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def _geometry(shape: Any) -> dict[str, Any]:
    """Copy a geometry as JSON; raises ValueError or TypeError where it is none."""
    kind = shape["type"]
    if kind not in _GEOMETRIES:
        raise ValueError(kind)
    if kind == "GeometryCollection":
        return {"type": kind, "geometries": [_geometry(part) for part in shape["geometries"]]}
    return {"type": kind, "coordinates": _numbers(shape["coordinates"])}


def _numbers(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_numbers(part) for part in value]
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _points(geometry: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    for part in geometry.get("geometries", ()):
        yield from _points(part)
    stack = [geometry["coordinates"]] if "coordinates" in geometry else []
    while stack:
        part = stack.pop()
        if not isinstance(part, list):
            raise TypeError(part)
        if part and not isinstance(part[0], list):
            lon, lat = part[:2]
            yield lon, lat
        else:
            stack += part


def read_points(
    points: Any,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], str, npt.NDArray[Any]]:
    """Read points: pairs of longitude and latitude, or a GeoDataFrame or GeoSeries in any CRS.

    Returns
    -------
    x, y : ndarray of float
        One number a point, in the CRS.
    crs : str
        ``EPSG:4326``, or WKT.
    labels : ndarray
        Of each point: the index of the frame, else its number.

    Raises
    ------
    InvalidParameter
        They are no points, or there are none.

    Examples
    --------
    >>> x, y, crs, labels = read_points([(-122.4, 37.5)])
    >>> x, y, crs, labels
    (array([-122.4]), array([37.5]), 'EPSG:4326', array([0]))
    """
    import numpy as np

    shapes = getattr(points, "geometry", None)
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    x = y = labels = np.empty(0)
    crs = LONLAT
    if shapes is not None and hasattr(shapes, "geom_type"):
        if shapes.crs is not None and (shapes.geom_type == "Point").all():
            x, y, labels = shapes.x.to_numpy(), shapes.y.to_numpy(), shapes.index.to_numpy()
            crs = shapes.crs.to_wkt()
    else:
        try:
            pairs = np.asarray([(float(each[0]), float(each[1])) for each in points])
        except (TypeError, ValueError, LookupError, OverflowError):
            pairs = np.empty((0, 2))
        x, y = pairs.reshape(-1, 2).T
        labels = np.arange(len(x))
    if not len(x) or not np.isfinite(np.asarray(x) + np.asarray(y)).all():
        expected = (
            "pairs of longitude and latitude in degrees, or a GeoDataFrame or GeoSeries of points "
            "with a CRS (of polygons, take the .centroid)"
        )
        raise InvalidParameter(name="points", value=points, expected=expected)
    return x, y, crs, labels
