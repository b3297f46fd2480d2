"""The registry of missions; each mission has a module of data."""

from __future__ import annotations

import re

from astra_xr.missions import copernicus_dem, hls, landsat, naip, sentinel1_rtc, sentinel2
from astra_xr.missions.base import Correction, Factors, IdForm, Item, Mission, Sidecar
from astra_xr.missions.items import clean_item

MISSIONS: dict[str, Mission] = {
    module.MISSION.name: module.MISSION
    for module in (sentinel2, landsat, hls, sentinel1_rtc, naip, copernicus_dem)
}
"""All missions, by the prefix of their scene ids."""

__all__ = [
    "MISSIONS",
    "Correction",
    "Factors",
    "IdForm",
    "Item",
    "Mission",
    "Sidecar",
    "clean_item",
    "mission_of",
    "read_mission",
]

_SHORT = {"s2": "sentinel-2"}
_SPELLINGS = {**{name.replace("-", ""): name for name in MISSIONS}, **_SHORT}


def read_mission(name: str) -> Mission | None:
    """Return a mission by its name in any case, with or without hyphens; None if there is none.

    Examples
    --------
    >>> [read_mission(name).name for name in ("sentinel-2", "Sentinel2", "SENTINEL_2", "s2")]
    ['sentinel-2', 'sentinel-2', 'sentinel-2', 'sentinel-2']
    """
    bare = re.sub("[-_ ]", "", name.casefold())
    return MISSIONS[_SPELLINGS[bare]] if bare in _SPELLINGS else None


def mission_of(item: Item) -> Mission | None:
    """Return the mission of an item; None if it is not one of ours.

    Examples
    --------
    >>> mission_of({"id": "LC08_L2SP_044034_20171020_02_T1"}).name
    'landsat'
    """
    return next((m for m in MISSIONS.values() if m.describe(item)), None)
