"""astra_xr.verify: wrong flags, other grids and other files are found by comparing catalogs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr.errors import InvalidParameter, InvalidSceneId
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
    found = astra_xr.verify(items.PRODUCT, "B12")
    assert found.agree is None
    assert all("has no band 'B12'" in check.failure for check in found.checks[:2])


def test_arguments() -> None:
    with pytest.raises(InvalidSceneId):
        astra_xr.verify("what")
    with pytest.raises(InvalidParameter, match="size=0"):
        astra_xr.verify(items.PRODUCT, size=0)
    with pytest.raises(InvalidParameter, match="did you mean 'earth-search'"):
        astra_xr.verify(items.PRODUCT, catalogs=["earth-serach"])
    with pytest.raises(InvalidParameter, match="did you mean 'earth-search'"):
        astra_xr.verify(items.PRODUCT, catalogs="earth-serach")
