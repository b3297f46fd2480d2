"""Dataclasses as JSON, and back, with their types checked."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def to_json(value: Any) -> Any:
    """Return a value as JSON; dataclasses without fields that have their default."""
    if is_dataclass(value):
        own = {f.name: getattr(value, f.name) for f in fields(value)}
        plain = {f.name: f.default for f in fields(value)}
        return {name: to_json(v) for name, v in own.items() if v != plain[name]}
    if isinstance(value, tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, Path) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def from_json(kind: Any, raw: Any) -> Any:
    """Return the value of a type from JSON.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError, OverflowError
        The JSON does not fit.

    Examples
    --------
    >>> from_json(tuple[float, ...], [1.5, "nan"])
    (1.5, nan)
    """
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**fields_from(kind, raw))
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        return None if raw is None else from_json(parts[0], raw)
    if get_origin(kind) is tuple and isinstance(raw, list):
        kinds = parts if Ellipsis not in parts else [parts[0]] * len(raw)
        return tuple(from_json(each, entry) for each, entry in zip(kinds, raw, strict=True))
    # JSON has no NaN and no infinity; integers stay integers.
    if kind is float and (type(raw) is int or raw in ("nan", "inf", "-inf")):
        number = float(raw)
        return raw if number == raw else number
    if kind is Path and type(raw) is str:
        return Path(raw)
    if type(raw) is not kind:
        raise TypeError(kind)
    return raw


def fields_from(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass, as :func:`from_json` does, without unknown ones."""
    known = _types_of(kind)
    return {name: from_json(known[name], value) for name, value in raw.items() if name in known}


_types_of = functools.cache(get_type_hints)
