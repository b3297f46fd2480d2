"""Reading against peers: ``python -m tests.benchmarks.peers [--latency MS] [--rounds N]``.

Makes a full-size scene of synthetic noise (kept in the temporary folder), serves it from a process
of its own with latency, and runs each reader in fresh processes, in turn, in its best known
configuration. Prints medians of wall time, requests, bytes, CPU seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIZE = 10980
TRANSFORM = [10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0]
BANDS = [f"B{n:02d}" for n in range(1, 13)]
FOLDER = Path(tempfile.gettempdir()) / "astra-xr-benchmark"

Window = tuple[slice, slice]


def square(size: int, top: int = 4000, left: int = 4000) -> Window:
    return slice(top, top + size), slice(left, left + size)


def scattered() -> list[Window]:
    rng = np.random.default_rng(50)
    return [square(256, *map(int, rng.integers(0, SIZE - 256, 2))) for _ in range(50)]


class Task(NamedTuple):
    """What to read."""

    bands: list[str]
    """NDVI is computed where there are two."""

    windows: list[Window]
    """All at once."""

    factor: int = 1
    """Pixels of the full image in one that is asked for, along a side; ``windows`` are in these."""


TASKS = {
    "open": Task(BANDS[:2], []),
    "1024² NDVI": Task(BANDS[:2], [square(1024)]),
    "4096² NDVI": Task(BANDS[:2], [square(4096, 3000, 3000)]),
    "whole NDVI": Task(BANDS[:2], [square(SIZE, 0, 0)]),
    "1:16 NDVI": Task(BANDS[:2], [square(SIZE // 16, 0, 0)], 16),
    "12 bands 2048²": Task(BANDS, [square(2048)]),
    "50 × 256²": Task(BANDS[:1], scattered()),
}


def item(base: str) -> dict[str, Any]:
    assets = {
        band: {
            "href": f"{base}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:shape": [SIZE, SIZE],
            "proj:transform": TRANSFORM,
            "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 1, "offset": 0}],
        }
        for band in BANDS
    }
    box = [-123.0, 36.9, -121.8, 37.9]
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": "benchmark",
        "bbox": box,
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {"datetime": "2025-01-15T00:00:00Z", "proj:epsg": 32610},
        "assets": assets,
        "links": [],
    }


def make_scene() -> None:
    """Write two bands of 200 MB each; the other names are links to them."""
    from scipy.ndimage import zoom

    from astra_xr.testing import write_cog

    FOLDER.mkdir(exist_ok=True)
    for seed, band in enumerate(BANDS):
        path = FOLDER / f"{band}.tif"
        if path.exists():
            continue
        if seed > 1:
            os.link(FOLDER / f"{BANDS[seed % 2]}.tif", path)
            continue
        rng = np.random.default_rng(seed)
        pixels = 2500 + 40 * rng.standard_normal((SIZE, SIZE), np.float32)
        for knots, height in ((8, 900), (64, 500), (512, 250), (2745, 120)):
            coarse = height * rng.standard_normal((knots + 1, knots + 1), np.float32)
            pixels += zoom(coarse, SIZE / knots, order=1)[:SIZE, :SIZE]
        stored = np.clip(pixels, 1, 12000).astype(np.uint16)
        stored[:, : SIZE // 12] = 0
        write_cog(path, stored)


def start_server(latency: float) -> tuple[subprocess.Popen[str], str]:
    """Start :func:`serve` in a process, ``latency`` in milliseconds; returns it and its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.peers", "--serve"]
    server = subprocess.Popen(
        [*command, "--latency", str(latency)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert server.stdout is not None
    return server, server.stdout.readline().strip()


def serve(latency: float) -> None:
    """Serve the folder until standard input ends; ``/stats`` tells and resets what was asked."""
    from astra_xr.testing import RangeServer, Reply, Request

    with RangeServer(FOLDER) as server:

        def stats(request: Request) -> Reply | None:
            if request.path != "/stats":
                return Reply(delay=latency) if latency else None
            # The request for the numbers itself is among them.
            told = {"requests": len(server.requests) - 1, "bytes": server.bytes_sent}
            server.reset()
            return Reply(status=200, body=json.dumps(told).encode())

        server.rule = stats
        print(server.url(), flush=True)
        sys.stdin.read()


def ndvi(red: Any, nir: Any) -> Any:
    return (nir - red) / (nir + red)


Reader = Callable[[str, Task], None]


def with_astra(base: str, task: Task) -> None:
    import asyncio

    import astra_xr

    told = item(base)
    for asset, name in zip(told["assets"].values(), ("red", "nir"), strict=False):
        asset["eo:bands"] = [{"name": name, "common_name": name}]
    resolution = 10 * task.factor if task.factor > 1 else None
    ds = astra_xr.open_scene(told, bands=task.bands, resolution=resolution)
    cuts = [ds.isel(y=rows, x=cols) for rows, cols in task.windows]
    if len(task.bands) == 2:
        for cut in cuts:
            _ = cut.astra.index("NDVI").values
    elif len(cuts) == 1:
        cuts[0].astra.load(progress=False)
    else:

        async def together() -> None:
            await asyncio.gather(*(cut.load_async() for cut in cuts))

        asyncio.run(together())


def with_rioxarray(base: str, task: Task) -> None:
    """Without dask: GDAL's own threads decode; a thread with files of its own for each window."""
    from concurrent.futures import ThreadPoolExecutor

    def cut(window: Window) -> None:
        arrays = rioxarrays(base, task)
        compute([array.isel(y=window[0], x=window[1]).astype("f4") for array in arrays])

    if len(task.windows) > 1:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(cut, task.windows))
    elif len(task.bands) > 2:
        with ThreadPoolExecutor(16) as pool:
            singles = [task._replace(bands=[band]) for band in task.bands]
            list(pool.map(lambda each: with_rioxarray(base, each), singles))
    elif task.windows:
        cut(task.windows[0])
    else:
        rioxarrays(base, task)


def rioxarrays(base: str, task: Task, **options: Any) -> list[Any]:
    import rioxarray

    if task.factor > 1:
        options["overview_level"] = task.factor.bit_length() - 2
    return [rioxarray.open_rasterio(f"{base}/{b}.tif", **options)[0] for b in task.bands]


def with_rioxarray_dask(base: str, task: Task) -> None:
    arrays = rioxarrays(base, task, chunks={"x": 2048, "y": 2048}, lock=False)
    lazily(arrays, task.windows)


def with_odc(base: str, task: Task) -> None:
    import odc.stac
    import pystac

    chunks: dict[str, Any] = {"x": 2048, "y": 2048}
    size: dict[str, Any] = {"resolution": 10 * task.factor} if task.factor > 1 else {}
    items = [pystac.Item.from_dict(item(base))]
    ds = odc.stac.load(items, bands=task.bands, chunks=chunks, **size).isel(time=0)
    lazily([ds[band] for band in task.bands], task.windows)


def with_stackstac(base: str, task: Task) -> None:
    import stackstac

    array = stackstac.stack(
        [item(base)], assets=task.bands, epsg=32610, resolution=10 * task.factor, dtype="uint16",
        fill_value=np.uint16(0), rescale=False, chunksize=2048,
    )[0]  # fmt: skip
    lazily([array[n] for n in range(len(task.bands))], task.windows)


def with_lazycogs(base: str, task: Task) -> None:
    import lazycogs

    size = 10 * task.factor
    left, top = TRANSFORM[2], TRANSFORM[5]
    pixels = SIZE // task.factor * size
    array = lazycogs.open(
        str(FOLDER / "items.parquet"), bbox=(left, top - pixels, left + pixels, top),
        crs="EPSG:32610", resolution=size, bands=task.bands, dtype="uint16", nodata=0,
        chunks={"y": 2048, "x": 2048},
    )  # fmt: skip
    lazily([array[n, 0] for n in range(len(task.bands))], task.windows)


def with_async_geotiff(base: str, task: Task) -> None:
    import asyncio

    from async_geotiff import GeoTIFF
    from async_geotiff import Window as Part
    from obstore.store import HTTPStore

    store = HTTPStore.from_url(base, client_options={"allow_http": True})

    async def one(band: str) -> Any:
        file: Any = await GeoTIFF.open(f"{band}.tif", store=store)
        return file.overviews[task.factor.bit_length() - 2] if task.factor > 1 else file

    async def pixels(file: Any, window: Window) -> Any:
        rows, cols = window
        part = Part(
            col_off=cols.start, row_off=rows.start, width=cols.stop - cols.start,
            height=rows.stop - rows.start,
        )  # fmt: skip
        return (await file.read(window=part)).data[0]

    async def everything() -> list[Any]:
        files = await asyncio.gather(*map(one, task.bands))
        reads = (pixels(file, window) for window in task.windows for file in files)
        return await asyncio.gather(*reads)

    arrays = asyncio.run(everything())
    if len(arrays) == 2:
        ndvi(*(array.astype("f4") for array in arrays))


def compute(cuts: list[Any]) -> None:
    if len(cuts) == 2:
        _ = ndvi(*cuts).values
    else:
        for cut in cuts:
            _ = cut.values


def lazily(arrays: list[Any], windows: list[Window]) -> None:
    """Compute windows of dask arrays in one go."""
    import dask.base

    cuts = [[array.isel(y=y, x=x).astype("f4") for array in arrays] for y, x in windows]
    work = [ndvi(*cut) if len(cut) == 2 else cut for cut in cuts]
    dask.base.compute(*work)  # type: ignore[no-untyped-call, unused-ignore]


def lower_bound(base: str, task: Task) -> None:
    """Fetch exactly the tiles, their places known beforehand, and inflate them into arrays."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from obstore.store import HTTPStore

    from astra_xr.catalogs.urls import FixedUrl
    from astra_xr.reading import window as wanted
    from astra_xr.reading.loop import run
    from astra_xr.reading.ranges import RangeFile
    from astra_xr.reading.tiles import runs_of, tiles_of
    from astra_xr.tiff.codecs import decode_tile
    from astra_xr.tiff.layout import read_layout

    layouts = {}
    for band in task.bands:
        source = FixedUrl(str(FOLDER / f"{band}.tif"))
        layouts[band] = run(read_layout(RangeFile(source, source(), band)))
    number = task.factor.bit_length() - 1
    global started  # noqa: PLW0603
    started = time.perf_counter(), time.process_time()
    pool = ThreadPoolExecutor(2)

    def paint(data: memoryview, run_: Any, layout: Any, out: Any, window: Window) -> None:
        for tile in run_.tiles:
            part = data[tile.start - run_.start : tile.stop - run_.start]
            pixels = decode_tile(part, (512, 512, 1), layout.dtype, "deflate", 2)[..., 0]
            top, left = tile.row * 512, tile.col * 512
            a, b = max(top, window[0].start), min(top + 512, window[0].stop)
            c, d = max(left, window[1].start), min(left + 512, window[1].stop)
            r, k = window[0].start, window[1].start
            out[a - r : b - r, c - k : d - k] = pixels[a - top : b - top, c - left : d - left]

    async def one(store: Any, layout: Any, window: Window, out: Any, slots: Any) -> None:
        rows, cols = ((s.start, s.stop) for s in window)

        async def fetch(r: Any) -> None:
            async with slots:
                body = await store.get_range_async("", start=r.start, end=r.stop)
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(pool, paint, memoryview(body), r, layout, out, window)

        part = wanted.Window(
            source=FixedUrl(""), label="", shape=layout.levels[0].shape, indexes=(1,),
            rows=rows, cols=cols, level=number, radiometry=None,
        )  # fmt: skip
        await asyncio.gather(*map(fetch, runs_of(tiles_of(layout, [0], part))))

    async def everything() -> None:
        slots = asyncio.Semaphore(32)
        jobs = []
        for window in task.windows:
            for band in task.bands:
                url = f"{base}/{band}.tif"
                store = stores.setdefault(
                    url, HTTPStore.from_url(url, client_options={"allow_http": True})
                )
                shape = tuple(s.stop - s.start for s in window)
                out = np.empty(shape, np.uint16)
                jobs.append(one(store, layouts[band], window, out, slots))
        await asyncio.gather(*jobs)

    stores: dict[str, Any] = {}
    asyncio.run(everything())


READERS: dict[str, Reader] = {
    "astra-xr": with_astra,
    "rioxarray, GDAL threads": with_rioxarray,
    "rioxarray, dask": with_rioxarray_dask,
    "odc-stac": with_odc,
    "stackstac": with_stackstac,
    "async-geotiff": with_async_geotiff,
    "lazycogs": with_lazycogs,
    "lower bound": lower_bound,
}

GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_NUM_THREADS": "ALL_CPUS",
    "VSI_CACHE": "TRUE",
}

IMPORTS = {
    "astra-xr": "astra_xr.scenes.open astra_xr.accessor.indices rioxarray odc.geo.xr spyndex",
    "rioxarray, GDAL threads": "rioxarray",
    "rioxarray, dask": "rioxarray dask.array",
    "odc-stac": "odc.stac dask.array pystac",
    "stackstac": "stackstac dask.array",
    "async-geotiff": "async_geotiff obstore.store",
    "lazycogs": "lazycogs dask.array rustac",
    "lower bound": "obstore imagecodecs astra_xr.reading.engine astra_xr.catalogs.urls",
}

started: tuple[float, float] = (0.0, 0.0)


def peak_kib() -> int:
    """Return this process's peak of resident memory (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def work(reader: str, task: str, base: str) -> None:
    """Do one task in this process and print what it took; imports are not counted."""
    import importlib

    global started  # noqa: PLW0603
    for module in IMPORTS[reader].split():
        importlib.import_module(module)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = peak_kib()
    started = time.perf_counter(), time.process_time()
    READERS[reader](base.rstrip("/"), TASKS[task])
    seconds, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    peak = (peak_kib() - before) / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "MiB": peak}))


