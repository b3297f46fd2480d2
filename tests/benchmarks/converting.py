"""Conversion: ``python -m tests.benchmarks.converting [--rounds N]``.

Makes a full-size JPEG 2000 band of synthetic noise (kept in the temporary folder), and runs in
fresh processes, in turn: the bare decode with two threads, our conversion to COG, GDAL's driver and
rio-cogeo with two threads and the fastest level of deflate, and pictures of the COG, local and over
loopback. Prints medians of wall time, its ratio to the decode of the same round, CPU seconds, peak
memory and bytes. ``--only COG`` runs the tasks of that name alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from astra_xr.conversion.recipe import Limits, Recipe

SIZE = 10980
FOLDER = Path(tempfile.gettempdir()) / "astra-xr-benchmark"
SOURCE = FOLDER / "B04.jp2"
TARGET = FOLDER / "converted"
_DRIVER = "JP2OpenJPEG"


def make_source() -> None:
    """Write 10980² of smooth ground and noise as Sentinel-2 has it: lossless, tiles of 1024."""
    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(4)
    ground = np.kron(rng.integers(800, 4000, (183, 183)), np.ones((60, 60)))
    pixels = (ground + rng.normal(0, 40, ground.shape)).clip(1, 12000).astype(np.uint16)
    pixels[:, : SIZE // 12] = 0
    profile = {"count": 1, "height": SIZE, "width": SIZE, "dtype": "uint16", "crs": "EPSG:32610",
               "transform": rasterio.Affine(10, 0, 499980, 0, -10, 4200000)}  # fmt: skip
    options = {"QUALITY": 100, "REVERSIBLE": "YES", "NBITS": 15, "BLOCKXSIZE": 1024,
               "BLOCKYSIZE": 1024}  # fmt: skip
    with (
        rasterio.Env(GDAL_NUM_THREADS=2, GDAL_PAM_ENABLED="NO"),
        rasterio.open("", "w", driver="MEM", **profile) as memory,
    ):
        memory.write(pixels, 1)
        rasterio.shutil.copy(memory, SOURCE.with_suffix(".new"), driver=_DRIVER, **options)
    SOURCE.with_suffix(".new").rename(SOURCE)


def decode() -> None:
    """Decode all tiles in two threads, and keep nothing."""
    tiles: SimpleQueue[tuple[int, int]] = SimpleQueue()
    for row in range(0, SIZE, 1024):
        for col in range(0, SIZE, 1024):
            tiles.put((row, col))

    def work() -> None:
        with rasterio.Env(GDAL_CACHEMAX=16 << 20), rasterio.open(SOURCE, driver=_DRIVER) as file:
            while True:
                try:
                    row, col = tiles.get_nowait()
                except Empty:
                    return
                file.read(1, window=Window(col, row, min(1024, SIZE - col), min(1024, SIZE - row)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def apart(source: Path, name: str, recipe: Recipe) -> None:
    """Convert as users do: in a process of its own."""
    from astra_xr.conversion.worker import convert_apart

    convert_apart(source, TARGET / name, recipe, limits=Limits(threads=2))


def fetched(name: str, recipe: Recipe) -> None:
    """Draw a picture of the COG over loopback, as for a caller of the service."""
    from astra_xr.catalogs.urls import FixedUrl
    from astra_xr.conversion.job import Job
    from astra_xr.conversion.pipeline import Converter
    from astra_xr.conversion.stores import LocalStore
    from astra_xr.testing import RangeServer

    with RangeServer(TARGET) as server, tempfile.TemporaryDirectory(dir=TARGET) as folder:
        job = Job(mission="sentinel-2", item="S2B", asset="B04", recipe=recipe, label="B04",
                  source=FixedUrl(server.url(COG.name)), trusted=True)  # fmt: skip
        store = LocalStore(root=Path(folder))
        made = store.url(Converter(store, store.root).convert(job))
        shutil.copyfile(urlsplit(made.url).path, TARGET / name)


def vrt() -> Path:
    """Say in a VRT what JPEG 2000 cannot: that 0 is no data."""
    path = TARGET / "source.vrt"
    with rasterio.open(SOURCE, driver=_DRIVER) as file:
        rasterio.shutil.copy(file, path, driver="VRT")
    lines = path.read_text().splitlines()
    band = next(n for n, line in enumerate(lines) if "<VRTRasterBand" in line)
    path.write_text(
        "\n".join([*lines[: band + 1], "<NoDataValue>0</NoDataValue>", *lines[band + 1 :]])
    )
    return path


def gdal() -> None:
    """Convert with GDAL's COG driver."""
    options = {"COMPRESS": "DEFLATE", "PREDICTOR": "STANDARD", "BLOCKSIZE": 512,
               "OVERVIEWS": "IGNORE_EXISTING", "RESAMPLING": "AVERAGE", "NBITS": 16,
               "NUM_THREADS": 2, "LEVEL": 1}  # fmt: skip
    with (
        rasterio.Env(GDAL_NUM_THREADS=2, GDAL_PAM_ENABLED="NO", GDAL_CACHEMAX=256 << 20),
        rasterio.open(vrt()) as file,
    ):
        rasterio.shutil.copy(file, TARGET / "gdal.tif", driver="COG", **options)


