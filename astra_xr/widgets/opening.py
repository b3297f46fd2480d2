"""The Python that opens the Dataset of a picker again, from the record in its bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.provenance import check_provenance
from astra_xr.arrays.lazy import scenes_of
from astra_xr.errors import InvalidDataset
from astra_xr.scenes.call_record import KEY, Record, labels_of, native_of, record_of
from astra_xr.widgets.code import literal

_WIDE = 99
"""Characters of a line, at most."""

_CLOSE = 1e-3
"""Part of a pixel that a coordinate may be off."""

_WHOLE = ".astra.to_dataset()"
"""What follows the name of a DataTree."""

_PLAIN = {"y", "x", "time", "band"}


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The Python that opens a Dataset, or why there is none."""

    code: str | None = None
    """Lines that import what they need, and end with the Dataset under its name."""

    reason: str | None = None
    """Sentences for users; None where there is code."""

    def beside(self, other: Opening) -> Opening:
        """Return the Python that opens this Dataset, A, and another one, B."""
        if self.code is None or other.code is None:
            reasons = {"A": self.reason, "B": other.reason}
            return Opening(reason=" ".join(f"{n}: {why}" for n, why in reasons.items() if why))
        parts = [each.partition("\n\n") for each in (self.code, other.code)]
        imports = dict.fromkeys(line for each in parts for line in each[0].splitlines())
        return Opening(code="\n".join([*imports, "", *(each[2] for each in parts)]))


class _Unopened(Exception):
    """No code opens a Dataset, for the reason in the message."""


def opening_of(ds: xr.Dataset, name: str, *, array: bool = False) -> Opening:
    """Return the Python that opens a Dataset as it is now.

    There is none if it was not opened by its id, or was changed since in a way that its
    coordinates do not show.

    Parameters
    ----------
    ds : xarray.Dataset
        As ``pick()`` was called on it; for an array, a Dataset with it as the only variable.
    name : str
        The Python name of the Dataset, or of the array, in the code.
    array : bool
        True if ``name`` is that of an array.
    """
    try:
        return Opening(code=_code(ds, name, array=array))
    except _Unopened as error:
        return Opening(reason=str(error))


def _code(ds: xr.Dataset, name: str, *, array: bool) -> str:
    whole = name.endswith(_WHOLE)
    name = name.removesuffix(_WHOLE)
    if not name.isidentifier():
        raise _Unopened(f"code_name={name!r} is not a plain name, which a script needs.")
    record = _record(ds)
    lines = _call(name, record, _comments(ds, record))
    node = f"[{literal(record.node)}].to_dataset()" if record.node else ""
    if record.nodes and not record.node and not whole:
        node = _WHOLE
    names = [str(each) for each in ds.data_vars]
    if array:
        part = f"[{literal(names[0])}]"
    else:
        part = "" if set(names) == set(record.bands) else f"[{literal(names)}]"
    cut = _selection(ds, record)
    if whole and (node or part or cut):
        raise _changed("its nodes were selected from")
    if node or part or cut:
        lines.append(f"{name} = {name}{node}{part}{cut}")
    return "\n".join(lines)


def _record(ds: xr.Dataset) -> Record:
    """Return the record of all bands.

    Raises
    ------
    _Unopened
        There is none, there are several, or it contradicts the bands.
    """
    records = {str(name): record_of(ds.variables[name]) for name in ds.data_vars}
    unknown = [name for name, record in records.items() if record is None]
    if unknown:
        listed = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        opened = any("scene_id" in each.attrs for each in (ds, *ds.values()))
        if opened or len(unknown) < len(records):
            raise _changed(f"{listed}: computed, or read from a file")
        raise _Unopened("The Dataset was not opened by astra_xr: copy the code instead.")
    first, *others = [record for record in records.values() if record]
    if any(other != first for other in others):
        raise _changed("bands were joined that were opened by several calls")
    if first.reason:
        raise _Unopened(f"The Dataset was opened {first.reason}: copy the code instead.")
    _check_bands(ds, first)
    try:
        check_provenance(ds, "script")
    except InvalidDataset as error:
        reason = error.needs
    else:
        return first
    raise _changed(f"a script needs {reason}")


def _check_bands(ds: xr.Dataset, record: Record) -> None:
    """Refuse bands that differ from the record.

    Raises
    ------
    _Unopened
        One has another name, type or dimension.
    """
    for name, band in ds.data_vars.items():
        if record.bands.get(str(name)) != native_of(ds, name):
            raise _changed(f"{name} was renamed")
        if str(band.dtype) != record.dtypes[str(name)]:
            raise _changed(f"{name} was {record.dtypes[str(name)]}")
        strange = {str(dim) for dim in band.dims} - _PLAIN
        if strange:
            raise _changed(f"{name} has the dimension {min(strange)}")


