"""Work of dask that reads lazy arrays ends, however few threads dask has.

Its threads may not know for whom they read: those of a cluster in threads, and of the user's pool.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from multiprocessing.pool import ThreadPool
from typing import Any

import dask
import pytest
import xarray as xr

import astra_xr
from astra_xr.arrays.mosaic import stacked
from astra_xr.arrays.thumbnail import coarser
from astra_xr.sample import SCENE_ID

MANY = 20
"""More than run concurrently in one read."""

SIDE = 64


@contextlib.contextmanager
def pool() -> Iterator[None]:
    with ThreadPool(1) as threads, dask.config.set(pool=threads):
        yield


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as workers,
        distributed.Client(workers),
    ):
        yield


SCHEDULERS: dict[str, Callable[[], Any]] = {
    "a pool of one thread": pool,
    "one thread": lambda: dask.config.set(scheduler="threads", num_workers=1),
    "no threads": lambda: dask.config.set(scheduler="synchronous"),
    "a cluster of one thread": cluster,
}


def small(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel(y=slice(SIDE), x=slice(SIDE))


def opened() -> xr.Dataset:
    return small(astra_xr.open_scene(SCENE_ID, ["red", "nir"], catalog="sample"))


def dark(block: xr.Dataset) -> xr.DataArray:
    found: xr.DataArray = block.red < 0.1
    return found


def masks_at_few_pixels(chunks: int | None) -> Any:
    """Read many masks by a function concurrently."""
    mask = opened().astra.mask(by=dark, dilate=0)
    mask = mask.chunk(chunks) if chunks else mask.compute()
    return coarser(xr.Dataset({f"mask{n}": mask.copy() for n in range(MANY)}), SIDE)


def functions_that_compute(chunks: int | None) -> Any:
    """Mask many time steps by a function that computes a mask by another function."""
    ds = opened().drop_vars("time")
    mask = ds.astra.mask(by=dark, dilate=0)
    mask = mask.chunk(chunks) if chunks else mask.compute()
    stack = xr.Dataset({"red": stacked([ds.red.variable] * MANY, "red")}, ds.coords)
    return stack.astra.mask(by=lambda block: dark(block) | mask.values, dilate=0).compute()


def tree(chunks: Any) -> xr.DataTree:
    found = astra_xr.open_scene_tree(SCENE_ID, ["SCL", "B11", "red"], catalog="sample")
    nodes = {node.path: small(node.to_dataset()) for node in found.leaves}
    return xr.DataTree.from_dict(
        {path: ds.chunk(chunks) if chunks else ds for path, ds in nodes.items()}
    )


def bands_of_a_tree(chunks: int | None) -> Any:
    """Put bands of dask on a finer grid, and chunk them again."""
    ds = tree(chunks).astra.to_dataset()
    return (ds.chunk(chunks // 2) if chunks else ds).compute()


def unknown_classes(chunks: int | None) -> Any:
    """Mask by classes that are NaN in places, where the bands are read; some are read before."""
    ds = astra_xr.open_scene(SCENE_ID, ["red", "nir", "green", "SCL"], catalog="sample")
    ds = small(ds)
    ds = ds.where(ds.x > ds.x[5]).assign(SCL=ds.SCL.where(ds.x > ds.x[20]))
    if chunks:
        ds = ds.chunk(chunks)
        ds["nir"] = ds.nir.persist()
    return ds.astra.mask().compute()


WORK = [masks_at_few_pixels, functions_that_compute, bands_of_a_tree, unknown_classes]


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_reads_end(scheduler: str, work: Callable[[int | None], Any]) -> None:
    expected = work(None)
    found: list[Any] = []

    # A daemon does not outlive a failed test.
    thread = threading.Thread(target=lambda: found.append(work(32)), daemon=True)
    with SCHEDULERS[scheduler]():
        thread.start()
        thread.join(60)
    assert found
    xr.testing.assert_identical(found[0], expected)


@pytest.mark.parametrize("chunks", [64, 10, 7, {"y": 33, "x": -1}])
def test_bands_of_a_tree_have_the_same_chunks(chunks: Any) -> None:
    found = tree(chunks)
    ds = found.astra.to_dataset()
    assert ds.chunksizes == found["r10m"].to_dataset().chunksizes
    xr.testing.assert_identical(ds.compute(), tree(None).astra.to_dataset().compute())
