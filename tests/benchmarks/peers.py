"""Reading against peers, over a link like a user's: ``python -m tests.benchmarks.peers``.

Full-size Sentinel-2 scenes of synthetic noise (kept in the temporary folder) behind TLS, with a
round-trip time, a bandwidth and, where a catalog signs, the same query on every URL. Each reader
runs in fresh processes, in turn, in its best known configuration; imports are not counted. The
limit is a bare loop over the same byte ranges, whose places it knows.

``--rows`` and ``--links`` choose; what was measured is kept in ``--results``, and not run again.
nginx is needed (``apt-get install nginx-light``), and the peers, none of which astra-xr depends on:

    python3.13 -m venv peers-venv
    peers-venv/bin/pip install -e ".[all,test,bench]" bottleneck rasteret xarray-spatial xvec
    # stackstac knows no pandas 3 yet, and lazycogs, which asks for it, runs without.
    peers-venv/bin/pip install "pandas<3" "stackstac>=0.5.1"
    # lazycogs searches by DuckDB, whose extensions have to be of its very version.
    peers-venv/bin/pip install rustac==0.9.17 duckdb-extension-{spatial,icu,parquet}==1.5.5
    peers-venv/bin/python -m tests.benchmarks.peers --rounds 3
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import readers
from tests.benchmarks.bare import Part, fetch
from tests.benchmarks.readers import Row, Window
from tests.benchmarks.running import AGAIN, LIMIT, OURS, Reader, main
from tests.benchmarks.scenes import KEYS, SIZE, file_of, href_of

WINDOW = (
    OURS, LIMIT, "odc-stac, pool=32", "stackstac", "rioxarray", "async-geotiff", "rasteret",
    "lazycogs",
)  # fmt: skip
SERIES = (OURS, f"{OURS}{AGAIN}", f"{OURS}, load", *WINDOW[1:], "odc-stac, pool=64")
LARGE = (OURS, LIMIT, "odc-stac, dask", "stackstac", "rioxarray", "async-geotiff")
DASK = (OURS, LIMIT, "odc-stac, dask", "stackstac")


def square(size: int, top: int = 4000, left: int = 4000) -> Window:
    return slice(top, top + size), slice(left, left + size)


def scattered(count: int, size: int, seed: int) -> list[Window]:
    rng = np.random.default_rng(seed)
    return [square(size, *map(int, rng.integers(0, SIZE - size, 2))) for _ in range(count)]


FIELD = [square(30, 5200, 5200)]
ROWS = {
    "60 dates of a field": Row(windows=FIELD, dates=60, readers=SERIES),
    "60 dates × 100 points": Row(
        windows=[square(1000, 5200, 5200)], dates=60, rounds=1,
        points=np.random.default_rng(100).integers(0, 1000, (2, 100)),
        readers=(OURS, LIMIT, "odc-stac, pool=32", "rioxarray", "rasteret"),
    ),
    "60 dates of a field, dask": Row(windows=FIELD, dates=60, chunked=True, rounds=1, readers=DASK),
    "1024² NDVI": Row(windows=[square(1024)], readers=(*WINDOW, "xarray-spatial")),
    "4096² NDVI": Row(windows=[square(4096, 3000, 3000)], readers=(*WINDOW, "odc-stac, dask")),
    "whole scene NDVI": Row(windows=[square(SIZE, 0, 0)], rounds=1, readers=LARGE),
    "12 bands of 2048²": Row(what="bands", bands=KEYS, windows=[square(2048)], readers=WINDOW),
    "1:16 overview, NDVI": Row(
        windows=[square(SIZE // 16, 0, 0)], factor=16,
        readers=tuple(name for name in WINDOW if name != "rasteret"),
    ),
    "50 windows of 256²": Row(
        what="bands", bands=("B04",), windows=scattered(50, 256, 50), readers=WINDOW,
    ),
    "masked median of 10 × 2048²": Row(
        what="median", bands=("B04", "SCL"), windows=[square(2048, 4096, 4096)], dates=10,
        readers=(*DASK, "odc-stac, pool=32"),
    ),
}  # fmt: skip
FIRST, *OTHERS = ROWS
LINKS = {
    "120,400,signed": list(ROWS),
    "40,200,signed": [FIRST, *OTHERS[2:]],
    "120,400,unsigned": [FIRST],
    "40,200,unsigned": [FIRST],
}


def bare(row: Row, base: str) -> None:
    parts = []
    for date in range(row.dates):
        for band in row.bands:
            half = 2 if band == "SCL" else 1
            for window in row.windows:
                spans: Any = [(each.start // half, each.stop // half) for each in window]
                if row.points is not None:
                    spans = [p + e.start for p, e in zip(row.points, window, strict=True)]
                url, name = href_of(base, band, date), file_of(band, date)
                parts.append(Part(url, name, spans[0], spans[1], row.factor))
    fetch(parts)


_ASTRA = "astra_xr.scenes.open astra_xr.accessor.indices rioxarray odc.geo.xr spyndex"
READERS = {
    OURS: Reader(_ASTRA, readers.with_astra),
    f"{OURS}{AGAIN}": Reader(_ASTRA, readers.with_astra),
    f"{OURS}, load": Reader(_ASTRA, readers.with_load),
    LIMIT: Reader("aiohttp astra_xr.reading.engine", bare),
    "odc-stac, pool=32": Reader("odc.stac pystac", partial(readers.with_odc, pool=32)),
    "odc-stac, pool=64": Reader("odc.stac pystac", partial(readers.with_odc, pool=64)),
    "odc-stac, dask": Reader("odc.stac pystac dask.array", readers.with_odc_dask),
    "stackstac": Reader("stackstac dask.array rasterio", readers.with_stackstac),
    "rioxarray": Reader("rioxarray dask.array", readers.with_rioxarray),
    "xarray-spatial": Reader("xrspatial.geotiff", readers.with_xarray_spatial),
    "async-geotiff": Reader("async_geotiff obstore.store", readers.with_async_geotiff),
    "rasteret": Reader("rasteret pyarrow", readers.with_rasteret),
    "lazycogs": Reader("lazycogs rustac duckdb_extension_icu", readers.with_lazycogs),
}

if __name__ == "__main__":
    main("tests.benchmarks.peers", ROWS, READERS, LINKS)