def _changed(how: str) -> _Unopened:
    return _Unopened(f"The Dataset was changed since it was opened ({how}): copy the code instead.")


def _comments(ds: xr.Dataset, record: Record) -> list[str]:
    found = [f"# {record.note}"] if record.note else []
    bands = [each for each in ds.variables.values() if KEY in each.encoding]
    if all(each.chunks is None and scenes_of(each) for each in bands):  # read from their files
        return found
    return [*found, "# Opened like this; values in memory may have been changed since."]


def _call(name: str, record: Record, comments: Sequence[str]) -> list[str]:
    """Return imports and the call, as lines."""
    arguments = dict(record.arguments)
    imports = ["import astra_xr"]
    if "geobox" in arguments:
        imports += ["from affine import Affine", "from odc.geo.geobox import GeoBox"]
    start = f"{name} = astra_xr.{record.function}("
    parts = [_argument(key, value) for key, value in arguments.items()]
    call = f"{start}{', '.join(parts)})"
    if len(call) > _WIDE:
        call = "\n".join([start, *(f"    {part}," for part in parts), ")"])
    return [*imports, "", *comments, call]


def _argument(key: str, value: Any) -> str:
    """Return an argument as Python: scenes and bands by position, others by keyword."""
    if key == "scenes" and len(literal(value)) > _WIDE:
        return "\n".join(["[", *(f"        {literal(each)}," for each in value), "    ]"])
    if key in ("scene_id", "scenes", "bands"):
        return literal(value)
    if key in ("bbox", "x", "y"):
        return f"{key}=({', '.join(map(literal, value))})"
    if key != "geobox":
        return f"{key}={literal(value)}"
    shape, transform = tuple(value["shape"]), ", ".join(map(repr, value["transform"]))
    return f"geobox=GeoBox({shape}, Affine({transform}), {literal(value['crs'])})"


def _selection(ds: xr.Dataset, record: Record) -> str:
    """Return the ``.isel`` for the part of the opened Dataset that is left; empty for all."""
    found: dict[str, str] = {}
    for dim, known in record.labels.items():
        labels = labels_of(ds).get(dim)
        if dim == "time" and not record.stacked:
            if labels != list(known):
                raise _changed("its id is that of another scene")
        elif labels is None or not set(labels) <= set(known):
            raise _changed(f"{dim} has steps that it had not")
        else:
            numbers = np.array([known.index(label) for label in labels])
            found[dim] = _index(numbers, len(known), dim, scalar=dim not in ds.dims)
    for dim, span in record.spans.items():
        found[dim] = _index(_positions(ds, dim, span), int(span[2]), dim)
    listed = ", ".join(f"{dim}={index}" for dim, index in found.items() if index)
    added = '.expand_dims("time")' if "time" in ds.dims and not record.stacked else ""
    return added + (f".isel({listed})" if listed else "")


def _positions(ds: xr.Dataset, dim: str, span: Sequence[float]) -> npt.NDArray[np.intp]:
    """Return which rows or columns of an opened Dataset are left, in their order."""
    first, last, size = span
    if dim not in ds.coords or ds[dim].dims != (dim,):
        raise _changed(f"{dim} has no coordinate")
    step = (last - first) / (size - 1) if size > 1 else 1.0
    exact = (ds[dim].values - first) / step
    numbers = np.round(exact)
    if not len(numbers) or not (np.abs(exact - numbers) < _CLOSE).all():
        raise _changed(f"its pixels along {dim} are elsewhere")
    if numbers.min() < 0 or numbers.max() >= size:
        raise _changed(f"it has pixels along {dim} that were not opened")
    return numbers.astype(np.intp)


def _index(numbers: npt.NDArray[np.intp], size: int, dim: str, *, scalar: bool = False) -> str:
    """Return positions as an argument of ``isel``; empty for all of them in their order."""
    if scalar:
        return str(numbers[0])
    steps = np.diff(numbers)
    step = int(steps[0]) if len(steps) else 1
    if not step or (steps != step).any():
        if dim in ("y", "x"):
            raise _changed(f"parts along {dim} are left out or repeated")
        return literal(numbers.tolist())
    start, stop = int(numbers[0]), int(numbers[-1]) + (1 if step > 0 else -1)
    if step > 0:
        whole = (start, stop, step) == (0, size, 1)
        return "" if whole else f"slice({start}, {stop}{'' if step == 1 else f', {step}'})"
    return f"slice({None if start == size - 1 else start}, {None if stop < 0 else stop}, {step})"
