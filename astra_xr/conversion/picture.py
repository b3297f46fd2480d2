"""Draw a raster as a picture of 8 bits that a person can look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, Resampling

from astra_xr.conversion.limits import Limits
from astra_xr.conversion.recipe import Recipe
from astra_xr.conversion.source import opened

_PERCENTILES = (2.0, 98.0)
"""Shares of the valid pixels that are drawn darkest and brightest."""

_SAMPLE = 1 << 20
"""Pixels that percentiles are taken of, at most."""

_JPEG_QUALITY = 90

Pixels = npt.NDArray[Any]
Color = tuple[int, int, int, int]
Palette = Mapping[int, Color]
_Drawing = tuple[str, Pixels, Palette | None, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """How a picture came about."""

    shape: tuple[int, int]
    """Rows, columns."""

    transform: tuple[float, float, float, float, float, float]
    """Affine (a, b, c, d, e, f) of the picture's pixels."""

    stretch: tuple[tuple[float, float], ...] = ()
    """For each plane the stored numbers that are drawn as 0 and 255; empty: as they are."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Drawn:
        """Take it from JSON, which knows no tuples."""
        rows, cols = told["shape"]
        a, b, c, d, e, f = told["transform"]
        stretch = tuple((low, high) for low, high in told["stretch"])
        return cls(shape=(rows, cols), transform=(a, b, c, d, e, f), stretch=stretch)


def write_picture(source: Path, target: Path, recipe: Recipe, limits: Limits) -> Drawn:
    """Draw ``source`` as a PNG or JPEG at ``target``.

    It is as large as the largest overview within ``recipe.max_size``, which is all that is read.

    Raises
    ------
    ConversionFailed
        The source cannot be read.
    """
    with opened(source, limits) as dataset:
        shape = _fit(dataset.shape, recipe.max_size)
        palette = _palette(dataset, recipe)
        indexes = _planes(dataset, palette)
        method = Resampling.nearest if recipe.categorical or palette else Resampling.average
        pixels = dataset.read(indexes, out_shape=(len(indexes), *shape), resampling=method)
        valid = _valid(dataset, pixels, recipe, indexes)
        scale = dataset.width / shape[1], dataset.height / shape[0]
        transform = dataset.transform @ rasterio.Affine.scale(*scale)
    stretch: tuple[tuple[float, float], ...] = ()
    if palette is None and pixels.dtype != np.uint8:
        stretch = tuple(_limits_of(plane, valid) for plane in pixels)
        pixels = np.stack([_stretched(p, s) for p, s in zip(pixels, stretch, strict=True)])
    draw = _png if recipe.format == "png" else _jpeg
    driver, pixels, colors, options = draw(pixels, valid, palette)
    # Neither driver writes the transform; given none, rasterio warns.
    _write(target, pixels, colors, driver=driver, transform=transform, **options)
    return Drawn(shape=shape, transform=transform[:6], stretch=stretch)


def _fit(shape: tuple[int, int], largest: int) -> tuple[int, int]:
    rows, cols = shape
    while max(rows, cols) > largest:
        rows, cols = -(-rows // 2), -(-cols // 2)
    return rows, cols


def _palette(dataset: rasterio.io.DatasetReader, recipe: Recipe) -> Palette | None:
    """Return the colours of a class band; None for other bands."""
    if dataset.count > 1 or np.dtype(dataset.dtypes[0]) != np.uint8:
        return None
    told = {c.value: _color(c.color) for c in recipe.classes if c.color and c.mask is None}
    if told:
        return told
    if dataset.colorinterp[0] is ColorInterp.palette:
        return {value: tuple(color) for value, color in dataset.colormap(1).items()}
    return None


def _color(text: str) -> Color:
    number = int(text.lstrip("#"), 16)
    return number >> 16 & 255, number >> 8 & 255, number & 255, 255


def _planes(dataset: rasterio.io.DatasetReader, palette: Palette | None) -> list[int]:
    """Return the planes to draw, from 1: red, green and blue, else the first."""
    kinds = list(dataset.colorinterp)
    wanted = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    if palette is None and all(kind in kinds for kind in wanted):
        return [kinds.index(kind) + 1 for kind in wanted]
    return [1]


def _valid(
    dataset: rasterio.io.DatasetReader, pixels: Pixels, recipe: Recipe, indexes: list[int]
) -> npt.NDArray[np.bool_]:
    """Tell which pixels hold data: (rows, columns)."""
    shape = pixels.shape[1:]
    nodata = dataset.nodata if recipe.nodata is None else recipe.nodata
    valid = np.isfinite(pixels).any(axis=0)
    if nodata is not None and not math.isnan(nodata):
        valid &= (pixels != nodata).any(axis=0)
    masks = dataset.read_masks(indexes, out_shape=(len(indexes), *shape))
    return np.asarray(valid & (masks > 0).any(axis=0))


def _limits_of(plane: Pixels, valid: npt.NDArray[np.bool_]) -> tuple[float, float]:
    values = plane[valid & np.isfinite(plane)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values[:: -(-values.size // _SAMPLE)], _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _stretched(plane: Pixels, stretch: tuple[float, float]) -> npt.NDArray[np.uint8]:
    low, high = stretch
    share = (np.nan_to_num(plane.astype(np.float32)) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.rint(share), 0, 255)).astype(np.uint8)


def _png(pixels: Pixels, valid: npt.NDArray[np.bool_], palette: Palette | None) -> _Drawing:
    if palette is None:
        alpha = np.where(valid, 255, 0).astype(np.uint8)
        return "PNG", np.concatenate([pixels, alpha[None]]), None, {"zlevel": 3}
    colors = dict.fromkeys(range(256), (0, 0, 0, 0)) | dict(palette)
    for value in np.unique(pixels[0][~valid]):
        # A class band's pixels without data are a value of their own.
        colors[int(value)] = (*colors[int(value)][:3], 0)
    return "PNG", pixels, colors, {"zlevel": 3}


def _jpeg(pixels: Pixels, valid: npt.NDArray[np.bool_], palette: Palette | None) -> _Drawing:
    if palette is not None:
        table = np.zeros((256, 3), np.uint8)
        for value, color in palette.items():
            table[value] = color[:3]
        pixels = table[pixels[0]].transpose(2, 0, 1)
    return "JPEG", np.where(valid, pixels, 0).astype(np.uint8), None, {"quality": _JPEG_QUALITY}


def _write(target: Path, pixels: Pixels, colors: Palette | None, **profile: Any) -> None:
    count, rows, cols = pixels.shape
    with (
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open(
            target, "w", count=count, height=rows, width=cols, dtype="uint8", **profile
        ) as picture,
    ):
        picture.write(pixels)
        if colors is not None:
            picture.write_colormap(1, colors)
