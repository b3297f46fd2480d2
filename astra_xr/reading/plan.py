"""What a read takes: which tiles are at hand, which requests are to be made, and what they cost."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from astra_xr.errors import redact
from astra_xr.model import SignedUrl
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.headers import find_layout
from astra_xr.reading.loop import in_thread, together
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Tile, runs_of, tiles_of
from astra_xr.reading.window import Window
from astra_xr.tiff.directories import Unsupported
from astra_xr.tiff.layout import Layout, Level

_BATCH = 4
"""Tiles at hand that one decode thread takes at once."""

Part = tuple[Tile, memoryview | None]
"""A tile and its bytes; None where it is not stored."""

Key = tuple[Any, ...]
"""What a tile is cached by."""


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
        """Return the plane of a tile that is 0 where values are not valid; None: there is none."""
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
        """Return what a tile is cached by."""
        return self.window.source, self.file.etag, tile.start


def jobs_of(file: RangeFile, window: Window, layout: Layout) -> list[Job]:
    """Return what a window reads of its file: the image, and the mask where it counts."""
    jobs = [Job(file, window, layout)]
    if window.radiometry and layout.mask:
        jobs.append(Job(file, replace(window, indexes=(1,)), layout.mask, is_mask=True))
    return jobs


@dataclass(frozen=True)
class Requests:
    """How the tiles of some jobs are had."""

    here: list[tuple[Job, list[Part]]]
    """Batches that are cached, or not stored in the file."""

    coming: list[tuple[Job, Tile]]
    """Tiles that another job, or another read, is fetching."""

    runs: list[tuple[Job, Run]]
    """Byte ranges to ask for."""


def requests_of(jobs: Sequence[Job], fetching: Container[Key] = frozenset()) -> Requests:
    """Return how the tiles of jobs are had, each of them once.

    Parameters
    ----------
    jobs : sequence of Job
    fetching : container of tuple
        Keys of tiles that are on their way already.
    """
    found = Requests([], [], [])
    asked: set[Key] = set()
    for job in jobs:
        at_hand: list[Part] = []
        missing: list[Tile] = []
        for tile in job.tiles():
            key = job.key(tile)
            kept = tile_cache.get(key)
            if kept is not None or tile.stop == tile.start:
                at_hand.append((tile, kept))
            elif key in fetching or key in asked:
                found.coming.append((job, tile))
            else:
                missing.append(tile)
                asked.add(key)
        found.here.extend((job, at_hand[i : i + _BATCH]) for i in range(0, len(at_hand), _BATCH))
        found.runs.extend((job, run) for run in runs_of(missing))
    found.runs.sort(key=lambda entry: (entry[1].tiles[0].row, entry[1].tiles[0].col))
    return found


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What reading windows of one file takes."""

    label: str
    """Scene and band."""

    href: str
    """Where the file is; no query."""

    level: int
    """0: the full image; 1: its finest overview; and so on."""

    reader: str
    """``astra-xr``, or ``GDAL`` and why."""

    tiles: int | None
    """Tiles that hold the windows; None where GDAL reads."""

    cached: int | None
    """How many of them are in memory, or are not stored in the file."""

    requests: int | None
    """Byte ranges that will be asked for."""

    bytes: int | None
    """Bytes that will come."""

    expires_at: datetime | None
    """UTC time until which the URL at hand works; None: it does not expire."""


async def plan_of(windows: Sequence[Window]) -> list[Plan]:
    """Work out what reading some windows takes; reads headers where they are not known yet.

    Parameters
    ----------
    windows : sequence of Window
        In the order in which they are read; what one has fetched the next does not fetch again.

    Returns
    -------
    list of Plan
        One a file and overview.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        A header cannot be read.
    """
    groups: dict[tuple[Any, ...], list[Window]] = {}
    for window in windows:
        groups.setdefault((window.source, window.label, window.level), []).append(window)
    opened = await together(_opened(group[0]) for group in groups.values())
    files = dict(zip(groups, opened, strict=True))
    counts = {key: _Counts() for key in groups}
    fetched: set[Key] = set()
    for window in windows:
        key = (window.source, window.label, window.level)
        file, layout, _ = files[key]
        if isinstance(layout, Layout):
            counts[key].add(jobs_of(file, window, layout), fetched)
    return [_plan(group[0], files[key][1:], counts[key]) for key, group in groups.items()]


async def _opened(window: Window) -> tuple[RangeFile, Layout | Unsupported, SignedUrl]:
    signed = await in_thread(window.source)
    file = RangeFile(window.source, signed, window.label)
    try:
        return file, await find_layout(file, window), signed
    except Unsupported as reason:
        return file, reason, signed


@dataclass
class _Counts:
    """What some reads of a file take, in all."""

    tiles: set[Key] = field(default_factory=set)
    cached: set[Key] = field(default_factory=set)
    requests: int = 0
    bytes: int = 0

    def add(self, jobs: Sequence[Job], fetched: set[Key]) -> None:
        """Count one more read, and note what it fetches."""
        found = requests_of(jobs, fetched)
        self.tiles |= {job.key(tile) for job in jobs for tile in job.tiles()}
        self.cached |= {job.key(tile) for job, parts in found.here for tile, _ in parts}
        self.requests += len(found.runs)
        self.bytes += sum(run.stop - run.start for _, run in found.runs)
        fetched |= {job.key(tile) for job, run in found.runs for tile in run.tiles}


def _plan(window: Window, opened: tuple[Layout | Unsupported, SignedUrl], counts: _Counts) -> Plan:
    layout, signed = opened
    ours = isinstance(layout, Layout)
    return Plan(
        label=window.label,
        href=redact(signed),
        level=window.level,
        reader="astra-xr" if ours else f"GDAL: {layout}",
        expires_at=signed.expires_at,
        tiles=len(counts.tiles) if ours else None,
        cached=len(counts.cached) if ours else None,
        requests=counts.requests if ours else None,
        bytes=counts.bytes if ours else None,
    )
