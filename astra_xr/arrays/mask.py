"""Masks of clouds and other classes, by a classification band or probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.computed import ComputedArray
from astra_xr.arrays.index import Index, positions_of
from astra_xr.arrays.lazy import reads_alone, values_of
from astra_xr.arrays.thumbnail import coarse
from astra_xr.errors import InvalidDataset
from astra_xr.missions.classes import belongs
from astra_xr.model import ClassValue
from astra_xr.reading.loop import in_decode_thread, together


@dataclass(frozen=True, kw_only=True)
class ClassMask:
    """Compute a mask from the stored numbers of a classification band."""

    classes: tuple[ClassValue, ...]
    """The classes that are masked."""

    nodata: float | None
    """Stored number of pixels without data, which are masked only as neighbors."""

    dilate: int = 0
    """Distance in pixels within which the neighbors of a masked pixel are masked too."""

    band: str = "the band"
    """For messages."""

    def __call__(
        self, stored: npt.NDArray[Any], *others: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is masked, also if its class is unknown.

        Parameters
        ----------
        stored : ndarray
            Numbers of the band; NaN where xarray joined scenes without the band, or had no pixel.
        *others : ndarray
            Values of other bands. If all of them are NaN too, a pixel of unknown class is without
            data, and not masked.

        Raises
        ------
        InvalidDataset
            As of :meth:`valid`.
        """
        return _dilated(self.bare(stored), *[self.dilate] * 2) | _unknown(stored, others)

    def bare(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel has one of the classes, not dilated."""
        stored, valid = self.valid(stored)
        return belongs(stored, self.classes) & valid

    def valid(self, stored: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Return the numbers as integers, and True where they are data.

        Raises
        ------
        InvalidDataset
            There are fractions: numbers of classes were averaged, which makes other classes.
        """
        valid = np.ones(stored.shape, np.bool_)
        if stored.dtype.kind == "f":  # as after .where()
            valid = np.isfinite(stored)
            floats = np.where(valid, stored, 0)
            stored = floats.astype(np.int64)
            if (odd := floats[floats != stored]).size:
                raise InvalidDataset(
                    method="mask()",
                    needs=f"whole numbers, and {self.band} has {odd[0]:g}: its classes were "
                    "averaged or interpolated",
                    hint=f"Take the nearest pixels of it; or drop it, and mask() opens it itself: "
                    f"ds.drop_vars({self.band!r}).astra.mask().",
                )
        if self.nodata is not None:
            valid &= stored != self.nodata
        return stored, valid


@dataclass(frozen=True, kw_only=True)
class Above:
    """Compute a mask from the values of a band: True above a limit, and if they are unknown."""

    limit: float
    nodata: float | None = None
    """Number of pixels without data, which are masked only as neighbors."""

    dilate: int = 0
    """Distance in pixels within which the neighbors of a masked pixel are masked too."""

    def __call__(
        self, values: npt.NDArray[Any], *others: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is masked, as in :class:`ClassMask` if its value is NaN."""
        return _dilated(self.bare(values), *[self.dilate] * 2) | _unknown(values, others)

    def bare(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a value is above the limit, not dilated."""
        above: npt.NDArray[np.bool_] = values > self.limit
        if self.nodata is not None:
            above &= values != self.nodata
        return above


def _unknown(stored: npt.NDArray[Any], others: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    """Return True where a band is NaN, and another is not if there are others."""
    if stored.dtype.kind != "f":
        return np.zeros(stored.shape, np.bool_)
    unknown: npt.NDArray[np.bool_] = ~np.isfinite(stored)
    if others and unknown.any():
        unknown &= np.logical_or.reduce([~np.isnan(each) for each in others])
    return unknown


def _dilated(masked: npt.NDArray[np.bool_], down: int, across: int) -> npt.NDArray[np.bool_]:
    """Return True within an ellipse around a True, in the last two dimensions.

    Parameters
    ----------
    masked : ndarray
    down, across : int
        Rows and columns that it extends from the center; those of a disc are equal.
    """
    if not (down or across) or not masked.any():
        return masked
    wide, out = masked.copy(), masked.copy()
    width, rows = 0, masked.shape[-2]
    for step in range(down, -1, -1):  # rows away: the ellipse is narrowest there
        reach = math.isqrt((down**2 - step**2) * across**2 // down**2) if down else across
        for shift in range(width + 1, reach + 1):
            wide[..., shift:] |= masked[..., :-shift]
            wide[..., :-shift] |= masked[..., shift:]
        width = reach
        if step < rows:
            out[..., step:, :] |= wide[..., : rows - step, :]
            out[..., : rows - step, :] |= wide[..., step:, :]
    return out


class MaskArray(ComputedArray):
    """Mask by a classification band or probabilities, computed when indexed.

    Parameters
    ----------
    classes : xarray.Variable
        The band, (y, x) last; lazy or not.
    mask : ClassMask or Above
    others : mapping of str to xarray.Variable
        Other bands of the same shape, with which the mask is called too; none is named
        ``classes``. They are read only where classes are NaN.
    """

    label = "a mask"

    def __init__(
        self,
        classes: xr.Variable,
        mask: ClassMask | Above,
        others: Mapping[str, xr.Variable],
    ) -> None:
        super().__init__({"classes": classes, **others}, classes.shape, bool)
        self._mask = mask

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return the classes under an index, and within ``dilate`` pixels of it."""
        rows, cols = index.around(self._mask.dilate, self.shape)
        return {name: v[(*index.axes[:-2], rows, cols)] for name, v in self._inputs.items()}

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Mask the classes; see :meth:`LazyArray.read`."""
        values = await _needed(self.inputs(index), values_of)
        masked = await in_decode_thread(self._mask, *values)
        around = index.around(self._mask.dilate, self.shape)
        for dim, axis, of in zip((-2, -1), index.axes[-2:], around, strict=True):
            masked = np.take(masked, positions_of(axis) - of.start, dim)
        return masked

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Mask by fewer pixels of the classes, also around; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        how = replace(how, average=False)
        reach = [round(self._mask.dilate / step) for step in how.steps]
        wide, window, (rows, cols) = how.widened(index.window, self.shape[-2:], reach)

        async def read(variable: xr.Variable) -> npt.NDArray[Any]:
            return await coarse(variable[(*index.axes[:-2], *window)], wide)

        values = await _needed(self._inputs, read)
        masked = _dilated(self._mask.bare(values[0]), *reach) | _unknown(values[0], values[1:])
        return masked[..., rows, cols]


async def _needed(
    inputs: Mapping[str, xr.Variable],
    read: Callable[[xr.Variable], Coroutine[Any, Any, npt.NDArray[Any]]],
) -> list[npt.NDArray[Any]]:
    """Read the classes, and the other bands if some classes are unknown."""
    classes = await read(inputs["classes"])
    if not _unknown(classes, ()).any():
        return [classes]
    others = [each for name, each in inputs.items() if name != "classes"]
    return [classes, *await together(map(read, others))]


def mask_by_dask(
    classes: xr.Variable, mask: ClassMask | Above, others: Sequence[xr.Variable], chunks: Any
) -> Any:
    """Return a mask as a dask array; parameters as of :class:`MaskArray`.

    Others are read only where classes are NaN, as without dask, unless their chunks wait for many.
    """
    import dask
    import dask.array as da

    # Dask refuses more pixels than an array has; "none": nothing lies beyond the edges.
    shape = classes.shape
    depth = {axis: min(mask.dilate, shape[axis]) for axis in range(len(shape))[-2:]}
    stored, *arrays = (each.chunk(chunks).data for each in (classes, *others))
    alone = mask if not arrays else partial(_known, mask)
    masked = da.map_overlap(alone, stored, depth=depth, boundary="none", dtype=bool)  # type: ignore[no-untyped-call, unused-ignore]
    masked = masked.rechunk(stored.chunks)  # chunks narrower than the margin were joined
    if not arrays:
        return masked
    late: list[Any] = []
    soon: list[Any] = []
    for each in arrays:
        (late if reads_alone(each) else soon).append(each)
    unread = dask.delayed(_Unread(late), pure=True) if late else None  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
    return da.map_blocks(_with_unknown, masked, stored, *soon, unread=unread, dtype=bool)  # type: ignore[no-untyped-call, unused-ignore]


def _known(mask: ClassMask | Above, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return _dilated(mask.bare(stored), mask.dilate, mask.dilate)


class _Unread:
    """Dask arrays that are computed within a task, where it needs them."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = arrays

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return tuple(each.name for each in self._arrays)

    def at(self, place: tuple[slice, ...]) -> tuple[npt.NDArray[Any], ...]:
        import dask

        # In this thread: those of dask may all be waiting in tasks such as this one.
        parts = (each[place] for each in self._arrays)
        found: Any = dask.compute(*parts, scheduler="synchronous")  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
        return found  # type: ignore[no-any-return]


def _with_unknown(
    masked: npt.NDArray[np.bool_],
    stored: npt.NDArray[Any],
    *soon: npt.NDArray[Any],
    unread: _Unread | None,
    block_info: Any,
) -> npt.NDArray[np.bool_]:
    """Return a mask that is also True where classes are unknown and another band has a value."""
    unknown = _unknown(stored, ())
    if not unknown.any():
        return masked
    place = tuple(slice(*along) for along in block_info[None]["array-location"])
    others = [*soon, *(unread.at(place) if unread else ())]
    return masked | _unknown(stored, others)
