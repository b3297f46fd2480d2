"""The catalogs: one module each, and this registry of them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from astra_xr.catalogs.base import Catalog
from astra_xr.catalogs.cdse import Cdse
from astra_xr.catalogs.earth_search import EarthSearch
from astra_xr.catalogs.folder import Folder
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.catalogs.plain import PlainCatalog
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.catalogs.sample import Sample
from astra_xr.catalogs.usgs import Usgs
from astra_xr.errors import InvalidParameter, suggestion
from astra_xr.locks import Lock
from astra_xr.missions import Item
from astra_xr.settings import Settings

CATALOGS: Mapping[str, Callable[[Settings], Catalog]] = {
    "earth-search": EarthSearch,
    "planetary-computer": PlanetaryComputer,
    "cdse": Cdse,
    "usgs": Usgs,
    "lpdaac": LpDaac,
    "sample": Sample,
}
"""Every catalog, by name."""

ORDER: Mapping[str, tuple[str, ...]] = {
    "sentinel-2": ("earth-search", "planetary-computer", "cdse"),
    "landsat": ("planetary-computer", "earth-search", "usgs"),
    "hls": ("planetary-computer", "lpdaac"),
    "sentinel-1-rtc": ("planetary-computer",),
    "naip": ("planetary-computer",),
    "copernicus-dem": ("planetary-computer",),
}
"""Mission → catalogs to search if the user names none: first those that serve COGs without
credentials. The sample is not among them: synthetic pixels are opened only by catalog="sample"."""

__all__ = ["CATALOGS", "ORDER", "Catalog", "catalog_name", "connect", "holds_any", "owner_of"]


_lock = Lock()


@functools.cache
def _connect(name: str, settings: Settings) -> Catalog:
    if name in CATALOGS:
        return CATALOGS[name](settings)
    if name.startswith(_HTTP):
        return PlainCatalog(name, settings)
    if _is_own(name):
        return Folder(name, settings)
    raise InvalidParameter(name="catalog", value=name, expected=_EXPECTED)


_HTTP = ("https://", "http://")
_EXPECTED = (
    f"one of {', '.join(CATALOGS)}; or the URL of a STAC catalog, a folder of items, "
    "or a stac-geoparquet file"
)


def _is_own(name: str) -> bool:
    """Return True if a name is that of a user's own catalog: a URL, a folder or a file."""
    if name.startswith((*_HTTP, "file:", "~")) or "/" in name:
        return True
    with contextlib.suppress(OSError, ValueError):  # what no path can be
        return Path(name).exists()
    return False


def connect(name: str, settings: Settings) -> Catalog:
    """Return the process's one instance of a catalog, with its token cache.

    The name is one of ``CATALOGS``, or the URL, folder or file of the user's own STAC catalog.

    Raises
    ------
    InvalidParameter
        There is no catalog of that name.
    """
    with _lock:
        return _connect(name, settings)


class OpenCatalog(Protocol):
    """A ``pystac_client.Client``, ``pystac.Catalog`` or the like, which has its own URL."""

    def get_self_href(self) -> str | None:
        """Return the URL; None if it has none."""
        ...


AnyCatalog = str | os.PathLike[str] | OpenCatalog | None
"""A catalog as users name it; None for no particular one."""

_SHORT = {"pc": "planetary-computer", "mpc": "planetary-computer", "es": "earth-search"}
_SPELLINGS = {**{name.replace("-", ""): name for name in CATALOGS}, **_SHORT}


def catalog_name(catalog: AnyCatalog) -> str | None:
    """Return the name of a catalog as :func:`connect` takes it; None if none was given.

    Parameters
    ----------
    catalog : str, path, pystac_client.Client or pystac.Catalog, optional
        A name in any case, with or without its hyphens, also ``pc``, ``mpc`` or ``es``; the URL,
        folder or file of one of the user's own; or an open catalog, which counts as its own URL.

    Raises
    ------
    InvalidParameter
        It is none of these, or no catalog has that name.

    Examples
    --------
    >>> catalog_name("Sample"), catalog_name("pc"), catalog_name("https://stac.example/v1")
    ('sample', 'planetary-computer', 'https://stac.example/v1')
    """
    name: object = os.fspath(catalog) if isinstance(catalog, os.PathLike) else catalog
    own = getattr(catalog, "get_self_href", None)
    if callable(own):
        name = own()
        if not isinstance(name, str):
            reason, expected = ".get_self_href() is None", "the catalog's URL"
            raise InvalidParameter(name="catalog", value=catalog, expected=expected, reason=reason)
    if name is None:
        return None
    if not isinstance(name, str):
        raise InvalidParameter(name="catalog", value=catalog, expected=_EXPECTED)
    if not name:
        return None
    known = _SPELLINGS.get(re.sub(r"[-_\s]", "", name.casefold()))
    if known or _is_own(name):
        return known or name
    expected = _EXPECTED + suggestion(name, [*CATALOGS, *_SHORT])
    raise InvalidParameter(name="catalog", value=name, expected=expected)


def holds_any(name: str | None) -> bool:
    """Return True if a catalog is the user's own, which may hold items of unknown missions."""
    return name is not None and name not in CATALOGS


def owner_of(item: Item, settings: Settings, *, found_in: Catalog | None = None) -> Catalog | None:
    """Return the catalog that signs an item's files and defines its radiometry.

    Parameters
    ----------
    item : dict
        A STAC item as JSON.
    settings : Settings
    found_in : Catalog, optional
        The catalog that returned it. A user's own catalog may hold copies of other items.

    Returns
    -------
    Catalog or None
        None if it is none of ``CATALOGS``.
    """
    if found_in and not holds_any(found_in.name):
        return found_in
    # A catalog without an API has local files: only the user's own item may refer to these.
    fitting = (each for each in _every(settings) if each.root or not found_in)
    return next((catalog for catalog in fitting if catalog.owns(item)), found_in)


def offset_applied(item: Item, asset_key: str, settings: Settings) -> str | None:
    """Return why an asset's pixels already include the mission's offset; None if they do not.

    By all catalogs: each may have copies of another one's items and files.
    """
    reasons = (each.offset_applied(item, asset_key) for each in _every(settings))
    return next(filter(None, reasons), None)


@functools.cache
def _every(settings: Settings) -> tuple[Catalog, ...]:
    """Return the process's instances of all ``CATALOGS``."""
    return tuple(connect(name, settings) for name in CATALOGS)
