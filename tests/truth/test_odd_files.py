"""Odd files, each by items that tell nothing, their grid, or all: as rasterio has them, always."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning

import astra_xr
from astra_xr import warned
from astra_xr.arrays.thumbnail import coarser
from astra_xr.errors import AstraError
from tests.conftest import SHARED

ROWS, COLS = 90, 130

WAYS = ["nothing", "proj", "proj and raster:bands", "proj and bands", "proj and type"]
"""The item's metadata of the file."""


def item_of(path: Path, way: str) -> dict[str, Any]:
    """An item that describes a file as rasterio sees it."""
    asset: dict[str, Any] = {"href": str(path), "roles": ["data"], "type": "image/tiff"}
    properties: dict[str, Any] = {"datetime": "2024-06-01T10:00:00Z"}
    with rasterio.open(path) as file:
        if way != "nothing":
            crs = file.crs or rasterio.CRS.from_epsg(32610)
            properties |= {
                "proj:wkt2": crs.to_wkt(version="WKT2_2019"),
                "proj:shape": list(file.shape),
                "proj:transform": list(file.transform)[:6],
            }
        told = zip(file.dtypes, file.nodatavals, file.scales, file.offsets, strict=True)
        bands = [
            {"data_type": dtype.replace("complex_int", "cint").replace("complex", "cfloat")}
            | ({} if nodata is None else {"nodata": str(nodata)})
            | {"scale": scale, "offset": offset}
            for dtype, nodata, scale, offset in told
        ]
    for band in bands:
        half = {"cfloat64": "cfloat32", "cfloat128": "cfloat64"}
        band["data_type"] = half.get(str(band["data_type"]), band["data_type"])
    if way == "proj and raster:bands":
        asset["raster:bands"] = bands
    if way == "proj and type":
        asset["raster:bands"] = [{"data_type": band["data_type"]} for band in bands]
    if way == "proj and bands":
        renamed = {"scale": "raster:scale", "offset": "raster:offset"}
        asset["bands"] = [{renamed.get(k, k): v for k, v in band.items()} for band in bands]
    return {"type": "Feature", "id": "odd", "properties": properties, "assets": {"data": asset}}


def opened(path: Path, way: str, **options: Any) -> xr.DataArray:
    return astra_xr.open_scene(item_of(path, way), "data", **options)["data"]


def stored_of(path: Path) -> np.ndarray:
    """Return the stored numbers as we lay them out: (y, x) of a file of one plane."""
    with rasterio.open(path) as file:
        stored = file.read()
    return np.asarray(stored[0] if len(stored) == 1 else stored)


def values_of(path: Path) -> np.ndarray:
    """Return the values by rasterio: scaled by the file's tags, NaN where its masks hide them."""
    with rasterio.open(path) as file:
        stored = file.read()
        factors = np.array([file.scales, file.offsets])[:, :, None, None]
        values = stored * factors[0] + factors[1]
        for nodata, plane, numbers in zip(file.nodatavals, values, stored, strict=True):
            if nodata is not None:
                plane[numbers == numbers.dtype.type(nodata)] = np.nan
        if any(MaskFlags.per_dataset in flags for flags in file.mask_flag_enums):
            values[:, file.read_masks(1) == 0] = np.nan
    return np.asarray(values[0] if len(values) == 1 else values)


def has_palette(path: Path) -> bool:
    with rasterio.open(path) as file:
        return ColorInterp.palette in file.colorinterp


def write(path: Path, stored: np.ndarray, **options: Any) -> Path:
    planes = stored.reshape(-1, *stored.shape[-2:])
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": len(planes), "height": ROWS, "width": COLS,
        "dtype": str(stored.dtype), "crs": "EPSG:32610", "tiled": True, "blockxsize": 64,
        "blockysize": 64, "transform": Affine(10, 0, 500000, 0, -10, 4200000),
    }  # fmt: skip
    tags = {name: options.pop(name) for name in ("scales", "offsets", "mask") if name in options}
    colors = options.pop("colors", None)
    if colors:
        options["photometric"] = "palette"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile | options) as file,
    ):
        if colors:
            file.write_colormap(1, colors)
        for name in tags.keys() - {"mask"}:
            setattr(file, name, tags[name])
        file.write(planes)
        if "mask" in tags:
            file.write_mask(tags["mask"])
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """Change the bytes of a file's header."""
    whole = path.read_bytes()
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))
    return path


def in_unit(path: Path, crs: str, written: int, unit: int) -> Path:
    """A file whose GeoKey ProjLinearUnits is not the unit of its CRS."""
    keys = [struct.pack("<4H", 3076, 0, 1, each) for each in (written, unit)]
    return patched(write(path, numbers("uint8"), crs=crs), *keys)


