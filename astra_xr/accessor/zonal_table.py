"""The table of ``ds.astra.zonal``: statistics of pixels in polygons, by exactextract."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from astra_xr.accessor.band_names import as_tuple
from astra_xr.arguments import read_number
from astra_xr.errors import InvalidDataset, InvalidParameter

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

_FLAGS = {"flag_values", "flag_masks"}
"""Attrs of classes."""

_TOLERANCE = 1e-6
"""Of coverage, which is float32 in exactextract."""


def checked_stats(stats: object) -> tuple[str, ...]:
    """Return names of statistics as a tuple; refuse unknown and repeated ones, and none at all."""
    names = as_tuple(stats)
    known = [*_OPERATIONS, "fractions"]
    for name in names:
        if name not in known and not (isinstance(name, str) and _PERCENTILE.fullmatch(name)):
            expected = f"some of {', '.join(known)}; or a percentile such as 'q10'"
            raise InvalidParameter(name="stats", value=name, expected=expected)
    if not names or len(set(names)) < len(names):
        raise InvalidParameter(name="stats", value=stats, expected="one or more names, each once")
    return names


def checked_coverage(min_coverage: object) -> float:
    """Return a fraction of a polygon, 0 to 1; refuse anything else."""
    return read_number("min_coverage", min_coverage, "0 to 1", least=0, most=1)


def check_classes(maps: xr.Dataset, names: tuple[str, ...]) -> None:
    """Refuse statistics that do not apply to the classes, or the values, of a variable."""
    for variable, array in maps.data_vars.items():
        classes = bool(_FLAGS & set(array.attrs))
        if classes and not set(names) <= set(_OF_CLASSES):
            reason = f"the numbers of {variable} are classes"
            expected = (
                f"{', '.join(_OF_CLASSES)}, or no {variable}: "
                f"ds.drop_vars({variable!r}).astra.zonal(…)"
            )
        elif not classes and "fractions" in names:
            reason = f"the numbers of {variable} are not classes"
            expected = "other statistics than fractions"
        else:
            continue
        raise InvalidParameter(name="stats", value=names, expected=expected, reason=reason)


class ZonalTable:
    """Statistics of each variable along (…, geometry, stat), filled window by window.

    Parameters
    ----------
    maps : xarray.Dataset
        Variables of (…, y, x).
    names : tuple of str
        Statistics.
    shapes : ndarray of shapely geometries
        In columns and negative rows of the Dataset's grid, where a pixel has an area of 1.
    """

    def __init__(self, maps: xr.Dataset, names: tuple[str, ...], shapes: npt.NDArray[Any]) -> None:
        self._maps = maps
        self._shapes = shapes
        self._names = [name for name in names if name != "fractions"]
        # The count always, last: it shows how much of a polygon has data.
        self._stats = [*self._names, "count"]
        self._sizes = {n: (*v.shape[:-2], len(shapes)) for n, v in maps.data_vars.items()}
        shown = {n: (*size, len(self._stats)) for n, size in self._sizes.items()}
        self._values = {name: np.full(size, np.nan) for name, size in shown.items()}
        for values in self._values.values():
            values[..., [stat == "count" for stat in self._stats]] = 0
        self._has_fractions = "fractions" in names
        self._fractions: dict[Any, dict[float, npt.NDArray[np.float64]]] = {n: {} for n in maps}

    def add(self, members: list[int], window: dict[str, slice], pixels: xr.Dataset) -> None:
        """Add some polygons, whose pixels in a window of the maps are in memory."""
        from exactextract import exact_extract

        stats = [*self._stats, *(("unique", "frac") if self._has_fractions else ())]
        rasters = list(_rasters(window, pixels))
        operations = [
            _operation(stat, number, raster)
            for number, (_, _, raster) in enumerate(rasters)
            for stat in stats
        ]
        shapes = map(shapely.geometry.mapping, self._shapes[members])
        features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
        answers = exact_extract([raster for _, _, raster in rasters], features, operations)
        for member, answer in zip(members, answers, strict=True):
            found = answer["properties"]
            for number, (name, lead, _) in enumerate(rasters):
                place = (*lead, member)
                self._values[name][place] = [found[_result(s, number)] for s in self._stats]
                if self._has_fractions:
                    by_class = self._fractions[name]
                    pairs = zip(found[f"{number} unique"], found[f"{number} frac"], strict=True)
                    for value, fraction in pairs:
                        if value not in by_class:
                            by_class[value] = np.zeros(self._sizes[name])
                        by_class[value][place] = fraction

    def variables(self, min_coverage: float) -> dict[Any, xr.DataArray]:
        """Return them with ``valid``; NaN if less of a polygon than ``min_coverage`` has data."""
        areas = xr.DataArray(
            np.maximum(np.nan_to_num(shapely.area(self._shapes)), 1e-300), dims="geometry"
        )
        found, valid = {}, []
        for name, variable in self._maps.data_vars.items():
            dims = (*variable.dims[:-2], "geometry")
            values = xr.DataArray(self._values[name], dims=(*dims, "stat"))
            count = values[..., -1]
            covered = count / areas
            keep = (covered >= min_coverage - _TOLERANCE) & (count > 0)
            valid.append(covered)
            if self._names:
                table = values[..., :-1].assign_coords(stat=self._names)
                table = table.where(keep | (table.stat == "count"))
                found[name] = table.assign_attrs(_kept(variable.attrs))
            if self._has_fractions:
                fractions = self._fractions_of(name, dims).where(keep)
                found[f"{name}_fractions"] = fractions.assign_attrs(units="1")
        least = functools.reduce(xr.ufuncs.minimum, valid)
        attrs = {"long_name": "part of the polygon that has data", "units": "1"}
        return {**found, "valid": least.clip(max=1).assign_attrs(attrs)}

    def _fractions_of(self, name: Any, dims: tuple[Any, ...]) -> xr.DataArray:
        by_class = dict(sorted(self._fractions[name].items()))
        values = np.empty((*self._sizes[name], len(by_class)))
        for number, each in enumerate(by_class.values()):
            values[..., number] = each
        classes = np.array(list(by_class), np.int64)
        return xr.DataArray(values, {"class": classes}, dims=(*dims, "class"))


def _rasters(
    window: dict[str, slice], pixels: xr.Dataset
) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Yield each map in a window: its variable, its place along leading dimensions, pixels."""
    from exactextract.raster import NumPyRasterSource

    top, left = window["y"].start, window["x"].start
    first = window.get("time", slice(0, None)).start
    for name, variable in pixels.data_vars.items():
        values = variable.to_numpy()
        values = values.astype(np.uint8) if values.dtype == bool else values
        fill = variable.attrs.get("_FillValue")  # also of integers that became floats
        _check_whole(name, values, variable.attrs)
        rows, cols = values.shape[-2:]
        box = (left, -top - rows, left + cols, -top)
        for lead in np.ndindex(values.shape[:-2]):
            step = first if variable.dims[0] == "time" else 0
            place = (lead[0] + step, *lead[1:]) if lead else ()
            # exactextract treats two rasters without names as one.
            unique = f"{name} {lead}"
            raster = NumPyRasterSource(values[lead], *box, nodata=fill, name=unique)
            yield name, place, raster


def _check_whole(name: Any, values: npt.NDArray[Any], attrs: Mapping[Any, Any]) -> None:
    """Refuse classes that were averaged, which makes other classes."""
    if values.dtype.kind == "f" and _FLAGS & set(attrs):
        odd = values[np.isfinite(values) & (values % 1 != 0)]
        if odd.size:
            raise InvalidDataset(
                method="zonal()",
                needs=f"whole numbers, and {name} has {odd[0]:g}: its classes were averaged or "
                "interpolated",
                hint="Take the nearest pixels of it.",
            )


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
    """Return the name of an operation's result in exactextract."""
    q = _quantile(stat)
    return f"{number} {stat}" if q is None else f"{number} {stat}_{int(q * 100)}"


def _kept(attrs: dict[Any, Any]) -> dict[Any, Any]:
    """Return the attrs of a variable that also hold for its statistics."""
    names = ["long_name", "standard_name"]
    names += [] if "scale_factor" in attrs else ["units"]  # which stored numbers do not have
    return {name: attrs[name] for name in names if name in attrs}
