"""What a mission module says about its mission."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from astra_xr.model import Band

Item = Mapping[str, Any]
"""A STAC item as plain JSON."""


@dataclass(frozen=True, kw_only=True)
class IdForm:
    """One way to write a scene id of the mission."""

    name: str
    """``product``, or the catalogue whose own form it is."""

    pattern: re.Pattern[str]
    """Matches the whole id in upper case; its named groups are the id's parts."""

    example: str
    """An id of this form, for error messages."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What the mission's processing added to the stored numbers of a band."""

    offset: float
    """To add after scaling, in the band's unit."""

    reason: str
    """Why, for people."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """How the stored numbers of one band of one scene become values, where no table can tell."""

    scale: float
    """Factor of the stored number."""

    offset: float
    """Added after scaling, in ``unit``."""

    unit: str
    """Unit of the value; ``1`` for reflectance."""

    reason: str
    """Where they come from, for people."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A JSON file that lies beside a scene's bands and holds what its item leaves out."""

    asset: Callable[[Item], str | None]
    """Key of the asset that is the file; None where the item has none."""

    read: Callable[[Any], Mapping[str, Factors]]
    """Native band name → factors, of the file's JSON; empty where it does not tell."""


OPTICAL_PRESETS: Mapping[str, tuple[str, str, str]] = {
    "True colour": ("red", "green", "blue"),
    "False colour": ("nir", "red", "green"),
    "Short-wave infrared": ("swir22", "nir", "red"),
    "Agriculture": ("swir16", "nir", "blue"),
    "Geology": ("swir22", "swir16", "blue"),
    "Bathymetry": ("red", "green", "coastal"),
    "Urban": ("swir22", "swir16", "red"),
    "Land and water": ("nir", "swir16", "red"),
    "Through haze": ("swir22", "swir16", "nir"),
}
"""The pictures that are usual for reflectance, by common names; ``nir`` is also ``nir08``."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """Names, bands and rules of one mission; data and pure functions only."""

    name: str
    """The prefix of its scene ids, e.g. ``sentinel-2``."""

    title: str
    """Its name in prose."""

    id_forms: tuple[IdForm, ...]

    bands: Callable[[Item], tuple[Band, ...]]
    """The bands that a scene may have, by its item (sensors of one mission differ)."""

    describe: Callable[[Item], Mapping[str, str]]
    """The parts, named as in the id forms, that an item tells of itself; empty: not this
    mission's. ``product`` is the id that works everywhere."""

    acquisition: tuple[str, ...]
    """Names of the parts that tell one acquisition from another."""

    fits: Callable[[Mapping[str, str], Mapping[str, str]], bool] = lambda wanted, told: True
    """Whether the parts of an id and those of an item can be of one acquisition, beyond the parts
    that both have."""

    version: tuple[str, ...] = ()
    """Names of the parts that tell its processings apart, each sorting oldest to newest."""

    correction: Callable[[Item], Correction | None] = lambda _: None
    """The mission-wide offset of reflectance bands; None: the item does not tell enough."""

    widths: Mapping[str, int] = field(default_factory=dict)
    """Digits and letters of parts that some ids write without their leading noughts."""

    masks: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Native name of a class band → what can be hidden by it (``clouds``, ``shadows``, ``cirrus``,
    ``snow``, ``water``) → the names of the classes that mean it."""

    presets: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Names of pictures → the bands shown in red, green and blue, by common or native names."""

    sidecar: Sidecar | None = None
    """Where the factors of bands that have no unit in the table are; None: there is no such."""

    def parts(self, match: re.Match[str]) -> dict[str, str]:
        """Return the parts that a form's pattern found, each at its full width."""
        return {
            name: value.zfill(self.widths.get(name, 0))
            for name, value in match.groupdict().items()
            if value is not None
        }

    def matches(self, wanted: Mapping[str, str], item: Item) -> bool:
        """Tell whether an item can be the scene that an id's parts describe."""
        told = self.describe(item)
        keys = {*self.acquisition, "level"} & wanted.keys() & told.keys()
        return (
            bool(told) and all(wanted[key] == told[key] for key in keys) and self.fits(wanted, told)
        )
