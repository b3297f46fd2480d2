"""Radiometry: how a band's stored numbers become reflectance, kelvin or other values. Pure."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast, get_args

import numpy as np

from astra_xr.errors import InvalidItem, InvalidParameter
from astra_xr.missions import Factors, Item, Mission
from astra_xr.missions.raster_fields import raster_fields
from astra_xr.model import (
    AS_STORED,
    AS_STORED_ROLES,
    DIGITAL_NUMBERS,
    PROBABILITY_ROLE,
    Band,
    Radiometry,
)
from astra_xr.warned import first_time

_COMPLEX = {"cint16": "complex64", "cfloat32": "complex64", "cfloat64": "complex128"}
"""The raster extension's name of a type → NumPy's."""

_TYPES = {np.dtype(code).name for code in np.typecodes["AllInteger"] + np.typecodes["AllFloat"]}

_NO_FACTORS = "the item has no scale or offset; the file's own tags apply, if it has any"

_log = logging.getLogger(__name__)


def decide_radiometry(
    band: Band,
    item: Item,
    asset: Mapping[str, Any],
    *,
    index: int = 1,
    mission: Mission | None,
    offset_applied: str | None,
    factors: Factors | None = None,
    corrected: bool = True,
) -> Radiometry | None:
    """Return scale, offset, nodata and unit of one band of one item.

    They are those of the mission's table and processing. Those of the item are used only for
    unknown missions, since catalogs contradict the data (see the reasons).

    Parameters
    ----------
    band : Band
        The band, from the mission's table if it has it.
    item, asset : dict
        The STAC item and the asset in it that holds the band.
    index : int
        Number of the plane in the file, from 1.
    mission : Mission or None
        None if unknown.
    offset_applied : str or None
        Why the catalog's pixels already include the mission's offset; None if they do not.
    factors : Factors, optional
        Factors from a file beside the scene, if the mission's table has no unit for the band.
        They take precedence over the item, which may have them for some bands only.
    corrected : bool
        False if stored numbers are requested, for which the mission's offset does not matter.

    Returns
    -------
    Radiometry or None
        None if neither table nor item has it: the file's own tags decide then.

    Raises
    ------
    InvalidItem
        The item contradicts itself.
    """
    declared = _of_all_bands(item, band) | raster_fields(asset, index)
    dtype = _type_of(declared, band)
    band = _converted(band, dtype)
    by_item = "nodata" in declared and band.role != PROBABILITY_ROLE
    nodata = _nodata(item, declared["nodata"]) if by_item else band.nodata
    described = not {"scale", "offset", "nodata"}.isdisjoint(declared)
    if not dtype and (band.role in AS_STORED_ROLES or not described):
        return None
    read = Radiometry(dtype=dtype, nodata=nodata, scale=band.scale, offset=band.offset)
    kept = as_they_are(band, read)
    if kept is not None:
        return kept
    if mission is not None and band.unit is not None:
        wanted = corrected and band.role == "reflectance"
        extra, reason = 0.0, f"fixed for {mission.title}"
        if wanted:
            extra, reason = _correction(item, mission, offset_applied)
        fixed = _with(read, read.scale, read.offset + extra, band.unit, reason)
        if wanted and not offset_applied:
            _compare(item, declared, fixed.scale, fixed.offset, reason)
        return replace(fixed, inferred=extra != 0)
    if factors is not None and band.role != "data":
        return _with(read, factors.scale, factors.offset, factors.unit, factors.reason)
    if not {"scale", "offset"}.isdisjoint(declared):
        _check_forms(item, asset, index, corrected)
        scale = _factor(item, "scale", declared.get("scale", 1.0))
        offset = _factor(item, "offset", declared.get("offset", 0.0))
        return _with(read, scale, offset, declared.get("unit"), "from the item")
    return _by_tags(read, band, declared, mission)


def _by_tags(
    read: Radiometry, band: Band, declared: Mapping[str, Any], mission: Mission | None
) -> Radiometry | None:
    """Return a radiometry with the factors of the file's own tags, if it has any."""
    if not declared and band.dtype is None:
        return None
    unit, reason = band.unit or declared.get("unit"), _without_factors(read.dtype)
    if mission is not None and band.role in ("reflectance", "thermal"):
        reason = f"{DIGITAL_NUMBERS}, since neither the item nor a file beside it has factors"
        unit = band.unit
    return replace(read, unit=unit, reason=reason, file_tags="applied")


