"""STAC documents, local or remote: their items and links, and the item that an id refers to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from astra_xr.catalogs.base import choose
from astra_xr.catalogs.query import Query, time_of
from astra_xr.errors import (
    AmbiguousSceneId,
    InvalidItem,
    InvalidParameter,
    SceneNotFound,
    suggestion,
)
from astra_xr.missions import MISSIONS, clean_item, mission_of
from astra_xr.model import SceneId

_SHOWN = 20
_EVER = datetime.min.replace(tzinfo=UTC)
_HTTP = re.compile(r"https?://[\w.-]")


def items_of(document: Any) -> list[dict[str, Any]]:
    """Return the items of a document: an item or an item collection; empty for anything else."""
    kind = document.get("type") if isinstance(document, Mapping) else None
    raw = document.get("features") if kind == "FeatureCollection" else [document]
    items = []
    for entry in raw if isinstance(raw, list) else ():
        if isinstance(entry, Mapping) and entry.get("type") == "Feature":
            try:
                items.append(clean_item(entry))
            except InvalidItem:
                continue
    return items


def resolved(item: dict[str, Any], base: str) -> dict[str, Any]:
    """Return the item with absolute hrefs; relative ones are relative to ``base``, a URL."""
    assets = {
        key: {**asset, "href": join(base, asset["href"])} if asset.get("href") else asset
        for key, asset in item["assets"].items()
    }
    return {**item, "assets": assets}


def join(base: str, href: object) -> str:
    """Return an href as an absolute URL; an invalid one is returned unchanged."""
    try:
        return urljoin(base, str(href))
    except ValueError:
        return str(href)


def origin(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL; empty if it is invalid."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme.casefold(), parts.netloc.casefold()


def self_link(item: Mapping[str, Any]) -> str | None:
    """Return the absolute URL in an item's self link, or None."""
    hrefs = (str(link.get("href")) for link in links_of(item) if link.get("rel") == "self")
    return next((href for href in hrefs if _HTTP.match(href)), None)


def links_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the links of a STAC document that are JSON objects."""
    links = document.get("links")
    return [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else []


def spellings(scene: SceneId) -> list[str]:
    """Return the possible ids of a scene's item: as the user wrote it, and its canonical form."""
    return list(dict.fromkeys((scene.text, scene.name)))


def pick(scene: SceneId, items: Iterable[dict[str, Any]], *, catalog: str) -> dict[str, Any]:
    """Return the item that a scene id refers to: by id, else by acquisition.

    Raises
    ------
    SceneNotFound, AmbiguousSceneId
    """
    items = list(items)
    for name in spellings(scene):
        exact = [item for item in items if item["id"] == name]
        if len({item.get("collection") for item in exact}) > 1:
            raise AmbiguousSceneId(scene_id=str(scene), candidates=_places(exact, catalog))
        if exact:
            return exact[0]
    candidates, item = choose(scene, items) if scene.mission in MISSIONS else ([], None)
    if len(candidates) > 1:
        raise AmbiguousSceneId(scene_id=str(scene), candidates=candidates)
    if item is None:
        raise SceneNotFound(scene_id=str(scene), asked=[catalog])
    return item


def _places(items: Iterable[Mapping[str, Any]], root: str) -> list[str]:
    """Return the URLs of items with the same id, each of which opens one of them."""
    return [
        self_link(item) or f"{root}/collections/{item.get('collection')}/items/{item['id']}"
        for item in items
    ]


def wanted(query: Query, items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the items that match a query, of its mission or of its collection."""
    for item in items:
        mission = None if query.collection else mission_of(item)
        if query.collection:
            fits = item.get("collection") == query.collection
        else:
            fits = mission is not None and mission.name == query.mission
        if fits and query.wants(item):
            yield item


def check_collection(query: Query, items: Iterable[Mapping[str, Any]]) -> None:
    """Raise InvalidParameter if a query is for a collection, and no item is in it."""
    if query.collection:
        no_collection(query, {str(item["collection"]) for item in items if item.get("collection")})


def no_collection(query: Query, names: Collection[str]) -> None:
    """Raise InvalidParameter, which lists the names, if the query's collection is not in them."""
    if query.collection in names:
        return
    hint = suggestion(query.collection, names)
    shown = ", ".join(sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    expected = f"a mission, or a collection of this catalog, which has {shown or 'none'}{hint}"
    raise InvalidParameter(name="mission", value=query.collection, expected=expected)


def newest_first(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items sorted by time, newest first."""
    return sorted(items, key=lambda item: time_of(item) or _EVER, reverse=True)
