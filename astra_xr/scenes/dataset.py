"""From a resolution to a Dataset: grids, lazy arrays, coordinates, attributes, chunks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.raster import RasterArray
from astra_xr.errors import InvalidParameter, UnknownBand
from astra_xr.model import Asset, ClassValue, Grid, Radiometry
from astra_xr.resolver.grids import check_gridded
from astra_xr.resolver.radiometry import one_radiometry, override
from astra_xr.resolver.resolution import Resolution
from astra_xr.scenes.coords import grid_coords
from astra_xr.scenes.grid import Place, check_size, target_grid
from astra_xr.scenes.grids import Resampling, Size, cut_of, warp_to

_log = logging.getLogger(__name__)

Chunks = Mapping[str, Any] | int | str | None

_CHUNK = 2048
"""Rows and columns of the smallest chunk: whole tiles of 256, 512, 1024 or 2048."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is wanted of a scene, as it was written; see :func:`astra_xr.open_scene`."""

    bands: str | Iterable[str] | None = None
    """Names or roles of bands; None: all."""

    catalog: str | None = None
    """The one to ask; None: the mission's in turn."""

    size: Size = None
    """Of pixels, in units of the CRS; None: that of the bands, the finest where they differ."""

    resampling: Resampling = None
    """How, for all bands or by name; None: by what the band is and which size it gets."""

    place: Place = field(default_factory=Place)
    """Which part of the earth, in which CRS."""

    chunks: Chunks = None
    """Of dask arrays; None: lazy without dask."""

    decode: bool = True
    """True: values in their unit, nodata as NaN; False: stored numbers."""

    radiometry: str | None = None
    """None: the right scale and offset; ``"file"``: those of the tags; ``"none"``: none."""

    allow_large: bool = False
    """True: neither grids nor reads are refused for their size."""


def dataset_of(resolution: Resolution, wish: Wish) -> xr.Dataset:
    """Put the bands of a resolution on one grid, lazily; see :func:`astra_xr.open_scene`."""
    assets = described(resolution, decode=wish.decode, radiometry=wish.radiometry)
    grids = {name: asset.grid for name, asset in assets.items() if asset.grid}
    target = target_grid(grids, wish.size, wish.place, scene=resolution.full_id)
    if not wish.allow_large:
        check_size(target, wish.size, wish.place)
    variables = {
        name: band_variable(asset, name, resolution.full_id, target, wish)
        for name, asset in assets.items()
    }
    coords = grid_coords(target, resolution.full_id) | plane_coords([assets])
    dataset = xr.Dataset(variables, coords=coords, attrs=attrs_of(resolution))
    return dataset if wish.chunks is None else chunked(dataset, wish.chunks)


def plane_coords(scenes: Iterable[Mapping[str, Asset]]) -> dict[str, Any]:
    """Return the ``band`` coordinate of pictures; none where there are no pictures.

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


def described(resolution: Resolution, *, decode: bool, radiometry: str | None) -> dict[str, Asset]:
    """Return the assets of a resolution, each with grid and radiometry.

    Raises
    ------
    InvalidItem
        There is no grid, and no file can tell it.
    ReadError, SigningError, UpstreamError
        A header that is asked cannot be read.
    """
    if not all(asset.grid for asset in resolution.assets.values()):
        check_gridded(resolution.item)
    return {
        name: _described(asset, f"{resolution.full_id} {name}", decode, radiometry)
        for name, asset in resolution.assets.items()
    }


def _described(asset: Asset, label: str, decode: bool, wish: str | None) -> Asset:
    """Fill in from the file's header what the item leaves open; most items leave nothing."""
    if asset.grid and asset.radiometry and asset.indexes:
        return asset
    from astra_xr.reading.gdal import read_header

    told = {"grid": asset.grid, "scale": asset.radiometry, "number of bands": asset.indexes}
    missing = ", ".join(name for name, value in told.items() if value is None)
    _log.info("%s: the file is asked for what its item leaves out: %s", label, missing)
    header = read_header(asset.source, label)
    indexes = asset.indexes or tuple(range(1, header.count + 1))
    if max(indexes) > header.count:
        raise UnknownBand(
            band=label, scene=asset.href, available={str(n + 1): None for n in range(header.count)}
        )
    planes = asset.planes
    if len(indexes) > 1 and len(planes) != len(indexes):
        planes = tuple(replace(asset.band, native=str(n), common=None) for n in indexes)
    radiometry = asset.radiometry
    if radiometry is None:
        tags = [header.radiometries[index - 1] for index in indexes]
        # Stored numbers are asked for as they are: their scales may differ then.
        own = one_radiometry(tags, label) if decode else tags[0]
        radiometry = own if wish == "file" else override(own, wish)
    return replace(
        asset,
        grid=asset.grid or header.grid,
        radiometry=radiometry,
        indexes=indexes,
        planes=planes,
    )


