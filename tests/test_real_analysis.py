"""Indices, masks and resampling of real pixels, against plain rasterio and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy import ndimage

import astra_xr
from astra_xr.missions.classes import MASKED

S2 = "sentinel2-S2A_29RKH_20200219_0_L2A"
LANDSAT = "landsat-LC08_L2SP_005009_20150710"
PRODUCT = "LC08_L2SP_005009_20150710_20200908_02_T2"


def stored(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x**2 + y**2 <= radius**2)


def opened(folder: Path, files: dict[str, str], mission: str, **options: Any) -> Any:
    """Open files as bands of a mission, by their own names."""
    assets = {native: {"href": str(folder / name)} for native, name in files.items()}
    item = {"id": "real", "properties": {}, "assets": assets}
    ds = astra_xr.open_scene(item, mask_and_scale=False, **options).assign_attrs(
        mission=mission, scene_id=f"landsat:{PRODUCT}" if mission == "landsat" else "sentinel-2:S2A"
    )
    scale, offset = (1e-4, 0.0) if mission == "sentinel-2" else (2.75e-5, -0.2)
    for name in ds:
        if name not in ("SCL", "QA_PIXEL"):
            ds[name].attrs |= {"scale_factor": scale, "add_offset": offset, "_FillValue": 0}
        ds[name].attrs["native_name"] = name
        del ds[name].attrs["scene_id"]  # it has that of the attrs alone
    return ds.drop_vars("id")


def values(path: Path, scale: float, offset: float) -> np.ndarray:
    numbers = stored(path)
    return np.where(numbers == 0, np.nan, numbers * scale + offset)


@pytest.mark.parametrize("mission", ["sentinel-2", "landsat"])
def test_indices(shared: Path, mission: str) -> None:
    if mission == "sentinel-2":
        folder, scale, offset = shared / "rasters" / S2, 1e-4, 0.0
        files = {n: f"{n}.tif" for n in ("B03", "B04", "B08")}
        green, red, nir = (values(folder / f, scale, offset) for f in files.values())
    else:
        folder, scale, offset = shared / "rasters" / LANDSAT, 2.75e-5, -0.2
        files = {f"B0{n}": f"{PRODUCT}_SR_B{n}.TIF" for n in (3, 4, 5)}
        green, red, nir = (values(folder / f, scale, offset) for f in files.values())
    ds = opened(folder, files, mission)
    with np.errstate(all="ignore"):
        expected = {
            "NDVI": np.clip((nir - red) / (nir + red), -1, 1),
            "NDWI": np.clip((green - nir) / (green + nir), -1, 1),
            "SAVI": 1.5 * (nir - red) / (nir + red + 0.5),
            "EVI2": 2.5 * (nir - red) / (nir + 2.4 * red + 0.5),  # its L, too
            "kNDVI": np.tanh(((nir - red) / (nir + red)) ** 2),
        }
    got = ds.astra.index(list(expected), L=0.5).astra.load(progress=False)
    usual = (nir + red > 0.02) & (nir + green > 0.02)
    assert usual.mean() > 0.05
    for name, truth in expected.items():
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(truth), err_msg=name)
        np.testing.assert_allclose(
            got[name].values[usual], truth[usual], rtol=0, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("radius", [0, 3])
def test_masks(shared: Path, radius: int) -> None:
    folder = shared / "rasters" / S2
    scl = stored(folder / "SCL.tif")
    ds = opened(folder, {"SCL": "SCL.tif"}, "sentinel-2")
    expected = ndimage.binary_dilation(np.isin(scl, (3, 8, 9, 10)), disc(radius))
    np.testing.assert_array_equal(ds.astra.mask(dilate=radius), expected)
    folder = shared / "rasters" / LANDSAT
    qa = stored(folder / f"{PRODUCT}_QA_PIXEL.TIF")
    ds = opened(folder, {"QA_PIXEL": f"{PRODUCT}_QA_PIXEL.TIF"}, "landsat")
    # Bits 1 to 5: dilated cloud, cirrus, cloud, cloud shadow, snow; the number 1 is fill.
    expected = ndimage.binary_dilation(((qa & 0b111110) > 0) & (qa != 1), disc(radius))
    np.testing.assert_array_equal(ds.astra.mask([*MASKED, "snow"], dilate=radius), expected)


@pytest.mark.parametrize("resampling", ["nearest", "average", "bilinear", "cubic"])
def test_resampling(shared: Path, resampling: str) -> None:
    """Landsat's files have no overviews here: the full image is what GDAL warps, too."""
    path = shared / "rasters" / LANDSAT / f"{PRODUCT}_SR_B4.TIF"
    with rasterio.open(path) as file:
        numbers, t, crs = file.read(1), file.transform, file.crs
    size = t.a * 3
    files = {"B04": path.name}
    options = {"resolution": size, "resampling": resampling}
    ds = opened(path.parent, files, "landsat", **options)
    expected = np.zeros(ds.B04.shape, np.uint16)
    reproject(
        numbers, expected, src_transform=t, src_crs=crs, src_nodata=0, dst_crs=crs, dst_nodata=0,
        dst_transform=ds.rio.transform(), resampling=Resampling[resampling],
    )  # fmt: skip
    same = np.abs(ds.B04.values.astype(int) - expected) <= 1
    assert same.mean() > 0.999
    if resampling == "average":
        rows, cols = (n // 3 * 3 for n in numbers.shape)
        blocks = numbers[:rows, :cols].astype(float).reshape(rows // 3, 3, cols // 3, 3)
        full = (blocks > 0).all(axis=(1, 3))
        means = blocks.mean(axis=(1, 3))
        got = ds.B04.values[: rows // 3, : cols // 3]
        np.testing.assert_allclose(got[full], means[full], rtol=0, atol=0.51)


def test_a_coarser_sentinel2_band_is_its_overview(shared: Path) -> None:
    path = shared / "rasters" / S2 / "B04.tif"
    with rasterio.open(path, overview_level=0) as file:
        expected = file.read(1)
    ds = opened(path.parent, {"B04": "B04.tif"}, "sentinel-2", resolution=200)
    np.testing.assert_array_equal(ds.B04, expected)
