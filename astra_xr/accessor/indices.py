"""Spectral indices by name, over spyndex, on reflectance."""

from __future__ import annotations

import functools
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING

import xarray as xr

from astra_xr.accessor.band_names import band_table, find_variable, native_name, variables_of
from astra_xr.accessor.cloud_masks import MaskClouds, asked_mask
from astra_xr.accessor.evaluate import FUNCTIONS, evaluate
from astra_xr.accessor.own_formulas import is_formula, own_recipe
from astra_xr.accessor.spyndex_formulas import Recipe, bounds_of, recipe_of, settable
from astra_xr.accessor.units import warn_of_units
from astra_xr.errors import AmbiguousBand, AstraError, InvalidParameter, MissingIndexBand

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["available", "search"]

_NEAR = {"N": "N2", "N2": "N", "T": "T1"}
"""Sentinel-2 has two near infrared bands, Landsat 8 and 9 two thermal ones: where the usual one is
not there the other serves."""


_Letters = Mapping[str, Mapping[str, str]]
"""Letter of a formula → the variables that it may mean → what they say of themselves."""


def spectral_index(
    ds: xr.Dataset,
    name: str,
    constants: Mapping[str, float],
    *,
    kernel: str = "RBF",
    mask_clouds: MaskClouds = False,
) -> xr.DataArray:
    """Compute a spectral index, or a formula, of a scene; see ``ds.astra.index``."""
    if is_formula(name):
        return _own(ds, name, constants, asked_mask(ds, mask_clouds))
    recipe = recipe_of(name, constants, kernel)
    unknown = sorted(set(constants) - set(settable(recipe, kernel)))
    if unknown:
        has = ", ".join(settable(recipe, kernel))
        expected = f"one of {has}, the names in {name} = {recipe.shown}"
        raise InvalidParameter(name="constant", value=unknown[0], expected=expected)
    return _computed(ds, recipe, constants, asked_mask(ds, mask_clouds))


def spectral_indices(
    ds: xr.Dataset,
    names: Sequence[str],
    constants: Mapping[str, float],
    *,
    kernel: str = "RBF",
    mask_clouds: MaskClouds = False,
) -> xr.Dataset:
    """Compute several indices; a constant goes to those whose formulas have it."""
    for name in filter(is_formula, names):
        expected = "names of indices; compute a formula by itself"
        raise InvalidParameter(name="name", value=name[:100], expected=expected)
    recipes = {name: recipe_of(name, constants, kernel) for name in names}
    known = {name: settable(recipe, kernel) for name, recipe in recipes.items()}
    unknown = sorted(set(constants) - {each for some in known.values() for each in some})
    if unknown or not recipes:
        has = ", ".join(sorted({each for some in known.values() for each in some}))
        expected = f"one of {has}, the names in the formulas" if recipes else "names of indices"
        what = ("constant", unknown[0]) if unknown and recipes else ("name", list(names))
        raise InvalidParameter(name=what[0], value=what[1], expected=expected)
    mask = asked_mask(ds, mask_clouds)
    found = {}
    for name, recipe in recipes.items():
        own = {each: constants[each] for each in known[name] if each in constants}
        found[name] = _computed(ds, recipe, own, mask)
    return xr.Dataset(found, attrs=ds.attrs)


def _computed(
    ds: xr.Dataset, recipe: Recipe, given: Mapping[str, float], mask: xr.DataArray | None
) -> xr.DataArray:
    _check_numbers(given)
    used, constants, lacking = _matched(ds, _inputs(ds), recipe.symbols, given)
    if lacking or not used:
        raise MissingIndexBand(
            index=recipe.name,
            missing=[_needed(ds, s) for s in lacking] or ["at least one band, not constants alone"],
            formula=recipe.shown,
            hint=_hint(ds, lacking),
        )
    return _evaluated(ds, recipe, used, constants, mask)


