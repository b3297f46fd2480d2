"""Lay out a cloud-optimized GeoTIFF: all directories first, then overviews, then the image.

The tags are copied from a tiny file that GDAL writes; only the positions of tiles are our own, so
that tiles can be written as soon as they are compressed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from astra_xr.tiff.directories import OVERVIEW, Tag

_WIDTH, _LENGTH, _KIND, _OFFSETS, _COUNTS = 256, 257, 254, 324, 325
_PIXELS = {258, 259, 262, 277, 284, 317, 320, 322, 323, 338, 339, 42113}
"""Tags that overviews have too: on the storage of pixels, and nodata."""

_CLASSIC_END = (1 << 32) - 1


@dataclass
class WrittenLevel:
    """Tile positions of the image or one overview."""

    shape: tuple[int, int]
    """Rows, columns."""

    tile: int
    """Rows and columns of a tile."""

    places: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Row and column of a tile → its position among the level's bytes, and its size in bytes."""

    size: int = 0
    """Bytes of all tiles so far."""

    @property
    def tiles(self) -> tuple[int, int]:
        """Return the number of rows and columns of tiles."""
        return -(-self.shape[0] // self.tile), -(-self.shape[1] // self.tile)

    def add(self, at: tuple[int, int], count: int) -> None:
        """Append the tile ``at`` (row, column), which has ``count`` bytes."""
        self.places[at] = (self.size, count)
        self.size += count


def head_of(tags: Mapping[int, Tag], levels: Sequence[WrittenLevel]) -> bytes:
    """Return the bytes of the file before its tiles.

    Parameters
    ----------
    tags : mapping
        Tags of the image, little-endian; tile positions and level sizes are replaced.
    levels : sequence of WrittenLevel
        The image, then its overviews, finest first. Tiles are stored coarsest level first, and
        within a level in the order in which they were added.
    """
    total = sum(level.size for level in levels)
    length = len(_head(tags, levels, 0, big=False))
    big = length + total > _CLASSIC_END
    if big:
        length = len(_head(tags, levels, 0, big=True))
    return _head(tags, levels, length, big=big)


def _head(
    tags: Mapping[int, Tag], levels: Sequence[WrittenLevel], base: int, *, big: bool
) -> bytes:
    bases = []
    for level in reversed(levels):
        bases.append(base)
        base += level.size
    bases.reverse()
    head = (
        struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8)
    )
    for number, (level, at) in enumerate(zip(levels, bases, strict=True)):
        last = number == len(levels) - 1
        head += _directory(_level_tags(tags, level, at, number, big), len(head), big, last)
    return head


def _level_tags(
    tags: Mapping[int, Tag], level: WrittenLevel, base: int, number: int, big: bool
) -> dict[int, Tag]:
    down, across = level.tiles
    places = [level.places[r, c] for r in range(down) for c in range(across)]
    kept = {code: tag for code, tag in tags.items() if number == 0 or code in _PIXELS}
    return kept | {
        _KIND: Tag(4, 1, struct.pack("<I", OVERVIEW if number else 0)),
        _WIDTH: Tag(4, 1, struct.pack("<I", level.shape[1])),
        _LENGTH: Tag(4, 1, struct.pack("<I", level.shape[0])),
        _OFFSETS: Tag(
            16 if big else 4,
            len(places),
            struct.pack(f"<{len(places)}{'Q' if big else 'I'}", *(base + at for at, _ in places)),
        ),
        _COUNTS: Tag(4, len(places), struct.pack(f"<{len(places)}I", *(n for _, n in places))),
    }


def _directory(tags: Mapping[int, Tag], start: int, big: bool, last: bool) -> bytes:
    """Return a directory that begins at ``start``, followed by the values too long for it."""
    room, entry, count, end = (8, "<HHQ", "<Q", "<Q") if big else (4, "<HHI", "<H", "<I")
    length = struct.calcsize(count) + len(tags) * (struct.calcsize(entry) + room) + room
    entries, values = b"", b""
    for code, tag in sorted(tags.items()):
        value = tag.value
        if len(value) > room:
            at = start + length + len(values)
            values += value + b"\0" * (-len(value) % 8)
            value = struct.pack(end, at)
        entries += struct.pack(entry, code, tag.kind, tag.number) + value.ljust(room, b"\0")
    values += b"\0" * (-(length + len(values)) % 8)
    after = 0 if last else start + length + len(values)
    return struct.pack(count, len(tags)) + entries + struct.pack(end, after) + values
