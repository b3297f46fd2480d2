"""Fields of the sample scene: land is split repeatedly, first freely, then into rectangles.

Works on the flat list of farmed pixels. Lengths are in 10 m pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from astra_xr.sample import spectra
from astra_xr.sample.fractal import F32, cosine, generator, sine

# Splits into districts of one orientation, then into fields.
_DISTRICTS: Final = 5
_FIELDS: Final = 8
# Half the side of the square that the fields of a district are cut from.
_HALF: Final = 190.0
# Frequency of each kind of field, in the order of `spectra.CROPS`.
_OFTEN: Final = (0.19, 0.18, 0.17, 0.16, 0.08, 0.12, 0.08, 0.02)


def _spread(rng: np.random.Generator, count: int, low: float, high: float) -> F32:
    """Return uniform random numbers, (count,) float32."""
    return rng.random(count, dtype=np.float32) * (high - low) + low


def _turned(degrees: F32) -> tuple[F32, F32]:
    """Return cosines and sines of some angles."""
    values = degrees.tolist()
    cosines, sines = ([function(value) for value in values] for function in (cosine, sine))
    return np.asarray(cosines, np.float32), np.asarray(sines, np.float32)


def _districts(rng: np.random.Generator, x: F32, y: F32) -> tuple[NDArray[np.intp], F32, F32, F32]:
    """Return the district of each pixel, its coordinates in there, the distance to the border."""
    node = np.zeros(x.size, np.intp)
    angle = np.asarray([62.0], np.float32)
    border = np.full(x.size, np.inf, np.float32)
    for level in range(_DISTRICTS + 1):
        nodes = 1 << level
        count = np.maximum(np.bincount(node, minlength=nodes), 1)
        middle = [(np.bincount(node, weights=c, minlength=nodes) / count) for c in (x, y)]
        cos, sin = _turned(angle)
        along = x - middle[0].astype(np.float32)[node]
        across = y - middle[1].astype(np.float32)[node]
        u = along * cos[node] + across * sin[node]
        if level == _DISTRICTS:
            break
        u += _spread(rng, nodes, -12.0, 12.0)[node]
        np.minimum(border, np.abs(u), out=border)
        node = node * 2 + (u > 0.0)
        # The next border is about perpendicular to this one.
        angle = np.repeat(angle, 2) + 90.0 + _spread(rng, 2 * nodes, -17.0, 17.0)
    v = across * cos[node] - along * sin[node]
    return node, u, v, border


def _fields(
    rng: np.random.Generator, node: NDArray[np.intp], u: F32, v: F32
) -> tuple[NDArray[np.intp], F32, F32]:
    """Return the field of each pixel, the distance to its edge, the coordinate across its rows."""
    nodes = 1 << _DISTRICTS
    low = np.full((2, nodes), -_HALF, np.float32)
    high = -low
    edge = np.full(u.size, np.inf, np.float32)
    for level in range(_FIELDS):
        nodes = low.shape[1]
        size = high - low
        # Mostly the longer side is cut, which keeps fields compact; some stay strips.
        axis = (size[1] > size[0] * _spread(rng, nodes, 0.55, 1.5)).astype(np.intp)
        own = np.arange(nodes)
        cut = low[axis, own] + size[axis, own] * _spread(rng, nodes, 0.36, 0.64)
        if level >= _FIELDS - 3:
            # There is nothing beyond such a cut: some fields stay as large as they are.
            cut[_spread(rng, nodes, 0.0, 1.0) < 0.28] = np.inf
        position = np.where(axis[node] == 1, v, u) - cut[node]
        np.minimum(edge, np.abs(position), out=edge)
        node = node * 2 + (position > 0.0)
        low, high = np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1)
        split = np.repeat(cut, 2)
        first = np.arange(2 * nodes) % 2 == 0
        chosen = np.repeat(axis, 2)
        for side in (0, 1):
            here = (chosen == side) & np.isfinite(split)
            high[side, here & first] = split[here & first]
            low[side, here & ~first] = split[here & ~first]
    tall = (high[1] - low[1]) > (high[0] - low[0])
    return node, edge, np.where(tall[node], u, v)


def sow(
    seed: int, where: NDArray[np.intp], columns: int, patchy: F32, dither: F32
) -> tuple[NDArray[np.uint16], F32]:
    """Return what grows on farmed pixels.

    Parameters
    ----------
    where
        (n,) the flat indices of the farmed pixels.
    columns
        The width of the grid they are in.
    patchy
        (n,) float32 in about -1..1: how soils differ from place to place.
    dither
        (n,) float32, random in 0..1.

    Returns
    -------
    tuple
        Labels of `spectra.palette`, (n,) uint16, and brightness, (n,) float32, about 1.
    """
    rng = generator(seed, 70)
    x = (where % columns).astype(np.float32)
    y = (where // columns).astype(np.float32)
    node, u, v, border = _districts(rng, x, y)
    node, edge, across = _fields(rng, node, u, v)
    fields = 1 << (_DISTRICTS + _FIELDS)
    chance = _spread(rng, fields, 0.0, 1.0)
    kind = np.zeros(fields, np.intp)
    for bound in np.cumsum(_OFTEN)[:-1].round(6).tolist():
        kind += chance > bound
    # Few fields are half grown: most are bare or green.
    grown = _spread(rng, fields, 0.0, 1.0)
    grown = grown * grown * (3.0 - 2.0 * grown)
    vigor = grown[node] * 0.86 + 0.06
    vigor += patchy * _spread(rng, fields, 0.02, 0.16)[node]
    rows = across * (1.0 / _spread(rng, fields, 2.3, 7.0))[node]
    rows -= np.floor(rows)
    vigor += (np.abs(rows - 0.5) - 0.25) * _spread(rng, fields, 0.0, 0.35)[node]
    level = np.clip(vigor * spectra.LEVELS + dither - 0.5, 0, spectra.LEVELS - 1)
    label = spectra.FIELD + kind[node] * spectra.LEVELS + level.astype(np.intp)
    bright = _spread(rng, fields, 0.86, 1.14)[node] + patchy * 0.05
    _paths(label, edge, border, patchy, dither)
    return label.astype(np.uint16), bright


def _paths(label: NDArray[np.intp], edge: F32, border: F32, patchy: F32, dither: F32) -> None:
    """Paint tracks between the fields, trees and roads between the districts, in place."""
    levels = spectra.LEVELS
    eighth = (dither * 8).astype(np.intp)
    track = edge < dither * 0.8
    label[track] = spectra.WILD + 4 + eighth[track]
    hedge = border < 1.0 + 0.9 * patchy
    label[hedge] = spectra.WILD + (levels + 8 + eighth[hedge]) * levels + 9
    road = border < 0.5 + dither * 0.3
    label[road] = spectra.TOWN + levels // 2 + eighth[road]
