"""Layout of a TIFF's image: its tiles and overviews, and whether we can decode them."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.tiff.codecs import CODECS
from astra_xr.tiff.directories import (
    MASK,
    OVERVIEW,
    Bytes,
    Malformed,
    Tags,
    Unsupported,
    number,
    read_directories,
)

USER_DEFINED = "user-defined"
"""A CRS that a file describes by parameters instead of a code, or beside it."""

_METER = 9001
"""Value of the GeoKey ProjLinearUnits."""

LARGEST_TILE = 256 << 20
"""Largest tile in decoded bytes, with all its planes; limits memory."""

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

_PALETTE = 3
"""Value of the TIFF tag PhotometricInterpretation for color tables."""

_LERC = {0: "lerc", 1: "lerc+deflate", 2: "lerc+zstd"}
"""Codecs by the second number of the tag LercParameters."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """The full image or one overview."""

    shape: tuple[int, int]
    """Rows, columns."""

    tile: tuple[int, int]
    """Rows, columns of a tile."""

    offsets: npt.NDArray[np.uint64]
    """Byte position of each tile, row by row, and plane by plane if planes are separate."""

    counts: npt.NDArray[np.uint64]
    """Bytes of each tile; 0 if it is not stored."""

    @property
    def across(self) -> int:
        """Return the number of tiles per row."""
        return -(-self.shape[1] // self.tile[1])

    @property
    def down(self) -> int:
        """Return the number of rows of tiles."""
        return -(-self.shape[0] // self.tile[0])


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels of a TIFF are stored."""

    dtype: np.dtype[Any]
    """Of the stored numbers, in the file's byte order."""

    samples: int
    """Number of planes."""

    planar: bool
    """True: each plane has its own tiles; False: a tile holds all planes, pixel by pixel."""

    codec: str
    """How tiles are compressed: a key of :data:`astra_xr.tiff.codecs.CODECS`."""

    predictor: int
    nodata: float | None
    """Stored number of pixels without data, and of tiles that are not stored; None if the file
    has none, and such tiles are 0. An int if written as one."""

    levels: tuple[Level, ...]
    """The full image, then its overviews, finest first."""

    transform: tuple[float, float, float, float, float, float] | None = None
    """From columns and rows to the CRS, as in :attr:`astra_xr.model.Grid.transform`; None if
    it is missing or of an unsupported kind."""

    crs: str | None = None
    """The CRS by its EPSG code; :data:`USER_DEFINED` if it has none; None if there is no CRS."""

    bits: int | None = None
    """1 if a byte holds eight pixels, as in masks; None if each number has its own bytes."""

    factors: tuple[tuple[float, float], ...] = ()
    """Scale and offset of each plane, by GDAL's metadata; empty if there are none."""

    palette: bool = False
    """True if a color table gives each stored number its color: the numbers are classes."""

    alpha: int | None = None
    """The plane, from 0, that is 0 where there is no data."""

    names: tuple[str, ...] = ()
    """The name of each plane, by GDAL's metadata, empty if it has none; () if none has one."""

    mask: Layout | None = None
    """A separate plane, 0 where there is no data; with the same levels as the image."""

    @property
    def nbytes(self) -> int:
        """Return the memory of its lists of tiles."""
        own = sum(level.offsets.nbytes + level.counts.nbytes for level in self.levels)
        return own + (self.mask.nbytes if self.mask else 0)


async def read_layout(file: Bytes) -> Layout:
    """Read the header of a TIFF, usually in one request.

    Raises
    ------
    Unsupported
        It is not a tiled TIFF that our decoders support.
    Malformed
        Its header is inconsistent.
    """
    order, directories = await read_directories(file)
    size = file.size or 0
    images = [tags for tags in directories if not number(tags, "subfile", 0) & MASK]
    masks = [tags for tags in directories if number(tags, "subfile", 0) & MASK]
    if not images:
        raise Unsupported("it contains no image")
    overviews = [tags for tags in images[1:] if number(tags, "subfile", 0) & OVERVIEW]
    mask = _layout(order, masks, size, is_mask=True) if masks else None
    layout = _layout(order, [images[0], *overviews], size)
    if mask is None:
        return layout
    shapes = [level.shape for level in mask.levels]
    levels = tuple(level for level in layout.levels if level.shape in shapes)
    if [level.shape for level in levels] != shapes or mask.samples > 1:
        raise Unsupported("its mask and its image have different overviews")
    return replace(layout, levels=levels, mask=mask)


