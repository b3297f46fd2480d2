"""The grid of a Dataset by its coordinates, also if rows or columns were dropped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine

from astra_xr.errors import InvalidDataset
from astra_xr.geometry import in_degrees, transformer, turned
from astra_xr.reading.memory import check_memory

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

_CLOSE = 0.1
"""Fraction of a pixel by which a coordinate may differ; after a dropped row it is at least 0.5."""

_EQUAL = 1e-6
"""Fraction of a pixel below which two positions are equal."""

_Placed = TypeVar("_Placed", xr.Dataset, xr.DataArray)

_Positions = npt.NDArray[np.intp]
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Evenly spaced coordinates along y or x, and which of them are present."""

    first: float
    """Coordinate of position 0, at the center of the pixel."""

    step: float
    size: int
    positions: _Positions | None = None
    """Of each pixel that is present; None: all are, in order."""

    @property
    def centers(self) -> npt.NDArray[np.floating[Any]]:
        return self.first + self.step * np.arange(self.size)

    def pixels(self) -> _Positions:
        """Return which pixel is at each position, the first of several, -1 for none."""
        if self.positions is None:
            return np.arange(self.size)
        pixels = np.full(self.size, -1)
        present, first = np.unique(self.positions, return_index=True)
        pixels[present] = first
        return pixels


@dataclass(frozen=True, kw_only=True)
class PixelGrid:
    """An evenly spaced grid, and which of its rows and columns are present."""

    box: GeoBox
    """The grid, with rows and columns that were dropped in between; its CRS may be None."""

    y: _Axis
    x: _Axis

    @property
    def kept(self) -> dict[str, _Positions]:
        """Indexers for ``isel`` from an array on ``box`` to the pixels that are present."""
        axes = {"y": self.y.positions, "x": self.x.positions}
        return {dim: each for dim, each in axes.items() if each is not None}

    @property
    def edges(self) -> str:
        """West, south, east and north in degrees, for messages."""
        return ", ".join(f"{v:.4f}" for v in self.box.geographic_extent.boundingbox.bbox)

    def converter(self, crs: str) -> Callable[..., tuple[_Numbers, _Numbers]]:
        """Return a function from x and y in a CRS to columns and rows of ``box``.

        0 is the outer corner of the first pixel; not finite outside the domain of the CRSs. Points
        of one shape, whose numbers may be given too, stay together in grids of 0 to 360°.
        """
        to_grid = transformer(crs, str(self.box.crs))
        a, b, c, d, e, f = list(~self.box.affine)[:6]
        degrees, middle = in_degrees(str(self.box.crs)), sum(self.box.boundingbox.range_x) / 2

        def convert(x: Any, y: Any, shapes: _Positions | None = None) -> tuple[_Numbers, _Numbers]:
            east, north = (np.asarray(v, np.float64) for v in to_grid.transform(x, y))
            if degrees:
                near: Any = middle
                if shapes is not None:
                    _, first, number = np.unique(shapes, return_index=True, return_inverse=True)
                    near = turned(east[first], middle)[number]
                east = turned(east, near)
            with np.errstate(invalid="ignore"):
                return a * east + b * north + c, d * east + e * north + f

        return convert

    def filled(
        self, obj: _Placed, rows: _Positions | None = None, cols: _Positions | None = None
    ) -> _Placed:
        """Return values on rows and columns of ``box``, by default all; reads all but dask.

        Of repeated rows the first counts, as in ``drop_duplicates``. Gaps are NaN; in integers
        with a ``_FillValue`` in attrs that value, in booleans False; other integers become floats.
        """
        axes = {"y": (self.y, rows), "x": (self.x, cols)}
        chosen = {dim: np.arange(a.size) if n is None else n for dim, (a, n) in axes.items()}
        pixels = {dim: axes[dim][0].pixels()[each] for dim, each in chosen.items()}
        taken = obj.isel(pixels)
        check_memory(taken.nbytes, "The grid without gaps", "Take fewer rows and columns.")
        centers = {
            dim: taken[dim].copy(data=axes[dim][0].centers[each]) for dim, each in chosen.items()
        }
        present = np.logical_and.outer(pixels["y"] >= 0, pixels["x"] >= 0)
        taken = taken.assign_coords(centers)
        return _where(taken, xr.DataArray(present, dims=("y", "x")))

    def check_even(self, method: str) -> None:
        """Refuse rows or columns that are missing, repeated or out of order.

        Raises
        ------
        InvalidDataset
            The hint has a line of code that fills the gaps.
        """
        if not self.kept:
            return
        line = "ds"
        new = []
        for dim, positions in self.kept.items():
            steps = np.diff(positions)
            line += f'.drop_duplicates("{dim}")' if len(set(positions)) < positions.size else ""
            line += "" if (steps > 0).all() or (steps < 0).all() else f'.sortby("{dim}")'
            axis = getattr(self, dim)
            end = axis.centers[-1] + axis.step / 2
            new.append(f"{dim}=np.arange({axis.first:.12g}, {end:.12g}, {axis.step:.12g})")
        tolerance = min(abs(self.x.step), abs(self.y.step)) * _CLOSE
        line += f'.reindex({", ".join(new)}, method="nearest", tolerance={tolerance:.6g})'
        raise InvalidDataset(
            method=method,
            needs="evenly spaced pixels, and "
            f"{' and '.join('rows' if dim == 'y' else 'columns' for dim in self.kept)} are "
            "missing, repeated or out of order",
            hint=f"NaN fills the gaps: {line}",
        )


