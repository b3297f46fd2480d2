"""The time steps of a stack: which scenes form one, its coordinates, and whether bands match."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from astra_xr.catalogs.query import time_of
from astra_xr.errors import InvalidItem, InvalidParameter
from astra_xr.geometry import LONLAT, bounds_in, flat_box
from astra_xr.model import Radiometry
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.options import OpenOptions
from astra_xr.scenes.readable_asset import ReadableAsset

GROUPBY = ("solar_day", "time", "id")
"""What the scenes of a time step share: the solar day, the time, or nothing."""

ANGLES = {
    "sun_elevation": "view:sun_elevation",
    "sun_azimuth": "view:sun_azimuth",
    "view_off_nadir": "view:off_nadir",
    "view_incidence_angle": "view:incidence_angle",
    "view_azimuth": "view:azimuth",
}
"""Coordinate → property of an item (STAC's view extension), degrees: of the sun and the sensor at
the center of the scene; azimuths clockwise from north."""

_SAME_WAVELENGTH = 0.05
"""Maximum difference of the center wavelengths of a band between missions, µm."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A scene of a stack."""

    source: Any
    """The id or item, as the user passed it."""

    resolution: Resolution
    assets: Mapping[str, ReadableAsset]
    time: datetime
    """Acquisition time, UTC."""

    @property
    def id(self) -> str:
        """Full id."""
        return self.resolution.full_id

    def reported(self, name: str) -> Any:
        """Return a property of its item, or None."""
        return self.resolution.item.get("properties", {}).get(name)

    @property
    def cloud_cover(self) -> float | None:
        """Percent, as its item reports it."""
        cover = self.reported("eo:cloud_cover")
        return None if cover is None else float(cover)


_FIRST_YEAR, _LAST_YEAR = 1678, 2261
"""Of datetime64[ns], which wraps around."""


def scene_time(resolution: Resolution) -> datetime:
    """Return the acquisition time of a scene, UTC; InvalidItem if its item reports none."""
    time = time_of(resolution.item)
    if time and _FIRST_YEAR <= time.year <= _LAST_YEAR:
        return time
    reason = "a stack is sorted by time, and it has no datetime"
    if time:
        reason = f"a stack is sorted by time, and its datetime is in the year {time.year}"
    raise InvalidItem(item=resolution.full_id, reason=reason)


def scene_coords(resolution: Resolution) -> dict[str, Any]:
    """Return the scalar coordinates of one scene, as one time step of a stack has them.

    Returns
    -------
    dict
        ``id``; ``time`` (datetime64[ns], UTC) and the angles of :data:`ANGLES` (degrees) if
        its item reports them.
    """
    coords: dict[str, Any] = {}
    attrs = {"long_name": "scene id", "scene_id": resolution.full_id}
    with contextlib.suppress(InvalidItem):
        time = scene_time(resolution).replace(tzinfo=None)
        coords["time"] = ((), np.datetime64(time, "ns"))
        # xarray keeps the id of the first scene that it combines; this shows which one that is.
        attrs["datetime"] = time.isoformat()
    # Zarr has no type for strings of fixed length.
    coords["id"] = ((), np.array(resolution.full_id, object), attrs)
    angles = {name: _angle([resolution], name) for name in ANGLES}
    known = {name: each for name, each in angles.items() if not math.isnan(each)}
    return coords | {name: ((), each, _angle_attrs(name)) for name, each in known.items()}


def _angle_attrs(name: str) -> dict[str, str]:
    return {"long_name": name.replace("_", " "), "units": "degrees"}


def _angle(scenes: Sequence[Resolution], name: str) -> float:
    """Return an angle of some scenes, the mean of several; NaN if no item reports it."""
    values = [each.item.get("properties", {}).get(ANGLES[name]) for each in scenes]
    known = [n for n in values if isinstance(n, int | float) and math.isfinite(n)]
    if not known or len(known) == 1:
        return float(known[0]) if known else math.nan
    # The mean of 359° and 1° is 0°.
    east, north = (sum(map(f, map(math.radians, known))) for f in (math.sin, math.cos))
    mean = math.degrees(math.atan2(east, north))
    return mean % 360 if name.endswith("azimuth") and min(known) >= 0 else mean


def grouped(members: Sequence[Member], groupby: str) -> list[list[Member]]:
    """Return the scenes of each time step of a stack, sorted by time, the clearest first in each.

    Scenes of different missions are never in one time step.
    """
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


def solar_day(time: datetime, west: float, east: float) -> date:
    """Return the solar day between two meridians at a time (UTC); an overpass has one.

    Longitudes are in degrees; a west greater than east crosses the antimeridian.

    Examples
    --------
    >>> solar_day(datetime(2025, 1, 15, 23), 170, 172).isoformat()
    '2025-01-16'
    """
    east += 360 if east < west else 0
    # The sun moves 15 degrees an hour.
    return (time + timedelta(hours=(west + east) / 2 / 15)).date()


def _solar_day(member: Member) -> date:
    """Return the solar day at the center of a scene."""
    box = flat_box(member.resolution.item.get("bbox"))
    if box is None:
        geobox = next(iter(member.assets.values())).geobox
        box = bounds_in(geobox.extent, LONLAT).bbox
    return solar_day(member.time, box[0], box[2])


def time_coords(groups: Sequence[Sequence[Member]]) -> dict[str, Any]:
    """Return the coordinates along ``time``.

    Returns
    -------
    dict
        ``time`` (datetime64[ns], UTC: of the first scene), ``id``, ``mission``, ``platform`` and
        ``catalog`` (several joined by ", "), ``cloud_cover`` (percent, the mean; NaN if no
        item reports it); the angles of :data:`ANGLES` (degrees) that some item reports.
    """
    names: dict[str, list[list[Any]]] = {
        "id": [[member.id for member in group] for group in groups],
        "mission": [[member.resolution.mission for member in group] for group in groups],
        "platform": [[member.reported("platform") for member in group] for group in groups],
        "catalog": [[member.resolution.catalog for member in group] for group in groups],
    }
    covers = [[m.cloud_cover for m in group if m.cloud_cover is not None] for group in groups]
    times = [_first(group).replace(tzinfo=None) for group in groups]
    coords: dict[str, Any] = {"time": ("time", np.array(times, "datetime64[ns]"))}
    for name, lists in names.items():
        texts = [", ".join(dict.fromkeys(str(each) for each in values if each)) for values in lists]
        coords[name] = ("time", np.array(texts, str))
    coords["id"] += ({"long_name": "scene id", "scene_id": scene_claim(coords["id"][1])},)
    means = [sum(values) / len(values) if values else np.nan for values in covers]
    coords["cloud_cover"] = ("time", np.array(means, float), {"units": "percent"})
    for name in ANGLES:
        angles = [_angle([member.resolution for member in group], name) for group in groups]
        if not all(map(math.isnan, angles)):
            coords[name] = ("time", np.array(angles), _angle_attrs(name))
    return coords


def scene_claim(ids: Sequence[str]) -> str:
    """Return the ``scene_id`` that bands and the coordinate ``id`` of the same scenes share.

    Examples
    --------
    >>> scene_claim(["sentinel-2:A"]), scene_claim(["sentinel-2:A", "sentinel-2:B"])
    ('sentinel-2:A', '2 time steps 9000c394')
    """
    if len(ids) == 1:
        return str(ids[0])
    digest = hashlib.sha256("\n".join(map(str, ids)).encode()).hexdigest()
    return f"{len(ids)} time steps {digest[:8]}"


def check_alike(members: Sequence[Member], options: OpenOptions) -> None:
    """Check that scenes have bands of the same names, roles, wavelengths, units and classes."""
    first = members[0]
    for other in members[1:]:
        if list(other.assets) != list(first.assets):
            reason = (
                f"{first.id} has {', '.join(first.assets)}, {other.id} {', '.join(other.assets)}"
            )
            expected = "names that mean one band in each scene, such as red or nir"
            raise InvalidParameter(
                name="bands", value=options.bands, expected=expected, reason=reason
            )
        for name, asset in other.assets.items():
            reason = _unlike(first.assets[name], asset, options.mask_and_scale)
            if reason:
                reason = f"{first.id} and {other.id} {reason}"
                expected = "bands that match in all scenes"
                raise InvalidParameter(name="bands", value=name, expected=expected, reason=reason)


def _unlike(a: ReadableAsset, b: ReadableAsset, decode: bool) -> str:
    """Return how two bands differ if their numbers cannot be compared; empty if they can."""
    if a.band.role != b.band.role or len(a.planes) != len(b.planes):
        return f"are {a.band.native} ({a.band.role}) and {b.band.native} ({b.band.role})"
    one, other = a.band.wavelength, b.band.wavelength
    if one and other and abs(one - other) > _SAME_WAVELENGTH:
        return f"have wavelengths of {one:g} and {other:g} µm"
    if a.band.classes and b.band.classes and a.band.classes != b.band.classes:
        return "have classes with different meanings"
    if decode and a.radiometry.unit != b.radiometry.unit:
        return f"have the units {a.radiometry.unit} and {b.radiometry.unit}"
    if not decode and _stored_as(a.radiometry) != _stored_as(b.radiometry):
        return "have different scales, offsets or nodata; mask_and_scale=True resolves that"
    return ""


def _stored_as(radiometry: Radiometry) -> tuple[object, ...]:
    nodata = radiometry.nodata
    # NaN does not equal itself.
    known = "NaN" if nodata is not None and math.isnan(nodata) else nodata
    return radiometry.dtype, radiometry.scale, radiometry.offset, known
