"""Masks of clouds, shadows and the like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_classes import classes_of
from astra_xr.accessor.band_names import as_tuple, band_table, mission_name, variables_of
from astra_xr.accessor.fetched_band import fetched, kept
from astra_xr.accessor.function_masks import function_mask, name_of
from astra_xr.accessor.provenance import check_provenance, ids_of, missions_of
from astra_xr.arguments import read_number
from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.mask import Above, ClassMask, MaskArray, mask_by_dask
from astra_xr.arrays.mosaic import stacked
from astra_xr.arrays.pixel_grid import PixelGrid, pixel_grid
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.geometry import box_polygon
from astra_xr.missions import MISSIONS
from astra_xr.missions.classes import MASKED
from astra_xr.model import CLASS_ROLES, PROBABILITY_ROLE, Band

PROBABILITY = "probability"

_THRESHOLD = 40
"""Percent of probability above which a pixel is cloud by default: the threshold of s2cloudless and
of Sentinel Hub's examples."""

_MAX_DILATE = 200
"""Pixels; farther would cost more than it is worth."""

_MAX_OVERLAP = 1000
"""Pixels; blocks have 1024 on each side."""

BlockMask = Callable[[xr.Dataset], Any]
By = str | BlockMask | None

MaskClouds = bool | Mapping[str, Any]
"""Whether clouds are masked; options of :func:`mask`: how."""


def mask(
    ds: xr.Dataset,
    what: str | Sequence[str] = MASKED,
    dilate: int | str = 2,
    *,
    by: By = None,
    above: float | None = None,
    overlap: int | str | None = None,
    gaps: bool = True,
) -> xr.DataArray:
    """Return True where a pixel is masked; see ``ds.astra.mask``.

    A pixel that has values but no class or probability (NaN) is masked. One that has neither is
    without data: ``gaps=True`` masks it too, which changes no masked values and needs that band
    alone. For ``gaps=False`` the other bands are read to tell, but only where it is NaN.
    """
    kinds = as_tuple(what)
    _check_options(what, kinds, by, above, overlap)
    grid = pixel_grid(ds, "mask()")
    reach = _pixels(grid, dilate)
    if callable(by):
        return _by_function(
            ds, by, grid, reach, _pixels(grid, 0 if overlap is None else overlap, "overlap")
        )
    missions = _of_missions(ds)
    if len(missions) > 1:
        options: Any = {"by": by, "above": above, "gaps": gaps}
        return _joined(ds, [(n, mask(part, kinds, dilate, **options)) for n, part in missions])
    check_provenance(ds, "mask()")
    masked: Above | ClassMask
    if by == PROBABILITY:
        limit = _THRESHOLD if above is None else above
        chance = _probability_band(ds)
        band, masked = chance, Above(limit=limit, nodata=chance.nodata, dilate=reach)
        attrs = {"long_name": f"mask: clouds, probability above {limit:g} %", "classes": "clouds"}
    else:
        band, names = _masked_classes(ds, what, kinds, by)
        masked = _class_mask(band, names, reach)
        listed = ", ".join(each.name for each in masked.classes)
        attrs = {"long_name": f"mask: {', '.join(kinds)}", "classes": listed}
    stored = fetched(ds, band, grid, elsewhere=by == PROBABILITY)
    stored = _y_x_last(stored, reach)
    if by == PROBABILITY and "catalog" in stored.attrs:
        attrs["catalog"] = stored.attrs["catalog"]
    others = [] if gaps or stored.dtype.kind != "f" else _measured(ds, stored)
    if grid is not None and grid.kept:
        others = [grid.filled(each) for each in others]
    found = _mask_of(stored, masked, others)
    found.attrs = {**attrs, "band": band.native, "dilate": reach}
    found = kept(found, ds, grid)
    if found.chunks is None:
        # Each chunk reads its own surroundings, so that none waits for others.
        chunks = {dim: each for dim, each in _chunks(ds).items() if dim in found.dims}
        # Not its coordinates, which xarray would then compute to compare them.
        found = found.copy(data=found.variable.chunk(chunks).data) if chunks else found
    return found


