"""Items that users opened themselves: kept in this process, so that their classes can be opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from astra_xr.locks import Lock
from astra_xr.missions import MISSIONS, Item
from astra_xr.resolver.bands import mask_keys
from astra_xr.resolver.resolution import Resolution

_MOST = 4096
"""Items; the assets of classification bands alone are kept, some kilobytes of each."""


@dataclass(frozen=True, kw_only=True)
class _Given:
    item: Item
    """With the user's own hrefs, whose signatures never leave this process."""

    shown: Item
    """The same without signatures."""


_given: LRUCache[str, _Given | None] = LRUCache(_MOST)
_lock = Lock()


def keep(scene: Any, found: Resolution) -> None:
    """Keep what opens the classification bands of a user's item again; nothing of an id."""
    mission = MISSIONS.get(found.mission or "")
    if isinstance(scene, str | os.PathLike) or mission is None or not mission.masks:
        return
    keys = mask_keys(found.item, mission)
    shown = {key: found.item["assets"][key] for key in keys}
    assets = {key: {**asset, "href": _href(scene, key)} for key, asset in shown.items()}
    given = _Given(item={**found.item, "assets": assets}, shown=shown) if keys else None
    with _lock:
        before = _given.get(found.full_id, given)
        same = before is not None and given is not None and before.shown == given.shown
        _given[found.full_id] = given if same else None


def _href(scene: Any, key: str) -> str:
    asset = scene["assets"][key] if isinstance(scene, Mapping) else scene.assets[key]
    return str(asset["href"] if isinstance(asset, Mapping) else asset.href)


def item_of(full_id: str) -> Item | None:
    """Return a user's item with its classification bands alone.

    Returns
    -------
    dict or None
        None: the scene was opened by its id or in another process, has no such bands, or several
        items had this id.
    """
    with _lock:
        given = _given.get(full_id)
    return given.item if given else None
