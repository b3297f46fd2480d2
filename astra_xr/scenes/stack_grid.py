"""The common grid of several scenes, and which part of it each of them may fill."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import bbox_union
from odc.geo.roi import roi_pad

from astra_xr.errors import AstraError, InvalidParameter, MixedGrids
from astra_xr.geometry import LONLAT, bounds_in, in_degrees
from astra_xr.scenes.grid import is_aligned, target_grid, touched, utm_zone
from astra_xr.scenes.options import TargetGrid
from astra_xr.scenes.region import has_pole, is_beyond, overlap, turned_to

Boxes = Mapping[str, GeoBox]
"""The grids of a scene's bands, by name."""

Part = tuple[tuple[int, int], tuple[int, int]]
"""Half-open ranges of rows and of columns."""


def stack_grid(scenes: Mapping[str, Boxes], options: TargetGrid) -> GeoBox:
    """Return the common grid of several scenes: id → name of each band → its grid.

    It has the pixels of the first scene in its CRS; without a region it covers all scenes.

    Raises
    ------
    MixedGrids
        Scenes have several CRSs, and options name none.
    InvalidParameter
        As of :func:`astra_xr.scenes.grid.target_grid`.

    Examples
    --------
    >>> west = GeoBox.from_bbox((500000, 0, 501000, 1000), "EPSG:32610", resolution=10)
    >>> east = GeoBox.from_bbox((500500, 0, 501500, 1000), "EPSG:32610", resolution=10)
    >>> stack_grid({"a": {"red": west}, "b": {"red": east}}, TargetGrid()).shape
    Shape2d(x=150, y=100)
    """
    first, boxes = next(iter(scenes.items()))
    every = [box for each in scenes.values() for box in each.values()]
    alike = all(box == every[0] for box in every)
    if options.like is not None or options.geobox is not None or alike:
        return target_grid(boxes, options, scene=first)
    codes = {scene: str(next(iter(each.values())).crs) for scene, each in scenes.items()}
    if options.crs is None and len(set(codes.values())) > 1:
        hint = "Pass one of them as crs=, or another; crs='utm' is the zone of the center."
        raise MixedGrids(scene="these scenes", bands=codes, hint=hint)
    if options.crs == "utm":
        options = replace(options, crs=options.crs if options.has_region else _zone(every))
    order = _nearest_first(scenes, options)
    if not options.has_region:
        alone = target_grid(scenes[order[0]], options, scene=order[0])
        whole = bbox_union(bounds_in(box.extent, alone.crs) for box in every)
        options = replace(options, x=whole.range_x, y=whole.range_y)
    failure: AstraError | None = None
    for scene in order:
        try:
            return target_grid(scenes[scene], options, scene=scene)
        except InvalidParameter as error:
            failure = failure or error
    assert failure is not None
    raise failure


def part_of(target: GeoBox, boxes: Iterable[GeoBox]) -> Part | None:
    """Return the part of a grid that others may fill; None if they do not overlap."""
    # Bands of one grid share one GeoBox, whose hash would take longer than this.
    different = {id(box): box for box in boxes}.values()
    if target in different:
        return (0, target.shape.y), (0, target.shape.x)
    edges = [bounds_in(box.extent, target.crs) for box in different]
    bounds, own = bbox_union(edges), target.boundingbox
    finite = all(math.isfinite(edge) for each in edges for edge in each)
    # In a grid of 0 to 360° a scene may be in two places, and around a pole it has no bounds.
    turns = any(map(is_beyond, (target, *different))) and (
        not in_degrees(str(target.crs)) or turned_to(bounds, own) is not None
    )
    unknown = not finite or turns or any(map(has_pole, different))
    if unknown or not is_aligned(target) or bounds & own == own:
        return (0, target.shape.y), (0, target.shape.x)
    if not overlap(bounds, own):
        return None
    part = target.overlap_roi(touched(target, bounds & own))
    if any(each.start >= each.stop for each in part):
        return None
    # One more pixel, as resampling uses neighbors.
    rows, cols = roi_pad(part, 1, target.shape.yx)
    return (rows.start, rows.stop), (cols.start, cols.stop)


def outside(options: TargetGrid, of: str) -> InvalidParameter:
    """Return the error for a grid that no scene overlaps."""
    name = "geobox" if options.like is None else "like"
    return InvalidParameter(
        name=name, value=getattr(options, name), expected=f"a grid that overlaps {of}"
    )


def _zone(boxes: Sequence[GeoBox]) -> str:
    """Return the UTM zone of the center of all scenes."""
    bounds = [bounds_in(box.extent, LONLAT) for box in boxes]
    first = bounds[0].left
    # Degrees from the first scene on, without a step at the antimeridian.
    lons = [(edge - first + 180) % 360 - 180 for box in bounds for edge in box.range_x]
    lats = [edge for box in bounds for edge in box.range_y]
    lon = (min(lons) + max(lons)) / 2 + first
    return str(utm_zone(lon, (min(lats) + max(lats)) / 2, boxes[0]))


def _nearest_first(scenes: Mapping[str, Boxes], options: TargetGrid) -> list[str]:
    """Return scene ids, those in the target CRS first."""
    if not isinstance(options.crs, CRS):
        return list(scenes)
    return sorted(scenes, key=lambda scene: next(iter(scenes[scene].values())).crs != options.crs)
