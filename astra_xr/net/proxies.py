"""Proxies of the environment or the system, for all requests of this process."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

import httpx

from astra_xr.errors import redact
from astra_xr.locks import Lock


def proxy_of(scheme: str, host: str) -> str | None:
    """Return the URL of the proxy for a host, by the environment or the system; or None."""
    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or proxy_bypass(host):
        return None
    return found if "://" in found else f"http://{found}"


class Proxied(httpx.BaseTransport):
    """Sends requests through the proxies of the environment or the system, if any.

    httpx does so only if it makes the transport itself.
    """

    def __init__(self) -> None:
        self._transports: dict[str | None, httpx.HTTPTransport] = {}
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        proxy = proxy_of(request.url.scheme, request.url.host)
        with self._lock:
            if proxy not in self._transports:
                self._transports[proxy] = _through(proxy)
        return self._transports[proxy].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()


def _through(proxy: str | None) -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    try:
        return httpx.HTTPTransport(proxy=proxy, limits=limits)
    except ImportError:
        reason = "a SOCKS proxy needs: pip install 'astra-xr[socks]'"
    except ValueError as error:  # unknown scheme
        reason = redact(error)
    raise httpx.ProxyError(reason)
