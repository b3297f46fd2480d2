"""Masks of clouds and the like, by the classification band of the mission."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import (
    band_table,
    find_variable,
    has_band,
    mission_of,
    variables_of,
)
from astra_xr.accessor.provenance import (
    catalog_of,
    check_provenance,
    check_times,
    id_texts,
    ids_of,
    missions_of,
)
from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.mask import ClassMask, MaskArray
from astra_xr.arrays.mosaic import stacked
from astra_xr.arrays.pixel_grid import PixelGrid, pixel_grid
from astra_xr.catalogs import holds_any
from astra_xr.errors import InvalidDataset, InvalidParameter, InvalidSceneId
from astra_xr.geometry import box_polygon
from astra_xr.missions import MISSIONS
from astra_xr.model import Band, ClassValue
from astra_xr.resolver.ids import parse_scene_id

if TYPE_CHECKING:
    import pandas as pd

WHAT = ("clouds", "shadows", "cirrus")
"""What is masked where nothing else is asked for."""

_FARTHEST = 200
"""Pixels of ``dilate`` above which a mask would cost more than it is worth."""


def mask(ds: xr.Dataset, what: str | Sequence[str], dilate: int | str) -> xr.DataArray:
    """Return True where a pixel is of one of some kinds; see ``ds.astra.mask``."""
    missions = _of_missions(ds)
    if len(missions) > 1:
        return _joined(ds, [(steps, mask(part, what, dilate)) for steps, part in missions])
    grid = pixel_grid(ds, "mask()")
    reach = _pixels(grid, dilate)
    band, kinds = _class_band(ds, "mask()")
    check_provenance(ds, "mask()")
    asked = (what,) if isinstance(what, str) else tuple(what)
    if not asked or not set(asked) <= set(kinds):
        expected = f"one or several of {', '.join(map(repr, kinds))}"
        raise InvalidParameter(name="what", value=what, expected=expected)
    masked = _class_mask(band, [name for kind in asked for name in kinds[kind]], reach)
    classes = _classes(ds, band, grid)
    chunks: dict[str, Any] = {}
    if classes.chunks is not None:
        import dask.array as da

        # "none": nothing lies beyond the edges.
        depth = {classes.ndim - 2: reach, classes.ndim - 1: reach}
        data = da.map_overlap(masked, classes.data, depth=depth, boundary="none", dtype=bool)  # type: ignore[no-untyped-call, unused-ignore]
    else:
        # Each chunk reads its own surroundings: no chunk waits for others.
        data = wrap(MaskArray(classes.variable, masked))
        chunks = _chunks(ds)
    attrs = {
        "long_name": f"mask: {', '.join(asked)}",
        "classes": ", ".join(each.name for each in masked.classes),
        "band": band.native,
        "dilate": reach,
    }
    found = xr.DataArray(xr.Variable(classes.dims, data, attrs), classes.coords, name="mask")
    found = _kept(found, ds, grid)
    chunks = {dim: each for dim, each in chunks.items() if dim in found.dims}
    return found.chunk(chunks) if chunks else found


def _of_missions(ds: xr.Dataset) -> list[tuple[list[int], xr.Dataset]]:
    """Return the time steps of each mission, and the Dataset of these."""
    steps: dict[str, list[int]] = {}
    for number, name in enumerate(missions_of(ds)):
        steps.setdefault(name, []).append(number)
    if len(steps) < 2:
        return [(list(range(ds.sizes.get("time", 1))), ds)]
    return [(each, ds.isel(time=each)) for each in steps.values()]


def _joined(ds: xr.Dataset, masks: Sequence[tuple[list[int], xr.DataArray]]) -> xr.DataArray:
    """Put the masks of several missions where their time steps lie."""
    place = np.argsort(np.concatenate([steps for steps, _ in masks]))
    found = [each for _, each in masks]
    if any(each.chunks is not None for each in found):
        variable = xr.Variable.concat([each.variable for each in found], "time")  # type: ignore[no-untyped-call, unused-ignore]
        variable = variable.isel(time=place)
    else:
        single = [each.variable.isel(time=n) for each in found for n in range(each.sizes["time"])]
        variable = stacked([single[number] for number in place], "a mask")
    names = ("classes", "band")
    told = {name: ", ".join(each.attrs[name] for each in found) for name in names}
    variable.attrs = found[0].attrs | told
    coords = {name: each for name, each in ds.coords.items() if {*each.dims} <= {*variable.dims}}
    return xr.DataArray(variable, coords, name="mask")


def _pixels(grid: PixelGrid | None, dilate: int | str) -> int:
    """Return a distance in pixels of a Dataset; one in meters is rounded up."""
    expected = f"a whole number of pixels, 0 to {_FARTHEST}, or meters such as '60m'"
    meters = re.fullmatch(r"(\d+(?:\.\d+)?)\s?m", dilate) if isinstance(dilate, str) else None
    if meters:
        reach = math.ceil(float(meters[1]) / _pixel_size(grid) - 1e-6)
    elif isinstance(dilate, int) and not isinstance(dilate, bool):
        reach = dilate
    else:
        reach = -1
    if not 0 <= reach <= _FARTHEST:
        raise InvalidParameter(name="dilate", value=dilate, expected=expected)
    return reach


def _pixel_size(grid: PixelGrid | None) -> float:
    """Return the size of a pixel in meters, the smaller side."""
    box = None if grid is None else grid.box
    if box is None or box.crs is None or not box.crs.projected:
        needs = "a grid in a projected CRS to dilate by meters"
        hint = "Pass dilate as a number of pixels."
        raise InvalidDataset(method="mask()", needs=needs, hint=hint)
    factor = box.crs.proj.axis_info[0].unit_conversion_factor
    return float(min(abs(box.resolution.x), abs(box.resolution.y)) * factor)


def _chunks(ds: xr.Dataset) -> dict[str, Any]:
    """Return the chunks of the bands; nothing without dask."""
    sizes = next((band.variable.chunksizes for band in ds.values() if band.chunks), {})
    return {str(dim): sizes[dim] for dim in ("time", "y", "x") if dim in sizes}


def can_mask(ds: xr.Dataset) -> bool:
    """Return True where clouds can be masked, as far as is known without asking a catalog."""
    try:
        for _, part in _of_missions(ds):
            _class_band(part, "mask()")
            check_provenance(part, "mask()")
    except InvalidDataset:
        return False
    return bool(ids_of(ds))


def cloud_cover(ds: xr.Dataset, bbox: Any) -> float:
    """Return the share of clouds; see ``ds.astra.cloud_cover``."""
    cloudy = valid = 0
    for _, part in _of_missions(ds):
        band, kinds = _class_band(part, "cloud_cover()")
        check_provenance(part, "cloud_cover()")
        clouds = _class_mask(band, [*kinds["clouds"], *kinds["cirrus"]], 0)
        grid = pixel_grid(part, "cloud_cover()")
        classes = _kept(_classes(part, band, grid), part, grid)
        if bbox is not None:
            classes = _inside(classes, bbox)
        stored = np.asarray(classes.values)
        cloudy += int(clouds.bare(stored).sum())
        valid += int(clouds.valid(stored)[1].sum())
    return 100 * cloudy / valid if valid else float("nan")


def class_table(ds: xr.Dataset, name: str) -> pd.DataFrame:
    """Return what the numbers of a classification band mean; see ``ds.astra.classes``."""
    import pandas as pd

    wanted = name.strip().casefold()
    bands = [band for band in band_table(ds) if wanted in {n.casefold() for n in band.names}]
    classes = bands[0].classes if bands else ()
    if not classes and (not bands or has_band(ds, name)):
        classes = _written(ds[find_variable(ds, name)].attrs)
    if not classes:
        table_bands = [band.native for band in band_table(ds) if band.classes]
        written = [each for each in variables_of(ds) if _written(ds[each].attrs)]
        known = ", ".join(dict.fromkeys([*table_bands, *written])) or "none here"
        expected = f"a band whose numbers are classes or bits: {known}"
        raise InvalidParameter(name="name", value=name, expected=expected)
    rows = [(each.value, each.name, each.mask, each.color) for each in classes]
    table = pd.DataFrame(rows, columns=["value", "meaning", "mask", "color"])
    return table.astype({"mask": "Int64"}).set_index("value")


def _written(attrs: Mapping[Any, Any]) -> tuple[ClassValue, ...]:
    """Return the classes in CF attributes, as they are after netCDF and Zarr too."""
    values, masks = (np.atleast_1d(attrs.get(f"flag_{name}", ())) for name in ("values", "masks"))
    words, colors = (str(attrs.get(f"flag_{name}", "")).split() for name in ("meanings", "colors"))
    if values.dtype.kind not in "iu" or masks.dtype.kind not in "iuf":
        return ()
    return tuple(
        ClassValue(
            value=int(value),
            name=word,
            mask=int(masks[n]) if n < len(masks) else None,
            color=colors[n] if n < len(colors) else None,
        )
        for n, (value, word) in enumerate(zip(values, words, strict=False))
    )


def _class_band(ds: xr.Dataset, method: str) -> tuple[Band, dict[str, tuple[str, ...]]]:
    """Return the mission's classification band, and which of its classes mean what."""
    mission = MISSIONS.get(mission_of(ds))
    masks = mission.masks if mission else {}
    for band in band_table(ds):
        if band.native in masks:
            return band, dict(masks[band.native])
    able = ", ".join(name for name, each in MISSIONS.items() if each.masks)
    own = next((name for name in variables_of(ds) if _written(ds[name].attrs)), None)
    example = "ds.where(ds.udm == 0)"
    if own:
        example = f"ds.where(ds[{own!r}] != value), values as in ds.astra.classes({own!r})"
    raise InvalidDataset(
        method=method,
        needs=f"a scene with a classification band that is known here ({able})",
        hint=f"Pass mask_clouds=False, and mask with a band of your own: {example}.",
    )


