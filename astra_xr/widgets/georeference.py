"""Where a scene lies: axes, CRS, longitude and latitude."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr


def coordinate_of(ds: xr.Dataset, dim: str) -> npt.NDArray[Any] | None:
    """Return the numeric coordinate of a dimension, or None."""
    if dim not in ds.coords or ds[dim].ndim != 1 or ds[dim].dtype.kind not in "iuf":
        return None
    return np.asarray(ds[dim].values)


def axis_of(ds: xr.Dataset, dim: str, size: int) -> tuple[float, float]:
    """Return the edge of the first pixel and the pixel size; in pixels without a coordinate."""
    coord = coordinate_of(ds, dim)
    if coord is None:
        return 0.0, 1.0
    first, last = float(coord[0]), float(coord[-1])
    step = (last - first) / (size - 1) if size > 1 else (-1.0 if dim == "y" else 1.0)
    step = step or 1.0
    return first - step / 2, step


def crs_of(ds: xr.Dataset, renamed: Mapping[Hashable, str]) -> Any:
    """Return the CRS as odc-geo has it, else degrees where dimensions are so called, else None."""
    import odc.geo.xr

    try:
        found = ds.odc.crs
    except (ValueError, KeyError):
        found = None
    if found is None and {"lat", "latitude"} & renamed.keys():
        return odc.geo.CRS("EPSG:4326")
    return found


def georeference(grid: Mapping[str, Any], crs: Any) -> dict[str, Any]:
    """Return the CRS, meters in a pixel, and longitude and latitude of a few points of a grid."""
    if crs is None:
        return {}
    from pyproj import Transformer

    count = 13
    xs = grid["x"] + grid["dx"] * grid["cols"] * np.linspace(0, 1, count)
    ys = grid["y"] + grid["dy"] * grid["rows"] * np.linspace(0, 1, count)
    to_degrees = Transformer.from_crs(crs.proj, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return {"crs": str(crs)[:60]}
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
