"""Microsoft Planetary Computer: COGs on Azure Blob Storage, read with free, short-lived tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from astra_xr.catalogs.hrefs import end_of
from astra_xr.catalogs.stac import (
    ById,
    BySearch,
    Lookup,
    StacCatalog,
    day_window,
    hls_name,
    landsat_lookups,
    sensing_window,
)
from astra_xr.catalogs.tokens import Token, Tokens, token_in
from astra_xr.errors import SigningError, UpstreamError, UpstreamUnavailable
from astra_xr.missions import Item
from astra_xr.model import SceneId, SignedUrl, utc_now
from astra_xr.net.client import fetch_dated_json
from astra_xr.secret import Secret
from astra_xr.settings import Settings

_BLOB_HOST = ".blob.core.windows.net"
_ACCOUNTS = {
    "ai4edataeuwest",
    "ai4edatasetspublicassets",
    "cpdataeuwest",
    "elevationeuwest",
    "hls2euwest",
    "hlssa",
    "landsateuwest",
    "modiseuwest",
    "naipblobs",
    "naipeuwest",
    "pcstacitems",
    "sentinel1euwest",
    "sentinel1euwestrtc",
    "sentinel2l2a01",
}
"""Known storage accounts of this catalog; items in other accounts are recognized by their links."""
_TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
"""Microsoft's tenant id, which signs the tokens of other accounts."""
_RENEW_BEFORE = timedelta(minutes=5)
_PAUSES = (1.0, 2.0, 4.0)
"""Seconds between requests while the service returns expired tokens."""
_SENTINEL2 = "sentinel-2-l2a"
_OWN_PROCESSOR_UNTIL = "20240722T240000"
_LANDSAT = "landsat-c2-l2"
_LANDSAT_MSS = "landsat-c2-l1"
_HLS = {"L30": "hls2-l30", "S30": "hls2-s30"}
_RTC = "sentinel-1-rtc"
_NAIP = "naip"
_DEM = {"10": "cop-dem-glo-30", "30": "cop-dem-glo-90"}


class PlanetaryComputer(StacCatalog):
    """Sentinel-2 Level 2A, Landsat, HLS, Sentinel-1 RTC, NAIP and Copernicus DEM, with SAS tokens.

    A token serves a whole storage container. It is fetched when first needed, once for all
    threads that wait for it, and renewed from five minutes before it expires.
    """

    name = "planetary-computer"
    title = "Planetary Computer"
    provider = "microsoft"
    collections: Mapping[str, tuple[str, ...]] = {
        "sentinel-2": (_SENTINEL2,),
        "landsat": (_LANDSAT,),
        "hls": (_HLS["S30"], _HLS["L30"]),
        "sentinel-1-rtc": (_RTC,),
        "naip": (_NAIP,),
        "copernicus-dem": tuple(_DEM.values()),
    }

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(url=settings.planetary_computer_url, timeout=settings.timeout)
        self._sas_url = settings.planetary_computer_sas_url.rstrip("/")
        self._key = settings.planetary_computer_key
        self._clock = clock
        self._tokens = Tokens[tuple[str, str]](renew_before=_RENEW_BEFORE, timer=timer)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Yield the lookups for a scene: the product id without its baseline, then a search."""
        parts = scene.parts
        if scene.mission == "landsat":
            if parts["level"].startswith("L2"):
                yield from landsat_lookups(scene, _LANDSAT)
            elif parts["sensor"].startswith("LM"):
                yield from landsat_lookups(scene, _LANDSAT_MSS)
        elif scene.mission == "sentinel-2":
            if parts["level"] == "2A":
                yield from _sentinel2(scene)
        elif scene.mission in _FURTHER:
            yield _FURTHER[scene.mission](scene)

    def owns(self, item: Item) -> bool:
        """Return True if the item's links point to this API, or its files are in its storage."""
        hrefs = (str(asset.get("href", "")) for asset in item["assets"].values())
        return super().owns(item) or any(self.signs(href) for href in hrefs)

    def signs(self, href: str) -> bool:
        """Return True if a blob belongs to this catalog, by its account or its signature.

        The user's own SAS tokens for other Azure storage are left unchanged.
        """
        blob = _container(href)
        if blob is None:
            return False
        return blob[0] in _ACCOUNTS or parse_qs(urlsplit(href).query).get("sktid") == [_TENANT]

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a blob's URL with the container's token, which replaces any other signature.

        Raises
        ------
        SigningError
            The href is not https.
        UpstreamError
            The signing service is down or refuses.
        """
        blob = _container(href)
        parts = urlsplit(href)
        if blob is None:
            if parts.scheme in ("http", "https"):
                return SignedUrl(url=href)
            raise SigningError(href=href, reason="it is not https", hint="Choose another asset.")
        token = self._tokens.get(
            blob,
            lambda: self._fetch_token(*blob),
            lambda kept: refused is not None and urlsplit(refused.url).query == kept.value.reveal(),
        )
        signed = (parts.scheme, parts.netloc, parts.path, token.value.reveal(), "")
        return SignedUrl(url=urlunsplit(signed), expires_at=token.expires_at)

    def _fetch_token(self, account: str, container: str) -> Token:
        """Return a new token; the service may return expired ones for some seconds."""
        for pause in _PAUSES:
            token = self._ask(account, container)
            if token.life is None or token.life >= 0:
                return token
            time.sleep(pause)
        raise UpstreamUnavailable(
            service=f"{self.title} (signing)",
            reason=f"it returns tokens that have expired (at {token.expires_at})",
        )

    def _ask(self, account: str, container: str) -> Token:
        headers = {"Ocp-Apim-Subscription-Key": self._key} if self._key else None
        token = self._read(
            *fetch_dated_json(
                f"{self.title} (signing)",
                f"{self._sas_url}/token/{account}/{container}",
                headers=headers,
                timeout=self._timeout,
            )
        )
        if token is None:
            raise UpstreamError(
                service=f"{self.title} (signing)",
                reason=f"it returned no token for {account}/{container}",
            )
        return token

    def _read(self, answer: Any, date: datetime | None) -> Token | None:
        """Return the token in an answer, which the server sent at ``date``; None without one."""

        def until(value: Secret[str], answer: Mapping[str, Any]) -> Token:
            query = Secret(value.reveal().lstrip("?"))
            expiry = _earliest(answer.get("msft:expiry"), end_of(f"?{query.reveal()}"))
            if expiry is None:
                return Token(value=query, expires_at=None, life=0.0)
            # By the service's clock. By ours it may only seem to have expired.
            life = (expiry - (date or self._clock())).total_seconds()
            return Token(value=query, expires_at=expiry, life=life if date else max(life, 0.0))

        token = token_in(answer, "token", until)
        return token if token and token.value else None


def _earliest(reported: object, own: datetime | None) -> datetime | None:
    """Return when a token expires, by the service and by itself; None if neither has it."""
    try:
        end = datetime.fromisoformat(str(reported)).astimezone(UTC)
    except (ValueError, OverflowError):
        return own
    return min(end, own) if own else end


def _container(href: str) -> tuple[str, str] | None:
    """Return storage account and container from a blob's URL, or None."""
    if _BLOB_HOST not in href.casefold():  # urlsplit is slow
        return None
    parts = urlsplit(href)
    host = parts.hostname or ""
    container = parts.path.lstrip("/").split("/", 1)[0]
    if host.endswith(_BLOB_HOST) and container:
        return host.removesuffix(_BLOB_HOST), container
    return None


