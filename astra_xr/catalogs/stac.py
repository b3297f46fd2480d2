"""A STAC API as a source of items: lookups by id and by search, over HTTP and JSON."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from astra_xr.catalogs.base import Catalog, choose
from astra_xr.catalogs.query import Query
from astra_xr.errors import AmbiguousSceneId, InvalidItem, SceneNotFound, UpstreamError
from astra_xr.missions import Item, clean_item
from astra_xr.missions.sentinel2 import sensing_starts
from astra_xr.model import SceneId
from astra_xr.net.client import fetch_json

_MOST_PAGES = 10
"""Pages that one lookup may take; what it looks for is a tile's day."""
_PAGE = 250
_SEARCH_PAGE = 100
"""Items of one page of a search: a whole item is some 40 KB, and answers of Earth Search end
at 6 MB."""


@dataclass(frozen=True, kw_only=True)
class ById:
    """Look an item up by its id."""

    collection: str
    item: str


@dataclass(frozen=True, kw_only=True)
class BySearch:
    """Look for items with a ``POST /search``; what fits is picked from the answer."""

    body: Mapping[str, Any]
    """Item-search parameters, e.g. collections, datetime, query."""


Lookup = ById | BySearch


class StacCatalog(Catalog):
    """Base of the catalogues behind a STAC API: subclasses say how they spell a scene id."""

    collections: Mapping[str, tuple[str, ...]] = {}
    """Mission → the collections that hold its scenes, the preferred one first."""

    def __init__(self, *, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Give the ways to find a scene here, the surest first; none: not served here."""
        raise NotImplementedError

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the scene's item as plain JSON.

        Raises
        ------
        SceneNotFound
            No lookup brought an item that fits the id.
        AmbiguousSceneId
            Several acquisitions fit.
        UpstreamError
            The catalogue is down or answers nonsense.
        """
        for lookup in self.lookups(scene):
            candidates, item = choose(scene, self._look(lookup))
            if len(candidates) > 1:
                raise AmbiguousSceneId(scene_id=str(scene), candidates=candidates)
            if item is not None:
                return item
        raise SceneNotFound(scene_id=str(scene), asked=[self.title])

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the items that a query wants, newest first, a page a request.

        Raises
        ------
        UpstreamError
            The catalogue is down or answers nonsense.
        """
        collections = self.collections.get(query.mission, ())
        if not collections:
            return
        # An acquisition may be in each of the collections.
        page = min(_SEARCH_PAGE, query.limit * len(collections))
        body = {"collections": list(collections), "limit": page, **query.body()}
        seen: set[tuple[Any, Any]] = set()
        for items in self._pages(body):
            new = [item for item in items if (item.get("collection"), item["id"]) not in seen]
            if not new:
                return
            seen.update((item.get("collection"), item["id"]) for item in new)
            yield from (item for item in new if query.wants(item))

    def owns(self, item: Item) -> bool:
        """Tell whether one of the item's own links leads into this API."""
        links = [link for link in item.get("links") or () if isinstance(link, Mapping)]
        return any(
            str(link.get("href", "")).startswith(self._url)
            for link in links
            if link.get("rel") in ("self", "root", "parent", "collection")
        )

    def _look(self, lookup: Lookup) -> list[dict[str, Any]]:
        if isinstance(lookup, ById):
            found = self._fetch(
                f"/collections/{quote(lookup.collection, safe='')}"
                f"/items/{quote(lookup.item, safe='')}"
            )
            return [] if found is None else [self._checked(found)]
        # Of equals the collection that was named first is taken.
        order = list(lookup.body["collections"])
        items = self._search(lookup.body)
        return sorted(items, key=lambda item: _position(order, item.get("collection")))

    def _search(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        pages = itertools.islice(self._pages({"limit": _PAGE, **body}), _MOST_PAGES)
        return list(itertools.chain.from_iterable(pages))

    def _pages(self, body: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        following: tuple[str, Mapping[str, Any] | None] | None = f"{self._url}/search", body
        while following:
            url, post = following
            page = fetch_json(self.title, url, body=post, timeout=self._timeout)
            if not isinstance(page, dict) or not isinstance(page.get("features"), list):
                raise UpstreamError(service=self.title, reason="the search answer has no features")
            yield [self._checked(feature) for feature in page["features"]]
            following = _next_page(page, body=dict(post or {}))

    def _fetch(self, path: str) -> Any:
        return fetch_json(self.title, f"{self._url}{path}", timeout=self._timeout)

    def _checked(self, item: Any) -> dict[str, Any]:
        """Let only what has the outline of an item through."""
        try:
            return clean_item(item)
        except InvalidItem as error:
            reason = error.reason
        raise UpstreamError(
            service=self.title, reason=f"it answered something that is no item ({reason})"
        )


def landsat_lookups(scene: SceneId, collection: str) -> Iterator[Lookup]:
    """Give the lookups of a Landsat Collection 2 scene, whose ids here lack the processing date.

    A scene may have come to another tier since its id was written down.
    """
    parts = scene.parts
    if "tier" in parts:
        name = "{sensor}_{level}_{path}{row}_{day}_{collection}_{tier}".format(**parts)
        yield ById(collection=collection, item=name)
    yield landsat_search(scene, [collection])


def landsat_search(scene: SceneId, collections: list[str]) -> BySearch:
    """Search by path, row and day."""
    parts = scene.parts
    query = {
        "landsat:wrs_path": {"eq": parts["path"]},
        "landsat:wrs_row": {"eq": parts["row"]},
    }
    body = {"collections": collections, "datetime": day_window(parts["day"]), "query": query}
    return BySearch(body=body)


def sentinel2_search(parts: Mapping[str, str], collections: list[str], window: str) -> BySearch:
    """Search by satellite, time and tile, where items have the grid extension's code of it."""
    query: dict[str, Any] = {"platform": {"eq": f"sentinel-2{parts['platform'][-1].lower()}"}}
    if "tile" in parts:
        query["grid:code"] = {"eq": f"MGRS-{parts['tile']}"}
    return BySearch(body={"collections": collections, "datetime": window, "query": query})


def hls_name(parts: Mapping[str, str]) -> str:
    """Return the id of an HLS granule's item."""
    return "HLS.{sensor}.T{tile}.{start}.v{version}".format(**{"version": "2.0", **parts})


def sensing_window(parts: Mapping[str, str]) -> str:
    """Give the search interval of a Sentinel-2 id where items have the sensing start."""
    return _interval(*sensing_starts(parts))


def tile_window(parts: Mapping[str, str]) -> str:
    """Give the search interval of a Sentinel-2 id where items have the tile's own time.

    That is up to 15 minutes after the sensing start.
    """
    first, last = sensing_starts(parts)
    return _interval(first - timedelta(minutes=1), last + timedelta(minutes=20))


def _interval(first: datetime, last: datetime) -> str:
    return "/".join(f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (first, last))


def day_window(day: str) -> str:
    """Turn ``YYYYMMDD`` into the search interval of that UTC day."""
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return f"{date}T00:00:00Z/{date}T23:59:59Z"


def time_window(start: str, *, before: timedelta, after: timedelta) -> str:
    """Turn ``YYYYMMDDTHHMMSS`` (UTC) into the search interval around it."""
    moment = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return _interval(moment - before, moment + after)


def _position(order: list[str], collection: Any) -> int:
    return order.index(collection) if collection in order else len(order)


def _next_page(
    page: Mapping[str, Any], body: dict[str, Any]
) -> tuple[str, dict[str, Any] | None] | None:
    """Read the ``next`` link: where, and what to post (None: get)."""
    links = page.get("links")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, Mapping) or not isinstance(link.get("href"), str):
            continue
        if link.get("rel") == "next" and page["features"]:
            if str(link.get("method", "GET")).upper() == "GET":
                return link["href"], None
            sent = link.get("body")
            sent = sent if isinstance(sent, Mapping) else {}
            # Earth Search leaves `merge` out although its body is the token alone.
            return link["href"], {**body, **sent}
    return None
