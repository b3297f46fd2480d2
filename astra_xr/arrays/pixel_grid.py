"""Where the pixels of a Dataset lie by its coordinates, also after rows or columns were dropped."""

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
from astra_xr.reading.memory import check_memory

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

_CLOSE = 0.1
"""Part of a pixel that a coordinate may be off; where a row was dropped it is half at least."""

_EQUAL = 1e-6
"""Part of a pixel below which two places are the same."""

_Placed = TypeVar("_Placed", xr.Dataset, xr.DataArray)

_Positions = npt.NDArray[np.intp]
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Evenly spaced places along y or x, and which of them are there."""

    first: float
    """The smallest position's coordinate, at the center of the pixel."""

    step: float
    size: int
    positions: _Positions | None = None
    """Of each pixel; None: all are there, in their order."""

    @property
    def places(self) -> npt.NDArray[np.floating[Any]]:
        return self.first + self.step * np.arange(self.size)

    def found(self) -> _Positions:
        """Return which pixel is at each place, the first of several, -1 where none is."""
        if self.positions is None:
            return np.arange(self.size)
        found = np.full(self.size, -1)
        places, first = np.unique(self.positions, return_index=True)
        found[places] = first
        return found


@dataclass(frozen=True, kw_only=True)
class PixelGrid:
    """The evenly spaced grid on which pixels lie, and which of its rows and columns are there."""

    box: GeoBox
    """Of the pixels, and of those between them that were dropped; its CRS may be None."""

    y: _Axis
    x: _Axis

    @property
    def kept(self) -> dict[str, _Positions]:
        """What ``isel`` takes of an array on ``box`` to have the pixels that are there."""
        axes = {"y": self.y.positions, "x": self.x.positions}
        return {dim: each for dim, each in axes.items() if each is not None}

    @property
    def edges(self) -> str:
        """West, south, east and north in degrees, for messages."""
        return ", ".join(f"{v:.4f}" for v in self.box.geographic_extent.boundingbox.bbox)

    def converter(self, crs: str) -> Callable[[Any, Any], tuple[_Numbers, _Numbers]]:
        """Return a function of x and y in a CRS that returns columns and rows of ``box``.

        They are counted from the outer corner of the first pixel; not finite where the CRSs do
        not reach.
        """
        from pyproj import Transformer

        to_grid = Transformer.from_crs(crs, str(self.box.crs), always_xy=True)
        a, b, c, d, e, f = list(~self.box.affine)[:6]

        def convert(x: Any, y: Any) -> tuple[_Numbers, _Numbers]:
            east, north = (np.asarray(v, np.float64) for v in to_grid.transform(x, y))
            with np.errstate(invalid="ignore"):
                return a * east + b * north + c, d * east + e * north + f

        return convert

    def filled(
        self, obj: _Placed, rows: _Positions | None = None, cols: _Positions | None = None
    ) -> _Placed:
        """Return values on rows and columns of ``box``, all of them when left out.

        Reads what is not of dask. Of rows that are there twice the first counts, as in
        ``drop_duplicates``. What was dropped is NaN; in integers with a ``_FillValue``
        among the attrs that number, in booleans False; other integers become floats.
        """
        axes = {"y": (self.y, rows), "x": (self.x, cols)}
        chosen = {dim: np.arange(a.size) if n is None else n for dim, (a, n) in axes.items()}
        found = {dim: axes[dim][0].found()[each] for dim, each in chosen.items()}
        taken = obj.isel(found)
        check_memory(taken.nbytes, "The grid without gaps", "Take fewer rows and columns.")
        places = {
            dim: taken[dim].copy(data=axes[dim][0].places[each]) for dim, each in chosen.items()
        }
        there = np.logical_and.outer(found["y"] >= 0, found["x"] >= 0)
        taken = taken.assign_coords(places)
        return _where(taken, xr.DataArray(there, dims=("y", "x")))

    def check_even(self, method: str) -> None:
        """Refuse pixels that are not evenly spaced.

        Raises
        ------
        InvalidDataset
            The hint has the line that fills the gaps.
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
            end = axis.places[-1] + axis.step / 2
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
    """Return the grid of an object along y and x; None where no coordinates give it.

    Raises
    ------
    InvalidDataset
        Coordinates are NaN, or not whole pixels apart; ``method`` is named.
    """
    import odc.geo.xr  # noqa: F401  (registers .odc)
    from odc.geo.geobox import GeoBox

    # get() would give a range for a dimension without coordinates.
    y, x = (obj.coords[dim] if dim in obj.coords else None for dim in ("y", "x"))  # noqa: SIM401
    if y is None or x is None or not (_is_axis(y) and _is_axis(x)):
        return None
    pixel = obj.isel(y=[0], x=[0])  # which odc-geo can read, whatever became of the others
    opened = _opened_as(pixel.odc.crs_coord)
    rotated = opened is not None and bool(opened.b or opened.d)
    if opened is None or rotated:  # of a rotated grid the coordinates count pixels
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
    """Return the grid of an object along y and x, which has a CRS.

    Raises
    ------
    InvalidDataset
        There is none; ``method`` is named.
    """
    grid = pixel_grid(obj, method)
    if grid is None or grid.box.crs is None:
        needs = "a grid of y and x with a CRS, which this Dataset does not have"
        hint = "Set one with ds.rio.write_crs, or open the scene again."
        raise InvalidDataset(method=method, needs=needs, hint=hint)
    return grid


@dataclass(frozen=True, kw_only=True)
class _Lattice:
    """The pixels along y or x as they were opened."""

    step: float
    """0 where nothing gives it."""

    edge: float | None = None
    """Where one of them begins; None where nothing gives it."""

    def edge_of(self, axis: _Axis) -> float:
        """Return where the first pixel of an axis begins; to the last bit where one does here."""
        edge = axis.first - axis.step / 2
        if self.edge is None or not self.step:
            return edge
        count = (edge - self.edge) / self.step
        whole = round(count)
        return self.edge + self.step * whole if abs(count - whole) < _EQUAL else edge

    def multiple(self, step: float) -> float:
        """Return a step as a multiple of the pixels here, to the last bit where it is one."""
        count = round(step / self.step) if self.step else 0
        return count * self.step if count and abs(step / self.step - count) < _EQUAL else step

    def holds(self, center: float) -> bool:
        """Return True where a pixel here has its center."""
        if self.edge is None or not self.step:
            return bool(self.step)
        count = (center - self.edge) / self.step - 0.5
        return abs(count - round(count)) < _CLOSE


def _is_axis(coord: xr.DataArray) -> bool:
    return coord.ndim == 1 and coord.dtype.kind in "iuf" and coord.size > 0


def _opened_as(mapping: xr.DataArray | None) -> Affine | None:
    """Return the transform that ``spatial_ref`` has, which stays that of the whole."""
    transform = "" if mapping is None else str(mapping.attrs.get("GeoTransform", ""))
    try:
        found = Affine.from_gdal(*map(float, transform.split()))
    except (ValueError, TypeError):
        return None
    return found if found.determinant else None


def _step_of(coord: xr.DataArray) -> float:
    """Return the pixel size that odc-geo notes at a coordinate."""
    size = coord.attrs.get("resolution")
    return float(size) if isinstance(size, int | float | np.number) else 0.0


def _axis(coord: xr.DataArray, lattice: _Lattice, method: str) -> _Axis:
    """Return the evenly spaced places of a coordinate; of a single one with no step yet."""
    values = np.asarray(coord.values, np.float64)
    if not np.isfinite(values).all():
        needs = f"a coordinate for each pixel, and {coord.name} has NaN"
        hint = f'Drop these pixels: ds.sel({coord.name}=ds["{coord.name}"].dropna("{coord.name}")).'
        raise InvalidDataset(method=method, needs=needs, hint=hint)
    first, count = float(values[0]), values.size
    if count == 1:
        return _Axis(first=first, step=0.0, size=1)
    step = lattice.multiple(float(values[-1] - first) / (count - 1))
    # Of rows 11, 5 and 0 the middle one is half a pixel off: near to even, measured by their step.
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
    """Return a single row or column with the size that its pixel has along the other axis."""
    if axis.step:
        return axis
    step = own.step
    if other.step:
        ratio = abs(own.step / others.step) if own.step and others.step else 1.0
        step = math.copysign(abs(other.step) * ratio, own.step or 1.0)
    return replace(axis, step=step)


def _where(obj: _Placed, there: xr.DataArray) -> _Placed:
    if isinstance(obj, xr.Dataset):
        maps = {n: each for n, each in obj.data_vars.items() if {"y", "x"} <= set(each.dims)}
        return obj.assign({name: _where(each, there) for name, each in maps.items()})
    if obj.dtype == bool:
        return obj & there
    fill = obj.attrs.get("_FillValue") if obj.dtype.kind in "iu" else None
    found = obj.where(there) if fill is None else obj.where(there, np.asarray(fill, obj.dtype))
    return found.transpose(*obj.dims).assign_attrs(obj.attrs)
