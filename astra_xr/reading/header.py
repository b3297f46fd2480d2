"""TIFF headers: what a file says of its tiles, and whether our own decoders can read them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from async_tiff import TIFF

from astra_xr.conversion.magic import TIFF_MAGIC
from astra_xr.reading.decode import CODECS
from astra_xr.reading.ranges import HEAD, RangeFile

_LARGEST_TILE = 256 << 20
_KINDS = {1: "u", 2: "i", 3: "f", 6: "c"}
_CODECS = {
    1: "none",
    5: "lzw",
    8: "deflate",
    32946: "deflate",
    32773: "packbits",
    34887: "lerc",
    50000: "zstd",
}
"""Names of the values of the TIFF tag Compression."""

_LERC = {0: "lerc", 1: "lerc+deflate", 2: "lerc+zstd"}
"""By the second number of the tag LercParameters."""


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

    codec: str
    """How tiles are compressed: a key of :data:`astra_xr.reading.decode.CODECS`."""

    predictor: int
    fill: float
    """What stands for tiles that are not stored: nodata, else 0."""

    levels: tuple[Level, ...]
    """The full image first, then overviews from fine to coarse."""

    bits: int | None = None
    """1 where a byte holds eight pixels, as in masks; None: each number has bytes of its own."""

    alpha: int | None = None
    """The plane, from 0, that is 0 where there is no data."""

    mask: Layout | None = None
    """A plane beside the image, 0 where there is no data; its levels are those of the image."""

    size: int
    """Bytes of the file."""

    etag: str | None

    @property
    def nbytes(self) -> int:
        """Memory of its lists of tiles."""
        own = sum(level.offsets.nbytes + level.counts.nbytes for level in self.levels)
        return own + (self.mask.nbytes if self.mask else 0)


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
    images = [ifd for ifd in ifds if not _subfile(ifd) & _MASK]
    masks = [ifd for ifd in ifds if _subfile(ifd) & _MASK]
    if not images:
        raise Unreadable("it holds a mask and no image")
    overviews = [ifd for ifd in images[1:] if _subfile(ifd) & _OVERVIEW]
    return _layout([images[0], *overviews], order, file, masks)


_OVERVIEW, _MASK = 1, 4
"""Bits of the tag NewSubfileType."""


def _subfile(ifd: Any) -> int:
    return int(ifd.new_subfile_type or 0)


def _layout(ifds: list[Any], order: str, file: RangeFile, masks: list[Any]) -> Layout:
    """Describe an image and its overviews, which have to be stored in the same way."""
    first = ifds[0]
    _check(first)
    codec = _codec(first)
    bits = 1 if set(first.bits_per_sample) == {1} else None
    if bits and (masks or _subfile(first) & _MASK == 0):
        raise Unsupported("its samples have 1 bit")
    dtype = np.dtype(np.uint8) if bits else _dtype(first, order)
    if codec.startswith("lerc") and not dtype.isnative:
        raise Unsupported("its Lerc tiles hold swapped bytes")
    size = file.size or 0
    levels = [_level(first, dtype, size)]
    overviews = sorted(ifds[1:], key=lambda ifd: -int(ifd.image_width))
    levels += [_level(ifd, dtype, size) for ifd in overviews if _alike(ifd, first)]
    mask = _layout(masks, order, file, []) if masks else None
    if mask:
        shapes = [level.shape for level in mask.levels]
        levels = [level for level in levels if level.shape in shapes]
        if [level.shape for level in levels] != shapes or mask.samples > 1:
            raise Unsupported("its mask has other overviews than the image")
    return Layout(
        dtype=dtype,
        samples=first.samples_per_pixel,
        planar=int(first.planar_configuration) == 2,
        codec=codec,
        predictor=int(first.predictor or 1),
        fill=_fill(first),
        levels=tuple(levels),
        bits=bits,
        alpha=_alpha(first),
        mask=mask,
        size=size,
        etag=file.etag,
    )


def _check(ifd: Any) -> None:
    if ifd.tile_width is None or ifd.tile_height is None:
        raise Unsupported("it is stored in strips")
    if int(ifd.photometric_interpretation) in (6, 8):
        raise Unsupported("its colours are YCbCr or Lab")


def _codec(ifd: Any) -> str:
    codec = _CODECS.get(int(ifd.compression))
    if codec == "lerc":
        codec = _LERC.get((*(ifd.lerc_parameters or ()), 0, 0)[1])
    if codec not in CODECS:
        raise Unsupported(f"its compression is {ifd.compression}")
    return codec


def _alpha(ifd: Any) -> int | None:
    """Find the plane of opacity (ExtraSamples 1 or 2); extra samples come last."""
    kinds = [int(kind) for kind in ifd.extra_samples or ()]
    planes = range(ifd.samples_per_pixel - len(kinds), ifd.samples_per_pixel)
    return next((n for n, kind in zip(planes, kinds, strict=True) if kind in (1, 2)), None)


def _alike(ifd: Any, first: Any) -> bool:
    """Tell whether an overview is stored as the image is, and has its proportions."""
    same = ("compression", "predictor", "samples_per_pixel", "planar_configuration",
            "bits_per_sample", "sample_format")  # fmt: skip
    height, width = first.image_height, first.image_width
    return (
        all(getattr(ifd, name) == getattr(first, name) for name in same)
        and None not in (ifd.tile_width, ifd.tile_height)
        and abs(ifd.image_width * height - ifd.image_height * width) <= 2 * max(height, width)
    )


def _dtype(ifd: Any, order: str) -> np.dtype[Any]:
    bits, formats = set(ifd.bits_per_sample), {int(kind) for kind in ifd.sample_format}
    if len(bits) != 1 or len(formats) != 1:
        raise Unsupported("its planes have several types")
    width, kind = bits.pop(), _KINDS.get(formats.pop())
    widths = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64), "c": (64, 128)}
    if kind is None or width not in widths[kind]:
        raise Unsupported(f"its samples have {width} bits of an odd format")
    predictor = int(ifd.predictor or 1)
    if (predictor == 3 and kind != "f") or (predictor > 1 and kind == "c"):
        raise Unsupported(f"it predicts numbers of another kind (predictor {predictor})")
    return np.dtype(f"{order}{kind}{width // 8}")


def _fill(ifd: Any) -> float:
    try:
        return float(ifd.gdal_nodata) if ifd.gdal_nodata is not None else 0.0
    except ValueError:
        return 0.0


def _level(ifd: Any, dtype: np.dtype[Any], size: int) -> Level:
    shape = (ifd.image_height, ifd.image_width)
    tile = (ifd.tile_height, ifd.tile_width)
    if not min(*shape, *tile):
        raise Unreadable("it has no pixels")
    planes = ifd.samples_per_pixel if int(ifd.planar_configuration) == 2 else 1
    offsets = np.asarray(ifd.tile_offsets, np.uint64)
    counts = np.asarray(ifd.tile_byte_counts, np.uint64)
    level = Level(shape=shape, tile=tile, offsets=offsets, counts=counts)
    if tile[0] * tile[1] * dtype.itemsize * ifd.samples_per_pixel // planes > _LARGEST_TILE:
        raise Unsupported(f"a tile of {tile[0]} x {tile[1]} pixels is too large")
    if not len(offsets) == len(counts) == level.across * level.down * planes:
        raise Unreadable("it does not list each of its tiles")
    if len(counts) and bool(((offsets + counts > size) & (counts > 0)).any()):
        raise Unreadable("tiles lie beyond the end of the file")
    return level
