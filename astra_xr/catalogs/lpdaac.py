"""NASA LP DAAC through CMR-STAC: Harmonized Landsat Sentinel-2, read with an Earthdata login.

Access: NASA Earthdata Login, "User Token Management": a bearer token that is valid for 60 days.
The storage answers it with a redirect to a signed URL.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from astra_xr.catalogs.hrefs import end_of, is_at
from astra_xr.catalogs.stac import ById, Lookup, StacCatalog, hls_name
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
from astra_xr.missions import Item
from astra_xr.model import SceneId, SignedUrl, utc_now
from astra_xr.net.client import redirect_of
from astra_xr.net.hosts import why_refused
from astra_xr.secret import Secret
from astra_xr.settings import Settings

_LOGIN_HOST = "urs.earthdata.nasa.gov"
_TOKEN_URL = f"https://{_LOGIN_HOST}/api/users/find_or_create_token"
_TOKEN_HOSTS = (".earthdata.nasa.gov", ".earthdatacloud.nasa.gov")
"""Hosts that may be sent a token."""

_RENEW_BEFORE = timedelta(minutes=5)
_LIFE = timedelta(hours=1)
"""How long a token is kept if the service does not report its expiry."""

_URL_LIFE = timedelta(minutes=10)
"""How long a URL is kept if its query does not contain its expiry."""

_HOW_TO = (
    "Set EARTHDATA_TOKEN (https://urs.earthdata.nasa.gov, Generate Token), or "
    f"EARTHDATA_USERNAME and EARTHDATA_PASSWORD, or machine {_LOGIN_HOST} in ~/.netrc; the account "
    "is free. The same scenes open with catalog='planetary-computer', without an account."
)


class LpDaac(StacCatalog):
    """HLS L30 and S30, whose files redirect requests with a bearer token to a signed URL."""

    name = "lpdaac"
    title = "NASA LP DAAC"
    provider = "nasa"
    collections: Mapping[str, tuple[str, ...]] = {"hls": ("HLSS30_2.0", "HLSL30_2.0")}

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(url=settings.lpdaac_url, timeout=settings.timeout)
        self._settings = settings
        self._clock = clock
        self._tokens = Tokens[Account](renew_before=_RENEW_BEFORE, timer=timer)
        self._urls = Tokens[str](renew_before=_RENEW_BEFORE, timer=timer)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Yield the lookups for a scene: its granule id, in both spellings of the collection."""
        if scene.mission != "hls":
            return
        parts = {"version": "2.0", **scene.parts}
        for form in ("HLS{sensor}_{version}", "HLS{sensor}.v{version}"):
            yield ById(collection=form.format(**parts), item=hls_name(parts))

    def owns(self, item: Item) -> bool:
        """Return True if the item's links point to this API, or its files to Earthdata."""
        hrefs = (str(asset.get("href", "")) for asset in item["assets"].values())
        return super().owns(item) or any(is_at(href, _TOKEN_HOSTS) for href in hrefs)

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the signed URL that the storage redirects to.

        It is requested once per file, with the token; ranges are then read without the token.
        Files outside Earthdata are public.

        Raises
        ------
        SigningError
            There is neither a token nor an account, or they are refused.
        UpstreamError
            The login service or the storage is down.
        """
        if refused:
            self._settings = self._settings.renewed()
        self.check(href)
        if not is_at(href, _TOKEN_HOSTS):
            return SignedUrl(url=href)
        entry = self._urls.get(
            href,
            lambda: self._enter(href),
            lambda kept: refused is not None and refused.url == kept.value.reveal(),
        )
        if entry.value:
            return SignedUrl(url=entry.value.reveal(), expires_at=entry.expires_at)
        return bearer(href, self._bearer(carried(refused)))

    def _enter(self, href: str) -> Token:
        """Return the target of a file's redirect; the value is empty if there is none."""
        refused: list[Token] = []
        while len(refused) < 2:
            token = self._bearer(lambda token: token in refused)
            if token in refused:
                break
            status, target = redirect_of(self.title, bearer(href, token), timeout=self._timeout)
            if status in (401, 403) or (
                target and target.url.startswith(f"https://{_LOGIN_HOST}/")
            ):
                refused.append(token)
                continue
            # One that leads elsewhere is left to the read, whose error has the reason.
            good = target is not None and why_refused(target.url) is None
            found = Secret(target.url if target and good else "")
            return self._until(found, end_of(found.reveal()) or self._clock() + _URL_LIFE)
        name = "EARTHDATA_TOKEN" if self._settings.earthdata_token else "the account"
        raise SigningError(href=href, reason=f"{name} was rejected", hint=_HOW_TO)

    def _bearer(self, was_refused: Callable[[Token], bool]) -> Token:
        if self._settings.earthdata_token:
            return Token(value=self._settings.earthdata_token, expires_at=None, life=None)
        account = self._login()
        assert account is not None  # by check()
        return self._tokens.get(account, lambda: self._log_in(account), was_refused)

    def check(self, href: str) -> None:
        """Raise SigningError early if there is neither a token nor an account."""
        if not href.startswith(("https://", "http://")):
            raise SigningError(href=href, reason="it is not https", hint="Choose another asset.")
        if is_at(href, _TOKEN_HOSTS) and not self._settings.earthdata_token and not self._login():
            reason = "there is neither an Earthdata token nor an Earthdata account"
            raise SigningError(href=href, reason=reason, hint=_HOW_TO, no_keys=True)

    def _login(self) -> Account | None:
        settings = self._settings
        names = settings.earthdata_username, settings.earthdata_password
        return login(*names, file=settings.netrc, hosts=(_LOGIN_HOST,))

    def _log_in(self, account: Account) -> Token:
        return ask_for_token(
            f"{self.title} (login)",
            _TOKEN_URL,
            read=lambda value, answer: self._until(value, self._end(answer)),
            form={},
            headers={"Authorization": _basic(account)},
            timeout=self._timeout,
            advice=f"Check the account. {_HOW_TO}",
        )

    def _until(self, value: Secret[str], end: datetime) -> Token:
        life = (end - self._clock()).total_seconds()
        return Token(value=value, expires_at=end, life=life)

    def _end(self, answer: Mapping[str, Any]) -> datetime:
        try:
            end = datetime.strptime(answer["expiration_date"], "%m/%d/%Y").replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            end = self._clock()
        return max(end, self._clock() + _LIFE)


def _basic(account: Account) -> Secret[str]:
    pair = ":".join(each.reveal() for each in account)
    return Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")
