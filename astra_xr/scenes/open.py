"""Open a scene as a lazy, georeferenced Dataset."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.errors import InvalidParameter, MixedResolutions, UnknownBand
from astra_xr.missions import Item
from astra_xr.model import Asset, ClassValue, Radiometry
from astra_xr.reading.array import RasterArray, cached
from astra_xr.resolver.grids import check_gridded
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import one_radiometry, override
from astra_xr.resolver.resolution import Resolution, Resolver
from astra_xr.scenes.coords import grid_coords
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)

Chunks = Mapping[str, Any] | int | str | None


@functools.cache
def _embedded(settings: Settings) -> LocalResolver:
    return LocalResolver(settings)


def default_resolver() -> Resolver:
    """Return the embedded resolver for the environment's present settings."""
    return _embedded(Settings.from_env())


def resolve(
    scene: str | Item | Any,
    bands: str | Iterable[str] | None = None,
    format: str = "cog",
    *,
    catalog: str | None = None,
    sign: bool = True,
    radiometry: str | None = None,
) -> Resolution:
    """Find the files of a scene's bands, and sign their URLs.

    Parameters
    ----------
    scene : str, pystac.Item or dict
        A scene id such as ``"sentinel-2:S2B_MSIL2A_20250115T184929"`` (see
        :func:`open_scene`), or a STAC item; with an item no catalogue is asked.
    bands : str or iterable of str, optional
        As in :func:`open_scene`, as a list or comma-separated.
    format : str
        ``cog``. (``geotiff``, ``png`` and ``jpeg`` need a conversion that is still to come.)
    catalog : str, optional
        The one catalogue to ask: ``earth-search``, ``planetary-computer`` or ``sample``. When
        left out, the mission's catalogues are asked in turn.
    sign : bool
        False: no URL of the answer is signed; they are as the item has them.
    radiometry : {None, "file", "none"}
        As in :func:`open_scene`.

    Returns
    -------
    Resolution
        Its ``to_dict()`` is the JSON of the asset-resolver API, its ``to_item()`` a
        ``pystac.Item``.

    Raises
    ------
    InvalidSceneId, SceneNotFound, AmbiguousSceneId, UnknownBand, AmbiguousBand, InvalidFormat
        What was asked for cannot be had; the message says what can.
    UpstreamError, SigningError
        A service is down or refuses.

    Examples
    --------
    >>> import astra_xr
    >>> answer = astra_xr.resolve(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", "red,nir", catalog="sample"
    ... )
    >>> list(answer.to_dict()["assets"])
    ['B04', 'B08']
    """
    return default_resolver().resolve(
        scene, bands, format, catalog=catalog, sign=sign, radiometry=radiometry
    )


def open_scene(
    scene_id: str,
    bands: str | Iterable[str] | None = None,
    *,
    catalog: str | None = None,
    resolver: Resolver | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: str | None = None,
) -> xr.Dataset:
    """Open a satellite scene by its id, lazily.

    Opening asks the catalogue once and reads no pixel; pixels are read, through a URL signed at
    that moment, when values are asked for.

    Parameters
    ----------
    scene_id : str
        ``mission:name``, where the name is an ESA or USGS product id, the beginning of one, or
        an id of Earth Search or the Planetary Computer; the mission may be left out.
    bands : str or iterable of str, optional
        Native or common band names, mixed; each becomes a variable of that name. A role
        (``"reflectance"``, ``"thermal"``, ``"mask"``, …) stands for all bands of it, ``"all"``
        for all bands, as when left out. They must share one resolution.
    catalog : str, optional
        The one catalogue to ask: ``earth-search``, ``planetary-computer``, or ``sample`` for
        the built-in synthetic scene. When left out, the mission's catalogues in turn.
    resolver : Resolver, optional
        Who finds the files; the embedded resolver when left out.
    chunks : dict, int, "auto" or None
        None: lazy without dask. Else the chunks of dask arrays, as in
        :meth:`xarray.Dataset.chunk`; needs the ``dask`` extra.
    mask_and_scale : bool
        True: float32 values (reflectance 0..1, kelvin, …) with NaN where there is no data;
        class and mask bands stay integers. False: the file's own numbers, with
        ``scale_factor``, ``add_offset`` and ``_FillValue`` in ``attrs``.
    radiometry : {None, "file", "none"}
        Which scale and offset hold. None: those that give the right values, as each variable's
        ``attrs["radiometry"]`` says. ``"file"``: those of the file's own tags. ``"none"``:
        none, so that stored numbers come as floats, with NaN where there is no data.

    Returns
    -------
    xarray.Dataset
        A (y, x) variable a band, or (band, y, x) for a picture; coordinates are pixel centres
        in the CRS of the file, described by ``spatial_ref``. Each variable's ``attrs`` name its
        band, wavelength (µm), gsd (m), scale, offset and why they are so (``radiometry``).

    Raises
    ------
    InvalidSceneId, SceneNotFound, AmbiguousSceneId, UnknownBand, AmbiguousBand
        What was asked for cannot be had; the message says what can.
    MixedResolutions
        The bands have several resolutions.
    UpstreamError
        The catalogue is down or refuses. Reading values may raise it too, or ``ReadError``.

    Examples
    --------
    >>> import astra_xr
    >>> ds = astra_xr.open_scene(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
    ... )
    >>> dict(ds.sizes), str(ds.red.dtype), str(ds.rio.crs)
    ({'y': 2048, 'x': 2048}, 'float32', 'EPSG:32610')
    """
    resolver = resolver or default_resolver()
    resolution = resolver.resolve(
        scene_id, bands, catalog=catalog, sign=False, radiometry=radiometry
    )
    return _dataset(resolution, chunks=chunks, decode=mask_and_scale, radiometry=radiometry)


