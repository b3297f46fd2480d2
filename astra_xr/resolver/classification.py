"""Classification: STAC's descriptions of bands whose numbers are classes, bits or flags. Pure.

Forms: the classification extension, 1.0 to 2.0, of the asset or one of its bands; ``file:values``
of the file extension; roles of assets and bands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from astra_xr.missions.raster_fields import raster_fields
from astra_xr.model import CLASS_ROLES, Band, ClassValue

_FLAG_ROLES = {
    "classification", "cloud", "cloud-shadow", "land-water", "mask", "qa", "quality", "saturation",
    "shadow", "snow", "snow-ice", "terrain-shadow", "usable-data",
}  # fmt: skip
"""Roles of assets that flag pixels, besides those that end in ``-mask``."""

_DEGREES = re.compile(r"probabilit|percent|fraction|confidence|uncertaint|optical", re.IGNORECASE)
"""Words in titles of measurements that have such a role too in catalogs."""

_LONGEST = 60
"""Letters of a class's name; some descriptions are sentences."""


def classified(band: Band, asset: Mapping[str, Any], index: int = 1) -> Band:
    """Return a band with the role and classes in its asset, if any; ``index`` counts from 1."""
    sources, fields = [*_entries(asset, index), asset], raster_fields(asset, index)
    if _scaled(fields):
        return band
    for source in sources:
        for role, read in (("class", _whole_numbers), ("mask", _bit_fields)):
            classes = _distinct(read(source))
            if classes:
                return replace(band, role=role, classes=classes)
    is_float = str(fields.get("data_type")).startswith(("float", "cfloat"))
    measured = fields.get("unit", "1") != "1" or is_float
    flags = not measured and any(map(_flags_pixels, sources))
    return replace(band, role="mask") if flags else band


def classified_file(band: Band, asset: Mapping[str, Any], planes: Sequence[Band]) -> Band:
    """Return a file of several bands with the role and classes of its bands.

    One band with classes suffices if none is scaled: they share an array, which is not averaged.
    """
    roles = [plane.role for plane in planes if plane.role in CLASS_ROLES]
    if not roles or any(_scaled(raster_fields(asset, n + 1)) for n in range(len(planes))):
        return band
    same = {plane.classes for plane in planes}
    return replace(band, role=roles[0], classes=same.pop() if len(same) == 1 else ())


def is_described_as(band: Band, asset: Mapping[str, Any]) -> bool:
    """Return True unless an asset has another type, a scale or classes, unlike a mission's band."""
    fields = raster_fields(asset)
    same_type = fields.get("data_type", band.dtype) == band.dtype
    return same_type and not _scaled(fields) and classified(Band(native=""), asset).role == "data"


def _entries(asset: Mapping[str, Any], index: int) -> Iterator[Mapping[str, Any]]:
    for field in ("bands", "raster:bands", "eo:bands"):
        entries = asset.get(field) or ()
        if index <= len(entries) and isinstance(entries[index - 1], Mapping):
            yield entries[index - 1]


def _scaled(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("scale", 1) != 1 or fields.get("offset", 0) != 0)


def _flags_pixels(source: Mapping[str, Any]) -> bool:
    listed = source.get("roles")
    roles = {str(role).casefold() for role in listed} if isinstance(listed, list) else set()
    named = any(role in _FLAG_ROLES or role.endswith("-mask") for role in roles)
    words = (str(source.get(key) or "") for key in ("title", "description", "name"))
    return named and not any(map(_DEGREES.search, words))


def _whole_numbers(source: Mapping[str, Any]) -> Iterator[ClassValue]:
    for entry in _objects(source.get("classification:classes")):
        value = _whole(entry.get("value"))
        if value is not None:
            yield ClassValue(value=value, name=_name_of(entry), color=_color(entry))
    for entry in _objects(source.get("file:values")):
        values = entry.get("values")
        for value in map(_whole, values if isinstance(values, list) else ()):
            if value is not None:
                yield ClassValue(value=value, name=_word(entry.get("summary")))


def _bit_fields(source: Mapping[str, Any]) -> Iterator[ClassValue]:
    for field in _objects(source.get("classification:bitfields")):
        first, bits = _whole(field.get("offset")), _whole(field.get("length"))
        if first is None or bits is None or not (first >= 0 < bits and first + bits <= 64):
            continue
        ones, about = (1 << bits) - 1, _name_of(field)
        for entry in _objects(field.get("classes")):
            value, name = _whole(entry.get("value")), _name_of(entry)
            if value is not None and 0 <= value <= ones:
                yield ClassValue(
                    value=value << first,
                    mask=ones << first,
                    name=_joined(about, name),
                    color=_color(entry),
                )


def _joined(field: str, name: str) -> str:
    """Return the name of a class of a bit field, after that of the field unless it contains it."""
    return f"{field}_{name}" if field and f"_{field}_" not in f"_{name}_" else name


def _distinct(classes: Iterable[ClassValue]) -> tuple[ClassValue, ...]:
    """Return classes with distinct names, the first one of each number."""
    found: dict[tuple[int, int | None], ClassValue] = {}
    names: set[str] = set()
    for each in classes:
        if (each.value, each.mask) not in found:
            name = each.name or "class"
            if name in names or not each.name:
                name = f"{name}_{each.value}"
            names.add(name)
            found[each.value, each.mask] = replace(each, name=name)
    return tuple(found.values())


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """Return a whole number of 64 bits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 2**64 and value == int(value) else None


def _name_of(entry: Mapping[str, Any]) -> str:
    return _word(entry.get("name")) or _word(entry.get("title")) or _word(entry.get("description"))


def _word(text: Any) -> str:
    """Return a text as one word of CF's ``flag_meanings``; empty if no character is allowed."""
    plain = unicodedata.normalize("NFKD", str(text or "")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.+@-]+", "_", plain.casefold())[:_LONGEST].strip("_")


def _color(entry: Mapping[str, Any]) -> str | None:
    color = str(entry.get("color_hint") or entry.get("color-hint") or "").removeprefix("#")
    return f"#{color.casefold()}" if re.fullmatch("[0-9a-fA-F]{6}", color) else None
