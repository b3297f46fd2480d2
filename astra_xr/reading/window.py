"""What to read of a file: a window, and the header that says where its tiles are."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from astra_xr.conversion.tags import Unsupported
from astra_xr.model import Radiometry, UrlSource
from astra_xr.reading.cache import ByteCache
from astra_xr.reading.header import Layout, read_layout
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.tiles import Span

_log = logging.getLogger(__name__)

header_cache: ByteCache[Layout | str] = ByteCache("header_cache")
"""Layouts, or why GDAL has to read the file, by source."""

_reading: WeakValueDictionary[UrlSource, asyncio.Lock] = WeakValueDictionary()
"""Held while a source's header is read; lives on the background loop."""


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

    rows: Span
    """Pixels from the top."""

    cols: Span
    """Pixels from the left."""

    pointwise: bool = False
    """True: ``rows`` and ``cols`` are arrays that name points in pairs."""

    level: int = 0
    """What ``rows`` and ``cols`` are counted in: 0 is the full image, 1 its finest overview."""

    radiometry: Radiometry | None
    """How stored numbers become values; None: they stay as they are."""

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the result: (planes, rows, columns), or (planes, points)."""
        lengths = [s[1] - s[0] if isinstance(s, tuple) else len(s) for s in (self.rows, self.cols)]
        return (len(self.indexes), *(lengths[:1] if self.pointwise else lengths))

    def cut(self, rows: tuple[int, int], cols: tuple[int, int], level: int = 0) -> Window:
        """Return another window of the same file."""
        return replace(self, rows=rows, cols=cols, level=level, pointwise=False)


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
    if known is None:
        # Those who ask together wait for one that reads.
        async with _reading.setdefault(window.source, asyncio.Lock()):
            known = header_cache.get(window.source) or await _read(file, window)
    elif isinstance(known, Layout) and not await file.unchanged(known.size, known.etag):
        known = await _read(file, window)
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


async def _read(file: RangeFile, window: Window) -> Layout | str:
    known: Layout | str
    try:
        known = await read_layout(file)
    except Unsupported as reason:
        _log.info("%s is read by GDAL: %s", window.label, reason)
        known = str(reason)
    size = 1000 + (known.nbytes if isinstance(known, Layout) else 0)
    header_cache.put(window.source, known, size)
    return known
