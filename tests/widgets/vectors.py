"""``python -m tests.widgets.vectors`` writes ``vectors.json``, for Python and JavaScript."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from astra_xr.widgets.code import code_of
from astra_xr.widgets.colormaps import colormaps, colors
from astra_xr.widgets.messages import packed
from astra_xr.widgets.picker_scene import MASK
from astra_xr.widgets.tile_codes import (
    Tile,
    bright,
    centered,
    classes,
    colored,
    encode,
    rgb,
    stretch_of,
    subtracted,
    symmetric,
)
from astra_xr.widgets.tile_pyramid import Pyramid, window_of

TARGET = Path(__file__).with_name("vectors.json")

SHAPE = (12, 15)
STRETCHES = [
    {"kind": "percentile", "low": 2, "high": 98, "sigma": 2},
    {"kind": "percentile", "low": 0.5, "high": 99.37, "sigma": 2},
    {"kind": "sigma", "low": 2, "high": 98, "sigma": 1.5},
    {"kind": "minmax", "low": 2, "high": 98, "sigma": 2},
]
CLASSES = [{"value": 0, "color": "#643200"}, {"value": 3, "color": "#ffffff"}]


def channels() -> list[Tile]:
    """Three channels with nodata, a bright corner, and values below 0."""
    rng = np.random.default_rng(3)
    values = rng.gamma(2, 0.06, (3, *SHAPE)) - 0.02
    values[:, :3, :5] = np.nan
    values[:, 9:, 10:] += 0.6
    return [encode(f"b{n}", (0, 0, *SHAPE), each) for n, each in enumerate(values)]


def as_json(tile: Tile) -> dict[str, Any]:
    """Return a tile as JSON."""
    codes = tile.codes.ravel().tolist()
    return {"shape": tile.codes.shape, "low": tile.low, "step": tile.step, "codes": codes}


def statistics(tiles: list[Tile]) -> dict[str, Any]:
    clouds = np.zeros(SHAPE, bool)
    clouds[6:] = True
    found = [
        {
            "channel": n, "stretch": stretch, "clouds": with_clouds,
            "limits": stretch_of(tile, stretch, clouds if with_clouds else None),
        }
        for n, tile in enumerate(tiles) for stretch in STRETCHES for with_clouds in (False, True)
    ]  # fmt: skip
    hidden = bright(tiles)
    return {
        "clouds": clouds.ravel().astype(int).tolist(),
        "limits": found,
        "bright": None if hidden is None else hidden.ravel().astype(int).tolist(),
        "symmetric": [[pair, symmetric(pair)] for pair in ((-0.2, 0.8), (0.1, 0.2), (-3.0, -1.0))],
        "centered": [[pair, centered(pair)] for pair in ((-0.2, 0.8), (0.1, 0.8), (-3.0, -1.0))],
    }


def images(tiles: list[Tile]) -> dict[str, Any]:
    limits = [(0.01, 0.3), (0.0, 0.25), (0.05, 0.9)]
    classed = encode("c", (0, 0, 2, 3), np.array([[0, 3, 9], [3, 200, 0]], np.uint8), nodata=200)
    return {
        "rgb": [
            {"limits": limits, "gamma": gamma, "bytes": rgb(tiles, limits, gamma).ravel().tolist()}
            for gamma in (1.0, 2.2)
        ],
        "colored": {
            "limits": limits[0], "colormap": colormaps()["RdYlGn"],
            "bytes": colored(tiles[0], limits[0], colors("RdYlGn")).ravel().tolist(),
        },
        "classes": {
            "tile": as_json(classed), "classes": CLASSES,
            "bytes": classes(classed, CLASSES).ravel().tolist(),
        },
    }  # fmt: skip


def differences(tiles: list[Tile]) -> list[dict[str, Any]]:
    pairs = [(tiles[0], tiles[1]), (tiles[2], tiles[0]), (tiles[1], tiles[1])]
    return [
        {"a": as_json(a), "b": as_json(b), "difference": as_json(subtracted("B - A", a, b))}
        for a, b in pairs
    ]


def wire(tiles: list[Tile]) -> list[dict[str, Any]]:
    mask = Tile(key=MASK, box=(0, 0, *SHAPE), codes=(tiles[0].codes > 9000).astype(np.uint16),
                low=0.0, step=1.0)  # fmt: skip
    found = []
    any_ = np.random.default_rng(4).integers(0, 65536, (7, 5)).astype(np.uint16)
    steep = Tile(key="b9", box=(0, 0, 7, 5), codes=any_, low=0.0, step=1.0)
    for tile in (tiles[0], mask, steep):
        for raw in (False, True):
            how, data = packed(tile, raw=raw)
            codes = tile.codes.ravel().tolist()
            found.append(how | {"data": base64.b64encode(data).decode(), "codes": codes})
    return found


def pyramids() -> list[dict[str, Any]]:
    found = []
    for rows, cols in ((10980, 10980), (2048, 700), (5, 3), (40000, 1), (769, 1537)):
        pyramid = Pyramid(rows=rows, cols=cols)
        boxes = [(0, 0, rows, cols), (rows // 3, cols // 4, rows // 3 + 1, cols // 4 + 1),
                 (rows // 5, 0, max(1, rows // 2), cols)]  # fmt: skip
        levels = []
        for level in range(pyramid.top + 1):
            places = pyramid.within(level, boxes[0])
            last = places[-1]
            levels.append(
                {
                    "shape": pyramid.shape(level),
                    "within": [[box, pyramid.within(level, box)[:: max(1, len(places) // 9)]]
                               for box in boxes],
                    "box": [last, pyramid.box(level, pyramid.pixels(level, last, last))],
                }
            )  # fmt: skip
        found.append(
            {
                "rows": rows, "cols": cols, "top": pyramid.top, "levels": levels,
                "level_of": [[box, pyramid.level_of(box)] for box in boxes],
            }
        )  # fmt: skip
    return found


def windows() -> list[dict[str, Any]]:
    tile = Tile(key="a", box=(100, 40, 228, 72), codes=np.zeros((64, 16), np.uint16),
                low=0.0, step=1.0)  # fmt: skip
    boxes = [(0, 0, 999, 999), (101, 41, 103, 45), (150, 0, 151, 50), (300, 0, 400, 9)]
    return [
        {"box": tile.box, "shape": tile.codes.shape, "of": box, "window": window_of(tile, box)}
        for box in boxes
    ]


def about() -> dict[str, Any]:
    """Return what code is written from, of a scene in degrees and of one in meters."""
    band = {"classes": [], "cmap": "gray", "integer": False}
    return {
        "name": "ds", "array": False,
        "bands": {"red": band, "green": band, "ni\"r": band,
                  "SCL": band | {"classes": CLASSES}, "dn": band | {"integer": True}},
        "indices": {"NDVI": {"cmap": "RdYlGn"}, "NDWI": {"cmap": "RdYlBu"}},
        "steps": [{"label": "", "code": "", "source": "", "matched": False},
                  {"label": "2025-01-15", "code": '.sel(time="2025-01-15")', "source": "",
                   "matched": False},
                  {"label": "other", "code": "", "source": "other", "matched": False},
                  {"label": "far", "code": "", "source": "other", "matched": True}],
        "grid": {"x": 600000.0, "y": 4200000.0, "dx": 10.0, "dy": -10.0, "up": False,
                 "placed": True, "degrees": False, "crs": "EPSG:32610"},
    }  # fmt: skip


def code() -> list[dict[str, Any]]:
    base = {"mode": "rgb", "bands": ["red", "green", 'ni"r'], "index": "NDVI", "band": "red",
            "cmap": "viridis", "gamma": 1.0, "mask": False, "view": None, "time": None}  # fmt: skip
    pairs = {"red": (0.0123456, 0.3), "green": (1e-7, 12345678.0), 'ni"r': (-0.5, 2e10),
             "NDVI": (-0.8, 0.8), "B - A": (-0.5, 0.5)}  # fmt: skip
    swipe = {"show": "swipe", "split": 0.3, "cmap": "BrBG"}
    difference = swipe | {"show": "difference"}
    grid = about()["grid"]
    abouts = [
        about(), about() | {"array": True},
        about() | {"grid": grid | {"dx": 1e-4, "dy": 1e-4, "up": True, "degrees": True}},
        about() | {"grid": grid | {"placed": False}},
    ]  # fmt: skip
    states = [
        base, base | {"gamma": 1.3, "mask": True, "view": [3, 4, 50, 61]},
        base | {"mode": "index", "mask": True, "view": [0, 0, 7, 9]},
        base | {"mode": "single", "mask": True, "time": "2025-01-15"},
        base | {"mode": "single", "band": "SCL"},
        base | {"mode": "index", "view": [0, 0, 7, 9],
                "compare": swipe | {"time": "2025-01-15", "index": "NDWI"}},
        base | {"compare": swipe | {"mode": "index", "index": "NDVI"}},
        base | {"mode": "index", "mask": True, "compare": difference | {"time": "2025-01-15"}},
        base | {"mode": "index", "view": [3, 4, 50, 61], "compare": difference | {"time": "far"}},
        base | {"mode": "single", "mask": True, "compare": swipe | {"time": "other"}},
        base | {"mode": "single", "band": "dn", "mask": True, "view": [3, 4, 50, 61],
                "compare": difference | {"band": "red", "time": "2025-01-15"}},
    ]  # fmt: skip
    return [
        {"about": each, "state": state, "limits": known, "code": code_of(each, state, known)}
        for each in abouts for state in states for known in (pairs, {})
    ]  # fmt: skip


def vectors() -> dict[str, Any]:
    """Return inputs, and what Python makes of them."""
    tiles = channels()
    made = {
        "channels": [as_json(tile) for tile in tiles],
        "statistics": statistics(tiles),
        "images": images(tiles),
        "differences": differences(tiles),
        "wire": wire(tiles),
        "pyramids": pyramids(),
        "windows": windows(),
        "code": code(),
    }
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


if __name__ == "__main__":
    TARGET.write_text(json.dumps(vectors(), separators=(",", ":")) + "\n")
