"""Statistics of the pixels in polygons; see ``ds.astra.zonal``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from astra_xr.accessor.load import load
from astra_xr.accessor.polygons import Polygons, read_polygons, turned, warn_of_swapped
from astra_xr.accessor.progress import bar
from astra_xr.arrays.blocks import ahead, at_once
from astra_xr.arrays.pixel_grid import PixelGrid, grid_of
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.extras import require

_OPERATIONS = {
    "mean": "mean",
    "median": "median",
    "std": "stdev",
    "min": "min",
    "max": "max",
    "sum": "sum",
    "count": "count",
    "majority": "mode",
}
"""Our names, which are xarray's, and those of exactextract."""

_PERCENTILE = re.compile(r"q(100|\d{1,2}(?:\.\d+)?)")
_OF_CLASSES = ("count", "majority", "min", "max", "fractions")
_CELL = 512
"""Polygons that begin in one square of so many pixels are read together."""

_BATCH = 8 << 20
"""Bytes of pixels that are read in one go."""

_FEWEST, _MOST = 4, 32
"""Reads that are under way at once; how many between these is a matter of their bytes."""

_CLOSE = 1e-6
"""exactextract's coverage is float32."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Part:
    """What is read in one go: a window of some time steps, with the polygons in it."""

    members: list[int]
    window: dict[str, slice]
    size: int
    """Bytes."""


def zonal(
    ds: xr.Dataset, fields: Any, stats: str | Sequence[str], min_coverage: float, *, progress: bool
) -> xr.Dataset:
    """Return statistics of the pixels in each polygon."""
    names = checked_stats(stats)
    if not isinstance(min_coverage, int | float) or not 0 <= min_coverage <= 1:
        raise InvalidParameter(name="min_coverage", value=min_coverage, expected="0 to 1")
    require("exactextract", extra="geo", purpose="zonal()")
    maps = ds[[name for name, v in ds.data_vars.items() if {"y", "x"} <= set(v.dims)]]
    if not maps:
        needs = "a variable along y and x, which this Dataset does not have"
        raise InvalidDataset(method="zonal()", needs=needs, hint="Open one: bands=…")
    if "valid" in maps:
        needs = "another name for the variable 'valid', which is the covered part of a polygon"
        raise InvalidDataset(method="zonal()", needs=needs, hint="ds.rename(valid=…) gives one.")
    grid = grid_of(ds, "zonal()")
    grid.check_even("zonal()")
    maps = maps.transpose("time", ..., "y", "x", missing_dims="ignore")
    _check_classes(maps, names)
    polygons = read_polygons(fields)
    shapes = _in_pixels(polygons.shapes, polygons.crs, grid)
    windows = _windows(shapes, grid)
    if not windows:
        hint = "; longitude and latitude look swapped" if _swapped(polygons, grid) else ""
        expected = f"polygons that overlap the Dataset, ({grid.edges}){hint}"
        raise InvalidParameter(name="fields", value=fields, expected=expected)
    if len(windows) < len(shapes):
        off = [number for number in _swapped(polygons, grid) if number not in windows]
        warn_of_swapped(polygons.labels[off], stacklevel=3)
    parts = _parts(maps, windows)
    # A part takes its pixels, and about as much again while they are read.
    count = min(at_once(2 * max(part.size for part in parts), _FEWEST), _MOST)
    table = _Table(maps, names, shapes)
    with (
        ThreadPoolExecutor(count, thread_name_prefix="astra-xr zonal") as pool,
        bar(len(parts), show=progress, desc="zonal", delay=1) as shown,
    ):
        read = functools.partial(load, progress=False, allow_large=False)

        def start(part: _Part) -> Future[xr.Dataset]:
            return pool.submit(read, maps.isel(part.window))

        for part, pixels in ahead(parts, start, count):
            table.add(part, pixels.result())
            shown.update()
    coords = {name: c.variable for name, c in ds.coords.items() if not {"y", "x"} & set(c.dims)}
    coords.pop("spatial_ref", None)
    # In this order, which that of the table's index follows.
    found = xr.Dataset(coords={**coords, "geometry": polygons.labels}, attrs=ds.attrs)
    found = found.assign(table.variables(min_coverage))
    return found.isel(stat=0, drop=True) if isinstance(stats, str) and "stat" in found else found


def checked_stats(stats: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of statistics as a tuple.

    Raises
    ------
    InvalidParameter
        One is unknown, or there twice, or there are none.
    """
    several = isinstance(stats, Iterable) and not isinstance(stats, str)
    names = tuple(stats) if several else (str(stats),)
    known = [*_OPERATIONS, "fractions"]
    for name in names:
        if name not in known and not (isinstance(name, str) and _PERCENTILE.fullmatch(name)):
            expected = f"some of {', '.join(known)}; or a percentile such as 'q10'"
            raise InvalidParameter(name="stats", value=name, expected=expected)
    if not names or len(set(names)) < len(names):
        raise InvalidParameter(name="stats", value=stats, expected="one or more names, each once")
    return names


