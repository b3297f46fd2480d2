"""STAC as files, local or remote: the items of a document, and the one that an id refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from astra_xr.catalogs.base import choose
from astra_xr.catalogs.query import Query
from astra_xr.catalogs.s3 import S3
from astra_xr.errors import AmbiguousSceneId, InvalidItem, SceneNotFound
from astra_xr.missions import MISSIONS, clean_item, mission_of
from astra_xr.model import SceneId, SignedUrl

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


def pick(scene: SceneId, items: Iterable[dict[str, Any]], *, asked: str) -> dict[str, Any]:
    """Return the item that a scene id refers to: by id, else by acquisition.

    Raises
    ------
    SceneNotFound, AmbiguousSceneId
    """
    items = list(items)
    for name in spellings(scene):
        exact = [item for item in items if item["id"] == name]
        if exact:
            return exact[0]
    candidates, item = choose(scene, items) if scene.mission in MISSIONS else ([], None)
    if len(candidates) > 1:
        raise AmbiguousSceneId(scene_id=str(scene), candidates=candidates)
    if item is None:
        raise SceneNotFound(scene_id=str(scene), asked=[asked])
    return item


def wanted(query: Query, items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the items that match a query."""
    for item in items:
        mission = mission_of(item)
        if mission and mission.name == query.mission and query.wants(item):
            yield item


def newest_first(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items sorted by time, newest first."""

    def when(item: dict[str, Any]) -> str:
        return str(item["properties"].get("datetime") or "")

    return sorted(items, key=when, reverse=True)


def storage_url(href: str, s3: S3, refused: SignedUrl | None) -> SignedUrl:
    """Return a URL that reads an href in storage unknown to our catalogs.

    Raises
    ------
    SigningError
        The href is neither https nor s3 (a remote item must not lead to local files), or there
        are no credentials for S3.
    """
    if href.startswith(("https://", "http://")):
        return SignedUrl(url=href)
    return s3.sign(href, refused=refused)
