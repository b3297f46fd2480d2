"""Overviews of a file: choose one, and read the file's own grid from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.reading.class_overviews import hold_classes
from astra_xr.reading.decoding import fitting
from astra_xr.reading.engine import read
from astra_xr.reading.headers import Facts, find_layout
from astra_xr.reading.loop import in_decode_thread, in_gdal_thread
from astra_xr.reading.positions import CLOSE
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.resampling import Part, aligned, area_means, nearest
from astra_xr.reading.signers import sign
from astra_xr.reading.window import Window, clamped
from astra_xr.tiff.directories import Unsupported
from astra_xr.warned import first_time


async def facts_of(window: Window) -> Facts:
    """Return what the file of a window says of its pixels.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    signed = await sign(window.source)
    try:
        layout = await find_layout(RangeFile(window.source, signed, window.label), window)
        shapes = tuple(level.shape for level in layout.levels)
        facts = Facts(shapes=shapes, nodata=layout.nodata, palette=layout.palette)
    except Unsupported:
        from astra_xr.reading.gdal import gdal_facts

        facts = await in_gdal_thread(gdal_facts, window, signed)
    if window.classes and len(facts.shapes) > 1 and not await hold_classes(window, facts):
        return replace(facts, shapes=facts.shapes[:1])
    return facts


def nodata_of(window: Window, facts: Facts, dtype: np.dtype[Any]) -> tuple[float | None, float]:
    """Return the number of pixels without data in a window, and what to fill with where none lie.

    The file's own nodata marks pixels without data. Places without pixels are filled with the
    item's, which is the array's ``_FillValue``.
    """
    if window.radiometry is not None:
        return None, math.nan
    own, promised = (fitting(value, dtype) for value in (facts.nodata, window.nodata))
    fill = own if promised is None else promised
    if fill is None:
        fill = math.nan if dtype.kind in "fc" else 0
    return promised if own is None else own, fill


def warn_of_palette(label: str, asked: str) -> None:
    """Warn once an asset that its numbers are classes, and not resampled as was promised."""
    if first_time(f"palette of {label}"):
        warnings.warn(
            f"{label}: the file has a color table, so its numbers are classes: resampling is "
            f"nearest, not {asked}.",
            stacklevel=2,
        )


def level_for(shapes: Sequence[tuple[int, int]], steps: Sequence[float]) -> int:
    """Return the number of the coarsest level whose pixels are no larger than requested.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Rows and columns of the full image and its overviews.
    steps : (float, float)
        Rows and columns of the full image per requested pixel.

    Examples
    --------
    >>> level_for([(1000, 800), (500, 400), (250, 200)], (3.0, 2.5))
    1
    """
    # The size of an overview may be rounded down.
    fits = [
        all((n + 1) * step > full for n, step, full in zip(level, steps, shapes[0], strict=True))
        for level in shapes
    ]
    return max((number for number, fit in enumerate(fits) if fit), default=0)


async def read_coarse(
    window: Window,
    shape: tuple[int, int],
    *,
    average: bool,
    dtype: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Read a window of the file's own grid with fewer pixels, from an overview.

    Parameters
    ----------
    window : Window
        Half-open ranges of rows and columns of the full image.
    shape : (int, int)
        Rows and columns of the result.
    average : bool
        True: the mean of the valid source pixels under each pixel; False, or of a file with a
        color table: the one at its center.
    dtype : numpy dtype
        Of the result.

    Returns
    -------
    ndarray
        (planes, rows, columns).

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    facts = await facts_of(window)
    shapes = facts.shapes
    spans = tuple(span for span in (window.rows, window.cols) if isinstance(span, tuple))
    steps = [(stop - start) / n for (start, stop), n in zip(spans, shape, strict=True)]
    level = level_for(shapes, steps)
    ratios = [full / n for full, n in zip(shapes[0], shapes[level], strict=True)]
    edges = [
        clamped(start / ratio + CLOSE, stop / ratio - CLOSE, n)
        for (start, stop), ratio, n in zip(spans, ratios, shapes[level], strict=True)
    ]
    pixels = await read(window.cut(edges[0], edges[1], level))
    (down, top), (across, left) = (
        (step / ratio, start / ratio - edge[0])
        for step, ratio, (start, _), edge in zip(steps, ratios, spans, edges, strict=True)
    )
    step = Affine(across, 0, left, 0, down, top)
    missing, fill = nodata_of(window, facts, dtype)
    out = np.full((len(pixels), *shape), fill, dtype)
    if average and not facts.palette:
        await in_decode_thread(area_means, pixels, step, missing, out)
    else:
        part = Part(pixels=pixels, nodata=missing)
        await in_decode_thread(nearest, part, aligned(step, shape), out)
    return out
