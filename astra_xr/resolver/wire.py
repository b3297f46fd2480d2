"""A whole resolution as JSON and back, for a resolver that is asked over HTTP."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from astra_xr.model import Asset, UrlSource
from astra_xr.resolver.resolution import Resolution


def detail_of(answer: Resolution) -> dict[str, Any]:
    """Return what the API's JSON leaves out of an answer. It holds no signature."""
    return {
        "full_id": answer.full_id,
        "mission": answer.mission,
        "catalog": answer.catalog,
        "passed_over": dict(answer.passed_over),
        "item": answer.item,
        "assets": {name: _asset_json(asset) for name, asset in answer.assets.items()},
    }


def resolution_of(
    told: Mapping[str, Any], source_of: Callable[[Mapping[str, Any]], UrlSource]
) -> Resolution:
    """Return the resolution that a service's JSON tells of, unsigned.

    Parameters
    ----------
    told : mapping
        The API's JSON with :func:`detail_of` under ``detail``.
    source_of : callable
        Takes an asset's JSON and gives the source of its URL.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError, OverflowError
        It has another form.
    """
    detail = told["detail"]
    return Resolution(
        scene_id=_value(str, told["scene_id"]),
        format=_value(str, told["format"]),
        assets={
            name: Asset(source=source_of(entry), **_values(Asset, entry))
            for name, entry in detail["assets"].items()
        },
        item=dict(detail["item"]),
        full_id=_value(str, detail["full_id"]),
        mission=_value(str | None, detail["mission"]),
        catalog=_value(str | None, detail["catalog"]),
        passed_over={name: _value(str, why) for name, why in detail["passed_over"].items()},
        provider=_value(str, told["metadata"]["source_provider"]),
    )


@functools.cache
def _fields(kind: type) -> Mapping[str, Any]:
    """Return name → type of a dataclass's fields, less those that never travel."""
    return {k: v for k, v in get_type_hints(kind).items() if k not in ("source", "signed")}


def _asset_json(asset: Asset) -> dict[str, Any]:
    return {name: _json(getattr(asset, name)) for name in _fields(Asset)}


def _json(value: Any) -> Any:
    """Return a value of the model as JSON, without what is as it is by default."""
    if is_dataclass(value):
        told = {f.name: getattr(value, f.name) for f in fields(value)}
        plain = {f.name: f.default for f in fields(value)}
        return {name: _json(v) for name, v in told.items() if v != plain[name]}
    if isinstance(value, tuple):
        return [_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _value(kind: Any, told: Any) -> Any:
    """Return the value of a type that JSON tells of; raise TypeError or ValueError for others."""
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**_values(kind, told))
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        return None if told is None else _value(parts[0], told)
    if get_origin(kind) is tuple and isinstance(told, list):
        kinds = parts if Ellipsis not in parts else [parts[0]] * len(told)
        return tuple(_value(each, entry) for each, entry in zip(kinds, told, strict=True))
    # JSON has no NaN and no infinity; what was a whole number stays one, as in this process.
    if kind is float and (type(told) is int or told in ("nan", "inf", "-inf")):
        number = float(told)
        return told if number == told else number
    if type(told) is not kind:
        raise TypeError(kind)
    return told


def _values(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    # A newer service may tell more.
    known = _fields(kind)
    return {name: _value(known[name], value) for name, value in told.items() if name in known}
