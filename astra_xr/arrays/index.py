"""Indexers of xarray in one plain form: which part of a lazy array is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.core import indexing

Positions = npt.NDArray[np.intp]
"""Positions along a dimension, from 0."""

Axis = slice | Positions
"""Along one dimension: a slice of step 1 with ``start`` and ``stop``, or positions, 1-D."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """Which part of a lazy array is read."""

    axes: tuple[Axis, ...]
    """One per dimension of the array; all dimensions are kept. Of points: positions, N-D, all of
    one shape."""

    points: bool = False
    """True: ``axes`` are points, given by their position along each dimension."""

    dropped: tuple[int, ...] = ()
    """Dimensions that were indexed with an integer; ``axes`` has one position there."""

    rest: indexing.ExplicitIndexer | None = None
    """Indexer of the values under ``axes``, if these are more than was requested."""

    @classmethod
    def of(
        cls, key: indexing.ExplicitIndexer, shape: tuple[int, ...], *, points: bool = True
    ) -> Index:
        """Convert an indexer of xarray.

        Parameters
        ----------
        key : ExplicitIndexer
            Basic, outer or vectorized.
        shape : tuple of int
            Of the array.
        points : bool
            True: points in rows and columns stay points. False: they become the rows and columns
            that contain them, and a ``rest``.

        Examples
        --------
        >>> Index.of(indexing.BasicIndexer((3, slice(None, 2))), (5, 6)).axes
        (slice(3, 4, None), slice(0, 2, None))
        """
        if isinstance(key, indexing.VectorizedIndexer):
            places = [_positions(k, n) for k, n in zip(key.tuple, shape, strict=True)]
            outer = _outer(places)
            if outer is not None:
                return cls(axes=tuple(map(_as_slice, outer[0])), dropped=outer[1])
            if points and not _orthogonal(places[-2], places[-1]):
                return cls(axes=tuple(np.broadcast_arrays(*places)), points=True)
            support = indexing.IndexingSupport.OUTER
            key, rest = indexing.decompose_indexer(key, shape, support)
            return cls(axes=_axes(key, shape), rest=rest)
        dropped = tuple(n for n, k in enumerate(key.tuple) if isinstance(k, int | np.integer))
        return cls(axes=_axes(key, shape), dropped=dropped)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values under ``axes``, all dimensions kept."""
        if self.points:
            return positions_of(self.axes[0]).shape
        return tuple(a.stop - a.start if isinstance(a, slice) else a.size for a in self.axes)

    @property
    def window(self) -> tuple[slice, slice] | None:
        """Rows and columns, if both are ranges and not empty; else None."""
        count = len(self.axes)
        if self.points or self.rest or count < 2 or {count - 2, count - 1} & {*self.dropped}:
            return None
        rows, cols = self.axes[-2:]
        if not (isinstance(rows, slice) and isinstance(cols, slice)) or 0 in self.shape[-2:]:
            return None
        return rows, cols

    def forward(self) -> tuple[Index, tuple[int, ...]]:
        """Return the index with rows and columns in order, and which were reversed: -2, -1.

        Examples
        --------
        >>> index, dims = Index(axes=(np.array([5, 4, 3]), slice(0, 9))).forward()
        >>> index.axes, dims
        ((slice(3, 6, None), slice(0, 9, None)), (-2,))
        """
        if self.points or self.rest:
            return self, ()
        axes, dims = list(self.axes), []
        for dim in (-2, -1):
            axis = axes[dim]
            if isinstance(axis, np.ndarray) and isinstance(_as_slice(axis[::-1]), slice):
                axes[dim] = _as_slice(axis[::-1])
                dims.append(dim)
        return replace(self, axes=tuple(axes)), tuple(dims)

    @property
    def pixels(self) -> tuple[Positions, Positions]:
        """Rows and columns of points, 1-D."""
        rows, cols = (positions_of(axis).reshape(-1) for axis in self.axes[-2:])
        return rows, cols

    def around(self, reach: int, shape: Sequence[int]) -> list[slice]:
        """Return the rows and columns, and ``reach`` more on each side within an array's shape.

        Examples
        --------
        >>> Index(axes=(slice(1, 4), slice(4, 4))).around(2, (100, 100))
        [slice(0, 6, None), slice(0, 0, None)]
        """
        ranges = zip(map(range_of, self.axes[-2:]), shape[-2:], strict=True)
        return [
            slice(max(0, first - reach), min(size, stop + reach)) if stop > first else slice(0, 0)
            for (first, stop), size in ranges
        ]

    def cut(self, block: Sequence[slice | int]) -> Index:
        """Return the index of a block of the values; integers keep one position each."""
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
        """Return what was requested, from the values under ``axes``."""
        if self.rest is not None:
            adapter = indexing.NumpyIndexingAdapter(values)  # type: ignore[no-untyped-call, unused-ignore]
            return indexing.apply_indexer(adapter, self.rest)
        keep = (0 if n in self.dropped else slice(None) for n in range(values.ndim))
        return np.asarray(values[tuple(keep)])