def _with(
    read: Radiometry, scale: float, offset: float, unit: str | None, reason: str
) -> Radiometry:
    """Return a radiometry with factors that take precedence over the file's tags."""
    reason = f"offset {offset:g}: {reason}"
    return replace(read, scale=scale, offset=offset, unit=unit, reason=reason, file_tags="compared")


def _type_of(declared: Mapping[str, Any], band: Band) -> str:
    """Return the NumPy dtype of the stored numbers; empty if neither item nor table has it."""
    given = declared.get("data_type") or band.dtype
    name = _COMPLEX.get(str(given), given)
    return name if isinstance(name, str) and name in _TYPES else ""


def _without_factors(dtype: str) -> str:
    whole = dtype.startswith(("int", "uint"))
    return f"{DIGITAL_NUMBERS}: {_NO_FACTORS}" if whole else _NO_FACTORS


def as_they_are(band: Band, read: Radiometry) -> Radiometry | None:
    """Return the radiometry of classes, flags and images, whose stored numbers are the values.

    ``read`` has the type and nodata of item or file. None for other bands, and for those that
    hold no integers: scale and offset apply to them.
    """
    if band.role not in AS_STORED_ROLES or np.dtype(read.dtype).kind not in "iub":
        return None
    reason = f"{band.role} numbers, never scaled"
    return Radiometry(dtype=read.dtype, nodata=read.nodata, reason=reason, as_is=True)


def is_declared(asset: Mapping[str, Any]) -> bool:
    """Return True if an item has a scale or an offset for the first plane of an asset's file."""
    return not {"scale", "offset"}.isdisjoint(raster_fields(asset, 1))


RadiometryMode = Literal["auto", "file", "raw"]
"""Which scale and offset apply: the correct ones, those of the file's tags, or none."""


def read_mode(value: object) -> RadiometryMode:
    """Return a mode, ``"auto"`` for None; raise InvalidParameter if it is none."""
    if value is None:
        return "auto"
    if isinstance(value, str) and value in get_args(RadiometryMode):
        return cast("RadiometryMode", value)
    expected = "'auto' (correct values), 'file' (the file's own tags) or 'raw' (stored numbers)"
    raise InvalidParameter(name="radiometry", value=value, expected=expected)


def override(decided: Radiometry | None, mode: RadiometryMode) -> Radiometry | None:
    """Return the radiometry in a mode, given that of ``"auto"``; classes and masks keep theirs.

    Returns
    -------
    Radiometry or None
        None if the file's own tags decide.

    Examples
    --------
    >>> override(Radiometry(dtype="uint16", scale=1e-4, offset=-0.1, nodata=0), "raw").scale
    1.0
    """
    if mode == "auto" or decided is None or decided.as_is:
        return decided
    if mode == "file":
        return None
    return Radiometry(
        dtype=decided.dtype,
        nodata=decided.nodata,
        reason=f"{AS_STORED}, by radiometry='raw'",
    )


def joined(
    planes: Sequence[Radiometry | None],
) -> tuple[Radiometry | None, tuple[Radiometry, ...]]:
    """Return the common radiometry of the planes of a file, and that of each if they differ.

    An unknown one is None; the first is None if all are unknown. The second is empty if
    all planes have the same one.
    """
    known = [plane for plane in planes if plane is not None]
    if not known:
        return None, ()
    undescribed = Radiometry(
        dtype=known[0].dtype, reason=_without_factors(known[0].dtype), file_tags="applied"
    )
    each = tuple(plane or undescribed for plane in planes)
    if len(set(each)) == 1:
        return each[0], ()
    types = [plane.dtype for plane in each]
    nodata, units = {plane.nodata for plane in each}, {plane.unit for plane in each}
    whole = Radiometry(
        dtype=np.result_type(*types).name if all(types) else "",
        nodata=nodata.pop() if len(nodata) == 1 else None,
        unit=units.pop() if len(units) == 1 else None,
        reason="each band by its own scale and offset",
        as_is=all(plane.as_is for plane in each),
        inferred=any(plane.inferred for plane in each),
    )
    return whole, each


