"""TIFF headers: what a file says of its tiles, and whether our own decoders can read them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from async_tiff import TIFF

from astra_xr.conversion.magic import TIFF_MAGIC
from astra_xr.reading.decode import COMPRESSIONS
from astra_xr.reading.ranges import HEAD, RangeFile

_LARGEST_TILE = 256 << 20
_KINDS = {1: "u", 2: "i", 3: "f"}


class Unsupported(Exception):
    """GDAL has to read this file; the text says why."""


class Unreadable(Unsupported):
    """Its header makes no sense to us; it may to GDAL, or at another try."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """The full image or one overview."""

    shape: tuple[int, int]
    """Rows, columns."""

    tile: tuple[int, int]
    """Rows, columns of a tile."""

    offsets: npt.NDArray[np.uint64]
    """Byte position of each tile, row by row, plane after plane where planes are apart."""

    counts: npt.NDArray[np.uint64]
    """Bytes of each tile; 0: the tile is not stored."""

    @property
    def across(self) -> int:
        """Tiles in a row of tiles."""
        return -(-self.shape[1] // self.tile[1])

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.shape[0] // self.tile[0])


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels of a TIFF are stored."""

    dtype: np.dtype[Any]
    """Of the stored numbers, in the file's byte order."""

    samples: int
    """Planes of a pixel."""

    planar: bool
    """True: each plane has tiles of its own; False: a tile holds all planes, pixel by pixel."""

    compression: int
    predictor: int
    fill: float
    """What stands for tiles that are not stored: nodata, else 0."""

    levels: tuple[Level, ...]
    """The full image first, then overviews from fine to coarse."""

    size: int
    """Bytes of the file."""

    etag: str | None


async def read_layout(file: RangeFile) -> Layout:
    """Read the header of a TIFF, in one request in the usual case.

    Raises
    ------
    Unsupported
        It is no TIFF of tiles that our decoders know.
    ReadError
        Its bytes cannot be had.
    """
    head = await file.get(0, HEAD)
    if bytes(head[:4]) not in TIFF_MAGIC:
        raise Unreadable("it is no TIFF")
    reason = ""
    try:
        tiff = await TIFF.open("", store=file, prefetch=HEAD)
        ifds = tiff.ifds
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001  (async-tiff raises many kinds; GDAL gets its try)
        reason = f"its header cannot be parsed ({type(error).__name__})"
    if reason:
        raise Unreadable(reason)
    order = ">" if int(tiff.endianness) == 1 else "<"
    kinds = [int(ifd.new_subfile_type or 0) for ifd in ifds]
    if any(kind & 4 for kind in kinds):
        raise Unsupported("it has an internal mask")
    first = ifds[0]
    levels = [first, *(i for i, kind in zip(ifds[1:], kinds[1:], strict=True) if kind & 1)]
    _check(first)
    return Layout(
        dtype=_dtype(first, order),
        samples=first.samples_per_pixel,
        planar=int(first.planar_configuration) == 2,
        compression=int(first.compression),
        predictor=int(first.predictor or 1),
        fill=_fill(first),
        levels=tuple(_level(ifd, first, file.size or 0) for ifd in levels),
        size=file.size or 0,
        etag=file.etag,
    )


def _check(ifd: Any) -> None:
    if ifd.tile_width is None or ifd.tile_height is None:
        raise Unsupported("it is stored in strips")
    if int(ifd.compression) not in COMPRESSIONS:
        raise Unsupported(f"its compression is {ifd.compression}")
    if int(ifd.photometric_interpretation) in (6, 8):
        raise Unsupported("its colours are YCbCr or Lab")
    if ifd.extra_samples and any(int(kind) in (1, 2) for kind in ifd.extra_samples):
        raise Unsupported("it has an alpha plane")


def _dtype(ifd: Any, order: str) -> np.dtype[Any]:
    bits, formats = set(ifd.bits_per_sample), {int(kind) for kind in ifd.sample_format}
    if len(bits) != 1 or len(formats) != 1:
        raise Unsupported("its planes have several types")
    width, kind = bits.pop(), _KINDS.get(formats.pop())
    if kind is None or width not in (8, 16, 32, 64) or (kind == "f" and width == 8):
        raise Unsupported(f"its samples have {width} bits of an odd format")
    predictor = int(ifd.predictor or 1)
    if predictor == 3 and kind != "f":
        raise Unsupported("it predicts integers as floats")
    return np.dtype(f"{order}{kind}{width // 8}")


def _fill(ifd: Any) -> float:
    try:
        return float(ifd.gdal_nodata) if ifd.gdal_nodata is not None else 0.0
    except ValueError:
        return 0.0


def _level(ifd: Any, first: Any, size: int) -> Level:
    shape = (ifd.image_height, ifd.image_width)
    tile = (ifd.tile_height or 0, ifd.tile_width or 0)
    same = ("compression", "predictor", "samples_per_pixel", "planar_configuration")
    if any(getattr(ifd, name) != getattr(first, name) for name in same) or not min(tile):
        raise Unsupported("its overviews are stored in another way than the image")
    planes = ifd.samples_per_pixel if int(ifd.planar_configuration) == 2 else 1
    offsets = np.asarray(ifd.tile_offsets, np.uint64)
    counts = np.asarray(ifd.tile_byte_counts, np.uint64)
    level = Level(shape=shape, tile=tile, offsets=offsets, counts=counts)
    bits = sum(ifd.bits_per_sample) // (planes if planes > 1 else 1)
    if tile[0] * tile[1] * bits // 8 > _LARGEST_TILE:
        raise Unsupported(f"a tile of {tile[0]} x {tile[1]} pixels is too large")
    if not len(offsets) == len(counts) == level.across * level.down * planes:
        raise Unreadable("it does not list each of its tiles")
    if len(counts) and bool(((offsets + counts > size) & (counts > 0)).any()):
        raise Unreadable("tiles lie beyond the end of the file")
    return level
