"""The lazy array of a file against numpy, over every kind of index, and what it reads for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xarray.core import indexing

from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.raster import RasterArray
from astra_xr.arrays.thumbnail import coarse
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.model import Radiometry
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.decoding import decode_into, decoded_dtype
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import traffic
from astra_xr.reading.window import Window
from astra_xr.testing import write_cog

ROWS, COLS = 700, 612


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 60000, (3, ROWS, COLS)).astype(np.uint16)


@pytest.fixture(scope="module")
def path(stored: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cog(tmp_path_factory.mktemp("cog") / "image.tif", stored, blocksize=256)


def lazy(path: Path, *, planes: bool, decode: bool = False, dtype: str = "uint16") -> xr.Variable:
    whole = Window(
        source=FixedUrl(path.as_uri()),
        label="scene red",
        shape=(ROWS, COLS),
        indexes=(1, 2, 3) if planes else (2,),
        radiometry=Radiometry(dtype=dtype, scale=1e-4, offset=-0.1, nodata=0),
        rows=(0, ROWS),
        cols=(0, COLS),
    )
    array = RasterArray(whole, decode=decode, planes=planes)
    dims = ("band", "y", "x") if planes else ("y", "x")
    return xr.Variable(dims, indexing.LazilyIndexedArray(array))


def one_index(length: int) -> st.SearchStrategy[Any]:
    slices = st.slices(length)
    arrays = hnp.arrays(np.intp, st.integers(0, 5), elements=st.integers(-length, length - 1))
    return st.one_of(st.integers(-length, length - 1), slices, arrays)


@settings(max_examples=150)
@given(data=st.data())
def test_any_index_gives_what_numpy_gives(data: st.DataObject, path: Path, stored: Any) -> None:
    planes = data.draw(st.booleans())
    truth = xr.Variable(("band", "y", "x"), stored)
    truth = truth if planes else truth[1]
    key = {
        str(dim): data.draw(one_index(size))
        for dim, size in truth.sizes.items()
        if data.draw(st.booleans())
    }
    got = lazy(path, planes=planes).isel(key)
    np.testing.assert_array_equal(got.values, truth.isel(key).values)
    assert got.dtype == truth.dtype
    assert got.dims == truth.isel(key).dims


def test_vectorised_index(path: Path, stored: np.ndarray) -> None:
    points = {"y": xr.Variable("p", [5, 699, 5]), "x": xr.Variable("p", [0, 611, 300])}
    got = lazy(path, planes=False).isel(points)
    np.testing.assert_array_equal(got.values, stored[1][[5, 699, 5], [0, 611, 300]])


def test_points_of_a_picture(path: Path, stored: np.ndarray) -> None:
    points = {"y": xr.Variable("p", [5, 699, 5]), "x": xr.Variable("p", [0, 611, 300])}
    truth = xr.Variable(("band", "y", "x"), stored)
    tile_cache.clear()
    before = traffic().bytes
    for key in (points, {"band": 1, **points}, {"band": [2, 0], **points}):
        got = lazy(path, planes=True).isel(key)
        np.testing.assert_array_equal(got.values, truth.isel(key).values)
        assert got.dims == truth.isel(key).dims
    assert traffic().bytes - before < path.stat().st_size / 3
    every = {
        "y": xr.Variable(("a", "b"), [[1, 2], [9, 8]]),
        "x": xr.Variable(("a", "b"), [[3, 4]] * 2),
    }
    got = lazy(path, planes=True).isel(every)
    np.testing.assert_array_equal(got.values, truth.isel(every).values)


def test_empty_selection_reads_nothing(path: Path) -> None:
    before = traffic().requests
    assert lazy(path, planes=True)[:, 5:5].values.shape == (3, 0, COLS)
    assert traffic().requests == before


def test_a_window_costs_less_than_the_file(path: Path) -> None:
    before = traffic().bytes
    lazy(path, planes=False)[:10, :10].load()
    assert 0 < traffic().bytes - before < path.stat().st_size / 4


def test_decoding_masks_and_scales(path: Path, stored: np.ndarray) -> None:
    got = lazy(path, planes=False, decode=True).values
    expected = np.where(stored[1] == 0, np.nan, stored[1] * 1e-4 - 0.1)
    np.testing.assert_allclose(got, expected, atol=5e-7)
    assert got.dtype == np.float32


def test_a_file_of_another_type_than_its_item_says(path: Path) -> None:
    with pytest.raises(ReadError, match="the file holds uint16, while its item describes uint8"):
        lazy(path, planes=False, dtype="uint8").load()
    widened = lazy(path, planes=False, dtype="int32").values
    assert widened.dtype == np.int32


@pytest.mark.parametrize(
    ("dtype", "decoded"),
    [
        ("uint8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("int32", "float64"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("complex64", "complex64"),
    ],
)
def test_decoded_types_lose_no_digit(dtype: str, decoded: str) -> None:
    assert decoded_dtype(dtype) == np.dtype(decoded)


@pytest.mark.parametrize(
    ("nodata", "stored", "valid"),
    [
        (0, np.array([0, 1], "uint16"), [False, True]),
        (-9999, np.array([-9999, 5], "int16"), [False, True]),
        (-9999, np.array([0, 5], "uint8"), [True, True]),
        (float("nan"), np.array([np.nan, 5], "float32"), [False, True]),
        (None, np.array([0, 5], "uint16"), [True, True]),
    ],
)
def test_nodata(nodata: float | None, stored: np.ndarray, valid: list[bool]) -> None:
    values = np.empty(stored.shape, np.float32)
    decode_into(stored, Radiometry(dtype=str(stored.dtype), nodata=nodata), values)
    np.testing.assert_array_equal(np.isfinite(values), valid)


def test_repr_shows_the_band_and_no_url(path: Path) -> None:
    make: Callable[..., xr.Variable] = lazy
    text = repr(make(path, planes=False)._data)
    assert "scene red" in text
    assert "file:" not in text


def test_complex_numbers_are_averaged_read_or_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pixels = (rng.random((1, 60, 80)) + 1j * rng.random((1, 60, 80))).astype("complex64")
    with rasterio.open(
        tmp_path / "slc.tif", "w", driver="GTiff", width=80, height=60, count=1, tiled=True,
        dtype="complex64", crs="EPSG:32610", transform=Affine(10, 0, 0, 0, -10, 0),
        blockxsize=64, blockysize=64,
    ) as file:  # fmt: skip
        file.write(pixels)
    whole = Window(
        source=FixedUrl((tmp_path / "slc.tif").as_uri()), label="scene vv", shape=(60, 80),
        indexes=(1,), rows=(0, 60), cols=(0, 80), radiometry=Radiometry(dtype="complex64"),
    )  # fmt: skip
    array = RasterArray(whole, decode=True, planes=False)
    unread = xr.Variable(("y", "x"), indexing.LazilyIndexedArray(array))
    expected = pixels[0].reshape(6, 10, 8, 10).mean(axis=(1, 3))
    for variable in (unread, xr.Variable(("y", "x"), pixels[0])):
        found = run(coarse(variable, Coarsening.of((60, 80), (6, 8), average=True)))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_averages_of_floats_in_memory_leave_out_their_fill_value() -> None:
    pixels = np.arange(24, dtype="float32").reshape(4, 6)
    pixels[:2, :2] = pixels[3, 5] = -9999
    variable = xr.Variable(("y", "x"), pixels, {"_FillValue": -9999.0})
    with np.errstate(all="raise"):
        found = run(coarse(variable, Coarsening.of((4, 6), (2, 3), average=True)))
    halves = np.where(pixels == -9999, np.nan, pixels).reshape(2, 2, 3, 2)
    sums, counts = np.nansum(halves, (1, 3)), np.isfinite(halves).sum((1, 3))
    expected = np.where(counts, sums / np.maximum(counts, 1), -9999)
    np.testing.assert_allclose(found, expected)
