"""All bands of a Dataset at once."""

from __future__ import annotations

import asyncio

import xarray as xr
from tqdm.auto import tqdm

from astra_xr.arrays.formula import load_formulas
from astra_xr.arrays.lazy import in_memory, is_unread, unwrap
from astra_xr.reading.loop import run, together
from astra_xr.reading.memory import check_memory


def load(ds: xr.Dataset, *, progress: bool, allow_large: bool) -> xr.Dataset:
    """Read all bands side by side; see ``ds.astra.load``."""
    if not allow_large:
        sizes = [v.nbytes for v in ds.data_vars.values() if not in_memory(v.variable)]
        hint = "Take a window (.isel), fewer bands or coarser pixels, or pass allow_large=True."
        check_memory(sum(sizes), f"Loading {len(sizes)} variables", hint)
    variables = [ds.variables[name] for name in ds.data_vars]
    with tqdm(total=len(variables), disable=not progress, unit="band") as bar:

        async def read(variable: xr.Variable) -> None:
            # Only our own arrays are known to have an asynchronous way.
            await (variable.load_async() if unwrap(variable) else asyncio.to_thread(variable.load))
            bar.update()

        formulas = load_formulas(variables)
        bar.update(len(formulas))
        unread = [each for each in variables if is_unread(each)]
        run(together(map(read, unread)))
        ds.load()  # what is left is of dask, which computes all of it in one go
        bar.update(len(variables) - len(formulas) - len(unread))
    return ds
