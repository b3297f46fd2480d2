"""The built-in sample: one synthetic Sentinel-2 scene, made on first use, needing no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from astra_xr.catalogs.base import Catalog, choose
from astra_xr.catalogs.query import Query
from astra_xr.errors import SceneNotFound
from astra_xr.missions import Item
from astra_xr.model import SceneId, SignedUrl
from astra_xr.sample import SCENE_ID, ensure_sample
from astra_xr.settings import Settings


class Sample(Catalog):
    """A catalogue of local files; its scene is synthetic and only served when asked for by name.

    Its scene goes by a product's id, so that everything downstream works as for a live one.
    """

    name = "sample"
    title = "the built-in sample"
    provider = "astra-xr (synthetic)"
    own_files = False

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.cache_dir / "sample"

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the sample's item, after making its files where they are not there yet.

        Raises
        ------
        SceneNotFound
            The id is another scene's.
        """
        known = {"id": SCENE_ID, "properties": {}, "assets": {}}
        _, item = choose(scene, [known])
        if item is None:
            raise SceneNotFound(
                scene_id=str(scene),
                asked=[self.title],
                hint=f"It holds sentinel-2:{SCENE_ID} alone.",
            )
        return self._item()

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the one scene, where a search for Sentinel-2 is for its place and time."""
        if query.mission == "sentinel-2":
            item = self._item()
            if query.wants(item):
                yield item

    def _item(self) -> dict[str, Any]:
        path = ensure_sample(self._folder)
        item: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = urljoin(path.as_uri(), asset["href"])
        return item

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the file URL as it is: valid as long as the file is there."""
        return SignedUrl(url=href)

    def owns(self, item: Item) -> bool:
        """Tell whether the item's files lie in the sample's folder."""
        root = self._folder.as_uri()
        return any(str(a.get("href", "")).startswith(root) for a in item["assets"].values())
