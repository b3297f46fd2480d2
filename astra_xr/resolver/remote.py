"""The resolver over HTTP: a service resolves instead of this process."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from astra_xr import errors
from astra_xr.arguments import read_flag
from astra_xr.catalogs import CATALOGS, AnyCatalog, catalog_name
from astra_xr.errors import AstraError, AuthenticationRequired, InvalidParameter, UpstreamError
from astra_xr.missions import Item
from astra_xr.model import FoundId, SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.net.memo import Memo
from astra_xr.resolver.bands import split_names
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import RadiometryMode, read_mode
from astra_xr.resolver.resolution import Resolution
from astra_xr.resolver.resolution_json import resolution_of
from astra_xr.resolver.routing import check_format
from astra_xr.resolver.scene_input import read_scene
from astra_xr.secret import Secret
from astra_xr.settings import Settings, read_settings, service_at

T = TypeVar("T")

_PATH = "/api/v1/assets"
_PATIENCE = 6.0
"""Multiple of the timeout for a service, which may try several catalogs one after the other."""

_CONVERSION = 900.0
"""Seconds for an answer that may wait for conversions."""

_MARGIN = timedelta(minutes=2)
"""A URL that expires sooner is signed again."""

_OTHER_FORM = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""Exceptions raised while reading an answer that has another form."""


class RemoteResolver:
    """Resolves scenes by a service, with the same results as the embedded resolver.

    Its repr and pickles contain no key. The key is sent only to the service's host.

    Parameters
    ----------
    base_url : str, optional
        Root of the service, e.g. ``https://resolver.example``; default: ``ASTRA_API_URL``. It has
        to be https, except for loopback and the hosts in ``ASTRA_ALLOW_HOSTS``.
    api_key : str, optional
        Default: ``ASTRA_API_KEY``, unless ``ASTRA_API_URL`` is another service.
    settings : Settings, optional
        Default: from the environment.

    Raises
    ------
    InvalidParameter
        There is no URL, or a key must not be sent to it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Secret[str] | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        is_text = isinstance(api_key, str | Secret | None)
        key = Secret.of(api_key) if isinstance(api_key, str | Secret) and api_key else None
        del api_key
        if not is_text:
            raise InvalidParameter(name="api_key", value="***", expected="text")
        self.settings = read_settings(settings)
        given = self.settings.api_url if base_url is None else base_url
        url = _checked(given, self.settings.allow_hosts)
        self.settings = service_at(self.settings, url, key)

    def __repr__(self) -> str:
        return f"RemoteResolver({self.settings.api_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RemoteResolver, settings=self.settings), ()

    def resolve(
        self,
        scene: str | Item | Any,
        bands: str | Iterable[str] | None = None,
        format: str = "cog",
        *,
        catalog: AnyCatalog = None,
        sign: bool = True,
        radiometry: RadiometryMode | None = "auto",
    ) -> Resolution:
        """Return the files of a scene's bands; see :func:`astra_xr.resolve`.

        STAC items are resolved in this process, without the service.
        """
        scene = read_scene(scene)
        if not isinstance(scene, str):
            return LocalResolver(self.settings).resolve(
                scene, bands, format, catalog=catalog, sign=sign, radiometry=radiometry
            )
        if isinstance(scene, FoundId):
            catalog = scene.only if catalog is None else catalog
        names, sign = split_names(bands), read_flag("sign", sign)
        query = {
            "scene_id": str(scene),
            "bands": None if names is None else ",".join(names),
            "format": check_format(format),
            "catalog": catalog_name(catalog),
            "radiometry": read_mode(radiometry),
        }

        def read(document: Mapping[str, Any]) -> Resolution:
            answer = resolution_of(document, lambda entry: self._source(document, entry, query))
            if not sign:
                return answer
            assets = {
                name: replace(asset, signed=_signed_url(document["assets"][asset.name]))
                for name, asset in answer.assets.items()
            }
            return replace(answer, assets=assets)

        return _ask(self.settings, {**query, "sign": str(sign).lower(), "detail": "full"}, read)

    def _source(
        self, document: Mapping[str, Any], entry: Mapping[str, Any], query: Mapping[str, Any]
    ) -> ServiceUrl:
        detail = document["detail"]
        # The name of a service's own catalog has no meaning elsewhere.
        catalog = detail["catalog"] if detail["catalog"] in CATALOGS else query["catalog"]
        return ServiceUrl(
            settings=self.settings,
            scene=str(detail["full_id"]),
            band=str(entry["band"]["native"]),
            format=str(document["format"]),
            catalog=catalog,
        )


@dataclass(frozen=True, kw_only=True)
class ServiceUrl:
    """A URL that the service signs at each call; pickles without the key."""

    settings: Settings = field(repr=False)
    scene: str
    band: str
    format: str
    catalog: str | None

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is valid for minutes at least."""
        return _signed.get(
            self, self._request, lambda kept: refused is not None and kept.url == refused.url
        )

    def _request(self) -> SignedUrl:
        query = {
            "scene_id": self.scene,
            "bands": self.band,
            "format": self.format,
            "catalog": self.catalog,
        }
        return _ask(self.settings, query, lambda found: _signed_url(found["assets"][self.band]))


