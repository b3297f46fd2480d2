"""USGS LandsatLook: Landsat Collection 2 from the USGS, in a requester-pays bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from astra_xr.catalogs.s3 import S3
from astra_xr.catalogs.stac import BySearch, Lookup, StacCatalog, landsat_search
from astra_xr.errors import SigningError
from astra_xr.missions import MISSIONS, Item
from astra_xr.model import SceneId, SignedUrl
from astra_xr.settings import Settings

_REFLECTANCE = "landsat-c2l2-sr"
_TEMPERATURE = "landsat-c2l2-st"
_LEVEL_1 = "landsat-c2l1"
_HOST = "landsatlook.usgs.gov"
_DATA = "/data/"
_BUCKET = "s3://usgs-landsat/"
_TEXT = (".json", ".txt", ".xml")
_INSTEAD = (
    "The same scenes open with catalog='planetary-computer', without an account. Downloads by "
    "https need an EROS account with special authorization (https://ers.cr.usgs.gov)."
)


class Usgs(StacCatalog):
    """Landsat 4 to 9; joins a scene's two items, surface reflectance and temperature."""

    name = "usgs"
    title = "USGS LandsatLook"
    provider = "usgs"
    collections: Mapping[str, tuple[str, ...]] = {"landsat": (_REFLECTANCE,)}

    def __init__(self, settings: Settings) -> None:
        super().__init__(url=settings.usgs_url, timeout=settings.timeout)
        self._s3 = S3(settings)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Yield the lookups for a scene: its ids, then its path, row and day."""
        parts = scene.parts
        if scene.mission != "landsat":
            return
        if parts.get("level", "").startswith("L1"):
            collections, endings = [_LEVEL_1], [""]
        else:
            collections, endings = [_REFLECTANCE, _TEMPERATURE], ["_SR", "_ST"]
        if "processed" in parts and "tier" in parts:
            name = "{sensor}_{level}_{path}{row}_{day}_{processed}_{collection}_{tier}"
            ids = [name.format(**parts) + ending for ending in endings]
            yield BySearch(body={"collections": collections, "ids": ids})
        # The scene may have been reprocessed since its id was written.
        yield landsat_search(scene, collections)

    def owns(self, item: Item) -> bool:
        """Return True if the item's links point to this API, or its files to LandsatLook's data."""
        hrefs = (str(asset.get("href", "")) for asset in item["assets"].values())
        return super().owns(item) or any(_in_bucket(href) for href in hrefs)

    def check(self, href: str) -> None:
        """Raise SigningError early if there are no AWS keys, or no consent to pay."""
        in_bucket = _in_bucket(href)
        if in_bucket or not href.startswith(("https://", "http://")):
            self._s3.check(in_bucket or href, instead=_INSTEAD)

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a presigned URL of the bucket; the files' https hrefs need a web login.

        Raises
        ------
        SigningError
            There are no AWS keys.
        """
        in_bucket = _in_bucket(href)
        if in_bucket is None and href.startswith(("https://", "http://")):
            return SignedUrl(url=href)
        try:
            return self._s3.sign(in_bucket or href, refused=refused, instead=_INSTEAD)
        except SigningError:
            # Text files may be readable without a login, and are optional.
            if in_bucket is None or not href.endswith(_TEXT):
                raise
        return SignedUrl(url=href)

    def _look(self, lookup: Lookup, missing: list[str]) -> list[dict[str, Any]]:
        return _products(super()._look(lookup, missing))


def _products(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the items of each product into one item, which has the product's id.

    Assets that both have (quality bands, metadata) are taken from the first: they are the same.
    """
    products: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        product = MISSIONS["landsat"].describe(item).get("product", item["id"])
        products.setdefault(product, []).append(item)
    whole = []
    for product, parts in products.items():
        assets = {key: asset for part in reversed(parts) for key, asset in part["assets"].items()}
        whole.append({**parts[0], "id": product, "assets": assets})
    return whole


def _in_bucket(href: str) -> str | None:
    """Return the s3 href of a file that LandsatLook serves over https, or None."""
    if _HOST not in href.casefold():  # urlsplit is slow
        return None
    parts = urlsplit(href)
    if parts.hostname == _HOST and parts.path.startswith(_DATA):
        return _BUCKET + unquote(parts.path.removeprefix(_DATA))
    return None
