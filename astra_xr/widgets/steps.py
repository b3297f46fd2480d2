"""The steps that a picker shows, along time or another dimension: labels, clouds, Python."""

from __future__ import annotations

import keyword
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from astra_xr.errors import InvalidParameter
from astra_xr.widgets.code import literal

CLEAR = 20.0
"""Percent of clouds up to which a step counts as clear."""

_DAY = 86_400_000_000_000
"""Nanoseconds."""

_UNITS: tuple[Literal["D", "m", "s", "ms", "us", "ns"], ...] = ("D", "m", "s", "ms", "us", "ns")
"""How precisely a time is written, the shortest first."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One image of several."""

    label: str
    """Its name; no two steps have the same."""

    code: str
    """The Python that selects it, e.g. ``.sel(time="2025-01-15")``; empty for the only one."""

    date: int | None = None
    """Nanoseconds since 1970, UTC."""

    cloud: float | None = None
    """Percent of clouds; None if unknown."""

    source: str = ""
    """The Python of its Dataset, if that is not the picker's; else empty."""

    matched: bool = False
    """True if ``source`` has another grid, and is resampled to the picker's."""


ONLY = Step(label="", code="")
"""The one step of a Dataset that is no stack."""


def steps_along(ds: xr.Dataset, dim: Hashable) -> list[Step]:
    """Return the steps of a Dataset along a dimension, in its order.

    The label of a time is its date, with the time of day where several share a date. Equal
    labels are numbered.
    """
    count = ds.sizes[dim]
    values = np.asarray(ds[dim].values) if dim in ds.coords else np.arange(count)
    dated = values.dtype.kind == "M"
    labels = _numbered(_times(values) if dated else [_text(value) for value in values])
    clouds = _clouds(ds, dim)
    index = ds.indexes.get(dim)
    return [
        Step(
            label=labels[n],
            code=_code(dim, index, n, values[n]),
            date=_nanoseconds(values[n]) if dated else None,
            cloud=clouds[n],
        )
        for n in range(count)
    ]


def date_of(ds: xr.Dataset) -> str | None:
    """Return the date of a Dataset of one time, e.g. "2025-01-15"; else None."""
    time = ds.coords.get("time")
    if time is None or time.ndim or time.dtype.kind != "M" or bool(time.isnull()):
        return None
    return str(np.datetime_as_string(time, "D"))


def _times(values: npt.NDArray[Any]) -> list[str]:
    """Return times as text, only as precise as needed to differ."""
    known = np.unique(values[~np.isnat(values)])
    texts: dict[Any, str] = {}
    for unit in _UNITS:
        counts = Counter(texts.values())
        for time in known:
            if time not in texts or counts[texts[time]] > 1:
                texts[time] = str(np.datetime_as_string(time, unit))
    return [texts.get(time, "no date") for time in values]


def _numbered(texts: Sequence[str]) -> list[str]:
    """Return texts, numbered where several are equal."""
    counts, seen = Counter(texts), Counter[str]()
    labels = []
    for text in texts:
        seen[text] += 1
        labels.append(f"{text} ({seen[text]})" if counts[text] > 1 else text)
    return labels


def _text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)[:80]


def _nanoseconds(value: Any) -> int | None:
    return None if np.isnat(value) else int(value.astype("datetime64[ns]").astype(np.int64))


def _clouds(ds: xr.Dataset, dim: Hashable) -> list[float | None]:
    """Return the percentages of clouds by the coordinate of cloud cover, if there is one."""
    for name in ("cloud_cover", "eo:cloud_cover"):
        if name in ds.coords and ds[name].dims == (dim,):
            values = pd.to_numeric(pd.Series(ds[name].values), errors="coerce")
            return [float(each) if 0 <= each <= 100 else None for each in values]
    return [None] * ds.sizes[dim]


