"""Headers of files: read once, cached, and compared with the item."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakValueDictionary

import numpy as np

from astra_xr.errors import ReadError
from astra_xr.geometry import in_usual_units
from astra_xr.model import Radiometry, UrlSource
from astra_xr.reading.cache import header_cache
from astra_xr.reading.item_check import Image, check_item
from astra_xr.reading.kept_headers import KeptHeader, find, keep
from astra_xr.reading.loop import in_gdal_thread, in_thread, start_unawaited
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.window import Window
from astra_xr.tiff.directories import HEAD, Malformed, Unsupported
from astra_xr.tiff.layout import USER_DEFINED, Layout, read_layout

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Header:
    """How a file is stored, and the version of the file that it was read from."""

    layout: Layout
    size: int
    etag: str | None
    unconfirmed: bool = False
    """True if another process stored it, and no response has confirmed its version yet."""

    other_etags: set[str] = field(default_factory=set, compare=False)
    """Further ETags of the same bytes."""


_LOOKS = 8
"""Maximum number of requests to reach the server that reported another ETag."""

_reading: WeakValueDictionary[UrlSource, asyncio.Lock] = WeakValueDictionary()
"""Locks held while a source's header is read; they live on the background loop."""


async def find_layout(file: RangeFile, window: Window, *, kept: bool = False) -> Layout:
    """Return the layout of a window's file, from the cache or the file.

    Parameters
    ----------
    file : RangeFile
    window : Window
    kept : bool
        True: the layout may be one that another process has kept. The caller then calls
        :func:`confirm` before it returns pixels, and reads again without ``kept`` after Stale.

    Raises
    ------
    Unsupported
        GDAL must read this file.
    ReadError
        The file cannot be read, or differs from its item.
    Elsewhere
        It has another position than its item describes.
    Stale
        The kept header differs from the item, and may be of another version.
    """
    known = await _known(file, window, kept=kept)
    if isinstance(known, str):
        raise Unsupported(known)
    # From here on the file must be the version that the header was read from.
    file.size, file.etag, file.unconfirmed = known.size, known.etag, known.unconfirmed
    layout, file.other_etags = known.layout, known.other_etags
    if layout.codec != "none":  # else any pixels have the same header
        file.has_same_header = partial(_has_same_header, file, window, layout)
    image = Image(
        shape=layout.levels[0].shape,
        count=layout.samples,
        alphas=int(layout.alpha is not None),
        names=layout.names,
        dtype=layout.dtype,
        transform=layout.transform,
        crs=layout.crs,
    )
    try:
        check_item(file, window, image)
    except ReadError:
        if not known.unconfirmed:
            raise
    else:
        return layout
    raise file.stale()


async def read_ahead(window: Window) -> None:
    """Cache the header of a file that is likely to be read next."""
    if header_cache.limit:
        # The read that follows raises the failure.
        with suppress(Exception):
            file = await RangeFile.open(window.source, window.label)
            await _known(file, window, kept=True)


async def confirm(file: RangeFile, window: Window) -> None:
    """Check that a file still has the version whose header was used.

    Raises
    ------
    Stale
        It has another version.
    """
    known: _Header | str | None = header_cache.get(window.source)
    if file.unconfirmed:
        await file.get(0, 1)
    if isinstance(known, _Header) and known.unconfirmed and known.etag == file.etag:
        _put(window, replace(known, unconfirmed=False))


async def _known(file: RangeFile, window: Window, *, kept: bool) -> _Header | str:
    known = _cached(window, kept)
    if known is None:
        # Concurrent callers wait for one read.
        async with _reading.setdefault(window.source, asyncio.Lock()):
            known = _cached(window, kept)
            if known is None and kept:
                known = await _read_kept(file, window)
            if known is None:
                known = await _read(file, window)
    elif isinstance(known, _Header) and not await file.unchanged(known.size, known.etag):
        known = await _read(file, window)
    return known


def _cached(window: Window, kept: bool) -> _Header | str | None:
    known: _Header | str | None = header_cache.get(window.source)
    return known if kept or not isinstance(known, _Header) or not known.unconfirmed else None


