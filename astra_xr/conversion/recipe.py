"""Recipes of conversions: formats, metadata and limits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from astra_xr.errors import InvalidFormat, InvalidParameter
from astra_xr.model import ClassValue

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

Progress = Callable[[float], None]
"""Called with the share of a conversion that is done, 0 to 1."""

VERSION = 3
"""Increased with each change of the resulting bytes, so that older stored files are not used."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """An output format."""

    extension: str
    media_type: str
    sidecar: str | None = None
    """Extension of its world file; None if the file itself is georeferenced."""


FORMATS = {
    "cog": Format(extension="tif", media_type=COG_TYPE),
    "geotiff": Format(extension="tif", media_type="image/tiff; application=geotiff"),
    "png": Format(extension="png", media_type="image/png", sidecar="pgw"),
    "jpeg": Format(extension="jpg", media_type="image/jpeg", sidecar="jgw"),
}

IMAGES = tuple(name for name, each in FORMATS.items() if each.sidecar)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Format and metadata of a conversion; equal recipes and sources result in equal files."""

    format: str = "cog"
    """One of `FORMATS`."""

    name: str | None = None
    """Description of a single band, e.g. ``B04``; None for the source's own."""

    nodata: float | None = None
    """Stored number of pixels without data; None for the source's own (JPEG 2000 has none)."""

    scale: float | None = None
    """Factor of the stored number, for the file's tags; None for the source's own."""

    offset: float | None = None
    """Added after scaling, for the file's tags; None for the source's own."""

    unit: str | None = None
    """Unit of the scaled value, for the file's tags."""

    categorical: bool = False
    """True for class and mask bands, whose overviews are not averaged."""

    classes: tuple[ClassValue, ...] = ()
    """Meanings and colors of a class band's numbers, for images."""

    left_out: tuple[ClassValue, ...] = ()
    """Classes of the classification band that an image's stretch leaves out."""

    max_size: int = 4096
    """Longest side of an image in pixels."""

    world_file: bool = True
    """False for images without a world file, as over HTTP."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidFormat(value=self.format, formats=tuple(FORMATS))
        if not 1 <= self.max_size <= 16384:
            expected = "a number of pixels from 1 to 16384"
            raise InvalidParameter(name="max_size", value=self.max_size, expected=expected)

    @property
    def digest(self) -> str:
        """Return sixteen hexadecimal digits that change with the recipe."""
        return hashlib.sha256(f"{VERSION} {self!r}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one conversion, which fails beyond them."""

    pixels: int = 1 << 30
    """Pixels of a source, in all planes."""

    block_bytes: int = 256 << 20
    """Decoded bytes of one block."""

    expansion: int = 30_000
    """Decoded bytes per byte of the file, for sources that decode to more than 64 MiB. An empty
    band of 10980² as JPEG 2000 has 28,600; malicious files have more."""

    source_bytes: int = 4 << 30
    """Bytes of a source."""

    output_bytes: int = 8 << 30
    """Bytes of the new file."""

    memory: int = 2 << 30
    """Bytes of address space, in addition to those of the new process."""

    cpu_seconds: float = 300.0
    """Processor time of all threads together, in seconds."""

    wall_seconds: float = 600.0
    """Elapsed time, in seconds."""

    threads: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))
    """Threads that decode and compress."""
