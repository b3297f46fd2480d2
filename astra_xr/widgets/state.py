"""The state of a picker, as a plain dict: defaults and checks."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Real
from typing import Any

import traitlets

from astra_xr.accessor.band_names import as_tuple, find_variable, has_band
from astra_xr.accessor.own_formulas import is_formula
from astra_xr.accessor.rgb import read_gamma
from astra_xr.arguments import read_choice, read_flag, read_number
from astra_xr.errors import AstraError, InvalidParameter, UnknownIndex, redact, suggestion
from astra_xr.widgets.colormaps import colors
from astra_xr.widgets.picker_scene import Scene
from astra_xr.widgets.sides import DIFFERENCE, OWN, State, can_differ, default_colormap
from astra_xr.widgets.steps import ONLY, step_named, usual_step


class InvalidState(AstraError, traitlets.TraitError):
    """A picker's state was set to an invalid one; the last valid one stays."""


_STRETCH = {"kind": "percentile", "low": 2.0, "high": 98.0, "sigma": 2.0, "of": "whole"}


def completed(scene: Scene, given: Mapping[str, Any], first: str | None = None) -> State:
    """Return a complete state from a partial one, after checking it.

    Parameters
    ----------
    scene : Scene
        The scene that is shown.
    given : mapping
        Any of

        time : step of a stack: its label, a time, or (part of) a date that only this step has; by
            default the latest with at most 20 % clouds, else the least cloudy one
        mode : ``"rgb"``, ``"index"`` or ``"single"``
        bands : three band names, for mode ``"rgb"``
        index, band : names, for the other modes; the index may be a formula
        cmap : colormap, for the other modes
        stretch : ``{"kind": "percentile", "low": 2, "high": 98}``, ``{"kind": "sigma", "sigma":
            2}`` or ``{"kind": "minmax"}``; ``"of"`` is ``"whole"`` or ``"view"``; ``"time"`` is
            the step from whose pixels all steps get their limits, by default the one shown; if
            None, each step has its own
        limits : band or index → (low, high), where they were chosen; others follow from the
            stretch, see ``Picker.shown``
        gamma : 0.1 to 10
        mask : True to mask clouds
        view : (top, left, bottom, right) in pixels; None for the whole scene
        pins : list of (x, y), in the coordinates of the Dataset
        area : (top, left, bottom, right) in pixels, for statistics; None for none
        compare : what the second side, B, shows: any of ``time``, ``mode``, ``bands``, ``index``
            and ``band``, else the same as A; also ``"show"``, ``"swipe"`` or ``"difference"``;
            ``"split"``, the share of the width that A has; and ``"cmap"``, the colormap of the
            difference; None for A only
    first : str, optional
        A band or an index, instead of ``band`` or ``index`` in ``given``.

    Raises
    ------
    InvalidParameter, UnknownBand, AmbiguousBand, UnknownIndex
        A value is invalid.
    """
    if first is not None:
        key = "band" if has_band(scene.ds, first) else "index"
        given = {key: _CHECKS[key](scene, "name", first)} | dict(given)
    unknown = [name for name in given if name not in _CHECKS]
    if unknown:
        name = unknown[0]
        expected = f"one of {', '.join(_CHECKS)}{suggestion(str(name), _CHECKS)}"
        raise _bad(name, given[name], expected, "a picker has no such parameter")
    own = {
        key: _CHECKS[key](scene, key, _copied(key, value))
        for key, value in given.items()
        if value is not None
    }
    if "mode" not in own:
        usual = "rgb" if len(scene.bands) >= 3 or scene.presets else "single"
        own["mode"] = next((m for m, key in _IMPLIED if key in own), usual)
    if own["mode"] == "index" and not (own.get("index") or scene.indices):
        raise _bad("mode", "index", "'rgb' or 'single'", _NO_INDEX)
    compare = own.pop("compare", None)
    state = _defaults(scene) | own
    # Limits stay those of the step at which the stretch was chosen.
    state["stretch"].setdefault("time", state["time"])
    about = {"bands": scene.bands, "indices": scene.indices}
    if "cmap" not in own:
        state["cmap"] = default_colormap(about, state)
    if compare is not None:
        mode = compare.get("mode", state["mode"])
        if mode == "index" and not (compare.get("index") or state["index"]):
            raise _bad("compare", compare, "another mode", _NO_INDEX)
        state["compare"] = compare
        if compare["show"] == "difference" and not can_differ(about, state):
            reason = "a difference needs one index or band on each side, without classes"
            raise _bad("compare['show']", "difference", "'swipe'", reason)
    return state


