"""The sides of a picker: A, shown by the state itself; B, by ``compare``; and B - A.

Pure; ``js/sides.js`` is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

State = dict[str, Any]
"""See :func:`astra_xr.widgets.state.completed`."""

DIFFERENCE = "B - A"
"""Key of the difference, besides bands and indices."""

OWN = ("time", "mode", "bands", "index", "band")
"""Keys of the state that B may have for itself."""

Side = Literal["a", "b", "difference"]


def channels_of(state: Mapping[str, Any]) -> list[str]:
    """Return the bands, the index or the difference that a state shows: three or one."""
    if state["mode"] == "difference":
        return [DIFFERENCE]
    key = {"index": "index", "single": "band"}.get(state["mode"])
    return [state[key]] if key else list(state["bands"])


def default_colormap(about: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """Return the default colormap of the mode and its channel."""
    if state["mode"] == "index":
        # The user's own formulas are not in the table.
        return str(about["indices"].get(state["index"], {"cmap": "viridis"})["cmap"])
    return str(about["bands"][state["band"]]["cmap"])


def side_of(about: Mapping[str, Any], state: Mapping[str, Any], side: Side) -> State:
    """Return the state of a side by itself.

    Parameters
    ----------
    about : mapping
        Description of the scene, of which ``bands`` and ``indices`` are used.
    state : mapping
        State of the picker.
    side : str
        ``"a"``, ``"b"`` or ``"difference"``.
    """
    a = {key: value for key, value in state.items() if key != "compare"}
    compare = state.get("compare")
    if side == "a" or not compare:
        return a
    if side == "difference":
        return a | {"mode": "difference", "cmap": compare["cmap"]}
    b = a | {key: compare[key] for key in OWN if key in compare}
    if b["mode"] != "rgb" and (b["mode"], channels_of(b)) != (a["mode"], channels_of(a)):
        b["cmap"] = default_colormap(about, b)
    return b


def sides_seen(state: Mapping[str, Any]) -> tuple[Side, ...]:
    """Return the visible sides: only A, A and B, or the difference."""
    compare = state.get("compare")
    if not compare:
        return ("a",)
    return ("difference",) if compare["show"] == "difference" else ("a", "b")


def can_differ(about: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Return True if B - A can be: one channel each, and none of classes."""
    sides = (side_of(about, state, "a"), side_of(about, state, "b"))
    return all(
        side["mode"] == "index"
        or (side["mode"] == "single" and not about["bands"][side["band"]]["classes"])
        for side in sides
    )
