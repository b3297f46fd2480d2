"""What an item says, omits or contradicts of a file's numbers, against rasterio and NumPy."""

from __future__ import annotations

import contextlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

import astra_xr
from astra_xr import warned
from astra_xr.errors import AstraError, UnknownBand

SIDE = 40
PLACE = Affine(10, 0, 500000, 0, -10, 4200000)
NODATA = {"uint8": (0, 7), "int16": (0, -9999), "uint16": (0, 65535), "int32": (-9999, 0),
          "float32": (-9999.0, float("nan"))}  # fmt: skip


@dataclass(frozen=True)
class File:
    """What a file has."""

    dtype: str
    planes: int
    nodata: float | None
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    tiled: bool

    @property
    def stored(self) -> np.ndarray:
        """(planes, rows, columns), with all numbers that any item calls nodata."""
        rng = np.random.default_rng(1)
        found = rng.integers(1, 200, (self.planes, SIDE, SIDE)).astype(self.dtype)
        for number, value in enumerate(NODATA[self.dtype]):
            found[:, number * 5 : number * 5 + 4, 3:30] = value
        return found

    def written(self, folder: Path) -> Path:
        path = folder / f"{abs(hash(self))}.tif"
        if not path.exists():
            profile: dict[str, Any] = {
                "driver": "GTiff", "dtype": self.dtype, "count": self.planes, "height": SIDE,
                "width": SIDE, "crs": "EPSG:32610", "transform": PLACE, "nodata": self.nodata,
                "photometric": "minisblack",
            }  # fmt: skip
            if self.tiled:
                profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
            with rasterio.open(path, "w", **profile) as file:
                file.scales, file.offsets = self.scales, self.offsets
                file.write(self.stored)
        return path


@dataclass(frozen=True)
class Said:
    """What an item says of a file."""

    grid: bool
    dtype: bool
    nodata: float | None
    scale: float | None
    form: str
    """``raster:bands``, ``bands``, ``asset`` or ``properties``."""

    count: int
    """Entries of the bands that are listed."""

    def item(self, path: Path, dtype: str) -> dict[str, Any]:
        new = self.form != "raster:bands"
        told: dict[str, Any] = {}
        if self.dtype:
            told["data_type"] = dtype
        if self.nodata is not None:
            told["nodata"] = "nan" if self.nodata != self.nodata else self.nodata
        if self.scale is not None:
            prefix = "raster:" if new else ""
            told |= {f"{prefix}scale": self.scale, f"{prefix}offset": 3}
        asset: dict[str, Any] = {"href": str(path), "type": "image/tiff", "roles": ["data"]}
        properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
        if self.form in ("asset", "properties"):
            (asset if self.form == "asset" else properties).update(told)
            if self.count > 1:
                asset["bands"] = [{"name": f"n{n}"} for n in range(self.count)]
        else:
            asset[self.form] = [told] * self.count
        if self.grid:
            transform = list(PLACE)[:6]
            properties |= {
                "proj:epsg": 32610, "proj:shape": [SIDE, SIDE], "proj:transform": transform,
            }  # fmt: skip
        return {"type": "Feature", "id": "a", "properties": properties, "assets": {"data": asset}}