def requested_mask(
    ds: xr.Dataset, mask_clouds: MaskClouds, dilate: int | str = 2
) -> xr.DataArray | None:
    """Return the mask that ``mask_clouds`` stands for; None for False."""
    if isinstance(mask_clouds, bool | np.bool_):
        return mask(ds, dilate=dilate) if mask_clouds else None
    options = ("what", "dilate", "by", "above", "overlap")
    if not isinstance(mask_clouds, Mapping) or not set(mask_clouds) <= set(options):
        expected = f"True, False or a dict of options of mask(): {', '.join(options)}"
        raise InvalidParameter(name="mask_clouds", value=mask_clouds, expected=expected)
    return mask(ds, **{"dilate": dilate, **mask_clouds})


def _check_options(what: Any, kinds: tuple[Any, ...], by: Any, above: Any, overlap: Any) -> None:
    """Refuse options that do not go together."""
    is_name, is_probability = isinstance(by, str), isinstance(by, str) and by == PROBABILITY
    if above is not None and is_probability:
        read_number("above", above, "percent, 0 to below 100", least=0, most=100 - 1e-9)
    checks = (
        ("by", by, not (by is None or is_name or callable(by)),
         "the name of a classification band such as 'SCL', 'probability' or a function"),
        ("above", above, above is not None and not is_probability,
         "None unless by='probability'"),
        ("overlap", overlap, overlap is not None and not callable(by),
         "None unless by= is a function"),
        ("what", what, callable(by) and kinds != MASKED,
         "no what=, as the function decides what is masked"),
        ("what", what, is_probability and kinds not in (MASKED, ("clouds",)),
         "'clouds', as there are no probabilities of other classes"),
    )  # fmt: skip
    for name, value, wrong, expected in checks:
        if wrong:
            raise InvalidParameter(name=name, value=value, expected=expected)


def _by_function(
    ds: xr.Dataset, function: BlockMask, grid: PixelGrid | None, reach: int, overlap: int
) -> xr.DataArray:
    if grid is not None:
        grid.check_even("mask()")
    variable = function_mask(ds, function, overlap)
    coords = {name: c for name, c in ds.coords.items() if {*c.dims} <= {*variable.dims}}
    bare = xr.DataArray(variable, coords, name="mask")
    found = _mask_of(bare, Above(limit=0, dilate=reach)) if reach else bare
    attrs = {"long_name": f"mask: {name_of(function)}", "dilate": reach, "overlap": overlap}
    return found.assign_attrs(attrs)


def _measured(ds: xr.Dataset, stored: xr.DataArray) -> list[xr.DataArray]:
    """Return the bands, with the dimensions of the classes, that are NaN without data."""
    without = (*CLASS_ROLES, PROBABILITY_ROLE, "elevation")  # which is of no scene
    return [
        _transposed(ds[name], stored.dims)
        for name in variables_of(ds)
        if ds[name].dtype.kind == "f"
        and {*ds[name].dims} == {*stored.dims}
        and ds[name].attrs.get("role") not in without
        and name != stored.name
    ]


def _y_x_last(stored: xr.DataArray, reach: int) -> xr.DataArray:
    """Return a band with y and x as its last dimensions; refuse to dilate one without them."""
    missing = [dim for dim in ("y", "x") if dim not in stored.dims]
    if missing and (reach or len(missing) == 2):
        picks = ", ".join(f"{dim}=[0]" for dim in missing)
        raise InvalidDataset(
            method="mask()",
            needs="the dimensions y and x, along which clouds are dilated; this Dataset has no "
            + " and no ".join(missing),
            hint=f"Select by lists, which keep dimensions: ds.isel({picks}).",
        )
    order = sorted(stored.dims, key=lambda dim: (dim == "y") + 2 * (dim == "x"))
    return _transposed(stored, order)


def _transposed(band: xr.DataArray, dims: Sequence[Hashable]) -> xr.DataArray:
    """Return a band along ``dims``; itself if it is, as a copy does not keep values read later."""
    return band if band.dims == tuple(dims) else band.transpose(*dims)


