"""Which scenes the pixels of a Dataset are of: believed only where all that is there agrees."""

from __future__ import annotations

import xarray as xr

from astra_xr.accessor.band_names import variables_of
from astra_xr.errors import InvalidDataset

_HINT = (
    "Open the scenes with astra_xr.open_scenes, mask each scene before they are joined, or mask "
    "with a band of your own: ds.where(ds.udm == 0)."
)


def check_provenance(ds: xr.Dataset, method: str) -> None:
    """Refuse a Dataset whose pixels need not be of the scenes that it names.

    Raises
    ------
    InvalidDataset
        Its bands, coordinates and attrs name several scenes, bands have a dimension along which
        no ids lie, or what became of them leaves their scene open.
    """
    bands = [ds.variables[name] for name in variables_of(ds)]
    claims = {str(band.attrs["scene_id"]) for band in bands if "scene_id" in band.attrs}
    if claims or "groupby" in ds.attrs:  # as opened here, with an id
        _check_ids(ds, bands, method)
    ids = ids_of(ds)
    claims |= {str(ds.attrs["scene_id"])} if "scene_id" in ds.attrs else set()
    strange = sorted(claims - ids) if ids else sorted(claims)[1:]
    if strange:
        raise _unfit(method, f"pixels of the scenes that its id names, not also of {strange[0]}")
    # Of bands in scaled values it is in the encoding; this is what is left by a merge.
    if any({"scene_id", "_FillValue"} <= band.attrs.keys() and band.dtype.kind == "f"
           and "_FillValue" in band.encoding for band in bands):  # fmt: skip
        raise _unfit(method, "pixels of one scene, and rioxarray merged these or set their nodata")


def ids_of(ds: xr.Dataset) -> set[str]:
    """Return the ids of scenes that the coordinate ``id`` names."""
    if "id" not in ds.coords:
        return set()
    return {name for each in ds["id"].values.flat for name in str(each).split(", ")}


def _check_ids(ds: xr.Dataset, bands: list[xr.Variable], method: str) -> None:
    if "id" not in ds.coords:
        raise _unfit(method, "a coordinate id: this Dataset has lost its scene id")
    along = set(ds["id"].dims)
    further = {dim for band in bands for dim in band.dims if {"y", "x"} <= set(band.dims)}
    further -= {"y", "x", "band"}
    if along != further or not along <= {"time"}:
        dims = ", ".join(sorted(map(str, along | further)))
        raise _unfit(method, f"the ids of its scenes along time, and no other dimension ({dims})")


def _unfit(method: str, needs: str) -> InvalidDataset:
    return InvalidDataset(method=method, needs=needs, hint=_HINT)