_KEYLESS = "Set ASTRA_API_URL and ASTRA_API_KEY, or pass api_key=."
_VERSIONS = "Check that it is an astra-xr service of the same version."


def _life(url: SignedUrl) -> float:
    ends = url.expires_at
    return math.inf if ends is None else (ends - _MARGIN).timestamp() - time.time()


_signed: Memo[ServiceUrl, SignedUrl] = Memo(size=4096, life=_life, clock=time.time)


def _signed_url(asset: Mapping[str, Any]) -> SignedUrl:
    href = str(asset["href"])
    # A service must not make this process read local files.
    if urlsplit(href).scheme not in ("https", "http"):
        raise ValueError("href")
    return SignedUrl(url=href, expires_at=datetime.fromisoformat(asset["expires_at"]))


def _ask(settings: Settings, query: Mapping[str, str | None], read: Callable[[Any], T]) -> T:
    """Return what ``read`` returns for the service's answer."""
    fields = {name: value for name, value in query.items() if value is not None}
    waits = fields.get("sign") != "false"
    headers: dict[str, str | Secret[str]] = {"Accept": "application/json"}
    if settings.api_key:
        headers["Authorization"] = Secret(f"Bearer {settings.api_key.reveal()}")
    name = _name(settings)
    document = fetch_json(
        name,
        f"{settings.api_url}{_PATH}?{urlencode(fields, errors='replace')}",
        headers=headers,
        timeout=_CONVERSION if waits else _PATIENCE * settings.timeout,
        explain=lambda status, body: _problem(name, status, body),
    )
    if document is None:
        raise UpstreamError(service=name, reason="it has no such page (HTTP 404)", hint=_VERSIONS)
    try:
        return read(document)
    except _OTHER_FORM as error:
        reason = f"its answer has an unexpected form ({type(error).__name__})"
    del document  # which holds signed URLs
    raise UpstreamError(service=name, reason=reason, hint=_VERSIONS)


def _problem(service: str, status: int, body: Any) -> AstraError | None:
    """Return the error that the service raised; None if its answer contains none."""
    if status == 401:
        return AuthenticationRequired(service=service, hint=_KEYLESS)
    if not isinstance(body, Mapping) or not isinstance(body.get("detail"), str):
        return None
    return errors.revived(str(body.get("code")), body["detail"], body.get("error"))


def _name(settings: Settings) -> str:
    return f"the resolver service at {urlsplit(str(settings.api_url)).netloc}"


def _checked(url: str | None, allowed: tuple[str, ...]) -> str:
    expected = "the service's root, e.g. https://resolver.example (or set ASTRA_API_URL)"
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    host = parts.hostname or ""
    good = parts.scheme in ("https", "http") and host
    if not good or parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidParameter(name="base_url", value=url, expected=expected)
    if parts.scheme == "http" and not (_is_loopback(host) or host in allowed):
        expected = "https, to protect the key, or a host in ASTRA_ALLOW_HOSTS"
        raise InvalidParameter(name="base_url", value=url, expected=expected)
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
