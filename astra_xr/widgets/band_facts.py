"""What the picker shows of a band: names, wavelength, colormap, classes and nodata value."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.default_colormaps import default_colormap


def facts_of(band: xr.DataArray) -> dict[str, Any]:
    """Return the description of a band for the browser, as JSON."""
    attrs = band.attrs
    units = str(attrs.get("units", ""))
    return {
        "native": _text(attrs.get("native_name")),
        "common": _text(attrs.get("common_name")),
        "title": _text(attrs.get("long_name")),
        "wavelength": _number(attrs.get("center_wavelength")),
        "units": "" if units == "1" else units,
        "role": _text(attrs.get("role")),
        "cmap": default_colormap(band),
        "integer": band.dtype.kind in "iub",
        "classes": _classes(attrs) if band.dtype.kind in "iub" else [],
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:80]


def _number(value: Any) -> float | None:
    """Return a finite number as a float; None for anything else."""
    if isinstance(value, int | float | np.integer | np.floating) and np.isfinite(value):
        return float(value)
    return None


def _classes(attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the classes of a band; none for bit fields."""
    values = np.atleast_1d(attrs.get("flag_values", ()))
    if not values.size or values.dtype.kind not in "iu" or "flag_masks" in attrs:
        return []
    names = str(attrs.get("flag_meanings", "")).split()
    own = str(attrs.get("flag_colors", "")).split()
    return [
        {
            "value": int(value),
            "name": names[n].replace("_", " ") if n < len(names) else str(value),
            # Anything but a color would reach the browser as CSS.
            "color": own[n].lower() if n < len(own) and _COLOR.fullmatch(own[n]) else other,
        }
        for n, (value, other) in enumerate(zip(values.flat, itertools.cycle(_COLORS), strict=False))
    ]


_COLOR = re.compile("#[0-9a-fA-F]{6}")

_COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f")


def with_nodata(band: xr.DataArray) -> xr.DataArray:
    """Return a band whose nodata value, wherever its reader put it, is ``_FillValue`` in attrs."""
    stored = (band.attrs.get(key) for key in ("_FillValue", "missing_value", "nodata"))
    known = [each for each in stored if each is not None]
    if band.dtype.kind in "iu" and band.encoding.get("_FillValue") is not None:
        known.append(band.encoding["_FillValue"])  # of floats, it is NaN already
    nodata = _number(known[0]) if known else None
    if nodata is None or "_FillValue" in band.attrs:
        return band
    return band.assign_attrs(_FillValue=nodata)
