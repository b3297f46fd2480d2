"""The target grid against arithmetic by hand, and the one builder of options."""

from __future__ import annotations

import inspect
import math
import random
from dataclasses import fields, replace

import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox

import astra_xr
from astra_xr.model import Grid
from astra_xr.scenes.grid import as_grid, cut_of, geobox_of, touched
from astra_xr.scenes.options import OpenOptions, TargetGrid, options_of
from astra_xr.scenes.stack_grid import part_of

SEEDS = range(2000)
CLOSE = 1e-3


def some_grid(rng: random.Random) -> Grid:
    size = rng.choice([10, 20, 30, 60, 0.00027, 1e-4])
    down = -size * rng.choice([1, 1, 1, 1.5, -1])
    shape = rng.randrange(1, 3000), rng.randrange(1, 3000)
    if size < 1:
        corner = rng.uniform(-170, 170), rng.uniform(-80, 80)
        return Grid(
            crs="EPSG:4326", shape=shape, transform=(size, 0, corner[0], 0, down, corner[1])
        )
    left, top = rng.randrange(100_000, 800_000, 10), rng.randrange(0, 9_000_000, 10)
    return Grid(crs="EPSG:32610", shape=shape, transform=(size, 0, left, 0, down, top))


def some_bounds(rng: random.Random, grid: Grid, *, whole: bool) -> BoundingBox:
    """Bounds near a grid, by fractions of its pixels or by whole ones."""
    starts = [rng.uniform(-200, 3200) for _ in "xy"]
    spans = [rng.choice([rng.uniform(0.001, 3), rng.uniform(1, 500)]) for _ in "xy"]
    if whole:
        starts, spans = [round(v) for v in starts], [max(1, round(v)) for v in spans]
    a, _, c, _, e, f = grid.transform
    left, right = sorted((c + a * starts[0], c + a * (starts[0] + spans[0])))
    bottom, top = sorted((f + e * starts[1], f + e * (starts[1] + spans[1])))
    return BoundingBox(left, bottom, right, top, grid.crs)


def by_hand(grid: Grid, bounds: BoundingBox) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns that bounds touch, half-open."""
    a, _, c, _, e, f = grid.transform
    across = sorted(((bounds.left - c) / a, (bounds.right - c) / a))
    down = sorted(((bounds.bottom - f) / e, (bounds.top - f) / e))
    rows, cols = (
        (first := math.floor(low + CLOSE), max(first + 1, math.ceil(high - CLOSE)))
        for low, high in (down, across)
    )
    return rows, cols


def part(grid: Grid, rows: tuple[int, int], cols: tuple[int, int]) -> Grid:
    a, _, c, _, e, f = grid.transform
    transform = (a, 0.0, c + a * cols[0], 0.0, e, f + e * rows[0])
    return Grid(crs=grid.crs, shape=(rows[1] - rows[0], cols[1] - cols[0]), transform=transform)


@pytest.mark.parametrize("whole", [False, True])
def test_the_pixels_that_a_box_touches_to_the_last_bit(whole: bool) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        grid = some_grid(rng)
        bounds = some_bounds(rng, grid, whole=whole)
        found = touched(geobox_of(grid, "x"), bounds)
        assert as_grid(found, grid) == part(grid, *by_hand(grid, bounds)), seed


@pytest.mark.parametrize("col", [5.0, 5.5, 4.9999, 5.0001])
def test_a_box_without_width_touches_one_pixel(col: float) -> None:
    box = GeoBox((10, 10), Affine(10, 0, 0, 0, -10, 100), "EPSG:32610")
    x = 10 * col
    found = touched(box, BoundingBox(x, 41, x, 49, "EPSG:32610"))
    assert (found.shape.yx, found.affine.f) == ((1, 1), 50)
    assert found.affine.c in ((50,) if col in (5.0, 5.5) else (40, 50))


def test_a_part_of_a_grid_is_cut_and_nothing_else_is() -> None:
    cut = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        source = some_grid(rng)
        rows, cols = by_hand(source, some_bounds(rng, source, whole=True))
        target = part(source, rows, cols)
        inside = (
            min(rows[0], cols[0]) >= 0 and rows[1] <= source.shape[0] and cols[1] <= source.shape[1]
        )
        expected = (slice(*rows), slice(*cols)) if inside else None
        assert cut_of(target, source) == expected, seed
        cut += inside
        a, _, c, _, e, f = target.transform
        between = replace(target, transform=(a, 0, c + a / 2, 0, e, f))
        # Nearly the same pixels would be far off at the other end.
        finer = replace(target, transform=(a * (1 - 1e-6), 0, c, 0, e, f))
        elsewhere = replace(target, crs="EPSG:32611")
        assert not any(cut_of(each, source) for each in (between, finer, elsewhere)), seed
    assert cut > 200


def test_the_part_that_scenes_may_fill() -> None:
    met = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        target = some_grid(rng)
        bounds = [some_bounds(rng, target, whole=True) for _ in range(rng.randrange(1, 3))]
        others = [part(target, *by_hand(target, each)) for each in bounds]
        spans = []
        for axis in (0, 1):
            first = min(by_hand(target, each)[axis][0] for each in bounds)
            last = max(by_hand(target, each)[axis][1] for each in bounds)
            size = target.shape[axis]
            # A pixel more on either side, for what resampling takes in.
            spans.append(
                (max(0, first - 1), min(size, last + 1)) if first < size and last > 0 else None
            )
        expected = tuple(spans) if all(spans) else None
        assert part_of(geobox_of(target, "x"), [geobox_of(g, "x") for g in others]) == expected, (
            seed
        )
        met += expected is not None
    assert met > 200


def test_a_crs_keeps_its_spelling_where_it_is_the_same() -> None:
    wkt = CRS("EPSG:32610").to_wkt()
    grid = Grid(crs=wkt, shape=(2, 3), transform=(10, 0, 5e5, 0, -10, 4e6))
    assert as_grid(geobox_of(grid, "x"), grid) == grid
    coded = replace(grid, crs="EPSG:32610")
    assert as_grid(geobox_of(grid, "x"), coded) == coded


@pytest.mark.parametrize(
    ("function", "others"),
    [
        (astra_xr.open_scene, {"scene_id", "resolver"}),
        (astra_xr.open_scenes, {"scenes", "resolver", "groupby", "fail_on_error"}),
        (astra_xr.open_scene_tree, {"scene_id", "resolver"}),
    ],
)
def test_each_parameter_is_an_option_of_its_name(function: object, others: set[str]) -> None:
    assert callable(function)
    parameters = inspect.signature(function).parameters
    read: dict[str, object] = {
        "radiometry": "raw",
        "catalog": "sample",
        "resolution": 20.0,
        "chunks": {"x": 512},
        "crs": CRS("EPSG:32610"),
        "bbox": (5.0, 50.0, 6.0, 51.0),
        "x": (0.0, 10.0),
        "y": (10.0, 0.0),
        "anchor": "center",
        "resampling": {"red": "cubic"},
        "mask_and_scale": False,
        "allow_large": True,
        "intersects": {"type": "Point", "coordinates": [5.0, 50.0]},
    }
    given = {name: read.get(name, object()) for name in set(parameters) - others}
    options = options_of(dict.fromkeys(others) | given)
    grid = {each.name for each in fields(TargetGrid)}
    for name, value in given.items():
        assert getattr(options.grid if name in grid else options, name) == value
    defaults = options_of({name: parameters[name].default for name in given})
    assert replace(defaults, bands=None) == OpenOptions()
