"""From a resolution to a Dataset: grids, lazy arrays, coordinates, attributes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.raster import RasterArray
from astra_xr.errors import (
    AstraError,
    InvalidItem,
    InvalidParameter,
    ReadError,
    UnknownBand,
    redact,
)
from astra_xr.missions import MISSIONS
from astra_xr.model import CLASS_ROLES, Asset, Band, ClassValue, Grid, Radiometry
from astra_xr.reading.decoding import fitting, in_force
from astra_xr.reading.resampling import RESAMPLINGS
from astra_xr.reading.warp import Warp, usual_resampling
from astra_xr.resolver.grids import check_gridded
from astra_xr.resolver.radiometry import as_they_are, joined, override
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.chunks import SIDE, chunked
from astra_xr.scenes.grid import (
    check_size,
    cut_of,
    geobox_of,
    grid_coords,
    grid_of,
    target_grid,
)
from astra_xr.scenes.header import asset_header
from astra_xr.scenes.options import OpenOptions, Resampling
from astra_xr.scenes.time_steps import scene_coords

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReadableAsset(Asset):
    """An asset of which all is known that reading takes."""

    grid: Grid = field()
    radiometry: Radiometry = field()
    indexes: tuple[int, ...] = field()
    geobox: GeoBox = field()
    """The grid, as odc-geo has it."""


def dataset_of(resolution: Resolution, options: OpenOptions) -> xr.Dataset:
    """Open the bands of a resolution on one grid, lazily; see :func:`astra_xr.open_scene`."""
    assets = described(resolution, options)
    boxes = {name: asset.geobox for name, asset in assets.items()}
    target = target_grid(boxes, options.grid, scene=resolution.full_id)
    if not options.allow_large:
        check_size(target, options.grid)
    variables = {
        name: band_variable(asset, name, resolution.full_id, target, options)
        for name, asset in assets.items()
    }
    for each in variables.values():
        each.attrs |= origin_of(resolution)
    others = plane_coords([assets]) | scene_coords(resolution)
    coords = grid_coords(target, {n: each for n, each in others.items() if n not in variables})
    dataset = xr.Dataset(variables, coords=coords, attrs=attrs_of(resolution))
    return dataset if options.chunks is None else chunked(dataset, options.chunks)


def plane_coords(scenes: Iterable[Mapping[str, Asset]]) -> dict[str, Any]:
    """Return the ``band`` coordinate of images of several planes; none where there are none.

    Raises
    ------
    InvalidParameter
        Files hold several sets of bands, which no one coordinate can name.
    """
    labels: dict[tuple[str, ...], str] = {}
    for assets in scenes:
        for name, asset in assets.items():
            if asset.planes:
                labels[tuple(plane.common or plane.native for plane in asset.planes)] = name
    if len(labels) > 1:
        expected = "files that hold the same bands, since they share one band dimension"
        raise InvalidParameter(name="bands", value=list(labels.values()), expected=expected)
    return {"band": ("band", list(next(iter(labels))))} if labels else {}


def described(resolution: Resolution, options: OpenOptions) -> dict[str, ReadableAsset]:
    """Return the assets of a resolution, each with grid and radiometry.

    Raises
    ------
    InvalidItem
        There is no grid and no file gives one, or PROJ does not know its CRS.
    ReadError, SigningError, UpstreamError
        A header that is asked cannot be read.
    """
    if not all(asset.grid for asset in resolution.assets.values()):
        check_gridded(resolution.item)
    return {
        name: _described(asset, name, resolution, options)
        for name, asset in resolution.assets.items()
    }


def _described(
    asset: Asset, name: str, resolution: Resolution, options: OpenOptions
) -> ReadableAsset:
    """Fill in from the file's header what the item leaves open; most items leave nothing."""
    known = vars(asset)
    scene = resolution.full_id
    try:
        typed = asset.radiometry and asset.radiometry.dtype
        if not (asset.grid and typed and asset.indexes):
            known = known | _by_header(asset, name, resolution, options)
        return ReadableAsset(**known | {"geobox": geobox_of(known["grid"], scene)})
    except (AstraError, MemoryError, Warning):
        raise
    except Exception as error:  # noqa: BLE001  (whatever odd headers make libraries raise)
        reason = f"{type(error).__name__}: {error}"
    hint = "Its header may be damaged: try another catalog."
    raise ReadError(source=f"{scene} {name}", href=asset.href, reason=reason, hint=hint)


