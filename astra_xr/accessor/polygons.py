"""Polygons in whichever form users have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from astra_xr.errors import InvalidParameter
from astra_xr.geometry import LONLAT, lacks_crs, shapes_of


@dataclass(frozen=True)
class Polygons:
    """Polygons of one CRS, each with a label."""

    shapes: npt.NDArray[Any]
    """shapely geometries; None where there is none."""

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
        There are none, or some are no valid polygons: those are named.
    """
    if isinstance(fields, Polygons):
        return fields
    shapes, crs = getattr(fields, "geometry", None), LONLAT
    if lacks_crs(fields):
        raise InvalidParameter(
            name="fields", value=fields, expected="a CRS with them: .set_crs() names it"
        )
    if shapes is not None and hasattr(shapes, "geom_type"):
        polygons, labels, crs = shapes.to_numpy(), shapes.index, shapes.crs.to_wkt()
    else:
        try:
            polygons = np.array([shapely.geometry.shape(each) for each in shapes_of(fields)])
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
            polygons = np.empty(0, object)
        labels = pd.RangeIndex(len(polygons))
    reason = _fault(polygons, labels)
    if reason:
        wanted = "a GeoDataFrame or GeoSeries with a CRS, or shapely or GeoJSON polygons in degrees"
        raise InvalidParameter(name="fields", value=fields, expected=f"{wanted}{reason}")
    return Polygons(shapely.force_2d(polygons), crs, labels.rename("geometry"))


def _fault(polygons: npt.NDArray[Any], labels: pd.Index[Any]) -> str:
    """Return what is wrong with some polygons, for a message; "" if nothing is."""
    if not len(polygons):
        return "; there are none"
    if labels.nlevels > 1 or not labels.is_unique:
        return "; their index has several levels or repeats: .reset_index() numbers them"
    there = ~shapely.is_missing(polygons) & ~shapely.is_empty(polygons)
    kinds = shapely.get_type_id(polygons)
    for what, wrong in (
        ("no polygons (sample() takes points)", there & ~((kinds == 3) | (kinds == 6))),
        ("not valid (shapely.make_valid() mends them)", there & ~shapely.is_valid(polygons)),
    ):
        if wrong.any():
            named = ", ".join(map(repr, labels[wrong][:5].tolist()))
            more = f" and {wrong.sum() - 5} more" if wrong.sum() > 5 else ""
            return f"; {what}: {named}{more}"
    return ""
