"""Search for scenes of an area and a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from astra_xr.catalogs import AnyCatalog, catalog_name, connect, holds_any
from astra_xr.catalogs.query import MOST, Query, make_query
from astra_xr.errors import InvalidParameter
from astra_xr.geometry import geometry_bounds
from astra_xr.resolver.search import Rows, find_rows
from astra_xr.scenes.search_result import SearchResult
from astra_xr.settings import Settings


def search(
    mission: str,
    *,
    bbox: Sequence[float] | None = None,
    intersects: Any = None,
    datetime: Any = None,
    cloud_cover: float | tuple[float, float] | None = None,
    max_items: int | None = None,
    catalog: AnyCatalog = None,
) -> SearchResult:
    """Search all catalogs of a mission for scenes by area and time, newest first.

    The catalogs are queried concurrently, page by page, and their results are merged: one row per
    acquisition, for the processing that would open, with the names of all catalogs that have it.
    If a catalog is down, the others still answer; ``passed_over`` names it.

    Parameters
    ----------
    mission : str
        ``"sentinel-2"``, ``"landsat"``, …, as at the beginning of scene ids. In your own catalog
        also the id of any collection.
    bbox : sequence of 4 floats, optional
        West, south, east, north in degrees; a west greater than east crosses the antimeridian.
    intersects : dict, geometry, GeoDataFrame or GeoSeries, optional
        A GeoJSON geometry or feature, a shapely geometry, or any object with a
        ``__geo_interface__``, in longitude and latitude; or all rows of a GeoDataFrame or
        GeoSeries in any CRS. Instead of ``bbox``.
    datetime : str, date, datetime, pair of them or slice, optional
        A year, month or day (``"2025"``, ``"2025-01"``, ``"2025-01-15"``) means all of it; a
        pair or ``"start/end"`` is a span, both ends included, where None or ``..`` leaves an end
        open. Without a time zone: UTC.
    cloud_cover : float or pair of floats, optional
        Maximum cloud cover in percent; or minimum and maximum.
    max_items : int, optional
        Maximum number of scenes; None: all, up to 10,000. If there are more, it warns.
    catalog : str, path, pystac_client.Client or pystac.Catalog, optional
        The only catalog to query, as in :func:`astra_xr.open_scene`.

    Returns
    -------
    SearchResult
        A sequence of scene ids, which remember the catalogs that have the scene.

    Raises
    ------
    InvalidParameter
        A parameter is invalid, the catalog has no such collection, or neither an area nor a time
        is given; the message describes what is expected.
    UpstreamError
        No catalog answered.

    Examples
    --------
    >>> import astra_xr
    >>> found = astra_xr.search(
    ...     "sentinel-2", bbox=(-122.5, 37.4, -122.3, 37.5), datetime="2025-01", catalog="sample"
    ... )
    >>> found[0]
    'sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000'
    >>> ds = astra_xr.open_scene(found[0], bands=["red"])
    """
    settings = Settings.from_env()
    named = catalog_name(catalog) or catalog_name(settings.catalog)
    query = make_query(
        mission,
        bbox=bbox,
        intersects=intersects,
        when=datetime,
        cloud_cover=cloud_cover,
        max_items=max_items,
        own=holds_any(named),
    )
    # The user's own catalogs and those of local files are small enough to be listed whole.
    local = named is not None and (holds_any(named) or not connect(named, settings).root)
    if not local and not (query.has_area or query.when):
        reason = "neither an area nor a time is given"
        expected = "bbox=, intersects= or datetime="
        raise InvalidParameter(name="bbox", value=None, expected=expected, reason=reason)
    found = find_rows(query, settings, named)
    result = SearchResult(
        **vars(found),
        mission=query.mission or query.collection,
        bbox=query.bbox or (geometry_bounds(query.intersects) if query.intersects else None),
    )
    if not found.exact or found.total != len(found.rows):
        warnings.warn(_cut(found, query), stacklevel=2)
    return result


def _cut(found: Rows, query: Query) -> str:
    count, total = len(found.rows), found.total
    there = f" of {'' if found.exact else 'about '}{total}" if total else ""
    more = "" if total else "; there are more"
    how = "max_items=None returns all"
    if query.max_items is None or (total or 0) > MOST:
        how = f"max_items= with a number above {max(MOST, count)} returns more"
    return f"the search returned the newest {count}{there} scenes{more}: {how}"
