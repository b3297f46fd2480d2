"""The rows of a search: one per scene, merged from the items of all catalogs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from astra_xr.catalogs import Catalog
from astra_xr.catalogs.base import acquisition_key
from astra_xr.catalogs.query import time_of
from astra_xr.catalogs.urls import is_signed
from astra_xr.errors import SigningError
from astra_xr.missions import Item, Mission
from astra_xr.model import FoundId
from astra_xr.resolver.bands import is_raster

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scene that a search found."""

    id: FoundId
    """``mission:product``, which can be opened; the item's id if its mission is unknown."""

    datetime: str
    """RFC 3339, from the catalog; empty if unknown."""

    tile: str
    """Tile, or path and row; empty if the mission has none."""

    cloud_cover: float | None
    """Percent; None if unknown."""

    catalogs: tuple[str, ...]
    """Names of the catalogs that have it, first the one to open it from."""

    need_account: tuple[str, ...] = ()
    """Those of ``catalogs`` whose files need an account that is not set up here."""

    thumbnail: str | None = None
    """Public https URL of a small image; None if there is none."""

    geometry: Mapping[str, Any] | None = field(default=None, repr=False)
    """GeoJSON of the footprint, in longitude and latitude."""

    bbox: Sequence[float] | None = field(default=None, repr=False)
    """Box of the item, in degrees."""

    span: tuple[Any, Any] = field(default=(None, None), repr=False)
    """Start and end of the item's time span, as in the catalog; None: it has none."""

    @property
    def catalog(self) -> str:
        """Name of the catalog to open it from."""
        return self.catalogs[0]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One item that a search found in one catalog, as far as rows need it."""

    row: Row
    key: tuple[str, ...]
    """Equal for items of one acquisition."""

    parts: Mapping[str, str]
    """Id parts that the mission reads from the item; empty if it is of none."""

    version: tuple[str, ...]
    """Of the processing; the newest sorts last."""

    time: datetime

    @classmethod
    def of(
        cls, item: Item, catalog: Catalog, mission: Mission | None, closed: dict[str, bool]
    ) -> Hit | None:
        """Return the hit of an item; None if it is not of the mission.

        ``closed`` caches which hosts and buckets need an account; new ones are added.
        """
        parts = mission.describe(item) if mission else {}
        if mission and not parts:
            return None
        properties = item.get("properties", {})
        cloud = properties.get("eo:cloud_cover")
        text, time = properties.get("datetime"), time_of(item)
        if time and time_of({"properties": {"datetime": text}}) is None:
            text = time.isoformat().replace("+00:00", "Z")
        geometry = item.get("geometry")
        name = mission.id_of(parts) if mission else str(item["id"])
        row = Row(
            id=FoundId(name),
            datetime=str(text).upper() if time else "",
            tile=parts.get("tile") or f"{parts.get('path', '')}{parts.get('row', '')}",
            cloud_cover=None if cloud is None else float(cloud),
            catalogs=(catalog.name,),
            need_account=(catalog.name,) if _needs_account(item, catalog, closed) else (),
            thumbnail=_thumbnail(item),
            geometry=geometry if isinstance(geometry, Mapping) else None,
            bbox=item.get("bbox"),
            span=(properties.get("start_datetime"), properties.get("end_datetime")),
        )
        own = str(item.get("collection")), str(item["id"])
        return cls(
            row=row,
            key=acquisition_key(mission, parts) if mission else own,
            parts=parts,
            version=tuple(parts.get(part, "") for part in mission.version) if mission else (),
            time=time or _EVER,
        )


def merged(
    hits: Mapping[str, Iterable[Hit]], mission: Mission | None, *, only: str | None
) -> list[Row]:
    """Return a row per acquisition, newest first.

    Parameters
    ----------
    hits : mapping
        Name of a catalog, the preferred first → its hits.
    mission : Mission or None
        The mission of all of them; None if unknown.
    only : str or None
        The only catalog that was searched; None for all.

    Returns
    -------
    list of Row
        Each describes the processing that is opened: the newest in the first catalog that has the
        scene and needs no missing account.
    """
    groups: dict[tuple[str, ...], dict[str, Hit]] = {}
    for name, seen in hits.items():
        for hit in seen:
            _keep_newest(groups.setdefault(hit.key, {}), name, hit)
    if mission:
        _join_partial(groups, mission)
    made = [
        (max(each.time for each in best.values()), _row(best, only)) for best in groups.values()
    ]
    made.sort(key=lambda pair: pair[0], reverse=True)
    return [row for _, row in made]


def _join_partial(groups: dict[tuple[str, ...], dict[str, Hit]], mission: Mission) -> None:
    """Join acquisitions whose ids lack the sensing start to the only ones that they can be."""
    partial = [key for key, best in groups.items() if _is_partial(best, mission)]
    if len(partial) == len(groups):
        return
    places: dict[str, list[tuple[str, ...]]] = {}
    for key in groups.keys() - set(partial):
        places.setdefault(_place(groups[key]), []).append(key)
    for key in partial:
        parts = next(iter(groups[key].values())).parts
        fitting = [
            other
            for other in places.get(_place(groups[key]), ())
            if _same(mission, parts, next(iter(groups[other].values())).parts)
        ]
        if len(fitting) == 1:
            for name, hit in groups.pop(key).items():
                _keep_newest(groups[fitting[0]], name, hit)


def _keep_newest(best: dict[str, Hit], name: str, hit: Hit) -> None:
    if name not in best or best[name].version < hit.version:
        best[name] = hit


def _is_partial(best: Mapping[str, Hit], mission: Mission) -> bool:
    parts = next(iter(best.values())).parts
    return "item" not in parts and any(part not in parts for part in mission.acquisition)


def _place(best: Mapping[str, Hit]) -> str:
    return next(iter(best.values())).row.tile


def _same(mission: Mission, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    shared = {*mission.acquisition} & one.keys() & other.keys()
    return all(one[part] == other[part] for part in shared) and mission.fits(one, other)


def _row(best: Mapping[str, Hit], only: str | None) -> Row:
    closed = [name for name, each in best.items() if each.row.need_account]
    names = (*(name for name in best if name not in closed), *closed)
    rows = [best[name].row for name in names]
    first = rows[0]
    fields = {
        name: next((value for row in rows if (value := getattr(row, name)) is not None), None)
        for name in ("cloud_cover", "thumbnail", "geometry", "bbox")
    }
    return Row(
        id=FoundId(first.id, names, only),
        datetime=first.datetime,
        tile=first.tile,
        catalogs=names,
        need_account=tuple(closed),
        span=first.span,
        **fields,
    )


def _needs_account(item: Item, catalog: Catalog, closed: dict[str, bool]) -> bool:
    """Return True if all of an item's rasters need keys that are missing here."""
    rasters = [asset for asset in item["assets"].values() if is_raster(asset)]
    for asset in rasters:
        href = catalog.href(asset)
        place = "/".join(href.split("/", 3)[:3])
        if place not in closed:
            try:
                catalog.check(href)
            except SigningError:
                closed[place] = True
            else:
                closed[place] = False
        if not closed[place]:
            return False
    return bool(rasters)


def _thumbnail(item: Item) -> str | None:
    """Return the URL of a public thumbnail, or None."""
    assets = item["assets"]
    by_role = (key for key, asset in assets.items() if "thumbnail" in (asset.get("roles") or ()))
    for key in ("rendered_preview", *by_role, "thumbnail"):
        asset = assets.get(key, {})
        href = str(asset.get("href") or "")
        image = str(asset.get("type") or "").startswith(("image/png", "image/jpeg", "image/webp"))
        if image and urlsplit(href).scheme == "https":
            return None if is_signed(href) else href
    return None
