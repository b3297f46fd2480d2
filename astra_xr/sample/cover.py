"""What covers the ground of the sample scene: a label and a brightness for each 10 m pixel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample import farms, spectra, town
from astra_xr.sample.fractal import F32, coarser, finer, fractal, generator, smoothstep
from astra_xr.sample.lines import stroke
from astra_xr.sample.terrain import SIZE, Terrain

_N: Final = spectra.LEVELS


@dataclass(frozen=True, kw_only=True)
class Grain:
    """Random fields that all covers share, each (2064, 2064) float32."""

    dither: F32
    """Independent numbers in 0..1."""
    fine: F32
    """Fractal noise of 10 to 80 m, about -1..1."""
    bars: F32
    """Fractal noise of 20 to 640 m, about -1..1."""


def grain(seed: int) -> Grain:
    """Return the random fields of the landscape of this seed."""
    return Grain(
        dither=generator(seed, 90).random((SIZE, SIZE), dtype=np.float32),
        fine=fractal(generator(seed, 91), SIZE, coarse=8, gain=0.9),
        bars=fractal(generator(seed, 92), SIZE, coarse=64, fine=2, gain=0.6),
    )


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The land cover, (2064, 2064) each."""

    label: NDArray[np.uint16]
    """Rows of `spectra.palette`."""
    gain: F32
    """Brightness of each pixel relative to its label, about 1."""
    water: NDArray[np.bool_]
    """Sea, river and lake."""


def _level(field: F32, dither: F32, count: int = _N) -> NDArray[np.uint16]:
    """Return a number in 0..1 as one of `count` levels; the random part keeps the mean."""
    value = field * count
    value += dither
    value -= 0.5
    return np.clip(value, 0, count - 1).astype(np.uint16)


