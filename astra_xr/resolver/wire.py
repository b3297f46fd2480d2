"""A whole resolution as JSON and back, for a resolver that is asked over HTTP."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from astra_xr.model import Asset, Band, ClassValue, Grid, Radiometry, UrlSource
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
    LookupError, TypeError, ValueError, AttributeError
        It has another form.
    """
    detail = told["detail"]
    return Resolution(
        scene_id=str(told["scene_id"]),
        format=str(told["format"]),
        assets={
            str(name): _asset(entry, source_of(entry)) for name, entry in detail["assets"].items()
        },
        item=dict(detail["item"]),
        full_id=str(detail["full_id"]),
        mission=detail["mission"],
        catalog=detail["catalog"],
        passed_over=dict(detail["passed_over"]),
        provider=str(told["metadata"]["source_provider"]),
    )


def _asset_json(asset: Asset) -> dict[str, Any]:
    plain = {
        name: getattr(asset, name)
        for name in ("key", "href", "media_type", "title", "size", "routing")
    }
    return plain | {
        "band": _json(asset.band),
        "planes": _json(asset.planes),
        "indexes": asset.indexes,
        "grid": _json(asset.grid),
        "radiometry": _json(asset.radiometry),
        "stretch": _json(asset.stretch),
        "stretch_without": _json(asset.stretch_without),
    }


def _asset(told: Mapping[str, Any], source: UrlSource) -> Asset:
    return Asset(
        key=told["key"],
        band=_band(told["band"]),
        planes=tuple(_band(plane) for plane in told["planes"]),
        href=told["href"],
        source=source,
        indexes=None if told["indexes"] is None else tuple(told["indexes"]),
        grid=told["grid"] and _grid(told["grid"]),
        radiometry=told["radiometry"] and Radiometry(**_known(Radiometry, told["radiometry"])),
        media_type=told["media_type"],
        title=told["title"],
        size=told["size"],
        routing=told["routing"],
        stretch=tuple((low, high) for low, high in told["stretch"]),
        stretch_without=tuple(told.get("stretch_without", ())),
    )


def _grid(told: Mapping[str, Any]) -> Grid:
    return Grid(crs=told["crs"], shape=tuple(told["shape"]), transform=tuple(told["transform"]))


def _band(told: Mapping[str, Any]) -> Band:
    known = _known(Band, told)
    return Band(
        **known
        | {
            "spellings": tuple(told.get("spellings", ())),
            "shared": tuple(told.get("shared", ())),
            "classes": tuple(ClassValue(**entry) for entry in told.get("classes", ())),
            "planes": tuple(_band(entry) for entry in told.get("planes", ())),
        }
    )


def _known(cls: type, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a class has: a newer service may tell more."""
    known = {f.name: told[f.name] for f in fields(cls) if f.name in told}
    for name in ("nodata", "scale", "offset"):
        # JSON has no NaN and no infinity.
        if isinstance(known.get(name), str):
            known[name] = float(known[name])
    return known


def _json(value: Any) -> Any:
    """Return a value of the model as JSON, without what is as it is by default."""
    if hasattr(value, "__dataclass_fields__"):
        told = {f.name: getattr(value, f.name) for f in fields(value)}
        plain = {f.name: f.default for f in fields(value)}
        return {name: _json(v) for name, v in told.items() if v != plain[name]}
    if isinstance(value, tuple):
        return [_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
