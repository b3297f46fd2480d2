"""Arrays that are computed of others."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import points_of, unwrap
from astra_xr.arrays.thumbnail import coarse
from astra_xr.reading.loop import together

Values = Mapping[str, npt.NDArray[Any]]
"""Arrays by the names of the inputs."""


class ComputedArray(LazyArray):
    """Values that are computed of variables, in the thread that asks.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that the computation uses; lazy or not.
    shape : tuple of int
    dtype : numpy dtype
    """

    def __init__(
        self, inputs: Mapping[str, xr.Variable], shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        self._inputs = dict(inputs)
        self.shape = shape
        self.dtype = np.dtype(dtype)
        beneath = filter(None, map(unwrap, self._inputs.values()))
        self.allow_large = any(array.allow_large for array, _ in beneath)

    @abstractmethod
    def _compute(self, index: Index) -> npt.NDArray[Any]:
        """Compute the values under ``index.axes``, all dimensions kept."""

    @abstractmethod
    def _apply(self, values: Values) -> npt.NDArray[Any]:
        """Compute values of those of the inputs."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Compute, block by block where it is large."""
        index = self._checked(key)
        return index.finish(self._compute(index))

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Compute in a thread beside the loop that asks."""
        return await asyncio.to_thread(self.__getitem__, key)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return what an index takes of each input."""
        if index.points:
            return {name: points_of(each, index) for name, each in self._inputs.items()}
        return {name: each[index.axes] for name, each in self._inputs.items()}

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Compute of fewer pixels of the inputs; see :meth:`LazyArray.coarse`.

        Where these are averages it is not the average of what all pixels give. Masks are never
        averaged.
        """
        if index.window is None:
            return None
        inputs = self.inputs(index)
        work = (coarse(v, shape, average=average and v.dtype != bool) for v in inputs.values())
        values = dict(zip(inputs, await together(work), strict=True))
        return await asyncio.to_thread(self._apply, values)
