"""What users of xarray, odc-stac, rioxarray and pystac-client type first, and what they get.

Each line is something that somebody typed: it works as its peer's does, or the message says what
would do. Forms of single options are in ``tests/scenes/test_options.py`` and
``tests/scenes/test_scene_input.py``, own collections, item URLs and filtered searches in
``tests/catalogs/test_plain.py`` and ``tests/scenes/test_search_everywhere.py``; zonal statistics
and stacks in the picker have tests of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import geopandas
import matplotlib as mpl
import numpy as np
import pystac
import pytest
import shapely
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.errors import InvalidParameter, InvalidSceneId
from astra_xr.sample import SCENES

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
BANDS = ["red", "green", "blue", "nir"]
FIELD = geopandas.GeoDataFrame(
    geometry=[shapely.box(551000, 4152000, 551500, 4152500)], crs="EPSG:32610"
)
YEAR = [f"sentinel-2:{name}" for name in SCENES if "_20250818T" in name or "_20250917T" in name]


@pytest.fixture(autouse=True, scope="module")
def _no_display() -> Iterator[None]:
    with mpl.rc_context({"backend": "Agg"}):
        yield


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return astra_xr.open_scene(SCENE, BANDS, catalog="sample").isel(
        x=slice(500, 600), y=slice(700, 780)
    )


@pytest.fixture(scope="module")
def item() -> pystac.Item:
    return astra_xr.resolve(SCENE, BANDS, catalog="sample").to_item()


class Search:
    """As ``pystac_client.ItemSearch``."""

    def __init__(self, *found: pystac.Item) -> None:
        self._found = found

    def items(self) -> Iterator[pystac.Item]:
        yield from self._found


def scene(**options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE, ["red"], **{"catalog": "sample"} | options)


# What raised a TypeError or ValueError of something deep down


@pytest.mark.parametrize("size", [(20, 20), [20], (20, -20), 20, np.int64(20)])
def test_resolution_as_odc_and_rioxarray_write_it(size: Any) -> None:
    assert scene(resolution=size).odc.geobox.resolution.xy == (20, -20)


def test_a_collection_of_items(item: pystac.Item) -> None:
    collection = pystac.ItemCollection([item])
    assert astra_xr.open_scenes(collection, ["B04"]).sizes["time"] == 1
    with pytest.raises(InvalidParameter, match="open_scenes opens several"):
        astra_xr.open_scene(collection)  # type: ignore[arg-type]


def test_true_color_as_a_dataset(ds: xr.Dataset) -> None:
    rgb = ds.astra.rgb()
    assert rgb.dims == ("y", "x", "band")
    assert list(rgb.to_dataset("band")) == ["red", "green", "blue", "alpha"]
    assert list(rgb.to_dataset()) == ["rgb"]


def test_plot_without_a_name(ds: xr.Dataset) -> None:
    assert ds.astra.plot() is not None


@pytest.mark.parametrize("method", ["mask", "sample", "plot"])
def test_arguments_that_a_method_lacks_name_the_accessor(ds: xr.Dataset, method: str) -> None:
    with pytest.raises(TypeError, match=rf"AstraAccessor\.{method}\(\)"):
        getattr(ds.astra, method)(1, 2, 3, 4, odd=True)


def test_composite_of_scenes_that_were_concatenated() -> None:
    parts = [astra_xr.open_scene(name, ["red"], catalog="sample") for name in YEAR]
    series = xr.concat(parts, dim="time", coords="different", compat="equals")
    stack = astra_xr.open_scenes(YEAR, ["red"], catalog="sample")
    np.testing.assert_array_equal(series.astra.composite().red, stack.astra.composite().red)


def test_a_slip_in_configure() -> None:
    with pytest.raises(InvalidParameter, match="did you mean 'sample'"):
        astra_xr.configure(catalog="smaple")


# What was refused although each works in a peer


@pytest.mark.parametrize(
    "area", [FIELD, FIELD.geometry, FIELD.to_crs(4326), FIELD.to_crs(4326).geometry.iloc[0]]
)
def test_an_area_of_interest_as_geopandas_has_it(area: Any) -> None:
    assert 50 <= scene(intersects=area).sizes["x"] <= 54
    assert len(astra_xr.search("sentinel-2", intersects=area, catalog="sample")) > 0


def test_a_search_of_pystac_client(item: pystac.Item) -> None:
    assert astra_xr.open_scenes(Search(item), ["B04"]).sizes["time"] == 1


def test_an_open_client_as_the_catalog(tmp_path: Any, item: pystac.Item) -> None:
    (tmp_path / "item.json").write_text(json.dumps(item.to_dict()))
    client = pystac.Catalog("mine", "what pystac_client.Client is", href=str(tmp_path))
    opened = astra_xr.open_scene(SCENE, ["B04"], catalog=client)
    assert opened.attrs["scene_id"].startswith(SCENE)


def test_parts_of_a_search() -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-08/2025-09", catalog="sample")
    table = found.to_dataframe()
    parts: list[Any] = [
        found[-1:],
        found.rows[-1:],
        [name for name in found if "202508" in name],
        found[table["datetime"] < "2025-09-01"],
        found.filter(datetime="2025-08"),
    ]
    for part in parts:
        ds = astra_xr.open_scenes(part, ["red"])
        assert list(ds.id.values) == [found[-1]]
    with pytest.raises(InvalidParameter, match=r"the column of ids: frame\['id'\]"):
        astra_xr.open_scenes(table)


def test_the_file_of_an_item() -> None:
    with pytest.raises(InvalidSceneId, match=r"open_scene\(pystac.Item.from_file\("):
        astra_xr.open_scene("item.json")


def test_a_feature_collection(item: pystac.Item) -> None:
    several = {"type": "FeatureCollection", "features": [item.to_dict()]}
    assert astra_xr.open_scenes(several, ["B04"]).sizes["time"] == 1


def test_a_list_of_one_scene() -> None:
    with pytest.raises(InvalidParameter, match="open_scenes opens several"):
        astra_xr.open_scene([SCENE])  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "native"), [("swir1", "B11"), ("swir2", "B12"), ("SWIR1", "B11")])
def test_bands_as_textbooks_name_them(name: str, native: str) -> None:
    ds = astra_xr.open_scene(SCENE, [name], catalog="sample")
    assert ds[name].attrs["native_name"] == native
    assert ds.astra.plot(name) is not None


def test_narrow_near_infrared() -> None:
    ds = astra_xr.open_scene(SCENE, ["nir_narrow"], catalog="sample")
    assert ds.nir_narrow.attrs["native_name"] == "B8A"


@pytest.mark.parametrize("catalog", ["sample", "Sample", "SAMPLE"])
@pytest.mark.parametrize("mission", ["sentinel-2", "sentinel2", "s2", "Sentinel-2"])
def test_ids_and_catalogs_in_any_spelling(mission: str, catalog: str) -> None:
    name = f"{mission}:{SCENE.partition(':')[2]}"
    assert astra_xr.resolve(name, "red", catalog=catalog, sign=False).catalog == "sample"


@pytest.mark.parametrize("option", ["assets", "measurements", "epsg", "groupby"])
def test_options_of_peers_that_it_lacks(option: str) -> None:
    with pytest.raises(TypeError, match=rf"open_scene\(\) got an unexpected .* '{option}'"):
        scene(**{option: "x"})


@pytest.mark.parametrize(
    ("chunks", "count"), [(True, 1), (False, None), ({}, 1), ("auto", 1), (1024, 4)]
)
def test_chunks_as_rioxarray_takes_them(chunks: Any, count: int | None) -> None:
    assert getattr(scene(chunks=chunks).red.data, "npartitions", None) == count


def test_points_that_are_polygons(ds: xr.Dataset) -> None:
    with pytest.raises(InvalidParameter, match=r"zonal\(\) takes polygons"):
        ds.astra.sample(FIELD)


def test_tab_shows_what_is_public_and_nothing_else() -> None:
    assert dir(astra_xr) == sorted([*astra_xr.__all__, "__version__"])
    assert dir(astra_xr.indices) == ["available", "search"]
    kinds = [getattr(errors, name) for name in dir(errors)]
    assert errors.SceneNotFound in kinds
    assert all(issubclass(kind, errors.AstraError) for kind in kinds)


NEVER_RAW: dict[str, Callable[[], object]] = {
    "bands": lambda: astra_xr.open_scene(SCENE, 5),  # type: ignore[arg-type]
    "resolver": lambda: scene(resolver="resolver.example"),
    "resampling": lambda: scene(resampling=["nearest"]),
    "anchor": lambda: scene(anchor=np.array([1, 2])),
    "x": lambda: scene(x=slice(551000, 552000), y=(4152000, 4153000)),
    "y": lambda: scene(y=(4152000, 4153000)),
    "geobox": lambda: scene(geobox=FIELD),
    "like": lambda: scene(like=FIELD),
    "groupby": lambda: astra_xr.open_scenes([SCENE], groupby=5),  # type: ignore[arg-type]
    "resolution": lambda: scene(resolution=(10, 20)),
    "chunks": lambda: scene(chunks=(512, 512)),
    "crs": lambda: scene(crs=FIELD),
    "bbox": lambda: scene(bbox=FIELD),
    "intersects": lambda: scene(intersects=FIELD.set_crs(None, allow_override=True)),
    "catalog": lambda: scene(catalog=5),
    "radiometry": lambda: scene(radiometry="none"),
    "max_items": lambda: astra_xr.search("sentinel-2", max_items="5", catalog="sample"),  # type: ignore[arg-type]
    "client": lambda: astra_xr.configure(client=5),
    "band": lambda: astra_xr.verify(SCENE, ["red"]),  # type: ignore[arg-type]
    "size": lambda: astra_xr.verify(SCENE, size="large"),  # type: ignore[arg-type]
    "index": lambda: astra_xr.search("sentinel-2", catalog="sample")[1.5],  # type: ignore[call-overload]
    "format": lambda: astra_xr.resolve(SCENE, "red", 5, catalog="sample"),  # type: ignore[arg-type]
    "text": lambda: astra_xr.indices.search(5),  # type: ignore[arg-type]
    "ds": lambda: astra_xr.indices.available(scene().red),
    "progress": lambda: scene().astra.load(progress="no"),
    "allow_large": lambda: scene().astra.rgb(allow_large="yes"),
    "gamma": lambda: scene().astra.rgb(["red"] * 3, gamma=True),
    "limits": lambda: scene().astra.rgb(["red"] * 3, limits=(0, 10**400)),
    "max_pixels": lambda: scene().astra.plot(max_pixels=True),
    "cmap": lambda: scene().astra.plot(cmap="nonsense"),
    "min_coverage": lambda: scene().astra.zonal(FIELD, min_coverage=True),
    "stats": lambda: scene().astra.zonal(FIELD, np.array([["mean", "max"]] * 2)),
    "path": lambda: scene().astra.to_cog(None),
    "profile": lambda: scene().astra.to_cog("red.tif", profile=["deflate"]),
    "L": lambda: astra_xr.open_scene(SCENE, BANDS, catalog="sample").astra.index("SAVI", L=np.nan),
    "code_name": lambda: scene().astra.pick(code_name="my scene"),
    "mask": lambda: scene().astra.pick(mask="clouds"),
    "mode": lambda: scene().astra.pick(mode=np.array(["rgb", "index"])),
    "sign": lambda: astra_xr.LocalResolver().resolve(SCENE, sign="no"),  # type: ignore[arg-type]
    "hedge": lambda: astra_xr.LocalResolver(hedge=np.nan),
    "settings": lambda: astra_xr.RemoteResolver(settings={"timeout": 5}),  # type: ignore[arg-type]
    "api_key": lambda: astra_xr.RemoteResolver("http://127.0.0.1:9", 5),  # type: ignore[arg-type]
    "base_url": lambda: astra_xr.RemoteResolver(["http://127.0.0.1:9"]),  # type: ignore[arg-type]
    "timeout": lambda: astra_xr.Settings(timeout="soon"),  # type: ignore[arg-type]
    "cache_dir": lambda: astra_xr.Settings(cache_dir=None),  # type: ignore[arg-type]
    "aws_no_sign_request": lambda: astra_xr.configure(aws_no_sign_request="perhaps"),
    "life": lambda: astra_xr.service.KeyFile("keys.json").add("alice", life=timedelta(0)),
    "rate": lambda: astra_xr.service.KeyFile("keys.json").add("alice", rate=5),  # type: ignore[arg-type]
    "keys_file": lambda: astra_xr.service.running(keys_file=5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", NEVER_RAW)
def test_what_cannot_be_is_said_of_its_parameter(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidParameter) as caught:
        NEVER_RAW[name]()
    assert caught.value.name == name
    assert str(caught.value).startswith(f"Invalid {name}=")
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.glob("*.tif"), *tmp_path.glob("*.json")]


@pytest.mark.parametrize(
    ("method", "option", "nearest"),
    [
        ("pick", {"colormap": "viridis"}, "cmap"),
        ("pick", {"band_names": ["red"]}, "bands"),
        ("pick", {"first": "red"}, ""),
        ("pick", {"array": True}, ""),
        ("plot", {"colormap": "viridis"}, "cmap"),
        ("plot", {"fig_size": (4, 4)}, "figsize"),
        ("plot", {"name": "red", "vmim": 0}, "vmin"),
    ],
)
def test_an_option_that_goes_through_is_named_with_the_nearest(
    method: str, option: dict[str, Any], nearest: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        getattr(scene().astra, method)(**option)
    assert caught.value.name == [*option][-1]
    assert f"did you mean {nearest!r}" in str(caught.value) or not nearest


def test_a_slip_in_a_setting() -> None:
    with pytest.raises(InvalidParameter, match="did you mean 'tile_cache'"):
        astra_xr.configure(tilecache=0)


@pytest.mark.parametrize("index", [5, -6, [0, 9]])
def test_a_scene_beyond_the_search(index: Any) -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    with pytest.raises(IndexError, match=r"There is no scene .*: the search found 5, from 0 on"):
        found[index]