def installed(reader: str) -> bool:
    """Tell whether a reader is here; lazycogs needs Python 3.12."""
    return all(util.find_spec(name.split(".")[0]) for name in IMPORTS[reader].split())


def write_parquet(base: str) -> None:
    """Write the item as stac-geoparquet, which is what lazycogs opens."""
    import asyncio

    import rustac

    async def write() -> None:
        await rustac.write(str(FOLDER / "items.parquet"), [item(base.rstrip("/"))])

    asyncio.run(write())


def measure(reader: str, task: str, base: str) -> dict[str, float] | None:
    command = [sys.executable, "-m", "tests.benchmarks.peers", "--work", reader, task, base]
    urllib.request.urlopen(f"{base}stats").read()
    out = subprocess.run(
        command, env=os.environ | GDAL, capture_output=True, text=True, check=False
    )
    if out.returncode:
        print(f"{reader} cannot do {task}: {out.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    told: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    stats: dict[str, float] = json.load(urllib.request.urlopen(f"{base}stats"))
    return told | stats


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=30, help="milliseconds an answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--readers", nargs="*", default=[r for r in READERS if installed(r)])
    parser.add_argument("--work", nargs=3)
    parser.add_argument("--serve", action="store_true")
    args = parser.parse_args()
    if args.work:
        return work(*args.work)
    if args.serve:
        return serve(args.latency / 1000)
    make_scene()
    server, base = start_server(args.latency)
    if "lazycogs" in args.readers:
        write_parquet(base)
    print(f"latency {args.latency:g} ms, median of {args.rounds}, {os.cpu_count()} cores\n")
    print("| task | reader | s | ratio | requests | MB | CPU s | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for task in args.tasks:
        runs: dict[str, list[dict[str, float]]] = {reader: [] for reader in args.readers}
        for _ in range(args.rounds):
            for reader in args.readers:
                told = measure(reader, task, base)
                if told:
                    runs[reader].append(told)
        table = {
            reader: {name: statistics.median(run[name] for run in told) for name in told[0]}
            for reader, told in runs.items()
            if told
        }
        ours = table.get("astra-xr", next(iter(table.values())))["seconds"]
        for reader, told in table.items():
            print(
                f"| {task} | {reader} | {told['seconds']:.3f} | {told['seconds'] / ours:.2f} | "
                f"{told['requests']:.0f} | {told['bytes'] / 1e6:.1f} | {told['cpu']:.2f} | "
                f"{told['MiB']:.0f} |",
                flush=True,
            )
    server.terminate()
    return None


if __name__ == "__main__":
    main()
