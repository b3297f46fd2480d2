"""Any STAC catalog, given by its URL: an API, or static JSON files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from astra_xr.catalogs.base import Page
from astra_xr.catalogs.documents import (
    check_collection,
    items_of,
    join,
    links_of,
    newest_first,
    no_collection,
    origin,
    pick,
    resolved,
    self_link,
    spellings,
    wanted,
)
from astra_xr.catalogs.hrefs import UserStorage
from astra_xr.catalogs.query import MOST, Query
from astra_xr.catalogs.s3 import S3
from astra_xr.catalogs.stac import StacCatalog, day_window, tile_window, time_window
from astra_xr.errors import InvalidParameter, SceneNotFound, UpstreamError, redact
from astra_xr.missions import Item
from astra_xr.model import SceneId
from astra_xr.net.client import fetch_json
from astra_xr.net.hosts import why_refused
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)

_MOST_FILES = 2000
"""Files of a static catalog that one lookup or search reads."""
_PAGE = 100
_MOST_UNSORTED = 10 * MOST
"""Most items read from an API that does not sort, to find the newest."""


class PlainCatalog(UserStorage, StacCatalog):
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
        self.name = self.title = url
        super().__init__(url=url, timeout=settings.timeout, known=False)
        self._s3 = S3(settings)

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the item by id, else by acquisition, with absolute hrefs."""
        missing: list[str] = []
        found = self._ask(scene, missing) if self._items.offered() else list(self._walk(scene))
        end = PurePosixPath(unquote(urlsplit(self._url).path)).name
        if len(found) == 1 and scene.text in (end, PurePosixPath(end).stem):
            # The URL of one item, whatever its file is called.
            return found[0]
        try:
            item = pick(scene, found, catalog=self.title)
        except SceneNotFound:
            raise self._not_found(scene, missing) from None
        return resolved(item, self_link(item) or self._url)

    def search(self, query: Query) -> Iterator[Page]:
        """Yield the items that match a query, newest first.

        Raises
        ------
        InvalidParameter
            It has no such collection; the message names those that it has.
        UpstreamError
        """
        if not self._items.offered():
            items = list(self._walk(None))
            check_collection(query, items)
            yield Page(items=newest_first(wanted(query, items)))
            return
        found = False
        for page in self._paged(query):
            found = found or bool(page.items)
            items = [resolved(item, self_link(item) or self._url) for item in page.items]
            yield replace(page, items=items)
        if query.collection and not found and not self._has(query.collection):
            no_collection(query, self._collections())

    def _paged(self, query: Query) -> Iterator[Page]:
        """Yield the pages of an API, all in one where it does not sort."""
        limit = min(_PAGE, query.most)
        collections = {"collections": [query.collection]} if query.collection else {}
        pages = self._items.pages({"limit": limit, **collections, **query.body()})
        fitting = (replace(page, items=list(wanted(query, page.items))) for page in pages)
        if self._items.sorts():
            yield from fitting
            return
        items: list[dict[str, Any]] = []
        broken: tuple[str, ...] = ()
        matched, trouble = None, ""
        for page in fitting:
            items += page.items
            broken += page.broken
            matched, trouble = page.matched, page.trouble
            if len(items) > _MOST_UNSORTED:
                trouble = f"it does not sort, and has more than {_MOST_UNSORTED} items"
                break
        items = newest_first(items)
        yield Page(items=items, broken=broken, matched=matched, trouble=trouble)

    def _has(self, collection: str) -> bool:
        """Return True if the API has a collection, which may be beyond the first page."""
        answer = self._fetch(f"/collections/{quote(collection, safe='')}")
        return isinstance(answer, Mapping) and answer.get("id") == collection

    def _collections(self) -> set[str]:
        """Return the ids of the API's collections, of the first page of their list."""
        answer = self._fetch("/collections")
        listed = answer.get("collections") if isinstance(answer, Mapping) else None
        entries = listed if isinstance(listed, list) else ()
        return {str(each["id"]) for each in entries if isinstance(each, Mapping) and "id" in each}

    def owns(self, item: Item) -> bool:
        """Return False: an item does not show that it comes from this catalog."""
        return False

    def _ask(self, scene: SceneId, missing: list[str]) -> list[dict[str, Any]]:
        """Search all collections by item id, then by time."""
        names = spellings(scene)
        items = self._search({"ids": names}, missing)
        found = [item for item in items if item["id"] in names]
        if found:
            return found
        if scene.mission == "sentinel-2":
            # Items have the sensing start, or the tile's own time a few minutes later.
            window = tile_window(scene.parts)
        elif len(scene.parts.get("start", "")) == len("YYYYMMDDTHHMMSS"):
            window = time_window(scene.parts["start"])
        elif "day" in scene.parts:
            window = day_window(scene.parts["day"])
        else:
            return []
        return self._search({"datetime": window}, missing)

    def _walk(self, scene: SceneId | None) -> Iterator[dict[str, Any]]:
        """Yield items of static files, those whose URL contains the id first; stop at its item.

        Raises
        ------
        UpstreamError
            There are too many files, or a file cannot be read.
        """
        names = [name.casefold() for name in spellings(scene)] if scene else []
        todo, read = [self._url], set[str]()
        while todo:
            url = todo.pop(0)
            if url in read:
                continue
            if len(read) >= _MOST_FILES:
                reason = (
                    f"it has more than {_MOST_FILES} files, which are read one by one; open the "
                    "item by its own URL, or name the part that holds it as the catalog"
                )
                raise UpstreamError(service=self.title, reason=reason)
            read.add(url)
            document = self._document(url)
            items = items_of(document)
            for item in items:
                yield resolved(item, self_link(item) or url)
                if item["id"].casefold() in names:
                    return
            if not items and document.get("type") == "Feature":
                # Raises the reason why it is no item.
                self._checked(document)
            for href in self._below(document, url):
                first = any(name in href.casefold() for name in names)
                todo.insert(0 if first else len(todo), href)

    def _below(self, document: Mapping[str, Any], url: str) -> Iterator[str]:
        """Yield the URLs of the files that a static file links to, of this or a public host."""
        for link in links_of(document):
            if link.get("rel") in ("child", "item"):
                href = join(url, link.get("href"))
                reason = origin(href) != origin(self._url) and why_refused(href)
                if reason:
                    _log.warning("%s: left out %s: %s", self.title, redact(href), reason)
                else:
                    yield href

    def _document(self, url: str) -> Mapping[str, Any]:
        document = None
        if url.startswith(("http://", "https://")):
            document = fetch_json(self.title, url, timeout=self._timeout)
        if not isinstance(document, Mapping):
            raise UpstreamError(
                service=self.title, reason=f"no STAC document found at {redact(url)}"
            )
        return document