def _check_classes(maps: xr.Dataset, names: tuple[str, ...]) -> None:
    for variable, array in maps.data_vars.items():
        classes = bool({"flag_values", "flag_masks"} & set(array.attrs))
        if classes and not set(names) <= set(_OF_CLASSES):
            expected = (
                f"{', '.join(_OF_CLASSES)} for {variable}, whose numbers are classes; "
                f"or leave it out: ds.drop_vars({variable!r}).astra.zonal(…)"
            )
        elif not classes and "fractions" in names:
            expected = f"no fractions for {variable}, whose numbers are not classes"
        else:
            continue
        raise InvalidParameter(name="stats", value=names, expected=expected)


def _in_pixels(polygons: npt.NDArray[Any], crs: str, grid: PixelGrid) -> npt.NDArray[Any]:
    """Return polygons in columns and negative rows of the grid, where a pixel has an area of 1."""
    to_pixels = grid.converter(crs)

    def convert(points: Floats) -> Floats:
        cols, rows = to_pixels(*points.T)
        return np.column_stack([cols, -rows])

    points, owners = shapely.get_coordinates(polygons, return_index=True)
    reached = polygons.copy()
    reached[owners[~np.isfinite(convert(points)).all(axis=1)]] = None
    shapes: npt.NDArray[Any] = shapely.transform(reached, convert)
    return shapes


def _windows(shapes: npt.NDArray[Any], grid: PixelGrid) -> dict[int, tuple[slice, slice]]:
    """Return rows and columns of each polygon that meets the grid."""
    windows = {}
    for number, (left, bottom, right, top) in enumerate(shapely.bounds(shapes)):
        if not np.isfinite([left, bottom, right, top]).all():
            continue  # empty, or beyond the reach of the grid's CRS
        edges = []
        for low, high, size in ((-top, -bottom, grid.y.size), (left, right, grid.x.size)):
            edges.append(slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)), size)))
        if all(edge.start < edge.stop for edge in edges):
            windows[number] = (edges[0], edges[1])
    return windows


def _swapped(polygons: Polygons, grid: PixelGrid) -> dict[int, Any]:
    """Return the polygons that would meet the grid with longitude and latitude swapped."""
    return _windows(_in_pixels(turned(polygons.shapes), polygons.crs, grid), grid)


def _parts(maps: xr.Dataset, windows: dict[int, tuple[slice, slice]]) -> list[_Part]:
    """Group the polygons by where they lie, and cut the time steps by their bytes."""
    steps = maps.sizes.get("time", 1)
    pixel = sum(v.nbytes / (v.sizes["y"] * v.sizes["x"]) for v in maps.data_vars.values()) / steps
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


