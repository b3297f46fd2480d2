"""All bands of a Dataset at once."""

from __future__ import annotations

import xarray as xr
from tqdm.auto import tqdm

from astra_xr.reading.array import RasterArray, behind
from astra_xr.reading.loop import run, together


def load(ds: xr.Dataset, *, progress: bool) -> xr.Dataset:
    """Read all bands side by side; see ``ds.astra.load``."""
    variables = [ds.variables[name] for name in ds.data_vars]
    lazy = [v for v in variables if isinstance(behind(v)[0], RasterArray)]
    with tqdm(total=len(variables), disable=not progress, unit="band") as bar:

        async def read(variable: xr.Variable) -> None:
            await variable.load_async()
            bar.update()

        run(together(map(read, lazy)))
        for variable in variables:
            if not any(variable is each for each in lazy):
                # Computed, of dask, or in memory.
                variable.load()
                bar.update()
    return ds