def rio_cogeo() -> None:
    """Convert with rio-cogeo, its threads on."""
    from rio_cogeo.cogeo import cog_translate
    from rio_cogeo.profiles import cog_profiles

    profile = dict(cog_profiles["deflate"]) | {"predictor": 2, "nbits": 16, "zlevel": 1}
    config = {"GDAL_NUM_THREADS": "2", "GDAL_PAM_ENABLED": "NO"}
    with rasterio.open(vrt()) as file:
        cog_translate(
            file, TARGET / "rio.tif", profile, overview_resampling="average", quiet=True,
            in_memory=False, config=config,
        )  # fmt: skip


COG = TARGET / "ours.tif"
TASKS: dict[str, tuple[Callable[[], None], str]] = {
    "decode alone, 2 threads": (decode, ""),
    "astra-xr, COG": (lambda: apart(SOURCE, "ours.tif", Recipe(nodata=0)), "ours.tif"),
    "GDAL COG driver": (gdal, "gdal.tif"),
    "rio-cogeo": (rio_cogeo, "rio.tif"),
    "COG to PNG, 2745²": (lambda: apart(COG, "a.png", Recipe(format="png")), "a.png"),
    "COG to JPEG, 2745²": (lambda: apart(COG, "a.jpg", Recipe(format="jpeg")), "a.jpg"),
    "COG to JPEG, 1373²": (
        lambda: apart(COG, "b.jpg", Recipe(format="jpeg", max_size=1400)), "b.jpg"),
    "COG to PNG, loopback": (lambda: fetched("c.png", Recipe(format="png")), "c.png"),
    "COG to JPEG, loopback": (lambda: fetched("c.jpg", Recipe(format="jpeg")), "c.jpg"),
}  # fmt: skip


def run(task: str) -> dict[str, Any]:
    """Run a task in this process and tell what it cost, with the processes that it started."""
    call, name = TASKS[task]
    if task.startswith(("astra-xr", "COG")):
        import astra_xr.conversion.pipeline
        import astra_xr.conversion.worker
        import astra_xr.testing  # noqa: F401  (imports are not counted)
    before = _cpu()
    start = time.perf_counter()
    call()
    wall = time.perf_counter() - start
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    size = (TARGET / name).stat().st_size if name else 0
    return {"wall": wall, "cpu": _cpu() - before, "peak": peak / 1024, "bytes": size}


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Run all tasks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(run(arguments.task)))
        return
    if not SOURCE.exists():
        make_source()
    TARGET.mkdir(exist_ok=True)
    chosen = [task for task in TASKS if arguments.only in task]
    rows: dict[str, list[dict[str, Any]]] = {task: [] for task in chosen}
    for _ in range(arguments.rounds):
        bare = 0.0
        for task in chosen:
            command = [sys.executable, "-m", "tests.benchmarks.converting", "--task", task]
            told = subprocess.run(command, capture_output=True, check=True, env=os.environ)
            row = json.loads(told.stdout.splitlines()[-1])
            bare = bare or row["wall"]
            rows[task].append(row | {"ratio": row["wall"] / bare})
    print(f"{'':<24} {'wall s':>8} {'ratio':>6} {'cpu s':>7} {'peak MB':>8} {'file MB':>8}")
    for task, runs in rows.items():
        wall, ratio, cpu, peak, size = (
            statistics.median(run[what] for run in runs)
            for what in ("wall", "ratio", "cpu", "peak", "bytes")
        )
        print(f"{task:<24} {wall:8.2f} {ratio:6.2f} {cpu:7.2f} {peak:8.0f} {size / 1e6:8.1f}")


if __name__ == "__main__":
    main()
