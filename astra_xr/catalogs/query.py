"""The parameters of a search: read as users write them, checked, and matched against items."""

from __future__ import annotations

import calendar
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely.geometry import mapping, shape

from astra_xr.arguments import read_count
from astra_xr.catalogs.footprints import box_shape, footprint
from astra_xr.errors import InvalidParameter, suggestion
from astra_xr.geometry import Box, read_box, read_geometry
from astra_xr.missions import MISSIONS, Item, read_mission

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MOST = 10_000
"""Default of the number of scenes at which a search stops."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which scenes of a mission to search for; fields that are None match any scene."""

    mission: str = ""
    """Name of the mission, e.g. ``sentinel-2``; empty: items of ``collection``."""

    collection: str = ""
    """Id of a collection of the user's own catalog."""

    bbox: Box | None = None
    """West, south, east, north in degrees; west > east crosses the antimeridian."""

    intersects: Mapping[str, Any] | None = None
    """A GeoJSON geometry in longitude and latitude, instead of ``bbox``."""

    when: str | None = None
    """RFC 3339 interval ``start/end`` in UTC; ``..`` leaves an end open."""

    cloud_cover: tuple[float, float] | None = None
    """Minimum and maximum cloud cover in percent, both included."""

    max_items: int | None = None
    """Maximum number of scenes; None: :data:`MOST`."""

    @property
    def most(self) -> int:
        """Return the number of scenes at which to stop."""
        return self.max_items or MOST

    @property
    def has_area(self) -> bool:
        """Return True if it is for an area."""
        return self.bbox is not None or self.intersects is not None

    def body(self) -> dict[str, Any]:
        """Return the parameters of a STAC item search, newest first, for any collection."""
        body: dict[str, Any] = {
            "sortby": [{"field": "properties.datetime", "direction": "desc"}],
        }
        if self.bbox is not None and self.bbox[0] <= self.bbox[2]:
            body["bbox"] = list(self.bbox)
        elif self.bbox is not None:
            # PostGIS takes a box across the antimeridian as the rest of the world.
            body["intersects"] = json.loads(json.dumps(mapping(box_shape(self.bbox))))
        if self.intersects is not None:
            body["intersects"] = dict(self.intersects)
        if self.when is not None:
            body["datetime"] = self.when
        if self.cloud_cover is not None:
            least, greatest = self.cloud_cover
            body["query"] = {"eo:cloud_cover": {"gte": least, "lte": greatest}}
        return body

    def wants(self, item: Item) -> bool:
        """Return True if an item matches, as far as its properties and footprint show.

        For catalogs without an API, and for APIs that ignore parts of :meth:`body`.
        """
        properties = item.get("properties", {})
        return (
            self._matches_clouds(properties.get("eo:cloud_cover"))
            and self._matches_time(item)
            and self._matches_area(item)
        )

    def _matches_clouds(self, cloud: Any) -> bool:
        if self.cloud_cover is None:
            return True
        least, greatest = self.cloud_cover
        return isinstance(cloud, int | float) and least <= cloud <= greatest

    def _matches_time(self, item: Item) -> bool:
        times = [time for time in (time_of(item), *_span_of(item)) if time]
        if self.when is None or not times:
            return True
        start, stop = (_time(end) for end in self.when.split("/"))
        return (start is None or start <= max(times)) and (stop is None or min(times) <= stop)

    def _matches_area(self, item: Item) -> bool:
        outline = footprint(item) if self._area is not None else None
        return outline is None or bool(outline.intersects(self._area))

    @functools.cached_property
    def _area(self) -> BaseGeometry | None:
        if self.bbox is not None:
            return box_shape(self.bbox)
        return None if self.intersects is None else shape(self.intersects)


def time_of(item: Item) -> datetime | None:
    """Return when an item was acquired, or its acquisition began; None if it has no time."""
    properties = item.get("properties", {})
    return _time(properties.get("datetime")) or _time(properties.get("start_datetime"))


def _span_of(item: Item) -> tuple[datetime | None, datetime | None]:
    """Return the time span of an item, such as a composite of some days; None if it has none."""
    properties = item.get("properties", {})
    start, stop = (_time(properties.get(f"{end}_datetime")) for end in ("start", "end"))
    return (start, stop) if start and stop else (None, None)


def _time(text: Any) -> datetime | None:
    """Read an RFC 3339 time or a date; None for ``..`` and invalid text."""
    try:
        when = datetime.fromisoformat(text.upper())
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (AttributeError, ValueError, OverflowError):
        return None


