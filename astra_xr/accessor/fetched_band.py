"""A band that a Dataset lacks, opened on its grid by the ids of its scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import is_opened, variables_of
from astra_xr.accessor.evaluate import reflectance
from astra_xr.accessor.provenance import catalog_of, check_times, id_texts, ids_of
from astra_xr.arrays.pixel_grid import PixelGrid
from astra_xr.arrays.thumbnail import coarser
from astra_xr.catalogs import holds_any
from astra_xr.errors import (
    InvalidDataset,
    InvalidParameter,
    InvalidSceneId,
    SceneNotFound,
    UnknownBand,
)
from astra_xr.model import Band
from astra_xr.resolver.ids import parse_scene_id

_FEW = 64
"""Rows and columns that show whether there is any value."""

_LONGEST = np.timedelta64(45, "m")
"""By how much the time of a scene may differ between catalogs: from the start of sensing to its
last tile. It is less than half an orbit, after which the same place may be acquired again."""


def fetched(
    ds: xr.Dataset, table_band: Band, grid: PixelGrid | None, *, elsewhere: bool = False
) -> xr.DataArray:
    """Return a band without gaps in its grid, opened if the Dataset lacks it.

    Parameters
    ----------
    ds : xarray.Dataset
        Its provenance was checked; ``grid`` is that of its pixels.
    table_band : Band
        Its entry in the mission's table.
    elsewhere : bool
        Try all catalogs if that of the Dataset lacks the band.

    Raises
    ------
    InvalidDataset
        The Dataset has lost its grid or scene id, its coordinates are not those of its scenes, or
        with ``elsewhere`` no catalog has the band.
    UnknownBand, UpstreamError, …
        As of :func:`astra_xr.open_scene`.
    """
    band = table_band.native
    for name in variables_of(ds):
        own, names = ds[name], {each.casefold() for each in table_band.names}
        opened = name.casefold() in names or is_opened(own)
        if own.attrs.get("native_name", name) == band and opened and own.dtype != bool:
            return grid.filled(ds[name]) if grid is not None and grid.kept else ds[name]
    known = bool(ids_of(ds))
    if not known or grid is None or grid.box.crs is None:
        empty = 0 in (ds.sizes.get("y"), ds.sizes.get("x"))
        reason = "has no pixels" if empty else f"has lost its {'grid' if known else 'scene id'}"
        raise InvalidDataset(
            method="mask()",
            needs=f"the band {band}, which is not in this Dataset and cannot be opened: the "
            f"Dataset {reason}",
            hint=f"Open the scene with bands=[…, {band!r}].",
        )
    catalogs = ds["catalog"].values if "catalog" in ds.coords else catalog_of(ds) or ""
    found: xr.Dataset | None = None
    source: Any = catalogs
    for source in (catalogs, None) if elsewhere else (catalogs,):
        try:
            found = _opened(ds, table_band, grid, source)
            break
        except (UnknownBand, SceneNotFound):
            if not elsewhere:
                raise
    if found is None:
        raise InvalidDataset(
            method="mask()",
            needs=f"the band {band}, which no catalog provides for {id_texts(ds)[0]}",
            hint="Leave by= out for the classification band.",
        )
    if "time" in found.coords:
        within = {} if source is catalogs else {"within": _LONGEST}
        check_times(ds, found["time"].values, "mask()", **within)
    return found[band] if grid.kept else _with_coords_of(ds, found[band])


def _beyond(ds: xr.Dataset, band: Band, grid: PixelGrid) -> xr.Dataset:
    """Return nodata for a Dataset beyond its scenes, which cannot have values there."""
    maps = ds[[name for name in variables_of(ds) if {"y", "x"} <= {*ds[name].dims}]]
    # What the user added, as heights, may have values anywhere.
    own = [name for name, each in maps.items() if "native_name" in each.attrs] or [*maps]
    few = coarser(maps[own].transpose(..., "y", "x"), _FEW).map(reflectance)
    # Also without values after fillna(0).
    if any(bool((each.notnull() & (each != 0)).any()) for each in few.values()):
        raise InvalidDataset(
            method="mask()",
            needs="pixels where its scenes are: by its coordinates and CRS, this Dataset is "
            "elsewhere",
            hint="Mask before you change them.",
        )
    first = next(iter(maps.values()))
    first = grid.filled(first) if grid.kept else first
    return xr.full_like(first, int(band.nodata or 0), np.uint16).to_dataset(name=band.native)


def _opened(ds: xr.Dataset, band: Band, grid: PixelGrid, catalogs: Any) -> xr.Dataset:
    """Open a band of the scenes of a Dataset; from any catalog if ``catalogs`` is None."""
    from astra_xr.scenes.open import open_scene
    from astra_xr.scenes.own_items import kept_item
    from astra_xr.scenes.stack import open_again

    names = id_texts(ds)
    sources = [] if catalogs is None else [str(each) for each in np.atleast_1d(catalogs)]
    if not any(holds_any(each or None) for each in sources):
        for name in sorted(ids_of(ds)):
            _check_known(name, band.native)
    like = grid.box if grid.kept else ds
    try:
        if ds["id"].ndim or ", " in names[0]:
            found = open_again(names, band.native, like, sources, ds.attrs.get("groupby"))
            return found if ds["id"].ndim else found.isel(time=0)
        (name,), catalog = names, (sources[0] if sources else "") or None
        return open_scene(kept_item(name) or name, [band.native], catalog=catalog, like=like)
    except InvalidParameter as error:
        if error.name != "like":
            raise
    return _beyond(ds, band, grid)


def _check_known(name: str, band: str) -> None:
    """Refuse the id of an item of the user's own that is not kept."""
    from astra_xr.scenes.own_items import kept_item

    if kept_item(name):
        return
    try:
        parse_scene_id(name)
    except InvalidSceneId:
        raise InvalidDataset(
            method="mask()",
            needs=f"the band {band}, which cannot be opened: no catalog has the id {name}",
            hint=f"Open the item with bands=[…, {band!r}].",
        ) from None


def kept(found: xr.DataArray, ds: xr.Dataset, grid: PixelGrid | None) -> xr.DataArray:
    """Return the pixels of an array without gaps that a Dataset has."""
    if grid is None or not grid.kept:
        return found
    return _with_coords_of(ds, found.isel(grid.kept))


def _with_coords_of(ds: xr.Dataset, found: xr.DataArray) -> xr.DataArray:
    # xarray does not align coordinates that differ by rounding.
    dims = [dim for dim in ("time", "y", "x") if dim in found.dims and dim in ds.dims]
    return found.assign_coords({dim: ds[dim] for dim in dims})
