"""A field over time, over a link like a user's: ``python -m tests.benchmarks.series``.

NDVI of 300 m over 60 dates: 120 files of full size (those of ``peers``), behind TLS with a
round-trip time and a bandwidth, every href with the same query, as where a catalog signs them.
Each reader runs in fresh processes, in turn, so that one run's numbers have the same weather.
The limit is a bare loop over the same ranges with as many connections, whose places it knows.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.link import Link, link
from tests.benchmarks.peers import FOLDER, GDAL, SIZE, TRANSFORM, make_scene, ndvi
from tests.benchmarks.stacks import item

DATES = 60
QUERY = "st=2025-01-01T00%3A00%3A00Z&se=2035-01-01T00%3A00%3A00Z&sp=rl&sv=2024&sig=ab%2Bc%2F3D"
FIELD = slice(5200, 5230)
"""Rows and columns, within one tile."""


def items(base: str) -> list[dict[str, Any]]:
    """Return an item a date, red and near infrared in files of their own."""
    found = []
    for number in range(DATES):
        one = item(base, number % 10)
        day = date(2025, 1, 5) + timedelta(days=5 * number)
        one["id"] = f"S2B_MSIL2A_{day:%Y%m%d}T184929_N0511_R113_T10SEG_{day:%Y%m%d}T210000"
        one["properties"]["datetime"] = f"{day:%Y-%m-%d}T18:49:29Z"
        for key, file in (("B04", "B01"), ("B08", "B02")):
            one["assets"][key]["href"] = f"{base}/s{number:03d}/{file}.tif?{QUERY}"
        found.append(one)
    return found


def opened(base: str) -> Any:
    import astra_xr

    ds = astra_xr.open_scenes(items(base), ["red", "nir"])
    return ds.isel(y=FIELD, x=FIELD)


def with_index(base: str) -> Any:
    return opened(base).astra.index("NDVI").values


def with_load(base: str) -> Any:
    ds = opened(base).astra.load(progress=False)
    return ndvi(ds.red, ds.nir).values


def with_dask(base: str) -> Any:
    import astra_xr

    ds = astra_xr.open_scenes(items(base), ["red", "nir"], chunks={})
    ds = ds.isel(y=FIELD, x=FIELD)
    return ndvi(ds.red, ds.nir).values


def with_odc(base: str, pool: int | None = None, **options: Any) -> Any:
    import odc.stac
    import pystac
    from affine import Affine
    from odc.geo.geobox import GeoBox

    found = [pystac.Item.from_dict(each) for each in items(base)]
    whole = GeoBox((SIZE, SIZE), Affine(*TRANSFORM), "EPSG:32610")
    ds = odc.stac.load(
        found, bands=["B04", "B08"], geobox=whole[FIELD, FIELD], pool=pool, **options
    )
    values = (ds[band].where(ds[band] != 0) * np.float32(1e-4) - 0.1 for band in ("B04", "B08"))
    return ndvi(*values).values


def bare(base: str, connections: int) -> None:
    """Fetch a header and the tiles of each file, whose places are known, and inflate them."""
    import aiohttp
    from yarl import URL

    from astra_xr.catalogs.urls import FixedUrl
    from astra_xr.reading.loop import run
    from astra_xr.reading.ranges import RangeFile
    from astra_xr.reading.tiles import runs_of, tiles_of
    from astra_xr.reading.window import Window
    from astra_xr.tiff.codecs import decode_tile
    from astra_xr.tiff.layout import read_layout

    runs = {}
    span = (FIELD.start, FIELD.stop)
    for name in ("B01", "B02"):
        source = FixedUrl(str(FOLDER / f"{name}.tif"))
        layout = run(read_layout(RangeFile(source, source(), name)))
        window = Window(
            source=source, label=name, shape=(SIZE, SIZE), indexes=(1,), rows=span, cols=span,
            radiometry=None,
        )  # fmt: skip
        runs[f"{name}.tif"] = runs_of(tiles_of(layout, [0], window))
    dtype = layout.dtype
    global started  # noqa: PLW0603
    started = time.perf_counter(), time.process_time()

    async def everything() -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=connections)
        ) as session:

            async def get(url: str, start: int, stop: int) -> bytes:
                headers = {"Range": f"bytes={start}-{stop - 1}"}
                async with session.get(URL(url, encoded=True), headers=headers) as answer:
                    return await answer.read()

            def decode(body: bytes, found: Any) -> None:
                for tile in found.tiles:
                    part = memoryview(body)[tile.start - found.start : tile.stop - found.start]
                    decode_tile(part, (512, 512, 1), dtype, "deflate", 2)

            async def tiles(url: str, found: Any) -> None:
                body = await get(url, found.start, found.stop)
                await asyncio.to_thread(decode, body, found)

            async def one(url: str) -> None:
                await get(url, 0, 32768)
                name = url.split("?", maxsplit=1)[0].rpartition("/")[2]
                await asyncio.gather(*(tiles(url, found) for found in runs[name]))

            hrefs = (a["href"] for i in items(base) for k, a in i["assets"].items() if k in BANDS)
            await asyncio.gather(*map(one, hrefs))

    asyncio.run(everything())


BANDS = ("B04", "B08")
_ASTRA = "astra_xr.scenes.stack astra_xr.accessor.indices rioxarray odc.geo.xr spyndex"
_ODC = "odc.stac pystac"
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "astra-xr, index": (_ASTRA, with_index),
    "astra-xr, load": (_ASTRA, with_load),
    "odc-stac, pool=16": (_ODC, partial(with_odc, pool=16)),
    "odc-stac, pool=32": (_ODC, partial(with_odc, pool=32)),
    "odc-stac, pool=64": (_ODC, partial(with_odc, pool=64)),
    "astra-xr, dask": (f"{_ASTRA} dask.array", with_dask),
    "odc-stac, dask": (f"{_ODC} dask.array", partial(with_odc, chunks={})),
    "bare loop": ("aiohttp astra_xr.reading.engine", partial(bare, connections=64)),
}
started: tuple[float, float] = (0.0, 0.0)


def work(reader: str, base: str) -> None:
    """Read once in this process and print what it took; imports are not counted."""
    import zlib

    global started  # noqa: PLW0603
    modules, read = READERS[reader]
    for module in modules.split():
        importlib.import_module(module)
    started = time.perf_counter(), time.process_time()
    values = read(base)
    seconds, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    mark = None if values is None else zlib.crc32(np.round(values, 3).astype("f4").tobytes())
    told = {"seconds": seconds, "cpu": cpu}
    print(json.dumps(told | ({} if mark is None else {"mark": mark})))


def measure(reader: str, line: Link) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.series", "--work", reader, line.url]
    line.stats()
    out = subprocess.run(
        command, env=os.environ | GDAL | line.environ, capture_output=True, text=True, check=False
    )
    if out.returncode:
        raise SystemExit(out.stderr)
    told: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return told | line.stats()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", nargs="*", default=["120,400", "40,200"], help="ms,Mbit/s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--readers", nargs="*", default=list(READERS))
    parser.add_argument("--work", nargs=2)
    args = parser.parse_args()
    if args.work:
        return work(*args.work)
    make_scene()
    print("| link | reader | s | of the bare loop | connections | MB | CPU s | mark |")
    print("|---|---|---|---|---|---|---|---|")
    for setting in args.links:
        rtt, mbit = map(float, setting.split(","))
        with link(FOLDER, rtt, mbit) as line:
            runs: dict[str, list[dict[str, float]]] = {reader: [] for reader in args.readers}
            for _ in range(args.rounds):
                for reader in args.readers:
                    runs[reader].append(measure(reader, line))
        table = {
            reader: {name: statistics.median(run[name] for run in told) for name in told[0]}
            for reader, told in runs.items()
        }
        bound = table.get("bare loop", {}).get("seconds", float("nan"))
        for reader, told in table.items():
            print(
                f"| {rtt:g} ms, {mbit:g} Mbit/s | {reader} | {told['seconds']:.2f} | "
                f"{told['seconds'] / bound:.2f} | {told['connections']:.0f} | "
                f"{told['bytes'] / 1e6:.1f} | {told['cpu']:.2f} | {told.get('mark', 0):.0f} |",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
