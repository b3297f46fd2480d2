"""The warning about indices of bands that are not reflectance."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import first_id
from astra_xr.accessor.evaluate import evaluate
from astra_xr.accessor.spyndex_formulas import Recipe
from astra_xr.arrays.lazy import in_memory
from astra_xr.model import AS_STORED, DIGITAL_NUMBERS
from astra_xr.warned import first_time

_REFLECTIVE = {"A", "B", "G", "G1", "Y", "R", "RE1", "RE2", "RE3", "N", "N2", "WV", "S1", "S2"}
"""Letters of bands that formulas expect in reflectance."""

_LARGE = 10
"""Half of the values of a band are above it: it is not reflectance, whatever its attrs are."""

_MOST = 10_000
"""Values of a band that are examined."""

_RADIANCE = re.compile(r"\bsr\b|steradian", re.IGNORECASE)


def warn_of_units(
    ds: xr.Dataset, recipe: Recipe, used: Mapping[str, str], constants: Mapping[str, float]
) -> None:
    """Warn once per scene if an index is computed from bands that are not reflectance.

    There is no warning for ratios of stored numbers that the user requested, of photographs, or of
    values that are multiples of reflectance: a factor that all bands share makes no difference.

    Parameters
    ----------
    used : mapping of str to str
        Letter → variable.
    """
    known = "mission" in ds.attrs
    bands = {name: ds.variables[name] for s, name in used.items() if s in _REFLECTIVE}
    # Arithmetic keeps attrs, which no longer fit the values, and drops the encoding.
    kinds = {
        name: _kind(band.attrs, known=known) if "grid_mapping" in band.encoding else ""
        for name, band in bands.items()
    }
    kinds |= {name: "large" for name, band in bands.items() if not kinds[name] and _is_large(band)}
    odd = {name: kind for name, kind in kinds.items() if kind}
    if not odd:
        return
    alike = len(odd) == len(kinds) and len(set(odd.values())) == 1
    harmless = {"as stored", "photograph", "large"} >= set(odd.values())
    if alike and harmless and _is_ratio(recipe, constants):
        return
    scene = first_id(ds) or str(ds.attrs.get("scene_id", "this Dataset"))
    if first_time(f"units of {scene} {sorted(set(odd.values()))}"):
        warnings.warn(_message(recipe.name, scene, odd, mixed=not alike), stacklevel=6)


def _kind(attrs: Mapping[str, Any], *, known: bool) -> str:
    """Return what a band's values are, unless they are or may be reflectance: then empty."""
    reason = str(attrs.get("radiometry", ""))
    if _RADIANCE.search(str(attrs.get("units", ""))):
        return "radiance"
    if "units" in attrs or "scale_factor" in attrs:  # which formulas apply themselves
        return ""
    if reason.startswith(AS_STORED):
        return "as stored"
    if not reason.startswith(DIGITAL_NUMBERS):
        return ""
    # Photographs have no unit in the mission's table.
    return "photograph" if known and attrs.get("role") == "data" else "digital numbers"


def _is_large(band: xr.Variable) -> bool:
    """Return True for values in memory that are no reflectance, as after ``ds * 10000``."""
    if not in_memory(band) or band.dtype.kind not in "iuf" or "scale_factor" in band.attrs:
        return False
    values = np.asarray(band.values).ravel()
    values = values[:: max(1, values.size // _MOST)]
    known = np.abs(values[np.isfinite(values)])
    return bool(known.size and np.median(known) > _LARGE)


def _is_ratio(recipe: Recipe, constants: Mapping[str, float]) -> bool:
    """Return True if a factor that all bands share does not change the index."""
    letters = [each for each in recipe.symbols if each not in constants]
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(letters), 1, 8))

    def of(factor: float) -> Any:
        bands = {s: xr.DataArray(each * factor, dims=("y", "x"))
                 for s, each in zip(letters, values, strict=True)}  # fmt: skip
        return evaluate(recipe.text, bands, constants).values

    return bool(np.allclose(of(1), of(7), rtol=1e-4, atol=1e-6, equal_nan=True))


def _message(name: str, scene: str, odd: Mapping[str, str], *, mixed: bool) -> str:
    groups: dict[str, list[str]] = {}
    for band, kind in odd.items():
        groups.setdefault(kind, []).append(band)
    what = "; ".join(f"{', '.join(bands)}: {_DESCRIPTIONS[kind]}" for kind, bands in groups.items())
    effect = "Values from reflectance may differ"
    if mixed:
        effect = "The other bands are reflectance, so the values are meaningless"
    hints = " ".join(_HINTS[kind] for kind in groups)
    return f"{name} of {scene} is not computed from reflectance ({what}). {effect}. {hints}"


_DESCRIPTIONS = {
    "digital numbers": "digital numbers of unknown scale and offset",
    "photograph": "numbers of a photograph",
    "as stored": "stored numbers, as requested",
    "radiance": "radiance",
    "large": f"most values above {_LARGE}",
}
_HINTS = {
    "digital numbers": "Add scale and offset to the item's raster:bands, or convert the bands "
    "first: (ds * scale + offset).astra.index(…).",
    "photograph": "A ratio such as NDVI does not need reflectance.",
    "as stored": "Open the scene without radiometry='raw'.",
    "radiance": "Open the scene again when its metadata file can be read.",
    "large": "Divide them by their factor first, e.g. (ds / 10000).astra.index(…).",
}