def _by_header(
    asset: Asset, name: str, resolution: Resolution, options: OpenOptions
) -> dict[str, Any]:
    """Read the header of a file for what its item leaves open, by the fields of an asset."""
    scene = resolution.full_id
    label = f"{scene} {name}"
    facts = {"grid": asset.grid, "scale": asset.radiometry, "number of bands": asset.indexes}
    missing = ", ".join(name for name, value in facts.items() if value is None)
    _log.info("%s: the file is asked for what its item leaves out: %s", label, missing)
    header = asset_header(asset, label, resolution.item)
    indexes = asset.indexes or tuple(range(1, header.count + 1))
    if max(indexes) > header.count and not asset.alone:
        both = f"it says that {name!r} has {max(indexes)} bands, while its file has {header.count}"
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
    radiometry, by_plane = joined(_in_force(asset, band, tags, label, options))
    return {
        "grid": header.grid,
        "band": band,
        "radiometry": radiometry,
        "by_plane": by_plane,
        "indexes": indexes,
        "planes": planes,
    }


def _in_force(
    asset: Asset, band: Band, tags: Sequence[Radiometry], label: str, options: OpenOptions
) -> list[Radiometry | None]:
    """Return the radiometry of each plane of a file, by what is given and what its tags are."""
    asked = options.radiometry
    if asset.radiometry is None:
        return [
            as_they_are(band, own) or (own if asked == "file" else override(own, asked))
            for own in tags
        ]
    decided = asset.by_plane or (asset.radiometry,) * len(tags)
    each = [in_force(*pair, label) for pair in zip(decided, tags, strict=True)]
    each = [replace(r, dtype=own.dtype) for r, own in zip(each, tags, strict=True)]
    return [as_they_are(band, r) or r for r in each] if band != asset.band else list(each)


def band_variable(
    asset: ReadableAsset, name: str, scene: str, target: GeoBox, options: OpenOptions
) -> xr.Variable:
    """Return a band on a grid, lazily."""
    radiometry = asset.radiometry
    grid = grid_of(target, asset.grid)
    same = grid == asset.grid
    cut = None if same else cut_of(grid, asset.grid)
    resampling = _resampling(asset, name, options.resampling)
    warp = None if same or cut else _warp_to(grid, asset, resampling)
    array = RasterArray(
        source=asset.source,
        label=f"{scene} {name}",
        scene=scene,
        shape=asset.grid.shape,
        transform=asset.grid.transform,
        crs=asset.grid.crs,
        resampling=resampling,
        indexes=asset.indexes,
        count=None if asset.alone else len(asset.indexes),
        radiometry=radiometry,
        by_plane=asset.by_plane,
        decode=options.mask_and_scale,
        planes=bool(asset.planes),
        classes=_class_numbers(asset.band),
        warp=warp,
        allow_large=options.allow_large,
    )
    decoded = options.mask_and_scale and not radiometry.as_is
    attrs = _band_attrs(asset, radiometry) | _flags(asset.band.classes, radiometry)
    if warp:
        attrs["resampling"] = f"{warp.resampling}, from {warp.source.resolution:g}"
    encoding: dict[str, Any] = {
        "source": scene,
        "grid_mapping": "spatial_ref",
        "preferred_chunks": {"y": SIDE, "x": SIDE},
    }
    if decoded:
        # No scale and offset: rioxarray would tag values with them that are scaled already.
        encoding["_FillValue"] = np.nan
    else:
        attrs |= _packing(radiometry, by_plane=bool(asset.by_plane))
    dims = ("band", "y", "x") if asset.planes else ("y", "x")
    variable = xr.Variable(dims, wrap(array), attrs, encoding)
    return variable[(..., *cut)] if cut else variable


def _resampling(asset: Asset, name: str, resampling: Resampling) -> str | None:
    """Return how a band comes to another grid; None: as is usual for measured values.

    Raises
    ------
    InvalidParameter
        ``resampling`` names no way to resample.
    """
    asked = resampling if isinstance(resampling, str | None) else resampling.get(name)
    if asked is not None and asked not in RESAMPLINGS:
        expected = f"one of {', '.join(RESAMPLINGS)}"
        raise InvalidParameter(name="resampling", value=asked, expected=expected)
    return "nearest" if asset.band.role in CLASS_ROLES else asked


def _warp_to(target: Grid, asset: ReadableAsset, resampling: str | None) -> Warp:
    """Say how a band comes to another grid."""
    return Warp(
        source=asset.grid,
        target=target,
        resampling=resampling or usual_resampling(target, asset.grid),
    )


def _class_numbers(band: Band) -> tuple[int, ...]:
    """Return the numbers of a class map of no mission of ours, whose files are not known."""
    whole = all(each.mask is None for each in band.classes)
    return tuple(c.value for c in band.classes) if whole and band.dtype is None else ()


