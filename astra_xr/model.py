"""Data types that all packages share: frozen, keyword-only, valid by construction."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from astra_xr.errors import redact


@dataclass(frozen=True, kw_only=True)
class SceneId:
    """The id of a scene, or the beginning of one: ``mission:name``."""

    mission: str
    """Name of the mission, e.g. ``sentinel-2``; empty for an item id of no known mission."""

    name: str
    """The id in canonical spelling: upper case, without ``.SAFE``."""

    form: str = field(compare=False)
    """Name of its id form, e.g. ``product`` or ``earth-search``."""

    parts: Mapping[str, str] = field(compare=False)
    """Parts of the id: platform, tile, start, …; the keys depend on the mission."""

    text: str = field(default="", compare=False)
    """The id as it was written, without its mission."""

    def __str__(self) -> str:
        return f"{self.mission}:{self.name}" if self.mission else self.name


class FoundId(str):
    """A str that is a scene id found by a search, and has the catalogs of the scene."""

    catalogs: tuple[str, ...]
    """Names of the catalogs that have the scene, in the order in which they are queried."""

    only: str | None
    """The catalog that was searched, if the user named one; None: all were searched."""

    def __new__(cls, text: str, catalogs: tuple[str, ...] = (), only: str | None = None) -> FoundId:
        """Return the id of a scene that these catalogs have."""
        found = super().__new__(cls, text)
        found.catalogs, found.only = catalogs, only
        return found


@dataclass(frozen=True, kw_only=True)
class ClassValue:
    """One value of a classification band, or of a bit field of a QA band."""

    value: int
    """The number in the pixels; for bit fields, shifted to its position."""

    name: str
    """CF ``flag_meanings`` word: lower case, no blanks."""

    mask: int | None = None
    """CF ``flag_masks`` entry for bit fields; None if the whole number is the class."""

    color: str | None = None
    """Its color, ``#rrggbb``."""


ROLES = (
    "reflectance",
    "thermal",
    "backscatter",
    "elevation",
    "class",
    "mask",
    "angle",
    "aerosol",
    "probability",
    "visual",
    "data",
)
"""Kinds of bands by their values; ``data`` is any other."""

CLASS_ROLES = ("class", "mask")
"""Roles of bands whose numbers are classes, bits or flags: never averaged, never scaled."""

AS_STORED_ROLES = (*CLASS_ROLES, "visual")
"""Roles of bands whose stored numbers are their values."""

PROBABILITY_ROLE = "probability"
"""Role of percentages that are 0 without data too, which catalogs and files call nodata. It is a
value: only the mission's table has their nodata, and other bands show where there is no data."""


TEXTBOOK: Mapping[str, tuple[str, ...]] = {
    "swir16": ("swir1",),
    "swir22": ("swir2",),
    "nir08": ("nir_narrow",),
}
"""STAC common name → names of that band in textbooks and other tools, for all missions."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Description of a band, independent of the catalog."""

    native: str
    """The mission's name, e.g. ``B04``; the key in a resolution."""

    common: str | None = None
    """STAC common name, e.g. ``red``; None if there is none."""

    spellings: tuple[str, ...] = ()
    """Other names for exactly this band."""

    shared: tuple[str, ...] = ()
    """Names that fit this band and others too, e.g. ``rededge``."""

    wavelength: float | None = None
    """Center wavelength, µm."""

    fwhm: float | None = None
    """Full width at half maximum, µm."""

    gsd: float | None = None
    """Ground sample distance, m."""

    role: str = "data"
    """One of :data:`ROLES`; as a band name it selects all bands with this role."""

    title: str = ""
    """Title for display, e.g. ``Red``."""

    symbol: str | None = None
    """The letter that spectral-index formulas use (spyndex), e.g. ``R``."""

    dtype: str | None = None
    """NumPy dtype of the stored numbers."""

    nodata: float | None = None
    """Stored number of pixels without data; None if there is none or it is unknown."""

    scale: float = 1.0
    """Factor of the stored number, before any mission-wide correction."""

    offset: float = 0.0
    """Added after scaling, in ``unit``, before any mission-wide correction."""

    unit: str | None = None
    """Unit of the scaled value; ``1`` for reflectance."""

    classes: tuple[ClassValue, ...] = ()
    """Meanings of the numbers of a classification or QA band."""

    planes: tuple[Band, ...] = ()
    """The bands in its file, in file order, if there are several."""

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of only this band: native, common, those of textbooks, spellings."""
        common = (self.common, *TEXTBOOK.get(self.common, ())) if self.common else ()
        return tuple(dict.fromkeys((self.native, *common, *self.spellings)))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """CRS, shape and transform of a raster."""

    crs: str
    """``EPSG:32610``, or WKT2 if there is no code."""

    shape: tuple[int, int]
    """Rows, columns."""

    transform: tuple[float, float, float, float, float, float]
    """Affine (a, b, c, d, e, f): x = a·col + b·row + c, y = d·col + e·row + f, in units of the
    CRS, with col and row counted from 0 at the outer corner of the upper left pixel."""

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.transform
        if not all(math.isfinite(v) for v in self.transform) or a * e - b * d == 0:
            raise ValueError(f"transform {self.transform} cannot be inverted")
        if min(self.shape) < 1:
            raise ValueError(f"shape {self.shape} has no pixels")
        if max(self.shape) >= 2**31:
            raise ValueError(f"shape {self.shape} is larger than a raster can be")

    @property
    def resolution(self) -> float:
        """Return the width of a pixel in units of the CRS."""
        a, _, _, d, _, _ = self.transform
        return math.hypot(a, d)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return the outer edges as (left, bottom, right, top) in units of the CRS."""
        a, b, c, d, e, f = self.transform
        rows, cols = self.shape
        xs = [c, c + a * cols, c + b * rows, c + a * cols + b * rows]
        ys = [f, f + d * cols, f + e * rows, f + d * cols + e * rows]
        return min(xs), min(ys), max(xs), max(ys)


