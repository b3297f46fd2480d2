"""What all lazy arrays have in common, and what others may ask of each."""

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

from astra_xr.arrays.index import Index
from astra_xr.reading.loop import run, start
from astra_xr.reading.memory import check_memory
from astra_xr.reading.window import Window


class LazyArray(BackendArray):
    """Values that are read or computed when the array is indexed.

    What is asked about an array (:meth:`inputs`, :meth:`coarse`, :meth:`reads`, :meth:`window`)
    has a default that is right for any array: it is made of no others, no part of it costs less
    than all of its pixels, and nothing is known of its files.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    label = "an array"
    """What it is, for messages."""

    scene = ""
    """Id of the scene whose file it reads; empty: it reads none itself, or that is not known."""

    allow_large = False
    """True: read even what is larger than memory."""

    takes_points = False
    """True: an index may name points; False: only rows and columns."""

    @abstractmethod
    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Read the values under ``index.axes``, all dimensions kept; runs on the engine's loop."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read and wait."""
        index = self._checked(key)
        return index.finish(run(self.read(index)))

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Read beside the loop that asks; what :meth:`xarray.Dataset.load_async` awaits."""
        index = self._checked(key)
        return index.finish(await asyncio.wrap_future(start(self.read(index))))

    def index(self, key: indexing.ExplicitIndexer) -> Index:
        """Return what an indexer of xarray asks of this array."""
        return Index.of(key, self.shape, points=self.takes_points)

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return what an index needs of the variables that the values are made of, lazily.

        Returns
        -------
        mapping of str to xarray.Variable
            By a name for messages; all that may be needed.
        """
        return {}

    def parts(self, index: Index) -> Sequence[Index]:
        """Return what an index takes as it is read, one part after the other."""
        return (index,)

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Read what an index takes at fewer pixels; runs on the engine's loop.

        Parameters
        ----------
        index : Index
        shape : (int, int)
            Rows and columns of the result, no more than the index takes.
        average : bool
            Mean of the valid pixels under each of the result, as suits measured values; else the
            pixel at its center, as suits classes.

        Returns
        -------
        ndarray or None
            (…, rows, columns), all dimensions kept; None where it costs as much as reading all.

        Raises
        ------
        ReadError, SigningError, UpstreamError
        """
        return None

    async def reads(self, index: Index) -> Window | None:
        """Return the window of a file that an index is going to read; None: none of its own.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            The header, which lists the overviews, cannot be read.
        """
        return None

    async def prepare(self) -> None:
        """Read ahead what any read needs before its pixels, such as a header; never fails."""

    async def no_data(self) -> tuple[float | None, float]:
        """Return which number is no data beside NaN, and what stands where there are no pixels.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            The header, which gives it, cannot be read.
        """
        return None, math.nan

    def window(self, index: Index) -> Window | None:
        """Return the window of a file whose pixels are the values; None where there is none.

        Formulas of such windows are computed tile by tile, as the bytes arrive.
        """
        return None

    def _checked(self, key: indexing.ExplicitIndexer) -> Index:
        """Return what is asked for; refuse what does not fit into memory."""
        index = self.index(key)
        if not self.allow_large:
            check_memory(math.prod(index.shape) * self.dtype.itemsize, self.label)
        return index
