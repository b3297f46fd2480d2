"""The embedded resolver: lookup → bands → radiometry → route → sign, in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from astra_xr.arguments import read_flag, read_number
from astra_xr.catalogs import (
    AnyCatalog,
    catalog_name,
    connect,
    holds_any,
    offset_applied,
    owner_of,
)
from astra_xr.catalogs.hrefs import absolute
from astra_xr.catalogs.urls import (
    BucketUrl,
    CatalogUrl,
    FixedUrl,
    check_host,
    is_signed,
    readable_href,
)
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import IMAGES
from astra_xr.errors import AstraError, InvalidItem, UnknownBand, redact
from astra_xr.missions import Factors, Item
from astra_xr.model import (
    CLASS_ROLES,
    Asset,
    FoundId,
    Radiometry,
    SceneId,
    SignedUrl,
    UrlSource,
)
from astra_xr.resolver.bands import BandAsset, select_bands, split_names
from astra_xr.resolver.grids import item_grid
from astra_xr.resolver.ids import parse_item_id, parse_scene_id
from astra_xr.resolver.lookup import HEDGE, PASSED_OVER, Found, Lookup, short_reason
from astra_xr.resolver.radiometry import (
    RadiometryMode,
    decide_radiometry,
    joined,
    override,
    read_mode,
)
from astra_xr.resolver.resolution import Resolution
from astra_xr.resolver.routing import Clouds, Origin, Router, check_format
from astra_xr.resolver.scene_input import read_scene
from astra_xr.resolver.sidecar import needs_factors, read_factors
from astra_xr.resolver.unreadable import no_raster
from astra_xr.settings import Settings, read_settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """The checked options of a call."""

    names: list[str] | None
    """Band names; None for all bands."""

    format: str
    sign: bool
    radiometry: RadiometryMode

    choosing: bool = False
    """True if no catalog is named: catalogs without credentials are then passed over."""


_OF_LIBRARIES = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
"""Exceptions of libraries that read odd items."""


class LocalResolver:
    """Resolves scenes in this process, without a server or an account.

    Parameters
    ----------
    settings : Settings, optional
        URLs of services, and credentials; by default from the environment.
    hedge : float
        Seconds without an answer after which the next catalog of a mission is queried too.
    converter : Converter, optional
        Converts files that no catalog serves in the requested format; by default in this
        process, into the cache folder.
    bare_urls : bool
        True if URLs have to work without request headers: files that need headers are copied like
        converted ones.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        hedge: float = HEDGE,
        converter: Converter | None = None,
        bare_urls: bool = False,
    ) -> None:
        self.settings = read_settings(settings)
        expected = "seconds, 0 or more"
        self._hedge = read_number("hedge", hedge, expected, least=0, most=1e9)
        self._bare = read_flag("bare_urls", bare_urls)
        self._lookup = Lookup(self.settings, hedge=self._hedge)
        self._router = Router(self.settings, converter, bare=self._bare)

    def __reduce__(self) -> tuple[Any, ...]:
        # The cache is not pickled.
        kept = partial(
            LocalResolver,
            hedge=self._hedge,
            converter=self._router.converter,
            bare_urls=self._bare,
        )
        return kept, (self.settings,)

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
        """Return the files of a scene's bands; see :func:`astra_xr.resolve`."""
        request = _Request(
            names=split_names(bands),
            format=check_format(format),
            sign=read_flag("sign", sign),
            radiometry=read_mode(radiometry),
        )
        scene, named = read_scene(scene), catalog_name(catalog)
        try:
            return self._resolve(scene, named, request)
        except (AstraError, Warning):
            raise
        except _OF_LIBRARIES as error:
            reason = f"its metadata cannot be interpreted ({type(error).__name__}: {error})"
        raise InvalidItem(item=scene if isinstance(scene, str) else str(scene["id"]), reason=reason)

    def _resolve(self, scene: str | Item, named: str | None, request: _Request) -> Resolution:
        if not isinstance(scene, str):
            owner = connect(named, self.settings) if named else owner_of(scene, self.settings)
            found = Found.of(scene, owner, own_files=True)
            return self._resolution(found, found.full_id, request)
        first: tuple[str, ...] = ()
        if isinstance(scene, FoundId):
            named, first = named or scene.only, scene.catalogs
        named = named or catalog_name(self.settings.catalog)
        request = replace(request, choosing=named is None)
        wanted = parse_item_id(scene) if holds_any(named) else parse_scene_id(scene)
        useless: dict[str, AstraError] = {}
        while True:
            found, failures = self._lookup.find(wanted, named, useless, first=first)
            try:
                answer = self._best(found, wanted, request)
            except PASSED_OVER as error:
                if named or _is_slip(error, found):
                    raise
                useless[found.found_in] = error
            else:
                passed_over = {name: short_reason(error) for name, error in failures.items()}
                return replace(answer, passed_over=passed_over)

    def _best(self, found: Found, wanted: SceneId, request: _Request) -> Resolution:
        """Return the resolution of an item, else of another processing that has the bands."""
        try:
            return self._resolution(found, str(wanted), request)
        except UnknownBand as error:
            if _is_slip(error, found) or found.mission is None:
                raise
            lacking = error
        for other in self._lookup.others(wanted, found):
            try:
                answer = self._resolution(other, str(wanted), request)
            except UnknownBand:
                continue
            _log.info("%s: using %s of %s, since %s has no band %r", wanted, other.item["id"],
                      other.item.get("collection"), found.item["id"], lacking.band)  # fmt: skip
            return answer
        raise lacking

    def _resolution(self, found: Found, scene_id: str, request: _Request) -> Resolution:
        owner = found.owner
        if not found.bands:
            reason = no_raster(found.item, found.mission)
            raise InvalidItem(item=str(found.item["id"]), reason=reason)
        chosen = select_bands(found.bands, request.names, scene=scene_id)
        return Resolution(
            scene_id=scene_id,
            format=request.format,
            assets=self._assets(found, chosen, request, scene_id),
            item=found.shown,
            full_id=found.full_id,
            mission=found.mission.name if found.mission else None,
            catalog=owner.name if owner else None,
            provider=(owner and owner.provider) or _provider(found.item),
            looked_up_at=found.at if found.found_in else None,
        )

    def _assets(
        self, found: Found, chosen: Mapping[str, BandAsset], request: _Request, scene_id: str
    ) -> dict[str, Asset]:
        origin = Origin(
            scene=scene_id,
            mission=found.mission.name if found.mission else "item",
            item=found.item,
            own_files=found.own_files,
            format=request.format,
            clouds=self._clouds(found) if request.format in IMAGES else None,
        )
        keys = {
            name: (entry.key, entry.band.native, request.format, request.radiometry)
            for name, entry in chosen.items()
        }
        new = [entry for name, entry in chosen.items() if keys[name] not in found.assets]
        factors: Mapping[str, Factors] = {}
        if new and request.radiometry == "auto":
            source_of, timeout = partial(self._source, found), self.settings.timeout
            factors = read_factors(found.item, found.mission, new, source_of, timeout=timeout)
        assets = {}
        for name, entry in chosen.items():
            if request.choosing and found.owner:
                found.owner.check(self._href(found, entry.key))
            own = factors.get(entry.band.native)
            asset = found.assets.get(keys[name]) or self._router.serving(
                self._asset(entry, found, request, own), origin
            )
            # Factors that could not be read now may be readable later.
            if own or request.radiometry != "auto" or not needs_factors(entry):
                found.assets[keys[name]] = asset
            assets[name] = asset
        if not request.sign:
            return assets
        assets = self._router.looked_at(assets, origin)
        found.assets.update({keys[n]: a for n, a in assets.items() if keys[n] in found.assets})
        return self._router.signed(assets)

    def _asset(
        self, entry: BandAsset, found: Found, request: _Request, factors: Factors | None
    ) -> Asset:
        raw = found.item["assets"][entry.key]
        size = raw.get("file:size")
        each = [
            override(decided, request.radiometry)
            for decided in self._radiometry(entry, found, request, factors)
        ]
        radiometry, by_plane = joined(each)
        return Asset(
            key=entry.key,
            band=entry.band,
            planes=entry.planes,
            indexes=entry.indexes,
            alone=entry.alone,
            href=redact(self._href(found, entry.key)),
            source=self._source(found, entry.key),
            grid=item_grid(found.item, raw),
            radiometry=radiometry,
            by_plane=by_plane,
            media_type=raw.get("type"),
            title=_title(entry),
            size=size if isinstance(size, int) else None,
        )

    def _radiometry(
        self, entry: BandAsset, found: Found, request: _Request, factors: Factors | None
    ) -> list[Radiometry | None]:
        """Return the radiometry of each plane of a band, by item and mission."""
        item, asset = found.item, found.item["assets"][entry.key]
        roles = {n: p.role for n, p in enumerate(entry.planes, 1) if p.role in CLASS_ROLES}
        return [
            decide_radiometry(
                replace(entry.band, role=roles[index]) if index in roles else entry.band,
                item,
                asset,
                index=index,
                mission=found.mission,
                offset_applied=offset_applied(item, entry.key, self.settings),
                factors=factors,
                corrected=request.radiometry == "auto",
            )
            for index in entry.indexes or (1,)
        ]

    def _clouds(self, found: Found) -> Clouds | None:
        """Return the band that classifies clouds, which image stretches ignore; else None."""
        masks = found.mission.masks if found.mission else {}
        for entry in found.bands:
            kinds = masks.get(entry.band.native)
            if kinds and entry.listed:
                names = {*kinds.get("clouds", ()), *kinds.get("cirrus", ())}
                classes = tuple(each for each in entry.band.classes if each.name in names)
                return Clouds(source=self._source(found, entry.key), classes=classes)
        return None

    def _href(self, found: Found, key: str) -> str:
        """Return the absolute href of an asset."""
        asset, owner = found.item["assets"][key], found.owner
        href = owner.href(asset) if owner else readable_href(asset, self.settings)
        if not href:
            raise InvalidItem(
                item=str(found.item.get("id")), reason=f"its asset {key!r} has no href"
            )
        return absolute(found.item, href)

    def _source(self, found: Found, key: str) -> UrlSource:
        """Return the URL source of an asset."""
        href, owner = self._href(found, key), found.owner
        scheme = urlsplit(href).scheme
        # The caller's own item may refer to local files; an item from a catalog may not.
        if owner is None and scheme == "s3":
            return BucketUrl(settings=self.settings, href=href)
        if owner is None or (found.own_files and scheme in ("", "file")):
            return FixedUrl(href)
        # A signature that the catalog can replace is dropped; others are kept.
        signed = is_signed(href)
        if signed and not owner.signs(href) and scheme in ("http", "https"):
            if not found.own_files:
                check_host(SignedUrl(url=href), owner, self.settings)
            return FixedUrl(href)
        bare = redact(href) if signed else href
        return CatalogUrl(
            catalog=owner.name, settings=self.settings, href=bare, guarded=not found.own_files
        )


def _provider(item: Item) -> str:
    for provider in item.get("properties", {}).get("providers") or ():
        if isinstance(provider, Mapping) and provider.get("name"):
            return str(provider["name"])
    return "unknown"


def _title(entry: BandAsset) -> str:
    band = entry.band
    gsd = f" - {band.gsd:g}m" if band.gsd else ""
    return f"{band.title or band.native} ({band.native}){gsd}"


def _is_slip(error: AstraError, found: Found) -> bool:
    """Return True if the error is about a band that the mission does not have in any catalog."""
    if not isinstance(error, UnknownBand) or found.mission is None:
        return False
    known = {
        name.casefold()
        for band in found.mission.bands(found.item)
        for name in (*band.names, *band.shared)
    }
    return error.band.strip().casefold() not in known