def _own(
    ds: xr.Dataset, text: str, given: Mapping[str, float], mask: xr.DataArray | None
) -> xr.DataArray:
    """Compute a formula of the user's own, of letters as in spyndex and of the Dataset's names."""
    letters = _inputs(ds)
    used: dict[str, str] = {}

    def symbol_of(name: str) -> str:
        if name in given:
            return name
        own = name if name in variables_of(ds) else None
        others = [each for each in letters.get(name, []) if own and each != own]
        if others:
            raise ValueError(f"{name} is a variable, and the letter of {others[0]}: rename it")
        try:
            # No other band near the letter's: N2-N would be 0.
            variable = own or _variable(letters, name) or find_variable(ds, name)
        except AstraError as error:
            reason = f"{name!r} is none of {', '.join([*letters, *variables_of(ds)])}"
            ambiguous = isinstance(error, AmbiguousBand)
            raise ValueError(str(error) if ambiguous else reason) from None
        # The letter of a band tells whether it is reflectance.
        symbol = next((s for s, hits in letters.items() if [*hits] == [variable]), variable)
        if symbol in given or symbol in FUNCTIONS or not _is_name(symbol):
            raise ValueError(f"{name!r} cannot be part of a formula: rename it")
        used[symbol] = variable
        return symbol

    recipe = own_recipe(text, symbol_of)
    _check_numbers(given)
    unused = sorted(set(given) - set(recipe.symbols))
    if unused:
        expected = f"a name in {recipe.formula}"
        raise InvalidParameter(name="constant", value=unused[0], expected=expected)
    if not used:
        expected = "a formula with a band, not of constants alone"
        raise InvalidParameter(name="formula", value=text[:100], expected=expected)
    # Who knows whether other variables are never below 0?
    return _evaluated(ds, recipe, used, given, mask, bounded=used.keys() <= letters.keys())


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _check_numbers(given: Mapping[str, float]) -> None:
    for symbol, value in given.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise InvalidParameter(name=symbol, value=value, expected="a number")


def _evaluated(
    ds: xr.Dataset,
    recipe: Recipe,
    used: Mapping[str, str],
    constants: Mapping[str, float],
    mask: xr.DataArray | None,
    *,
    bounded: bool = True,
) -> xr.DataArray:
    bands = {symbol: ds[variable] for symbol, variable in used.items()}
    warn_of_units(ds, recipe, used, constants)
    bounds = bounds_of(recipe.text, constants) if bounded else None
    values = evaluate(recipe.text, bands, constants, bounds=bounds, mask=mask)
    values.attrs = {
        "long_name": recipe.title,
        "formula": recipe.shown,
        "reference": recipe.reference,
        "domain": recipe.domain,
        "bands": ", ".join(f"{symbol}={variable}" for symbol, variable in used.items()),
    }
    values.attrs = {name: each for name, each in values.attrs.items() if each}
    values.attrs |= _origin([band.attrs for band in bands.values()])
    if constants:
        pairs = (f"{symbol}={value:g}" for symbol, value in constants.items())
        values.attrs["constants"] = ", ".join(pairs)
    if bounds:
        values.attrs["valid_range"] = list(bounds)
    values.encoding["_FillValue"] = math.nan
    return values.rename(recipe.name)


