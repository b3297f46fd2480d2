"""The Python code for an image; ``picker.js`` writes the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from astra_xr.errors import InvalidDataset


def code_of(
    about: Mapping[str, Any],
    state: Mapping[str, Any],
    in_force: Mapping[str, Sequence[float]],
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
        return f"{name}{view}.astra.rgb({_listed(shown)}{limited}{gamma}{masked})"
    if mode == "index":
        return f"{name}{view}.astra.index({quoted(shown[0])}{masked}){plot}"
    clear = f".where(~{name}{view}.astra.mask())" if mask else ""
    classes = about["bands"][shown[0]]["classes"]
    band = "" if about["array"] else f"[{quoted(shown[0])}]"
    return f"{name}{view}{band}{clear}{'.plot.imshow()' if classes else plot}"


def program_of(about: Mapping[str, Any], code: str) -> str:
    """Return a program that opens a scene and ends with ``code``.

    Raises
    ------
    InvalidDataset
        Nothing is known that opens the scene as it is.
    """
    if about["opening"] is None:
        needs, hint = "a Dataset as it was opened", str(about["unopened"])
        raise InvalidDataset(method="picker.script", needs=needs, hint=hint)
    return f"{about['opening']}\n{code}"


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
