"""The one reader of boxes, geometries, points and CRSs, in whichever form users have them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

from astra_xr.errors import InvalidParameter, redact

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.crs import CRS
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
    """Read a box in degrees, or an odc-geo BoundingBox, which is brought to degrees.

    Heights of a box with six numbers are dropped.

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
    numbers = _box_numbers(value)
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        if hasattr(value, "__geo_interface__") or isinstance(value, Mapping):
            wanted += "; intersects= takes geometries and GeoDataFrames"
        raise InvalidParameter(name="bbox", value=value, expected=wanted)
    west, south, east, north = numbers
    if not _on_earth([(west, south), (east, north)]):
        hint = ", -180..180 and -90..90"
        if _on_earth([(south, west), (north, east)]):
            hint = "; longitude and latitude look swapped"
        elif max(map(abs, numbers)) > 1000:
            hint += "; projected coordinates go into x= and y= of open_scene"
        raise InvalidParameter(name="bbox", value=value, expected=wanted + hint)
    if south > north:
        expected = f"{wanted}; south ({south:g}) is greater than north ({north:g})"
        raise InvalidParameter(name="bbox", value=value, expected=expected)
    if west > east and not west > 0 > east:
        expected = (
            f"{wanted}; west ({west:g}) is greater than east ({east:g}), which is valid only for "
            "boxes that cross the antimeridian"
        )
        raise InvalidParameter(name="bbox", value=value, expected=expected)
    return west, south, east, north


def _box_numbers(value: Any) -> list[float]:
    """Return the four numbers of a box; of what is none, fewer or more."""
    if getattr(value, "crs", None) is not None and hasattr(value, "bbox"):
        value = value.to_crs(LONLAT).bbox
    if isinstance(value, Mapping | str | bytes):
        return []
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError, OverflowError):
        return []
    return [*numbers[:2], *numbers[3:5]] if len(numbers) == 6 else numbers


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
    """Read one geometry, or the union of several.

    Parameters
    ----------
    value : mapping, geometry, GeoDataFrame, GeoSeries or iterable of these
        A GeoJSON geometry, feature or collection of features, or whatever has a
        ``__geo_interface__``, such as a shapely geometry, in longitude and latitude; or what has
        a CRS of its own, from which it is brought to longitude and latitude.

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
    try:
        geometry = _union([_geometry(shape) for shape in shapes_of(value) if shape is not None])
        points = list(_points(geometry))
    except (TypeError, ValueError, LookupError, OverflowError, RecursionError):
        geometry, points = {}, []
    wanted = (
        "a GeoJSON geometry or feature in longitude and latitude, a shapely geometry, or a "
        "GeoDataFrame or GeoSeries with a CRS"
    )
    if not points:
        hint = "; this one has no CRS: .set_crs() sets it" if lacks_crs(value) else ""
        raise InvalidParameter(name="intersects", value=value, expected=wanted + hint)
    if not _on_earth(points):
        swapped = _on_earth([(lat, lon) for lon, lat in points])
        hint = "longitude and latitude look swapped" if swapped else "it leaves -180..180, -90..90"
        expected = f"{wanted}; {hint}"
        raise InvalidParameter(name="intersects", value=value, expected=expected)
    return geometry


def lacks_crs(value: Any) -> bool:
    """Return True for a table, column or array of geopandas that has no CRS."""
    return hasattr(value, "set_crs") and getattr(value, "crs", None) is None


def shapes_of(value: Any) -> Iterator[Any]:
    """Yield the geometries in a value, as GeoJSON in longitude and latitude; None of a null."""
    if lacks_crs(value):
        raise ValueError("no CRS")
    if hasattr(value, "to_crs") and value.crs is not None:
        value = getattr(value, "geometry", value).to_crs(LONLAT)
    shape = getattr(value, "__geo_interface__", value)
    if isinstance(shape, Mapping):
        features = shape["features"] if shape["type"] == "FeatureCollection" else [shape]
        geometries = (e["geometry"] if e["type"] == "Feature" else e for e in features)
        yield from geometries
    elif shape is None:
        yield None
    elif not isinstance(shape, str | bytes):
        for each in shape:
            yield from shapes_of(each)


def _union(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    if len(shapes) < 2:
        return shapes[0]
    import shapely
    from shapely.errors import ShapelyError
    from shapely.geometry import mapping, shape

    try:
        parts = [shapely.make_valid(shape(each)) for each in shapes]
        return _geometry(mapping(shapely.union_all(parts)))
    except ShapelyError as error:
        reason = str(error)
    raise ValueError(reason)


def read_crs(value: Any) -> CRS | Literal["utm"] | None:
    """Read a CRS: an EPSG code, WKT, whatever pyproj takes, or ``"utm"``; None stays None.

    Raises
    ------
    InvalidParameter
        It is none of these.

    Examples
    --------
    >>> str(read_crs(32610)), read_crs("UTM")
    ('EPSG:32610', 'utm')
    """
    if value is None:
        return None
    text = value.strip().lower() if isinstance(value, str) else ""
    if text == "utm":
        return "utm"
    code = value if isinstance(value, Integral) else text
    is_code = not isinstance(value, bool) and str(code).isdecimal()
    reason = ""
    try:
        return plain_crs(int(code) if is_code else value)
    # pyproj's own error is a RuntimeError.
    except (ValueError, TypeError, RuntimeError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
    expected = f"an EPSG code, WKT or whatever pyproj takes, or 'utm' ({redact(reason)})"
    raise InvalidParameter(name="crs", value=value, expected=expected)


def plain_crs(crs: Any) -> CRS:
    """Return a CRS by its EPSG code, else by WKT, however it was written."""
    from odc.geo.crs import CRS

    found = CRS(crs)
    return CRS(f"EPSG:{found.epsg}" if found.epsg else found.to_wkt())


@functools.lru_cache(maxsize=256)
def map_crs(text: str) -> str | None:
    """Return a CRS without heights; None where PROJ knows no such CRS of maps.

    Examples
    --------
    >>> map_crs("EPSG:32632+5773"), map_crs("EPSG:4979"), map_crs("EPSG:None")
    ('EPSG:32632', 'EPSG:4326', None)
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        given = CRS.from_user_input(text)
        found = given.sub_crs_list[0] if given.is_compound else given
        found = found.source_crs if found.is_bound and found.source_crs else found
        if len(found.axis_info) > 2:
            found = found.to_2d()
    except CRSError:
        return None
    if not (found.is_geographic or found.is_projected):
        return None
    if found is given:
        return text
    code = found.to_authority(min_confidence=100)
    return ":".join(code) if code else found.to_wkt()


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
            "with a CRS; zonal() takes polygons"
        )
        raise InvalidParameter(name="points", value=points, expected=expected)
    return x, y, crs, labels
