"""``Picker.about``: the description of a scene for the browser."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import xarray as xr

from astra_xr.accessor.band_names import mission_name
from astra_xr.errors import redact
from astra_xr.missions import MISSIONS
from astra_xr.widgets.code import literal
from astra_xr.widgets.colormaps import GROUPS, SAFE, colormaps
from astra_xr.widgets.opening import opening_of
from astra_xr.widgets.pair import Pair
from astra_xr.widgets.picker_scene import Scene
from astra_xr.widgets.steps import date_of
from astra_xr.widgets.tile_pyramid import SIDE


def about_of(scene: Scene, ds: xr.Dataset, name: str, *, array: bool) -> dict[str, Any]:
    """Return the description of a scene, as JSON; it never changes.

    Parameters
    ----------
    scene : Scene
    ds : xarray.Dataset
        The Dataset of the scene, as ``pick()`` was called on it.
    name : str
        Python of the Dataset, or of the array, in the copied code.
    array : bool
        True if ``name`` is that of an array.
    """
    opening = opening_of(ds, name, array=array)
    if isinstance(scene, Pair):
        opening = opening.beside(opening_of(scene.given, scene.name, array=array))
    bands = scene.bands
    return {
        "name": f"{name}.rename({literal(scene.renamed)})" if scene.renamed else name,
        "array": array,
        "title": redact(_title(scene)[:120]),
        "opening": opening.code,
        "unopened": opening.reason,
        "date": date_of(scene.ds),
        "source": _source(scene.ds),
        "reflectance": any(band["role"] == "reflectance" for band in bands.values()),
        "bands": bands,
        "indices": scene.indices,
        "presets": scene.presets,
        "colormaps": colormaps(),
        "maps": {title: list(names) for title, names in GROUPS.items()},
        "safe": list(SAFE),
        "masked": scene.masked,
        "grid": scene.grid,
        # All steps are read only where that is quick: dask computes whole chunks for a pixel.
        "quick": not any(band.chunks for band in scene.stack.data_vars.values()),
        "steps": [
            asdict(step) | {"date": None if step.date is None else step.date / 1e6}
            for step in scene.steps
        ],
        "pyramid": {
            "side": SIDE,
            "top": scene.pyramid.top,
            "overview": scene.pyramid.shape(scene.pyramid.top),
            "thumbnail": scene.pyramid.shape(scene.pyramid.thumbnail),
        },
    }


def _source(ds: xr.Dataset) -> str:
    """Return mission, scene and catalog for a caption, without those that are unknown."""
    mission, attrs = MISSIONS.get(mission_name(ds)), ds.attrs
    scene = str(attrs.get("scene_id") or "").partition(":")[2]
    catalog = f"catalog {attrs['catalog']}" if attrs.get("catalog") else ""
    return redact(" · ".join(filter(None, (mission.title if mission else "", scene, catalog))))


def _title(scene: Scene) -> str:
    """Return the scene's id, or of a stack mission and length; without them, band names."""
    attrs, count = scene.ds.attrs, len(scene.steps)
    bands = ", ".join(scene.bands)
    if scene.dim is None:
        return str(attrs.get("scene_id") or bands)
    what = "dates" if any(step.date is not None for step in scene.steps) else "images"
    return f"{attrs.get('mission') or bands} · {count} {what if count > 1 else what[:-1]}"
