"""The embedded resolver: lookup → bands → radiometry → route → sign, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from astra_xr.catalogs import ORDER, Catalog, connect, holds_any, owner_of
from astra_xr.catalogs.urls import CatalogUrl, FixedUrl, is_signed
from astra_xr.errors import InvalidItem, SceneNotFound, UpstreamError, UpstreamUnavailable, redact
from astra_xr.missions import MISSIONS, Item, Mission, clean_item, mission_of
from astra_xr.model import Asset, Radiometry, SceneId, UrlSource
from astra_xr.resolver.bands import BandAsset, match_bands, select_bands, split_names
from astra_xr.resolver.grids import item_grid
from astra_xr.resolver.ids import parse_item_id, parse_scene_id
from astra_xr.resolver.radiometry import decide_radiometry, one_radiometry
from astra_xr.resolver.resolution import Resolution
from astra_xr.resolver.routing import check_format, route
from astra_xr.sample import SCENE_ID
from astra_xr.settings import Settings


@dataclass(frozen=True)
class _Found:
    """A scene's item and who it is from."""

    asked: str
    """The id, as it was asked for."""

    item: Item
    mission: Mission | None
    owner: Catalog | None
    brought: bool
    """True where the caller handed the item over, or it is from the user's own files."""


class LocalResolver:
    """Resolves scenes in this process: no server, no account.

    Parameters
    ----------
    settings : Settings, optional
        Where services are, and credentials; from the environment when left out.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_env()

    def resolve(
        self,
        scene: str | Item | Any,
        bands: str | Iterable[str] | None = None,
        format: str = "cog",
        *,
        catalog: str | None = None,
        sign: bool = True,
    ) -> Resolution:
        """Tell which files hold a scene's bands; see :func:`astra_xr.resolve`."""
        wire_format = check_format(format)
        names = split_names(bands)
        found = self._find(scene, catalog)
        chosen = select_bands(match_bands(found.item, found.mission), names, scene=found.asked)
        owner = found.owner
        return Resolution(
            scene_id=found.asked,
            format=wire_format,
            assets={
                name: self._asset(entry, found, wire_format, sign) for name, entry in chosen.items()
            },
            item=_unsigned(found.item),
            full_id=_full_id(found.item, found.mission),
            mission=found.mission.name if found.mission else None,
            catalog=owner.name if owner else None,
            provider=(owner and owner.provider) or _provider(found.item),
        )

    def _find(self, scene: str | Item | Any, catalog: str | None) -> _Found:
        if isinstance(scene, str):
            name = catalog or self.settings.catalog
            wanted = parse_item_id(scene) if holds_any(name) else parse_scene_id(scene)
            giver, item = self._lookup(wanted, name)
            mission = MISSIONS.get(wanted.mission) or mission_of(item)
            owner = owner_of(item, self.settings, found_in=giver)
            return _Found(str(wanted), item, mission, owner, brought=giver.own_files)
        item = item_json(scene)
        of = mission_of(item)
        whose = connect(catalog, self.settings) if catalog else owner_of(item, self.settings)
        return _Found(_full_id(item, of), item, of, whose, brought=True)

    def _lookup(self, scene: SceneId, name: str | None) -> tuple[Catalog, dict[str, Any]]:
        """Ask the catalogues in turn; one that is down or lacks the scene is passed over."""
        names = (name,) if name else ORDER.get(scene.mission, ())
        asked: list[str] = []
        failures: list[UpstreamError] = []
        for each in names:
            catalog = connect(each, self.settings)
            try:
                return catalog, catalog.find(scene)
            except SceneNotFound as error:
                if name:
                    raise
                asked += error.asked
            except UpstreamError as error:
                if name:
                    raise
                failures.append(error)
        hint = _sample_hint(scene)
        if failures:
            raise UpstreamUnavailable(
                service=f"No catalogue could give {scene}",
                reason="; ".join(
                    [*(f"{f.service}: {f.reason}" for f in failures)]
                    + [f"{title}: has no such scene" for title in asked]
                ),
                retry_after=max((f.retry_after or 0 for f in failures), default=0) or None,
                hint=hint or "Try again, or name a catalogue with catalog=.",
            )
        raise SceneNotFound(scene_id=str(scene), asked=asked, hint=hint)

    def _asset(self, entry: BandAsset, found: _Found, format: str, sign: bool) -> Asset:
        item, owner = found.item, found.owner
        raw = item["assets"][entry.key]
        href = _absolute(item, entry.key, str(raw.get("href") or ""))
        source = self._source(owner, href, found.brought)
        size = raw.get("file:size")
        return Asset(
            key=entry.key,
            band=entry.band,
            planes=entry.planes,
            indexes=entry.indexes,
            href=redact(href),
            source=source,
            grid=item_grid(item, raw),
            radiometry=_radiometry(entry, found, raw),
            media_type=raw.get("type"),
            title=_title(entry),
            size=size if isinstance(size, int) else None,
            routing=route(entry.band.native, raw, format),
            signed=source() if sign else None,
        )

    def _source(self, owner: Catalog | None, href: str, brought: bool) -> UrlSource:
        scheme = urlsplit(href).scheme
        # The caller's own item may name local files; what a catalogue answers may not.
        if owner is None or (brought and scheme in ("", "file")):
            return FixedUrl(href)
        # A signature that the catalogue can make anew is dropped; another is kept as it is.
        signed = is_signed(href)
        if signed and not owner.signs(href) and scheme in ("http", "https"):
            return FixedUrl(href)
        bare = redact(href) if signed else href
        return CatalogUrl(catalog=owner.name, settings=self.settings, href=bare)


