"""Whether the bands of an index are reflectance: a warning where they cannot be."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.evaluate import evaluate
from astra_xr.accessor.spyndex_formulas import Recipe
from astra_xr.model import AS_STORED, DIGITAL_NUMBERS
from astra_xr.warned import first_time

_LIGHT = {"A", "B", "G", "G1", "Y", "R", "RE1", "RE2", "RE3", "N", "N2", "WV", "S1", "S2"}
"""Letters of bands that formulas take in reflectance."""

_RADIANCE = re.compile(r"\bsr\b|steradian", re.IGNORECASE)


def warn_of_units(
    ds: xr.Dataset, recipe: Recipe, used: Mapping[str, str], constants: Mapping[str, float]
) -> None:
    """Warn once a scene where an index is computed of what is no reflectance.

    Stored numbers that were asked for, and photographs, give the usual ratios without a word: a
    factor that all bands share makes no difference to them.

    Parameters
    ----------
    ds : xarray.Dataset
    recipe : Recipe
    used : mapping of str to str
        Letter → variable.
    constants : mapping of str to float
    """
    known = "mission" in ds.attrs
    bands = {name: ds.variables[name] for s, name in used.items() if s in _LIGHT}
    # Arithmetic keeps attrs, which are then of other values, and drops the encoding.
    opened = [name for name, band in bands.items() if "grid_mapping" in band.encoding]
    kinds = {n: _kind(bands[n].attrs, known=known) if n in opened else "" for n in bands}
    strange = {name: kind for name, kind in kinds.items() if kind}
    if not strange:
        return
    alike = len(strange) == len(kinds) and len(set(strange.values())) == 1
    harmless = {"as stored", "photograph"} >= set(strange.values())
    if alike and harmless and _is_ratio(recipe, constants):
        return
    scene = str(ds["id"].values.flat[0]) if "id" in ds.coords and ds["id"].size else ""
    scene = scene or str(ds.attrs.get("scene_id", "this Dataset"))
    if first_time(f"units of {scene} {sorted(set(strange.values()))}"):
        warnings.warn(_message(recipe.name, scene, strange, mixed=not alike), stacklevel=6)


def _kind(attrs: Mapping[str, Any], *, known: bool) -> str:
    """Return what a band's values are if they are no reflectance; empty if they are, or may be."""
    reason = str(attrs.get("radiometry", ""))
    if _RADIANCE.search(str(attrs.get("units", ""))):
        return "radiance"
    if "units" in attrs or "scale_factor" in attrs:  # which formulas apply
        return ""
    if reason.startswith(AS_STORED):
        return "as stored"
    if not reason.startswith(DIGITAL_NUMBERS):
        return ""
    # The mission's table gives photographs no unit: there is no reflectance of them.
    return "photograph" if known and attrs.get("role") == "data" else "digital numbers"


def _is_ratio(recipe: Recipe, constants: Mapping[str, float]) -> bool:
    """Return True if a factor that all bands share leaves the index as it is."""
    letters = [each for each in recipe.symbols if each not in constants]
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(letters), 1, 8))

    def of(factor: float) -> Any:
        bands = {s: xr.DataArray(each * factor, dims=("y", "x"))
                 for s, each in zip(letters, values, strict=True)}  # fmt: skip
        return evaluate(recipe.text, bands, constants).values

    return bool(np.allclose(of(1), of(7), rtol=1e-4, atol=1e-6, equal_nan=True))


def _message(name: str, scene: str, strange: Mapping[str, str], *, mixed: bool) -> str:
    groups: dict[str, list[str]] = {}
    for band, kind in strange.items():
        groups.setdefault(kind, []).append(band)
    what = "; ".join(f"{', '.join(bands)}: {_WORDS[kind]}" for kind, bands in groups.items())
    other = "The other bands are reflectance, so the values are meaningless" if mixed else (
        "Values from reflectance may differ")  # fmt: skip
    ways = " ".join(dict.fromkeys(_WAYS[kind] for kind in groups))
    return f"{name} of {scene} is not computed from reflectance ({what}). {other}. {ways}"


_WORDS = {
    "digital numbers": "digital numbers of unknown scale and offset",
    "photograph": "numbers of a photograph",
    "as stored": "stored numbers, as asked for",
    "radiance": "radiance",
}
_WAYS = {
    "digital numbers": "Give scale and offset in the item's raster:bands, or convert the bands "
    "first: (ds * scale + offset).astra.index(…).",
    "photograph": "A ratio such as NDVI does not need reflectance.",
    "as stored": "Open the scene without radiometry='raw'.",
    "radiance": "Open the scene again when its metadata file can be read.",
}
