"""Scenes to open: files that a test makes, behind hosts that lead to loopback."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from _pytest.doctest import DoctestModule
from affine import Affine

import astra_xr
from astra_xr.sample import SCENE_ID
from astra_xr.scenes import own_items
from astra_xr.testing import RangeServer, require_query, write_cog
from conftest import Loopback
from tests import items
from tests.browser import CHROMIUM, FLAGS
from tests.stac_api import StacApi

SIZE = 700
PLACE_OF_30_M = Affine(30, 0, 499980, 0, -30, 4200000)
SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for no examples in the docstrings of tests, which takes each worker a second."""
    found = yield
    return [each for each in found if not isinstance(each, DoctestModule)]


@pytest.fixture(scope="module", autouse=True)
def _own_items() -> None:
    """Forget the items of other modules: two of one id with other files are not opened again."""
    own_items._kept.clear()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded items and real rasters, which a fresh clone lacks."""
    if not (SHARED / "real").is_dir():
        pytest.skip("recorded items and real rasters are not here (../shared/real)")
    return SHARED / "real"


@pytest.fixture(scope="session")
def made_sample() -> None:
    """The sample's first scene, made: no request for it waits as long as that takes."""
    astra_xr.open_scene(SCENE_ID, catalog="sample")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright, whose event loop no other file's tests may meet."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not here: pip install -e '.[browser]'"
    )
    if CHROMIUM is None:
        pytest.skip("Chromium is not here: apt-get install --no-install-recommends chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def make_dn(seed: int, size: int = SIZE) -> npt.NDArray[np.uint16]:
    """Stored numbers like a scene's: 1..12000, with a corner of nodata."""
    rng = np.random.default_rng(seed)
    dn = rng.integers(1, 12000, (size, size)).astype(np.uint16)
    dn[: size // 5, : size // 7] = 0
    return dn


@dataclass(frozen=True)
class World:
    """Catalogs and storage of one Sentinel-2 acquisition, and a Landsat scene."""

    earth_search: StacApi
    planetary_computer: StacApi
    tokens: list[str]
    """Tokens that the signing service gave out; blobs open to these alone."""
    storage: RangeServer
    folder: Path
    """What the storage holds."""
    dn: dict[str, npt.NDArray[np.uint16]]
    """Band → stored numbers as the agency made them; Earth Search's l2a are 1000 lower."""


@pytest.fixture(scope="session")
def storage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("storage")
    for name in ("sentinel2-l2", "shifted", "landsat-c2"):
        (folder / name).mkdir()
    for seed, band in enumerate(("B04", "B08", "B8A")):
        dn = make_dn(seed)
        dn[dn > 0] += 1000
        write_cog(folder / f"{band}.tif", dn)
        write_cog(folder / "sentinel2-l2" / f"{band}.tif", dn)
        shifted = np.where(dn > 1000, dn - 1000, 0).astype(np.uint16)
        write_cog(folder / "shifted" / f"{band}.tif", shifted)
    for seed, name in enumerate(("SR_B4", "SR_B5", "ST_B10", "QA_PIXEL")):
        nodata = 1 if name == "QA_PIXEL" else 0
        path = folder / "landsat-c2" / f"{name}.TIF"
        write_cog(path, make_dn(10 + seed), nodata=nodata, transform=PLACE_OF_30_M)
    return folder


@pytest.fixture
def world(storage_folder: Path, network: Loopback) -> Iterator[World]:
    """Lead the hosts of Earth Search, the Planetary Computer and their storage to loopback."""
    l2a = items.earth_search_l2a(SIZE)
    for asset in l2a["assets"].values():
        asset["href"] = asset["href"].replace(".com/B", ".com/shifted/B")
    earth_search = StacApi([l2a, items.earth_search_c1(SIZE)])
    planetary = StacApi([items.planetary_computer(SIZE), items.planetary_computer_landsat(SIZE)])
    tokens: list[str] = []

    def microsoft(request: httpx.Request) -> httpx.Response:
        if "/sas/" not in request.url.path:
            return planetary(request)
        tokens.append(f"SECRET{len(tokens)}")
        planetary.asked.append("token")
        answer = {"msft:expiry": "2099-01-01T00:00:00Z", "token": f"se=x&sig={tokens[-1]}"}
        return httpx.Response(200, json=answer)

    with RangeServer(storage_folder) as storage, RangeServer(storage_folder) as blobs:
        blobs.rule = require_query("sig", lambda sig: bool(tokens) and sig == tokens[-1])
        network.routes |= {
            "earth-search.aws.element84.com": earth_search,
            "planetarycomputer.microsoft.com": microsoft,
            "stac.dataspace.copernicus.eu": StacApi([]),
            "landsatlook.usgs.gov": StacApi([]),
            "cmr.earthdata.nasa.gov": StacApi([]),
            items.EARTH_SEARCH_HOST: storage.url(),
            items.C1_HOST: storage.url(),
            items.BLOB_HOST: blobs.url(),
            items.LANDSAT_HOST: blobs.url(),
        }
        dn = {
            band: make_dn(seed) + np.where(make_dn(seed) > 0, 1000, 0).astype(np.uint16)
            for seed, band in enumerate(("B04", "B08"))
        }
        yield World(earth_search, planetary, tokens, storage, storage_folder, dn)
    _forget_catalogs()


def _forget_catalogs() -> None:
    # Token caches live as long as the process; no test may see another's.
    from astra_xr import catalogs

    catalogs._connect.cache_clear()
