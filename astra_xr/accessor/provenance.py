"""Which scenes the pixels of a Dataset are of: known only if all that names them agrees.

The coordinate ``id`` names them. It and each band have the attribute ``scene_id`` from when they
were opened. As long as these are equal they belong together, however the Dataset has changed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import mission_name, variables_of
from astra_xr.arrays.lazy import scenes_of
from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.errors import InvalidDataset
from astra_xr.missions import MISSIONS

_HINT = (
    "Open the scenes with astra_xr.open_scenes, mask each scene before they are joined, or mask by "
    "a band of your own: mask(by=lambda block: block['udm'] == value)."
)

_CLOSE = np.timedelta64(1, "s")

_PLAIN = {"y", "x", "band"}
"""Dimensions that one scene has."""


def check_provenance(ds: xr.Dataset, method: str) -> None:
    """Refuse a Dataset whose pixels may be of other scenes than it names.

    Raises
    ------
    InvalidDataset
        Its bands, their files, coordinates and attrs disagree, bands have a dimension without ids,
        or they were merged.
    """
    bands = [ds.variables[name] for name in variables_of(ds)]
    bands = [band for band in bands if band.attrs.get("role") != "elevation"]  # of no date
    claims = {str(band.attrs["scene_id"]) for band in bands if "scene_id" in band.attrs}
    opened = ds["id"].attrs.get("scene_id") if "id" in ds.coords else None
    if claims or opened or "groupby" in ds.attrs:  # as opened here
        _check_ids(ds, bands, method)
    claims |= {str(ds.attrs["scene_id"])} if "scene_id" in ds.attrs else set()
    ids = ids_of(ds)
    fit = {str(opened)} if opened else ids
    fit |= ids if len(ids) == 1 else set()
    strange = sorted(claims - fit) if ids else sorted(claims)[1:]
    strange = strange or sorted(_files_of_others(ds, bands))
    if strange:
        raise _unfit(method, f"pixels of the scenes that its id names, not also of {strange[0]}")
    if claims and _merged(ds, bands):
        raise _unfit(method, "pixels of one scene, and rioxarray merged these or set their nodata")


def ids_of(ds: xr.Dataset) -> set[str]:
    """Return the ids of scenes that the coordinate ``id`` names."""
    if "id" not in ds.coords:
        return set()
    return {name for each in id_texts(ds) for name in each.split(", ")}


def id_texts(ds: xr.Dataset) -> list[str]:
    """Return the coordinate ``id`` as texts."""
    return _texts(ds["id"])


def _texts(coord: xr.DataArray) -> list[str]:
    """Return a coordinate as texts, whichever type a file made of them."""
    texts = np.atleast_1d(coord.values).ravel()
    return [each.decode() if isinstance(each, bytes) else str(each) for each in texts]


def missions_of(ds: xr.Dataset) -> list[str]:
    """Return the mission of each time step, or of the one scene; "" if it is not known.

    By the ids, else by the coordinate ``mission``.
    """
    ids, others = (_along_time(ds, name) for name in ("id", "mission"))
    named = [text.partition(":")[0] for text in ids]
    if len(named) in (0, len(others)):
        named = [a if a in MISSIONS else b for a, b in zip(named or others, others, strict=True)]
    return named or [mission_name(ds)]


def _along_time(ds: xr.Dataset, name: str) -> list[str]:
    """Return a coordinate of time steps, or of one scene, as texts; else an empty list."""
    return _texts(ds[name]) if name in ds.coords and {*ds[name].dims} <= {"time"} else []


def catalog_of(ds: xr.Dataset) -> str | None:
    """Return the catalog that a scene was opened from; None if there are none or several."""
    named = {str(each.attrs["catalog"]) for each in ds.values() if "catalog" in each.attrs}
    name = ds.attrs.get("catalog") or (named.pop() if len(named) == 1 else None)
    return None if name is None else str(name)


def check_times(
    ds: xr.Dataset, times: Any, method: str, *, within: np.timedelta64 = _CLOSE
) -> None:
    """Refuse a Dataset whose coordinate ``time`` is not that of the scenes that its id names.

    It is then of another scene, whose id was lost when scenes were joined. ``times`` are those of
    the named scenes, NaT if not known; these may differ by ``within``, or be rounded down to a
    second, a minute, an hour or a day.
    """
    expected = np.asarray(times, "datetime64[ns]").ravel()
    if "time" not in ds.coords:
        raise _unfit(method, "the coordinate time: without it, the id may be of one of several")
    found = ds["time"].values.astype("datetime64[ns]").ravel()
    if found.size == expected.size:
        steps = ("s", "m", "h", "D")
        same = np.abs(found - expected) < within
        for step in steps:
            same |= found == expected.astype(f"datetime64[{step}]")
        same |= np.isnat(expected)
        if same.all():
            return
    raise _unfit(
        method, f"pixels of the time when {id_texts(ds)[0]} was acquired: its time differs"
    )


def _check_ids(ds: xr.Dataset, bands: Sequence[xr.Variable], method: str) -> None:
    if "id" not in ds.coords:
        raise _unfit(method, "a coordinate id: this Dataset has lost its scene id")
    along = set(ds["id"].dims)
    for band in bands:
        if not {"y", "x"} <= set(band.dims):
            continue
        further = set(band.dims) - _PLAIN
        single = {dim for dim in further if not along and ds.sizes[dim] == 1}
        if further - single - along or not along <= {"time"} or (
            "scene_id" in band.attrs and along - further
        ):  # fmt: skip
            raise _unfit(method, _needs_ids(along, further))
    if any(text in ("nan", "None", "") for text in id_texts(ds)):
        raise _unfit(method, "an id at each time step; ds.sel(time=ds.id.notnull()) has them")
    attrs = ds["id"].attrs
    if along or "scene_id" not in attrs:
        return
    if str(attrs["scene_id"]) == id_texts(ds)[0]:
        if "datetime" in attrs:
            check_times(ds, np.datetime64(str(attrs["datetime"])), method)
    elif "time" not in ds.coords:
        raise _unfit(method, "the coordinate time: without it, the id may be of one of several")


def _needs_ids(along: set[Hashable], further: set[Hashable]) -> str:
    """Return what ids along some dimensions lack for bands along others, for a message."""
    if further == {"time"} and not along:
        return (
            "an id at each time step, and this Dataset has one for all of them: "
            "xr.concat(scenes, 'time', coords='different', compat='equals') keeps each"
        )
    dims = ", ".join(sorted(map(str, along | further)))
    return f"scene ids along time and no other dimension, not along ({dims})"


def _merged(ds: xr.Dataset, bands: Sequence[xr.Variable]) -> bool:
    """Return True after rioxarray's merge, which keeps the attrs of the first scene."""
    for band in bands:
        filled = "_FillValue" in band.attrs and "_FillValue" in band.encoding
        if filled and band.dtype.kind == "f" and "scene_id" in band.attrs:
            return True  # in both places
    if not {"y", "x", "spatial_ref"} <= set(ds.coords) or ds["y"].attrs or ds["x"].attrs:
        return False
    # Coordinates without attrs beside a transform that fits them were made by a merge.
    numbers = str(ds["spatial_ref"].attrs.get("GeoTransform", "")).split()
    grid = pixel_grid(ds, "mask()")
    return bool(
        any("source" in band.encoding for band in bands)
        and grid is not None
        and len(numbers) == 6
        and np.allclose(np.array(numbers, float), grid.box.affine.to_gdal())
    )


def _files_of_others(ds: xr.Dataset, bands: Sequence[xr.Variable]) -> set[str]:
    """Return the scenes that bands will be read from and that the id does not name."""
    if "id" not in ds.coords:
        return set()
    texts, others = id_texts(ds), set[str]()
    for band in bands:
        if ds["id"].ndim and "time" in band.dims and band.chunks is None:
            for number, text in enumerate(texts):
                others |= scenes_of(band.isel(time=number)) - set(text.split(", "))
        else:
            others |= scenes_of(band) - ids_of(ds)
    return others


def _unfit(method: str, needs: str) -> InvalidDataset:
    return InvalidDataset(method=method, needs=needs, hint=_HINT)