def pixel_grid(obj: xr.Dataset | xr.DataArray, method: str) -> PixelGrid | None:
    """Return the grid of an object along y and x; None if it has no such coordinates.

    Raises
    ------
    InvalidDataset
        Coordinates are NaN, or not whole pixels apart, or time steps are in several CRSs; the
        message names ``method``.
    """
    import odc.geo.xr  # noqa: F401  (registers .odc)
    from odc.geo.geobox import GeoBox

    # get() returns a range for a dimension without coordinates.
    y, x = (obj.coords[dim] if dim in obj.coords else None for dim in ("y", "x"))  # noqa: SIM401
    if y is None or x is None or not (_is_axis(y) and _is_axis(x)):
        return None
    pixel = obj.isel(y=[0], x=[0])  # odc-geo refuses uneven coordinates
    _check_one_crs(obj, method)
    opened = _opened_as(pixel.odc.crs_coord)
    rotated = opened is not None and bool(opened.b or opened.d)
    if opened is None or rotated:  # coordinates of a rotated grid count pixels
        down, across = (_Lattice(step=float(rotated) or _step_of(each)) for each in (y, x))
    else:
        down = _Lattice(step=opened.e, edge=opened.f)
        across = _Lattice(step=opened.a, edge=opened.c)
    rows, cols = _axis(y, down, method), _axis(x, across, method)
    rows, cols = _sized(rows, cols, down, across), _sized(cols, rows, across, down)
    if not (rows.step and cols.step):
        return None
    affine = Affine(cols.step, 0, across.edge_of(cols), 0, rows.step, down.edge_of(rows))
    affine = opened @ affine if opened is not None and rotated else affine
    return PixelGrid(box=GeoBox((rows.size, cols.size), affine, pixel.odc.crs), y=rows, x=cols)


def grid_of(obj: xr.Dataset | xr.DataArray, method: str) -> PixelGrid:
    """Return the grid of an object along y and x, with a CRS.

    Raises
    ------
    InvalidDataset
        It has none; the message names ``method``.
    """
    grid = pixel_grid(obj, method)
    if grid is None or grid.box.crs is None:
        needs = "a grid of y and x with a CRS, which this Dataset does not have"
        hint = "Set one with ds.rio.write_crs, or open the scene again."
        raise InvalidDataset(method=method, needs=needs, hint=hint)
    return grid


@dataclass(frozen=True, kw_only=True)
class _Lattice:
    """Pixels along y or x of the grid that was opened."""

    step: float
    """0 if unknown."""

    edge: float | None = None
    """Edge of any pixel; None if unknown."""

    def edge_of(self, axis: _Axis) -> float:
        """Return the outer edge of an axis; if it is one of these pixels', to the last bit."""
        edge = axis.first - axis.step / 2
        if self.edge is None or not self.step:
            return edge
        count = (edge - self.edge) / self.step
        whole = round(count)
        return self.edge + self.step * whole if abs(count - whole) < _EQUAL else edge

    def multiple(self, step: float) -> float:
        """Return a step; if it is a multiple of these pixels', to the last bit."""
        count = round(step / self.step) if self.step else 0
        return count * self.step if count and abs(step / self.step - count) < _EQUAL else step

    def holds(self, center: float) -> bool:
        """Return True if it is the center of a pixel."""
        if self.edge is None or not self.step:
            return bool(self.step)
        count = (center - self.edge) / self.step - 0.5
        return abs(count - round(count)) < _CLOSE


def _is_axis(coord: xr.DataArray) -> bool:
    # After a selection of points, and in stacked pixels, it is along another dimension.
    return coord.dims == (coord.name,) and coord.dtype.kind in "iuf" and coord.size > 0


