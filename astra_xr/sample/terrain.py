"""The relief of the sample scene: a coast, hills cut by running water, a river, a reservoir.

Land is lifted slowly while rain erodes it along its drainage (the stream power law, solved
implicitly), which gives branching valleys like those of real hills. Lengths are in meters; grids
are float32, indexed (row, column), row 0 in the north.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample.fractal import F32, finer, fractal, generator, smoothstep
from astra_xr.sample.lines import Line, lengthen, meander

# The hills are made on a larger square, 160 m and then 80 m cells, whose margins (160 m cells
# north and south, twice that in the east) are cut off before the last step at 40 m: at the edges
# of the world valleys run straight out.
_WORLD: Final = 161
_MARGIN: Final = 16
# Cells of 40 m along a side. Four times that is a bit more than the 2052 needed.
_SIDE: Final = 516
#: Cells of 10 m along a side of all that is painted.
SIZE: Final = 4 * _SIDE
# Erosion steps at 160, 80 and 40 m: many where they are cheap.
_STEPS: Final = (60, 14, 4)
# How fast water cuts and how fast soil creeps, in a step.
_ERODIBILITY: Final = 0.11
_CREEP: Final = 0.1
_WAYS: Final = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)
# The shore's column (10 m pixels) from north to south: a headland, a bay, a coast.
_SHORE: Final = (
    390, 400, 330, 290, 190, 230, 430, 600, 680, 710, 700, 650, 540, 400, 290, 400, 480,
)  # fmt: skip
# The width of the coastal plain at the same places, in 10 m pixels.
_PLAIN: Final = (40, 30, 30, 60, 150, 300, 430, 480, 480, 440, 400, 330, 220, 100, 40, 30, 60)
# The middle of the river's valley from the east to the mouth: (column, row) in 10 m pixels.
_VALLEY: Final = (
    (2570, 1540), (2400, 1480), (2200, 1510), (2040, 1440), (1930, 1530), (1800, 1540),
    (1700, 1420), (1570, 1390), (1460, 1290), (1310, 1290), (1180, 1200), (1020, 1210),
    (900, 1160), (760, 1110), (600, 1120),
)  # fmt: skip
# The reservoir's dam: column and row of its 40 m cell, and the meters of water behind it.
_DAM: Final = (351, 128, 42.0)


@dataclass(frozen=True, kw_only=True)
class Terrain:
    """The ground without its cover."""

    height: F32
    """(2064, 2064), meters above the sea; negative is the sea floor."""
    shore: F32
    """(2064, 2064), about the meters to the shore line, positive on land."""
    flow: F32
    """(516, 516), the area that drains through each 40 m cell, in cells."""
    river: Line
    """(n, 2), the column and row (10 m pixels) of the river from source to mouth."""
    lake: F32
    """(2064, 2064), meters below (positive) the reservoir's water level."""
    rugged: F32
    """(2064, 1), how rocky the shore is in each row, 0..1."""


