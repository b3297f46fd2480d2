"""astra_xr.verify: wrong flags, other grids and other files are found by comparing catalogs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr.errors import InvalidParameter, InvalidSceneId, UnknownBand
from astra_xr.sample import SCENE_ID
from astra_xr.testing import write_cog
from tests import items
from tests.conftest import SIZE, World


def checks(found: Any) -> dict[str, Any]:
    return {check.catalog: check for check in found.checks}


@pytest.mark.parametrize("collection", ["sentinel-2-c1-l2a", "sentinel-2-l2a"])
def test_catalogs_that_agree(world: World, collection: str) -> None:
    """Of Earth Search the shifted pixels too, whose offset the product does not apply again."""
    world.earth_search.items = [
        item for item in world.earth_search.items if item["collection"] == collection
    ]
    found = astra_xr.verify(items.PRODUCT)
    assert found.agree is True
    told = checks(found)
    assert list(told) == ["earth-search", "planetary-computer", "cdse"]
    assert told["planetary-computer"].offset == -0.1
    assert told["earth-search"].offset == (-0.1 if "c1" in collection else 0)
    assert told["cdse"].same is None
    assert "No scene" in told["cdse"].failure
    assert found.window == (slice(222, 478), slice(222, 478))
    assert "the same at 2 catalogs" in repr(found)
    assert "EPSG:32610, 700 x 700, (10, 0, 499980, 0, -10, 4.2e+06)" in repr(found)
    assert "not read: No scene" in found._repr_html_()


def test_a_wrong_flag_is_found(world: World) -> None:
    """The flag says that the pixels are shifted, and they are not."""
    item = items.earth_search_l2a(SIZE)  # its files are those that are not shifted
    world.earth_search.items = [item]
    found = astra_xr.verify(items.PRODUCT, "nir")
    assert found.agree is False
    told = checks(found)["planetary-computer"]
    assert told.pixels.startswith("all differ by -0.1 from earth-search: one of the two offsets")
    assert "not the same at 2 catalogs" in repr(found)
    assert "already applied by earth-search" in found._repr_html_()


def test_another_grid_and_another_file(world: World) -> None:
    text = json.dumps(items.planetary_computer(SIZE))
    world.planetary_computer.items = [json.loads(text.replace("499980.0", "509980.0"))]
    with pytest.warns(UserWarning, match="Pixels are read from where the file has them"):
        found = astra_xr.verify(items.PRODUCT)
    assert checks(found)["planetary-computer"].pixels == "a different grid than at earth-search"
    folder = world.folder / "sentinel2-l2"
    kept = (folder / "B08.tif").read_bytes()
    try:
        rng = np.random.default_rng(1)
        write_cog(folder / "B08.tif", rng.integers(1000, 9000, (SIZE, SIZE)).astype(np.uint16))
        world.planetary_computer.items = [items.planetary_computer(SIZE)]
        astra_xr.scenes.open._embedded.cache_clear()
        found = astra_xr.verify(items.PRODUCT, "nir", size=64)
    finally:
        (folder / "B08.tif").write_bytes(kept)
    assert found.agree is False
    assert "differ from earth-search, by" in checks(found)["planetary-computer"].pixels


def test_accounts_and_failures_are_rows(world: World) -> None:
    found = astra_xr.verify(items.PRODUCT, catalogs=["pc", "usgs"])
    told = checks(found)
    assert found.agree is None
    assert told["planetary-computer"].pixels == "nothing to compare with"
    assert told["usgs"].failure


def test_a_band_that_there_is_and_one_that_there_is_not(world: World) -> None:
    dem = astra_xr.verify("landsat:LC08_L2SP_044034_20250115_02_T1", "QA_PIXEL")
    assert dem.band == "QA_PIXEL"
    with pytest.raises(UnknownBand, match=r"has no band 'rde'\. Did you mean 'red'"):
        astra_xr.verify(items.PRODUCT, "rde")
    with pytest.raises(InvalidParameter, match="band='reflectance': expected the name of one band"):
        astra_xr.verify(items.PRODUCT, "reflectance")


def test_a_band_that_one_catalog_lacks_is_a_row(world: World) -> None:
    item = items.earth_search_c1(SIZE)
    del item["assets"]["nir"]
    world.earth_search.items = [item]
    found = checks(astra_xr.verify(items.PRODUCT, "nir"))
    assert "has no band 'nir'" in found["earth-search"].failure
    assert not found["planetary-computer"].failure


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0), ("size", 2.5), ("size", True), ("size", "5"), ("size", None),
        ("band", 5), ("band", ["red"]), ("catalogs", 5), ("catalogs", [5]), ("catalogs", object()),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        astra_xr.verify(items.PRODUCT, **{name: value})
    assert caught.value.name == name.replace("catalogs", "catalog")


def test_numbers_of_numpy_and_a_folder_as_the_catalog(tmp_path: Path) -> None:
    item = astra_xr.resolve(SCENE_ID, "red", catalog="sample").to_item()
    (tmp_path / "item.json").write_text(json.dumps(item.to_dict()))
    size: Any = np.int64(64)
    found = astra_xr.verify(SCENE_ID, "B04", size=size, catalogs=tmp_path)
    assert found.window == (slice(992, 1056), slice(992, 1056))
    assert not found.checks[0].failure


def test_arguments() -> None:
    with pytest.raises(InvalidSceneId):
        astra_xr.verify("what")
    with pytest.raises(InvalidParameter, match="size=0"):
        astra_xr.verify(items.PRODUCT, size=0)
    with pytest.raises(InvalidParameter, match="did you mean 'earth-search'"):
        astra_xr.verify(items.PRODUCT, catalogs=["earth-serach"])
    with pytest.raises(InvalidParameter, match="did you mean 'earth-search'"):
        astra_xr.verify(items.PRODUCT, catalogs="earth-serach")