def _layout(order: str, directories: list[Tags], size: int, *, is_mask: bool = False) -> Layout:
    """Return the layout of an image, with those overviews that are stored like it."""
    first = directories[0]
    _check(first)
    bits = 1 if set(_numbers(first, "bits", 1)) == {1} else None
    if bits and not is_mask:
        raise Unsupported("its samples have 1 bit")
    dtype = np.dtype(np.uint8) if bits else _dtype(first, order)
    codec = _codec(first)
    if codec.startswith("lerc") and not dtype.isnative:
        raise Unsupported("its Lerc tiles have swapped bytes")
    overviews = sorted(directories[1:], key=lambda tags: -number(tags, "width"))
    stored = _storage(first)
    alike = [tags for tags in overviews if _storage(tags) == stored and _fits(tags, first)]
    return Layout(
        dtype=dtype,
        samples=number(first, "samples", 1),
        planar=number(first, "planar", 1) == 2,
        codec=codec,
        predictor=number(first, "predictor", 1),
        nodata=_nodata(first),
        transform=_transform(first),
        crs=_crs(first),
        levels=tuple(_level(tags, dtype, size) for tags in [first, *alike]),
        bits=bits,
        factors=_factors(first),
        palette=number(first, "photometric", 1) == _PALETTE,
        alpha=_alpha(first),
        names=_names(first),
    )


def _numbers(tags: Tags, name: str, default: int) -> tuple[int, ...]:
    values = tags.get(name)
    return (default,) if values is None else tuple(map(int, values.tolist()))


def _check(tags: Tags) -> None:
    if "tile_width" not in tags or "tile_height" not in tags:
        raise Unsupported("it is stored in strips")
    if number(tags, "photometric", 1) in (6, 8):
        raise Unsupported("its color space is YCbCr or Lab")
    if number(tags, "fill_order", 1) != 1:
        raise Unsupported("its bit order is reversed")


def _codec(tags: Tags) -> str:
    compression = number(tags, "compression", 1)
    codec = _CODECS.get(compression)
    if codec == "lerc":
        codec = _LERC.get((*_numbers(tags, "lerc", 0), 0)[1])
    if codec not in CODECS:
        raise Unsupported(f"its compression is {compression}")
    return codec


def _alpha(tags: Tags) -> int | None:
    """Return the alpha plane (ExtraSamples 1 or 2), or None; extra samples come last."""
    kinds = _numbers(tags, "extra", 0) if "extra" in tags else ()
    samples = number(tags, "samples", 1)
    planes = range(max(1, samples - len(kinds)), samples)
    found = zip(planes, kinds, strict=False)
    return next((plane for plane, kind in found if kind in (1, 2)), None)


def _storage(tags: Tags) -> list[list[Any]]:
    """Return the tags that must be the same for an image and its overviews."""
    same = ("compression", "predictor", "samples", "planar", "bits", "formats", "lerc")
    return [tags[name].tolist() if name in tags else [1] for name in same]


def _fits(tags: Tags, first: Tags) -> bool:
    """Return True if an overview has tiles, fewer pixels and the proportions of the image."""
    height, width = number(first, "height"), number(first, "width")
    own = number(tags, "height"), number(tags, "width")
    return (
        {"tile_width", "tile_height"} <= tags.keys()
        and own[0] * own[1] < height * width
        and abs(own[1] * height - own[0] * width) <= 2 * max(height, width)
    )


def _dtype(tags: Tags, order: str) -> np.dtype[Any]:
    bits, formats = set(_numbers(tags, "bits", 1)), set(_numbers(tags, "formats", 1))
    if len(bits) != 1 or len(formats) != 1:
        raise Unsupported("its planes have different dtypes")
    width, kind = bits.pop(), _KINDS.get(formats.pop())
    widths = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64), "c": (64, 128)}
    if kind is None or width not in widths[kind]:
        raise Unsupported(f"its samples have {width} bits in an unknown format")
    predictor = number(tags, "predictor", 1)
    if (
        predictor not in (1, 2, 3)
        or (predictor == 3 and kind != "f")
        or (predictor > 1 and kind == "c")
    ):
        raise Unsupported(f"predictor {predictor} does not fit its dtype")
    return np.dtype(f"{order}{kind}{width // 8}")


_NUMBER = re.compile(
    r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf)\s*", re.IGNORECASE | re.ASCII
)
_ITEM = re.compile(r"<Item\s([^<>]*)(?:/>|>([^<>]*)</Item>)")
_FIELD = re.compile(r"""(\w+)\s*=\s*["']([^"']*)["']""")
_METADATA = re.compile(rf"\s*<GDALMetadata>(\s*{_ITEM.pattern})*\s*</GDALMetadata>\s*")


def _text(tags: Tags, name: str) -> str:
    return tags[name].tobytes().decode(errors="replace").strip("\0") if name in tags else ""


def _plain(text: str, name: str) -> float:
    """Return a number; GDAL has rules of its own for other texts."""
    if not _NUMBER.fullmatch(text):
        raise Unsupported(f"its {name} is {text[:40]!r}")
    try:
        return int(text)
    except ValueError:
        return float(text)


