"""Formulas over lazy bands as lazy arrays of their own, with no full-size intermediate."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.blocks import blocks
from astra_xr.arrays.computed import ComputedArray, Values, compute_by_blocks
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import identity, in_memory, unwrap
from astra_xr.reading.fused import Formula, read_fused
from astra_xr.reading.loop import run
from astra_xr.reading.window import Window

_BLOCK = 1024
"""Rows and columns of a block: a multiple of common tile sizes."""

_FEWEST = 6
"""Blocks that are read or wait to be computed at once, however large they are."""


class FormulaArray(ComputedArray):
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

    label = "a formula of bands"
    takes_points = True

    def __init__(
        self, inputs: Mapping[str, xr.Variable], formula: Formula, dtype: npt.DTypeLike
    ) -> None:
        super().__init__(inputs, next(iter(inputs.values())).shape, dtype)
        self.formula = formula

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Compute block by block; see :meth:`LazyArray.read`."""
        out = np.empty(index.shape, self.dtype)
        await _compute(self.inputs(index), [self.formula], [out])
        return out

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the index itself where tiles are computed as they arrive, else its blocks."""
        if index.points or len(index.axes) < 2 or all(map(_window, self.inputs(index).values())):
            return (index,)
        return [index.cut(block) for block in _blocks(index.shape)]

    def _apply(self, values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.asarray(self.formula(values))


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
    if all(map(in_memory, inputs.values())):
        for block in _blocks(outs[0].shape):
            _fill({n: np.asarray(v[block]) for n, v in inputs.items()}, formulas, outs, block)
    else:
        run(_compute(inputs, formulas, outs))


async def _compute(
    inputs: Mapping[str, xr.Variable],
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
) -> None:
    """Do what :func:`compute` does, on the engine's loop."""
    if not outs[0].size or await _fused(inputs, formulas, outs):
        return

    def take(block: tuple[Any, ...]) -> Mapping[str, xr.Variable]:
        return {name: each[block] for name, each in inputs.items()}

    def use(block: tuple[Any, ...], values: Values) -> None:
        _fill(values, formulas, outs, block)

    await compute_by_blocks(_blocks(outs[0].shape), take, use, least=_FEWEST)


def _fill(
    values: Values,
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
    block: tuple[Any, ...],
) -> None:
    for formula, out in zip(formulas, outs, strict=True):
        out[block] = formula(values)


async def _fused(
    inputs: Mapping[str, xr.Variable],
    formulas: Sequence[Formula],
    outs: Sequence[npt.NDArray[Any]],
) -> bool:
    """Compute tile by tile as bytes arrive, where all inputs are plain cuts of files."""
    found = {name: window for name, each in inputs.items() if (window := _window(each))}
    if len(found) < len(inputs):
        return False
    first = next(iter(found.values()))
    if any((w.rows, w.cols) != (first.rows, first.cols) for w in found.values()):
        return False
    return await read_fused(found, formulas, outs)


def _window(variable: xr.Variable) -> Window | None:
    found = unwrap(variable)
    return found[0].window(found[1]) if found else None


def formula_loads(
    variables: Iterable[xr.Variable],
) -> list[tuple[list[xr.Variable], Callable[[], Awaitable[object]]]]:
    """Return what computes the lazy formulas of some variables, those of one shape in one pass.

    Returns
    -------
    list of (list of xarray.Variable, coroutine function)
        For the engine's loop; the variables keep their values.
    """
    groups: dict[tuple[int, ...], list[_Member]] = {}
    for variable in variables:
        array, index = unwrap(variable) or (None, None)
        exact = index and not index.rest and index.shape == variable.shape
        if isinstance(array, FormulaArray) and index and exact:
            groups.setdefault(variable.shape, []).append((variable, array, index))
    return [
        ([each for each, _, _ in group], functools.partial(_load_together, group))
        for group in groups.values()
    ]


_Member = tuple[xr.Variable, FormulaArray, Index]


async def _load_together(group: Sequence[_Member]) -> None:
    inputs: dict[str, xr.Variable] = {}
    known: dict[Any, str] = {}
    formulas: list[Formula] = []
    for _, array, index in group:
        names = {}
        for name, each in array.inputs(index).items():
            # The red of one index is that of the other: it is read once.
            names[name] = known.setdefault(identity(each), str(len(known)))
            inputs[names[name]] = each
        formulas.append(_Renamed(array.formula, names))
    outs = [np.empty(variable.shape, variable.dtype) for variable, _, _ in group]
    await _compute(inputs, formulas, outs)
    for (variable, _, _), out in zip(group, outs, strict=True):
        variable.data = out


@dataclass(frozen=True)
class _Renamed:
    """A formula of inputs under other names."""

    formula: Formula
    names: Mapping[str, str]

    def __call__(self, values: Mapping[str, npt.NDArray[Any]]) -> Any:
        return self.formula({name: values[other] for name, other in self.names.items()})


def _blocks(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Cut an array into blocks, of rows and columns, and of so many time steps as fit in.

    Along other dimensions it is cut one by one.
    """
    if len(shape) < 2:
        return [(...,)]
    parts: list[tuple[Any, ...]] = [*blocks((shape[-2], shape[-1]), (_BLOCK, _BLOCK))]
    if len(shape) > 2:
        pixels = math.prod(slice_.stop - slice_.start for slice_ in parts[0])
        steps = max(1, _BLOCK**2 // max(1, pixels))
        along = [slice(n, min(n + steps, shape[-3])) for n in range(0, shape[-3], steps)]
        parts = [(step, *part) for step in along for part in parts]
    return [(*lead, *part) for lead in itertools.product(*map(range, shape[:-3])) for part in parts]
