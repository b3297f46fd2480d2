"""Coordinates of a grid."""

from __future__ import annotations

from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from pyproj.exceptions import CRSError

from astra_xr.errors import InvalidItem
from astra_xr.model import Grid


def geobox_of(grid: Grid, scene: str) -> GeoBox:
    """Return a grid as odc-geo has it.

    Raises
    ------
    InvalidItem
        The CRS is none that PROJ knows; ``scene`` is named as the item.
    """
    try:
        return GeoBox(grid.shape, Affine(*grid.transform), grid.crs)
    except CRSError:
        pass
    reason = f"its coordinate reference system {grid.crs[:80]!r} is none that PROJ knows"
    raise InvalidItem(item=scene, reason=reason)


def grid_coords(grid: Grid, scene: str) -> dict[Any, Any]:
    """Return pixel centres and ``spatial_ref`` of a grid, as rioxarray and odc-geo read them.

    Raises
    ------
    InvalidItem
        As of :func:`geobox_of`.
    """
    import rioxarray  # noqa: F401  (registers ds.rio)

    return dict(xr_coords(geobox_of(grid, scene), always_yx=True))
