"""What a read costs: which tiles are cached, which requests are needed, and their bytes."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from astra_xr.errors import redact
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.headers import find_layout
from astra_xr.reading.loop import together
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Tile, runs_of, tiles_of
from astra_xr.reading.window import Window
from astra_xr.tiff.directories import Unsupported
from astra_xr.tiff.layout import Layout, Level

_BATCH = 4
"""Cached tiles that one decode thread takes at once."""

TileBytes = tuple[Tile, memoryview | None]
"""A tile, and its bytes; None if it is not stored."""

Key = tuple[Any, ...]
"""Cache key of a tile."""


@dataclass(frozen=True)
class Job:
    """A window of an open file, as part of a read."""

    file: RangeFile
    window: Window
    layout: Layout
    is_mask: bool = False

    @property
    def level(self) -> Level:
        """Return the full image or the overview that is read."""
        return self.layout.levels[self.window.level]

    @property
    def alpha(self) -> int | None:
        """Return the plane, from 0, that marks valid values; None if there is none."""
        return self.layout.alpha if self.window.hides and not self.layout.mask else None

    def mask_plane(self, tile: Tile) -> int | None:
        """Return the plane of a tile that is 0 where values are invalid; None if there is none."""
        if self.is_mask:
            return 0
        if self.layout.planar:
            return 0 if tile.plane == self.alpha else None
        return self.alpha

    def tiles(self) -> list[Tile]:
        """List the tiles that the window needs."""
        planes = {index - 1 for index in self.window.indexes} | {self.alpha}
        wanted = sorted(plane for plane in planes if plane is not None)
        return tiles_of(self.layout, wanted, self.window)

    def key(self, tile: Tile) -> Key:
        """Return the cache key of a tile."""
        # Without a version, bytes are the same only within one read.
        return self.window.source, self.file.etag or id(self.file), tile.start


def jobs_of(file: RangeFile, window: Window, layout: Layout) -> list[Job]:
    """Return what is read for a window: the image, and the file's mask if it has one."""
    jobs = [Job(file, window, layout)]
    if window.hides and layout.mask:
        jobs.append(Job(file, replace(window, indexes=(1,)), layout.mask, is_mask=True))
    return jobs


@dataclass(frozen=True)
class Requests:
    """How the tiles of some jobs are obtained."""

    here: list[tuple[Job, list[TileBytes]]]
    """Batches that are cached, or not stored in the file."""

    coming: list[tuple[Job, Tile]]
    """Tiles that another job, or another read, is fetching."""

    runs: list[tuple[Job, Run]]
    """Byte ranges to request."""


def requests_of(jobs: Sequence[Job], fetching: Container[Key]) -> Requests:
    """Return how the tiles of jobs are obtained; each tile is fetched once.

    Parameters
    ----------
    jobs : sequence of Job
    fetching : container of tuple
        Keys of tiles that are being fetched.
    """
    found = Requests([], [], [])
    requested: set[Key] = set()
    for job in jobs:
        cached: list[TileBytes] = []
        missing: list[Tile] = []
        for tile in job.tiles():
            key = job.key(tile)
            kept = tile_cache.get(key)
            if kept is not None or tile.stop == tile.start:
                cached.append((tile, kept))
            elif key in fetching or key in requested:
                found.coming.append((job, tile))
            else:
                missing.append(tile)
                requested.add(key)
        found.here.extend((job, cached[i : i + _BATCH]) for i in range(0, len(cached), _BATCH))
        found.runs.extend((job, run) for run in runs_of(missing))
    found.runs.sort(key=lambda entry: (entry[1].tiles[0].row, entry[1].tiles[0].col))
    return found


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What reading windows of one file costs."""

    label: str
    """Scene and band."""

    href: str
    """URL of the file, without its query."""

    level: int
    """0: the full image; 1: its finest overview; and so on."""

    reader: str
    """``astra-xr``, or ``GDAL`` and the reason."""

    expires_at: datetime | None
    """UTC time at which the current URL expires; None if it does not."""

    tiles: int | None = None
    """Tiles that cover the windows; None if GDAL reads."""

    cached: int | None = None
    """How many of them are in memory, or are not stored in the file."""

    requests: int | None = None
    """Byte ranges that will be requested."""

    bytes: int | None = None
    """Bytes that will be transferred."""


async def plan_of(windows: Sequence[Window]) -> list[Plan]:
    """Return what reading some windows costs; reads headers that are not cached.

    Parameters
    ----------
    windows : sequence of Window
        In reading order; tiles that one has fetched are not fetched again by the next.

    Returns
    -------
    list of Plan
        One per file and overview.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        A header cannot be read.
    """
    groups: dict[tuple[Any, ...], list[Window]] = {}
    for window in windows:
        groups.setdefault((window.source, window.label, window.level), []).append(window)
    opened = await together(_opened(group[0]) for group in groups.values())
    fetched: set[Key] = set()
    return [
        _plan(group, *each, fetched) for group, each in zip(groups.values(), opened, strict=True)
    ]


async def _opened(window: Window) -> tuple[RangeFile, Layout | Unsupported]:
    file = await RangeFile.open(window.source, window.label)
    try:
        return file, await find_layout(file, window)
    except Unsupported as reason:
        return file, reason


def _plan(
    windows: Sequence[Window], file: RangeFile, layout: Layout | Unsupported, fetched: set[Key]
) -> Plan:
    """Return the totals of several reads of a file, and record the tiles that they fetch."""
    found = Plan(
        label=windows[0].label,
        href=redact(file.signed),
        level=windows[0].level,
        reader=f"GDAL: {layout}",
        expires_at=file.signed.expires_at,
    )
    if isinstance(layout, Unsupported):
        return found
    tiles: set[Key] = set()
    cached: set[Key] = set()
    runs: list[Run] = []
    for window in windows:
        needed = requests_of(jobs_of(file, window, layout), fetched)
        new = {job.key(tile) for job, run in needed.runs for tile in run.tiles}
        cached |= {job.key(tile) for job, parts in needed.here for tile, _ in parts}
        tiles |= cached | new | {job.key(tile) for job, tile in needed.coming}
        fetched |= new
        runs += [run for _, run in needed.runs]
    return replace(
        found,
        reader="astra-xr",
        tiles=len(tiles),
        cached=len(cached),
        requests=len(runs),
        bytes=sum(run.stop - run.start for run in runs),
    )
