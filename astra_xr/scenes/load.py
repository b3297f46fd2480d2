"""All bands of a Dataset at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed

import xarray as xr
from tqdm.auto import tqdm


def load(ds: xr.Dataset, *, progress: bool) -> xr.Dataset:
    """Read all bands side by side; see ``ds.astra.load``."""
    variables = [ds.variables[name] for name in ds.data_vars]
    pool = ThreadPoolExecutor(max(1, len(variables)), thread_name_prefix="astra-xr load")
    try:
        reads = [pool.submit(variable.load) for variable in variables]
        for read in tqdm(as_completed(reads), total=len(reads), disable=not progress, unit="band"):
            read.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return ds
