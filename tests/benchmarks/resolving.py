"""``python -m tests.benchmarks.resolving``: what resolving takes, beside what it may take.

Each row is a function to repeat; add one to ``ROWS``. Times are milliseconds: the median, and the
best, which tells more where other processes share the machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

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


ROWS: Mapping[str, tuple[float, Callable[[], object]]] = {_CDSE[1]: (5.0, _copernicus)}
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
    print(f"| {'what':<54} | median | best | at most |\n|{'-' * 56}|---:|---:|---:|")
    for what, (limit, work) in ROWS.items():
        median, best = milliseconds(work)
        print(f"| {what:<54} | {median:.2f} | {best:.2f} | {limit:g} |")


if __name__ == "__main__":
    main()
