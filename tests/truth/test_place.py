"""Pixels lie where the file has them, on the grid that the item promised."""

from __future__ import annotations

import asyncio
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import astra_xr
from astra_xr import warned
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import InvalidParameter, ReadError

pytestmark = pytest.mark.filterwarnings("always:.*its item describes:UserWarning")
UTM = "EPSG:32610"
SIDE = 96
PROMISED = GeoBox((SIDE, SIDE), Affine(10, 0, 500000, 0, -10, 4200000), UTM)
SINUSOIDAL = (
    "+proj=sinu +lon_0=-120 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"  # as MODIS has it
)


def wkt(box: GeoBox) -> str:
    return pyproj.CRS(box.crs).to_wkt()


@dataclass(frozen=True)
class File:
    """A file of one plane whose numbers say where they are: row · 1000 + column + 1."""

    path: Path
    box: GeoBox

    @classmethod
    def write(cls, folder: Path, box: GeoBox, *, strips: bool = False, **options: Any) -> File:
        rows, cols = box.shape
        stored = np.add.outer(np.arange(rows) * 1000, np.arange(cols)).astype("int32") + 1
        profile = {"driver": "GTiff", "count": 1, "dtype": "int32", "nodata": 0, "width": cols,
                   "height": rows}  # fmt: skip
        if box.crs is not None:
            profile["crs"] = wkt(box)
        if not box.affine.is_identity:
            profile["transform"] = box.affine
        tiles = {} if strips else {"tiled": True, "blockxsize": 32, "blockysize": 32}
        path = folder / "a.tif"
        with rasterio.open(path, "w", **profile | tiles | options) as file:
            file.write(stored, 1)
        return cls(path, box)

    def item(self, said: GeoBox | None = PROMISED, **fields: Any) -> dict[str, Any]:
        """An item with or without the file's position."""
        asset: dict[str, Any] = {"href": str(self.path), "type": "image/tiff", "roles": ["data"]}
        properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
        if said is not None:
            asset["raster:bands"] = [{"data_type": "int32", "nodata": 0}]
            properties |= {
                "proj:wkt2": wkt(said),
                "proj:shape": list(said.shape),
                "proj:transform": list(said.affine)[:6],
            }
        return {"type": "Feature", "id": "a", "properties": properties | fields,
                "assets": {"data": asset}}  # fmt: skip

    def band(self, said: GeoBox | None = PROMISED, **options: Any) -> xr.DataArray:
        return astra_xr.open_scene(self.item(said), **options)["data"]

    def bare(self, box: GeoBox, **options: Any) -> xr.DataArray | np.ndarray:
        """Without a word of its item on a grid, or NaN: one that is elsewhere is refused."""
        try:
            return self.band(None, geobox=box, **options)
        except InvalidParameter:
            return np.full(box.shape, np.nan)

    def check(self, found: xr.DataArray) -> None:
        """Hold the numbers, nearest ones, against where each pixel's center is in the file."""
        box = found.odc.geobox
        cols, rows = np.meshgrid(np.arange(box.shape.x) + 0.5, np.arange(box.shape.y) + 0.5)
        way = pyproj.Transformer.from_crs(wkt(box), wkt(self.box), always_xy=True)
        x, y = way.transform(*(box.affine @ (cols, rows)))
        across, down = ~self.box.affine @ (np.asarray(x), np.asarray(y))
        slack = 0.01
        height, width = self.box.shape
        values = np.asarray(found)
        data = np.isfinite(values)
        inside = (
            (across > slack) & (across < width - slack) & (down > slack) & (down < height - slack)
        )
        outside = (across < -slack) | (across > width + slack)
        outside |= (down < -slack) | (down > height + slack)
        assert data[inside].all()
        assert not data[outside].any()
        row, col = np.divmod(values[data] - 1, 1000)
        assert np.abs(col + 0.5 - across[data]).max(initial=0) <= 0.5 + slack
        assert np.abs(row + 0.5 - down[data]).max(initial=0) <= 0.5 + slack


