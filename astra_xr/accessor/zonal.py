"""Statistics of the pixels in polygons; see ``ds.astra.zonal``."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from astra_xr.accessor.load import load_part
from astra_xr.accessor.polygons import Polygons, read_polygons, turned, warn_of_swapped
from astra_xr.accessor.progress import bar
from astra_xr.accessor.zonal_table import ZonalTable, check_classes, checked_coverage, checked_stats
from astra_xr.arguments import read_flag
from astra_xr.arrays.blocks import as_completed, at_once
from astra_xr.arrays.pixel_grid import PixelGrid, grid_of
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.extras import require
from astra_xr.reading.loop import reads_of_one, start

_CELL = 512
"""Polygons that begin in one square of so many pixels are read together."""

_BATCH = 8 << 20
"""Bytes of pixels that are read at once."""

_FEWEST, _MOST = 4, 32
"""Concurrent reads, depending on their bytes."""

Area = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class _Part:
    """What is read at once: a window of some time steps, with the polygons in it."""

    members: list[int]
    window: dict[str, slice]
    size: int
    """Bytes."""


def zonal(
    ds: xr.Dataset, fields: Any, stats: str | Sequence[str], min_coverage: float, *, progress: bool
) -> xr.Dataset:
    """Return statistics of the pixels in each polygon."""
    names = checked_stats(stats)
    min_coverage = checked_coverage(min_coverage)
    read_flag("progress", progress)
    require("exactextract", extra="geo", purpose="zonal()")
    maps = ds[[name for name, v in ds.data_vars.items() if {"y", "x"} <= set(v.dims)]]
    if not maps:
        needs = "a variable along y and x, which this Dataset does not have"
        raise InvalidDataset(method="zonal()", needs=needs, hint="Open one: bands=…")
    for name, each in maps.items():
        if each.dtype.kind not in "biuf":
            needs = f"real numbers, and {str(name)!r} is {each.dtype}"
            hint = "Convert it, e.g. abs() of complex numbers, or leave it out with drop_vars."
            raise InvalidDataset(method="zonal()", needs=needs, hint=hint)
    own = ["valid", "geometry", "stat", *(["class"] if "fractions" in names else [])]
    for name in filter(maps.__contains__, own):
        needs = f"the name {name!r} for its own table"
        hint = f"Rename your variable, e.g. ds.rename({{{name!r}: 'values'}})."
        raise InvalidDataset(method="zonal()", needs=needs, hint=hint)
    grid = grid_of(ds, "zonal()")
    grid.check_even("zonal()")
    maps = maps.transpose("time", ..., "y", "x", missing_dims="ignore")
    check_classes(maps, names)
    polygons = read_polygons(fields)
    shapes = _in_pixels(polygons.shapes, polygons.crs, grid)
    windows = _windows(shapes, grid)
    if not windows:
        reason = "longitude and latitude look swapped" if _swapped(polygons, grid) else ""
        expected = f"polygons that overlap the Dataset, ({grid.edges})"
        raise InvalidParameter(name="fields", value=fields, expected=expected, reason=reason)
    if len(windows) < len(shapes):
        off = [number for number in _swapped(polygons, grid) if number not in windows]
        warn_of_swapped(polygons.labels[off], stacklevel=3)
    table = ZonalTable(maps, names, shapes)
    _fill(table, maps, _parts(maps, windows), progress=progress)
    coords = {name: c.variable for name, c in ds.coords.items() if not {"y", "x"} & set(c.dims)}
    coords.pop("spatial_ref", None)
    # In this order, which that of the table's index follows.
    found = xr.Dataset(coords={**coords, "geometry": polygons.labels}, attrs=ds.attrs)
    found = found.assign(table.variables(min_coverage))
    return found.isel(stat=0, drop=True) if isinstance(stats, str) and "stat" in found else found


def _fill(table: ZonalTable, maps: xr.Dataset, parts: Sequence[_Part], *, progress: bool) -> None:
    """Read all parts, several at once, and add them to a table."""
    # A part takes its pixels, and about as much again while they are read.
    count = min(at_once(2 * max((part.size for part in parts), default=0), _FEWEST), _MOST)

    def read(part: _Part) -> Future[xr.Dataset]:
        return start(load_part(maps.isel(part.window)))

    with bar(len(parts), show=progress, desc="zonal", delay=1) as shown, reads_of_one():
        for part, pixels in as_completed(parts, read, count):
            table.add(part.members, part.window, pixels)
            shown.update()


def _in_pixels(polygons: npt.NDArray[Any], crs: str, grid: PixelGrid) -> npt.NDArray[Any]:
    """Return polygons in columns and negative rows of the grid, where a pixel has an area of 1."""
    convert = grid.converter(crs)

    def in_pixels(shapes: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
        points, owners = shapely.get_coordinates(shapes, return_index=True)
        cols, rows = convert(*points.T, owners)
        return np.column_stack([cols, -rows]), owners

    reached = polygons.copy()
    points, owners = in_pixels(polygons)
    reached[owners[~np.isfinite(points).all(axis=1)]] = None
    shapes: npt.NDArray[Any] = shapely.set_coordinates(reached, in_pixels(reached)[0])
    return shapes


def _windows(shapes: npt.NDArray[Any], grid: PixelGrid) -> dict[int, Area]:
    """Return rows and columns of each polygon that meets the grid."""
    windows = {}
    for number, (left, bottom, right, top) in enumerate(shapely.bounds(shapes)):
        if not np.isfinite([left, bottom, right, top]).all():
            continue  # empty, or outside of the grid's CRS
        rows, cols = (
            slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)), size))
            for low, high, size in ((-top, -bottom, grid.y.size), (left, right, grid.x.size))
        )
        if rows.start < rows.stop and cols.start < cols.stop:
            windows[number] = (rows, cols)
    return windows


def _swapped(polygons: Polygons, grid: PixelGrid) -> dict[int, Area]:
    """Return the polygons that would meet the grid with longitude and latitude swapped."""
    return _windows(_in_pixels(turned(polygons.shapes), polygons.crs, grid), grid)


def _parts(maps: xr.Dataset, windows: dict[int, Area]) -> list[_Part]:
    """Group the polygons by where they are, and cut the time steps by their bytes."""
    steps = maps.sizes.get("time", 1)
    pixel = sum(v.nbytes / (v.sizes["y"] * v.sizes["x"]) for v in maps.data_vars.values())
    pixel /= max(1, steps)
    parts = []
    for (rows, cols), members in _groups(windows, int(_BATCH / max(pixel, 1))):
        window = {"y": rows, "x": cols}
        size = pixel * _area((rows, cols))
        if "time" not in maps.dims:
            parts.append(_Part(members, window, int(size)))
            continue
        count = max(int(_BATCH / max(size, 1)), 1)
        for first in range(0, steps, count):
            time = slice(first, min(first + count, steps))
            parts.append(_Part(members, window | {"time": time}, int(size * count)))
    return parts


def _groups(windows: dict[int, Area], most: int) -> list[tuple[Area, list[int]]]:
    """Group polygons that begin in one cell, and cells whose windows share tiles.

    Parameters
    ----------
    most : int
        Pixels in a window of several cells.
    """
    cells: dict[tuple[int, int], list[int]] = {}
    for number, (rows, cols) in windows.items():
        cells.setdefault((rows.start // _CELL, cols.start // _CELL), []).append(number)
    groups: list[tuple[Area, list[int]]] = []
    for _, members in sorted(cells.items()):
        here = _around([windows[number] for number in members])
        for place, (there, others) in enumerate(groups):
            both = _around([here, there])
            # Read apart, tiles of both would be decoded twice.
            apart = _area(here, _CELL) + _area(there, _CELL)
            if _area(both) <= most and _area(both, _CELL) <= apart:
                groups[place] = both, others + members
                break
        else:
            groups.append((here, members))
    return groups


def _around(windows: Sequence[Area]) -> Area:
    rows, cols = (
        slice(min(each.start for each in axis), max(each.stop for each in axis))
        for axis in zip(*windows, strict=True)
    )
    return rows, cols


def _area(window: Area, side: int = 1) -> int:
    """Return how many squares of ``side`` pixels a window touches."""
    rows, cols = (-(-each.stop // side) - each.start // side for each in window)
    return int(rows * cols)
