"""Tiles of a scene: read once, and kept within bounds of memory."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from astra_xr.reading.loop import together
from astra_xr.widgets.picker_scene import Scene
from astra_xr.widgets.tile_codes import Box, Scale, Tile
from astra_xr.widgets.tile_pyramid import Place, joined, rectangles

_BYTES = 64 << 20
"""Bytes of pixels that all pickers keep, besides the overviews of the one used last."""

_OVERVIEWS = 32
"""Overviews that a picker keeps, at most; up to 1.2 MB each."""

Channel = tuple[str, int]
"""A key and a step; 0 if there is only one."""

Address = tuple[str, int, int, int, int]
"""Key, step, level, row and column of a tile."""

_kept: weakref.WeakKeyDictionary[TileCache, None] = weakref.WeakKeyDictionary()
"""All caches, the one used last at the end; only for the background loop."""


class TileCache:
    """The tiles of a picker; its coroutines run on the background loop.

    Parameters
    ----------
    scene : Scene
        The scene that is shown.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.pyramid = scene.pyramid
        self.steps = len(scene.steps)
        self.overviews: OrderedDict[Channel, Tile] = OrderedDict()
        self.released: set[Channel] = set()
        """Channels whose overviews were read and released."""
        self._coming: dict[Channel, asyncio.Task[Tile]] = {}
        self._tiles: OrderedDict[Address, Tile] = OrderedDict()
        self._joined: dict[Channel, Tile] = {}

    async def overview(self, channel: Channel) -> Tile:
        """Read a channel of the whole scene at the top level.

        Raises
        ------
        AstraError
            It cannot be read.
        """
        known = self.overviews.get(channel)
        if known is not None:
            self.overviews.move_to_end(channel)
            self._used()
            return known
        if channel not in self._coming:
            self._coming[channel] = asyncio.ensure_future(self._read_overview(channel))
        return await asyncio.shield(self._coming[channel])

    async def prepare(self, channels: Iterable[Channel]) -> None:
        """Read overviews; failures are reported when the browser requests the tiles."""
        await asyncio.gather(*map(self.overview, channels), return_exceptions=True)

    async def _read_overview(self, channel: Channel) -> Tile:
        pyramid = self.pyramid
        try:
            tile = await self._scene.read(*channel, pyramid.whole, pyramid.shape(pyramid.top))
        finally:
            del self._coming[channel]
            self.released.discard(channel)
        self.overviews[channel] = tile
        while len(self.overviews) > _OVERVIEWS:
            self._drop_overview()
        self._make_room()
        return tile

    def _drop_overview(self) -> int:
        old, tile = self.overviews.popitem(last=False)
        self.released.add(old)
        joined = self._joined.pop(old, None)
        return tile.codes.nbytes + (joined.codes.nbytes if joined else 0)

    async def tiles(
        self, channel: Channel, level: int, places: Sequence[Place]
    ) -> dict[Place, Tile]:
        """Read tiles of a level, adjacent ones together; all have the scale of the overview.

        Thumbnails have their own scale, since the overview is not read for them.

        Raises
        ------
        AstraError
            They cannot be read.
        """
        scale: Scale | None = None
        if level < self.pyramid.thumbnail:
            overview = await self.overview(channel)
            if level == self.pyramid.top:
                return {place: self._piece(overview, level, place, (0, 0)) for place in places}
            scale = overview.low, overview.step
        at = {place: (*channel, level, *place) for place in places}
        missing = [place for place in places if at[place] not in self._tiles]
        found = {place: self._tiles[at[place]] for place in places if place not in missing}
        parts = await together(
            [self._rectangle(channel, scale, level, *each) for each in rectangles(missing)]
        )
        for part in parts:
            found |= part
        for place, tile in found.items():
            self._tiles[at[place]] = tile
            self._tiles.move_to_end(at[place])
        self._make_room()
        return found

    async def _rectangle(
        self, channel: Channel, scale: Scale | None, level: int, first: Place, last: Place
    ) -> dict[Place, Tile]:
        pixels = self.pyramid.pixels(level, first, last)
        top, left, bottom, right = (round(e) for e in self.pyramid.box(level, pixels))
        shape = pixels[2] - pixels[0], pixels[3] - pixels[1]
        box = (top, left, bottom, right)
        part = await self._scene.read(*channel, box, shape, scale=scale)
        rows, cols = range(first[0], last[0] + 1), range(first[1], last[1] + 1)
        return {(r, c): self._piece(part, level, (r, c), pixels[:2]) for r in rows for c in cols}

    def _piece(self, part: Tile, level: int, place: Place, corner: Place) -> Tile:
        """Return a tile cut from pixels of its level that begin at ``corner``."""
        top, left, bottom, right = pixels = self.pyramid.pixels(level, place, place)
        rows = slice(top - corner[0], bottom - corner[0])
        cols = slice(left - corner[1], right - corner[1])
        box = self.pyramid.box(level, pixels)
        # A copy: a view would keep all of the part in memory.
        codes = part.codes[rows, cols].copy()
        return Tile(key=part.key, box=box, codes=codes, low=part.low, step=part.step)

    @property
    def held(self) -> int:
        """Return the bytes of all pixels that are kept."""
        kept = (self._tiles, self.overviews, self._joined)
        # Copied, as other threads join tiles meanwhile.
        return sum(tile.codes.nbytes for each in kept for tile in list(each.values()))

    def _used(self) -> None:
        _kept.pop(self, None)
        _kept[self] = None

    def _make_room(self) -> None:
        """Release pixels, of the picker that was unused for longest first; this one is used."""
        self._used()
        excess = sum(each.held for each in _kept) - _BYTES
        for each in list(_kept):
            if excess > 0:
                excess -= each.release(excess, overviews=each is not self)

    def release(self, excess: int, *, overviews: bool) -> int:
        """Release ``excess`` bytes, the least recently used pixels first; return how many.

        With ``overviews``, these follow after all tiles.
        """
        freed = 0
        while self._tiles and freed < excess:
            freed += self._tiles.popitem(last=False)[1].codes.nbytes
        while overviews and self.overviews and freed < excess:
            freed += self._drop_overview()
        return freed

    async def part(self, channel: Channel, box: Box) -> Tile:
        """Read the pixels from which limits of a box are computed, as one tile."""
        if box == self.pyramid.whole:
            return await self.overview(channel)
        level = self.pyramid.level_of(box)
        tiles = await self.tiles(channel, level, self.pyramid.within(level, box))
        return self._join(channel, tiles, box)

    def ready(self, channel: Channel, box: Box) -> Tile | None:
        """Return the same without reading; None if pixels are missing."""
        overview, known = self.overviews.get(channel), self._joined.get(channel)
        if box == self.pyramid.whole or overview is None:
            return overview
        if known is not None and known.box == box:
            return known
        level = self.pyramid.level_of(box)
        places = self.pyramid.within(level, box)
        if level == self.pyramid.top:
            found = {each: self._piece(overview, level, each, (0, 0)) for each in places}
            return self._join(channel, found, box)
        held = {each: self._tiles.get((*channel, level, *each)) for each in places}
        found = {each: tile for each, tile in held.items() if tile is not None}
        return self._join(channel, found, box) if len(found) == len(places) else None

    def _join(self, channel: Channel, tiles: Mapping[Place, Tile], box: Box) -> Tile:
        """Return tiles as one, and keep it until the next one of the channel."""
        made = self._joined[channel] = joined(tiles, box)
        return made

    def close(self) -> None:
        """Stop reading, and release all pixels; runs on the background loop."""
        for task in self._coming.values():
            task.cancel()
        self.overviews.clear()
        self._tiles.clear()
        self._joined.clear()