def _origin(attrs: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return where all bands of an index are from; of several scenes, their names."""
    names = ("scene_id", "catalog", "item_url", "resolved_at", "resolved_by")
    found = {n: list(dict.fromkeys(str(each[n]) for each in attrs if n in each)) for n in names}
    if len(found["scene_id"]) > 1:
        return {"scene_id": ", ".join(found["scene_id"])}
    return {name: each[0] for name, each in found.items() if len(each) == 1}


def search(text: str) -> pd.DataFrame:
    """Return spectral indices by words in their names, titles and domains.

    Parameters
    ----------
    text : str
        Words that must all occur, in any case; empty for all indices.

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
    known = {name: spyndex.indices[name] for name in spyndex.indices}
    return _table(
        name
        for name, index in known.items()
        if all(
            word in f"{name} {index.long_name} {index.application_domain}".casefold()
            for word in words
        )
    )


def available(ds: xr.Dataset) -> pd.DataFrame:
    """Return the spectral indices that can be computed from the bands of a Dataset.

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

    letters = _inputs(ds)

    def fits(name: str) -> bool:
        try:
            used, _, missing = _matched(ds, letters, _symbols_of(name), {})
        except AmbiguousBand:
            return False
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


@functools.cache
def _symbols_of(name: str) -> tuple[str, ...]:
    return recipe_of(name, {}).symbols


def _matched(
    ds: xr.Dataset, inputs: _Letters, symbols: Sequence[str], given: Mapping[str, float]
) -> tuple[dict[str, str], dict[str, float], list[str]]:
    """Return what stands for each letter of a formula: bands, constants, and nothing."""
    used: dict[str, str] = {}
    constants: dict[str, float] = {}
    missing: list[str] = []
    for symbol in symbols:
        if symbol in given:
            constants[symbol] = given[symbol]
        elif variable := _near(inputs, symbol):
            used[symbol] = variable
        elif (default := _default(ds, inputs, symbol)) is not None:
            constants[symbol] = default
        else:
            missing.append(symbol)
    return used, constants, missing


def _default(ds: xr.Dataset, inputs: _Letters, symbol: str) -> float | None:
    """Return a constant's usual value: spyndex's, or of a wavelength that of the band, in nm."""
    import spyndex

    letter = symbol.removeprefix("lambda")
    if letter != symbol:
        variable = _near(inputs, letter)
        waves = [ds[variable].attrs.get("center_wavelength")] if variable else []
        waves += [band.wavelength for band in band_table(ds) if band.symbol == letter]
        return next((round(float(each) * 1000, 3) for each in waves if each), None)
    constant = spyndex.constants.get(symbol)
    return None if constant is None else constant.default


def _near(inputs: _Letters, letter: str) -> str | None:
    """Return the variable of a letter, else of the one that can stand for it, if there is one."""
    return _variable(inputs, letter) or _variable(inputs, _NEAR.get(letter, ""))


def _variable(inputs: _Letters, letter: str) -> str | None:
    """Return the variable of a letter; None where there is none.

    Raises
    ------
    AmbiguousBand
        There are several.
    """
    hits = inputs.get(letter, {})
    if len(hits) > 1:
        raise AmbiguousBand(band=letter, scene="this Dataset", candidates=hits)
    return next(iter(hits), None)


def _inputs(ds: xr.Dataset) -> _Letters:
    """Map the letters of spyndex's formulas to the variables that they mean here.

    Of several, it is the one that is called as its band is: ``red``, and not a copy of it.
    """
    symbols = {band.native: band.symbol for band in band_table(ds)}
    inputs: dict[str, dict[str, str]] = {}
    called = set()
    for variable in variables_of(ds):
        native, attrs = native_name(ds, variable), ds.variables[variable].attrs
        common = str(attrs.get("common_name", variable if "native_name" in attrs else native))
        symbol = symbols.get(native) or _COMMON_SYMBOLS.get(common.casefold())
        if symbol:
            inputs.setdefault(symbol, {})[variable] = str(attrs.get("long_name", ""))
            given = [str(attrs[key]) for key in ("native_name", "common_name") if key in attrs]
            if variable.casefold() in map(str.casefold, given or [native]):
                called.add(variable)
    for symbol, hits in inputs.items():
        if len(own := called & hits.keys()) == 1:
            inputs[symbol] = {variable: hits[variable] for variable in own}
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
    entry = spyndex.bands.get(symbol) or spyndex.constants.get(symbol)
    what = getattr(entry, "long_name", None) or getattr(entry, "description", None)
    return f"{symbol} ({what})" if what else symbol


def _hint(ds: xr.Dataset, lacking: Sequence[str]) -> str:
    """Return a hint on where the bands that a formula lacks can be opened."""
    there = {band.symbol: band.common or band.native for band in band_table(ds) if band.symbol}
    names = [there.get(symbol) or there.get(_NEAR.get(symbol, "")) for symbol in lacking]
    found = [repr(name) for name in names if name]
    if found and len(found) == len(lacking):
        return f"The scene has them: open it with bands=[…, {', '.join(found)}]."
    hint = "Open the scene with these bands too, or pass a constant by its name."
    mission = ds.attrs.get("mission")
    if there and mission:
        lost = [symbol for symbol, name in zip(lacking, names, strict=True) if not name]
        hint = f"{mission} has no band for {', '.join(lost)}; pass a constant by its name."
    return hint


def __dir__() -> list[str]:
    return __all__
