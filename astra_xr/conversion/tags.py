"""The directories of a TIFF: its tags, read by ranges, within bounds whatever the file claims.

TIFF 6.0, part 1, section 2 (image file directories), and the BigTIFF extension of it. No parser of
others is used, since those at hand trust the counts that a file claims, and end the process by it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from astra_xr.conversion.magic import TIFF_MAGIC

WANTED = {
    254: "subfile",
    256: "width",
    257: "height",
    258: "bits",
    259: "compression",
    262: "photometric",
    266: "fill_order",
    277: "samples",
    284: "planar",
    317: "predictor",
    322: "tile_width",
    323: "tile_height",
    324: "offsets",
    325: "counts",
    338: "extra",
    339: "formats",
    42113: "nodata",
    50674: "lerc",
}
"""Tags that say how pixels are stored, and what they are called here."""

_TYPES = {
    1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u8", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "u8",
    11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
"""numpy types of the field types."""

HEAD = 32 * 1024
"""Bytes of the first request: the header of nearly every COG."""

_MOST_DIRECTORIES = 64
_MOST_ENTRIES = 1024
_LARGEST_TAG = 64 << 20
"""Bytes: the places of eight million tiles."""

Tags = Mapping[str, npt.NDArray[Any]]
"""Values of a directory's tags by the names that were wanted; each has one dimension."""


class Bytes(Protocol):
    """A file of which ranges can be had."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, known when the first range has been had."""
        ...

    async def get(self, start: int, stop: int) -> memoryview:
        """Return bytes, as far as the file has them."""
        ...


class Malformed(Exception):
    """What is claimed contradicts itself or the size of the file."""


class Unsupported(Exception):
    """GDAL has to read this file; the text says why."""


@dataclass(frozen=True)
class _Form:
    """How numbers are laid out: struct formats of TIFF or BigTIFF, in one byte order."""

    order: str
    offset: struct.Struct
    count: struct.Struct
    entry: struct.Struct
    """Tag, type, count, and the value or where it is."""

    @classmethod
    def of(cls, order: str, *, big: bool) -> _Form:
        formats = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
        return cls(order, *(struct.Struct(order + each) for each in formats))


class _Blocks:
    """Ranges of a file, with a little more than asked for, as what comes next is mostly near."""

    def __init__(self, file: Bytes, head: memoryview) -> None:
        self._file = file
        self._kept = [(0, head)]

    async def get(self, start: int, size: int) -> memoryview:
        end = self._file.size or 0
        if start < 0 or start + size > end:
            raise Malformed(f"bytes {start}-{start + size - 1} lie beyond its end")
        for first, block in self._kept:
            if first <= start and start + size <= first + len(block):
                return block[start - first : start - first + size]
        block = await self._file.get(start, min(end, start + max(size, HEAD)))
        self._kept.append((start, block))
        if len(block) < size:
            raise Malformed(f"bytes {start}-{start + size - 1} cannot be had")
        return block[:size]


async def read_directories(
    file: Bytes, wanted: Mapping[int, str] = WANTED
) -> tuple[str, list[Tags]]:
    """Read what a TIFF says of its images.

    Parameters
    ----------
    file : Bytes
    wanted : mapping
        Tag → what it is called in the answer.

    Returns
    -------
    order : str
        ``"<"`` or ``">"``, the file's byte order.
    directories : list of mapping
        In file order: tags by name, as far as they are there.

    Raises
    ------
    Unsupported
        It is no TIFF, or one with oddities.
    Malformed
        It claims what cannot be.
    ReadError
        Its bytes cannot be had.
    """
    head = await file.get(0, HEAD)
    magic = bytes(head[:4])
    if magic not in TIFF_MAGIC or len(head) < 16:
        raise Unsupported("it is no TIFF")
    big = 43 in magic[2:]
    form = _Form.of("<" if magic[:2] == b"II" else ">", big=big)
    blocks = _Blocks(file, head)
    (position,) = form.offset.unpack_from(head, 8 if big else 4)
    seen: list[int] = []
    directories = []
    while position:
        if position in seen:
            raise Malformed("its directories have no end")
        if len(seen) >= _MOST_DIRECTORIES:
            raise Unsupported(f"it has more than {_MOST_DIRECTORIES} directories")
        seen.append(position)
        tags, position = await _directory(blocks, form, position, wanted)
        directories.append(tags)
    return form.order, directories


async def _directory(
    blocks: _Blocks, form: _Form, position: int, wanted: Mapping[int, str]
) -> tuple[Tags, int]:
    """Read the directory at a position, and where the next one is (0: nowhere)."""
    head = form.count.size
    (number,) = form.count.unpack(await blocks.get(position, head))
    if not 0 < number <= _MOST_ENTRIES:
        raise Malformed(f"a directory has {number} entries")
    size = number * form.entry.size
    data = await blocks.get(position + head, size + form.offset.size)
    tags = {}
    for tag, kind, count, value in form.entry.iter_unpack(data[:size]):
        if tag in wanted:
            tags[wanted[tag]] = await _value(blocks, form, (tag, kind, count), value)
    (following,) = form.offset.unpack(data[size:])
    return tags, following


async def _value(
    blocks: _Blocks, form: _Form, entry: tuple[int, int, int], value: bytes
) -> npt.NDArray[Any]:
    tag, kind, count = entry
    if kind not in _TYPES:
        raise Unsupported(f"tag {tag} has the unknown type {kind}")
    dtype = np.dtype(form.order + _TYPES[kind])
    size = dtype.itemsize * count
    data: bytes | memoryview = value
    if size > len(value):
        if size > _LARGEST_TAG:
            raise Malformed(f"tag {tag} claims {count} numbers")
        (start,) = form.offset.unpack(value)
        data = await blocks.get(start, size)
    return np.frombuffer(data[:size], dtype)


def number(tags: Tags, name: str, default: float = math.nan) -> int:
    """Return the first number of a tag.

    Raises
    ------
    Unsupported
        There is none, and no default.
    """
    values = tags.get(name)
    if values is not None and len(values) and values.dtype.kind in "ui":
        return int(values[0])
    if math.isnan(default):
        raise Unsupported(f"it tells no {name.replace('_', ' ')}")
    return int(default)
