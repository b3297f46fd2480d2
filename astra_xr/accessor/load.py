"""Reading all bands of a Dataset concurrently; see ``ds.astra.load``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import xarray as xr

from astra_xr.accessor.progress import bar
from astra_xr.arguments import read_flag
from astra_xr.arrays.formula import formula_loads
from astra_xr.arrays.lazy import in_memory, is_unread, unwrap
from astra_xr.reading.loop import in_own_thread, run, together
from astra_xr.reading.memory import check_memory


def load(ds: xr.Dataset, *, progress: bool, allow_large: bool) -> xr.Dataset:
    """Read all bands concurrently; see ``ds.astra.load``."""
    show = read_flag("progress", progress)
    if not read_flag("allow_large", allow_large):
        sizes = [v.nbytes for v in ds.data_vars.values() if not in_memory(v.variable)]
        hint = "Take a window (.isel), fewer bands or coarser pixels, or pass allow_large=True."
        check_memory(sum(sizes), f"Loading {len(sizes)} variables", hint)
    variables = [ds.variables[name] for name in ds.data_vars]
    with bar(len(variables), show=show, unit="band") as shown:

        async def read(variables: list[xr.Variable], way: Callable[[], Awaitable[object]]) -> None:
            await way()
            shown.update(len(variables))

        work = formula_loads(variables)
        formulas = [id(each) for group, _ in work for each in group]
        unread = [each for each in variables if is_unread(each) and id(each) not in formulas]
        # Other backends may lack an asynchronous read.
        work += [
            ([each], each.load_async if unwrap(each) else partial(in_own_thread, each.load))
            for each in unread
        ]
        run(together(read(*each) for each in work))
        ds.load()  # the others are dask's, computed in one go
        shown.update(len(variables) - len(formulas) - len(unread))
    return ds
