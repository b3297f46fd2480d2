"""One image of a stack of scenes; see ``ds.astra.composite``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import find_variable, variables_of
from astra_xr.accessor.cloud_masks import hidden
from astra_xr.arrays.composite import MASK, REDUCTIONS, CompositeArray, Reduction
from astra_xr.arrays.lazy import wrap
from astra_xr.errors import InvalidParameter


def composite(ds: xr.Dataset, how: str, *, mask_clouds: bool, dilate: int) -> xr.Dataset:
    """Make one picture of a stack; see ``ds.astra.composite``."""
    if how not in REDUCTIONS:
        raise InvalidParameter(name="how", value=how, expected=f"one of {', '.join(REDUCTIONS)}")
    if "time" not in ds.dims or not ds.sizes["time"]:
        expected = "a Dataset of open_scenes, with moments along time"
        raise InvalidParameter(name="how", value=how, expected=expected)
    names = [name for name in variables_of(ds) if _is_measured(ds[name])]
    if not names:
        expected = "a Dataset with bands over time that are not classes or masks"
        raise InvalidParameter(name="bands", value=list(ds.data_vars), expected=expected)
    shared: dict[str, xr.DataArray] = {}
    if mask_clouds:
        kinds = {"clouds": True, "shadows": True, "cirrus": True}
        shared[MASK] = hidden(ds, kinds, dilate)
    greenness = ("", "")
    if how == "max-ndvi":
        greenness = find_variable(ds, "red"), find_variable(ds, "nir")
        shared |= {name: ds[name] for name in greenness}
    order = tuple(map(int, _clearest_first(ds)))
    told = f"{how} of {ds.sizes['time']} moments" + (", clouds left out" if mask_clouds else "")
    pictures = {
        name: _picture(
            {name: ds[name], **shared},
            Reduction(band=name, how=how, order=order, greenness=greenness),
        ).assign_attrs({**ds[name].attrs, "composite": told})
        for name in names
    }
    times = ds["time"].values
    span = f"{np.datetime_as_string(times.min(), 's')}/{np.datetime_as_string(times.max(), 's')}"
    return xr.Dataset(pictures, attrs={**ds.attrs, "composite": told, "datetime": span})


def _is_measured(band: xr.DataArray) -> bool:
    """Tell whether values can be compared over time; refuse stored numbers, which cannot."""
    if "time" not in band.dims or band.attrs.get("role") in ("class", "mask", "visual"):
        return False
    if "_FillValue" in band.attrs or "scale_factor" in band.attrs:
        expected = "a stack of values: stored numbers may mean others from scene to scene"
        raise InvalidParameter(name="mask_and_scale", value=False, expected=expected)
    return True


def _clearest_first(ds: xr.Dataset) -> npt.NDArray[np.intp]:
    """Return the moments by their cloud cover, the later of equals first."""
    count = ds.sizes["time"]
    cover = ds["cloud_cover"].values if "cloud_cover" in ds.coords else np.full(count, np.nan)
    latest = np.arange(count)[::-1]
    return latest[np.argsort(np.nan_to_num(cover, nan=100.0)[latest], kind="stable")]


def _picture(inputs: Mapping[str, xr.DataArray], reduction: Reduction) -> xr.DataArray:
    pixels = inputs[reduction.band].transpose("time", ...)
    alone = pixels.isel(time=0, drop=True)
    # Those of the moments do not hold for all of them.
    coords = {name: each for name, each in alone.coords.items() if "time" not in pixels[name].dims}
    dtype = np.result_type(pixels.dtype, np.float32)
    if any(each.chunks is not None for each in inputs.values()):
        names = list(inputs)
        data = xr.apply_ufunc(
            lambda *parts: reduction(
                {n: np.moveaxis(part, -1, 0) for n, part in zip(names, parts, strict=True)}
            ),
            *(each.variable.chunk({"time": -1}) for each in inputs.values()),
            input_core_dims=[["time"]] * len(inputs),
            dask="parallelized",
            output_dtypes=[dtype],
        ).data
    else:
        variables = {name: each.variable for name, each in inputs.items()}
        data = wrap(CompositeArray(variables, reduction, dtype))
    return xr.DataArray(xr.Variable(alone.dims, data), coords, name=reduction.band)