def numbers(dtype: str, planes: int = 1) -> np.ndarray:
    rng = np.random.default_rng(5)
    low, high = (0, 9) if np.dtype(dtype).itemsize == 1 else (0, 9000)
    found = rng.integers(low, high, (planes, ROWS, COLS)).astype(dtype)
    return found + found[:, ::-1] * 1j if np.dtype(dtype).kind == "c" else found


DISC = np.hypot(*np.mgrid[-45:45, -65:65]) < 40
COLORS = {0: (0, 0, 0), 1: (10, 200, 10), 8: (20, 20, 250)}

FILES: dict[str, Callable[[Path], Path]] = {
    "strips": lambda p: write(p, numbers("int16"), tiled=False, nodata=7),
    "three planes": lambda p: write(p, numbers("uint16", 3), nodata=0),
    "planes apart": lambda p: write(p, numbers("int16", 3), interleave="band", nodata=-1),
    "planes in strips": lambda p: write(p, numbers("uint8", 3), tiled=False, photometric="rgb"),
    "alpha": lambda p: write(p, numbers("uint8", 4), alpha="yes", photometric="rgb"),
    "mask": lambda p: write(p, numbers("uint8", 3), photometric="rgb", mask=DISC),
    "mask in strips": lambda p: write(p, numbers("uint8"), tiled=False, mask=DISC),
    "color table": lambda p: write(p, numbers("uint8"), colors=COLORS, nodata=0),
    "color table in strips": lambda p: write(p, numbers("uint8"), colors=COLORS, tiled=False),
    "scale": lambda p: write(p, numbers("uint16"), scales=(2e-4,), offsets=(-0.1,), nodata=0),
    "scale in strips": lambda p: write(p, numbers("int16"), scales=(0.5,), tiled=False),
    "scales": lambda p: write(p, numbers("int16", 3), scales=(1, 0.5, 2), offsets=(0, 1, -1)),
    "scales in strips": lambda p: write(
        p, numbers("int16", 2), scales=(1, 0.5), offsets=(0, 1), tiled=False, nodata=3
    ),
    "only an offset": lambda p: write(p, numbers("uint8"), offsets=(-4,)),
    "NaN": lambda p: write(p, np.where(DISC, numbers("float32"), np.nan)[0].astype("float32"),
                           nodata=np.nan),
    "float nodata": lambda p: write(p, np.where(DISC, numbers("float32"), -9999.9)[0]
                                    .astype("float32"), nodata=-9999.9),
    "no nodata": lambda p: write(p, numbers("float64")),
    "int8": lambda p: write(p, numbers("int8"), nodata=-128),
    "uint64": lambda p: write(p, numbers("uint64"), nodata=5),
    "int64": lambda p: write(p, numbers("int64"), nodata=-9999),
    "complex64": lambda p: write(p, numbers("complex64")),
    "complex128": lambda p: write(p, numbers("complex128")),
    "12 bits": lambda p: write(p, numbers("uint16") % 4000, nbits=12),
    "1 bit": lambda p: write(p, numbers("uint8") % 2, nbits=1),
    "sparse": lambda p: write(p, numbers("uint16") * 0, sparse_ok=True, nodata=0),
    "big-endian BigTIFF": lambda p: write(p, numbers("uint16"), endianness="BIG", bigtiff="YES"),
    "LZMA": lambda p: write(p, numbers("int32"), compress="lzma"),
    "Lerc": lambda p: write(p, numbers("float32"), compress="lerc_zstd"),
    "rotated": lambda p: write(p, numbers("uint8"), transform=Affine.translation(5e5, 4e6)
                               @ Affine.rotation(15) @ Affine.scale(10, -10)),
    "north down": lambda p: write(p, numbers("uint8"), transform=Affine(10, 0, 5e5, 0, 10, 4e6)),
    "negative pixel height": lambda p: patched(
        write(p, numbers("uint8")), struct.pack("<3d", 10, 10, 0), struct.pack("<3d", 10, -10, 0)
    ),
    "feet for meters": lambda p: in_unit(p, "EPSG:32610", 9001, 9002),
    "meters for feet": lambda p: in_unit(p, "EPSG:2264", 9003, 9001),
    "scale with a comma": lambda p: patched(
        write(p, numbers("uint16"), scales=(0.5,)), b">0.5<", b">0,5<"
    ),
    "metadata with a bracket": lambda p: patched(
        write(p, numbers("uint16"), scales=(0.5,)), b'name="SCALE"', b'name="SC>LE"'
    ),
    "nodata of two words": lambda p: patched(
        write(p, numbers("int16"), nodata=7777), b"7777\0", b"7 77\0"
    ),
    "no CRS code": lambda p: write(p, numbers("uint8"), crs="+proj=sinu +R=6371007.181 +units=m"),
}  # fmt: skip


