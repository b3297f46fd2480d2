"""The Python code of an image; ``js/code.js`` writes the same. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from astra_xr.errors import InvalidDataset
from astra_xr.widgets.sides import channels_of, side_of, sides_seen


def code_of(
    about: Mapping[str, Any],
    state: Mapping[str, Any],
    in_force: Mapping[str, Sequence[float]],
) -> str:
    """Return the Python that makes a picker's image: a line, or one each for A and B.

    Parameters
    ----------
    about : mapping
        Description of the scene, see ``Picker.about``.
    state : mapping
        State of the picker.
    in_force : mapping
        Band or index → (low, high); limits are left out of the code if one is missing.
    """
    seen = sides_seen(state)
    if seen != ("difference",):
        return "\n".join(_line(about, side_of(about, state, side), in_force) for side in seen)
    a, b = (_channel(about, side_of(about, state, side), signed=True) for side in ("a", "b"))
    return f"({b} - {a}){_plot(side_of(about, state, 'difference'), in_force)}"


def _line(
    about: Mapping[str, Any], state: Mapping[str, Any], in_force: Mapping[str, Sequence[float]]
) -> str:
    shown = channels_of(state)
    if state["mode"] == "rgb":
        pairs = [
            f"({number(in_force[k][0])}, {number(in_force[k][1])})" for k in shown if k in in_force
        ]
        limited = f", limits=[{', '.join(pairs)}]" if len(pairs) == len(shown) else ""
        gamma = "" if state["gamma"] == 1 else f", gamma={number(state['gamma'])}"
        masked = ", mask_clouds=True" if state["mask"] else ""
        return f"{_source(about, state)}.astra.rgb({literal(shown)}{limited}{gamma}{masked})"
    classes = state["mode"] == "single" and about["bands"][shown[0]]["classes"]
    plot = ".plot.imshow()" if classes else _plot(state, in_force)
    return f"{_channel(about, state)}{plot}"


def _channel(about: Mapping[str, Any], state: Mapping[str, Any], *, signed: bool = False) -> str:
    """Return the Python of an index or a band; with ``signed``, of numbers to subtract."""
    source, key = _source(about, state), channels_of(state)[0]
    if state["mode"] == "index":
        masked = ", mask_clouds=True" if state["mask"] else ""
        return f"{source}.astra.index({literal(key)}{masked})"
    clear = f".where(~{source}.astra.mask())" if state["mask"] else ""
    band = "" if about["array"] else f"[{literal(key)}]"
    # Unsigned integers would wrap around.
    whole = '.astype("float64")' if signed and about["bands"][key]["integer"] else ""
    return f"{source}{band}{clear}{whole}"


def _plot(state: Mapping[str, Any], in_force: Mapping[str, Sequence[float]]) -> str:
    limits = in_force.get(channels_of(state)[0])
    ends = f", vmin={number(limits[0])}, vmax={number(limits[1])}" if limits else ""
    return f".plot.imshow(cmap={literal(state['cmap'])}{ends})"


def program_of(about: Mapping[str, Any], code: str) -> str:
    """Return a program that opens a scene and ends with ``code``.

    Raises
    ------
    InvalidDataset
        No call is known that opens the Dataset as it is.
    """
    if about["opening"] is None:
        needs, hint = "a Dataset as it was opened", str(about["unopened"])
        raise InvalidDataset(method="picker.script", needs=needs, hint=hint)
    return f"{about['opening']}\n{code}"


def _source(about: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """Return the Python of the step and view that are shown."""
    # The only step of a Dataset has no label, and the state no time.
    step = next(each for each in about["steps"] if each["label"] == (state["time"] or ""))
    view = _view(about["grid"], state["view"])
    if step["matched"]:
        return f"{step['source']}.rio.reproject_match({about['name']}{view})"
    return f"{step['source'] or about['name']}{step['code']}{view}"


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


def literal(value: Any) -> str:
    """Return a plain value as Python, with double quotes.

    Examples
    --------
    >>> print(literal({"lat": "y", 1: ["red", 0.5, None]}))
    {"lat": "y", 1: ["red", 0.5, None]}
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = (f"{literal(key)}: {literal(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def number(value: float, digits: int = 6) -> str:
    """Return a number as text, without trailing zeros."""
    return f"{value:.{digits}g}"
