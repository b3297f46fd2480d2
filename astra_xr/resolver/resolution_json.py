"""Convert a whole resolution to JSON and back, for resolving over HTTP."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from astra_xr.model import Asset, UrlSource
from astra_xr.resolver.resolution import Resolution


def detail_of(answer: Resolution) -> dict[str, Any]:
    """Return the parts of a resolution that the API's JSON lacks, without signatures."""
    return {
        "full_id": answer.full_id,
        "mission": answer.mission,
        "catalog": answer.catalog,
        "passed_over": dict(answer.passed_over),
        "looked_up_at": answer.looked_up_at and answer.looked_up_at.isoformat(),
        "item": answer.item,
        "assets": {
            name: {field: _json(getattr(asset, field)) for field in _fields(Asset)}
            for name, asset in answer.assets.items()
        },
    }


def resolution_of(
    document: Mapping[str, Any], source_of: Callable[[Mapping[str, Any]], UrlSource]
) -> Resolution:
    """Return the resolution in a service's JSON, unsigned.

    Parameters
    ----------
    document : mapping
        The API's JSON with :func:`detail_of` under ``detail``.
    source_of : callable
        Takes an asset's JSON and returns the source of its URL.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError, OverflowError
        The JSON has another form.
    """
    detail = document["detail"]
    looked_up = _value(str | None, detail.get("looked_up_at"))
    return Resolution(
        scene_id=_value(str, document["scene_id"]),
        format=_value(str, document["format"]),
        assets={
            name: Asset(source=source_of(entry), **_values(Asset, entry))
            for name, entry in detail["assets"].items()
        },
        item=dict(detail["item"]),
        full_id=_value(str, detail["full_id"]),
        mission=_value(str | None, detail["mission"]),
        catalog=_value(str | None, detail["catalog"]),
        passed_over={name: _value(str, why) for name, why in detail["passed_over"].items()},
        provider=_value(str, document["metadata"]["source_provider"]),
        looked_up_at=datetime.fromisoformat(looked_up).astimezone(UTC) if looked_up else None,
    )


@functools.cache
def _fields(kind: type) -> Mapping[str, Any]:
    """Return name → type of a dataclass's fields, except those that are never sent."""
    return {k: v for k, v in get_type_hints(kind).items() if k not in ("source", "signed")}


def _json(value: Any) -> Any:
    """Return a value of the model as JSON, without fields that have their default."""
    if is_dataclass(value):
        own = {f.name: getattr(value, f.name) for f in fields(value)}
        plain = {f.name: f.default for f in fields(value)}
        return {name: _json(v) for name, v in own.items() if v != plain[name]}
    if isinstance(value, tuple):
        return [_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _value(kind: Any, raw: Any) -> Any:
    """Return the value of a type from JSON; raise TypeError or ValueError if it does not fit."""
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**_values(kind, raw))
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        return None if raw is None else _value(parts[0], raw)
    if get_origin(kind) is tuple and isinstance(raw, list):
        kinds = parts if Ellipsis not in parts else [parts[0]] * len(raw)
        return tuple(_value(each, entry) for each, entry in zip(kinds, raw, strict=True))
    # JSON has no NaN and no infinity; integers stay integers.
    if kind is float and (type(raw) is int or raw in ("nan", "inf", "-inf")):
        number = float(raw)
        return raw if number == raw else number
    if type(raw) is not kind:
        raise TypeError(kind)
    return raw


def _values(kind: Any, raw: Mapping[str, Any]) -> dict[str, Any]:
    # A newer service may send more fields.
    known = _fields(kind)
    return {name: _value(known[name], value) for name, value in raw.items() if name in known}
