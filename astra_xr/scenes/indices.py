"""Spectral indices by name, over spyndex, on reflectance."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.errors import InvalidParameter, MissingIndexBand, UnknownIndex
from astra_xr.model import Radiometry
from astra_xr.reading.array import cached
from astra_xr.reading.fused import Formula
from astra_xr.reading.values import decode_into, decoded_dtype
from astra_xr.scenes.formula import FormulaArray
from astra_xr.scenes.names import band_table, variables_of

if TYPE_CHECKING:
    import pandas as pd

_NEAR = {"N": "N2", "N2": "N"}
"""Sentinel-2 has two near infrared bands; where the usual one is not opened the other serves."""


def spectral_index(
    ds: xr.Dataset, name: str, constants: Mapping[str, float], *, mask_clouds: bool = False
) -> xr.DataArray:
    """Compute a spectral index of a scene; see ``ds.astra.index``."""
    import spyndex

    index = spyndex.indices.get(name)
    if index is None:
        raise UnknownIndex(index=name, known=list(spyndex.indices))
    unknown = sorted(set(constants) - set(index.bands))
    if unknown:
        expected = f"one of {', '.join(index.bands)}, which {name} = {index.formula} has"
        raise InvalidParameter(name="constant", value=unknown[0], expected=expected)
    used, constants, lacking = _matched(_inputs(ds), index.bands, constants)
    missing = [_needed(ds, symbol) for symbol in lacking]
    if missing or not used:
        hint = "Open the scene with these bands too, or pass a constant by its name."
        raise MissingIndexBand(
            index=name,
            missing=missing or ["at least one band, not constants alone"],
            formula=index.formula,
            hint=hint,
        )
    bands = {symbol: ds[variable] for symbol, variable in used.items()}
    mask = _clouds(ds) if mask_clouds else None
    values = _compute(name, bands, constants, mask)
    values.attrs = {
        "long_name": index.long_name,
        "formula": index.formula,
        "reference": index.reference,
        "bands": ", ".join(f"{symbol}={variable}" for symbol, variable in used.items()),
    }
    return values.rename(name)


def spectral_indices(
    ds: xr.Dataset,
    names: Sequence[str],
    constants: Mapping[str, float],
    *,
    mask_clouds: bool = False,
) -> xr.Dataset:
    """Compute several indices; a constant goes to those whose formulas have it."""
    import spyndex

    formulas = {name: spyndex.indices[name].bands for name in names if name in spyndex.indices}
    known = {symbol for symbols in formulas.values() for symbol in symbols}
    unknown = sorted(set(constants) - known)
    if unknown and len(formulas) == len(names):
        expected = f"one of {', '.join(sorted(known))}, which the formulas have"
        raise InvalidParameter(name="constant", value=unknown[0], expected=expected)
    found = {}
    for name in names:
        own = {each: constants[each] for each in formulas.get(name, ()) if each in constants}
        found[name] = spectral_index(ds, name, own, mask_clouds=mask_clouds)
    return xr.Dataset(found, attrs=ds.attrs)


def search(text: str) -> pd.DataFrame:
    """Find spectral indices by words of their names, titles and domains.

    Parameters
    ----------
    text : str
        Words, all of which must be there, in any case; empty: all indices.

    Returns
    -------
    pandas.DataFrame
        By name: long_name, domain (vegetation, water, burn, …), formula, bands and constants of
        the formula, platforms, reference.

    Examples
    --------
    >>> "NDWI" in search("water").index
    True
    """
    import spyndex

    words = text.casefold().split()
    told = {name: spyndex.indices[name] for name in spyndex.indices}
    return _table(
        name
        for name, index in told.items()
        if all(
            word in f"{name} {index.long_name} {index.application_domain}".casefold()
            for word in words
        )
    )


def available(ds: xr.Dataset) -> pd.DataFrame:
    """List the spectral indices that the bands of a Dataset are enough for.

    Returns
    -------
    pandas.DataFrame
        As of :func:`search`.

    Examples
    --------
    >>> import astra_xr
    >>> ds = astra_xr.open_scene(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
    ... )
    >>> "NDVI" in available(ds).index, "NDWI" in available(ds).index
    (True, False)
    """
    import spyndex

    inputs = _inputs(ds)

    def fits(name: str) -> bool:
        used, _, missing = _matched(inputs, spyndex.indices[name].bands, {})
        return bool(used) and not missing

    return _table(name for name in spyndex.indices if fits(name))


def _table(names: Iterable[str]) -> pd.DataFrame:
    import pandas as pd
    import spyndex

    columns = ["long_name", "domain", "formula", "bands", "platforms", "reference"]
    rows = {}
    for name in names:
        index = spyndex.indices[name]
        lists = (", ".join(each) for each in (index.bands, index.platforms))
        rows[name] = (
            index.long_name, index.application_domain, index.formula, *lists, index.reference
        )  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("index")


def _matched(
    inputs: Mapping[str, str], symbols: Sequence[str], constants: Mapping[str, float]
) -> tuple[dict[str, str], dict[str, float], list[str]]:
    """Return what stands for each letter of a formula: bands, constants, and nothing."""
    import spyndex

    used: dict[str, str] = {}
    told = dict(constants)
    missing: list[str] = []
    for symbol in symbols:
        variable = inputs.get(symbol) or inputs.get(_NEAR.get(symbol, ""))
        if symbol in told:
            continue
        if variable:
            used[symbol] = variable
        elif symbol in spyndex.constants and spyndex.constants[symbol].default is not None:
            told[symbol] = spyndex.constants[symbol].default
        else:
            missing.append(symbol)
    return used, told, missing


def _compute(
    name: str,
    bands: dict[str, xr.DataArray],
    constants: Mapping[str, float],
    mask: xr.DataArray | None,
) -> xr.DataArray:
    import spyndex

    first = next(iter(bands.values()))
    alike = all(band.dims == first.dims and band.shape == first.shape for band in bands.values())
    if not alike or not all(_unread(band) for band in bands.values()):
        params = {symbol: reflectance(band) for symbol, band in bands.items()} | dict(constants)
        computed: xr.DataArray = spyndex.computeIndex(name, params=params)
        return computed if mask is None else computed.where(~mask)

    attrs = {symbol: dict(band.attrs) for symbol, band in bands.items()}
    formula: Formula = _IndexFormula(spyndex.indices[name].formula, attrs, constants)
    inputs = {symbol: band.variable for symbol, band in bands.items()}
    if mask is not None:
        formula, inputs = _Masked(formula), inputs | {_MASK: mask.variable}
    dtype = np.result_type(*(_values(np.empty(0, b.dtype), b.attrs) for b in bands.values()))
    array = cached(FormulaArray(inputs, formula, dtype))
    return xr.DataArray(xr.Variable(first.dims, array), coords=first.coords)


@dataclass(frozen=True)
class _IndexFormula:
    """A formula of spyndex as a function of plain arrays."""

    text: str
    attrs: Mapping[str, Mapping[str, Any]]
    """Of each band, by its letter in the formula."""

    constants: Mapping[str, float]

    def __call__(self, stored: Mapping[str, npt.NDArray[Any]]) -> Any:
        params = {s: _values(a, self.attrs[s]) for s, a in stored.items()} | dict(self.constants)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return eval(_compiled(self.text), {"__builtins__": {}}, params)  # noqa: S307


_MASK = "mask"
"""Among the bands of a formula, whose names are of letters and digits: what is hidden."""


@dataclass(frozen=True)
class _Masked:
    """A formula's values, NaN where they are hidden."""

    formula: Formula

    def __call__(self, stored: Mapping[str, npt.NDArray[Any]]) -> Any:
        values = self.formula({name: each for name, each in stored.items() if name != _MASK})
        return np.where(stored[_MASK], np.float32("nan"), values)


