"""Recognize a raster by its first bytes, before a parser or GDAL sees it."""

from __future__ import annotations

from astra_xr.tiff.directories import (
    TIFF_MAGIC,
    WANTED,
    Malformed,
    Unsupported,
    number,
    read_tags,
)

_JP2_BOX = b"jP  "
_JP2_CODESTREAM = b"\xff\x4f\xff\x51"

MAGIC_BYTES = 12
"""Number of bytes that :func:`driver_of` needs."""

NO_RASTER = "it is not a TIFF or JPEG 2000 file (it begins with {!r})"
"""Message, to be formatted with the first bytes of a file without a driver."""

_COG = (256, 257, 322)
"""Tags that :func:`looks_like_cog` reads: width, height, and tile width."""

_SMALL = 1024
"""Rows and columns of an image that needs no overviews."""


def driver_of(head: bytes) -> str | None:
    r"""Return the GDAL driver for a file by its first bytes; None if it is not a raster.

    With a fixed driver, a text file named ``.tif`` cannot make GDAL open a VRT, and through it
    other files and URLs.

    Examples
    --------
    >>> driver_of(b"II*\0" + bytes(8)), driver_of(b"<VRTDataset>")
    ('GTiff', None)
    """
    if head[:4] in TIFF_MAGIC:
        return "GTiff"
    if head[4:8] == _JP2_BOX or head[:4] == _JP2_CODESTREAM:
        return "JP2OpenJPEG"
    return None


def looks_like_cog(head: bytes) -> bool:
    """Return True if a TIFF is tiled, begins with its directories, and has overviews if large.

    Parameters
    ----------
    head : bytes
        The first 4 KiB, or the whole file.
    """
    try:
        found, following = read_tags(head, _COG)
    except (Malformed, Unsupported):
        return False
    tags = {WANTED[code]: tag.values for code, tag in found.items()}
    small = max(number(tags, "width", 0), number(tags, "height", 0)) <= _SMALL
    return "tile_width" in tags and bool(following or small)