def _class_mask(band: Band, names: list[str], dilate: int) -> ClassMask:
    classes = tuple(each for each in band.classes if each.name in names)
    return ClassMask(classes=classes, nodata=band.nodata, dilate=dilate)


def _classes(ds: xr.Dataset, band: Band, grid: PixelGrid | None) -> xr.DataArray:
    """Return the classification band, opened if it is not there yet, without gaps."""
    for name in variables_of(ds):
        if ds[name].attrs.get("native_name", name) == band.native:
            return grid.filled(ds[name]) if grid is not None and grid.kept else ds[name]
    from astra_xr.scenes.given import item_of
    from astra_xr.scenes.open import open_scene
    from astra_xr.scenes.stack import open_again

    known = bool(ids_of(ds))
    if not known or grid is None or grid.box.crs is None:
        lost = "grid" if known else "scene id"
        raise InvalidDataset(
            method="mask()",
            needs=f"the band {band.native}, which is not here and cannot be fetched: this Dataset "
            f"has lost its {lost}",
            hint=f"Open the scene with bands=[…, {band.native!r}].",
        )
    like = grid.box if grid.kept else ds
    names = id_texts(ds)
    catalogs = ds["catalog"].values if "catalog" in ds.coords else catalog_of(ds) or ""
    if ds["id"].ndim or ", " in names[0]:
        found = open_again(names, band.native, like, catalogs, ds.attrs.get("groupby"))
        found = found if ds["id"].ndim else found.isel(time=0)
    else:
        (name,), catalog = names, str(catalogs) or None
        if not (own := item_of(name)) and not holds_any(catalog):
            _check_id(name, band)
        found = open_scene(own or name, [band.native], catalog=catalog, like=like)
    if "time" in found.coords:
        check_times(ds, found["time"].values, "mask()")
    classes = found[band.native]
    return classes if grid.kept else _with_coords_of(ds, classes)


