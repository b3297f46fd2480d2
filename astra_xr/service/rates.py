"""Rate limits of API keys, and the headers that report them."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from dataclasses import dataclass
from typing import Any

from astra_xr.errors import InvalidParameter, RateLimited, UpstreamUnavailable, redact
from astra_xr.extras import require
from astra_xr.secret import Secret

UNLIMITED = ("none", "0")
"""Rates that mean no limit."""

_TIMEOUT = 2.0
"""Seconds that a remote counter has to answer."""


def check_rate(rate: str | None) -> str | None:
    """Return a valid rate, such as ``600/minute`` or ``none``, unchanged.

    Raises
    ------
    InvalidParameter
        The rate is invalid.
    MissingExtra
        limits is not installed.
    """
    if rate is None or (isinstance(rate, str) and rate.lower() in UNLIMITED):
        return rate
    limits = require("limits", extra="service", purpose="a rate")
    with contextlib.suppress(ValueError):
        if isinstance(rate, str) and limits.parse(rate).amount > 0:
            return rate
    expected = "a rate such as 600/minute, or none"
    raise InvalidParameter(name="rate", value=rate, expected=expected)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The quota of a key, after one of its requests was counted."""

    amount: int
    """Requests allowed in a window."""

    window: int
    """Length of a window, in seconds."""

    number: int
    """Number of the request in its window, from 1."""

    reset: int
    """Seconds until the next window."""

    def check(self) -> None:
        """Raise `RateLimited` if the request exceeds the quota."""
        if self.number > self.amount:
            raise RateLimited(
                service="The resolver service",
                reason=f"more than {self.amount} requests in {self.window} s with this key",
                retry_after=float(self.reset),
                hint="Ask for several bands in one request.",
            )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        left = max(0, self.amount - self.number)
        policy = f'"requests";q={self.amount};w={self.window}'
        now = f'"requests";r={left};t={self.reset}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())]


class Limiter:
    """Count the requests of each key, in windows that begin with its first request.

    Parameters
    ----------
    url : Secret
        URL of the counter, for the package limits: ``memory://``, ``redis://host``.
    rate : str, optional
        Rate of keys without their own.
    """

    def __init__(self, url: Secret[str], rate: str | None = None) -> None:
        self._rate = check_rate(rate)
        storage = _counter_at(url)
        if isinstance(storage, InvalidParameter):
            raise storage
        self._storage = storage

    def count(self, key_id: str, rate: str | None = None) -> Quota | None:
        """Count one request and return the key's quota; None if it has no limit.

        Requests have different numbers even if several processes share the counter.

        Raises
        ------
        UpstreamUnavailable
            The counter cannot be reached, so the request is not allowed.
        """
        rate = rate or self._rate
        if rate is None or rate.lower() in UNLIMITED:
            return None
        from limits.errors import StorageError

        item = _parsed(rate)
        window, counted = item.get_expiry(), item.key_for(key_id)
        try:
            # The number of this request; a later query would include other requests.
            number = self._storage.incr(counted, window)
            left = self._storage.get_expiry(counted) - time.time()
        except StorageError:
            pass
        else:
            reset = min(window, max(1, math.ceil(left)))
            return Quota(amount=item.amount, window=window, number=number, reset=reset)
        raise UpstreamUnavailable(
            service="The resolver service",
            reason="its request counter (ASTRA_LIMITS_URL) cannot be reached",
            hint="Try again, or ask the service's operator.",
        )


@functools.lru_cache(maxsize=256)
def _parsed(rate: str) -> Any:
    import limits

    return limits.parse(rate)


def _counter_at(url: Secret[str]) -> Any:
    """Return the counter of a URL, or the error if the URL is invalid."""
    from limits.errors import ConfigurationError
    from limits.storage import storage_from_string

    remote = not url.reveal().startswith("memory:")
    timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _TIMEOUT)
    try:
        return storage_from_string(
            url.reveal(), wrap_exceptions=True, **(timeouts if remote else {})
        )
    except (ConfigurationError, ValueError) as error:
        reason = redact(error)[:200]
    expected = "a storage URL of the package limits, e.g. redis://host"
    return InvalidParameter(name="ASTRA_LIMITS_URL", value="***", expected=expected, reason=reason)
