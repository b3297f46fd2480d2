"""Images of a stack: one stretch over all time steps, of what is clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import InvalidDataset
from tests.stacks import s2_item

SIDE = 64
BANDS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """One clear day, whose ground is darker than 0.2, and two below thin cloud of 0.3 to 0.38."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(1)
    scenes = []
    for day, low, high, scl in (
        ("20250501", 4000, 4800, 10),
        ("20250511", 1500, 3000, 4),
        ("20250521", 4000, 4800, 9),
    ):
        files: dict[str, Any] = {
            key: rng.integers(low, high, (SIDE, SIDE)).astype("uint16")
            for key in ("B02", "B03", "B04")
        }
        classes = np.full((SIDE, SIDE), scl, "uint8")
        scenes.append(s2_item(folder, day, SCL=classes, **files))
    return astra_xr.open_scenes(scenes, BANDS)


@pytest.mark.parametrize("thumbnail", [False, True])
def test_clouds_do_not_darken_clear_days(cloudy: xr.Dataset, thumbnail: bool) -> None:
    image = cloudy.astra.thumbnail(size=SIDE) if thumbnail else cloudy.astra.rgb()
    clear = cloudy.isel(time=1)
    expected = [np.percentile(clear[name], (2, 98)) for name in BANDS]
    np.testing.assert_allclose(np.reshape(image.attrs["limits"], (3, 2)), expected, atol=1e-6)
    assert image.dims == ("time", "y", "x", "band")
    assert image[1, ..., :3].std() > 50
    assert (image[0, ..., :3] == 255).all()


def test_what_is_cloud_everywhere_still_has_a_picture(cloudy: xr.Dataset) -> None:
    image = cloudy.isel(time=[0, 2]).astra.rgb()
    assert image[..., :3].std() > 50
    assert (image[..., 3] == 255).all()
    hidden = cloudy.astra.rgb(mask_clouds=True)
    assert [int(each.max()) for each in hidden[..., 3]] == [0, 255, 0]


def test_without_a_classification_band_brightness_decides(cloudy: xr.Dataset) -> None:
    bare = cloudy.compute().drop_vars("id").drop_attrs(deep=True)
    low, high = bare.astra.rgb().attrs["limits"][:2]
    expected = np.percentile(np.stack([cloudy[name] for name in BANDS])[0], (2, 98))
    np.testing.assert_allclose((low, high), expected, atol=1e-6)


def test_a_png_is_of_one_image(cloudy: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"one image.*ds\.isel\(time=0\)"):
        cloudy.astra.to_png(tmp_path / "stack.png")
    assert cloudy.isel(time=0).astra.to_png(tmp_path / "one.png").stat().st_size


def test_bands_whose_dimensions_differ(cloudy: xr.Dataset) -> None:
    ds = cloudy.isel(y=slice(20), x=slice(20)).load()
    names = ["red", "green", "blue"]
    turned = ds.assign(green=ds.green.transpose("x", "y", "time"))
    xr.testing.assert_equal(turned.astra.rgb(names), ds.astra.rgb(names))
    with pytest.raises(InvalidDataset, match="three bands of the same dimensions"):
        ds.assign(flat=ds.red[0]).astra.rgb(["red", "flat", "red"])
