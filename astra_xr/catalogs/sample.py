"""The built-in sample: synthetic Sentinel-2 scenes, made on first use, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from astra_xr.catalogs.base import Catalog, Page, choose
from astra_xr.catalogs.query import Query
from astra_xr.errors import AstraError, SceneNotFound
from astra_xr.missions import Item
from astra_xr.model import SceneId, SignedUrl, local_path
from astra_xr.sample import SCENES, ensure_sample, outline
from astra_xr.settings import Settings


class Sample(Catalog):
    """A catalog of local files; its scenes are synthetic and served only with catalog="sample".

    They have realistic product ids: downstream code behaves as with real scenes.
    """

    name = "sample"
    title = "the built-in sample"
    provider = "astra-xr (synthetic)"
    collections: Mapping[str, tuple[str, ...]] = {"sentinel-2": ("sample",)}

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.cache_dir / "sample"

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return a scene's item; makes its files if they do not exist.

        Raises
        ------
        SceneNotFound
            The sample does not contain the scene.
        AstraError
            The cache folder cannot take the files.
        """
        known = [{"id": name, "properties": {}, "assets": {}} for name in SCENES]
        _, item = choose(scene, known)
        if item is None:
            raise SceneNotFound(
                scene_id=str(scene),
                asked=[self.title],
                hint="It contains sentinel-2: " + ", ".join(SCENES),
            )
        return self._item(item["id"])

    def search(self, query: Query) -> Iterator[Page]:
        """Yield the items of the Sentinel-2 scenes without assets, newest first.

        Files and assets are made when a scene is opened.
        """
        if query.mission in self.collections:
            outlines = map(outline, reversed(tuple(SCENES.values())))
            yield Page(items=list(filter(query.wants, outlines)))

    def _item(self, name: str) -> dict[str, Any]:
        path = self._made(name)
        item: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = urljoin(path.as_uri(), asset["href"])
        return item

    def _made(self, name: str) -> Path:
        """Return the path of a scene's item, whose files are all there."""
        try:
            return ensure_sample(self._folder, name)
        except Exception as error:
            # GDAL's errors are of several kinds, and of a library that is not imported here.
            if not isinstance(error, OSError) and not type(error).__module__.startswith("rasterio"):
                raise
            reason = getattr(error, "strerror", None) or "a file cannot be written whole"
        # Answers of the service carry this: it names no folder of the machine.
        raise AstraError(
            f"The sample cannot be written to the cache folder (ASTRA_CACHE_DIR): {reason.lower()}."
            " Set it to a writable folder with free space."
        )

    def sign(self, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return the file URL; files that were deleted or cut short since are made again."""
        name = local_path(href).parent.name.rpartition("-v")[0]
        if name in SCENES:
            self._made(name)
        return SignedUrl(url=href)

    def owns(self, item: Item) -> bool:
        """Return True if the item's files are in the sample's folder."""
        root = self._folder.as_uri()
        return any(str(a.get("href", "")).startswith(root) for a in item["assets"].values())
