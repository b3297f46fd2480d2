"""From a resolution to a Dataset: grids, lazy arrays, coordinates, attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.raster import RasterArray
from astra_xr.errors import InvalidParameter, redact
from astra_xr.missions import MISSIONS
from astra_xr.model import CLASS_ROLES, PROBABILITY_ROLE, Asset, Band, ClassValue, Radiometry
from astra_xr.reading.decoding import fitting
from astra_xr.reading.warp import Warp, usual_resampling
from astra_xr.reading.window import Window
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.chunks import SIDE, chunked
from astra_xr.scenes.grid import as_grid, check_size, cut_of, grid_coords, target_grid
from astra_xr.scenes.options import OpenOptions
from astra_xr.scenes.readable_asset import ReadableAsset, readable_assets
from astra_xr.scenes.stack_grid import outside, part_of
from astra_xr.scenes.time_steps import scene_coords
from astra_xr.version import __version__


def dataset_of(resolution: Resolution, options: OpenOptions) -> xr.Dataset:
    """Open the bands of a resolution on one grid, lazily; see :func:`astra_xr.open_scene`."""
    assets = readable_assets(resolution, options)
    boxes = {name: asset.geobox for name, asset in assets.items()}
    target = target_grid(boxes, options.grid, scene=resolution.full_id)
    check_size(target, options)
    given = options.grid.geobox is not None or options.grid.like is not None
    if given and part_of(target, boxes.values()) is None:
        raise outside(options.grid, f"the scene {resolution.full_id}")
    variables = {
        name: band_variable(asset, name, resolution.full_id, target, options)
        for name, asset in assets.items()
    }
    origin = origin_of(resolution)
    for each in variables.values():
        each.attrs |= origin
    coords = plane_coords([assets]) | scene_coords(resolution)
    return on_grid(target, variables, coords, attrs_of(resolution), options)


def on_grid(
    target: GeoBox,
    variables: Mapping[str, xr.Variable],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
    options: OpenOptions,
) -> xr.Dataset:
    """Return bands on a grid as a Dataset; a band takes precedence over a coordinate's name.

    Raises
    ------
    InvalidParameter
        A band has the name of a dimension or of the CRS.
    """
    dims = {dim for each in variables.values() for dim in each.dims}
    clash = sorted(variables.keys() & {*dims, "spatial_ref"})
    if clash:
        reason = "a Dataset has a coordinate of that name"
        expected = f"other bands, or their planes by number, e.g. '{clash[0]}.1'"
        raise InvalidParameter(name="bands", value=clash, expected=expected, reason=reason)
    others = {name: each for name, each in coords.items() if name not in variables}
    dataset = xr.Dataset(variables, coords=grid_coords(target, others), attrs=attrs)
    return chunked(dataset, options.chunks)


def plane_coords(scenes: Iterable[Mapping[str, Asset]]) -> dict[str, Any]:
    """Return the ``band`` coordinate of images of several planes; empty if there are none."""
    labels: dict[tuple[str, ...], str] = {}
    for assets in scenes:
        for name, asset in assets.items():
            if asset.planes:
                labels[tuple(plane.common or plane.native for plane in asset.planes)] = name
    if len(labels) > 1:
        reason = "a Dataset has one band dimension, and the bands of these files differ"
        expected = "one of the files, or files with the same bands"
        raise InvalidParameter(
            name="bands", value=list(labels.values()), expected=expected, reason=reason
        )
    return {"band": ("band", list(next(iter(labels))))} if labels else {}


def band_variable(
    asset: ReadableAsset, name: str, scene: str, target: GeoBox, options: OpenOptions
) -> xr.Variable:
    """Return a band on a grid, lazily."""
    radiometry = asset.radiometry
    grid = as_grid(target, asset.grid)
    same = grid == asset.grid
    cut = None if same else cut_of(grid, asset.grid)
    method = options.resampling
    if isinstance(method, Mapping):
        method = method.get(name)
    resampling = "nearest" if asset.band.role in CLASS_ROLES else method
    warp = None
    if not (same or cut):
        usual = usual_resampling(grid, asset.grid)
        warp = Warp(source=asset.grid, target=grid, resampling=resampling or usual)
    array = RasterArray(
        _whole_file(asset, f"{scene} {name}"),
        decode=options.mask_and_scale,
        planes=bool(asset.planes),
        warp=warp,
        resampling=resampling,
        scene=scene,
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
        # Without scale and offset, with which rioxarray would tag values that are scaled already.
        encoding["_FillValue"] = np.nan
    else:
        attrs |= _packing(radiometry, by_plane=bool(asset.by_plane))
    dims = ("band", "y", "x") if asset.planes else ("y", "x")
    variable = xr.Variable(dims, wrap(array), attrs, encoding)
    return variable[(..., *cut)] if cut else variable


def _whole_file(asset: ReadableAsset, label: str) -> Window:
    """Return the window of a whole file, as its item describes it."""
    rows, cols = asset.grid.shape
    return Window(
        source=asset.source,
        label=label,
        shape=asset.grid.shape,
        transform=asset.grid.transform,
        crs=asset.grid.crs,
        indexes=asset.indexes,
        rows=(0, rows),
        cols=(0, cols),
        count=None if asset.alone else len(asset.indexes),
        names=_names(asset),
        radiometry=asset.radiometry,
        by_plane=asset.by_plane,
        classes=_class_numbers(asset.band),
        only_nodata=asset.band.nodata if asset.band.role == PROBABILITY_ROLE else None,
    )


def _names(asset: ReadableAsset) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return the names of the bands of a file that has several, by their planes.

    Names that the item gives to several of them do not tell which plane is which. A band that is
    opened alone may be called ``image.red``.
    """
    bands = (asset.band,) if asset.alone else asset.planes
    return tuple(
        (n, tuple(name for name in band.names if name.rpartition(".")[2] not in band.shared))
        for n, band in zip(asset.indexes, bands, strict=False)
    )


