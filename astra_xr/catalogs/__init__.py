"""The catalogues: one module each, and this registry of them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping

from astra_xr.catalogs.base import Catalog
from astra_xr.catalogs.earth_search import EarthSearch
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.catalogs.sample import Sample
from astra_xr.errors import InvalidParameter
from astra_xr.missions import Item
from astra_xr.settings import Settings

CATALOGS: Mapping[str, Callable[[Settings], Catalog]] = {
    "earth-search": EarthSearch,
    "planetary-computer": PlanetaryComputer,
    "sample": Sample,
}
"""Every catalogue, by name."""

ORDER: Mapping[str, tuple[str, ...]] = {
    "sentinel-2": ("earth-search", "planetary-computer"),
    "landsat": ("planetary-computer", "earth-search"),
}
"""Whom to ask for a mission's scenes where the caller names nobody: first who serves them as
COGs without credentials. The sample is never among them: nobody gets synthetic pixels unasked."""

__all__ = ["CATALOGS", "ORDER", "Catalog", "connect", "owner_of"]


_lock = threading.Lock()


@functools.cache
def _connect(name: str, settings: Settings) -> Catalog:
    return CATALOGS[name](settings)


def connect(name: str, settings: Settings) -> Catalog:
    """Return the process's one instance of a catalogue, with its token cache.

    Raises
    ------
    InvalidParameter
        There is no catalogue of that name.
    """
    if name not in CATALOGS:
        expected = f"one of {', '.join(CATALOGS)}"
        raise InvalidParameter(name="catalog", value=name, expected=expected)
    with _lock:
        return _connect(name, settings)


def owner_of(item: Item, settings: Settings) -> Catalog | None:
    """Return the catalogue that an item came from; None where it is none of ours."""
    catalogs = (connect(name, settings) for name in CATALOGS)
    return next((catalog for catalog in catalogs if catalog.owns(item)), None)
