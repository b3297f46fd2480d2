"""Landsat Collection 2: Level 2 of Landsat 4 to 9, Level 1 of Landsat 1 to 9.

Level 1 holds digital numbers; the scene's MTL file has the factors for reflectance or radiance:
USGS, "Using the USGS Landsat Level-1 Data Product". The MTL's reflectance is not corrected for
the sun's elevation; dividing by its sine does that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from astra_xr.missions.base import (
    OPTICAL_PRESETS,
    Correction,
    Factors,
    IdForm,
    Item,
    Mission,
    Sidecar,
)
from astra_xr.missions.landsat_bands import (
    EARLY_MSS_BANDS,
    ETM_LEVEL1,
    MSS_BANDS,
    OLI_BANDS,
    OLI_LEVEL1,
    QUALITY_BANDS,
    TM_BANDS,
    TM_LEVEL1,
)
from astra_xr.missions.recognition import agreed, day_of, instruments_of, is_of, read
from astra_xr.model import Band

# The Multispectral Scanner (LM) has no Level 2.
_HEAD = (
    r"(?P<sensor>L[COTE]0[45789]|LM0[1-5](?=_L1))_(?P<level>L2S[PR]|L1(?:TP|GT|GS))"
    r"_(?P<path>\d{3})(?P<row>\d{3})_(?P<day>\d{8})"
)
_TAIL = r"_(?P<collection>02)(?:_(?P<tier>T[12]|RT)(?:_S[RT])?)?"
_PRODUCT = re.compile(rf"{_HEAD}(?:_(?P<processed>\d{{8}})(?:{_TAIL})?)?")
# The product id without its processing date.
_NO_PROCESSED = re.compile(rf"{_HEAD}{_TAIL}")


def table(parts: Mapping[str, str]) -> tuple[Band, ...]:
    """Return the band table of a sensor and level; without a sensor, the bands that all share."""
    sensor, level1 = parts.get("sensor", ""), parts.get("level", "").startswith("L1")
    if not sensor:
        return QUALITY_BANDS
    if sensor.startswith("LM"):
        return MSS_BANDS if sensor[-1] in "45" else EARLY_MSS_BANDS
    if sensor[-1:] in ("8", "9"):
        return OLI_LEVEL1 if level1 else OLI_BANDS
    if level1:
        return ETM_LEVEL1 if sensor.startswith("LE") else TM_LEVEL1
    return TM_BANDS


def describe(item: Item) -> Mapping[str, str]:
    """Read sensor, level, path, row, day, processing date and tier from an item.

    From its id; else from its properties, if they agree.
    """
    name = str(item.get("id", "")).upper()
    match = _NO_PROCESSED.fullmatch(name) or _PRODUCT.fullmatch(name)
    if match:
        return {**MISSION.parts(match), "product": re.sub(r"_S[RT]$", "", name)}
    own = _by_own_id(name) or _by_properties(item)
    return {**own, "product": str(item["id"]), "item": str(item["id"])} if own else {}


# Scenes in Albers projection (tiers A1, A2), and the tiles of U.S. Analysis Ready Data (USGS,
# LSDS-1435): other grids, which only their own collections have. TA and BT are of the top of the
# atmosphere.
_ALBERS = re.compile(
    rf"{_HEAD}(?:_(?P<processed>\d{{8}}))?_(?P<collection>02)_(?P<tier>A[12])(?:_S[RT])?"
)
_ARD = re.compile(
    r"(?P<sensor>L[COTE]0[45789])_(?P<tile>(?:CU|AK|HI)_\d{6})_(?P<day>\d{8})"
    r"_(?P<processed>\d{8})_(?P<collection>02)_S[RT]"
)


def _by_own_id(name: str) -> dict[str, str]:
    """Read the parts of an id that is in none of our catalogs."""
    match = _ALBERS.fullmatch(name) or _ARD.fullmatch(name)
    if not match:
        return {}
    return {"level": "L2SP"} | MISSION.parts(match)


_SATELLITE = re.compile(r"LANDSAT[-_ ]?([1-9])")
_LEVEL = re.compile(r"(L2S[PR]|L1(?:TP|GT|GS))")
_COLLECTION = re.compile(r"0?([1-9])")
_SENSORS = {
    "C": ({"OLI", "TIRS"}, "89"),
    "O": ({"OLI"}, "89"),
    "T": ({"TM"}, "45"),
    "E": ({"ETM", "ETM+"}, "7"),
    "M": ({"MSS"}, "12345"),
}
"""Letter of a sensor in ids → its instruments, and the satellites that carry it."""


def _by_properties(item: Item) -> dict[str, str]:
    """Read the parts of an item whose id has no known form; empty unless they are certain.

    It has satellite, instruments, level and collection 2, these agree, and its assets hold the
    bands of that level.
    """
    properties = item.get("properties", {})
    satellite = agreed(*read(_SATELLITE, *map(properties.get, ("platform", "eo:platform"))))
    names = ("landsat:correction", "landsat:processing_level", "processing:level")
    level = agreed(*read(_LEVEL, *map(properties.get, names)))
    collection = agreed(*read(_COLLECTION, properties.get("landsat:collection_number")))
    letter, day = _letter(satellite or "", instruments_of(item)), day_of(item)
    if not (satellite and level and letter and day) or collection != "2":
        return {}
    if letter == "M" and level.startswith("L2"):
        return {}
    parts = {"sensor": f"L{letter}0{satellite}", "level": level, "collection": "02", "day": day}
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    if str(path).isdecimal() and str(row).isdecimal():
        parts |= {"path": str(path).zfill(3), "row": str(row).zfill(3)}
    return parts if _is_surface(item, level) and is_of(item, table(parts)) else {}


def _letter(satellite: str, instruments: set[str]) -> str | None:
    fitting = [letter for letter, (names, satellites) in _SENSORS.items()
               if instruments and instruments <= names and satellite in satellites]  # fmt: skip
    # An item with only OLI fits OLI and TIRS too, which have the same bands.
    return fitting[0] if fitting else None


def _is_surface(item: Item, level: str) -> bool:
    """Return False if an item of Level 2 describes the top of the atmosphere."""
    name = f"{item.get('id')} {item.get('collection')}".lower()
    texts = [name, *(str(asset.get("title")) + " " + str(asset.get("description"))
                     for asset in item.get("assets", {}).values())]  # fmt: skip
    top = re.compile(r"[-_](ta|bt|toa)\b|top.of.atmosphere|brightness temperature", re.IGNORECASE)
    return level.startswith("L1") or not any(top.search(text) for text in texts)


def correction(item: Item) -> Correction | None:
    """Return a zero offset: scale and offset of Level 2 are fixed for the collection."""
    return Correction(offset=0.0, reason="Collection 2 Level-2") if describe(item) else None


def mtl_asset(item: Item) -> str | None:
    """Return the key of the item's MTL file in JSON, or None."""
    keys = {str(key).lower(): str(key) for key in item.get("assets", {})}
    return keys.get("mtl.json") or keys.get("mtl_json")


