"""Scenes as users have them: ids, items, searches and collections, at every door."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pystac
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidItem, InvalidParameter, InvalidSceneId
from astra_xr.sample import SCENES

DAYS = ("20250614", "20250818", "20250917")
IDS = [f"sentinel-2:{name}" for name in SCENES if name.split("_")[2][:8] in DAYS]


class Search:
    """What pystac-client's ItemSearch is to us: neither a list nor a mapping."""

    def __init__(self, found: list[pystac.Item]) -> None:
        self._found = found

    def items(self) -> Iterator[pystac.Item]:
        yield from self._found


@pytest.fixture(scope="module")
def found() -> list[pystac.Item]:
    return [astra_xr.resolve(name, "red,nir", catalog="sample").to_item() for name in IDS]


def collection(found: list[pystac.Item]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [each.to_dict() for each in found]}


SEVERAL: dict[str, Callable[[list[pystac.Item]], Any]] = {
    "list of items": list,
    "list of dicts": lambda found: [each.to_dict() for each in found],
    "tuple of ids and items": lambda found: (IDS[0], found[1], found[2].to_dict()),
    "generator": iter,
    "ItemCollection": pystac.ItemCollection,
    "FeatureCollection": collection,
    "ItemSearch": Search,
    "ItemSearch.items()": lambda found: Search(found).items(),
    "numpy array of ids": lambda found: np.array(IDS),
    "column of a table": lambda found: pd.DataFrame({"id": IDS})["id"],
    "coordinate of ids": lambda found: xr.DataArray(IDS, dims="time"),
    "keys of a dict": lambda found: dict.fromkeys(IDS).keys(),
    "search()": lambda found: [
        name for name in astra_xr.search("sentinel-2", catalog="sample") if name in IDS
    ],
}


@pytest.mark.parametrize("form", SEVERAL)
def test_open_scenes_is_the_plural_of_ids_and_items(form: str, found: list[pystac.Item]) -> None:
    ds = astra_xr.open_scenes(SEVERAL[form](found), ["B04"], catalog="sample")
    assert [str(each) for each in ds.id.values] == IDS


@pytest.mark.parametrize("form", ["pystac.Item", "dict"])
@pytest.mark.parametrize("door", ["open_scene", "open_scene_tree", "resolve"])
def test_one_item_opens_as_its_id_does(form: str, door: str, found: list[pystac.Item]) -> None:
    item = found[0] if form == "pystac.Item" else found[0].to_dict()
    opened = getattr(astra_xr, door)(item, ["B04"])
    expected = getattr(astra_xr, door)(IDS[0], ["B04"], catalog="sample")
    if door == "resolve":
        assert list(opened.assets) == list(expected.assets)
        assert opened.assets["B04"].grid == expected.assets["B04"].grid
    else:
        xr.testing.assert_equal(opened, expected)


def test_a_search_that_names_its_catalog_still_does() -> None:
    search = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    assert set(astra_xr.open_scenes(search[:2], ["red"]).catalog.values) == {"sample"}


@pytest.mark.parametrize(
    "form", [form for form in SEVERAL if form not in ("numpy array of ids", "column of a table")]
)
@pytest.mark.parametrize("door", ["open_scene", "open_scene_tree", "resolve"])
def test_several_scenes_are_led_to_open_scenes(
    form: str, door: str, found: list[pystac.Item]
) -> None:
    with pytest.raises(InvalidParameter, match="open_scenes opens several"):
        getattr(astra_xr, door)(SEVERAL[form](found), ["red"])


@pytest.mark.parametrize("one", ["id", "item", "dict", "path"])
def test_one_scene_is_led_to_open_scene(one: str, found: list[pystac.Item]) -> None:
    scenes: Any = {"id": IDS[0], "item": found[0], "dict": found[0].to_dict(), "path": Path("a")}
    with pytest.raises(InvalidParameter, match="open_scene opens one"):
        astra_xr.open_scenes(scenes[one], ["red"])


@pytest.mark.parametrize("odd", [5, None, 2.5, b"x", object(), True, np.float64(3), np.array(7)])
def test_an_input_that_is_no_scene_has_a_clear_error(odd: Any) -> None:
    for door in (astra_xr.open_scene, astra_xr.open_scene_tree, astra_xr.resolve):
        with pytest.raises(InvalidParameter, match="expected a scene id, a pystac.Item or an item"):
            door(odd, ["red"])
    with pytest.raises(InvalidParameter):
        astra_xr.open_scenes(odd, ["red"])
    with pytest.raises(InvalidParameter):
        astra_xr.open_scenes([odd], ["red"])


def test_a_table_is_led_to_its_column() -> None:
    frame = geopandas.GeoDataFrame({"id": IDS})
    with pytest.raises(InvalidParameter, match=r"frame\['id'\]") as caught:
        astra_xr.open_scenes(frame, ["red"])
    assert "\n" not in str(caught.value)


def test_a_list_in_a_list() -> None:
    with pytest.raises(InvalidParameter, match="open_scenes opens several"):
        astra_xr.open_scenes([IDS], ["red"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "empty", [[], (), {"type": "FeatureCollection", "features": []}, Search([])]
)
def test_no_scene_at_all(empty: Any) -> None:
    with pytest.raises(InvalidParameter, match="at least one scene"):
        astra_xr.open_scenes(empty)


def test_an_item_among_several_may_fail_alone(found: list[pystac.Item]) -> None:
    broken = {"type": "Feature", "id": "mine"}
    with pytest.raises(InvalidItem, match="it has no assets"):
        astra_xr.open_scenes([found[0], broken], ["B04"])
    ds = astra_xr.open_scenes([found[0], broken], ["B04"], fail_on_error=False)
    assert ds.sizes["time"] == 1
    assert "it has no assets" in ds.astra.failures.iloc[0]["reason"]


class TestFiles:
    """The file or URL of an item, given in place of an id."""

    @pytest.mark.parametrize(
        "where",
        [
            "item.json",
            "./flights/flight_20250603.json",
            "flight_20250603.GEOJSON",
            "file:///data/flight_20250603",
        ],
    )
    def test_says_how_it_opens(self, where: str) -> None:
        with pytest.raises(InvalidSceneId) as caught:
            astra_xr.open_scene(where)
        words = f"open_scene(pystac.Item.from_file({where!r}))"
        assert words in str(caught.value)
        assert "Forms that work" not in str(caught.value)

    def test_a_path_object(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSceneId, match=r"Item.from_file\('.*item.json'\)"):
            astra_xr.open_scene(tmp_path / "item.json")  # type: ignore[arg-type]

    def test_what_it_says_works(self, found: list[pystac.Item], tmp_path: Path) -> None:
        path = tmp_path / "item.json"
        path.write_text(json.dumps(found[0].to_dict()))
        ds = astra_xr.open_scene(pystac.Item.from_file(str(path)), ["B04"])
        assert ds.attrs["scene_id"] == IDS[0]

    def test_no_signature_is_shown(self) -> None:
        with pytest.raises(InvalidSceneId) as caught:
            astra_xr.open_scene("https://me:pw@stac.example/items/mine?sig=HUSH")
        assert "HUSH" not in str(caught.value)
        assert "pw" not in str(caught.value)

    def test_the_url_of_a_catalogs_item_is_its_id(self) -> None:
        url = f"https://example.com/collections/sentinel-2-l2a/items/{IDS[0].partition(':')[2]}"
        assert astra_xr.open_scene(url, ["red"], catalog="sample").attrs["scene_id"] == IDS[0]
