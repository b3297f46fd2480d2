"""What follows from a picker's state and its tiles: the limits in force, and the image.

``js/derive.js`` derives the same in the browser.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.accessor.default_colormaps import is_diverging
from astra_xr.widgets.colormaps import colors
from astra_xr.widgets.picker_scene import MASK, Scene
from astra_xr.widgets.sides import (
    DIFFERENCE,
    Side,
    State,
    channels_of,
    default_colormap,
    side_of,
    sides_seen,
)
from astra_xr.widgets.tile_cache import Channel
from astra_xr.widgets.tile_codes import (
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

Tiles = Mapping[Channel, Tile]


class Drawing:
    """The limits and the image of a state, from tiles that are read.

    Parameters
    ----------
    scene : Scene
        The scene that is shown.
    about : mapping
        Its description for the browser.
    """

    def __init__(self, scene: Scene, about: Mapping[str, Any]) -> None:
        self._scene = scene
        self._about = about
        self._known: dict[Side, tuple[Any, list[weakref.ref[Tile]], dict[str, Limits]]] = {}

    def channels(self, state: State, *, counted: bool = False) -> list[Channel]:
        """Return the channels that the visible sides are drawn from.

        With ``counted``, those that limits follow from: of the step of the stretch, except in a
        difference.
        """
        sides = sides_seen(state)
        found = (each for side in sides for each in self._sources(state, side, counted=counted))
        return list(dict.fromkeys(found))

    def followed(self, state: State) -> set[Channel]:
        """Return the channels that the image and its limits follow from."""
        return {*self.channels(state), *self.channels(state, counted=True)}

    def _sources(self, state: State, side: Side, *, counted: bool = False) -> list[Channel]:
        if side == "difference":
            return [*self._sources(state, "a"), *self._sources(state, "b")]
        own = side_of(self._about, state, side)
        time = (own["stretch"]["time"] if counted else None) or own["time"]
        keys = [*dict.fromkeys(channels_of(own)), *([MASK] if self._scene.masked else [])]
        return [(key, self._scene.step(time)) for key in keys]

    def _tiles(
        self, state: State, side: Side, tiles: Tiles, *, counted: bool = False
    ) -> dict[str, Tile] | None:
        """Return key → tile of a side; None if one is missing other than the mask."""
        if side != "difference":
            sources = self._sources(state, side, counted=counted)
            found = {each[0]: tiles[each] for each in sources if each in tiles}
            shown = channels_of(side_of(self._about, state, side))
            return found if found.keys() >= set(shown) else None
        a, b = self._tiles(state, "a", tiles), self._tiles(state, "b", tiles)
        if a is None or b is None:
            return None
        sides = (side_of(self._about, state, "a"), side_of(self._about, state, "b"))
        first, second = (channels_of(own)[0] for own in sides)
        found = {DIFFERENCE: subtracted(DIFFERENCE, a[first], b[second])}
        if MASK in a and MASK in b:
            found[MASK] = replace(a[MASK], codes=a[MASK].codes | b[MASK].codes)
        return found

    def limits(self, state: State, tiles: Tiles) -> dict[str, Limits]:
        """Return the limits in force of visible channels, as far as they follow from these tiles.

        A channel that both A and B show has the limits of A.
        """
        found: dict[str, Limits] = {}
        for side in sides_seen(state):
            found = self._limits(state, side, tiles) | found
        return found

    def _limits(self, state: State, side: Side, tiles: Tiles) -> dict[str, Limits]:
        own, sources = side_of(self._about, state, side), self._sources(state, side, counted=True)
        used = [tiles[each] for each in sources if each in tiles]
        # Computed again only if one of these changes; weak, so that released pixels are freed.
        by = [own["mode"], own["cmap"], dict(own["stretch"]), sources]
        known = self._known.get(side)  # another thread may set it meanwhile
        if known is None or known[0] != by or [id(each()) for each in known[1]] != [*map(id, used)]:
            mine = self._tiles(state, side, tiles, counted=True)
            if mine is None:
                return _chosen_limits(own)
            found = _stretched_limits(own, mine, self._about)
            known = self._known[side] = by, [weakref.ref(tile) for tile in used], found
        return known[2] | _chosen_limits(own)

    def limited(self, state: State, limits: Mapping[str, Any]) -> bool:
        """Return True if all visible channels have limits."""
        sides = (side_of(self._about, state, side) for side in sides_seen(state))
        return all(key in limits for own in sides for key in channels_of(own))

    def classes(self, state: State) -> list[dict[str, Any]]:
        """Return the classes of the visible band; none for other bands and modes."""
        own = side_of(self._about, state, sides_seen(state)[0])
        return list(self._about["bands"][own["band"]]["classes"]) if own["mode"] == "single" else []

    def ready(self, state: State, tiles: Tiles) -> bool:
        """Return True if an image can be drawn from these tiles."""
        return self._tiles(state, sides_seen(state)[0], tiles) is not None

    def image(
        self, state: State, tiles: Tiles, limits: Mapping[str, Limits]
    ) -> npt.NDArray[np.uint8]:
        """Return the RGBA image of A, or of the difference, (rows, columns, 4)."""
        side = sides_seen(state)[0]
        own, mine = side_of(self._about, state, side), self._tiles(state, side, tiles) or {}
        shown, named = channels_of(own), self.classes(state)
        if own["mode"] == "rgb":
            pairs = [limits[key] for key in shown]
            image = rgb([mine[key] for key in shown], pairs, own["gamma"])
        elif named:
            image = classes(mine[shown[0]], named)
        else:
            image = colored(mine[shown[0]], limits[shown[0]], colors(own["cmap"]))
        if own["mask"] and MASK in mine:
            image[mine[MASK].codes > 0, 3] = 0
        return image

    def clear(self) -> None:
        """Release all limits."""
        self._known.clear()


def _chosen_limits(state: State) -> dict[str, Limits]:
    """Return the limits of visible channels that were chosen."""
    own = state["limits"]
    return {key: (own[key][0], own[key][1]) for key in channels_of(state) if key in own}


def _stretched_limits(
    state: State, tiles: Mapping[str, Tile], about: Mapping[str, Any]
) -> dict[str, Limits]:
    """Return the limits of visible channels that follow from the stretch.

    Clouds do not count: by the mask, or without one, in an image of reflectances, by brightness.
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
    # 0 is in the middle for differences, and for a diverging colormap where one is usual.
    signed = state["mode"] == "difference" or (
        is_diverging(default_colormap(about, state)) and is_diverging(state["cmap"])
    )
    return {key: (symmetric if signed else centered)(pair) for key, pair in found.items()}
