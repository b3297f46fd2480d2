"""Maps that look right: limits, colours, labels and proportions by what a variable is."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import find_variable
from astra_xr.accessor.evaluate import reflectance
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import InvalidParameter, UnknownBand, UnknownIndex
from astra_xr.extras import require

_COLORS = {
    "thermal": "inferno",
    "elevation": "terrain",
    "vegetation": "RdYlGn",
    "kernel": "RdYlGn",
    "burn": "RdYlGn",
    "water": "RdYlBu",
    "snow": "RdYlBu",
}
"""Role of a band, or domain of an index → colormap of matplotlib."""


def plot_of(ds: xr.Dataset, name: str, size: int, options: dict[str, Any]) -> Any:
    """Draw a band or an index of a Dataset; see ``ds.astra.plot``."""
    try:
        variable = find_variable(ds, name)
    except UnknownBand as error:
        unknown = error
    else:
        return draw(ds[variable], size, options)
    from astra_xr.accessor.indices import spectral_index

    try:
        index = spectral_index(ds, name, {})
    except UnknownIndex:
        index = None
    if index is None:
        raise unknown
    return draw(index, size, options)


def draw(da: xr.DataArray, size: int, options: dict[str, Any]) -> Any:
    """Draw a map; see ``da.astra.plot``."""
    require("matplotlib", extra="plot", purpose=".plot()")
    if da.dims[-2:] != ("y", "x") or da.ndim > 3:
        expected = "a map of (y, x), with one further dimension at most"
        raise InvalidParameter(name="plot of", value=da.dims, expected=expected)
    name = str(da.name or "values")
    seen = coarser(da.to_dataset(name=name), size)[name]
    names: list[str] = []
    usual: dict[str, Any] = {}
    if "band" in da.dims:
        usual = {"rgb": "band"}
    elif "flag_values" in da.attrs:
        seen, colors, names = _classes(seen)
        usual = _in_classes(colors)
    else:
        seen = reflectance(seen)
        kind = str(da.attrs.get("domain", da.attrs.get("role", "")))
        plain = "viridis" if "formula" in da.attrs else "gray"
        usual = {"robust": True, "cmap": _COLORS.get(kind, plain)}
        if da.attrs.get("units") == "1":
            label = f"{da.attrs.get('long_name', name)} {kind}".strip()
            usual["cbar_kwargs"] = {"label": label}
    if da.ndim == 3 and "band" not in da.dims:
        usual |= {"col": da.dims[0], "col_wrap": min(4, da.sizes[da.dims[0]])}
    drawn = seen.plot.imshow(**(usual | options))
    several = hasattr(drawn, "axs")
    for axes in drawn.axs.flat if several else [drawn.axes]:
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)
        axes.ticklabel_format(style="plain", useOffset=False)
    if not several:
        drawn.axes.set_title(name)
    bar = getattr(drawn, "cbar", None) or getattr(drawn, "colorbar", None)
    if names and bar is not None:
        # Wrapped, so that a figure of usual size shows them whole.
        bar.set_ticks(range(len(names)), labels=[textwrap.fill(name, 13) for name in names])
    return drawn


def _in_classes(colors: list[str]) -> dict[str, Any]:
    from matplotlib.colors import ListedColormap

    edges = {"vmin": -0.5, "vmax": len(colors) - 0.5}
    return {"cmap": ListedColormap(colors), **edges, "cbar_kwargs": {"label": ""}}


def _classes(da: xr.DataArray) -> tuple[xr.DataArray, list[str], list[str]]:
    """Give the classes that are there numbers; return their colours and names too.

    Of bits that hold at once, the one that is listed first counts.
    """
    stored = np.asarray(da.values)
    values = np.atleast_1d(da.attrs["flag_values"])
    masks = np.atleast_1d(da.attrs.get("flag_masks", np.zeros_like(values)))
    words = str(da.attrs["flag_meanings"]).split()
    told = str(da.attrs.get("flag_colors", "")).split()
    if len(told) != len(words):
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        told = [to_hex(colormaps["tab20"](n % 20)) for n in range(len(words))]
    codes = np.full(stored.shape, np.nan, np.float32)
    colors: list[str] = []
    names: list[str] = []
    free = np.ones(stored.shape, np.bool_)
    for value, mask, word, color in zip(values, masks, words, told, strict=True):
        bits = stored & mask if "flag_masks" in da.attrs else stored
        here = free & (bits == value)
        if value == da.attrs.get("_FillValue") or word == "fill":
            free &= ~here
        elif here.any():
            codes[here] = len(names)
            free &= ~here
            names.append(word.replace("_", " "))
            colors.append(color)
    return da.copy(data=codes), colors or ["#000000"], names
