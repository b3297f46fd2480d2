"""One image of a stack of scenes; see ``ds.astra.composite``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import find_variable, variables_of
from astra_xr.accessor.cloud_masks import WHAT, mask
from astra_xr.arrays.composite import MASK, REDUCTIONS, CompositeArray, Reduction
from astra_xr.arrays.lazy import wrap
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.model import CLASS_ROLES


def composite(ds: xr.Dataset, how: str, *, mask_clouds: bool, dilate: int | str) -> xr.Dataset:
    """Reduce a stack over time; see ``ds.astra.composite``."""
    how = how.replace("_", "-")
    if how not in REDUCTIONS:
        raise InvalidParameter(name="how", value=how, expected=f"one of {', '.join(REDUCTIONS)}")
    if "time" not in ds.dims or not ds.sizes["time"] or ds["time"].dtype.kind != "M":
        raise _unfit("scenes along a dimension time, with their dates")
    names = [name for name in variables_of(ds) if _is_measured(ds[name])]
    if not names:
        raise _unfit("bands over time that are not classes or masks")
    shared: dict[str, xr.DataArray] = {}
    if mask_clouds:
        shared[MASK] = mask(ds, WHAT, dilate)
    greenness = ("", "")
    if how == "max-ndvi":
        greenness = find_variable(ds, "red"), find_variable(ds, "nir")
        shared |= {name: ds[name] for name in greenness}
    order = tuple(map(int, _clearest_first(ds)))
    made = f"{how} of {ds.sizes['time']} time steps" + (", clouds masked" if mask_clouds else "")
    images = {
        name: _image(
            {name: ds[name], **shared},
            Reduction(band=name, how=how, order=order, greenness=greenness),
        ).assign_attrs({**ds[name].attrs, "composite": made})
        for name in names
    }
    times = ds["time"].values
    span = f"{np.datetime_as_string(times.min(), 's')}/{np.datetime_as_string(times.max(), 's')}"
    return xr.Dataset(images, attrs={**ds.attrs, "composite": made, "datetime": span})


def _unfit(needs: str, hint: str = "Open one with astra_xr.open_scenes.") -> InvalidDataset:
    return InvalidDataset(method="composite()", needs=needs, hint=hint)


def _is_measured(band: xr.DataArray) -> bool:
    """Return True where values compare over time; refuse stored numbers, which do not."""
    if "time" not in band.dims or band.attrs.get("role") in (*CLASS_ROLES, "visual"):
        return False
    if "_FillValue" in band.attrs or "scale_factor" in band.attrs:
        needs = "scaled values: stored numbers can differ in scale and offset between scenes"
        raise _unfit(needs, "Open the scenes with mask_and_scale=True.")
    return True


def _clearest_first(ds: xr.Dataset) -> npt.NDArray[np.intp]:
    """Return the time steps by cloud cover, the later of equals first."""
    count = ds.sizes["time"]
    cover = ds["cloud_cover"].values if "cloud_cover" in ds.coords else np.full(count, np.nan)
    latest = np.arange(count)[::-1]
    return latest[np.argsort(np.nan_to_num(cover, nan=100.0)[latest], kind="stable")]


def _image(inputs: Mapping[str, xr.DataArray], reduction: Reduction) -> xr.DataArray:
    pixels = inputs[reduction.band].transpose("time", ...)
    alone = pixels.isel(time=0, drop=True)
    # Coordinates along time hold for one step only.
    coords = {name: each for name, each in alone.coords.items() if "time" not in pixels[name].dims}
    dtype = np.result_type(pixels.dtype, np.float32)
    if any(each.chunks is not None for each in inputs.values()):
        data = xr.apply_ufunc(
            functools.partial(_reduced, names=tuple(inputs), reduction=reduction),
            *(each.variable.chunk({"time": -1}) for each in inputs.values()),
            input_core_dims=[["time"]] * len(inputs),
            dask="parallelized",
            output_dtypes=[dtype],
        ).data
    else:
        variables = {name: each.variable for name, each in inputs.items()}
        data = wrap(CompositeArray(variables, reduction, dtype))
    image = xr.DataArray(xr.Variable(alone.dims, data), coords, name=reduction.band)
    image.encoding["_FillValue"] = np.nan
    return image


def _reduced(
    *parts: npt.NDArray[Any], names: tuple[str, ...], reduction: Reduction
) -> npt.NDArray[Any]:
    """Reduce chunks whose last dimension is time."""
    return reduction({n: np.moveaxis(part, -1, 0) for n, part in zip(names, parts, strict=True)})
