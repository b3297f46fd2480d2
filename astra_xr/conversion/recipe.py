"""What a conversion makes, and within which limits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from astra_xr.errors import InvalidFormat, InvalidParameter
from astra_xr.model import ClassValue

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

Progress = Callable[[float], None]
"""Takes the share of a conversion that is done, 0 to 1."""

VERSION = 3
"""Raised with every change to the bytes that a recipe makes: old files are not met again."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that can be made."""

    extension: str
    media_type: str
    sidecar: str | None = None
    """Extension of the world file beside it; None: the file itself says where it lies."""


FORMATS = {
    "cog": Format(extension="tif", media_type=COG_TYPE),
    "geotiff": Format(extension="tif", media_type="image/tiff; application=geotiff"),
    "png": Format(extension="png", media_type="image/png", sidecar="pgw"),
    "jpeg": Format(extension="jpg", media_type="image/jpeg", sidecar="jgw"),
}

IMAGES = tuple(name for name, each in FORMATS.items() if each.sidecar)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to make a file of a source; equal recipes make equal files of equal sources."""

    format: str = "cog"
    """One of `FORMATS`."""

    name: str | None = None
    """Description of a single band, e.g. ``B04``; None: the source's own."""

    nodata: float | None = None
    """Stored number of pixels without data; None: what the source says (JPEG 2000 says
    nothing)."""

    scale: float | None = None
    """Factor of the stored number, for the file's tags; None: what the source says."""

    offset: float | None = None
    """Added after scaling, for the file's tags; None: what the source says."""

    unit: str | None = None
    """Of the scaled value, for the file's tags."""

    categorical: bool = False
    """True for class and mask bands: overviews take a neighbor, images draw classes."""

    classes: tuple[ClassValue, ...] = ()
    """What a class band's numbers mean, with their colors, for images."""

    left_out: tuple[ClassValue, ...] = ()
    """Classes, of another band of the scene, whose pixels take no part in an image's stretch."""

    max_size: int = 4096
    """Longest side of an image in pixels."""

    world_file: bool = True
    """False: no world file lies beside an image, as where URLs lead to one file each."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidFormat(value=self.format, formats=tuple(FORMATS))
        if not 1 <= self.max_size <= 16384:
            expected = "a number of pixels from 1 to 16384"
            raise InvalidParameter(name="max_size", value=self.max_size, expected=expected)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Recipe:
        """Take what :func:`dataclasses.asdict` made, after its way through JSON."""
        lists = {
            name: tuple(ClassValue(**each) for each in given[name])
            for name in ("classes", "left_out")
        }
        return cls(**{**given, **lists})

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with whatever changes the file."""
        return hashlib.sha256(f"{VERSION} {self!r}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one conversion may take; beyond, it fails."""

    pixels: int = 1 << 30
    """Pixels of a source, all its planes together."""

    block_bytes: int = 256 << 20
    """Decoded bytes of one block, which is in memory as a whole."""

    expansion: int = 30_000
    """Decoded bytes to a byte of the file, for sources that decode to more than 64 MiB. An empty
    band of 10980² as JPEG 2000 comes to 28,600; files made to harm, to more."""

    source_bytes: int = 4 << 30
    """Bytes of a source."""

    output_bytes: int = 8 << 30
    """Bytes of a file that is made."""

    memory: int = 2 << 30
    """Bytes of address space that a conversion may take beside what its process has."""

    cpu_seconds: float = 300.0
    """Seconds of all its threads together."""

    wall_seconds: float = 600.0

    threads: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))
    """How many decode and compress."""
