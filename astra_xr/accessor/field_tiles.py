"""The tile that each field is read from on each day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from astra_xr.catalogs.footprints import footprint
from astra_xr.geometry import flat_box
from astra_xr.resolver.search_rows import Row
from astra_xr.scenes.time_steps import solar_day

_WHOLE = 0.99
"""Fraction of a field above which a tile is taken to cover it."""

_WORLD = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True)
class TileDay:
    """The scenes of one tile, or of several, that cover some fields best on one day."""

    day: date
    tiles: tuple[str, ...]
    """Several if none of them covers the fields, but each a part."""

    rows: list[Row]
    members: list[int]
    """Numbers of the fields."""


def choose_tiles(rows: list[Row], lonlat: npt.NDArray[Any]) -> list[TileDay]:
    """Choose a tile for each field and day, or several if none covers the field."""
    days = [_day_of(row) for row in rows]
    footprints = footprints_of(rows)
    fractions = covered_fractions(footprints, lonlat)
    found: dict[tuple[date, tuple[str, ...]], TileDay] = {}
    for number, fraction in enumerate(fractions):
        scenes: dict[tuple[date, str], list[int]] = {}
        for index in np.flatnonzero(fraction):
            scenes.setdefault((days[index], rows[index].tile), []).append(int(index))
        by_day: dict[date, dict[str, float]] = {}
        for (day, tile), own in scenes.items():
            by_day.setdefault(day, {})[tile] = _covered(
                footprints[own], fraction[own], lonlat[number]
            )
        whole = Counter(tile for tiles in by_day.values() for tile in tiles if tiles[tile] > _WHOLE)
        zone = _zone_of(lonlat[number])
        for day, tiles in by_day.items():
            ranked = sorted(
                tiles,
                key=lambda tile: (
                    min(round(tiles[tile], 2), 1), whole[tile], tile[:2] == zone, tile
                ),
                reverse=True,
            )  # fmt: skip
            chosen = tuple(ranked[:1])
            if len(ranked) > 1 and tiles[ranked[0]] < _WHOLE:
                parts = {tile: footprints[scenes[day, tile]] for tile in ranked}
                chosen = _joined_tiles(parts, lonlat[number])
            if (day, chosen) not in found:
                pairs = zip(rows, days, strict=True)
                of_day = [row for row, its in pairs if its == day and row.tile in chosen]
                found[day, chosen] = TileDay(day, chosen, of_day, [])
            found[day, chosen].members.append(number)
    return list(found.values())


def _covered(footprints: npt.NDArray[Any], fractions: npt.NDArray[np.float64], shape: Any) -> float:
    """Return the fraction of a field that scenes cover together, from that of each."""
    if len(footprints) == 1 or fractions.max() > _WHOLE:
        return float(fractions.max())
    return float(
        covered_fractions(np.array([shapely.union_all(footprints)]), np.array([shape]))[0, 0]
    )


def _joined_tiles(parts: dict[str, npt.NDArray[Any]], shape: Any) -> tuple[str, ...]:
    """Return the tiles, the best first, that each add to the covered part of a field."""
    chosen: list[str] = []
    covered, seen = shapely.Polygon(), 0.0
    for tile, footprints in parts.items():
        more = shapely.intersection(shapely.union_all([covered, *footprints]), shape)
        if shapely.area(more) > seen + (1 - _WHOLE) * shapely.area(shape) or not chosen:
            chosen.append(tile)
            covered, seen = more, shapely.area(more)
    return tuple(chosen)


def footprints_of(rows: list[Row]) -> npt.NDArray[Any]:
    """Return the footprint of each scene in degrees; the whole world if it reports none."""
    footprints = np.array(
        [footprint({"geometry": row.geometry, "bbox": row.bbox}) or _WORLD for row in rows], object
    )
    shapely.prepare(footprints)
    return footprints


def covered_fractions(
    footprints: npt.NDArray[Any], lonlat: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return the fraction of each field that each footprint covers, (fields, scenes)."""
    fractions: npt.NDArray[np.float64] = shapely.covers(footprints, lonlat[:, None]).astype(float)
    cut = shapely.intersects(footprints, lonlat[:, None]) & (fractions == 0)
    for field, row in np.argwhere(cut):
        part = shapely.intersection(footprints[row], lonlat[field])
        fractions[field, row] = shapely.area(part) / max(shapely.area(lonlat[field]), 1e-300)
    return fractions


def _day_of(row: Row) -> date:
    """Return the solar day of a scene."""
    west, _, east, _ = flat_box(row.bbox) or (0.0, 0.0, 0.0, 0.0)
    return solar_day(pd.Timestamp(row.datetime).tz_localize(None), west, east)


def _zone_of(shape: Any) -> str:
    """Return the UTM zone of a field, with which the names of MGRS tiles begin."""
    if shape is None or shape.is_empty:
        return ""
    return f"{int((shape.centroid.x + 180) // 6) % 60 + 1:02d}"
