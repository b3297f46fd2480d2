"""Routing: whether a provider's file is served as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from astra_xr.conversion.recipe import FORMATS as _FORMATS
from astra_xr.errors import InvalidFormat

FORMATS = tuple(_FORMATS)

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


def needs_conversion(asset: Mapping[str, Any], format: str) -> bool | None:
    """Tell whether an asset has to be converted to be in a format.

    Parameters
    ----------
    asset : mapping
        Of a STAC item: its ``type`` is believed where it names a profile or another format, else
        the extension of its ``href``.
    format : str
        One of `FORMATS`.

    Returns
    -------
    bool or None
        None: the item does not say; the file's header does.
    """
    if format != "cog":
        return True
    kind = str(asset.get("type") or "").lower()
    if "cloud-optimized" in kind:
        return False
    if kind and "tiff" not in kind and kind != "application/octet-stream":
        return True
    return None


def route(asset: Mapping[str, Any], format: str) -> Routing:
    """Decide how an asset gets to the caller, without a look at the file.

    Where the item does not say, any TIFF is served as it is: readers read it.
    """
    needed = needs_conversion(asset, format)
    if needed is None:
        href = str(asset.get("href") or "").split("?")[0].lower()
        needed = not asset.get("type") and href.endswith((".jp2", ".j2k"))
    return "converted" if needed else "direct"
