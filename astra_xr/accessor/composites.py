"""Composites of a stack over time, or of each period; see ``ds.astra.composite``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import find_variable, variables_of
from astra_xr.accessor.cloud_masks import MaskClouds, requested_mask
from astra_xr.accessor.provenance import id_texts, missions_of
from astra_xr.arguments import read_flag
from astra_xr.arrays.composite import COUNT, MASK, REDUCTIONS, CompositeArray, Reduction
from astra_xr.arrays.lazy import wrap
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.missions import MISSIONS
from astra_xr.model import AS_STORED_ROLES
from astra_xr.scenes.time_steps import scene_claim
from astra_xr.warned import first_time

_MOST = 10_000
"""Maximum number of periods; more suggest a wrong unit."""

Steps = list[int]
"""Indices of time steps."""


def composite(
    ds: xr.Dataset,
    how: str,
    *,
    freq: Any,
    count: bool,
    mask_clouds: MaskClouds,
    dilate: int | str,
) -> xr.Dataset:
    """Reduce a stack over time; see ``ds.astra.composite``."""
    if str(how).replace("_", "-") not in REDUCTIONS:
        raise InvalidParameter(name="how", value=how, expected=f"one of {', '.join(REDUCTIONS)}")
    how = how.replace("_", "-")
    names = _bands_of(ds, count=read_flag("count", count))
    _check_levels(ds)
    labels, periods = _periods(ds, freq)
    clouds = requested_mask(ds, mask_clouds, dilate)
    masked = {} if clouds is None else {MASK: clouds}
    shared, greenness = dict(masked), ("", "")
    if how == "max-ndvi":
        greenness = find_variable(ds, "red"), find_variable(ds, "nir")
        shared |= {name: ds[name] for name in greenness}
    span = "" if freq is None else f" in {len(periods)} periods of {freq}"
    made = f"{how} of {ds.sizes['time']} time steps{span}"
    made += "" if clouds is None else ", clouds masked"
    found = {
        name: _image(
            {name: ds[name], **shared},
            Reduction(bands=(name,), how=how, greenness=greenness),
            periods,
        ).assign_attrs({**_of_all(ds, ds[name].attrs), "composite": made})
        for name in names
    }
    if count:
        found[COUNT] = _count({name: ds[name] for name in names}, masked, periods)
    times = ds["time"].values
    dates = f"{np.datetime_as_string(times.min(), 's')}/{np.datetime_as_string(times.max(), 's')}"
    attrs = {**_of_all(ds, ds.attrs), "composite": made, "datetime": dates, **_mission_attrs(ds)}
    images = xr.Dataset(found, attrs=attrs)
    if freq is None:
        return images.isel(time=0)
    return images.assign_coords(time=("time", labels, ds["time"].attrs))


def _bands_of(ds: xr.Dataset, *, count: bool) -> list[str]:
    """Return the bands of a stack whose values compare over time; refuse what is no stack."""
    if "time" not in ds.dims or not ds.sizes["time"] or ds["time"].dtype.kind != "M":
        raise _unfit("scenes along a dimension time, with their dates")
    if not isinstance(ds["time"].dtype, np.dtype):  # one of pandas, with a time zone
        hint = "Convert them: ds.assign_coords(time=ds.indexes['time'].tz_convert(None))."
        raise _unfit("times in UTC without a time zone", hint)
    names = [name for name in variables_of(ds) if _is_measured(ds[name])]
    if not names:
        raise _unfit("bands over time that are not classes or masks")
    if count and COUNT in names:
        raise _unfit(
            "the name 'count' for the number of time steps", "Rename your band: ds.rename(count=…)."
        )
    return names


def _unfit(needs: str, hint: str = "Open one with astra_xr.open_scenes.") -> InvalidDataset:
    return InvalidDataset(method="composite()", needs=needs, hint=hint)


def _is_measured(band: xr.DataArray) -> bool:
    """Return True for values that compare over time; refuse stored numbers, which do not."""
    if "time" not in band.dims or band.attrs.get("role") in AS_STORED_ROLES:
        return False
    if "_FillValue" in band.attrs or "scale_factor" in band.attrs:
        needs = "scaled values: stored numbers can differ in scale and offset between scenes"
        raise _unfit(needs, "Open the scenes with mask_and_scale=True.")
    if set(band.dims) != {"time", "y", "x"}:
        needs = f"bands of (time, y, x), not {band.dims}"
        raise _unfit(needs, f"Drop {band.name!r}, or open its planes one by one.")
    return True


def _check_levels(ds: xr.Dataset) -> None:
    """Refuse surface reflectance together with that at the top of the atmosphere."""
    tops: dict[bool, str] = {}
    for name in id_texts(ds) if "id" in ds.coords else ():
        for scene in name.split(", "):
            mission, _, product = scene.partition(":")
            known = MISSIONS.get(mission)
            parts = known.describe({"id": product, "assets": {}}) if known else {}
            if parts:
                # "1C" of Sentinel-2, "L1TP" of Landsat; products that exist in one level have none.
                tops[parts.get("level", "2").lstrip("L").startswith("1")] = scene
    if len(tops) > 1:
        needs = (
            f"scenes of one level: {tops[True]} is Level 1, reflectance at the top of the "
            f"atmosphere, and {tops[False]} is surface reflectance"
        )
        raise _unfit(needs, "Open scenes of one level.")


_OF_ONE = {
    *("platform", "cloud_cover", "other_processings", "catalog", "provider"),
    *("item_url", "resolved_at"),
}
"""Attrs of one scene or item; xarray keeps those of the first when it joins scenes."""


def _of_all(ds: xr.Dataset, attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the attrs of a Dataset or band that all time steps share."""
    ids = id_texts(ds) if "id" in ds.coords else []
    if len(set(ids)) < 2:
        return dict(attrs)
    joined = "groupby" not in ds.attrs  # by xarray, not by open_scenes, whose attrs are of all

    def differs(name: Any) -> bool:
        along = ds.coords.get(name)
        if name in _OF_ONE and along is not None and along.dims == ("time",):
            return not bool((along == attrs[name]).all())
        return joined and name in _OF_ONE

    kept = {name: value for name, value in attrs.items() if not differs(name)}
    if joined and attrs.get("scene_id") in ids:
        kept["scene_id"] = scene_claim(ids)
    return kept


