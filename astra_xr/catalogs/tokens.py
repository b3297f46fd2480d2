"""Short-lived tokens: kept until shortly before they end, fetched once for all who wait."""

from __future__ import annotations

import netrc
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

from astra_xr.errors import SigningError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json

_KEPT = 4096

K = TypeVar("K", bound=Hashable)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A secret that opens storage for a while."""

    value: str = field(repr=False)
    expires_at: datetime | None
    """UTC time at which it stops working; None: nobody knows."""


class Tokens(Generic[K]):
    """The tokens of one service, each under what it is for.

    Parameters
    ----------
    fetch : callable
        Gets a new token; one thread at a time for each key.
    renew_before : timedelta
        How long before its end a token is replaced.
    clock : callable
        Tells the time.
    """

    def __init__(
        self, fetch: Callable[[K], Token], *, renew_before: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._fetch = fetch
        self._renew_before = renew_before
        self._clock = clock
        self._tokens: LRUCache[K, Token] = LRUCache(_KEPT)
        self._locks: LRUCache[K, threading.Lock] = LRUCache(_KEPT)
        self._guard = threading.Lock()

    def get(self, key: K, was_refused: Callable[[Token], bool]) -> Token:
        """Return a token that lasts for minutes, and is not the one that storage refused."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                token = self._tokens.get(key)
            # Who comes with an older token than ours just missed its renewal.
            if token is None or self._ends_soon(token) or was_refused(token):
                token = self._fetch(key)
                with self._guard:
                    self._tokens[key] = token
            return token

    def _ends_soon(self, token: Token) -> bool:
        ends = token.expires_at
        return ends is not None and self._clock() >= ends - self._renew_before


def ask_for_token(service: str, url: str, *, advice: str, **how: Any) -> dict[str, Any]:
    """Return the JSON of a login service; ``how`` is handed on to :func:`fetch_json`.

    Raises
    ------
    SigningError
        It refuses the login; ``advice`` says what to check.
    UpstreamUnavailable, UpstreamTimeout
        It is down.
    """
    try:
        answer = fetch_json(service, url, **how)
        reason = "it gave no token"
    except (UpstreamUnavailable, UpstreamTimeout):
        raise
    except UpstreamError as error:
        answer, reason = None, error.reason
    if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise SigningError(href=url, reason=f"{service}: {reason}", hint=advice)
    return answer


def bearer(href: str, token: Token) -> SignedUrl:
    """Return an https URL that is read with the token in a header."""
    header = ("Authorization", f"Bearer {token.value}")
    return SignedUrl(url=href, headers=(header,), expires_at=token.expires_at)


def carried(refused: SignedUrl | None) -> Callable[[Token], bool]:
    """Return the test whether a token is the one that a refused URL was read with."""
    return lambda token: refused is not None and bearer("", token).headers == refused.headers


def login(
    username: str | None, password: str | None, *, file: Path, hosts: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return an account: as it was set, else from a ``.netrc`` file, else None.

    Parameters
    ----------
    username, password : str or None
        As set.
    file : Path
        The ``.netrc``.
    hosts : tuple of str
        Under which of its machines to look.
    """
    if username and password:
        return username, password
    try:
        told = netrc.netrc(str(file))
    except (OSError, netrc.NetrcParseError, ValueError):
        return None
    found = (told.hosts[host] for host in hosts if host in told.hosts)
    return next(((user, word) for user, _, word in found if user and word), None)