def _mask_of(
    stored: xr.DataArray, masked: ClassMask | Above, others: Sequence[xr.DataArray] = ()
) -> xr.DataArray:
    """Return where pixels are masked, lazily; with dask if a band is."""
    bands = [each.variable for each in (stored, *others)]
    chunks = next((each.chunksizes for each in bands if each.chunks is not None), None)
    if chunks is not None:
        data = mask_by_dask(bands[0], masked, bands[1:], chunks)
    else:
        named = {f"with {each.name}": each.variable for each in others}
        data = wrap(MaskArray(stored.variable, masked, named))
    return xr.DataArray(xr.Variable(stored.dims, data), stored.coords, name="mask")


def _of_missions(ds: xr.Dataset) -> list[tuple[list[int], xr.Dataset]]:
    """Return the time steps of each mission, and the Dataset of these."""
    steps: dict[str, list[int]] = {}
    for number, name in enumerate(missions_of(ds)):
        steps.setdefault(name, []).append(number)
    if len(steps) < 2:
        return [(list(range(ds.sizes.get("time", 1))), ds)]
    return [(each, ds.isel(time=each)) for each in steps.values()]


def _joined(ds: xr.Dataset, masks: Sequence[tuple[list[int], xr.DataArray]]) -> xr.DataArray:
    """Join the masks of several missions in the order of their time steps."""
    order = np.argsort(np.concatenate([steps for steps, _ in masks]))
    found = [each for _, each in masks]
    if any(each.chunks is not None for each in found):
        variable = xr.Variable.concat([each.variable for each in found], "time")  # type: ignore[no-untyped-call, unused-ignore]
        variable = variable.isel(time=order)
    else:
        single = [each.variable.isel(time=n) for each in found for n in range(each.sizes["time"])]
        variable = stacked([single[number] for number in order], "a mask")
    names = ("classes", "band")
    texts = {name: ", ".join(each.attrs[name] for each in found) for name in names}
    variable.attrs = found[0].attrs | texts
    coords = {name: each for name, each in ds.coords.items() if {*each.dims} <= {*variable.dims}}
    return xr.DataArray(variable, coords, name="mask")


def _pixels(grid: PixelGrid | None, distance: int | str, name: str = "dilate") -> int:
    """Return a distance in pixels of a Dataset; one in meters is rounded up."""
    most = _MAX_DILATE if name == "dilate" else _MAX_OVERLAP
    expected = f"a whole number of pixels, 0 to {most}, or meters such as '60m'"
    meters = re.fullmatch(r"(\d+(?:\.\d+)?)\s?m", distance) if isinstance(distance, str) else None
    if meters:
        reach = math.ceil(float(meters[1]) / _pixel_size(grid) - 1e-6)
    elif isinstance(distance, Integral) and not isinstance(distance, bool):
        reach = int(distance)
    else:
        reach = -1
    if not 0 <= reach <= most:
        raise InvalidParameter(name=name, value=distance, expected=expected)
    return reach


def _pixel_size(grid: PixelGrid | None) -> float:
    """Return the size of a pixel in meters, the smaller side."""
    box = None if grid is None else grid.box
    if box is None or box.crs is None or not box.crs.projected:
        needs = "a grid in a projected CRS to dilate by meters"
        hint = "Pass a number of pixels."
        raise InvalidDataset(method="mask()", needs=needs, hint=hint)
    factor = box.crs.proj.axis_info[0].unit_conversion_factor
    return float(min(abs(box.resolution.x), abs(box.resolution.y)) * factor)


def _chunks(ds: xr.Dataset) -> dict[str, Any]:
    """Return the chunks of the bands; empty without dask."""
    sizes = next((band.variable.chunksizes for band in ds.values() if band.chunks), {})
    return {str(dim): sizes[dim] for dim in ("time", "y", "x") if dim in sizes}


def can_mask(ds: xr.Dataset) -> bool:
    """Return True if clouds can be masked, as far as is known without a request."""
    try:
        for _, part in _of_missions(ds):
            _class_band(part, "mask()")
            check_provenance(part, "mask()")
    except InvalidDataset:
        return False
    return bool(ids_of(ds))


