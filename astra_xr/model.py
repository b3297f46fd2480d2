"""The values that travel between the rooms: frozen, keyword-only, valid by construction."""

from __future__ import annotations

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
    """The id of one scene, or of the scenes that begin so: ``mission:name``."""

    mission: str
    """Name of the mission, e.g. ``sentinel-2``; empty: an item's own id, of no mission's form."""

    name: str
    """The id in the spelling of its form, upper case, without ``.SAFE``."""

    form: str = field(compare=False)
    """Which of the mission's id forms it has, e.g. ``product`` or ``earth-search``."""

    parts: Mapping[str, str] = field(compare=False)
    """What the id says: platform, tile, start, …; the keys are the mission's."""

    text: str = field(default="", compare=False)
    """The id as it was written, without its mission."""

    def __str__(self) -> str:
        return f"{self.mission}:{self.name}" if self.mission else self.name


@dataclass(frozen=True, kw_only=True)
class ClassValue:
    """One value of a class band, or one bit field's value of a mask band."""

    value: int
    """The number in the pixels; for bit fields already shifted to its place."""

    name: str
    """CF ``flag_meanings`` word: lower case, no blanks."""

    mask: int | None = None
    """CF ``flag_masks`` entry for bit fields; None where the whole pixel is the class."""

    color: str | None = None
    """``#rrggbb`` to draw it in."""


ROLES = (
    "reflectance",
    "thermal",
    "backscatter",
    "elevation",
    "class",
    "mask",
    "angle",
    "aerosol",
    "visual",
    "data",
)
"""What the numbers of a band are; ``data`` is all that has no role of its own."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """What is known of a band, whichever catalogue serves it."""

    native: str
    """The mission's own name, e.g. ``B04``; how a resolution is keyed."""

    common: str | None = None
    """STAC common name, e.g. ``red``; None where there is none."""

    spellings: tuple[str, ...] = ()
    """All other names that catalogues and people use for this very band."""

    shared: tuple[str, ...] = ()
    """Names that fit this band and others too, e.g. ``rededge``."""

    wavelength: float | None = None
    """Centre wavelength, µm."""

    fwhm: float | None = None
    """Full width at half maximum, µm."""

    gsd: float | None = None
    """Ground sample distance, m."""

    role: str = "data"
    """One of :data:`ROLES`: what its numbers are, and a name that selects all bands of it."""

    title: str = ""
    """A few words for people, e.g. ``Red``."""

    symbol: str | None = None
    """The letter that spectral-index formulas use (spyndex), e.g. ``R``."""

    dtype: str | None = None
    """numpy name of the stored numbers' type."""

    nodata: float | None = None
    """Stored number of pixels without data; None: there is none, or nobody knows."""

    scale: float = 1.0
    """Factor of the stored number, before any mission-wide correction."""

    offset: float = 0.0
    """Added after scaling, in ``unit``, before any mission-wide correction."""

    unit: str | None = None
    """Unit of the scaled value; ``1`` for reflectance."""

    classes: tuple[ClassValue, ...] = ()
    """Meanings of a class or mask band's numbers."""

    planes: tuple[Band, ...] = ()
    """The bands that its file holds, in file order, where they are several."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that means this band alone: native, common, spellings."""
        return (self.native, *((self.common,) if self.common else ()), *self.spellings)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the pixels of a raster lie."""

    crs: str
    """``EPSG:32610``, or WKT2 where there is no code."""

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
            raise ValueError(f"shape {self.shape} holds no pixel")
        if max(self.shape) >= 2**31:
            raise ValueError("its shape is larger than a raster can be")

    @property
    def resolution(self) -> float:
        """Width of a pixel in units of the CRS."""
        a, _, _, d, _, _ = self.transform
        return math.hypot(a, d)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges as (left, bottom, right, top) in units of the CRS."""
        a, b, c, d, e, f = self.transform
        rows, cols = self.shape
        xs = [c, c + a * cols, c + b * rows, c + a * cols + b * rows]
        ys = [f, f + d * cols, f + e * rows, f + d * cols + e * rows]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """How stored numbers become values: ``value = stored · scale + offset``."""

    dtype: str
    """numpy name of the stored numbers' type."""

    scale: float = 1.0
    """Factor of the stored number."""

    offset: float = 0.0
    """Added after scaling, in ``unit``."""

    nodata: float | None = None
    """Stored number of pixels without data (NaN too); None: every pixel is valid."""

    unit: str | None = None
    """Unit of the value; ``1`` for reflectance, ``K`` for temperature."""

    reason: str = ""
    """Where scale and offset come from, for people."""

    as_is: bool = False
    """True for class, mask and picture bands: the stored numbers are the values, integers stay
    integers, and nodata is a number among them."""

    inferred: bool = False
    """True where the offset was inferred from flags of the item, which are known to be wrong at
    times: readers then look whether the values can be."""


