"""How raster files begin: the one thing about them that is believed before GDAL sees them."""

from __future__ import annotations

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files begin, in either byte order."""

_JP2_BOX = b"jP  "
_JP2_CODESTREAM = b"\xff\x4f\xff\x51"

MAGIC_BYTES = 12
"""As many bytes as are needed to tell."""


def driver_of(head: bytes) -> str | None:
    r"""Return the GDAL driver that may open a file, by its first bytes; None: it is no raster.

    The driver is pinned so that a text file named ``.tif`` cannot make GDAL open a VRT, and with
    it other files and URLs.

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
