"""The lazy array: knows its shape and where its URL comes from, and reads windows on demand."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.errors import ReadError
from astra_xr.model import Grid, Radiometry, UrlSource
from astra_xr.reading.loop import run, start
from astra_xr.reading.memory import check_memory
from astra_xr.reading.points import points_under, read_warped_points
from astra_xr.reading.read import read
from astra_xr.reading.tiles import Span, bounds_of
from astra_xr.reading.values import decoded_dtype
from astra_xr.reading.warp import Warp, read_coarse, read_warped, source_window
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
        Rows and columns of the file.
    indexes : tuple of int
        Planes of the file, counted from 1.
    radiometry : Radiometry
        How stored numbers become values.
    decode : bool
        True: values in ``radiometry.unit``, float, nodata as NaN (unless it is ``as_is``).
        False: the stored numbers.
    planes : bool
        True: the array is (band, y, x); False: it is the one plane, (y, x).
    warp : Warp, optional
        The grid of the array, where it is not the file's.
    allow_large : bool
        True: read even what is larger than memory.
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
        warp: Warp | None = None,
        allow_large: bool = False,
    ) -> None:
        self.allow_large = allow_large
        decode = decode and not radiometry.as_is
        self._whole = Window(
            source=source,
            label=label,
            shape=shape,
            indexes=indexes,
            rows=(0, shape[0]),
            cols=(0, shape[1]),
            radiometry=radiometry if decode else None,
        )
        self._planes = planes
        self._warp = warp
        self._nodata = radiometry.nodata
        grid = warp.target.shape if warp else shape
        self.shape: tuple[int, ...] = (len(indexes), *grid) if planes else grid
        stored = np.dtype(radiometry.dtype)
        self.dtype = decoded_dtype(stored) if decode else stored

    def __repr__(self) -> str:
        return f"RasterArray({self._whole.label!r}, shape={self.shape}, dtype={self.dtype})"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__qualname__, self._whole, self._warp, self._planes, str(self.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return run(self._get(key))

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Read from any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.wrap_future(start(self._get(key)))

    async def _get(self, key: indexing.ExplicitIndexer) -> Any:
        if not isinstance(key, indexing.VectorizedIndexer):
            # Slices are passed on as they are: xarray's adapter fails on empty backward ones.
            return await self._outer(key.tuple)
        points = self._points(key)
        if points is not None:
            return await self._at(*points)
        support = indexing.IndexingSupport.OUTER
        outer, rest = indexing.decompose_indexer(key, self.shape, support)
        values = await self._outer(outer.tuple)
        adapter = indexing.NumpyIndexingAdapter(values)  # type: ignore[no-untyped-call, unused-ignore]
        return indexing.apply_indexer(adapter, rest)

    def _points(
        self, key: indexing.VectorizedIndexer
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]] | None:
        """Return planes, rows and columns of points; None where every row meets every column."""
        *lead, rows, cols = (_positions(k, n) for k, n in zip(key.tuple, self.shape, strict=True))
        down, across = _axes(rows), _axes(cols)
        if len(down) < 2 and len(across) < 2 and down != across:
            return None  # as in a transposed array
        return lead[0] if lead else np.zeros((1,) * rows.ndim, np.intp), rows, cols

    async def _at(
        self, planes: npt.NDArray[np.intp], rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
    ) -> npt.NDArray[Any]:
        """Read points, each given by its row and its column."""
        rows, cols = np.broadcast_arrays(rows, cols)
        down, across = rows.reshape(-1), cols.reshape(-1)
        if self._warp:
            values = await read_warped_points(self._whole, self._warp, down, across, self.dtype)
        else:
            values = await self._read(self._point_window(down, across))
        return np.asarray(values[planes, np.arange(rows.size).reshape(rows.shape)])

    def _point_window(self, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> Window:
        return replace(self._whole, rows=rows, cols=cols, pointwise=True)

    async def _outer(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        part = self._part(key)
        if not self.allow_large:
            check_memory(math.prod(part.size) * self.dtype.itemsize, part.label)
        if self._warp:
            (ys, take_y), (xs, take_x) = bounds_of(part.rows), bounds_of(part.cols)
            pixels = await read_warped(part, self._warp, ys, xs, self.dtype)
            pixels = pixels[:, take_y][:, :, take_x]
        else:
            pixels = await self._read(part)
        keys = key if self._planes else (0, *key)
        cut = tuple(0 if isinstance(k, _INTEGERS) else slice(None) for k in keys)
        return np.asarray(pixels[cut])

    async def _read(self, window: Window) -> npt.NDArray[Any]:
        if 0 in window.size:
            return np.empty(window.size, self.dtype)
        values = await read(window)
        if window.radiometry is None and not np.can_cast(values.dtype, self.dtype):
            raise ReadError(
                source=window.label,
                href="",
                reason=f"the file holds {values.dtype}, while its item says {self.dtype}",
                hint="The item does not describe this file; try another catalogue.",
            )
        return values.astype(self.dtype, copy=False)

    def _part(self, key: tuple[Any, ...]) -> Window:
        """Return what an outer index takes, as a window of the file (or of the other grid)."""
        planes = np.arange(len(self._whole.indexes))[key[0] if self._planes else slice(None)]
        rows, cols = (_span(k, n) for k, n in zip(key[-2:], self.shape[-2:], strict=True))
        indexes = tuple(self._whole.indexes[n] for n in np.atleast_1d(planes))
        return replace(self._whole, indexes=indexes, rows=rows, cols=cols)

    async def coarse(
        self, key: indexing.ExplicitIndexer, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Read what an index takes at fewer pixels, from the overview that suffices.

        Parameters
        ----------
        key : ExplicitIndexer
            Plain slices of rows and columns.
        shape : (int, int)
            Rows and columns of the result.
        average : bool
            Mean of the valid pixels under each of the result; else the one at its centre.

        Returns
        -------
        ndarray or None
            (rows, columns); None where the index is of another kind, or takes several planes.

        Raises
        ------
        ReadError, SigningError, UpstreamError
        """
        if self._planes or isinstance(key, indexing.VectorizedIndexer):
            return None
        part = self._part(key.tuple)
        if not (isinstance(part.rows, tuple) and isinstance(part.cols, tuple)) or 0 in part.size:
            return None
        if not self._warp:
            values = await read_coarse(
                part, shape, average=average, nodata=self._nodata, dtype=self.dtype
            )
            return np.asarray(values[0])
        base = Affine(*self._warp.target.transform) @ Affine.translation(part.cols[0], part.rows[0])
        scale = Affine.scale(
            (part.cols[1] - part.cols[0]) / shape[1], (part.rows[1] - part.rows[0]) / shape[0]
        )
        target = Grid(crs=self._warp.target.crs, shape=shape, transform=tuple(base @ scale)[:6])
        way = "average" if average else "nearest"
        warp = replace(self._warp, target=target, resampling=way)
        rows, cols = (0, shape[0]), (0, shape[1])
        return np.asarray((await read_warped(part, warp, rows, cols, self.dtype))[0])

    def window(self, key: tuple[Any, ...]) -> Window | None:
        """Return what an index takes as a window of the file; None for pictures, other grids."""
        return None if self._planes or self._warp else self._part(key)

    async def reads(self, key: indexing.ExplicitIndexer) -> Window:
        """Return the window of the file that an index is going to read.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            The header, which lists the overviews, cannot be read.
        """
        if isinstance(key, indexing.VectorizedIndexer):
            points = self._points(key)
            if points is not None:
                rows, cols = (v.reshape(-1) for v in np.broadcast_arrays(*points[1:]))
                if self._warp:
                    return await points_under(self._whole, self._warp, rows, cols)
                return self._point_window(rows, cols)
        part = self._part(outer_of(key, self.shape).tuple)
        if not self._warp:
            return part
        spans = bounds_of(part.rows)[0], bounds_of(part.cols)[0]
        return (await source_window(part, self._warp, *spans))[0]