def positions_of(axis: Axis) -> Positions:
    """Return the positions of an axis one by one."""
    return np.arange(axis.start, axis.stop) if isinstance(axis, slice) else axis


def range_of(axis: Axis) -> tuple[int, int]:
    """Return the half-open range that contains an axis.

    Examples
    --------
    >>> range_of(np.array([7, 3, 5]))
    (3, 8)
    """
    if isinstance(axis, slice):
        return axis.start, axis.stop
    return (int(axis.min()), int(axis.max()) + 1) if axis.size else (0, 0)


def _axes(key: indexing.ExplicitIndexer, shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(_axis(k, n) for k, n in zip(key.tuple, shape, strict=True))


def _axis(key: Any, length: int) -> Axis:
    if isinstance(key, int | np.integer):
        first = int(key) % length
        return slice(first, first + 1)
    if isinstance(key, slice) and key.step in (None, 1):
        start, stop, _ = key.indices(length)
        return slice(start, max(start, stop))
    return _as_slice(_positions(key, length))


def _as_slice(positions: Positions) -> Axis:
    """Return consecutive positions as a slice, others unchanged."""
    if not positions.size or (np.diff(positions) != 1).any():
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1)


def _positions(key: Any, length: int) -> Positions:
    if isinstance(key, slice):
        return np.arange(*key.indices(length))
    places = np.asarray(key, np.intp)
    return np.where(places < 0, places + length, places)


def _outer(places: Sequence[Positions]) -> tuple[list[Positions], tuple[int, ...]] | None:
    """Return points that are rows by columns, as of an array that was transposed and back.

    Returns
    -------
    (list of ndarray, tuple of int) or None
        Positions along each dimension, 1-D, and which dimensions are dropped.
    """
    shape = np.broadcast_shapes(*(each.shape for each in places))
    free = len(shape)
    if free < 2 or 0 in shape:
        return None
    axes, dropped = [_varying(each) for each in places], []
    for n, each in reversed(list(enumerate(axes))):
        if (
            free
            and each.ndim == len(shape)
            and each.size == each.shape[free - 1] == shape[free - 1]
        ):
            free -= 1
        elif each.size == 1:
            dropped.append(n)
        else:
            return None
    return None if free else ([each.reshape(-1) for each in axes], tuple(dropped))


def _varying(positions: Positions) -> Positions:
    """Return positions once along dimensions along which they do not vary."""
    for dim in range(positions.ndim):
        first = positions.take([0], dim)
        if (positions == first).all():
            positions = first
    return positions


def _orthogonal(rows: Positions, cols: Positions) -> bool:
    """Return True if every row meets every column, as in a transposed array."""
    down, across = (
        [n for n in range(each.ndim) if each.shape[n] != 1 and each.strides[n] != 0]
        for each in (rows, cols)
    )
    return len(down) < 2 and len(across) < 2 and down != across
