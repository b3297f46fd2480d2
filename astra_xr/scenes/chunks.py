"""Chunks of dask arrays, in whole tiles of the files."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from astra_xr.errors import InvalidParameter
from astra_xr.scenes.options import Chunks

SIDE = 2048
"""Rows and columns of the smallest chunk: whole tiles of 256, 512, 1024 or 2048."""


def chunked(dataset: xr.Dataset, chunks: Chunks) -> xr.Dataset:
    """Make the arrays of a Dataset those of dask; see :func:`astra_xr.open_scene`."""
    # Scenes of a stack lie in files of their own.
    alone = {"time": 1} if "time" in dataset.dims else {}
    try:
        if chunks == "auto":
            return dataset.chunk(alone | _auto_chunks(dataset))
        if chunks == {} or (alone and isinstance(chunks, int)):
            side = chunks if isinstance(chunks, int) else SIDE
            return dataset.chunk(alone | {"y": side, "x": side})
        return dataset.chunk({**alone, **chunks} if isinstance(chunks, Mapping) else chunks)
    except (ValueError, TypeError) as error:
        reason = str(error)
    raise InvalidParameter(
        name="chunks",
        value=chunks,
        expected=f"None, 'auto', an int or {{'y': …, 'x': …}} ({reason})",
    )


def _auto_chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Make chunks as large as dask's settings allow, of whole tiles, the same for each band."""
    from dask import config
    from dask.utils import parse_bytes

    itemsize = max(variable.dtype.itemsize for variable in dataset.variables.values())
    limit = parse_bytes(config.get("array.chunk-size")) / itemsize
    side = max(1, int(limit**0.5) // SIDE) * SIDE
    return {"y": side, "x": side}
