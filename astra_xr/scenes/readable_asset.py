"""Assets with grid and radiometry: from the item, and from the file's header what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from odc.geo.geobox import GeoBox

from astra_xr.errors import AstraError, InvalidItem, ReadError, UnknownBand
from astra_xr.missions import Item
from astra_xr.model import PROBABILITY_ROLE, Asset, Band, Grid, Radiometry
from astra_xr.reading.decoding import effective_radiometry
from astra_xr.reading.item_check import differing, warn_of_position
from astra_xr.resolver.grids import check_gridded, grid_problem, item_crs
from astra_xr.resolver.radiometry import RadiometryMode, as_they_are, joined, override
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.grid import geobox_of
from astra_xr.scenes.options import OpenOptions

if TYPE_CHECKING:
    from astra_xr.reading.gdal import Header

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReadableAsset(Asset):
    """An asset with everything that reading needs."""

    grid: Grid = field()
    radiometry: Radiometry = field()
    indexes: tuple[int, ...] = field()
    geobox: GeoBox = field()
    """The grid, as odc-geo has it."""


def readable_assets(resolution: Resolution, options: OpenOptions) -> dict[str, ReadableAsset]:
    """Return the assets of a resolution, each with grid and radiometry.

    Raises
    ------
    InvalidItem
        Neither item nor file has a grid, or PROJ does not know its CRS.
    ReadError, SigningError, UpstreamError
        A header that is needed cannot be read.
    """
    if not all(asset.grid for asset in resolution.assets.values()):
        check_gridded(resolution.item)
    return {
        name: _readable(asset, name, resolution, options.radiometry)
        for name, asset in resolution.assets.items()
    }


def _readable(
    asset: Asset, name: str, resolution: Resolution, mode: RadiometryMode
) -> ReadableAsset:
    fields = vars(asset)
    scene = resolution.full_id
    try:
        typed = asset.radiometry and asset.radiometry.dtype
        if not (asset.grid and typed and asset.indexes):
            fields = fields | _by_header(asset, name, resolution, mode)
        return ReadableAsset(**fields | {"geobox": geobox_of(fields["grid"], scene)})
    except (AstraError, MemoryError, Warning):
        raise
    except Exception as error:  # noqa: BLE001  (anything that libraries raise for odd headers)
        reason = f"{type(error).__name__}: {error}"
    hint = "Its header may be damaged: try another catalog."
    raise ReadError(source=f"{scene} {name}", href=asset.href, reason=reason, hint=hint)


def _by_header(
    asset: Asset, name: str, resolution: Resolution, mode: RadiometryMode
) -> dict[str, Any]:
    """Return the fields of an asset that its item lacks, from the header of its file."""
    scene = resolution.full_id
    label = f"{scene} {name}"
    facts = {"grid": asset.grid, "scale": asset.radiometry, "number of bands": asset.indexes}
    missing = ", ".join(name for name, value in facts.items() if value is None)
    _log.info("%s: reading the file's header for what its item lacks: %s", label, missing)
    header = _header(asset, label, resolution.item)
    indexes = asset.indexes or tuple(range(1, header.count + 1))
    if max(indexes) > header.count and not asset.alone:
        both = f"{name!r} has {max(indexes)} bands here, while its file has {header.count}"
        reason = f"{both}; open them one by one, e.g. '{asset.key}.1'"
        raise InvalidItem(item=scene, reason=reason)
    if max(indexes) > header.count:
        names = [f"{asset.key}.{n + 1}" for n in range(header.count)]
        available = dict.fromkeys(names if header.count > 1 else [asset.key])
        raise UnknownBand(band=name, scene=scene, available=available)
    planes, band = asset.planes, asset.band
    if len(indexes) > 1 and len(planes) != len(indexes):
        planes = tuple(replace(band, native=str(n), common=None) for n in indexes)
    if header.palette and band.role == "data":
        band = replace(band, role="class")
    tags = [header.radiometries[index - 1] for index in indexes]
    radiometry, by_plane = joined(_with_tags(asset, band, tags, label, mode))
    return {
        "grid": header.grid,
        "band": band,
        "radiometry": radiometry,
        "by_plane": by_plane,
        "indexes": indexes,
        "planes": planes,
    }


def _header(asset: Asset, label: str, item: Item) -> Header:
    """Read the header of a file, and compare its position with the item's."""
    from astra_xr.reading.gdal import read_header

    raw = item.get("assets", {}).get(asset.key, {})
    try:
        header = read_header(asset.source, label, described=asset.grid, crs=item_crs(item, raw))
    except ReadError as error:
        problem = "" if asset.grid else grid_problem(item, raw)
        if not problem:
            raise
        unread = error
    else:
        expected = asset.grid or header.grid
        elsewhere = differing(header.grid, expected)
        if elsewhere:
            warn_of_position(elsewhere, expected, label, "The file's own grid is used")
        return replace(header, grid=elsewhere or expected)
    raise ReadError(
        source=label,
        href=unread.href,
        reason=f"{unread.reason}. Its item does not describe its position: {problem}",
        hint="Try another catalog, or correct proj:transform and proj:shape in the item.",
    )


def _with_tags(
    asset: Asset, band: Band, tags: Sequence[Radiometry], label: str, mode: RadiometryMode
) -> list[Radiometry | None]:
    """Return the radiometry of each plane of a file, from its item and its tags."""
    if band.role == PROBABILITY_ROLE:
        tags = [replace(own, nodata=band.nodata) for own in tags]
    if asset.radiometry is None:
        return [
            as_they_are(band, own) or (own if mode == "file" else override(own, mode))
            for own in tags
        ]
    decided = asset.by_plane or (asset.radiometry,) * len(tags)
    each = [effective_radiometry(*pair, label) for pair in zip(decided, tags, strict=True)]
    each = [replace(r, dtype=own.dtype) for r, own in zip(each, tags, strict=True)]
    return [as_they_are(band, r) or r for r in each] if band != asset.band else list(each)
