"""A STAC API: look items up by id or by search, over HTTP and JSON."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from astra_xr.catalogs.base import Catalog, Page, choose, ranked
from astra_xr.catalogs.documents import links_of
from astra_xr.catalogs.item_search import ItemSearch
from astra_xr.catalogs.query import Query
from astra_xr.errors import AmbiguousSceneId, InvalidItem, SceneNotFound, UpstreamError
from astra_xr.missions import MISSIONS, Item, clean_item
from astra_xr.missions.sentinel2 import sensing_starts
from astra_xr.model import SceneId
from astra_xr.net.client import fetch_json

_MOST_PAGES = 10
"""Pages that one lookup may read; it is for one day of a tile."""
_PAGE = 250
_SEARCH_PAGE = 100
"""Items per page of a search: an item has about 40 KB, and Earth Search limits answers to 6 MB."""


@dataclass(frozen=True, kw_only=True)
class ById:
    """Look up an item by its id."""

    collection: str
    item: str


@dataclass(frozen=True, kw_only=True)
class BySearch:
    """Look up items with ``POST /search``; the matching ones are chosen from the answer."""

    body: Mapping[str, Any]
    """Item-search parameters, e.g. collections, datetime, query."""


Lookup = ById | BySearch


class StacCatalog(Catalog):
    """Base of the catalogs with a STAC API: subclasses translate scene ids into lookups."""

    def __init__(self, *, url: str, timeout: float, known: bool = True) -> None:
        self.root = self._url = url.rstrip("/")
        self._timeout = timeout
        self._items = ItemSearch(title=self.title, root=self._url, timeout=timeout, known=known)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Return the lookups for a scene, the most specific first; empty if it is not served."""
        raise NotImplementedError

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the scene's item as plain JSON.

        Raises
        ------
        SceneNotFound
            No lookup found an item that matches the id.
        AmbiguousSceneId
            Several acquisitions match.
        UpstreamError
            The catalog is down or its answer is invalid.
        """
        missing: list[str] = []
        for lookup in self.lookups(scene):
            candidates, item = choose(scene, self._look(lookup, missing))
            if len(candidates) > 1:
                raise AmbiguousSceneId(scene_id=str(scene), candidates=candidates)
            if item is not None:
                return item
        raise self._not_found(scene, missing)

    def processings(self, scene: SceneId) -> list[dict[str, Any]]:
        """Return all items of the scene that this catalog has, the best first."""
        mission = MISSIONS[scene.mission]
        found = [item for lookup in self.lookups(scene) for item in self._look(lookup, [])]
        fitting = [item for item in found if mission.matches(scene.parts, item)]
        return ranked(mission, fitting, scene.parts)

    def search(self, query: Query) -> Iterator[Page]:
        """Yield the items that match a query, newest first, with one request per page.

        Raises
        ------
        UpstreamError
            The catalog is down or its answer is invalid.
        """
        collections = self.collections.get(query.mission, ())
        if not collections:
            return
        # Each collection may hold the same acquisition.
        size = min(_SEARCH_PAGE, (query.most + 2) * len(collections))
        body = {"collections": list(collections), "limit": size, **query.body()}
        for page in self._items.pages(body):
            yield replace(page, items=[item for item in page.items if query.wants(item)])

    def owns(self, item: Item) -> bool:
        """Return True if one of the item's links points to this API."""
        return any(
            str(link.get("href", "")).startswith(self._url)
            for link in links_of(item)
            if link.get("rel") in ("self", "root", "parent", "collection")
        )

    def _not_found(self, scene: SceneId, missing: Sequence[str]) -> SceneNotFound | UpstreamError:
        """Return the error for a scene that is in no answer, which may lack items."""
        if not missing:
            return SceneNotFound(scene_id=str(scene), asked=[self.title])
        return UpstreamError(service=self.title, reason=f"its answer lacks items: {missing[0]}")

    def _look(self, lookup: Lookup, missing: list[str]) -> list[dict[str, Any]]:
        if isinstance(lookup, ById):
            found = self._fetch(
                f"/collections/{quote(lookup.collection, safe='')}"
                f"/items/{quote(lookup.item, safe='')}"
            )
            return [] if found is None else [self._checked(found)]
        # Among equals, the collection listed first is taken.
        order = list(lookup.body["collections"])
        items = self._search(lookup.body, missing)
        return sorted(items, key=lambda item: _position(order, item.get("collection")))

    def _search(self, body: Mapping[str, Any], missing: list[str]) -> list[dict[str, Any]]:
        """Return the items of a lookup, and add to ``missing`` why there may be more.

        Raises
        ------
        UpstreamError
            As in :meth:`search`; or there are entries, but none is a STAC item.
        """
        pages = self._items.pages({"limit": _PAGE, **body})
        read = list(itertools.islice(pages, _MOST_PAGES))
        found = [item for page in read for item in page.items]
        broken = [reason for page in read for reason in page.broken]
        if broken and not found:
            reason = f"its answer is not a STAC item ({broken[0]})"
            raise UpstreamError(service=self.title, reason=reason)
        missing += broken + [page.trouble for page in read if page.trouble]
        if len(read) == _MOST_PAGES and next(pages, None):
            missing.append(f"it has more than {len(found)} at this time; use the item's own id")
        return found

    def _fetch(self, path: str) -> Any:
        return fetch_json(self.title, f"{self._url}{path}", timeout=self._timeout)

    def _checked(self, item: Any) -> dict[str, Any]:
        """Return a valid item, or raise."""
        try:
            return clean_item(item)
        except InvalidItem as error:
            reason = error.reason
        raise UpstreamError(service=self.title, reason=f"its answer is not a STAC item ({reason})")


