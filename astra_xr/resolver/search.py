"""Search a catalog for scenes of an area and a time; one row per acquisition."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from astra_xr.catalogs import ORDER, AnyCatalog, Catalog, catalog_name, connect
from astra_xr.catalogs.base import acquisition, acquisitions, newest
from astra_xr.catalogs.query import Query
from astra_xr.catalogs.urls import is_signed
from astra_xr.missions import MISSIONS, Item, Mission
from astra_xr.resolver.lookup import HEDGE, PASSED_OVER, said, verdict
from astra_xr.resolver.race import Gate, Runner, race
from astra_xr.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scene that a search found."""

    id: str
    """``mission:product``, which can be opened."""

    datetime: str
    """RFC 3339, from the catalog; empty if unknown."""

    tile: str
    """Tile, or path and row; empty if the mission has none."""

    cloud_cover: float | None
    """Percent; None if unknown."""

    catalog: str
    """Name of its catalog."""

    thumbnail: str | None = None
    """Public https URL of a small image; None if there is none."""

    geometry: Mapping[str, Any] | None = field(default=None, repr=False)
    """GeoJSON of the footprint, in longitude and latitude."""

    @classmethod
    def of(cls, item: Item, mission: Mission, catalog: str) -> Row:
        """Return the row of an item of the mission."""
        properties = item.get("properties", {})
        parts = mission.describe(item)
        cloud = properties.get("eo:cloud_cover")
        time = properties.get("datetime") or properties.get("start_datetime")
        geometry = item.get("geometry")
        return cls(
            id=mission.scene_id(item),
            datetime=time if isinstance(time, str) else "",
            tile=parts.get("tile") or f"{parts.get('path', '')}{parts.get('row', '')}",
            cloud_cover=None if cloud is None else float(cloud),
            catalog=catalog,
            thumbnail=_thumbnail(item),
            geometry=geometry if isinstance(geometry, Mapping) else None,
        )


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The results of a search, and why other catalogs were passed over."""

    rows: tuple[Row, ...]
    catalog: str
    passed_over: Mapping[str, str]


def find_rows(
    query: Query, settings: Settings, *, catalog: AnyCatalog = None, hedge: float = HEDGE
) -> Rows:
    """Search one catalog, or those of the mission in order until one answers.

    Raises
    ------
    InvalidParameter
        There is no such catalog.
    UpstreamError
        All catalogs are down.
    """
    named = catalog_name(catalog) or catalog_name(settings.catalog)
    order = (named,) if named else ORDER[query.mission]
    catalogs = {name: connect(name, settings) for name in order}
    finish = race(
        [
            Runner(name=name, title=each.title, ask=_asker(each, query), gate=Gate())
            for name, each in catalogs.items()
        ],
        timeout=settings.timeout,
        hedge=hedge,
        passed_over=PASSED_OVER,
    )
    if finish.winner is None or finish.answer is None:
        if named:
            raise finish.failures[named]
        failures = {catalogs[name].title: finish.failures[name] for name in order}
        raise verdict(f"scenes of {query.mission}", failures)
    return Rows(
        rows=tuple(_rows(finish.answer, query, finish.winner)),
        catalog=finish.winner,
        passed_over={name: said(error) for name, error in finish.failures.items()},
    )


def _asker(catalog: Catalog, query: Query) -> Callable[[], Iterator[Item]]:
    def ask() -> Iterator[Item]:
        # Fetch the first page, to see if the catalog answers; fetch the others as needed.
        found = (item for page in catalog.search(query) for item in page.items)
        return itertools.chain(list(itertools.islice(found, 1)), found)

    return ask


def _rows(items: Iterator[Item], query: Query, catalog: str) -> Iterator[Row]:
    """Yield a row per acquisition, newest first, of its newest processing."""
    mission = MISSIONS[query.mission]
    taken: list[dict[str, Any]] = []
    seen: set[tuple[str, ...]] = set()
    for item in items:
        if not mission.describe(item):
            continue
        seen.add(acquisition(mission, item))
        # One acquisition more than requested: then all items of the others have been read.
        if len(seen) > query.most + 1:
            break
        taken.append(dict(item))
    groups = acquisitions(mission, taken)
    rows = [Row.of(newest(mission, group), mission, catalog) for group in groups]
    rows.sort(key=lambda row: row.datetime, reverse=True)
    yield from rows[: query.most]


def _thumbnail(item: Item) -> str | None:
    """Return the URL of a public thumbnail, or None."""

    def rank(entry: tuple[str, Mapping[str, Any]]) -> int:
        key, asset = entry
        roles = asset.get("roles") or ()
        tests = (key == "rendered_preview", "thumbnail" in roles, key == "thumbnail")
        return tests.index(True) if any(tests) else len(tests)

    for key, asset in sorted(item["assets"].items(), key=rank):
        href = str(asset.get("href") or "")
        image = str(asset.get("type") or "").startswith(("image/png", "image/jpeg", "image/webp"))
        if rank((key, asset)) < 3 and image and urlsplit(href).scheme == "https":
            return None if is_signed(href) else href
    return None
