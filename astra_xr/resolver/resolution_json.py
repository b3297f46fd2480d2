"""Convert a whole resolution to JSON and back, for resolving over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from astra_xr.model import Asset, UrlSource
from astra_xr.resolver.resolution import Resolution
from astra_xr.typed_json import fields_from, from_json, to_json

_SENT = [each.name for each in fields(Asset) if each.name not in ("source", "signed")]
"""Fields of an asset that are sent, and taken from an answer."""


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
            name: {field: to_json(getattr(asset, field)) for field in _SENT}
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

    def asset(entry: Mapping[str, Any]) -> Asset:
        sent = {name: entry[name] for name in _SENT if name in entry}
        return Asset(source=source_of(entry), **fields_from(Asset, sent))

    looked_up = from_json(str | None, detail.get("looked_up_at"))
    return Resolution(
        scene_id=from_json(str, document["scene_id"]),
        format=from_json(str, document["format"]),
        assets={name: asset(entry) for name, entry in detail["assets"].items()},
        item=dict(detail["item"]),
        full_id=from_json(str, detail["full_id"]),
        mission=from_json(str | None, detail["mission"]),
        catalog=from_json(str | None, detail["catalog"]),
        passed_over={name: from_json(str, why) for name, why in detail["passed_over"].items()},
        provider=from_json(str, document["metadata"]["source_provider"]),
        looked_up_at=datetime.fromisoformat(looked_up).astimezone(UTC) if looked_up else None,
    )
