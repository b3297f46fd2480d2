"""The resolver over HTTP: a service answers in place of this process."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from astra_xr import errors
from astra_xr.catalogs import CATALOGS, catalog_name
from astra_xr.errors import AstraError, AuthenticationRequired, InvalidParameter, UpstreamError
from astra_xr.missions import Item
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.net.memo import Memo
from astra_xr.resolver.bands import split_names
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import check_override
from astra_xr.resolver.resolution import Resolution
from astra_xr.resolver.routing import check_format
from astra_xr.resolver.wire import resolution_of
from astra_xr.settings import Settings, service_at

_PATH = "/api/v1/assets"
_PATIENCE = 6.0
"""Times of the timeout that a service has, which itself asks catalogues in turn."""

_CONVERSION = 900.0
"""Seconds for an answer that may have to wait for conversions."""

_MARGIN = timedelta(minutes=2)
"""A URL with less life than this is asked for anew."""


_OTHER_FORM = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading an answer raises that is not of the form that it should be."""


class RemoteResolver:
    """Asks a resolver service; a caller cannot tell it from the embedded one.

    Its repr and pickles show no key. The key goes to the service's own host alone.

    Parameters
    ----------
    base_url : str, optional
        Root of the service, e.g. ``https://resolver.example``; ``ASTRA_API_URL`` when left out.
        It has to be https, save for loopback and the hosts of ``ASTRA_ALLOW_HOSTS``.
    api_key : str, optional
        ``ASTRA_API_KEY`` when left out, unless ``ASTRA_API_URL`` names another service.
    settings : Settings, optional
        From the environment when left out.

    Raises
    ------
    InvalidParameter
        There is no URL, or none that a key may be sent to.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings.from_env()
        url = _checked(base_url or settings.api_url, settings.allow_hosts)
        self.settings = service_at(settings, url, api_key)

    def __repr__(self) -> str:
        return f"RemoteResolver({self.settings.api_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self.settings,)

    def resolve(
        self,
        scene: str | Item | Any,
        bands: str | Iterable[str] | None = None,
        format: str = "cog",
        *,
        catalog: str | None = None,
        sign: bool = True,
        radiometry: str | None = None,
    ) -> Resolution:
        """Tell which files hold a scene's bands; see :func:`astra_xr.resolve`.

        A STAC item that is at hand is resolved in this process: nobody needs to be asked.
        """
        if not isinstance(scene, str):
            return LocalResolver(self.settings).resolve(
                scene, bands, format, catalog=catalog, sign=sign, radiometry=radiometry
            )
        names = split_names(bands)
        wish = {
            "scene_id": scene,
            "bands": None if names is None else ",".join(names),
            "format": check_format(format),
            "catalog": catalog_name(catalog),
            "radiometry": check_override(radiometry),
        }
        told = _ask(self.settings, {**wish, "sign": str(sign).lower(), "detail": "full"})
        try:
            answer = resolution_of(told, lambda entry: self._source(told, entry, wish))
            if not sign:
                return answer
            assets = {
                name: replace(asset, signed=_signed_url(told["assets"][asset.name]))
                for name, asset in answer.assets.items()
            }
            return replace(answer, assets=assets)
        except _OTHER_FORM as error:
            reason = f"its answer has another form ({type(error).__name__})"
        raise UpstreamError(service=_name(self.settings), reason=reason, hint=_VERSIONS)

    def _source(
        self, told: Mapping[str, Any], entry: Mapping[str, Any], wish: Mapping[str, Any]
    ) -> ServiceUrl:
        detail = told["detail"]
        # One of the service's own goes by a name that means nothing elsewhere.
        whose = detail["catalog"] if detail["catalog"] in CATALOGS else wish["catalog"]
        return ServiceUrl(
            settings=self.settings,
            scene=str(detail["full_id"]),
            band=str(entry["band"]["native"]),
            format=str(told["format"]),
            catalog=whose,
        )


@dataclass(frozen=True, kw_only=True)
class ServiceUrl:
    """Has a URL signed by the service, whenever it is asked; pickles without the key."""

    settings: Settings = field(repr=False)
    scene: str
    band: str
    format: str
    catalog: str | None

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is good for minutes at least."""
        return _signed.get(
            self,
            self._asked_for,
            lambda kept: refused is not None and kept.url == refused.url,
        )

    def _asked_for(self) -> SignedUrl:
        wish = {
            "scene_id": self.scene,
            "bands": self.band,
            "format": self.format,
            "catalog": self.catalog,
        }
        told = _ask(self.settings, wish)
        try:
            return _signed_url(told["assets"][self.band])
        except _OTHER_FORM as error:
            reason = f"its answer has another form ({type(error).__name__})"
        raise UpstreamError(service=_name(self.settings), reason=reason, hint=_VERSIONS)


_KEYLESS = "Set ASTRA_API_URL and ASTRA_API_KEY, or pass api_key=."
_VERSIONS = "Is it an astra-xr service, and of this version?"


def _arrive(settings: Settings) -> RemoteResolver:
    return RemoteResolver(settings=settings)


def _life(url: SignedUrl) -> float:
    ends = url.expires_at
    return math.inf if ends is None else (ends - _MARGIN).timestamp() - time.time()


_signed: Memo[ServiceUrl, SignedUrl] = Memo(size=4096, life=_life, clock=time.time)


def _signed_url(asset: Mapping[str, Any]) -> SignedUrl:
    href = str(asset["href"])
    # A service must not make this process read its own files.
    if urlsplit(href).scheme not in ("https", "http"):
        raise ValueError("href")
    return SignedUrl(url=href, expires_at=datetime.fromisoformat(asset["expires_at"]))


def _ask(settings: Settings, query: Mapping[str, str | None]) -> Any:
    fields = {name: value for name, value in query.items() if value is not None}
    waits = fields.get("sign") != "false"
    headers = {"Accept": "application/json"}
    if settings.api_key:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    name = _name(settings)
    told = fetch_json(
        name,
        f"{settings.api_url}{_PATH}?{urlencode(fields)}",
        headers=headers,
        timeout=_CONVERSION if waits else _PATIENCE * settings.timeout,
        explain=lambda status, body: _problem(name, status, body),
    )
    if told is None:
        raise UpstreamError(service=name, reason="it has no such page (HTTP 404)", hint=_VERSIONS)
    return told


def _problem(service: str, status: int, body: Any) -> AstraError | None:
    """Return the very error that the service raised; None: its answer tells of none."""
    if status == 401:
        return AuthenticationRequired(service=service, hint=_KEYLESS)
    if not isinstance(body, Mapping) or not isinstance(body.get("detail"), str):
        return None
    return errors.revived(str(body.get("code")), body["detail"], body.get("error"))


def _name(settings: Settings) -> str:
    return f"the resolver service at {urlsplit(str(settings.api_url)).netloc}"


def _checked(url: str | None, allowed: tuple[str, ...]) -> str:
    expected = "the service's root, e.g. https://resolver.example, here or in ASTRA_API_URL"
    parts, port_is_good = urlsplit(""), True
    try:
        parts = urlsplit(url or "")
        _ = parts.port
    except ValueError:
        port_is_good = False
    host = parts.hostname or ""
    good = parts.scheme in ("https", "http") and host and port_is_good
    if not good or parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidParameter(name="base_url", value=url, expected=expected)
    if parts.scheme == "http" and not (_is_loopback(host) or host in allowed):
        expected = "https, so that nobody reads the key; or its host in ASTRA_ALLOW_HOSTS"
        raise InvalidParameter(name="base_url", value=url, expected=expected)
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
