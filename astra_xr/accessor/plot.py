"""Maps with limits, colors, labels and proportions that suit the kind of variable."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_classes import classes_of
from astra_xr.accessor.band_names import find_variable, is_opened, variables_of
from astra_xr.accessor.default_colormaps import default_colormap, is_diverging
from astra_xr.accessor.evaluate import reflectance
from astra_xr.accessor.rgb import compose, default_bands, fewer_pixels
from astra_xr.arrays.mask import ClassMask
from astra_xr.errors import InvalidDataset, InvalidParameter, UnknownBand, UnknownIndex, suggestion
from astra_xr.extras import require
from astra_xr.missions.classes import belongs
from astra_xr.model import ClassValue

_OPTIONS = (
    "cmap", "vmin", "vmax", "robust", "center", "levels", "norm", "ax", "figsize", "size", "aspect",
    "row", "col", "hue", "add_colorbar", "cbar_kwargs", "alpha", "interpolation",
)  # fmt: skip
"""The options of xarray and matplotlib that are used most."""


def plot(ds: xr.Dataset, name: str | None, max_pixels: int, options: dict[str, Any]) -> Any:
    """Draw a band, an index or true color; see ``ds.astra.plot``."""
    require("matplotlib", extra="plot", purpose=".plot()")
    if "geometry" in ds.dims:
        return _draw_lines(_field_variable(ds, name), options)
    variables = variables_of(ds)
    if name is None and len(variables) == 1:
        name = variables[0]
    if name is not None:
        return draw(_band_or_index(ds, name), max_pixels, options)
    bands = default_bands(ds, "plot()")
    if len(set(bands)) > 1:
        return _draw_rgb(ds, bands, max_pixels, options)
    listed = ", ".join(map(repr, variables))
    reason = "without red, green and blue there is no true color"
    expected = f"one of {listed}, or an index"
    raise InvalidParameter(name="name", value=name, expected=expected, reason=reason)


def _band_or_index(ds: xr.Dataset, name: str) -> xr.DataArray:
    from astra_xr.accessor.indices import spectral_index

    try:
        return ds[find_variable(ds, name)]
    except UnknownBand as error:
        unknown = error
    try:
        return spectral_index(ds, name, {})
    except UnknownIndex:
        raise unknown from None


def _field_variable(table: xr.Dataset, name: str | None) -> xr.DataArray:
    """Return a variable of a table of fields, by its name in any case; by default the only one."""
    names = [str(each) for each in table.data_vars if each != "valid" or name == "valid"]
    known = {each.casefold(): each for each in names}
    chosen = names[0] if name is None and len(names) == 1 else known.get(str(name).casefold())
    if chosen is None:
        raise InvalidParameter(name="name", value=name, expected=f"one of {', '.join(names)}")
    return table[chosen]


def _draw_lines(lines: xr.DataArray, options: dict[str, Any]) -> Any:
    """Draw one line per field over time, with gaps where it has no value."""
    if set(lines.dims) != {"time", "geometry"}:
        needs = f"a table of (time, geometry), not {lines.dims}"
        hint = "Choose one, e.g. .sel(stat='mean')."
        if "time" not in lines.dims:
            hint = "Lines are drawn over time; .to_dataframe() returns a table for other plots."
        raise InvalidDataset(method="plot()", needs=needs, hint=hint)
    # Markers show a value between two gaps, which has no line.
    usual = {"x": "time", "hue": "geometry", "marker": "o", "markersize": 3}
    with _drawn_by("line", options):
        return lines.plot.line(**{**usual, **options})


def draw(da: xr.DataArray, max_pixels: int, options: dict[str, Any]) -> Any:
    """Draw a map; see ``da.astra.plot``."""
    require("matplotlib", extra="plot", purpose=".plot()")
    if "geometry" in da.dims:
        return _draw_lines(da, options)
    if da.sizes.get("band") == 1:  # as rioxarray opens a file of one band
        da = da.isel(band=0)
    _check_dims(da)
    if da.dtype.kind not in "biuf":
        needs = f"real numbers, not {da.dtype}"
        raise InvalidDataset(
            method="plot()", needs=needs, hint="Convert them, e.g. abs() of complex ones."
        )
    if da.sizes.get("band", 3) not in (3, 4):
        needs = f"one band, or 3 or 4 bands as an image, not {da.sizes['band']}"
        raise InvalidDataset(method="plot()", needs=needs, hint="Choose one, e.g. .isel(band=0).")
    name = str(da.name or "values")
    da = _own_label(da.transpose(..., "y", "x"))
    classes = classes_of(da.attrs)
    if classes:  # also of other tools: never averaged
        da = da.assign_attrs(role="class")
    seen = fewer_pixels(da.to_dataset(name=name), max_pixels, "max_pixels")[name]
    names: list[str] = []
    if "band" in da.dims:
        usual: dict[str, Any] = {"rgb": "band"}
    elif classes and _is_whole(seen):
        from matplotlib.colors import ListedColormap

        seen, colors, names = _in_classes(seen, classes)
        limits = {"vmin": -0.5, "vmax": len(colors) - 0.5}
        usual = {"cmap": ListedColormap(colors), **limits, "cbar_kwargs": {"label": ""}}
    else:
        seen = reflectance(seen)
        usual = _value_options(da, name, options)
    drawn = _imshow(seen, name, usual, options, facets="band" not in da.dims)
    bar = getattr(drawn, "cbar", None) or getattr(drawn, "colorbar", None)
    if names and bar is not None:
        # Wrapped to fit into a figure of the usual size.
        bar.set_ticks(range(len(names)), labels=[textwrap.fill(name, 13) for name in names])
    return drawn


def _own_label(da: xr.DataArray) -> xr.DataArray:
    """Return an array without the label of a band that it was computed from, as nir / red."""
    names = {str(da.attrs.get(key, "")).casefold() for key in ("native_name", "common_name")}
    if is_opened(da) or "role" not in da.attrs or str(da.name).casefold() in names - {""}:
        return da
    label = ("long_name", "standard_name", "units", "role")
    return da.drop_attrs(deep=False).assign_attrs(
        {key: each for key, each in da.attrs.items() if key not in label}
    )


def _check_dims(da: xr.DataArray) -> None:
    if not {"y", "x"} <= set(da.dims) or da.ndim > 3:
        needs = f"a map of (y, x), with one further dimension at most, not {da.dims}"
        hint = "Choose one, e.g. .isel(time=0), or rename them, e.g. .rename(lat='y', lon='x')."
        raise InvalidDataset(method="plot()", needs=needs, hint=hint)


def _value_options(da: xr.DataArray, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the default limits, colormap and label of values that are not classes."""
    usual: dict[str, Any] = {"robust": True, "cmap": default_colormap(da)}
    if da.dtype == bool:  # also if all are the same
        usual = {"vmin": 0, "vmax": 1, "cmap": "gray"}
    limited = {"vmin", "vmax", "levels", "norm", "colors"} & given.keys()
    maps = usual["cmap"], given.get("cmap", usual["cmap"])
    if all(map(is_diverging, maps)) and not limited:
        usual["center"] = 0
    if da.attrs.get("units") == "1":
        kind = str(da.attrs.get("domain", da.attrs.get("role", "")))
        label = f"{da.attrs.get('long_name', name)} {kind}".strip()
        usual["cbar_kwargs"] = {"label": label}
    return usual


