"""Messages between a picker and the browser; ``js/wire.js`` is the other end.

::

    want     {type, store, add: [[key, time, level, row, column]…], drop: […], raw}
    spectra, statistics  {type}: once more
    page     {type}, answered by page {type, message}, [bytes]
    series   {type, key, points: [[x, y]…]}, answered by series {type, series}
    formula  {type, text}, answered by formula {type, text, name}, or {type, text, message}
    tile     {type, key, time, level, row, col, box, shape, low, step, packing, bits}, [bytes]
    failed   {type, key, time, level, row, col, message}
    spectra  {type, spectra: [{x, y, time, values}…]}
    statistics  {type, area, of, bbox, mean_of, sides: [[{key, mean, std, valid, count}…]…]}

``time`` is the number of a step, 0 where there is one only; ``step`` is between two codes.
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
from astra_xr.widgets.layers import MASK
from astra_xr.widgets.look import Tile
from astra_xr.widgets.reads import Address, Reads

_NAMES = ("key", "time", "level", "row", "col")

Send = Callable[[dict[str, Any], list[bytes]], None]

_MOST = 1024
"""Tiles that a message may ask for."""


def addresses(listed: Any, reads: Reads) -> list[Address]:
    """Return the addresses in a message that are of tiles of the scene; others are left out."""
    found = []
    for each in listed[:_MOST] if isinstance(listed, list) else ():
        if not (isinstance(each, list) and len(each) == 5 and isinstance(each[0], str)):
            continue
        key, step, level, row, col = each
        if not all(isinstance(n, int) and n >= 0 for n in each[1:]) or step >= reads.steps:
            continue
        places = (
            reads.pyramid.within(level, reads.pyramid.whole)
            if level <= reads.pyramid.thumbnail
            else ()
        )
        if (row, col) in places:
            found.append((key, step, level, row, col))
    return found


def packed(tile: Tile, *, raw: bool = False) -> tuple[dict[str, Any], bytes]:
    """Return how pixels are packed, and the bytes.

    Codes are their differences from the mean of the pixels to the left and above, as 2n, or as
    -2n - 1 below 0, so that high bytes are mostly 0; first all low bytes, then all high bytes.
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


class Wants:
    """What the browser's stores still want: read once, sent once, stopped when none wants it.

    Parameters
    ----------
    reads : Reads
        Where tiles are from.
    send : callable
        Sends a message with its buffers; called from a thread of the engine, as the next.
    finished : callable
        Called when what was asked for together is sent.
    """

    def __init__(self, reads: Reads, send: Send, finished: Callable[[], None]) -> None:
        self._reads = reads
        self._send = send
        self._finished = finished
        self._wanted: dict[Address, set[str]] = {}
        self._jobs: dict[asyncio.Task[None], list[Address]] = {}

    async def want(self, content: Mapping[str, Any]) -> None:
        """Follow a message; runs on the engine's loop."""
        store = str(content.get("store"))
        for address in addresses(content.get("drop"), self._reads):
            stores = self._wanted.get(address, set())
            stores.discard(store)
            if not stores:
                self._wanted.pop(address, None)
        groups: dict[tuple[str, int, int], list[Address]] = {}
        for address in addresses(content.get("add"), self._reads):
            if address not in self._wanted:
                groups.setdefault(address[:3], []).append(address)
            self._wanted.setdefault(address, set()).add(store)
        for task, group in self._jobs.items():
            if not any(address in self._wanted for address in group):
                task.cancel()
        # Overviews are sent first, so that the whole image is soon seen.
        top = self._reads.pyramid.top
        first: list[asyncio.Task[None]] = []
        for group in sorted(groups.values(), key=lambda group: group[0][2] != top):
            after = () if group[0][2] == top else tuple(first)
            answer = self._answer(group, after, raw=bool(content.get("raw")))
            task = asyncio.ensure_future(answer)
            if not after:
                first.append(task)
            self._jobs[task] = group
            task.add_done_callback(lambda done: self._jobs.pop(done, None))

    async def _answer(
        self, group: list[Address], after: tuple[asyncio.Task[None], ...], *, raw: bool
    ) -> None:
        key, step, level = group[0][:3]
        try:
            tiles = await self._reads.tiles((key, step), level, [each[3:] for each in group])
        except asyncio.CancelledError:
            raise
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
                # Wanted until it is sent: a job that nothing is wanted of is cancelled.
                if self._wanted.pop(address, None):
                    self._send(_message("tile", address) | fields, [data])
        if level < self._reads.pyramid.thumbnail:
            self._finished()

    def close(self) -> None:
        """Stop all; runs on the engine's loop."""
        for task in self._jobs:
            task.cancel()


def _message(type_: str, address: Address) -> dict[str, Any]:
    return {"type": type_} | dict(zip(_NAMES, address, strict=True))
