"""What a type checker tells a user; checked by mypy and pyright in `.ci/run lint`, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import geopandas
import numpy as np
import pandas as pd
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox

import astra_xr
from astra_xr import (
    AstraAccessor,
    AstraArrayAccessor,
    AstraError,
    Explanation,
    LocalResolver,
    Picker,
    RemoteResolver,
    Resolution,
    SearchResult,
    Settings,
    errors,
)

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


class Search:
    """As ``pystac_client.ItemSearch``."""

    def items(self) -> list[pystac.Item]:
        return []


def opened(item: pystac.Item, raw: dict[str, Any], box: GeoBox) -> None:
    ds = astra_xr.open_scene(SCENE, bands=["red", "nir"], catalog="sample")
    assert_type(ds, xr.Dataset)
    assert_type(astra_xr.open_scene(item), xr.Dataset)
    assert_type(astra_xr.open_scene(raw, "red,nir"), xr.Dataset)
    assert_type(astra_xr.open_scene_tree(item), xr.DataTree)
    assert_type(astra_xr.open_scenes([SCENE, item, raw]), xr.Dataset)
    assert_type(astra_xr.open_scenes(pystac.ItemCollection([item])), xr.Dataset)
    assert_type(astra_xr.open_scenes(Search()), xr.Dataset)
    assert_type(astra_xr.open_scenes({"type": "FeatureCollection", "features": [raw]}), xr.Dataset)
    astra_xr.open_scene(SCENE, resolution=20, chunks=True, crs="utm", bbox=(-122.5, 37, -122, 38))
    astra_xr.open_scene(SCENE, resolution=(10, -10), chunks={"x": 512}, crs=32610)
    astra_xr.open_scene(SCENE, resolution=np.float64(10), chunks=False, radiometry="raw")
    astra_xr.open_scene(SCENE, resolution=box.resolution, chunks="auto", radiometry=None)
    astra_xr.open_scene(SCENE, intersects=geopandas.GeoSeries(), catalog=Path("items"))
    astra_xr.open_scene(SCENE, catalog=pystac.Catalog("mine", "theirs"), resolver=LocalResolver())
    astra_xr.open_scene(SCENE, resolver=RemoteResolver("https://resolver.example"))
    astra_xr.open_scene(SCENE, radiometry="none")  # type: ignore[arg-type]
    astra_xr.open_scene(7)  # type: ignore[arg-type]
    astra_xr.open_scene(SCENE, groupby="id")  # type: ignore[call-arg]


def found() -> None:
    result = astra_xr.search("sentinel-2", datetime="2025-06", max_items=5)
    assert_type(result, SearchResult)
    assert_type(result[0], str)
    assert_type(result[:3], SearchResult)
    assert_type(list(result), list[str])
    assert_type(astra_xr.open_scenes(result.rows[:3]), xr.Dataset)
    assert_type(astra_xr.verify(result[0], "red", catalogs=Path("items")).agree, bool | None)
    assert_type(astra_xr.open_scenes(result[:3], ["red"]), xr.Dataset)
    answer = astra_xr.resolve(SCENE, "red")
    assert_type(answer, Resolution)
    assert_type(answer.to_item(), pystac.Item)


def analyzed(ds: xr.Dataset, red: xr.DataArray) -> None:
    # xarray knows nothing of accessors; with their class named, all they do has types.
    astra: AstraAccessor = ds.astra
    assert_type(astra.index("NDVI"), xr.DataArray)
    assert_type(astra.index(["NDVI", "NDWI"]), xr.Dataset)
    assert_type(astra.mask("water"), xr.DataArray)
    assert_type(astra.rgb(), xr.DataArray)
    assert_type(astra.composite("median"), xr.Dataset)
    assert_type(astra.explain(), Explanation)
    assert_type(astra.pick(), Picker)
    assert_type(astra.failures, pd.DataFrame)
    array: AstraArrayAccessor = red.astra
    assert_type(array.pick(), Picker)


def configured() -> None:
    assert_type(astra_xr.configure(timeout=5, catalog="sample"), Settings)
    try:
        astra_xr.resolve(SCENE)
    except errors.SceneNotFound as error:
        assert_type(error.asked, tuple[str, ...])
    except AstraError as error:
        assert_type(error.code, str)
