"""Headers of files: read once, cached, and checked against the item."""

from __future__ import annotations

import asyncio
import logging
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from astra_xr.errors import ReadError
from astra_xr.model import Radiometry, UrlSource
from astra_xr.reading.cache import ByteCache
from astra_xr.reading.kept_headers import KeptHeader, find, keep
from astra_xr.reading.loop import beside, in_gdal_thread, in_thread
from astra_xr.reading.place import check_place
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.signers import sign
from astra_xr.reading.window import Window
from astra_xr.tiff.directories import HEAD, Malformed, Unsupported
from astra_xr.tiff.layout import OWN_TERMS, Layout, read_layout
from astra_xr.warned import first_time

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Header:
    """How a file is stored, and the version of the file that it was read from."""

    layout: Layout
    size: int
    etag: str | None
    unconfirmed: bool = False
    """True if another process has kept it, and no answer yet shows that it still holds."""

    twins: set[str] = field(default_factory=set, compare=False)
    """Further ETags of the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of its pixels, whether GDAL reads it or our own decoders."""

    shapes: tuple[tuple[int, int], ...]
    """Rows and columns of the image and its overviews, finest first."""

    nodata: float | None
    """Stored number of pixels without data."""

    palette: bool
    """True if it has a color table: its numbers are classes."""


header_cache: ByteCache[_Header | str] = ByteCache("header_cache")
"""Headers by source, or the reason why GDAL has to read the file."""

_LOOKS = 8
"""Requests until the server that gave another ETag answers."""

_reading: WeakValueDictionary[UrlSource, asyncio.Lock] = WeakValueDictionary()
"""Locks held while a source's header is read; they live on the background loop."""


async def find_layout(file: RangeFile, window: Window, *, kept: bool = False) -> Layout:
    """Return the layout of a window's file, from the cache or the file.

    Parameters
    ----------
    file : RangeFile
    window : Window
    kept : bool
        True: it may be one that another process has kept. Then the caller calls :func:`confirm`
        before it returns what it read, and reads again without ``kept`` after :class:`Stale`.

    Raises
    ------
    Unsupported
        GDAL has to read this file.
    ReadError
        The file cannot be read, or differs from its item.
    Elsewhere
        It lies elsewhere than its item says.
    """
    known = await _known(file, window, kept=kept)
    if isinstance(known, str):
        raise Unsupported(known)
    # From here on the file must be the version that the header was read from.
    file.size, file.etag, file.unconfirmed = known.size, known.etag, known.unconfirmed
    layout, file.twins = known.layout, known.twins
    if layout.codec != "none":  # else the header says nothing of the pixels
        file.same = partial(_has, file, window, layout)
    shape, samples = layout.levels[0].shape, layout.samples
    place = layout.transform, layout.crs
    try:
        check_described(file, window, shape, samples, layout.dtype, *place)
    except ReadError:
        if not known.unconfirmed:
            raise
        file.size, file.etag, file.unconfirmed, file.same = None, None, False, None
        return await find_layout(file, window)
    warn_of_planes(window.label, window.count, samples - (layout.alpha is not None))
    return layout


async def read_ahead(window: Window) -> None:
    """Cache the header of a file that is likely to be read next."""
    if header_cache.limit:
        # Whatever fails will fail again where somebody waits for it.
        with suppress(Exception):
            signed = await sign(window.source)
            await _known(RangeFile(window.source, signed, window.label), window, kept=True)


async def confirm(file: RangeFile, window: Window) -> None:
    """Make sure that a file has the version whose header was used, by an answer of its host.

    Raises
    ------
    Stale
        It has another.
    """
    known = header_cache.get(window.source)
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
    known = header_cache.get(window.source)
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


async def _has(file: RangeFile, window: Window, layout: Layout, etag: str) -> bool:
    """Return True if a file of the same size has the same header under another ETag.

    Servers behind one name may give one file several. Where tiles are compressed, the places and
    sizes of all of them are the same only if the pixels are.
    """
    for _ in range(_LOOKS):
        # Whichever server answers.
        other = RangeFile(window.source, file.signed, window.label)
        with suppress(ReadError, Malformed, Unsupported):
            found = await read_layout(other)
            if other.etag == etag:
                return other.size == file.size and _alike(found, layout)
    return False


