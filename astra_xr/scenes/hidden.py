"""Which pixels a class band hides: clouds and the like, as a lazy array of booleans."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.missions.classes import belongs
from astra_xr.model import ClassValue
from astra_xr.reading.array import outer_of


@dataclass(frozen=True, kw_only=True)
class Hide:
    """From the numbers of a class band to what is hidden."""

    classes: tuple[ClassValue, ...]
    """What to hide."""

    nodata: float | None
    """Stored number of pixels without data, which are never hidden by themselves."""

    dilate: int = 0
    """Pixels that what is hidden reaches further, on all sides."""

    def __call__(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is hidden."""
        return _dilated(self.bare(stored), self.dilate)

    def bare(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is of one of the classes itself."""
        stored, valid = self.valid(stored)
        return belongs(stored, self.classes) & valid

    def valid(self, stored: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Return the numbers as integers, and True where there is data."""
        valid = np.ones(stored.shape, np.bool_)
        if stored.dtype.kind == "f":  # as after .where()
            valid = np.isfinite(stored)
            stored = np.where(valid, stored, 0).astype(np.int64)
        if self.nodata is not None:
            valid &= stored != self.nodata
        return stored, valid


def _dilated(hidden: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.bool_]:
    """Let True reach all pixels within a distance, in the last two dimensions."""
    if not radius or not hidden.any():
        return hidden
    wide, out = hidden.copy(), hidden.copy()
    width = 0
    for step in range(radius, -1, -1):  # rows away: the farther, the narrower
        reach = int((radius**2 - step**2) ** 0.5)
        for shift in range(width + 1, reach + 1):
            wide[..., shift:] |= hidden[..., :-shift]
            wide[..., :-shift] |= hidden[..., shift:]
        width = reach
        rows = hidden.shape[-2]
        if step < rows:
            out[..., step:, :] |= wide[..., : rows - step, :]
            out[..., : rows - step, :] |= wide[..., step:, :]
    return out


class HiddenArray(BackendArray):
    """What a class band hides, found when indexed.

    Parameters
    ----------
    classes : xarray.Variable
        The class band, (y, x) last; lazy or not.
    hide : Hide
        What to hide.
    """

    def __init__(self, classes: xr.Variable, hide: Hide) -> None:
        self.classes = classes
        self.hide = hide
        self.shape: tuple[int, ...] = classes.shape
        self.dtype = np.dtype(bool)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._get)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Find it beside any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.to_thread(self.__getitem__, key)

    def inputs(self, key: indexing.ExplicitIndexer) -> dict[str, xr.Variable]:
        """Return what an index takes of the class band, lazily."""
        key = outer_of(key, self.shape)
        return {"classes": self._around(key.tuple)[0]}

    def _get(self, key: tuple[Any, ...]) -> Any:
        classes, down, across = self._around(key)
        return self.hide(np.asarray(classes))[..., down, :][..., across]

    def _around(self, key: tuple[Any, ...]) -> tuple[xr.Variable, Any, Any]:
        """Return the pixels that an index takes and those around them, and where they are."""
        *lead, row, col = key
        rows, down = _reach(row, self.shape[-2], self.hide.dilate)
        cols, across = _reach(col, self.shape[-1], self.hide.dilate)
        return self.classes[(*lead, rows, cols)], down, across


def _reach(key: Any, size: int, margin: int) -> tuple[slice, Any]:
    """Return a range around what an index takes, and the index within it."""
    taken = np.arange(*key.indices(size)) if isinstance(key, slice) else np.asarray(key) % size
    if not taken.size:
        return slice(0, 0), taken
    first = max(0, int(taken.min()) - margin)
    inner = taken - first
    return slice(first, min(size, int(taken.max()) + margin + 1)), inner if inner.ndim else int(
        inner
    )
