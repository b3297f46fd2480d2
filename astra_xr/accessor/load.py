"""Reading all bands of a Dataset concurrently; see ``ds.astra.load``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import xarray as xr

from astra_xr.accessor.progress import bar
from astra_xr.arguments import read_flag
from astra_xr.arrays.formula import formula_loads
from astra_xr.arrays.lazy import in_memory, is_unread, unwrap
from astra_xr.reading.loop import in_own_thread, reads_of_one, run, together
from astra_xr.reading.memory import check_memory


def load(ds: xr.Dataset, *, progress: bool, allow_large: bool) -> xr.Dataset:
    """Read all bands concurrently; see ``ds.astra.load``."""
    show = read_flag("progress", progress)
    if not read_flag("allow_large", allow_large):
        _check_size(ds)
    with bar(len(ds.data_vars), show=show, unit="band") as shown, reads_of_one():
        run(_read(ds, shown.update))
        ds.load()  # the others are dask's, computed in one go
        shown.update(len(ds.data_vars) - int(shown.n))
    return ds


async def load_part(ds: xr.Dataset) -> xr.Dataset:
    """Read a part of a Dataset, all bands concurrently; runs on the background loop."""
    _check_size(ds)
    await _read(ds, lambda count: None)
    if any(each.chunks is not None for each in ds.data_vars.values()):
        await in_own_thread(ds.load)
    return ds


def _check_size(ds: xr.Dataset) -> None:
    sizes = [v.nbytes for v in ds.data_vars.values() if not in_memory(v.variable)]
    hint = "Take a window (.isel), fewer bands or coarser pixels, or pass allow_large=True."
    check_memory(sum(sizes), f"Loading {len(sizes)} variables", hint)


async def _read(ds: xr.Dataset, done: Callable[[int], object]) -> None:
    """Read all variables but those of dask; call ``done`` with how many have been read."""
    variables = [ds.variables[name] for name in ds.data_vars]

    async def read(variables: list[xr.Variable], way: Callable[[], Awaitable[object]]) -> None:
        await way()
        done(len(variables))

    work = formula_loads(variables)
    formulas = [id(each) for group, _ in work for each in group]
    unread = [each for each in variables if is_unread(each) and id(each) not in formulas]
    # Other backends may lack an asynchronous read.
    work += [
        ([each], each.load_async if unwrap(each) else partial(in_own_thread, each.load))
        for each in unread
    ]
    await together(read(*each) for each in work)