_IMPLIED = (("rgb", "bands"), ("index", "index"), ("single", "band"))
"""The mode that a key implies if no mode is given."""


def _defaults(scene: Scene) -> State:
    names = list(scene.bands)
    plain = [name for name in names if not scene.bands[name]["classes"]] or names
    bands = next(iter(scene.presets.values()), None) or _near(scene) or (plain * 3)[:3]
    return {
        "time": None if scene.dim is None else scene.steps[usual_step(scene.steps)].label,
        "mode": "rgb",
        "bands": bands,
        "index": next(iter(scene.indices), None),
        "band": bands[0],
        "stretch": dict(_STRETCH),
        "limits": {},
        "gamma": 1.0,
        "mask": False,
        "view": None,
        "pins": [],
        "area": None,
        "compare": None,
    }


def _near(scene: Scene) -> list[str]:
    """Return the bands with wavelengths nearest to red, green and blue; none if they are far."""
    waves = {name: band["wavelength"] for name, band in scene.bands.items() if band["wavelength"]}
    if not waves:
        return []
    bands = [min(waves, key=lambda name: abs(waves[name] - at)) for at in (0.66, 0.56, 0.49)]
    return bands if len(set(bands)) == 3 and abs(waves[bands[0]] - 0.66) < 0.1 else []


def _bad(name: str, value: Any, expected: str, reason: str = "") -> InvalidParameter:
    return InvalidParameter(name=name, value=value, expected=expected, reason=reason)


def _copied(name: str, value: Any) -> Any:
    with contextlib.suppress(TypeError):  # of a generator and the like
        return copy.deepcopy(value)
    raise _bad(name, value, "text, a number, a list or a dict")


_NO_INDEX = "these bands allow no spectral index"


def _time(scene: Scene, name: str, value: Any) -> str:
    if scene.steps == [ONLY]:
        raise _bad(name, value, "None", "this Dataset has no dimension besides y and x")
    return scene.steps[step_named(scene.steps, name, value)].label


def _mode(_: Scene, name: str, value: Any) -> str:
    return read_choice(name, ("rgb", "index", "single"), value)


def _bands(scene: Scene, name: str, value: Any) -> list[str]:
    names = as_tuple(value)
    if len(names) != 3:
        raise _bad(name, value, "three band names")
    return [_band(scene, name, each) for each in names]


