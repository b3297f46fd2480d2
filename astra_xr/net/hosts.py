"""Which hosts may be read if the URL is from a catalog and not from the user."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection
from urllib.parse import urljoin, urlsplit

from astra_xr.net.memo import Memo

_PRIVATE = "{} is or resolves to a private address"


def why_refused(url: str, allowed: Collection[str] = ()) -> str | None:
    """Return why a URL from a catalog or a redirect may not be read; None if it may.

    Allowed are https URLs of public hosts, and any http(s) URL of the allowed hosts.

    Parameters
    ----------
    url : str
        URL from a catalog or a redirect.
    allowed : collection of str
        Host names that may be private, loopback and without TLS.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "its URL is invalid"
    if parts.scheme not in ("http", "https") or not host:
        return f"a catalog may not refer to {parts.scheme or 'local'} files"
    if host in allowed:
        return None
    if parts.scheme != "https":
        return f"its URL at {host} is not https"
    if parts.username is not None or port not in (None, 443):
        return f"its URL at {host} has a password or a port other than 443"
    return _why_private(host)


def why_private(url: str, root: str, named: Callable[[], Collection[str]] = tuple) -> str | None:
    """Return why a file of a catalog may not be read; None if it may.

    A catalog in a private network may refer to all hosts there, any other to no private host.

    Parameters
    ----------
    url : str
        URL from a catalog.
    root : str
        URL of the catalog, from the user; empty if it has none.
    named : callable
        Returns further hosts that are allowed.
    """
    host, own = _host(url), _host(root)
    if not host or host == own or not _is_private(host):
        return None
    if (own and _is_private(own)) or host in named():
        return None
    return _PRIVATE.format(host)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


private_hosts: Memo[str, bool] = Memo(size=1024, life=60.0)
"""Whether hosts are private, which is checked at each read."""


def _is_private(host: str) -> bool:
    # For an unknown host the read raises a better message.
    return private_hosts.get(host, lambda: not all(map(_public, addresses_of(host))))


def redirect_target(url: str, target: str) -> str | None:
    """Return where a redirect leads to; None if its target is invalid."""
    try:
        return urljoin(url, target)
    except ValueError:
        return None


def _why_private(host: str) -> str | None:
    addresses = addresses_of(host)
    if not addresses:
        return f"{host} is unknown"
    return None if all(map(_public, addresses)) else _PRIVATE.format(host)


def addresses_of(host: str) -> list[str]:
    """Return the IP addresses of a host; empty if it is unknown."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, 443)]
    except (OSError, UnicodeError):
        return []


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # IPv4 embedded in IPv6: ::ffff:127.0.0.1, 2002:7f00:1::, 64:ff9b::7f00:1.
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    return ip.is_global and not ip.is_multicast