def _wild(seed: int, terrain: Terrain, light: F32, dither: F32) -> NDArray[np.uint16]:
    """Return the labels of woods, where it is shady and moist, and of grass elsewhere."""
    moist = finer(np.sqrt(np.minimum(terrain.flow, 900.0)) * np.float32(1 / 30), 2)
    trees = fractal(generator(seed, 100), SIZE, coarse=128, gain=0.68)
    trees -= light
    trees += moist * 0.9
    trees += smoothstep(terrain.height, 20.0, 330.0) * 0.75
    trees = smoothstep(trees, -0.55, -0.05)
    green = fractal(generator(seed, 101), SIZE, coarse=256, fine=2, gain=0.6)
    green *= 0.34
    green += 0.78
    green += moist * 0.3
    label = _level(trees, dither)
    label *= _N
    label += _level(green, dither[::-1])
    # Conifers on the high and shady ground, broadleaved trees below.
    kind = fractal(generator(seed, 102), SIZE // 4, coarse=64)
    below = finer(kind, 2) * 130.0 - terrain.height + 150.0 > dither * 60.0
    label += below.astype(np.uint16) * np.uint16(_N * _N)
    return label + np.uint16(spectra.WILD)


def _farms(
    seed: int, terrain: Terrain, light: F32, bank: F32, grains: Grain
) -> tuple[NDArray[np.intp], NDArray[np.uint16], F32]:
    """Return the flat indices of the pixels of farmland, their labels and their brightness.

    Farmland is level, low, and away from the sea and the river.
    """
    quarter = (slice(None, None, 4), slice(None, None, 4))
    steep = np.abs(light[quarter] - 1.0)
    ragged = fractal(generator(seed, 110), SIZE // 4, coarse=64)
    good = 0.16 - steep + ragged * 0.025
    # No farmland on terraces among steep slopes.
    good = np.minimum(good, 0.15 - finer(coarser(steep, 4), 2))
    good = np.minimum(good, (terrain.shore[quarter] - 230.0) * 0.004)
    good = np.minimum(good, (80.0 - terrain.height[quarter]) * 0.004)
    good = np.minimum(good, (bank[quarter] - 4.5 + ragged * 4.0) * 0.05)
    where = np.flatnonzero(finer(good.astype(np.float32), 2) > 0.02)
    patchy, scatter = grains.bars.ravel()[where], grains.dither.ravel()[where]
    return where, *farms.sow(seed, where, SIZE, patchy, scatter)


def _sea(
    seed: int, shore: F32, mouth: tuple[float, float], bars: F32, dither: F32
) -> tuple[NDArray[np.uint16], F32]:
    """Return the labels of the sea (depth, silt and surf) and its brightness (the swell)."""
    rows, columns = shore.shape
    broad = fractal(generator(seed, 120), SIZE, coarse=512, fine=4, gain=0.6)[:, :columns]
    away = shore * -0.001
    near = 1.0 / (1.0 + np.maximum(away + broad * 0.3 * away, 0.0) * 1.5)
    near += bars * 0.09 * near
    near += broad * 0.06
    label = _level(near * 0.99, dither, 4 * _N)
    x = np.arange(columns, dtype=np.float32) - mouth[0]
    y = np.arange(rows, dtype=np.float32)[:, None] - mouth[1]
    # The river's plume drifts south and frays.
    y = y * np.where(y > 0.0, 0.45, 1.5).astype(np.float32) + broad * 70.0
    plume = np.sqrt(x * x + y * y) * 0.0066 + bars * 0.25
    silt = smoothstep(plume, 1.0, -0.1) * 0.9
    silt += smoothstep(away + bars * 0.06, 0.4, -0.1) * 0.28
    label += _level(silt, dither[::-1]) * np.uint16(4 * _N)
    label += np.uint16(spectra.SEA)
    # Lines of breakers, torn by the same bars that make them.
    wave = shore * -0.016 + bars * 0.8
    wave -= np.floor(wave) + 0.5
    foam = np.square(wave)
    foam *= smoothstep(shore, -190.0, -10.0)
    foam *= 5.0
    foam += smoothstep(shore, -20.0, 4.0) * 0.55
    foam *= broad * 0.6 + bars * 0.7 + 0.5
    surf = foam > 0.16 + 0.12 * dither
    label[surf] = spectra.FOAM + _level(foam, dither)[surf]
    swell = x * 0.056 + np.arange(rows, dtype=np.float32)[:, None] * 0.023 + broad * 1.6
    swell -= np.floor(swell) + 0.5
    return label, 0.97 + np.abs(swell) * 0.12


def _shores(terrain: Terrain, grains: Grain, label: NDArray[np.uint16]) -> None:
    """Paint beaches in the bay and rocks below the hills over the labels, in place."""
    rugged, bars, dither = terrain.rugged, grains.bars, grains.dither
    beach = (terrain.shore >= 0.0) & (terrain.shore < 75.0 - 50.0 * rugged + bars * 25.0)
    up = terrain.shore[beach]
    up += dither[beach] * 8.0
    label[beach] = spectra.SAND + _level(smoothstep(up, 2.0, 34.0), dither[beach])
    cliff = (terrain.shore >= 4.0) & (terrain.shore < 75.0 * rugged + 45.0 * bars - 18.0)
    bright = bars[cliff] * 0.5
    bright += 0.45
    label[cliff] = spectra.ROCK + _level(bright, dither[cliff])


def _banks(terrain: Terrain, grains: Grain, bank: F32, label: NDArray[np.uint16]) -> None:
    """Paint woods along the river and sand on some of its banks over the labels, in place."""
    bars, dither = grains.bars, grains.dither
    trees = (bank < 3.0 + 7.0 * bars + 3.0 * dither) & (terrain.shore > 60.0)
    grown = _level(np.clip(bars[trees] * 0.5 + 0.6, 0.3, 0.9), dither[trees])
    label[trees] = spectra.WILD + (grown + np.uint16(_N)) * np.uint16(_N) + 10
    sand = (bank < 1.0) & (bars > 0.2)
    label[sand] = spectra.SAND + _level(bars[sand] * 0.7 + 0.2, dither[sand])


def _flood(
    seed: int, terrain: Terrain, grains: Grain, bank: F32, label: NDArray[np.uint16], gain: F32
) -> NDArray[np.bool_]:
    """Paint river, lake and sea over labels and brightness, in place; return where they are."""
    shore = terrain.shore + grains.fine * 14.0 * terrain.rugged
    lake = terrain.lake > 0.0
    fresh = ((bank < 0.0) & (shore > -60.0)) | lake
    silt = np.where(lake[fresh], np.float32(0.1), 0.5 + 0.3 * grains.bars[fresh])
    label[fresh] = spectra.FRESH + _level(silt, grains.dither[fresh])
    gain[fresh] = 1.0 + grains.fine[fresh] * 0.05
    salt = (shore < 0.0) & ~fresh
    # There is no sea east of its last column.
    west = (slice(None), slice(int(np.flatnonzero(salt.any(axis=0))[-1]) + 1))
    column, row = np.clip(terrain.river.T.astype(np.intp), 0, SIZE - 1)
    last = int(np.flatnonzero(terrain.shore[row, column] > 0.0)[-1])
    mouth = (float(column[last]), float(row[last]))
    sea, swell = _sea(seed, shore[west], mouth, grains.bars[west], grains.dither[west])
    np.copyto(label[west], sea, where=salt[west])
    np.copyto(gain[west], swell, where=salt[west])
    return fresh | salt


def lay(seed: int, terrain: Terrain, light: F32, grains: Grain) -> Cover:
    """Return the cover of a terrain; `light`, (2064, 2064), is the sun on it, 1 on level ground."""
    dither, fine = grains.dither, grains.fine
    bank = stroke(SIZE, terrain.river, 16, np.asarray([1.6, 1.9, 2.2, 3.0, 4.0, 7.0]))
    bank += grains.bars * 0.7
    with ThreadPoolExecutor(1) as pool:
        farmed = pool.submit(_farms, seed, terrain, light, bank, grains)
        label = _wild(seed, terrain, light, dither)
        gain = fine * 0.19
        gain += 1.0
        where, crops, bright = farmed.result()
    label.ravel()[where] = crops
    gain.ravel()[where] = bright + fine.ravel()[where] * 0.06
    _banks(terrain, grains, bank, label)
    dry = (terrain.shore > 55.0) & (terrain.lake < 0.0) & (bank > 0.6)
    town.build(seed, label, dry, dither)
    _shores(terrain, grains, label)
    water = _flood(seed, terrain, grains, bank, label, gain)
    stones = town.moor(label, dither)
    return Cover(label=label, gain=gain, water=water & ~stones)
