"""What one conversion may take, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[float], None]
"""Takes the share of a conversion that is done, 0 to 1."""


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
