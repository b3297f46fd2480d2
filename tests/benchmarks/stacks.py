"""Large stacks: ``python -m tests.benchmarks.stacks``.

A cloud-masked median of ten scenes, and how much memory it takes, against odc-stac with dask; and a
year of one tile, 70 scenes of 4 bands whose items are at hand, as it is opened. Over loopback with
a round-trip time, without TLS; all else is as in :mod:`tests.benchmarks.peers`. One scene is opened
too: the first one of a process, without what is imported.
"""

from __future__ import annotations

from dataclasses import replace

from tests.benchmarks.peers import READERS, ROWS, square
from tests.benchmarks.readers import Row
from tests.benchmarks.running import OURS, Reader, main
from tests.benchmarks.scenes import SIZE, items

OPENED = f"{OURS}, opening"
MEDIAN = replace(ROWS["masked median of 10 × 2048²"], readers=(OURS, "odc-stac, dask"))
STACKS = {
    "masked median of 10 × 3072²": replace(MEDIAN, windows=[square(3072, 0, 0)]),
    "masked median of 10 × 10980²": replace(
        MEDIAN, windows=[square(SIZE, 0, 0)], readers=(OURS,), rounds=1
    ),
    "70 scenes of 4 bands, opened": Row(
        windows=[], dates=70, bands=("red", "green", "blue", "nir"), readers=(OPENED,)
    ),
    "1 scene of 2 bands, opened": Row(windows=[], bands=("red", "nir"), readers=(OPENED,)),
}


def opened(row: Row, base: str) -> None:
    import astra_xr

    found = items(base, row.dates)
    if row.dates > 1:
        astra_xr.open_scenes(found, row.bands)
    else:
        astra_xr.open_scene(found[0], row.bands)


if __name__ == "__main__":
    opening = {OPENED: Reader(READERS[OURS].modules, opened)}
    main("tests.benchmarks.stacks", STACKS, READERS | opening, {"30,10000,plain": list(STACKS)})