def cloud_cover(ds: xr.Dataset, bbox: Any) -> float:
    """Return the percentage of clouds; see ``ds.astra.cloud_cover``."""
    cloudy = valid = 0
    for _, part in _of_missions(ds):
        band, kinds = _class_band(part, "cloud_cover()")
        check_provenance(part, "cloud_cover()")
        clouds = _class_mask(band, [*kinds["clouds"], *kinds["cirrus"]], 0)
        grid = pixel_grid(part, "cloud_cover()")
        classes = kept(fetched(part, band, grid), part, grid)
        if bbox is not None:
            classes = _inside(classes, bbox)
        stored = np.asarray(classes.values)
        cloudy += int(clouds.bare(stored).sum())
        valid += int(clouds.valid(stored)[1].sum())
    return 100 * cloudy / valid if valid else float("nan")


def _class_band(ds: xr.Dataset, method: str) -> tuple[Band, dict[str, tuple[str, ...]]]:
    """Return the mission's classification band, and the names of its classes by kind."""
    mission = MISSIONS.get(mission_name(ds))
    masks = mission.masks if mission else {}
    for band in band_table(ds):
        if band.native in masks:
            return band, dict(masks[band.native])
    able = ", ".join(name for name, each in MISSIONS.items() if each.masks)
    own = next((name for name in variables_of(ds) if classes_of(ds[name].attrs)), None)
    example = f"mask(by=lambda block: block[{own or 'udm'!r}] == value)"
    example += f", values as in ds.astra.classes({own!r})" if own else ""
    raise InvalidDataset(
        method=method,
        needs=f"a scene of a mission with a built-in cloud mask ({able})",
        hint=f"Pass mask_clouds=False, or mask by a band of your own: {example}.",
    )


def _masked_classes(
    ds: xr.Dataset, what: Any, kinds: tuple[Any, ...], by: str | None
) -> tuple[Band, list[str]]:
    """Return the classification band, and the names of the classes to mask."""
    band, known = _class_band(ds, "mask()")
    if by is not None and by.casefold() not in {n.casefold() for n in band.names}:
        expected = f"{band.native!r}, 'probability' or a function"
        raise InvalidParameter(name="by", value=by, expected=expected)
    if not kinds or any(each not in tuple(known) for each in kinds):
        expected = f"one or several of {', '.join(map(repr, known))}"
        raise InvalidParameter(name="what", value=what, expected=expected)
    return band, [name for kind in kinds for name in known[kind]]


def _class_mask(band: Band, names: list[str], dilate: int) -> ClassMask:
    classes = tuple(each for each in band.classes if each.name in names)
    return ClassMask(classes=classes, nodata=band.nodata, dilate=dilate, band=band.native)


def _probability_band(ds: xr.Dataset) -> Band:
    """Return the mission's band of cloud probabilities."""
    mission = MISSIONS.get(mission_name(ds))
    if mission is None or not mission.cloud_probability:
        able = ", ".join(name for name, each in MISSIONS.items() if each.cloud_probability)
        needs = f"scenes that have cloud probabilities ({able}) for by='probability'"
        raise InvalidDataset(method="mask()", needs=needs, hint="Leave by= out.")
    return next(band for band in mission.unlisted if band.native == mission.cloud_probability)


def _inside(classes: xr.DataArray, bbox: Any) -> xr.DataArray:
    """Return the part of a band that a box in degrees touches."""
    placed = pixel_grid(classes, "cloud_cover()")
    if placed is None or placed.box.crs is None:
        needs = "a grid with a CRS for bbox"
        hint = "Set one with ds.rio.write_crs, or leave bbox out."
        raise InvalidDataset(method="cloud_cover()", needs=needs, hint=hint)
    grid = placed.box
    box = box_polygon(bbox).to_crs(placed.box.crs, resolution=0.05)
    roi = grid.overlap_roi(grid.enclosing(box))
    rows, cols = placed.y.pixels()[roi[0]], placed.x.pixels()[roi[1]]  # type: ignore[call-overload]
    cut = classes.isel(y=rows[rows >= 0], x=cols[cols >= 0])
    if not cut.size:
        edges = ", ".join(f"{edge:.4f}" for edge in grid.geographic_extent.boundingbox.bbox)
        expected = f"a box that overlaps the Dataset, ({edges})"
        raise InvalidParameter(name="bbox", value=bbox, expected=expected)
    return cut
