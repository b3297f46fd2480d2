"""Masks by a user's function, which is called with blocks and the pixels around them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.computed import (
    ComputedArray,
    Values,
    compute_by_blocks,
    read_coarse_inputs,
)
from astra_xr.arrays.index import Axis, Index, Positions, positions_of
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.reading.loop import in_own_thread

_BLOCK = 1024
"""Rows and columns of a block, without those around it."""

_FEWEST = 2
"""Minimum number of concurrent blocks, whatever their size."""

Place = Mapping[str, slice | int]
"""Position of a block: time step, rows and columns, by dimension."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class BlockFunction:
    """A user's function, and the metadata of the Datasets that it is called with."""

    function: Callable[[xr.Dataset], Any]
    """Takes a Dataset of (y, x) in memory, returns bool of that shape."""

    name: str
    """For messages."""

    band_attrs: Mapping[str, Mapping[Any, Any]]
    """By variable."""

    coords: Mapping[Any, xr.Variable]
    """Of the whole Dataset: along time, y or x, or scalars."""

    attrs: Mapping[Any, Any]

    def __call__(self, values: Values, place: Place, how: Coarsening | None = None) -> Mask:
        """Return True where a block is masked, (y, x); ``how`` if the values are fewer pixels.

        Raises
        ------
        InvalidParameter
            The function fails, or does not return a mask.
        """
        rows, cols = next(iter(values.values())).shape
        cut = {
            name: each.isel({d: place[str(d)] for d in each.dims})
            for name, each in self.coords.items()
        }
        coords = {n: c for n, each in cut.items() if (c := _coarse(each, how)) is not None}
        bands = {n: (("y", "x"), each, dict(self.band_attrs[n])) for n, each in values.items()}
        block = xr.Dataset(bands, coords, dict(self.attrs))
        try:
            found = self.function(block)
            if isinstance(found, xr.DataArray) and set(found.dims) == {"y", "x"}:
                found = found.transpose("y", "x")
            masked = np.asarray(found)
        except AstraError:
            raise
        except Exception as error:
            reason, expected = f"it raised {type(error).__name__}: {error}", "a function of a block"
            raise InvalidParameter(
                name="by", value=self.name, expected=expected, reason=reason
            ) from error
        if masked.dtype != bool or masked.shape != (rows, cols):
            reason = f"it returned {masked.dtype} of {masked.shape}"
            expected = (
                f"a function that returns bool of the block's shape {(rows, cols)}, True where "
                "masked, such as block.red > 0.3"
            )
            raise InvalidParameter(name="by", value=self.name, expected=expected, reason=reason)
        return masked


def _coarse(coord: xr.Variable, how: Coarsening | None) -> xr.Variable | None:
    """Return a coordinate of a block, interpolated to larger pixels; None if that is impossible."""
    if how is None or not coord.dims:
        return coord
    if coord.dtype.kind not in "iuf":
        return None
    axis = ("y", "x").index(str(coord.dims[0]))
    (start, _), step = how.edges[axis], how.steps[axis]
    middle = start + (np.arange(how.shape[axis]) + 0.5) * step - 0.5
    return xr.Variable(
        coord.dims, np.interp(middle, np.arange(coord.size), coord.values), coord.attrs
    )


class FunctionMaskArray(ComputedArray):
    """Mask by a user's function, computed when indexed, block by block.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        The variables of its Datasets, each (time, y, x) or (y, x), of the same sizes.
    dims : tuple of str
        Of the mask: ``("time", "y", "x")`` or ``("y", "x")``.
    shape : tuple of int
    function : BlockFunction
    overlap : int
        Pixels around a block that the function receives too, where there are any.
    """

    label = "a mask"

    def __init__(
        self,
        inputs: Mapping[str, xr.Variable],
        dims: tuple[str, ...],
        shape: tuple[int, ...],
        function: BlockFunction,
        overlap: int,
    ) -> None:
        super().__init__(inputs, shape, bool)
        self._dims = dims
        self._function = function
        self._overlap = overlap

    def inputs(self, index: Index) -> Mapping[str, xr.Variable]:
        """Return each input cut to an index and the pixels around it."""
        axes = (*index.axes[:-2], *index.around(self._overlap, self.shape))
        return self._at(dict(zip(self._dims, axes, strict=True)))

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the blocks that the function is called with."""
        return [block for _, block in self._blocks(index)]

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Call the function block by block; see :meth:`LazyArray.read`."""
        out = np.zeros(index.shape, np.bool_)

        def take(block: _Block) -> Mapping[str, xr.Variable]:
            return self._at(self._place(block[1]))

        def use(block: _Block, values: Values) -> None:
            target, part = block
            masked = self._function(values, self._place(part))
            around = zip(part.axes[-2:], part.around(self._overlap, self.shape), strict=True)
            out[target] = masked[np.ix_(*(positions_of(axis) - of.start for axis, of in around))]

        blocks = list(self._blocks(index))
        await compute_by_blocks(blocks, take, use, least=_FEWEST, in_thread=in_own_thread)
        return out

    async def coarse(self, index: Index, how: Coarsening) -> npt.NDArray[Any] | None:
        """Call the function with fewer pixels of the inputs; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        masks = []
        for step in itertools.product(*(positions_of(axis).tolist() for axis in index.axes[:-2])):
            place = dict(zip(self._dims, (*step, *index.window), strict=True))
            values = await read_coarse_inputs(self._at(place), replace(how, average=True))
            masks.append(await in_own_thread(self._function, values, place, how))
        return np.array(masks, np.bool_).reshape(*index.shape[:-2], *how.shape)

    def _at(self, place: Mapping[str, Any]) -> Mapping[str, xr.Variable]:
        """Return each input at a place, lazily."""
        return {
            name: each.isel({dim: place[str(dim)] for dim in each.dims})
            for name, each in self._inputs.items()
        }

    def _place(self, block: Index) -> Place:
        """Return the place of a block and the pixels around it."""
        step = (int(positions_of(axis)[0]) for axis in block.axes[:-2])
        around = block.around(self._overlap, self.shape)
        return dict(zip(self._dims, (*step, *around), strict=True))

    def _blocks(self, index: Index) -> Iterator[_Block]:
        """Cut an index into blocks of single time steps."""
        sides = (1, _BLOCK, _BLOCK)[-len(index.axes) :]
        for pieces in itertools.product(*map(_pieces, index.axes, sides)):
            target, axes = zip(*pieces, strict=True)
            yield np.ix_(*target), Index(axes=axes)


_Block = tuple[tuple[Positions, ...], Index]
"""Where a block goes in the result, and its index."""


def _pieces(axis: Axis, side: int) -> list[tuple[Positions, Positions]]:
    """Return the positions of an axis by blocks of ``side``: in the result, and in the array."""
    positions = positions_of(axis)
    blocks = positions // side
    where = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    return [(each, positions[each]) for each in where]
