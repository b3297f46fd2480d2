"""What an item says of the place: held against its own boxes, and against the file's CRS."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

import astra_xr
from astra_xr import warned
from astra_xr.errors import ReadError
from astra_xr.missions.items import clean_item
from astra_xr.model import Grid
from astra_xr.resolver.grids import grid_problem, item_grid

Json = dict[str, Any]
UTM = "EPSG:32610"
ROWS, COLS = 60, 90
TRANSFORM = [10, 0, 600000, 0, -10, 4200000]
MODIS = CRS("+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs").to_wkt()
pytestmark = pytest.mark.filterwarnings("always:.*its item describes:UserWarning")


@pytest.fixture(autouse=True)
def _anew() -> None:
    warned._seen.clear()


def write(folder: Path, crs: str | None = UTM, transform: Any = TRANSFORM) -> Path:
    """A file whose numbers say where they are."""
    path = folder / "a.tif"
    stored = np.arange(1, ROWS * COLS + 1, dtype="int16").reshape(ROWS, COLS)
    place = {"transform": Affine(*transform[:6])} if transform else {}
    profile = {"driver": "GTiff", "count": 1, "dtype": "int16", "width": COLS, "height": ROWS,
               "crs": crs, "nodata": 0, "tiled": True, "blockxsize": 32,
               "blockysize": 32}  # fmt: skip
    with rasterio.open(path, "w", **profile | place) as file:
        file.write(stored, 1)
    return path


def item(path: Path, *, typed: bool = True, bbox: Any = None, **said: Any) -> Json:
    """An item that says this of its place; with its type, so that no header need be read."""
    asset: Json = {"href": str(path), "type": "image/tiff", "roles": ["data"]}
    if typed:
        asset["raster:bands"] = [{"data_type": "int16", "nodata": 0}]
    properties = {f"proj:{name}": value for name, value in said.items()}
    found = {"type": "Feature", "id": "a", "properties": properties, "assets": {"b": asset}}
    return found | ({"bbox": bbox} if bbox else {})


def lonlat(transform: Any = TRANSFORM, crs: str = UTM, shape: Any = (ROWS, COLS)) -> list[float]:
    """The box in degrees, by PROJ along the outline."""
    box = GeoBox(tuple(shape), Affine(*transform[:6]), crs)
    edge = np.linspace(0, 1, 40)
    zero, one = np.zeros(40), np.ones(40)
    across = np.concatenate([edge, edge, zero, one]) * shape[1]
    down = np.concatenate([zero, one, edge, edge]) * shape[0]
    x, y = box.affine @ (across, down)
    lons, lats = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return [float(v) for v in (min(lons), min(lats), max(lons), max(lats))]


BBOX = lonlat()
SAID: Json = {"epsg": 32610, "shape": [ROWS, COLS], "transform": TRANSFORM}
WRONG: dict[str, Json] = {
    "in GDAL's order": {"transform": [600000, 10, 0, 4200000, 0, -10]},
    "pixels ten times too small": {"transform": [1, 0, 600000, 0, -1, 4200000]},
    "rows and columns swapped": {"shape": [COLS, ROWS]},
    "the other hemisphere": {"transform": [10, 0, 600000, 0, -10, -4200000]},
    "another zone": {"epsg": 32633},
    "degrees for meters": {"epsg": 4326, "transform": [1e-4, 0, 7, 0, -1e-4, 5]},
    "x and y swapped": {"transform": [0, 10, 4200000, -10, 0, 600000]},
}  # fmt: skip


def exact(path: Path, found: Any) -> None:
    """The Dataset is the file, number for number and place for place."""
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(found["b"], file.read(1))
        assert found.odc.geobox.affine == file.transform


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("by", ["bbox", "geometry"])
def test_a_grid_that_contradicts_its_item_gives_way_to_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: Json, by: str
) -> None:
    path = write(tmp_path)
    said = item(path, bbox=BBOX, **SAID | wrong)
    if by == "geometry":
        west, south, east, north = said.pop("bbox")
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        said["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    said["assets"]["c"] = said["assets"]["b"]
    ds = astra_xr.open_scene(said)
    exact(path, ds)
    (message,) = [each for each in caplog.messages if "proj: fields" in each]
    assert "is not used: it" in message
    part = astra_xr.open_scene(
        said, "b", bbox=lonlat([10, 0, 600100, 0, -10, 4199900], UTM, (9, 9))
    )
    assert set(np.unique(part["b"])) <= set(np.unique(ds["b"]))
    assert part["b"].notnull().all()


@pytest.mark.parametrize(
    ("wrong", "box"),
    [
        ({"shape": [COLS, ROWS]}, None),
        ({"transform": [100, 0, 600000, 0, -100, 4200000]}, None),
        ({"transform": [100, 0, 600000, 0, -100, 4200000]}, BBOX),
        ({"transform": [10, 0, 500000, 0, -10, 4200000]}, None),
    ],
)
def test_a_grid_that_contradicts_proj_bbox_gives_way_to_the_file(
    tmp_path: Path, wrong: Json, box: Any
) -> None:
    path = write(tmp_path)
    bounds = [600000, 4199400, 600900, 4200000]
    said = item(path, bbox=box, **SAID | wrong)
    said["properties"]["proj:bbox"] = bounds
    exact(path, astra_xr.open_scene(said))


def test_a_grid_larger_than_the_earth_gives_way_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    for epsg, transform in (
        (32610, [600000, 10, 0, 4200000, 0, -10]),
        (4326, [-9, 2e-4, 0, 15, 0, -2e-4]),
    ):
        said: Json = {"epsg": epsg, "shape": [900, 900], "transform": transform}
        exact(path, astra_xr.open_scene(item(path, **said)))


def test_neither_item_nor_file_has_a_position(tmp_path: Path) -> None:
    said = item(tmp_path / "gone.tif", bbox=BBOX, **SAID | WRONG["another zone"])
    with pytest.raises(ReadError) as caught:
        astra_xr.open_scene(said)
    message = str(caught.value)
    assert "No such file" in message
    assert "while the item's bbox is (-121.8" in message
    assert "correct proj:transform" in message


GRIDS = st.sampled_from(
    [
        ("EPSG:32610", [30, 0, 300000, 0, -30, 4200000], (7000, 7600)),
        ("EPSG:32733", [10, 0, 499980, 0, -10, 6200020], (10980, 10980)),
        ("EPSG:32601", [30, 0, 300000, 0, -30, 7200000], (7000, 7600)),  # across the antimeridian
        ("EPSG:32701", [30, 0, 200000, 0, 30, 7200000], (7000, 7600)),  # y up
        ("EPSG:32655", [30, 0, 355785, 0, -30, -4821585], (7881, 7871)),  # south by a northern code
        ("EPSG:32632", [7, 7, 500000, 7, -7, 5500000], (3000, 2000)),  # rotated
        ("EPSG:4326", [1 / 3600, 0, 10, 0, -1 / 3600, 51], (3600, 3600)),
        ("EPSG:4326", [0.25, 0, 0, 0, -0.25, 90.125], (721, 1440)),  # 0..360°
        ("EPSG:3413", [100, 0, -300000, 0, -100, 300000], (6000, 6000)),  # over the pole
        ("EPSG:3857", [0.6, 0, 1e6, 0, -0.6, 6e6], (100, 50)),
        ("EPSG:26911", [0.6, 0, 552066, 0, -0.6, 5205636], (12310, 8700)),
        (MODIS, [463.3127165275, 0, 1111950.519667, 0, -463.3127165275, -1111950.519667],
         (2400, 2400)),
        (MODIS, [463.3127165275, 0, -20015109.354, 0, -463.3127165275, 1111950.52], (2400, 2400)),
        ("IAU_2015:30100", [1e-3, 0, 20, 0, -1e-3, 5], (100, 100)),
    ]
)  # fmt: skip


def outline(grid: Grid) -> tuple[Any, Any]:
    """Points of a grid in degrees, by its own geographic CRS; those off the earth left out."""
    rows, cols = grid.shape
    down, across = np.meshgrid(np.linspace(0, rows, 33), np.linspace(0, cols, 33))
    a, b, c, d, e, f = grid.transform
    x, y = a * across + b * down + c, d * across + e * down + f
    geographic = CRS(grid.crs).geodetic_crs
    lons, lats = Transformer.from_crs(grid.crs, geographic, always_xy=True).transform(x, y)
    known = np.isfinite(lons) & np.isfinite(lats)
    return lons[known], lats[known]


@given(told=GRIDS, rounded=st.sampled_from([None, 6, 2, 1]), cut=st.floats(0, 0.95),
       wide=st.booleans())  # fmt: skip
def test_honest_boxes_throw_no_grid_out(
    told: Any, rounded: int | None, cut: float, wide: bool
) -> None:
    """Boxes of valid pixels, rounded ones, across the antimeridian, around a pole."""
    crs, transform, shape = told
    grid = Grid(crs=crs, shape=shape, transform=tuple(transform))
    lons, lats = outline(grid)
    middle = float(lons[len(lons) // 2])
    around = (lons - middle + 180) % 360 - 180 + middle
    west, east = float(around.min()), float(around.max())
    south, north = float(lats.min()), float(lats.max())
    # The valid pixels are a part.
    south, west = south + cut * (north - south), west + cut * (east - west)
    if wide or east - west >= 350:
        west, east = (
            (-180, 180) if east - west >= 350 or west < -180 or east > 180 else (west, east)
        )
    else:
        west, east = ((lon + 180) % 360 - 180 for lon in (west, east))
    box = [west, south, east, north]
    if rounded is not None:
        box = [round(edge, rounded) for edge in box]
    said = {"proj:code" if "[" not in crs else "proj:wkt2": crs, "proj:shape": list(shape),
            "proj:transform": transform}  # fmt: skip
    raw = {"id": "x", "bbox": box, "properties": said}
    assert grid_problem(raw, {}) == ""
    found = item_grid(raw, {})
    assert found is not None
    assert found.transform == grid.transform


@given(right=st.integers(-3, 3), down=st.integers(-3, 3), size=st.sampled_from([0.1, 1, 1.0]))
def test_a_box_beside_the_grid_throws_it_out(right: int, down: int, size: float) -> None:
    width, height = 10 * COLS, 10 * ROWS
    elsewhere = [10 * size, 0, 600000 + right * width, 0, -10 * size, 4200000 + down * height]
    raw = {"id": "x", "bbox": BBOX, "properties": {
        "proj:epsg": 32610, "proj:shape": [ROWS, COLS], "proj:transform": elsewhere}}  # fmt: skip
    assert (item_grid(raw, {}) is None) == ((right, down, size) != (0, 0, 1))


def test_recorded_items_keep_their_grids(shared: Path) -> None:
    """Only one asset of a real item gives a grid that cannot be: 20 m pixels for 60 m ones."""
    thrown = []
    for path in sorted(shared.glob("items/*/*.json")):
        recorded = clean_item(json.loads(path.read_text(encoding="utf-8")))
        thrown += [key for key, raw in recorded["assets"].items() if grid_problem(recorded, raw)]
    assert thrown == ["B07_60m"]


def test_opening_reads_no_file_where_the_item_gives_its_grid(tmp_path: Path) -> None:
    gone = tmp_path / "gone.tif"
    for bbox in (None, BBOX, [BBOX[0], BBOX[1], *np.mean([BBOX[:2], BBOX[2:]], 0).tolist()]):
        ds = astra_xr.open_scene(item(gone, bbox=bbox, **SAID))
        assert ds["b"].shape == (ROWS, COLS)


ODD: dict[str, Json] = {
    "EPSG:None": {"code": "EPSG:None", "wkt2": CRS(UTM).to_wkt()},
    "None": {"code": "None", "epsg": 32610},
    "user-defined": {"code": "EPSG:32767", "projjson": CRS(UTM).to_json_dict()},
    "text": {"epsg": "32610"},
    "a compound": {"code": "EPSG:32610+5773"},
    "nothing that PROJ knows": {"code": "None", "wkt2": "PROJCS["},
    "empty": {"code": "", "epsg": None, "wkt2": ""},
    "a list": {"epsg": [32610]},
    "shape as text": {"epsg": 32610, "shape": [str(ROWS), str(COLS)]},
    "shape of three": {"epsg": 32610, "shape": [ROWS, COLS, 1]},
    "shape of nothing": {"epsg": 32610, "shape": [0, 0]},
    "transform as text": {"epsg": 32610, "transform": list(map(str, TRANSFORM))},
    "a transform of zeros": {"epsg": 32610, "transform": [0] * 6},
    "half a transform": {"epsg": 32610, "transform": TRANSFORM[:3]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("typed", [True, False], ids=["typed", "bare"])
def test_an_odd_field_gives_way_to_the_next_then_to_the_file(
    tmp_path: Path, odd: Json, typed: bool
) -> None:
    path = write(tmp_path)
    said = {"shape": [ROWS, COLS], "transform": TRANSFORM} | odd
    exact(path, astra_xr.open_scene(item(path, typed=typed, bbox=BBOX, **said)))


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "bare"])
@pytest.mark.parametrize("place", [True, False], ids=["grid", "CRS alone"])
@pytest.mark.parametrize("code", ["EPSG:32610", "wkt"])
def test_a_crs_that_only_the_item_has(tmp_path: Path, typed: bool, place: bool, code: str) -> None:
    path = write(tmp_path, crs=None)
    crs = {"code": code} if code != "wkt" else {"wkt2": MODIS}
    said = item(path, typed=typed, **(SAID if place else {}) | {"epsg": None} | crs)
    ds = astra_xr.open_scene(said)
    exact(path, ds)
    assert CRS(ds.rio.crs) == CRS(UTM if code != "wkt" else MODIS)
    other = astra_xr.open_scene(said, crs="EPSG:3857")["b"]
    assert other.notnull().any()
    assert float(ds["b"].sel(x=600105, y=4199895)) == 10 * COLS + 11


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "bare"])
def test_a_crs_that_only_the_file_has(tmp_path: Path, typed: bool) -> None:
    path = write(tmp_path)
    ds = astra_xr.open_scene(item(path, typed=typed, **SAID | {"epsg": None}))
    exact(path, ds)
    assert ds.rio.crs.to_epsg() == 32610


def test_a_crs_that_does_not_exist(tmp_path: Path) -> None:
    path = write(tmp_path, crs=None)
    with pytest.raises(ReadError, match="no coordinate reference system"):
        astra_xr.open_scene(item(path, **SAID | {"epsg": None}))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_place_that_only_the_item_has(tmp_path: Path) -> None:
    path = write(tmp_path, crs=None, transform=None)
    for typed in (True, False):
        ds = astra_xr.open_scene(item(path, typed=typed, **SAID))
        assert ds.odc.geobox.affine == Affine(*TRANSFORM)
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(ds["b"], file.read(1))


@pytest.mark.parametrize("strips", [False, True], ids=["tiles", "strips"])
def test_heights_in_the_files_crs_are_no_other_place(tmp_path: Path, strips: bool) -> None:
    path = write(tmp_path, crs="EPSG:32610+5773")
    if strips:
        with rasterio.open(path) as file:
            profile, stored = file.profile | {"tiled": False}, file.read()
        with rasterio.open(path, "w", **profile) as file:
            file.write(stored)
    for typed in (True, False):
        exact(path, astra_xr.open_scene(item(path, typed=typed, **SAID)))
    bare = astra_xr.open_scene(item(path, typed=False))
    exact(path, bare)
    assert bare.rio.crs.to_epsg() == 32610
    assert not warned._seen


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "bare"])
def test_a_header_that_is_read_at_opening_gives_the_grid(tmp_path: Path, typed: bool) -> None:
    moved = [10, 0, 600230, 0, -10, 4199860]
    path = write(tmp_path, transform=moved)
    both = r"its item describes .*600000, .*the file has .*600230, "
    with pytest.warns(UserWarning, match=both) as caught:
        ds = astra_xr.open_scene(item(path, typed=typed, **SAID)).load()
    assert len([each for each in caught if "its item describes" in str(each.message)]) == 1
    left = {True: 600005, False: 600235}[typed]
    assert math.isclose(float(ds.x[0]), left)
    assert float(ds["b"].sel(x=600235, y=4199855)) == 1


def case(shared: Path, name: str, path: Path) -> Json:
    found: Json = json.loads((shared.parent / f"cases/{name}.json").read_text(encoding="utf-8"))
    for asset in found["assets"].values():
        asset["href"] = path.as_uri()
    return found


def sparse(path: Path, crs: str, shape: Any, transform: Any, dtype: str, pixels: Any) -> Path:
    """A large file of few pixels."""
    profile = {"driver": "GTiff", "count": 1, "dtype": dtype, "crs": crs, "height": shape[0],
               "width": shape[1], "transform": Affine(*transform), "tiled": True,
               "sparse_ok": True}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        for (row, col), value in pixels.items():
            window = rasterio.windows.Window(col, row, 1, 1)
            file.write(np.full((1, 1, 1), value, dtype), window=window)
    return path


@pytest.mark.parametrize("promised", [True, False], ids=["promised", "contradicted"])
def test_a_reprocessed_scene_at_another_position(
    shared: Path, tmp_path: Path, promised: bool
) -> None:
    corner = [10, 0, 373180, 0, -10, 3424680]
    path = sparse(tmp_path / "rtc.tif", "EPSG:32633", (1200, 2400), corner, "float32",
                  {(0, 0): 7, (14, 23): 5})  # fmt: skip
    said = case(shared, "pc417-transform-shifted", path)
    if promised:
        del said["bbox"], said["geometry"]
    vv = astra_xr.open_scene(said, "vv")["vv"]
    if promised:
        assert float(vv.x[0]) == 373415
        with pytest.warns(UserWarning, match="373410.*373180"):
            vv.load()
    else:
        assert float(vv.x[0]) == 373185
        assert float(vv.sel(x=373185, y=3424675)) == 7
    # The corner of the item's grid is 23 columns and 14 rows into the file.
    assert float(vv.sel(x=373415, y=3424535)) == 5


def test_a_transform_in_gdals_order(shared: Path, tmp_path: Path) -> None:
    path = sparse(tmp_path / "i16.tif", UTM, (512, 512), [30, 0, 500000, 0, -30, 4000000], "int16",
                  {(0, 0): 1, (100, 200): 2})  # fmt: skip
    said = case(shared, "proj-transform-gdal-order", path)
    ds = astra_xr.open_scene(said, crs=UTM, bbox=(-122.99, 36.0, -122.9, 36.1))
    whole = astra_xr.open_scene(said)["b"]
    assert whole.odc.geobox.affine == Affine(30, 0, 500000, 0, -30, 4000000)
    assert float(whole[100, 200]) == 2
    assert min(ds["b"].shape) > 200


def test_a_code_of_none_beside_wkt(shared: Path, tmp_path: Path) -> None:
    transform = [463.3127165275, 0, 1111950.519667, 0, -463.3127165275, -1111950.519667]
    path = sparse(tmp_path / "m.tif", MODIS, (2400, 2400), transform, "int16", {(3, 5): 1234})
    said = case(shared, "modis-proj-code-epsg-none", path)
    band = astra_xr.open_scene(said, "red")["red"]
    assert band.odc.geobox.crs == CRS(said["properties"]["proj:wkt2"])
    assert float(band[3, 5]) == pytest.approx(0.1234)
    assert not warned._seen