def _class_numbers(band: Band) -> tuple[int, ...]:
    """Return the class numbers of a band that no mission's table describes; empty for bits."""
    whole = all(each.mask is None for each in band.classes)
    return tuple(c.value for c in band.classes) if whole and band.dtype is None else ()


def _packing(radiometry: Radiometry, *, by_plane: bool) -> dict[str, Any]:
    """Return scale, offset and nodata as attributes of the CF conventions, which have one each."""
    dtype = np.dtype(radiometry.dtype)
    nodata = fitting(radiometry.nodata, dtype)
    packing: dict[str, Any] = {} if nodata is None else {"_FillValue": dtype.type(nodata)}
    scaled = (radiometry.scale, radiometry.offset) != (1.0, 0.0)
    if scaled and not radiometry.as_is and not by_plane:
        packing |= {"scale_factor": radiometry.scale, "add_offset": radiometry.offset}
    return packing


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
    links, time = resolution.item.get("links"), resolution.looked_up_at
    hrefs = [
        str(link.get("href"))
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, Mapping) and link.get("rel") == "self"
    ]
    # Without the query, which may hold a signature; paths of this machine mean nothing elsewhere.
    urls = [redact(href) for href in hrefs if href.startswith(("https://", "http://", "s3://"))]
    return {
        "scene_id": resolution.full_id,
        **({"catalog": resolution.catalog} if resolution.catalog else {}),
        **({"item_url": urls[0]} if urls else {}),
        **({"resolved_at": f"{time:%Y-%m-%dT%H:%M:%SZ}"} if time else {}),
        "resolved_by": f"astra-xr {__version__}",
    }


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
    """Return sensor and level, which determine the bands, if they are not in the id."""
    mission = MISSIONS.get(resolution.mission or "")
    parts = mission.describe(resolution.item) if mission else {}
    return {name: parts[name] for name in ("sensor", "level") if name in parts and "item" in parts}
