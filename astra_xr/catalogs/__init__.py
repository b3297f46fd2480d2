"""The catalogues: one module each, and this registry of them."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from astra_xr.catalogs.base import Catalog
from astra_xr.catalogs.cdse import Cdse
from astra_xr.catalogs.earth_search import EarthSearch
from astra_xr.catalogs.folder import Folder
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.catalogs.plain import PlainCatalog
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.catalogs.sample import Sample
from astra_xr.catalogs.usgs import Usgs
from astra_xr.errors import InvalidParameter
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
"""Every catalogue, by name."""

ORDER: Mapping[str, tuple[str, ...]] = {
    "sentinel-2": ("earth-search", "planetary-computer", "cdse"),
    "landsat": ("planetary-computer", "earth-search", "usgs"),
    "hls": ("planetary-computer", "lpdaac"),
    "sentinel-1-rtc": ("planetary-computer",),
    "naip": ("planetary-computer",),
    "copernicus-dem": ("planetary-computer",),
}
"""Whom to ask for a mission's scenes where the caller names nobody: first who serves them as
COGs without credentials. The sample is never among them: nobody gets synthetic pixels unasked."""

__all__ = ["CATALOGS", "ORDER", "Catalog", "catalog_name", "connect", "holds_any", "owner_of"]


_lock = threading.Lock()


@functools.cache
def _connect(name: str, settings: Settings) -> Catalog:
    if name in CATALOGS:
        return CATALOGS[name](settings)
    if name.startswith(("https://", "http://")):
        return PlainCatalog(name, settings)
    if name.startswith(("file:", "~")) or "/" in name or Path(name).exists():
        return Folder(name, settings)
    expected = (
        f"one of {', '.join(CATALOGS)}; or the URL of a STAC catalogue, a folder of items, "
        "or a stac-geoparquet file"
    )
    raise InvalidParameter(name="catalog", value=name, expected=expected)


def connect(name: str, settings: Settings) -> Catalog:
    """Return the process's one instance of a catalogue, with its token cache.

    Parameters
    ----------
    name : str
        One of ``CATALOGS``; or a STAC catalogue of the user's: its URL, a folder or a file.
    settings : Settings

    Raises
    ------
    InvalidParameter
        There is no catalogue of that name.
    """
    with _lock:
        return _connect(name, settings)


def catalog_name(catalog: object) -> str | None:
    """Return what users name a catalogue by as text; None: they name none.

    Raises
    ------
    InvalidParameter
        It is neither text nor a path.
    """
    name = os.fspath(catalog) if isinstance(catalog, os.PathLike) else catalog
    if name is None or isinstance(name, str):
        return name or None
    raise InvalidParameter(name="catalog", value=catalog, expected="the name of a catalogue")


def holds_any(name: str | None) -> bool:
    """Tell whether a catalogue is the user's own, which may hold items of no mission of ours."""
    return name is not None and name not in CATALOGS


def owner_of(item: Item, settings: Settings, *, found_in: Catalog | None = None) -> Catalog | None:
    """Return the catalogue whose ways an item follows: how it is signed, what its pixels are.

    Parameters
    ----------
    item : dict
        A STAC item as JSON.
    settings : Settings
    found_in : Catalog, optional
        Who gave it. A catalogue of the user's own may hold copies of others' items.

    Returns
    -------
    Catalog or None
        None where it is none that we know.
    """
    if found_in and not holds_any(found_in.name):
        return found_in
    catalogs = (connect(name, settings) for name in CATALOGS if name != "sample" or not found_in)
    return next((catalog for catalog in catalogs if catalog.owns(item)), found_in)
