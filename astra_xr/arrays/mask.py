"""Masks of clouds and other classes, by a classification band or probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.computed import ComputedArray, Values, read_inputs
from astra_xr.arrays.index import Index, positions_of
from astra_xr.arrays.thumbnail import coarse
from astra_xr.missions.classes import belongs
from astra_xr.model import ClassValue
from astra_xr.reading.loop import in_decode_thread


@dataclass(frozen=True, kw_only=True)
class ClassMask:
    """Compute a mask from the stored numbers of a classification band."""

    classes: tuple[ClassValue, ...]
    """The classes that are masked."""

    nodata: float | None
    """Stored number of pixels without data, which are masked only as neighbors."""

    dilate: int = 0
    """Distance in pixels within which the neighbors of a masked pixel are masked too."""

    def __call__(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is masked."""
        return _dilated(self.bare(stored), self.dilate)

    def bare(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel has one of the classes, not dilated."""
        stored, valid = self.valid(stored)
        return belongs(stored, self.classes) & valid

    def valid(self, stored: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Return the numbers as integers, and True where they are data."""
        valid = np.ones(stored.shape, np.bool_)
        if stored.dtype.kind == "f":  # as after .where()
            valid = np.isfinite(stored)
            stored = np.where(valid, stored, 0).astype(np.int64)
        if self.nodata is not None:
            valid &= stored != self.nodata
        return stored, valid


@dataclass(frozen=True, kw_only=True)
class Above:
    """Compute a mask from the values of a band: True above a limit, False for NaN."""

    limit: float
    dilate: int = 0
    """Distance in pixels within which the neighbors of a masked pixel are masked too."""

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is masked."""
        return _dilated(values > self.limit, self.dilate)


def _dilated(masked: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.bool_]:
    """Return True within ``radius`` pixels of a True, in the last two dimensions."""
    if not radius or not masked.any():
        return masked
    wide, out = masked.copy(), masked.copy()
    width = 0
    for step in range(radius, -1, -1):  # rows away: the disc is narrowest there
        reach = int((radius**2 - step**2) ** 0.5)
        for shift in range(width + 1, reach + 1):
            wide[..., shift:] |= masked[..., :-shift]
            wide[..., :-shift] |= masked[..., shift:]
        width = reach
        rows = masked.shape[-2]
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
    """

    label = "a mask"

    def __init__(self, classes: xr.Variable, mask: ClassMask | Above) -> None:
        super().__init__({"classes": classes}, classes.shape, bool)
        self._mask = mask

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return the classes under an index, and within ``dilate`` pixels of it."""
        rows, cols = index.around(self._mask.dilate, self.shape)
        return {"classes": self._inputs["classes"][(*index.axes[:-2], rows, cols)]}

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        return self._mask(values["classes"])

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Mask the classes; see :meth:`LazyArray.read`."""
        values = await read_inputs(self.inputs(index))
        masked = await in_decode_thread(self._apply, values)
        around = index.around(self._mask.dilate, self.shape)
        for dim, axis, of in zip((-2, -1), index.axes[-2:], around, strict=True):
            masked = np.take(masked, positions_of(axis) - of.start, dim)
        return masked

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Mask by fewer pixels of the classes, dilated as far; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        stored = await coarse(self._inputs["classes"][index.axes], shape, average=False)
        dilate = round(self._mask.dilate * shape[0] / index.shape[-2])
        return replace(self._mask, dilate=dilate)(stored)
