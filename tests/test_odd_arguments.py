"""Every parameter of every public function, given values that cannot be: each is refused in words.

What peers take, and what single options do with it, is in ``tests/test_first_guesses.py`` and
``tests/scenes/test_options.py``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
import traitlets
import xarray as xr

import astra_xr
from astra_xr.errors import AstraError
from astra_xr.widgets.picker import Picker

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
FIELD = shapely.box(-122.43, 37.5, -122.42, 37.51)
NOTHING = inspect.Parameter.empty


@pytest.fixture(autouse=True, scope="module")
def _no_display() -> Iterator[None]:
    with mpl.rc_context({"backend": "Agg"}):
        yield


def odd_values() -> list[Any]:
    return [
        object(), float("nan"), 10**400, -1, "", "\ud800", "a\0b", b"x", {1: 2}, [None], 1j, list,
        np.ones((2, 2)), np.array([]), xr.DataArray([1, 2]), (each for each in [1]),
    ]  # fmt: skip


def scene() -> xr.Dataset:
    bands = ["red", "green", "blue", "nir", "SCL"]
    ds = astra_xr.open_scene(SCENE, bands, catalog="sample")
    return ds.isel(x=slice(500, 520), y=slice(700, 720))


def stack() -> xr.Dataset:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return astra_xr.open_scenes(found[:2], ["red", "SCL"]).isel(x=slice(20), y=slice(20))


def picker() -> Picker:
    return scene().astra.pick()  # type: ignore[no-any-return]


def keys(folder: Path) -> astra_xr.service.KeyFile:
    return astra_xr.service.KeyFile(folder / "keys.json")


# A function, and the arguments that it is called with besides an odd one.
CALLS: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "open_scene": (
        lambda _: astra_xr.open_scene,
        {"scene_id": SCENE, "bands": ["red"], "catalog": "sample"},
    ),
    "open_scenes": (
        lambda _: astra_xr.open_scenes,
        {"scenes": [SCENE], "bands": ["red"], "catalog": "sample"},
    ),
    "open_scene_tree": (
        lambda _: astra_xr.open_scene_tree,
        {"scene_id": SCENE, "bands": ["red"], "catalog": "sample"},
    ),
    "search": (
        lambda _: astra_xr.search,
        {"mission": "sentinel-2", "datetime": "2025", "catalog": "sample"},
    ),
    "filter": (
        lambda _: astra_xr.search("sentinel-2", datetime="2025", catalog="sample").filter,
        {},
    ),
    "resolve": (lambda _: astra_xr.resolve, {"scene": SCENE, "bands": "red", "catalog": "sample"}),
    "timeline": (
        lambda _: astra_xr.timeline,
        {
            "mission": "sentinel-2",
            "fields": FIELD,
            "datetime": "2025-06-01/2025-06-20",
            "names": "NDVI",
            "catalog": "sample",
            "progress": False,
        },
    ),
    "verify": (
        lambda _: astra_xr.verify,
        {"scene_id": SCENE, "band": "red", "size": 16, "catalogs": ["sample"]},
    ),
    "configure": (lambda _: astra_xr.configure, {}),
    "Settings": (lambda _: astra_xr.Settings, {}),
    "Settings.from_env": (lambda _: astra_xr.Settings.from_env, {}),
    "LocalResolver": (lambda _: astra_xr.LocalResolver, {}),
    "RemoteResolver": (lambda _: astra_xr.RemoteResolver, {"base_url": "http://127.0.0.1:9"}),
    "indices.search": (lambda _: astra_xr.indices.search, {}),
    "indices.available": (lambda _: astra_xr.indices.available, {}),
    "KeyFile": (lambda _: astra_xr.service.KeyFile, {}),
    "KeyFile.add": (lambda folder: keys(folder).add, {"name": "alice"}),
    "KeyFile.revoke": (lambda folder: keys(folder).revoke, {}),
    "load": (lambda _: scene().astra.load, {"progress": False}),
    "index": (lambda _: scene().astra.index, {"name": "NDVI"}),
    "mask": (lambda _: scene().astra.mask, {}),
    "composite": (lambda _: stack().astra.composite, {}),
    "cloud_cover": (lambda _: scene().astra.cloud_cover, {}),
    "classes": (lambda _: scene().astra.classes, {}),
    "sample": (lambda _: scene().astra.sample, {}),
    "zonal": (lambda _: scene().astra.zonal, {"fields": FIELD, "progress": False}),
    "to_cog": (lambda folder: scene().astra.to_cog, {}),
    "to_png": (lambda _: scene().astra.to_png, {}),
    "rgb": (lambda _: scene().astra.rgb, {}),
    "thumbnail": (lambda _: scene().astra.thumbnail, {}),
    "plot": (lambda _: scene().astra.plot, {"name": "NDVI"}),
    "pick": (lambda _: scene().astra.pick, {}),
    "array.plot": (lambda _: scene().red.astra.plot, {}),
    "array.to_cog": (lambda _: scene().red.astra.to_cog, {}),
    "array.pick": (lambda _: scene().red.astra.pick, {}),
    "Picker.to_html": (lambda _: picker().to_html, {}),
}

FURTHER = {
    "configure": [each.name for each in dataclasses.fields(astra_xr.Settings)],
    "index": ["L", "sigma"],
    "plot": ["cmap", "vmin", "figsize", "ax", "colormap"],
    "array.plot": ["cmap", "name"],
    "pick": [
        "mode", "bands", "index", "band", "cmap", "stretch", "limits", "gamma", "mask", "view",
        "area", "pins", "compare", "time", "first", "ds", "array", "colormap",
    ],
    "array.pick": ["name", "first", "array"],
}  # fmt: skip
"""Names that go through ``**``."""


@pytest.mark.parametrize("name", CALLS)
def test_odd_values_are_taken_or_refused_in_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some are names of files
    make, usual = CALLS[name]
    function = make(tmp_path)
    signature = inspect.signature(function)
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    own = [each.name for each in signature.parameters.values() if each.kind not in kinds]
    raw, words = [], []
    for parameter in [*own, *FURTHER.get(name, [])]:
        for number in range(len(odd_values())):
            value = odd_values()[number]
            arguments = usual | {parameter: value}
            if parameter not in ("path", "name") and "path" in own:
                arguments.setdefault("path", tmp_path / "out.tif")
            missing = [
                each.name
                for each in signature.parameters.values()
                if each.default is NOTHING and each.kind not in kinds
            ]
            assert not {*missing} - {*arguments}, "a usual argument is missing in the table"
            try:
                found = function(**arguments)
            except (AstraError, traitlets.TraitError) as error:
                words.append(str(error))
            except Exception as error:  # noqa: BLE001  (any other is what is looked for)
                raw.append(f"{parameter}, value {number}: {error!r}")
            else:
                if isinstance(found, Picker):
                    found.close()
            plt.close("all")
    if name == "configure":
        astra_xr.configure(**dict.fromkeys(FURTHER["configure"]))
    assert raw == []
    assert words
    assert not [each for each in words if "\n" in each and "matches" not in each]
