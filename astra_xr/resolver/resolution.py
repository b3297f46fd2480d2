"""The result of a resolver: the files of a scene's bands, as JSON, as an item, and as a table."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from astra_xr.catalogs import AnyCatalog
from astra_xr.catalogs.base import OTHERS
from astra_xr.conversion.recipe import COG_TYPE
from astra_xr.errors import InvalidItem, redact
from astra_xr.missions import Item
from astra_xr.model import Asset, Band, Radiometry
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.tables import Table

if TYPE_CHECKING:
    import pystac

_EXTENSIONS = (
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.2.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Resolution:
    """The files of a scene's bands, and how to read them.

    Its repr shows no signature; :meth:`to_dict` and :meth:`to_item` contain the signed URLs.
    """

    scene_id: str
    """The requested id."""

    format: str
    """``cog``, ``geotiff``, ``png`` or ``jpeg``."""

    assets: Mapping[str, Asset]
    """Requested name → asset, in the requested order."""

    item: Item
    """The catalog's item, as JSON; shared by the answers to one id: copy it to change it."""

    full_id: str
    """The scene's full id, ``mission:product``; the item's id if the mission is unknown."""

    mission: str | None = None
    """None if the mission is unknown."""

    catalog: str | None = None
    """Name of the catalog; None if the caller passed the item."""

    passed_over: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Name of each catalog that was skipped → the reason: down, slow, has no such scene, …"""

    provider: str = "unknown"
    """The provider of the source data."""

    resolved_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    looked_up_at: datetime | None = field(default=None, compare=False)
    """When the catalog returned the item, UTC; it is cached for an hour. None if the caller passed
    the item."""

    @property
    def other_processings(self) -> tuple[str, ...]:
        """Return other products of the same acquisition in the catalog.

        The id's own is resolved, else the newest one.
        """
        return tuple(self.item.get("properties", {}).get(OTHERS) or ())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of the asset-resolver API.

        ``assets`` is keyed by native band name. A public URL never expires; its ``expires_at`` is
        the hour that the API guarantees. A URL that needs a request header (Earthdata, Copernicus
        Data Space) is included without it: this JSON contains no token.
        """
        assets = self.assets.values()
        # In meters, whatever the units of the CRS.
        resolutions = [asset.band.gsd for asset in assets if asset.band.gsd] or [
            asset.grid.resolution for asset in assets if asset.grid
        ]
        codes = [a.grid.crs for a in self.assets.values() if a.grid]
        routings = {asset.routing for asset in self.assets.values()}
        return {
            "scene_id": self.scene_id,
            "format": self.format,
            "assets": {asset.name: self._wire(asset) for asset in self.assets.values()},
            "metadata": {
                "crs": codes[0] if codes else None,
                "resolution": _plain(min(resolutions)) if resolutions else None,
                "source_provider": self.provider,
                "routing": "converted" if "converted" in routings else "direct",
            },
        }

    def to_item(self) -> pystac.Item:
        """Return a STAC item of the resolved bands, for other tools such as odc-stac.

        Asset keys are native band names, hrefs are signed if the resolution is, and the raster
        extension has our scale and offset. The item and its assets show their hrefs without
        signatures; ``href``, ``to_dict()``, a pickle and the HTML of a ``pystac.ItemCollection``
        hold them.

        Raises
        ------
        InvalidItem
            pystac does not accept the catalog's item.
        """
        from astra_xr.resolver.signed_item import read_item

        item = read_item(self._item_document())
        if isinstance(item, str):
            raise InvalidItem(item=str(self.item["id"]), reason=item)
        return item

    def _item_document(self) -> dict[str, Any]:
        raw = copy.deepcopy(dict(self.item))
        raw["assets"] = {asset.name: self._item_asset(asset) for asset in self.assets.values()}
        codes = {asset.grid.crs for asset in self.assets.values() if asset.grid}
        if len(codes) == 1 and "[" not in next(iter(codes)):
            raw["properties"]["proj:code"] = next(iter(codes))
            raw["properties"].pop("proj:epsg", None)
        raw["properties"].pop("eo:bands", None)
        raw["stac_version"] = "1.0.0"
        present = {
            str(schema).rsplit("/", 3)[-3:][0] for schema in raw.get("stac_extensions") or ()
        }
        kept = [s for s in raw.get("stac_extensions") or () if str(s).startswith("https://")]
        raw["stac_extensions"] = kept + [
            schema for schema in _EXTENSIONS if schema.rsplit("/", 3)[-3] not in present
        ]
        raw["type"] = "Feature"
        return raw

    def __repr__(self) -> str:
        return str(replace(_table_of(self), title=f"<Resolution: {redact(self.full_id)}>"))

    def _repr_html_(self) -> str:
        return _table_of(self).html()

    def _item_asset(self, asset: Asset) -> dict[str, Any]:
        original = {k: v for k, v in self.item["assets"][asset.key].items() if k != "alternate"}
        ours = {k: v for k, v in self._wire(asset).items() if v is not None}
        if asset.alone:
            # One plane of several: the item has to describe the whole file.
            for name in ("eo:bands", "raster:bands"):
                ours.pop(name, None)
        return {**original, **ours}

    def _wire(self, asset: Asset) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "href": asset.signed.url if asset.signed else asset.href,
            "type": asset.media_type or COG_TYPE,
            "title": asset.title,
            "file:size": asset.size,
            "eo:bands": [_eo_band(band) for band in asset.planes or (asset.band,)],
            "expires_at": None,
            "gsd": asset.band.gsd,
            "routing": asset.routing,
            "source_href": asset.href,
        }
        if asset.signed:
            end = asset.signed.expires_at or self.resolved_at + timedelta(hours=1)
            wire["expires_at"] = f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if asset.grid:
            wire["proj:wkt2" if "[" in asset.grid.crs else "proj:code"] = asset.grid.crs
            wire["proj:shape"] = list(asset.grid.shape)
            wire["proj:transform"] = [_plain(value) for value in asset.grid.transform]
        if asset.stretch:
            wire["astra:stretch"] = [list(limits) for limits in asset.stretch]
            wire["astra:stretch_without"] = list(asset.stretch_without)
        if asset.radiometry:
            each = asset.by_plane or (asset.radiometry,) * max(1, len(asset.planes))
            wire["raster:bands"] = [_raster_band(radiometry) for radiometry in each]
        return wire