def band_variable(asset: Asset, name: str, scene: str, target: Grid, wish: Wish) -> xr.Variable:
    """Bring a band to a grid, lazily."""
    assert asset.grid is not None
    assert asset.radiometry is not None
    assert asset.indexes is not None
    radiometry = asset.radiometry
    cut = cut_of(target, asset.grid)
    warp = None if cut else warp_to(target, asset, name, wish.resampling)
    array = RasterArray(
        source=asset.source,
        label=f"{scene} {name}",
        shape=asset.grid.shape,
        indexes=asset.indexes,
        radiometry=radiometry,
        decode=wish.decode,
        planes=bool(asset.planes),
        warp=warp,
        allow_large=wish.allow_large,
    )
    decoded = wish.decode and not radiometry.as_is
    attrs = _band_attrs(asset, radiometry) | _flags(asset.band.classes, radiometry)
    if warp:
        attrs["resampling"] = f"{warp.resampling}, from {warp.source.resolution:g}"
    encoding: dict[str, Any] = {
        "source": scene,
        "grid_mapping": "spatial_ref",
        "preferred_chunks": {"y": _CHUNK, "x": _CHUNK},
    }
    packing: dict[str, Any] = {}
    fill = _fill_value(radiometry)
    if fill is not None:
        packing["_FillValue"] = fill
    if not radiometry.as_is and (radiometry.scale, radiometry.offset) != (1.0, 0.0):
        packing |= {"scale_factor": radiometry.scale, "add_offset": radiometry.offset}
    if decoded:
        # Written to netCDF or Zarr, values go back to the numbers they were made of.
        encoding |= packing | ({"dtype": np.dtype(radiometry.dtype)} if packing else {})
    else:
        attrs |= packing
    dims = ("band", "y", "x") if asset.planes else ("y", "x")
    variable = xr.Variable(dims, wrap(array), attrs, encoding)
    return variable[(..., *cut)] if cut else variable


def _fill_value(radiometry: Radiometry) -> np.generic | None:
    """Return nodata in the stored type; None where that type cannot hold it, as no pixel does."""
    dtype = np.dtype(radiometry.dtype)
    if radiometry.nodata is None:
        return None
    if dtype.kind in "iu" and radiometry.nodata not in range(
        np.iinfo(dtype).min, np.iinfo(dtype).max + 1
    ):
        return None
    fill: np.generic = dtype.type(radiometry.nodata)
    return fill


def _band_attrs(asset: Asset, radiometry: Radiometry) -> dict[str, Any]:
    band = asset.band
    told = {
        "long_name": band.title or band.native,
        "units": radiometry.unit,
        "native_name": band.native,
        "common_name": band.common,
        "role": band.role,
        "center_wavelength": band.wavelength,
        "full_width_half_max": band.fwhm,
        "gsd": band.gsd,
        "scale": None if radiometry.as_is else radiometry.scale,
        "offset": None if radiometry.as_is else radiometry.offset,
        "radiometry": radiometry.reason,
    }
    return {name: value for name, value in told.items() if value is not None}


def _flags(classes: tuple[ClassValue, ...], radiometry: Radiometry) -> dict[str, Any]:
    """Write class meanings as the CF conventions do."""
    if not classes:
        return {}
    dtype = np.dtype(radiometry.dtype)
    flags: dict[str, Any] = {
        "flag_values": np.array([c.value for c in classes], dtype),
        "flag_meanings": " ".join(c.name for c in classes),
    }
    if any(c.mask is not None for c in classes):
        flags["flag_masks"] = np.array([c.mask for c in classes], dtype)
    if all(c.color for c in classes):
        flags["flag_colors"] = " ".join(str(c.color) for c in classes)
    return flags


def attrs_of(resolution: Resolution) -> dict[str, Any]:
    """Say which scene it is, as the ``attrs`` of a Dataset do."""
    properties = resolution.item.get("properties", {})
    told = {
        "scene_id": resolution.full_id,
        "mission": resolution.mission,
        "catalog": resolution.catalog,
        "provider": resolution.provider,
        "datetime": properties.get("datetime"),
        "platform": properties.get("platform"),
        "cloud_cover": properties.get("eo:cloud_cover"),
        "other_processings": ", ".join(resolution.other_processings) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def chunked(dataset: xr.Dataset, chunks: Chunks) -> xr.Dataset:
    """Make the arrays of a Dataset those of dask; see :func:`astra_xr.open_scene`."""
    from astra_xr.extras import require

    require("dask", extra="dask", purpose="chunks=")
    # Scenes of a stack lie in files of their own.
    alone = {"time": 1} if "time" in dataset.dims else {}
    try:
        if chunks == "auto":
            return dataset.chunk(alone | _auto_chunks(dataset))
        if chunks == {} or (alone and isinstance(chunks, int)):
            side = chunks if isinstance(chunks, int) else _CHUNK
            return dataset.chunk(alone | {"y": side, "x": side})
        return dataset.chunk({**alone, **chunks} if isinstance(chunks, Mapping) else chunks)
    except (ValueError, TypeError) as error:
        reason = str(error)
    raise InvalidParameter(
        name="chunks",
        value=chunks,
        expected=f"None, 'auto', an int or {{'y': …, 'x': …}} ({reason})",
    )


def _auto_chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Make chunks as large as dask's settings allow, of whole tiles, the same for each band."""
    from dask import config
    from dask.utils import parse_bytes

    itemsize = max(variable.dtype.itemsize for variable in dataset.variables.values())
    limit = parse_bytes(config.get("array.chunk-size")) / itemsize
    side = max(1, int(limit**0.5) // _CHUNK) * _CHUNK
    return {"y": side, "x": side}
