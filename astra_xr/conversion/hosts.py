"""Which hosts a source may lie on, where not the user but a catalogue names it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from astra_xr.errors import ConversionFailed


def check_url(url: str, *, label: str, allowed: Collection[str] = ()) -> None:
    """Let pass https URLs of public hosts, and any http of the hosts that are allowed.

    Parameters
    ----------
    url : str
        Where a catalogue, or a redirect, leads.
    label : str
        What the user knows the source by, for the error.
    allowed : collection of str
        Host names that may be private, loopback and without TLS.

    Raises
    ------
    ConversionFailed
        The URL leads to a file, a private address, or a host that has none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(label, "its URL makes no sense") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _refused(label, f"a catalogue may not name {parts.scheme or 'local'} files")
    if host in allowed:
        return
    if parts.scheme != "https":
        raise _refused(label, f"{host} is read without TLS")
    if parts.username is not None or port not in (None, 443):
        raise _refused(label, f"{host} is read at an odd port or with a password")
    addresses = addresses_of(host)
    if not addresses:
        raise _refused(label, f"{host} is not known")
    for address in addresses:
        if not _public(address):
            raise _refused(label, f"{host} is a private address, or leads to one")


def addresses_of(host: str) -> list[str]:
    """Return the IP addresses of a host; none: it is not known."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, 443)]
    except (OSError, UnicodeError):
        return []


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # IPv4 in the clothes of IPv6: ::ffff:127.0.0.1, 2002:7f00:1::, 64:ff9b::7f00:1.
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


def _refused(label: str, reason: str) -> ConversionFailed:
    hint = "A host of your own can be named in ASTRA_ALLOW_HOSTS."
    return ConversionFailed(source=label, reason=reason, hint=hint)