class Resolver(Protocol):
    """Resolves scenes, in this process or by a service."""

    def resolve(
        self,
        scene: Any,
        bands: str | Iterable[str] | None = None,
        format: str = "cog",
        *,
        catalog: AnyCatalog = None,
        sign: bool = True,
        radiometry: RadiometryMode | None = "auto",
    ) -> Resolution:
        """Return the files of the bands of a scene: its id, a pystac.Item or an item as a dict."""
        ...


def _eo_band(band: Band) -> dict[str, Any]:
    fields = {
        "name": band.native,
        "common_name": band.common,
        "center_wavelength": band.wavelength,
        "full_width_half_max": band.fwhm,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _raster_band(radiometry: Radiometry) -> dict[str, Any]:
    fields: dict[str, Any] = {"data_type": radiometry.dtype} if radiometry.dtype else {}
    if radiometry.nodata is not None:
        nodata = radiometry.nodata
        fields["nodata"] = _plain(nodata) if math.isfinite(nodata) else str(nodata)
    if not radiometry.as_is and radiometry.file_tags != "applied":
        fields |= {"scale": radiometry.scale, "offset": radiometry.offset}
    if radiometry.unit is not None:
        fields["unit"] = radiometry.unit
    return {**fields, "reason": radiometry.reason}


def _plain(value: float) -> float | int:
    """Return whole numbers as integers, as catalogs do."""
    return int(value) if float(value).is_integer() else float(value)


_COLUMNS = ("name", "band", "m", "pixels", "MB", "radiometry", "served", "signed until", "file")


def _table_of(answer: Resolution) -> Table:
    """Return a table with one row per asset."""
    where = f" at {answer.catalog}" if answer.catalog else ""
    count = len(answer.assets)
    codes = sorted({a.grid.crs for a in answer.assets.values() if a.grid and "[" not in a.grid.crs})
    notes = [f"Passed over {name}: {why}" for name, why in answer.passed_over.items()]
    if answer.other_processings:
        notes.append(f"Other processings: {', '.join(answer.other_processings)}")
    return Table(
        title=redact(answer.full_id),
        facts=(
            f"{count} file{'' if count == 1 else 's'} as {answer.format}{where}",
            f"from {answer.provider}" if answer.provider != "unknown" else "",
            ", ".join(codes),
        ),
        columns=_COLUMNS,
        rows=tuple(_row(name, asset) for name, asset in answer.assets.items()),
        notes=tuple(redact(note) for note in notes),
        numbers={"m", "MB"},
        words={"radiometry"},
    )


def _row(name: str, asset: Asset) -> tuple[str, ...]:
    band, grid = asset.band, asset.grid
    other = band.common if name == band.native else band.native
    size = f"{asset.size / 1e6:.1f}" if asset.size else ""
    return (
        name,
        other or "",
        f"{band.gsd:g}" if band.gsd else "",
        f"{grid.shape[0]} × {grid.shape[1]}" if grid else "",
        size,
        asset.radiometry.reason if asset.radiometry else "",
        asset.routing,
        _until(asset),
        redact(asset.href).rsplit("/", 1)[-1],
    )


def _until(asset: Asset) -> str:
    if asset.signed is None:
        return "not signed"
    end = asset.signed.expires_at
    return f"{end:%Y-%m-%d %H:%M} UTC" if end else "never expires"
