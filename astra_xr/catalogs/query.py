"""What is searched for: one value, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from astra_xr.geometry import Box, geometry_bounds
from astra_xr.missions import Item


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which scenes of a mission a search is for; what is None does not matter."""

    mission: str
    """Name of the mission, e.g. ``sentinel-2``."""

    bbox: Box | None = None
    """West, south, east, north in degrees; west beyond east crosses the antimeridian."""

    intersects: Mapping[str, Any] | None = None
    """A GeoJSON geometry in longitude and latitude, instead of ``bbox``."""

    when: str | None = None
    """RFC 3339 interval ``start/end`` in UTC; ``..`` leaves an end open."""

    cloud_cover: tuple[float, float] | None = None
    """Least and greatest share of clouds, percent, both included."""

    limit: int = 20
    """Scenes to return at most."""

    def body(self) -> dict[str, Any]:
        """Return the parameters of a STAC item search, newest first, for any collection."""
        body: dict[str, Any] = {
            "sortby": [{"field": "properties.datetime", "direction": "desc"}],
        }
        if self.bbox is not None:
            body["bbox"] = list(self.bbox)
        if self.intersects is not None:
            body["intersects"] = dict(self.intersects)
        if self.when is not None:
            body["datetime"] = self.when
        if self.cloud_cover is not None:
            least, greatest = self.cloud_cover
            body["query"] = {"eo:cloud_cover": {"gte": least, "lte": greatest}}
        return body

    def wants(self, item: Item) -> bool:
        """Tell whether an item is one of those searched for, as far as it tells itself.

        Places are compared by their boxes alone. For catalogues without an API, and for APIs
        that do not heed all that :meth:`body` says.
        """
        properties = item.get("properties", {})
        return (
            self._cloudy_as_wanted(properties.get("eo:cloud_cover"))
            and self._at_that_time(properties.get("datetime") or properties.get("start_datetime"))
            and self._at_that_place(item.get("bbox"))
        )

    def _cloudy_as_wanted(self, cloud: Any) -> bool:
        if self.cloud_cover is None:
            return True
        least, greatest = self.cloud_cover
        return isinstance(cloud, int | float) and least <= cloud <= greatest

    def _at_that_time(self, text: Any) -> bool:
        moment = _moment(text)
        if self.when is None or moment is None:
            return True
        start, stop = (_moment(end) for end in self.when.split("/"))
        return (start is None or start <= moment) and (stop is None or moment <= stop)

    def _at_that_place(self, box: Any) -> bool:
        wanted = self.bbox or (geometry_bounds(self.intersects) if self.intersects else None)
        if wanted is None or not isinstance(box, list) or len(box) not in (4, 6):
            return True
        half = len(box) // 2
        west, south, east, north = box[0], box[1], box[half], box[half + 1]
        if south > wanted[3] or north < wanted[1]:
            return False
        return any(
            left <= other_right and other_left <= right
            for left, right in _spans(west, east)
            for other_left, other_right in _spans(wanted[0], wanted[2])
        )


def _moment(text: Any) -> datetime | None:
    """Read an RFC 3339 time, or a day; None for ``..`` and for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _spans(west: float, east: float) -> list[tuple[float, float]]:
    """Cut a span of longitudes at the antimeridian."""
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
