"""The default colormap of a variable, in plots and in the band picker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.arrays.lazy import is_unread

DIVERGING = ("BrBG", "PiYG", "PuOr", "RdBu", "RdYlBu", "RdYlGn", "Spectral")
"""Colormaps with 0 in their middle."""

_DIFFERENCE = "BrBG"
_VEGETATION = "PiYG"
"""Both are readable for the color-blind, unlike RdYlGn."""

_DOMAINS = {
    "vegetation": _VEGETATION,
    "kernel": _VEGETATION,
    "burn": _VEGETATION,
    "water": "RdYlBu",
    "snow": "RdYlBu",
    "urban": "cividis",
}
_ROLES = {"thermal": "inferno", "elevation": "terrain"}

_MOST = 100_000
"""Values of an array that are examined for their sign."""


def colormap_of_domain(domain: str) -> str:
    """Return the colormap of an index by its domain, such as ``"water"``."""
    return _DOMAINS.get(domain, "viridis")


def default_colormap(da: xr.DataArray) -> str:
    """Return the colormap of a band, of an index, or of a difference.

    Values in memory on both sides of 0, without a formula or role, are taken for a difference, as
    by xarray; so is a variable with the name of an index.

    Examples
    --------
    >>> default_colormap(xr.DataArray([[-0.1, 0.2]]))
    'BrBG'
    """
    attrs: Mapping[str, Any] = da.attrs
    if "formula" in attrs:
        return colormap_of_domain(str(attrs.get("domain")))
    if "role" in attrs or da.dtype.kind != "f":
        return _ROLES.get(str(attrs.get("role")), "gray")
    return _DIFFERENCE if _is_index(da.name) or _crosses_zero(da) else "gray"


def is_diverging(cmap: object) -> bool:
    """Return True for a diverging colormap, also if it is reversed."""
    return str(cmap).removesuffix("_r") in DIVERGING


def _is_index(name: object) -> bool:
    import spyndex

    return name in spyndex.indices


def _crosses_zero(da: xr.DataArray) -> bool:
    if da.chunks is not None or is_unread(da.variable):
        return False
    values = np.asarray(da.values).ravel()
    values = values[:: max(1, values.size // _MOST)]
    values = values[np.isfinite(values)]
    if not values.size:
        return False
    low, high = np.percentile(values, (2, 98))
    return bool(low < 0 < high)
