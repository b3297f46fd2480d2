"""Four Sentinel-2 scenes over one strip of land, as files that a range server counts."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from affine import Affine

import astra_xr
from astra_xr.testing import write_cog
from tests.stacks import EAST, NORTH, s2_item

Array = npt.NDArray[Any]
Item = dict[str, Any]

ROWS, COLS = 2048, 64
"""Of a scene at 10 m. The picker halves 2048 rows, a thumbnail of 256 has every eighth."""

PATCH = 32
"""Side of a patch of one class, in pixels of 10 m; no overview's pixel is in two patches."""

SIDE = 2048
"""Of the large scenes, whose bytes are counted."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A scene and the content of its files."""

    day: str
    clouds: float
    time: str = "184929"
    tile: str = "10SEG"
    shift: int = 0
    """Columns of 10 m by which it is east of the others."""

    @property
    def seed(self) -> int:
        """A number of its own."""
        return int(self.day) + self.shift

    @property
    def name(self) -> str:
        """Its id."""
        return str(self._item()["id"])

    def _item(self) -> Item:
        return s2_item(Path(), self.day, time=self.time, tile=self.tile, clouds=self.clouds)

    def scl(self) -> npt.NDArray[np.uint8]:
        """Return classes at 20 m, in patches: land, cloud, shadow, no data."""
        return _scl(self.seed)

    def band(self, number: int) -> npt.NDArray[np.uint16]:
        """Return stored numbers at 10 m."""
        return _band(self.seed, number)

    def visual(self) -> npt.NDArray[np.uint8]:
        """An image of three planes, 8 bits each; 0 is no data."""
        return np.stack([self.band(n) // 40 for n in range(3)]).astype(np.uint8)

    def write(self, folder: Path) -> None:
        """Write its files into a folder, with overviews."""
        for number, band in enumerate(("B04", "B08")):
            self._write(folder, band, self.band(number), 10)
        self._write(folder, "SCL", self.scl(), 20, overviews="nearest")
        self._write(folder, "TCI", self.visual(), 10)

    def _write(self, folder: Path, band: str, pixels: Array, gsd: int, **options: Any) -> None:
        corner = Affine(gsd, 0, EAST + 10 * self.shift, 0, -gsd, NORTH)
        path = folder / f"{self.name}-{band}.tif"
        write_cog(path, pixels, transform=corner, blocksize=64, **options)

    def item(self, base: str, shape: tuple[int, int]) -> Item:
        """Describe it as STAC, its files under a folder or URL."""
        item = self._item()
        shift = self.shift * shape[1] // COLS
        for band, gsd in {"B04": 10, "B08": 10, "SCL": 20, "TCI": 10}.items():
            item["assets"][band] = {
                "href": f"{base}{self.name}-{band}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "proj:shape": [side * 10 // gsd for side in shape],
                "proj:transform": [gsd, 0, EAST + 10 * shift, 0, -gsd, NORTH],
            }
        planes = (("B04", "red"), ("B03", "green"), ("B02", "blue"))
        item["assets"]["TCI"] |= {
            "eo:bands": [{"name": name, "common_name": common} for name, common in planes],
            "roles": ["visual"],
        }
        return item


@functools.cache
def _scl(seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    patches = rng.choice([4, 5, 4, 5, 9, 3, 0], (ROWS // PATCH, COLS // PATCH))
    return np.kron(patches, np.ones((PATCH // 2, PATCH // 2))).astype(np.uint8)


@functools.cache
def _band(seed: int, number: int) -> npt.NDArray[np.uint16]:
    """Return a smooth field with noise that averages remove; 0 where there is no class."""
    rng = np.random.default_rng((seed, number))
    y, x = np.mgrid[:ROWS, :COLS]
    field = 5000 + 2000 * np.sin(y / 150 + number) * np.cos(x / 30 + seed % 7)
    stored = field + rng.integers(-2000, 2000, (ROWS, COLS))
    there = np.kron(_scl(seed), np.ones((2, 2))) != 0
    return np.where(there, stored, 0).astype(np.uint16)


FIRST = Strip(day="20250115", clouds=20.0)
BESIDE = Strip(day="20250115", clouds=60.0, time="184943", tile="10SFG", shift=32)
"""Of the first day too, overlaps the first scene, and is second in mosaics, as it is cloudier."""

SECOND = Strip(day="20250125", clouds=10.0)
THIRD = Strip(day="20250204", clouds=40.0)
STRIPS = (FIRST, BESIDE, SECOND, THIRD)


def write_large(folder: Path) -> None:
    """Write files of 2048 x 2048 pixels of noise, and links to them with the names of scenes."""
    rng = np.random.default_rng(1)
    red = rng.integers(1100, 9000, (SIDE, SIDE), dtype=np.uint16)
    scl = np.kron(rng.choice([4, 5, 9], (128, 128)), np.ones((8, 8))).astype(np.uint8)
    visual = np.stack([red >> shift for shift in (5, 6, 7)]).astype(np.uint8)
    for shift in {strip.shift * SIDE // COLS for strip in STRIPS}:
        here = Affine(10, 0, EAST + 10 * shift, 0, -10, NORTH)
        wide = here @ Affine.scale(2)
        write_cog(folder / f"B04{shift}.tif", red, transform=here, compress="zstd")
        write_cog(folder / f"SCL{shift}.tif", scl, transform=wide, overviews="nearest")
        write_cog(folder / f"TCI{shift}.tif", visual, transform=here, compress="zstd")
    for strip in STRIPS:
        shift = strip.shift * SIDE // COLS
        for band, file in {"B04": "B04", "B08": "B04", "SCL": "SCL", "TCI": "TCI"}.items():
            path = folder / f"{strip.name}-{band}.tif"
            path.symlink_to(folder / f"{file}{shift}.tif")


@dataclass(frozen=True)
class Source:
    """Where the files of the scenes are."""

    base: str
    """A folder or a URL, without the names of the files."""

    scratch: Path
    """A folder for small files."""

    shape: tuple[int, int] = (ROWS, COLS)

    def scene(self, *bands: str, **options: Any) -> xr.Dataset:
        """Open the first scene."""
        names = list(bands) or ["red", "nir", "SCL"]
        return astra_xr.open_scene(FIRST.item(self.base, self.shape), names, **options)

    def tree(self) -> xr.Dataset:
        """Open the first scene at its resolutions, and put its bands on one grid."""
        found = FIRST.item(self.base, self.shape)
        tree = astra_xr.open_scene_tree(found, ["red", "nir", "SCL"])
        return tree.astra.to_dataset()  # type: ignore[no-any-return]

    def halves(self) -> xr.Dataset:
        """Open near infrared and classes at 20 m, and put them on the grid of 10 m."""
        halves = self.scene("nir", "SCL", resolution=20, resampling={"nir": "average"})
        tree = xr.DataTree.from_dict({"r10m": self.scene("red"), "r20m": halves})
        return tree.astra.to_dataset()[["nir", "red", "SCL"]]  # type: ignore[no-any-return]

    def stack(self, strips: Sequence[Strip], *bands: str, **options: Any) -> xr.Dataset:
        """Open several scenes over time."""
        names = list(bands) or ["red", "nir", "SCL"]
        items = [strip.item(self.base, self.shape) for strip in strips]
        return astra_xr.open_scenes(items, names, **options)

    def engine(self, **options: Any) -> xr.Dataset:
        """Open the first scene by its id, as xarray's engine does."""
        path = self.scratch / f"{FIRST.name}.json"
        path.write_text(json.dumps(FIRST.item(self.base, self.shape)))
        name, bands = f"sentinel-2:{FIRST.name}", ["red", "nir", "SCL"]
        ds = xr.open_dataset(
            name, engine="astra", catalog=str(self.scratch), bands=bands, **options
        )
        for each in (ds, *ds.data_vars.values()):
            each.attrs |= {"catalog": "a folder", "resolved_at": "now"}  # whichever it is
        return ds

    def stranger(self) -> xr.Dataset:
        """Open the first scene's bands from a netCDF file, as one of another program."""
        path, (rows, cols) = self.scratch / "stranger.nc", self.shape
        if not path.exists():
            bands = Pixels().bands(FIRST)
            y, x = NORTH - 5 - 10.0 * np.arange(rows), EAST + 5 + 10.0 * np.arange(cols)
            packing = {"dtype": "uint16", "scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
            maps: Any = {name: (("y", "x"), bands[name], {}, packing) for name in ("red", "nir")}
            xr.Dataset(maps, {"y": y, "x": x}).rio.write_crs(32610).to_netcdf(path)
        return xr.open_dataset(path, decode_coords="all")


# The same numbers by numpy

HIDES = (3, 8, 9, 10)
"""Classes that are masked."""


@dataclass(frozen=True)
class Pixels:
    """The pixels of the scenes, or larger ones by averages and picks."""

    factor: int = 1
    """Size in pixels of 10 m. Measured values are means of those with data, classes the one at the
    center."""

    reach: int = 0
    """Pixels by which clouds are dilated."""

    def bands(self, strip: Strip) -> dict[str, Array]:
        """Return red and near infrared as reflectance, NaN without data, and the classes."""
        stored = strip.band(0), strip.band(1)
        red, nir = (means(np.where(each == 0, np.nan, each), self.factor) for each in stored)
        return {"red": red * 1e-4 - 0.1, "nir": nir * 1e-4 - 0.1, "SCL": self.classes(strip)}

    def classes(self, strip: Strip) -> Array:
        """Return the classes, each pixel of 20 m as four of 10 m."""
        return picks(np.kron(strip.scl(), np.ones((2, 2), np.uint8)), self.factor)

    def visual(self, strip: Strip) -> Array:
        """Return the image of three planes, 0 without data."""
        stored = strip.visual()
        valid = np.where(stored == 0, np.nan, stored)
        planes: Array = np.nan_to_num(np.stack([means(plane, self.factor) for plane in valid]))
        return planes

    def clouds(self, scl: Array) -> Array:
        """Return what is masked, clouds and shadows dilated by a disc."""
        from scipy import ndimage

        bare = np.isin(scl, HIDES)
        y, x = np.ogrid[-self.reach : self.reach + 1, -self.reach : self.reach + 1]
        disc = x**2 + y**2 <= self.reach**2
        if bare.ndim == 3:
            return np.stack([ndimage.binary_dilation(each, disc) for each in bare])
        hidden: Array = ndimage.binary_dilation(bare, disc)
        return hidden

    def mosaic(self, strips: Sequence[Strip]) -> dict[str, Array]:
        """Return the first clear pixel of some scenes, else the first with data."""
        width = (COLS + max(strip.shift for strip in strips)) // self.factor
        layers = []
        for strip in strips:
            left = strip.shift // self.factor
            layer = {}
            for name, values in self.bands(strip).items():
                fill = 0 if name == "SCL" else np.nan
                layer[name] = np.full((values.shape[0], width), fill, values.dtype)
                layer[name][:, left : left + values.shape[1]] = values
            layers.append(layer)
        found = {}
        for name in ("red", "nir", "SCL"):
            out = np.zeros_like(layers[0][name])
            free = np.ones(out.shape, bool)
            for may_be_hidden in (False, True):
                for layer in layers:
                    data = layer[name] != 0 if name == "SCL" else np.isfinite(layer[name])
                    here = free & data & (may_be_hidden | ~np.isin(layer["SCL"], HIDES))
                    out[here] = layer[name][here]
                    free &= ~here
            found[name] = out if name == "SCL" else np.where(free, np.nan, out)
        return found

    def stack(self, *steps: Sequence[Strip]) -> dict[str, Array]:
        """Return mosaics over time, all as wide as the widest."""
        found = [self.mosaic(step) for step in steps]
        width = max(each["red"].shape[1] for each in found)

        def wide(name: str, values: Array) -> Array:
            fill = 0 if name == "SCL" else np.nan
            return np.pad(
                values, ((0, 0), (0, width - values.shape[1])), constant_values=fill
            )  # fmt: skip

        return {name: np.stack([wide(name, each[name]) for each in found]) for name in found[0]}


def ndvi(bands: dict[str, Array]) -> Array:
    """Return (nir - red) / (nir + red), within -1 and 1."""
    ratio: Array = (bands["nir"] - bands["red"]) / (bands["nir"] + bands["red"])
    return ratio.clip(-1, 1)


def means(values: Array, factor: int) -> Array:
    """Return the mean of the valid values in squares of ``factor`` pixels."""
    parts = _parted(values, factor)
    count = np.isfinite(parts).sum(axis=(-3, -1))
    total = np.nansum(parts, axis=(-3, -1), dtype=float)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def picks(values: Array, factor: int) -> Array:
    """Return the pixel at the center of squares of ``factor`` pixels."""
    picked: Array = values[..., factor // 2 :: factor, factor // 2 :: factor]
    return picked


def _parted(values: Array, factor: int) -> Array:
    *lead, rows, cols = values.shape
    return values.reshape(*lead, rows // factor, factor, cols // factor, factor)


def cuts(sizes: dict[str, int], *, turned: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and indexers of cuts along y and x, and the dimension before them if any."""
    if not turned:  # xarray 2025.9 fails on positions from the end of a reversed axis
        yield "from the end", {"y": [5, 900, -3, 5], "x": [-1, 0]}
    rows, cols = sizes["y"], sizes["x"]
    yield "a window", {"y": slice(100, 300), "x": slice(7, 30)}
    yield "a row", {"y": 17}
    yield "a pixel", {"y": -1, "x": 5}
    yield "steps", {"y": slice(3, None, 100), "x": slice(None, None, 7)}
    yield "backwards", {"y": slice(None, None, -1), "x": slice(30, 2, -3)}
    yield "lists", {"y": [5, 900, 17, 5], "x": [0, cols - 1]}
    yield "a list and a slice", {"y": [rows - 1, 0, 700], "x": slice(10, 30)}
    yield "an array and a number", {"y": np.array([1, 2, 600]), "x": -7}
    yield "nothing", {"y": slice(9, 9), "x": [0, 5]}
    yield "nothing, backwards", {"y": slice(0, 0, -1)}
    for dim in {"time", "band"} & sizes.keys():
        yield "the last of it", {dim: -1, "y": slice(0, 40)}
        yield "turned and thinned", {dim: slice(None, None, -1), "y": slice(None, None, 300)}
        yield "a list of it", {dim: [1, 0], "y": [800, 8], "x": slice(3)}