def check(path: Path, way: str) -> None:
    """Compare numbers and values with rasterio's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
        stored = opened(path, way, mask_and_scale=False)
        expected = stored_of(path)
        np.testing.assert_array_equal(stored, expected)
        assert stored.dtype == expected.dtype
        values = opened(path, way)
        if has_palette(path):
            np.testing.assert_array_equal(np.nan_to_num(values, nan=0), expected)
        else:
            np.testing.assert_allclose(values, values_of(path), rtol=3e-7, atol=1e-6)
        if expected.ndim == 3:
            assert list(values.band.values) == [str(n + 1) for n in range(len(expected))]
            one = astra_xr.open_scene(item_of(path, way), ["data.2"])["data.2"]
            np.testing.assert_array_equal(one, values[1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_as_rasterio_has_it(tmp_path: Path, name: str, way: str) -> None:
    check(FILES[name](tmp_path / "a.tif"), way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["color table", "color table in strips"])
def test_numbers_of_a_color_table_are_never_averaged(tmp_path: Path, name: str, way: str) -> None:
    stored = np.where(np.arange(COLS) % 2, 8, 1)[None] * np.ones((ROWS, 1))
    tiled = name == "color table"
    path = write(tmp_path / "a.tif", stored.astype("uint8"), colors=COLORS, tiled=tiled)
    told = way in WAYS[2:]
    for options in ({"resolution": 20}, {"crs": "EPSG:3857", "resampling": "bilinear"}):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warned._seen.clear()
            lazy = opened(path, way, **options)
            found = set(np.unique(lazy.values[2:-3, 2:-3]))
            plain = opened(path, way).to_dataset()
            small = set(np.unique(coarser(plain, 40)["data"]))
        assert found | small == {1, 8}
        assert lazy.dtype == ("float32" if told else "uint8")
        said = [str(each.message) for each in caught if "color table" in str(each.message)]
        assert len(said) == told


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("planes", [2, 4, 5])
@pytest.mark.parametrize("nodata", [None, 3])
def test_alpha_in_strips_and_tiles(
    tmp_path: Path, planes: int, nodata: int | None, way: str
) -> None:
    """GDAL's own masks are not of alpha beside a nodata value, or of five planes."""
    stored = numbers("uint8", planes)
    stored[min(planes, 4) - 1] = DISC
    kind = {"alpha": "yes", "nodata": nodata} | ({"photometric": "rgb"} if planes > 2 else {})
    expected = np.where(DISC & (stored != (-1 if nodata is None else nodata)), stored, np.nan)
    for tiled in (True, False):
        path = write(tmp_path / f"{tiled}.tif", stored, tiled=tiled, **kind)
        np.testing.assert_array_equal(opened(path, way), expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [-3.402823e38, -3.40282e38, -3.4028234663852886e38])
def test_a_huge_nodata_in_fewer_digits(tmp_path: Path, nodata: float, dtype: str, way: str) -> None:
    lowest = np.finfo("float32").min
    values = numbers("float32")[0]
    stored = np.where(DISC, values, lowest).astype(dtype)
    path = write(tmp_path / "a.tif", stored, nodata=nodata)
    np.testing.assert_array_equal(opened(path, way), np.where(DISC, values, np.nan))
    coarse = opened(path, way, resolution=20, mask_and_scale=False).values
    inside = coarse[coarse > -3e38]
    assert 0 < inside.size < coarse.size
    assert inside.min() >= 0


def shared_files() -> list[Path]:
    return [
        *sorted((SHARED / "real/rasters/odd").glob("*.tif")),
        *sorted((SHARED / "cases").glob("*.tif")),
        *sorted((SHARED / "cases/files").glob("*.tif")),
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", shared_files(), ids=lambda path: path.stem)
def test_real_odd_files(shared: Path, path: Path, way: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                file.read(1)
                placed = file.crs is not None and not file.gcps[0]
                if max(file.shape) > 3000:
                    pytest.skip("too large to compare as a whole")
    except rasterio.errors.RasterioIOError:
        with pytest.raises(AstraError, match="odd data"):
            opened(path, way).load()
        return
    if not placed:
        with pytest.raises(AstraError):
            opened(path, "nothing").load()
        return
    check(path, way)
