"""Draw a raster as an 8-bit image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, Resampling

from astra_xr.conversion.image_ranges import coarsest, fit
from astra_xr.conversion.opened import opened
from astra_xr.conversion.recipe import Limits, Recipe

_PERCENTILES = (2.0, 98.0)
"""Percentiles of the valid pixels that become 0 and 255."""

_SAMPLE = 1 << 20
"""Maximum number of pixels from which percentiles are computed."""

_JPEG_QUALITY = 90

_PNG_LEVEL = 2
"""Level of GDAL's deflate: at 1, palettes are twice as large; 6 takes six times as long."""

Pixels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Color = tuple[int, int, int, int]
Palette = Mapping[int, Color]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Metadata of an image."""

    shape: tuple[int, int]
    """Rows, columns."""

    transform: tuple[float, float, float, float, float, float]
    """Affine (a, b, c, d, e, f) of the image's pixels."""

    stretch: tuple[tuple[float, float], ...] = ()
    """For each plane, the stored numbers that are drawn as 0 and 255; empty if unchanged."""

    without: tuple[str, ...] = ()
    """Pixels left out of the stretch: ``nodata``, and ``clouds`` with a classification band."""


def write_image(
    source: Path, target: Path, recipe: Recipe, limits: Limits, classes: Path | None = None
) -> Drawn:
    """Draw ``source`` as a PNG or JPEG at ``target``.

    It has the size of the largest overview within ``recipe.max_size``; only this is read.

    Parameters
    ----------
    classes : Path, optional
        The classification band of the same scene, for the classes of ``recipe.left_out``.

    Raises
    ------
    ConversionFailed
        A source cannot be read.
    """
    with _overview(source, limits, recipe) as (dataset, shape):
        palette = _palette(dataset, recipe)
        indexes = _planes(dataset, palette)
        method = Resampling.nearest if recipe.categorical or palette else Resampling.average
        pixels = dataset.read(indexes, out_shape=(len(indexes), *shape), resampling=method)
        valid = _valid(dataset, pixels, recipe, indexes)
        scale = dataset.width / shape[1], dataset.height / shape[0]
        transform = dataset.transform @ rasterio.Affine.scale(*scale)
    stretch: tuple[tuple[float, float], ...] = ()
    without: tuple[str, ...] = ()
    if palette is None and pixels.dtype != np.uint8:
        shown, without = valid, ("nodata",)
        if classes is not None and recipe.left_out:
            clear = valid & ~_masked(classes, recipe, limits, shape)
            if clear.any():
                shown, without = clear, ("nodata", "clouds")
        stretch = tuple(_limits_of(plane, shown) for plane in pixels)
        pixels = np.stack([_stretched(p, s) for p, s in zip(pixels, stretch, strict=True)])
    encode = _png if recipe.format == "png" else _jpeg
    target.write_bytes(encode(pixels.astype(np.uint8, copy=False), valid, palette))
    return Drawn(shape=shape, transform=transform[:6], stretch=stretch, without=without)


@contextmanager
def _overview(
    path: Path, limits: Limits, recipe: Recipe
) -> Iterator[tuple[rasterio.io.DatasetReader, tuple[int, int]]]:
    """Open the coarsest overview that is fine enough; yield it, and the shape of the image."""
    with opened(path, limits) as dataset:
        shapes = [dataset.shape]
        number = len(dataset.overviews(1))
    for level in range(number):
        with opened(path, limits, overview_level=level) as overview:
            shapes.append(overview.shape)
    shape = fit(shapes[0], recipe.max_size)
    level = coarsest(shapes, shape)
    with opened(path, limits, **({"overview_level": level - 1} if level else {})) as dataset:
        yield dataset, shape