def _mission_attrs(ds: xr.Dataset) -> dict[str, str]:
    """Return attrs for values of several missions, and warn once that these differ."""
    missions = sorted({*missions_of(ds)} - {"nan"})  # of days without a scene, after reindex
    if len(missions) < 2:
        return {}
    listed = ", ".join(missions)
    if first_time(f"composite of {listed}"):
        warnings.warn(
            f"This composite mixes {listed}: each pixel is reflectance of its own mission. "
            "Band passes, view angles and atmospheric corrections are not adjusted to each other "
            "(docs/radiometry.md); NASA adjusts Landsat and Sentinel-2 in mission 'hls'.",
            stacklevel=4,
        )
    return {"missions": listed, "harmonization": "none: each mission's own reflectance"}


def _periods(ds: xr.Dataset, freq: Any) -> tuple[npt.NDArray[Any], list[Steps]]:
    """Return the label of each period, as in xarray, and its time steps, the clearest first."""
    order = _clearest_first(ds)
    times = ds["time"].values
    if freq is None:
        return times[:1], [[int(step) for step in order]]
    if np.isnat(times).any() or (times[1:] < times[:-1]).any():
        raise _unfit("time steps in order, each with a date", "Sort them: ds.sortby('time').")
    numbers = xr.DataArray(np.arange(times.size), {"time": times}, "time")
    try:
        grouped = numbers.resample(time=freq)
        labels = grouped.count()["time"].values
        groups = {label: set(numbers.values[steps]) for label, steps in grouped.groups.items()}
    except Exception as error:  # noqa: BLE001  (pandas and xarray raise many types)
        # Without the causes that pandas appends.
        reason = str(error).partition(", failed to parse")[0].rstrip(".")
    else:
        if len(labels) <= _MOST:
            periods: list[set[int]] = [groups.get(label, set()) for label in labels]
            return labels, [[int(n) for n in order if n in period] for period in periods]
        reason = f"{len(labels)} periods are more than {_MOST}"
    expected = (
        "what xarray's resample(time=…) takes: '1MS' (months), 'QS' (quarters), 'QS-DEC' (seasons "
        "from December on), 'YS' (years), '10D' (ten days)"
    )
    raise InvalidParameter(name="freq", value=freq, expected=expected, reason=reason)


