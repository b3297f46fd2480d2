"""Read a window: fetch its tiles concurrently in few requests, and decode them as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.reading.decoding import decode_part, fitting, hide, warn_of_offset
from astra_xr.reading.headers import confirm, find_layout, tags_of
from astra_xr.reading.loop import in_decode_thread, in_gdal_thread, together
from astra_xr.reading.plan import Job, Key, TileBytes, jobs_of, requests_of
from astra_xr.reading.ranges import RangeFile, Stale
from astra_xr.reading.tiles import Run, Tile, overlap, runs_of
from astra_xr.reading.window import Window
from astra_xr.tiff.codecs import CorruptTile, decode_tile
from astra_xr.tiff.directories import Unsupported


async def read(window: Window) -> npt.NDArray[Any]:
    """Read a window of a file.

    Returns
    -------
    ndarray
        Of ``window.size``: values if the window has a radiometry, else the stored numbers.

    Raises
    ------
    ReadError
        The file cannot be read, or differs from its item.
    SigningError, UpstreamError
        No URL can be signed for it.
    """
    values = await _read(window)
    warn_of_offset(values, window.radiometry, window.label)
    return values


async def _read(window: Window) -> npt.NDArray[Any]:
    file = await RangeFile.open(window.source, window.label)
    try:
        try:
            # Overviews were chosen by the file's own header, full images may be read by a kept one.
            return await _by_engine(window, file, kept=window.level == 0)
        except Stale:
            return await _by_engine(window, file.reopened())
    except Unsupported:
        pass
    from astra_xr.reading.gdal import read_by_gdal

    return await in_gdal_thread(read_by_gdal, window, file.reopened())


async def _by_engine(window: Window, file: RangeFile, *, kept: bool = False) -> npt.NDArray[Any]:
    """Read a window without GDAL; see :func:`find_layout` for ``kept``, and what is raised."""
    layout = await find_layout(file, window, kept=kept)
    window = window.with_tags(tags_of(layout, window))
    jobs = jobs_of(file, window, layout)
    image = jobs[0]
    out = np.empty(window.size, window.dtype_of(layout.dtype.newbyteorder("=")))
    masked = len(jobs) > 1 or image.alpha is not None
    valid = np.ones(out.shape[1:], np.bool_) if masked else None

    def paint(job: Job, parts: Sequence[TileBytes]) -> None:
        for tile, data in parts:
            pixels = tile_pixels(job, tile, data)
            cut, target = overlap(job.level, tile, job.window)
            mask = job.mask_plane(tile)
            if valid is not None and mask is not None:
                valid[target] = pixels[cut][..., mask] != 0
            if job is image:
                for plane, index in enumerate(window.indexes):
                    if not layout.planar or index - 1 == tile.plane:
                        stored = pixels[cut][..., 0 if layout.planar else index - 1]
                        radiometry = window.plane_radiometry(plane)
                        decode_part(stored, radiometry, out[plane], target)

    async def use(job: Job, parts: Sequence[TileBytes]) -> None:
        await in_decode_thread(paint, job, parts)

    await stream(jobs, use)
    await confirm(file, window)
    if valid is not None:
        hide(out, valid, window.hidden_as(layout.nodata), window.label)
    return out


Use = Callable[[Job, Sequence[TileBytes]], Coroutine[Any, Any, None]]


async def stream(jobs: Sequence[Job], use: Use) -> None:
    """Fetch all tiles of several windows in few requests, and pass them on as they arrive.

    Parameters
    ----------
    jobs : sequence of Job
        Tiles at the same position are fetched at about the same time for all jobs.
    use : coroutine function
        Called with some tiles of a job; their bytes are released when it returns.

    Raises
    ------
    ReadError
        Bytes cannot be fetched or decoded. All pending requests are canceled.
    """
    found = requests_of(jobs, _fetching)
    # A read that would evict everything else is not cached.
    remember = sum(run.stop - run.start for _, run in found.runs) <= tile_cache.limit // 8
    new = asyncio.get_running_loop().create_future
    own = {job.key(tile): new() for job, run in found.runs for tile in run.tiles}
    _fetching.update(own)
    others = [_fetching[job.key(tile)] for job, tile in found.coming]

    async def fetch(job: Job, run: Run) -> None:
        try:
            async with job.file.borrowed(run.start, run.stop) as body:
                if len(body) != run.stop - run.start:
                    raise job.file.error(
                        f"bytes {run.start}-{run.stop - 1} are beyond the end of the file",
                        "The file is damaged; try another catalog.",
                    )
                parts = [(t, body[t.start - run.start : t.stop - run.start]) for t in run.tiles]
                for tile, part in parts:
                    if remember and job.file.etag:
                        # A copy: a slice would keep the whole run in memory.
                        tile_cache.put(job.key(tile), memoryview(bytes(part)), len(part))
                    _resolve(own, job.key(tile), part)
                await use(job, parts)
        except ReadError:
            # The file may have changed.
            header_cache.drop(job.window.source)
            raise

    async def wait(job: Job, tile: Tile, other: asyncio.Future[memoryview | None]) -> None:
        # Shielded: a canceled read does not cancel the others.
        part = await asyncio.shield(other)
        if part is None:
            await fetch(job, *runs_of([tile]))
        else:
            await use(job, [(tile, part)])

    work = [fetch(job, run) for job, run in found.runs]
    work += [use(job, parts) for job, parts in found.here]
    work += [wait(*each, other) for each, other in zip(found.coming, others, strict=True)]
    try:
        await together(work)
    finally:
        for key in list(own):
            _resolve(own, key, None)


_fetching: dict[Key, asyncio.Future[memoryview | None]] = {}
"""Tiles being fetched, for other reads that need them; None if the fetch failed. Lives on the
background loop."""


def _resolve(
    own: dict[Key, asyncio.Future[memoryview | None]], key: Key, part: memoryview | None
) -> None:
    future = own.pop(key, None)
    if future is not None:
        del _fetching[key]
        future.set_result(part)


def tile_pixels(job: Job, tile: Tile, data: memoryview | None) -> npt.NDArray[Any]:
    """Decode a tile, or fill one that is not stored.

    Returns
    -------
    ndarray
        (rows, columns, planes) of the whole tile, in native byte order; valid until the
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
        return np.full((rows, cols, planes), fitting(layout.nodata, native) or 0, native)
    stored = (rows, -(-cols // 8) if layout.bits else cols, planes)
    try:
        pixels = decode_tile(data, stored, layout.dtype, layout.codec, layout.predictor)
        return np.unpackbits(pixels, axis=1, count=cols) if layout.bits else pixels
    except CorruptTile as error:
        reason = str(error)
    # Fetched again next time: the transfer may have been at fault.
    tile_cache.drop(job.key(tile))
    raise job.file.error(
        f"the tile at bytes {tile.start}-{tile.stop - 1} is corrupt ({reason})",
        "The file is damaged; try another catalog.",
    )
