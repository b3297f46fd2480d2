"""The metadata file of a scene with scale and offset of its digital numbers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from astra_xr.errors import AstraError, ReadError
from astra_xr.missions import Factors, Item, Mission
from astra_xr.missions.recognition import bands_in
from astra_xr.model import SignedUrl, UrlSource, local_path
from astra_xr.net.client import fetch_json
from astra_xr.resolver.bands import BandAsset
from astra_xr.resolver.radiometry import is_declared

_log = logging.getLogger(__name__)


def read_factors(
    item: Item,
    mission: Mission | None,
    entries: Iterable[BandAsset],
    source_of: Callable[[str], UrlSource],
    *,
    timeout: float,
) -> Mapping[str, Factors]:
    """Read the factors of bands that have none in the mission's table, by native band name.

    One scene has one source of factors, since items have radiance factors of some bands only: the
    result is empty if there is no such file, or it cannot be read, or does not have all bands.

    Parameters
    ----------
    item, mission
        The scene's STAC item, and its mission, if known.
    entries : iterable of BandAsset
        The bands to open; if none of them needs factors, nothing is read.
    source_of : callable
        Returns the URL source of an asset, by its key.
    timeout : float
        Seconds for the request.
    """
    sidecar = mission.sidecar if mission else None
    key = sidecar.asset(item) if sidecar else None
    lacking = [entry for entry in entries if needs_factors(entry)]
    if mission is None or sidecar is None or key is None or not lacking:
        return {}
    try:
        factors = sidecar.read(_read_json(source_of(key)(), timeout))
    except AstraError as error:
        reason = str(error)
    else:
        if _is_complete(factors, item, mission):
            return factors
        reason = f"{key} has no factors of one kind for all bands."
    _log.warning("%s opens %s: %s", item.get("id"), _fallback(lacking, item), reason)
    return {}


def needs_factors(entry: BandAsset) -> bool:
    """Return True for a band of reflectance or heat without factors in the mission's table."""
    return entry.band.role in ("reflectance", "thermal") and entry.band.unit is None


def _is_complete(factors: Mapping[str, Factors], item: Item, mission: Mission) -> bool:
    """Return True if the factors have one unit, and include all bands with factors in the item."""
    spectral = [band for band in mission.bands(item) if band.role == "reflectance"]
    units = {factors[band.native].unit for band in spectral if band.native in factors}
    declared = {
        native
        for native, keys in bands_in(item, spectral).items()
        if any(is_declared(item["assets"][key]) for key in keys)
    }
    return len(units) < 2 and declared <= factors.keys()


def _fallback(entries: Iterable[BandAsset], item: Item) -> str:
    """Return how bands open without the file: by the item's factors, or as stored."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        declared = is_declared(item["assets"][entry.key])
        kind = "by the factors of the item" if declared else "as digital numbers"
        groups.setdefault(kind, []).append(entry.band.common or entry.band.native)
    return ", ".join(f"{' and '.join(names)} {kind}" for kind, names in groups.items())


def _read_json(signed: SignedUrl, timeout: float) -> Any:
    label = "the scene's metadata file"
    if urlsplit(signed.url).scheme not in ("", "file"):
        return fetch_json(label.capitalize(), signed, timeout=timeout)
    try:
        return json.loads(local_path(signed.url).read_bytes())
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    raise ReadError(source=label, href=str(signed), reason=reason)
