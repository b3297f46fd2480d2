"""The interface of a catalog, and choosing among the items that it finds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from astra_xr.catalogs.query import Query
from astra_xr.missions import MISSIONS, Item, Mission
from astra_xr.missions.media_types import raster_kind
from astra_xr.missions.recognition import bands_in
from astra_xr.model import SceneId, SignedUrl

_log = logging.getLogger(__name__)

OTHERS = "astra:other_processings"
"""Property of an item: the other products of the same acquisition."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of the results of a search."""

    items: list[dict[str, Any]]
    """Items that no earlier page had."""

    broken: tuple[str, ...] = ()
    """Why entries are not STAC items, and were left out."""

    matched: int | None = None
    """Number of matching items, by the catalog; None if it does not count them."""

    trouble: str = ""
    """Why the pages end here although the catalog has more; empty at a proper end."""


@runtime_checkable
class Catalog(Protocol):
    """Finds items and makes their hrefs readable. One instance serves many threads.

    A subclass implements find, search and sign; the other methods have usable defaults.
    """

    name: str
    """Its name for ``catalog=``, e.g. ``earth-search``."""

    title: str
    """Its name in messages."""

    provider: str
    """The provider of the source data, ``metadata.source_provider`` of the API; empty if it is
    taken from the item."""

    own_files: bool = False
    """True if it consists of the user's own files; its items may then refer to local files."""

    root: str = ""
    """URL of its API, which the settings or the user name; empty if it has none."""

    collections: Mapping[str, tuple[str, ...]] = {}
    """Mission → the collections of its scenes, the preferred one first; empty for the user's own
    catalogs."""

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the scene's item as plain JSON.

        Raises
        ------
        SceneNotFound, AmbiguousSceneId, UpstreamError
        """
        ...

    def search(self, query: Query) -> Iterator[Page]:
        """Yield the items that match a query, newest first; pages are fetched as needed.

        ``query.max_items`` is a hint for the page size. A mission that is not served has no pages.

        Raises
        ------
        UpstreamError
        """
        ...

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that reads ``href`` without further authentication.

        Raises
        ------
        SigningError, UpstreamError
        """
        ...

    def processings(self, scene: SceneId) -> list[dict[str, Any]]:
        """Return all items of the scene that this catalog has, the best first.

        Called if the item of :meth:`find` lacks a band. By default there are no others.

        Raises
        ------
        UpstreamError
        """
        return []

    def mended(self, item: Item) -> Item:
        """Return an item without the known faults of this catalog."""
        return item

    def href(self, asset: Mapping[str, Any]) -> str:
        """Return the preferred href of an asset that may have several; empty if it has none."""
        return str(asset.get("href") or "")

    def check(self, href: str) -> None:
        """Raise early, without a request, if credentials that :meth:`sign` needs are missing.

        Called if the user names no catalog; reads that cost money are refused then, too.

        Raises
        ------
        SigningError
        """
        return

    def signs(self, href: str) -> bool:
        """Return True if :meth:`sign` can replace the signature of an href."""
        return False

    def owns(self, item: Item) -> bool:
        """Return True if a user's item comes from this catalog."""
        return False

    def offset_applied(self, item: Item, asset_key: str) -> str | None:
        """Return why the asset's pixels already include the mission's offset; None if not."""
        return None


def choose(scene: SceneId, items: list[dict[str, Any]]) -> tuple[list[str], dict[str, Any] | None]:
    """Return the item that a scene id refers to, from the results of a search.

    Items of other acquisitions are dropped. Among several processings of one acquisition, the
    one named by the id is taken, else the one that has most bands, else the newest.

    Returns
    -------
    candidates : list of str
        Ids, as ``mission:name``, of the matching acquisitions; several if the id is ambiguous.
    item : dict or None
        The item, if exactly one acquisition matches.
    """
    mission = MISSIONS[scene.mission]
    fitting = [item for item in items if mission.matches(scene.parts, item)]
    groups = acquisitions(mission, fitting)
    best = [ranked(mission, group, scene.parts)[0] for group in groups]
    candidates = sorted(map(mission.scene_id, best))
    if len(best) != 1:
        return candidates, None
    _log_bands(mission, best[0], groups[0])
    products = {mission.describe(item)["product"] for item in groups[0]}
    others = sorted(products - {mission.describe(best[0])["product"]})
    _log_choice(scene, candidates[0], mission.describe(best[0]), mission.version, others)
    properties = {**best[0]["properties"], **({OTHERS: others} if others else {})}
    return candidates, {**best[0], "properties": properties}


def _log_choice(
    scene: SceneId, chosen: str, found: Mapping[str, str], version: Iterable[str], others: list[str]
) -> None:
    missed = [
        f"{part} {scene.parts[part]}"
        for part in version
        if part in scene.parts and part in found and scene.parts[part] != found[part]
    ]
    if missed:
        _log.info("%s: using %s; %s not found", scene, chosen, ", ".join(missed))
    elif others:
        _log.info("%s: using %s instead of %s", scene, chosen, ", ".join(others))


def _log_bands(mission: Mission, chosen: Item, group: Iterable[Item]) -> None:
    """Log which processings of an acquisition are not used since they lack bands."""
    count = count_bands(mission, chosen)[1]
    for item in group:
        if (other := count_bands(mission, item)[1]) < count:
            text = "%s of %s: using %s of %s, which has %s bands and not %s"
            names = (item["id"], item.get("collection"), chosen["id"], chosen.get("collection"))
            _log.info(text, *names, count, other)


def acquisitions(mission: Mission, items: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group items by acquisition, in the order of each group's first item."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(acquisition_key(mission, mission.describe(item)), []).append(item)
    return list(groups.values())


def acquisition_key(mission: Mission, parts: Mapping[str, str]) -> tuple[str, ...]:
    """Return what identifies an acquisition within the mission, by the parts of its item."""
    start = parts.get("start") or parts.get("day", "")
    # Parts of an acquisition may have ids of their own.
    return (*(parts.get(part, "") for part in (*mission.acquisition, "item")), start)


def ranked(
    mission: Mission, items: Iterable[dict[str, Any]], wanted: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return processings of an acquisition, the best first, equals in their order.

    The best is the one that the parts of an id name, else the one with most bands, else the newest.
    """

    def rank(item: dict[str, Any]) -> tuple[int, tuple[int, int], tuple[str, ...]]:
        parts = mission.describe(item)
        fitting = sum(parts.get(part) == wanted.get(part, "") for part in mission.version)
        version = tuple(parts.get(part, "") for part in mission.version)
        return fitting, count_bands(mission, item), version

    return sorted(items, key=rank, reverse=True)


_COUNTED = ("reflectance", "thermal", "class", "mask")


def count_bands(mission: Mission, item: Item) -> tuple[int, int]:
    """Return the number of an item's bands that users look for: in TIFF, and in any format."""
    bands = [band for band in mission.bands(item) if band.role in _COUNTED]
    found = bands_in(item, bands).values()
    assets = item.get("assets", {})
    tiffs = sum(any(raster_kind(assets[key]) == "tiff" for key in keys) for keys in found)
    return tiffs, len(found)
