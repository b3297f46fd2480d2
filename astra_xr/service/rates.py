"""How often each key may ask, and what it is told of it."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from typing import Any

from astra_xr.errors import InvalidParameter, RateLimited, UpstreamUnavailable, redact
from astra_xr.extras import require
from astra_xr.secret import Secret

UNLIMITED = ("none", "0")
"""What stands for no limit."""

_SLOWEST = 2.0
"""Seconds that a counter elsewhere has to answer."""


def check_rate(rate: str | None) -> str | None:
    """Return a rate such as ``600/minute``, or ``none``.

    Raises
    ------
    InvalidParameter
        It is neither.
    MissingExtra
        limits is not installed.
    """
    if rate is None or rate.lower() in UNLIMITED:
        return rate
    limits = require("limits", extra="service", purpose="a rate")
    try:
        if limits.parse(rate).amount > 0:
            return rate
    except ValueError:
        pass
    expected = "a rate such as 600/minute, or none"
    raise InvalidParameter(name="rate", value=rate, expected=expected)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a key may ask in a window, after one of its requests was counted."""

    amount: int
    """Requests of a window."""

    window: int
    """Seconds of it."""

    number: int
    """Of the request in its window, from 1."""

    reset: int
    """Seconds until the next window."""

    def check(self) -> None:
        """Raise `RateLimited` if the request is one too many."""
        if self.number > self.amount:
            raise RateLimited(
                service="The resolver service",
                reason=f"more than {self.amount} requests in {self.window} s with this key",
                retry_after=float(self.reset),
                hint="Ask for several bands in one request.",
            )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        left = max(0, self.amount - self.number)
        policy = f'"requests";q={self.amount};w={self.window}'
        now = f'"requests";r={left};t={self.reset}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())]


class Limiter:
    """Counts the requests of each key, in windows that begin with its first request.

    Parameters
    ----------
    url : Secret
        Where is counted, as the package limits names it: ``memory://``, ``redis://host``.
    rate : str, optional
        Of keys that have none of their own.
    """

    def __init__(self, url: Secret[str], rate: str | None = None) -> None:
        self._rate = check_rate(rate)
        storage = _counter_at(url)
        if isinstance(storage, InvalidParameter):
            raise storage
        self._storage = storage

    def count(self, key_id: str, rate: str | None = None) -> Quota | None:
        """Count one request; None: the key may make as many as it likes.

        Each request has its own number, however many processes count at the same place.

        Raises
        ------
        UpstreamUnavailable
            The counter cannot be reached: nobody may ask without being counted.
        """
        rate = rate or self._rate
        if rate is None or rate.lower() in UNLIMITED:
            return None
        from limits.errors import StorageError

        item = _parsed(rate)
        window, counted = item.get_expiry(), item.key_for(key_id)
        try:
            # The number of this very request: asked for later, it would count others' too.
            number = self._storage.incr(counted, window)
            left = self._storage.get_expiry(counted) - time.time()
        except StorageError:
            pass
        else:
            reset = min(window, max(1, math.ceil(left)))
            return Quota(amount=item.amount, window=window, number=number, reset=reset)
        raise UpstreamUnavailable(
            service="The resolver service",
            reason="its counter of requests (ASTRA_LIMITS_URL) cannot be reached",
            hint="Try again, or ask the service's operator.",
        )


@functools.lru_cache(maxsize=256)
def _parsed(rate: str) -> Any:
    import limits

    return limits.parse(rate)


def _counter_at(url: Secret[str]) -> Any:
    """Return the counter of a URL, or the error that it is none."""
    from limits.errors import ConfigurationError
    from limits.storage import storage_from_string

    remote = not url.reveal().startswith("memory:")
    patience = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _SLOWEST)
    try:
        return storage_from_string(
            url.reveal(), wrap_exceptions=True, **(patience if remote else {})
        )
    except (ConfigurationError, ValueError) as error:
        expected = f"a store of the package limits, e.g. redis://host ({redact(error)[:200]})"
    return InvalidParameter(name="ASTRA_LIMITS_URL", value="***", expected=expected)
