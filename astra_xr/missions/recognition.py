"""Recognition of missions by items whose ids have no known form: all other fields must agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from astra_xr.missions.base import Item
from astra_xr.missions.raster_fields import raster_fields
from astra_xr.model import Band

_SUFFIX = re.compile(r"(_\d+m|\.tif)$")


def agreed(*values: str | None) -> str | None:
    """Return the only value that is not None; None if there is none, or they differ.

    Examples
    --------
    >>> agreed(None, "2A", "2A"), agreed("1C", "2A")
    ('2A', None)
    """
    given = {value for value in values if value is not None}
    return given.pop() if len(given) == 1 else None


def read(pattern: re.Pattern[str], *values: object) -> Iterator[str]:
    """Yield the first group of each text that fully matches the pattern, in upper case."""
    for value in values:
        match = pattern.fullmatch(str(value).strip().upper())
        if match:
            yield match[1]


def instruments_of(item: Item) -> set[str]:
    """Return the words of an item's instruments, in upper case; ``OLI_TIRS`` are two."""
    properties = item.get("properties", {})
    named = properties.get("instruments") or properties.get("eo:instrument") or ()
    texts = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return {word for text in texts for word in re.split(r"[\s_,/]+", str(text).upper()) if word}


def day_of(item: Item) -> str | None:
    """Return the day of acquisition, ``YYYYMMDD``."""
    properties = item.get("properties", {})
    time = str(properties.get("datetime") or properties.get("start_datetime") or "")
    match = re.match(r"(\d{4})-(\d{2})-(\d{2})", time)
    return "".join(match.groups()) if match else None


def by_name(table: Iterable[Band]) -> dict[str, Band]:
    """Return a table's bands by all of their names, in lower case."""
    return {name.casefold(): band for band in table for name in band.names}


def stem_of(key: str) -> str:
    """Return an asset's key in lower case, without a resolution or the ending of a file."""
    # Keys of old USGS items are file names; those of Copernicus end in the resolution.
    return _SUFFIX.sub("", key.casefold())


def bands_in(item: Item, table: Iterable[Band]) -> Mapping[str, list[str]]:
    """Return the keys of the assets that hold a table's bands, by the band's native name.

    Bands are recognized by asset key, or by the name of the asset's only band.
    """
    named = by_name(table)
    found: dict[str, list[str]] = {}
    for key, asset in item.get("assets", {}).items():
        described: list[Any] = asset.get("eo:bands") or asset.get("bands") or []
        only = described[0] if len(described) == 1 and isinstance(described[0], Mapping) else {}
        for name in (stem_of(str(key)), str(only.get("name")).casefold()):
            if name in named:
                found.setdefault(named[name].native, []).append(str(key))
                break
    return found


def is_of(item: Item, table: Iterable[Band], offsets: Iterable[float] | None = None) -> bool:
    """Return True if an item has bands of a table, and describes none with other numbers.

    ``offsets`` are those that items have for reflectance; by default that of the table.
    """
    bands = {band.native: band for band in table}
    found = bands_in(item, bands.values())
    if not any(bands[name].role in ("reflectance", "thermal", "class", "mask") for name in found):
        return False
    return all(
        _is_like(item["assets"][key], bands[name], offsets)
        for name, keys in found.items()
        for key in keys
    )


def _is_like(asset: Mapping[str, Any], band: Band, offsets: Iterable[float] | None) -> bool:
    fields = raster_fields(asset)
    if fields.get("data_type") not in (None, band.dtype):
        return False
    if band.role not in ("reflectance", "thermal") or band.unit is None:
        return True
    usual = offsets if offsets is not None and band.role == "reflectance" else (band.offset,)
    return (
        _near(fields.get("nodata"), (band.nodata,))
        # An asset's plain scale may not apply, but another one is reason for doubt.
        and _near(fields.get("scale", asset.get("scale")), (band.scale,))
        and _near(fields.get("offset"), usual)
    )


def _near(value: Any, usual: Iterable[float | None]) -> bool:
    if value is None:
        return True
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return any(each is not None and math.isclose(number, each, abs_tol=1e-9, rel_tol=1e-4)
               for each in usual)  # fmt: skip
