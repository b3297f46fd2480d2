"""Recorded items with a field gone or of another type: they open, or fail in our own words."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astra_xr.errors import AstraError
from astra_xr.resolver.local import LocalResolver
from astra_xr.settings import Settings
from conftest import Loopback

Json = dict[str, Any]
ITEMS = Path(__file__).parents[3] / "shared/real/items"
PATHS = sorted(ITEMS.glob("*/*.json"))
pytestmark = pytest.mark.usefixtures("shared")

odd = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["nan", "EPSG:32610", "https://h/x.tif", "image/tiff", [], {}, [[]], [{}]])
    | st.lists(st.none() | st.integers(-3, 3) | st.text(max_size=2), max_size=7)
    | st.dictionaries(st.sampled_from(["name", "href", "type"]), st.none() | st.integers())
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to each part of an item that opening it may look at."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("geometry", "description", "file:checksum"):
                yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            yield from places(inner, (*path, index))


@pytest.fixture(scope="module")
def recorded() -> list[tuple[Json, list[tuple[Any, ...]]]]:
    items = [json.loads(path.read_text(encoding="utf-8")) for path in PATHS]
    return [(item, [place for place in places(item) if place]) for item in items]


@settings(max_examples=150)
@given(data=st.data())
def test_only_our_errors(
    data: st.DataObject,
    recorded: list[tuple[Json, list[tuple[Any, ...]]]],
    network: Loopback,
) -> None:
    for host in ("landsatlook.usgs.gov", "planetarycomputer.microsoft.com"):
        network.routes[host] = lambda request: httpx.Response(403)
    resolver = LocalResolver(Settings())
    item, where = data.draw(st.sampled_from(recorded))
    spoiled = copy.deepcopy(item)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(where))
        try:
            inner: Any = spoiled
            for step in way:
                inner = inner[step]
            if data.draw(st.booleans()):
                del inner[last]
            else:
                inner[last] = data.draw(odd)
        except (LookupError, TypeError):
            # An earlier change took the place away.
            continue
    before = json.dumps(spoiled, default=str)
    for bands in (None, ["red"], "all", "reflectance,mask"):
        with contextlib.suppress(AstraError):
            found = resolver.resolve(spoiled, bands, sign=False)
            json.dumps(found.to_dict(), allow_nan=False)
    assert json.dumps(spoiled, default=str) == before