def make_query(
    mission: Any,
    *,
    bbox: Any = None,
    intersects: Any = None,
    when: Any = None,
    cloud_cover: Any = None,
    max_items: Any = None,
    own: bool = False,
) -> Query:
    """Return the query for the parameters of a search; see :func:`astra_xr.search` for their forms.

    ``own`` is True for the user's own catalogs, where an unknown mission is a collection.

    Raises
    ------
    InvalidParameter
        One of them is invalid.
    """
    if bbox is not None and intersects is not None:
        expected = "either bbox or intersects, not both"
        raise InvalidParameter(name="bbox", value=bbox, expected=expected)
    if max_items is not None:
        expected = f"a whole number from 1, or None for all (at most {MOST})"
        max_items = read_count("max_items", max_items, expected)
    collection = mission.strip() if own and isinstance(mission, str) else ""
    return Query(
        mission="" if collection and not read_mission(collection) else _mission(mission),
        collection="" if read_mission(collection) else collection,
        bbox=None if bbox is None else read_box(bbox),
        intersects=None if intersects is None else read_geometry(intersects),
        when=None if when is None else read_interval(when),
        cloud_cover=None if cloud_cover is None else read_clouds(cloud_cover),
        max_items=max_items,
    )


def _mission(name: Any) -> str:
    text = name if isinstance(name, str) else ""
    found = read_mission(text)
    if found is None:
        expected = f"one of {', '.join(MISSIONS)}{suggestion(text, MISSIONS)}"
        raise InvalidParameter(name="mission", value=name, expected=expected)
    return found.name


def read_clouds(value: Any) -> tuple[float, float]:
    """Read cloud cover in percent: the maximum, or minimum and maximum.

    Examples
    --------
    >>> read_clouds(20), read_clouds((5, 50))
    ((0.0, 20.0), (5.0, 50.0))
    """
    try:
        least, most = map(float, _pair(value) or (0, value))
    except (TypeError, ValueError, OverflowError):
        least, most = 1.0, 0.0
    if not 0 <= least <= most <= 100 or isinstance(value, bool):
        expected = "a maximum in percent (0..100), or a pair of minimum and maximum"
        raise InvalidParameter(name="cloud_cover", value=value, expected=expected)
    return least, most


def _pair(value: Any) -> list[Any] | None:
    """Return the two elements of a list, tuple, array, index or column; None if it is none."""
    if getattr(value, "ndim", 0) == 1:
        value = list(np.asarray(value))
    return list(value) if isinstance(value, list | tuple) and len(value) == 2 else None


def read_interval(value: Any) -> str:
    """Read a time or a time span as a STAC interval, in UTC.

    Examples
    --------
    >>> read_interval("2025-01")
    '2025-01-01T00:00:00Z/2025-01-31T23:59:59Z'
    >>> read_interval(("2025-01-15", None))
    '2025-01-15T00:00:00Z/..'
    """
    ends: Sequence[Any]
    if isinstance(value, slice):
        ends = [value.start, value.stop]
    elif isinstance(value, str) and "/" in value:
        ends = value.split("/")
    else:
        ends = _pair(value) or [value, value]
    try:
        if len(ends) != 2 or (isinstance(value, slice) and value.step is not None):
            raise ValueError(value)
        start, stop = _span(ends[0])[0], _span(ends[1])[1]
    except (TypeError, ValueError, OverflowError):
        start = stop = None
    if (start is None and stop is None) or (start and stop and start > stop):
        reason = "the start is after the end" if start and stop else ""
        expected = (
            "a day, month or year ('2025-01-15', '2025-01', '2025'), a date or datetime, or a "
            "pair or 'start/end' of them, one of which may be None or '..'"
        )
        raise InvalidParameter(name="datetime", value=value, expected=expected, reason=reason)
    return "/".join(
        f"{end.replace(tzinfo=None).isoformat()}Z" if end else ".." for end in (start, stop)
    )


_DAY = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?")


def _span(value: Any) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last second of a value; None if it is open."""
    if value is None or (isinstance(value, str) and value.strip() in ("", "..")):
        return None, None
    if hasattr(value, "start_time") and hasattr(value, "end_time"):  # a pandas Period
        return _utc(value.start_time), _utc(value.end_time)
    if getattr(value, "ndim", None) == 0:
        value = np.asarray(value)[()]
    if isinstance(value, np.datetime64) and ":" in str(value):
        value = value.astype("datetime64[us]").item()
    midnight = isinstance(value, datetime) and value.tzinfo is None and value.time() == time.min
    if isinstance(value, datetime) and not midnight:
        return _utc(value), _utc(value)
    if isinstance(value, date):
        # A datetime at midnight without a time zone is often meant as a day.
        text = value.isoformat()[:10]
    elif isinstance(value, str | np.datetime64):
        text = str(value).strip()
    else:
        raise TypeError(value)
    match = _DAY.fullmatch(text)
    if not match:
        instant = _utc(datetime.fromisoformat(text))
        return instant, instant
    year, month, day = (int(part) if part else None for part in match.groups())
    assert year is not None
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    last_month = month or 12
    last_day = day or calendar.monthrange(year, last_month)[1]
    last = datetime(year, last_month, last_day, 23, 59, 59, tzinfo=UTC)
    return first, last


def _utc(value: datetime) -> datetime:
    if value != value:  # NaT  # noqa: PLR0124
        raise ValueError(value)
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    # A plain datetime of whole seconds, where pandas has nanoseconds.
    return datetime(*aware.astimezone(UTC).timetuple()[:6], tzinfo=UTC)