def _nodata(tags: Tags) -> float | None:
    text = _text(tags, "nodata")
    return _plain(text, "nodata") if text.strip() else None


def _factors(tags: Tags) -> tuple[tuple[float, float], ...]:
    """Read scale and offset of each plane from GDAL's metadata, which is XML."""
    text = _text(tags, "metadata")
    if "role" not in text:
        return ()
    if not _METADATA.fullmatch(text):
        raise Unsupported("its metadata is unusual XML")
    found: dict[tuple[str, str], float] = {}
    for fields, value in _ITEM.findall(text):
        item = dict(_FIELD.findall(fields))
        role = item.get("role", "").lower()
        if role in ("scale", "offset"):
            if "domain" in item:
                raise Unsupported(f"its {role} is in a domain")
            found[role, item.get("sample", "")] = _plain(value, role)
    planes = map(str, range(number(tags, "samples", 1)))
    factors = tuple(
        usable(found.get(("scale", plane), 1.0), found.get(("offset", plane), 0.0))
        for plane in planes
    )
    return factors if set(factors) != {(1.0, 0.0)} else ()


def _names(tags: Tags) -> tuple[str, ...]:
    """Read the name of each plane from GDAL's metadata."""
    named: dict[str, str] = {}
    for fields, text in _ITEM.findall(_text(tags, "metadata")):
        item = dict(_FIELD.findall(fields))
        if item.get("role", "").lower() == "description":
            named[item.get("sample", "")] = html.unescape(text)
    names = tuple(named.get(str(plane), "") for plane in range(number(tags, "samples", 1)))
    return names if any(names) else ()


def usable(scale: float, offset: float) -> tuple[float, float]:
    """Return scale and offset of a file's tags; 1 and 0 if they give no finite values."""
    return (scale, offset) if scale and math.isfinite(scale + offset) else (1.0, 0.0)


def _transform(tags: Tags) -> tuple[float, float, float, float, float, float] | None:
    """Return the transform by GeoTIFF 1.1 (section 7.2)."""
    none = np.empty(0)
    names = ("pixel_size", "tie_points", "matrix")
    size, ties, matrix = (tags.get(name, none).tolist() for name in names)
    if len(size) >= 2 and 0 not in size[:2] and len(ties) >= 6:
        # North up whatever the sign, and by the first of several tie points, as GDAL has it.
        a, b, d, e = size[0], 0.0, 0.0, -abs(size[1])
        c, f = ties[3] - a * ties[0], ties[4] - e * ties[1]
    elif len(matrix) == 16:
        a, b, _, c, d, e, _, f = matrix[:8]
    else:
        return None
    if _geo_keys(tags).get(1025) == 2:
        # The tie point is a pixel's center.
        c, f = c - (a + b) / 2, f - (d + e) / 2
    return a, b, c, d, e, f


def _crs(tags: Tags) -> str | None:
    """Return the CRS by GeoTIFF 1.1: projected and geographic ones by EPSG code."""
    keys = _geo_keys(tags)
    if keys.get(1024) not in (1, 2):
        return USER_DEFINED if keys else None
    if keys[1024] == 1 and keys.get(3076, _METER) != _METER:
        return USER_DEFINED
    code = keys.get(3072 if keys[1024] == 1 else 2048, 0)
    return f"EPSG:{code}" if 1024 <= code < 32767 else USER_DEFINED


def _geo_keys(tags: Tags) -> dict[int, int]:
    """Return those GeoKeys whose values are short integers."""
    keys = tags.get("geo_keys", np.empty(0, np.uint16))
    entries = keys[4 : len(keys) // 4 * 4].reshape(-1, 4).tolist()
    return {key: value for key, place, _, value in entries if place == 0}


def _level(tags: Tags, dtype: np.dtype[Any], size: int) -> Level:
    shape = number(tags, "height"), number(tags, "width")
    tile = number(tags, "tile_height"), number(tags, "tile_width")
    samples = number(tags, "samples", 1)
    if min(*shape, *tile, samples) < 1:
        raise Malformed("it has no pixels")
    planes = samples if number(tags, "planar", 1) == 2 else 1
    if tile[0] * tile[1] * dtype.itemsize * samples // planes > LARGEST_TILE:
        raise Unsupported(f"a tile of {tile[0]} x {tile[1]} pixels is too large")
    none = np.empty(0, np.uint64)
    offsets, counts = (tags.get(name, none).astype(np.uint64) for name in ("offsets", "counts"))
    level = Level(shape=shape, tile=tile, offsets=offsets, counts=counts)
    if not len(offsets) == len(counts) == level.across * level.down * planes:
        raise Malformed("its list of tiles is incomplete")
    if bool((((offsets + counts > size) | (offsets > size)) & (counts > 0)).any()):
        raise Malformed("tiles are beyond the end of the file")
    return level
