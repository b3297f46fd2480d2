"""What a catalogue is to the rest of the package."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from astra_xr.catalogs.query import Query
from astra_xr.missions import MISSIONS, Item, Mission
from astra_xr.model import SceneId, SignedUrl

_log = logging.getLogger(__name__)

OTHERS = "astra:other_processings"
"""Property of an item: products of the same acquisition that were there too."""


@runtime_checkable
class Catalog(Protocol):
    """Finds items and makes their hrefs readable. One instance serves many threads.

    A subclass says how it finds, searches and signs; the rest is as most catalogues have it.
    """

    name: str
    """How users name it, e.g. ``earth-search``."""

    title: str
    """Its name in prose, for messages."""

    provider: str
    """Who serves the source data: ``metadata.source_provider`` of the contract; empty: the item
    tells."""

    own_files: bool = False
    """True where it is made of the user's own files, so that its items may name such."""

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the scene's item as plain JSON.

        Raises
        ------
        SceneNotFound, AmbiguousSceneId, UpstreamError
        """
        ...

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the items that a query wants, newest first, page by page as they are taken.

        ``query.limit`` is a hint for the size of pages. A mission that is not served has none.

        Raises
        ------
        UpstreamError
        """
        ...

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that reads ``href`` with no further authentication.

        Raises
        ------
        SigningError, UpstreamError
        """
        ...

    def href(self, asset: Mapping[str, Any]) -> str:
        """Return where to read an asset, of the places that its item names; empty: of none."""
        return str(asset.get("href") or "")

    def check(self, href: str) -> None:
        """Tell early, asking nobody, where credentials that :meth:`sign` needs are not there.

        Asked where the caller names no catalogue; what costs money is refused then, too.

        Raises
        ------
        SigningError
        """
        return

    def signs(self, href: str) -> bool:
        """Tell whether :meth:`sign` makes another of the signature that an href carries."""
        return False

    def owns(self, item: Item) -> bool:
        """Tell whether an item that a user brings came from this catalogue."""
        return False

    def offset_applied(self, item: Item, asset_key: str) -> str | None:
        """Return why the mission's offset is in the asset's pixels already; None: it is not."""
        return None


def choose(scene: SceneId, items: list[dict[str, Any]]) -> tuple[list[str], dict[str, Any] | None]:
    """Pick the item that an id means among the items that a search brought.

    Items of another acquisition are dropped. Of several processings of one acquisition the one
    that the id names wins, else the newest.

    Returns
    -------
    candidates : list of str
        Ids, as ``mission:name``, of the acquisitions that fit; more than one: ambiguous.
    item : dict or None
        The item, where exactly one acquisition fits.
    """
    mission = MISSIONS[scene.mission]
    fitting = [item for item in items if mission.matches(scene.parts, item)]
    groups = acquisitions(mission, fitting)
    best = [newest(mission, group, scene.parts) for group in groups]
    candidates = sorted(f"{scene.mission}:{mission.describe(item)['product']}" for item in best)
    if len(best) != 1:
        return candidates, None
    products = {mission.describe(item)["product"] for item in groups[0]}
    others = sorted(products - {mission.describe(best[0])["product"]})
    _log_choice(scene, candidates[0], mission.describe(best[0]), mission.version, others)
    properties = {**best[0]["properties"], **({OTHERS: others} if others else {})}
    return candidates, {**best[0], "properties": properties}


def _log_choice(
    scene: SceneId, chosen: str, told: Mapping[str, str], version: Iterable[str], others: list[str]
) -> None:
    missed = [
        f"{part} {scene.parts[part]}"
        for part in version
        if part in scene.parts and part in told and scene.parts[part] != told[part]
    ]
    if missed:
        _log.info("%s: %s, for %s is not there", scene, chosen, ", ".join(missed))
    elif others:
        _log.info("%s: %s, and not %s", scene, chosen, ", ".join(others))


def acquisitions(mission: Mission, items: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Bring together the items of one acquisition each, in the order of their first."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(acquisition(mission, item), []).append(item)
    return list(groups.values())


def acquisition(mission: Mission, item: Item) -> tuple[str, ...]:
    """Return what tells an item's acquisition from others of the mission."""
    told = mission.describe(item)
    moment = told.get("start") or told.get("day", "")
    return (*(told.get(part, "") for part in mission.acquisition), moment)


def newest(
    mission: Mission, items: Iterable[dict[str, Any]], named: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Pick the processing that an id's parts name, else the newest; the first of equals."""
    wanted = named or {}

    def rank(item: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
        told = mission.describe(item)
        fitting = sum(told.get(part) == wanted.get(part, "") for part in mission.version)
        return fitting, tuple(told.get(part, "") for part in mission.version)

    # max() keeps the first of equals.
    return max(items, key=rank)
