"""The position of a scene: axes, CRS, longitude and latitude."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.errors import InvalidDataset
from astra_xr.geometry import LONLAT, transformer

Degrees = tuple[float, float, float, float]
"""West, south, east, north; west is greater than east across the antimeridian."""

_STEPS = 100
"""Points along each side of an area, which may be curved in degrees."""


def coordinate_of(ds: xr.Dataset, dim: str) -> npt.NDArray[Any] | None:
    """Return the numeric coordinate of a dimension, or None."""
    if dim not in ds.coords or ds[dim].ndim != 1 or ds[dim].dtype.kind not in "iuf":
        return None
    return np.asarray(ds[dim].values)


def axis_of(ds: xr.Dataset, dim: str, size: int) -> tuple[float, float]:
    """Return the outer edge of the first pixel and the pixel size, signed.

    Without a coordinate both are in pixels.
    """
    coord = coordinate_of(ds, dim)
    if coord is None:
        return 0.0, 1.0
    first, last = float(coord[0]), float(coord[-1])
    step = (last - first) / (size - 1) if size > 1 else (-1.0 if dim == "y" else 1.0)
    step = step or 1.0
    return first - step / 2, step


def crs_of(ds: xr.Dataset, renamed: Mapping[Hashable, str]) -> Any:
    """Return the CRS that odc-geo finds, else EPSG:4326 if y was called latitude, else None."""
    import odc.geo.xr

    try:
        # Of one pixel, as odc-geo fails at repeated coordinates.
        found = ds.isel({dim: [0] for dim in ds.dims}).odc.crs
    except (ValueError, KeyError):
        found = None
    if found is None and {"lat", "latitude"} & renamed.keys():
        return odc.geo.CRS(LONLAT)
    return found


def georeference(grid: Mapping[str, Any], crs: Any) -> dict[str, Any]:
    """Return CRS, meters per pixel, and longitude and latitude of a few points of a grid.

    They are None, and ``degrees`` is False, where they are unknown.
    """
    unknown = {"crs": None, "degrees": False, "meters": None, "lonlat": None}
    if crs is None:
        return unknown
    count = 13
    xs = grid["x"] + grid["dx"] * grid["cols"] * np.linspace(0, 1, count)
    ys = grid["y"] + grid["dy"] * grid["rows"] * np.linspace(0, 1, count)
    lon, lat = transformer(str(crs), LONLAT).transform(*np.meshgrid(xs, ys))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return unknown | {"crs": str(crs)[:60]}
    meters = abs(grid["dx"])
    if crs.geographic:
        meters *= 111_320 * float(np.cos(np.radians(lat.mean())))
    else:
        meters *= crs.proj.axis_info[0].unit_conversion_factor
    lonlat = [[round(float(v), 6) for v in row.ravel()] for row in (lon, lat)]
    return {
        "crs": str(crs)[:60],
        "degrees": bool(crs.geographic),
        "meters": meters,
        "lonlat": {"count": count, "lon": lonlat[0], "lat": lonlat[1]},
    }


def degrees_of(grid: Mapping[str, Any], crs: Any, area: Sequence[int]) -> Degrees:
    """Return the box of an area in degrees, as ``bbox=`` of ``open_scene``.

    Parameters
    ----------
    grid : mapping
        See ``Scene.grid``.
    crs : odc.geo.CRS or None
    area : sequence of int
        Top, left, bottom and right in pixels.

    Raises
    ------
    InvalidDataset
        The grid has no CRS or no coordinates, or the CRS is undefined in the area.
    """
    if crs is None or not grid["placed"]:
        needs = "a CRS and coordinates of y and x"
        hint = "Write one, e.g. ds.rio.write_crs('EPSG:32610')."
        raise InvalidDataset(method="picker.area", needs=needs, hint=hint)
    top, left, bottom, right = area
    down, across = np.linspace(top, bottom, _STEPS + 1), np.linspace(left, right, _STEPS + 1)
    ones = np.ones(_STEPS + 1)
    rows = np.concatenate([top * ones, down, bottom * ones, down[::-1]])
    cols = np.concatenate([across, right * ones, across[::-1], left * ones])
    x, y = grid["x"] + grid["dx"] * cols, grid["y"] + grid["dy"] * rows
    lon, lat = (np.asarray(each, float) for each in transformer(str(crs), LONLAT).transform(x, y))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        needs = f"an area within the bounds of its CRS, {str(crs)[:60]}"
        raise InvalidDataset(method="picker.area", needs=needs, hint="Choose a smaller area.")
    lon = np.unwrap(lon, period=360)
    west, south, east, north = (float(e) for e in (lon.min(), lat.min(), lon.max(), lat.max()))
    polar = abs(lon[-1] - lon[0]) > 180
    if polar:  # the sides go around a pole
        south, north = (south, 90.0) if south + north > 0 else (-90.0, north)
    if polar or east - west >= 360:
        west, east = -180.0, 180.0
    else:
        turns = np.floor((west + 180) / 360) * 360
        west, east = west - turns, east - turns
        east -= 360 if east > 180 else 0
    return round(west, 7), round(south, 7), round(east, 7), round(north, 7)
