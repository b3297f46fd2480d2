"""Short-lived tokens, and the logins that return them."""

from __future__ import annotations

import logging
import math
import netrc
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from astra_xr.errors import (
    AstraError,
    SigningError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.net.memo import Memo
from astra_xr.secret import Secret

_KEPT = 4096
_AGAIN = 60.0
"""Least seconds between two requests for one token, unless the storage refuses it."""
_SHARED = 1.0
"""Seconds for which a failure is raised in later reads too, so that they fail together."""
_SOON = 120.0
"""If fewer seconds are left, a read waits for a new token."""

K = TypeVar("K", bound=Hashable)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A secret that gives access to storage until it expires."""

    value: Secret[str]
    expires_at: datetime | None
    """UTC time at which it expires; None if unknown."""

    life: float | None
    """Seconds for which it was good when it was issued; None if unknown."""


@dataclass
class _Held:
    token: Token
    renew_at: float
    ends: float


class Tokens(Generic[K]):
    """The tokens of one service, by purpose.

    A token is used until it expires or is refused. Shortly before it expires, a thread fetches a
    new one, so that a slow or failing service does not delay reads that have a good token.
    A token's life counts from when it was issued: the local clock may be wrong.

    Parameters
    ----------
    renew_before : timedelta
        How long before its expiry a token is replaced, but at most half its life.
    timer : callable, optional
        Returns seconds.
    """

    def __init__(
        self, *, renew_before: timedelta, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._ahead = renew_before.total_seconds()
        self._timer = timer
        self._held: Memo[K, _Held] = Memo(
            size=_KEPT, life=lambda held: _life(held.token), failures=_SHARED, clock=timer
        )

    def get(
        self, key: K, fetch: Callable[[], Token], refused: Callable[[Token], bool] = lambda _: False
    ) -> Token:
        """Return the token of a purpose; concurrent calls share one request, and its failure.

        Parameters
        ----------
        key : hashable
        fetch : callable
            Returns a new token.
        refused : callable, optional
            Takes the kept token, and returns True if the storage no longer accepts it.

        Raises
        ------
        AstraError
            From ``fetch``, if there is no good token.
        """
        held = self._held.get(key, lambda: self._hold(fetch()), lambda held: refused(held.token))
        now = self._timer()
        if now < held.renew_at:
            return held.token
        held.renew_at = now + _AGAIN
        if held.ends - now < _SOON:
            return self._renewed(key, fetch, held)
        threading.Thread(
            target=self._renewed, args=(key, fetch, held), name="astra-xr token", daemon=True
        ).start()
        return held.token

    def _hold(self, token: Token) -> _Held:
        now, life = self._timer(), _life(token)
        renew_at = now + max(life - min(self._ahead, life / 2), _AGAIN)
        return _Held(token=token, renew_at=renew_at, ends=now + life)

    def _renewed(self, key: K, fetch: Callable[[], Token], held: _Held) -> Token:
        """Return a new token, or on failure the one that is still good."""
        try:
            new = self._hold(fetch())
        except AstraError as error:
            _log.info("A token that is still good was not renewed: %s", error)
            return held.token
        self._held.put(key, new)
        return new.token


def _life(token: Token) -> float:
    """Return the seconds for which a token is kept.

    One that seems to have expired is tried for a minute: the clock, or its service, may be wrong.
    """
    if token.life is None:
        return math.inf
    return token.life if token.life > 0 else _AGAIN


def ask_for_token(
    service: str,
    url: str,
    *,
    read: Callable[[Secret[str], Mapping[str, Any]], Token],
    advice: str,
    **how: Any,
) -> Token:
    """Return the token of a login service; ``how`` is passed to :func:`fetch_json`.

    Parameters
    ----------
    read : callable
        Takes the token and the whole answer, and returns the token with its expiry.
    advice : str
        The hint in the message if the login is refused.

    Raises
    ------
    SigningError
        It refuses the login, or returns no token.
    UpstreamUnavailable, UpstreamTimeout
        It is down.
    """
    reason = "it returned no token"
    try:
        # The answer is in no variable: it holds the token.
        token = token_in(fetch_json(service, url, **how), "access_token", read)
    except (UpstreamUnavailable, UpstreamTimeout):
        raise
    except UpstreamError as error:
        token, reason = None, error.reason
    if token is None:
        raise SigningError(href=url, reason=f"{service}: {reason}", hint=advice)
    return token


def token_in(
    answer: Any, name: str, read: Callable[[Secret[str], Mapping[str, Any]], Token]
) -> Token | None:
    """Return what ``read`` returns for the token in a field of an answer; None without one."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    try:
        return read(Secret(value), answer) if value and isinstance(value, str) else None
    except (LookupError, TypeError, ValueError, OverflowError):
        return None


def bearer(href: str, token: Token) -> SignedUrl:
    """Return an https URL with the token in a header."""
    headers = (("Authorization", f"Bearer {token.value.reveal()}"),)
    return SignedUrl(url=href, headers=headers, expires_at=token.expires_at)


def carried(refused: SignedUrl | None) -> Callable[[Token], bool]:
    """Return a function that returns True for the token of a refused URL."""
    return lambda token: refused is not None and bearer("", token).headers == refused.headers


Account = tuple[Secret[str], Secret[str]]
"""Username and password."""


def login(
    username: Secret[str] | None,
    password: Secret[str] | None,
    *,
    file: Path,
    hosts: tuple[str, ...],
) -> Account | None:
    """Return username and password if both are set, else those of hosts in a ``.netrc`` file."""
    if username and password:
        return username, password
    try:
        entries = netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError, ValueError):
        return None
    found = (entries[host] for host in hosts if host in entries)
    return next(((Secret(user), Secret(word)) for user, _, word in found if user and word), None)
