"""Read a window: its tiles are fetched concurrently in few requests and decoded as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.model import Radiometry, SignedUrl
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.decoding import decode_into, fitting, warn_of_offset
from astra_xr.reading.headers import confirm, find_layout, header_cache, tags_of
from astra_xr.reading.loop import in_decode_thread, in_gdal_thread, together
from astra_xr.reading.plan import Job, Key, Part, jobs_of, requests_of
from astra_xr.reading.ranges import RangeFile, Stale
from astra_xr.reading.signers import sign
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
    signed = await sign(window.source)
    try:
        try:
            # Overviews are numbered by a header that was looked at before.
            return await _by_engine(window, signed, kept=window.level == 0)
        except Stale:
            return await _by_engine(window, signed)
    except Unsupported:
        pass
    from astra_xr.reading.gdal import read_by_gdal

    stored, valid, tags = await in_gdal_thread(read_by_gdal, window, signed)
    window = window.read_by(tags)
    dtype = window.dtype_of(stored.dtype)
    if window.radiometry is None:
        return stored.astype(dtype, copy=False)
    values = np.empty(stored.shape, dtype)
    for plane, numbers in enumerate(stored):
        _put(numbers, window.plane_radiometry(plane), values[plane], (slice(None),))
    if valid is not None:
        values[:, ~valid] = np.nan
    return values


async def _by_engine(window: Window, signed: SignedUrl, *, kept: bool = False) -> npt.NDArray[Any]:
    """Read a window without GDAL.

    Parameters
    ----------
    kept : bool
        True: by a header that another process has kept, if there is one.

    Returns
    -------
    ndarray
        Of ``window.size``: values as of :func:`decode_into`, or the stored numbers.

    Raises
    ------
    Unsupported
        GDAL has to read this file.
    ReadError
        The file cannot be read, or differs from its item.
    Stale
        The kept header is of another version of the file.
    """
    file = RangeFile(window.source, signed, window.label)
    layout = await find_layout(file, window, kept=kept)
    window = window.read_by(tags_of(layout, window))
    jobs = jobs_of(file, window, layout)
    image = jobs[0]
    out = np.empty(window.size, window.dtype_of(layout.dtype.newbyteorder("=")))
    masked = len(jobs) > 1 or image.alpha is not None
    valid = np.ones(out.shape[1:], np.bool_) if masked else None

    def paint(job: Job, parts: Sequence[Part]) -> None:
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
                        _put(stored, window.plane_radiometry(plane), out[plane], target)

    async def use(job: Job, parts: Sequence[Part]) -> None:
        await in_decode_thread(paint, job, parts)

    await stream(jobs, use)
    await confirm(file, window)
    if valid is not None:
        out[:, ~valid] = np.nan
    return out


def _put(
    stored: npt.NDArray[Any], radiometry: Radiometry | None, out: npt.NDArray[Any], target: Any
) -> None:
    """Write stored numbers, or their values, to ``out[target]``."""
    if radiometry is None:
        out[target] = stored
    elif isinstance(target[0], slice):
        decode_into(stored, radiometry, out[target])
    else:
        values = np.empty(stored.shape, out.dtype)
        decode_into(stored, radiometry, values)
        out[target] = values


Use = Callable[[Job, Sequence[Part]], Coroutine[Any, Any, None]]


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
        async with _body(job, run) as body:
            parts = [(t, body[t.start - run.start : t.stop - run.start]) for t in run.tiles]
            for tile, part in parts:
                if remember and job.file.etag:
                    # A copy: a slice would keep the whole run in memory.
                    tile_cache.put(job.key(tile), memoryview(bytes(part)), len(part))
                _hand_over(own, job.key(tile), part)
            await use(job, parts)

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
            _hand_over(own, key, None)


_fetching: dict[Key, asyncio.Future[memoryview | None]] = {}
"""Tiles being fetched, for other reads that need them; None if the fetch failed. Lives on the
background loop."""


def _hand_over(
    own: dict[Key, asyncio.Future[memoryview | None]], key: Key, part: memoryview | None
) -> None:
    future = own.pop(key, None)
    if future is not None:
        del _fetching[key]
        future.set_result(part)


@asynccontextmanager
async def _body(job: Job, run: Run) -> AsyncIterator[memoryview]:
    try:
        async with job.file.borrowed(run.start, run.stop) as body:
            if len(body) != run.stop - run.start:
                raise job.file.error(
                    f"bytes {run.start}-{run.stop - 1} are beyond the end of the file",
                    "The file is damaged; try another catalog.",
                )
            yield body
    except ReadError:
        # It may have changed.
        header_cache.drop(job.window.source)
        raise


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
    # Fetch it again next time: the transfer may have been at fault.
    tile_cache.drop(job.key(tile))
    raise job.file.error(
        f"the tile at bytes {tile.start}-{tile.stop - 1} is corrupt ({reason})",
        "The file is damaged; try another catalog.",
    )
