"""Messages between a picker and the browser; ``js/wire.js`` is the other end.

From the browser::

    want        {type, store, add: [[key, time, level, row, column]…], drop: […], raw}
    series      {type, key, points: [[x, y]…]}
    formula     {type, text}
    spectra, statistics, page  {type}

To the browser::

    tile        {type, key, time, level, row, col, box, shape, low, step, packing, bits}, [bytes]
    failed      {type, key, time, level, row, col, message}
    spectra     {type, spectra: [{x, y, time, values}…]}
    series      {type, series: [{x, y, key, values}…]}
    statistics  {type, area, of, bbox, mean_of, sides: [[{key, mean, std, valid, count}…]…]}
    formula     {type, text, name}, or {type, text, message} if it is invalid
    page        {type}, [bytes], or {type, message} if it failed
    refused     {type, message}: the state was invalid

``time`` is the number of a step, 0 if there is only one; ``low`` is the value of code 1, ``step``
the difference from a code to the next.
"""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import redact
from astra_xr.reading.loop import in_decode_thread
from astra_xr.widgets.picker_scene import MASK
from astra_xr.widgets.tile_cache import Address, TileCache
from astra_xr.widgets.tile_codes import Tile

_NAMES = ("key", "time", "level", "row", "col")

Send = Callable[[dict[str, Any], list[bytes]], None]

_MOST = 1024
"""Tiles that a message may request; others are left out."""


def addresses(listed: Any, cache: TileCache) -> list[Address]:
    """Return the valid addresses in a message; others are left out."""
    found = []
    for each in listed[:_MOST] if isinstance(listed, list) else ():
        if not (isinstance(each, list) and len(each) == 5 and isinstance(each[0], str)):
            continue
        key, step, level, row, col = each
        if not all(isinstance(n, int) and n >= 0 for n in each[1:]) or step >= cache.steps:
            continue
        pyramid = cache.pyramid
        if level <= pyramid.thumbnail and (row, col) in pyramid.within(level, pyramid.whole):
            found.append((key, step, level, row, col))
    return found


def packed(tile: Tile, *, raw: bool = False) -> tuple[dict[str, Any], bytes]:
    """Return the fields of a message that describe a tile, and its bytes.

    Codes are stored as differences n from the mean of the pixels to the left and above, as 2n, or
    as -2n - 1 below 0, so that high bytes are mostly 0; first all low bytes, then all high bytes.
    Masks are bits, row after row without gaps. Both are deflated, unless ``raw``, for browsers
    that cannot inflate.
    """
    bits = tile.key == MASK
    plain = np.packbits(tile.codes > 0).tobytes() if bits else _planes(tile.codes)
    fields = {
        "box": list(tile.box),
        "shape": list(tile.codes.shape),
        "low": tile.low,
        "step": tile.step,
        "packing": "raw" if raw else "deflate",
        "bits": bits,
    }
    return fields, plain if raw else zlib.compress(plain, 5)


def _planes(codes: npt.NDArray[np.uint16]) -> bytes:
    near = codes.astype(np.int32)
    guess = np.zeros_like(near)
    guess[0, 1:] = near[0, :-1]
    guess[1:, 0] = near[:-1, 0]
    guess[1:, 1:] = (near[1:, :-1] + near[:-1, 1:]) >> 1
    steps = (near - guess).astype(np.int16)
    folded = ((steps << 1) ^ (steps >> 15)).astype(np.uint16)
    return np.stack([folded & 255, folded >> 8]).astype(np.uint8).tobytes()


class TileRequests:
    """Requests for tiles by the browser's stores: each is read and sent once, or canceled by all.

    Parameters
    ----------
    cache : TileCache
        The source of the tiles.
    send : callable
        Sends a message with its buffers; called on the background loop, as ``finished``.
    finished : callable
        Called when all tiles that were requested together are sent.
    """

    def __init__(self, cache: TileCache, send: Send, finished: Callable[[], None]) -> None:
        self._cache = cache
        self._send = send
        self._finished = finished
        self._wanted: dict[Address, set[str]] = {}
        self._jobs: dict[asyncio.Task[None], list[Address]] = {}

    async def want(self, content: Mapping[str, Any]) -> None:
        """Follow a "want" message; runs on the background loop."""
        store = str(content.get("store"))
        for address in addresses(content.get("drop"), self._cache):
            stores = self._wanted.get(address, set())
            stores.discard(store)
            if not stores:
                self._wanted.pop(address, None)
        groups: dict[tuple[str, int, int], list[Address]] = {}
        for address in addresses(content.get("add"), self._cache):
            if address not in self._wanted:
                groups.setdefault(address[:3], []).append(address)
            self._wanted.setdefault(address, set()).add(store)
        for task, group in self._jobs.items():
            if not any(address in self._wanted for address in group):
                task.cancel()
        # Overviews are sent first, so that the whole image soon appears.
        top = self._cache.pyramid.top
        overviews: list[asyncio.Task[None]] = []
        for group in sorted(groups.values(), key=lambda group: group[0][2] != top):
            whole = group[0][2] == top
            after = () if whole else tuple(overviews)
            answer = self._answer(group, after, raw=bool(content.get("raw")))
            task = asyncio.ensure_future(answer)
            if whole:
                overviews.append(task)
            self._jobs[task] = group
            task.add_done_callback(lambda done: self._jobs.pop(done, None))

    async def _answer(
        self, group: list[Address], after: tuple[asyncio.Task[None], ...], *, raw: bool
    ) -> None:
        key, step, level = group[0][:3]
        try:
            tiles = await self._cache.tiles((key, step), level, [each[3:] for each in group])
        except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
            for address in group:
                if self._wanted.pop(address, None):
                    self._send(_message("failed", address) | {"message": redact(error)}, [])
            return
        if after:
            await asyncio.wait(after)
        for address in group:
            if address in self._wanted:
                tile = tiles[address[3:]]
                fields, data = await in_decode_thread(functools.partial(packed, tile, raw=raw))
                # Wanted until it is sent, as jobs without wanted tiles are canceled.
                if self._wanted.pop(address, None):
                    self._send(_message("tile", address) | fields, [data])
        if level < self._cache.pyramid.thumbnail:
            self._finished()

    def close(self) -> None:
        """Cancel all requests; runs on the background loop."""
        for task in self._jobs:
            task.cancel()


def _message(type_: str, address: Address) -> dict[str, Any]:
    return {"type": type_} | dict(zip(_NAMES, address, strict=True))
