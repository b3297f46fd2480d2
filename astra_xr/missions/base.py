"""The data types that describe a mission."""

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
    """``product``, or the catalog that uses this form."""

    pattern: re.Pattern[str]
    """Matches the whole id in upper case; its named groups are the parts of the id."""

    example: str
    """An id of this form, for error messages."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """The offset that corrects for what the mission's processing added to a band's numbers."""

    offset: float
    """Added after scaling, in the band's unit."""

    reason: str
    """Reason, for attrs and messages."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Scale and offset of one band of one scene, for bands without constant factors."""

    scale: float
    """Factor of the stored number."""

    offset: float
    """Added after scaling, in ``unit``."""

    unit: str
    """Unit of the value; ``1`` for reflectance."""

    reason: str
    """Source of the factors, for attrs and messages."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A JSON file of a scene with factors that its item lacks."""

    asset: Callable[[Item], str | None]
    """Key of the file's asset; None if the item has none."""

    read: Callable[[Any], Mapping[str, Factors]]
    """Native band name → factors, from the file's JSON; empty if it has none."""


def spectral_band(
    native: str,
    common: str | None,
    title: str,
    wavelength: float,
    fwhm: float,
    gsd: float,
    symbol: str | None = None,
    spellings: tuple[str, ...] = (),
    shared: tuple[str, ...] = (),
    **fields: Any,
) -> Band:
    """Return a row of a band table; ``B1`` is a spelling of ``B01``.

    Center and width are in µm, the pixel size in m; see :class:`~astra_xr.model.Band`.
    """
    short = native.replace("B0", "B")
    return Band(
        native=native,
        common=common,
        title=title,
        wavelength=wavelength,
        fwhm=fwhm,
        gsd=gsd,
        symbol=symbol,
        spellings=(*((short,) if short != native else ()), *spellings),
        shared=shared,
        **fields,
    )


OPTICAL_PRESETS: Mapping[str, tuple[str, str, str]] = {
    "True color": ("red", "green", "blue"),
    "False color": ("nir", "red", "green"),
    "Short-wave infrared": ("swir22", "nir", "red"),
    "Agriculture": ("swir16", "nir", "blue"),
    "Geology": ("swir22", "swir16", "blue"),
    "Bathymetry": ("red", "green", "coastal"),
    "Urban": ("swir22", "swir16", "red"),
    "Land and water": ("nir", "swir16", "red"),
    "Through haze": ("swir22", "swir16", "nir"),
}
"""The usual band combinations for reflectance, by common name; ``nir`` also means ``nir08``."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """Names, bands and rules of one mission; data and pure functions only."""

    name: str
    """The prefix of its scene ids, e.g. ``sentinel-2``."""

    title: str
    """Its name in messages."""

    id_forms: tuple[IdForm, ...]

    table: Callable[[Mapping[str, str]], tuple[Band, ...]]
    """The bands that a scene may have, by its parts (sensors of one mission differ)."""

    describe: Callable[[Item], Mapping[str, str]]
    """The id parts, named as in the id forms, read from an item; empty if it is of another
    mission. ``product`` is the id that works in every catalog; ``item`` is the item's own id if
    that has none of the forms: it works only in its own catalog."""

    acquisition: tuple[str, ...]
    """Names of the parts that identify an acquisition."""

    fits: Callable[[Mapping[str, str], Mapping[str, str]], bool] = lambda wanted, found: True
    """Returns True if the parts of an id and of an item can be of one acquisition, beyond the
    parts that both have."""

    version: tuple[str, ...] = ()
    """Names of the parts that identify a processing; their values sort oldest to newest."""

    correction: Callable[[Item], Correction | None] = lambda _: None
    """The mission-wide offset of reflectance bands; None if the item does not determine it."""

    widths: Mapping[str, int] = field(default_factory=dict)
    """Full width of parts that some ids write without leading zeros."""

    masks: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Native name of a classification band → what it can mask (``clouds``, ``shadows``,
    ``cirrus``, ``snow``, ``water``) → the names of the classes."""

    unlisted: tuple[Band, ...] = ()
    """Further bands, in few catalogs, that open only by their names, which are the asset keys."""

    cloud_probability: str = ""
    """Name of the band with the probability of clouds, percent, where a catalog has one."""

    presets: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Names of band combinations → red, green and blue band, by common or native name."""

    sidecar: Sidecar | None = None
    """The file with the factors of bands that have no unit in the table; None if there is none."""

    def parts(self, match: re.Match[str]) -> dict[str, str]:
        """Return the parts of an id that a form's pattern matched, each at its full width."""
        return {
            name: value.zfill(self.widths.get(name, 0))
            for name, value in match.groupdict().items()
            if value is not None
        }

    def bands(self, item: Item) -> tuple[Band, ...]:
        """Return the bands that a scene may have, by its item."""
        return self.table(self.describe(item))

    def scene_id(self, item: Item) -> str:
        """Return the id that opens an item of the mission again: ``mission:product``.

        An id in none of the mission's forms is returned as it is: only its own catalog has it.
        """
        return self.id_of(self.describe(item))

    def id_of(self, parts: Mapping[str, str]) -> str:
        """Return the same by the parts that :attr:`describe` reads from the item."""
        return parts["item"] if "item" in parts else f"{self.name}:{parts['product']}"

    def matches(self, wanted: Mapping[str, str], item: Item) -> bool:
        """Return True if an item can be the scene with the given id parts."""
        found = self.describe(item)
        keys = {*self.acquisition, "level"} & wanted.keys() & found.keys()
        same = all(wanted[key] == found[key] for key in keys)
        return bool(found) and same and self.fits(wanted, found)
