"""Sentinel-1 RTC: radiometrically terrain-corrected backscatter, produced by Catalyst.

Values are gamma naught in linear power, not decibels: Planetary Computer, "Sentinel 1
Radiometrically Terrain Corrected (RTC)". Product names: ESA, "Sentinel-1 Product Specification"
(S1-RS-MDA-52-7441).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from astra_xr.missions.base import IdForm, Item, Mission
from astra_xr.model import Band

_SCENE = re.compile(
    r"(?P<platform>S1[A-D])_(?P<mode>IW|EW|SM)_(?P<product_type>GRD[FHM])"
    r"_(?P<polarization>1S(?:SH|SV|DH|DV))"
    r"_(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})_(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})"
    # The last part is the GRD product's own; RTC ids lack it.
    r"(?:_(?P<unique>[0-9A-F]{4}))?(?P<rtc>_RTC)?"
)

BANDS: tuple[Band, ...] = tuple(
    Band(
        native=name,
        title=f"Gamma naught, {sent} transmit, {received} receive",
        spellings=(f"gamma0_{name}",),
        gsd=10,
        role="backscatter",
        symbol=name.upper(),
        dtype="float32",
        nodata=-32768,
        unit="1",
    )
    for name, sent, received in (
        ("vv", "vertical", "vertical"),
        ("vh", "vertical", "horizontal"),
        ("hh", "horizontal", "horizontal"),
        ("hv", "horizontal", "vertical"),
    )
)


def describe(item: Item) -> Mapping[str, str]:
    """Read platform, mode, times, orbit and datatake from an RTC item's id; empty for GRD."""
    match = _SCENE.fullmatch(str(item.get("id", "")).upper())
    if not match or not match["rtc"]:
        return {}
    parts = MISSION.parts(match)
    del parts["rtc"]
    return {**parts, "product": match[0].replace("_RTC", "_rtc")}


MISSION = Mission(
    name="sentinel-1-rtc",
    title="Sentinel-1 RTC",
    id_forms=(
        IdForm(
            name="rtc",
            pattern=_SCENE,
            example="S1A_IW_GRDH_1SDV_20240419T045749_20240419T045814_053498_067DF2_rtc",
        ),
    ),
    table=lambda parts: BANDS,
    describe=describe,
    acquisition=("platform", "mode", "polarization", "start", "stop", "orbit", "datatake"),
)
