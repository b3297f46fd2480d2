"""The files that a Dataset is written to, and their bands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import xarray as xr

from astra_xr.errors import InvalidDataset, InvalidParameter

By: TypeAlias = Literal["time", "band"]

_GRID_MAPPING = {"crs_wkt", "spatial_ref", "grid_mapping_name"}
"""Attrs of a variable that only has the CRS, as in a reopened netCDF."""


@dataclass(frozen=True, kw_only=True)
class RasterFile:
    """A file to be written."""

    path: Path
    bands: dict[str, xr.DataArray]
    """Each (y, x), by its name in the file."""

    tags: dict[str, str]


def raster_files(ds: xr.Dataset, path: Path, by: By | None, *, single: bool) -> list[RasterFile]:
    """Return the files of a Dataset: ``path``, or one per time step or variable.

    The names of several end in the date or variable: ``ndvi_2025-06-01.tif``. All of a ``single``
    array goes into one file if ``by`` is None.
    """
    known = ["time"] if single else ["time", "band"]
    if not (by is None or (isinstance(by, str) and by in known)):
        one = "; the bands of an array go into one file"
        several = ", or 'band' for one file per variable"
        expected = f"'time' for one file per time step{one if single else several}"
        raise InvalidParameter(name="by", value=by, expected=expected)
    maps = _maps(ds)
    if by is None:
        return [RasterFile(path=path, bands=_bands(maps, whole=single), tags=_tags(maps))]
    if by == "band":
        labels = [str(name) for name in maps.data_vars]
        parts = [maps[[name]] for name in maps.data_vars]
    else:
        if not maps.sizes.get("time"):
            expected = "'time' for an array with time steps; one date is written without by="
            raise InvalidParameter(name="by", value=by, expected=expected)
        labels = _labels(maps, "time")
        parts = [maps.isel(time=step) for step in range(maps.sizes["time"])]
    labels = _distinct([re.sub(r"[^\w.+-]+", "_", label) for label in labels])
    return [
        RasterFile(
            path=path.with_name(f"{path.stem}_{label}{path.suffix}"),
            bands=_bands(part, whole=by == "band"),
            tags=_tags(part),
        )
        for label, part in zip(labels, parts, strict=True)
    ]


def _maps(ds: xr.Dataset) -> xr.Dataset:
    """Return the variables as (…, y, x), without that of the CRS; refuse others."""
    names = [name for name, v in ds.data_vars.items() if v.ndim or not _GRID_MAPPING & set(v.attrs)]
    other = [name for name in names if not {"y", "x"} <= set(ds[name].dims)]
    if other and len(other) < len(names):
        needs = f"variables along y and x; {', '.join(map(repr, other))} cannot be written"
        hint = f"ds.drop_vars({other!r}) leaves them out."
        raise InvalidDataset(method="to_cog()", needs=needs, hint=hint)
    if other or not names:
        needs = "bands on a grid with a CRS"
        hint = "Select variables along y and x, and set the CRS with .rio.write_crs."
        raise InvalidDataset(method="to_cog()", needs=needs, hint=hint)
    odd = [name for name in names if ds[name].dtype.kind not in "biufc"]
    if odd:
        needs = f"numbers; {odd[0]!r} has the dtype {ds[odd[0]].dtype}"
        raise InvalidDataset(method="to_cog()", needs=needs, hint="Leave it out or convert it.")
    return ds[names].transpose(..., "y", "x")


def _bands(maps: xr.Dataset, *, whole: bool = False) -> dict[str, xr.DataArray]:
    """Return the bands of one file by name; ``whole``: time steps become bands too."""
    found = []
    for name, variable in maps.data_vars.items():
        lead = [str(dim) for dim in variable.dims[:-2]]
        if "time" in lead and not whole:
            needs = f"one time step per file; {name!r} has the dimensions {variable.dims}"
            hint = (
                "by='time' writes one file per time step, by='band' one file per variable, "
                "with one band per time step; .isel(time=0) selects one step."
            )
            raise InvalidDataset(method="to_cog()", needs=needs, hint=hint)
        if len(lead) > 1:
            needs = f"one dimension besides y and x; {name!r} has {variable.dims}"
            hint = "Select a position along the others, e.g. .isel(band=0)."
            raise InvalidDataset(method="to_cog()", needs=needs, hint=hint)
        if not lead:
            found.append((str(name), variable))
            continue
        for number, label in enumerate(_labels(variable, lead[0])):
            own = label if len(maps.data_vars) == 1 else f"{name}.{label}"
            found.append((own, variable.isel({lead[0]: number})))
    if not found:
        needs = "at least one step along each dimension"
        raise InvalidDataset(method="to_cog()", needs=needs, hint="Choose others.")
    names = _distinct([name for name, _ in found])
    return dict(zip(names, (band for _, band in found), strict=True))


def _labels(obj: xr.Dataset | xr.DataArray, dim: str) -> list[str]:
    """Return a distinct name per step of a dimension, by its coordinate: dates, else its values."""
    if dim not in obj.coords:
        return [str(number) for number in range(1, obj.sizes[dim] + 1)]
    values = obj[dim].values
    if values.dtype.kind != "M":
        return _distinct([str(value) for value in values])
    days = np.datetime_as_string(values, "D").tolist()
    if len(set(days)) == len(days):
        return list(days)
    seconds = np.datetime_as_string(values, "s").tolist()
    return _distinct([each.replace(":", "") for each in seconds])


def _distinct(names: Sequence[str]) -> list[str]:
    """Return distinct file names: the second of two that differ only in case ends in ``_2``."""
    found: list[str] = []
    there: set[str] = set()
    for name in names:
        label, count = name, 1
        while label.casefold() in there:
            count += 1
            label = f"{name}_{count}"
        there.add(label.casefold())
        found.append(label)
    return found


def _tags(part: xr.Dataset) -> dict[str, str]:
    """Return the attrs as text, with the time and id if there is one."""
    (own,) = [each.attrs for each in part.values()] if len(part) == 1 else [{}]
    tags: dict[str, Any] = {str(name): value for name, value in (part.attrs or own).items()}
    for name in ("time", "id"):
        if name in part.coords and not part[name].ndim:
            tags[name] = part[name].values
    return {name: str(value) for name, value in tags.items()}
