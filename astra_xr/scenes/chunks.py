"""Chunks of dask arrays."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.errors import InvalidParameter

Chunks = Mapping[str, Any] | int | str | None
"""As in :meth:`xarray.Dataset.chunk`; also ``"auto"``, and True, its synonym. None and False: lazy
without dask."""

SIDE = 2048
"""Rows and columns of the smallest chunk: whole tiles of 256, 512, 1024 or 2048."""


def chunked(dataset: xr.Dataset, chunks: Chunks) -> xr.Dataset:
    """Return a Dataset of dask arrays, with chunks as :func:`read_chunks` returns them, if any."""
    if chunks is None:
        return dataset
    # Each scene of a stack has its own files.
    steps = {"time": 1} if "time" in dataset.dims else {}
    try:
        if chunks == "auto":
            return dataset.chunk(steps | _auto_chunks(dataset))
        if chunks == {} or (steps and isinstance(chunks, int)):
            side = chunks if isinstance(chunks, int) else SIDE
            return dataset.chunk(steps | {"y": side, "x": side})
        return dataset.chunk({**steps, **chunks} if isinstance(chunks, Mapping) else chunks)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
    raise InvalidParameter(name="chunks", value=chunks, expected=_EXPECTED, reason=reason)


_EXPECTED = "None, 'auto', a number of pixels or {'y': …, 'x': …}"


def read_chunks(value: Any) -> Chunks:
    """Return chunks as a mapping of dimensions, a number, text such as ``"auto"``, or None.

    Raises
    ------
    InvalidParameter
        It is none of these, or a number is neither positive nor -1 (one chunk).

    Examples
    --------
    >>> read_chunks(True), read_chunks(False), read_chunks({"x": 512, "time": -1})
    ('auto', None, {'x': 512, 'time': -1})
    """
    if isinstance(value, str) and value != "auto" and not any(map(str.isalpha, value)):
        reason = "of text, dask would take the number for bytes"
        raise InvalidParameter(name="chunks", value=value, expected=_EXPECTED, reason=reason)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "auto" if value else None
    if isinstance(value, Mapping):
        return {name: _side(side, value) for name, side in value.items()}
    if isinstance(value, Integral):
        return int(_side(value, value))
    several = isinstance(value, tuple | list)
    expected = f"{_EXPECTED}; of a tuple, name the dimensions" if several else _EXPECTED
    raise InvalidParameter(name="chunks", value=value, expected=expected)


def _side(side: Any, given: Any) -> Any:
    """Check the chunks along one dimension: a number, several that add up, text or None."""
    if side is None or isinstance(side, str):
        return side
    sides = side if isinstance(side, tuple | list) else (side,)
    for n in sides:
        if not isinstance(n, Integral) or isinstance(n, bool) or (n < 1 and n != -1):
            raise InvalidParameter(name="chunks", value=given, expected=_EXPECTED)
    return tuple(map(int, sides)) if sides is side else int(side)


def _auto_chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Return the largest chunks that dask's settings allow, of whole tiles, equal in all bands."""
    from dask import config
    from dask.utils import parse_bytes

    itemsize = max(variable.dtype.itemsize for variable in dataset.variables.values())
    limit = parse_bytes(config.get("array.chunk-size")) / itemsize
    side = max(1, int(limit**0.5) // SIDE) * SIDE
    return {"y": side, "x": side}
