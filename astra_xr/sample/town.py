"""Towns and roads of the sample scene. Lengths are in 10 m pixels, lines in (column, row)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample import spectra
from astra_xr.sample.fractal import F32, cosine, fractal, generator, sine
from astra_xr.sample.lines import lengthen, stroke

# Column and row of the center, radius, direction of the streets in degrees.
_TOWNS: Final = ((735, 905, 190, 24.0), (640, 1395, 70, -20.0), (1235, 1120, 66, 12.0),
                 (1640, 1335, 42, 35.0))  # fmt: skip
# The shares of `spectra.SURFACES` in houses with gardens, in the center, in parks, in works.
_MIX: Final = np.asarray(
    (
        (0.08, 0.06, 0.58, 0.06, 0.06, 0.01, 0.06, 0.09),
        (0.26, 0.22, 0.21, 0.10, 0.14, 0.04, 0.00, 0.03),
        (0.03, 0.02, 0.00, 0.00, 0.00, 0.00, 0.64, 0.31),
        (0.28, 0.33, 0.02, 0.04, 0.13, 0.14, 0.05, 0.01),
    )
)
#: Roads: half their width, then their points.
_ROADS: Final = (
    (0.70, ((470, -20), (455, 190), (420, 330), (440, 480), (520, 640), (640, 740), (700, 850),
            (790, 960), (800, 1080), (790, 1250), (760, 1420), (690, 1560), (590, 1690),
            (500, 1810), (480, 1920), (560, 2000), (580, 2090))),
    (0.60, ((790, 960), (900, 1010), (1040, 1090), (1160, 1110), (1240, 1125), (1330, 1190),
            (1470, 1215), (1600, 1310), (1720, 1350), (1830, 1450), (1960, 1440), (2090, 1380))),
    (0.50, ((1235, 1120), (1240, 940), (1330, 820), (1320, 700), (1395, 560))),
    (0.50, ((640, 1395), (800, 1400), (930, 1370), (1050, 1330))),
)  # fmt: skip
# Roads are as bright as the brighter half of asphalt.
_PAVED: Final = spectra.LEVELS // 2
# The air strip: half width and ends.
_STRIP: Final = (1.6, ((905, 700), (985, 838)))
#: Breakwaters of the harbor.
_MOLES: Final = (((540, 838), (500, 850), (480, 885), (487, 925)),
                 ((628, 958), (570, 966), (520, 950)))  # fmt: skip


def _settle(
    seed: int, number: int, size: int
) -> tuple[tuple[slice, slice], NDArray[np.bool_], NDArray[np.intp]]:
    """Return where a town is (a window, a mask in there) and the labels of its pixels."""
    column, row, radius, angle = _TOWNS[number]
    rng = generator(seed, 80 + number)
    half = radius + radius // 2
    window = (slice(max(0, row - half), min(size, row + half)),
              slice(max(0, column - half), min(size, column + half)))  # fmt: skip
    y = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - row
    x = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] - column
    shape = (y.size, x.size)
    rough = fractal(rng, 2 * half, coarse=64, gain=0.65)[: shape[0], : shape[1]]
    dense = 1.0 - np.sqrt(x * x + y * y) / radius + rough * 0.42
    u = x * cosine(angle) + y * sine(angle) + 1000.0
    v = y * cosine(angle) - x * sine(angle) + 1000.0
    block = (u / 8.3).astype(np.intp) * 7919 + (v / 13.7).astype(np.intp)
    lot = (u / 3.1).astype(np.intp) * 104729 + (v / 4.4).astype(np.intp)
    table = rng.random(65536, dtype=np.float32)
    fate = table[block & 65535]
    kind = np.where(fate < 0.07, 2, np.where(fate > 0.95, 3, 0))
    kind = np.where((kind == 0) & (dense + fate * 0.3 > 0.92), 1, kind)
    pixel = rng.random(shape, dtype=np.float32)
    # Large buildings fill their lot, small houses are less than a pixel.
    chance = np.where((kind == 1) | (kind == 3), table[(lot * 31) & 65535], pixel)
    bounds = np.cumsum(_MIX, axis=1).round(6).astype(np.float32)
    surface = np.zeros(shape, np.intp)
    for bound in range(len(spectra.SURFACES) - 1):
        surface += chance > bounds[kind, bound]
    # Only wide streets show in a grid of 10 m; the narrow ones are part of the houses' spectrum.
    street = (u % 24.9 < 0.9) | (v % 27.4 < 0.9)
    surface[street] = 0
    level = (rng.random(shape, dtype=np.float32) * spectra.LEVELS).astype(np.intp)
    label = spectra.TOWN + surface * spectra.LEVELS + level
    return window, dense > 0.28 + 0.3 * pixel * table[block & 65535], label


def build(seed: int, label: NDArray[np.uint16], land: NDArray[np.bool_], dither: F32) -> None:
    """Paint towns, roads and an air strip over the labels of a landscape, in place.

    All are (n, n): labels of `spectra.palette`; `land`, True where building is allowed; `dither`,
    random in 0..1.
    """
    size = label.shape[0]
    for number in range(len(_TOWNS)):
        window, inside, houses = _settle(seed, number, size)
        np.copyto(label[window], houses.astype(np.uint16), where=inside & land[window])
    noise = (dither * spectra.LEVELS).astype(np.uint16)
    for half, points in (*_ROADS, _STRIP):
        curve = lengthen(np.asarray(points, np.float64), 4)
        road = (stroke(size, curve, 3, half) < dither * 0.3 - 0.15) & land
        label[road] = spectra.TOWN + _PAVED + noise[road] // 2


def moor(label: NDArray[np.uint16], dither: F32) -> NDArray[np.bool_]:
    """Paint the breakwaters of the harbor over a landscape; return their mask."""
    size = label.shape[0]
    stones = np.zeros(label.shape, np.bool_)
    for points in _MOLES:
        curve = lengthen(np.asarray(points, np.float64), 4)
        stones |= stroke(size, curve, 3, 0.7) < dither * 0.3 - 0.15
    label[stones] = spectra.ROCK + (dither[stones] * spectra.LEVELS).astype(np.uint16)
    return stones
