"""Landsat 4, 5, 7, 8 and 9, Collection 2 Level 2.

Scale factors, fill values and bit fields: USGS, "Landsat Collection 2 Level-2 Science Product
Guides" (LSDS-1618, LSDS-1619). Band centres and widths: as published by the STAC catalogues.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from astra_xr.missions.base import Correction, IdForm, Item, Mission
from astra_xr.model import Band, ClassValue

_HEAD = (
    r"(?P<sensor>L[COTE]0[45789])_(?P<level>L2S[PR])_(?P<path>\d{3})(?P<row>\d{3})_(?P<day>\d{8})"
)
_TAIL = r"_(?P<collection>02)(?:_(?P<tier>T[12]|RT))?"
_PRODUCT = re.compile(rf"{_HEAD}(?:_(?P<processed>\d{{8}})(?:{_TAIL}(?:_S[RT])?)?)?")
# The product id without its processing date.
_NO_PROCESSED = re.compile(rf"{_HEAD}{_TAIL}")


def _flags(*fields: tuple[str, int, int, tuple[str, ...]]) -> tuple[ClassValue, ...]:
    """Build CF flags of bit fields given as (name, first bit, number of bits, meanings)."""
    return tuple(
        ClassValue(value=number << first, name=meaning, mask=((1 << bits) - 1) << first)
        for _, first, bits, meanings in fields
        for number, meaning in enumerate(meanings)
        if meaning
    )


_CONFIDENCE = ("not_set", "low", "medium", "high")

QA_PIXEL_FLAGS = _flags(
    ("fill", 0, 1, ("", "fill")),
    ("dilated_cloud", 1, 1, ("", "dilated_cloud")),
    ("cirrus", 2, 1, ("", "cirrus")),
    ("cloud", 3, 1, ("", "cloud")),
    ("cloud_shadow", 4, 1, ("", "cloud_shadow")),
    ("snow", 5, 1, ("", "snow")),
    ("clear", 6, 1, ("", "clear")),
    ("water", 7, 1, ("", "water")),
    *(
        (
            name,
            bit,
            2,
            tuple(
                f"{name}_confidence_{level}" if level != "not_set" else "" for level in _CONFIDENCE
            ),
        )
        for name, bit in (("cloud", 8), ("cloud_shadow", 10), ("snow", 12), ("cirrus", 14))
    ),
)


def _reflectance(
    native: str,
    common: str,
    title: str,
    wavelength: float,
    fwhm: float,
    symbol: str | None,
    spellings: tuple[str, ...] = (),
) -> Band:
    return Band(
        native=native,
        common=common,
        title=title,
        wavelength=wavelength,
        fwhm=fwhm,
        gsd=30,
        symbol=symbol,
        spellings=(*_numbered(native), *spellings),
        role="reflectance",
        dtype="uint16",
        nodata=0,
        scale=2.75e-5,
        offset=-0.2,
        unit="1",
    )


def _numbered(native: str) -> tuple[str, ...]:
    number = int(native[1:])
    return tuple(f"{prefix}B{number}" for prefix in ("", "SR_", "OLI_", "ETM_", "TM_"))


def _thermal(native: str, common: str, wavelength: float, fwhm: float, gsd: float) -> Band:
    number = int(native[1:])
    prefixes = ("B", "ST_B", "TIRS_B", "ETM_B", "TM_B")
    return Band(
        native=native,
        common=common,
        title="Surface temperature",
        wavelength=wavelength,
        fwhm=fwhm,
        gsd=gsd,
        symbol="T1" if native == "B10" else "T",
        spellings=tuple(
            name
            for name in (*(f"{prefix}{number}" for prefix in prefixes), "lwir", "thermal")
            if name not in (native, common)
        ),
        role="temperature",
        dtype="uint16",
        nodata=0,
        scale=0.00341802,
        offset=149.0,
        unit="K",
    )


def _auxiliary(native: str, key: str, title: str, scale: float, unit: str | None) -> Band:
    short = native.removeprefix("ST_")
    return Band(
        native=native,
        title=title,
        spellings=(key, *((short,) if short.lower() != key else ())),
        gsd=30,
        dtype="int16",
        nodata=-9999,
        scale=scale,
        unit=unit,
    )


_SHARED: tuple[Band, ...] = (
    Band(
        native="QA_PIXEL",
        title="Pixel quality",
        gsd=30,
        role="mask",
        dtype="uint16",
        nodata=1,
        classes=QA_PIXEL_FLAGS,
    ),
    Band(native="QA_RADSAT", title="Radiometric saturation", gsd=30, role="mask", dtype="uint16"),
    Band(
        native="QA_AEROSOL",
        title="Aerosol quality",
        spellings=("SR_QA_AEROSOL",),
        gsd=30,
        role="mask",
        dtype="uint8",
        nodata=1,
    ),
    Band(
        native="CLOUD_QA",
        title="Cloud quality",
        spellings=("SR_CLOUD_QA",),
        gsd=30,
        role="mask",
        dtype="uint8",
    ),
    _auxiliary("ATMOS_OPACITY", "SR_ATMOS_OPACITY", "Atmospheric opacity", 1e-3, "1"),
    _auxiliary("ST_QA", "qa", "Uncertainty of surface temperature", 0.01, "K"),
    _auxiliary("ST_TRAD", "trad", "Thermal radiance", 1e-3, "W m-2 sr-1 um-1"),
    _auxiliary("ST_URAD", "urad", "Upwelled radiance", 1e-3, "W m-2 sr-1 um-1"),
    _auxiliary("ST_DRAD", "drad", "Downwelled radiance", 1e-3, "W m-2 sr-1 um-1"),
    _auxiliary("ST_ATRAN", "atran", "Atmospheric transmittance", 1e-4, "1"),
    _auxiliary("ST_EMIS", "emis", "Emissivity", 1e-4, "1"),
    _auxiliary("ST_EMSD", "emsd", "Standard deviation of emissivity", 1e-4, "1"),
    _auxiliary("ST_CDIST", "cdist", "Distance to cloud", 0.01, "km"),
)

OLI_BANDS: tuple[Band, ...] = (
    _reflectance("B01", "coastal", "Coastal aerosol", 0.44, 0.02, "A"),
    _reflectance("B02", "blue", "Blue", 0.48, 0.06, "B"),
    _reflectance("B03", "green", "Green", 0.56, 0.06, "G"),
    _reflectance("B04", "red", "Red", 0.65, 0.04, "R"),
    _reflectance("B05", "nir08", "Near infrared", 0.87, 0.03, "N", ("nir",)),
    _reflectance("B06", "swir16", "Short-wave infrared 1.6", 1.61, 0.09, "S1"),
    _reflectance("B07", "swir22", "Short-wave infrared 2.2", 2.20, 0.19, "S2"),
    _thermal("B10", "lwir11", 10.9, 0.59, 100),
    *_SHARED,
)
"""Landsat 8 and 9."""

TM_BANDS: tuple[Band, ...] = (
    _reflectance("B01", "blue", "Blue", 0.48, 0.07, "B"),
    _reflectance("B02", "green", "Green", 0.56, 0.08, "G"),
    _reflectance("B03", "red", "Red", 0.66, 0.06, "R"),
    _reflectance("B04", "nir08", "Near infrared", 0.84, 0.13, "N", ("nir",)),
    _reflectance("B05", "swir16", "Short-wave infrared 1.6", 1.65, 0.20, "S1"),
    _reflectance("B07", "swir22", "Short-wave infrared 2.2", 2.20, 0.27, "S2"),
    _thermal("B06", "lwir", 11.45, 2.1, 120),
    *_SHARED,
)
"""Landsat 4, 5 and 7."""


def bands(item: Item) -> tuple[Band, ...]:
    """Return the band table of the sensor that took the item's scene."""
    sensor = describe(item).get("sensor", "")
    return OLI_BANDS if sensor[-1:] in ("8", "9") else TM_BANDS


def describe(item: Item) -> Mapping[str, str]:
    """Read sensor, level, path, row, day, processing date and tier off an item's id."""
    name = str(item.get("id", "")).upper()
    match = _NO_PROCESSED.fullmatch(name) or _PRODUCT.fullmatch(name)
    if not match:
        return {}
    parts = {k: v for k, v in match.groupdict().items() if v is not None}
    return {**parts, "product": re.sub(r"_S[RT]$", "", name)}


def correction(item: Item) -> Correction | None:
    """Return no further offset: scale and offset of Level 2 are fixed for the collection."""
    return Correction(offset=0.0, reason="Collection 2 Level-2") if describe(item) else None


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
    bands=bands,
    describe=describe,
    acquisition=("sensor", "path", "row", "day"),
    version=("tier", "processed"),
    correction=correction,
)
