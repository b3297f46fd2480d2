"""One window of one file: tiles fetched side by side, decoded straight into the result."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.model import Radiometry, SignedUrl, UrlSource
from astra_xr.reading.cache import ByteCache
from astra_xr.reading.decode import CorruptTile, decode_tile
from astra_xr.reading.header import Layout, Unreadable, Unsupported, read_layout
from astra_xr.reading.loop import decode_pool
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Tile, runs_of, tiles_of
from astra_xr.reading.values import decode_into, decoded_dtype

_log = logging.getLogger(__name__)

header_cache: ByteCache[Layout | str] = ByteCache(16 << 20)
"""Layouts, or why GDAL has to read the file."""

tile_cache: ByteCache[memoryview] = ByteCache(256 << 20)
"""Tiles as they are stored, compressed."""

_IN_FLIGHT = 16
"""Requests of one read under way, or waiting to be decoded: bounds its memory."""

_BATCH = 4
"""Tiles at hand that one decode thread takes at once."""

Part = tuple[Tile, memoryview | None]
"""A tile and its bytes; None where it is not stored."""


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
    layout = await find_layout(file, window)
    job = Job(file, window, layout)
    rows, cols = window.rows, window.cols
    native = layout.dtype.newbyteorder("=")
    dtype = decoded_dtype(native) if window.radiometry else native
    out = np.empty((len(window.indexes), rows[1] - rows[0], cols[1] - cols[0]), dtype)
    loop = asyncio.get_running_loop()

    def paint(parts: Sequence[Part]) -> None:
        for tile, data in parts:
            pixels = tile_pixels(job, tile, data)
            cut, place = overlap(layout, tile, window)
            for plane, index in enumerate(window.indexes):
                if not layout.planar or index - 1 == tile.plane:
                    stored = pixels[(*cut, 0 if layout.planar else index - 1)]
                    target = out[(plane, *place)]
                    if window.radiometry is None:
                        target[...] = stored
                    else:
                        decode_into(stored, window.radiometry, target)

    async def use(job: Job, parts: Sequence[Part]) -> None:
        await loop.run_in_executor(decode_pool(), paint, parts)

    await stream([job], use)
    return out


@dataclass(frozen=True)
class Job:
    """A window of an open file, as part of a read."""

    file: RangeFile
    window: Window
    layout: Layout

    def tiles(self) -> list[Tile]:
        """List the tiles that the window needs."""
        planes = [index - 1 for index in self.window.indexes]
        level = self.layout.levels[0]
        return tiles_of(self.layout, level, planes, self.window.rows, self.window.cols)

    def key(self, tile: Tile) -> tuple[Any, ...]:
        """Name a tile in the cache."""
        return self.window.source, self.file.etag, tile.start


async def find_layout(file: RangeFile, window: Window) -> Layout:
    """Return the layout of a window's file, remembered or read.

    Raises
    ------
    Unsupported
        GDAL has to read this file.
    ReadError
        It cannot be read, or is not what its item says.
    """
    known = header_cache.get(window.source)
    if isinstance(known, Layout) and not await file.unchanged(known.size, known.etag):
        known = None
    if known is None:
        try:
            known = await read_layout(file)
        except Unreadable:
            raise
        except Unsupported as reason:
            _log.info("%s is read by GDAL: %s", window.label, reason)
            known = str(reason)
        size = 1000
        if isinstance(known, Layout):
            size += sum(level.offsets.nbytes + level.counts.nbytes for level in known.levels)
        header_cache.put(window.source, known, size)
    if isinstance(known, str):
        raise Unsupported(known)
    # From here on the file must be the one that the header was read of.
    file.size, file.etag = known.size, known.etag
    if known.levels[0].shape != tuple(window.shape) or max(window.indexes) > known.samples:
        raise file.error(
            f"the file has {known.samples} bands of {known.levels[0].shape} pixels, while its "
            f"item says {tuple(window.shape)}",
            "The item does not describe this file; try another catalogue.",
        )
    return known


Use = Callable[[Job, Sequence[Part]], Coroutine[Any, Any, None]]


async def stream(jobs: Sequence[Job], use: Use) -> None:
    """Get all tiles of some windows, in as few requests as pays, and hand them on as they come.

    Parameters
    ----------
    jobs : sequence of Job
        Tiles of one place come close to each other over all jobs.
    use : coroutine function
        Called with some tiles of a job; when it is done their bytes are let go.

    Raises
    ------
    ReadError
        Bytes cannot be had, or do not decode. All that was under way is cancelled.
    """
    slots = asyncio.Semaphore(_IN_FLIGHT)
    here, runs = _plan(jobs)
    # A read that would push everything else out is not remembered.
    remember = sum(run.stop - run.start for _, run in runs) <= tile_cache.limit // 8

    async def fetch(job: Job, run: Run) -> None:
        async with slots:
            body = await _body(job, run)
            parts = [(t, body[t.start - run.start : t.stop - run.start]) for t in run.tiles]
            if remember:
                for tile, part in parts:
                    # A copy: a slice would keep the whole run in memory.
                    tile_cache.put(job.key(tile), memoryview(bytes(part)), len(part))
            await use(job, parts)

    work = [fetch(job, run) for job, run in runs]
    work += [use(job, parts) for job, parts in here]
    failure = await _all(work)
    if failure:
        raise failure


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> BaseException | None:
    """Run coroutines side by side; at the first failure cancel the rest, and return it."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        return failures.exceptions[0]
    return None


