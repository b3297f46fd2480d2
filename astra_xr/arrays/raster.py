"""The pixels of one file as a lazy array, on the file's grid or another."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from affine import Affine

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.index import Axis, Index, positions_of
from astra_xr.errors import AstraError, ReadError
from astra_xr.model import Grid
from astra_xr.reading.decoding import decoded_dtype, fitting
from astra_xr.reading.engine import read
from astra_xr.reading.headers import read_ahead
from astra_xr.reading.item_check import Elsewhere, is_shift
from astra_xr.reading.overview import nodata_of, pyramid_of
from astra_xr.reading.warp import (
    Warp,
    points_under,
    read_warped,
    read_warped_points,
    source_window,
    usual_resampling,
)
from astra_xr.reading.window import Span, Window, range_around

T = TypeVar("T")


class RasterArray(LazyArray):
    """Pixels of one raster asset, read when indexed.

    Parameters
    ----------
    whole : Window
        The whole file, by its item, with its radiometry. A file with another position is resampled
        to the one that the item gives.
    decode : bool
        True: values in the radiometry's unit, float, nodata as NaN (unless it is ``as_is``).
        False: stored numbers.
    planes : bool
        True: the array is (band, y, x). False: it is the one plane, (y, x).
    warp : Warp, optional
        From the file's grid to that of the array, if they differ.
    resampling : str, optional
        Method for a file with another position than its item gives; by default the usual one.
    scene : str
        Id of the scene, with which the window's label begins.
    allow_large : bool
        True: read even what is larger than memory.
    """

    takes_points = True

    _warp: Warp | None = None
    _resampling: str | None = None

    def __init__(
        self,
        whole: Window,
        *,
        decode: bool,
        planes: bool,
        warp: Warp | None = None,
        resampling: str | None = None,
        scene: str = "",
        allow_large: bool = False,
    ) -> None:
        assert whole.radiometry
        stored = np.dtype(whole.radiometry.dtype)
        if decode and not whole.radiometry.as_is:
            self._whole = replace(whole, dtype=decoded_dtype(stored))
        else:
            nodata = fitting(whole.radiometry.nodata, stored)
            masked = whole.radiometry.as_is
            self._whole = replace(
                whole, radiometry=None, by_plane=(), nodata=nodata, dtype=stored, masked=masked
            )
        self._scene_length = len(scene)
        if allow_large:
            self.allow_large = True
        self._warp = warp
        self._resampling = resampling
        grid = warp.target.shape if warp else whole.shape
        self.shape: tuple[int, ...] = (len(whole.indexes), *grid) if planes else grid

    # A graph of many chunks pickles many arrays, so what the window has is not stored twice.

    @property
    def label(self) -> str:  # type: ignore[override]
        """Scene and band."""
        return self._whole.label

    @property
    def scene(self) -> str:  # type: ignore[override]
        """Id of the scene."""
        return self.label[: self._scene_length]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """Of the values, or of the stored numbers."""
        assert self._whole.dtype is not None
        return self._whole.dtype

    @property
    def _planes(self) -> bool:
        return len(self.shape) == 3

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    def __repr__(self) -> str:
        return f"RasterArray({self.label!r}, shape={self.shape}, dtype={self.dtype})"

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__qualname__, self._whole, self._warp, self._resampling, self._planes

    async def _placed(self, read: Callable[[Window, Warp | None], Awaitable[T]]) -> T:
        """Call ``read`` with the file's position by its item, else by its header.

        Any exception that a library raises for odd metadata becomes a ReadError.
        """
        try:
            try:
                return await read(self._whole, self._warp)
            except Elsewhere as error:
                elsewhere = error
            elsewhere.warn()
            own, target = elsewhere.own, self._warp.target if self._warp else self._whole.grid
            assert target is not None
            way = self._resampling or usual_resampling(target, own)
            way = "nearest" if is_shift(target, own) else way
            warp = Warp(source=own, target=target, resampling=way)
            return await read(self._whole.of_file(own), warp)
        except (AstraError, MemoryError, Warning):
            raise
        except Exception as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {error}"
        hint = "Its grid or its header may be wrong: try another catalog, resolution= or crs=."
        raise ReadError(source=self.label, href="", reason=reason, hint=hint)

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Read the pixels; see :meth:`LazyArray.read`."""

        async def read(whole: Window, warp: Warp | None) -> npt.NDArray[Any]:
            if index.points:
                return await self._read_points(index, whole, warp)
            part = self._part(index, whole)
            if not warp:
                return self._planed(await self._pixels(part))
            (ys, take_y), (xs, take_x) = range_around(part.rows), range_around(part.cols)
            pixels = await read_warped(part, warp, ys, xs, self.dtype)
            return self._planed(pixels[:, take_y][:, :, take_x])

        return await self._placed(read)

    async def _read_points(
        self, index: Index, whole: Window, warp: Warp | None
    ) -> npt.NDArray[Any]:
        rows, cols = index.pixels
        if warp:
            values = await read_warped_points(whole, warp, rows, cols, self.dtype)
        else:
            values = await self._pixels(self._part(index, whole))
        planes = index.axes[0] if self._planes else 0
        return np.asarray(values[planes, np.arange(rows.size).reshape(index.shape)])

    def _planed(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (planes, rows, columns) in the dimensions of the array."""
        return pixels if self._planes else pixels[0]

    async def _pixels(self, window: Window) -> npt.NDArray[Any]:
        if 0 in window.size:
            return np.empty(window.size, self.dtype)
        return await read(window)

    def _part(self, index: Index, whole: Window) -> Window:
        """Return the part under an index, as a window of the file or of the other grid.

        That of points has all planes.
        """
        if index.points:
            rows, cols = index.pixels
            return replace(whole, rows=rows, cols=cols, pointwise=True)
        planes = positions_of(index.axes[0]) if self._planes else range(len(whole.indexes))
        indexes = tuple(whole.indexes[n] for n in planes)
        by_plane = tuple(whole.by_plane[n] for n in planes if whole.by_plane)
        down, across = map(_span, index.axes[-2:])
        return replace(whole, indexes=indexes, by_plane=by_plane, rows=down, cols=across)

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Read fewer pixels from a suitable overview; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        spans = how.spans(index.window)

        async def read(whole: Window, warp: Warp | None) -> npt.NDArray[Any]:
            # Without another grid, positions are those of pixels.
            pixels = Grid(crs="", shape=whole.shape, transform=(1, 0, 0, 0, 1, 0))
            source, base = (warp.source, warp.target) if warp else (pixels, pixels)
            (top, _), (left, _) = spans
            affine = Affine(*base.transform) @ Affine.translation(left, top)
            affine @= Affine.scale(*reversed(how.steps))
            target = Grid(crs=base.crs, shape=how.shape, transform=tuple(affine)[:6])
            way = "average" if how.average else "nearest"
            fewer = Warp(source=source, target=target, resampling=way)
            ys, xs = ((0, count) for count in how.shape)
            part = self._part(index, whole)
            return await read_warped(part, fewer, ys, xs, self.dtype, blend=not warp)

        return self._planed(await self._placed(read))

    async def prepare(self) -> None:
        """Read the file's header ahead; see :meth:`LazyArray.prepare`."""
        await read_ahead(self._whole)

    async def nodata(self) -> tuple[float | None, float]:
        """Return the nodata value by the file, else by its item; see :meth:`LazyArray.nodata`."""
        if self._whole.radiometry is not None:
            return None, math.nan

        async def read(whole: Window, _: Warp | None) -> tuple[float | None, float]:
            return nodata_of(whole, await pyramid_of(whole), self.dtype)

        return await self._placed(read)

    def window(self, index: Index) -> Window | None:
        """Return the part under an index as a window; see :meth:`LazyArray.window`."""
        if index.window is None or index.dropped or self._planes or self._warp:
            return None
        return self._part(index, self._whole)

    async def reads(self, index: Index) -> Window:
        """Return the window of the file that an index reads; see :meth:`LazyArray.reads`."""

        async def read(whole: Window, warp: Warp | None) -> Window:
            part = self._part(index, whole)
            if not warp:
                await pyramid_of(whole)  # the header may have another position
                return part
            if index.points:
                return await points_under(whole, warp, *index.pixels)
            spans = range_around(part.rows)[0], range_around(part.cols)[0]
            return await source_window(part, warp, *spans)

        return await self._placed(read)


def _span(axis: Axis) -> Span:
    return (axis.start, axis.stop) if isinstance(axis, slice) else axis
