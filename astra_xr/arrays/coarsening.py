"""How a window is read at fewer pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from astra_xr.reading.positions import CLOSE

Edges = tuple[float, float]
"""Where a range of rows or columns begins and ends."""


@dataclass(frozen=True, kw_only=True)
class Coarsening:
    """The fewer pixels at which a window is read: they divide it, or a part of it, evenly."""

    shape: tuple[int, int]
    """Rows and columns of the result, no more than are under it."""

    average: bool
    """True, for measured values: the mean of the valid pixels under each pixel of the result.
    False, for classes: the pixel at its center."""

    edges: tuple[Edges, Edges]
    """Of the result along y and x, in pixels of the window. They may lie within its outer pixels:
    a grid of smaller pixels may be cut there."""

    @classmethod
    def of(cls, size: tuple[int, ...], shape: tuple[int, int], *, average: bool) -> Coarsening:
        """Return that of a whole window of ``size``, whose last dimensions are y and x."""
        return cls(shape=shape, average=average, edges=((0, size[-2]), (0, size[-1])))

    @property
    def steps(self) -> tuple[float, float]:
        """Return how many rows and columns of the window are under a pixel of the result."""
        ranges = zip(self.edges, self.shape, strict=True)
        down, across = ((stop - start) / count for (start, stop), count in ranges)
        return down, across

    def centers(self) -> list[npt.NDArray[np.intp]]:
        """Return the rows and columns of the window at the centers of the result's pixels."""
        axes = zip(self.edges, self.steps, self.shape, strict=True)
        return [
            (start + (np.arange(count) + 0.5) * step + CLOSE).astype(np.intp)  # as in files
            for (start, _), step, count in axes
        ]

    def spans(self, window: tuple[slice, slice]) -> tuple[Edges, Edges]:
        """Return the edges in the rows and columns that the window is of."""
        rows, cols = (
            (axis.start + start, axis.start + stop)
            for axis, (start, stop) in zip(window, self.edges, strict=True)
        )
        return rows, cols

    def widened(
        self, window: tuple[slice, slice], size: Sequence[int], reach: Sequence[int]
    ) -> tuple[Coarsening, tuple[slice, slice], tuple[slice, slice]]:
        """Return that of a wider window, with ``reach`` more pixels of the result on each side.

        Parameters
        ----------
        window : (slice, slice)
            Rows and columns that this one is of.
        size : sequence of int
            Rows and columns of the array, where the wider window ends.
        reach : (int, int)

        Returns
        -------
        (Coarsening, (slice, slice), (slice, slice))
            Also the wider window, and where the pixels of this one are in the wider result.
        """
        shape, edges, wider, within = [], [], [], []
        ranges = zip(window, size, reach, self.spans(window), self.steps, self.shape, strict=True)
        for axis, end, most, (start, stop), step, count in ranges:
            before, after = (min(most, int(left / step + CLOSE)) for left in (start, end - stop))
            low, high = start - before * step, stop + after * step
            first = min(axis.start, max(0, int(low + CLOSE)))
            wider.append(slice(first, max(axis.stop, min(end, math.ceil(high - CLOSE)))))
            edges.append((low - first, high - first))
            shape.append(before + count + after)
            within.append(slice(before, before + count))
        how = replace(self, shape=(shape[0], shape[1]), edges=(edges[0], edges[1]))
        return how, (wider[0], wider[1]), (within[0], within[1])

    def flipped(self, dims: Iterable[int], size: tuple[int, ...]) -> Coarsening:
        """Return that of a window of ``size`` after a flip along ``dims``, -2 for y, -1 for x."""
        edges = list(self.edges)
        for dim in dims:
            start, stop = edges[dim]
            edges[dim] = size[dim] - stop, size[dim] - start
        return replace(self, edges=(edges[0], edges[1]))
