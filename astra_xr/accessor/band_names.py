"""Which variable of a Dataset a band name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.errors import AmbiguousBand, InvalidDataset, InvalidParameter, UnknownBand
from astra_xr.missions import MISSIONS, Item
from astra_xr.model import Band


def band_table(ds: xr.Dataset) -> tuple[Band, ...]:
    """Return the band table of a Dataset's mission; empty if the mission is not known."""
    mission = MISSIONS.get(mission_name(ds))
    if mission is None:
        return ()
    # All scenes of a stack have the same bands.
    scene = str(ds.attrs.get("scene_id", "")) or first_id(ds).partition(",")[0]
    item: Item = {"id": scene.rpartition(":")[2], "assets": {}}
    # If the id has no known form, attrs have the parts of it that matter.
    parts = {name: str(ds.attrs[name]) for name in ("sensor", "level") if name in ds.attrs}
    return mission.table(mission.describe(item) or parts)


def mission_name(ds: xr.Dataset) -> str:
    """Return the name of a Dataset's mission, by its attrs, else by its id; empty if not known."""
    return str(ds.attrs.get("mission", "")) or first_id(ds).partition(":")[0]


def first_id(ds: xr.Dataset) -> str:
    """Return the first scene id of a Dataset's coordinate ``id``; empty without one."""
    return str(ds["id"].values.flat[0]) if "id" in ds.coords and ds["id"].size else ""


def variables_of(ds: xr.Dataset) -> list[str]:
    """Return the names of the variables that are bands, in their order.

    These are along y and x, or were until pixels were selected.

    Raises
    ------
    InvalidDataset
        A name is not a str, as after ``da.to_dataset("band")`` of numbered bands.
    """
    names = [
        name
        for name in ds.data_vars
        if {"y", "x"} <= set(ds.variables[name].dims) or "native_name" in ds.variables[name].attrs
    ]
    for name in names:
        if not isinstance(name, str):
            needs = f"variables whose names are str, not {name!r}"
            hint = f"Rename them, e.g. ds.rename({{{name!r}: 'red'}})."
            raise InvalidDataset(method="ds.astra", needs=needs, hint=hint)
    return list(map(str, names))


def with_own_attrs(ds: xr.Dataset) -> xr.Dataset:
    """Return a Dataset whose bool variables lack the attrs of bands, which are not bool.

    xarray keeps them in comparisons: ``ds.SCL == 4`` has the name, classes and nodata of SCL.
    """
    # Not as DataArrays, which take most of the time of looking up a band.
    masks = [name for name in ds.data_vars if ds.variables[name].dtype == bool]
    if not any(_OF_BANDS & ds.variables[name].attrs.keys() for name in masks):
        return ds
    ds = ds.copy(deep=False)
    for name in masks:
        ds[name].attrs = own_attrs(ds[name].attrs)
    return ds


def own_attrs(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the attrs of a bool variable without those of a band that it was computed from."""
    return {key: each for key, each in attrs.items() if key not in _OF_BANDS}


def is_opened(da: xr.DataArray) -> bool:
    """Return True for a band as it was opened; False for what was computed from one.

    xarray keeps the attrs of what it computes from a band, but not its encoding.
    """
    return "grid_mapping" in {*da.encoding, *da.attrs}


_OF_BANDS = {
    *("native_name", "common_name", "role", "units", "center_wavelength", "full_width_half_max"),
    *("scale", "offset", "radiometry", "scale_factor", "add_offset", "_FillValue"),
    *("flag_values", "flag_masks", "flag_meanings", "flag_colors"),
    *("formula", "domain", "valid_range"),
}
"""Attrs that describe the values of a band or an index."""


def find_variable(ds: xr.Dataset, name: str) -> str:
    """Return the variable that a band name means: its own name, native, common, any spelling.

    Raises
    ------
    UnknownBand, AmbiguousBand
    InvalidParameter
        The name is not a str.
    """
    wanted = folded(name)
    variables = variables_of(ds)
    if name in variables:
        return name
    spellings = {band.native: {n.casefold() for n in band.names} for band in band_table(ds)}
    shared = {band.native: {n.casefold() for n in band.shared} for band in band_table(ds)}
    for names in (spellings, shared):
        hits = [
            variable
            for variable in variables
            if wanted in _names(ds, variable) | names.get(native_name(ds, variable), set())
        ]
        if len(hits) > 1:
            raise AmbiguousBand(
                band=name,
                scene="this Dataset",
                candidates={hit: str(ds[hit].attrs.get("long_name", "")) for hit in hits},
            )
        if hits:
            return hits[0]
    natives = {variable: native_name(ds, variable) for variable in variables}
    available = {
        variable: native if native != variable else ds[variable].attrs.get("common_name")
        for variable, native in natives.items()
    }
    raise UnknownBand(band=name, scene="this Dataset", available=available)


def has_band(ds: xr.Dataset, name: str) -> bool:
    """Return True if one or several bands have a name."""
    try:
        find_variable(ds, name)
    except UnknownBand:
        return False
    except AmbiguousBand:
        return True
    return True


def folded(name: object) -> str:
    """Return a band name in lower case; refuse what is not a str."""
    if not isinstance(name, str):
        raise InvalidParameter(name="name", value=name, expected="one name, such as 'red'")
    return name.strip().casefold()


def as_tuple(names: object) -> tuple[Any, ...]:
    """Return one name, or several, as a tuple."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        return (names,)
    # The elements of an array may be arrays.
    return tuple(np.ravel(np.asarray(names)).tolist() if hasattr(names, "dtype") else names)


def native_name(ds: xr.Dataset, variable: str) -> str:
    """Return the native name of a band; without one, that of the variable.

    For variables that are merely numbered, as by rioxarray's ``band_as_variable=True``, it is the
    band's description in the file, if that is one word: ``red`` or ``B04``.
    """
    attrs = ds.variables[variable].attrs
    text = attrs.get("long_name")
    described = isinstance(text, str) and len(text.split()) == 1
    if "native_name" not in attrs and described and _NUMBERED.fullmatch(variable):
        return str(text).strip()
    return str(attrs.get("native_name", variable))


_NUMBERED = re.compile(r"(band[_ ]?)?\d+", re.IGNORECASE)


def _names(ds: xr.Dataset, variable: str) -> set[str]:
    names = (variable, native_name(ds, variable), ds.variables[variable].attrs.get("common_name"))
    return {str(name).casefold() for name in names if name}
