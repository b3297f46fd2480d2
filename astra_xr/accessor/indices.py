"""Spectral indices by name, over spyndex, on reflectance."""

from __future__ import annotations

import functools
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from astra_xr.accessor.band_names import as_tuple, find_variable, variables_of
from astra_xr.accessor.cloud_masks import MaskClouds, requested_mask
from astra_xr.accessor.evaluate import FUNCTIONS, evaluate
from astra_xr.accessor.formula_letters import letters_of, matched, missing_band, variable_of
from astra_xr.accessor.own_formulas import is_formula, own_recipe
from astra_xr.accessor.reflectance_warning import warn_of_units
from astra_xr.accessor.spyndex_formulas import Recipe, bounds_of, recipe_of, settable
from astra_xr.arguments import read_number
from astra_xr.errors import AmbiguousBand, AstraError, InvalidParameter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["available", "search"]

Constants = Mapping[str, float]

_HUGE = 3e38
"""The largest float32."""


def spectral_index(
    ds: xr.Dataset,
    name: str,
    constants: Constants,
    *,
    kernel: str = "RBF",
    mask_clouds: MaskClouds = False,
) -> xr.DataArray:
    """Compute a spectral index, or a formula, of a scene; see ``ds.astra.index``."""
    if is_formula(name):
        return _own(ds, name, constants, requested_mask(ds, mask_clouds))
    recipe = recipe_of(name, constants, kernel)
    _check_constants(constants, settable(recipe, kernel), f"{name} = {recipe.shown}")
    return _computed(ds, recipe, constants, requested_mask(ds, mask_clouds))


def spectral_indices(
    ds: xr.Dataset,
    names: Sequence[str],
    constants: Constants,
    *,
    kernel: str = "RBF",
    mask_clouds: MaskClouds = False,
) -> xr.Dataset:
    """Compute several indices; a constant applies to those whose formulas have it."""
    wanted = as_tuple(names)
    if not wanted or not all(isinstance(name, str) for name in wanted):
        raise InvalidParameter(name="name", value=names, expected="names of indices")
    for name in filter(is_formula, wanted):
        reason, expected = "a formula cannot be one of several", "names of indices"
        raise InvalidParameter(name="name", value=name[:100], expected=expected, reason=reason)
    recipes = [recipe_of(name, constants, kernel) for name in wanted]
    known = {recipe.name: settable(recipe, kernel) for recipe in recipes}
    settables = sorted({each for some in known.values() for each in some})
    _check_constants(constants, settables, "the formulas")
    mask = requested_mask(ds, mask_clouds)
    found = {}
    for recipe in recipes:
        own = {each: constants[each] for each in known[recipe.name] if each in constants}
        found[recipe.name] = _computed(ds, recipe, own, mask)
    return xr.Dataset(found, attrs=ds.attrs)


def _check_constants(constants: Constants, known: Sequence[str], where: str) -> None:
    for symbol, value in constants.items():
        if symbol not in known:
            reason, expected = f"there is no {symbol} in {where}", f"one of {', '.join(known)}"
            raise InvalidParameter(name=symbol, value=value, expected=expected, reason=reason)
        read_number(symbol, value, "a finite number", least=-_HUGE, most=_HUGE)


def _computed(
    ds: xr.Dataset, recipe: Recipe, given: Constants, mask: xr.DataArray | None
) -> xr.DataArray:
    bands, constants, missing = matched(ds, letters_of(ds), recipe.symbols, given)
    if missing or not bands:
        raise missing_band(ds, recipe, missing)
    return _evaluated(ds, recipe, bands, constants, mask)