def _radiometry(entry: BandAsset, found: _Found, raw: Mapping[str, Any]) -> Radiometry | None:
    owner = found.owner
    planes = [
        decide_radiometry(
            entry.band,
            found.item,
            raw,
            index=index,
            mission=found.mission,
            offset_applied=owner.offset_applied(found.item, entry.key) if owner else None,
        )
        for index in entry.indexes or (1,)
    ]
    return one_radiometry(planes, str(found.item.get("id")))


def item_json(item: Any) -> dict[str, Any]:
    """Take a STAC item as pystac object or dict and return it as JSON, unshared.

    Raises
    ------
    InvalidItem
        It is neither, or has not the outline of an item.
    """
    if hasattr(item, "to_dict"):
        item = item.to_dict(include_self_link=True, transform_hrefs=False)
    if not isinstance(item, Mapping):
        raise InvalidItem(
            item=type(item).__name__, reason="expected a scene id, a pystac.Item or a dict"
        )
    return clean_item(item)


def _absolute(item: Item, key: str, href: str) -> str:
    if not href:
        raise InvalidItem(item=str(item.get("id")), reason=f"its asset {key!r} has no href")
    if urlsplit(href).scheme or href.startswith("/"):
        return href
    links = {link.get("rel"): str(link.get("href")) for link in item.get("links") or ()}
    return urljoin(links["self"], href) if "self" in links else href


def _unsigned(value: Any) -> Any:
    """Copy an item without the signatures that its hrefs may carry."""
    if isinstance(value, Mapping):
        return {key: _unsigned(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_unsigned(entry) for entry in value]
    return redact(value) if isinstance(value, str) and is_signed(value) else value


def _full_id(item: Item, mission: Mission | None) -> str:
    name = str(item.get("id"))
    return f"{mission.name}:{mission.describe(item)['product']}" if mission else name


def _provider(item: Item) -> str:
    for provider in item.get("properties", {}).get("providers") or ():
        if isinstance(provider, Mapping) and provider.get("name"):
            return str(provider["name"])
    return "unknown"


def _title(entry: BandAsset) -> str:
    band = entry.band
    gsd = f" - {band.gsd:g}m" if band.gsd else ""
    return f"{band.title or band.native} ({band.native}){gsd}"


def _sample_hint(scene: SceneId) -> str:
    if scene.mission == "sentinel-2" and SCENE_ID.startswith(scene.name):
        return (
            "The built-in sample, a synthetic scene, has this id and needs no network: "
            "catalog='sample'."
        )
    return ""
