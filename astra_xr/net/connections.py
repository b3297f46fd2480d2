"""Connections to storage: a pool for each host, and a limit over all of them."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from yarl import URL

from astra_xr.extras import require
from astra_xr.net.budget import MOST_REQUESTS, Budget, Line
from astra_xr.net.proxies import proxy_of
from astra_xr.version import __version__

_MOST = 80
"""Connections of the process, over all hosts."""

_FIRST = 8
"""Additional connections, for hosts without any."""

_AHEAD = 16
"""Maximum connections to a host that has some opened ahead of requests."""

_KEPT = 15.0
"""Seconds that an unused connection is kept."""

NO_PROGRESS = 10.0
"""Seconds without a byte, or with only a few, after which a request is repeated."""


@dataclass
class Lease:
    """A place among the connections to a host, for one request."""

    client: aiohttp.ClientSession
    spare: bool
    """True if others wait for a connection, and this host has more than its share."""

    closed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Return the request's headers about its connection."""
        return {"Connection": "close"} if self.spare else {}

    def begin(self, answer: aiohttp.ClientResponse) -> None:
        """Record an answer whose body has not been read yet."""
        if self.spare:
            protocol = answer.connection.protocol if answer.connection else None
            if protocol:
                # Not every server closes it when the request says so.
                protocol.force_close()
            self.closed = bool(protocol) or answer.headers.get("Connection", "").lower() == "close"


class Host:
    """The connections to one host; lives on the background loop."""

    def __init__(self, origin: URL) -> None:
        self._origin = origin
        self.budget = Budget(str(origin.host))
        self.answered = False
        """True once it has answered."""
        proxy = proxy_of(origin.scheme, origin.host or "")
        self._socks = proxy if proxy and proxy.startswith("socks") else None
        self.proxy = None if self._socks else proxy
        """URL of the HTTP proxy for its requests."""
        self._secure = origin.scheme == "https"
        self._session: aiohttp.ClientSession | None = None
        self._used = 0
        self.opened = 0
        """Connections that may be open: those in use, and those kept for the next request."""
        self._used_at = time.monotonic()
        self.waiting = Line(self._fits, self._admit, self._leave)
        """Requests that wait for a connection."""

    @property
    def busy(self) -> bool:
        """Return True if requests use connections, or wait for one."""
        return bool(self._used or self.waiting)

    @property
    def idle(self) -> bool:
        """Return True if it has been unused for so long that no connection is open."""
        unused = time.monotonic() - self._used_at
        return not self.busy and not self.budget.busy and unused > _KEPT + 1

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Lease]:
        """Wait for a connection, and hold it for one request."""
        await self.waiting.enter(None)
        others = [each for each in _hosts.values() if each.busy and each is not self]
        wanted = any(each.waiting for each in others)
        lease = None
        try:
            lease = Lease(self._client(), wanted and self.opened > _MOST // (len(others) + 1))
            yield lease
        finally:
            self._used -= 1
            self.opened -= lease is None or lease.closed
            self._used_at = time.monotonic()
            # The host with the fewest comes first.
            for each in sorted(_hosts.values(), key=lambda host: host.opened):
                each.waiting.serve()

    async def open_ahead(self, count: int) -> None:
        """Open connections ahead of requests that will follow, if few are open."""
        # aiohttp would not reuse them for requests through a proxy.
        if self.proxy is None and not self.budget.reduced:
            missing = min(count, _AHEAD - self.opened)
            # The request that follows raises the failure.
            await asyncio.gather(*(self._open() for _ in range(missing)), return_exceptions=True)

    async def _open(self) -> None:
        """Open a connection without a request, for which aiohttp's sessions have no method."""
        async with self.connection() as lease:
            loop = asyncio.get_running_loop()
            request = aiohttp.ClientRequest("GET", self._origin, loop=loop)
            if lease.client.connector:
                opened = await lease.client.connector.connect(request, [], lease.client.timeout)
                opened.release()

    def _admit(self, _: None) -> None:
        self._used += 1
        self.opened = max(self.opened, self._used)

    def _leave(self, _: None) -> None:
        self._used -= 1
        self.waiting.serve()

    def _fits(self, _: None) -> bool:
        if self._used < self.opened:
            return True
        if self.opened >= MOST_REQUESTS:
            return False
        if _total() >= _MOST:
            for each in _hosts.values():
                if not each.busy:
                    each.close()
        return _total() < _MOST + (0 if self.opened else _FIRST)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            how: dict[str, Any] = {
                "limit": MOST_REQUESTS,
                "keepalive_timeout": _KEPT,
                "ssl": _trusted() if self._secure else False,
            }
            connector = _by_socks(self._socks, how) if self._socks else aiohttp.TCPConnector(**how)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=1 << 18,
                timeout=aiohttp.ClientTimeout(sock_connect=NO_PROGRESS, sock_read=NO_PROGRESS),
                headers={
                    "User-Agent": f"astra-xr/{__version__}",
                    "Accept-Encoding": "identity",
                },
            )
        return self._session

    def close(self) -> asyncio.Task[None] | None:
        """Close all connections; the next request opens new ones."""
        session, self._session, self.opened = self._session, None, 0
        if session is None:
            return None
        task = asyncio.ensure_future(session.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        return task


def _by_socks(proxy: str, how: dict[str, Any]) -> aiohttp.TCPConnector:
    """Return connections through a SOCKS proxy, which also resolves names."""
    package = require("aiohttp_socks", extra="socks", purpose="Reading through a SOCKS proxy")
    url = proxy.replace("socks5h://", "socks5://").replace("socks4a://", "socks4://")
    connector: aiohttp.TCPConnector = package.ProxyConnector.from_url(url, rdns=True, **how)
    return connector


_hosts: dict[URL, Host] = {}
"""By origin; lives on the background loop."""

_closing: set[asyncio.Task[None]] = set()
"""The loop keeps only weak references to tasks."""


def _total() -> int:
    return sum(each.opened for each in _hosts.values())


def host_at(url: str) -> Host:
    """Return the host of a URL.

    Raises
    ------
    ValueError
        The URL is invalid.
    """
    origin = URL(url, encoded=True).origin()
    if origin not in _hosts:
        for key, each in list(_hosts.items()):
            if each.idle:
                each.close()
                del _hosts[key]
        _hosts[origin] = Host(origin)
    return _hosts[origin]


async def close_connections() -> None:
    """Close the connections to all hosts."""
    tasks = [each.close() for each in _hosts.values()]
    _hosts.clear()
    await asyncio.gather(*filter(None, tasks))


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates to trust: those that httpx trusts for catalogs."""
    return httpx.create_ssl_context()
