"""Any STAC catalog, given by its URL: an API, or static JSON files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from astra_xr.catalogs.documents import (
    items_of,
    join,
    links_of,
    newest_first,
    pick,
    resolved,
    self_link,
    spellings,
    storage_url,
    wanted,
)
from astra_xr.catalogs.query import Query
from astra_xr.catalogs.s3 import S3
from astra_xr.catalogs.stac import StacCatalog, day_window, tile_window, time_window
from astra_xr.errors import InvalidParameter, UpstreamError, redact
from astra_xr.missions import Item
from astra_xr.model import SceneId, SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.settings import Settings

_MOST_FILES = 200
"""Files of a static catalog that one lookup or search reads."""
_PAGE = 100


class PlainCatalog(StacCatalog):
    """Items of any mission or none, by item id or any scene id of a mission.

    Parameters
    ----------
    url : str
        Root of a STAC API, or a static catalog, item or item collection as JSON.
    settings : Settings

    Raises
    ------
    InvalidParameter
        The URL has a user, a query or a fragment; names of catalogs are shown and stored.
    """

    provider = ""

    def __init__(self, url: str, settings: Settings) -> None:
        if redact(url) != url:
            expected = "a URL without user, query or fragment"
            raise InvalidParameter(name="catalog", value=url, expected=expected)
        super().__init__(url=url, timeout=settings.timeout)
        self.name = url
        self.title = url
        self._s3 = S3(settings)
        self._is_api: bool | None = None

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the item by id, else by acquisition, with absolute hrefs.

        Raises
        ------
        SceneNotFound, AmbiguousSceneId, UpstreamError
        """
        found = self._ask(scene) if self._answers_searches() else list(self._walk(scene))
        item = pick(scene, found, asked=self.title)
        return resolved(item, self_link(item) or self._url)

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the items that match a query.

        Raises
        ------
        UpstreamError
        """
        items: Iterable[dict[str, Any]]
        if self._answers_searches():
            pages = self._pages({"limit": min(_PAGE, query.max_items), **query.body()})
            items = itertools.chain.from_iterable(pages)
        else:
            items = newest_first(self._walk(None))
        for item in wanted(query, items):
            yield resolved(item, self_link(item) or self._url)

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return https hrefs as they are, and s3 hrefs presigned with the caller's AWS keys.

        Raises
        ------
        SigningError
            The href is of another kind, or there are no keys.
        """
        return storage_url(href, self._s3, refused)

    def owns(self, item: Item) -> bool:
        """Return False: an item does not show that it comes from this catalog."""
        return False

    def _answers_searches(self) -> bool:
        if self._is_api is None:
            root = self._document(self._url)
            self._is_api = any(link.get("rel") == "search" for link in links_of(root))
        return self._is_api

    def _ask(self, scene: SceneId) -> list[dict[str, Any]]:
        """Search all collections by item id, then by time."""
        names = spellings(scene)
        items = self._search({"ids": names})
        found = [item for item in items if item["id"] in names]
        if found:
            return found
        if scene.mission == "sentinel-2":
            # Items have the sensing start, or the tile's own time a few minutes later.
            window = tile_window(scene.parts)
        elif len(scene.parts.get("start", "")) == len("YYYYMMDDTHHMMSS"):
            start, minutes = scene.parts["start"], timedelta(minutes=1)
            window = time_window(start, before=minutes, after=20 * minutes)
        elif "day" in scene.parts:
            window = day_window(scene.parts["day"])
        else:
            return []
        return self._search({"datetime": window})

    def _walk(self, scene: SceneId | None) -> Iterator[dict[str, Any]]:
        """Yield items of static files, those whose URL contains the id first; stop at its item."""
        names = [name.casefold() for name in spellings(scene)] if scene else []
        todo, read = [self._url], set[str]()
        while todo and len(read) < _MOST_FILES:
            url = todo.pop(0)
            if url in read:
                continue
            read.add(url)
            document = self._document(url)
            for item in items_of(document):
                yield resolved(item, self_link(item) or url)
                if item["id"].casefold() in names:
                    return
            for link in links_of(document):
                if link.get("rel") in ("child", "item"):
                    href = join(url, link.get("href"))
                    first = any(name in href.casefold() for name in names)
                    todo.insert(0 if first else len(todo), href)

    def _document(self, url: str) -> Mapping[str, Any]:
        document = None
        if url.startswith(("http://", "https://")):
            document = fetch_json(self.title, url, timeout=self._timeout)
        if not isinstance(document, Mapping):
            raise UpstreamError(
                service=self.title, reason=f"no STAC document found at {redact(url)}"
            )
        return document
