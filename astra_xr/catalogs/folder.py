"""A catalog of local files: a folder of JSON, one JSON file, or stac-geoparquet."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astra_xr.catalogs.base import Catalog, Page
from astra_xr.catalogs.documents import (
    check_collection,
    items_of,
    newest_first,
    pick,
    resolved,
    spellings,
    wanted,
)
from astra_xr.catalogs.hrefs import UserStorage
from astra_xr.catalogs.query import Query
from astra_xr.catalogs.s3 import S3
from astra_xr.errors import InvalidParameter, UpstreamError, redact
from astra_xr.extras import require
from astra_xr.model import SceneId, local_path
from astra_xr.settings import Settings

_PARQUET = (".parquet", ".geoparquet")


class Folder(UserStorage, Catalog):
    """Items of any mission or none, by item id or any scene id of a mission.

    Parameters
    ----------
    path : str
        A folder, whose ``*.json`` files are read at any depth; a JSON file with an item or an
        item collection; or a stac-geoparquet file, which needs the extra ``geoparquet``. Also as
        a ``file:`` URL.
    settings : Settings

    Raises
    ------
    InvalidParameter
        There is no such file or folder.
    """

    provider = ""
    own_files = True

    def __init__(self, path: str, settings: Settings) -> None:
        self._s3 = S3(settings)
        self._path = local_path(path).expanduser().absolute()
        if not self._path.exists():
            expected = "an existing folder or file"
            raise InvalidParameter(name="catalog", value=path, expected=expected)
        self.name = self.title = str(self._path)

    def find(self, scene: SceneId) -> dict[str, Any]:
        """Return the item by id, else by acquisition, with absolute hrefs."""
        named = {f"{name}.json".casefold() for name in spellings(scene)}
        # An item's file is usually named after its id: then only that file is read.
        likely = [path for path in self._files() if path.name.casefold() in named]
        found = [item for path in likely for item in _items_in(path)]
        known = [item for item in found if item["id"] in spellings(scene)]
        return pick(scene, known or self._items(), catalog=self.title)

    def search(self, query: Query) -> Iterator[Page]:
        """Yield the items that match a query, newest first."""
        items = list(self._items())
        check_collection(query, items)
        yield Page(items=newest_first(wanted(query, items)))

    def _files(self) -> list[Path]:
        return sorted(self._path.rglob("*.json")) if self._path.is_dir() else [self._path]

    def _items(self) -> Iterator[dict[str, Any]]:
        for path in self._files():
            yield from _items_in(path)


def _items_in(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the items of one file; none if it is a link to nowhere, or was removed."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return ()
    return _read(path, changed)


@functools.lru_cache(maxsize=1000)
def _read(path: Path, changed: int) -> tuple[dict[str, Any], ...]:
    """Return the items of one file; none if its JSON is not STAC."""
    if path.suffix.lower() in _PARQUET:
        document = _read_parquet(path)
    else:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
    base = path.as_uri()
    return tuple(resolved(item, base) for item in items_of(document))


def _read_parquet(path: Path) -> Any:
    rustac = require("rustac", extra="geoparquet", purpose="Reading stac-geoparquet")
    reason = ""
    try:
        document = rustac.read_sync(str(path), set_self_link=False)
    except (rustac.RustacError, OSError, ValueError) as error:
        reason = redact(error)
    if reason:
        raise UpstreamError(
            service=str(path), reason=f"it cannot be read as stac-geoparquet ({reason})"
        )
    # Each row has the columns of all items; many of them are empty.
    for feature in document.get("features", ()):
        assets = feature.get("assets") or {}
        feature["assets"] = {key: asset for key, asset in assets.items() if asset}
    return document
