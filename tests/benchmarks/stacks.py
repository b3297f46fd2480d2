"""Stacks against odc-stac with dask: ``python -m tests.benchmarks.stacks [--rounds N]``.

A cloud-masked median of ten scenes, over the full-size bands of ``peers``, served with latency:
each reader in fresh processes, in turn. The results are compared. Then a year of one tile is
opened, 70 scenes of 4 bands, whose items are at hand.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from tests.benchmarks.peers import FOLDER, SIZE, TRANSFORM, make_scene, peak_kib, start_server

SCENES = 10
COARSE = [20.0, 0.0, TRANSFORM[2], 0.0, -20.0, TRANSFORM[5]]
HIDDEN = (3, 8, 9, 10)
"""Cloud shadow, clouds and cirrus in SCL."""


def items(base: str, count: int = SCENES) -> list[dict[str, Any]]:
    return [item(base, number) for number in range(count)]


def item(base: str, number: int) -> dict[str, Any]:
    """Return a Sentinel-2 item, five days after the one before, over files of its own."""
    day = date(2025, 1, 5) + timedelta(days=5 * number)
    stamp = f"{day:%Y%m%d}T184929"
    name = f"S2B_MSIL2A_{stamp}_N0511_R113_T10SEG_{day:%Y%m%d}T210000"
    fine, half = [SIZE, SIZE], [SIZE // 2, SIZE // 2]
    one = (f"B{number % SCENES + 1:02d}", fine, TRANSFORM)
    bands = dict.fromkeys(("B02", "B03", "B04", "B08"), one)
    files = {**bands, "SCL": (f"SCL{number % SCENES}", half, COARSE)}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "bbox": [-123.0, 36.9, -121.8, 37.9],
        "geometry": None,
        "properties": {
            "datetime": f"{day:%Y-%m-%d}T18:49:29Z",
            "proj:epsg": 32610,
            "platform": "sentinel-2b",
            "eo:cloud_cover": 30.0,
            "s2:processing_baseline": "05.11",
        },
        "assets": {
            key: {
                "href": f"{base}/{file}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "proj:shape": shape,
                "proj:transform": transform,
                "raster:bands": [{"data_type": "uint8" if key == "SCL" else "uint16", "nodata": 0}],
            }
            for key, (file, shape, transform) in files.items()
        },
        "links": [],
    }


def make_classes() -> None:
    """Write a class band a scene: patches of land, cloud, cirrus and shadow."""
    from astra_xr.testing import write_cog

    for number in range(SCENES):
        path = FOLDER / f"SCL{number}.tif"
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        patches = rng.choice([4, 4, 5, 5, 6, 9, 8, 10, 3], (SIZE // 90, SIZE // 90))
        pixels = np.kron(patches, np.ones((45, 45))).astype(np.uint8)
        pixels = np.pad(pixels, (0, SIZE // 2 - len(pixels)), mode="edge")
        write_cog(path, pixels, transform=Affine(*COARSE), overviews=None)


def with_astra(base: str, side: int) -> Any:
    import astra_xr

    ds = astra_xr.open_scenes(items(base), ["red", "SCL"]).isel(x=slice(side), y=slice(side))
    return ds.astra.composite("median", dilate=0).red.values


def with_odc(base: str, side: int) -> Any:
    import odc.stac
    import pystac

    found = [pystac.Item.from_dict(each) for each in items(base)]
    chunks: dict[str, Any] = {"x": 2048, "y": 2048}
    ds = odc.stac.load(
        found, bands=["B04", "SCL"], resolution=10, chunks=chunks, resampling={"SCL": "nearest"}
    ).isel(x=slice(side), y=slice(side))
    clear = (ds.B04 != 0) & ~ds.SCL.isin(HIDDEN)
    red = ds.B04.where(clear).astype("f4") * np.float32(1e-4) - np.float32(0.1)
    return red.chunk(time=-1).median("time").values


READERS: dict[str, tuple[str, Callable[[str, int], Any]]] = {
    "astra-xr": ("astra_xr.accessor.composites astra_xr.scenes.stack rioxarray", with_astra),
    "odc-stac, dask": ("odc.stac dask.array", with_odc),
}


def work(reader: str, base: str, side: int) -> None:
    """Make the median in this process, keep a part of it, and print what it took."""
    modules, make = READERS[reader]
    for module in modules.split():
        importlib.import_module(module)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before, start, cpu = peak_kib(), time.perf_counter(), time.process_time()
    found = make(base.rstrip("/"), side)
    told = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "MiB": (peak_kib() - before) / 1024,
    }
    np.save(FOLDER / f"median-{reader.split(',', maxsplit=1)[0]}.npy", found[::7, ::11])
    print(json.dumps(told))


def open_a_year(base: str) -> list[float]:
    import astra_xr

    taken = []
    for _ in range(4):
        start = time.perf_counter()
        astra_xr.open_scenes(items(base, 70), ["red", "green", "blue", "nir"])
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=30, help="milliseconds an answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=SIZE, help="rows and columns of the median")
    parser.add_argument("--work", nargs=2)
    args = parser.parse_args()
    if args.work:
        reader, base = args.work
        return work(reader, base, args.side)
    make_scene()
    make_classes()
    module = [sys.executable, "-m"]
    server, base = start_server(args.latency)
    runs: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
    for _ in range(args.rounds):
        for reader, told in runs.items():
            command = [*module, "tests.benchmarks.stacks", "--side", str(args.side)]
            out = subprocess.run(
                [*command, "--work", reader, base],
                env=os.environ | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"},
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            told.append(json.loads(out.stdout.splitlines()[-1]))
    ours, theirs = (np.load(FOLDER / f"median-{name.split(',')[0]}.npy") for name in READERS)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    print(f"median of {SCENES} scenes, {args.side}², latency {args.latency:g} ms, same values\n")
    print("| reader | s | ratio | CPU s | MiB |\n|---|---|---|---|---|")
    table = {
        reader: {name: statistics.median(run[name] for run in told) for name in told[0]}
        for reader, told in runs.items()
    }
    fastest = table["astra-xr"]["seconds"]
    for reader, numbers in table.items():
        seconds, cpu, size = numbers["seconds"], numbers["cpu"], numbers["MiB"]
        ratio = seconds / fastest
        print(f"| {reader} | {seconds:.1f} | {ratio:.2f} | {cpu:.1f} | {size:.0f} |")
    taken = ", ".join(f"{seconds:.2f}" for seconds in open_a_year(base))
    print(f"\na year of one tile opened, 70 scenes of 4 bands: {taken} s (the first has imports)")
    server.terminate()
    return None


if __name__ == "__main__":
    main()
