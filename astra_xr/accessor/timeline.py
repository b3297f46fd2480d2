"""Statistics of fields over time, from the search to the table."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from astra_xr.accessor.band_names import as_tuple
from astra_xr.accessor.cloud_masks import MaskClouds, requested_mask
from astra_xr.accessor.evaluate import evaluate
from astra_xr.accessor.field_tiles import TileDay, choose_tiles, covered_fractions, footprints_of
from astra_xr.accessor.function_masks import name_of
from astra_xr.accessor.polygons import Polygons, read_polygons, turned, warn_of_swapped
from astra_xr.accessor.progress import bar
from astra_xr.accessor.spyndex_formulas import recipe_of
from astra_xr.accessor.zonal import zonal
from astra_xr.accessor.zonal_table import checked_coverage, checked_stats
from astra_xr.arguments import read_flag
from astra_xr.catalogs import AnyCatalog
from astra_xr.catalogs.footprints import footprint
from astra_xr.errors import InvalidParameter, MixedGrids, UnknownIndex
from astra_xr.geometry import LONLAT, Box, transformer
from astra_xr.resolver.search_rows import Row
from astra_xr.scenes.scene_search import search
from astra_xr.scenes.stack import open_scenes

_CORNERS = 200
"""Corners of the boxes to search; if there are more, the hull around the boxes is searched."""

_KEPT = ("time", "geometry", "stat", "class")


def timeline(
    mission: str,
    fields: Any,
    datetime: Any,
    names: str | Sequence[str],
    *,
    mask_clouds: MaskClouds = True,
    stats: str | Sequence[str] = "mean",
    min_coverage: float = 0.75,
    cloud_cover: float | tuple[float, float] | None = None,
    catalog: AnyCatalog = None,
    previous: xr.Dataset | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Return statistics of fields over time in one call: search, cloud masks, indices and table.

    Each field is read on the native grid of one tile per day: of the tiles that cover it best on
    that day, the one that covers it on most days, or the one in the UTM zone of its centroid if
    two are equal. If no tile covers the whole field, its tiles are mosaicked.

    Parameters
    ----------
    mission : str
        As for :func:`astra_xr.search`.
    fields : GeoDataFrame, GeoSeries, shapely or GeoJSON polygons
        As for ``ds.astra.zonal``.
    datetime
        As for :func:`astra_xr.search`.
    names : str or sequence of str
        Indices such as ``"NDVI"``, and bands such as ``"red"``.
    mask_clouds : bool or dict
        True to mask clouds, shadows and cirrus by the scene's classification band, with a margin
        of two pixels; or a dict of options of ``ds.astra.mask``, such as ``{"by": "probability"}``.
    stats, min_coverage
        As for ``ds.astra.zonal``.
    cloud_cover, catalog
        As for :func:`astra_xr.search`.
    previous : xarray.Dataset, optional
        A table of the same fields, names, stats, ``mask_clouds`` and ``min_coverage``. Its days
        are not read again; new days are added to it.
    progress : bool
        Show progress bars if it takes more than a second.

    Returns
    -------
    xarray.Dataset
        In memory, float64: one variable per name and ``valid``, along ``time`` (when the first
        scene of the day was acquired, UTC), ``geometry`` and, for several ``stats``, ``stat``.
        NaN, and ``valid`` 0, if a field has no scene on a day. The coordinate ``id`` has the
        scenes of each value, ``day`` the solar day. ``.astra.plot("NDVI")`` draws one line per
        field; ``to_dataframe()`` returns a tidy table.

    Raises
    ------
    InvalidParameter
        A parameter is invalid, no scene was found, or ``previous`` was made with others.
    UpstreamError, …
        As of :func:`astra_xr.search` and :func:`astra_xr.open_scenes`.

    Examples
    --------
    >>> import astra_xr, shapely
    >>> field = shapely.box(-122.431, 37.4945, -122.4294, 37.4957)
    >>> table = astra_xr.timeline("sentinel-2", field, "2025-06/2025-09", "NDVI", catalog="sample")
    >>> table.NDVI.dims, int(table.NDVI.notnull().sum())
    (('time', 'geometry'), 3)
    """
    wanted = as_tuple(names)
    if not wanted or not all(isinstance(name, str) for name in wanted):
        expected = "one or more indices or bands, such as 'NDVI' or 'red'"
        raise InvalidParameter(name="names", value=names, expected=expected)
    checked_stats(stats)
    min_coverage = checked_coverage(min_coverage)
    progress = read_flag("progress", progress)
    fields = read_polygons(fields)
    lonlat = _lonlat(fields)
    found = search(
        mission,
        intersects=shapely.geometry.mapping(_around(lonlat)),
        datetime=datetime,
        cloud_cover=cloud_cover,
        catalog=catalog,
    )
    rows = [row for row in found.rows if row.datetime]
    tile_days = choose_tiles(rows, lonlat)
    if not tile_days:
        raise _no_scenes(datetime, lonlat, len(found))
    warn_of_swapped(_swapped(fields, lonlat, tile_days, rows), stacklevel=2)
    made = {"mask_clouds": _text_of(mask_clouds), "min_coverage": min_coverage}
    known = set() if previous is None else _days_of(previous, fields, wanted, stats, made)
    new = [each for each in tile_days if each.day not in known]
    tiles = sorted({each.tiles for each in new})
    tables = []
    with bar(len(tiles), show=progress and len(tiles) > 1, desc="tiles", delay=1) as shown:
        for tile in tiles:
            own = [each for each in new if each.tiles == tile]
            maps = _maps(own, lonlat, wanted, mask_clouds=mask_clouds, catalog=catalog)
            members = sorted({number for each in own for number in each.members})
            shows = progress and len(tiles) == 1
            table = zonal(maps, fields[members], stats, min_coverage, progress=shows)
            tables.append(_of_days(table, own, fields.labels))
            shown.update()
    return _joined(tables, previous, fields, stats).assign_attrs(mission=mission, **made)