def _draw_rgb(
    ds: xr.Dataset, bands: Sequence[str], max_pixels: int, options: dict[str, Any]
) -> Any:
    for name in bands:
        _check_dims(ds[name])
    few = fewer_pixels(ds[list(bands)], max_pixels, "max_pixels")
    return _imshow(compose(few, bands), "true color", {"rgb": "band"}, options)


def _imshow(
    da: xr.DataArray,
    title: str,
    usual: dict[str, Any],
    given: dict[str, Any],
    *,
    facets: bool = True,
) -> Any:
    """Draw by xarray, with proportions as on the ground."""
    options = usual | given
    if usual.get("cbar_kwargs") and given.get("cbar_kwargs"):
        options["cbar_kwargs"] = usual["cbar_kwargs"] | given["cbar_kwargs"]
    if not da.size:
        needs = f"pixels, which this selection does not have {dict(da.sizes)}"
        hint = "y often descends: .sel(y=slice(north, south))."
        raise InvalidDataset(method="plot()", needs=needs, hint=hint)
    further = [dim for dim in da.dims if dim not in ("y", "x", "band")]
    if further and facets:
        if further[0] in da.indexes and not da.indexes[further[0]].is_unique:
            da = da.drop_vars([further[0]])  # panels are numbered
        wrapped = {"col": further[0], "col_wrap": min(4, da.sizes[further[0]])}
        options = options if options.get("row") else wrapped | options
    if options.get("add_colorbar") is False:
        options = {name: each for name, each in options.items() if name != "cbar_kwargs"}
    da = da.load()  # not where errors are taken for those of options
    with _drawn_by("imshow", given):
        drawn = da.plot.imshow(**options)
    several = hasattr(drawn, "axs")
    for axes in drawn.axs.flat if several else [drawn.axes]:
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)
        axes.ticklabel_format(style="plain", useOffset=False)
    if not several and options.get("add_labels", True):
        drawn.axes.set_title(title)
    return drawn


def _is_whole(da: xr.DataArray) -> bool:
    """Return False if there are fractions, as of means over time, which are not classes."""
    if da.dtype.kind != "f":
        return True
    with np.errstate(invalid="ignore"):  # of infinity
        return not bool((da % 1 > 0).any())


@contextlib.contextmanager
def _drawn_by(method: str, given: dict[str, Any]) -> Iterator[None]:
    """Say which option of the user's xarray, or matplotlib below it, does not take."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        if not given:
            raise
        reason = " ".join(str(error).split())[:300]
    else:
        return
    expected = f"an option of xarray.DataArray.plot.{method}"
    name = next((each for each in given if repr(each) in reason or len(given) == 1), "options")
    expected += "" if name in _OPTIONS else suggestion(name, _OPTIONS)
    value = given.get(name, given)
    raise InvalidParameter(name=name, value=value, expected=expected, reason=reason)


def _in_classes(
    da: xr.DataArray, classes: Sequence[ClassValue]
) -> tuple[xr.DataArray, list[str], list[str]]:
    """Return the classes that occur as numbers from 0, with their colors and names.

    Of several bits that are set, the one listed first counts; bits that are 0 come last.
    """
    from matplotlib import colormaps
    from matplotlib.colors import is_color_like, to_hex

    nodata = da.attrs.get("_FillValue")
    stored, free = ClassMask(classes=(), nodata=nodata).valid(np.asarray(da.values))
    codes: npt.NDArray[np.float32] = np.full(stored.shape, np.nan, np.float32)
    colors: list[str] = []
    names: list[str] = []
    usual = [to_hex(colormaps["tab20"](n % 20)) for n in range(len(classes))]
    if not all(is_color_like(each.color) for each in classes):
        classes = [replace(e, color=color) for e, color in zip(classes, usual, strict=True)]
    for each in sorted(classes, key=lambda each: bool(each.mask) and not each.value):
        here = free & belongs(stored, [each])
        free &= ~here
        if each.name != "fill" and here.any():
            codes[here] = len(names)
            names.append(each.name.replace("_", " "))
            colors.append(str(each.color))
    return da.copy(data=codes), colors or ["#000000"], names