def _plan(jobs: Sequence[Job]) -> tuple[list[tuple[Job, list[Part]]], list[tuple[Job, Run]]]:
    """Part the tiles of all jobs into batches at hand, or not stored, and requests to make."""
    here: list[tuple[Job, list[Part]]] = []
    runs: list[tuple[Job, Run]] = []
    for job in jobs:
        at_hand: list[Part] = []
        missing: list[Tile] = []
        for tile in job.tiles():
            kept = tile_cache.get(job.key(tile))
            if kept is not None or tile.stop == tile.start:
                at_hand.append((tile, kept))
            else:
                missing.append(tile)
        here += [(job, at_hand[i : i + _BATCH]) for i in range(0, len(at_hand), _BATCH)]
        runs += [(job, run) for run in runs_of(missing)]
    runs.sort(key=lambda entry: (entry[1].tiles[0].row, entry[1].tiles[0].col))
    return here, runs


async def _body(job: Job, run: Run) -> memoryview:
    try:
        body = await job.file.get(run.start, run.stop)
    except ReadError:
        header_cache.drop(job.window.source)
        raise
    if len(body) != run.stop - run.start:
        raise job.file.error(
            f"bytes {run.start}-{run.stop - 1} lie beyond its end",
            "The file is damaged; try another catalogue.",
        )
    return body


def tile_pixels(job: Job, tile: Tile, data: memoryview | None) -> npt.NDArray[Any]:
    """Decode a tile of the full image, or make up one that is not stored.

    Returns
    -------
    ndarray
        (rows, columns, planes) of the whole tile, in the machine's byte order; valid until the
        thread's next tile.

    Raises
    ------
    ReadError
        The tile is damaged.
    """
    layout = job.layout
    shape = (*layout.levels[0].tile, 1 if layout.planar else layout.samples)
    if data is None:
        native = layout.dtype.newbyteorder("=")
        value = layout.fill if _fits(layout.fill, native) else 0
        return np.full(shape, value, native)
    try:
        return decode_tile(data, shape, layout.dtype, layout.compression, layout.predictor)
    except CorruptTile as error:
        reason = str(error)
    # What does not decode is better asked for again.
    tile_cache.drop(job.key(tile))
    raise job.file.error(
        f"the tile at bytes {tile.start}-{tile.stop - 1} is corrupt ({reason})",
        "The file is damaged; try another catalogue.",
    )


def overlap(
    layout: Layout, tile: Tile, window: Window
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what a window has of a tile: its part of the tile, and its place in the window."""
    height, width = layout.levels[0].tile
    cut, place = [], []
    for first, size, (start, stop) in (
        (tile.row * height, height, window.rows),
        (tile.col * width, width, window.cols),
    ):
        low, high = max(first, start), min(first + size, stop)
        cut.append(slice(low - first, high - first))
        place.append(slice(low - start, high - start))
    return (cut[0], cut[1]), (place[0], place[1])


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    told = np.iinfo(dtype)
    return math.isfinite(value) and told.min <= value <= told.max
