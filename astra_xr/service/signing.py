"""URLs of files that we serve ourselves, signed with a key that only the server knows.

A signature is HMAC-SHA256 over version, method, path, expiry and key id. One for GET serves HEAD.
"""

from __future__ import annotations

import base64
import functools
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, unquote, urlencode

from astra_xr.errors import InvalidParameter
from astra_xr.model import utc_now
from astra_xr.secret import Secret

LIFE = timedelta(hours=1)
_LEEWAY = timedelta(seconds=30)
"""How far the clocks of two servers may be apart."""

_VERSION = "1"
FIELDS = ("v", "kid", "exp", "sig")
"""Parameters that a signed URL carries."""


class UrlSigner:
    """Signs paths, and checks them; its repr shows no key.

    Parameters
    ----------
    keys : mapping
        Key id → secret of at least 32 bytes. The first signs; the second, an older one, still
        checks, so that keys can be changed while URLs are out.
    clock : callable
        Returns the time, in UTC.

    Raises
    ------
    InvalidParameter
        There are no keys, more than two, or too short ones.

    Examples
    --------
    >>> signer = UrlSigner({"a": Secret(bytes(32))})
    >>> query, expires_at = signer.sign("GET", "/assets/s2/B04.tif")
    >>> from urllib.parse import parse_qs
    >>> fields = {name: values[0] for name, values in parse_qs(query).items()}
    >>> signer.accepts("GET", "/assets/s2/B04.tif", fields)
    True
    """

    def __init__(
        self, keys: Mapping[str, Secret[bytes]], clock: Callable[[], datetime] = utc_now
    ) -> None:
        good = all(name.isalnum() and len(key.reveal()) >= 32 for name, key in keys.items())
        if not 1 <= len(keys) <= 2 or not good:
            expected = "one or two key ids of letters and digits, each with 32 bytes or more"
            raise InvalidParameter(name="keys", value=sorted(keys), expected=expected)
        self._keys = dict(keys)
        self._clock = clock
        # A reader asks for many ranges with one URL.
        self._signature = functools.lru_cache(maxsize=1024)(self._signed)

    def __repr__(self) -> str:
        return f"UrlSigner({', '.join(self._keys)})"

    def sign(self, method: str, path: str, life: timedelta = LIFE) -> tuple[str, datetime]:
        """Return the query that opens a path, and the UTC time until which it does.

        Raises
        ------
        InvalidParameter
            The path is not canonical, or the life is longer than an hour.
        """
        canonical = _canonical(path)
        if canonical is None:
            raise InvalidParameter(name="path", value=path, expected="/, names, and no dots alone")
        if not timedelta() < life <= LIFE:
            raise InvalidParameter(name="life", value=life, expected="an hour or less")
        expires_at = (self._clock() + life).replace(microsecond=0)
        expiry = str(int(expires_at.timestamp()))
        key_id = next(iter(self._keys))
        signature = self._signature(key_id, method, canonical, expiry)
        query = dict(zip(FIELDS, (_VERSION, key_id, expiry, signature), strict=True))
        return urlencode(query), expires_at

    def accepts(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Return True if a request's query opens its path now.

        Parameters
        ----------
        method : str
            Of the request.
        path : str
            As it was sent, percent-encoded or not.
        query : mapping
            Decoded parameters; whoever parses them refuses repeated ones.
        """
        canonical = _canonical(path)
        version, key_id, expiry, signature = (query.get(name, "") for name in FIELDS)
        known = key_id if key_id in self._keys else next(iter(self._keys))
        plain = expiry.isascii() and expiry.isdigit() and len(expiry) <= 12
        # Computed and compared whatever is wrong, so that the time it takes tells nothing.
        right = self._signature(known, method, canonical or "/", expiry)
        same = hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace"))
        late = not plain or self._clock().timestamp() > int(expiry) + _LEEWAY.total_seconds()
        return (
            same and key_id == known and version == _VERSION and canonical is not None and not late
        )

    def _signed(self, key_id: str, method: str, path: str, expiry: str) -> str:
        method = "GET" if method.upper() == "HEAD" else method.upper()
        text = "\n".join((_VERSION, method, path, expiry, key_id))
        digest = hmac.digest(self._keys[key_id].reveal(), text.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@functools.lru_cache(maxsize=512)
def _canonical(path: str) -> str | None:
    """Return a path in the one spelling that is signed; None: it has none."""
    plain = unquote(path, errors="replace")
    parts = plain.split("/")
    odd = any(ord(letter) < 32 or letter in "\\?#%\x7f\ufffd" for letter in plain)
    if parts[0] or len(parts) < 2 or odd or any(p.strip(".") == "" for p in parts[1:]):
        return None
    return quote(plain)
