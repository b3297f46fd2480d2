"""The pixels of one file, or of one file on another grid, as a lazy array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.arrays.base import ReadArray
from astra_xr.arrays.index import Axis, Index, numbers_of
from astra_xr.model import Grid, Radiometry, UrlSource
from astra_xr.reading.decoding import decoded_dtype, fitting
from astra_xr.reading.engine import read
from astra_xr.reading.overview import read_coarse
from astra_xr.reading.pixels import points_under, read_warped_points
from astra_xr.reading.warp import Warp, read_warped, source_window
from astra_xr.reading.window import Span, Window, range_around


class RasterArray(ReadArray):
    """Pixels of one raster asset, read when indexed.

    Parameters
    ----------
    source : UrlSource
        Gives the URL at each read; the array itself holds none.
    label : str
        Scene and band, for messages.
    shape : (int, int)
        Rows and columns of the file.
    transform : tuple of float, optional
        Where its pixels must lie; see :class:`astra_xr.model.Grid`.
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

    takes_points = True

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
        transform: tuple[float, ...] | None = None,
        warp: Warp | None = None,
        allow_large: bool = False,
    ) -> None:
        if allow_large:
            self.allow_large = True
        decode = decode and not radiometry.as_is
        stored = np.dtype(radiometry.dtype)
        self._whole = Window(
            source=source,
            label=label,
            shape=shape,
            transform=transform,
            indexes=indexes,
            rows=(0, shape[0]),
            cols=(0, shape[1]),
            radiometry=radiometry if decode else None,
            dtype=decoded_dtype(stored) if decode else stored,
        )
        self._warp = warp
        self._nodata = fitting(radiometry.nodata, radiometry.dtype)
        grid = warp.target.shape if warp else shape
        self.shape: tuple[int, ...] = (len(indexes), *grid) if planes else grid

    # What the window holds is not held twice: a graph of many chunks pickles many arrays.

    @property
    def label(self) -> str:  # type: ignore[override]
        """Scene and band."""
        return self._whole.label

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """Of the values, or of the stored numbers."""
        assert self._whole.dtype is not None
        return self._whole.dtype

    @property
    def _planes(self) -> bool:
        return len(self.shape) == 3

    def __repr__(self) -> str:
        return f"RasterArray({self.label!r}, shape={self.shape}, dtype={self.dtype})"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__qualname__, self._whole, self._warp, self._planes, str(self.dtype)

    async def _read(self, index: Index) -> npt.NDArray[Any]:
        if index.points:
            return await self._read_points(index)
        part = self._part(index)
        if not self._warp:
            return self._planed(await self._pixels(part))
        (ys, take_y), (xs, take_x) = range_around(part.rows), range_around(part.cols)
        pixels = await read_warped(part, self._warp, ys, xs, self.dtype)
        return self._planed(pixels[:, take_y][:, :, take_x])

    async def _read_points(self, index: Index) -> npt.NDArray[Any]:
        rows, cols = (axis.reshape(-1) for axis in map(numbers_of, index.axes[-2:]))
        if self._warp:
            values = await read_warped_points(self._whole, self._warp, rows, cols, self.dtype)
        else:
            values = await self._pixels(self._points(index))
        planes = index.axes[0] if self._planes else 0
        return np.asarray(values[planes, np.arange(rows.size).reshape(index.shape)])

    def _planed(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (planes, rows, columns) in the dimensions of the array."""
        return pixels if self._planes else pixels[0]

    async def _pixels(self, window: Window) -> npt.NDArray[Any]:
        if 0 in window.size:
            return np.empty(window.size, self.dtype)
        return await read(window)

    def _part(self, index: Index) -> Window:
        """Return what an index takes, as a window of the file (or of the other grid)."""
        planes = numbers_of(index.axes[0]) if self._planes else range(len(self._whole.indexes))
        rows, cols = map(_span, index.axes[-2:])
        indexes = tuple(self._whole.indexes[n] for n in planes)
        return replace(self._whole, indexes=indexes, rows=rows, cols=cols)

    def _points(self, index: Index) -> Window:
        """Return points as a window of the file."""
        rows, cols = (axis.reshape(-1) for axis in map(numbers_of, index.axes[-2:]))
        return replace(self._whole, rows=rows, cols=cols, pointwise=True)

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Read fewer pixels from the overview that suffices; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        part = self._part(index)
        if not self._warp:
            pixels = await read_coarse(
                part, shape, average=average, nodata=self._nodata, dtype=self.dtype
            )
            return self._planed(pixels)
        rows, cols = index.window
        base = Affine(*self._warp.target.transform) @ Affine.translation(cols.start, rows.start)
        scale = Affine.scale(
            (cols.stop - cols.start) / shape[1], (rows.stop - rows.start) / shape[0]
        )
        target = Grid(crs=self._warp.target.crs, shape=shape, transform=tuple(base @ scale)[:6])
        way = "average" if average else "nearest"
        warp = replace(self._warp, target=target, resampling=way)
        whole = (0, shape[0]), (0, shape[1])
        return self._planed(await read_warped(part, warp, *whole, self.dtype))

    def window(self, index: Index) -> Window | None:
        """Return what an index takes as a window of the file; see :meth:`LazyArray.window`."""
        plain = index.window and not index.dropped
        return self._part(index) if plain and not self._planes and not self._warp else None

    async def reads(self, index: Index) -> Window:
        """Return the window of the file that an index is going to read."""
        if index.points:
            window = self._points(index)
            if not self._warp:
                return window
            rows, cols = np.asarray(window.rows), np.asarray(window.cols)
            return await points_under(self._whole, self._warp, rows, cols)
        part = self._part(index)
        if not self._warp:
            return part
        spans = range_around(part.rows)[0], range_around(part.cols)[0]
        return (await source_window(part, self._warp, *spans))[0]


def _span(axis: Axis) -> Span:
    return (axis.start, axis.stop) if isinstance(axis, slice) else axis