_INTEGERS = (int, np.integer)


def outer_of(key: indexing.ExplicitIndexer, shape: tuple[int, ...]) -> indexing.ExplicitIndexer:
    """Return an index by axes that takes all that ``key`` takes, or more where that is points."""
    if isinstance(key, indexing.VectorizedIndexer):
        key, _ = indexing.decompose_indexer(key, shape, indexing.IndexingSupport.OUTER)
    return key


def _positions(key: Any, length: int) -> npt.NDArray[np.intp]:
    """Write a part of an index as numbers from 0."""
    if isinstance(key, slice):
        return np.arange(*key.indices(length))
    numbers = np.asarray(key)
    return np.where(numbers < 0, numbers + length, numbers)


def _axes(numbers: npt.NDArray[np.intp]) -> list[int]:
    """List the axes along which numbers may differ."""
    return [n for n in range(numbers.ndim) if numbers.shape[n] != 1 and numbers.strides[n] != 0]


def _span(key: Any, length: int) -> Span:
    """Write a part of an outer index as rows or columns."""
    if isinstance(key, _INTEGERS):
        first = int(key) % length
        return first, first + 1
    if isinstance(key, slice) and key.step in (None, 1):
        start, stop, _ = key.indices(length)
        return start, max(start, stop)
    return _positions(key, length)


def cached(array: BackendArray) -> Any:
    """Make an array's values stay once they were read, as xarray's own backends do."""
    lazy = indexing.LazilyIndexedArray(array)
    return indexing.MemoryCachedArray(lazy)  # type: ignore[no-untyped-call, unused-ignore]


def behind(variable: xr.Variable) -> tuple[Any, indexing.ExplicitIndexer | None]:
    """Return the array that a lazy variable reads, and the index that it takes of it.

    Returns
    -------
    array : BackendArray, numpy or dask array
        What is at the bottom.
    key : ExplicitIndexer or None
        None where there is no backend behind it.
    """
    data: Any = variable._data  # noqa: SLF001  (there is no public way to what is behind it)
    key: indexing.ExplicitIndexer | None = None
    while not isinstance(data, BackendArray) and hasattr(data, "array"):
        key = getattr(data, "key", key)
        data = data.array
    return data, key if isinstance(data, BackendArray) else None


def window_of(variable: xr.Variable) -> Window | None:
    """Return the window of a file that a lazy variable is, unread and cut by plain slices.

    Returns
    -------
    Window or None
        None where the variable is anything else.
    """
    array, key = behind(variable)
    if not isinstance(array, RasterArray) or key is None or variable.ndim != 2:
        return None
    if isinstance(key, indexing.VectorizedIndexer):
        return None
    if not all(isinstance(k, slice) and k.step in (None, 1) for k in key.tuple):
        return None
    return array.window(key.tuple)
