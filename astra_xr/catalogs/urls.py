"""URL sources: lazy arrays hold them instead of URLs."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from astra_xr.catalogs import Catalog, connect
from astra_xr.catalogs.hrefs import end_of, readable
from astra_xr.catalogs.s3 import S3
from astra_xr.errors import SigningError, redact
from astra_xr.model import SignedUrl
from astra_xr.net.hosts import why_private
from astra_xr.secret import Secret
from astra_xr.settings import Settings

_SIGNED = re.compile(
    r"[?&](?:sig|signature|x-amz-\w+|x-goog-\w+|\w*token|jwt|auth\w*|pass\w*|pwd|\w*secret|code|key|[\w-]{0,30}key)="
    r"|://[^/?#\s]*:[^/?#\s]*@",
    re.IGNORECASE,
)


def is_signed(text: str) -> bool:
    """Return True if a URL, or a URL in a text, has a signature, a key or a password.

    Examples
    --------
    >>> is_signed("https://h/B04.tif?se=2025&sig=abc"), is_signed("https://h/B04.tif?v=1")
    (True, False)
    """
    return bool(_SIGNED.search(text))


@dataclass(frozen=True, kw_only=True)
class CatalogUrl:
    """Signs an href through its catalog at each call; pickles without a secret."""

    catalog: str
    settings: Settings = field(repr=False)
    href: str

    guarded: bool = field(default=False, repr=False)
    """True if the catalog, and not the user, named the href."""

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is valid for minutes at least.

        Raises
        ------
        SigningError
            It cannot be signed, or leads to a private host.
        """
        catalog = connect(self.catalog, self.settings)
        signed = catalog.sign(self.href, refused=refused)
        if self.guarded:
            check_host(signed, catalog, self.settings)
        return signed


def check_host(signed: SignedUrl, catalog: Catalog, settings: Settings) -> None:
    """Raise SigningError if a URL from a catalog's answer leads to a private host."""
    reason = why_private(signed.url, catalog.root, settings.named_hosts)
    if reason:
        hint = "Add a host of your own to ASTRA_ALLOW_HOSTS."
        raise SigningError(href=str(signed), reason=reason, hint=hint)


@dataclass(frozen=True, kw_only=True)
class BucketUrl:
    """Signs an s3 href outside our catalogs, with the user's AWS keys."""

    settings: Settings = field(repr=False)
    href: str

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is valid for minutes at least.

        Raises
        ------
        SigningError
            There are no keys.
        """
        return _buckets(self.settings).sign(self.href, refused=refused)


def readable_href(asset: Mapping[str, Any], settings: Settings) -> str:
    """Return the href of an asset in none of our catalogs; see :func:`~.hrefs.readable`."""
    return readable(asset, _buckets(settings))


@functools.lru_cache(maxsize=8)
def _buckets(settings: Settings) -> S3:
    return S3(settings)


@dataclass(frozen=True)
class FixedUrl:
    """A URL from the user; if it is signed, its signature stays in this process."""

    url: InitVar[str]
    _cut: bool = field(default=False, compare=False)
    """True if a signature stayed in another process."""

    _url: Secret[str] = field(init=False)

    def __post_init__(self, url: str) -> None:
        object.__setattr__(self, "_url", Secret(url))

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the URL as given.

        Raises
        ------
        SigningError
            Its signature was refused, or stayed in another process.
        """
        hint = "Pass an item with fresh URLs, or open the scene by its id."
        if self._cut:
            reason = "its signature is not sent to other processes"
            raise SigningError(href=self._url.reveal(), reason=reason, hint=hint)
        if refused is not None:
            reason = "the storage refuses it, and no catalog can sign it again"
            raise SigningError(href=self._url.reveal(), reason=reason, hint=hint)
        return SignedUrl(url=self._url.reveal(), expires_at=end_of(self._url.reveal()))

    def __repr__(self) -> str:
        return f"FixedUrl({redact(self._url.reveal())!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._cut or not _travels(self._url.reveal()):
            return FixedUrl, (redact(self._url.reveal()).split("?", maxsplit=1)[0], True)
        return FixedUrl, (self._url.reveal(),)


_HARMLESS = {"v", "version", "versionid", "generation", "snapshot", "format", "alt", "raw"}
"""Parameters that name a version or a form of a file; all others may be secrets."""


def _travels(url: str) -> bool:
    """Return True if a URL, or a path, holds nothing that may be a secret."""
    if "://" not in url:
        return not is_signed(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    query = parse_qsl(parts.query, keep_blank_values=True)
    plain = all(name.lower() in _HARMLESS and len(value) <= 40 for name, value in query)
    return plain and not is_signed(url) and "@" not in parts.netloc and not parts.fragment
