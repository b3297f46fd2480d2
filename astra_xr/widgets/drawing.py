"""What the sides of a picker are drawn from, the limits in force, and the image."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.widgets.derive import chosen_limits, difference_tiles, picture, stretched_limits
from astra_xr.widgets.layers import MASK, Scene
from astra_xr.widgets.look import Limits, Tile
from astra_xr.widgets.reads import Channel
from astra_xr.widgets.sides import Side, State, channels_of, side_of, sides_seen

Tiles = Mapping[Channel, Tile]


class Drawing:
    """What follows from a state and the tiles that are read.

    Parameters
    ----------
    scene : Scene
        What is shown.
    about : mapping
        Its description for the browser.
    """

    def __init__(self, scene: Scene, about: Mapping[str, Any]) -> None:
        self._scene = scene
        self._about = about
        self._known: dict[Side, tuple[Any, list[weakref.ref[Tile]], dict[str, Limits]]] = {}

    def channels(self, state: State) -> list[Channel]:
        """Return what the sides that are seen are drawn from."""
        sides = sides_seen(state)
        return list(dict.fromkeys(c for side in sides for c in self._sources(state, side)))

    def counted(self, state: State) -> list[Channel]:
        """Return what limits follow from: of the step of the stretch, but for a difference."""
        sides = sides_seen(state)
        return list(dict.fromkeys(c for s in sides for c in self._sources(state, s, counted=True)))

    def followed(self, state: State) -> set[Channel]:
        """Return what the image and its limits follow from."""
        return {*self.channels(state), *self.counted(state)}

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
        """Return channel → tile of a side; None if one is missing that is not the mask."""
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
        return difference_tiles((first, second), a, b)

    def limits(self, state: State, tiles: Tiles) -> dict[str, Limits]:
        """Return the limits in force of what is seen, as far as they follow from these tiles.

        What A and B both show has the limits of A.
        """
        found: dict[str, Limits] = {}
        for side in sides_seen(state):
            found = self._limits(state, side, tiles) | found
        return found

    def _limits(self, state: State, side: Side, tiles: Tiles) -> dict[str, Limits]:
        own, sources = side_of(self._about, state, side), self._sources(state, side, counted=True)
        used = [tiles[each] for each in sources if each in tiles]
        # Once for many changes of other things; pixels that are released are not kept for it.
        by = [own["mode"], own["cmap"], dict(own["stretch"]), sources]
        known = self._known.get(side)  # another thread may set it meanwhile
        if known is None or known[0] != by or [id(each()) for each in known[1]] != [*map(id, used)]:
            mine = self._tiles(state, side, tiles, counted=True)
            if mine is None:
                return chosen_limits(own)
            found = stretched_limits(own, mine, self._about)
            known = self._known[side] = by, [weakref.ref(tile) for tile in used], found
        return known[2] | chosen_limits(own)

    def limited(self, state: State, limits: Mapping[str, Any]) -> bool:
        """Return True if all that is seen has limits."""
        sides = (side_of(self._about, state, side) for side in sides_seen(state))
        return all(key in limits for own in sides for key in channels_of(own))

    def classes(self, state: State) -> list[dict[str, Any]]:
        """Return the classes that the image has the colors of, if it is of any."""
        own = side_of(self._about, state, sides_seen(state)[0])
        named: list[dict[str, Any]] = self._about["bands"].get(own["band"], {}).get("classes", [])
        return named if own["mode"] == "single" else []

    def ready(self, state: State, tiles: Tiles) -> bool:
        """Return True if these are the tiles of an image."""
        return self._tiles(state, sides_seen(state)[0], tiles) is not None

    def picture(
        self, state: State, tiles: Tiles, limits: Mapping[str, Limits]
    ) -> npt.NDArray[np.uint8]:
        """Return the image of A, or of the difference, (rows, columns, 4)."""
        side = sides_seen(state)[0]
        mine = self._tiles(state, side, tiles) or {}
        return picture(side_of(self._about, state, side), mine, limits, self.classes(state))

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
