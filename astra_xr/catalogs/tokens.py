"""Short-lived tokens, and the logins that fetch them."""

from __future__ import annotations

import math
import netrc
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from astra_xr.errors import SigningError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.net.memo import Memo

_KEPT = 4096

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A secret that gives access to storage until it expires."""

    value: str = field(repr=False)
    expires_at: datetime | None
    """UTC time at which it expires; None if unknown."""


class Tokens(Memo[K, Token]):
    """The tokens of one service, by purpose; each is kept until shortly before it expires.

    Parameters
    ----------
    renew_before : timedelta
        How long before its expiry a token is replaced.
    clock : callable
        Returns the time.
    """

    def __init__(self, *, renew_before: timedelta, clock: Callable[[], datetime]) -> None:
        def life(token: Token) -> float:
            ends = token.expires_at
            return math.inf if ends is None else (ends - renew_before - clock()).total_seconds()

        super().__init__(size=_KEPT, life=life, clock=lambda: clock().timestamp())


def ask_for_token(service: str, url: str, *, advice: str, **how: Any) -> dict[str, Any]:
    """Return the JSON of a login service; ``how`` is passed to :func:`fetch_json`.

    Raises
    ------
    SigningError
        It refuses the login; ``advice`` is the hint in the message.
    UpstreamUnavailable, UpstreamTimeout
        It is down.
    """
    try:
        answer = fetch_json(service, url, **how)
        reason = "it returned no token"
    except (UpstreamUnavailable, UpstreamTimeout):
        raise
    except UpstreamError as error:
        answer, reason = None, error.reason
    if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise SigningError(href=url, reason=f"{service}: {reason}", hint=advice)
    return answer


def bearer(href: str, token: Token) -> SignedUrl:
    """Return an https URL with the token in a header."""
    header = ("Authorization", f"Bearer {token.value}")
    return SignedUrl(url=href, headers=(header,), expires_at=token.expires_at)


def carried(refused: SignedUrl | None) -> Callable[[Token], bool]:
    """Return a function that returns True for the token of a refused URL."""
    return lambda token: refused is not None and bearer("", token).headers == refused.headers


def login(
    username: str | None, password: str | None, *, file: Path, hosts: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return username and password: from the settings, else from a ``.netrc`` file, else None.

    Parameters
    ----------
    username, password : str or None
        From the settings.
    file : Path
        The ``.netrc``.
    hosts : tuple of str
        Machines to look up in it.
    """
    if username and password:
        return username, password
    try:
        entries = netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError, ValueError):
        return None
    found = (entries[host] for host in hosts if host in entries)
    return next(((user, word) for user, _, word in found if user and word), None)
