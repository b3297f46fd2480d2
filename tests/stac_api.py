"""An item search in a few lines, for catalogs that a test needs no real server of."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx


class StacApi:
    """Answers ``GET …/items/{id}``, ``…/collections``, ``POST …/search`` and the root from items.

    ``fault``, when set, is the answer to everything. Requests are kept in ``asked``.
    """

    def __init__(self, items: Iterable[dict[str, Any]], *, page: int = 100) -> None:
        self.items = list(items)
        self.page = page
        self.asked: list[str] = []
        self.searches: list[dict[str, Any]] = []
        """Bodies of the searches."""
        self.fault: httpx.Response | Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault is not None:
            fault = self.fault
            return httpx.Response(fault.status_code, headers=fault.headers, content=fault.content)
        if request.method == "POST":
            return self._search(request)
        if request.url.path.endswith("/collections"):
            names = sorted({item["collection"] for item in self.items})
            return httpx.Response(200, json={"collections": [{"id": name} for name in names]})
        if "/items/" not in request.url.path:
            link = {"rel": "search", "method": "POST", "href": f"{request.url}/search"}
            return httpx.Response(200, json={"type": "Catalog", "id": "api", "links": [link]})
        *_, collection, _, name = request.url.path.split("/")
        for item in self.items:
            if (item["collection"], item["id"]) == (collection, name):
                return httpx.Response(200, json=item)
        return httpx.Response(404, json={"code": "NotFoundError"})

    def _search(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.searches.append(body)
        found = [item for item in self.items if _fits(item, body)]
        if body.get("sortby"):
            found.sort(key=lambda item: str(item["properties"]["datetime"]), reverse=True)
        start = int(body.get("next", 0))
        links = []
        if start + self.page < len(found):
            following = {"rel": "next", "method": "POST", "href": str(request.url)}
            links = [{**following, "merge": False, "body": {"next": start + self.page}}]
        features = found[start : start + self.page]
        answer = {"type": "FeatureCollection", "features": features, "links": links}
        return httpx.Response(200, json=answer)


def _fits(item: dict[str, Any], body: dict[str, Any]) -> bool:
    properties = item["properties"]
    moment = datetime.fromisoformat(properties["datetime"])
    start, stop = body.get("datetime", "../..").split("/")
    west, south, east, north = body.get("bbox", (-180, -90, 180, 90))
    box = item.get("bbox", (west, south, east, north))
    return (
        item["id"] in body.get("ids", [item["id"]])
        and item["collection"] in body.get("collections", [item["collection"]])
        and (start == ".." or datetime.fromisoformat(start) <= moment)
        and (stop == ".." or moment <= datetime.fromisoformat(stop))
        and box[0] <= east
        and west <= box[2]
        and box[1] <= north
        and south <= box[3]
        and all(_meets(properties.get(k), told) for k, told in body.get("query", {}).items())
    )


def _meets(value: Any, told: dict[str, Any]) -> bool:
    tests = {"eq": operator.eq, "gte": operator.ge, "lte": operator.le}
    return value is not None and all(tests[name](value, bound) for name, bound in told.items())
