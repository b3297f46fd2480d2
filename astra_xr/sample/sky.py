"""The sky above the sample scene: the sun, fair-weather clouds, their shadows, a veil of cirrus.

Grids are float32, 10 m, row 0 in the north.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from astra_xr.sample.fractal import F32, cosine, finer, fractal, generator, sine, smoothstep

# Height of the clouds above the ground in meters.
_BASE: Final = 850.0


@dataclass(frozen=True, kw_only=True)
class Sky:
    """Clouds and their shadows."""

    cloud: F32
    """Opacity, 0..1."""
    cirrus: F32
    """Opacity, 0..1."""
    glow: F32
    """Brightness of the clouds relative to their spectrum."""
    shade: F32
    """Share of the sunlight that the clouds block, 0..1."""


def sunlight(height: F32, azimuth: float, elevation: float) -> F32:
    """Return the sun's light on slopes, 1 on level ground, 0 where it does not reach.

    Heights are in meters, per pixel of 10 m; azimuth (clockwise from north) and elevation of the
    sun are in degrees.
    """
    rise = np.empty_like(height)
    east = np.empty_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=east[:, 1:-1])
    np.subtract(height[:-2], height[2:], out=rise[1:-1])
    east[:, 0], east[:, -1] = east[:, 1], east[:, -2]
    rise[0], rise[-1] = rise[1], rise[-2]
    east *= 0.05
    rise *= 0.05
    length = east * east
    length += rise * rise
    length += 1.0
    tilt = cosine(elevation) / sine(elevation)
    east *= -sine(azimuth) * tilt
    rise *= -cosine(azimuth) * tilt
    east += rise
    east += 1.0
    east /= np.sqrt(length)
    return np.clip(east, 0.0, 1.8)


def cover(seed: int, *, size: int, sun: tuple[float, float], share: float) -> Sky:
    """Return a sky.

    Parameters
    ----------
    size
        Pixels along a side, a multiple of 4.
    sun
        Azimuth and elevation, degrees.
    share
        How much of it clouds reach, above 0 and below 1.
    """
    azimuth, elevation = sun
    reach = _BASE / 10.0 * cosine(elevation) / sine(elevation)
    down, right = round(-cosine(azimuth) * reach), round(sine(azimuth) * reach)
    # Clouds outside may shade the scene, so the sky is a bit larger.
    side = size + 4 * (max(down, right) // 4 + 1)
    thick = fractal(generator(seed, 50), side, coarse=512, fine=128, gain=0.7)
    thick += fractal(generator(seed, 51), side, coarse=64, gain=0.56) * 0.6
    sample = np.sort(thick[:size:8, :size:8], axis=None)
    thick -= float(sample[int(sample.size * (1.0 - share))])
    cloud = smoothstep(thick, -0.12, 0.42)
    # Towers catch the sun on the side that faces it.
    glow = thick[:size, :size] - thick[4 : size + 4, 2 : size + 2]
    glow *= 0.9
    glow += smoothstep(thick[:size, :size], -0.1, 1.1) * 0.35
    glow += 0.72
    np.clip(glow, 0.5, 1.25, out=glow)
    return Sky(
        cloud=cloud[:size, :size],
        cirrus=_cirrus(seed, size),
        glow=glow,
        shade=cloud[down : down + size, right : right + size],
    )


def _cirrus(seed: int, size: int) -> F32:
    """Return a veil of ice cloud, streaks from the west south-west, in a few patches."""
    side = size // 4
    streaks = fractal(generator(seed, 60), side + side // 4, coarse=64, gain=0.6)
    drawn = finer(streaks[:, : side // 8 + 1], 3, rows=False)
    row, column = np.indices((side, side))
    slanted = drawn[row + column // 4, column]
    patch = fractal(generator(seed, 61), side, coarse=256, fine=16)
    veil = smoothstep(patch, 0.22, 0.95) * smoothstep(slanted, -0.6, 0.9)
    return finer(veil, 2) * 0.36
