"""The lazy array: knows its shape and where its URL comes from, and reads windows on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.errors import ReadError
from astra_xr.model import Radiometry, UrlSource
from astra_xr.reading.values import decoded_dtype
from astra_xr.reading.window import Window


class RasterArray(BackendArray):
    """Pixels of one raster asset, read when indexed.

    Parameters
    ----------
    source : UrlSource
        Gives the URL at each read; the array itself holds none.
    label : str
        Scene and band, for messages.
    shape : (int, int)
        Rows and columns.
    indexes : tuple of int
        Planes of the file, counted from 1; one plane makes a (y, x) array, several make
        (band, y, x).
    radiometry : Radiometry
        How stored numbers become values.
    decode : bool
        True: values in ``radiometry.unit``, float, nodata as NaN (unless it is ``as_is``).
        False: the stored numbers.
    """

    def __init__(
        self,
        *,
        source: UrlSource,
        label: str,
        shape: tuple[int, int],
        indexes: tuple[int, ...],
        radiometry: Radiometry,
        decode: bool,
        planes: bool,
    ) -> None:
        self._source = source
        self._label = label
        self._indexes = indexes
        self._radiometry = radiometry
        self._decode = decode and not radiometry.as_is
        self._planes = planes
        self.shape: tuple[int, ...] = (len(indexes), *shape) if planes else shape
        stored = np.dtype(radiometry.dtype)
        self.dtype = decoded_dtype(stored) if self._decode else stored

    def __repr__(self) -> str:
        return f"RasterArray({self._label!r}, shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return take(key, self.shape, self._read)

    def _read(self, key: tuple[int | slice | npt.NDArray[np.integer], ...]) -> npt.NDArray[Any]:
        keys = key if self._planes else (0, *key)
        planes = np.arange(len(self._indexes))[keys[0]]
        rows, within_rows = _bounds(keys[1], self.shape[-2])
        cols, within_cols = _bounds(keys[2], self.shape[-1])
        wanted = np.atleast_1d(planes)
        if not wanted.size or rows[0] == rows[1] or cols[0] == cols[1]:
            block = np.empty((wanted.size, rows[1] - rows[0], cols[1] - cols[0]), self.dtype)
        else:
            block = self._window([self._indexes[i] for i in wanted], rows, cols)
        cut = block[:, within_rows][..., within_cols]
        return cut[0] if np.ndim(planes) == 0 else cut

    def window(self, cut: tuple[slice, ...]) -> Window | None:
        """Return a part of the array as a window of its file; None for pictures."""
        if self._planes:
            return None
        (top, bottom, _), (left, right, _) = (
            k.indices(size) for k, size in zip(cut, self.shape, strict=True)
        )
        return Window(
            source=self._source,
            label=self._label,
            shape=(self.shape[0], self.shape[1]),
            indexes=self._indexes,
            rows=(top, max(top, bottom)),
            cols=(left, max(left, right)),
            radiometry=self._radiometry if self._decode else None,
        )

    def _window(
        self, indexes: list[int], rows: tuple[int, int], cols: tuple[int, int]
    ) -> npt.NDArray[Any]:
        from astra_xr.reading.read import read

        values = read(
            source=self._source,
            label=self._label,
            shape=(self.shape[-2], self.shape[-1]),
            indexes=tuple(indexes),
            rows=rows,
            cols=cols,
            radiometry=self._radiometry if self._decode else None,
        )
        if not self._decode and not np.can_cast(values.dtype, self.dtype):
            raise ReadError(
                source=self._label,
                href=str(self._source()),
                reason=f"the file holds {values.dtype}, while its item says {self.dtype}",
                hint="The item does not describe this file; try another catalogue.",
            )
        return values.astype(self.dtype, copy=False)


def _bounds(
    key: int | slice | npt.NDArray[np.integer], length: int
) -> tuple[tuple[int, int], int | slice | npt.NDArray[np.integer]]:
    """Split an index into the smallest range that holds it and what to take of that range."""
    if isinstance(key, slice):
        picked = range(*key.indices(length))
        if not picked:
            return (0, 0), slice(0, 0)
        low, high = min(picked), max(picked)
        step = picked.step
        start = picked[0] - low
        # A negative step runs down to the first element of the range.
        stop = None if step < 0 else high - low + 1
        return (low, high + 1), slice(start, stop, step)
    positions = np.asarray(key)
    if positions.size == 0:
        return (0, 0), positions
    low, high = int(positions.min()), int(positions.max())
    return (low, high + 1), positions - low


def take(
    key: indexing.ExplicitIndexer,
    shape: tuple[int, ...],
    read: Callable[[tuple[Any, ...]], npt.NDArray[Any]],
) -> Any:
    """Index a lazy array whose ``read`` takes integers, slices of any step and arrays, outer."""
    if isinstance(key, indexing.VectorizedIndexer):
        return indexing.explicit_indexing_adapter(key, shape, indexing.IndexingSupport.OUTER, read)
    # Slices are passed on as they are: xarray's adapter fails on empty backward ones.
    return read(key.tuple)


def cached(array: BackendArray) -> Any:
    """Make an array's values stay once they were read, as xarray's own backends do."""
    lazy = indexing.LazilyIndexedArray(array)
    return indexing.MemoryCachedArray(lazy)  # type: ignore[no-untyped-call, unused-ignore]


def window_of(variable: xr.Variable) -> Window | None:
    """Return the window of a file that a lazy variable is, unread and cut by plain slices.

    Returns
    -------
    Window or None
        None where the variable is anything else.
    """
    data: Any = variable._data  # noqa: SLF001  (there is no public way to what is behind it)
    cut: tuple[Any, ...] | None = None
    while not isinstance(data, RasterArray):
        if isinstance(data, indexing.LazilyIndexedArray):
            cut = data.key.tuple
        if not hasattr(data, "array"):
            return None
        data = data.array
    plain = cut is not None and all(isinstance(k, slice) and k.step in (None, 1) for k in cut)
    return data.window(cut) if plain and cut is not None and variable.ndim == 2 else None
