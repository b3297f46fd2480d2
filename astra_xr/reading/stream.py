"""Tiles of some windows: fetched side by side in few requests, handed on as they come."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.reading.cache import ByteCache
from astra_xr.reading.decode import CorruptTile, decode_tile
from astra_xr.reading.header import Layout, Level
from astra_xr.reading.loop import together
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Span, Tile, runs_of, tiles_of
from astra_xr.reading.window import Window, header_cache

tile_cache: ByteCache[memoryview] = ByteCache("tile_cache")
"""Tiles as they are stored, compressed."""

_IN_FLIGHT = 16
"""Requests of one read under way, or waiting to be decoded: bounds its memory."""

_BATCH = 4
"""Tiles at hand that one decode thread takes at once."""

Part = tuple[Tile, memoryview | None]
"""A tile and its bytes; None where it is not stored."""


@dataclass(frozen=True)
class Job:
    """A window of an open file, as part of a read."""

    file: RangeFile
    window: Window
    layout: Layout
    is_mask: bool = False

    @property
    def level(self) -> Level:
        """The full image or the overview that is read."""
        return self.layout.levels[self.window.level]

    @property
    def alpha(self) -> int | None:
        """The plane, from 0, that says where values are valid; None: no plane does."""
        return self.layout.alpha if self.window.radiometry and not self.layout.mask else None

    def judge(self, tile: Tile) -> int | None:
        """Tell which plane of a tile is 0 where values are not valid; None: none is."""
        if self.is_mask:
            return 0
        if self.layout.planar:
            return 0 if tile.plane == self.alpha else None
        return self.alpha

    def tiles(self) -> list[Tile]:
        """List the tiles that the window needs."""
        window = self.window
        planes = {index - 1 for index in window.indexes} | {self.alpha}
        wanted = sorted(plane for plane in planes if plane is not None)
        return tiles_of(
            self.layout, self.level, wanted, window.rows, window.cols, pointwise=window.pointwise
        )

    def key(self, tile: Tile) -> tuple[Any, ...]:
        """Name a tile in the cache."""
        return self.window.source, self.file.etag, tile.start


def jobs_of(file: RangeFile, window: Window, layout: Layout) -> list[Job]:
    """Return what a window reads of its file: the image, and the mask where it counts."""
    jobs = [Job(file, window, layout)]
    if window.radiometry and layout.mask:
        jobs.append(Job(file, replace(window, indexes=(1,)), layout.mask, is_mask=True))
    return jobs


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
    here, runs = plan(jobs)
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
    await together(work)


def plan(jobs: Sequence[Job]) -> tuple[list[tuple[Job, list[Part]]], list[tuple[Job, Run]]]:
    """Part the tiles of jobs into batches at hand, or not stored, and requests to make."""
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
    rows, cols = job.level.tile
    planes = 1 if layout.planar else layout.samples
    if data is None:
        native = layout.dtype.newbyteorder("=")
        value = layout.fill if _fits(layout.fill, native) else 0
        return np.full((rows, cols, planes), value, native)
    stored = (rows, -(-cols // 8) if layout.bits else cols, planes)
    try:
        pixels = decode_tile(data, stored, layout.dtype, layout.codec, layout.predictor)
        return np.unpackbits(pixels, axis=1, count=cols) if layout.bits else pixels
    except CorruptTile as error:
        reason = str(error)
    # What does not decode is better asked for again.
    tile_cache.drop(job.key(tile))
    raise job.file.error(
        f"the tile at bytes {tile.start}-{tile.stop - 1} is corrupt ({reason})",
        "The file is damaged; try another catalogue.",
    )


def overlap(level: Level, tile: Tile, window: Window) -> tuple[Any, Any]:
    """Return what a window has of a tile.

    Returns
    -------
    cut, place : index of the first two axes
        Its part of the tile, and where that goes in the window.
    """
    height, width = level.tile
    top, left = tile.row * height, tile.col * width
    if window.pointwise:
        rows, cols = np.asarray(window.rows), np.asarray(window.cols)
        place = np.flatnonzero((rows // height == tile.row) & (cols // width == tile.col))
        return (rows[place] - top, cols[place] - left), (place,)
    cut_y, place_y = _overlap(window.rows, top, height)
    cut_x, place_x = _overlap(window.cols, left, width)
    if isinstance(cut_y, slice) and isinstance(cut_x, slice):
        return (cut_y, cut_x), (place_y, place_x)
    return tuple(
        np.ix_(
            *(
                np.arange(each.start, each.stop) if isinstance(each, slice) else each
                for each in pair
            )
        )
        for pair in ((cut_y, cut_x), (place_y, place_x))
    )  # type: ignore[return-value]


def _overlap(span: Span, first: int, size: int) -> tuple[Any, Any]:
    """Do :func:`overlap` along one axis, for the tile that begins at a pixel."""
    if isinstance(span, tuple):
        low, high = max(first, span[0]), min(first + size, span[1])
        return slice(low - first, high - first), slice(low - span[0], high - span[0])
    place = np.flatnonzero((span >= first) & (span < first + size))
    return span[place] - first, place


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    told = np.iinfo(dtype)
    return math.isfinite(value) and told.min <= value <= told.max
