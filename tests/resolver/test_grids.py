"""Grids: where pixels lie, as items tell it, and the geometry of it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

import astra_xr
from astra_xr import warned
from astra_xr.errors import InvalidItem, ReadError
from astra_xr.model import Grid
from astra_xr.resolver.grids import check_gridded, item_grid
from astra_xr.testing import write_cog

Json = dict[str, Any]
TRANSFORM = [10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0]
WHOLE: Json = {"proj:epsg": 32610, "proj:shape": [20, 10], "proj:transform": TRANSFORM}
GRID = Grid(crs="EPSG:32610", shape=(20, 10), transform=(10, 0, 499980, 0, -10, 4200000))
WKT = CRS("+proj=sinu +R=6371007.181 +units=m").to_wkt()


def grid(asset: Json, **properties: Any) -> Grid | None:
    return item_grid({"id": "x", "properties": properties}, asset)


def part(*names: str) -> Json:
    return {f"proj:{name}": WHOLE[f"proj:{name}"] for name in names}


class TestItemGrid:
    @pytest.mark.parametrize(
        ("asset", "properties"),
        [
            (WHOLE, {}),
            ({}, WHOLE),
            (WHOLE, {"proj:shape": [1, 1], "proj:transform": [1, 0, 0, 0, -1, 0]}),
            # Sentinel-2: the CRS at the item, the rest at the asset.
            (part("shape", "transform"), part("epsg")),
            # Earth Search v0 and HLS write nine values, CDSE a code and no EPSG number.
            ({**WHOLE, "proj:transform": [*TRANSFORM, 0, 0, 1]}, {}),
            ({**part("shape", "transform"), "proj:code": "EPSG:32610"}, {}),
            ({**part("shape", "transform"), "proj:epsg": 32610.0}, {}),
            ({**WHOLE, "proj:code": "EPSG:32610", "proj:epsg": None}, {"proj:epsg": 4326}),
            ({**WHOLE, "proj:transform": [int(n) for n in TRANSFORM]}, {}),
        ],
    )
    def test_asset_first_then_item(self, asset: Json, properties: Json) -> None:
        assert grid(asset, **properties) == GRID

    @pytest.mark.parametrize(
        ("told", "crs"),
        [
            ({"proj:epsg": 32720}, "EPSG:32720"),
            ({"proj:code": "EPSG:32720"}, "EPSG:32720"),
            ({"proj:code": "IAU_2015:30100"}, "IAU_2015:30100"),
            # MODIS.
            ({"proj:epsg": None, "proj:wkt2": WKT}, WKT),
            ({"proj:code": None, "proj:epsg": 4326, "proj:wkt2": WKT}, "EPSG:4326"),
            ({"proj:code": "EPSG:32720", "proj:epsg": 4326}, "EPSG:32720"),
            ({"proj:projjson": CRS(32720).to_json_dict()}, "EPSG:32720"),
            # The next field, where one names nothing.
            ({"proj:code": "EPSG:None", "proj:wkt2": WKT}, WKT),
            ({"proj:code": "None", "proj:epsg": "32720"}, "EPSG:32720"),
            ({"proj:code": "EPSG:32767", "proj:epsg": "EPSG:32720"}, "EPSG:32720"),
            ({"proj:code": ["EPSG"], "proj:epsg": 999999, "proj:wkt2": WKT}, WKT),
            ({"proj:code": "EPSG:5773", "proj:wkt2": "PROJCS[", "proj:projjson": {}}, None),
            # Without heights.
            ({"proj:code": "EPSG:32632+5773"}, "EPSG:32632"),
            ({"proj:code": "EPSG:4979"}, "EPSG:4326"),
        ],
    )
    def test_crs(self, told: Json, crs: str | None) -> None:
        for asset, properties in ((told, {}), ({}, told)):
            place = {"proj:shape": [20, 10], "proj:transform": [1, 0, 9, 0, -1, 45]}
            found = grid({**place, **asset}, **properties)
            if crs is None or ":projjson" in str(told):
                known = found and CRS(found.crs).to_authority()
                assert known == (crs and tuple(crs.split(":")))
                continue
            assert found is not None
            assert found.crs == crs

    @pytest.mark.parametrize(
        ("asset", "properties"),
        [
            ({}, {}),
            (part("epsg"), {}),
            (part("epsg", "shape"), {}),
            (part("epsg", "transform"), {}),
            (part("shape", "transform"), {}),
            ({**WHOLE, "proj:epsg": None}, {}),
            ({**WHOLE, "proj:shape": None}, {}),
            ({**WHOLE, "proj:transform": []}, {}),
            # One of the asset never goes with one of the item.
            (part("shape"), part("epsg", "transform")),
            (part("transform"), part("epsg", "shape")),
        ],
    )
    def test_missing(self, asset: Json, properties: Json) -> None:
        assert grid(asset, **properties) is None

    @pytest.mark.parametrize(
        "odd",
        [
            {"proj:shape": [20]},
            {"proj:shape": [20, 10, 3]},
            {"proj:shape": 20},
            {"proj:shape": ["a", "b"]},
            {"proj:shape": [0, 10]},
            {"proj:shape": [20, -10]},
            {"proj:transform": TRANSFORM[:5]},
            {"proj:transform": [None] * 6},
            {"proj:transform": [0, 0, 1, 0, 0, 1]},
            {"proj:transform": [math.nan, *TRANSFORM[1:]]},
            {"proj:transform": [math.inf, *TRANSFORM[1:]]},
            {"proj:transform": 10},
            {"proj:epsg": "UTM"},
            {"proj:epsg": [32610]},
        ],
    )
    def test_odd_values(self, odd: Json) -> None:
        # The file tells.
        assert grid({**WHOLE, **odd}) is None
        assert grid({}, **{**WHOLE, **odd}) is None

    @pytest.mark.parametrize(
        "odd",
        [
            {"proj:shape": [math.inf, 10]},
            {"proj:epsg": math.inf},
            {"proj:transform": {"a": 10}},
            {"proj:shape": "12"},
            {"proj:transform": "123456"},
            {"proj:shape": [20.5, 10.5]},
        ],
    )
    def test_odder_values(self, odd: Json) -> None:
        assert grid({**WHOLE, **odd}) is None

    def test_text_for_numbers(self) -> None:
        told = {name: [str(n) for n in WHOLE[name]] for name in ("proj:shape", "proj:transform")}
        assert grid({**told, "proj:epsg": "32610"}) == GRID

    def test_the_log_names_the_item_and_the_field(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "astra_xr.resolver"):
            grid({**WHOLE, "proj:shape": [0, 0]})
            grid({**WHOLE, "proj:epsg": "UTM"})
        assert caplog.messages == [
            "x: shape (0, 0) has no pixels",
            "x: proj:epsg names no CRS that PROJ knows",
        ]

    def test_an_asset_of_another_shape(self) -> None:
        assert grid({"proj:shape": [10, 5]}, **WHOLE) is None


scales = st.floats(1e-4, 1e4).flatmap(lambda size: st.sampled_from([size, -size]))
shears = st.floats(-1e3, 1e3)
origins = st.floats(-1e7, 1e7)
shapes = st.tuples(st.integers(1, 20000), st.integers(1, 20000))
transforms = st.tuples(scales, shears, origins, shears, scales, origins).filter(
    lambda t: abs(t[0] * t[4] - t[1] * t[3]) > 1e-6
)


class TestGrid:
    @given(shape=shapes, transform=transforms)
    def test_geometry(
        self, shape: tuple[int, int], transform: tuple[float, float, float, float, float, float]
    ) -> None:
        found = Grid(crs="EPSG:32610", shape=shape, transform=transform)
        affine = Affine(*transform)
        rows, cols = shape
        corners = [affine * corner for corner in ((0, 0), (cols, 0), (0, rows), (cols, rows))]
        xs, ys = zip(*corners, strict=True)
        assert found.bounds == pytest.approx((min(xs), min(ys), max(xs), max(ys)))
        x0, y0 = affine * (0, 0)
        x1, y1 = affine * (1, 0)
        assert found.resolution == pytest.approx(math.hypot(x1 - x0, y1 - y0), rel=1e-4, abs=1e-6)

    def test_north_up(self) -> None:
        assert GRID.bounds == (499980, 4199800, 500080, 4200000)
        assert GRID.resolution == 10

    @pytest.mark.parametrize(
        "changed",
        [
            {"shape": (0, 1)},
            {"shape": (1, -1)},
            {"transform": (0, 0, 0, 0, 0, 0)},
            {"transform": (1, 1, 0, 1, 1, 0)},
            {"transform": (1, 0, math.nan, 0, -1, 0)},
            {"transform": (1, 0, 0, 0, -math.inf, 0)},
        ],
    )
    def test_valid_by_construction(self, changed: Json) -> None:
        told: Json = {"crs": "EPSG:4326", "shape": (1, 1), "transform": (1, 0, 0, 0, -1, 0)}
        with pytest.raises(ValueError, match="cannot be inverted|has no pixels"):
            Grid(**told | changed)

    def test_equal_and_hashable(self) -> None:
        same = Grid(crs="EPSG:32610", shape=(20, 10), transform=GRID.transform)
        assert len({GRID, same}) == 1


class TestBox:
    @pytest.mark.parametrize("level", ["asset", "item"])
    @pytest.mark.parametrize(
        "box", [[499980, 4199800, 500080, 4200000], [499980, 4199800, 0, 500080, 4200000, 9]]
    )
    def test_a_transform_from_box_and_shape(self, level: str, box: list[float]) -> None:
        told = part("epsg", "shape") | {"proj:bbox": box}
        assert (grid(told) if level == "asset" else grid({}, **told)) == GRID

    def test_the_transform_goes_first(self) -> None:
        box = [499980, 4199800, 500080, 4200000.4]
        assert grid({**WHOLE, "proj:bbox": box}) == GRID
        assert grid({**WHOLE, "proj:bbox": "odd"}) == GRID

    def test_a_box_of_the_item_is_not_one_of_the_asset(self) -> None:
        # A panchromatic band reaches half a pixel further than its item says.
        assert grid(part("epsg", "shape"), **{"proj:bbox": [499980, 4199800, 500080, 4200000]}) is (
            None
        )

    @pytest.mark.parametrize("box", [[1, 2, 3], ["a"] * 4, [0, 0, 0, 0], [math.nan] * 4, 5])
    def test_odd_boxes(self, box: Any) -> None:
        assert grid({**part("epsg", "shape"), "proj:bbox": box}) is None


class TestWrongZones:
    # A Landsat 8 scene of path 71, row 74 (Fiji): zone 1 south.
    FIJI = (-178.9, -21.3, -176.8, -19.3)

    @pytest.fixture(autouse=True)
    def _anew(self) -> None:
        warned._seen.clear()

    def found(self, epsg: int, top: float, box: Any) -> str | None:
        told = {
            "proj:epsg": epsg,
            "proj:shape": [7700, 7600],
            "proj:transform": [30, 0, 300_000, 0, -30, top],
        }
        item = {"id": "x", "bbox": list(box) if isinstance(box, tuple) else box, "properties": told}
        found = item_grid(item, {})
        return found.crs if found else None

    def test_mended_and_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.found(3271, 7_870_000, self.FIJI) == "EPSG:32701"
        assert caplog.messages == ["x: EPSG:3271 contradicts the item's bbox, using EPSG:32701"]

    @pytest.mark.parametrize(
        ("epsg", "top", "box", "crs"),
        [
            # With northings that count from the equator.
            (3271, -2_130_000, FIJI, "EPSG:32601"),
            # Across the antimeridian, in both ways to write it.
            (3271, 7_870_000, (-180.0, -21.3, 180.0, -19.3), "EPSG:32701"),
            (3265, 4_500_000, (-155.3, 38.6, -152.6, 40.6), "EPSG:32605"),
            # A scene of Germany with a code of the south, as HLS has them.
            (32732, 5_600_000, (6.2, 48.5, 9.3, 50.5), "EPSG:32632"),
            # A southern code with northings that count from the equator.
            (32756, -3_700_000, (150.8, -35.4, 153.2, -33.4), "EPSG:32656"),
            # Right as they are.
            (32656, -3_700_000, (150.8, -35.4, 153.2, -33.4), "EPSG:32656"),
            (32756, 6_300_000, (150.8, -35.4, 153.2, -33.4), "EPSG:32756"),
            (32632, 5_600_000, (6.2, 48.5, 9.3, 50.5), "EPSG:32632"),
            (32632, 5_600_000, (7.0, 49.0, 7.1, 49.1), "EPSG:32632"),
        ],
    )
    def test_where_the_item_says_that_it_is(
        self, epsg: int, top: float, box: Any, crs: str
    ) -> None:
        assert self.found(epsg, top, box) == crs

    @pytest.mark.parametrize(
        "box",
        [
            (165.0, -78.0, 170.0, -76.0),
            (-60.0, -21.3, -57.6, -19.3),
            (-178.9, 29.2, -176.8, 31.3),
        ],
    )
    def test_else_the_file_is_read(self, box: Any, caplog: pytest.LogCaptureFixture) -> None:
        assert self.found(3271, 7_870_000, box) is None
        (message,) = caplog.messages
        assert message.startswith("x: the grid of its proj: fields is not used: ")

    @pytest.mark.parametrize("box", [None, [], ["a"] * 4, [None] * 4, (1, 2, 3)])
    def test_of_no_box_nothing_is_known(self, box: Any) -> None:
        assert self.found(32701, 7_870_000, box) == "EPSG:32701"

    @pytest.mark.parametrize("epsg", [32701, 32610, 3261])
    def test_other_codes(self, epsg: int) -> None:
        assert self.found(epsg, 1_000_000, (0.0, 0.0, 1.0, 1.0)) is None


@pytest.mark.parametrize(
    ("crs", "transform", "box"),
    [
        # Around the meridian of Paris, from which this CRS counts degrees, of which it has 400.
        ("EPSG:27572", (100, 0, 550_000, 0, -100, 2_480_000), (1.65, 48.4, 3.02, 49.3)),
        # Mars, whose latitudes are planetocentric: 59274.7 m are a degree.
        ("IAU_2015:49912", (593, 0, 593_000, 0, -593, 2_371_000), (10, 30, 20, 40)),
        # Northing first; and feet.
        ("EPSG:2193", (200, 0, 1_980_000, 0, -200, 5_740_000), (177.4, -40.2, 179.8, -38.3)),
        ("EPSG:2225", (984, 0, 6_000_000, 0, -984, 2_500_000), (-124.0, 39.0, -120.5, 41.7)),
    ],
)
def test_boxes_are_degrees_from_greenwich_in_any_crs(crs: str, transform: Any, box: Any) -> None:
    told = {"proj:code": crs, "proj:shape": [1000, 1000], "proj:transform": list(transform)}
    assert item_grid({"id": "x", "bbox": list(box), "properties": {}}, told) is not None
    west, south, east, north = box
    span = east - west
    for other in ([west - span / 2, south, east - span / 2, north], [edge / 0.9 for edge in box]):
        assert item_grid({"id": "x", "bbox": other, "properties": {}}, told) is None


class TestControlPoints:
    GRD: ClassVar[Json] = {"sar:product_type": "GRD"}

    def test_a_made_up_transform_is_no_grid(self) -> None:
        told = {**WHOLE, "proj:epsg": 4326, **self.GRD}
        assert grid({}, **told) is None
        for properties in (told, self.GRD, {"sar:product_type": "SLC"}):
            with pytest.raises(InvalidItem, match=r"ground control points.*sentinel-1-rtc"):
                check_gridded({"id": "x", "properties": properties})

    def test_what_was_terrain_corrected_has_one(self) -> None:
        told = {**WHOLE, **self.GRD}
        assert grid({}, **told) == GRID
        check_gridded({"id": "x", "properties": told})
        check_gridded({"id": "x", "properties": {}})


@pytest.mark.parametrize("code", [32610, "32610", "EPSG:32610"])
def test_a_code_that_is_a_number(code: Any) -> None:
    assert grid({**part("shape", "transform"), "proj:code": code}) == GRID


class TestOpening:
    def item(self, folder: Path | None, **properties: Any) -> Json:
        path = folder and write_cog(folder / "a.tif", np.full((64, 64), 5, "uint8"))
        assets = {"a": {"href": str(path), "type": "image/tiff"}}
        return {"type": "Feature", "id": "x", "properties": properties, "assets": assets}

    def test_the_file_is_read_and_that_is_logged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "astra_xr.scenes"):
            ds = astra_xr.open_scene(self.item(tmp_path))
        assert ds.rio.crs.to_epsg() == 32610
        assert caplog.messages == [
            "x a: reading the file's header for what its item lacks: grid, scale, number of bands"
        ]

    @pytest.mark.parametrize("code", ["EPSG:999999", "nonsense", "PROJCS[", "EPSG:None", 32767])
    def test_an_unknown_crs_is_replaced_by_the_files(self, tmp_path: Path, code: Any) -> None:
        told = {"proj:shape": [64, 64], "proj:transform": [1, 0, 0, 0, -1, 0]}
        ds = astra_xr.open_scene(self.item(tmp_path, **told, **{"proj:code": code}))
        assert ds.rio.crs.to_epsg() == 32610
        np.testing.assert_array_equal(ds["a"], 5)

    def test_control_points(self, tmp_path: Path) -> None:
        item = self.item(tmp_path, **{"sar:product_type": "GRD"})
        with pytest.raises(InvalidItem, match="ground control points"):
            astra_xr.open_scene(item)
        assert astra_xr.resolve(item).assets

    def test_a_file_of_control_points(self, shared: Path) -> None:
        item = self.item(None)
        item["assets"]["a"]["href"] = str(shared / "rasters/odd/cog_gcps_ovr.tif")
        with pytest.raises(ReadError, match="has ground control points instead of a grid"):
            astra_xr.open_scene(item)


@pytest.mark.parametrize("rows", [2**31, 10**400])
def test_a_shape_larger_than_any_raster(rows: int) -> None:
    with pytest.raises(ValueError, match="larger than a raster can be"):
        Grid(crs="EPSG:32610", shape=(rows, 10), transform=(10, 0, 0, 0, -10, 0))
