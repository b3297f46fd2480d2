"""Copernicus Data Space Ecosystem: ESA's products in JPEG 2000, with a free account.

Access: "documentation.dataspace.copernicus.eu", APIs: S3 (keys, header-signed) and OData
(OpenID Connect token).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from astra_xr.catalogs.hrefs import https_twins, is_at
from astra_xr.catalogs.s3 import Keys, header_signed
from astra_xr.catalogs.stac import (
    ById,
    Lookup,
    StacCatalog,
    sensing_window,
    sentinel2_search,
)
from astra_xr.catalogs.tokens import (
    Account,
    Token,
    Tokens,
    ask_for_token,
    bearer,
    carried,
    login,
)
from astra_xr.errors import SigningError
from astra_xr.model import SceneId, SignedUrl, utc_now
from astra_xr.secret import Secret
from astra_xr.settings import Settings

_COLLECTIONS = {"1C": "sentinel-2-l1c", "2A": "sentinel-2-l2a"}
_LOGIN_URL = (
    "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
)
_LOGIN_HOSTS = ("identity.dataspace.copernicus.eu", "dataspace.copernicus.eu")
_TOKEN_HOSTS = (".dataspace.copernicus.eu",)
"""Hosts that may be sent a token."""

_REGION = "default"
_LIFE = 600.0
"""Lifetime of a token in seconds if the service does not report it."""
_RENEW_BEFORE = timedelta(minutes=2)
_FREE = "Level 2A opens without an account with catalog='earth-search'."
_HOW_TO = (
    "Set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY (made at "
    "https://eodata-s3keysmanager.dataspace.copernicus.eu), or CDSE_USERNAME and "
    f"CDSE_PASSWORD (a free account of https://dataspace.copernicus.eu). {_FREE}"
)


class Cdse(StacCatalog):
    """Sentinel-2 levels 1C and 2A, read with S3 keys or with an account.

    With S3 keys the ``s3://eodata`` hrefs are read, and each request is signed in its headers;
    with only an account the https ones, with a token that lasts ten minutes.
    """

    name = "cdse"
    title = "Copernicus Data Space"
    provider = "copernicus"
    collections: Mapping[str, tuple[str, ...]] = {"sentinel-2": (_COLLECTIONS["2A"],)}

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(url=settings.cdse_url, timeout=settings.timeout)
        self._settings = settings
        self._clock = clock
        self._tokens = Tokens[Account](renew_before=_RENEW_BEFORE, timer=timer)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Yield the lookups for a scene: its product id, then a search."""
        parts = scene.parts
        if scene.mission != "sentinel-2" or parts.get("level") not in _COLLECTIONS:
            return
        collection = _COLLECTIONS[parts["level"]]
        if scene.form == "product" and "generation" in parts:
            yield ById(collection=collection, item=scene.name)
        yield sentinel2_search(parts, [collection], sensing_window(parts))

    def href(self, asset: Mapping[str, Any]) -> str:
        """Return the asset's s3 href, or its https href if there is only an account."""
        href = str(asset.get("href") or "")
        if self._keys() is None and self._login() is not None:
            return next((str(twin["href"]) for twin in https_twins(asset)), href)
        return href

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the URL and headers that read an href.

        Raises
        ------
        SigningError
            The credentials are missing or refused.
        UpstreamError
            The login service is down.
        """
        if refused:
            self._settings = self._settings.renewed()
        self.check(href)
        keys, account = self._keys(), self._login()
        if href.startswith("s3://") and keys:
            endpoint = self._settings.cdse_s3_endpoint_url
            now = self._clock()
            return header_signed(href, keys, endpoint=endpoint, region=_REGION, now=now)
        if is_at(href, _TOKEN_HOSTS) and account:
            token = self._tokens.get(account, lambda: self._log_in(account), carried(refused))
            return bearer(href, token)
        return SignedUrl(url=href)

    def check(self, href: str) -> None:
        """Raise SigningError early if there are no credentials for an href."""
        if href.startswith("s3://"):
            missing = "" if self._keys() else "there are no S3 keys"
        elif not href.startswith(("https://", "http://")):
            hint = "Choose another asset."
            raise SigningError(href=href, reason="it is neither https nor s3", hint=hint)
        else:
            missing = (
                "there is no account" if is_at(href, _TOKEN_HOSTS) and not self._login() else ""
            )
        if missing:
            raise SigningError(href=href, reason=missing, hint=_HOW_TO, no_keys=True)

    def _keys(self) -> Keys | None:
        settings = self._settings
        access, secret = settings.cdse_s3_access_key, settings.cdse_s3_secret_key
        return Keys(access=access, secret=secret) if access and secret else None

    def _login(self) -> Account | None:
        settings = self._settings
        names = settings.cdse_username, settings.cdse_password
        return login(*names, file=settings.netrc, hosts=_LOGIN_HOSTS)

    def _log_in(self, account: Account) -> Token:
        form: dict[str, str | Secret[str]] = {
            "grant_type": "password",
            "client_id": "cdse-public",
            "username": account[0],
            "password": account[1],
        }
        return ask_for_token(
            f"{self.title} (login)",
            _LOGIN_URL,
            read=self._read,
            form=form,
            timeout=self._timeout,
            advice=f"Check CDSE_USERNAME and CDSE_PASSWORD. {_FREE}",
        )

    def _read(self, value: Secret[str], answer: Mapping[str, Any]) -> Token:
        life = answer.get("expires_in")
        seconds = life if isinstance(life, int | float) and life > 0 else _LIFE
        ends = self._clock() + timedelta(seconds=seconds)
        return Token(value=value, expires_at=ends, life=seconds)
