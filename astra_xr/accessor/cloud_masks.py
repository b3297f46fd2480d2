"""Clouds and the like, by the class band of the mission; see ``ds.astra.mask``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import band_table, find_variable, variables_of
from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.mask import ClassMask, MaskArray
from astra_xr.errors import InvalidParameter
from astra_xr.missions import MISSIONS
from astra_xr.model import Band

if TYPE_CHECKING:
    import pandas as pd

_FARTHEST = 200
"""Pixels of ``dilate`` above which a mask would cost more than it is worth."""


def hidden(ds: xr.Dataset, wishes: dict[str, bool], dilate: int) -> xr.DataArray:
    """Return True where a pixel is one of what was wished; see ``ds.astra.mask``."""
    if not isinstance(dilate, int) or isinstance(dilate, bool) or not 0 <= dilate <= _FARTHEST:
        expected = f"a whole number of pixels, 0 to {_FARTHEST}"
        raise InvalidParameter(name="dilate", value=dilate, expected=expected)
    band, kinds = _class_band(ds)
    asked = [kind for kind, wished in wishes.items() if wished]
    if not asked:
        raise InvalidParameter(name=" ".join(wishes), value=False, expected="one of them True")
    hide = _hide(band, [name for kind in asked for name in kinds.get(kind, ())], dilate)
    classes = _classes(ds, band)
    chunks: dict[str, Any] = {}
    if classes.chunks is not None:
        import dask.array as da

        # "none": nothing lies beyond the edges.
        depth = {classes.ndim - 2: dilate, classes.ndim - 1: dilate}
        data = da.map_overlap(hide, classes.data, depth=depth, boundary="none", dtype=bool)  # type: ignore[no-untyped-call, unused-ignore]
    else:
        # Each chunk reads its own surroundings: no chunk waits for others.
        data = wrap(MaskArray(classes.variable, hide))
        chunks = _chunks(ds)
    attrs = {
        "long_name": f"hidden: {', '.join(asked)}",
        "classes": ", ".join(each.name for each in hide.classes),
        "band": band.native,
        "dilate": dilate,
    }
    mask = xr.DataArray(xr.Variable(classes.dims, data, attrs), classes.coords, name="mask")
    return mask.chunk(chunks) if chunks else mask


def _chunks(ds: xr.Dataset) -> dict[str, Any]:
    """Return the chunks of the bands; nothing without dask."""
    told = next((band.chunksizes for band in ds.values() if band.chunks), {})
    return {str(dim): told[dim] for dim in ("time", "y", "x") if dim in told}


def hides(ds: xr.Dataset) -> bool:
    """Tell whether clouds can be told, as far as that is known without asking a catalogue."""
    try:
        _class_band(ds)
    except InvalidParameter:
        return False
    return ds.attrs.get("scene_id") is not None


def cloud_cover(ds: xr.Dataset, bbox: Any) -> float:
    """Return the share of clouds; see ``ds.astra.cloud_cover``."""
    band, kinds = _class_band(ds)
    hide = _hide(band, [*kinds["clouds"], *kinds["cirrus"]], 0)
    classes = _classes(ds, band)
    if bbox is not None:
        classes = _inside(classes, bbox)
    stored = np.asarray(classes.values)
    valid = int(hide.valid(stored)[1].sum())
    return 100 * int(hide.bare(stored).sum()) / valid if valid else float("nan")


def class_table(ds: xr.Dataset, name: str) -> pd.DataFrame:
    """Return what the numbers of a class band mean; see ``ds.astra.classes``."""
    import pandas as pd

    wanted = name.strip().casefold()
    bands = [band for band in band_table(ds) if wanted in {n.casefold() for n in band.names}]
    if not bands:
        native = ds[find_variable(ds, name)].attrs.get("native_name", name)
        bands = [band for band in band_table(ds) if band.native == native]
    if not bands or not bands[0].classes:
        known = ", ".join(band.native for band in band_table(ds) if band.classes) or "none here"
        expected = f"a band whose numbers are classes or bits: {known}"
        raise InvalidParameter(name="name", value=name, expected=expected)
    rows = [(each.value, each.name, each.mask, each.color) for each in bands[0].classes]
    table = pd.DataFrame(rows, columns=["value", "meaning", "mask", "color"])
    return table.astype({"mask": "Int64"}).set_index("value")


def _class_band(ds: xr.Dataset) -> tuple[Band, dict[str, tuple[str, ...]]]:
    """Return the mission's class band, and which of its classes mean what."""
    mission = MISSIONS.get(str(ds.attrs.get("mission")))
    masks = mission.masks if mission else {}
    for band in band_table(ds):
        if band.native in masks:
            return band, dict(masks[band.native])
    able = ", ".join(name for name, each in MISSIONS.items() if each.masks)
    expected = f"a Dataset of a mission that tells clouds by a class band: {able}"
    raise InvalidParameter(name="mission", value=ds.attrs.get("mission"), expected=expected)


def _hide(band: Band, names: list[str], dilate: int) -> ClassMask:
    classes = tuple(each for each in band.classes if each.name in names)
    return ClassMask(classes=classes, nodata=band.nodata, dilate=dilate)


def _classes(ds: xr.Dataset, band: Band) -> xr.DataArray:
    """Return the class band, opened on the Dataset's grid if it is not there yet."""
    for name in variables_of(ds):
        if ds[name].attrs.get("native_name", name) == band.native:
            return ds[name]
    import odc.geo.xr  # noqa: F401  (registers .odc)

    from astra_xr.scenes.open import open_scene
    from astra_xr.scenes.stack import open_again

    scene, grid = ds.attrs.get("scene_id"), ds.odc.geobox
    if scene is None and "id" in ds.coords:
        scene = "a stack"
    if scene is None or grid is None or ds.odc.spatial_dims != ("y", "x"):
        expected = f"open, e.g. with bands=[…, {band.native!r}], or fetched: this Dataset has lost "
        lost = "its scene_id" if scene is None else "its grid"
        raise InvalidParameter(name="class band", value=band.native, expected=expected + lost)
    catalog = ds.attrs.get("catalog")
    if scene == "a stack":
        found = open_again(ds, band.native)
    else:
        found = open_scene(str(scene), [band.native], catalog=catalog, like=ds)
    # Coordinates that are equal but for rounding would not be aligned.
    return found[band.native].assign_coords({dim: ds[dim] for dim in ("y", "x")})


def _inside(classes: xr.DataArray, bbox: Any) -> xr.DataArray:
    """Cut a band down to the pixels that a box in degrees touches."""
    from odc.geo import geom

    from astra_xr.catalogs.terms import read_box

    west, south, east, north = read_box(bbox)
    box = geom.box(west, south, east + (360 if east < west else 0), north, "EPSG:4326")
    grid = classes.odc.geobox
    rows, cols = grid.overlap_roi(grid.enclosing(box.to_crs(grid.crs, resolution=0.05)))
    cut = classes[..., rows, cols]
    if not cut.size:
        edges = ", ".join(f"{edge:.4f}" for edge in grid.geographic_extent.boundingbox.bbox)
        expected = f"a place that the Dataset covers, of ({edges})"
        raise InvalidParameter(name="bbox", value=bbox, expected=expected)
    return cut