def _packing(radiometry: Radiometry, *, by_plane: bool) -> dict[str, Any]:
    """Return scale, offset and nodata as attributes of the CF conventions, which know one each."""
    fill = _fill_value(radiometry)
    packing: dict[str, Any] = {} if fill is None else {"_FillValue": fill}
    scaled = (radiometry.scale, radiometry.offset) != (1.0, 0.0)
    if scaled and not radiometry.as_is and not by_plane:
        packing |= {"scale_factor": radiometry.scale, "add_offset": radiometry.offset}
    return packing


def _fill_value(radiometry: Radiometry) -> np.generic | None:
    """Return nodata in the stored type; None where that type cannot hold it, as no pixel does."""
    dtype = np.dtype(radiometry.dtype)
    nodata = fitting(radiometry.nodata, dtype)
    if nodata is None:
        return None
    fill: np.generic = dtype.type(nodata)
    return fill


def _band_attrs(asset: Asset, radiometry: Radiometry) -> dict[str, Any]:
    band = asset.band
    scales = {
        "scale": [plane.scale for plane in asset.by_plane] or radiometry.scale,
        "offset": [plane.offset for plane in asset.by_plane] or radiometry.offset,
    }
    if radiometry.as_is or radiometry.file_tags == "applied":
        scales = {}
    attrs = {
        "long_name": band.title or band.native,
        "units": radiometry.unit,
        "native_name": band.native,
        "common_name": band.common,
        "role": band.role,
        "center_wavelength": band.wavelength,
        "full_width_half_max": band.fwhm,
        "gsd": band.gsd,
        **scales,
        "radiometry": radiometry.reason,
    }
    return {name: value for name, value in attrs.items() if value is not None}


def _flags(classes: tuple[ClassValue, ...], radiometry: Radiometry) -> dict[str, Any]:
    """Return class meanings as attributes of the CF conventions, in the type of the pixels."""
    dtype = np.dtype(radiometry.dtype)
    # No pixel has a class that the type cannot hold.
    classes = tuple(c for c in classes if fitting(c.value, dtype) is not None)
    if not classes:
        return {}
    flags: dict[str, Any] = {
        "flag_values": np.array([c.value for c in classes], dtype),
        "flag_meanings": " ".join(c.name for c in classes),
    }
    if all(c.mask is not None for c in classes):
        flags["flag_masks"] = np.array([c.mask for c in classes], dtype)
    if all(c.color for c in classes):
        flags["flag_colors"] = " ".join(str(c.color) for c in classes)
    return flags


def origin_of(resolution: Resolution) -> dict[str, str]:
    """Return where the pixels of a scene are from, as ``attrs`` of each band."""
    links, asked = resolution.item.get("links"), resolution.looked_up_at
    hrefs = [
        str(link.get("href"))
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, Mapping) and link.get("rel") == "self"
    ]
    # Without a query, which may hold a signature; paths of this machine say nothing elsewhere.
    urls = [redact(href) for href in hrefs if href.startswith(("https://", "http://", "s3://"))]
    return {
        "scene_id": resolution.full_id,
        **({"catalog": resolution.catalog} if resolution.catalog else {}),
        **({"item_url": urls[0]} if urls else {}),
        **({"resolved_at": f"{asked:%Y-%m-%dT%H:%M:%SZ}"} if asked else {}),
        "resolved_by": f"astra-xr {_version()}",
    }


@functools.cache
def _version() -> str:
    return version("astra-xr")


def attrs_of(resolution: Resolution) -> dict[str, Any]:
    """Return the ``attrs`` of a scene's Dataset."""
    properties = resolution.item.get("properties", {})
    attrs = {
        "scene_id": resolution.full_id,
        "mission": resolution.mission,
        "catalog": resolution.catalog,
        "provider": resolution.provider,
        "datetime": properties.get("datetime"),
        "platform": properties.get("platform"),
        "cloud_cover": properties.get("eo:cloud_cover"),
        "other_processings": ", ".join(resolution.other_processings) or None,
    }
    attrs |= _sensor_of(resolution)
    return {name: value for name, value in attrs.items() if value is not None}


def _sensor_of(resolution: Resolution) -> dict[str, str]:
    """Return the sensor and level, which say what bands there are, where the id does not."""
    mission = MISSIONS.get(resolution.mission or "")
    parts = mission.describe(resolution.item) if mission else {}
    return {name: parts[name] for name in ("sensor", "level") if name in parts and "item" in parts}
