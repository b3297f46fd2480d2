"""Variables with larger pixels on a finer grid: each pixel is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.index import Axis, Index, positions_of
from astra_xr.arrays.lazy import cut, unwrap, values_of, wrap
from astra_xr.arrays.thumbnail import coarse

_CLOSE = 1e-3
"""Part of a pixel of the finer grid by which edges may differ."""


class RepeatedArray(LazyArray):
    """Pixels of a variable, each repeated along y and x.

    Parameters
    ----------
    pixels : xarray.Variable
        (…, y, x); lazy or in memory.
    shape : (int, int)
        Rows and columns of the finer grid, all within the variable.
    factors : (int, int)
        Rows and columns of the finer grid per pixel.
    offsets : (int, int)
        Rows and columns of the first pixel that are outside the finer grid.
    """

    takes_points = True
    label = "a band in larger pixels"

    def __init__(
        self,
        pixels: xr.Variable,
        shape: tuple[int, int],
        factors: tuple[int, int],
        offsets: tuple[int, int],
    ) -> None:
        self._pixels = pixels
        self._axes = tuple(zip(factors, offsets, strict=True))
        self.shape = (*pixels.shape[:-2], *shape)
        self.dtype = np.dtype(pixels.dtype)
        found = unwrap(pixels)
        self.allow_large = found is not None and found[0].allow_large

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return the pixels under an index; see :meth:`LazyArray.inputs`."""
        if index.points:
            pixels = [
                (positions_of(axis) + offset) // factor
                for axis, (factor, offset) in zip(index.axes[-2:], self._axes, strict=True)
            ]
            points = Index(axes=(*index.axes[:-2], *pixels), points=True)
            return {"pixels": cut(self._pixels, points)}
        rows, cols = (needed for needed, _ in self._under(index))
        return {"pixels": self._pixels[(*index.axes[:-2], rows, cols)]}

    async def read(self, index: Index) -> npt.NDArray[np.generic]:
        """Read the pixels under an index, and repeat them; see :meth:`LazyArray.read`."""
        values = await values_of(self.inputs(index)["pixels"])
        if index.points:
            return values
        rows, cols = (repeated for _, repeated in self._under(index))
        return values[..., rows, :][..., cols]

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[np.generic] | None:
        """Read fewer pixels of the variable; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        rows, cols = (
            tuple((edge + offset) / factor - (axis.start + offset) // factor for edge in span)
            for axis, span, (factor, offset) in zip(
                index.window, how.spans(index.window), self._axes, strict=True
            )
        )
        how = replace(how, edges=(rows, cols))
        if min(how.steps) < 1:  # all pixels are needed
            return None
        return await coarse(self.inputs(index)["pixels"], how)

    def _under(self, index: Index) -> list[tuple[Axis, npt.NDArray[np.intp]]]:
        """Return which pixels are needed along y and x, and which of these each position has."""
        found: list[tuple[Axis, npt.NDArray[np.intp]]] = []
        for axis, (factor, offset) in zip(index.axes[-2:], self._axes, strict=True):
            places = (positions_of(axis) + offset) // factor
            if isinstance(axis, slice) and places.size:
                first = int(places[0])
                found.append((slice(first, int(places[-1]) + 1), places - first))
            else:
                found.append(np.unique(places, return_inverse=True))
        return found


def repeated(
    pixels: xr.Variable, transform: Affine, finer: Affine, shape: tuple[int, int]
) -> xr.Variable | None:
    """Return a variable on a finer grid, lazily, each of its pixels repeated.

    Parameters
    ----------
    pixels : xarray.Variable
        (…, y, x).
    transform : Affine
        Of the variable's pixels.
    finer : Affine
        Of the finer grid, in the same CRS.
    shape : (int, int)
        Rows and columns of the finer grid.

    Returns
    -------
    xarray.Variable or None
        Of dask if the variable is. None if the finer grid does not divide the pixels evenly, or
        extends beyond them.

    Examples
    --------
    >>> band = xr.Variable(("y", "x"), np.array([[1, 2], [3, 4]]))
    >>> repeated(band, Affine.scale(20), Affine.scale(10), (2, 4)).values
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    """
    a, b, c, d, e, f = list(~transform @ finer)[:6]
    if min(a, e) <= 0 or max(abs(b), abs(d)) > _CLOSE:
        return None
    exact = np.array([1 / e, 1 / a, f / e, c / a])
    whole = np.round(exact)
    if (np.abs(exact - whole) > _CLOSE).any():
        return None
    down, across, above, left = map(int, whole)
    reach = (pixels.shape[-2] * down - above, pixels.shape[-1] * across - left)
    if min(above, left) < 0 or reach[0] < shape[0] or reach[1] < shape[1]:
        return None
    if pixels.chunks is not None:
        # A lazy array of it could be read in a task of dask, which would then wait for others.
        data = pixels.data.repeat(down, -2).repeat(across, -1)
        data = data[..., above : above + shape[0], left : left + shape[1]]
    else:
        data = wrap(RepeatedArray(pixels, shape, (down, across), (above, left)))
    return xr.Variable(pixels.dims, data, pixels.attrs, pixels.encoding)