def _kept(found: xr.DataArray, ds: xr.Dataset, grid: PixelGrid | None) -> xr.DataArray:
    """Return the pixels that a Dataset has of an array without gaps."""
    if grid is None or not grid.kept:
        return found
    return _with_coords_of(ds, found.isel(grid.kept))


def _with_coords_of(ds: xr.Dataset, found: xr.DataArray) -> xr.DataArray:
    # Coordinates that are equal but for rounding would not be aligned.
    dims = [dim for dim in ("time", "y", "x") if dim in found.dims and dim in ds.dims]
    return found.assign_coords({dim: ds[dim] for dim in dims})


def _check_id(name: str, band: Band) -> None:
    """Refuse an id that no catalog knows."""
    try:
        parse_scene_id(name)
    except InvalidSceneId:
        pass
    else:
        return
    raise InvalidDataset(
        method="mask()",
        needs=f"the band {band.native}, which cannot be fetched: no catalog knows the id {name}",
        hint=f"Open the item with bands=[…, {band.native!r}].",
    )


def _inside(classes: xr.DataArray, bbox: Any) -> xr.DataArray:
    """Return the part of a band that a box in degrees touches."""
    placed = pixel_grid(classes, "cloud_cover()")
    if placed is None or placed.box.crs is None:
        needs = "a grid with a CRS to look into a box"
        hint = "Set one with ds.rio.write_crs, or leave bbox out."
        raise InvalidDataset(method="cloud_cover()", needs=needs, hint=hint)
    grid = placed.box
    box = box_polygon(bbox).to_crs(placed.box.crs, resolution=0.05)
    roi = grid.overlap_roi(grid.enclosing(box))
    rows, cols = placed.y.found()[roi[0]], placed.x.found()[roi[1]]  # type: ignore[call-overload]
    cut = classes.isel(y=rows[rows >= 0], x=cols[cols >= 0])
    if not cut.size:
        edges = ", ".join(f"{edge:.4f}" for edge in grid.geographic_extent.boundingbox.bbox)
        expected = f"a box that meets the Dataset, ({edges})"
        raise InvalidParameter(name="bbox", value=bbox, expected=expected)
    return cut
