"""Polygons as users pass them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from astra_xr.errors import InvalidParameter
from astra_xr.geometry import LONLAT, lacks_crs, shapes_of

_POLE = 90
"""Degrees of latitude."""

_TURN = 360
"""Degrees of longitude; those across the antimeridian go beyond 180."""


@dataclass(frozen=True)
class Polygons:
    """Polygons of one CRS, each with a label."""

    shapes: npt.NDArray[Any]
    """shapely geometries, or None."""

    crs: str
    labels: pd.Index[Any]

    def __getitem__(self, numbers: list[int]) -> Polygons:
        return Polygons(self.shapes[numbers], self.crs, self.labels[numbers])


def read_polygons(fields: Any) -> Polygons:
    """Read polygons: a GeoDataFrame or GeoSeries in any CRS, shapely or GeoJSON in degrees.

    Returns
    -------
    Polygons
        In ``EPSG:4326`` or the CRS of the frame, labeled by its index or else by numbers.

    Raises
    ------
    InvalidParameter
        There are none, or some are not valid polygons, which are named.
    """
    if isinstance(fields, Polygons):
        return fields
    shapes, crs = getattr(fields, "geometry", None), LONLAT
    wanted = "a GeoDataFrame or GeoSeries with a CRS, or shapely or GeoJSON polygons in degrees"
    if shapes is None and hasattr(fields, "set_geometry"):
        reason = "it has no geometry column, which .set_geometry() sets"
        raise InvalidParameter(name="fields", value=fields, expected=wanted, reason=reason)
    if lacks_crs(fields):
        reason = "it has no CRS, which .set_crs() sets"
        raise InvalidParameter(name="fields", value=fields, expected=wanted, reason=reason)
    if shapes is not None and hasattr(shapes, "geom_type"):
        polygons, labels, crs = shapes.to_numpy(), shapes.index, shapes.crs.to_wkt()
        degrees = shapes.crs.is_geographic
    else:
        polygons, degrees = _shapes(fields), True
        labels = pd.RangeIndex(0 if polygons is None else len(polygons))
    reason = _unlike(fields) if polygons is None else _fault(polygons, labels, degrees=degrees)
    if reason:
        raise InvalidParameter(name="fields", value=fields, expected=wanted, reason=reason)
    assert polygons is not None
    return Polygons(shapely.force_2d(polygons), crs, labels.rename("geometry"))


def _shapes(fields: Any) -> npt.NDArray[Any] | None:
    """Return shapely geometries, None for a null; None if they are something else."""
    if isinstance(fields, str | bytes):
        return None
    try:
        shapes = [None if e is None else shapely.geometry.shape(e) for e in shapes_of(fields)]
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
        return None
    return np.array(shapes, object)


def _unlike(fields: Any) -> str:
    """Return what is wrong with something that holds no geometries, for a message."""
    if isinstance(fields, str | os.PathLike):
        return "it is not a geometry: geopandas.read_file() reads a file, shapely.from_wkt() WKT"
    if isinstance(fields, tuple) and len(fields) == 4:
        return "it is a box: shapely.box(west, south, east, north) makes a polygon of it"
    if isinstance(fields, Mapping):
        return "it is a dict: geopandas.GeoSeries(…, crs=4326) makes a series of it"
    if isinstance(fields, list | tuple | np.ndarray) and len(fields):
        return "these are no polygons; sample() takes points"
    return "it holds no polygons"


def _fault(polygons: npt.NDArray[Any], labels: pd.Index[Any], *, degrees: bool) -> str:
    """Return what is wrong with some polygons, for a message; empty if nothing is."""
    if not len(polygons):
        return "it is empty"
    if labels.nlevels > 1 or not labels.is_unique:
        return "its index has several levels or repeats, and .reset_index() makes a new one"
    there = ~shapely.is_missing(polygons) & ~shapely.is_empty(polygons)
    if not there.any():
        return "all of its geometries are missing or empty"
    kinds = shapely.get_type_id(polygons)
    west, south, east, north = shapely.bounds(polygons).T
    off = (np.maximum(-south, north) > _POLE) | (np.maximum(-west, east) > _TURN)
    swapped = off & (np.maximum(-west, east) <= _POLE) & (np.maximum(-south, north) <= _TURN)
    for what, wrong in (
        ("no polygons (sample() takes points)", there & ~((kinds == 3) | (kinds == 6))),
        ("not valid (shapely.make_valid() repairs them)", there & ~shapely.is_valid(polygons)),
        ("longitude and latitude look swapped in", swapped & degrees),
        ("off the earth (in another CRS? A GeoSeries has its own)", off & degrees),
    ):
        if wrong.any():
            return f"{what}: {_named(labels[wrong])}"
    return ""


def _named(labels: pd.Index[Any]) -> str:
    """Return the first labels, for a message."""
    named = ", ".join(map(repr, labels[:5].tolist()))
    return f"{named} and {len(labels) - 5} more" if len(labels) > 5 else named


def turned(shapes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return shapes with longitude and latitude swapped."""
    found: npt.NDArray[Any] = shapely.transform(shapes, lambda points: points[:, ::-1])
    return found


def warn_of_swapped(labels: pd.Index[Any], *, stacklevel: int) -> None:
    """Warn that some polygons overlap only with longitude and latitude swapped."""
    if len(labels):
        reason = "there are no pixels; longitude and latitude look swapped"
        warnings.warn(f"NaN for the fields {_named(labels)}: {reason}.", stacklevel=stacklevel + 1)