def _clearest_first(ds: xr.Dataset) -> npt.NDArray[np.intp]:
    """Return the time steps by cloud cover, the later of equals first."""
    count = ds.sizes["time"]
    known = "cloud_cover" in ds.coords and ds["cloud_cover"].dims == ("time",)
    cover = ds["cloud_cover"].values if known else np.full(count, np.nan)
    latest = np.arange(count)[::-1]
    return latest[np.argsort(np.nan_to_num(cover, nan=100.0)[latest], kind="stable")]


def _image(
    inputs: Mapping[str, xr.DataArray], reduction: Reduction, periods: Sequence[Steps]
) -> xr.DataArray:
    """Return the images of all periods, (time, y, x)."""
    pixels = inputs[reduction.bands[0]].transpose("time", ...)
    inputs = {name: each.transpose(*pixels.dims) for name, each in inputs.items()}
    # Coordinates along time are of single steps.
    coords = {name: each for name, each in pixels.coords.items() if "time" not in each.dims}
    counts = reduction.how == COUNT
    dtype = np.dtype(np.uint16) if counts else np.result_type(pixels.dtype, np.float32)
    if any(each.chunks is not None for each in inputs.values()):
        images = [_by_dask(inputs, reduction, steps, dtype) for steps in periods]
        joined = xr.Variable.concat(images, "time")  # type: ignore[no-untyped-call, unused-ignore]
        variable = xr.Variable(pixels.dims, joined.data)
    else:
        variables = {name: each.variable for name, each in inputs.items()}
        array = CompositeArray(variables, reduction, periods, dtype)
        variable = xr.Variable(pixels.dims, wrap(array))
    image = xr.DataArray(variable, coords, name=reduction.bands[0])
    if not counts:
        image.encoding["_FillValue"] = np.nan
    return image


def _count(
    bands: Mapping[str, xr.DataArray], masked: Mapping[str, xr.DataArray], periods: Sequence[Steps]
) -> xr.DataArray:
    """Return how many time steps of each period have a value in all bands, (time, y, x)."""
    found = _image({**bands, **masked}, Reduction(bands=tuple(bands), how=COUNT), periods)
    long_name = "number of time steps that have a value in all bands"
    return found.assign_attrs(long_name=long_name, units="1")


def _by_dask(
    inputs: Mapping[str, xr.DataArray], reduction: Reduction, steps: Steps, dtype: np.dtype[Any]
) -> xr.Variable:
    """Return the image of one period, (y, x), in the chunks of the inputs."""
    if not steps:
        first = inputs[reduction.bands[0]].variable.isel(time=0)
        empty: xr.Variable = xr.full_like(first, reduction.fill, dtype)
        return empty
    used = [each.variable.isel(time=steps).chunk({"time": -1}) for each in inputs.values()]
    found: xr.Variable = xr.apply_ufunc(
        functools.partial(_reduced, names=tuple(inputs), reduction=reduction, dtype=dtype),
        *used,
        input_core_dims=[["time"]] * len(inputs),
        dask="parallelized",
        output_dtypes=[dtype],
    )
    return found


def _reduced(
    *parts: npt.NDArray[Any], names: tuple[str, ...], reduction: Reduction, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Reduce chunks whose last dimension is time."""
    moved = {n: np.moveaxis(part, -1, 0) for n, part in zip(names, parts, strict=True)}
    return np.asarray(reduction(moved), dtype)
