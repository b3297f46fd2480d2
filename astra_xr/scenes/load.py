"""All bands of a Dataset at once."""

from __future__ import annotations

import asyncio
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from astra_xr.reading.array import window_of
from astra_xr.reading.header import Unsupported
from astra_xr.reading.loop import run
from astra_xr.reading.window import Window, read_window


def load(ds: xr.Dataset, *, progress: bool) -> xr.Dataset:
    """Read all bands side by side; see ``ds.astra.load``."""
    variables = [ds.variables[name] for name in ds.data_vars]
    windows = {n: w for n, v in enumerate(variables) if (w := window_of(v)) and v.size}
    signed = {number: window.source() for number, window in windows.items()}
    with tqdm(total=len(variables), disable=not progress, unit="band") as bar:

        async def read(number: int, window: Window) -> tuple[int, Any]:
            try:
                return number, (await read_window(window, signed[number]))[0]
            except Unsupported:
                return number, None
            finally:
                bar.update()

        async def read_all() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(read(n, w) for n, w in windows.items()))

        values = {number: array for number, array in run(read_all()) if array is not None}
        for number, variable in enumerate(variables):
            if number in values:
                variable.data = values[number].astype(variable.dtype, copy=False)
            else:
                # Computed, in memory, or in a file that GDAL has to read.
                variable.load()
                bar.update(number not in windows)
    return ds
