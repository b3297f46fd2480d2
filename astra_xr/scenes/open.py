"""Open a scene as a lazy, georeferenced Dataset."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import xarray as xr

from astra_xr.catalogs import AnyCatalog, catalog_name, holds_any
from astra_xr.errors import InvalidParameter
from astra_xr.missions import Item
from astra_xr.resolver.ids import is_item_url
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.resolver.remote import RemoteResolver
from astra_xr.resolver.resolution import Resolution, Resolver
from astra_xr.scenes.call_record import keep_call
from astra_xr.scenes.chunks import Chunks
from astra_xr.scenes.dataset import dataset_of
from astra_xr.scenes.options import OpenOptions, Resampling, Size, options_of
from astra_xr.scenes.own_items import keep_item
from astra_xr.settings import Settings

if TYPE_CHECKING:
    import pystac


@functools.cache
def _embedded(settings: Settings) -> LocalResolver:
    return LocalResolver(settings)


def chosen_resolver(resolver: Resolver | str | None) -> Resolver:
    """Return a resolver, that of a service by its URL, or for None that of the settings."""
    if resolver is None:
        settings = Settings.from_env()
        return RemoteResolver(settings=settings) if settings.api_url else _embedded(settings)
    expected = "a LocalResolver, a RemoteResolver or the URL of a resolver service"
    if isinstance(resolver, str) and resolver:
        try:
            return RemoteResolver(resolver)
        except InvalidParameter as error:
            if error.name != "base_url":
                raise
            expected = error.expected
    elif callable(getattr(resolver, "resolve", None)) and not isinstance(resolver, os.PathLike):
        return cast("Resolver", resolver)
    raise InvalidParameter(name="resolver", value=resolver, expected=expected)


def resolve_unsigned(
    scene: Any, options: OpenOptions, resolver: Resolver | str | None
) -> Resolution:
    """Return the files of a scene, with unsigned URLs."""
    found = chosen_resolver(resolver).resolve(
        scene,
        options.bands,
        catalog=_catalog_of(scene, options.catalog),
        sign=False,
        radiometry=options.radiometry,
    )
    keep_item(scene, found)
    return found


def _catalog_of(scene: Any, catalog: AnyCatalog) -> AnyCatalog:
    """Return the catalog to query; the URL of a user's item is itself a catalog of one item."""
    own = catalog is None or holds_any(catalog_name(catalog))
    return scene.strip() if own and is_item_url(scene) else catalog


def resolve(
    scene: str | Item | pystac.Item,
    bands: str | Iterable[str] | None = None,
    format: str = "cog",
    *,
    catalog: AnyCatalog = None,
    sign: bool = True,
    radiometry: RadiometryMode | None = "auto",
) -> Resolution:
    """Return the files of a scene's bands, with signed URLs.

    Parameters
    ----------
    scene : str, pystac.Item or dict
        A scene id such as ``"sentinel-2:S2B_MSIL2A_20250115T184929"`` (see
        :func:`open_scene`), or a STAC item; for an item no catalog is queried.
    bands : str or iterable of str, optional
        As in :func:`open_scene`, as a list or comma-separated.
    format : str
        ``cog``, ``geotiff``, ``png`` or ``jpeg``. Files that the catalog does not serve in this
        format are converted, and kept in the cache folder.
    catalog : str, optional
        The only catalog to query, as in :func:`open_scene`. By default the mission's catalogs
        are queried in turn.
    sign : bool
        False to leave the URLs as they are in the item, and convert nothing.
    radiometry : {"auto", "file", "raw"}
        As in :func:`open_scene`.

    Returns
    -------
    Resolution
        Its ``to_dict()`` is the JSON of the asset-resolver API, its ``to_item()`` a
        ``pystac.Item``.

    Raises
    ------
    InvalidSceneId, SceneNotFound, AmbiguousSceneId, UnknownBand, AmbiguousBand, InvalidFormat
        The scene, band or format does not exist; the message lists what does.
    UpstreamError, SigningError
        A service is down or denies access.

    Examples
    --------
    >>> import astra_xr
    >>> answer = astra_xr.resolve(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", "red,nir", catalog="sample"
    ... )
    >>> list(answer.to_dict()["assets"])
    ['B04', 'B08']
    """
    return chosen_resolver(None).resolve(
        scene,
        bands,
        format,
        catalog=_catalog_of(scene, catalog),
        sign=sign,
        radiometry=radiometry,
    )


