"""Lazy arrays inside variables: how xarray wraps them, and when they can be unwrapped."""

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
"""Wrappers that change no values, and keep all of them."""

_PART = (indexing.LazilyIndexedArray, indexing.LazilyVectorizedIndexedArray)
"""Wrappers that change no values, and select those under their ``key``."""

_FEW = 32
"""Tasks of dask that read a chunk, also if it is cut from several others."""


def wrap(array: LazyArray) -> Any:
    """Return an array as the data of a variable, which keeps its values once they are read."""
    lazy = indexing.LazilyIndexedArray(array)
    return indexing.MemoryCachedArray(lazy)  # type: ignore[no-untyped-call, unused-ignore]


def unwrap(variable: xr.Variable) -> tuple[LazyArray, Index] | None:
    """Return the lazy array behind a variable, and which part of it the variable selects.

    Returns
    -------
    (LazyArray, Index) or None
        None for a variable that xarray has to compute: in memory, of dask or another library, or
        a lazy array in a wrapper that may change values, as that of ``xr.decode_cf``, or that is
        not listed here.
    """
    data: Any = variable._data  # noqa: SLF001  (not public)
    key: indexing.ExplicitIndexer | None = None
    # Exact types: a subclass may change values.
    while type(data) in _WHOLE + _PART:
        if type(data) in _PART:
            if key is not None:  # the keys would have to be combined
                return None
            key = data.key
        data = data.array
    if not isinstance(data, LazyArray) or key is None:
        return None
    return data, data.index(key)


async def values_of(variable: xr.Variable) -> npt.NDArray[Any]:
    """Read a variable's values; runs on the background loop.

    Variables that cannot be unwrapped, such as dask's, are computed in a thread.
    """
    found = unwrap(variable)
    if found is not None:
        array, index = found
        return np.asarray(index.finish(await array.read(index)))
    if in_memory(variable):
        return np.asarray(variable.values)
    return await in_own_thread(np.asarray, variable)


def in_memory(variable: xr.Variable) -> bool:
    """Return True if a variable's values are in memory."""
    return bool(variable._in_memory)  # noqa: SLF001  (not public)


def is_unread(variable: xr.Variable) -> bool:
    """Return True if a variable's values are neither in memory nor dask's."""
    return variable.chunks is None and not in_memory(variable)


def identity(variable: xr.Variable) -> Any:
    """Return a key that is equal for variables of the same pixels, while they exist."""
    found = unwrap(variable)
    if found is None or found[1].rest is not None:
        return id(variable._data)  # noqa: SLF001  (not public)
    array, index = found
    axes = ((a.start, a.stop) if isinstance(a, slice) else a.tobytes() for a in index.axes)
    return id(array), index.points, index.dropped, tuple(axes)


def scenes_of(variable: xr.Variable) -> set[str]:
    """Return the ids of the scenes that a variable is read from; empty if unknown."""
    if variable.chunks is not None:
        return _scenes_in_graph(variable)
    found = unwrap(variable) if variable.size else None
    if found is None:
        return set()
    array, index = found
    inputs = [each for part in array.parts(index) for each in array.inputs(part).values()]
    return {array.scene}.union(*map(scenes_of, inputs)) - {""}


def _scenes_in_graph(variable: xr.Variable) -> set[str]:
    """Return the scenes whose files the chunks of a dask array read; none for those of stacks."""
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
    # The graph may still have scenes that were dropped: only those that are reached count.
    keys = set(flatten(variable.data.__dask_keys__()))  # type: ignore[no-untyped-call, unused-ignore]
    pending = list(keys)
    while pending:
        new = get_dependencies(graph, pending.pop()) - keys
        keys |= new
        pending.extend(new)
    return {scene for key, scene in scenes.items() if key in keys}


def reads_alone(array: Any) -> bool:
    """Return True if a chunk of a dask array may be computed within a task that needs it.

    False if it is computed of many others, as after subtracting a mean of all, or if some chunks
    are computed already, here or on a cluster.
    """
    chunk = array.blocks[(0,) * array.ndim]
    tasks = chunk.__dask_optimize__(chunk.__dask_graph__(), chunk.__dask_keys__())
    if len(tasks) > _FEW:
        return False
    values = (getattr(each, "value", each) for each in dict(array.__dask_graph__()).values())
    return not any(
        isinstance(each, np.ndarray) or type(each).__name__ == "Future" for each in values
    )


def cut(variable: xr.Variable, index: Index) -> xr.Variable:
    """Return the part of a variable under an index, lazily.

    If the index has more dimensions, the last ones count.
    """
    axes = index.axes[-variable.ndim :]
    if not index.points:
        return variable[axes]
    dims = [f"dim_{n}" for n in range(len(index.shape))]
    return variable[tuple(xr.Variable(dims, axis) for axis in axes)]
