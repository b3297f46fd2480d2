"""A band that a Dataset lacks, opened on its grid by the ids of its scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import variables_of
from astra_xr.accessor.provenance import catalog_of, check_times, id_texts, ids_of
from astra_xr.arrays.pixel_grid import PixelGrid
from astra_xr.catalogs import holds_any
from astra_xr.errors import InvalidDataset, InvalidSceneId, SceneNotFound, UnknownBand
from astra_xr.resolver.ids import parse_scene_id

_LONGEST = np.timedelta64(45, "m")
"""By how much the time of a scene may differ between catalogs: from the start of sensing to its
last tile. It is less than half an orbit, after which the same place may be acquired again."""


def fetched(
    ds: xr.Dataset, band: str, grid: PixelGrid | None, *, elsewhere: bool = False
) -> xr.DataArray:
    """Return a band without gaps in its grid, opened if the Dataset lacks it.

    Parameters
    ----------
    ds : xarray.Dataset
        Its provenance was checked; ``grid`` is that of its pixels.
    band : str
        Native name.
    elsewhere : bool
        Try all catalogs if that of the Dataset lacks the band.

    Raises
    ------
    InvalidDataset
        The Dataset has lost its grid or scene id, or with ``elsewhere`` no catalog has the band.
    UnknownBand, UpstreamError, …
        As of :func:`astra_xr.open_scene`.
    """
    for name in variables_of(ds):
        if ds[name].attrs.get("native_name", name) == band:
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
    like = grid.box if grid.kept else ds
    catalogs = ds["catalog"].values if "catalog" in ds.coords else catalog_of(ds) or ""
    found: xr.Dataset | None = None
    source: Any = catalogs
    for source in (catalogs, None) if elsewhere else (catalogs,):
        try:
            found = _opened(ds, band, like, source)
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


def _opened(ds: xr.Dataset, band: str, like: Any, catalogs: Any) -> xr.Dataset:
    """Open a band of the scenes of a Dataset; from any catalog if ``catalogs`` is None."""
    from astra_xr.scenes.open import open_scene
    from astra_xr.scenes.own_items import kept_item
    from astra_xr.scenes.stack import open_again

    names = id_texts(ds)
    if ds["id"].ndim or ", " in names[0]:
        catalogs = [] if catalogs is None else catalogs
        found = open_again(names, band, like, catalogs, ds.attrs.get("groupby"))
        return found if ds["id"].ndim else found.isel(time=0)
    (name,), catalog = names, str(catalogs or "") or None
    item = kept_item(name)
    if not item and not holds_any(catalog):
        try:
            parse_scene_id(name)
        except InvalidSceneId:
            raise InvalidDataset(
                method="mask()",
                needs=f"the band {band}, which cannot be opened: no catalog has the id {name}",
                hint=f"Open the item with bands=[…, {band!r}].",
            ) from None
    return open_scene(item or name, [band], catalog=catalog, like=like)


def kept(found: xr.DataArray, ds: xr.Dataset, grid: PixelGrid | None) -> xr.DataArray:
    """Return the pixels of an array without gaps that a Dataset has."""
    if grid is None or not grid.kept:
        return found
    return _with_coords_of(ds, found.isel(grid.kept))


def _with_coords_of(ds: xr.Dataset, found: xr.DataArray) -> xr.DataArray:
    # xarray does not align coordinates that differ by rounding.
    dims = [dim for dim in ("time", "y", "x") if dim in found.dims and dim in ds.dims]
    return found.assign_coords({dim: ds[dim] for dim in dims})
