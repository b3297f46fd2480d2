"""Codes, stretches and colours: pure."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.accessor.rgb import BRIGHT
from astra_xr.errors import InvalidParameter
from astra_xr.widgets.colormaps import colormaps, colors
from astra_xr.widgets.tile_codes import (
    Tile,
    bright,
    classes,
    colored,
    encode,
    fitting,
    rgb,
    stretch_of,
)

BOX = (0, 0, 2, 3)
PERCENTILE = {"kind": "percentile", "low": 2, "high": 98, "sigma": 2}


def tile(values: object, **options: object) -> Tile:
    array = np.atleast_2d(np.asarray(values))
    return encode("b", (0, 0, *array.shape), array, **options)  # type: ignore[arg-type]


def test_codes_keep_values_and_nodata() -> None:
    values = np.array([[0.01, 0.2, np.nan], [0.5, np.inf, 0.3]], np.float32)
    found = tile(values)
    assert np.isnan(found.values).tolist() == [[False, False, True], [False, True, False]]
    np.testing.assert_allclose(found.values[0, :2], values[0, :2], atol=1e-5)


def test_small_integers_are_kept_exactly() -> None:
    found = tile(np.array([[0, 7, 255]], np.uint8), nodata=0)
    assert np.isnan(found.values[0, 0])
    assert found.values[0, 1:].tolist() == [7, 255]


def test_a_few_values_far_out_do_not_coarsen_the_rest() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (200, 200))
    values[0, 0] = 1e9
    found = tile(values)
    np.testing.assert_allclose(found.values[1:], values[1:], atol=1e-3)
    assert found.values[0, 0] == found.values.max()


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50), st.data())
def test_percentiles_are_numpys(values: list[float], data: st.DataObject) -> None:
    low = data.draw(st.floats(0, 49))
    high = data.draw(st.floats(51, 100))
    found = tile(np.array(values))
    stretch = {"kind": "percentile", "low": low, "high": high}
    expected = np.percentile(found.values, (low, high))
    got = stretch_of(found, stretch)
    assert got[0] == pytest.approx(expected[0], rel=1e-5, abs=1e-12)
    if expected[1] - expected[0] > 1e-4 * abs(expected[0]) + 1e-6:
        assert got[1] == pytest.approx(expected[1], rel=1e-5, abs=1e-12)
    assert got[0] < got[1]


def test_the_stretches() -> None:
    found = tile(np.arange(101, dtype=np.uint8))
    assert stretch_of(found, PERCENTILE) == (2, 98)
    assert stretch_of(found, {"kind": "minmax"}) == (0, 100)
    low, high = stretch_of(found, {"kind": "sigma", "sigma": 2})
    assert low == pytest.approx(50 - 2 * np.arange(101).std(), rel=1e-5)
    assert high == pytest.approx(50 + 2 * np.arange(101).std(), rel=1e-5)


def test_clouds_do_not_count_unless_they_are_all_there_is() -> None:
    values = np.full((10, 10), 0.1)
    values[:, 5:] = np.linspace(0.8, 1, 50).reshape(10, 5)
    values[:, :5] = np.linspace(0, 0.2, 50).reshape(10, 5)
    clouds = values > 0.5
    assert stretch_of(tile(values), PERCENTILE, clouds)[1] < 0.2
    assert stretch_of(tile(values), PERCENTILE, np.ones_like(clouds))[1] > 0.9
    three = [tile(values)] * 3
    found = bright([tile(np.where(values > BRIGHT, values, 0.1))] * 3)
    assert found is None  # half of it
    values[:2] = 0.1
    assert bright([tile(values)] * 3) is not None
    assert three[0].codes.shape == (10, 10)


def test_nothing_to_stretch() -> None:
    assert stretch_of(tile(np.full((2, 2), np.nan)), PERCENTILE) == (0, 1)
    low, high = stretch_of(tile(np.full((2, 2), 0.25)), PERCENTILE)
    assert low == 0.25 < high


def test_an_image_has_black_full_and_transparent_pixels() -> None:
    channel = tile(np.array([[0.0, 0.5, 1.0, np.nan]]))
    image = rgb([channel] * 3, [(0.0, 1.0)] * 3, 1.0)
    assert image[0, :, 0].tolist() == [0, 128, 255, 0]
    assert image[0, :, 3].tolist() == [255, 255, 255, 0]
    assert rgb([channel] * 3, [(0.0, 1.0)] * 3, 2.0)[0, 1, 0] == round(0.5**0.5 * 255)


@pytest.mark.parametrize("name", colormaps())
def test_colours_are_matplotlibs(name: str) -> None:
    values = np.linspace(-0.2, 1.2, 500)
    channel = tile(values)
    scaled = mpl.colors.Normalize(0, 1)(channel.values)
    expected = mpl.colormaps[name](scaled, bytes=True)
    np.testing.assert_allclose(
        colored(channel, (0, 1), colors(name))[..., :3], expected[..., :3], atol=0
    )


def test_an_unknown_colour_map() -> None:
    with pytest.raises(InvalidParameter, match="one of gray, viridis"):
        colors("jet2")


def test_classes_have_their_colours() -> None:
    channel = tile(np.array([[3, 9, 0, 200]], np.uint8), nodata=0)
    named = [{"value": 3, "color": "#643200"}, {"value": 9, "color": "#ffffff"}]
    image = classes(channel, named)
    assert image[0, 0].tolist() == [0x64, 0x32, 0, 255]
    assert image[0, 1].tolist() == [255, 255, 255, 255]
    assert image[0, 2, 3] == 0
    assert image[0, 3].tolist() == [128, 128, 128, 255]


def test_what_fits_a_screen() -> None:
    assert fitting((0, 0, 10980, 10980), 768) == (768, 768)
    assert fitting((10, 10, 60, 30), 768) == (50, 20)
    assert fitting((0, 0, 1, 40000), 768) == (1, 768)
