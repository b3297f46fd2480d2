"""Items that users opened themselves, kept in this process to open their classification bands."""

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
"""Items; only the assets of classification bands are kept, some kilobytes per item."""


@dataclass(frozen=True, kw_only=True)
class _OwnItem:
    item: Item
    """With the user's own hrefs, whose signatures never leave this process."""

    assets: Mapping[str, Any]
    """Its assets without signatures."""


_kept: LRUCache[str, _OwnItem | None] = LRUCache(_MOST)
_lock = Lock()


def keep_item(scene: Any, found: Resolution) -> None:
    """Keep what opens the classification bands of a user's item again; nothing for an id."""
    mission = MISSIONS.get(found.mission or "")
    if isinstance(scene, str | os.PathLike) or mission is None or not mission.masks:
        return
    bare = {key: found.item["assets"][key] for key in mask_keys(found.item, mission)}
    assets = {key: {**asset, "href": _href(scene, key)} for key, asset in bare.items()}
    own = _OwnItem(item={**found.item, "assets": assets}, assets=bare) if bare else None
    with _lock:
        before = _kept.get(found.full_id, own)
        same = before is not None and own is not None and before.assets == own.assets
        _kept[found.full_id] = own if same else None


def _href(scene: Any, key: str) -> str:
    asset = scene["assets"][key] if isinstance(scene, Mapping) else scene.assets[key]
    return str(asset["href"] if isinstance(asset, Mapping) else asset.href)


def kept_item(full_id: str) -> Item | None:
    """Return a user's item with only its classification bands.

    Returns
    -------
    dict or None
        None: the scene was opened by its id or in another process, has no such bands, or several
        items had this id.
    """
    with _lock:
        own = _kept.get(full_id)
    return own.item if own else None
