"""The target grid: the GeoBox of all bands of a Dataset. Its options are those of odc-stac."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from pyproj.exceptions import CRSError

from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.errors import InvalidItem, InvalidParameter, MixedGrids, TooLarge
from astra_xr.geometry import LONLAT, bounds_in, plain_crs, transformer
from astra_xr.model import Grid
from astra_xr.scenes.options import OpenOptions, TargetGrid
from astra_xr.scenes.region import Region, has_pole, region_of

if TYPE_CHECKING:
    from odc.geo.geom import BoundingBox
    from odc.geo.types import NormalizedROI

_log = logging.getLogger(__name__)

_LONGEST = 1 << 22
"""Maximum number of rows or columns; the coordinates of more would fill memory."""

_MOST = 1 << 36
"""Maximum number of pixels without ``allow_large=True``: a Sentinel-2 tile with pixels of 0.4 m."""

_CLOSE = 1e-3
"""Fraction of a pixel up to which a box may extend into it without including it."""

_DISTORTED = 50
"""Maximum ratio between the numbers of pixels in two CRSs that both suit the area."""

_UTM_SOUTH, _UTM_NORTH = -80, 84
"""Latitudes at which UTM ends."""


def geobox_of(grid: Grid, scene: str) -> GeoBox:
    """Return a grid as odc-geo has it; InvalidItem, of the scene, if PROJ has no such CRS."""
    try:
        return _geobox(grid)
    except CRSError:
        pass
    reason = f"its coordinate reference system {grid.crs[:80]!r} is unknown to PROJ"
    raise InvalidItem(item=scene, reason=reason)


@functools.lru_cache(maxsize=1024)
def _geobox(grid: Grid) -> GeoBox:
    return GeoBox(grid.shape, Affine(*grid.transform), grid.crs)


def as_grid(box: GeoBox, like: Grid) -> Grid:
    """Return a GeoBox as a Grid; if its CRS equals that of ``like``, in the same spelling."""
    own = _geobox(like)
    if box is own:
        return like
    crs = like.crs if box.crs == own.crs else str(plain_crs(box.crs))
    a, b, c, d, e, f = list(box.affine)[:6]
    return Grid(crs=crs, shape=box.shape.yx, transform=(a, b, c, d, e, f))


def grid_coords(box: GeoBox, others: Mapping[Any, Any]) -> xr.Coordinates:
    """Return pixel centers, ``spatial_ref`` for rioxarray and odc-geo, and other coordinates."""
    import rioxarray  # noqa: F401  (registers ds.rio)

    found, more = xr_coords(box, always_yx=True), xr.Coordinates(others)
    # With their indexes, which a Dataset would otherwise build again.
    indexes = {dim: found[dim].xindexes[dim] for dim in ("y", "x")} | dict(more.xindexes)
    variables = {name: each.variable for name, each in found.items()} | dict(more.variables)
    # chunk() leaves index variables as they are.
    variables |= {dim: variables[dim].to_index_variable() for dim in indexes}
    return xr.Coordinates(variables, indexes)


def pixel_size(box: GeoBox) -> float:
    """Return the width of a pixel in units of the CRS."""
    return math.hypot(box.affine.a, box.affine.d)


def common_grid(boxes: Mapping[str, GeoBox], size: float | str | None, *, scene: str) -> GeoBox:
    """Return the grid for bands on these grids, by name; MixedGrids if they have several CRSs.

    It is that of a band with pixels of the size, which
    :func:`~astra_xr.scenes.options.read_resolution` returns, else the finest band's with other
    pixels, from the same corner.

    Examples
    --------
    >>> fine = GeoBox((100, 100), Affine(10, 0, 0, 0, -10, 0), "EPSG:32610")
    >>> common_grid({"red": fine}, 30.0, scene="s").shape
    Shape2d(x=34, y=34)
    """
    if len({str(box.crs) for box in boxes.values()}) > 1:
        raise MixedGrids(scene=scene, bands={name: str(box.crs) for name, box in boxes.items()})
    finest = min(boxes.values(), key=pixel_size)
    if size is None and any(box != finest for box in boxes.values()):
        sizes = ", ".join(f"{name} {pixel_size(box):g}" for name, box in boxes.items())
        _log.info("%s: bands of several resolutions (%s); using the finest", scene, sizes)
    if size in (None, "finest"):
        return finest
    if size == "coarsest":
        return max(boxes.values(), key=pixel_size)
    assert isinstance(size, float)
    for box in boxes.values():
        if math.isclose(pixel_size(box), size, rel_tol=1e-6):
            return box
    factor = size / pixel_size(finest)
    # Rounding adds no pixel.
    rows, cols = (max(1, math.ceil(length / factor - 1e-6)) for length in finest.shape)
    return GeoBox((rows, cols), finest.affine @ Affine.scale(factor), finest.crs)


def target_grid(boxes: Mapping[str, GeoBox], options: TargetGrid, *, scene: str) -> GeoBox:
    """Return the grid of a Dataset of bands on these grids, by name.

    It has pixels of the bands' own grid, unless ``crs`` or ``anchor`` move them.

    Raises
    ------
    MixedGrids
        The bands have several CRSs.
    InvalidParameter
        Options contradict each other, or describe an area that the scene does not cover.

    Examples
    --------
    >>> fine = GeoBox((100, 100), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32610")
    >>> options = TargetGrid(resolution=30, x=(500120, 500330), y=(3999700, 4e6))
    >>> target = target_grid({"red": fine}, options, scene="s")
    >>> target.shape, target.affine.c, target.affine.f
    (Shape2d(x=7, y=10), 500120.0, 4000000.0)
    """
    region = region_of(options)
    size = options.resolution
    target = _whole_grid(options, region)
    if target is None:
        # A size in units of another CRS does not apply to the bands.
        usual = size if options.crs is None or isinstance(size, str) else None
        target = common_grid(boxes, usual, scene=scene)
        if region is not None or options.crs is not None or options.anchor is not None:
            target = _placed(target, options, region, scene)
    if max(target.shape) > _LONGEST:
        rows, cols = target.shape
        reason = f"the grid would have {rows} x {cols} pixels"
        expected = "larger pixels or a smaller area"
        raise InvalidParameter(name="resolution", value=size, expected=expected, reason=reason)
    return target


def check_size(box: GeoBox, options: OpenOptions) -> None:
    """Raise ``TooLarge`` for a grid of more than :data:`_MOST` pixels, unless it is allowed."""
    rows, cols = box.shape
    allowed = options.allow_large or hasattr(options.grid.like, "dims")
    if rows * cols > _MOST and not allowed:
        resolution = options.grid.resolution
        size = "" if resolution is None else f" at resolution={resolution}"
        raise TooLarge(
            what=f"A grid of {rows} x {cols} pixels{size}",
            size=f"{4 * rows * cols / 1e9:.3g} GB per band",
            limit=f"more than {4 * _MOST / 1e9:.3g} GB is rarely intended",
            hint="Use larger pixels or a smaller area, or pass allow_large=True.",
        )


@functools.lru_cache(maxsize=256)
def cut_of(target: Grid, source: Grid) -> NormalizedROI | None:
    """Return ``target`` as rows and columns of ``source``; None if it is no part of ``source``."""
    (a, b, _, d, e, _), (p, q, _, r, s, _) = target.transform, source.transform
    # overlap_roi also takes pixel sizes that are only nearly the same.
    if (a, b, d, e) != (p, q, r, s):
        return None
    try:
        rows, cols = _geobox(source).overlap_roi(_geobox(target), tol=1e-6)
    except ValueError:  # another CRS, or between its pixels
        return None
    whole = (rows.stop - rows.start, cols.stop - cols.start) == target.shape
    return (rows, cols) if whole else None


def touched(box: GeoBox, bounds: BoundingBox) -> GeoBox:
    """Return the pixels that bounds touch, which may extend beyond the grid."""
    near_x, near_y = (
        min(_CLOSE * abs(step), span / 2)
        for step, span in zip(box.resolution.xy, (bounds.span_x, bounds.span_y), strict=True)
    )
    return box.enclosing(bounds.buffered(-near_x, -near_y))


def is_aligned(box: GeoBox) -> bool:
    """Return True if rows and columns are parallel to the axes of the CRS."""
    return box.affine.b == box.affine.d == 0


def _whole_grid(options: TargetGrid, region: Region | None) -> GeoBox | None:
    """Read ``geobox`` or ``like``; None if there is neither."""
    name = "like" if options.like is not None else "geobox"
    value = getattr(options, name)
    if value is None:
        return None
    geobox = options.geobox if name == "like" else None
    others = (options.crs, region, options.resolution, options.anchor, geobox)
    if any(each is not None for each in others):
        reason, expected = "it sets CRS, resolution and extent", "no other option of the grid"
        raise InvalidParameter(name=name, value=value, expected=expected, reason=reason)
    found = value
    if isinstance(value, xr.Dataset | xr.DataArray):
        grid = pixel_grid(value, f"{name}=")
        if grid is not None:
            grid.check_even(f"{name}=")
        found = None if grid is None else grid.box
    if not isinstance(found, GeoBox) or found.crs is None or 0 in found.shape:
        expected = "an odc.geo GeoBox with a CRS, or an xarray object that has one (.odc.geobox)"
        raise InvalidParameter(name=name, value=value, expected=expected)
    return GeoBox(found.shape, found.affine, plain_crs(found.crs))


def _placed(base: GeoBox, options: TargetGrid, region: Region | None, scene: str) -> GeoBox:
    """Return the bands' grid in another CRS, anchor or region."""
    assert base.crs is not None
    crs = _utm(region, base) if options.crs == "utm" else options.crs or base.crs
    crs = base.crs if crs == base.crs else crs
    bounds = None if region is None else region.bounds_over(base, crs)
    if crs == base.crs and options.anchor is None and is_aligned(base):
        base = common_grid({"": base}, options.resolution, scene=scene)
        return base if bounds is None else touched(base, bounds)
    whole = base if crs == base.crs else _in_crs(base, crs, region)
    pixel = pixel_size(common_grid({"": whole}, options.resolution, scene=scene))
    anchor: Any = options.anchor or "edge"
    bounds = bounds or whole.boundingbox
    return GeoBox.from_bbox(bounds, crs, resolution=pixel, anchor=anchor, tol=_CLOSE)


def _in_crs(own: GeoBox, crs: CRS, region: Region | None) -> GeoBox:
    """Return a grid in another CRS; if the whole does not fit into it, its part in the region."""
    found = _fitting(own, crs)
    if found is None and region is not None and region.shape.crs:
        found = _fitting(own.enclosing(bounds_in(region.shape, own.crs)), crs)
    if found is not None:
        return found
    reason = "the scene has no coordinates in it"
    expected = f"a CRS of its area, such as {_suitable(own)}"
    raise InvalidParameter(name="crs", value=str(crs), expected=expected, reason=reason)


def _fitting(own: GeoBox, crs: CRS) -> GeoBox | None:
    """Return a grid in another CRS; None if it has no coordinates there, or distorted ones."""
    found = None
    with (
        contextlib.suppress(ValueError, RuntimeError, ArithmeticError, AssertionError, LookupError),
        np.errstate(all="ignore"),
    ):
        found = own.to_crs(crs)
    if found is None or not all(map(math.isfinite, found.boundingbox.bbox)):
        return None
    ratio = math.prod(found.shape) / math.prod(own.shape)
    if math.prod(own.shape) > _DISTORTED and not 1 / _DISTORTED < ratio < _DISTORTED:
        return None
    if crs.geographic and own.crs is not None and not own.crs.geographic:
        box, pixel = found.boundingbox, pixel_size(found)
        on_earth = max(-box.bottom, box.top) < 90 + 2 * pixel
        if not on_earth or box.span_x > 180 or has_pole(own):
            return None
    return found


def _suitable(own: GeoBox) -> str:
    """Return names of CRSs that have coordinates around the center of a grid."""
    assert own.crs is not None
    x, y = own.affine * (own.shape.x / 2, own.shape.y / 2)
    _, lat = transformer(str(own.crs), LONLAT).transform(x, y)
    if lat > _UTM_NORTH:
        return "'EPSG:3413' or 'EPSG:32661'"
    return "'EPSG:3031' or 'EPSG:32761'" if lat < _UTM_SOUTH else "'utm'"


def utm_zone(lon: float, lat: float, near: GeoBox) -> CRS:
    """Return the UTM zone of a place in the grid ``near``; InvalidParameter around the poles."""
    if _UTM_SOUTH <= lat <= _UTM_NORTH and not has_pole(near):
        return CRS.utm((lon + 180) % 360 - 180, lat)
    reason = "UTM ends at 84° N and 80° S"
    expected = f"another CRS, such as {_suitable(near)}"
    raise InvalidParameter(name="crs", value="utm", expected=expected, reason=reason)


def _utm(region: Region | None, own: GeoBox) -> CRS:
    """Return the UTM zone of the center of the region, else of the grid."""
    shape = region.shape if region and region.shape.crs else own.geographic_extent
    lon, lat = shape.centroid.coords[0]
    return utm_zone(lon, lat, own)
