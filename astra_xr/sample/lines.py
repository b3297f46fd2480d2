"""Curves on the ground: rounding, meandering, and painting them into a grid.

A line is float64 of shape (n, 2): column and row in 10 m pixels. Coordinates are rounded after
each calculation that a processor may do in one or in two roundings, so lines are the same
everywhere.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample.fractal import F32

Line: TypeAlias = NDArray[np.float64]


def lengthen(line: Line, times: int = 1) -> Line:
    """Round the corners of a polyline, shape (n, ...), by Chaikin's rule; the ends stay."""
    for _ in range(times):
        near = line[:-1] * 0.75 + line[1:] * 0.25
        far = line[:-1] * 0.25 + line[1:] * 0.75
        inner = np.stack([near, far], axis=1).reshape(-1, *line.shape[1:])
        line = np.concatenate([line[:1], inner, line[-1:]])
    return line


def evenly(line: Line, spacing: float) -> Line:
    """Return points about `spacing` pixels apart on a line, ends included."""
    step = line[1:] - line[:-1]
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(step[:, 0] ** 2 + step[:, 1] ** 2))])
    count = max(2, int(along[-1] / spacing) + 1)
    wanted = np.arange(count) * (along[-1] / (count - 1))
    columns = np.interp(wanted, along, line[:, 0])
    rows = np.interp(wanted, along, line[:, 1])
    return np.stack([columns, rows], axis=1).round(4)


def meander(line: Line, rng: np.random.Generator, wave: float, swing: Line) -> Line:
    """Return a line that swings from side to side along the middle of a valley.

    Parameters
    ----------
    wave
        Half a wave length in pixels.
    swing
        (k,) how far the bends reach out in pixels, from the first to the last of k places.
    """
    middle = evenly(line, wave)
    ahead = np.gradient(middle, axis=0)
    ahead /= np.sqrt(ahead[:, :1] ** 2 + ahead[:, 1:] ** 2)
    side = np.where(np.arange(len(middle)) % 2, 1.0, -1.0) * (0.2 + 1.5 * rng.random(len(middle)))
    place = np.arange(len(middle)) * ((len(swing) - 1) / (len(middle) - 1))
    side *= np.interp(place, np.arange(len(swing)), swing)
    shift = (rng.random(len(middle)) - 0.5) * wave * 0.9
    bends = middle + ahead * shift[:, None]
    bends += np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * side[:, None]
    bends[[0, -1]] = middle[[0, -1]]
    return lengthen(bends.round(4), 4)


def stroke(size: int, line: Line, reach: int, half_width: NDArray[np.float64] | float = 0.0) -> F32:
    """Return the distance in pixels to the edge of a band along a line, negative inside.

    Parameters
    ----------
    size
        Rows and columns of the grid.
    line
        The middle of the band.
    reach
        How far, in pixels, distances are worked out; beyond they are `reach`.
    half_width
        Half the width of the band in pixels: one for all, or (k,) values from start to end.
    """
    points = evenly(line, 1.0)
    widths = np.atleast_1d(np.asarray(half_width, np.float64))
    place = np.arange(len(points)) * ((len(widths) - 1) / (len(points) - 1))
    half = np.interp(place, np.arange(len(widths)), widths).round(4)
    offset = np.arange(-reach, reach + 1)
    column = np.floor(points[:, 0]).astype(np.intp)[:, None, None] + offset
    row = np.floor(points[:, 1]).astype(np.intp)[:, None, None] + offset[:, None]
    across = (column + 0.5 - points[:, :1, None]).astype(np.float32)
    down = (row + 0.5 - points[:, 1:, None]).astype(np.float32)
    far = np.sqrt(across * across + down * down) - half[:, None, None].astype(np.float32)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    field = np.full(size * size, float(reach), np.float32)
    np.minimum.at(field, (row * size + column)[inside], far[inside])
    return field.reshape(size, size)
