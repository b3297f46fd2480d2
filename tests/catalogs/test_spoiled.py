"""Answers with any field missing or of another type: one of our errors, or what the rest means."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import astra_xr
from astra_xr.errors import AstraError
from astra_xr.missions import MISSIONS
from conftest import Loopback
from tests import items

JUNK: list[Any] = [
    *(None, 5, -1, "x", "", [], {}, [None], [5], ["a"], {"a": 1}, True, 1e999, "http://[", "2025"),
    *([[1]], "a/b", {"href": 5}, [{"rel": 5, "href": 5}], "9" * 400, 10**400),
]
HELD = {
    "earth-search": items.earth_search_c1(8),
    "planetary-computer": items.planetary_computer_landsat(8),
    "cdse": items.cdse(8),
    "usgs": items.usgs_landsat(8)[0],
    "lpdaac": items.lpdaac_hls(8),
}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield (*path, key)
        yield from _paths(value[key], (*path, key))


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a catalog and its search answer with a few fields gone or spoiled."""
    catalog = draw(st.sampled_from(list(HELD)))
    page = {"type": "FeatureCollection", "features": [copy.deepcopy(HELD[catalog])], "links": []}
    for _ in range(draw(st.integers(1, 4))):
        *above, last = draw(st.sampled_from(list(_paths(page)) or [("features",)]))
        place: Any = page
        for key in above:
            place = place[key]
        if draw(st.booleans()):
            place[last] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        elif isinstance(place, dict):
            place.pop(last, None)
    return catalog, page


@given(spoiled())
@pytest.mark.filterwarnings("ignore")
def test_no_answer_raises_an_exception_that_is_not_ours(
    network: Loopback, answered: tuple[str, dict[str, Any]]
) -> None:
    catalog, page = answered

    def act(request: httpx.Request) -> httpx.Response:
        features = page.get("features")
        one = features[0] if isinstance(features, list) and features else None
        answer = one if request.method == "GET" else page
        return httpx.Response(200, text=json.dumps(answer))

    class Everywhere(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return act

    network.routes = Everywhere()
    mission = next(m for m in MISSIONS.values() if m.describe(HELD[catalog]))
    name = mission.describe(HELD[catalog])["product"]
    with contextlib.suppress(AstraError):
        answer = astra_xr.LocalResolver().resolve(name, catalog=catalog, sign=False)
        answer.to_dict()
        answer.to_item()
    with contextlib.suppress(AstraError):
        found = astra_xr.search(mission.name, catalog=catalog, bbox=(-180, -90, 180, 90))
        assert repr(found)
        assert found._repr_html_()
