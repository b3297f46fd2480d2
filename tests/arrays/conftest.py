"""Files of the scenes, written once, and the requests that each test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from astra_xr.testing import Request
from conftest import Loopback
from tests.arrays.strips import SIDE, STRIPS, Source, write_large
from tests.arrays.subjects import SUBJECTS
from tests.faulty import HeldServer
from tests.stac_api import StacApi

HOSTS = (
    "earth-search.aws.element84.com",
    "planetarycomputer.microsoft.com",
    "stac.dataspace.copernicus.eu",
)


@dataclass
class Traffic:
    """The requests of one test, whose files have URLs of their own."""

    server: HeldServer
    folder: str
    start: int = 0

    @property
    def requests(self) -> list[Request]:
        """The requests since the last reset."""
        return self._own(self.server.requests[self.start :])

    @property
    def asked(self) -> list[Request]:
        """The requests of the test, also those not yet answered."""
        return self._own(self.server.asked)

    def _own(self, requests: list[Request]) -> list[Request]:
        return [each for each in requests if each.path.startswith(f"/{self.folder}/")]

    @property
    def bytes(self) -> int:
        """The bytes of their responses."""
        return sum(each.sent for each in self.requests)

    def reset(self) -> None:
        """Forget earlier requests."""
        self.start = len(self.server.requests)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strips")
    for strip in STRIPS:
        strip.write(folder)
    return folder


@pytest.fixture(scope="session")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write_large(folder)
    return folder


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder: links to the others, one per test."""
    return tmp_path_factory.mktemp("links")


@pytest.fixture(scope="session")
def server(links: Path) -> Iterator[HeldServer]:
    with HeldServer(links) as server:
        yield server


@pytest.fixture
def traffic(server: HeldServer, links: Path) -> Iterator[Traffic]:
    yield Traffic(server, str(len(list(links.iterdir()))), len(server.requests))
    server.held = lambda request: False


@pytest.fixture
def source(traffic: Traffic, links: Path, folder: Path, tmp_path: Path) -> Source:
    (links / traffic.folder).symlink_to(folder)
    return Source(traffic.server.url(f"{traffic.folder}/"), tmp_path)


@pytest.fixture
def large(traffic: Traffic, links: Path, large_folder: Path, tmp_path: Path) -> Source:
    (links / traffic.folder).symlink_to(large_folder)
    return Source(traffic.server.url(f"{traffic.folder}/"), tmp_path, (SIDE, SIDE))


@pytest.fixture(autouse=True)
def empty_catalogs(network: Loopback) -> None:
    """Catalogs have no scenes, so that no classification band is fetched by id."""
    for host in HOSTS:
        network.routes[host] = StacApi([])


Loaded = Callable[[str], xr.Dataset]


@pytest.fixture(scope="session")
def loaded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Return a subject with its values in memory, read from files without the server."""
    local = Source(f"{folder}/", tmp_path_factory.mktemp("scratch"))
    known: dict[str, xr.Dataset] = {}

    def loaded(name: str) -> xr.Dataset:
        if name not in known:
            known[name] = SUBJECTS[name].open(local).load()
        return known[name].copy()

    return loaded
