"""Lazy arrays on a cluster: small, without secrets, equal after signing again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import astra_xr
from astra_xr.arrays.lazy import unwrap, wrap
from astra_xr.arrays.raster import RasterArray
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.model import Grid, Radiometry
from astra_xr.reading.warp import Warp
from astra_xr.reading.window import Window
from astra_xr.sample import SCENE_ID
from astra_xr.testing import write_cog
from tests.signing import AskedUrl, SigningStorage

SIZE = 1536
RADIOMETRY = Radiometry(dtype="uint16", scale=1e-4, offset=-0.1, nodata=0)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(1, 9000, (SIZE, SIZE)).astype(np.uint16)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two processes, which take longer to start than to compute."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


@pytest.fixture
def storage(tmp_path: Path, pixels: np.ndarray) -> Iterator[SigningStorage]:
    write_cog(tmp_path / "B04.tif", pixels, blocksize=256)
    storage = SigningStorage(tmp_path, lasts=12)
    with storage.server:
        yield storage


def band(source: object, *, warp: Warp | None = None) -> xr.DataArray:
    whole = Window(
        source=source, label="scene red", shape=(SIZE, SIZE), indexes=(1,),  # type: ignore[arg-type]
        rows=(0, SIZE), cols=(0, SIZE), radiometry=RADIOMETRY,
    )  # fmt: skip
    array = RasterArray(whole, decode=True, planes=False, warp=warp)
    return xr.DataArray(xr.Variable(("y", "x"), wrap(array)), name="red")


def test_a_cluster_of_processes_signs_for_itself(
    cluster: Any, storage: SigningStorage, pixels: np.ndarray
) -> None:
    """Signatures are refused after a dozen requests, in the middle of the computation."""
    lazy = band(AskedUrl(storage.server.url(""), "B04.tif")).chunk({"y": 256, "x": 256})
    got = cluster.compute(lazy).result()
    np.testing.assert_allclose(got, pixels * 1e-4 - 0.1, atol=1e-6)
    assert storage.refused > 0
    assert storage.given > 2  # each process, and anew
    assert "sig=" not in repr(lazy.data.dask) + str(pickle.dumps(lazy))


def test_a_pickle_is_small_and_reads(
    storage: SigningStorage, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASTRA_PATIENCE")  # settings that are not the default's travel
    lazy = band(AskedUrl(storage.server.url(""), "B04.tif"))
    lazy[:10, :10].load()
    sent = pickle.dumps(lazy.variable._data)
    assert b"sig=" not in sent
    np.testing.assert_allclose(np.asarray(pickle.loads(sent)), pixels * 1e-4 - 0.1, atol=1e-6)
    scene = astra_xr.open_scene(SCENE_ID, bands=["red", "nir"], catalog="sample")
    for name in scene:
        found = unwrap(scene[name].variable)
        assert found
        assert len(pickle.dumps(found[0])) < 1100


def test_tokens_stay_when_urls_are_signed_again(storage: SigningStorage) -> None:
    source = AskedUrl(storage.server.url(""), "B04.tif")
    chunks = {"y": 512, "x": 512}
    first = band(source).chunk(chunks)
    first[:10, :10].compute()
    source(refused=source())
    again = band(source).chunk(chunks)
    assert first.data.name == again.data.name
    assert tokenize(first) == tokenize(again)
    other = band(AskedUrl(storage.server.url(""), "B08.tif")).chunk(chunks)
    assert other.data.name != first.data.name
    grid = Grid(crs="EPSG:32610", shape=(SIZE, SIZE), transform=(10, 0, 0, 0, -10, 0))
    half = Grid(crs="EPSG:32610", shape=(768, 768), transform=(20, 0, 0, 0, -20, 0))
    names = {
        band(source, warp=Warp(source=grid, target=half, resampling=how)).chunk(512).data.name
        for how in ("average", "nearest")
    }
    assert len(names) == 2


def test_opening_a_scene_twice_gives_the_same_graph() -> None:
    def opened() -> xr.DataArray:
        return astra_xr.open_scene(SCENE_ID, bands=["red"], catalog="sample", chunks={})["red"]

    assert opened().data.name == opened().data.name
    assert opened()[:5].data.name == opened()[:5].data.name


def test_a_graph_has_a_task_a_chunk(storage: SigningStorage) -> None:
    lazy = band(FixedUrl("https://example.org/B04.tif")).chunk({"y": 256, "x": 256})
    assert len(lazy.data.dask) <= 2 * lazy.data.npartitions + 3
    assert len(pickle.dumps(lazy.data.dask)) < 60_000


def test_indices_and_masks_on_a_cluster(cluster: Any) -> None:
    def indices(**options: Any) -> xr.Dataset:
        ds = astra_xr.open_scene(SCENE_ID, ["red", "nir"], catalog="sample", **options)
        part = ds.isel(x=slice(768), y=slice(768))
        found: xr.Dataset = part.astra.index(["NDVI", "EVI2"], mask_clouds=True)
        return found

    lazy, expected = indices(chunks=256), indices().load()
    chunks = lazy.NDVI.data.npartitions
    # Red, nir and mask of the file, red and nir of the part, and three of the formula.
    assert len(lazy.NDVI.data.dask.cull(lazy.NDVI.data.__dask_keys__())) <= 8 * chunks + 3
    assert len(lazy.astra.mask().data.dask) == chunks + 1
    got = cluster.compute(lazy).result()
    for name in got:
        np.testing.assert_array_equal(got[name], expected[name])