def _masked(classes: Path, recipe: Recipe, limits: Limits, shape: tuple[int, int]) -> Mask:
    """Return True for pixels of ``recipe.left_out``: (rows, columns)."""
    # It imports all missions, which most images do not need.
    from astra_xr.missions.classes import belongs

    with _overview(classes, limits, recipe) as (dataset, _):
        stored = dataset.read(1, out_shape=shape, resampling=Resampling.nearest)
    if stored.dtype.kind == "f":
        stored = np.nan_to_num(stored).astype(np.int64)
    return belongs(stored, recipe.left_out)


def _palette(dataset: rasterio.io.DatasetReader, recipe: Recipe) -> Palette | None:
    """Return the colors of a class band; None for other bands."""
    if dataset.count > 1 or np.dtype(dataset.dtypes[0]) != np.uint8:
        return None
    known = {c.value: _color(c.color) for c in recipe.classes if c.color and c.mask is None}
    if known:
        return known
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
) -> Mask:
    """Return True for pixels with data: (rows, columns)."""
    shape = pixels.shape[1:]
    nodata = dataset.nodata if recipe.nodata is None else recipe.nodata
    valid = np.isfinite(pixels).any(axis=0)
    if nodata is not None and not math.isnan(nodata):
        valid &= (pixels != nodata).any(axis=0)
    masks = dataset.read_masks(indexes, out_shape=(len(indexes), *shape))
    return np.asarray(valid & (masks > 0).any(axis=0))


def _limits_of(plane: Pixels, valid: Mask) -> tuple[float, float]:
    values = plane[valid & np.isfinite(plane)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values[:: -(-values.size // _SAMPLE)], _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _stretched(plane: Pixels, stretch: tuple[float, float]) -> npt.NDArray[np.uint8]:
    if plane.dtype.kind in "iu" and plane.dtype.itemsize == 2:
        # Computed for each possible number, not for each pixel.
        numbers = np.arange(1 << 16, dtype=np.uint16).view(plane.dtype)
        return _stretched(numbers.astype(np.float32), stretch)[plane.view(np.uint16)]
    low, high = stretch
    share = (np.nan_to_num(plane.astype(np.float32)) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.rint(share), 0, 255)).astype(np.uint8)


def _png(pixels: Pixels, valid: Mask, palette: Palette | None) -> bytes:
    if palette is None:
        pixels = np.stack([*pixels, np.where(valid, 255, 0).astype(np.uint8)])
    count, height, width = pixels.shape
    # PNG has no georeferencing, but rasterio warns without a transform.
    any_transform = rasterio.Affine.scale(2)
    profile = {"driver": "PNG", "dtype": "uint8", "zlevel": _PNG_LEVEL, "transform": any_transform}
    with (
        rasterio.Env(GDAL_PAM_ENABLED=False),
        # In memory, as GDAL only logs that a disk is full.
        rasterio.MemoryFile() as memory,
    ):
        with memory.open(**profile, count=count, height=height, width=width) as image:
            image.write(pixels)
            if palette is not None:
                image.write_colormap(1, _colors(pixels[0], valid, palette))
        return bytes(memory.getbuffer())


def _colors(numbers: Pixels, valid: Mask, palette: Palette) -> Palette:
    """Return a color for each number, transparent if it is unknown or has no data."""
    colors = {number: palette.get(number, (0, 0, 0, 0)) for number in range(256)}
    for number in map(int, np.unique(numbers[~valid])):
        colors[number] = (*colors[number][:3], 0)
    return colors


def _jpeg(pixels: Pixels, valid: Mask, palette: Palette | None) -> bytes:
    if palette is not None:
        table = np.zeros((256, 3), np.uint8)
        for value, color in palette.items():
            table[value] = color[:3]
        pixels = table[pixels[0]].transpose(2, 0, 1)
    drawn = np.where(valid, pixels, 0).astype(np.uint8)
    planes = np.ascontiguousarray(drawn[0] if len(drawn) == 1 else drawn.transpose(1, 2, 0))
    return bytes(imagecodecs.jpeg8_encode(planes, level=_JPEG_QUALITY))