@dataclass(frozen=True, kw_only=True)
class SignedUrl:
    """A URL, with what reading it takes. Its text and repr never show the query or the headers."""

    url: str = field(repr=False)
    """The secret itself."""

    expires_at: datetime | None = None
    """UTC time at which it stops working; None: it does not."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Request headers to send along, as (name, value): secret too, and for this host alone."""

    def __str__(self) -> str:
        return redact(self.url)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signed URL stays in its process: send its UrlSource instead")


def utc_now() -> datetime:
    """Return the time, in UTC: the clock of whatever is given no other."""
    return datetime.now(UTC)


def local_path(url: str) -> Path:
    """Return the path of a file of this machine, by its ``file:`` URL or the path itself.

    Examples
    --------
    >>> local_path("file:///data/a%20b.tif").as_posix(), local_path("a.tif").as_posix()
    ('/data/a b.tif', 'a.tif')
    """
    return Path(url2pathname(urlsplit(url).path) if url[:5].lower() == "file:" else url)


class UrlSource(Protocol):
    """Where a readable URL comes from; called at each read, so that nothing goes stale.

    It is picklable and holds no secret.
    """

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is good for minutes at least.

        ``refused`` is a URL that the storage did not accept: the answer is another one.
        """
        ...

    def __hash__(self) -> int:
        """Two sources are equal where they lead to the same file: caches go by them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One raster file of a scene, or one band of it, ready to be read."""

    key: str
    """Key of the asset in its STAC item."""

    band: Band
    """The band, or what the file holds as a whole where it has several planes."""

    planes: tuple[Band, ...] = ()
    """The bands of a file of several, in file order; empty for one band."""

    href: str
    """Where it lies, unsigned."""

    source: UrlSource = field(repr=False)
    """Gives the URL to read it by."""

    indexes: tuple[int, ...] | None = None
    """Numbers of the planes to read, from 1; None: only the file knows."""

    grid: Grid | None = None
    """None where the item does not say; then only the file knows."""

    radiometry: Radiometry | None = None
    """None where the item does not say; then only the file knows."""

    media_type: str | None = None
    title: str = ""
    size: int | None = None
    """Bytes of the file; None where the item does not say."""

    routing: str = "direct"
    """``direct``: the provider's own file; ``converted``: made by our pipeline."""

    stretch: tuple[tuple[float, float], ...] = ()
    """Of a picture, for each plane the stored numbers that are drawn as 0 and 255."""

    stretch_without: tuple[str, ...] = ()
    """What the stretch was found without: ``nodata``, and ``clouds`` where the scene has a band
    that tells them."""

    signed: SignedUrl | None = None
    """None where signing was not asked for."""

    @property
    def name(self) -> str:
        """The native name of the band; how a resolution is keyed."""
        return self.band.native

    def __getstate__(self) -> dict[str, Any]:
        # A signature never travels: whoever unpickles this signs anew through `source`.
        return {**self.__dict__, "signed": None}
