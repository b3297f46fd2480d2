"""URL sources: what a lazy array holds instead of a URL."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any

from astra_xr.catalogs import connect
from astra_xr.catalogs.s3 import S3
from astra_xr.errors import SigningError, redact
from astra_xr.model import SignedUrl
from astra_xr.settings import Settings

_SIGNED = re.compile(
    r"[?&](?:sig|signature|x-amz-\w+|x-goog-\w+|\w*token|jwt|auth\w*|pass\w*|pwd|\w*secret|code|key|[\w-]{0,30}key)="
    r"|://[^/?#\s]*:[^/?#\s]*@",
    re.IGNORECASE,
)


def is_signed(text: str) -> bool:
    """Tell whether a URL, or a URL in a text, carries a signature, a key or a password.

    Examples
    --------
    >>> is_signed("https://h/B04.tif?se=2025&sig=abc"), is_signed("https://h/B04.tif?v=1")
    (True, False)
    """
    return bool(_SIGNED.search(text))


@dataclass(frozen=True, kw_only=True)
class CatalogUrl:
    """Signs an href through its catalogue, whenever it is asked; pickles without a secret."""

    catalog: str
    settings: Settings = field(repr=False)
    href: str

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is good for minutes at least."""
        return connect(self.catalog, self.settings).sign(self.href, refused=refused)


@dataclass(frozen=True, kw_only=True)
class BucketUrl:
    """Signs an href of S3 that no catalogue of ours knows, with the caller's AWS keys."""

    settings: Settings = field(repr=False)
    href: str

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is good for minutes at least.

        Raises
        ------
        SigningError
            There are no keys.
        """
        return _buckets(self.settings).sign(self.href, refused=refused)


@functools.lru_cache(maxsize=8)
def _buckets(settings: Settings) -> S3:
    return S3(settings)


class FixedUrl:
    """A URL that the user brought; if it is signed, its signature stays in this process."""

    def __init__(self, url: str, *, cut: bool = False) -> None:
        """Take ``cut`` as True where a signature was left behind in another process."""
        self._url = url
        self._cut = cut

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the URL as it was brought.

        Raises
        ------
        SigningError
            Its signature was refused, or did not come along to this process.
        """
        hint = "Pass an item with fresh URLs, or open the scene by its id."
        if self._cut:
            reason = "its signature stays in the process that was given it"
            raise SigningError(href=self._url, reason=reason, hint=hint)
        if refused is not None:
            raise SigningError(
                href=self._url,
                reason="the storage refuses it, and no catalogue here can sign it anew",
                hint=hint,
            )
        return SignedUrl(url=self._url)

    def __repr__(self) -> str:
        return f"FixedUrl({redact(self._url)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FixedUrl) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._cut or is_signed(self._url):
            return _cut, (redact(self._url).split("?", maxsplit=1)[0],)
        return FixedUrl, (self._url,)


def _cut(url: str) -> FixedUrl:
    return FixedUrl(url, cut=True)
