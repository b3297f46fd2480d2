"""Three bands as an image."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import as_tuple, find_variable, variables_of
from astra_xr.accessor.cloud_masks import MaskClouds, can_mask, mask, requested_mask
from astra_xr.accessor.evaluate import reflectance
from astra_xr.arguments import read_count, read_flag, read_number
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import AstraError, InvalidDataset, InvalidParameter, UnknownBand, redact
from astra_xr.reading.memory import check_memory

_log = logging.getLogger(__name__)

Limits = tuple[float, float]

RGBA = ("red", "green", "blue", "alpha")
"""Bands of an image."""

BRIGHT = 0.4
"""Reflectance; a pixel above it in all three bands is taken for cloud or snow."""

_BYTES = 3 * 4 + 4 * 4 + 4
"""Memory per pixel while an image is made: values, one of them stretched, and the result."""

_SAMPLE = 1 << 20
"""Pixels that percentiles are computed from, at most."""


def compose(
    ds: xr.Dataset,
    bands: Sequence[str],
    limits: Limits | Sequence[Limits] | None = None,
    gamma: float = 1.0,
    *,
    mask_clouds: MaskClouds = False,
    allow_large: bool = False,
) -> xr.DataArray:
    """Make an 8-bit image; see ``ds.astra.rgb``."""
    names = as_tuple(bands)
    if len(names) != 3:
        raise InvalidParameter(name="bands", value=bands, expected="three band names")
    gamma = read_gamma(gamma)
    read_flag("allow_large", allow_large)
    arrays = [reflectance(ds[find_variable(ds, name)]) for name in names]
    dims = arrays[0].dims
    if "band" in dims or any({*each.dims} != {*dims} for each in arrays):
        found = ", ".join(str(each.dims) for each in arrays)
        needs = f"three bands of the same dimensions, without a dimension band, not {found}"
        hint = "Choose one step, e.g. ds.isel(time=0)."
        raise InvalidDataset(method="rgb()", needs=needs, hint=hint)
    arrays = [each.transpose(*dims) for each in arrays]
    if not allow_large:
        hint = "Take .astra.thumbnail(), a window, or pass allow_large=True."
        check_memory(_BYTES * arrays[0].size, "The image", hint)
    values = np.stack([np.asarray(array.values, np.float32) for array in arrays])
    chosen = _limits(limits) or _stretch(values, _clouds(ds, arrays[0]))
    image = np.zeros((*values.shape[1:], 4), np.uint8)
    for channel, (low, high) in enumerate(chosen):
        level = np.clip((values[channel] - low) / (high - low), 0, 1)
        image[..., channel] = np.nan_to_num(level ** (1 / gamma) * 255).round()
    shown = np.isfinite(values).all(axis=0)
    clouds = requested_mask(ds, mask_clouds)
    if clouds is not None:
        shown &= ~clouds.broadcast_like(arrays[0]).transpose(*dims).values
    image[..., 3] = np.where(shown, 255, 0)
    return xr.DataArray(
        image,
        dims=(*dims, "band"),
        coords={**arrays[0].coords, "band": list(RGBA)},
        name="rgb",
        attrs={
            "long_name": ", ".join(names),
            "limits": [float(edge) for pair in chosen for edge in pair],
        },
    )


def thumbnail(
    ds: xr.Dataset,
    bands: Sequence[str] | None,
    size: int,
    limits: Limits | Sequence[Limits] | None,
    gamma: float,
) -> xr.DataArray:
    """Make a small 8-bit image; see ``ds.astra.thumbnail``."""
    chosen = default_bands(ds, "thumbnail()") if bands is None else as_tuple(bands)
    names = {name: find_variable(ds, name) for name in chosen}
    few = fewer_pixels(ds[list(dict.fromkeys(names.values()))], size, "size")
    return compose(few, [names[name] for name in chosen], limits, gamma)


def read_gamma(value: Any) -> float:
    """Return the exponent of an image's middle tones."""
    return read_number("gamma", value, "a number from 0.1 to 10", least=0.1, most=10)


def fewer_pixels(ds: xr.Dataset, size: int, parameter: str) -> xr.Dataset:
    """Read the bands of a Dataset in at most ``size`` rows and columns, from overviews.

    ``parameter`` is the name of ``size`` in messages.
    """
    size = read_count(parameter, size, "a number of pixels along each side, at least 1")
    return coarser(ds.transpose(..., "y", "x", missing_dims="ignore"), size)


def default_bands(ds: xr.Dataset, method: str) -> Sequence[str]:
    """Return red, green and blue, or the first band three times."""
    dims = {name: set(ds[name].dims) for name in variables_of(ds)}
    maps = [name for name, each in dims.items() if {"y", "x"} <= each and "band" not in each]
    with contextlib.suppress(UnknownBand):
        bands = [find_variable(ds, name) for name in ("red", "green", "blue")]
        if set(bands) <= set(maps):
            return bands
    if not maps:
        hint = "Choose variables along y and x, or rename, e.g. ds.rename(lat='y', lon='x')."
        raise InvalidDataset(method=method, needs="bands of (y, x)", hint=hint)
    return [maps[0]] * 3


def _limits(limits: Limits | Sequence[Limits] | None) -> list[Limits] | None:
    if limits is None:
        return None
    try:
        pairs = np.asarray(limits, float)
    except (TypeError, ValueError, OverflowError):
        pairs = np.empty(0)
    if pairs.shape == (2,):
        pairs = np.tile(pairs, (3, 1))
    if pairs.shape != (3, 2) or not (pairs[:, 1] > pairs[:, 0]).all():
        expected = "(low, high), or three of them, low < high"
        raise InvalidParameter(name="limits", value=limits, expected=expected)
    return [(float(low), float(high)) for low, high in pairs]


def _clouds(ds: xr.Dataset, like: xr.DataArray) -> xr.DataArray | None:
    """Return the clouds of a stack; None for one scene, or without a classification band."""
    if "time" not in like.dims or not can_mask(ds):
        return None
    try:
        return mask(ds).broadcast_like(like).transpose(*like.dims).compute()
    except AstraError as error:  # an image with a worse stretch is better than none
        _log.info("no cloud mask for the stretch: %s", redact(error))
    return None


def _stretch(values: npt.NDArray[np.float32], clouds: xr.DataArray | None) -> list[Limits]:
    """Return the 2nd and 98th percentile of each channel, over all time steps.

    Nodata, clouds and most pixels as bright as clouds are left out.
    """
    step = max(1, int(np.sqrt(values[0].size / _SAMPLE)))
    sample = values[..., ::step, ::step].reshape(3, -1)
    usable = np.isfinite(sample).all(axis=0)
    if clouds is not None:
        clear = usable & ~clouds.values[..., ::step, ::step].ravel()
        usable = clear if clear.any() else usable
    sample = sample[:, usable]
    dark = sample[:, ~(sample > BRIGHT).all(axis=0)]
    # If most of the scene is bright, the bright part is the subject.
    chosen = dark if dark.shape[1] >= sample.shape[1] / 2 else sample
    if not chosen.size:
        return [(0.0, 1.0)] * 3
    pairs = [np.percentile(channel, (2, 98)) for channel in chosen]
    return [(float(low), float(high if high > low else low + 1e-6)) for low, high in pairs]