def _clouds(ds: xr.Dataset) -> xr.DataArray:
    from astra_xr.scenes.masks import hidden

    return hidden(ds, {"clouds": True, "shadows": True, "cirrus": True}, dilate=2)


@functools.cache
def _compiled(formula: str) -> CodeType:
    # spyndex itself reads its whole catalogue at each call: too slow for many small strips.
    return compile(formula, formula, "eval")


def _unread(band: xr.DataArray) -> bool:
    """Tell whether a band's pixels are still in the file, with no dask between."""
    return band.chunks is None and not band.variable._in_memory  # noqa: SLF001  (no public way)


def _values(stored: npt.NDArray[Any], attrs: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Do for plain arrays what :func:`reflectance` does."""
    if attrs.get("role") in ("class", "mask") or not (
        _PACKING & attrs.keys() or stored.dtype.kind in "iub"
    ):
        return stored
    radiometry = Radiometry(
        dtype=str(stored.dtype),
        scale=float(attrs.get("scale_factor", 1.0)),
        offset=float(attrs.get("add_offset", 0.0)),
        nodata=float(attrs["_FillValue"]) if "_FillValue" in attrs else None,
    )
    # Integers never go into a formula: differences of unsigned ones wrap around.
    values = np.empty(stored.shape, decoded_dtype(stored.dtype))
    decode_into(stored, radiometry, values)
    return values


_PACKING = {"scale_factor", "add_offset", "_FillValue"}


def reflectance(da: xr.DataArray) -> xr.DataArray:
    """Return a band's values, whether it was opened with ``mask_and_scale`` or without.

    Parameters
    ----------
    da : xarray.DataArray
        Stored numbers with ``scale_factor``, ``add_offset`` or ``_FillValue`` in ``attrs``, or
        values.

    Returns
    -------
    xarray.DataArray
        Values in the band's unit, nodata as NaN.
    """
    values: xr.DataArray = xr.apply_ufunc(
        _values,
        da,
        kwargs={"attrs": dict(da.attrs)},
        dask="parallelized",
        output_dtypes=[_values(np.empty(0, da.dtype), da.attrs).dtype],
    )
    values.attrs = {key: value for key, value in da.attrs.items() if key not in _PACKING}
    return values


def _inputs(ds: xr.Dataset) -> dict[str, str]:
    """Map the letters of spyndex's formulas to the variables that they mean here."""
    symbols = {band.native: band.symbol for band in band_table(ds)}
    inputs: dict[str, str] = {}
    for variable in variables_of(ds):
        attrs = ds[variable].attrs
        native = str(attrs.get("native_name", variable))
        symbol = symbols.get(native) or _COMMON_SYMBOLS.get(str(attrs.get("common_name", variable)))
        if symbol:
            inputs.setdefault(symbol, variable)
    return inputs


_COMMON_SYMBOLS = {
    "coastal": "A",
    "blue": "B",
    "green": "G",
    "red": "R",
    "rededge071": "RE1",
    "rededge075": "RE2",
    "rededge078": "RE3",
    "nir": "N",
    "nir08": "N2",
    "nir09": "WV",
    "swir16": "S1",
    "swir22": "S2",
    "lwir": "T",
    "lwir11": "T1",
    "lwir12": "T2",
}
"""For Datasets of no mission of ours: STAC common name → letter."""


def _needed(ds: xr.Dataset, symbol: str) -> str:
    import spyndex

    for band in band_table(ds):
        if band.symbol == symbol:
            return f"{symbol} ({band.common or band.native})"
    told = spyndex.bands.get(symbol) or spyndex.constants.get(symbol)
    what = getattr(told, "long_name", None) or getattr(told, "description", None)
    return f"{symbol} ({what})" if what else symbol