def _own(ds: xr.Dataset, text: str, given: Constants, mask: xr.DataArray | None) -> xr.DataArray:
    """Compute a formula of the user's own, of spyndex's letters and the Dataset's names."""
    letters = letters_of(ds)
    bands: dict[str, str] = {}

    def symbol_of(name: str) -> str:
        if name in given:
            return name
        own = name if name in variables_of(ds) else None
        others = [each for each in letters.get(name, []) if own and each != own]
        if others:
            raise ValueError(f"{name} is a variable, and the letter of {others[0]}: rename it")
        try:
            # Not the letter that an index may use instead: N2-N would be 0.
            variable = own or variable_of(letters, name) or find_variable(ds, name)
        except AstraError as error:
            reason = f"{name!r} is not one of {', '.join([*letters, *variables_of(ds)])}"
            ambiguous = isinstance(error, AmbiguousBand)
            raise ValueError(str(error) if ambiguous else reason) from None
        # By the letter of a band it is known whether it is reflectance.
        symbol = next((s for s, hits in letters.items() if [*hits] == [variable]), variable)
        is_name = symbol.isidentifier() and not keyword.iskeyword(symbol)
        if symbol in given or symbol in FUNCTIONS or not is_name:
            raise ValueError(f"{name!r} cannot be part of a formula: rename it")
        bands[symbol] = variable
        return symbol

    recipe = own_recipe(text, symbol_of)
    _check_constants(given, recipe.symbols, recipe.formula)
    if not bands:
        reason, expected = "all of its names are constants", "a formula with a band"
        raise InvalidParameter(name="name", value=text[:100], expected=expected, reason=reason)
    # Other variables may be below 0.
    return _evaluated(ds, recipe, bands, given, mask, bounded=bands.keys() <= letters.keys())


def _evaluated(
    ds: xr.Dataset,
    recipe: Recipe,
    bands: Mapping[str, str],
    constants: Constants,
    mask: xr.DataArray | None,
    *,
    bounded: bool = True,
) -> xr.DataArray:
    inputs = {symbol: ds[variable] for symbol, variable in bands.items()}
    warn_of_units(ds, recipe, bands, constants)
    bounds = bounds_of(recipe.text, constants) if bounded else None
    values = evaluate(recipe.text, inputs, constants, bounds=bounds, mask=mask)
    attrs: dict[str, Any] = {
        "long_name": recipe.title,
        "formula": recipe.shown,
        "reference": recipe.reference,
        "domain": recipe.domain,
        "bands": ", ".join(f"{symbol}={variable}" for symbol, variable in bands.items()),
        **_origin([band.attrs for band in inputs.values()]),
        "constants": ", ".join(f"{symbol}={value:g}" for symbol, value in constants.items()),
        "valid_range": list(bounds or ()),
    }
    values.attrs = {name: each for name, each in attrs.items() if each}
    values.encoding["_FillValue"] = math.nan
    return values.rename(recipe.name)


def _origin(attrs: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return the attrs of origin that all bands of an index share; of several scenes, the ids."""
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

    if not isinstance(text, str):
        expected = "words such as 'water', or '' for all indices"
        raise InvalidParameter(name="text", value=text, expected=expected)
    words = text.casefold().split()
    texts = {
        name: f"{name} {index.long_name} {index.application_domain}".casefold()
        for name, index in spyndex.indices.items()
    }
    return _table(name for name, text in texts.items() if all(word in text for word in words))


def available(ds: xr.Dataset) -> pd.DataFrame:
    """Return the spectral indices that can be computed from the bands of a Dataset.

    Returns
    -------
    pandas.DataFrame
        As of :func:`search`.

    Examples
    --------
    >>> import astra_xr
    >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
    >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
    >>> "NDVI" in available(ds).index, "NDWI" in available(ds).index
    (True, False)
    """
    import spyndex

    if not isinstance(ds, xr.Dataset):
        expected = "a Dataset with bands, as open_scene returns it"
        raise InvalidParameter(name="ds", value=ds, expected=expected)
    letters = letters_of(ds)

    def fits(name: str) -> bool:
        try:
            bands, _, missing = matched(ds, letters, _symbols_of(name), {})
        except AmbiguousBand:
            return False
        return bool(bands) and not missing

    return _table(name for name in spyndex.indices if fits(name))


@functools.cache
def _symbols_of(name: str) -> tuple[str, ...]:
    return recipe_of(name, {}).symbols


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


def __dir__() -> list[str]:
    return __all__
