"""The directories of a TIFF: its tags, read by ranges, within bounds whatever the file claims.

TIFF 6.0, part 1, section 2 (image file directories), and the BigTIFF extension of it. No parser of
others is used, since those at hand trust the counts that a file claims, and end the process by it.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files begin, in either byte order."""

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

OVERVIEW, MASK = 1, 4
"""Bits of the tag NewSubfileType."""

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


T = TypeVar("T")


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
    """The file is no TIFF, or one stored in a way that is not known here; the text says why."""


@dataclass(frozen=True)
class Tag:
    """One entry of a directory, as it is stored."""

    kind: int
    """TIFF's number of the type."""

    count: int
    """How many values."""

    value: bytes
    """Their bytes."""

    order: str = "<"
    """Byte order: ``"<"`` or ``">"``."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """The values, 1-D."""
        return np.frombuffer(self.value, self.order + _TYPES[self.kind])


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
    blocks, form, position = await _open(file)
    seen: list[int] = []
    directories: list[Tags] = []
    while position:
        if position in seen:
            raise Malformed("its directories have no end")
        if len(seen) >= _MOST_DIRECTORIES:
            raise Unsupported(f"it has more than {_MOST_DIRECTORIES} directories")
        seen.append(position)
        tags, position = await _directory(blocks, form, position, wanted)
        directories.append({wanted[code]: tag.values for code, tag in tags.items()})
    return form.order, directories


def read_held(
    file: BinaryIO, size: int, wanted: Mapping[int, str] = WANTED, *, have: int | None = None
) -> list[Tags]:
    """Read what a TIFF on this machine says of its images; see :func:`read_directories`.

    Parameters
    ----------
    file : binary file object
    size : int
        Bytes of the whole file.
    wanted : mapping
        Tag → what it is called in the answer.
    have : int, optional
        How many bytes are there, from its beginning; all when left out.
    """
    return _at_once(read_directories(_Held(file, size, have), wanted))[1]


def read_tags(head: bytes, wanted: Collection[int] | None = None) -> tuple[dict[int, Tag], int]:
    """Read the first directory of a TIFF.

    Parameters
    ----------
    head : bytes
        The whole file, or as much of it as holds the directory and what is wanted.
    wanted : collection of int, optional
        Tags; all of them when left out.

    Returns
    -------
    tags : dict
        By number.
    following : int
        Where the next directory begins; 0: there is none.

    Raises
    ------
    Unsupported
        It is no TIFF, or one with oddities.
    Malformed
        It claims what cannot be, or what lies behind ``head``.
    """

    async def first() -> tuple[dict[int, Tag], int]:
        return await _directory(*await _open(_Held(io.BytesIO(head), len(head))), wanted)

    return _at_once(first())


class _Held:
    """A file on this machine as :class:`Bytes` that never wait."""

    def __init__(self, file: BinaryIO, size: int, have: int | None = None) -> None:
        self.size: int | None = size
        self._file = file
        self._have = size if have is None else have

    async def get(self, start: int, stop: int) -> memoryview:
        self._file.seek(start)
        return memoryview(self._file.read(max(0, min(stop, self._have) - start)))


def _at_once(reading: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without a loop."""
    try:
        reading.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a file at hand does not wait")


async def _open(file: Bytes) -> tuple[_Blocks, _Form, int]:
    """Read how a TIFF's numbers are laid out, and where its first directory is."""
    head = await file.get(0, HEAD)
    magic = bytes(head[:4])
    if magic not in TIFF_MAGIC or len(head) < 16:
        raise Unsupported("it is no TIFF")
    big = 43 in magic[2:]
    form = _Form.of("<" if magic[:2] == b"II" else ">", big=big)
    (position,) = form.offset.unpack_from(head, 8 if big else 4)
    return _Blocks(file, head), form, position


async def _directory(
    blocks: _Blocks, form: _Form, position: int, wanted: Collection[int] | None
) -> tuple[dict[int, Tag], int]:
    """Read the directory at a position, and where the next one is (0: nowhere)."""
    head = form.count.size
    (number,) = form.count.unpack(await blocks.get(position, head))
    if not 0 < number <= _MOST_ENTRIES:
        raise Malformed(f"a directory has {number} entries")
    size = number * form.entry.size
    data = await blocks.get(position + head, size + form.offset.size)
    tags = {}
    for tag, kind, count, value in form.entry.iter_unpack(data[:size]):
        if wanted is None or tag in wanted:
            tags[tag] = await _tag(blocks, form, (tag, kind, count), value)
    (following,) = form.offset.unpack(data[size:])
    return tags, following


async def _tag(blocks: _Blocks, form: _Form, entry: tuple[int, int, int], value: bytes) -> Tag:
    tag, kind, count = entry
    if kind not in _TYPES:
        raise Unsupported(f"tag {tag} has the unknown type {kind}")
    size = np.dtype(_TYPES[kind]).itemsize * count
    data: bytes | memoryview = value
    if size > len(value):
        if size > _LARGEST_TAG:
            raise Malformed(f"tag {tag} claims {count} numbers")
        (start,) = form.offset.unpack(value)
        data = await blocks.get(start, size)
    return Tag(kind, count, bytes(data[:size]), form.order)


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
