"""Sentinel-2 MSI, levels 1C and 2A.

Band centers and widths: ESA, Sentinel-2 MSI Technical Guide (values as published by the STAC
catalogs). Level 1C is top-of-atmosphere reflectance, of the same bands and B10.
Radiometry: ESA, "Sentinel-2 Products Specification Document" 14.9: since processing baseline
04.00, 1000 is added to all stored reflectance numbers. Scene classes: ESA, Level-2A Algorithm
Theoretical Basis Document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from astra_xr.errors import InvalidItem
from astra_xr.missions.base import OPTICAL_PRESETS, Correction, IdForm, Item, Mission, spectral_band
from astra_xr.missions.recognition import agreed, bands_in, day_of, instruments_of, is_of, read
from astra_xr.model import PROBABILITY_ROLE, Band, ClassValue

_PLATFORM = r"(?P<platform>S2[A-D])"
_TILE = r"(?P<tile>\d{2}[A-Z]{3})"
# Earth Search writes zones 1 to 9 with one digit.
_SHORT_TILE = r"(?P<tile>\d{1,2}[A-Z]{3})"
_START = r"(?P<start>(?P<day>\d{8})T\d{6})"

_PRODUCT = re.compile(
    rf"{_PLATFORM}_MSIL(?P<level>1C|2A)_{_START}"
    rf"(?:_N(?P<baseline>\d{{4}})(?:_R(?P<orbit>\d{{3}})(?:_T{_TILE}"
    r"(?:_(?P<generation>\d{8}T\d{6}))?)?)?)?"
)
# The product id without its baseline.
_NO_BASELINE = re.compile(
    rf"{_PLATFORM}_MSIL(?P<level>1C|2A)_{_START}"
    rf"_R(?P<orbit>\d{{3}})(?:_T{_TILE}(?:_(?P<generation>\d{{8}}T\d{{6}}))?)?"
)
_EARTH_SEARCH = re.compile(
    rf"{_PLATFORM}_{_SHORT_TILE}_(?P<day>\d{{8}})_(?P<sequence>\d+)_L(?P<level>1C|2A)"
)
_EARTH_SEARCH_C1 = re.compile(
    rf"{_PLATFORM}_T{_SHORT_TILE}_(?P<datastrip>(?P<day>\d{{8}})T\d{{6}})_L(?P<level>1C|2A)"
)

SCENE_CLASSES = tuple(
    ClassValue(value=value, name=name, color=color)
    for value, name, color in (
        (0, "no_data", "#000000"),
        (1, "saturated_or_defective", "#ff0000"),
        (2, "dark_area", "#2f2f2f"),
        (3, "cloud_shadow", "#643200"),
        (4, "vegetation", "#00a000"),
        (5, "not_vegetated", "#ffe65a"),
        (6, "water", "#0000ff"),
        (7, "unclassified", "#808080"),
        (8, "cloud_medium_probability", "#c0c0c0"),
        (9, "cloud_high_probability", "#ffffff"),
        (10, "thin_cirrus", "#64c8ff"),
        (11, "snow", "#ff96ff"),
    )
)


_band = partial(spectral_band, role="reflectance", dtype="uint16", nodata=0, scale=1e-4, unit="1")

BANDS: tuple[Band, ...] = (
    _band("B01", "coastal", "Coastal aerosol", 0.443, 0.027, 60, "A"),
    _band("B02", "blue", "Blue", 0.490, 0.098, 10, "B"),
    _band("B03", "green", "Green", 0.560, 0.045, 10, "G"),
    _band("B04", "red", "Red", 0.665, 0.038, 10, "R"),
    _band("B05", "rededge071", "Red edge 1", 0.704, 0.019, 20, "RE1", ("rededge1",), ("rededge",)),
    _band("B06", "rededge075", "Red edge 2", 0.740, 0.018, 20, "RE2", ("rededge2",), ("rededge",)),
    _band("B07", "rededge078", "Red edge 3", 0.783, 0.028, 20, "RE3", ("rededge3",), ("rededge",)),
    _band("B08", "nir", "Near infrared", 0.842, 0.145, 10, "N"),
    _band("B8A", "nir08", "Narrow near infrared", 0.865, 0.033, 20, "N2", ("B08A",)),
    _band("B09", "nir09", "Water vapor", 0.945, 0.026, 60, "WV"),
    _band("B10", "cirrus", "Cirrus", 1.3735, 0.075, 60, None),
    _band("B11", "swir16", "Short-wave infrared 1.6", 1.610, 0.143, 20, "S1"),
    _band("B12", "swir22", "Short-wave infrared 2.2", 2.190, 0.242, 20, "S2"),
    Band(
        native="AOT",
        title="Aerosol optical thickness",
        spellings=("aerosol_optical_thickness",),
        role="aerosol",
        gsd=20,
        dtype="uint16",
        nodata=0,
        scale=1e-3,
        unit="1",
    ),
    Band(
        native="WVP",
        title="Water vapor",
        spellings=("water_vapour",),
        gsd=20,
        dtype="uint16",
        nodata=0,
        scale=1e-3,
        unit="cm",
    ),
    Band(
        native="SCL",
        title="Scene classification",
        gsd=20,
        role="class",
        dtype="uint8",
        nodata=0,
        classes=SCENE_CLASSES,
    ),
    Band(
        native="TCI",
        title="True-color image",
        spellings=("visual",),
        gsd=10,
        role="visual",
        dtype="uint8",
        nodata=0,
        planes=tuple(Band(native=name, role="visual") for name in ("red", "green", "blue")),
    ),
)

# Sen2Cor's quality indicators CLD and SNW: "raster mask values range from 0 for high confidence
# clear sky to 100 for high confidence cloudy", and the same of snow and ice (ESA, Level-2A product
# format). Earth Search calls 0 nodata in its items, and its converter copies that into the COGs'
# tags, but 0 % is what most pixels are. No pixel is 255: it fills where a stack has no file.
PROBABILITIES: tuple[Band, ...] = tuple(
    Band(
        native=native,
        title=title,
        role=PROBABILITY_ROLE,
        gsd=20,
        dtype="uint8",
        nodata=255,
        unit="%",
    )
    for native, title in (("cloud", "Cloud probability"), ("snow", "Snow probability"))
)


def describe(item: Item) -> Mapping[str, str]:
    """Read platform, level, start, tile, orbit, baseline and generation from an item.

    From its product id or its own; else from its properties, if they agree.
    """
    properties = item.get("properties", {})
    product = str(properties.get("s2:product_uri") or properties.get("sentinel:product_id") or "")
    for text in (product, str(item.get("id", ""))):
        upper = text.upper().removesuffix(".SAFE")
        for pattern in (_PRODUCT, _NO_BASELINE, _EARTH_SEARCH, _EARTH_SEARCH_C1):
            match = pattern.fullmatch(upper)
            if match:
                parts = MISSION.parts(match)
                baseline = _baseline(item)
                if baseline and "baseline" not in parts:
                    parts["baseline"] = baseline.replace(".", "")
                return {**parts, "product": upper}
    return _by_properties(item)


_OFFSETS = (0.0, -0.1)
"""Offsets of reflectance in items."""
_SATELLITE = re.compile(r"S(?:ENTINEL)?[-_ ]?2([A-D])")
_NAMES = {"platform": _SATELLITE, "constellation": re.compile(r"(SENTINEL[-_ ]?2)")}
_GRANULE = re.compile(
    r"S2([A-D])_(?:OPER|USER)_MSI_L(1C|2A)_(?:TL|DS)_\w{4}_\w+?"
    r"(?:_T(\d{2}[A-Z]{3}))?(?:_N(\d{2}\.\d{2}))?"
)
_LEVEL = re.compile(r"(?:S2MSI|L|LEVEL-?)(1C|2A)")
_MGRS = re.compile(r"(?:MGRS-)?(\d{1,2}[A-Z]{3})")


def _by_properties(item: Item) -> Mapping[str, str]:
    """Read the parts of an item whose id has no known form; empty unless they are certain.

    It is ESA's own product, by product type or granule id and by baseline; satellite, level, tile
    and day are unambiguous; and its assets hold the bands of that level.
    """
    properties = item.get("properties", {})
    granules = _granules(item)
    satellite = agreed(
        *read(_SATELLITE, properties.get("platform")), *(each[1] for each in granules)
    )
    types = [
        properties.get(name) for name in ("s2:product_type", "product:type", "processing:level")
    ]
    level = agreed(*read(_LEVEL, *types), *(each[2] for each in granules))
    if not (satellite and level):
        return {}
    grids = (properties.get(name) for name in ("grid:code", "s2:mgrs_tile"))
    tiles = [*(each.zfill(5) for each in read(_MGRS, *grids)), *(each[3] for each in granules)]
    tile, day, baseline = agreed(*tiles), day_of(item), _baseline(item)
    esa = granules or any(str(each).upper().startswith("S2MSI") for each in types)
    if not (day and baseline and esa) or (tiles and not tile):
        return {}
    if not _agrees(item) or not _is_level(item, level):
        return {}
    name = str(item.get("id"))
    parts = {"platform": f"S2{satellite}", "level": level, "day": day, "tile": tile}
    own = {"baseline": baseline.replace(".", ""), "product": name, "item": name}
    return {key: value for key, value in parts.items() if value} | own


def _granules(item: Item) -> list[re.Match[str]]:
    """Return the ids of ESA's granule and datastrip that an item has."""
    properties = item.get("properties", {})
    names = [item.get("id"), *(properties.get(name) for name in ("s2:tile_id", "s2:datastrip_id"))]
    return [match for each in names if (match := _GRANULE.fullmatch(str(each).upper()))]


