"""Masks by a function of the user's, called on blocks with pixels around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arrays.computed import ComputedArray, Values, compute_by_blocks
from astra_xr.arrays.index import Axis, Index, ends, numbers_of
from astra_xr.arrays.thumbnail import coarse
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.model import CLASS_ROLES
from astra_xr.reading.loop import in_own_thread, together

_BLOCK = 1024
"""Rows and columns of a block, without those around it."""

_FEWEST = 2
"""Blocks that are read or wait for the function at once, however large they are."""

Place = Mapping[str, slice | int]
"""Where a block lies: its time step, rows and columns."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class BlockFunction:
    """A function of the user's, and what the Datasets hold that it is called with."""

    function: Callable[[xr.Dataset], Any]
    """From a Dataset of (y, x) in memory to bool of that shape."""

    name: str
    """For messages."""

    band_attrs: Mapping[str, Mapping[Any, Any]]
    """By the names of the variables."""

    coords: Mapping[Any, xr.Variable]
    """Of the whole: along time, y or x, or scalars."""

    attrs: Mapping[Any, Any]

    def __call__(self, values: Values, place: Place) -> Mask:
        """Return True where a block is masked, (y, x).

        Values of fewer pixels than the place has are of pixels that are larger by as much.

        Raises
        ------
        InvalidParameter
            The function fails, or returns something else.
        """
        rows, cols = next(iter(values.values())).shape
        sizes = {"y": rows, "x": cols}
        coords = {
            name: part
            for name, each in self.coords.items()
            if (part := _cut(each, place, sizes)) is not None
        }
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
            expected = (
                f"a function that masks each block; it raised {type(error).__name__}: {error}"
            )
            raise InvalidParameter(name="by", value=self.name, expected=expected) from error
        if masked.dtype != bool or masked.shape != (rows, cols):
            expected = (
                f"a function that returns bool of the block's shape {(rows, cols)}, True where "
                f"masked, such as block.red > 0.3; it returned {masked.dtype} of {masked.shape}"
            )
            raise InvalidParameter(name="by", value=self.name, expected=expected)
        return masked


def _cut(coord: xr.Variable, place: Place, sizes: Mapping[str, int]) -> xr.Variable | None:
    """Return a coordinate of a block, in the middle of larger pixels; None if it has none there."""
    part = coord.isel({dim: place[str(dim)] for dim in coord.dims})
    for dim, size in zip(map(str, part.dims), part.shape, strict=True):
        if size == sizes[dim]:
            continue
        if part.dtype.kind not in "iuf":
            return None
        middle = (np.arange(sizes[dim]) + 0.5) * size / sizes[dim] - 0.5
        part = xr.Variable(dim, np.interp(middle, np.arange(size), part.values), part.attrs)
    return part


class FunctionMaskArray(ComputedArray):
    """Where a function masks pixels, computed when indexed, block by block.

    Parameters
    ----------
    inputs : mapping of str to xarray.Variable
        What the function is called with, each (time, y, x) or (y, x), of the same sizes.
    dims : tuple of str
        Of the mask: ``("time", "y", "x")`` or ``("y", "x")``.
    shape : tuple of int
    function : BlockFunction
    overlap : int
        Pixels around a block that the function is given, as far as there are any.
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
        """Return what an index takes of each input, with what lies around it."""
        place: dict[str, Any] = dict(zip(self._dims, index.axes, strict=True))
        return self._take(place | self._around(*index.axes[-2:]))

    def parts(self, index: Index) -> Sequence[Index]:
        """Return the blocks that the function is called with."""
        return [
            Index(axes=(*((slice(step, step + 1),) if step is not None else ()), rows, cols))
            for step, (_, rows), (_, cols) in self._blocks(index)
        ]

    async def read(self, index: Index) -> npt.NDArray[Any]:
        """Call the function block by block; see :meth:`LazyArray.read`."""
        out = np.zeros(index.shape, np.bool_)
        steps = numbers_of(index.axes[0])

        def take(block: _Block) -> Mapping[str, xr.Variable]:
            return self._take(self._place(block))

        def use(block: _Block, values: Values) -> None:
            step, (down, rows), (across, cols) = block
            place = self._place(block)
            masked = self._function(values, place)
            top, left = (place[dim].start for dim in ("y", "x"))  # type: ignore[union-attr]
            part = masked[np.ix_(rows - top, cols - left)]
            if step is None:
                out[np.ix_(down, across)] = part
            else:
                out[np.ix_(np.flatnonzero(steps == step), down, across)] = part

        blocks = list(self._blocks(index))
        await compute_by_blocks(blocks, take, use, least=_FEWEST, in_thread=in_own_thread)
        return out

    async def coarse(
        self, index: Index, shape: tuple[int, int], *, average: bool
    ) -> npt.NDArray[Any] | None:
        """Call the function with fewer pixels of the inputs; see :meth:`LazyArray.coarse`."""
        if index.window is None:
            return None
        rows, cols = index.window
        steps = (
            [int(step) for step in numbers_of(index.axes[0])] if len(self._dims) == 3 else [None]
        )

        async def one(step: int | None) -> Mask:
            place = _placed(step, rows, cols)
            inputs = self._take(place)
            work = (
                coarse(
                    each,
                    shape,
                    average=each.dtype != bool and each.attrs.get("role") not in CLASS_ROLES,
                )
                for each in inputs.values()
            )
            values = dict(zip(inputs, await together(work), strict=True))
            return await in_own_thread(self._function, values, place)

        del average
        found = [await one(step) for step in steps]
        return found[0] if steps == [None] else np.stack(found)

    def _apply(self, values: Values) -> npt.NDArray[Any]:
        raise NotImplementedError  # the function takes a place too

    def _take(self, place: Mapping[str, Any]) -> Mapping[str, xr.Variable]:
        return {
            name: each.isel({dim: place[str(dim)] for dim in each.dims})
            for name, each in self._inputs.items()
        }

    def _place(self, block: _Block) -> Place:
        step, (_, rows), (_, cols) = block
        around = self._around(rows, cols)
        return _placed(step, around["y"], around["x"])

    def _around(self, rows: Axis, cols: Axis) -> dict[str, slice]:
        """Return the rows and columns that a function needs for some of them."""
        reach, found = self._overlap, {}
        for dim, axis, size in zip(("y", "x"), (rows, cols), self.shape[-2:], strict=True):
            first, stop = ends(axis)
            there = stop > first
            found[dim] = (
                slice(max(0, first - reach), min(size, stop + reach)) if there else slice(0)
            )
        return found

    def _blocks(self, index: Index) -> Iterator[_Block]:
        """Cut what an index takes into time steps and blocks."""
        steps: list[int | None] = [None]
        if len(self._dims) == 3:
            steps = [int(step) for step in np.unique(numbers_of(index.axes[0]))]
        for step in steps:
            for rows in _pieces(index.axes[-2]):
                for cols in _pieces(index.axes[-1]):
                    yield step, rows, cols


_Piece = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
"""Positions in the result, and the rows or columns that these are."""

_Block = tuple[int | None, _Piece, _Piece]


def _pieces(axis: Axis) -> Iterator[_Piece]:
    """Cut an axis by the blocks that its rows or columns lie in."""
    numbers = numbers_of(axis)
    for block in np.unique(numbers // _BLOCK):
        where = np.flatnonzero(numbers // _BLOCK == block)
        yield where, numbers[where]


def _placed(step: int | None, rows: slice, cols: slice) -> dict[str, slice | int]:
    place: dict[str, slice | int] = {"y": rows, "x": cols}
    return place if step is None else {"time": step, **place}
