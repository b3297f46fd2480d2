"""The sample scene as arrays: a synthetic coast, painted band by band.

Nothing was measured: the landscape is invented to look natural. The same seed gives the same bits
on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample import cover, sky, spectra, terrain
from astra_xr.sample.fractal import F32, coarser, generator, smoothstep
from astra_xr.sample.series import WHOLE, Frame

# Rows and columns of the landscape that are painted: 342 whole pixels of 60 m.
_PAINTED: Final = 2052
#: Number of times that `paint` reports progress.
STEPS: Final = 3 + len(spectra.GSD)
# Rows that are painted at a time.
_STRIP: Final = 36
# Standard deviation of the sensor's noise at 10, 20 and 60 m, in reflectance.
_NOISE: Final = {10: 0.0007, 20: 0.0005, 60: 0.0004}


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A painted scene."""

    reflectance: Mapping[str, F32]
    """Surface reflectance (0..1 and a little beyond) of each band by native name, at the band's
    pixel size: for the whole landscape (2048, 2048), (1024, 1024) or (342, 342), without gaps."""
    scl: NDArray[np.uint8]
    """Scene classification like Sen2Cor's, 20 m, without class 0."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The landscape, or a part of it, without sun and sky; arrays of (n, n), 10 m."""

    label: NDArray[np.uint16]
    """As in `cover.Cover`, as are gain and water."""
    gain: F32
    water: NDArray[np.bool_]
    relief: F32
    """Height in meters of the surface that the sun shines on."""
    lake: F32
    """Depth in meters of the full reservoir; negative above its level."""

    def part(self, frame: Frame) -> Ground:
        """Return the ground of a frame."""
        rows = slice(frame.row, frame.row + frame.side)
        columns = slice(frame.column, frame.column + frame.side)
        # Copies: a view would keep the whole in memory.
        return Ground(**{name: field[rows, columns].copy() for name, field in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What all bands share, (n, n) each, n a multiple of 6."""

    label: NDArray[np.uint16]
    gain: F32
    sun: F32
    clear: F32
    cloud: F32
    veil: F32
    burnt: F32 | None


def _blur(field: F32) -> F32:
    """Return a field blurred by the optics: each pixel mixes with its neighbors."""
    out = field * 0.64
    out[1:-1] += (field[:-2] + field[2:]) * 0.18
    out[[0, -1]] += field[[0, -1]] * 0.36
    back = out * 0.64
    back[:, 1:-1] += (out[:, :-2] + out[:, 2:]) * 0.18
    back[:, [0, -1]] += out[:, [0, -1]] * 0.36
    return back


def _ground(number: int, gsd: int, colors: F32, scene: _Scene, rows: slice) -> F32:
    """Return some rows of a band at 10 m, without noise, as wide as the scene."""
    # The optics mix neighbors, so one more row is needed on each side.
    start, stop = max(rows.start - 1, 0), min(rows.stop + 1, len(scene.label))
    more = slice(start, stop)
    field = np.take(colors[:, number], scene.label[more])
    field *= scene.gain[more]
    if scene.burnt is not None:
        field += (float(spectra.spectrum("char")[number]) - field) * scene.burnt[more]
    sky_share = spectra.SKYLIGHT[number] * 0.001
    lit = scene.sun[more] * (1.0 - sky_share)
    lit += sky_share
    field *= lit
    if gsd == 10:
        field = _blur(field)
    field = field[rows.start - start : rows.stop - start]
    field *= scene.clear[rows]
    field += scene.cloud[rows] * float(spectra.spectrum("cloud")[number])
    field += scene.veil[rows] * float(spectra.spectrum("cirrus")[number])
    return field


def _band(seed: int, number: int, colors: F32, scene: _Scene, shown: int) -> F32:
    """Return one band at its own pixel size; of the scene the first `shown` pixels of 10 m."""
    gsd = list(spectra.GSD.values())[number]
    factor = gsd // 10
    painted = len(scene.label)
    side = painted // factor
    field = np.empty((side, side), np.float32)
    # Strips of 36 rows (six at 60 m) stay in the processor's cache.
    for start in range(0, painted, _STRIP):
        stop = min(start + _STRIP, painted)
        strip = _ground(number, gsd, colors, scene, slice(start, stop))
        place = slice(start // factor, stop // factor)
        field[place] = strip if factor == 1 else coarser(strip, factor)
    if gsd != 60:
        field = field[: shown // factor, : shown // factor]
    rng = generator(seed, 200 + number)
    noise = rng.random(field.shape, dtype=np.float32)
    noise += rng.random(field.shape, dtype=np.float32)
    noise -= 1.0
    # The sum of two uniform numbers has the variance 1/6.
    noise *= _NOISE[gsd] * 2.4494897
    noise += field
    return noise


def ground(seed: int, tick: Callable[[], object] = lambda: None) -> Ground:
    """Return the ground of the landscape of this seed, (2064, 2064); calls `tick` three times."""
    with ThreadPoolExecutor(1) as pool:
        later_grains = pool.submit(cover.grain, seed)
        land = terrain.grow(seed)
        tick()
        grains = later_grains.result()
        tick()
        relief = _relief(land, grains.bars)
        # Woods grow where there is little sun in January.
        covered = cover.lay(seed, land, sky.sunlight(relief, *WHOLE.sun), grains)
        tick()
    return Ground(
        label=covered.label,
        gain=covered.gain,
        water=covered.water,
        relief=relief,
        lake=land.lake,
    )


SEED = 9
"""Of the landscape; another one gives another landscape of the same kind."""


def paint(*, tick: Callable[[], object] = lambda: None) -> Landscape:
    """Paint the whole scene; `tick` is called after each of `STEPS` parts of the work."""
    with ThreadPoolExecutor(1) as pool:
        later_sky = pool.submit(
            sky.cover, SEED, size=terrain.SIZE, sun=WHOLE.sun, share=WHOLE.clouds
        )
        below = ground(SEED, tick)
        above = later_sky.result()
    return show(
        below,
        above,
        sun=WHOLE.sun,
        painted=_PAINTED,
        colors=spectra.palette(),
        seed=SEED,
        shown=WHOLE.frame.side,
        tick=tick,
    )


def show(
    below: Ground,
    above: sky.Sky,
    *,
    sun: tuple[float, float],
    colors: F32,
    seed: int,
    painted: int,
    shown: int,
    burnt: F32 | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Landscape:
    """Return the scene that a sensor sees over some ground, under a sky of the same size.

    Parameters
    ----------
    sun
        Azimuth and elevation, degrees.
    colors
        The palette of the day, see `spectra.palette`.
    seed
        Of the sensor's noise.
    painted
        How many pixels along a side, from the first, are seen at 60 m; a multiple of 6.
    shown
        How many of them are seen at 10 and 20 m.
    burnt
        Burnt share of each pixel, 0..1, of the shape of the ground.
    tick
        Called once per band.
    """
    light = sky.sunlight(below.relief, *sun)
    light[below.water] = 1.0
    scene = _compose(below, above, light, burnt, painted)
    numbers = range(len(spectra.GSD))
    reflectance = {}
    with ThreadPoolExecutor(2) as pool:
        bands = pool.map(lambda number: _band(seed, number, colors, scene, shown), numbers)
        for name, band in zip(spectra.GSD, bands, strict=True):
            reflectance[name] = band
            tick()
    part = (slice(shown), slice(shown))
    scl = _classify(reflectance, below.water[part], above, light[part])
    return Landscape(reflectance=reflectance, scl=scl)


def _relief(ground: terrain.Terrain, bars: F32) -> F32:
    """Return the heights that the sun shines on: gullies on the hills, level water."""
    relief = ground.height + bars * (smoothstep(ground.height, 12.0, 90.0) * 4.0)
    np.copyto(relief, ground.height, where=ground.lake > 0.0)
    return relief


def _compose(below: Ground, above: sky.Sky, light: F32, burnt: F32 | None, painted: int) -> _Scene:
    """Return the data that all bands share."""
    part = (slice(painted), slice(painted))
    sun = light[part] * (1.0 - above.shade[part] * 0.86)
    sun *= 1.0 - above.cirrus[part] * 0.3
    cloud, cirrus = above.cloud[part], above.cirrus[part]
    clear = (1.0 - cloud) * (1.0 - cirrus)
    return _Scene(
        label=np.ascontiguousarray(below.label[part]),
        gain=np.ascontiguousarray(below.gain[part]),
        sun=sun,
        clear=clear,
        cloud=cloud * above.glow[part],
        veil=cirrus * (1.0 - cloud),
        burnt=None if burnt is None else burnt[part],
    )


def _classify(
    reflectance: Mapping[str, F32], wet: NDArray[np.bool_], above: sky.Sky, light: F32
) -> NDArray[np.uint8]:
    """Return Sen2Cor's classes, from the known cover and, on clear land, from NDVI."""
    part = (slice(len(wet)), slice(len(wet)))
    red, nir = coarser(reflectance["B04"], 2), coarser(reflectance["B08"], 2)
    green = (nir - red) / np.maximum(nir + red, 0.02)
    water = coarser(wet.astype(np.float32), 2) > 0.5
    cloud, cirrus = coarser(above.cloud[part], 2), coarser(above.cirrus[part], 2)
    scl = np.where(green > 0.42, 4, 5)
    scl[(green <= 0.42) & (green > 0.37) & (nir > 0.2)] = 7
    scl[coarser(light, 2) < 0.22] = 2
    scl[water] = 6
    scl[coarser(above.shade[part], 2) > 0.45] = 3
    scl[cirrus > 0.038] = 10
    scl[cloud > 0.10] = 7
    scl[cloud > 0.22] = 8
    scl[cloud > 0.60] = 9
    return scl.astype(np.uint8)