def _correction(item: Item, mission: Mission, applied: str | None) -> tuple[float, str]:
    correction = mission.correction(item)
    if correction is None:
        _log.warning(
            "%s has no processing baseline: its offset is taken as 0", item.get("id", "the item")
        )
        return 0.0, "the item has no processing baseline"
    if correction.offset and applied:
        return 0.0, f"{applied} ({correction.reason})"
    return correction.offset, correction.reason


def _compare(
    item: Item, declared: Mapping[str, Any], scale: float, offset: float, reason: str
) -> None:
    """Warn if an item has other factors for reflectance than those that apply."""
    given = (
        _factor(item, "scale", declared.get("scale", scale)),
        _factor(item, "offset", declared.get("offset", offset)),
    )
    close = functools.partial(math.isclose, rel_tol=1e-4, abs_tol=1e-9)
    if not all(map(close, given, (scale, offset))):
        _warn_of_difference(str(item.get("id")), given, (scale, offset), reason)


def _warn_of_difference(
    name: str, given: tuple[float, float], applied: tuple[float, float], reason: str
) -> None:
    """Warn once of an item, not of each of its bands."""
    if not first_time(f"factors of {name} {given} {applied} {reason}"):
        return
    _log.warning(
        "%s has reflectance scale %g and offset %g; %g and %g apply (%s). radiometry='raw' reads "
        "the stored numbers, radiometry='file' by the file's own tags",
        name, *given, *applied, reason,
    )  # fmt: skip


def _converted(band: Band, dtype: str) -> Band:
    """Return a band without the mission's factors if its numbers were converted to floats."""
    if not dtype.startswith("float") or np.dtype(band.dtype or dtype).kind not in "iu":
        return band
    return replace(band, scale=1.0, offset=0.0, unit=None, nodata=None, role="data")


def _check_forms(item: Item, asset: Mapping[str, Any], index: int, wanted: bool) -> None:
    """Raise InvalidItem if ``raster:bands`` and STAC 1.1 fields of an asset differ in factors."""
    if not wanted:
        return
    older = raster_fields({k: v for k, v in asset.items() if k.endswith(":bands")}, index)
    newer = raster_fields({k: v for k, v in asset.items() if k != "raster:bands"}, index)
    for name in {"scale", "offset"} & older.keys() & newer.keys():
        pair = _number(item, name, older[name]), _number(item, name, newer[name])
        if not math.isclose(*pair, rel_tol=1e-6):
            raise InvalidItem(
                item=str(item.get("id")),
                reason=f"its raster:bands have {name} {pair[0]:g}, its bands or asset {pair[1]:g}. "
                "Open it from another catalog=, or with radiometry='file' or 'raw'",
            )


def _of_all_bands(item: Item, band: Band) -> dict[str, Any]:
    """Return the raster fields in an item's properties, for bands that are in no mission's table.

    A ``scale`` without an ``offset`` may be that of a map.
    """
    if band.dtype is not None:
        return {}
    properties = item.get("properties", {})
    names = ["nodata", "raster:nodata", "raster:scale", "raster:offset"]
    if {"scale", "offset"} <= properties.keys():
        names += ["scale", "offset"]
    found = {
        n.removeprefix("raster:"): properties[n] for n in names if _is_number(properties.get(n))
    }
    dtype = properties.get("data_type") or properties.get("raster:data_type")
    if isinstance(dtype, str) and _COMPLEX.get(dtype, dtype) in _TYPES:
        found["data_type"] = dtype
    if isinstance(properties.get("unit"), str):
        found["unit"] = properties["unit"]
    return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _nodata(item: Item, value: Any) -> float:
    """Read nodata; whole numbers stay exact, which 64 bits need."""
    number = _number(item, "nodata", value)
    try:
        return int(value) if isinstance(value, int | str) and math.isfinite(number) else number
    except ValueError:
        return number


def _number(item: Item, name: str, value: Any) -> float:
    """Read a number; JSON has no NaN, so items write it as text."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidItem(item=str(item.get("id")), reason=f"its {name} is {value!r}, not a number")


def _factor(item: Item, name: str, value: Any) -> float:
    number = _number(item, name, value)
    if math.isfinite(number) and (number or name == "offset"):
        return number
    other = " other than 0" if name == "scale" else ""
    reason = f"its {name} is {value!r}, not a finite number{other}"
    raise InvalidItem(item=str(item.get("id")), reason=reason)