def _code(dim: Hashable, index: pd.Index[Any] | None, n: int, value: Any) -> str:
    """Return the Python that selects a step: by its label if only this step has it."""
    keys = [value.item() if isinstance(value, np.generic) else value]
    if isinstance(value, np.datetime64):
        keys = [] if np.isnat(value) else [np.datetime_as_string(value, u) for u in _UNITS]
    elif hasattr(value, "isoformat"):
        keys = [value.isoformat()]
    for key in keys:
        plain = isinstance(key, str | int) or (isinstance(key, float) and math.isfinite(key))
        if plain and _found(index, key) == n:
            return _call("sel", dim, key)
    return _call("isel", dim, n)


def _call(method: str, dim: Hashable, key: str | float) -> str:
    plain = isinstance(dim, str) and dim.isidentifier() and not keyword.iskeyword(dim)
    return f".{method}({dim}={literal(key)})" if plain else f".{method}({literal({dim: key})})"


def _found(index: pd.Index[Any] | None, key: Any) -> int | None:
    """Return the position where xarray finds a label; None if it finds a slice, or nothing."""
    if index is None or index.nlevels > 1:
        return None
    try:
        found = index.get_loc(key)
    except (KeyError, TypeError, ValueError):
        return None
    # A slice, even of one step, keeps the dimension.
    return found if isinstance(found, int) else None


def in_order(steps: Sequence[Step]) -> list[int]:
    """Return the numbers of steps by date; those without one come last, in their order."""
    dates = [math.inf if step.date is None else step.date for step in steps]
    return sorted(range(len(steps)), key=dates.__getitem__)


def usual_step(steps: Sequence[Step]) -> int:
    """Return the latest clear step; if none is clear, the least cloudy one.

    If no cloud cover is known, the latest.
    """
    latest = in_order(steps)[::-1]
    known = [n for n in latest if steps[n].date is not None] or latest[:1]
    clouds = {n: cloud for n in known if (cloud := steps[n].cloud) is not None}
    clear = [n for n, cloud in clouds.items() if cloud <= CLEAR]
    return clear[0] if clear else min(clouds, key=clouds.__getitem__) if clouds else known[0]


def step_named(steps: Sequence[Step], name: str, value: Any) -> int:
    """Return the number of the step that a value selects.

    Parameters
    ----------
    steps : sequence of Step
    name : str
        Of the parameter, for the message.
    value : str, datetime64, datetime or date
        A label, a time, or (part of) a date that only one step has.

    Raises
    ------
    InvalidParameter
        It selects none, or several.
    """
    text = _text(value)
    exact = [n for n, step in enumerate(steps) if step.label == text]
    found = exact or _within(steps, value)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(steps[n].label for n in (found or range(len(steps)))[:5])
    more = ", …" if len(found or steps) > 5 else ""
    expected, reason = f"one of {listed}{more}", ""
    if found:
        reason = f"{len(found)} steps match"
    elif any(step.date is not None for step in steps):
        order = [steps[n].label for n in in_order(steps) if steps[n].date is not None]
        expected = f"a date from {order[0]} to {order[-1]}, or a month or year of only one step"
    raise InvalidParameter(name=name, value=value, expected=expected, reason=reason)


def _within(steps: Sequence[Step], value: Any) -> list[int]:
    """Return the steps at a time, or within a day, month or year."""
    if not isinstance(value, str | np.datetime64 | date):
        return []
    try:
        if isinstance(value, date):
            start = end = pd.Timestamp(value)
            start = end = start.tz_convert(None) if start.tz is not None else start
        else:
            period = pd.Period(str(value))
            start, end = period.start_time, period.end_time
    except (TypeError, ValueError, OverflowError, AttributeError):
        return []  # NaT has no start
    dates = [(n, step.date) for n, step in enumerate(steps) if step.date is not None]
    found = [n for n, at in dates if start.value <= at <= end.value]
    if not found and start == end == start.normalize():
        found = [n for n, at in dates if start.value <= at < start.value + _DAY]
    return found
