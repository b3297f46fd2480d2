"""NAIP: aerial photographs of the United States, four bands in one file, 0.3 to 1 m.

Names: USDA, "National Agriculture Imagery Program, Imagery Specifications". Its numbers are
enhanced for display and cannot be converted to reflectance. Band centers are those of the Leica
ADS camera of most flights; other cameras differ by a few hundredths of a micrometer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from astra_xr.missions.base import OPTICAL_PRESETS, IdForm, Item, Mission
from astra_xr.model import Band

_SCENE = re.compile(
    r"(?:(?P<state>[A-Z]{2})_)?M_(?P<quad>(?P<lat>\d{2})(?P<lon>\d{3})(?P<cell>\d{2}))"
    r"_(?P<quarter>NE|NW|SE|SW)_(?P<zone>\d{1,2})_(?P<size>\d{1,3}|H)_(?P<day>\d{8})"
    r"(?:_(?P<made>\d{8}))?"
)


BANDS: tuple[Band, ...] = (
    Band(
        native="image",
        title="Aerial photograph",
        role="data",
        dtype="uint8",
        planes=tuple(
            Band(
                native=native,
                common=native.lower(),
                title=title,
                wavelength=wavelength,
                symbol=native[0],
                dtype="uint8",
            )
            for native, title, wavelength in (
                ("Red", "Red", 0.635),
                ("Green", "Green", 0.56),
                ("Blue", "Blue", 0.46),
                ("NIR", "Near infrared", 0.86),
            )
        ),
    ),
)


def describe(item: Item) -> Mapping[str, str]:
    """Read state, quarter quadrangle, zone, pixel size and dates from an item's id."""
    name = str(item.get("id", ""))
    match = _SCENE.fullmatch(name.upper())
    if not match:
        return {}
    return {**MISSION.parts(match), "product": name.lower()}


MISSION = Mission(
    name="naip",
    title="NAIP",
    id_forms=(
        IdForm(
            name="photograph", pattern=_SCENE, example="id_m_4611606_ne_11_060_20231117_20240103"
        ),
    ),
    presets=OPTICAL_PRESETS,
    table=lambda parts: BANDS,
    describe=describe,
    acquisition=("quad", "quarter", "zone", "size", "day"),
    version=("made",),
)
