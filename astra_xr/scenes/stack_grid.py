"""The one grid of several scenes, and which part of it each of them may fill."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from odc.geo import geom
from odc.geo.crs import CRS

from astra_xr.errors import AstraError, InvalidParameter, MixedGrids
from astra_xr.model import Grid
from astra_xr.scenes.coords import geobox_of
from astra_xr.scenes.grid import Place, target_grid
from astra_xr.scenes.grids import Size

_EDGE = 20
"""Points along each side of an outline that goes to another CRS, where it bends."""

Part = tuple[tuple[int, int], tuple[int, int]]
"""Half-open ranges of rows and of columns."""


def stack_grid(scenes: Mapping[str, Mapping[str, Grid]], size: Size, place: Place) -> Grid:
    """Choose the grid that holds several scenes.

    Parameters
    ----------
    scenes : mapping of str to mapping of str to Grid
        Of each scene, by id, the grids of its bands, by name.
    size, place
        As of :func:`astra_xr.scenes.grid.target_grid`.

    Returns
    -------
    Grid
        With the pixels of the first scene that has its CRS; where no place was asked for, as large
        as all scenes together.

    Raises
    ------
    MixedGrids
        Scenes have several CRSs, and none was asked for.
    InvalidParameter, InvalidItem
        As of :func:`astra_xr.scenes.grid.target_grid`.

    Examples
    --------
    >>> west = Grid(crs="EPSG:32610", shape=(100, 100), transform=(10, 0, 5e5, 0, -10, 4e6))
    >>> east = Grid(crs="EPSG:32610", shape=(100, 100), transform=(10, 0, 500500, 0, -10, 4e6))
    >>> stack_grid({"a": {"red": west}, "b": {"red": east}}, None, Place()).shape
    (100, 150)
    """
    first, grids = next(iter(scenes.items()))
    every = {grid for each in scenes.values() for grid in each.values()}
    if place.like is not None or place.geobox is not None or len(every) == 1:
        return target_grid(grids, size, place, scene=first)
    codes = {scene: next(iter(each.values())).crs for scene, each in scenes.items()}
    if place.crs is None and len(set(codes.values())) > 1:
        hint = "Name one of them as crs=, or another (crs='utm': the zone of the middle)."
        raise MixedGrids(scene="these scenes", bands=codes, hint=hint)
    if isinstance(place.crs, str) and place.crs.strip().lower() == "utm":
        place = replace(place, crs=place.crs if _has_region(place) else _zone(scenes))
    order = _nearest_first(scenes, place)
    if not _has_region(place):
        place = _whole(scenes, size, place, order[0])
    failure: AstraError | None = None
    for scene in order:
        try:
            return target_grid(scenes[scene], size, place, scene=scene)
        except InvalidParameter as error:
            failure = failure or error
    assert failure is not None
    raise failure


def part_of(target: Grid, grids: Iterable[Grid]) -> Part | None:
    """Return the rows and columns of a grid that others may fill; None where they do not meet."""
    rows, cols = target.shape
    boxes = [bounds_of(grid, target.crs) for grid in grids]
    a, b, c, d, e, f = target.transform
    if b or d or not all(math.isfinite(edge) for box in boxes for edge in box):
        return (0, rows), (0, cols)
    left, bottom, right, top = (
        pick(box[n] for box in boxes) for n, pick in enumerate((min, min, max, max))
    )
    across = sorted(((left - c) / a, (right - c) / a))
    down = sorted(((bottom - f) / e, (top - f) / e))
    # A pixel more, for what resampling takes in.
    (first, last), (upper, lower) = (
        (max(0, math.floor(low + 1e-3) - 1), min(length, math.ceil(high - 1e-3) + 1))
        for (low, high), length in ((across, cols), (down, rows))
    )
    if across[1] <= 1e-3 or across[0] >= cols - 1e-3 or down[1] <= 1e-3 or down[0] >= rows - 1e-3:
        return None
    return (upper, lower), (first, last)


def _has_region(place: Place) -> bool:
    return any(each is not None for each in (place.bbox, place.intersects, place.x, place.y))


def _zone(scenes: Mapping[str, Mapping[str, Grid]]) -> str:
    """Return the UTM zone of the middle of all scenes."""
    boxes = [bounds_of(grid, "EPSG:4326") for each in scenes.values() for grid in each.values()]
    first = boxes[0][0]
    # Degrees from the first scene on, so that the antimeridian is no gap.
    lons = [(edge - first + 180) % 360 - 180 for box in boxes for edge in (box[0], box[2])]
    lats = [edge for box in boxes for edge in (box[1], box[3])]
    lon = (min(lons) + max(lons)) / 2 + first
    crs = CRS.utm((lon + 180) % 360 - 180, (min(lats) + max(lats)) / 2)
    return f"EPSG:{crs.epsg}"


def _nearest_first(scenes: Mapping[str, Mapping[str, Grid]], place: Place) -> list[str]:
    """Sort scenes that have the wished CRS before the others."""
    wished = CRS(place.crs) if _is_crs(place) else None

    def differs(scene: str) -> bool:
        return wished is not None and CRS(next(iter(scenes[scene].values())).crs) != wished

    return sorted(scenes, key=differs)


def _is_crs(place: Place) -> bool:
    """Tell whether a CRS was asked for that is one; what is none is told elsewhere."""
    try:
        return place.crs is not None and bool(CRS(place.crs))
    except (ValueError, TypeError, RuntimeError):
        return False


def _whole(scenes: Mapping[str, Mapping[str, Grid]], size: Size, place: Place, scene: str) -> Place:
    """Ask for the box of all scenes."""
    alone = target_grid(scenes[scene], size, place, scene=scene)
    boxes = [bounds_of(grid, alone.crs) for each in scenes.values() for grid in each.values()]
    left, bottom, right, top = (
        pick(box[n] for box in boxes) for n, pick in enumerate((min, min, max, max))
    )
    return replace(place, x=(left, right), y=(bottom, top))


def bounds_of(grid: Grid, crs: str) -> tuple[float, float, float, float]:
    """Return the outer edges of a grid in some CRS: left, bottom, right, top."""
    if grid.crs == crs:
        return grid.bounds
    extent = geobox_of(grid, "a scene").extent
    box = extent.boundingbox
    step = max(box.span_x, box.span_y, 1e-9) / _EDGE
    edges: geom.BoundingBox = extent.to_crs(crs, step).boundingbox
    left, bottom, right, top = edges.bbox
    return left, bottom, right, top