def _band(scene: Scene, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad(name, value, "a band name")
    return find_variable(scene.ds, value)


def _index(scene: Scene, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad(name, value, "the name of an index, or a formula")
    for known in scene.indices:
        if value.casefold() == known.casefold():
            return known
    if is_formula(value):
        try:
            scene.needs(value)
        except InvalidParameter as error:
            raise _bad(name, value[:100], error.expected, error.reason) from error
        return " ".join(value.split())
    import spyndex

    if value not in spyndex.indices:
        raise UnknownIndex(index=value, known=list(spyndex.indices))
    scene.needs(value)  # raises if bands are missing
    raise _bad(name, value, "another index", "a variable of the Dataset has this name")


def formula_answer(scene: Scene, text: str) -> dict[str, Any]:
    """Return the message for the browser on a formula: its name as an index, or what is wrong."""
    try:
        return {"type": "formula", "text": text, "name": _index(scene, "index", text)}
    except AstraError as error:
        return {"type": "formula", "text": text, "message": redact(error)}


def _colormap(_: Scene, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad(name, value, "the name of a colormap")
    colors(value, name)
    return value


def _stretch(scene: Scene, name: str, value: Any) -> dict[str, Any]:
    stretch = _STRETCH | (dict(value) if isinstance(value, Mapping) else {"kind": value})
    kind, of = stretch["kind"], stretch["of"]
    fine = (
        isinstance(kind, str)
        and kind in ("percentile", "sigma", "minmax")
        and isinstance(of, str)
        and of in ("whole", "view")
        and all(isinstance(stretch[each], Real) for each in ("low", "high", "sigma"))
        and set(stretch) - {"time"} == set(_STRETCH)
        and 0 <= stretch["low"] < stretch["high"] <= 100
        and 0 < stretch["sigma"] <= 100
    )
    if not fine:
        expected = (
            "{'kind': 'percentile', 'low': 2, 'high': 98}, {'kind': 'sigma', 'sigma': 2} "
            "or 'minmax', with 'of': 'whole' or 'view'"
        )
        raise _bad(name, value, expected)
    if stretch.get("time") is not None:
        stretch["time"] = _time(scene, "stretch['time']", stretch["time"])
    return stretch


def _limits(scene: Scene, name: str, value: Any) -> dict[str, list[float]]:
    expected = "a dict of band or index → (low, high), with low < high"
    if not isinstance(value, Mapping):
        raise _bad(name, value, expected)
    found = {}
    for key, pair in value.items():
        index = key in {*scene.indices, DIFFERENCE} or is_formula(str(key))
        own = str(key) if index else find_variable(scene.ds, str(key))
        try:
            low, high = (float(edge) for edge in pair)
        except (TypeError, ValueError, OverflowError):
            low, high = 1.0, 0.0
        if not low < high or not isfinite(high - low):
            raise _bad(name, value, expected)
        found[own] = [low, high]
    return found


def _gamma(_: Scene, name: str, value: Any) -> float:
    return read_gamma(value)


def _mask(scene: Scene, name: str, value: Any) -> bool:
    masked = read_flag(name, value)
    if masked and not scene.masked:
        raise _bad(name, value, "False", "this Dataset has no classification band with clouds")
    return masked


def _view(scene: Scene, name: str, value: Any) -> list[int]:
    rows, cols = scene.shape
    expected = f"(top, left, bottom, right) within {rows} rows and {cols} columns"
    try:
        top, left, bottom, right = (int(edge) for edge in value)
    except (TypeError, ValueError, OverflowError):
        top, left, bottom, right = 0, 0, 0, 0
    if not (0 <= top < bottom <= rows and 0 <= left < right <= cols):
        raise _bad(name, value, expected)
    return [top, left, bottom, right]


def _pins(_: Scene, name: str, value: Any) -> list[list[float]]:
    try:
        pins = [[float(x), float(y)] for x, y in value]
    except (TypeError, ValueError, OverflowError):
        pins = [[float("nan")]]
    if all(isfinite(each) for pin in pins for each in pin):
        return pins
    raise _bad(name, value, "a list of (x, y), in the coordinates of the Dataset")


def _compare(scene: Scene, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(name, value, "a dict of what B shows, such as {'index': 'NDVI'}, or None")
    found: dict[str, Any] = {"show": "swipe", "split": 0.5, "cmap": "BrBG"}
    for key, each in value.items():
        if key not in (*OWN, *found):
            expected = (
                f"a dict of {', '.join((*OWN, *found))}{suggestion(str(key), (*OWN, *found))}"
            )
            raise _bad(name, value, expected, f"unknown key {key!r}")
        if each is not None:
            found[key] = each
    own = {key: found.pop(key) for key in OWN if key in found}
    checked = {key: _CHECKS[key](scene, f"{name}[{key!r}]", each) for key, each in own.items()}
    read_choice("compare['show']", ("swipe", "difference"), found["show"])
    split = read_number("compare['split']", found["split"], "a number from 0 to 1", least=0, most=1)
    _colormap(scene, "compare['cmap']", found["cmap"])
    implied = next(({"mode": m} for m, key in _IMPLIED if key in checked), {})
    return implied | checked | found | {"split": split}


_CHECKS: dict[str, Callable[[Scene, str, Any], Any]] = {
    "time": _time,
    "mode": _mode,
    "bands": _bands,
    "index": _index,
    "band": _band,
    "cmap": _colormap,
    "stretch": _stretch,
    "limits": _limits,
    "gamma": _gamma,
    "mask": _mask,
    "view": _view,
    "pins": _pins,
    "area": _view,
    "compare": _compare,
}
