"""Signed URLs of the service's own files.

A signature is the HMAC-SHA256 of version, method, path, expiry and key id, with a secret key of
the service. A signature for GET is valid for HEAD too.
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

_LIFE = timedelta(hours=1)
_LEEWAY = timedelta(seconds=30)
"""Largest difference of the clocks of two servers."""

_VERSION = "1"
FIELDS = ("v", "kid", "exp", "sig")
"""Query parameters of a signed URL."""


class UrlSigner:
    """Sign paths and verify signatures; its repr shows no key.

    Parameters
    ----------
    keys : mapping
        Key id → secret of at least 32 bytes. The first key signs. A second, older one is still
        accepted, so that keys can be replaced while URLs are in use.
    clock : callable
        Returns the time, in UTC.

    Raises
    ------
    InvalidParameter
        There are no keys, more than two, or a key is too short.

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
            expected = "one or two key ids of letters and digits, each with at least 32 bytes"
            raise InvalidParameter(name="keys", value=sorted(keys), expected=expected)
        self._keys = dict(keys)
        self._clock = clock
        # Readers send many requests with one URL.
        self._signature = functools.lru_cache(maxsize=1024)(self._signed)

    def __repr__(self) -> str:
        return f"UrlSigner({', '.join(self._keys)})"

    def sign(self, method: str, path: str) -> tuple[str, datetime]:
        """Return the signed query of a path, and the UTC time at which it expires.

        Raises
        ------
        InvalidParameter
            The path is not canonical.
        """
        canonical = _canonical(path)
        if canonical is None:
            expected = "an absolute path of names, without '.' and '..'"
            raise InvalidParameter(name="path", value=path, expected=expected)
        expires_at = (self._clock() + _LIFE).replace(microsecond=0)
        expiry = str(int(expires_at.timestamp()))
        key_id = next(iter(self._keys))
        signature = self._signature(key_id, method, canonical, expiry)
        query = dict(zip(FIELDS, (_VERSION, key_id, expiry, signature), strict=True))
        return urlencode(query), expires_at

    def accepts(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Return True if the signature in a request's query is valid for its path.

        Parameters
        ----------
        method : str
            Method of the request.
        path : str
            Path as sent, percent-encoded or not.
        query : mapping
            Decoded parameters, each given once.
        """
        canonical = _canonical(path)
        version, key_id, expiry, signature = (query.get(name, "") for name in FIELDS)
        known = key_id if key_id in self._keys else next(iter(self._keys))
        plain = expiry.isascii() and expiry.isdigit() and len(expiry) <= 12
        # Always computed and compared, so that the time taken reveals nothing.
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
    """Return the canonical spelling of a path, which is signed; None if it has none."""
    plain = unquote(path, errors="replace")
    parts = plain.split("/")
    odd = any(ord(letter) < 32 or letter in "\\?#%\x7f\ufffd" for letter in plain)
    if parts[0] or len(parts) < 2 or odd or any(p.strip(".") == "" for p in parts[1:]):
        return None
    return quote(plain)