@pytest.fixture(autouse=True)
def _anew() -> None:
    """Each test warns again."""
    warned._seen.clear()


@pytest.fixture
def heard(recwarn: pytest.WarningsRecorder) -> Callable[[], list[str]]:
    return lambda: [
        str(each.message) for each in recwarn if "its item describes" in str(each.message)
    ]


def moved(box: GeoBox, affine: Affine, shape: tuple[int, int] | None = None) -> GeoBox:
    """A grid whose pixels are those of another one after a change of columns and rows."""
    return GeoBox(shape or box.shape, box.affine @ affine, box.crs)


def in_crs(crs: str, shape: tuple[int, int] = (SIDE, SIDE)) -> GeoBox:
    """A grid of another CRS over the promised one."""
    return PROMISED.to_crs(crs, resolution="auto", tight=True).zoom_to(shape)


FILES = {
    "by whole pixels": moved(PROMISED, Affine.translation(-23, 14)),
    "by half a pixel": moved(PROMISED, Affine.translation(0.5, -0.5)),
    "far away": moved(PROMISED, Affine.translation(1e5, 0)),
    "larger pixels": moved(PROMISED, Affine.scale(3), (SIDE // 3, SIDE // 3)),
    "smaller pixels": moved(PROMISED, Affine.scale(0.5), (2 * SIDE, 2 * SIDE)),
    "fewer rows": moved(PROMISED, Affine.identity(), (SIDE - 20, SIDE)),
    "rows and columns swapped": moved(PROMISED, Affine.identity(), (SIDE // 2, SIDE * 2)),
    "south up": moved(PROMISED, Affine.translation(0, SIDE) @ Affine.scale(1, -1)),
    "rotated": moved(PROMISED, Affine.translation(20, -20) @ Affine.rotation(20)),
    "another zone": in_crs("EPSG:32611"),
    "degrees": in_crs("EPSG:4326", (80, 120)),
    "a CRS without a code": in_crs(SINUSOIDAL),
}  # fmt: skip


@pytest.mark.parametrize("strips", [False, True], ids=["tiles", "strips"])
@pytest.mark.parametrize("box", FILES.values(), ids=FILES)
def test_pixels_are_where_the_file_has_them_for_every_method(
    tmp_path: Path, heard: Callable[[], list[str]], box: GeoBox, strips: bool
) -> None:
    file = File.write(tmp_path, box, strips=strips)
    nearest = file.band(resampling="nearest")
    assert nearest.odc.geobox == PROMISED
    file.check(nearest)
    grids: list[dict[str, Any]] = [
        {}, {"resolution": 5}, {"resolution": 20}, {"resolution": 40, "resampling": "nearest"},
        {"crs": "EPSG:3857"}, {"x": (500200, 500500), "y": (4199300, 4199700)},
    ]  # fmt: skip
    for grid in grids if not strips else grids[:3]:
        lazy = file.band(**grid)
        # As one that is opened without a word of its item on the same grid.
        way = {"resampling": grid["resampling"]} if "resampling" in grid else {}
        bare = file.bare(lazy.odc.geobox, **way)
        np.testing.assert_array_equal(lazy, bare)
        points = {name: xr.DataArray(picks, dims="p")
                  for name, picks in {"x": [3, -4, 17], "y": [5, 11, -2]}.items()}  # fmt: skip
        np.testing.assert_array_equal(file.band(**grid).isel(points), lazy.isel(points))
        part = {"x": slice(5, 40), "y": slice(-25, None)}
        np.testing.assert_array_equal(file.band(**grid).isel(part), lazy.isel(part))
    (warning,) = heard()
    assert "its item describes 96 x 96 pixels at (10, 0, 500000, 0, -10, 4200000)" in warning
    rows, cols = box.shape
    assert f"the file has {rows} x {cols} pixels at ({box.affine.a:.10g}, " in warning


@pytest.mark.parametrize("strips", [False, True], ids=["tiles", "strips"])
def test_a_shift_by_whole_pixels_is_a_cut(tmp_path: Path, strips: bool) -> None:
    file = File.write(tmp_path, FILES["by whole pixels"], strips=strips)
    with rasterio.open(file.path) as source:
        stored = source.read(1)
    expected = np.full((SIDE, SIDE), np.nan)
    expected[14:, : SIDE - 23] = stored[: SIDE - 14, 23:]
    for way in ("nearest", "bilinear", "average", "mode"):
        np.testing.assert_array_equal(file.band(resampling=way), expected)
    numbers = file.band(mask_and_scale=False)
    np.testing.assert_array_equal(numbers, np.nan_to_num(expected))


def test_bands_are_resampled_as_requested(tmp_path: Path) -> None:
    file = File.write(tmp_path, FILES["larger pixels"])
    for way in ("nearest", "bilinear", "cubic"):
        bare = file.band(None, geobox=PROMISED, resampling=way)
        np.testing.assert_array_equal(file.band(resampling=way), bare)
    fine = File.write(tmp_path, FILES["smaller pixels"]).band()
    with rasterio.open(file.path) as source:
        stored = source.read(1)
    means = stored.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    np.testing.assert_allclose(fine, means)


@pytest.mark.filterwarnings("ignore:.*is not computed from reflectance:UserWarning")
@pytest.mark.parametrize("box", [FILES["by whole pixels"], FILES["by half a pixel"]])
def test_indices_masks_stacks_thumbnails_and_awaited_reads(tmp_path: Path, box: GeoBox) -> None:
    file = File.write(tmp_path, box)
    right = file.band().load()
    item = file.item()
    item["assets"] |= {"red": item["assets"]["data"], "nir": item["assets"]["data"]}
    ds = astra_xr.open_scene(item, ["red", "nir"])
    one = ds.assign(nir=ds.nir * 2)
    np.testing.assert_array_equal((one.nir - ds.red).load(), right)
    ratio = ds.astra.index("NDVI")
    np.testing.assert_array_equal(np.isnan(ratio), np.isnan(right))
    stack = astra_xr.open_scenes([file.item()])["data"]
    np.testing.assert_array_equal(stack[0], right)
    awaited = file.band()
    asyncio.run(awaited.load_async())
    np.testing.assert_array_equal(awaited, right)
    chunked = file.band(chunks={"x": 40, "y": 33})
    np.testing.assert_array_equal(chunked, right)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(file.band())), right)
    small = coarser(file.band().to_dataset(), 48)["data"]
    bare = file.band(None, geobox=PROMISED).to_dataset()
    np.testing.assert_array_equal(small, coarser(bare, 48)["data"])


def test_parts_of_a_stack_of_scenes_at_other_positions_equal_the_whole(tmp_path: Path) -> None:
    files, items = [], []
    for number, shift in enumerate([(0, 0), (60, 0)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = moved(PROMISED, Affine.translation(*shift))
        # The second reaches into what only the first may fill.
        file = File.write(folder, moved(said, Affine.translation(-30 * number, 7)))
        files.append(file)
        items.append(file.item(said) | {"id": f"scene{number}"})
    stack = astra_xr.open_scenes(items, groupby="solar_day")["data"]
    whole = stack.load()
    for x in (slice(0, 20), slice(20, 70), slice(70, None), slice(50, 51)):
        lazy = astra_xr.open_scenes(items, groupby="solar_day")["data"]
        np.testing.assert_array_equal(lazy.isel(x=x), whole.isel(x=x))
    left, right = (each.band(None, geobox=stack.odc.geobox) for each in files)
    first = left.where(left.notnull(), right.where(stack.x > 500000 + 10 * 60))
    np.testing.assert_array_equal(whole[0, :, :SIDE], first[:, :SIDE])


@pytest.mark.parametrize(
    "said",
    [
        GeoBox(PROMISED.shape, PROMISED.affine @ Affine.translation(0.02, 0.02), UTM),
        GeoBox(PROMISED.shape, PROMISED.affine @ Affine.scale(1 + 1e-4), UTM),
        GeoBox(PROMISED.shape, PROMISED.affine, pyproj.CRS(UTM).to_wkt("WKT1_GDAL")),
        GeoBox(PROMISED.shape, PROMISED.affine, "+proj=utm +zone=10 +datum=WGS84 +type=crs"),
        GeoBox(PROMISED.shape, PROMISED.affine, pyproj.CRS(UTM).to_wkt().replace("UTM", "my")),
        GeoBox(PROMISED.shape, PROMISED.affine, "EPSG:26910"),  # NAD83: the same to a meter
    ],
    ids=["rounded", "rounded size", "old WKT", "PROJ", "another name", "another datum"],
)
@pytest.mark.parametrize("strips", [False, True], ids=["tiles", "strips"])
def test_what_means_the_same_place_is_silent(
    tmp_path: Path, heard: Callable[[], list[str]], said: GeoBox, strips: bool
) -> None:
    file = File.write(tmp_path, PROMISED, strips=strips)
    with rasterio.open(file.path) as source:
        np.testing.assert_array_equal(file.band(said), source.read(1))
    assert not heard()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_without_a_place_is_where_its_item_says(tmp_path: Path) -> None:
    nowhere = GeoBox((SIDE, SIDE), Affine.identity(), None)
    file = File.write(tmp_path, nowhere)
    with rasterio.open(file.path) as source:
        np.testing.assert_array_equal(file.band(PROMISED), source.read(1))
    other = moved(PROMISED, Affine.identity(), (SIDE, SIDE - 1))
    with pytest.raises(ReadError, match=r"\(96, 96\).*item describes \(96, 95\)"):
        file.band(other).load()


@pytest.mark.parametrize("strips", [False, True], ids=["tiles", "strips"])
def test_a_replaced_file_is_read_at_its_new_position(tmp_path: Path, strips: bool) -> None:
    file = File.write(tmp_path, PROMISED, strips=strips)
    lazy = file.band(resolution=20, resampling="nearest")
    file.check(lazy.copy())
    file = File.write(tmp_path, FILES["by whole pixels"], strips=strips)
    file.check(lazy.isel(x=slice(None)))


def affines() -> st.SearchStrategy[Affine]:
    """Changes of the promised grid: shifts, sizes, flips, turns."""
    steps = st.one_of(st.integers(-120, 120), st.floats(-120, 120))
    sizes = st.sampled_from([1.0, 1.0, 0.5, 2.0, 3.0, 1.37])
    return st.builds(
        lambda right, down, size, flip, turn: (
            Affine.translation(right, down)
            @ Affine.scale(size, -size if flip else size)
            @ Affine.rotation(turn)
        ),
        steps, steps, sizes, st.booleans(), st.sampled_from([0, 0, 0, 5, 30, 90]),
    )  # fmt: skip


@given(
    change=affines(),
    shape=st.tuples(st.integers(30, 130), st.integers(30, 130)),
    crs=st.sampled_from([UTM, UTM, "EPSG:32611", "EPSG:3857", "EPSG:4326", SINUSOIDAL]),
    strips=st.booleans(),
    data=st.data(),
)
@settings(max_examples=20)
def test_any_file_against_any_item(
    change: Affine, shape: tuple[int, int], crs: str, strips: bool, data: st.DataObject
) -> None:
    base = PROMISED if crs == UTM else in_crs(crs)
    with tempfile.TemporaryDirectory() as folder:
        file = File.write(Path(folder), moved(base, change, shape), strips=strips)
        whole = file.band(resampling="nearest").load()
        file.check(whole)
        rows, cols = (
            slice(*sorted(data.draw(st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)))))
            for _ in "yx"
        )
        part = file.band(resampling="nearest").isel(y=rows, x=cols)
        np.testing.assert_array_equal(part, whole.isel(y=rows, x=cols))
        if min(part.shape) > 1:
            file.check(part)
        bare = file.bare(PROMISED, resampling="average")
        np.testing.assert_array_equal(file.band(resampling="average"), bare)
