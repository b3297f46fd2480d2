"""What follows from a picker's state and its pixels: limits in force, the image. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.accessor.usual_colormaps import is_diverging
from astra_xr.widgets.colormaps import colors
from astra_xr.widgets.layers import MASK
from astra_xr.widgets.look import (
    Limits,
    Tile,
    bright,
    centered,
    classes,
    colored,
    rgb,
    stretch_of,
    subtracted,
    symmetric,
)
from astra_xr.widgets.sides import DIFFERENCE, channels_of, usual_colormap


def chosen_limits(state: Mapping[str, Any]) -> dict[str, Limits]:
    """Return the limits of visible channels that the state itself has."""
    own = state["limits"]
    return {key: (own[key][0], own[key][1]) for key in channels_of(state) if key in own}


def stretched_limits(
    state: Mapping[str, Any], tiles: Mapping[str, Tile], about: Mapping[str, Any]
) -> dict[str, Limits]:
    """Return the limits of visible channels that follow from the stretch.

    Parameters
    ----------
    state : mapping
        See `astra_xr.widgets.choice`.
    tiles : mapping
        Channel → tile of the scene, or of the view; with the cloud mask where there is one.
    about : mapping
        See `astra_xr.widgets.about`. If ``reflectance``, very bright pixels are taken for clouds
        where there is no mask.
    """
    shown = channels_of(state)
    leave_out: npt.NDArray[np.bool_] | None = None
    if MASK in tiles:
        leave_out = tiles[MASK].codes > 0
    elif state["mode"] == "rgb" and about["reflectance"]:
        leave_out = bright([tiles[key] for key in shown])
    found = {key: stretch_of(tiles[key], state["stretch"], leave_out) for key in shown}
    if state["mode"] == "rgb":
        return found
    middle = symmetric if _about_zero(state, about) else centered
    return {key: middle(pair) for key, pair in found.items()}


def _about_zero(state: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    """Return True for differences, and for a diverging colormap of what usually has one."""
    if state["mode"] == "difference":
        return True
    return is_diverging(usual_colormap(about, state)) and is_diverging(state["cmap"])


def difference_tiles(
    keys: tuple[str, str], a: Mapping[str, Tile], b: Mapping[str, Tile]
) -> dict[str, Tile]:
    """Return the difference B - A, and what is hidden in either.

    Parameters
    ----------
    keys : (str, str)
        Channels of A and of B.
    a, b : mapping
        Channel → tile, of the same pixels; with the cloud mask where there is one.
    """
    found = {DIFFERENCE: subtracted(DIFFERENCE, a[keys[0]], b[keys[1]])}
    if MASK in a and MASK in b:
        found[MASK] = replace(a[MASK], codes=a[MASK].codes | b[MASK].codes)
    return found


def picture(
    state: Mapping[str, Any],
    tiles: Mapping[str, Tile],
    limits: Mapping[str, Limits],
    named: Sequence[Mapping[str, Any]],
) -> npt.NDArray[np.uint8]:
    """Return the RGBA image, (rows, columns, 4); ``named`` are the classes of a single band."""
    shown = channels_of(state)
    if state["mode"] == "rgb":
        pairs = [limits[key] for key in shown]
        image = rgb([tiles[key] for key in shown], pairs, state["gamma"])
    elif state["mode"] == "single" and named:
        image = classes(tiles[shown[0]], named)
    else:
        image = colored(tiles[shown[0]], limits[shown[0]], colors(state["cmap"]))
    if state["mask"] and MASK in tiles:
        image[tiles[MASK].codes > 0, 3] = 0
    return image