def open_scene(
    scene_id: str | Item | pystac.Item,
    bands: str | Iterable[str] | None = None,
    *,
    catalog: AnyCatalog = None,
    resolver: Resolver | str | None = None,
    resolution: Size = None,
    resampling: Resampling = None,
    crs: Any = None,
    bbox: Any = None,
    intersects: Any = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    geobox: Any = None,
    like: Any = None,
    anchor: str | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: RadiometryMode | None = "auto",
    allow_large: bool = False,
) -> xr.Dataset:
    """Open a satellite scene by its id, or a STAC item, lazily.

    Opening makes one catalog request and reads no pixels. Pixels are read when values are
    computed, through URLs that are signed at that time.

    Parameters
    ----------
    scene_id : str, pystac.Item or dict
        ``mission:name``, where the name is an agency's product id, the beginning of one, the id
        or item URL of a catalog; the mission may be left out. Also the URL of your own item.
        Or a STAC item of any catalog and mission, for which no catalog is queried. If its mission
        is unknown, bands have the item's band names or its asset keys, and scale and offset are
        those of its raster extension or of the file's tags.
    bands : str or iterable of str, optional
        Native or common band names, mixed; each becomes a variable of that name. A role
        (``"reflectance"``, ``"thermal"``, ``"mask"``, …) selects all bands of it; ``"all"``, the
        default, selects all bands. ``"data.2"`` is the second band in the file of asset
        ``data``.
    catalog : str, path or pystac_client.Client, optional
        The only catalog to query: ``earth-search``, ``planetary-computer``, ``cdse``, ``usgs``,
        ``lpdaac``, or ``sample`` for the built-in synthetic scene; or your own: a
        URL, folder, stac-geoparquet file or client. By default the mission's catalogs are queried
        in turn. For an item: the catalog that signs its URLs, by default found from the item's
        links.
    resolver : Resolver or str, optional
        The resolver to use, or the URL of a resolver service. By default the service of
        ``ASTRA_API_URL`` if that is set, else the resolver in this process.
    resolution : float, pair of floats, "finest", "coarsest" or None
        Pixel size of the Dataset in units of its CRS (meters for UTM), also as a pair such as
        ``(10, -10)`` for x and y, or that of the finest or coarsest band. None: that of
        the bands, the finest if they differ. Coarser pixels are read from overviews.
    resampling : str, dict of str to str, or None
        Resampling method, for all bands or by name: ``nearest``, ``average``,
        ``bilinear``, ``cubic``, ``lanczos``, ``mode``, ``min``, ``max`` or ``med``. None:
        ``average`` to coarser pixels, ``nearest`` to finer ones. Class and mask bands always use
        ``nearest``.
    crs : str, int, pyproj or odc CRS, or "utm", optional
        CRS of the Dataset; by default that of the files. ``"utm"``: the zone of the center.
    bbox : (west, south, east, north), optional
        The area to cover, in degrees; a west greater than east crosses the antimeridian. The
        Dataset has all pixels that touch it, NaN outside of the scene.
    intersects : dict, geometry, GeoDataFrame or GeoSeries, optional
        The same, as the bounds of a GeoJSON or shapely geometry in longitude and latitude, or of
        all rows of a GeoDataFrame or GeoSeries in any CRS. Pixels outside of the geometry but
        within its bounds keep their values.
    x, y : (float, float), optional
        The same, as ranges in units of the CRS of the Dataset.
    geobox, like : odc.geo GeoBox or xarray object, optional
        The target grid, or an object on it; instead of all of these.
    anchor : {None, "edge", "center", "floating"}
        Alignment: pixel edges or centers at multiples of the pixel size, or pixels that start at
        the corner of the box. None: the file's own pixels in its CRS, else ``"edge"``.
    chunks : dict, int, "auto", bool or None
        None or False: lazy without dask. Else chunks of dask arrays: ``"auto"`` or True for
        chunks as large as dask's ``array.chunk-size`` allows, ``{}`` for 2048², both of whole
        file tiles; or a number of pixels or a dict as in :meth:`xarray.Dataset.chunk`.
    mask_and_scale : bool
        True: float32 values (reflectance 0..1, kelvin, …) with NaN where there is no data;
        class and mask bands, and files with a color table, stay integers, whose nodata is
        ``_FillValue`` in ``attrs``. False: the file's own numbers, with ``scale_factor``,
        ``add_offset`` and ``_FillValue`` in ``attrs``, as far as mission and item have them;
        opening reads the file only if the item does not describe it. The file's own nodata is
        left out of averages in any case, but for Sentinel-2's probabilities, where it is 0 %.
    radiometry : {"auto", "file", "raw"}
        Which scale and offset apply. ``"auto"`` (or None): the mission's, else the item's, else
        those of the file's own tags, with the reason in ``attrs["radiometry"]``; a warning
        names tags that differ. ``"file"``: those of the tags. ``"raw"``: none; values are the
        stored numbers as float32, NaN without data. With ``mask_and_scale=False`` they keep
        their integer type and nodata number.
    allow_large : bool
        True to make grids of more than 2³⁶ pixels, and read more than the free memory.

    Returns
    -------
    xarray.Dataset
        One (y, x) variable per band, or (band, y, x) for an image; coordinates are pixel centers
        in the CRS of the file, described by ``spatial_ref``, and the scene's ``time`` (UTC) and
        ``id``; ``xr.concat(scenes, "time", coords="different", compat="equals")`` keeps them along
        time, as :func:`open_scenes` does. If the item reports them (STAC's ``view:``), angles in
        degrees are coordinates too: ``sun_elevation``, ``sun_azimuth``, ``view_off_nadir``,
        ``view_incidence_angle``, ``view_azimuth``. Each variable's ``attrs`` name its band,
        wavelength (µm), gsd (m), scale, offset and why these apply (``radiometry``), and its
        source: ``scene_id``, ``catalog``, ``item_url``, ``resolved_at`` (UTC) and ``resolved_by``.

    Raises
    ------
    InvalidSceneId, SceneNotFound, AmbiguousSceneId, UnknownBand, AmbiguousBand
        The scene or band does not exist; the message lists what does.
    InvalidItem
        The item lacks an id, properties or assets, or has an invalid value.
    MixedGrids
        The bands have several CRSs.
    TooLarge
        The grid would have more than 2³⁶ pixels; in reading, values exceed the free memory.
    InvalidParameter
        An argument is invalid; the message describes what is expected.
    UpstreamError
        The catalog is down or denies access. Reading values may raise it too, or ``ReadError``.

    Examples
    --------
    >>> import astra_xr
    >>> ds = astra_xr.open_scene(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
    ... )
    >>> dict(ds.sizes), str(ds.red.dtype), str(ds.rio.crs)
    ({'y': 2048, 'x': 2048}, 'float32', 'EPSG:32610')

    A STAC item opens the same way:

    >>> item = astra_xr.resolve(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", "red", catalog="sample"
    ... ).to_item()
    >>> list(astra_xr.open_scene(item, bands=["B04"]))
    ['B04']
    """
    options = options_of(locals())
    ds = dataset_of(resolve_unsigned(scene_id, options, resolver), options)
    return keep_call(ds, "open_scene", scene_id, options, resolver=resolver)
