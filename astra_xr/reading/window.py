"""One window of one file: tiles fetched side by side, decoded straight into the result."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.model import Radiometry, SignedUrl, UrlSource
from astra_xr.reading.cache import ByteCache
from astra_xr.reading.decode import CorruptTile, decode_tile
from astra_xr.reading.header import Layout, Level, Unreadable, Unsupported, read_layout
from astra_xr.reading.loop import decode_pool
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Tile, runs_of, tiles_of
from astra_xr.reading.values import decode_into, decoded_dtype

_log = logging.getLogger(__name__)

header_cache: ByteCache[Layout | Unsupported] = ByteCache(16 << 20)
tile_cache: ByteCache[memoryview] = ByteCache(256 << 20)
"""Tiles as they are stored, compressed."""

_IN_FLIGHT = 16
"""Requests of one window under way, or waiting to be decoded: bounds its memory."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What to read of a file, and how."""

    source: UrlSource
    """Where the file is; also what its tiles are remembered by."""

    label: str
    """Scene and band, for messages."""

    shape: tuple[int, int]
    """Rows and columns that the whole file must have."""

    indexes: tuple[int, ...]
    """Planes, from 1."""

    rows: tuple[int, int]
    """Half-open, from 0 at the top."""

    cols: tuple[int, int]
    radiometry: Radiometry | None
    """How stored numbers become values; None: they stay as they are."""


async def read_window(window: Window, signed: SignedUrl) -> npt.NDArray[Any]:
    """Read a window.

    Returns
    -------
    ndarray
        (planes, rows, columns): values as of :func:`decode_into`, or the stored numbers.

    Raises
    ------
    Unsupported
        GDAL has to read this file.
    ReadError
        It cannot be read, or is not what its item says.
    """
    file = RangeFile(window.source, signed, window.label)
    layout = await _layout(file, window)
    level = layout.levels[0]
    if level.shape != tuple(window.shape) or max(window.indexes) > layout.samples:
        raise file.error(
            f"the file has {layout.samples} bands of {level.shape} pixels, while its item says "
            f"{tuple(window.shape)}",
            "The item does not describe this file; try another catalogue.",
        )
    rows, cols = window.rows, window.cols
    native = layout.dtype.newbyteorder("=")
    dtype = decoded_dtype(native) if window.radiometry else native
    out = np.empty((len(window.indexes), rows[1] - rows[0], cols[1] - cols[0]), dtype)
    planes = [index - 1 for index in window.indexes]
    tiles = tiles_of(layout, level, planes, rows, cols)
    painter = _Painter(window, layout, level, out)
    await _fetch_and_paint(file, window, tiles, painter)
    return out


async def _layout(file: RangeFile, window: Window) -> Layout:
    known = header_cache.get(window.source)
    if known is None:
        try:
            known = await read_layout(file)
        except Unsupported as reason:
            _log.info("%s is read by GDAL: %s", window.label, reason)
            known = reason
        if isinstance(known, Unreadable):
            raise known
        size = 1000
        if isinstance(known, Layout):
            size += sum(level.offsets.nbytes + level.counts.nbytes for level in known.levels)
        header_cache.put(window.source, known, size)
    if isinstance(known, Unsupported):
        raise known
    # From here on the file must be the one that the header was read of.
    file.size, file.etag = known.size, known.etag
    return known


async def _fetch_and_paint(
    file: RangeFile, window: Window, tiles: Sequence[Tile], painter: _Painter
) -> None:
    slots = asyncio.Semaphore(_IN_FLIGHT)
    here, missing = _sort_out(tiles, window, file.etag, painter)
    # A read that would push everything else out is not remembered.
    remember = sum(tile.stop - tile.start for tile in missing) <= tile_cache.limit // 8

    async def fetch(run: Run) -> None:
        async with slots:
            body = await _body(file, window, run)
            parts = [(t, body[t.start - run.start : t.stop - run.start]) for t in run.tiles]
            await _paint(painter, parts)
            # Only now: what does not decode is better asked for again.
            if remember:
                for tile, part in parts:
                    tile_cache.put((window.source, file.etag, tile.start), part, len(part))

    try:
        async with asyncio.TaskGroup() as group:
            for run in runs_of(missing):
                group.create_task(fetch(run))
            # Every other tile, so that two threads share what is here already.
            for part in (here[::2], here[1::2]):
                if part:
                    group.create_task(_paint(painter, part))
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0]
    else:
        return
    if isinstance(failure, CorruptTile):
        raise file.error(str(failure), "The file is damaged; try another catalogue.")
    raise failure