def open_item(
    item: Item | Any,
    bands: str | Iterable[str] | None = None,
    *,
    catalog: str | None = None,
    resolver: Resolver | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: str | None = None,
) -> xr.Dataset:
    """Open a STAC item that is at hand, lazily; no catalogue is asked.

    Parameters
    ----------
    item : pystac.Item or dict
        Of any catalogue and mission. Where the mission is not one of ours, bands are named by
        asset key or by the item's own band names, and scale and offset are what its raster
        extension or the file's tags say.
    catalog : str, optional
        Whose item it is (it decides how URLs are signed); found out from its links when left
        out.
    bands, resolver, chunks, mask_and_scale, radiometry
        As in :func:`open_scene`.

    Returns
    -------
    xarray.Dataset
        As of :func:`open_scene`.

    Raises
    ------
    InvalidItem
        It has not the outline of an item.
    UnknownBand, AmbiguousBand, MixedResolutions, ReadError
        As in :func:`open_scene`.

    Examples
    --------
    >>> import astra_xr
    >>> item = astra_xr.resolve(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", "red", catalog="sample"
    ... ).to_item()
    >>> list(astra_xr.open_item(item, bands=["B04"]))
    ['B04']
    """
    if isinstance(item, str):
        expected = "a pystac.Item or a dict; open_scene takes ids"
        raise InvalidParameter(name="item", value=item, expected=expected)
    resolver = resolver or default_resolver()
    resolution = resolver.resolve(item, bands, catalog=catalog, sign=False, radiometry=radiometry)
    return _dataset(resolution, chunks=chunks, decode=mask_and_scale, radiometry=radiometry)


def _dataset(
    resolution: Resolution, *, chunks: Chunks, decode: bool, radiometry: str | None
) -> xr.Dataset:
    if not all(asset.grid for asset in resolution.assets.values()):
        check_gridded(resolution.item)
    assets = {
        name: _described(asset, f"{resolution.full_id} {name}", decode, radiometry)
        for name, asset in resolution.assets.items()
    }
    grids = {name: asset.grid for name, asset in assets.items() if asset.grid}
    first = next(iter(grids.values()))
    if any(grid != first for grid in grids.values()):
        resolutions = {name: grid.resolution for name, grid in grids.items()}
        raise MixedResolutions(scene=resolution.full_id, bands=resolutions)
    coords = grid_coords(first, resolution.full_id)
    variables = {
        name: _variable(asset, f"{resolution.full_id} {name}", resolution.full_id, decode)
        for name, asset in assets.items()
    }
    labels = {
        name: tuple(plane.common or plane.native for plane in asset.planes)
        for name, asset in assets.items()
        if asset.planes
    }
    if len(set(labels.values())) > 1:
        expected = "files that hold the same bands, since they share one band dimension"
        raise InvalidParameter(name="bands", value=list(labels), expected=expected)
    for planes in labels.values():
        coords["band"] = ("band", list(planes))
    dataset = xr.Dataset(variables, coords=coords, attrs=_attrs(resolution))
    return dataset if chunks is None else _chunked(dataset, chunks)


def _described(asset: Asset, label: str, decode: bool, wish: str | None) -> Asset:
    """Fill in from the file's header what the item leaves open; most items leave nothing."""
    if asset.grid and asset.radiometry and asset.indexes:
        return asset
    from astra_xr.reading.raster import read_header

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


def _variable(asset: Asset, label: str, scene: str, decode: bool) -> xr.Variable:
    assert asset.grid is not None
    assert asset.radiometry is not None
    assert asset.indexes is not None
    radiometry = asset.radiometry
    array = RasterArray(
        source=asset.source,
        label=label,
        shape=asset.grid.shape,
        indexes=asset.indexes,
        radiometry=radiometry,
        decode=decode,
        planes=bool(asset.planes),
    )
    decoded = decode and not radiometry.as_is
    attrs = _band_attrs(asset, radiometry) | _flags(asset.band.classes, radiometry)
    encoding: dict[str, Any] = {"source": scene, "grid_mapping": "spatial_ref"}
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
    return xr.Variable(dims, cached(array), attrs, encoding)


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


def _attrs(resolution: Resolution) -> dict[str, Any]:
    properties = resolution.item.get("properties", {})
    told = {
        "scene_id": resolution.full_id,
        "mission": resolution.mission,
        "catalog": resolution.catalog,
        "provider": resolution.provider,
        "datetime": properties.get("datetime"),
        "platform": properties.get("platform"),
        "cloud_cover": properties.get("eo:cloud_cover"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _chunked(dataset: xr.Dataset, chunks: Chunks) -> xr.Dataset:
    from astra_xr.extras import require

    require("dask", extra="dask", purpose="chunks=")
    try:
        return dataset.chunk(chunks)
    except (ValueError, TypeError) as error:
        reason = str(error)
    raise InvalidParameter(
        name="chunks",
        value=chunks,
        expected=f"None, 'auto', an int or {{'y': …, 'x': …}} ({reason})",
    )
