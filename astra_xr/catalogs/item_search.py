"""Item search of any STAC API: how requests are sent, page after page."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from astra_xr.catalogs.base import Page
from astra_xr.catalogs.documents import join, links_of, origin
from astra_xr.errors import InvalidItem, UpstreamError, redact
from astra_xr.geometry import geometry_bounds
from astra_xr.missions import clean_item
from astra_xr.net.client import fetch_json
from astra_xr.net.hosts import why_refused

_log = logging.getLogger(__name__)

_MOST_PAGES = 1000
_MOST_EMPTY = 3
"""Pages without items after which a search ends although there is a next one: an API that filters
its pages has empty ones between others."""
_NOT_TAKEN = (403, 404, 405, 415, 500, 501)
"""Answers to POST after which GET is used, which an API has to offer."""
_LONGEST_GEOMETRY = 1500
"""Most characters of a geometry in the URL of a GET; the box of a longer one is sent."""


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    body: Mapping[str, Any] | None = None


class ItemSearch:
    """The search of one API.

    Parameters
    ----------
    title : str
        Name of the API in messages.
    root : str
        URL of its landing page.
    timeout : float
        Seconds for each request, with its retries.
    known : bool
        True if it is known to take ``POST {root}/search`` with ``query`` and ``sortby``: then its
        landing page is read only after a refusal.
    """

    def __init__(self, *, title: str, root: str, timeout: float, known: bool) -> None:
        self._title = title
        self._root = root
        self._timeout = timeout
        self._methods: dict[str, str] | None = {"POST": f"{root}/search"} if known else None
        self._extensions = {"query", "sort"} if known else set[str]()

    def offered(self) -> bool:
        """Return True if the document at the root offers a search.

        Raises
        ------
        UpstreamError
            It cannot be read.
        """
        if self._methods is None:
            self._methods, self._extensions = self._landing_page()
        return bool(self._methods)

    def sorts(self) -> bool:
        """Return True if the API can sort by time."""
        return self.offered() and "sort" in self._extensions

    def pages(self, terms: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages of a search, each fetched when it is needed.

        Parameters
        ----------
        terms : mapping
            Item-search parameters as in the body of a POST. ``query`` and ``sortby`` are not sent
            to an API that lacks them, so callers have to filter the items.

        Raises
        ------
        UpstreamError
            The API is down or refuses, or its answer is not a search result.
        """
        sent = self._sent(terms)
        answer, request = self._first(sent)
        start, asked, seen = request, {_key(request)}, set[tuple[Any, str]]()
        read = empty = 0
        while True:
            page = _page(answer, seen, service=self._title)
            count = len(answer["features"])
            read, empty = read + count, 0 if count else empty + 1
            following = self._next(answer, request, start.url, sent)
            if following is None:
                yield page
                return
            again = _key(following) in asked
            if empty and (again or empty > _MOST_EMPTY or read >= (page.matched or 0) > 0):
                # Some have a next page for ever.
                short = read < (page.matched or 0)
                words = f"its pages end after {read} of {page.matched} items" if short else ""
                yield replace(page, trouble=words)
                return
            if again or (count and not (page.items or page.broken)):
                yield replace(page, trouble="its pages repeat themselves")
                return
            if len(asked) >= _MOST_PAGES:
                yield replace(page, trouble=f"it has more than {_MOST_PAGES} pages")
                return
            yield page
            asked.add(_key(following))
            request, answer = following, self._send(following)

    def _first(self, terms: Mapping[str, Any]) -> tuple[Any, _Request]:
        """Return the first answer, and its request."""
        assert self._methods is not None
        post = self._methods.get("POST")
        if post is None:
            request = _Request("GET", _added(self._methods["GET"], _texts(terms)))
            return self._send(request), request
        request = _Request("POST", post, terms)
        try:
            return self._send(request), request
        except UpstreamError as error:
            refusal = error
        if refusal.status not in _NOT_TAKEN or not self._offers_get():
            raise refusal
        _log.info("%s takes no POST (%s); using GET", self._title, refusal.reason)
        request = _Request("GET", _added(self._methods["GET"], _texts(terms)))
        answer = self._send(request)
        del self._methods["POST"]
        return answer, request

    def _sent(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        if not self.offered():
            raise UpstreamError(service=self._title, reason="it offers no search")
        dropped = {"query": "query", "sortby": "sort"}
        return {
            name: value
            for name, value in terms.items()
            if name not in dropped or dropped[name] in self._extensions
        }

    def _offers_get(self) -> bool:
        assert self._methods is not None
        if "GET" not in self._methods:
            try:
                found, _ = self._landing_page()
            except UpstreamError:
                return False
            self._methods |= {"GET": found["GET"]} if "GET" in found else {}
        return "GET" in self._methods

    def _landing_page(self) -> tuple[dict[str, str], set[str]]:
        """Return method → URL of the search, and the names of its extensions."""
        root = fetch_json(self._title, self._root, timeout=self._timeout)
        if not isinstance(root, Mapping):
            reason = f"no STAC document found at {redact(self._root)}"
            raise UpstreamError(service=self._title, reason=reason)
        methods: dict[str, str] = {}
        for link in links_of(root):
            kind = str(link.get("type") or "json")
            if link.get("rel") == "search" and "json" in kind and link.get("href"):
                url = self._own(join(f"{self._root}/", link["href"]))
                methods.setdefault(str(link.get("method") or "GET").upper(), url)
        conforms = root.get("conformsTo")
        classes = [str(each) for each in conforms] if isinstance(conforms, list) else []
        return methods, {each.rpartition("item-search#")[2] for each in classes}

    def _send(self, request: _Request) -> Any:
        answer = fetch_json(self._title, request.url, body=request.body, timeout=self._timeout)
        if answer is None:
            error = UpstreamError(service=self._title, reason="it has no search (HTTP 404)")
            error.status = 404
            raise error
        return answer

    def _own(self, url: str, search: str | None = None) -> str:
        """Return a URL from the API's answer, moved to its own origin unless its host is public."""
        if origin(url) == origin(self._root) or why_refused(url) is None:
            return url
        own = urlsplit(self._root)
        try:
            named = urlsplit(url)
        except ValueError:
            named = own
        path = named.path
        # An API behind a proxy may use a wrong host and path.
        if search and urlsplit(search).path.rpartition("/")[2] == path.rpartition("/")[2]:
            path = urlsplit(search).path
        return urlunsplit((own.scheme, own.netloc, path, named.query, ""))

    def _next(
        self, page: Mapping[str, Any], last: _Request, search: str, terms: Mapping[str, Any]
    ) -> _Request | None:
        """Return the request for the page after this one, or None."""
        for link in links_of(page):
            if link.get("rel") != "next" or not isinstance(link.get("href"), str):
                continue
            url = self._own(join(last.url, link["href"]), search)
            if str(link.get("method", "GET")).upper() == "GET":
                # Some have only the page, and none of the terms.
                query = dict(parse_qsl(urlsplit(url).query))
                return _Request("GET", url if query.keys() & terms else _added(url, _texts(terms)))
            sent = link.get("body")
            sent = sent if isinstance(sent, Mapping) else {}
            # Earth Search omits `merge` although its body is only the token.
            return _Request("POST", url, {**(last.body or {}), **sent})
        return None


def _page(answer: Any, seen: set[tuple[Any, str]], *, service: str) -> Page:
    if not isinstance(answer, Mapping) or not isinstance(answer.get("features"), list):
        raise UpstreamError(service=service, reason="the search result has no features")
    items, broken = [], []
    for feature in answer["features"]:
        try:
            item = clean_item(feature)
        except InvalidItem as error:
            broken.append(str(error))
            continue
        key = (item.get("collection"), item["id"])
        if key not in seen:
            seen.add(key)
            items.append(item)
    context = answer.get("context")
    counted = answer.get("numberMatched")
    if counted is None and isinstance(context, Mapping):
        counted = context.get("matched")
    known = isinstance(counted, int) and counted is not True and counted >= 0
    if broken:
        _log.warning("%s: %d items left out: %s", service, len(broken), broken[0])
    return Page(items=items, broken=tuple(broken), matched=counted if known else None)


def _key(request: _Request) -> str:
    return f"{request.method} {request.url} {json.dumps(request.body, sort_keys=True, default=str)}"


def _texts(terms: Mapping[str, Any]) -> dict[str, str]:
    """Return the terms of a search as GET takes them (STAC API, Item Search).

    Lists are joined by commas; objects are JSON.
    """
    given = dict(terms)
    if len(json.dumps(given.get("intersects"))) > _LONGEST_GEOMETRY:
        given["bbox"] = list(geometry_bounds(given.pop("intersects")))
    texts: dict[str, str] = {}
    for name, value in given.items():
        if name == "sortby":
            signs = {"desc": "-", "asc": ""}
            texts[name] = ",".join(signs[each["direction"]] + each["field"] for each in value)
        elif isinstance(value, list | tuple):
            texts[name] = ",".join(map(str, value))
        else:
            texts[name] = json.dumps(value) if isinstance(value, Mapping) else str(value)
    return texts


def _added(url: str, terms: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(terms))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
