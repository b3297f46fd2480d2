"""Maps that look right: limits, colors, labels and proportions by what a variable is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import find_variable, variables_of
from astra_xr.accessor.evaluate import reflectance
from astra_xr.accessor.rgb import compose, usual_bands
from astra_xr.accessor.usual_colormaps import is_diverging, usual_colormap
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import InvalidDataset, InvalidParameter, UnknownBand, UnknownIndex
from astra_xr.extras import require


def plot(ds: xr.Dataset, name: str | None, max_pixels: int, options: dict[str, Any]) -> Any:
    """Draw a band, an index or true color; see ``ds.astra.plot``."""
    if "geometry" in ds.dims:
        return _draw_fields(ds, name, options)
    if name is None and len(variables_of(ds)) != 1:
        bands = usual_bands(ds, "plot()")
        if len(set(bands)) > 1:
            return _draw_rgb(ds, bands, max_pixels, options)
        listed = ", ".join(map(repr, variables_of(ds)))
        expected = f"one of {listed}, or an index: this Dataset lacks red, green and blue"
        raise InvalidParameter(name="name", value=name, expected=expected)
    name = variables_of(ds)[0] if name is None else name
    try:
        variable = find_variable(ds, name)
    except UnknownBand as error:
        unknown = error
    else:
        return draw(ds[variable], max_pixels, options)
    from astra_xr.accessor.indices import spectral_index

    try:
        index = spectral_index(ds, name, {})
    except UnknownIndex:
        index = None
    if index is None:
        raise unknown
    return draw(index, max_pixels, options)


def _draw_fields(table: xr.Dataset, name: str | None, options: dict[str, Any]) -> Any:
    """Draw a line a field over time, with a gap where it has no value."""
    require("matplotlib", extra="plot", purpose=".plot()")
    names = [str(each) for each in table.data_vars if each != "valid" or name == "valid"]
    known = {each.casefold(): each for each in names}
    chosen = names[0] if name is None and len(names) == 1 else known.get(str(name).casefold())
    if chosen is None:
        raise InvalidParameter(name="name", value=name, expected=f"one of {', '.join(names)}")
    lines = table[chosen]
    if set(lines.dims) != {"time", "geometry"}:
        needs = f"a table of (time, geometry), not {lines.dims}"
        hint = "Choose one, e.g. .sel(stat='mean')."
        raise InvalidDataset(method="plot()", needs=needs, hint=hint)
    # Markers, as a value between two gaps makes no line.
    usual = {"x": "time", "hue": "geometry", "marker": "o", "markersize": 3}
    return lines.plot.line(**{**usual, **options})


def draw(da: xr.DataArray, max_pixels: int, options: dict[str, Any]) -> Any:
    """Draw a map; see ``da.astra.plot``."""
    require("matplotlib", extra="plot", purpose=".plot()")
    if da.dims[-2:] != ("y", "x") or da.ndim > 3:
        needs = f"a map of (y, x), with one further dimension at most, not {da.dims}"
        raise InvalidDataset(method="plot()", needs=needs, hint="Choose one, e.g. .isel(time=0).")
    name = str(da.name or "values")
    seen = coarser(da.to_dataset(name=name), _checked(max_pixels))[name]
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
        usual = {"robust": True, "cmap": usual_colormap(da)}
        limited = {"vmin", "vmax", "levels", "norm", "colors"} & options.keys()
        maps = usual["cmap"], options.get("cmap", usual["cmap"])
        if all(map(is_diverging, maps)) and not limited:
            usual["center"] = 0
        if da.attrs.get("units") == "1":
            label = f"{da.attrs.get('long_name', name)} {kind}".strip()
            usual["cbar_kwargs"] = {"label": label}
    drawn = _imshow(seen, name, usual | options, facets="band" not in da.dims)
    bar = getattr(drawn, "cbar", None) or getattr(drawn, "colorbar", None)
    if names and bar is not None:
        # Wrapped, so that a figure of usual size shows them whole.
        bar.set_ticks(range(len(names)), labels=[textwrap.fill(name, 13) for name in names])
    return drawn


def _draw_rgb(
    ds: xr.Dataset, bands: Sequence[str], max_pixels: int, options: dict[str, Any]
) -> Any:
    require("matplotlib", extra="plot", purpose=".plot()")
    few = coarser(ds[list(bands)], _checked(max_pixels))
    return _imshow(compose(few, bands), "true color", {"rgb": "band"} | options)


def _imshow(da: xr.DataArray, title: str, options: dict[str, Any], *, facets: bool = True) -> Any:
    """Draw by xarray, with proportions as on the ground."""
    further = [dim for dim in da.dims if dim not in ("y", "x", "band")]
    if further and facets:
        if further[0] in da.indexes and not da.indexes[further[0]].is_unique:
            da = da.drop_vars([further[0]])  # panels are counted
        options = {"col": further[0], "col_wrap": min(4, da.sizes[further[0]])} | options
    if options.get("add_colorbar") is False:
        options = {name: each for name, each in options.items() if name != "cbar_kwargs"}
    drawn = da.plot.imshow(**options)
    several = hasattr(drawn, "axs")
    for axes in drawn.axs.flat if several else [drawn.axes]:
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)
        axes.ticklabel_format(style="plain", useOffset=False)
    if not several:
        drawn.axes.set_title(title)
    return drawn


def _checked(max_pixels: int) -> int:
    if not isinstance(max_pixels, int) or isinstance(max_pixels, bool) or max_pixels < 1:
        expected = "a number of rows and columns, at least 1"
        raise InvalidParameter(name="max_pixels", value=max_pixels, expected=expected)
    return max_pixels


def _in_classes(colors: list[str]) -> dict[str, Any]:
    from matplotlib.colors import ListedColormap

    edges = {"vmin": -0.5, "vmax": len(colors) - 0.5}
    return {"cmap": ListedColormap(colors), **edges, "cbar_kwargs": {"label": ""}}


def _classes(da: xr.DataArray) -> tuple[xr.DataArray, list[str], list[str]]:
    """Return the classes that occur as numbers from 0, with their colors and names.

    Of bits that hold at once, the one that is listed first counts; bits that are 0 come last.
    """
    stored = np.asarray(da.values)
    values = np.atleast_1d(da.attrs["flag_values"])
    masks = np.atleast_1d(da.attrs.get("flag_masks", np.zeros_like(values)))
    words = str(da.attrs["flag_meanings"]).split()
    hexes = str(da.attrs.get("flag_colors", "")).split()
    if len(hexes) != len(words):
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        hexes = [to_hex(colormaps["tab20"](n % 20)) for n in range(len(words))]
    codes = np.full(stored.shape, np.nan, np.float32)
    colors: list[str] = []
    names: list[str] = []
    free = np.ones(stored.shape, np.bool_)
    rows = sorted(
        zip(values, masks, words, hexes, strict=True), key=lambda row: _is_unset(*row[:2])
    )
    for value, mask, word, color in rows:
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


def _is_unset(value: int, mask: int) -> bool:
    return mask != 0 and value == 0
