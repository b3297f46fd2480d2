"""What a read takes: which tiles are at hand, which requests are to be made, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from astra_xr.errors import redact
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.headers import find_layout
from astra_xr.reading.loop import in_thread
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Run, Tile, runs_of, tiles_of
from astra_xr.reading.window import Window
from astra_xr.tiff.directories import Unsupported
from astra_xr.tiff.layout import Layout, Level

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

    def key(self, tile: Tile) -> tuple[Any, ...]:
        """Return what a tile is cached by."""
        return self.window.source, self.file.etag, tile.start


def jobs_of(file: RangeFile, window: Window, layout: Layout) -> list[Job]:
    """Return what a window reads of its file: the image, and the mask where it counts."""
    jobs = [Job(file, window, layout)]
    if window.radiometry and layout.mask:
        jobs.append(Job(file, replace(window, indexes=(1,)), layout.mask, is_mask=True))
    return jobs


def requests_of(
    jobs: Sequence[Job],
) -> tuple[list[tuple[Job, list[Part]]], list[tuple[Job, Run]]]:
    """Split the tiles of jobs into batches at hand, or not stored, and requests to make."""
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What reading a window of one file takes."""

    label: str
    """Scene and band."""

    href: str
    """Where the file is; no query."""

    level: int
    """0: the full image; 1: its finest overview; and so on."""

    reader: str
    """``astra-xr``, or ``GDAL`` and why."""

    tiles: int | None
    """Tiles that hold the window; None where GDAL reads."""

    cached: int | None
    """How many of them are in memory, or are not stored in the file."""

    requests: int | None
    """Byte ranges that will be asked for."""

    bytes: int | None
    """Bytes that will come."""

    expires_at: datetime | None
    """UTC time until which the URL at hand works; None: it does not expire."""


async def plan_of(window: Window) -> Plan:
    """Work out what reading a window takes; reads the file's header where it is not known yet.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The header cannot be read.
    """
    signed = await in_thread(window.source)
    reader = "astra-xr"
    counts: dict[str, int | None] = dict.fromkeys(("tiles", "cached", "requests", "bytes"))
    file = RangeFile(window.source, signed, window.label)
    try:
        layout = await find_layout(file, window)
        jobs = jobs_of(file, window, layout)
        here, runs = requests_of(jobs)
        counts |= {
            "tiles": sum(len(job.tiles()) for job in jobs),
            "cached": sum(len(parts) for _, parts in here),
            "requests": len(runs),
            "bytes": sum(run.stop - run.start for _, run in runs),
        }
    except Unsupported as reason:
        reader = f"GDAL: {reason}"
    return Plan(
        label=window.label,
        href=redact(signed),
        level=window.level,
        reader=reader,
        expires_at=signed.expires_at,
        **counts,
    )
