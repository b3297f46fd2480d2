"""What a read will cost is said before, and is what it then costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.testing import RangeServer, write_cog
from tests import items

SIZE = 1300


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    rng = np.random.default_rng(5)
    for band in ("B04", "B08"):
        dn = rng.integers(1100, 9000, (SIZE, SIZE)).astype(np.uint16)
        write_cog(tmp_path / f"{band}.tif", dn, blocksize=256)
    with RangeServer(tmp_path) as server:
        yield server


@pytest.fixture
def ds(server: RangeServer) -> xr.Dataset:
    raw = items.earth_search_c1(SIZE)
    for asset in raw["assets"].values():
        asset["href"] = server.url(asset["href"].rsplit("/", 1)[1])
    return astra_xr.open_scene(raw, bands=["red", "nir"])


CUTS: dict[str, dict[str, Any]] = {
    "window": {"y": slice(100, 700), "x": slice(300, 420)},
    "row": {"y": 17},
    "steps": {"y": slice(None, None, 400), "x": slice(0, 20)},
    "points": {"y": xr.Variable("p", [5, 1290, 600]), "x": xr.Variable("p", [9, 1280, 7])},
}


@pytest.mark.parametrize("cut", CUTS)
def test_the_cost_is_that_of_the_read(server: RangeServer, ds: xr.Dataset, cut: str) -> None:
    part = ds.isel(CUTS[cut])
    cost = part.astra.explain()
    server.reset()
    part.astra.load(progress=False)
    assert cost.requests == len(server.requests)
    assert cost.bytes == server.bytes_sent
    assert [plan.label.rsplit(" ", 1)[1] for plan in cost.files] == ["nir", "red"]
    again = ds.isel(CUTS[cut]).astra.explain()
    assert (again.requests, again.bytes) == (0, 0)
    assert again.tiles == sum(plan.cached or 0 for plan in again.files) == cost.tiles


def test_points_and_steps_read_the_tiles_they_are_in(ds: xr.Dataset) -> None:
    assert ds[["red"]].isel(CUTS["points"]).astra.explain().tiles == 3
    assert ds[["red"]].isel(CUTS["steps"]).astra.explain().tiles == 4
    corners = {"y": [0, SIZE - 1], "x": [0, SIZE - 1]}
    assert ds[["red"]].isel(corners).astra.explain().tiles == 4
    assert ds[["red"]].astra.explain().tiles == 36


def test_overviews_and_indices(server: RangeServer) -> None:
    raw = items.earth_search_c1(SIZE)
    for asset in raw["assets"].values():
        asset["href"] = server.url(asset["href"].rsplit("/", 1)[1])
    coarse = astra_xr.open_scene(raw, bands=["red", "nir"], resolution=40)
    assert {plan.level for plan in coarse.astra.explain().files} == {2}
    ndvi = xr.Dataset({"ndvi": coarse.astra.index("NDVI")})
    cost = ndvi.astra.explain()
    server.reset()
    ndvi.load()
    assert cost.requests == len(server.requests) > 0


def test_what_reads_no_file_is_named(ds: xr.Dataset) -> None:
    ds["sum"] = ds.red[:10, :10] + 1
    ds.nir.load()
    cost = ds.astra.explain()
    assert cost.rest == ("nir", "sum")
    assert "no file for nir, sum" in repr(cost)


def test_repr_says_until_when_and_hides_signatures(server: RangeServer, ds: xr.Dataset) -> None:
    text = repr(ds.isel(CUTS["window"]).astra.explain())
    assert text.splitlines()[0].startswith("2 files, 6 tiles: ")
    assert "signed until" in text
    assert "does not expire" in text
    page = ds.astra.explain()._repr_html_()
    assert "<th" in page
    assert "B04.tif" in page


def test_a_file_for_gdal_says_so(tmp_path: Path, ds: xr.Dataset) -> None:
    write_cog(tmp_path / "B04.tif", np.ones((SIZE, SIZE), np.uint16), compress="lzma")
    cost = ds.astra.explain()
    assert "what GDAL reads" in repr(cost)
    (red,) = (plan for plan in cost.files if plan.label.endswith("red"))
    assert red.reader == "GDAL: its compression is 34925"
    assert red.tiles is None