async def _read_kept(file: RangeFile, window: Window) -> _Header | None:
    found = await in_thread(find, file.signed)
    if found is None:
        return None
    try:
        layout = await read_layout(found)
    except (Malformed, Unsupported):
        return None
    known = _Header(layout, found.size, found.version, unconfirmed=True)
    _put(window, known)
    return known


async def _has_same_header(file: RangeFile, window: Window, layout: Layout, etag: str) -> bool:
    """Return True if a file of the same size has the same header under another ETag.

    Servers behind one name may report different ETags for one file. All compressed tiles have the
    same offsets and sizes only if the pixels are the same.
    """
    etags = {etag}
    for _ in range(_LOOKS):
        # Any of the servers may answer.
        other = file.reopened()
        with suppress(ReadError, Malformed, Unsupported):
            found = await read_layout(other)
            if other.etag == etag:
                return other.size == file.size and _alike(found, layout)
            etags.add(str(other.etag))
    if len(etags) > _LOOKS:
        raise file.error("the server sends another ETag each time", "Download the file first.")
    return False


def _alike(one: Layout, other: Layout) -> bool:
    """Return True if two layouts are the same, except for a CRS that GDAL read."""
    if (one.mask is None) != (other.mask is None) or len(one.levels) != len(other.levels):
        return False
    if one.mask and other.mask and not _alike(one.mask, other.mask):
        return False
    bare = [replace(each, levels=(), mask=None, crs=None) for each in (one, other)]
    return repr(bare[0]) == repr(bare[1]) and all(
        a.shape == b.shape
        and a.tile == b.tile
        and np.array_equal(a.offsets, b.offsets)
        and np.array_equal(a.counts, b.counts)
        for a, b in zip(one.levels, other.levels, strict=True)
    )


def tags_of(layout: Layout, window: Window) -> list[Radiometry]:
    """Return the radiometry of each plane of a window, by the file's tags."""
    dtype = layout.dtype.newbyteorder("=").name
    factors = layout.factors or ((1.0, 0.0),) * layout.samples
    return [
        Radiometry(
            dtype=dtype,
            scale=factors[index - 1][0],
            offset=factors[index - 1][1],
            nodata=layout.nodata,
        )
        for index in window.indexes
    ]


async def _read(file: RangeFile, window: Window) -> _Header | str:
    known: _Header | str
    damage = ""
    if further := _requests(window) - 1:
        # Handshakes take as long as reading the header, whose connection serves the first request.
        start_unawaited(file.open_ahead(further))
    try:
        layout = await read_layout(file)
        crs = layout.crs
        if crs == USER_DEFINED or (crs and not in_usual_units(crs)):
            # A file's units take precedence over those of its code.
            from astra_xr.reading.gdal import gdal_crs

            layout = replace(layout, crs=await in_gdal_thread(gdal_crs, file))
        known = _Header(layout, file.size or 0, file.etag)
        if file.etag and file.requests == 1 and layout.crs == crs:
            # One request returned the whole header, so this sends none.
            head = await file.get(0, min(HEAD, _end_of(layout)))
            header = KeptHeader(size=known.size, version=file.etag, head=bytes(head))
            start_unawaited(in_thread(keep, file.signed, header))
    except Unsupported as reason:
        _log.info("%s is read by GDAL: %s", window.label, reason)
        known = str(reason)
    except Malformed as reason:
        damage = str(reason)
    if damage:
        hint = "Try another catalog with catalog=."
        raise file.error(f"its header is damaged: {damage}", hint)
    if file.etag:  # else a new version would go unnoticed
        _put(window, known)
    return known


def _requests(window: Window) -> int:
    """Estimate how many requests a window takes at once: one per row of tiles of 512²."""
    if window.level or not isinstance(window.rows, tuple):
        return 1
    start, stop = window.rows
    return (stop - start) // 512 + 1


def _put(window: Window, known: _Header | str) -> None:
    """Cache a header by its source, or the reason why GDAL must read the file."""
    size = 1000 + (known.layout.nbytes if isinstance(known, _Header) else 0)
    header_cache.put(window.source, known, size)


def _end_of(layout: Layout) -> int:
    """Return where the header of a COG ends at the latest: at its first tile."""
    levels = [*layout.levels, *(layout.mask.levels if layout.mask else ())]
    starts = [level.offsets[level.counts > 0] for level in levels]
    return min((int(each.min()) for each in starts if each.size), default=HEAD)