def _no_scenes(datetime: Any, lonlat: npt.NDArray[Any], count: int) -> InvalidParameter:
    edges = ", ".join(f"{edge:.4f}" for edge in shapely.total_bounds(lonlat))
    reason = f"none of the {count} scenes found is of the fields" if count else "no scene found"
    expected = (
        f"a time with scenes of the fields, which are in ({edges}) (west, south, east, north)"
    )
    return InvalidParameter(name="datetime", value=datetime, expected=expected, reason=reason)


def _swapped(
    fields: Polygons, lonlat: npt.NDArray[Any], tile_days: list[TileDay], rows: list[Row]
) -> pd.Index[Any]:
    """Return the labels of fields that have scenes only with longitude and latitude swapped."""
    seen = {number for each in tile_days for number in each.members}
    unseen = np.array([number for number in range(len(lonlat)) if number not in seen], np.intp)
    some = covered_fractions(footprints_of(rows), turned(lonlat[unseen])).any(axis=1)
    return fields.labels[unseen[some]]


def _lonlat(fields: Polygons) -> npt.NDArray[Any]:
    """Return the fields in degrees, in two parts if they cross the antimeridian."""
    to_degrees = transformer(fields.crs, LONLAT)
    shapes: npt.NDArray[Any] = shapely.transform(
        fields.shapes, lambda points: np.column_stack(to_degrees.transform(*points.T))
    )
    west, _, east, _ = shapely.bounds(shapes).T
    for number in np.flatnonzero((east - west > 180) | (west < -180) | (east > 180)):
        shapes[number] = footprint({"geometry": shapely.geometry.mapping(shapes[number])})
    return shapes


def _around(lonlat: npt.NDArray[Any]) -> Any:
    """Return the area to search: the boxes of the fields, or the hull around many."""
    boxes = shapely.union_all(shapely.envelope(shapely.get_parts(lonlat)))
    return boxes if shapely.get_num_coordinates(boxes) <= _CORNERS else boxes.convex_hull


def _box_of(lonlat: npt.NDArray[Any]) -> Box:
    """Return the box around some fields; west is greater than east across the antimeridian."""
    bounds = shapely.bounds(shapely.get_parts(lonlat))
    if np.ptp(bounds[:, ::2]) > 180:
        bounds[bounds[:, 0] < 0] += (360, 0, 360, 0)
    west, south = bounds[:, :2].min(axis=0).tolist()
    east, north = bounds[:, 2:].max(axis=0).tolist()
    return west, south, east - 360 if east > 180 else east, north


def _maps(
    tile_days: list[TileDay],
    lonlat: npt.NDArray[Any],
    names: tuple[str, ...],
    *,
    mask_clouds: MaskClouds,
    catalog: AnyCatalog,
) -> xr.Dataset:
    """Return the indices and bands of some tiles around their fields, lazily."""
    import spyndex

    members = sorted({number for each in tile_days for number in each.members})
    ids = list(dict.fromkeys(row.id for each in tile_days for row in each.rows))
    indices, bands, needed = [], [], list[str]()
    for name in names:
        try:
            recipe = recipe_of(name, {})
        except UnknownIndex:
            bands.append(name)
        else:
            indices.append(recipe.name)
            symbols = (spyndex.bands.get(symbol) for symbol in recipe.symbols)
            needed += [symbol.common_name for symbol in symbols if symbol is not None]
    box = _box_of(lonlat[members])
    needed = list(dict.fromkeys([*bands, *needed]))
    read = functools.partial(open_scenes, ids, needed, bbox=box, catalog=catalog)
    try:
        ds = read()
    except MixedGrids:  # of tiles in several zones, which are joined in that of the fields
        ds = read(crs="utm")
    found = ds.astra.index(indices, mask_clouds=mask_clouds) if indices else ds[[]]
    clouds = requested_mask(ds, mask_clouds) if bands else None
    for name in bands:
        band = ds.astra[name]
        if clouds is not None:  # by .where(), the whole band would be read at once
            masked = evaluate("band", {"band": band}, {}, mask=clouds)
            band = masked.assign_attrs(band.attrs)
        found[name] = band
    return found.assign_coords(ds.coords)


