"""Formulas of lazy bands as lazy arrays, with no full-size intermediate."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.blocks import blocks
from astra_xr.arrays.computed import ComputedArray, Values, compute_by_blocks
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import identity, in_memory, unwrap
from astra_xr.reading.loop import run
from astra_xr.reading.tile_formulas import Formula, Outputs, read_formulas
from astra_xr.reading.window import Window

_BLOCK = 1024
"""Rows and columns of a block: a multiple of common tile sizes."""

_FEWEST = 6
"""Minimum number of concurrent blocks, whatever their size."""


class FormulaArray(ComputedArray):
    """Values of a formula, computed when indexed, with no full-size intermediate.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        By the names that the formula uses; all of one shape, (y, x) last.
    formula : callable
        Takes arrays by the same names, returns an array of their shape; works pixel by pixel.
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
        await _compute(self.inputs(index), [(self.formula, out)])
        return out

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the index itself if it is computed tile by tile, else its blocks."""
        if index.points or len(index.axes) < 2 or all(map(_window, self.inputs(index).values())):
            return (index,)
        return [index.cut(block) for block in _blocks(index.shape)]

    def _apply(self, values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.asarray(self.formula(values))


def compute(inputs: Mapping[str, xr.Variable], outputs: Outputs) -> None:
    """Compute formulas of the same inputs in one pass, with no full-size intermediate.

    Parameters
    ----------
    inputs
        As of :class:`FormulaArray`; lazy or not.
    outputs : sequence of (callable, ndarray)
        The arrays are of the inputs' shape.
    """
    if all(map(in_memory, inputs.values())):
        for block in _blocks(outputs[0][1].shape):
            _fill({n: np.asarray(v[block]) for n, v in inputs.items()}, outputs, block)
    else:
        run(_compute(inputs, outputs))


async def _compute(inputs: Mapping[str, xr.Variable], outputs: Outputs) -> None:
    """Compute formulas as :func:`compute` does; runs on the background loop."""
    whole = outputs[0][1]
    if not whole.size or await _fused(inputs, outputs):
        return

    def take(block: tuple[Any, ...]) -> Mapping[str, xr.Variable]:
        return {name: each[block] for name, each in inputs.items()}

    def use(block: tuple[Any, ...], values: Values) -> None:
        _fill(values, outputs, block)

    await compute_by_blocks(_blocks(whole.shape), take, use, least=_FEWEST)


def _fill(values: Values, outputs: Outputs, block: tuple[Any, ...]) -> None:
    for formula, out in outputs:
        out[block] = formula(values)


async def _fused(inputs: Mapping[str, xr.Variable], outputs: Outputs) -> bool:
    """Compute tile by tile as bytes arrive; return False if the inputs are no windows of files."""
    windows = {name: window for name, each in inputs.items() if (window := _window(each))}
    one_place = len({(window.rows, window.cols) for window in windows.values()}) == 1
    if len(windows) < len(inputs) or not one_place:
        return False
    return await read_formulas(windows, outputs)


def _window(variable: xr.Variable) -> Window | None:
    found = unwrap(variable)
    return found[0].window(found[1]) if found else None


def formula_loads(
    variables: Iterable[xr.Variable],
) -> list[tuple[list[xr.Variable], Callable[[], Awaitable[object]]]]:
    """Return how to load the variables that are lazy formulas, those of one shape in one pass.

    Returns
    -------
    list of (list of xarray.Variable, coroutine function)
        Variables, and what reads them on the background loop; they keep their values.
    """
    groups: dict[tuple[int, ...], list[_Member]] = {}
    for variable in variables:
        array, index = unwrap(variable) or (None, None)
        whole = index and not index.rest and index.shape == variable.shape
        if isinstance(array, FormulaArray) and index and whole:
            groups.setdefault(variable.shape, []).append((variable, array, index))
    return [
        ([each for each, _, _ in group], functools.partial(_load_together, group))
        for group in groups.values()
    ]


_Member = tuple[xr.Variable, FormulaArray, Index]


async def _load_together(group: Sequence[_Member]) -> None:
    inputs: dict[str, xr.Variable] = {}
    known: dict[Any, str] = {}
    outputs: list[tuple[Formula, npt.NDArray[Any]]] = []
    for variable, array, index in group:
        names = {}
        for name, each in array.inputs(index).items():
            # A band that several indices use is read once.
            names[name] = known.setdefault(identity(each), str(len(known)))
            inputs[names[name]] = each
        out = np.empty(variable.shape, variable.dtype)
        outputs.append((_renamed(array.formula, names), out))
    await _compute(inputs, outputs)
    for (variable, _, _), (_, out) in zip(group, outputs, strict=True):
        variable.data = out


def _renamed(formula: Formula, names: Mapping[str, str]) -> Formula:
    """Return a formula whose inputs have other names."""
    return lambda values: formula({name: values[other] for name, other in names.items()})


def _blocks(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Cut an array into blocks of rows, columns and as many time steps as fit.

    Further dimensions are cut into single positions.
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
