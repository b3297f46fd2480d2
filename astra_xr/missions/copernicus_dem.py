"""Copernicus DEM: heights of the earth's surface, GLO-30 and GLO-90, in tiles of one degree.

Heights are meters above the EGM2008 geoid, float32, without a nodata number: ESA and Airbus,
"Copernicus DEM Product Handbook" 5.0. There are no tiles over the open sea.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from astra_xr.missions.base import IdForm, Item, Mission
from astra_xr.model import Band

_TILE = re.compile(
    r"COPERNICUS_DSM_(?:COG_)?(?P<spacing>10|30)_(?P<lat>[NS]\d{2})_00_(?P<lon>[EW]\d{3})_00"
    r"(?:_DEM)?"
)


def table(parts: Mapping[str, str]) -> tuple[Band, ...]:
    """Return the band, of 30 or 90 m: ids contain the spacing in tenths of arc seconds."""
    gsd = 90 if parts.get("spacing") == "30" else 30
    return (
        Band(
            native="data",
            title="Height above the EGM2008 geoid",
            spellings=("dem", "elevation", "height"),
            gsd=gsd,
            role="elevation",
            dtype="float32",
            unit="m",
        ),
    )


def describe(item: Item) -> Mapping[str, str]:
    """Read spacing and corner from an item's id."""
    match = _TILE.fullmatch(str(item.get("id", "")).upper())
    if not match:
        return {}
    parts = match.groupdict()
    name = "Copernicus_DSM_COG_{spacing}_{lat}_00_{lon}_00_DEM".format(**parts)
    return {**parts, "product": name}


MISSION = Mission(
    name="copernicus-dem",
    title="Copernicus DEM",
    id_forms=(
        IdForm(name="tile", pattern=_TILE, example="Copernicus_DSM_COG_10_N38_00_W123_00_DEM"),
    ),
    table=table,
    describe=describe,
    acquisition=("spacing", "lat", "lon"),
)
