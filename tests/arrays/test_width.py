"""A read of many files requests all of them at once: no header waits for another file's tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import ReadError
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.testing import Reply, Request
from tests.faulty import HeldServer
from tests.stacks import s2_item

DATES = 14
SIDE = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


@pytest.fixture(scope="module")
def items(folder: Path) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16)
    classes = rng.choice(np.array([4, 5, 9], np.uint8), (SIDE, SIDE))
    return [
        s2_item(folder, f"202501{day:02d}", B04=pixels + day, B08=pixels // 2 + day, SCL=classes)
        for day in range(1, DATES + 1)
    ]


@pytest.fixture
def served(folder: Path, items: list[dict[str, Any]]) -> Iterator[HeldServer]:
    with HeldServer(folder) as server:
        for item in items:
            for asset in item["assets"].values():
                asset["href"] = server.url(Path(asset["href"]).name)
        yield server


def points(ds: xr.Dataset) -> xr.Dataset:
    at = xr.DataArray(np.arange(0, SIDE, 37), dims="p")
    return ds[["red"]].isel(x=at, y=at).load()


WAYS: dict[str, tuple[int, Callable[[xr.Dataset], Any]]] = {
    "values": (1, lambda ds: ds.red.values),
    "load": (2, lambda ds: ds[["red", "nir"]].astra.load()),
    "index": (2, lambda ds: ds.astra.index("NDVI").values),
    "masked index": (3, lambda ds: ds.astra.index("NDVI", mask_clouds=True).values),
    "composite": (2, lambda ds: ds[["red", "SCL"]].astra.composite("median").red.values),
    "points": (1, points),
}


@pytest.mark.parametrize("way", WAYS)
def test_all_headers_are_requested_at_once(
    served: HeldServer, items: list[dict[str, Any]], way: str
) -> None:
    bands, work = WAYS[way]
    ds = astra_xr.open_scenes(items, ["red", "nir", "SCL"])
    header_cache.clear()
    tile_cache.clear()
    files = bands * DATES
    served.held = lambda request: len({each.path for each in served.asked}) < files
    work(ds)
    assert len({request.path for request in served.asked[:files]}) == files


def path_of(items: list[dict[str, Any]], step: int) -> str:
    href: str = items[step]["assets"]["B04"]["href"]
    return "/" + href.rpartition("/")[2]


def test_headers_of_near_time_steps_are_read_ahead(
    served: HeldServer, items: list[dict[str, Any]]
) -> None:
    """Where steps are read one after the other, as by dask, whose threads are few."""
    red = astra_xr.open_scenes(items, ["red"]).red
    header_cache.clear()
    tile_cache.clear()
    asked = {path_of(items, step): Event() for step in range(DATES)}
    served.rule = lambda request: asked[request.path].set()
    served.reset()
    whole = [red[5].values]
    assert {request.path for request in served.requests} == {path_of(items, 5)}
    whole.append(red[4].values)
    for near in (3, 2):
        assert asked[path_of(items, near)].wait(60)
    whole += [red[step].values for step in (3, 2, 1, 0)]
    np.testing.assert_array_equal(whole[::-1], red[:6].values)
    starts = [(r.path, r.range) for r in served.requests]
    assert len(starts) == len(set(starts)), "no header is read twice"


def test_a_header_that_cannot_be_read_ahead_fails_where_it_is_needed(
    served: HeldServer, items: list[dict[str, Any]]
) -> None:
    red = astra_xr.open_scenes(items, ["red"]).red
    header_cache.clear()
    tile_cache.clear()
    asked = Event()

    def gone(request: Request) -> Reply | None:
        if request.path != path_of(items, 2):
            return None
        asked.set()
        return Reply(status=404)

    served.rule = gone
    assert not np.isnan([red[0].values, red[1].values]).any()
    assert asked.wait(60)
    assert not np.isnan(red[3].values).any()
    with pytest.raises(ReadError, match="20250103.*no such file"):
        red[2].load()
