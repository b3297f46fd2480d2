"""Which variable of a Dataset a band name means."""

from __future__ import annotations

import re

import xarray as xr

from astra_xr.errors import AmbiguousBand, UnknownBand
from astra_xr.missions import MISSIONS, Item
from astra_xr.model import Band


def band_table(ds: xr.Dataset) -> tuple[Band, ...]:
    """Return the band table of a Dataset's mission; empty where the mission is not known."""
    mission = MISSIONS.get(mission_of(ds))
    if mission is None:
        return ()
    scene = str(ds.attrs.get("scene_id", ""))
    if not scene and "id" in ds.coords and ds["id"].size:
        # Of a stack: all its scenes have the same bands.
        scene = str(ds["id"].values.flat[0]).partition(",")[0]
    item: Item = {"id": scene.rpartition(":")[2], "assets": {}}
    # Of an id that has no known form, attrs have the parts that count.
    parts = {name: str(ds.attrs[name]) for name in ("sensor", "level") if name in ds.attrs}
    return mission.table(mission.describe(item) or parts)


def mission_of(ds: xr.Dataset) -> str:
    """Return the name of a Dataset's mission: by its attrs, else by its id; empty if not known."""
    name = str(ds.attrs.get("mission", ""))
    if not name and "id" in ds.coords and ds["id"].size:
        name = str(ds["id"].values.flat[0]).partition(":")[0]
    return name


def variables_of(ds: xr.Dataset) -> list[str]:
    """Return the names of the variables that are bands, in their order.

    Those of (y, x), and those that were so before a selection.
    """
    return [
        str(name)
        for name in ds.data_vars
        if {"y", "x"} <= set(ds.variables[name].dims) or "native_name" in ds.variables[name].attrs
    ]


def find_variable(ds: xr.Dataset, name: str) -> str:
    """Return the variable that a band name means: its own name, native, common, any spelling.

    Raises
    ------
    UnknownBand, AmbiguousBand
    """
    variables = variables_of(ds)
    if name in variables:
        return name
    wanted = name.strip().casefold()
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
    available = {
        variable: native_name(ds, variable)
        if native_name(ds, variable) != variable
        else ds[variable].attrs.get("common_name")
        for variable in variables
    }
    raise UnknownBand(band=name, scene="this Dataset", available=available)


def has_band(ds: xr.Dataset, name: str) -> bool:
    """Return True where a name is that of a band, or of several."""
    try:
        find_variable(ds, name)
    except UnknownBand:
        return False
    except AmbiguousBand:
        return True
    return True


def native_name(ds: xr.Dataset, variable: str) -> str:
    """Return the native name of a band; without one, that of the variable.

    Of variables that are but numbered, as by rioxarray with ``band_as_variable=True``, it is the
    band's description in the file, where that is one word: ``red`` or ``B04``.
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