def _of_days(table: xr.Dataset, tile_days: list[TileDay], labels: pd.Index[Any]) -> xr.Dataset:
    """Return the chosen fields and days of a tile's table, with the coordinates id and day."""
    days = [_nearest(time, tile_days) for time in table.time.values]
    chosen = {(each.day, labels[number]) for each in tile_days for number in each.members}
    keep = xr.DataArray(
        [[(day, label) in chosen for label in table.geometry.values] for day in days],
        dims=("time", "geometry"),
    )
    # Null elsewhere, to be filled from other tiles' tables.
    ids = xr.DataArray(table.id.values.astype(object), dims="time").where(keep)
    table = table.drop_vars([name for name in table.coords if name not in _KEPT])
    table = table.where(keep).assign(id=ids.transpose("time", "geometry"))
    return table.assign_coords(day=("time", np.array(days, "datetime64[ns]")))


def _nearest(time: np.datetime64, tile_days: list[TileDay]) -> date:
    """Return the day of a time step."""

    def away(tile_day: TileDay) -> Any:
        first = min(pd.Timestamp(row.datetime).tz_localize(None) for row in tile_day.rows)
        return abs(first - pd.Timestamp(time))

    return min(tile_days, key=away).day


def _joined(
    tables: list[xr.Dataset], previous: xr.Dataset | None, fields: Polygons, stats: Any
) -> xr.Dataset:
    """Join the tables of tiles; a day has the time of its first scene."""
    parts = [] if previous is None else [previous.compute()]
    if tables:
        days = np.concatenate([table.day.values for table in tables])
        times = np.concatenate([table.time.values for table in tables])
        first = {day: times[days == day].min() for day in days}
        alike = [
            table.assign_coords(time=[first[day] for day in table.day.values]) for table in tables
        ]
        found = functools.reduce(xr.Dataset.combine_first, alike)
        found = found.reindex(geometry=fields.labels).transpose("time", "geometry", ...)
        for name in found.data_vars:
            if name == "valid" or stats == "count":
                found[name] = found[name].fillna(0)
            elif "stat" in found[name].dims:
                found[name] = found[name].where((found.stat != "count") | found[name].notnull(), 0)
            found[name].attrs = tables[0][name].attrs
        parts.append(found.assign(id=found.id.fillna("")).set_coords("id"))
    joined = xr.concat(parts, "time", join="outer", coords="minimal", compat="override")
    for name, each in joined.data_vars.items():
        if "class" in each.dims:  # 0 for a class that a tile or day has no pixel of
            known = each.notnull()
            joined[name] = each.where(known | ~known.any("class"), 0)
    return joined.sortby("time").drop_attrs(deep=False)


def _text_of(mask_clouds: MaskClouds) -> str:
    """Return how clouds are masked, as text for attrs; a function by its name."""

    def text(value: object) -> str:
        return name_of(value) if callable(value) else str(value)

    return json.dumps(mask_clouds, sort_keys=True, default=text)


def _days_of(
    previous: xr.Dataset,
    fields: Polygons,
    names: tuple[str, ...],
    stats: Any,
    made: Mapping[str, Any],
) -> set[date]:
    """Return the days of a table; refuse it unless it was made with the same parameters."""
    known = checked_stats(stats)
    plain = [name for name in known if name != "fractions"]
    variables = [*names] if plain else []
    variables += [f"{name}_fractions" for name in names] if len(plain) < len(known) else []
    several = plain if plain and not isinstance(stats, str) else None
    alike = (
        isinstance(previous, xr.Dataset)
        and {"time", "day", "geometry"} <= set(previous.coords)
        and list(previous.geometry.values) == list(fields.labels)
        and {n.casefold() for n in (*variables, "valid")}
        == {str(n).casefold() for n in previous.data_vars}
        and (list(previous.stat.values) if "stat" in previous.coords else None) == several
        and all(previous.attrs.get(name) == value for name, value in made.items())
    )
    if not alike:
        expected = (
            "a table that timeline() returned for the same fields, names, stats, mask_clouds and "
            "min_coverage, with its attrs"
        )
        raise InvalidParameter(name="previous", value=type(previous).__name__, expected=expected)
    return {pd.Timestamp(day).date() for day in previous.day.values}
