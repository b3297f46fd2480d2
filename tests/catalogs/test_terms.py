"""Terms of a search: the forms that work, and words for those that do not."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.catalogs.query import make_query, read_clouds, read_interval
from astra_xr.errors import AstraError, InvalidParameter

DAYS = pd.DatetimeIndex(["2025-01-01", "2025-01-31"])
PAIRS = (
    DAYS,
    DAYS.values,
    DAYS.to_series(),
    xr.DataArray(DAYS.values, dims="time"),
    (DAYS.min(), DAYS.max()),
    (DAYS.values[0], DAYS.values[1]),
)
SQUARE = {"type": "Polygon", "coordinates": [[[5, 50], [6, 50], [6, 51], [5, 51], [5, 50]]]}


class TestInterval:
    @pytest.mark.parametrize(
        ("value", "interval"),
        [
            ("2024-02", "2024-02-01T00:00:00Z/2024-02-29T23:59:59Z"),
            ("2025", "2025-01-01T00:00:00Z/2025-12-31T23:59:59Z"),
            ("2025-01-15", "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            ("20250115", "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            ("2025-01-15T18:49:29Z", "2025-01-15T18:49:29Z/2025-01-15T18:49:29Z"),
            ("2025-01-15T18:49:29+02:00", "2025-01-15T16:49:29Z/2025-01-15T16:49:29Z"),
            ("2025-01/2025-02", "2025-01-01T00:00:00Z/2025-02-28T23:59:59Z"),
            ("../2025-02", "../2025-02-28T23:59:59Z"),
            ("2025-01-15/", "2025-01-15T00:00:00Z/.."),
            (date(2025, 1, 15), "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            # A day, as pandas and datetime write one.
            (datetime(2025, 1, 15), "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),  # noqa: DTZ001
            (pd.Timestamp("2025-01-15"), "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            (datetime(2025, 1, 15, tzinfo=UTC), "2025-01-15T00:00:00Z/2025-01-15T00:00:00Z"),
            (
                datetime(2025, 1, 15, 1, tzinfo=timezone(timedelta(hours=2))),
                "2025-01-14T23:00:00Z/2025-01-14T23:00:00Z",
            ),
            (np.datetime64("2025-01-15"), "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            # Midnight is a day in numpy too.
            (np.datetime64("2025-01-15", "ns"), "2025-01-15T00:00:00Z/2025-01-15T23:59:59Z"),
            (np.datetime64("2025-01-15T18:49:29.5"), "2025-01-15T18:49:29Z/2025-01-15T18:49:29Z"),
            (np.datetime64("2025-01"), "2025-01-01T00:00:00Z/2025-01-31T23:59:59Z"),
            (xr.DataArray(DAYS[0]), "2025-01-01T00:00:00Z/2025-01-01T23:59:59Z"),
            (pd.Period("2025-01"), "2025-01-01T00:00:00Z/2025-01-31T23:59:59Z"),
            *((days, "2025-01-01T00:00:00Z/2025-01-31T23:59:59Z") for days in PAIRS),
            ((date(2025, 1, 1), None), "2025-01-01T00:00:00Z/.."),
            (
                ["2025-01-01", pd.Timestamp("2025-01-31")],
                "2025-01-01T00:00:00Z/2025-01-31T23:59:59Z",
            ),
            (slice("2025-01", "2025-02"), "2025-01-01T00:00:00Z/2025-02-28T23:59:59Z"),
        ],
    )
    def test_forms(self, value: Any, interval: str) -> None:
        assert read_interval(value) == interval

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "x",
            "2025-13",
            "2025-02-30",
            "../..",
            "a/b/c",
            2025,
            pd.NaT,
            (None, None),
            [1],
            {},
            np.datetime64("NaT", "s"),
            DAYS[:1],
            np.array([1, 2]),
            np.array(DAYS).reshape(2, 1),
        ],
    )
    def test_refused(self, value: Any) -> None:
        with pytest.raises(InvalidParameter, match="datetime=.*expected a day, month or year"):
            read_interval(value)

    def test_the_end_before_the_start(self) -> None:
        with pytest.raises(InvalidParameter, match="the start is after the end"):
            read_interval("2025-02/2025-01")


def test_clouds() -> None:
    assert read_clouds(20) == (0, 20)
    assert read_clouds((10, 30.5)) == (10, 30.5)
    assert read_clouds(np.array([10, 30.5])) == read_clouds(pd.Series([10, 30.5])) == (10, 30.5)
    for value in (True, -1, 101, (30, 10), "cloudy", math.nan, (1, 2, 3)):
        with pytest.raises(InvalidParameter, match=r"a maximum in percent \(0..100\)"):
            read_clouds(value)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"mission": "sentinal-2"}, "did you mean 'sentinel-2'"),
        ({"mission": None}, "one of sentinel-2, landsat"),
        ({"max_items": 0}, "a whole number from 1, or None for all"),
        ({"max_items": True}, "a whole number"),
        ({"bbox": (5, 50, 6, 51), "intersects": SQUARE}, "either bbox or intersects, not both"),
    ],
)
def test_other_terms(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        make_query(**{"mission": "sentinel-2", **terms})


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=8,
)


@given(junk | st.datetimes() | st.text("0123456789-T:Z/."), junk)
def test_anything_is_taken_or_refused_with_our_message(when: Any, clouds: Any) -> None:
    for read, value in ((read_interval, when), (read_clouds, clouds)):
        try:
            read(value)
        except AstraError:
            continue