def _check_one_crs(obj: xr.Dataset | xr.DataArray, method: str) -> None:
    """Refuse scenes of several CRSs that were joined: xarray keeps the attrs of the first."""
    # Of a file, spatial_ref is a variable.
    variables = obj.variables if isinstance(obj, xr.Dataset) else obj.coords
    for mapping in variables.values():
        if not mapping.ndim or "crs_wkt" not in mapping.attrs or mapping.dtype.kind not in "iu":
            continue
        codes = sorted({*mapping.values.ravel().tolist()} - {0})  # EPSG; 0 is any CRS
        if len(codes) > 1:
            named = ", ".join(f"EPSG:{code}" for code in codes)
            raise InvalidDataset(
                method=method,
                needs=f"pixels in one CRS, and these are in {named}",
                hint="Open the scenes with astra_xr.open_scenes, which puts them on one grid.",
            )


def _opened_as(mapping: xr.DataArray | None) -> Affine | None:
    """Return the transform in ``spatial_ref``, which remains that of the grid that was opened."""
    transform = "" if mapping is None else str(mapping.attrs.get("GeoTransform", ""))
    try:
        found = Affine.from_gdal(*map(float, transform.split()))
    except (ValueError, TypeError):
        return None
    return found if found.determinant else None


def _step_of(coord: xr.DataArray) -> float:
    """Return the pixel size in the attrs of a coordinate, as of odc-geo; else 0."""
    size = coord.attrs.get("resolution")
    return float(size) if isinstance(size, int | float | np.number) else 0.0


def _axis(coord: xr.DataArray, lattice: _Lattice, method: str) -> _Axis:
    """Return the evenly spaced axis of a coordinate; a single pixel's has step 0."""
    values = np.asarray(coord.values, np.float64)
    if not np.isfinite(values).all():
        needs = f"a coordinate for each pixel, and {coord.name} has NaN"
        hint = f'Drop these pixels: ds.sel({coord.name}=ds["{coord.name}"].dropna("{coord.name}")).'
        raise InvalidDataset(method=method, needs=needs, hint=hint)
    first, count = float(values[0]), values.size
    if count == 1:
        return _Axis(first=first, step=0.0, size=1)
    step = lattice.multiple(float(values[-1] - first) / (count - 1))
    # Rows 11, 5 and 0 are nearly even, measured by their step; but 5 is half a pixel off.
    close = _CLOSE * min(abs(step), abs(lattice.step) or math.inf)
    if step and np.abs(values - first - step * np.arange(count)).max() < close:
        return _Axis(first=first, step=step, size=count)
    apart = np.abs(np.diff(values))
    smallest = float(apart[apart > 0].min(initial=np.inf))
    usual = [lattice.step] if lattice.holds(first) else []
    for step in (*usual, math.copysign(smallest, lattice.step or values[-1] - first)):
        offsets = (values - first) / step
        whole = np.rint(offsets)
        if (np.abs(offsets - whole) < _CLOSE).all() and np.isfinite(step):
            positions = (whole - whole.min()).astype(np.intp)
            start = first + step * float(whole.min())
            return _Axis(first=start, step=step, size=int(positions.max()) + 1, positions=positions)
    needs = f"evenly spaced pixels, and {coord.name} is not evenly spaced"
    hint = f"Select an evenly spaced part, or interpolate: ds.interp({coord.name}=…)."
    raise InvalidDataset(method=method, needs=needs, hint=hint)


def _sized(axis: _Axis, other: _Axis, own: _Lattice, others: _Lattice) -> _Axis:
    """Return an axis; a single row or column with the step by that of the other axis."""
    if axis.step:
        return axis
    step = own.step
    if other.step:
        ratio = abs(own.step / others.step) if own.step and others.step else 1.0
        step = math.copysign(abs(other.step) * ratio, own.step or 1.0)
    return replace(axis, step=step)


def _where(obj: _Placed, present: xr.DataArray) -> _Placed:
    if isinstance(obj, xr.Dataset):
        maps = {n: each for n, each in obj.data_vars.items() if {"y", "x"} <= set(each.dims)}
        return obj.assign({name: _where(each, present) for name, each in maps.items()})
    if obj.dtype == bool:
        return obj & present
    fill = obj.attrs.get("_FillValue") if obj.dtype.kind in "iu" else None
    filled = obj.where(present) if fill is None else obj.where(present, np.asarray(fill, obj.dtype))
    return filled.transpose(*obj.dims).assign_attrs(obj.attrs)