@st.composite
def files(draw: st.DrawFn) -> File:
    dtype, planes = draw(st.sampled_from(sorted(NODATA))), draw(st.sampled_from([1, 1, 3]))
    tags = draw(st.sampled_from(["none", "all", "each"]))
    scales: tuple[float, ...] = {"none": (1,), "all": (0.5,), "each": (1, 0.25, 2)}[tags]
    offsets: tuple[float, ...] = {"none": (0,), "all": (-0.1,), "each": (0, 5, 0)}[tags]
    nodata = draw(st.sampled_from([None, *NODATA[dtype]]))
    scales, offsets = (tuple((values * 3)[:planes]) for values in (scales, offsets))
    return File(dtype, planes, nodata, scales, offsets, draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[File, Said]:
    file = draw(files())
    said = Said(
        grid=draw(st.booleans()),
        dtype=draw(st.booleans()),
        nodata=draw(st.sampled_from([None, *NODATA[file.dtype], -1.5])),
        scale=draw(st.sampled_from([None, 0.5, 4.0])),
        form=draw(st.sampled_from(["raster:bands", "bands", "asset", "properties"])),
        count=draw(st.sampled_from([file.planes, 1])),
    )
    return file, said


def values_of(file: File, said: Said, radiometry: str) -> np.ndarray:
    """Return the values that are right: the file's nodata, the item's scale, else the file's."""
    stored = file.stored
    scales, offsets = np.array(file.scales), np.array(file.offsets)
    if radiometry == "raw":
        scales, offsets = np.ones(file.planes), np.zeros(file.planes)
    elif radiometry == "auto" and said.scale is not None:
        scales, offsets = np.full(file.planes, said.scale), np.full(file.planes, 3.0)
    values = stored.astype(float) * scales[:, None, None] + offsets[:, None, None]
    nodata = said.nodata if file.nodata is None else file.nodata
    if nodata is not None and (file.nodata is not None or radiometry != "file"):
        values[stored == nodata] = np.nan
    return np.asarray(values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def opened(path: Path, file: File, said: Said, **options: Any) -> xr.DataArray:
    warned._seen.clear()
    item = said.item(path, file.dtype)
    return astra_xr.open_scene(json.loads(json.dumps(item)), "data", **options)["data"].load()


@settings(max_examples=150, derandomize=True)
@given(case=cases(), radiometry=st.sampled_from(["auto", "auto", "file", "raw"]))
def test_values_are_right_whatever_the_item_says(
    folder: Path, case: tuple[File, Said], radiometry: str
) -> None:
    file, said = case
    path = file.written(folder)
    told = said.count if said.form in ("raster:bands", "bands") or said.count > 1 else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = opened(path, file, said, radiometry=radiometry)
        stored = opened(path, file, said, radiometry=radiometry, mask_and_scale=False)
    messages = [str(each.message) for each in caught]
    taken = told or file.planes
    expected = values_of(file, said, radiometry)[:taken]
    expected = expected[0] if expected.shape[0] == 1 else expected
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5)
    raw = file.stored[:taken]
    np.testing.assert_array_equal(stored, raw[0] if len(raw) == 1 else raw)
    assert stored.dtype == file.dtype
    # What is not read, and what contradicts, is said.
    assert any("bands, of which its item describes" in each for each in messages) == (
        taken < file.planes
    )
    if radiometry == "auto" and said.scale is not None:
        own = set(zip(file.scales[:taken], file.offsets[:taken], strict=True)) - {(1.0, 0.0)}
        differ = any(pair != (said.scale, 3.0) for pair in own)
        assert any("the file's own tags are" in each for each in messages) == differ


@settings(max_examples=60, derandomize=True)
@given(case=cases(), number=st.integers(1, 4))
def test_each_band_opens_by_its_number(folder: Path, case: tuple[File, Said], number: int) -> None:
    file, said = case
    item = said.item(file.written(folder), file.dtype)
    name = f"data.{number}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if number > file.planes:
            with pytest.raises(AstraError) as caught:
                astra_xr.open_scene(item, name).load()
            if file.planes > 1 and isinstance(caught.value, UnknownBand) and said.form != "asset":
                assert set(caught.value.available) >= {"data.1", "data.3"}
            return
        got = astra_xr.open_scene(item, name, radiometry="raw")[name]
        np.testing.assert_array_equal(
            np.isnan(got), np.isnan(values_of(file, said, "raw")[number - 1])
        ) if number <= said.count else got.load()
        stored = astra_xr.open_scene(item, name, mask_and_scale=False)[name]
    np.testing.assert_array_equal(stored, file.stored[number - 1])


ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    1.5,
    "x",
    [],
    {},
    [1],
    ["a"],
    [None],
    {"a": 1},
    True,
    10**400,
    "nan",
    "1e400",
    [[1]],
    [{}],
    "EPSG:1",
    -(10**30),
    [1, 2, 3],
    {"name": []},
]
FIELDS = [
    "proj:epsg",
    "proj:shape",
    "proj:transform",
    "nodata",
    "raster:scale",
    "eo:bands",
    "bands",
    "raster:bands",
    "data_type",
    "unit",
    "classification:classes",
    "gsd",
    "roles",
    "title",
    "raster:offset",
    "file:values",
    "bbox",
    "proj:code",
    "proj:wkt2",
    "proj:bbox",
]


@settings(max_examples=100, derandomize=True)
@given(
    odd=st.lists(
        st.tuples(st.sampled_from(["item", "asset", "band", "properties"]),
                  st.sampled_from(FIELDS), st.sampled_from(range(len(ODD)))),
        min_size=1, max_size=3,
    ),
    options=st.sampled_from([{}, {"resolution": 20}, {"crs": "EPSG:3857"}]),
)  # fmt: skip
def test_no_exception_of_another_library_leaves(
    folder: Path, odd: list[tuple[str, str, int]], options: dict[str, Any]
) -> None:
    file = File("int16", 3, 0, (0.5,) * 3, (1.0,) * 3, tiled=True)
    said = Said(grid=True, dtype=True, nodata=0, scale=0.5, form="raster:bands", count=3)
    item = said.item(file.written(folder), file.dtype)
    asset = item["assets"]["data"]
    rooms = {"item": item, "asset": asset, "band": asset["raster:bands"][0],
             "properties": item["properties"]}  # fmt: skip
    for room, field, value in odd:
        rooms[room][field] = ODD[value]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(AstraError):
            astra_xr.open_scene(item, **options).load()
