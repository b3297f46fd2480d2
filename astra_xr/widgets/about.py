"""The description of a scene that a picker gives to the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import mission_of
from astra_xr.errors import redact
from astra_xr.missions import MISSIONS
from astra_xr.widgets.code import quoted
from astra_xr.widgets.colormaps import GROUPS, SAFE, colormaps
from astra_xr.widgets.layers import USUAL, Scene
from astra_xr.widgets.opening import opening_of
from astra_xr.widgets.pair import Pair
from astra_xr.widgets.steps import time_of
from astra_xr.widgets.tile_pyramid import SIDE


def described(scene: Scene, ds: xr.Dataset, name: str, *, array: bool) -> dict[str, Any]:
    """Return what a browser needs to know of a scene, as JSON; constant.

    Parameters
    ----------
    scene : Scene
        What is shown.
    ds : xarray.Dataset
        The same as it was given.
    name : str
        Python of the Dataset, or of the array, in the copied code.
    array : bool
        True if ``name`` is of an array.
    """
    opening = opening_of(ds, name, array=array)
    if isinstance(scene, Pair):
        opening = opening.beside(opening_of(scene.given, scene.name, array=array))
    bands = scene.bands
    return {
        "name": f"{name}.rename({_literal(scene.renamed)})" if scene.renamed else name,
        "array": array,
        "title": redact(_title(scene)[:120]),
        "opening": opening.code,
        "unopened": opening.reason,
        "date": _date(scene.ds),
        "source": _source(scene.ds),
        "reflectance": any(band["role"] == "reflectance" for band in bands.values()),
        "bands": bands,
        "indices": scene.indices,
        "needs": {index: scene.needs(index) for index in USUAL if index in scene.indices},
        "presets": scene.presets,
        "colormaps": colormaps(),
        "maps": {title: list(names) for title, names in GROUPS.items()},
        "safe": list(SAFE),
        "masked": scene.masked,
        "grid": scene.grid,
        # All steps are looked at only where that is cheap.
        "quick": scene.quick,
        "steps": [
            {
                "label": step.label,
                "code": step.code,
                "date": None if step.date is None else step.date / 1e6,
                "cloud": step.cloud,
                "source": step.source,
                "matched": step.matched,
            }
            for step in scene.steps
        ],
        "pyramid": {
            "side": SIDE,
            "top": scene.pyramid.top,
            "overview": scene.pyramid.shape(scene.pyramid.top),
            "thumbnail": scene.pyramid.shape(scene.pyramid.thumbnail),
        },
    }


def _date(ds: xr.Dataset) -> str | None:
    """Return the date of a Dataset of one time."""
    time = time_of(ds)
    return None if time is None else str(np.datetime_as_string(time, "D"))


def _source(ds: xr.Dataset) -> str:
    """Return mission, scene and catalog, as far as they are known, for a caption."""
    mission, attrs = MISSIONS.get(mission_of(ds)), ds.attrs
    scene = str(attrs.get("scene_id") or "").partition(":")[2]
    catalog = f"catalog {attrs['catalog']}" if attrs.get("catalog") else ""
    return redact(" · ".join(filter(None, (mission.title if mission else "", scene, catalog))))


def _title(scene: Scene) -> str:
    """Return the id of a scene; of a stack its mission and length; else the names of the bands."""
    attrs, count = scene.ds.attrs, len(scene.steps)
    bands = ", ".join(scene.bands)
    if scene.dim is None:
        return str(attrs.get("scene_id") or bands)
    what = "dates" if any(step.date is not None for step in scene.steps) else "images"
    return f"{attrs.get('mission') or bands} · {count} {what if count > 1 else what[:-1]}"


def _literal(names: Mapping[Any, str]) -> str:
    """Return a dict of names as Python, with double quotes."""
    pairs = ((quoted(own) if isinstance(own, str) else repr(own), names[own]) for own in names)
    return "{" + ", ".join(f"{own}: {quoted(ours)}" for own, ours in pairs) + "}"