def _sort_out(
    tiles: Sequence[Tile], window: Window, etag: str | None, painter: _Painter
) -> tuple[list[tuple[Tile, memoryview]], list[Tile]]:
    """Part tiles into those that are remembered and those to fetch; fill what is not stored."""
    here: list[tuple[Tile, memoryview]] = []
    missing: list[Tile] = []
    for tile in tiles:
        kept = tile_cache.get((window.source, etag, tile.start))
        if tile.stop == tile.start:
            painter.fill(tile)
        elif kept is not None:
            here.append((tile, kept))
        else:
            missing.append(tile)
    return here, missing


async def _paint(painter: _Painter, parts: Sequence[tuple[Tile, memoryview]]) -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(decode_pool(), painter.paint, parts)


async def _body(file: RangeFile, window: Window, run: Run) -> memoryview:
    try:
        body = await file.get(run.start, run.stop)
    except ReadError:
        header_cache.drop(window.source)
        raise
    if len(body) != run.stop - run.start:
        raise file.error(
            f"bytes {run.start}-{run.stop - 1} lie beyond its end",
            "The file is damaged; try another catalogue.",
        )
    return body


class _Painter:
    """Writes decoded tiles into the result; its methods run in the decode threads."""

    def __init__(self, window: Window, layout: Layout, level: Level, out: npt.NDArray[Any]) -> None:
        self._window, self._layout, self._level, self._out = window, layout, level, out

    def paint(self, parts: Sequence[tuple[Tile, memoryview]]) -> None:
        """Decode tiles and write what the window has of them."""
        layout = self._layout
        shape = (*self._level.tile, 1 if layout.planar else layout.samples)
        for tile, data in parts:
            try:
                pixels = decode_tile(
                    data, shape, layout.dtype, layout.compression, layout.predictor
                )
            except CorruptTile as error:
                where = f"bytes {tile.start}-{tile.stop - 1}"
                raise CorruptTile(f"the tile at {where} is corrupt ({error})") from None
            self._write(tile, pixels)

    def fill(self, tile: Tile) -> None:
        """Write what stands for a tile that is not stored."""
        layout = self._layout
        native = layout.dtype.newbyteorder("=")
        shape = (*self._level.tile, 1 if layout.planar else layout.samples)
        value = native.type(layout.fill) if _fits(layout.fill, native) else native.type(0)
        self._write(tile, np.full(shape, value, native))

    def _write(self, tile: Tile, pixels: npt.NDArray[Any]) -> None:
        (height, width), window = self._level.tile, self._window
        top, left = tile.row * height, tile.col * width
        rows = max(top, window.rows[0]), min(top + height, window.rows[1])
        cols = max(left, window.cols[0]), min(left + width, window.cols[1])
        cut = pixels[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]
        to_rows = slice(rows[0] - window.rows[0], rows[1] - window.rows[0])
        to_cols = slice(cols[0] - window.cols[0], cols[1] - window.cols[0])
        for place, index in enumerate(window.indexes):
            if self._layout.planar and index - 1 != tile.plane:
                continue
            stored = cut[..., 0 if self._layout.planar else index - 1]
            target = self._out[place, to_rows, to_cols]
            if window.radiometry is None:
                target[...] = stored
            else:
                decode_into(stored, window.radiometry, target)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    told = np.iinfo(dtype)
    return math.isfinite(value) and told.min <= value <= told.max
