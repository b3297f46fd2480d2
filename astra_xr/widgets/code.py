"""The Python code for an image; ``picker.js`` writes the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def code_of(
    about: Mapping[str, Any],
    state: Mapping[str, Any],
    in_force: Mapping[str, Sequence[float]],
    *,
    whole: bool = False,
) -> str:
    """Return the line of Python that makes a picker's image.

    Parameters
    ----------
    about : mapping
        Description of the scene, see ``Picker.about``.
    state : mapping
        State of the picker.
    in_force : mapping
        Band or index → (low, high); limits are left out of the code if one is missing.
    whole : bool
        Include the import and ``open_scene``.
    """
    name, mode, mask = about["name"], state["mode"], state["mask"]
    shown = {"rgb": state["bands"], "index": [state["index"]], "single": [state["band"]]}[mode]
    known = all(key in in_force for key in shown)
    limits = [[number(edge) for edge in in_force[key]] for key in shown] if known else []
    masked = ", mask_clouds=True" if mask else ""
    view = _step(about, state) + _view(about["grid"], state["view"])
    ends = f", vmin={limits[0][0]}, vmax={limits[0][1]}" if known else ""
    plot = f".plot.imshow(cmap={quoted(state['cmap'])}{ends})"
    if mode == "rgb":
        pairs = ", ".join(f"({low}, {high})" for low, high in limits)
        limited = f", limits=[{pairs}]" if known else ""
        gamma = "" if state["gamma"] == 1 else f", gamma={number(state['gamma'])}"
        line = f"{name}{view}.astra.rgb({_listed(shown)}{limited}{gamma}{masked})"
    elif mode == "index":
        line = f"{name}{view}.astra.index({quoted(shown[0])}{masked}){plot}"
    else:
        clear = f".where(~{name}{view}.astra.mask())" if mask else ""
        classes = about["bands"][shown[0]]["classes"]
        band = "" if about["array"] else f"[{quoted(shown[0])}]"
        line = f"{name}{view}{band}{clear}{'.plot.imshow()' if classes else plot}"
    if not whole or not about["scene"]:
        return line
    needed = about["needs"].get(state["index"], []) if mode == "index" else shown
    return f"import astra_xr\n\n{name} = {_opened(about, needed)}\n{line}"


def _opened(about: Mapping[str, Any], names: Sequence[str]) -> str:
    grid = about["grid"]
    catalog = f", catalog={quoted(about['catalog'])}" if about["catalog"] else ""
    unique = list(dict.fromkeys(names))
    bands = f"bands={_listed(unique)}" if unique else 'bands="reflectance"'
    sizes = [about["bands"][name]["gsd"] for name in unique or about["bands"]]
    own = min((size for size in sizes if size), default=None)
    crs = f", crs={quoted(grid['crs'])}" if grid["degrees"] else ""
    size = "" if own == abs(grid["dx"]) else f", resolution={number(abs(grid['dx']))}"
    return f"astra_xr.open_scene({quoted(about['scene'])}, {bands}{catalog}{crs}{size})"


def _step(about: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """Return what selects the step that is shown."""
    return next((s["code"] for s in about["steps"] if s["label"] == state.get("time")), "")


def _view(grid: Mapping[str, Any], view: Sequence[int] | None) -> str:
    if not view:
        return ""
    top, left, bottom, right = view
    if not grid["placed"]:
        return f".isel(y=slice({top}, {bottom}), x=slice({left}, {right}))"
    ends = [grid["y"] + grid["dy"] * edge for edge in (top, bottom)]
    if grid["up"]:
        ends = ends[::-1]
    sides = [grid["x"] + grid["dx"] * edge for edge in (left, right)]
    y, x = (", ".join(number(edge, 12) for edge in each) for each in (ends, sides))
    return f".sel(y=slice({y}), x=slice({x}))"


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def quoted(text: str) -> str:
    """Return a text in double quotes, as valid Python and JavaScript."""
    return json.dumps(text, ensure_ascii=False)


def number(value: float, digits: int = 6) -> str:
    """Return a number as text, without trailing zeros."""
    return f"{value:.{digits}g}"
