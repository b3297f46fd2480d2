"""A formula over lazy bands as a lazy array of its own, with no full-size intermediate."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.reading.array import window_of
from astra_xr.reading.fused import Formula, read_fused
from astra_xr.reading.tags import Unsupported

_BLOCK = 1024
"""Rows and columns of a block: a multiple of common tile sizes."""

_AHEAD = 6
"""Blocks that are being read while one is computed."""


class FormulaArray(BackendArray):
    """Values of a formula, computed when indexed, with no full-size intermediate.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that the formula uses; all of one shape, (y, x) last.
    formula : callable
        Takes plain arrays by the same names, returns an array of their shape; pixel by pixel.
    dtype : numpy dtype
        Of the result.
    """

    def __init__(
        self, inputs: Mapping[str, xr.Variable], formula: Formula, dtype: npt.DTypeLike
    ) -> None:
        self._inputs = dict(inputs)
        self._formula = formula
        self.shape: tuple[int, ...] = next(iter(inputs.values())).shape
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        inputs = self.inputs(key)
        shape = next(iter(inputs.values())).shape
        out = np.empty(shape, self.dtype)
        if out.size and not self._fused(inputs, out):
            self._by_blocks(inputs, out)
        return out

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Compute beside any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.to_thread(self.__getitem__, key)

    def inputs(self, key: indexing.ExplicitIndexer) -> dict[str, xr.Variable]:
        """Return what an index takes of each input, lazily."""
        if isinstance(key, indexing.VectorizedIndexer):
            return {name: _picked(variable, key) for name, variable in self._inputs.items()}
        return {name: variable[key.tuple] for name, variable in self._inputs.items()}

    def _fused(self, inputs: Mapping[str, xr.Variable], out: npt.NDArray[Any]) -> bool:
        """Compute tile by tile as bytes arrive, where all inputs are plain cuts of files."""
        windows = {name: window_of(variable) for name, variable in inputs.items()}
        found = {name: window for name, window in windows.items() if window}
        if len(found) < len(windows):
            return False
        first = next(iter(found.values()))
        if any((w.rows, w.cols) != (first.rows, first.cols) for w in found.values()):
            return False
        try:
            read_fused(found, self._formula, out)
        except Unsupported:
            return False
        return True

    def _by_blocks(self, inputs: Mapping[str, xr.Variable], out: npt.NDArray[Any]) -> None:
        blocks = iter(_blocks(out.shape))
        waiting = deque[tuple[tuple[Any, ...], dict[str, Future[npt.NDArray[Any]]]]]()
        with ThreadPoolExecutor(_AHEAD * len(inputs)) as readers:
            while True:
                for block in itertools.islice(blocks, _AHEAD - len(waiting)):
                    parts = {name: variable[block] for name, variable in inputs.items()}
                    futures = {n: readers.submit(np.asarray, part) for n, part in parts.items()}
                    waiting.append((block, futures))
                if not waiting:
                    return
                block, futures = waiting.popleft()
                out[block] = self._formula({n: future.result() for n, future in futures.items()})


def _picked(variable: xr.Variable, key: indexing.VectorizedIndexer) -> xr.Variable:
    data: Any = variable._data  # noqa: SLF001  (the indexer is xarray's own)
    if not isinstance(data, indexing.ExplicitlyIndexed):
        data = indexing.NumpyIndexingAdapter(np.asarray(data))  # type: ignore[no-untyped-call, unused-ignore]
    picked = indexing.apply_indexer(data, key)
    return xr.Variable([f"dim_{n}" for n in range(picked.ndim)], picked)


def _blocks(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Cut an array into blocks along its last two dimensions."""
    if len(shape) < 2 or max(shape[-2:]) <= _BLOCK:
        return [(...,)]
    edges = ([*range(0, size, _BLOCK), size] for size in shape[-2:])
    rows, cols = (itertools.pairwise(e) for e in edges)
    return [(..., slice(*row), slice(*col)) for row, col in itertools.product(rows, cols)]
