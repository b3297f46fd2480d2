"""All bands of a Dataset at once."""

from __future__ import annotations

import itertools

import xarray as xr
from tqdm.auto import tqdm

from astra_xr.reading.array import RasterArray, behind
from astra_xr.reading.loop import run, together
from astra_xr.reading.memory import check_memory
from astra_xr.scenes.formula import FormulaArray, load_together


def load(ds: xr.Dataset, *, progress: bool, allow_large: bool) -> xr.Dataset:
    """Read all bands side by side; see ``ds.astra.load``."""
    if not allow_large:
        unread = [v.nbytes for v in ds.data_vars.values() if not v.variable._in_memory]  # noqa: SLF001
        hint = "Take a window (.isel), fewer bands or coarser pixels, or pass allow_large=True."
        check_memory(sum(unread), f"Loading {len(unread)} variables", hint)
    variables = [ds.variables[name] for name in ds.data_vars]
    lazy = [v for v in variables if isinstance(behind(v)[0], RasterArray)]
    computed: dict[tuple[int, ...], list[xr.Variable]] = {}
    for each in variables:
        if isinstance(behind(each)[0], FormulaArray):
            computed.setdefault(each.shape, []).append(each)
    with tqdm(total=len(variables), disable=not progress, unit="band") as bar:

        async def read(variable: xr.Variable) -> None:
            await variable.load_async()
            bar.update()

        run(together(map(read, lazy)))
        for group in computed.values():
            load_together(group)
            bar.update(len(group))
        done = {id(each) for each in [*lazy, *itertools.chain(*computed.values())]}
        for variable in variables:
            if id(variable) not in done:  # of dask, masks, or in memory
                variable.load()
                bar.update()
    return ds