def _alike(one: Layout, other: Layout) -> bool:
    """Return True if two layouts are the same, but for what GDAL was asked of the CRS."""
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
    """Return what a file's tags say of each plane of a window."""
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


def check_described(
    file: RangeFile,
    window: Window,
    shape: tuple[int, int],
    samples: int,
    dtype: npt.DTypeLike,
    transform: tuple[float, ...] | None,
    crs: str | None,
) -> None:
    """Hold a file against what its item says of it.

    Parameters
    ----------
    shape, samples, dtype : (int, int), int, numpy dtype
        The file's own rows and columns, number of bands, and type of stored numbers.
    transform, crs : tuple of float or None, str or None
        Where its pixels lie, as it says; None: it does not.

    Raises
    ------
    ReadError
        It has fewer bands, or numbers that would not fit, or another shape and no place.
    Elsewhere
        It lies elsewhere.
    """
    problem = ""
    if max(window.indexes) > samples:
        problem = f"the file has {samples} bands, while {max(window.indexes)} are expected of it"
    elif window.dtype is not None and not np.can_cast(
        # Values may be rounded to the type of the result, but never wrap around.
        dtype,
        window.dtype,
        "same_kind" if window.radiometry else "safe",
    ):
        promised = window.radiometry.dtype if window.radiometry else window.dtype
        problem = f"the file holds {np.dtype(dtype).name}, while its item says {promised}"
    if problem:
        hint = "The item does not describe this file: radiometry='file' takes what the file says; "
        raise file.error(problem, f"{hint}another catalog may have the right one.")
    check_place(file, window, shape, transform, crs)


def warn_of_planes(label: str, described: int | None, held: int) -> None:
    """Warn once an asset that a file has more planes than its item says.

    Parameters
    ----------
    described : int or None
        Planes that the item describes; None: one of several is read, or the item describes none.
    held : int
        Planes of the file, without alpha.
    """
    if described is not None and held > described and first_time(f"planes of {label}"):
        warnings.warn(
            f"{label}: the file has {held} bands, of which its item describes {described}. Others "
            f"open by number: bands=['data.{held}'] is the last one of an asset 'data'.",
            stacklevel=2,
        )


async def _read(file: RangeFile, window: Window) -> _Header | str:
    known: _Header | str
    damage = ""
    if further := _requests(window) - 1:
        # Their handshakes take as long as the header, whose connection serves the first.
        beside(file.open_ahead(further))
    try:
        layout = await read_layout(file)
        crs = layout.crs
        if crs == OWN_TERMS:
            from astra_xr.reading.gdal import gdal_crs

            layout = replace(layout, crs=await in_gdal_thread(gdal_crs, file))
        known = _Header(layout, file.size or 0, file.etag)
        if file.etag and file.requests == 1 and layout.crs == crs:
            # Of what is here: one request held all of the header.
            head = await file.get(0, min(HEAD, _end_of(layout)))
            header = KeptHeader(size=known.size, version=file.etag, head=bytes(head))
            beside(in_thread(keep, file.signed, header))
    except Unsupported as reason:
        _log.info("%s is read by GDAL: %s", window.label, reason)
        known = str(reason)
    except Malformed as reason:
        damage = str(reason)
    if damage:
        hint = "Try another catalog with catalog=."
        raise file.error(f"its header is damaged: {damage}", hint)
    if file.etag:
        # Without a version nobody knows whether it is still that of the file.
        _put(window, known)
    return known


def _requests(window: Window) -> int:
    """Return about how many requests a window takes at once: one per row of tiles of 512."""
    if window.level or not isinstance(window.rows, tuple):
        return 1
    start, stop = window.rows
    return (stop - start) // 512 + 1


def _put(window: Window, known: _Header | str) -> None:
    size = 1000 + (known.layout.nbytes if isinstance(known, _Header) else 0)
    header_cache.put(window.source, known, size)


def _end_of(layout: Layout) -> int:
    """Return where the header of a COG ends: at its first tile, if not before."""
    levels = [*layout.levels, *(layout.mask.levels if layout.mask else ())]
    starts = [level.offsets[level.counts > 0] for level in levels]
    return min((int(each.min()) for each in starts if each.size), default=HEAD)