def receivers(height: F32, rng: np.random.Generator | None = None) -> tuple[NDArray[np.intp], F32]:
    """Return each cell's steepest lower neighbor and 1/distance to it, both flattened.

    A cell with no lower neighbor is its own. Distances are in cells (1 or square root of 2).
    With `rng` the choice is a bit blurred, or valleys would prefer the eight directions.
    """
    rows, columns = height.shape
    high = np.pad(height, 1, constant_values=np.inf)
    best = np.zeros_like(height)
    way = np.zeros(height.shape, np.uint8)
    for number, (down, right) in enumerate(_WAYS):
        there = high[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        drop = height - there
        if down and right:
            drop *= 0.70710677
        if rng is not None:
            drop *= rng.random(drop.shape, dtype=np.float32) + 0.5
        np.copyto(way, number, where=drop > best)
        np.maximum(best, drop, out=best)
    way[best == 0.0] = len(_WAYS)
    step = np.asarray([down * columns + right for down, right in _WAYS] + [0])
    inverse = np.asarray([0.70710677 if down and right else 1.0 for down, right in _WAYS] + [1.0])
    target = np.arange(height.size) + step[way.ravel()]
    return target, inverse.astype(np.float32)[way.ravel()]


def _doubled(target: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield where each cell's water is after 1, 2, 4, 8 ... steps, until all has run out.

    Water that has left its last cell is in cell `target.size`, which does not exist.
    """
    outside = target.size
    pointer = np.append(np.where(target == np.arange(outside), outside, target), outside)
    while (pointer != outside).any():
        yield pointer
        pointer = pointer[pointer]


def drainage(target: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how many cells drain through each cell, itself included.

    After k rounds the sum covers the cells less than 2**k steps upstream; the next round adds
    the sums of those exactly 2**k steps upstream. A dozen rounds do for paths of any length.
    """
    area = np.ones(target.size + 1)
    for pointer in _doubled(target):
        area += np.bincount(pointer, weights=area, minlength=area.size)
        area[-1] = 0.0
    return area[:-1]


def wear(
    height: F32, lift: F32, free: NDArray[np.bool_], steps: int, rng: np.random.Generator | None
) -> F32:
    """Return the land after some steps of uplift and erosion by running water.

    Parameters
    ----------
    height
        (n, n), meters.
    lift
        (n, n), meters of uplift in a step.
    free
        (n, n). Elsewhere the height stays as it is: there the water leaves.
    rng
        Decides between ways down that are about as steep; None takes the steepest.
    """
    own = np.arange(height.size)
    inner = free.ravel()
    rise = np.where(inner, lift.ravel(), 0.0).astype(np.float64)
    for _ in range(steps):
        target, inverse = receivers(height, rng)
        target = np.where(inner, target, own)
        # h_new = h + lift - pull * (h_new - h_new[target]): each cell hangs on the next one
        # downstream, h_new = share * h_new[target] + level, so again paths are doubled.
        pull = np.sqrt(drainage(target)) * inverse * _ERODIBILITY
        pull[target == own] = 0.0
        share = np.append(pull / (1.0 + pull), 0.0)
        level = np.append((height.ravel() + rise) / (1.0 + pull), 0.0)
        for pointer in _doubled(target):
            level += share * level[pointer]
            share *= share[pointer]
        height = level[:-1].astype(np.float32).reshape(height.shape)
        height = _creep(height, free)
    return height


def _creep(height: F32, free: NDArray[np.bool_]) -> F32:
    """Return the land after soil has crept a little from its ridges into its hollows."""
    moved = height.copy()
    whole, later, earlier = slice(None), slice(1, None), slice(None, -1)
    for this, that in (((later, whole), (earlier, whole)), ((whole, later), (whole, earlier))):
        step = (height[this] - height[that]) * _CREEP
        step *= free[this] & free[that]
        moved[this] -= step
        moved[that] += step
    return moved


def _profile(values: tuple[int, ...], count: int) -> F32:
    """Return a smooth curve through about these values, one number per row, (count, 1)."""
    curve = lengthen(np.asarray(values, np.float64), 6)
    rows = (np.arange(count) * 2 + 1) * (len(curve) - 1) // (2 * count)
    return curve[rows].astype(np.float32)[:, None]


def _distance(line: Line) -> F32:
    """Return the meters from each 160 m cell of the world to a polyline in 10 m pixels."""
    x = ((np.arange(_WORLD) + 0.5) * 16.0).astype(np.float32)
    y = x - _MARGIN * 16.0
    nearest = np.full((_WORLD, _WORLD), np.inf, np.float32)
    for column, row in line.tolist():
        across, down = x - column, y - row
        np.minimum(nearest, (across * across)[None, :] + (down * down)[:, None], out=nearest)
    np.sqrt(nearest, out=nearest)
    nearest *= 10.0
    return nearest


def _ruggedness(side: int) -> F32:
    """Return how rocky the shore is in each row, (side, 1): 1 below hills, less in the bay."""
    return 1.0 - 0.75 * smoothstep(_profile(_PLAIN, side), 120.0, 320.0)


def _foundation(seed: int) -> tuple[F32, F32, F32]:
    """Return the meters to the shore, the uplift per step and the first height, at 160 m."""
    column = ((np.arange(_WORLD) + 0.5) * 16.0).astype(np.float32)[None, :]
    shore = (column - _profile(_SHORE, _WORLD)) * 10.0
    shore += fractal(generator(seed, 1), _WORLD, coarse=16, gain=0.7) * 420.0 * _ruggedness(_WORLD)
    valley = _distance(lengthen(np.asarray(_VALLEY, np.float64), 3))
    inland = shore - _profile(_PLAIN, _WORLD) * 10.0
    inland += fractal(generator(seed, 2), _WORLD, coarse=32) * 900.0
    hills = smoothstep(inland, -300.0, 3500.0) * smoothstep(valley, 250.0, 1900.0)
    strength = fractal(generator(seed, 3), _WORLD, coarse=32) + 1.1
    np.clip(strength, 0.35, 2.0, out=strength)
    lift = hills * strength * 3.8
    lift += 0.05
    rough = fractal(generator(seed, 4), _WORLD, coarse=16, gain=0.6) + 1.0
    height = shore * 0.003 + rough * hills * 30.0
    height += np.minimum(valley, 4000.0) * 0.012 * hills
    height += 2.0
    return shore.astype(np.float32), lift.astype(np.float32), height.astype(np.float32)


def _stage(seed: int, stage: int, fields: tuple[F32, F32, F32]) -> tuple[F32, F32, F32]:
    """Return shore, uplift and height with cells half the size and new detail."""
    shore, lift, height = (finer(field) for field in fields)
    if stage == 2:
        inner = (slice(4 * _MARGIN, 4 * _MARGIN + _SIDE), slice(_SIDE))
        shore, lift, height = shore[inner], lift[inner], height[inner]
    side = shore.shape[0]
    lift = lift * 0.7
    height = height + fractal(generator(seed, 10 + stage), side, coarse=16) * (lift * 0.5)
    rocks = fractal(generator(seed, 20 + stage), side, coarse=16, gain=0.7)
    rugged = _ruggedness(_WORLD * 4)[4 * _MARGIN :][:_SIDE] if stage == 2 else _ruggedness(side)
    return shore + rocks * (260.0 / stage) * rugged, lift, height


def grow(seed: int) -> Terrain:
    """Return the relief of the landscape of this seed."""
    shore, lift, height = _foundation(seed)
    for stage, steps in enumerate(_STEPS):
        if stage:
            shore, lift, height = _stage(seed, stage, (shore, lift, height))
        free = shore > 0.0
        height = np.where(free, np.maximum(height, 0.1), np.minimum(shore * 0.015, -0.5))
        # The land goes on outside: water leaves at the edges of the world too.
        free[[0, -1]] = free[:, -1] = False
        rng = generator(seed, 30 + stage) if stage < 2 else None
        height = wear(height, lift, free, steps, rng)
    target = receivers(height)[0]
    flow = drainage(target).astype(np.float32).reshape(height.shape)
    lake = _flood(height, target)
    # From here on the ground of the flooded valley is the water's surface.
    height = np.where(lake > 0.0, height + lake, height)
    middle = lengthen(np.asarray(_VALLEY, np.float64), 3)
    river = meander(
        middle, generator(seed, 40), 40.0, np.asarray([14.0, 14.0, 26.0, 50.0, 56.0, 40.0, 4.0])
    )
    return Terrain(
        height=finer(height, 2),
        shore=finer(shore, 2),
        flow=flow,
        river=river,
        lake=finer(lake, 2),
        rugged=_ruggedness(_WORLD * 16)[16 * _MARGIN :][:SIZE],
    )


def _flood(height: F32, target: NDArray[np.intp]) -> F32:
    """Return the depth of the reservoir, (516, 516), meters, at least -10."""
    column, row, above = _DAM
    dam = row * _SIDE + column
    level = float(height[row, column]) + above
    behind = np.append(np.arange(target.size) == dam, False)
    for pointer in _doubled(target):
        behind |= behind[pointer]
    depth = np.where(behind[:-1].reshape(height.shape), level - height, -10.0)
    return np.maximum(depth, -10.0).astype(np.float32)
