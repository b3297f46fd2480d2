"""What is asked of a lazy array: xarray's indexers in one plain form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.core import indexing

Axis = slice | npt.NDArray[np.intp]
"""Of one dimension: a slice of step 1 from ``start`` to ``stop``, or positions from 0, 1-D."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """What is asked of a lazy array."""

    axes: tuple[Axis, ...]
    """One a dimension of the array; every dimension is kept. Of points: positions, N-D, of one
    shape."""

    points: bool = False
    """True: ``axes`` name points, each by its position along every dimension."""

    dropped: tuple[int, ...] = ()
    """Dimensions that were indexed with an integer; ``axes`` has one position there."""

    rest: indexing.ExplicitIndexer | None = None
    """What is asked of the values under ``axes``, where these hold more than was asked for."""

    @classmethod
    def of(
        cls, key: indexing.ExplicitIndexer, shape: tuple[int, ...], *, points: bool = True
    ) -> Index:
        """Read an indexer of xarray.

        Parameters
        ----------
        key : ExplicitIndexer
            Basic, outer or vectorized.
        shape : tuple of int
            Of the array.
        points : bool
            True: points in rows and columns stay points; False: they become the rows and
            columns that hold them, and a ``rest``.

        Examples
        --------
        >>> Index.of(indexing.BasicIndexer((3, slice(None, 2))), (5, 6)).axes
        (slice(3, 4, None), slice(0, 2, None))
        """
        if isinstance(key, indexing.VectorizedIndexer):
            numbers = [_positions(k, n) for k, n in zip(key.tuple, shape, strict=True)]
            if points and not _orthogonal(numbers[-2], numbers[-1]):
                return cls(axes=tuple(np.broadcast_arrays(*numbers)), points=True)
            outer = indexing.IndexingSupport.OUTER
            key, rest = indexing.decompose_indexer(key, shape, outer)
            return cls(axes=_axes(key, shape), rest=rest)
        dropped = (n for n, k in enumerate(key.tuple) if isinstance(k, int | np.integer))
        return cls(axes=_axes(key, shape), dropped=tuple(dropped))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values under ``axes``, all dimensions kept."""
        if self.points:
            return numbers_of(self.axes[0]).shape
        return tuple(a.stop - a.start if isinstance(a, slice) else a.size for a in self.axes)

    @property
    def window(self) -> tuple[slice, slice] | None:
        """Rows and columns, where both are ranges that hold something; else None."""
        count = len(self.axes)
        if self.points or self.rest or count < 2 or {count - 2, count - 1} & {*self.dropped}:
            return None
        rows, cols = self.axes[-2:]
        if not (isinstance(rows, slice) and isinstance(cols, slice)) or 0 in self.shape[-2:]:
            return None
        return rows, cols

    def cut(self, block: Sequence[slice | int]) -> Index:
        """Return a block of what an index takes; whole numbers leave one position each."""
        parts = (slice(b, b + 1) if isinstance(b, int) else b for b in block)
        return Index(
            axes=tuple(
                slice(axis.start + part.start, axis.start + part.stop)
                if isinstance(axis, slice)
                else axis[part]
                for axis, part in zip(self.axes, parts, strict=True)
            )
        )

    def finish(self, values: npt.NDArray[Any]) -> Any:
        """Return what was asked for, of the values under ``axes``."""
        if self.rest is not None:
            adapter = indexing.NumpyIndexingAdapter(values)  # type: ignore[no-untyped-call, unused-ignore]
            return indexing.apply_indexer(adapter, self.rest)
        return self.drop(values)

    def drop(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Drop the dimensions that were indexed with an integer."""
        keep = (0 if n in self.dropped else slice(None) for n in range(values.ndim))
        return np.asarray(values[tuple(keep)])


def ends(axis: Axis) -> tuple[int, int]:
    """Return the half-open range that holds an axis.

    Examples
    --------
    >>> ends(np.array([7, 3, 5]))
    (3, 8)
    """
    if isinstance(axis, slice):
        return axis.start, axis.stop
    return (int(axis.min()), int(axis.max()) + 1) if axis.size else (0, 0)


def numbers_of(axis: Axis) -> npt.NDArray[np.intp]:
    """Return the positions of an axis, one by one."""
    return np.arange(axis.start, axis.stop) if isinstance(axis, slice) else axis


def _axes(key: indexing.ExplicitIndexer, shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(_axis(k, n) for k, n in zip(key.tuple, shape, strict=True))


def _axis(key: Any, length: int) -> Axis:
    if isinstance(key, int | np.integer):
        first = int(key) % length
        return slice(first, first + 1)
    if isinstance(key, slice) and key.step in (None, 1):
        start, stop, _ = key.indices(length)
        return slice(start, max(start, stop))
    return _positions(key, length)


def _positions(key: Any, length: int) -> npt.NDArray[np.intp]:
    if isinstance(key, slice):
        return np.arange(*key.indices(length))
    numbers = np.asarray(key, np.intp)
    return np.where(numbers < 0, numbers + length, numbers)


def _orthogonal(rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> bool:
    """Return True where every row meets every column, as in a transposed array."""
    down, across = (
        [n for n in range(each.ndim) if each.shape[n] != 1 and each.strides[n] != 0]
        for each in (rows, cols)
    )
    return len(down) < 2 and len(across) < 2 and down != across