def landsat_lookups(scene: SceneId, collection: str) -> Iterator[Lookup]:
    """Yield the lookups for a Landsat Collection 2 scene; item ids lack the processing date.

    The search finds scenes that were moved to another tier after the id was written.
    """
    parts = scene.parts
    if "tier" in parts:
        name = "{sensor}_{level}_{path}{row}_{day}_{collection}_{tier}".format(**parts)
        yield ById(collection=collection, item=name)
    yield landsat_search(scene, [collection])


def landsat_search(scene: SceneId, collections: list[str]) -> BySearch:
    """Return the search by path, row and day."""
    parts = scene.parts
    query = {
        "landsat:wrs_path": {"eq": parts["path"]},
        "landsat:wrs_row": {"eq": parts["row"]},
    }
    body = {"collections": collections, "datetime": day_window(parts["day"]), "query": query}
    return BySearch(body=body)


def sentinel2_search(parts: Mapping[str, str], collections: list[str], window: str) -> BySearch:
    """Return the search by satellite, time and tile (as ``grid:code``)."""
    query: dict[str, Any] = {"platform": {"eq": f"sentinel-2{parts['platform'][-1].lower()}"}}
    if "tile" in parts:
        query["grid:code"] = {"eq": f"MGRS-{parts['tile']}"}
    return BySearch(body={"collections": collections, "datetime": window, "query": query})


def hls_name(parts: Mapping[str, str]) -> str:
    """Return the id of an HLS granule's item."""
    return "HLS.{sensor}.T{tile}.{start}.v{version}".format(**{"version": "2.0", **parts})


def sensing_window(parts: Mapping[str, str]) -> str:
    """Return the search interval for a Sentinel-2 id in catalogs that use the sensing start."""
    return _interval(*sensing_starts(parts))


def tile_window(parts: Mapping[str, str]) -> str:
    """Return the search interval for a Sentinel-2 id in catalogs that use the tile's own time.

    That is up to 15 minutes after the sensing start.
    """
    return _tile_times(*sensing_starts(parts))


def _interval(first: datetime, last: datetime) -> str:
    return "/".join(f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in (first, last))


def day_window(day: str) -> str:
    """Return the search interval of the UTC day ``YYYYMMDD``."""
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return f"{date}T00:00:00Z/{date}T23:59:59Z"


def time_window(start: str) -> str:
    """Return the search interval for items near ``YYYYMMDDTHHMMSS`` (UTC)."""
    time = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return _tile_times(time, time)


def _tile_times(first: datetime, last: datetime) -> str:
    return _interval(first - timedelta(minutes=1), last + timedelta(minutes=20))


def _position(order: list[str], collection: Any) -> int:
    return order.index(collection) if collection in order else len(order)
