"""A part of the landscape on a day of the year.

It has the same fields, woods and slopes as the whole scene. Grids are float32 at 10 m, of the
shape of the part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from astra_xr.sample import landscape, sky, spectra
from astra_xr.sample.fractal import F32, fractal, generator, smoothstep
from astra_xr.sample.series import Frame, Scene

# The middle of the fire (row and column in the part), and its reach, in 10 m pixels.
_FIRE: Final = (375, 465, 125.0)


@functools.lru_cache(maxsize=1)
def _part(frame: Frame) -> landscape.Ground:
    """Return a part of the ground; takes a few seconds the first time, and is then cached."""
    return landscape.ground(landscape.SEED).part(frame)


def paint(scene: Scene, *, tick: Callable[[], object]) -> landscape.Landscape:
    """Paint a scene of the year; `tick` is called `landscape.STEPS` times."""
    season = scene.season
    assert season is not None
    below = _draw_down(_part(scene.frame), season.drawn)
    for _ in range(landscape.STEPS - len(spectra.GSD)):
        tick()
    # Each day has its own clouds and noise.
    weather = landscape.SEED * 10**9 + scene.weather
    above = sky.cover(weather, size=scene.frame.side, sun=scene.sun, share=scene.clouds)
    return landscape.show(
        below,
        above,
        sun=scene.sun,
        colors=spectra.palette(season),
        seed=weather,
        painted=scene.frame.side,
        shown=scene.frame.side,
        burnt=_burnt(below) * np.float32(season.burnt),
        tick=tick,
    )


def _draw_down(full: landscape.Ground, meters: float) -> landscape.Ground:
    """Return the ground with less water in the reservoir, and bare mud and sand around it."""
    lake, label, relief = full.lake, full.label.copy(), full.relief.copy()
    bare = (lake > 0.0) & (lake <= meters)
    # Ground that has been dry for long is pale.
    dryness = (meters - lake[bare]) / np.float32(max(meters, 1.0))
    level = np.minimum(dryness * spectra.LEVELS, spectra.LEVELS - 1).astype(np.uint16)
    label[bare] = spectra.SAND + level
    relief[lake > 0.0] -= np.minimum(lake[lake > 0.0], np.float32(meters))
    return replace(full, label=label, relief=relief, water=full.water & ~bare)


def _burnt(below: landscape.Ground) -> F32:
    """Return the burnt share: highest in the middle of the fire, woods and grass only."""
    middle, across, reach = _FIRE
    side = len(below.label)
    rows = np.arange(side, dtype=np.float32)[:, None] - np.float32(middle)
    columns = np.arange(side, dtype=np.float32)[None, :] - np.float32(across)
    away = (np.sqrt(rows * rows + columns * columns) / np.float32(reach)).astype(np.float32)
    away += fractal(generator(landscape.SEED, 130), side, coarse=128, gain=0.75) * np.float32(0.5)
    severity = smoothstep(away, 1.0, 0.6)
    wild = (below.label >= spectra.WILD) & (below.label < spectra.FIELD)
    return np.where(wild & ~below.water, severity * np.float32(0.95), np.float32(0.0))
