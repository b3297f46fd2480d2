"""A formula over lazy bands as a lazy array of its own: read and computed block by block."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.reading.array import cut_of

_BLOCK = 1024
"""Rows and columns of a block: a multiple of common tile sizes."""

_AHEAD = 6
"""Blocks that are being read while one is computed."""

_STRIP = 1 << 15
"""Pixels that a formula is computed of at once: its temporaries stay in the processor's cache."""

Arrays = Mapping[str, npt.NDArray[Any]]
Formula = Callable[[Arrays], Any]


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
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        inputs = {name: variable[key] for name, variable in self._inputs.items()}
        shape = next(iter(inputs.values())).shape
        out = np.empty(shape, self.dtype)
        blocks = iter(_blocks(shape, _origin(next(iter(inputs.values())))))
        waiting = deque[tuple[tuple[Any, ...], dict[str, Future[npt.NDArray[Any]]]]]()
        with ThreadPoolExecutor(_AHEAD * len(inputs)) as readers:
            while True:
                for block in itertools.islice(blocks, _AHEAD - len(waiting)):
                    parts = {name: variable[block] for name, variable in inputs.items()}
                    futures = {n: readers.submit(np.asarray, part) for n, part in parts.items()}
                    waiting.append((block, futures))
                if not waiting:
                    return out
                block, futures = waiting.popleft()
                self._compute({n: future.result() for n, future in futures.items()}, out[block])

    def _compute(self, arrays: Arrays, out: npt.NDArray[Any]) -> None:
        rows = max(1, _STRIP // max(1, out.shape[-1])) if out.ndim > 1 else len(out) or 1
        axis = out.ndim - 2 if out.ndim > 1 else 0
        for top in range(0, out.shape[axis] if out.ndim else 1, rows):
            strip = (..., slice(top, top + rows), slice(None)) if out.ndim > 1 else ...
            out[strip] = self._formula({name: array[strip] for name, array in arrays.items()})


def _origin(variable: xr.Variable) -> tuple[int, int]:
    """Return the row and column of the file where a lazily cut variable begins."""
    starts = [k.start or 0 for k in cut_of(variable) if isinstance(k, slice)]
    return (starts[-2], starts[-1]) if len(starts) > 1 else (0, 0)


def _blocks(shape: tuple[int, ...], origin: tuple[int, int]) -> list[tuple[Any, ...]]:
    """Cut an array into blocks whose edges lie on multiples of the block size in the file."""
    if len(shape) < 2 or max(shape[-2:]) <= _BLOCK:
        return [(...,)]
    edges = []
    for size, start in zip(shape[-2:], origin, strict=True):
        first = min(_BLOCK - start % _BLOCK, size)
        edges.append([0, *range(first, size, _BLOCK), size])
    rows, cols = (itertools.pairwise(e) for e in edges)
    return [(..., slice(*row), slice(*col)) for row, col in itertools.product(rows, cols)]
