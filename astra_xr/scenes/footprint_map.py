"""A small map of footprints, as SVG in the notebook's theme, without the network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from astra_xr.geometry import Box, flat_box

if TYPE_CHECKING:
    from astra_xr.resolver.search_rows import Row

_WIDTH, _HEIGHT = 320, 200
_MARGIN = 0.08
_LABEL = 44
"""Width of the label of a line."""
_MOST = 500
"""Maximum number of outlines; those of one tile coincide."""
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60)
_SCENE = 'fill="currentColor" fill-opacity=".08"'
_AREA = 'stroke="#e8710a" stroke-width="1.5"'
_Ring = list[tuple[float, float]]


def map_svg(rows: Sequence[Row], box: Box | None) -> str:
    """Return a map of the outlines of scenes and of the box that was searched, as ``<svg>``.

    Longitude and latitude have true proportions at the center. Empty if no scene has an outline.
    """
    outlines = [_rings(row) for row in rows]
    # Corners of scenes of one tile differ by meters.
    shapes = list({_rounded(rings): rings for rings in outlines if rings}.values())[:_MOST]
    if not shapes:
        return ""
    area = [_box_ring(box)] if box else []
    if _crosses([*area, *(ring for rings in shapes for ring in rings)]):
        shapes, area = [_east(rings) for rings in shapes], _east(area)
    view = _View([point for rings in shapes for ring in rings for point in ring])
    parts = [
        *view.graticule(),
        *(f'<path d="{view.path(rings)}" {_SCENE}/>' for rings in shapes),
        *(f'<path d="{view.path([ring])}" {_AREA}/>' for ring in area),
    ]
    label = f"Footprints of {len(rows)} scene{'' if len(rows) == 1 else 's'}"
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="currentColor" '
        'stroke-width=".75" style="max-width:100%;height:auto;margin:.4em 0;display:block;'
        f'border:1px solid var(--line, rgba(128,128,128,.35))"><title>{escape(label)}</title>'
        f"{''.join(parts)}</svg>"
    )


class _View:
    """Longitude and latitude → pixels of the map."""

    def __init__(self, points: _Ring) -> None:
        lons, lats = zip(*points, strict=True)
        west, east, south, north = min(lons), max(lons), min(lats), max(lats)
        self._lon, self._lat = (west + east) / 2, (south + north) / 2
        self._squeeze = max(0.1, math.cos(math.radians(self._lat)))
        span_x = max((east - west) * self._squeeze, 1e-3) * (1 + 2 * _MARGIN)
        span_y = max(north - south, 1e-3) * (1 + 2 * _MARGIN)
        self._scale = min(_WIDTH / span_x, _HEIGHT / span_y)

    def _at(self, lon: float, lat: float) -> tuple[float, float]:
        x = _WIDTH / 2 + (lon - self._lon) * self._squeeze * self._scale
        return x, _HEIGHT / 2 - (lat - self._lat) * self._scale

    def path(self, rings: Iterable[_Ring]) -> str:
        """Return the path of closed rings."""
        texts = []
        for ring in rings:
            points = (self._at(*point) for point in ring)
            texts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
        return "".join(texts)

    def graticule(self) -> list[str]:
        """Return the lines of longitude and latitude, with labels."""
        half_lon = _WIDTH / 2 / self._squeeze / self._scale
        half_lat = _HEIGHT / 2 / self._scale
        step = next((each for each in _STEPS if half_lat * 2 / each <= 5), 90)
        step_x = next((each for each in _STEPS if half_lon * 2 / each <= 6), 90)
        text = 'font-size="9" fill="currentColor" stroke="none" opacity=".7"'
        made = []
        for lon in _steps(self._lon - half_lon, self._lon + half_lon, step_x):
            x, _ = self._at(lon, 0)
            name = _degrees((lon + 180) % 360 - 180, "E", "W")
            made.append(f'<path d="M{x:.1f} 0V{_HEIGHT}" opacity=".2"/>')
            if x < _WIDTH - _LABEL:
                made.append(f'<text x="{x + 2:.1f}" y="{_HEIGHT - 3}" {text}>{name}</text>')
        for lat in _steps(max(-90, self._lat - half_lat), min(90, self._lat + half_lat), step):
            _, y = self._at(0, lat)
            made.append(f'<path d="M0 {y:.1f}H{_WIDTH}" opacity=".2"/>')
            made.append(f'<text x="2" y="{y - 2:.1f}" {text}>{_degrees(lat, "N", "S")}</text>')
        return made


def _steps(first: float, last: float, step: float) -> list[float]:
    start, stop = math.ceil(first / step), math.floor(last / step)
    return [round(number * step, 6) for number in range(start, stop + 1)]


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):g}°{side}"


def _rings(row: Row) -> list[_Ring]:
    """Return the outer rings of a scene's outline, else its box; empty if there is neither."""
    geometry: Any = row.geometry or {}
    kind, found = geometry.get("type"), geometry.get("coordinates")
    try:
        polygons = {"Polygon": [found], "MultiPolygon": found}.get(str(kind)) or []
        rings = [[(float(p[0]), float(p[1])) for p in polygon[0]] for polygon in polygons]
        if not rings and (box := flat_box(row.bbox)):
            rings = [_box_ring(box)]
    except (TypeError, ValueError, LookupError, OverflowError):
        return []
    # Some have longitudes up to 360 or more.
    on_earth = (abs(lon) <= 720 and abs(lat) <= 91 for ring in rings for lon, lat in ring)
    return rings if all(rings) and all(on_earth) else []


def _box_ring(box: Box) -> _Ring:
    west, south, east, north = box
    east += 360 if east < west else 0
    return [(west, south), (east, south), (east, north), (west, north)]


def _rounded(rings: Iterable[_Ring]) -> tuple[tuple[float, float], ...]:
    return tuple((round(x, 2), round(y, 2)) for ring in rings for x, y in ring)


def _crosses(rings: Iterable[_Ring]) -> bool:
    """Return True if outlines are on both sides of the antimeridian, closer than around 0°."""
    lons = sorted({lon for ring in rings for lon, _ in ring})
    gap = max((b - a for a, b in itertools.pairwise(lons)), default=0)
    return lons[-1] - lons[0] > 180 and gap > 360 - (lons[-1] - lons[0])


def _east(rings: Iterable[_Ring]) -> list[_Ring]:
    """Return rings with longitudes of 0..360."""
    return [[(lon + 360 if lon < 0 else lon, lat) for lon, lat in ring] for ring in rings]
