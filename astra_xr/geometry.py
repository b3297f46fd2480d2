"""Boxes, geometries, points and CRSs: read from all forms that users have."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from astra_xr.errors import InvalidParameter

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.crs import CRS
    from odc.geo.geom import BoundingBox, Geometry
    from pyproj import Transformer

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

LONLAT = "EPSG:4326"

_UTM = re.compile(r"EPSG:32[67](0[1-9]|[1-5]\d|60)")
"""Codes of the zones of WGS 84 / UTM, in meters."""

_STEPS = 20
"""Points along a side of an outline that is projected."""

_OF_GEOMETRIES = (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError)
"""Exceptions that odd geometries make libraries raise."""


def read_box(value: Any) -> Box:
    """Read a box in degrees, or an odc-geo BoundingBox in any CRS.

    Of a box with six numbers, the heights are dropped.

    Raises
    ------
    InvalidParameter
        It is not a box on the earth.

    Examples
    --------
    >>> read_box([-122.6, 37.4, -122.3, 37.6])
    (-122.6, 37.4, -122.3, 37.6)
    """
    box, problem = _box_in(value), ""
    if box:
        problem = _box_problem(*box)
        if not problem:
            return box
    elif hasattr(value, "__geo_interface__") or isinstance(value, Mapping):
        problem = "intersects= takes geometries and GeoDataFrames"
    expected = "(west, south, east, north) in degrees"
    raise InvalidParameter(name="bbox", value=value, expected=expected, reason=problem)


def _box_problem(west: float, south: float, east: float, north: float) -> str:
    """Return what is wrong with a box; empty if nothing is."""
    if not _on_earth([(west, south), (east, north)]):
        if _on_earth([(south, west), (north, east)]):
            return "longitude and latitude look swapped"
        if max(map(abs, (west, south, east, north))) > 1000:
            return "projected coordinates go into x= and y= of open_scene"
        return "it leaves -180..180, -90..90"
    if south > north:
        return f"south ({south:g}) is greater than north ({north:g})"
    if west > east and not west > 0 > east:
        return (
            f"west ({west:g}) is greater than east ({east:g}), which is valid only for boxes "
            "that cross the antimeridian"
        )
    return ""


def _box_in(value: Any) -> Box | None:
    if getattr(value, "crs", None) and hasattr(value, "to_crs") and hasattr(value, "bbox"):
        value = value.to_crs(LONLAT).bbox
    return flat_box(value)


def flat_box(value: Any) -> Box | None:
    """Return a box without its heights; None if it is none: four or six finite numbers.

    Examples
    --------
    >>> flat_box([5, 50, 0, 6, 51, 100])
    (5.0, 50.0, 6.0, 51.0)
    """
    if isinstance(value, Mapping | str | bytes):
        return None
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError, OverflowError):
        return None
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        return None
    # In a box of six numbers, the third and the sixth are heights.
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def box_polygon(value: Any) -> Geometry:
    """Read a box as a polygon in degrees; across the antimeridian its longitudes exceed 180."""
    from odc.geo import geom

    west, south, east, north = read_box(value)
    return geom.box(west, south, east + (360 if east < west else 0), north, LONLAT)


def bounds_in(shape: Geometry, crs: Any) -> BoundingBox:
    """Return the bounds of an outline in another CRS, in which its sides may be curved."""
    box = shape.boundingbox
    step = max(box.span_x, box.span_y, 1e-9) / _STEPS
    return shape.to_crs(crs, resolution=step).boundingbox


def _on_earth(points: Iterable[Sequence[float]]) -> bool:
    return all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in points)


def read_geometry(value: Any) -> dict[str, Any]:
    """Read one geometry, or the union of several.

    Parameters
    ----------
    value : mapping, geometry, GeoDataFrame, GeoSeries or iterable of these
        A GeoJSON geometry, feature or collection of features, or any object with a
        ``__geo_interface__``, such as a shapely geometry, in longitude and latitude; or an object
        with a CRS, from which it is projected to longitude and latitude.

    Returns
    -------
    dict
        A GeoJSON geometry in longitude and latitude, of lists and floats.

    Raises
    ------
    InvalidParameter
        It is not a geometry on the earth.

    Examples
    --------
    >>> read_geometry({"type": "Point", "coordinates": (-122.4, 37.5)})
    {'type': 'Point', 'coordinates': [-122.4, 37.5]}
    """
    import numpy as np
    import shapely
    from shapely.errors import ShapelyError
    from shapely.geometry import mapping, shape

    try:
        parts = [shapely.force_2d(shape(each)) for each in shapes_of(value) if each is not None]
        if len(parts) > 1:
            parts = [shapely.union_all(shapely.make_valid(parts))]
        points = shapely.get_coordinates(parts)
        geometry: dict[str, Any] = json.loads(json.dumps(mapping(parts[0])))
        # A LinearRing is no geometry of GeoJSON.
        known = len(points) and np.isfinite(points).all() and geometry["type"] != "LinearRing"
    except (*_OF_GEOMETRIES, ShapelyError):
        known = False
    if known and _on_earth(points):
        return geometry
    if not known and _box_in(value):
        reason = "bbox= takes boxes"
    elif not known:
        reason = "it has no CRS, which .set_crs() sets" if lacks_crs(value) else ""
    elif _on_earth(points[:, ::-1]):
        reason = "longitude and latitude look swapped"
    else:
        reason = "it leaves -180..180, -90..90"
    wanted = (
        "a GeoJSON geometry or feature in longitude and latitude, a shapely geometry, or a "
        "GeoDataFrame or GeoSeries with a CRS"
    )
    raise InvalidParameter(name="intersects", value=value, expected=wanted, reason=reason)


def lacks_crs(value: Any) -> bool:
    """Return True for a table, column or array of geopandas that has no CRS."""
    return hasattr(value, "set_crs") and getattr(value, "crs", None) is None


def shapes_of(value: Any) -> Iterator[Any]:
    """Yield the geometries in a value, as GeoJSON in longitude and latitude; None for a null."""
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


def read_crs(value: Any) -> CRS | Literal["utm"] | None:
    """Read a CRS: an EPSG code, WKT, anything else that pyproj takes, or ``"utm"``; or None.

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
    expected = "an EPSG code, WKT, anything else that pyproj takes, or 'utm'"
    raise InvalidParameter(name="crs", value=value, expected=expected, reason=reason)


