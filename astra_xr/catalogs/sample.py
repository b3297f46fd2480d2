"""The built-in sample: synthetic Sentinel-2 scenes, made on first use, needing no network."""

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
from astra_xr.sample import SCENES, ensure_sample, outline
from astra_xr.settings import Settings


class Sample(Catalog):
    """A catalogue of local files; its scenes are synthetic and only served when asked for by name.

    They go by products' ids, so that everything downstream works as for live ones.
    """

    name = "sample"
    title = "the built-in sample"
    provider = "astra-xr (synthetic)"
    own_files = False

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.cache_dir / "sample"

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return a scene's item, after making its files where they are not there yet.

        Raises
        ------
        SceneNotFound
            The id is another scene's.
        """
        known = [{"id": name, "properties": {}, "assets": {}} for name in SCENES]
        _, item = choose(scene, known)
        if item is None:
            raise SceneNotFound(
                scene_id=str(scene),
                asked=[self.title],
                hint="It holds sentinel-2: " + ", ".join(SCENES),
            )
        return self._item(item["id"])

    def search(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield outlines of the scenes, the newest first, where a search is for Sentinel-2.

        Their files, and so the assets, come when a scene is opened.
        """
        if query.mission == "sentinel-2":
            yield from filter(query.wants, map(outline, reversed(tuple(SCENES.values()))))

    def _item(self, name: str) -> dict[str, Any]:
        path = ensure_sample(self._folder, name)
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