DIGITAL_NUMBERS = "digital numbers"
"""Beginning of the reason of a radiometry of integers without any scale and offset."""

AS_STORED = "stored numbers"
"""The same if the user requested the stored numbers."""


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """How stored numbers become values: ``value = stored · scale + offset``."""

    dtype: str
    """NumPy dtype of the stored numbers; empty if only the file has it."""

    scale: float = 1.0
    """Factor of the stored number."""

    offset: float = 0.0
    """Added after scaling, in ``unit``."""

    nodata: float | None = None
    """Stored number of pixels without data (may be NaN); None if all pixels are valid. An int if
    given as a whole number, since a float cannot hold every 64-bit integer."""

    unit: str | None = None
    """Unit of the value; ``1`` for reflectance, ``K`` for temperature."""

    reason: str = ""
    """Source of scale and offset, for attrs and messages."""

    as_is: bool = False
    """True for classification, QA and visual bands: the stored numbers are the values, integers
    stay integers, and nodata is one of them."""

    file_tags: str = "ignored"
    """How scale and offset in the file's own tags are used: ``ignored``, ``compared`` (a warning
    names those that differ from these), or ``applied`` when the file is read, since there are no
    others; scale and offset are 1 and 0 until then."""

    inferred: bool = False
    """True if the offset was inferred from flags of the item, which are sometimes wrong: readers
    then check that the values are plausible."""

    def __getstate__(self) -> dict[str, Any]:
        # Defaults are left out of pickles, as a graph of many chunks contains many.
        default = vars(type(self))
        return {name: v for name, v in vars(self).items() if v is not default.get(name, self)}


class SignedUrl:
    """A URL and its request headers. Its str and repr never show the query or the headers.

    It is no dataclass, as ``dataclasses.asdict`` of an :class:`Asset` would show them.

    Parameters
    ----------
    url : str
        The URL, which is secret.
    expires_at : datetime, optional
        UTC time at which it expires; None if it does not.
    headers : tuple of (str, str)
        Request headers as (name, value); they are secret too, and only for this host.
    """

    __slots__ = ("expires_at", "headers", "url")

    def __init__(
        self,
        *,
        url: str,
        expires_at: datetime | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.url, self.expires_at, self.headers = url, expires_at, headers

    def __str__(self) -> str:
        return redact(self.url)

    def __repr__(self) -> str:
        return f"SignedUrl(expires_at={self.expires_at!r})"

    def _parts(self) -> tuple[object, ...]:
        return self.url, self.expires_at, self.headers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SignedUrl) and other._parts() == self._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __deepcopy__(self, memo: object) -> SignedUrl:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signed URL cannot be pickled; pickle its UrlSource instead.")


def utc_now() -> datetime:
    """Return the current time in UTC; the default clock."""
    return datetime.now(UTC)


def local_path(url: str) -> Path:
    """Return the path of a local file, given as a ``file:`` URL or a path.

    Examples
    --------
    >>> local_path("file:///data/a%20b.tif").as_posix(), local_path("a.tif").as_posix()
    ('/data/a b.tif', 'a.tif')
    """
    return Path(url2pathname(urlsplit(url).path) if url[:5].lower() == "file:" else url)


class UrlSource(Protocol):
    """Source of a readable URL, called at each read, so that URLs do not expire.

    It is picklable and holds no secret.
    """

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is valid for minutes at least.

        ``refused`` is a URL that the storage did not accept: another one is returned.
        """
        ...

    def __hash__(self) -> int:
        """Return a hash; sources of the same file are equal, and are keys of caches."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One raster file of a scene, or one band of it, ready to be read."""

    key: str
    """Key of the asset in its STAC item."""

    band: Band
    """The band, or the file as a whole if it has several planes."""

    planes: tuple[Band, ...] = ()
    """The bands of a multi-band file, in file order; empty for one band."""

    href: str
    """Unsigned href."""

    source: UrlSource = field(repr=False)
    """Source of the URL to read."""

    indexes: tuple[int, ...] | None = None
    """Planes to read, from 1; None if only the file has this information."""

    alone: bool = False
    """True if it is one plane of a file that has, or may have, several."""

    grid: Grid | None = None
    """None if only the file has this information."""

    radiometry: Radiometry | None = None
    """None if only the file has this information."""

    by_plane: tuple[Radiometry, ...] = ()
    """The radiometry of each plane, where they differ."""

    media_type: str | None = None
    title: str = ""
    size: int | None = None
    """Bytes of the file; None if unknown."""

    routing: str = "direct"
    """``direct``: the provider's file; ``converted``: made by our pipeline."""

    stretch: tuple[tuple[float, float], ...] = ()
    """For images: per plane, the stored numbers that become 0 and 255."""

    stretch_without: tuple[str, ...] = ()
    """Pixels left out of the stretch: ``nodata``, and ``clouds`` if the scene has a
    classification band."""

    signed: SignedUrl | None = None
    """None if signing was not requested."""

    @property
    def name(self) -> str:
        """Return the native name of the band, the key in a resolution."""
        return self.band.native

    def __getstate__(self) -> dict[str, Any]:
        # Signatures are never pickled: the receiver signs again through `source`.
        return {**self.__dict__, "signed": None}