def _sentinel2(scene: SceneId) -> Iterator[Lookup]:
    """Yield the lookups by this catalog's own id, then by tile and time.

    While this catalog ran the processor itself, generation times in its ids differed from ESA's:
    only the search finds those items by an ESA id.
    """
    parts = scene.parts
    own = scene.form == "planetary-computer" or parts.get("start", "") > _OWN_PROCESSOR_UNTIL
    if "generation" in parts and own:
        name = "{platform}_MSIL{level}_{start}_R{orbit}_T{tile}_{generation}"
        yield ById(collection=_SENTINEL2, item=name.format(**parts))
    query: dict[str, Any] = {"platform": {"eq": f"Sentinel-2{parts['platform'][-1]}"}}
    if "tile" in parts:
        query["s2:mgrs_tile"] = {"eq": parts["tile"]}
    window = sensing_window(parts)
    yield BySearch(body={"collections": [_SENTINEL2], "datetime": window, "query": query})


def _hls(scene: SceneId) -> ById:
    return ById(collection=_HLS[scene.parts["sensor"]], item=hls_name(scene.parts))


def _rtc(scene: SceneId) -> ById:
    name = "{platform}_{mode}_{product_type}_{polarization}_{start}_{stop}_{orbit}_{datatake}_rtc"
    return ById(collection=_RTC, item=name.format(**scene.parts))


def _naip(scene: SceneId) -> Lookup:
    """Return the lookup by id, or if the id lacks the state, by the cell of one degree."""
    parts = scene.parts
    if "state" in parts:
        return ById(collection=_NAIP, item=scene.name.lower())
    # Quadrangles are named after the cell's south-east corner, in degrees west.
    south, east = int(parts["lat"]), -int(parts["lon"])
    box = [east - 1, south, east, south + 1]
    return BySearch(
        body={"collections": [_NAIP], "datetime": day_window(parts["day"]), "bbox": box}
    )


def _dem(scene: SceneId) -> ById:
    name = "Copernicus_DSM_COG_{spacing}_{lat}_00_{lon}_00_DEM".format(**scene.parts)
    return ById(collection=_DEM[scene.parts["spacing"]], item=name)


_FURTHER: Mapping[str, Callable[[SceneId], Lookup]] = {
    "hls": _hls,
    "sentinel-1-rtc": _rtc,
    "naip": _naip,
    "copernicus-dem": _dem,
}
"""Missions that need only one lookup."""
