"""Reflectance of the sample scene: one spectrum per material, one palette for all.

The spectra are typical surface reflectances (0..1), invented for this scene, not measured. A
label is a row of the palette: a landscape is one uint16 image of labels, and a band is a lookup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from astra_xr.sample.fractal import F32, smoothstep
from astra_xr.sample.item import BANDS
from astra_xr.sample.series import Season

#: Ground sample distance of each band in meters, in the order of the palette's columns.
GSD: Final[Mapping[str, int]] = {name: band.gsd for name, band in BANDS.items()}

#: Reflectance in thousandths, in the order of `GSD`.
MATERIALS: Final[Mapping[str, tuple[int, ...]]] = {
    "conifer": (16, 19, 32, 22, 50, 150, 190, 205, 222, 228, 105, 48),
    "broadleaf": (19, 24, 50, 33, 84, 228, 285, 305, 325, 332, 150, 70),
    "green grass": (28, 36, 80, 50, 122, 300, 368, 390, 412, 418, 215, 108),
    "dry grass": (48, 66, 104, 128, 165, 215, 240, 256, 282, 288, 325, 235),
    "lush crop": (24, 30, 76, 34, 108, 370, 470, 492, 515, 520, 195, 88),
    "blue crop": (32, 44, 74, 48, 104, 280, 335, 360, 380, 384, 190, 95),
    "young crop": (42, 56, 98, 84, 140, 250, 295, 318, 338, 342, 260, 170),
    "brown soil": (36, 48, 74, 98, 120, 136, 150, 165, 182, 188, 245, 205),
    "dark soil": (28, 36, 52, 66, 80, 92, 102, 114, 128, 132, 175, 150),
    "pale soil": (66, 88, 120, 150, 174, 190, 204, 222, 240, 246, 320, 280),
    "red soil": (34, 47, 73, 114, 146, 164, 178, 196, 216, 220, 290, 245),
    "plastic": (120, 150, 172, 182, 190, 198, 206, 214, 222, 226, 215, 170),
    "sand": (112, 148, 196, 238, 262, 276, 292, 308, 324, 330, 395, 355),
    "wet sand": (62, 82, 106, 124, 132, 134, 136, 138, 140, 140, 120, 96),
    "rock": (58, 74, 98, 118, 134, 146, 156, 166, 180, 184, 225, 195),
    "asphalt": (62, 74, 88, 97, 104, 109, 114, 120, 126, 128, 142, 132),
    "concrete": (118, 148, 172, 186, 194, 200, 206, 214, 220, 222, 240, 220),
    "houses": (72, 90, 108, 118, 134, 156, 166, 176, 186, 190, 195, 165),
    "tile roof": (58, 74, 104, 168, 196, 214, 228, 246, 262, 266, 300, 265),
    "dark roof": (44, 54, 64, 70, 74, 78, 82, 88, 94, 96, 110, 102),
    "white roof": (240, 285, 305, 315, 322, 328, 334, 340, 345, 348, 330, 280),
    "deep water": (34, 29, 19, 8, 6, 5, 4, 4, 3, 3, 2, 1),
    "blue water": (44, 44, 34, 12, 8, 6, 5, 5, 4, 4, 2, 1),
    "shallow water": (62, 78, 90, 46, 26, 12, 10, 9, 6, 6, 3, 2),
    "brown water": (50, 66, 92, 88, 64, 28, 26, 23, 15, 14, 6, 4),
    "fresh water": (30, 34, 42, 28, 20, 12, 11, 10, 8, 8, 4, 3),
    "foam": (330, 370, 380, 370, 330, 285, 265, 245, 205, 190, 60, 36),
    "char": (38, 42, 48, 56, 66, 78, 86, 94, 104, 108, 165, 205),
    "cloud": (610, 640, 645, 650, 655, 665, 672, 680, 685, 600, 480, 360),
    "cirrus": (560, 560, 545, 535, 530, 530, 530, 530, 525, 470, 330, 235),
}  # fmt: skip

#: Share of the light that comes from the sky and also reaches shadows, in thousandths.
SKYLIGHT: Final = (520, 455, 370, 300, 275, 255, 240, 225, 215, 210, 150, 130)

#: The mixtures of fields: (crop, soil).
CROPS: Final = (
    ("lush crop", "brown soil"), ("blue crop", "dark soil"), ("young crop", "brown soil"),
    ("green grass", "pale soil"), ("lush crop", "red soil"), ("young crop", "pale soil"),
    ("dry grass", "pale soil"), ("blue crop", "plastic"),
)  # fmt: skip
#: The surfaces in towns.
SURFACES: Final = (
    "asphalt", "concrete", "houses", "tile roof", "dark roof", "white roof", "green grass",
    "broadleaf",
)  # fmt: skip

#: Where each block of labels starts, and how many values each of its parameters may take.
LEVELS: Final = 16
WILD: Final = 0  # grass greenness, tree cover, kind of tree (2)
FIELD: Final = WILD + LEVELS * LEVELS * 2  # vigor, kind of field
TOWN: Final = FIELD + LEVELS * len(CROPS)  # brightness, surface
SEA: Final = TOWN + LEVELS * len(SURFACES)  # turbidity, shallowness (4 * 16)
FOAM: Final = SEA + LEVELS * LEVELS * 4  # foam in shallow water
SAND: Final = FOAM + LEVELS  # dryness
ROCK: Final = SAND + LEVELS  # brightness
FRESH: Final = ROCK + LEVELS  # sediment
END: Final = FRESH + LEVELS


def spectrum(material: str) -> F32:
    """Return the reflectance of a material in the twelve bands, (12,) float32."""
    values: F32 = np.asarray(MATERIALS[material], np.float32)
    values *= 0.001
    return values


def _shares(count: int = LEVELS) -> F32:
    """Return the share of the second part in each step of a mixture, 0..1."""
    share = np.arange(count, dtype=np.float32)
    share += 0.5
    share /= count
    return share


def _mixed(start: F32, end: F32, share: F32) -> F32:
    """Return mixtures of two reflectances, (shares, ..., 12)."""
    share = share.reshape(-1, *[1] * max(start.ndim, end.ndim))
    return start + (end - start) * share


def _ramp(start: F32, end: F32, count: int = LEVELS) -> F32:
    """Return mixtures from one reflectance to another, (count, ..., 12)."""
    return _mixed(start, end, _shares(count))


def _grown(season: Season) -> F32:
    """Return the greenness in a season of fields with each vigor in January, 0..1."""
    vigor = _shares()
    winter = smoothstep(vigor, 0.3, 0.7)
    # What is bare in January bears a crop in summer.
    bare = vigor + (0.95 - vigor) * season.summer
    return winter * vigor * season.winter + (1.0 - winter) * bare


def palette(season: Season | None = None) -> F32:
    """Return the reflectance of each label in each band, (END, 12) float32; None: January."""
    greenness = _shares() if season is None else _shares() * np.float32(season.grass)
    vigor = _shares() if season is None else _grown(season)
    grass = _mixed(spectrum("dry grass"), spectrum("green grass"), greenness)
    woods = [_ramp(grass, spectrum(tree)) for tree in ("conifer", "broadleaf")]
    fields = [_mixed(spectrum(soil), spectrum(crop), vigor) for crop, soil in CROPS]
    town = [_ramp(spectrum(name) * 0.75, spectrum(name) * 1.25) for name in SURFACES]
    blue = _ramp(spectrum("deep water"), spectrum("blue water"), LEVELS * 2)
    green = _ramp(spectrum("blue water"), spectrum("shallow water"), LEVELS * 2)
    clear = np.concatenate([blue, green])
    sea = _ramp(clear, spectrum("brown water"))
    blocks = [
        *woods,
        *fields,
        *town,
        sea,
        _ramp(spectrum("shallow water"), spectrum("foam")),
        _ramp(spectrum("wet sand"), spectrum("sand")),
        _ramp(spectrum("rock") * 0.6, spectrum("rock") * 1.3),
        _ramp(spectrum("fresh water"), spectrum("brown water")),
    ]
    return np.concatenate([block.reshape(-1, len(GSD)) for block in blocks])
