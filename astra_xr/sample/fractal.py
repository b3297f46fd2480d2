"""Random fields for the sample scene, made of additions and multiplications only.

All results must have the same bits on every machine. So there is no FFT, no matrix product and
no transcendental function of an array: these may differ in the last bit between processors and
builds of NumPy. IEEE 754 arithmetic may not. Of the random generator only `random` is used, which
converts the bits of PCG64 to numbers without rounding.
All fields are float32 and indexed (row, column), row 0 in the north.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]


def generator(seed: int, key: int) -> np.random.Generator:
    """Return the random stream of one part of a landscape, by the landscape's seed.

    Each part has its own key and stream: changing one does not change the others.
    """
    return np.random.Generator(np.random.PCG64([seed, key]))


def sine(degrees: float) -> float:
    """Return the sine, rounded to 9 digits so that the C library's last bit cannot matter."""
    return round(math.sin(math.radians(degrees)), 9)


def cosine(degrees: float) -> float:
    """Return the cosine, rounded like `sine`."""
    return round(math.cos(math.radians(degrees)), 9)


def smoothstep(field: F32, low: float, high: float) -> F32:
    """Return a smooth ramp from 0 where a field is `low` to 1 where it is `high`.

    `low` may be greater than `high`.
    """
    ramp = field - low
    ramp *= 1.0 / (high - low)
    np.clip(ramp, 0.0, 1.0, out=ramp)
    curve = ramp * -2.0
    curve += 3.0
    curve *= ramp
    curve *= ramp
    return curve


def finer(field: F32, times: int = 1, *, rows: bool = True) -> F32:
    """Double the resolution `times` times with a smooth (quadratic B-spline) surface.

    Pixel centers stay where they are on the ground: the edge pixels are repeated outwards.
    Without `rows` only the columns are doubled, which stretches the field.
    """
    for _ in range(times):
        field = _finer_columns(_finer_rows(field) if rows else field)
    return field


def _finer_rows(field: F32) -> F32:
    """Double the number of rows."""
    out = np.empty((field.shape[0] * 2, field.shape[1]), np.float32)
    strong, weak = field * 0.75, field * 0.25
    np.add(strong[1:], weak[:-1], out=out[2::2])
    np.add(strong[:-1], weak[1:], out=out[1:-1:2])
    out[0], out[-1] = field[0], field[-1]
    return out


def _finer_columns(field: F32) -> F32:
    """Double the number of columns."""
    out = np.empty((field.shape[0], field.shape[1] * 2), np.float32)
    strong, weak = field * 0.75, field * 0.25
    np.add(strong[:, 1:], weak[:, :-1], out=out[:, 2::2])
    np.add(strong[:, :-1], weak[:, 1:], out=out[:, 1:-1:2])
    out[:, 0], out[:, -1] = field[:, 0], field[:, -1]
    return out


def coarser(field: F32, factor: int) -> F32:
    """Return the means of blocks of `factor` by `factor` pixels, added in a fixed order."""
    rows = field[0::factor].copy()
    for row in range(1, factor):
        rows += field[row::factor]
    out = rows[:, 0::factor].copy()
    for column in range(1, factor):
        out += rows[:, column::factor]
    out *= 1.0 / (factor * factor)
    return out


def fractal(
    rng: np.random.Generator, size: int, *, coarse: int, fine: int = 1, gain: float = 0.5
) -> F32:
    """Return fractal noise, shape (size, size), mean about 0 and most values in -1..1.

    Parameters
    ----------
    size
        Rows and columns.
    coarse, fine
        The largest and the smallest detail in pixels, powers of two.
    gain
        How strong each octave is against the one twice as large: 0.5 is smooth like hills,
        0.7 is rough like foam.
    """
    cells = size // coarse + 2
    field = np.zeros((cells, cells), np.float32)
    step, strength, total = coarse, 1.0, 0.0
    while True:
        wave = rng.random(field.shape, dtype=np.float32)
        wave -= 0.5
        wave *= 2.4 * strength
        field += wave
        total += strength * strength
        if step <= fine:
            break
        field = finer(field)
        step //= 2
        strength *= gain
        # Only the part under the requested square is refined further.
        keep = size // step + 2
        field = field[:keep, :keep]
    while step > 1:
        field = finer(field)
        step //= 2
    field = field[:size, :size]
    field *= 1.0 / math.sqrt(total)
    return np.ascontiguousarray(field)
