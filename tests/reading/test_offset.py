"""A warning where values show that an offset was applied twice."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astra_xr
from astra_xr import warned
from astra_xr.model import Radiometry
from astra_xr.reading import decoding
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.testing import write_cog
from tests import items

SIZE = 600
TWICE = "below -0.05, darker than any surface.*offset -0.1: baseline 05.11.*radiometry='raw'"


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    warned._seen.clear()


def item(folder: Path, dark: float, *, applied: bool = False) -> dict[str, Any]:
    """Make a scene whose flag says that nothing was shifted; a share of it is dark.

    The pixels are shifted already: 200 is a reflectance of 0.02.
    """
    rng = np.random.default_rng(3)
    for band in ("red", "nir"):
        dn = np.where(rng.random((SIZE, SIZE)) < dark, 200, 3000).astype("uint16")
        dn[:50] = 0
        write_cog(folder / f"{band}.tif", dn)
    made = items.earth_search_l2a(SIZE, applied=applied)
    made["assets"] = {
        key: made["assets"][key] | {"href": str(folder / f"{key}.tif")} for key in ("red", "nir")
    }
    return made


def test_once_an_asset(tmp_path: Path) -> None:
    ds = astra_xr.open_scene(item(tmp_path, dark=0.5), ["red", "nir"])
    with pytest.warns(UserWarning, match=TWICE) as caught:
        ds.red[:, :300].load()
    assert len(caught) == 1
    assert items.PRODUCT in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = astra_xr.open_scene(item(tmp_path, dark=0.5), ["red"])
        again.red[100:200].load()
    with pytest.warns(UserWarning, match="nir: .*" + TWICE):
        ds.nir.load()


def test_where_an_index_is_computed_of_tiles(tmp_path: Path) -> None:
    ds = astra_xr.open_scene(item(tmp_path, dark=0.5), ["red", "nir"])
    with pytest.warns(UserWarning, match=TWICE) as caught:
        ds.astra.index("NDVI").load()
    assert len({str(w.message).partition(":")[0] for w in caught}) == 1
    assert len(caught) == 2, "one a band, however many tiles"


@pytest.mark.parametrize(
    "told",
    [
        {"dark": 0.05},
        # The flag says so, and no offset is taken off.
        {"dark": 0.9, "applied": True},
    ],
)
def test_else_not(tmp_path: Path, told: Any) -> None:
    # Warnings are errors here.
    astra_xr.open_scene(item(tmp_path, **told), ["red", "nir"]).load()


@pytest.mark.parametrize("mode", ["raw", "file"])
def test_nor_where_no_offset_was_inferred(tmp_path: Path, mode: RadiometryMode) -> None:
    astra_xr.open_scene(item(tmp_path, dark=0.9), "red", radiometry=mode).load()


def test_landsats_offset_is_nothing_to_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = Radiometry(dtype="uint16", scale=2.75e-5, offset=-0.2, unit="1")
    dark = np.full((4, 100), -0.19, "float32")
    decoding.warn_of_offset(dark, fixed, "a")
    decoding.warn_of_offset(dark * np.nan, fixed, "b")
    assert not warned._seen
