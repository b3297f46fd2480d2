"""Formulas over lazy bands as lazy arrays of their own, with no full-size intermediate."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from astra_xr.conversion.tags import Unsupported
from astra_xr.reading.array import behind, window_of
from astra_xr.reading.fused import Formula, read_fused
from astra_xr.reading.memory import check_memory
from astra_xr.scenes.blocks import ahead, blocks

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
        self.formula = formula
        self.shape: tuple[int, ...] = next(iter(inputs.values())).shape
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        inputs = self.inputs(key)
        shape = next(iter(inputs.values())).shape
        if not any(getattr(behind(v)[0], "allow_large", False) for v in inputs.values()):
            check_memory(math.prod(shape) * self.dtype.itemsize, "a formula of bands")
        out = np.empty(shape, self.dtype)
        compute(inputs, [self.formula], [out])
        return out

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """Compute beside any event loop; what :meth:`xarray.Dataset.load_async` awaits."""
        return await asyncio.to_thread(self.__getitem__, key)

    def inputs(self, key: indexing.ExplicitIndexer) -> dict[str, xr.Variable]:
        """Return what an index takes of each input, lazily."""
        if isinstance(key, indexing.VectorizedIndexer):
            return {name: _picked(variable, key) for name, variable in self._inputs.items()}
        return {name: variable[key.tuple] for name, variable in self._inputs.items()}


def compute(
    inputs: Mapping[str, xr.Variable],
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
) -> None:
    """Compute formulas of the same inputs in one pass, with no full-size intermediate.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that the formulas use; all of one shape, (y, x) last; lazy or not.
    formulas : sequence of callable
        Each takes plain arrays by the same names, returns an array of their shape.
    outs : sequence of ndarray
        One a formula, of the inputs' shape; filled.
    """
    if outs[0].size and not _fused(inputs, formulas, outs):
        _by_blocks(inputs, formulas, outs)


def _fused(
    inputs: Mapping[str, xr.Variable],
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
) -> bool:
    """Compute tile by tile as bytes arrive, where all inputs are plain cuts of files."""
    windows = {name: window_of(variable) for name, variable in inputs.items()}
    found = {name: window for name, window in windows.items() if window}
    if len(found) < len(windows):
        return False
    first = next(iter(found.values()))
    if any((w.rows, w.cols) != (first.rows, first.cols) for w in found.values()):
        return False
    try:
        read_fused(found, formulas, outs)
    except Unsupported:
        return False
    return True


def _by_blocks(
    inputs: Mapping[str, xr.Variable],
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
) -> None:
    with ThreadPoolExecutor(_AHEAD * len(inputs)) as readers:

        def start(block: tuple[Any, ...]) -> dict[str, Future[npt.NDArray[Any]]]:
            return {n: readers.submit(np.asarray, each[block]) for n, each in inputs.items()}

        for block, futures in ahead(_blocks(outs[0].shape), start, _AHEAD):
            values = {name: future.result() for name, future in futures.items()}
            for formula, out in zip(formulas, outs, strict=True):
                out[block] = formula(values)


def load_together(variables: Sequence[xr.Variable]) -> None:
    """Compute several lazy formulas of one shape in one pass, and keep their values in them.

    Parameters
    ----------
    variables : sequence of xarray.Variable
        Each with a :class:`FormulaArray` behind it.
    """
    inputs: dict[str, xr.Variable] = {}
    known: dict[Any, str] = {}
    formulas: list[Formula] = []
    for variable in variables:
        array, key = behind(variable)
        assert key is not None
        names = {}
        for name, each in array.inputs(key).items():
            # The red of one index is that of the other: it is read once.
            names[name] = known.setdefault(_identity(each), str(len(known)))
            inputs[names[name]] = each
        formulas.append(_Renamed(array.formula, names))
    outs = [np.empty(variable.shape, variable.dtype) for variable in variables]
    compute(inputs, formulas, outs)
    for variable, out in zip(variables, outs, strict=True):
        variable.data = out


@dataclass(frozen=True)
class _Renamed:
    """A formula of inputs that go by other names."""

    formula: Formula
    names: Mapping[str, str]

    def __call__(self, values: Mapping[str, npt.NDArray[Any]]) -> Any:
        return self.formula({name: values[other] for name, other in self.names.items()})


def _identity(variable: xr.Variable) -> Any:
    """Return something that is equal for variables of the same pixels."""
    array, key = behind(variable)
    if key is None or not all(isinstance(k, slice | int | np.integer) for k in key.tuple):
        return id(variable._data)  # noqa: SLF001  (alive as long as the variable)
    cut = tuple((k.start, k.stop, k.step) if isinstance(k, slice) else int(k) for k in key.tuple)
    return id(array), cut


def _picked(variable: xr.Variable, key: indexing.VectorizedIndexer) -> xr.Variable:
    data: Any = variable._data  # noqa: SLF001  (the indexer is xarray's own)
    if not isinstance(data, indexing.ExplicitlyIndexed):
        data = indexing.NumpyIndexingAdapter(np.asarray(data))  # type: ignore[no-untyped-call, unused-ignore]
    picked = indexing.apply_indexer(data, key)
    return xr.Variable([f"dim_{n}" for n in range(picked.ndim)], picked)


def _blocks(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Cut an array into blocks of its last two dimensions, and one by one along the others."""
    if len(shape) < 2:
        return [(...,)]
    parts = blocks((shape[-2], shape[-1]), (_BLOCK, _BLOCK))
    return [(*lead, *part) for lead in itertools.product(*map(range, shape[:-2])) for part in parts]
