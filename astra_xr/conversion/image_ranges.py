"""The byte ranges of a GeoTIFF that an image needs: its directories, and one overview."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from astra_xr.tiff.directories import (
    MASK,
    OVERVIEW,
    Malformed,
    Tags,
    Unsupported,
    number,
    read_local,
)

HEAD = 1 << 20
"""Bytes that contain the directories of nearly every COG."""

_STRICT = {7, 8, 32946, 34887, 50000, 50001}
"""Compressions (JPEG, deflate, Lerc, zstd, WebP) in which zeros are not a valid tile, so that GDAL
fails if it reads bytes that were not fetched."""

_PLACES = {273: "offsets", 279: "counts", 324: "offsets", 325: "counts"}
"""Tags of the positions of strips and tiles."""

Range = tuple[int, int]


def fit(shape: tuple[int, int], largest: int) -> tuple[int, int]:
    """Halve rows and columns until neither is above ``largest``.

    Examples
    --------
    >>> fit((10980, 10980), 4096)
    (2745, 2745)
    """
    rows, cols = shape
    while max(rows, cols) > largest:
        rows, cols = -(-rows // 2), -(-cols // 2)
    return rows, cols


def coarsest(shapes: Sequence[tuple[int, int]], wanted: tuple[int, int]) -> int:
    """Return the number of the smallest level with at least the wanted rows and columns.

    Examples
    --------
    >>> coarsest([(100, 80), (50, 40), (25, 20)], (30, 24))
    1
    """
    enough = [n for n, (rows, cols) in enumerate(shapes) if rows >= wanted[0] and cols >= wanted[1]]
    return min(enough, key=lambda n: shapes[n], default=0)


def ranges_of(path: Path, have: int, wanted: int) -> list[Range] | None:
    """Return the byte ranges that an image needs; None for the whole file.

    Parameters
    ----------
    path : Path
        A file of the source's size, of which only the first bytes were fetched.
    have : int
        Number of these bytes.
    wanted : int
        Longest side of the image in pixels, at most.
    """
    try:
        with path.open("rb") as file:
            directories = read_local(file, path.stat().st_size, have=have)
        return _ranges(directories, wanted)
    except (Malformed, Unsupported):
        # GDAL then reads the whole file, and reports what is wrong.
        return None


def is_whole(path: Path) -> bool:
    """Return True if a new GeoTIFF has all bytes to which its directories refer."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            directories = read_local(file, size, _PLACES)
    except (Malformed, Unsupported):
        return False
    for tags in directories:
        offsets, counts = (tags.get(name, np.empty(0)) for name in ("offsets", "counts"))
        ends = offsets.astype(np.int64) + counts.astype(np.int64)
        if not ends.size or not counts.all() or int(ends.max()) > size:
            return False
    return True


def _ranges(directories: Sequence[Tags], wanted: int) -> list[Range] | None:
    first, *others = directories
    overviews = [
        tags for tags in others if number(tags, "subfile", 0) & (OVERVIEW | MASK) == OVERVIEW
    ]
    shapes = [_shape(tags) for tags in (first, *overviews)]
    chosen = shapes[coarsest(shapes, fit(shapes[0], wanted))]
    if chosen == shapes[0] or number(first, "compression", 1) not in _STRICT:
        return None
    found: list[Range] = []
    for tags in directories:
        if _shape(tags) != chosen:
            continue
        if "offsets" not in tags or "counts" not in tags:
            return None
        offsets, counts = (tags[name].astype(np.int64) for name in ("offsets", "counts"))
        found += [(int(o), int(o + c)) for o, c in zip(offsets, counts, strict=False) if c > 0]
    return found


def _shape(tags: Tags) -> tuple[int, int]:
    return number(tags, "height"), number(tags, "width")
