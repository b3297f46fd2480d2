"""Maps of few pixels by numpy, and comparisons of thumbnails, plots and pickers with them."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import xarray as xr

from tests.arrays.strips import Array, Pixels, means, picks
from tests.arrays.subjects import SUBJECTS

LIMITS = {"NDVI": (-1.0, 1.0), "SCL": (0.0, 11.0), "count": (0.0, 3.0)}
"""Limits of maps; others have 0 and 1."""

TOLERANCE = {"NDVI": 3e-3, "SCL": 0.0, "mask": 0.0}
"""How far maps may differ; others by 3e-4."""

PLANES = ("red", "green", "blue")

OFF = 0.03
"""Median error of maps in another CRS."""


def limits_of(subject: str, band: str) -> tuple[float, float]:
    """Return the values that are drawn in black and white."""
    return (0.0, 255.0) if subject.startswith("planes") else LIMITS.get(band, (0.0, 1.0))


def flat(ds: xr.Dataset) -> xr.Dataset:
    """Take the first time step, and the planes of an image apart."""
    ds = ds.isel(time=0) if "time" in ds.dims else ds
    if "band" in ds.dims:
        planes: xr.Dataset = ds.visual.to_dataset("band")
        return planes
    return ds


def drawn(ds: xr.Dataset) -> list[str]:
    """Name the first band, and that of classes where there is one."""
    names = [str(each) for each in ds.data_vars]
    return [names[0], "SCL"] if "SCL" in names else names[:1]


@functools.cache
def _truth(subject: str, factor: int, reach: int) -> dict[str, Array]:
    """Return a subject in larger pixels, NaN where it is transparent."""
    truth = SUBJECTS[subject].truth
    assert truth is not None
    bands = truth(Pixels(factor, reach))
    if "visual" in bands:
        planes = bands["visual"] if bands["visual"].ndim == 3 else bands["visual"][0]
        return dict(zip(PLANES, planes.astype(float), strict=True))
    first = {name: v[0] if v.ndim == 3 else v for name, v in bands.items()}
    if SUBJECTS[subject].stored:
        for name in ("red", "nir"):
            first[name] = np.where(first[name] == 0, np.nan, first[name] * 1e-4 - 0.1)
    return {name: values.astype(float) for name, values in first.items()}


def _alternatives(subject: str, band: str, factor: int) -> list[tuple[Array, Array]]:
    """Return the maps that are allowed, each with where it is certain."""
    exact = _truth(subject, 1, 2)[band]
    everywhere = np.ones_like(picks(exact, factor), bool)
    if factor == 1:
        return [(exact, everywhere)]
    # Margins of clouds may be rounded down or up.
    narrow, wide = (_truth(subject, factor, reach)[band] for reach in (0, 1))
    certain = (narrow == wide) | (np.isnan(narrow) & np.isnan(wide))
    assert certain.mean() > 0.5
    found = [(narrow, certain)]
    if not SUBJECTS[subject].overviews:
        found.append((means(exact, factor), everywhere))
        found.append((picks(exact, factor), everywhere))
    return found


def check_map(subject: str, band: str, found: Array, *, step: float, full: Array) -> None:
    """Compare a map with that of numpy from the stored numbers.

    Parameters
    ----------
    subject, band
        Of the map.
    found
        Its values, NaN where it is transparent; NaN or 0 where an image has no data.
    step
        Rounding of its colors.
    full
        The band in full resolution, for subjects without a truth.
    """
    if SUBJECTS[subject].truth is None:
        _check_roughly(band, found, full)
        return
    rows, cols = found.shape
    factor = full.shape[0] // rows
    if subject.startswith("planes"):
        found = np.nan_to_num(found)
    tolerance = (1.5 if subject.startswith("planes") else TOLERANCE.get(band, 3e-4)) + step
    problems = []
    for values, certain in _alternatives(subject, band, factor):
        assert values.shape == (rows, cols)
        away = np.abs(found - values)
        near = (away <= tolerance) | (np.isnan(found) & np.isnan(values))
        wrong = (~near & certain).mean()
        if wrong <= SUBJECTS[subject].astray:
            return
        worst = np.max(away, where=np.isfinite(away) & certain, initial=0)
        problems.append(f"{wrong:.1%} differ, by up to {worst:.3g}")
    pytest.fail(f"{band}: {'; or '.join(problems)}")


def _check_roughly(band: str, found: Array, full: Array) -> None:
    if band == "SCL":
        assert np.isin(np.rint(found[np.isfinite(found)]), np.unique(full)).all()
        return
    expected = resized(full, found.shape)
    there = np.isfinite(found) & np.isfinite(expected)
    assert there.mean() > 0.5
    assert np.median(np.abs(found - expected)[there]) < OFF


def resized(values: Array, shape: tuple[int, ...]) -> Array:
    """Return means of the valid values, by the area under each pixel of a shape."""
    shares = []
    for size, count in zip(values.shape, shape, strict=True):
        edges = np.arange(count + 1) * size / count
        left = np.arange(size)
        right = np.minimum(edges[1:, None], left + 1)
        shares.append(np.maximum(right - np.maximum(edges[:-1, None], left), 0))
    there = np.isfinite(values)
    total = shares[0] @ np.where(there, values, 0) @ shares[1].T
    area = shares[0] @ there.astype(float) @ shares[1].T
    return np.where(area > 0, total / np.maximum(area, 1e-9), np.nan)


def check_grid(found: xr.DataArray, ds: xr.Dataset) -> None:
    """Check that a map has the position of its Dataset."""
    for dim in ("y", "x"):
        first, step = float(ds[dim][0]), float(ds[dim][1] - ds[dim][0])
        count = found.sizes[dim]
        edges = first - step / 2 + np.arange(count + 1) * step * ds.sizes[dim] / count
        np.testing.assert_allclose(found[dim], (edges[1:] + edges[:-1]) / 2)


def classes_in(image: Array, band: xr.DataArray) -> Array:
    """Return the classes by the colors of an image; 0, no data, where it is transparent."""
    found = np.full(image.shape[:2], -1.0)
    colors = band.attrs["flag_colors"].split()
    for value, color in zip(band.attrs["flag_values"], colors, strict=True):
        wanted = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
        found[(np.abs(image[..., :3].astype(int) - wanted) <= 1).all(axis=-1)] = value
    found[image[..., 3] == 0] = 0
    return found
