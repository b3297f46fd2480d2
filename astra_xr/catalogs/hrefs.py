"""Hrefs: where the file of an asset is, which of several can be read, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from astra_xr.catalogs.documents import join, links_of, self_link
from astra_xr.catalogs.s3 import S3
from astra_xr.errors import SigningError
from astra_xr.missions import Item
from astra_xr.model import SignedUrl


def absolute(item: Item, href: str) -> str:
    """Return an href of an item as an absolute URL or path, by the item's self link.

    If the item is on the web, so is every href without a scheme (RFC 3986), also ``/data/a.tif``;
    it is never a local file.

    Examples
    --------
    >>> item = {"links": [{"rel": "self", "href": "https://h/items/a.json"}]}
    >>> absolute(item, "/data/a.tif"), absolute(item, "b.tif")
    ('https://h/data/a.tif', 'https://h/items/b.tif')
    """
    if urlsplit(href).scheme:
        return href
    own = self_link(item)
    if own:
        return join(own, href)
    links = {link.get("rel"): str(link.get("href")) for link in links_of(item)}
    return urljoin(links["self"], href) if "self" in links and not href.startswith("/") else href


def readable(asset: Mapping[str, Any], s3: S3) -> str:
    """Return an asset's href, or its https twin if there are no keys for S3; empty if none."""
    href = str(asset.get("href") or "")
    twin = next((each["href"] for each in https_twins(asset) if not each.get("auth:refs")), None)
    if twin and href.startswith("s3://"):
        try:
            s3.keys(href)
        except SigningError:
            return str(twin)
    return href


class UserStorage:
    """Files of the user's own catalogs: anywhere on the web, or in S3 with the user's keys."""

    _s3: S3

    def href(self, asset: Mapping[str, Any]) -> str:
        """Return the asset's href, or its https twin if there are no keys for S3."""
        return readable(asset, self._s3)

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return https hrefs as they are, and s3 hrefs presigned with the user's AWS keys.

        Raises
        ------
        SigningError
            The href is of another kind (an item must not lead to local files), or there are no
            keys.
        """
        if href.startswith(("https://", "http://")):
            return SignedUrl(url=href)
        return self._s3.sign(href, refused=refused)


def is_at(href: str, domains: tuple[str, ...]) -> bool:
    """Return True for an https URL of a host that ends in one of the domains.

    Examples
    --------
    >>> is_at("https://a.nasa.gov/b.tif", (".nasa.gov",)), is_at("https://nasa.gov.eu/", (".gov",))
    (True, False)
    """
    folded = href.casefold()
    if not any(domain in folded for domain in domains):  # urlsplit is slow
        return False
    parts = urlsplit(href)
    return parts.scheme == "https" and str(parts.hostname).endswith(domains)


def https_twins(asset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the https alternates of an asset (STAC extension "alternate-assets")."""
    alternates = asset.get("alternate")
    for each in alternates.values() if isinstance(alternates, Mapping) else ():
        href = each.get("href") if isinstance(each, Mapping) else None
        if isinstance(href, str) and href.casefold().startswith("https://"):
            yield each


def end_of(url: str) -> datetime | None:
    """Return when a signed URL of S3, CloudFront, Google or Azure expires; None if unknown.

    Examples
    --------
    >>> end_of("https://h/a.tif?sig=abc&se=2025-01-15T20%3A00%3A00Z").isoformat()
    '2025-01-15T20:00:00+00:00'
    """
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
        if "sig" in query and "se" in query:
            end = datetime.fromisoformat(query["se"])
            return end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
        whose = "x-goog" if "x-goog-date" in query else "x-amz"
        start = datetime.strptime(query[f"{whose}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return start + timedelta(seconds=int(query[f"{whose}-expires"]))
    except (KeyError, ValueError, OverflowError, OSError):
        return None
