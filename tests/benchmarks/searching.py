"""``python -m tests.benchmarks.searching``: a year over three catalogs, and many items at once.

The catalogs answer from this process after 100 ms a page. A search over all of them is held
against the slowest of them alone; thousands of items, at hand, against five seconds.
"""

from __future__ import annotations

import copy
import functools
import json
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx

import astra_xr
import astra_xr.net.client
from tests import items
from tests.stac_api import StacApi

_DELAY = 0.1
_ROUNDS = 9
_ITEMS = 5000
_HOSTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "earth-search": ("earth-search.aws.element84.com", items.earth_search_c1),
    "planetary-computer": ("planetarycomputer.microsoft.com", items.planetary_computer),
    "cdse": ("stac.dataspace.copernicus.eu", items.cdse),
}


def on(day: date, item: Any) -> Any:
    """Return the item as of another day."""
    text = json.dumps(item).replace("20250115", f"{day:%Y%m%d}")
    return json.loads(text.replace("2025-01-15", f"{day:%Y-%m-%d}"))


class Slow(httpx.BaseTransport):
    """Three catalogs in this process, of a year with a scene every second or third day.

    Each answer is made once, so that the processor works for the client alone.
    """

    def __init__(self) -> None:
        days = [date(2025, 1, 1) + timedelta(days=2.5 * n) for n in range(146)]
        self.apis = {
            host: StacApi([on(day, make(10980)) for day in days]) for host, make in _HOSTS.values()
        }
        self.made: dict[tuple[str, bytes], bytes] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after the delay."""
        body = request.read()
        time.sleep(_DELAY)
        key = request.url.host, body
        if key not in self.made:
            self.made[key] = self.apis[request.url.host](request).content
        return httpx.Response(200, content=self.made[key])


def timed(act: Callable[[], Any]) -> float:
    """Return the best of the rounds, in seconds: others share the machine."""
    seconds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def searching() -> None:
    """Print what a year takes at each catalog, and at all."""
    transport = Slow()
    astra_xr.net.client._transport = lambda: transport
    astra_xr.net.client._client_of.cache_clear()
    terms: Any = {"bbox": (-122.6, 37.4, -122.3, 37.6), "datetime": "2025"}
    alone = {
        name: timed(functools.partial(astra_xr.search, "sentinel-2", catalog=name, **terms))
        for name in _HOSTS
    }
    every = timed(lambda: astra_xr.search("sentinel-2", **terms))
    found = astra_xr.search("sentinel-2", **terms)
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in alone.items())
    print(f"{len(found)} scenes: {told}; all side by side {every:.2f} s, "
          f"{every / max(alone.values()):.2f} times the slowest")  # fmt: skip


def opening(count: int) -> None:
    """Print what a stack of many items takes to open."""
    item = items.earth_search_c1(10980)
    made = []
    for number in range(count):
        one = copy.deepcopy(item)
        day = date(2016, 1, 1) + timedelta(days=number % 3600)
        one["properties"]["datetime"] = f"{day}T18:{number // 3600:02d}:10Z"
        product = one["properties"]["s2:product_uri"].replace("20250115T18", f"{day:%Y%m%d}T18")
        one["properties"]["s2:product_uri"] = product.replace(
            "T184929", f"T18{number // 3600:02d}29"
        )
        made.append(one)
    astra_xr.open_scenes(made[:1], ["red", "nir"])  # imports
    start = time.perf_counter()
    ds = astra_xr.open_scenes(made, ["red", "nir"], groupby="id")
    print(f"{ds.sizes['time']} items open in {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    searching()
    opening(int(sys.argv[1]) if len(sys.argv) > 1 else _ITEMS)
