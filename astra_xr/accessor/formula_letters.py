"""The variables and constants that the letters of an index's formula stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from astra_xr.accessor.band_names import band_table, native_name, variables_of
from astra_xr.accessor.spyndex_formulas import Recipe
from astra_xr.errors import AmbiguousBand, MissingIndexBand

_NEAR = {"N": "N2", "N2": "N", "T": "T1"}
"""Letter → the one used if it is missing. Sentinel-2 has two near infrared bands, Landsat 8 and 9
have two thermal ones."""

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
"""STAC common name → letter, for Datasets of other missions."""

Letters = Mapping[str, Mapping[str, str]]
"""Letter of a formula → the variables that it may be → their long names."""


def letters_of(ds: xr.Dataset) -> Letters:
    """Return the letters of spyndex's formulas that a Dataset has variables for.

    If several variables are one band, only the one named like the band counts: ``red``, not a copy.
    """
    symbols = {band.native: band.symbol for band in band_table(ds)}
    letters: dict[str, dict[str, str]] = {}
    named_alike = set()
    for variable in variables_of(ds):
        native, attrs = native_name(ds, variable), ds.variables[variable].attrs
        common = str(attrs.get("common_name", variable if "native_name" in attrs else native))
        symbol = symbols.get(native) or _COMMON_SYMBOLS.get(common.casefold())
        if symbol:
            letters.setdefault(symbol, {})[variable] = str(attrs.get("long_name", ""))
            names = [str(attrs[key]) for key in ("native_name", "common_name") if key in attrs]
            if variable.casefold() in map(str.casefold, names or [native]):
                named_alike.add(variable)
    for symbol, hits in letters.items():
        if len(own := named_alike & hits.keys()) == 1:
            letters[symbol] = {variable: hits[variable] for variable in own}
    return letters


def variable_of(letters: Letters, letter: str) -> str | None:
    """Return the variable of a letter; None without one, AmbiguousBand if there are several."""
    hits = letters.get(letter, {})
    if len(hits) > 1:
        raise AmbiguousBand(band=letter, scene="this Dataset", candidates=hits)
    return next(iter(hits), None)


def matched(
    ds: xr.Dataset, letters: Letters, symbols: Sequence[str], given: Mapping[str, float]
) -> tuple[dict[str, str], dict[str, float], list[str]]:
    """Return a formula's variables and constants by symbol, and the symbols that are neither."""
    bands: dict[str, str] = {}
    constants: dict[str, float] = {}
    missing: list[str] = []
    for symbol in symbols:
        if symbol in given:
            constants[symbol] = given[symbol]
        elif variable := _near(letters, symbol):
            bands[symbol] = variable
        elif (default := _default(ds, letters, symbol)) is not None:
            constants[symbol] = default
        else:
            missing.append(symbol)
    return bands, constants, missing


def _near(letters: Letters, letter: str) -> str | None:
    """Return the variable of a letter, or of the letter that is used instead."""
    return variable_of(letters, letter) or variable_of(letters, _NEAR.get(letter, ""))


def _default(ds: xr.Dataset, letters: Letters, symbol: str) -> float | None:
    """Return the default of a constant: spyndex's, or for a wavelength that of the band, in nm."""
    import spyndex

    letter = symbol.removeprefix("lambda")
    if letter != symbol:
        variable = _near(letters, letter)
        waves = [ds[variable].attrs.get("center_wavelength")] if variable else []
        waves += [band.wavelength for band in band_table(ds) if band.symbol == letter]
        return next((round(float(each) * 1000, 3) for each in waves if each), None)
    constant = spyndex.constants.get(symbol)
    return None if constant is None else constant.default


def missing_band(ds: xr.Dataset, recipe: Recipe, missing: Sequence[str]) -> MissingIndexBand:
    """Return the error for symbols that are missing, with a hint on where to find them."""
    mission = ds.attrs.get("mission")
    names = {band.symbol: band.common or band.native for band in band_table(ds) if band.symbol}
    found = {symbol: names.get(symbol) or names.get(_NEAR.get(symbol, "")) for symbol in missing}
    if not missing:
        hint = "Leave a constant out."
    elif all(found.values()):
        listed = ", ".join(map(repr, found.values()))
        hint = f"The scene has them: open it with bands=[…, {listed}]."
    elif names and mission:
        lost = ", ".join(symbol for symbol, name in found.items() if not name)
        hint = f"{mission} has no band for {lost}; pass a constant by its name."
    else:
        hint = "Open the scene with these bands too, or pass a constant by its name."
    return MissingIndexBand(
        index=recipe.name,
        missing=[_described(symbol, names.get(symbol)) for symbol in missing]
        or ["at least one band, not only constants"],
        formula=recipe.shown,
        hint=hint,
    )


def _described(symbol: str, band: str | None) -> str:
    import spyndex

    entry = spyndex.bands.get(symbol) or spyndex.constants.get(symbol)
    what = band or getattr(entry, "long_name", None) or getattr(entry, "description", None)
    return f"{symbol} ({what})" if what else symbol
