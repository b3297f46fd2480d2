"""Connections to storage: a pool for each host, and a limit over all of them."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import aiohttp
from yarl import URL

from astra_xr.extras import require
from astra_xr.net.endurance import MOST_REQUESTS, Budget
from astra_xr.net.proxies import proxy_of

_MOST = 80
"""Connections of the process, over all hosts."""

_FIRST = 8
"""Further ones, for hosts that have none."""

_AHEAD = 16
"""Connections that are open when some are opened for requests to come, at most."""

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
        """Return what the request has to say of its connection."""
        return {"Connection": "close"} if self.spare else {}

    def begin(self, answer: aiohttp.ClientResponse) -> None:
        """Note an answer whose body is not read yet."""
        if self.spare:
            protocol = answer.connection.protocol if answer.connection else None
            if protocol:
                # Whatever the server thinks of it.
                protocol.force_close()
            self.closed = bool(protocol) or answer.headers.get("Connection", "").lower() == "close"


class Host:
    """The connections to one host; lives on the background loop."""

    def __init__(self, origin: URL) -> None:
        self._origin = origin
        self.budget = Budget(str(origin.host))
        self.answered = False
        """True once there was any answer."""
        proxy = proxy_of(origin.scheme, origin.host or "")
        self._socks = proxy if proxy and proxy.startswith("socks") else None
        self.proxy = None if self._socks else proxy
        """URL of the proxy that its requests name."""
        self._secure = origin.scheme == "https"
        self._session: aiohttp.ClientSession | None = None
        self._used = 0
        self.opened = 0
        """Connections that may be open: those in use, and those kept for the next request."""
        self._used_at = time.monotonic()
        self.waiting: deque[asyncio.Future[None]] = deque()
        """Requests that wait for a connection."""

    @property
    def busy(self) -> bool:
        """Return True if connections are in use or waited for."""
        return bool(self._used or self.waiting)

    @property
    def idle(self) -> bool:
        """Return True if nothing was asked for so long that no connection is open."""
        return not self.busy and not self.budget.busy and self._since() > _KEPT + 1

    def _since(self) -> float:
        return time.monotonic() - self._used_at

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Lease]:
        """Wait for a connection, and hold it for one request."""
        await self._enter()
        others = [each for each in _hosts.values() if each.busy and each is not self]
        wanted = any(each.waiting for each in others)
        lease = Lease(self._client(), wanted and self.opened > _MOST // (len(others) + 1))
        try:
            yield lease
        finally:
            self._used -= 1
            self.opened -= lease.closed
            self._used_at = time.monotonic()
            # Who has least comes first.
            for each in sorted(_hosts.values(), key=lambda host: host.opened):
                each.serve()

    async def open_ahead(self, count: int) -> None:
        """Open connections for requests that follow one under way, where few are open."""
        # Through a proxy, aiohttp would not find them again.
        if self.proxy is None and not self.budget.reduced:
            missing = min(count, _AHEAD - self.opened)
            # What fails here fails again where somebody waits for it.
            await asyncio.gather(*(self._open() for _ in range(missing)), return_exceptions=True)

    async def _open(self) -> None:
        async with self.connection() as lease:
            loop = asyncio.get_running_loop()
            request = aiohttp.ClientRequest("GET", self._origin, loop=loop)
            if lease.client.connector:
                opened = await lease.client.connector.connect(request, [], lease.client.timeout)
                opened.release()

    async def _enter(self) -> None:
        if not self.waiting and self._fits():
            self._admit()
            return
        place = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._used -= 1
                self.serve()
            raise

    def serve(self) -> None:
        """Give connections to requests that wait for one, as many as there may be."""
        while self.waiting:
            if not self.waiting[0].done():
                if not self._fits():
                    return
                self._admit()
                self.waiting[0].set_result(None)
            self.waiting.popleft()

    def _admit(self) -> None:
        self._used += 1
        self.opened = max(self.opened, self._used)

    def _fits(self) -> bool:
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
                    "User-Agent": f"astra-xr/{version('astra-xr')}",
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
    """Return connections through a SOCKS proxy, which resolves the names, too."""
    package = require("aiohttp_socks", extra="socks", purpose="Reading through a SOCKS proxy")
    url = proxy.replace("socks5h://", "socks5://").replace("socks4a://", "socks4://")
    connector: aiohttp.TCPConnector = package.ProxyConnector.from_url(url, rdns=True, **how)
    return connector


_hosts: dict[URL, Host] = {}
"""By origin; lives on the background loop."""

_closing: set[asyncio.Task[None]] = set()
"""The loop itself holds no task."""


def _total() -> int:
    return sum(each.opened for each in _hosts.values())


def host_at(url: str) -> Host:
    """Return the host of a URL.

    Raises
    ------
    ValueError
        It is no URL.
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
    """Return whom to trust: as httpx does, by which catalogs are asked."""
    import httpx

    return httpx.create_ssl_context()
