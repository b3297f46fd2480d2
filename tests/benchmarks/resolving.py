"""``python -m tests.benchmarks.resolving``: what resolving takes, beside what it may take.

Each row is a function to repeat; add one to ``ROWS``. Times are milliseconds: the median, and the
best, which tells more where other processes share the machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

import astra_xr
import astra_xr.net.client
from astra_xr.missions import clean_item, mission_of
from astra_xr.resolver.bands import match_bands
from astra_xr.resolver.grids import item_grid
from astra_xr.resolver.radiometry import decide_radiometry

_ROUNDS = 200
_ITEMS = Path(__file__).parents[3] / "shared/real/items"
_CDSE = (
    "cdse.sentinel-2-l2a/S2B_MSIL2A_20200705T101559_N0500_R065_T32TMT_20230530T175912.json",
    "a Copernicus item of 78 KiB: parsed, its bands mapped",
)


def map_item(text: bytes) -> int:
    """Parse an item and decide band, radiometry and grid of all its files; give their number."""
    item = clean_item(json.loads(text))
    mission = mission_of(item)
    entries = match_bands(item, mission)
    for entry in entries:
        asset = item["assets"][entry.key]
        decide_radiometry(entry.band, item, asset, mission=mission, offset_applied=None)
        item_grid(item, asset)
    return len(entries)


def _copernicus() -> int:
    return map_item((_ITEMS / _CDSE[0]).read_bytes())


class EarthSearch(httpx.BaseTransport):
    """Earth Search in this process: every tile's item, after 20 ms; counts who asks at a time."""

    def __init__(self) -> None:
        self.asked = self.inside = self.most = 0
        self._lock = threading.Lock()
        path = "earth-search-v1.sentinel-2-c1-l2a/S2B_T20EPT_20250731T131905_L2A.json"
        self._text = (_ITEMS / path).read_text(encoding="utf-8")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a search for a tile."""
        with self._lock:
            self.asked += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02)
        tile = json.loads(request.read())["query"]["grid:code"]["eq"].removeprefix("MGRS-")
        answer = f'{{"features": [{self._text.replace("20EPT", tile)}]}}'
        with self._lock:
            self.inside -= 1
        return httpx.Response(200, text=answer)


_PRODUCT = "S2B_MSIL2A_20250731T131909_N0511_R095_T20EPT_20250731T143919"


def _known() -> object:
    return astra_xr.resolve(_PRODUCT, "red,nir", sign=False)


def hundred(api: EarthSearch) -> str:
    """Resolve 100 ids at once, then again; say what that took."""
    resolver = astra_xr.LocalResolver()
    ids = [
        _PRODUCT.replace("20EPT", f"{20 + n // 20}E{'ABCDEFGHJKLMNPQRSTUV'[n % 20]}T")
        for n in range(100)
    ]
    api.asked = api.most = 0
    times = []
    with ThreadPoolExecutor(100) as pool:
        for _ in range(2):
            start = time.perf_counter()
            list(pool.map(lambda name: resolver.resolve(name, "red,nir", sign=False), ids))
            times.append(time.perf_counter() - start)
    return (
        f"100 ids at once, 20 ms an answer: {api.asked} requests, {api.most} at a time, "
        f"{times[0] * 1000:.0f} ms; again: {times[1] * 1000:.0f} ms"
    )


ROWS: Mapping[str, tuple[float, Callable[[], object]]] = {
    _CDSE[1]: (5.0, _copernicus),
    "an id that was found before: two bands, unsigned": (0.3, _known),
}
"""What is done → milliseconds that it may take, and the doing."""


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the best time of some work; a first time does not count."""
    work()
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000, min(times) * 1000


def main() -> None:
    """Print a table of all rows."""
    if not _ITEMS.is_dir():
        sys.exit("recorded items are not here (../shared/real)")
    api = EarthSearch()
    astra_xr.net.client._transport = lambda: api
    print(f"| {'what':<54} | median | best | at most |\n|{'-' * 56}|---:|---:|---:|")
    for what, (limit, work) in ROWS.items():
        median, best = milliseconds(work)
        print(f"| {what:<54} | {median:.2f} | {best:.2f} | {limit:g} |")
    print(hundred(api))


if __name__ == "__main__":
    main()
