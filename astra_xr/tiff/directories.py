"""Read the directories of a TIFF: its tags, by byte ranges, within bounds whatever it claims.

TIFF 6.0, part 1, section 2 (image file directories), and its BigTIFF extension. Other parsers
trust the counts in a file, and a forged count aborts the process.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF files, in either byte order."""

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
    33550: "pixel_size",
    33922: "tie_points",
    34264: "matrix",
    34735: "geo_keys",
    42112: "metadata",
    42113: "nodata",
    50674: "lerc",
}
"""Tags on the storage, position and meaning of pixels, by our names."""

OVERVIEW, MASK = 1, 4
"""Bits of the tag NewSubfileType."""

_TYPES = {
    1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u8", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "u8",
    11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
"""NumPy types of TIFF's field types."""

_DTYPES = {o: {kind: np.dtype(o + each) for kind, each in _TYPES.items()} for o in "<>"}
"""The same by byte order."""

HEAD = 16 * 1024
"""Bytes of the first request: the header of nearly every COG, and TCP's first flight."""

_LONGER = 4
"""Times, at most, that the size of further requests is doubled."""

_MOST_DIRECTORIES = 64
_MOST_ENTRIES = 1024
_LARGEST_TAG = 64 << 20
"""In bytes: the positions of eight million tiles."""

Tags = Mapping[str, npt.NDArray[Any]]
"""Values of a directory's tags by name; each is 1-D."""


T = TypeVar("T")


class Bytes(Protocol):
    """A file that is read by byte ranges."""

    @property
    def size(self) -> int | None:
        """Return the size of the file in bytes; None before the first range is read."""
        ...

    async def get(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start:stop``, fewer at the end of the file."""
        ...


class Malformed(Exception):
    """The header contradicts itself or the size of the file."""


class Unsupported(Exception):
    """The file is not a TIFF, or is stored in an unsupported way; the text says why."""


class Tag(NamedTuple):
    """One entry of a directory, as stored; a tuple, as a header has a hundred."""

    kind: int
    """TIFF's number of the type."""

    number: int
    """Number of values."""

    value: bytes
    """The bytes of the values."""

    order: str = "<"
    """Byte order: ``"<"`` or ``">"``."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """Return the values, 1-D."""
        return np.frombuffer(self.value, _DTYPES[self.order][self.kind])


@dataclass(frozen=True)
class _Form:
    """Struct formats of TIFF or BigTIFF, in one byte order."""

    order: str
    offset: struct.Struct
    count: struct.Struct
    entry: struct.Struct
    """Tag, type, count, and the value or its position."""

    @classmethod
    def of(cls, order: str, *, big: bool) -> _Form:
        formats = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
        return cls(order, *(struct.Struct(order + each) for each in formats))


class _Blocks:
    """Cached ranges of a file; reads ahead, since the next range is usually close."""

    def __init__(self, file: Bytes, head: memoryview) -> None:
        self._file = file
        self._kept = [(0, head)]

    async def get(self, start: int, size: int) -> memoryview:
        end = self._file.size or 0
        if start < 0 or start + size > end:
            raise Malformed(f"bytes {start}-{start + size - 1} are beyond the end of the file")
        for first, block in self._kept:
            if first <= start and start + size <= first + len(block):
                return block[start - first : start - first + size]
        ahead = HEAD << min(len(self._kept), _LONGER)
        block = await self._file.get(start, min(end, start + max(size, ahead)))
        self._kept.append((start, block))
        if len(block) < size:
            raise Malformed(f"bytes {start}-{start + size - 1} are missing")
        return block[:size]


async def read_directories(
    file: Bytes, wanted: Mapping[int, str] = WANTED
) -> tuple[str, list[Tags]]:
    """Read the directories of a TIFF.

    Parameters
    ----------
    file : Bytes
    wanted : mapping
        Tag → its name in the result.

    Returns
    -------
    order : str
        ``"<"`` or ``">"``, the file's byte order.
    directories : list of mapping
        In file order: the tags that are present, by name.

    Raises
    ------
    Unsupported
        It is not a TIFF, or has unsupported features.
    Malformed
        Its directories are inconsistent.
    ReadError
        Its bytes cannot be read.
    """
    blocks, form, position = await _open(file)
    seen: list[int] = []
    directories: list[Tags] = []
    while position:
        if position in seen:
            raise Malformed("its directories form a loop")
        if len(seen) >= _MOST_DIRECTORIES:
            raise Unsupported(f"it has more than {_MOST_DIRECTORIES} directories")
        seen.append(position)
        tags, position = await _directory(blocks, form, position, wanted)
        directories.append({wanted[code]: tag.values for code, tag in tags.items()})
    return form.order, directories


def read_local(
    file: BinaryIO, size: int, wanted: Mapping[int, str] = WANTED, *, have: int | None = None
) -> list[Tags]:
    """Read the directories of a local TIFF; see :func:`read_directories`.

    Parameters
    ----------
    file : binary file object
    size : int
        Bytes of the whole file.
    wanted : mapping
        Tag → its name in the result.
    have : int, optional
        Number of bytes present, from the beginning; default: all.
    """
    return _run_sync(read_directories(_LocalFile(file, size, have), wanted))[1]


def read_tags(head: bytes, wanted: Collection[int] | None = None) -> tuple[dict[int, Tag], int]:
    """Read the first directory of a TIFF.

    Parameters
    ----------
    head : bytes
        The beginning of the file, with the directory and the values of the tags.
    wanted : collection of int, optional
        Tags; default: all.

    Returns
    -------
    tags : dict
        By number.
    following : int
        Position of the next directory; 0 if there is none.

    Raises
    ------
    Unsupported
        It is not a TIFF, or has unsupported features.
    Malformed
        The directory is inconsistent, or not contained in ``head``.
    """

    async def first() -> tuple[dict[int, Tag], int]:
        return await _directory(*await _open(_LocalFile(io.BytesIO(head), len(head))), wanted)

    return _run_sync(first())


class _LocalFile:
    """A local file, whose coroutines never wait."""

    def __init__(self, file: BinaryIO, size: int, have: int | None = None) -> None:
        self.size: int | None = size
        self._file = file
        self._have = size if have is None else have

    async def get(self, start: int, stop: int) -> memoryview:
        self._file.seek(start)
        return memoryview(self._file.read(max(0, min(stop, self._have) - start)))


def _run_sync(reading: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without an event loop."""
    try:
        reading.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a local file does not wait")


async def _open(file: Bytes) -> tuple[_Blocks, _Form, int]:
    """Read a TIFF's number formats and the position of its first directory."""
    head = await file.get(0, HEAD)
    magic = bytes(head[:4])
    if magic not in TIFF_MAGIC or len(head) < 16:
        raise Unsupported("it is not a TIFF")
    big = 43 in magic[2:]
    form = _Form.of("<" if magic[:2] == b"II" else ">", big=big)
    (position,) = form.offset.unpack_from(head, 8 if big else 4)
    return _Blocks(file, head), form, position


async def _directory(
    blocks: _Blocks, form: _Form, position: int, wanted: Collection[int] | None
) -> tuple[dict[int, Tag], int]:
    """Read the directory at a position, and the position of the next one (0: none)."""
    head = form.count.size
    (number,) = form.count.unpack(await blocks.get(position, head))
    if not 0 < number <= _MOST_ENTRIES:
        raise Malformed(f"a directory has {number} entries")
    size = number * form.entry.size
    data = await blocks.get(position + head, size + form.offset.size)
    tags, dtypes = {}, _DTYPES[form.order]
    for tag, kind, count, value in form.entry.iter_unpack(data[:size]):
        if wanted is None or tag in wanted:
            if kind not in dtypes:
                raise Unsupported(f"tag {tag} has the unknown type {kind}")
            held: bytes | memoryview = value
            length = dtypes[kind].itemsize * count
            if length > len(value):
                if length > _LARGEST_TAG:
                    raise Malformed(f"tag {tag} claims to have {count} values")
                held = await blocks.get(form.offset.unpack(value)[0], length)
            tags[tag] = Tag(kind, count, bytes(held[:length]), form.order)
    (following,) = form.offset.unpack(data[size:])
    return tags, following


def number(tags: Tags, name: str, default: float = math.nan) -> int:
    """Return the first number of a tag.

    Raises
    ------
    Unsupported
        The tag is missing, and there is no default.
    """
    values = tags.get(name)
    if values is not None and len(values) and values.dtype.kind in "ui":
        return int(values[0])
    if math.isnan(default):
        raise Unsupported(f"it has no {name.replace('_', ' ')}")
    return int(default)
