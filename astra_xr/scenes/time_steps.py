"""Which scenes make one moment of a stack, in which order, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from astra_xr.errors import InvalidItem, InvalidParameter
from astra_xr.model import Asset
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.stack_grid import bounds_of

GROUPBY = ("solar_day", "time", "id")
"""What makes scenes one moment: the day where they lie, the very time, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A scene of a stack."""

    source: Any
    """The id or item that was asked for."""

    resolution: Resolution
    assets: Mapping[str, Asset]
    """As of the resolution, each with grid and radiometry."""

    time: datetime
    """When it was taken, UTC."""

    @property
    def id(self) -> str:
        """Its whole id."""
        return self.resolution.full_id

    def told(self, name: str) -> Any:
        """Return a property of its item; None where it has none."""
        return self.resolution.item.get("properties", {}).get(name)

    @property
    def cloud_cover(self) -> float | None:
        """Percent, as its item tells."""
        cover = self.told("eo:cloud_cover")
        return None if cover is None else float(cover)


def time_of(resolution: Resolution) -> datetime:
    """Return when a scene was taken, UTC.

    Raises
    ------
    InvalidItem
        Its item does not tell.
    """
    told = resolution.item.get("properties", {})
    text = told.get("datetime") or told.get("start_datetime")
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    reason = "a stack is sorted by time, and it has no datetime"
    raise InvalidItem(item=resolution.full_id, reason=reason)


def grouped(members: Sequence[Member], groupby: str) -> list[list[Member]]:
    """Part scenes into the moments of a stack, sorted by time.

    Scenes of several missions are never one moment. In each the clearest scene comes first.

    Raises
    ------
    InvalidParameter
        ``groupby`` is none of :data:`GROUPBY`.
    """
    if groupby not in GROUPBY:
        expected = f"one of {', '.join(GROUPBY)}"
        raise InvalidParameter(name="groupby", value=groupby, expected=expected)
    groups: dict[Any, list[Member]] = {}
    for member in members:
        key = {
            "solar_day": (_solar_day(member), member.resolution.mission),
            "time": (member.time, member.resolution.mission),
            "id": member.id,
        }[groupby]
        groups.setdefault(key, []).append(member)
    for group in groups.values():
        group.sort(key=_clearest_first)
    return sorted(groups.values(), key=lambda group: (_first(group), group[0].id))


def _first(group: Sequence[Member]) -> datetime:
    return min(member.time for member in group)


def _clearest_first(member: Member) -> tuple[float, datetime, str]:
    cover = member.cloud_cover
    return (100.0 if cover is None else cover), member.time, member.id


def _solar_day(member: Member) -> Any:
    """Return the day by the sun where a scene lies, as all scenes of one pass share it."""
    bbox: Any = member.resolution.item.get("bbox")
    try:
        west, east = float(bbox[0]), float(bbox[len(bbox) // 2])
    except (TypeError, ValueError, IndexError):
        grid = next(iter(member.assets.values())).grid
        assert grid is not None
        west, _, east, _ = bounds_of(grid, "EPSG:4326")
    east += 360 if east < west else 0
    # The sun takes an hour for 15 degrees.
    return (member.time + timedelta(hours=(west + east) / 2 / 15)).date()


def time_coords(groups: Sequence[Sequence[Member]]) -> dict[str, Any]:
    """Return what is told of each moment, as coordinates along ``time``.

    Returns
    -------
    dict
        ``time`` (datetime64[ns], UTC: of the first scene), ``id``, ``mission``, ``platform`` and
        ``catalog`` (several joined by ", "), ``cloud_cover`` (percent, the mean; NaN where no
        item tells).
    """
    names: dict[str, list[list[Any]]] = {
        "id": [[member.id for member in group] for group in groups],
        "mission": [[member.resolution.mission for member in group] for group in groups],
        "platform": [[member.told("platform") for member in group] for group in groups],
        "catalog": [[member.resolution.catalog for member in group] for group in groups],
    }
    covers = [[m.cloud_cover for m in group if m.cloud_cover is not None] for group in groups]
    times = [_first(group).replace(tzinfo=None) for group in groups]
    coords: dict[str, Any] = {"time": ("time", np.array(times, "datetime64[ns]"))}
    for name, lists in names.items():
        texts = [", ".join(dict.fromkeys(str(each) for each in told if each)) for told in lists]
        coords[name] = ("time", np.array(texts, str))
    means = [sum(told) / len(told) if told else np.nan for told in covers]
    coords["cloud_cover"] = ("time", np.array(means, float), {"units": "percent"})
    return coords
