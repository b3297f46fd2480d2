"""Earth Search v1 by Element 84: public COGs of Sentinel-2 on AWS, Landsat in a paid bucket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from astra_xr.catalogs.s3 import S3, split
from astra_xr.catalogs.stac import (
    ById,
    Lookup,
    StacCatalog,
    landsat_lookups,
    sentinel2_search,
    tile_window,
)
from astra_xr.missions import MISSIONS, Item
from astra_xr.missions.media_types import raster_kind
from astra_xr.model import SceneId, SignedUrl
from astra_xr.settings import Settings

_L2A = "sentinel-2-l2a"
_C1 = "sentinel-2-c1-l2a"
_L1C = "sentinel-2-l1c"
_LANDSAT = "landsat-c2-l2"

_FREE = {
    "usgs-landsat": "The same scenes open with catalog='planetary-computer', without an account.",
    "sentinel-s2-l2a": "It is JPEG 2000; where the scene has COGs too, these need no account. The "
    "same scenes open with catalog='planetary-computer', without an account.",
    "sentinel-s2-l1c": "The same scenes are in catalog='cdse', with a free account.",
}
"""Requester-pays bucket → a free alternative."""


class EarthSearch(StacCatalog):
    """Sentinel-2 as Collection 1, as older L2A and as L1C; Landsat Collection 2 Level 2."""

    name = "earth-search"
    title = "Earth Search"
    provider = "element84"
    collections: Mapping[str, tuple[str, ...]] = {"sentinel-2": (_C1, _L2A), "landsat": (_LANDSAT,)}

    def __init__(self, settings: Settings) -> None:
        super().__init__(url=settings.earth_search_url, timeout=settings.timeout)
        self._s3 = S3(settings)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Yield the lookups for a scene; ids in this catalog's own form come first."""
        parts = scene.parts
        if scene.mission == "landsat" and parts["level"].startswith("L2"):
            yield from landsat_lookups(scene, _LANDSAT)
        elif scene.mission == "sentinel-2":
            older = _L2A if parts["level"] == "2A" else _L1C
            if scene.form == "earth-search":
                name = "{platform}_{zone}_{day}_{sequence}_L{level}"
                yield ById(collection=older, item=name.format(zone=_zone(parts), **parts))
            elif scene.form == "earth-search-c1":
                yield ById(collection=_C1, item=scene.name)
            # Item ids cannot be derived from product ids in any collection.
            collections = [_C1, _L2A] if older == _L2A else [_L1C]
            tile = {"tile": _zone(parts)} if "tile" in parts else {}
            yield sentinel2_search({**parts, **tile}, collections, tile_window(parts))

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return public https hrefs as they are, and s3 hrefs presigned with AWS keys.

        Raises
        ------
        SigningError
            The href is in a requester-pays bucket, and there are no AWS keys.
        """
        if href.startswith(("https://", "http://")):
            return SignedUrl(url=href)
        return self._s3.sign(href, refused=refused, instead=_FREE.get(split(href)[0], ""))

    def check(self, href: str) -> None:
        """Raise SigningError early if an s3 href needs missing AWS keys, or consent to pay."""
        if not href.startswith(("https://", "http://")):
            self._s3.check(href, instead=_FREE.get(split(href)[0], ""))

    def owns(self, item: Item) -> bool:
        """Return True if the item is from Earth Search v0 or v1, by links or properties."""
        names = item.get("properties", {})
        own = any(name.startswith("earthsearch:") for name in names)
        return own or "sentinel:boa_offset_applied" in names or super().owns(item)

    def mended(self, item: Item) -> Item:
        """Return an item whose hrefs lead to objects that exist.

        Those of Level 1C name the bucket of Level 2A, and older ones of 2A lack the folder of the
        pixel size.
        """
        levels = {
            _LEVELS.get(str(item.get("collection"))),
            MISSIONS["sentinel-2"].describe(item).get("level"),
        }
        if len(levels) > 1 or levels == {None}:
            return item
        assets = {key: _moved(asset, str(*levels)) for key, asset in item["assets"].items()}
        return {**item, "assets": assets}

    def offset_applied(self, item: Item, asset_key: str) -> str | None:
        """Return why the offset is already in the COG's pixels; it never is in the JPEG 2000.

        Items of baseline 04.00 and later have both ``boa_offset_applied: true`` and an offset of
        -0.1. The pixels of the COG are shifted already: the offset must not be applied again. If
        a band has no COG, its asset is ESA's own JPEG 2000 file.
        """
        properties = item.get("properties", {})
        flags = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
        applied = any(properties.get(flag) is True for flag in flags)
        if applied and not _is_jpeg2000(item["assets"].get(asset_key, {})):
            return "already applied by earth-search"
        return None


_LEVELS = {_L1C: "1C", _L2A: "2A"}
_LOST = re.compile(r"s3://sentinel-s2-l2a/(tiles/(?:\w+/){7})(\w+\.jp2)")
"""A file beside the folders of pixel sizes, where Level 2A has none. The path is zone, band,
square, year, month, day and number."""
_FOLDERS = {10980: "R10m", 5490: "R20m", 1830: "R60m"}


def _moved(asset: Mapping[str, Any], level: str) -> Mapping[str, Any]:
    href = str(asset.get("href") or "")
    if level == "1C":
        # Only Level 2A has folders such as R10m.
        wrong = href.startswith("s3://sentinel-s2-l2a/") and not re.search(r"/R\d0m/", href)
        return {**asset, "href": href.replace("-l2a/", "-l1c/", 1)} if wrong else asset
    lost = _LOST.fullmatch(href)
    if not lost:
        return asset
    rows = asset.get("proj:shape") or [0]
    folder = _FOLDERS.get(rows[0]) if isinstance(rows, list) else None
    return (
        {**asset, "href": f"s3://sentinel-s2-l2a/{lost[1]}{folder}/{lost[2]}"} if folder else asset
    )


def _is_jpeg2000(asset: Mapping[str, Any]) -> bool:
    """Return True for a JPEG 2000 file, by the ending of its name, else by its media type."""
    return (raster_kind({"href": asset.get("href")}) or raster_kind(asset)) == "jp2"


def _zone(parts: Mapping[str, str]) -> str:
    """Return the tile as Earth Search writes it: zones 1 to 9 have one digit."""
    return parts["tile"].lstrip("0")
