"""The contract of lazy arrays: what can be called on any of them."""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.index import Index
from astra_xr.reading.loop import run, start
from astra_xr.reading.memory import check_memory
from astra_xr.reading.window import Window


class LazyArray(BackendArray):
    """Values that are read or computed when the array is indexed.

    Only :meth:`read` is required. The defaults of the other methods are correct for any array:
    no inputs, no known files, and fewer pixels cost as much as all of them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    label = "an array"
    """Name for messages."""

    scene = ""
    """Id of the scene whose file it reads; empty if it reads no file itself, or that is unknown."""

    allow_large = False
    """True: read even what is larger than memory."""

    takes_points = False
    """True: an index may be of points; False: only of rows and columns."""

    @abstractmethod
    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Read the values under ``index.axes``, all dimensions kept; on the background loop."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read and wait."""
        index = self._checked(key)
        return index.finish(run(self.read(index)))

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Read without blocking the caller's loop, for :meth:`xarray.Dataset.load_async`."""
        index = self._checked(key)
        return index.finish(await asyncio.wrap_future(start(self.read(index))))

    def index(self, key: indexing.ExplicitIndexer) -> Index:
        """Return which part of this array an indexer of xarray reads."""
        return Index.of(key, self.shape, points=self.takes_points)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return the variables that the values are computed from, cut to an index, lazily.

        Returns
        -------
        mapping of str to xarray.Variable
            All that may be needed, with a name for messages.
        """
        return {}

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the parts in which an index is read, each with its own inputs."""
        return (index,)

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Read an index at fewer pixels; runs on the background loop.

        Returns
        -------
        ndarray or None
            (…, rows, columns), all dimensions kept; None if it costs as much as reading all pixels,
            as it does if the index is no window.

        Raises
        ------
        ReadError, SigningError, UpstreamError
        """
        return None

    async def reads(self, index: Index) -> Window | None:
        """Return the window of a file that an index reads, apart from its inputs; None: no file.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            The header, which lists the overviews, cannot be read.
        """
        return None

    async def prepare(self) -> None:
        """Read ahead what precedes any pixels, such as a header; never raises."""

    async def nodata(self) -> tuple[float | None, float]:
        """Return the nodata value besides NaN, and the fill value where there are no pixels.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            The header, which has the nodata value, cannot be read.
        """
        return None, math.nan

    def window(self, index: Index) -> Window | None:
        """Return the window of a file whose pixels are the values of an index; None: there is none.

        Formulas of such windows are computed tile by tile, as bytes arrive.
        """
        return None

    def _checked(self, key: indexing.ExplicitIndexer) -> Index:
        """Return the part to read; refuse one that does not fit into memory."""
        index = self.index(key)
        if not self.allow_large:
            check_memory(math.prod(index.shape) * self.dtype.itemsize, self.label)
        return index
