"""Harmonized Landsat Sentinel-2 (HLS): L30 of Landsat 8 and 9, S30 of Sentinel-2, 30 m.

Bands, scales, fill values and the bits of Fmask: NASA LP DAAC, "Harmonized Landsat Sentinel-2
(HLS) Product User Guide", versions 1.5 and 2.0; centers and widths of S30 as published by the
Planetary Computer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from astra_xr.missions.base import OPTICAL_PRESETS, Correction, IdForm, Item, Mission, spectral_band
from astra_xr.missions.recognition import instruments_of, is_of
from astra_xr.model import Band, ClassValue

_GRANULE = re.compile(
    r"HLS\.(?P<sensor>[LS]30)\.T(?P<tile>\d{2}[A-Z]{3})\.(?P<start>\d{7}T\d{6})"
    r"(?:\.V(?P<version>\d\.\d))?"
)


_band = partial(
    spectral_band, role="reflectance", dtype="int16", nodata=-9999, scale=1e-4, unit="1"
)
# Stored in hundredths of a degree Celsius.
_thermal = partial(
    spectral_band, role="thermal", dtype="int16", nodata=-9999, scale=0.01, offset=273.15, unit="K"
)

_FMASK_BITS = ("cirrus", "cloud", "adjacent_to_cloud", "cloud_shadow", "snow_or_ice", "water")
_AEROSOL = ("climatology", "low", "moderate", "high")

FMASK_FLAGS = (
    *(ClassValue(value=1 << bit, name=name, mask=1 << bit) for bit, name in enumerate(_FMASK_BITS)),
    *(
        ClassValue(value=level << 6, name=f"aerosol_{name}", mask=0b11 << 6)
        for level, name in enumerate(_AEROSOL)
    ),
)

_SHARED: tuple[Band, ...] = (
    Band(
        native="Fmask",
        title="Cloud, shadow, snow and water mask",
        gsd=30,
        role="mask",
        dtype="uint8",
        nodata=255,
        classes=FMASK_FLAGS,
    ),
    *(
        Band(
            native=native,
            title=title,
            gsd=30,
            role="angle",
            dtype="uint16",
            nodata=40000,
            scale=0.01,
            unit="degree",
        )
        for native, title in (
            ("SZA", "Sun zenith angle"),
            ("SAA", "Sun azimuth angle"),
            ("VZA", "View zenith angle"),
            ("VAA", "View azimuth angle"),
        )
    ),
)

L30_BANDS: tuple[Band, ...] = (
    _band("B01", "coastal", "Coastal aerosol", 0.443, 0.02, 30, "A"),
    _band("B02", "blue", "Blue", 0.482, 0.06, 30, "B"),
    _band("B03", "green", "Green", 0.561, 0.06, 30, "G"),
    _band("B04", "red", "Red", 0.655, 0.04, 30, "R"),
    _band("B05", "nir08", "Narrow near infrared", 0.865, 0.03, 30, "N", ("nir",)),
    _band("B06", "swir16", "Short-wave infrared 1.6", 1.609, 0.08, 30, "S1"),
    _band("B07", "swir22", "Short-wave infrared 2.2", 2.201, 0.18, 30, "S2"),
    _band("B09", "cirrus", "Cirrus", 1.373, 0.02, 30, None),
    _thermal("B10", "lwir11", "Thermal infrared 1", 10.9, 0.59, 30, "T1"),
    _thermal("B11", "lwir12", "Thermal infrared 2", 12.0, 1.01, 30, "T2"),
    *_SHARED,
)

_RED_EDGE = ("rededge",)

S30_BANDS: tuple[Band, ...] = (
    _band("B01", "coastal", "Coastal aerosol", 0.4439, 0.027, 30, "A"),
    _band("B02", "blue", "Blue", 0.4966, 0.098, 30, "B"),
    _band("B03", "green", "Green", 0.56, 0.045, 30, "G"),
    _band("B04", "red", "Red", 0.6645, 0.038, 30, "R"),
    _band("B05", "rededge071", "Red edge 1", 0.7039, 0.019, 30, "RE1", ("rededge1",), _RED_EDGE),
    _band("B06", "rededge075", "Red edge 2", 0.7402, 0.018, 30, "RE2", ("rededge2",), _RED_EDGE),
    _band("B07", "rededge078", "Red edge 3", 0.7825, 0.028, 30, "RE3", ("rededge3",), _RED_EDGE),
    _band("B08", "nir", "Broad near infrared", 0.8351, 0.145, 30, "N"),
    _band("B8A", "nir08", "Narrow near infrared", 0.8648, 0.033, 30, "N2", ("B08A",)),
    _band("B09", "nir09", "Water vapor", 0.945, 0.026, 30, "WV"),
    _band("B10", "cirrus", "Cirrus", 1.3735, 0.075, 30, None),
    _band("B11", "swir16", "Short-wave infrared 1.6", 1.6137, 0.143, 30, "S1"),
    _band("B12", "swir22", "Short-wave infrared 2.2", 2.2024, 0.242, 30, "S2"),
    *_SHARED,
)


def table(parts: Mapping[str, str]) -> tuple[Band, ...]:
    """Return the band table of the product: L30 or S30."""
    return {"S30": S30_BANDS, "L30": L30_BANDS}.get(parts.get("sensor", ""), _SHARED)


def describe(item: Item) -> Mapping[str, str]:
    """Read product, tile, start and version from an item's id, else from its file names.

    CMR's items of version 1.5 have a number of CMR as their id, copies may have any.
    """
    match = _GRANULE.fullmatch(str(item.get("id", "")).upper()) or _by_files(item)
    if not match:
        return {}
    return {**MISSION.parts(match), "product": match[0].replace(".V", ".v")}


def _by_files(item: Item) -> re.Match[str] | None:
    """Return the granule in the names of all rasters; None unless it is certain."""
    hrefs = [str(asset.get("href", "")) for asset in item.get("assets", {}).values()]
    files = (href.partition("?")[0].rpartition("/")[2].upper() for href in hrefs)
    rasters = [file for file in files if file.endswith(".TIF")]
    found = {match[0]: match for file in rasters if (match := _GRANULE.match(file))}
    named = len(found) == 1 and all(_GRANULE.match(file) for file in rasters)
    match = next(iter(found.values())) if named else None
    if match is None or not _agrees(item, match["sensor"]):
        return None
    bands = table({"sensor": match["sensor"]})
    return match if is_of(item, bands) else None


def _agrees(item: Item, sensor: str) -> bool:
    """Return True unless platform or instruments are those of the other product."""
    platform = str(item.get("properties", {}).get("platform") or "").upper()
    satellites, others = {
        "L30": (r"LANDSAT[-_ ]?[89]", {"MSI"}),
        "S30": (r"SENTINEL[-_ ]?2[A-D]", {"OLI", "TIRS"}),
    }[sensor]
    fits = not platform or re.fullmatch(satellites, platform) is not None
    return fits and others.isdisjoint(instruments_of(item))


def correction(item: Item) -> Correction | None:
    """Return a zero offset: HLS stores unshifted reflectance."""
    version = describe(item).get("version")
    return Correction(offset=0.0, reason=f"HLS {'v' + version if version else ''}".strip())


MISSION = Mission(
    name="hls",
    title="HLS",
    id_forms=(
        IdForm(name="granule", pattern=_GRANULE, example="HLS.S30.T10SEG.2025015T184929.v2.0"),
    ),
    presets=OPTICAL_PRESETS,
    table=table,
    describe=describe,
    acquisition=("sensor", "tile", "start"),
    version=("version",),
    correction=correction,
    masks={
        "Fmask": {
            "clouds": ("cloud", "adjacent_to_cloud"),
            "shadows": ("cloud_shadow",),
            "cirrus": ("cirrus",),
            "snow": ("snow_or_ice",),
            "water": ("water",),
        }
    },
)
