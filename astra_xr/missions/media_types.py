"""The kind of an asset's file, by its media type and the ending of its name."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["tiff", "jp2"]

_WORDS: Mapping[str, Kind] = {
    **dict.fromkeys(("tif", "tiff", "geotiff", "gtiff", "cog"), "tiff"),
    **dict.fromkeys(("jp2", "jpx", "j2k", "jpeg2000"), "jp2"),
}
"""Words of media types, and endings of names."""

_OTHER = re.compile(r"text/.*|image/(png|jpe?g|gif|webp|svg)\b.*|.*\b(json|xml|html|pdf|zip)")
"""Media types that take precedence over a name."""


def raster_kind(asset: Mapping[str, Any]) -> Kind | None:
    """Return the kind of an asset's georeferenced raster; None if it is none.

    The media type decides if it names one, else the ending of the file's name.

    Examples
    --------
    >>> raster_kind({"type": "image/x.geotiff"})
    'tiff'
    >>> raster_kind({"type": "application/octet-stream", "href": "https://h/B04.JP2?v=1"})
    'jp2'
    """
    kind, certain = _by_type(str(asset.get("type") or ""))
    return kind if certain else _by_name(str(asset.get("href") or ""))


@functools.lru_cache(maxsize=256)
def _by_type(media_type: str) -> tuple[Kind | None, bool]:
    """Return the kind that a media type names, and whether it decides."""
    plain = media_type.casefold().partition(";")[0].strip()
    kind = next((_WORDS[word] for word in re.split(r"[^a-z0-9]+", plain) if word in _WORDS), None)
    return kind, kind is not None or bool(_OTHER.fullmatch(plain))


def _by_name(href: str) -> Kind | None:
    href = href.casefold()
    # In the name of a local file, # is a letter like others.
    ends = r"[?#]" if href.startswith(("http:", "https:", "s3:")) else r"\?"
    return _WORDS.get(re.split(ends, href)[0].rpartition(".")[2])


def is_cog_type(media_type: str | None) -> bool:
    """Return True if a media type is that of cloud-optimized GeoTIFFs."""
    return "cloud-optimized" in (media_type or "").lower()
