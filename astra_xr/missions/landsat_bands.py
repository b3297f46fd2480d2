"""Band tables of Landsat's sensors, Collection 2, Levels 1 and 2.

Scale factors, fill values and bit fields of Level 2: USGS, "Landsat Collection 2 Level-2 Science
Product Guides" (LSDS-1618, LSDS-1619). Files and types of Level 1: USGS, "Landsat Collection 2
Level-1 Data Format Control Books" (LSDS-1822, -1414, -1415, -1416). Band centers and widths: as
published by the STAC catalogs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from astra_xr.missions.base import spectral_band
from astra_xr.model import Band, ClassValue

_BITS = ("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water")
_CONFIDENCE = ("low", "medium", "high")

QA_PIXEL_FLAGS = (
    *(ClassValue(value=1 << bit, name=name, mask=1 << bit) for bit, name in enumerate(_BITS)),
    *(
        ClassValue(value=level << bit, name=f"{name}_confidence_{word}", mask=0b11 << bit)
        for name, bit in (("cloud", 8), ("cloud_shadow", 10), ("snow", 12), ("cirrus", 14))
        for level, word in enumerate(_CONFIDENCE, start=1)
    ),
)

_TEMPERATURE = "Surface temperature"


def _sr(number: int) -> tuple[str, ...]:
    """Return the names that files of some sensors have for a band of surface reflectance."""
    return tuple(f"{sensor}_B{number}" for sensor in ("SR", "OLI", "ETM", "TM"))


def _st(number: int) -> tuple[str, ...]:
    """Return the same for a band of surface temperature."""
    return tuple(f"{sensor}_B{number}" for sensor in ("ST", "TIRS", "ETM", "TM"))


_reflectance = partial(
    spectral_band,
    role="reflectance",
    dtype="uint16",
    nodata=0,
    scale=2.75e-5,
    offset=-0.2,
    unit="1",
)
_thermal = partial(
    spectral_band,
    role="thermal",
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


_qa = partial(Band, gsd=30, role="mask")

QUALITY_BANDS: tuple[Band, ...] = (
    _qa(native="QA_PIXEL", title="Pixel quality", dtype="uint16", nodata=1, classes=QA_PIXEL_FLAGS),
    _qa(native="QA_RADSAT", title="Radiometric saturation", dtype="uint16"),
)

_LEVEL2: tuple[Band, ...] = (
    *QUALITY_BANDS,
    _qa(
        native="QA_AEROSOL",
        title="Aerosol quality",
        spellings=("SR_QA_AEROSOL",),
        dtype="uint8",
        nodata=1,
    ),
    _qa(native="CLOUD_QA", title="Cloud quality", spellings=("SR_CLOUD_QA",), dtype="uint8"),
    replace(
        _auxiliary("ATMOS_OPACITY", "SR_ATMOS_OPACITY", "Atmospheric opacity", 1e-3, "1"),
        role="aerosol",
    ),
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
    _reflectance("B01", "coastal", "Coastal aerosol", 0.44, 0.02, 30, "A", _sr(1)),
    _reflectance("B02", "blue", "Blue", 0.48, 0.06, 30, "B", _sr(2)),
    _reflectance("B03", "green", "Green", 0.56, 0.06, 30, "G", _sr(3)),
    _reflectance("B04", "red", "Red", 0.65, 0.04, 30, "R", _sr(4)),
    _reflectance("B05", "nir08", "Near infrared", 0.87, 0.03, 30, "N", (*_sr(5), "nir")),
    _reflectance("B06", "swir16", "Short-wave infrared 1.6", 1.61, 0.09, 30, "S1", _sr(6)),
    _reflectance("B07", "swir22", "Short-wave infrared 2.2", 2.20, 0.19, 30, "S2", _sr(7)),
    _thermal("B10", "lwir11", _TEMPERATURE, 10.9, 0.59, 100, "T1", (*_st(10), "lwir", "thermal")),
    *_LEVEL2,
)
"""Landsat 8 and 9, Level 2."""

TM_BANDS: tuple[Band, ...] = (
    _reflectance("B01", "blue", "Blue", 0.48, 0.07, 30, "B", _sr(1)),
    _reflectance("B02", "green", "Green", 0.56, 0.08, 30, "G", _sr(2)),
    _reflectance("B03", "red", "Red", 0.66, 0.06, 30, "R", _sr(3)),
    _reflectance("B04", "nir08", "Near infrared", 0.84, 0.13, 30, "N", (*_sr(4), "nir")),
    _reflectance("B05", "swir16", "Short-wave infrared 1.6", 1.65, 0.20, 30, "S1", _sr(5)),
    _reflectance("B07", "swir22", "Short-wave infrared 2.2", 2.20, 0.27, 30, "S2", _sr(7)),
    _thermal("B06", "lwir", _TEMPERATURE, 11.45, 2.1, 120, "T", (*_st(6), "thermal")),
    *_LEVEL2,
)
"""Landsat 4, 5 and 7, Level 2."""


def _raw(band: Band, dtype: str) -> Band:
    """Return the Level 1 band for one of Level 2: without constant scale and offset."""
    level2 = ("SR_", "ST_")
    title = "Thermal infrared" if band.role == "thermal" else band.title
    return replace(
        band,
        title=title,
        spellings=tuple(n for n in band.spellings if not n.startswith(level2) and n != "thermal"),
        dtype=dtype,
        scale=1.0,
        offset=0.0,
        unit=None,
    )


_level1 = partial(spectral_band, role="reflectance", dtype="uint16", nodata=0)


def _mss(first: int) -> tuple[Band, ...]:
    """Return the bands of the Multispectral Scanner, numbered from ``first``."""
    rows: tuple[tuple[str, str, float, float, str | None, tuple[str, ...]], ...] = (
        ("green", "Green", 0.55, 0.1, "G", ()),
        ("red", "Red", 0.65, 0.1, "R", ()),
        ("nir08", "Near infrared 0.8", 0.75, 0.1, "N", ("nir",)),
        ("nir09", "Near infrared 0.9", 0.95, 0.3, None, ()),
    )
    return tuple(
        _level1(f"B0{n}", *row[:4], 60, row[4], (f"MSS_B{n}", *row[5]), dtype="uint8")
        for n, row in enumerate(rows, first)
    )


_ANGLES = tuple(
    Band(native=native, title=title, gsd=30, role="angle", dtype="int16", scale=0.01, unit="degree")
    for native, title in (
        ("VAA", "View azimuth angle"),
        ("VZA", "View zenith angle"),
        ("SAA", "Sun azimuth angle"),
        ("SZA", "Sun zenith angle"),
    )
)

OLI_LEVEL1: tuple[Band, ...] = (
    *(_raw(band, "uint16") for band in OLI_BANDS if band.role == "reflectance"),
    _level1("B08", "pan", "Panchromatic", 0.59, 0.18, 15, None, ("OLI_B8",)),
    _level1("B09", "cirrus", "Cirrus", 1.37, 0.02, 30, None, ("OLI_B9",)),
    _level1(
        "B10", "lwir11", "Thermal infrared 1", 10.9, 0.59, 100, None, ("TIRS_B10",), role="thermal"
    ),
    _level1(
        "B11", "lwir12", "Thermal infrared 2", 12.0, 1.01, 100, None, ("TIRS_B11",), role="thermal"
    ),
    *_ANGLES,
    *QUALITY_BANDS,
)
"""Landsat 8 and 9, Level 1."""

TM_LEVEL1: tuple[Band, ...] = (
    *(_raw(band, "uint8") for band in TM_BANDS if band.role in ("reflectance", "thermal")),
    *_ANGLES,
    *QUALITY_BANDS,
)
"""Landsat 4 and 5, Thematic Mapper, Level 1."""

_GAINS = tuple(
    _level1(
        f"B06_VCID_{number}",
        common,
        f"Thermal infrared, {gain} gain",
        11.45,
        2.1,
        60,
        None,
        (f"VCID_{number}", f"ETM_B6_VCID_{number}"),
        ("B6", "B06"),
        dtype="uint8",
        role="thermal",
    )
    for number, common, gain in ((1, "lwir", "low"), (2, None, "high"))
)

ETM_LEVEL1: tuple[Band, ...] = (
    *(_raw(band, "uint8") for band in TM_BANDS if band.role == "reflectance"),
    *_GAINS,
    _level1("B08", "pan", "Panchromatic", 0.71, 0.38, 15, None, ("ETM_B8",), dtype="uint8"),
    *_ANGLES,
    *QUALITY_BANDS,
)
"""Landsat 7, Level 1."""

MSS_BANDS = (*_mss(1), *QUALITY_BANDS)
"""Landsat 4 and 5, Multispectral Scanner, Level 1."""

EARLY_MSS_BANDS = (*_mss(4), *QUALITY_BANDS)
"""Landsat 1 to 3, Level 1: the same bands, numbered from 4."""
