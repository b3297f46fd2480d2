"""USGS LandsatLook: Landsat Collection 2 from the agency, in a bucket where the reader pays."""

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
    "https take an EROS account with special authorisation (https://ers.cr.usgs.gov)."
)


class Usgs(StacCatalog):
    """Landsat 4 to 9; surface reflectance and temperature of a scene are two items, joined here."""

    name = "usgs"
    title = "USGS LandsatLook"
    provider = "usgs"
    collections: Mapping[str, tuple[str, ...]] = {"landsat": (_REFLECTANCE,)}

    def __init__(self, settings: Settings) -> None:
        super().__init__(url=settings.usgs_url, timeout=settings.timeout)
        self._s3 = S3(settings)

    def lookups(self, scene: SceneId) -> Iterable[Lookup]:
        """Give the way to find a scene: its ids, else its path, row and day."""
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
        # The scene may have been processed anew since its id was written down.
        yield landsat_search(scene, collections)

    def owns(self, item: Item) -> bool:
        """Tell whether the item's links lead here, or its files to LandsatLook's data."""
        hrefs = (str(asset.get("href", "")) for asset in item["assets"].values())
        return super().owns(item) or any(_in_bucket(href) for href in hrefs)

    def check(self, href: str) -> None:
        """Tell early where there are no AWS keys to pay with, or no leave to.

        Raises
        ------
        SigningError
        """
        in_bucket = _in_bucket(href)
        if in_bucket or not href.startswith(("https://", "http://")):
            self._s3.check(in_bucket or href, instead=_INSTEAD)

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a presigned URL of the bucket; the https hrefs of its files take a web login.

        Raises
        ------
        SigningError
            There are no AWS keys to pay with.
        """
        in_bucket = _in_bucket(href)
        if in_bucket is None and href.startswith(("https://", "http://")):
            return SignedUrl(url=href)
        try:
            return self._s3.sign(in_bucket or href, refused=refused, instead=_INSTEAD)
        except SigningError:
            # Text beside the pixels may be had without the login; if not, that is no loss.
            if in_bucket is None or not href.endswith(_TEXT):
                raise
        return SignedUrl(url=href)

    def _look(self, lookup: Lookup) -> list[dict[str, Any]]:
        return joined(super()._look(lookup))


def joined(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the items of one product into one, which goes by the product's id.

    What both have (quality bands, metadata) is taken of the first: they name the same files.
    """
    products: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        told = MISSIONS["landsat"].describe(item)
        products.setdefault(told.get("product", item["id"]), []).append(item)
    whole = []
    for product, parts in products.items():
        assets = {key: asset for part in reversed(parts) for key, asset in part["assets"].items()}
        whole.append({**parts[0], "id": product, "assets": assets})
    return whole


def _in_bucket(href: str) -> str | None:
    """Return the s3 href of a file that LandsatLook serves by https."""
    parts = urlsplit(href)
    if parts.hostname == _HOST and parts.path.startswith(_DATA):
        return _BUCKET + unquote(parts.path.removeprefix(_DATA))
    return None
