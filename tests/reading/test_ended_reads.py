"""After a failure or an interrupt, no further requests are sent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Lock, Timer
from typing import Any
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import dask.threaded
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr.errors import ReadError
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from tests.faulty import HeldServer

SIDE, CELL = 4096, 512
PLACE = Affine(10, 0, 500000, 0, -10, 4000000)
FAILING = 6
"""Number of the request that fails, or at which the user interrupts."""

DELAY = 0.2
"""Seconds until an answer: meanwhile others are queued."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended")
    pixels = np.random.default_rng(0).integers(1, 255, (SIDE, SIDE)).astype(np.uint8)
    write_cog(folder / "tiles.tif", pixels, transform=PLACE, blocksize=128, overviews=None)
    write_cog(
        folder / "gdal.tif", pixels, transform=PLACE, blocksize=128, overviews=None,
        compress="lzma", predictor=1,
    )  # fmt: skip
    return folder


class Counter:
    """Counts the requests that a server gets; from one on they fail, or it interrupts the user."""

    def __init__(self, *, interrupt: bool) -> None:
        self.begun = 0
        self._interrupt = interrupt
        self._lock = Lock()

    def __call__(self, request: Request) -> Reply | None:
        if request.method == "HEAD":
            return None
        with self._lock:
            self.begun += 1
            number = self.begun
        if self._interrupt:
            if number == FAILING:
                os.kill(os.getpid(), signal.SIGINT)
            return Reply(delay=DELAY if number > 2 else 0.0)
        if number < FAILING:
            return Reply(delay=DELAY if number > 2 else 0.0)
        return Reply(status=404, delay=0.0 if number == FAILING else DELAY)


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    with RangeServer(folder) as server:
        yield server


def opened(server: RangeServer, name: str) -> xr.Dataset:
    item = {"id": "a", "properties": {}, "assets": {"v": {"href": server.url(f"{name}.tif")}}}
    return astra_xr.open_scene(item | {"type": "Feature", "geometry": None}, mask_and_scale=False)


def fields() -> gpd.GeoSeries:
    """Return one field in each square of so many pixels that zonal() reads apart."""
    boxes = [
        shapely.box(col + 20, row + 20, col + 490, row + 490)
        for row in range(0, SIDE, CELL)
        for col in range(0, SIDE, CELL)
    ]
    place = PLACE.to_shapely()
    return gpd.GeoSeries([shapely.affinity.affine_transform(b, place) for b in boxes], crs=32610)


WAYS: dict[str, tuple[str, Callable[[xr.Dataset], Any]]] = {
    "zonal": ("tiles", lambda ds: ds.astra.zonal(fields())),
    "zonal, by GDAL": ("gdal", lambda ds: ds.astra.zonal(fields())),
    "zonal, dask": ("tiles", lambda ds: ds.chunk({"y": CELL, "x": CELL}).astra.zonal(fields())),
    "load": ("tiles", lambda ds: ds.astra.load()),
    "load, by GDAL": ("gdal", lambda ds: ds.astra.load()),
    "load, dask": ("tiles", lambda ds: ds.chunk({"y": CELL, "x": CELL}).astra.load()),
    "load, decode_cf": ("gdal", lambda ds: xr.decode_cf(ds).astra.load()),
    "sample": ("gdal", lambda ds: ds.astra.sample(fields().centroid).astra.load()),
    "values": ("gdal", lambda ds: ds.v.values),
}


def test_a_failure_waits_for_no_other_part(folder: Path) -> None:
    size = (folder / "tiles.tif").stat().st_size
    given_up = Event()

    def held(request: Request) -> bool:
        first = request.range is not None and 0 < request.range[0] < size / 16
        return first and not given_up.is_set()

    def rule(request: Request) -> Reply | None:
        assert request.range
        return Reply(status=404) if 0.3 * size < request.range[0] else None

    with HeldServer(folder) as server:
        ds = opened(server, "tiles")
        server.held, server.rule = held, rule
        timer = Timer(60, given_up.set)
        timer.start()
        with pytest.raises(ReadError, match="no such file"):
            ds.astra.zonal(fields())
        timer.cancel()
        assert not given_up.is_set()


@pytest.mark.parametrize("interrupt", [False, True], ids=["failure", "interrupt"])
@pytest.mark.parametrize("way", WAYS)
def test_no_request_follows(way: str, interrupt: bool, server: RangeServer) -> None:
    if "dask" in way and not hasattr(dask.threaded, "ContextAwareThreadPoolExecutor"):
        pytest.skip("threads of this dask do not know for whom they read")
    file, use = WAYS[way]
    ds = opened(server, file)
    server.rule = counter = Counter(interrupt=interrupt)
    with pytest.raises(KeyboardInterrupt if interrupt else ReadError):
        use(ds)
    # When the server answers this, it has counted what was sent before.
    with urlopen(UrlRequest(server.url("tiles.tif"), method="HEAD")):
        before = counter.begun
    time.sleep(2 * DELAY)
    assert counter.begun == before
    server.rule = None
    assert (ds.v[:3, :3].values > 0).all()  # the next read is as ever
