"""The metadata file of a scene with scale and offset of its digital numbers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from astra_xr.errors import AstraError, ReadError
from astra_xr.missions import Factors, Item, Mission
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
    """Read the factors of bands that neither the mission's table nor the item has.

    Parameters
    ----------
    item : dict
        The scene's STAC item.
    mission : Mission or None
        Its mission, if known.
    entries : iterable of BandAsset
        The bands to open; if none of them needs factors, nothing is read.
    source_of : callable
        Returns the URL source of an asset, by its key.
    timeout : float
        Seconds for the request.

    Returns
    -------
    mapping of str to Factors
        By native band name; empty if there is no such file, or it cannot be read.
    """
    sidecar = mission.sidecar if mission else None
    key = sidecar.asset(item) if sidecar else None
    if sidecar is None or key is None or not any(needs_factors(entry, item) for entry in entries):
        return {}
    try:
        document = _read_json(source_of(key)(), timeout)
    except AstraError as error:
        reason = str(error)
    else:
        return sidecar.read(document)
    _log.warning("%s opens as digital numbers: %s", item.get("id"), reason)
    return {}


def needs_factors(entry: BandAsset, item: Item) -> bool:
    """Return True if neither the mission's table nor the item has a band's factors."""
    spectral = entry.band.role in ("reflectance", "thermal")
    asset = item["assets"][entry.key]
    return spectral and entry.band.unit is None and not is_declared(item, asset)


def _read_json(signed: SignedUrl, timeout: float) -> Any:
    label, url = "the scene's metadata file", signed.url
    if urlsplit(url).scheme not in ("", "file"):
        headers = dict(signed.headers) or None
        return fetch_json(label.capitalize(), url, headers=headers, timeout=timeout)
    try:
        return json.loads(local_path(url).read_bytes())
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    raise ReadError(source=label, href=url, reason=reason)
