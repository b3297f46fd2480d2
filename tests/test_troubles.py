"""The table of messages of the docs: each is raised by what a user may do, in those words."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import AstraError
from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import new_key
from astra_xr.service.serve import running_in_thread
from astra_xr.settings import Settings
from conftest import Loopback
from tests import items
from tests.conftest import SIZE
from tests.stac_api import StacApi
from tests.test_docs import DOCS

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"
EARTH_SEARCH = "earth-search.aws.element84.com"
ROWS = re.findall(
    r"^\| `([^`]+)` \| .+ \|$",
    (DOCS / "errors.md").read_text().split("| message |")[1],
    re.MULTILINE,
)

Cause = Callable[[Loopback, pytest.MonkeyPatch, Path], object]
CAUSES: dict[str, Cause] = {}


def sample(*bands: str, **options: object) -> object:
    return astra_xr.open_scene(SAMPLE, bands or None, catalog="sample", **options)  # type: ignore[arg-type]


def cause(message: str) -> Callable[[Cause], Cause]:
    def note(function: Cause) -> Cause:
        CAUSES[message] = function
        return function

    return note


@cause("is not a scene id")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return astra_xr.open_scene("S2B_20250115")


@cause("No scene")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return astra_xr.open_scene("sentinel-2:S2B_MSIL2A_19990115T184929", catalog="sample")


@cause("matches 2 scenes")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    found = [items.earth_search_c1(SIZE), items.earth_search_c1(SIZE, tile="10SFH")]
    network.routes[EARTH_SEARCH] = StacApi(found)
    return astra_xr.open_scene(SAMPLE, catalog="earth-search")


@cause("has no band")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return sample("reed")


@cause("fits several bands")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return sample("rededge")


@cause("needs N (nir)")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return astra_xr.open_scene(SAMPLE, ["red"], catalog="sample").astra.index("NDVI")


@cause("look swapped")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return sample("red", bbox=(37.4, -122.5, 37.5, -122.4))


@cause("an area that overlaps the scene")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return sample("red", bbox=(10, 50, 11, 51))


@cause("GB per band")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return sample("red", resolution=0.05)


@cause("evenly spaced")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    ds = sample("red")
    assert isinstance(ds, xr.Dataset)
    return ds.isel(x=[0, 1, 5]).astra.to_cog(folder / "gaps.tif")


@cause("cannot be signed")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    (folder / "item.json").write_text(json.dumps(items.plain("s3://our-own-bucket/red.tif")))
    return astra_xr.open_scene("field_7_Ernte", catalog=str(folder)).load()


@cause("cannot be reached")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    return astra_xr.open_scene(SAMPLE, catalog="earth-search")


@cause("did not answer")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("silent", request=request)

    network.routes[EARTH_SEARCH] = silent
    patch.setenv("ASTRA_TIMEOUT", "0.3")
    return astra_xr.open_scene(SAMPLE, catalog="earth-search")


@cause("Could not read")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    network.routes[EARTH_SEARCH] = StacApi([items.earth_search_c1(SIZE)])
    ds = astra_xr.open_scene(SAMPLE, ["red"], catalog="earth-search")
    return ds.load()


@cause("retry after 3600 s")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    network.routes[EARTH_SEARCH] = lambda request: httpx.Response(
        429, headers={"Retry-After": "3600"}
    )
    return astra_xr.open_scene(SAMPLE, catalog="earth-search")


@cause("requires a valid API key")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    core = Settings(catalog="sample", cache_dir=Settings.from_env().cache_dir)
    with running_in_thread(ServiceSettings(core=core, api_keys=(new_key("a")[1],))) as url:
        return astra_xr.open_scene(SAMPLE, resolver=url)


@cause("is not installed")
def _(network: Loopback, patch: pytest.MonkeyPatch, folder: Path) -> object:
    patch.setitem(sys.modules, "matplotlib", None)
    ds = sample("red")
    assert isinstance(ds, xr.Dataset)
    return ds.astra.plot()


@pytest.mark.parametrize("words", CAUSES)
def test_messages_are_those_of_the_readme(
    words: str, network: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (row,) = (row for row in ROWS if words in row)
    with pytest.raises(AstraError) as caught:
        CAUSES[words](network, monkeypatch, tmp_path)
    pattern = ".*".join(re.escape(part) for part in row.split("…"))
    told = " ".join(str(caught.value).split())
    assert re.fullmatch(f"{pattern}.*", told), told


def test_every_row_has_its_cause() -> None:
    assert len(ROWS) == len(CAUSES)
