"""Lazy arrays in variables of xarray: the one module that knows how xarray wraps arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.index import Index
from astra_xr.reading.loop import in_own_thread

_WHOLE = (indexing.MemoryCachedArray, indexing.CopyOnWriteArray)
"""Wrappers that change no value and leave nothing out."""

_PART = (indexing.LazilyIndexedArray, indexing.LazilyVectorizedIndexedArray)
"""Wrappers that change no value and take what their ``key`` asks for."""


def wrap(array: LazyArray) -> Any:
    """Return an array as a variable holds it: its values stay once they were read."""
    lazy = indexing.LazilyIndexedArray(array)
    return indexing.MemoryCachedArray(lazy)  # type: ignore[no-untyped-call, unused-ignore]


def unwrap(variable: xr.Variable) -> tuple[LazyArray, Index] | None:
    """Return the lazy array of ours that a variable reads, and what it takes of it.

    Returns
    -------
    (LazyArray, Index) or None
        None for all else, which can only be computed: values in memory, of dask or of another
        library, and our own in a wrapper that may change values, as ``xr.decode_cf`` puts around
        them, or that is not known here.
    """
    data: Any = variable._data  # noqa: SLF001  (there is no public way to what is behind it)
    key: indexing.ExplicitIndexer | None = None
    # A subclass may do something else: the very types count.
    while type(data) in _WHOLE + _PART:
        if type(data) in _PART:
            if key is not None:
                return None
            key = data.key
        data = data.array
    if not isinstance(data, LazyArray) or key is None:
        return None
    return data, data.index(key)


async def values_of(variable: xr.Variable) -> npt.NDArray[Any]:
    """Read a variable's values; runs on the engine's loop.

    What is not ours, as of dask, is computed in a thread.
    """
    found = unwrap(variable)
    if found is not None:
        array, index = found
        return np.asarray(index.finish(await array.read(index)))
    if in_memory(variable):
        return np.asarray(variable.values)
    return await in_own_thread(np.asarray, variable)


def in_memory(variable: xr.Variable) -> bool:
    """Return True where a variable's values are here."""
    return bool(variable._in_memory)  # noqa: SLF001  (no public way)


def is_unread(variable: xr.Variable) -> bool:
    """Return True where a variable's values are neither here nor of dask."""
    return variable.chunks is None and not in_memory(variable)


def identity(variable: xr.Variable) -> Any:
    """Return what is equal for variables of the same pixels, as long as they live."""
    found = unwrap(variable)
    if found is None or found[1].rest is not None:
        return id(variable._data)  # noqa: SLF001  (the array itself, whatever it is)
    array, index = found
    cut = ((a.start, a.stop) if isinstance(a, slice) else a.tobytes() for a in index.axes)
    return id(array), index.points, index.dropped, tuple(cut)


def scenes_of(variable: xr.Variable) -> set[str]:
    """Return the ids of the scenes that a variable will be read from; empty if not known."""
    if variable.chunks is not None:
        return _scenes_in_graph(variable)
    found = unwrap(variable) if variable.size else None
    if found is None:
        return set()
    array, index = found
    inputs = [each for part in array.parts(index) for each in array.inputs(part).values()]
    return {array.scene}.union(*map(scenes_of, inputs)) - {""}


def _scenes_in_graph(variable: xr.Variable) -> set[str]:
    """Return the scenes whose files the chunks of a dask array read; not those of stacks."""
    from dask.core import flatten, get_dependencies

    graph = dict(variable.data.__dask_graph__())
    scenes: dict[Any, str] = {}
    for key, task in graph.items():
        value: Any = getattr(task, "value", task)
        while not isinstance(value, LazyArray) and hasattr(value, "array"):
            value = value.array
        if isinstance(value, LazyArray) and value.scene:
            scenes[key] = value.scene
    if len(set(scenes.values())) < 2:
        return set(scenes.values())
    # Of several, some may be left over in the graph: those that are reached count.
    keys = set(flatten(variable.data.__dask_keys__()))  # type: ignore[no-untyped-call, unused-ignore]
    pending = list(keys)
    while pending:
        new = get_dependencies(graph, pending.pop()) - keys
        keys |= new
        pending.extend(new)
    return {scene for key, scene in scenes.items() if key in keys}


def points_of(variable: xr.Variable, index: Index) -> xr.Variable:
    """Return points of a variable, lazily.

    Parameters
    ----------
    index : Index
        Of points.
    """
    dims = [f"dim_{n}" for n in range(len(index.shape))]
    return variable[tuple(xr.Variable(dims, axis) for axis in index.axes)]
