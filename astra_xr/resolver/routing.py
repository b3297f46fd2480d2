"""Routing: whether a provider's file is served as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from astra_xr.errors import ConversionRequired, InvalidFormat

FORMATS = ("cog", "geotiff", "png", "jpeg")

Routing = Literal["direct", "converted"]


def check_format(format: str) -> str:
    """Return the format, lower case.

    Raises
    ------
    InvalidFormat
        There is no such format.
    """
    lowered = format.lower() if isinstance(format, str) else format
    if lowered not in FORMATS:
        raise InvalidFormat(value=format, formats=FORMATS)
    return lowered


def route(band: str, asset: Mapping[str, Any], format: str) -> Routing:
    """Decide how an asset gets to the caller in the format that was asked for.

    Raises
    ------
    ConversionRequired
        The file would have to be converted.
    """
    kind = str(asset.get("type") or "").lower()
    href = str(asset.get("href") or "").split("?")[0].lower()
    is_tiff = "tiff" in kind or (not kind and href.endswith((".tif", ".tiff")))
    if format == "cog" and is_tiff:
        return "direct"
    raise ConversionRequired(band=band, media_type=asset.get("type"), format=format)