def _agrees(item: Item) -> bool:
    """Return True if platform, constellation and instruments, as far as known, are Sentinel-2's."""
    properties, instruments = item.get("properties", {}), instruments_of(item)
    given = [
        (pattern, properties[name]) for name, pattern in _NAMES.items() if properties.get(name)
    ]
    fits = all([*read(pattern, value)] for pattern, value in given)
    return fits and instruments <= {"MSI"} and bool(given or instruments)


def _is_level(item: Item, level: str) -> bool:
    """Return True if assets hold the bands of a level: 2A has no B10, 1C no classes."""
    strange = {"B10"} if level == "2A" else {"SCL", "AOT", "WVP"}
    return is_of(item, BANDS, _OFFSETS) and strange.isdisjoint(bands_in(item, BANDS))


_LONGEST = timedelta(minutes=45)
"""Upper limit of the time from the start of sensing to its last tile or datastrip. It is less than
half an orbit, after which the platform may see the same tile again."""


def sensing_starts(parts: Mapping[str, str]) -> tuple[datetime, datetime]:
    """Return the earliest and latest sensing start, UTC, that an id allows.

    Product ids contain the start to the second. Earth Search ids contain the day of the tile's own
    time, or the start of the datastrip, which is seconds before or minutes after the sensing start.
    """
    if "start" in parts:
        start = _time(parts["start"])
        return start, start + timedelta(seconds=1)
    if "datastrip" in parts:
        strip = _time(parts["datastrip"])
        return strip - _LONGEST, strip + timedelta(minutes=1)
    day = _time(f"{parts['day']}T000000")
    return day - _LONGEST, day + timedelta(days=1)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _fits(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    try:
        first, last = sensing_starts(wanted)
        earliest, latest = sensing_starts(found)
    except (ValueError, OverflowError):
        return False
    return first <= latest and earliest <= last


def _baselines(item: Item) -> Iterator[tuple[str, str]]:
    """Yield the processing baselines of an item, as ``NN.NN``, each with the name of its field."""
    properties = item.get("properties", {})
    for name in ("s2:processing_baseline", "sentinel:processing_baseline"):
        if match := _NUMBER.fullmatch(str(properties.get(name))):
            yield f"{int(match[1]):02d}.{match[2]:0<2}", name
    names = ("s2:product_uri", "sentinel:product_id")
    for name, text in (*((name, properties.get(name)) for name in names), ("id", item.get("id"))):
        if match := re.search(r"_N(\d{2})(\d{2})_", str(text)):
            yield f"{match[1]}.{match[2]}", name
    yield from ((each[4], "s2:tile_id") for each in _granules(item) if each[4])
    # Elsewhere it may be the version of other software.
    if match := _NUMBER.fullmatch(str(properties.get("processing:version"))):
        yield f"{int(match[1]):02d}.{match[2]:0<2}", "processing:version"


_NUMBER = re.compile(r"(\d{1,2})\.(\d{1,2})")


def _baseline(item: Item) -> str | None:
    return next((baseline for baseline, _ in _baselines(item)), None)


_SHIFTED = "04.00"
"""The first baseline of shifted numbers."""


def correction(item: Item) -> Correction | None:
    """Return the reflectance offset of the item's processing baseline; None if it is unknown.

    Raises
    ------
    InvalidItem
        The item has several baselines, of which only some are shifted.
    """
    baselines = [(each, name) for each, name in _baselines(item) if name != "processing:version"]
    baselines = baselines or [*_baselines(item)]
    if not baselines:
        return None
    baseline, place = baselines[0]
    for other, name in baselines[1:]:
        if (other >= _SHIFTED) != (baseline >= _SHIFTED):
            raise InvalidItem(
                item=str(item.get("id")),
                reason=f"its {place} has baseline {baseline}, but its {name} has {other}, and only "
                "one of them adds 1000 to the stored numbers. Open it from another catalog=, or "
                "with radiometry='file' or 'raw'",
            )
    offset = -0.1 if baseline >= _SHIFTED else 0.0
    return Correction(offset=offset, reason=f"baseline {baseline}")


MISSION = Mission(
    name="sentinel-2",
    title="Sentinel-2",
    id_forms=(
        IdForm(
            name="product",
            pattern=_PRODUCT,
            example="S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000",
        ),
        IdForm(
            name="planetary-computer",
            pattern=_NO_BASELINE,
            example="S2B_MSIL2A_20250115T184929_R113_T10SEG_20250115T210000",
        ),
        IdForm(name="earth-search", pattern=_EARTH_SEARCH, example="S2B_10SEG_20250115_0_L2A"),
        IdForm(
            name="earth-search-c1",
            pattern=_EARTH_SEARCH_C1,
            example="S2B_T10SEG_20250115T185934_L2A",
        ),
    ),
    presets=OPTICAL_PRESETS,
    table=lambda parts: BANDS,
    unlisted=PROBABILITIES,
    cloud_probability="cloud",  # at Earth Search: JPEG 2000 before Collection 1
    describe=describe,
    acquisition=("platform", "start", "orbit", "tile"),
    fits=_fits,
    version=("baseline", "generation", "sequence"),
    widths={"tile": 5},
    correction=correction,
    masks={
        "SCL": {
            "clouds": ("cloud_medium_probability", "cloud_high_probability"),
            "shadows": ("cloud_shadow",),
            "cirrus": ("thin_cirrus",),
            "snow": ("snow",),
            "water": ("water",),
        }
    },
)
