"""Routing: which file serves an asset, the provider's or a converted one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import ConvertedUrl, Converter
from astra_xr.conversion.recipe import FORMATS as _FORMATS
from astra_xr.conversion.recipe import IMAGES, Recipe
from astra_xr.conversion.source import Source
from astra_xr.conversion.stores import LocalStore, StoredAsset
from astra_xr.errors import AstraError, InvalidFormat
from astra_xr.missions.media_types import is_cog_type, raster_kind
from astra_xr.model import AS_STORED_ROLES, CLASS_ROLES, Asset, ClassValue, Grid, UrlSource
from astra_xr.net.retries import in_threads
from astra_xr.settings import Settings
from astra_xr.tiff.signatures import looks_like_cog

FORMATS = tuple(_FORMATS)

Routing = Literal["direct", "converted"]

_ANY = "application/octet-stream"
"""The media type of unspecified bytes."""

_LOOKS = 8
"""Files that are inspected concurrently."""


def check_format(format: str) -> str:
    """Return the format in lower case; raise InvalidFormat if there is no such format."""
    lowered = format.lower() if isinstance(format, str) else ""
    if lowered not in FORMATS:
        raise InvalidFormat(value=format, formats=FORMATS)
    return lowered


def needs_conversion(asset: Mapping[str, Any], format: str) -> bool | None:
    """Return True if an asset of an item has to be converted to a format.

    Its media type decides, if it has a profile or another format. None if only the file's header
    can decide.
    """
    if format != "cog":
        return True
    kind = str(asset.get("type") or "").lower()
    if is_cog_type(kind):
        return False
    return None if kind in ("", _ANY) or raster_kind(asset) == "tiff" else True


def route(asset: Mapping[str, Any], format: str) -> Routing:
    """Return how an asset is served, without reading the file.

    If the item does not decide, TIFF files are served directly: readers support them.
    """
    needed = needs_conversion(asset, format)
    if needed is None:
        needed = raster_kind(asset) == "jp2"
    return "converted" if needed else "direct"


@dataclass(frozen=True, kw_only=True)
class Clouds:
    """The band of a scene that classifies clouds."""

    source: UrlSource
    classes: tuple[ClassValue, ...]
    """Its cloud classes."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The scene and item of assets."""

    scene: str
    """Scene id, for messages."""

    mission: str
    item: Mapping[str, Any]

    own_files: bool
    """True if the caller chose the files, which may be anywhere."""

    format: str

    clouds: Clouds | None = None
    """None if no band of the scene classifies clouds."""


class Router:
    """Decides which files serve the assets of a resolver, and has them converted.

    Parameters
    ----------
    settings : Settings
    converter : Converter, optional
        Converts files; by default into the cache folder.
    bare : bool
        True if URLs have to work without request headers: files that need headers are copied.
    """

    def __init__(
        self, settings: Settings, converter: Converter | None = None, *, bare: bool = False
    ) -> None:
        self._settings = settings
        self._bare = bare
        root = settings.cache_dir / "converted"
        if converter is None:
            converter = Converter(LocalStore(root=root, max_bytes=settings.cache_bytes), root)
        self.converter = converter

    def serving(self, asset: Asset, origin: Origin) -> Asset:
        """Return the asset in the requested format, as far as its item decides."""
        raw = origin.item["assets"][asset.key]
        return asset if route(raw, origin.format) == "direct" else self._made(asset, origin)

    def looked_at(self, assets: Mapping[str, Asset], origin: Origin) -> dict[str, Asset]:
        """Return the assets with sizes and formats that only the files have."""
        found = in_threads(lambda a: self._looked_at(a, origin), assets.values(), _LOOKS)
        return dict(zip(assets, found, strict=True))

    def signed(self, assets: Mapping[str, Asset]) -> dict[str, Asset]:
        """Return the assets signed; converts those that need it.

        Raises
        ------
        ConversionFailed, SigningError, UpstreamError
        """
        jobs = [a.source.job for a in assets.values() if isinstance(a.source, ConvertedUrl)]
        with self.converter.started(jobs):
            return {name: _signed(asset) for name, asset in assets.items()}

    def _looked_at(self, asset: Asset, origin: Origin) -> Asset:
        if isinstance(asset.source, ConvertedUrl):
            return asset
        if self._bare and asset.source().headers:
            return self._made(asset, origin)
        raw = origin.item["assets"][asset.key]
        unsaid = needs_conversion(raw, origin.format) is None
        if asset.size is not None and not unsaid:
            return asset
        source = self._look(asset, origin)
        if source is None:
            return asset
        if unsaid and not looks_like_cog(source.head):
            return self._made(asset, origin)
        return replace(asset, size=source.size if source.size >= 0 else asset.size)

    def _look(self, asset: Asset, origin: Origin) -> Source | None:
        job = self._job(asset, origin)
        # The resolution is valid without it; errors of the file are raised when it is read.
        with contextlib.suppress(AstraError):
            return Source(
                job.source, job.label, trusted=job.trusted, allowed=job.allowed, patient=False
            )
        return None

    def _made(self, asset: Asset, origin: Origin) -> Asset:
        job = self._job(asset, origin)
        return replace(
            asset,
            source=ConvertedUrl(job=job, converter=self.converter),
            size=None,
            media_type=_FORMATS[origin.format].media_type,
            routing="converted",
        )

    def _job(self, asset: Asset, origin: Origin) -> Job:
        ours = self._settings.cache_dir.as_uri() + "/"
        drawn = origin.format in IMAGES and asset.band.role not in AS_STORED_ROLES
        clouds = origin.clouds if drawn else None
        return Job(
            mission=origin.mission,
            item=str(origin.item.get("id")),
            asset=asset.key,
            source=asset.source,
            recipe=_recipe(asset, origin.format, clouds, bare=self._bare),
            classes=clouds.source if clouds else None,
            label=f"{origin.scene} {asset.name}",
            trusted=origin.own_files or asset.href.startswith(ours),
            allowed=self._settings.named_hosts(),
        )


def _recipe(asset: Asset, format: str, clouds: Clouds | None, *, bare: bool) -> Recipe:
    radiometry = asset.radiometry
    valued = radiometry is not None and not (
        radiometry.as_is or asset.by_plane or radiometry.file_tags == "applied"
    )
    return Recipe(
        format=format,
        name=None if asset.planes else asset.name,
        nodata=radiometry.nodata if radiometry else None,
        scale=radiometry.scale if radiometry and valued else None,
        offset=radiometry.offset if radiometry and valued else None,
        unit=radiometry.unit if radiometry and valued else None,
        categorical=asset.band.role in CLASS_ROLES,
        classes=asset.band.classes,
        left_out=clouds.classes if clouds else (),
        world_file=not (bare and format in IMAGES),
    )


def _signed(asset: Asset) -> Asset:
    if not isinstance(asset.source, ConvertedUrl):
        return replace(asset, signed=asset.source())
    kept = asset.source.asset()
    asset = replace(asset, signed=asset.source.converter.store.url(kept), size=kept.size)
    return _drawn(asset, kept) if "shape" in kept.details else asset


def _drawn(asset: Asset, kept: StoredAsset) -> Asset:
    """Return the asset of an image, whose pixels differ from the source's."""
    details = kept.details
    grid = asset.grid and Grid(
        crs=asset.grid.crs, shape=tuple(details["shape"]), transform=tuple(details["transform"])
    )
    return replace(
        asset,
        grid=grid,
        radiometry=None,
        stretch=tuple(map(tuple, details["stretch"])),
        stretch_without=tuple(details["without"]),
    )
