"""Grids: where pixels lie, as items tell it, and the geometry of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.errors import InvalidItem
from astra_xr.model import Grid
from astra_xr.resolver.grids import item_grid

Json = dict[str, Any]
TRANSFORM = [10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0]
WHOLE = {"proj:epsg": 32610, "proj:shape": [20, 10], "proj:transform": TRANSFORM}
GRID = Grid(crs="EPSG:32610", shape=(20, 10), transform=(10, 0, 499980, 0, -10, 4200000))
WKT = 'PROJCS["MODIS Sinusoidal",GEOGCS["Unknown"]]'


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
            ({"proj:code": "EPSG:1", "proj:epsg": 2}, "EPSG:1"),
        ],
    )
    def test_crs(self, told: Json, crs: str) -> None:
        for asset, properties in ((told, {}), ({}, told)):
            found = grid({**part("shape", "transform"), **asset}, **properties)
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
        for asset, properties in (({**WHOLE, **odd}, {}), ({}, {**WHOLE, **odd})):
            with pytest.raises(InvalidItem, match="STAC item '.+' cannot be used: "):
                grid(asset, **properties)

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
        with pytest.raises(InvalidItem):
            grid({**WHOLE, **odd})

    def test_errors_name_the_item_and_the_field(self) -> None:
        with pytest.raises(InvalidItem, match="STAC item 'x' cannot be used: .*shape"):
            grid({**WHOLE, "proj:shape": [0, 0]})
        with pytest.raises(InvalidItem, match="proj:epsg"):
            grid({**WHOLE, "proj:epsg": "UTM"})

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
        with pytest.raises(ValueError, match="cannot be inverted|holds no pixel"):
            Grid(**told | changed)

    def test_equal_and_hashable(self) -> None:
        same = Grid(crs="EPSG:32610", shape=(20, 10), transform=GRID.transform)
        assert len({GRID, same}) == 1