def _groups(
    windows: dict[int, tuple[slice, slice]], most: int
) -> list[tuple[tuple[slice, slice], list[int]]]:
    """Group polygons that begin in one cell, and cells whose windows are of the same tiles.

    Parameters
    ----------
    most : int
        Pixels of a window of several cells.
    """
    cells: dict[tuple[int, int], list[int]] = {}
    for number, (rows, cols) in windows.items():
        cells.setdefault((rows.start // _CELL, cols.start // _CELL), []).append(number)
    groups: list[tuple[tuple[slice, slice], list[int]]] = []
    for _, members in sorted(cells.items()):
        here = _around([windows[number] for number in members])
        for place, (there, others) in enumerate(groups):
            both = _around([here, there])
            # Read apart, tiles of both would be decoded twice.
            if _area(both) <= most and _area(both, _CELL) <= _area(here, _CELL) + _area(
                there, _CELL
            ):
                groups[place] = both, others + members
                break
        else:
            groups.append((here, members))
    return groups


def _around(windows: Sequence[tuple[slice, slice]]) -> tuple[slice, slice]:
    rows, cols = (
        slice(min(each.start for each in axis), max(each.stop for each in axis))
        for axis in zip(*windows, strict=True)
    )
    return rows, cols


def _area(window: tuple[slice, slice], side: int = 1) -> int:
    """Return how many squares of ``side`` pixels a window touches."""
    rows, cols = (-(-each.stop // side) - each.start // side for each in window)
    return int(rows * cols)


class _Table:
    """The statistics as they come in: of each variable along (…, geometry, stat)."""

    def __init__(self, maps: xr.Dataset, names: tuple[str, ...], shapes: npt.NDArray[Any]) -> None:
        self._maps = maps
        self._shapes = shapes
        self._names = [name for name in names if name != "fractions"]
        # The count always, last: it says how much of a polygon has data.
        self._stats = [*self._names, "count"]
        sizes = {name: (*v.shape[:-2], len(shapes)) for name, v in maps.data_vars.items()}
        self._values = {n: np.full((*size, len(self._stats)), np.nan) for n, size in sizes.items()}
        for values in self._values.values():
            values[..., [stat == "count" for stat in self._stats]] = 0
        self._parts: dict[Any, _Fractions] = {
            name: _Fractions(size) for name, size in sizes.items() if "fractions" in names
        }

    def add(self, part: _Part, pixels: xr.Dataset) -> None:
        """Add the polygons of a part, whose pixels are in memory."""
        from exactextract import exact_extract

        stats = [*self._stats, *(("unique", "frac") if self._parts else ())]
        rasters = list(_rasters(part, pixels))
        operations = [
            _operation(stat, number, raster)
            for number, (_, _, raster) in enumerate(rasters)
            for stat in stats
        ]
        shapes = map(shapely.geometry.mapping, self._shapes[part.members])
        features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
        answers = exact_extract([raster for _, _, raster in rasters], features, operations)
        for member, answer in zip(part.members, answers, strict=True):
            found = answer["properties"]
            for number, (name, lead, _) in enumerate(rasters):
                place = (*lead, member)
                self._values[name][place] = [found[_result(s, number)] for s in self._stats]
                if self._parts:
                    pair = (found[f"{number} unique"], found[f"{number} frac"])
                    self._parts[name].add(place, *pair)

    def variables(self, min_coverage: float) -> dict[Any, xr.DataArray]:
        """Return them, NaN where too little of a polygon has data, with ``valid``."""
        areas = xr.DataArray(
            np.maximum(np.nan_to_num(shapely.area(self._shapes)), 1e-300), dims="geometry"
        )
        found, valid = {}, []
        for name, variable in self._maps.data_vars.items():
            dims = (*variable.dims[:-2], "geometry")
            values = xr.DataArray(self._values[name], dims=(*dims, "stat"))
            count = values[..., -1]
            covered = count / areas
            keep = (covered >= min_coverage - _CLOSE) & (count > 0)
            valid.append(covered)
            if self._names:
                table = values[..., :-1].assign_coords(stat=self._names)
                table = table.where(keep | (table.stat == "count"))
                found[name] = table.assign_attrs(_kept(variable.attrs))
            if self._parts:
                parts = self._parts[name].to_array(dims).where(keep)
                found[f"{name}_fractions"] = parts.assign_attrs(units="1")
        least = functools.reduce(xr.ufuncs.minimum, valid)
        attrs = {"long_name": "part of the polygon that has data", "units": "1"}
        return {**found, "valid": least.clip(max=1).assign_attrs(attrs)}


class _Fractions:
    """The parts of polygons that are of each class."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self._size = size
        self._found: dict[float, Floats] = {}

    def add(self, place: tuple[int, ...], classes: Floats, parts: Floats) -> None:
        for number, part in zip(classes, parts, strict=True):
            self._found.setdefault(number, np.zeros(self._size))[place] = part

    def to_array(self, dims: tuple[Any, ...]) -> xr.DataArray:
        numbers = sorted(self._found)
        values = [self._found[number] for number in numbers] or [np.empty((*self._size, 0))]
        array = xr.DataArray(
            np.stack(values, axis=-1) if numbers else values[0], dims=(*dims, "class")
        )
        return array.assign_coords({"class": np.array(numbers, np.int64)})


def _rasters(part: _Part, pixels: xr.Dataset) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Yield each map of a part: its variable, its place along the leading dimensions, pixels."""
    from exactextract.raster import NumPyRasterSource

    top, left = part.window["y"].start, part.window["x"].start
    first = part.window.get("time", slice(0, None)).start
    for name, variable in pixels.data_vars.items():
        values = variable.to_numpy()
        values = values.astype(np.uint8) if values.dtype == bool else values
        fill = variable.attrs.get("_FillValue") if values.dtype.kind in "iu" else None
        rows, cols = values.shape[-2:]
        box = (left, -top - rows, left + cols, -top)
        for lead in np.ndindex(values.shape[:-2]):
            step = first if variable.dims[0] == "time" else 0
            place = (lead[0] + step, *lead[1:]) if lead else ()
            # exactextract takes two without a name for one.
            unique = f"{name} {lead}"
            raster = NumPyRasterSource(values[lead], *box, nodata=fill, name=unique)
            yield name, place, raster


def _quantile(stat: str) -> float | None:
    percentile = _PERCENTILE.fullmatch(stat)
    return float(percentile[1]) / 100 if percentile else None


def _operation(stat: str, number: int, raster: Any) -> Any:
    from exactextract.operation import Operation

    q, name = _quantile(stat), f"{number} {stat}"
    if q is None:
        return Operation(_OPERATIONS.get(stat, stat), name, raster)
    return Operation("quantile", name, raster, options={"q": q})


def _result(stat: str, number: int) -> str:
    """Return the name that exactextract gives the result of an operation."""
    q = _quantile(stat)
    return f"{number} {stat}" if q is None else f"{number} {stat}_{int(q * 100)}"


def _kept(attrs: dict[Any, Any]) -> dict[Any, Any]:
    """Return the attrs of a variable that are true of its statistics as well."""
    return {name: attrs[name] for name in ("long_name", "standard_name", "units") if name in attrs}
