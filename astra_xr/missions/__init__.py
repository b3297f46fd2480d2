"""The missions: data of each, one module a mission, and this registry of them."""

from __future__ import annotations

from astra_xr.missions import landsat, sentinel2
from astra_xr.missions.base import Correction, IdForm, Item, Mission
from astra_xr.missions.items import clean_item

MISSIONS: dict[str, Mission] = {
    mission.name: mission for mission in (sentinel2.MISSION, landsat.MISSION)
}
"""Every mission, by the name that begins its scene ids."""

__all__ = ["MISSIONS", "Correction", "IdForm", "Item", "Mission", "clean_item", "mission_of"]


def mission_of(item: Item) -> Mission | None:
    """Return the mission that took an item's scene; None where none of ours did.

    Examples
    --------
    >>> mission_of({"id": "LC08_L2SP_044034_20171020_02_T1"}).name
    'landsat'
    """
    return next((m for m in MISSIONS.values() if m.describe(item)), None)