def plain_crs(crs: Any) -> CRS:
    """Return a CRS spelled as EPSG code, else as WKT."""
    from odc.geo.crs import CRS

    found = CRS(crs)
    return CRS(f"EPSG:{found.epsg}" if found.epsg else found.to_wkt())


@functools.lru_cache(maxsize=256)
def map_crs(text: str) -> str | None:
    """Return a CRS without its heights; None if it is not horizontal, or PROJ lacks it.

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


@functools.lru_cache(maxsize=256)
def in_usual_units(crs: str) -> bool:
    """Return True for meters or degrees, and for a CRS that PROJ does not know.

    Examples
    --------
    >>> in_usual_units("EPSG:32610"), in_usual_units("EPSG:2264")
    (True, False)
    """
    if _UTM.fullmatch(crs):
        # Files are read in other threads, in each of which PROJ would open its database anew.
        return True
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        units = {axis.unit_name for axis in CRS.from_user_input(crs).axis_info}
    except CRSError:
        return True
    return units <= {"metre", "degree"}


@functools.lru_cache(maxsize=256)
def in_degrees(crs: str) -> bool:
    """Return True for longitude and latitude in degrees; False for a CRS that PROJ lacks."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        given = CRS.from_user_input(crs)
    except CRSError:
        return False
    return given.is_geographic and given.axis_info[0].unit_name == "degree"


def turned(lon: npt.NDArray[Any], middle: Any) -> npt.NDArray[Any]:
    """Return longitudes moved by whole turns to within 180° of one, as in grids of 0 to 360°.

    Examples
    --------
    >>> turned(np.array([-152.0, 10, 350]), 180)
    array([208.,  10., 350.])
    """
    with np.errstate(invalid="ignore"):  # of infinity
        return np.asarray(lon - 360 * np.round((lon - middle) / 360))


@functools.lru_cache(maxsize=64)
def transformer(source: str, target: str) -> Transformer:
    """Return the transformation of x (east) and y (north) from one CRS to another."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def geometry_bounds(geometry: Mapping[str, Any]) -> Box:
    """Return the box of a geometry as :func:`read_geometry` returns it.

    Examples
    --------
    >>> geometry_bounds({"type": "LineString", "coordinates": [[5.0, 50.0], [6.0, 49.0]]})
    (5.0, 49.0, 6.0, 50.0)
    """
    from shapely.geometry import shape

    west, south, east, north = shape(geometry).bounds
    return west, south, east, north


def read_points(
    points: Any,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], str, npt.NDArray[Any]]:
    """Read points: pairs of longitude and latitude, or a GeoDataFrame or GeoSeries in any CRS.

    Returns
    -------
    x, y : ndarray of float
        One number per point, in the CRS.
    crs : str
        ``EPSG:4326``, or WKT.
    labels : ndarray
        The frame's index, else the number of each point.

    Raises
    ------
    InvalidParameter
        These are not points, or there are none.

    Examples
    --------
    >>> x, y, crs, labels = read_points([(-122.4, 37.5)])
    >>> x, y, crs, labels
    (array([-122.4]), array([37.5]), 'EPSG:4326', array([0]))
    """
    import numpy as np

    shapes: Any = getattr(points, "geometry", None)
    crs, labels, reason = LONLAT, None, ""
    try:
        if not hasattr(shapes, "geom_type"):
            pairs = np.asarray([(float(each[0]), float(each[1])) for each in points])
        elif shapes.crs is None:
            reason = "it has no CRS, which .set_crs() sets"
            raise ValueError("no CRS")
        else:
            absent = shapes.index[shapes.isna() | shapes.is_empty].tolist()
            reason = f"missing or empty: {', '.join(map(repr, absent[:5]))}" if absent else ""
            pairs = np.column_stack([shapes.x, shapes.y])
            crs, labels = shapes.crs.to_wkt(), shapes.index.to_numpy()
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        pairs = np.empty((0, 2))
    if not len(pairs) or not np.isfinite(pairs).all():
        expected = (
            "pairs of longitude and latitude in degrees, or a GeoDataFrame or GeoSeries of points "
            "with a CRS; zonal() takes polygons"
        )
        raise InvalidParameter(name="points", value=points, expected=expected, reason=reason)
    x, y = pairs.T
    return x, y, crs, np.arange(len(x)) if labels is None else labels