def read_mtl(mtl: Any) -> Mapping[str, Factors]:
    """Read the factors of a Level 1 scene's bands from the JSON of its MTL file.

    Returns
    -------
    mapping of str to Factors
        By native band name: top-of-atmosphere reflectance, corrected for the sun's elevation, if
        the MTL has factors for it, else radiance.
    """
    root = mtl.get("LANDSAT_METADATA_FILE") if isinstance(mtl, Mapping) else None
    sections = root if isinstance(root, Mapping) else {}
    rescaling = sections.get("LEVEL1_RADIOMETRIC_RESCALING")
    image = sections.get("IMAGE_ATTRIBUTES")
    if not isinstance(rescaling, Mapping):
        return {}
    elevation = _number(image, "SUN_ELEVATION") if isinstance(image, Mapping) else None
    return dict(_factors(rescaling, elevation))


def _factors(
    rescaling: Mapping[str, Any], elevation: float | None
) -> Iterator[tuple[str, Factors]]:
    names = {str(key).partition("_BAND_")[2] for key in rescaling if "_BAND_" in str(key)}
    # Best first: kind, divisor, unit, reason.
    kinds = [("RADIANCE", 1.0, "W m-2 sr-1 um-1", "radiance factors of the MTL")]
    if elevation and 0 < elevation <= 90:
        reason = f"reflectance factors of the MTL, sun elevation {elevation:.2f} degrees"
        kinds.insert(0, ("REFLECTANCE", math.sin(math.radians(elevation)), "1", reason))
    for name in sorted(names):
        number, _, rest = name.partition("_")
        if not number.isdecimal():
            continue
        native = f"B{int(number):02d}{'_' + rest if rest else ''}"
        for kind, divisor, unit, reason in kinds:
            scale = _number(rescaling, f"{kind}_MULT_BAND_{name}")
            offset = _number(rescaling, f"{kind}_ADD_BAND_{name}")
            if scale and offset is not None:
                scale, offset = scale / divisor, offset / divisor
                yield native, Factors(scale=scale, offset=offset, unit=unit, reason=reason)
                break


def _number(section: Mapping[str, Any], name: str) -> float | None:
    """Read a number, which an MTL stores as text; None if it is missing or invalid."""
    try:
        number = float(section[name])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


MISSION = Mission(
    name="landsat",
    title="Landsat",
    id_forms=(
        IdForm(
            name="product", pattern=_PRODUCT, example="LC08_L2SP_044034_20171020_20200902_02_T1"
        ),
        IdForm(
            name="no-processing-date",
            pattern=_NO_PROCESSED,
            example="LC08_L2SP_044034_20171020_02_T1",
        ),
    ),
    presets=OPTICAL_PRESETS,
    table=table,
    masks={
        "QA_PIXEL": {
            "clouds": ("cloud", "dilated_cloud"),
            "shadows": ("cloud_shadow",),
            "cirrus": ("cirrus",),
            "snow": ("snow",),
            "water": ("water",),
        }
    },
    describe=describe,
    acquisition=("sensor", "path", "row", "day"),
    version=("tier", "processed"),
    correction=correction,
    sidecar=Sidecar(asset=mtl_asset, read=read_mtl),
)
