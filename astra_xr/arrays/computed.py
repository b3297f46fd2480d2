"""Lazy arrays that are computed from others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.blocks import at_once
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import cut, unwrap, values_of
from astra_xr.arrays.thumbnail import can_average, coarse
from astra_xr.reading.loop import in_decode_thread, in_own_thread, together

B = TypeVar("B")

Values = Mapping[str, npt.NDArray[Any]]
"""Arrays by the names of the inputs."""


class ComputedArray(LazyArray):
    """Values that are computed from variables as these are read.

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
        found = filter(None, map(unwrap, self._inputs.values()))
        self.allow_large = any(array.allow_large for array, _ in found)

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        """Compute values from those of the inputs, for :meth:`coarse`."""
        raise NotImplementedError

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return each input cut to an index; see :meth:`LazyArray.inputs`."""
        return {name: cut(each, index) for name, each in self._inputs.items()}

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Compute from fewer pixels of the inputs; see :meth:`LazyArray.coarse`.

        The result is computed from averages, which differs from the average of the values.
        """
        if index.window is None:
            return None
        values = await read_coarse_inputs(self.inputs(index), how)
        return await in_own_thread(self._apply, values)


async def read_inputs(inputs: Mapping[str, xr.Variable]) -> Values:
    """Read the values of all inputs concurrently; runs on the background loop."""
    return dict(zip(inputs, await together(map(values_of, inputs.values())), strict=True))


async def read_coarse_inputs(inputs: Mapping[str, xr.Variable], how: Coarsening) -> Values:
    """Read all inputs at fewer pixels concurrently; classes and masks are never averaged."""
    picks = replace(how, average=False)
    reads = (coarse(v, how if can_average(v) else picks) for v in inputs.values())
    return dict(zip(inputs, await together(reads), strict=True))


async def compute_by_blocks(
    blocks: Sequence[B],
    take: Callable[[B], Mapping[str, xr.Variable]],
    use: Callable[[B, Values], None],
    *,
    least: int,
    in_thread: Callable[..., Coroutine[Any, Any, None]] = in_decode_thread,
) -> None:
    """Read blocks of all inputs concurrently, and use each in a thread when it has arrived.

    Parameters
    ----------
    blocks : sequence
        The largest first.
    take : callable
        Returns each input cut to a block.
    use : callable
        Called with a block and the values of all inputs in it.
    least : int
        Minimum number of concurrent blocks, whatever their size.
    in_thread : callable
        Runs ``use`` in a thread.
    """
    if not blocks:
        return
    size = sum(each.nbytes for each in take(blocks[0]).values())
    slots = asyncio.Semaphore(at_once(size, least))

    async def one(block: B) -> None:
        async with slots:
            values = await read_inputs(take(block))
            await in_thread(use, block, values)

    await together(map(one, blocks))
