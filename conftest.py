"""What every test gets: an environment of its own, and a network that ends at loopback."""

from __future__ import annotations

import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from hypothesis import HealthCheck, settings

import astra_xr.scenes.open
from astra_xr import warned
from astra_xr.net import client, hosts, retries, storage
from astra_xr.reading.cache import header_cache, tile_cache

# Properties are held however slow the machine is, and start anew for each example what they need of
# a fixture. Under CI they draw the same examples each time, so that what was green stays green.
settings.register_profile(
    "astra",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("astra")

# jsonschema compiles grammars for a second on import, to check IRIs, of which no test has any.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of no use to loopback, which is http; made once, as each takes time."""


class Loopback(httpx.BaseTransport):
    """Carries requests for the hosts of ``routes`` to servers on loopback, and no other.

    A route is the base URL of a real server, or a function that answers.
    """

    def __init__(self) -> None:
        self.routes: dict[str, str | Callable[[httpx.Request], httpx.Response]] = {}
        self.log: list[tuple[str, str]] = []
        self.names: dict[str, list[str]] = {}
        self._inner = httpx.HTTPTransport(verify=_NO_TLS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.log.append((request.method, str(request.url)))
        host = request.url.host
        route = self.routes.get(host)
        if callable(route):
            request.read()
            return route(request)
        if route is not None:
            target = httpx.URL(route)
            request.url = request.url.copy_with(
                scheme=target.scheme, host=target.host, port=target.port
            )
        elif host != "127.0.0.1":
            raise httpx.ConnectError(f"tests reach no network: {host}", request=request)
        return self._inner.handle_request(request)

    def storage(self, exchange: Callable[..., Any]) -> Callable[..., Any]:
        """Lead the storage hosts of the reading engine to loopback, too."""

        async def routed(url: str, *rest: Any) -> Any:
            parts = urlsplit(url)
            route = self.routes.get(str(parts.hostname))
            self.log.append(("GET", url))
            if isinstance(route, str):
                target = urlsplit(route)
                url = urlunsplit((target.scheme, target.netloc, parts.path, parts.query, ""))
            elif parts.hostname != "127.0.0.1":
                return storage.Failure(reason=f"tests reach no network: {parts.hostname}")
            return await exchange(url, *rest)

        return routed

    def addresses_of(self, host: str) -> list[str]:
        """Resolve the hosts of the world as public, and loopback as what it is."""
        if host in self.routes:
            return ["93.184.215.14"]
        return [host] if host.replace(".", "").isdigit() else self.names.get(host, [])

    def close(self) -> None:
        self._inner.close()


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A network of loopback servers alone; ``routes`` leads the hosts of the world to them."""
    transport = Loopback()
    monkeypatch.setattr(client, "_transport", lambda: transport)
    client._client_of.cache_clear()
    monkeypatch.setattr(storage, "_exchange", transport.storage(storage._exchange))
    monkeypatch.setattr(hosts, "addresses_of", transport.addresses_of)
    for cache in (
        header_cache, tile_cache, warned._seen, hosts.private_hosts,
    ):  # fmt: skip
        cache.clear()
    # Which hosts have answered, and waits for them: that of another test would not be noted again.
    for known in (retries._answered, retries._waits):
        known.clear()
    astra_xr.scenes.open._embedded.cache_clear()
    yield transport
    transport.close()
    client._client_of.cache_clear()


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """No test draws into the axes that another left."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of the whole run, where the sample is made once."""
    # Workers of one run share the folder above their own.
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = root / "astra-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Tests interrupt themselves and their processes, which a shell's background jobs ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def environment(cache_dir: Path) -> Iterator[None]:
    """No settings from outside, and the run's own cache folder.

    For the whole run: what fixtures of modules read, and what ends in the background between two
    tests, would use the user's cache folder, where headers of earlier runs are.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ASTRA_", "PC_SDK_", "AWS_", "CDSE_", "EARTHDATA_", "NETRC")):
                patch.delenv(name)
        # Lasting faults are given up soon.
        patch.setenv("ASTRA_PATIENCE", "0.6")
        # Servers of tests come back at ports of others; tests of kept headers turn them on.
        patch.setenv("ASTRA_KEPT_HEADERS", "0")
        # boto3 asks no metadata service, and finds no profiles.
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "NETRC"):
            patch.setenv(name, os.devnull)
        patch.setenv("ASTRA_CACHE_DIR", str(cache_dir))
        patch.setenv("XDG_CONFIG_HOME", str(cache_dir / "config"))
        yield
