"""Writing Datasets and images to files; see ``ds.astra.to_cog`` and ``ds.astra.to_png``."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from astra_xr.accessor.raster_files import By, RasterFile, raster_files
from astra_xr.accessor.rgb import RGBA
from astra_xr.arguments import read_flag, read_path
from astra_xr.arrays.blocks import blocks
from astra_xr.arrays.pixel_grid import grid_of
from astra_xr.arrays.thumbnail import can_average
from astra_xr.errors import ConversionFailed, InvalidDataset, InvalidParameter
from astra_xr.model import CLASS_ROLES

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

_Resampling = Literal["nearest", "average"]

_BLOCK = (2048, 2048)
"""Rows and columns read and written at once."""

_CACHE = 64 << 20
"""Bytes of GDAL's block cache while a file is written; its default is 5 % of all memory."""

_LOSSY = {"jpeg": (1, 2, 3, 4), "webp": (3,)}
"""Lossy profiles, and how many bands they can hold; WebP's fourth is alpha."""

_IN_FILES = {"bool": "uint8", "float16": "float32"}
"""dtypes of arrays that files do not have, and those that hold their values."""

_MERCATOR_ENDS = 85.05
"""Degrees of latitude."""


def write_cog(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    profile: str,
    *,
    web_optimized: bool,
    by: By | None,
    single: bool = False,
) -> Path | list[Path]:
    """Write one COG, or one per time step or variable; see ``ds.astra.to_cog``."""
    path = read_path("path", path)
    web_optimized = read_flag("web_optimized", web_optimized)
    files = raster_files(ds, path, by, single=single)
    grid = grid_of(ds, "to_cog()")
    grid.check_even("to_cog()")
    layouts = [_layout(file, grid.box, profile, web_optimized=web_optimized) for file in files]
    for file, layout in zip(files, layouts, strict=True):
        _write_one(file, layout, profile, web_optimized=web_optimized)
    return path if by is None else [file.path for file in files]


def _layout(file: RasterFile, grid: GeoBox, profile: str, *, web_optimized: bool) -> dict[str, Any]:
    """Return rasterio's options to create a file, after checking that the profile can hold it."""
    bands = file.bands
    names = [str(band.dtype) for band in bands.values()]
    dtype = np.result_type(*(np.dtype(_IN_FILES.get(name, name)) for name in names))
    fills = {band.attrs.get("_FillValue") for band in bands.values()}
    if dtype.kind != "f" and len(fills) > 1:
        needs = f"one _FillValue for all bands of a file, not {', '.join(sorted(map(str, fills)))}"
        hint = "by='band' writes one file per variable; ds[['red']] selects variables."
        raise InvalidDataset(method="to_cog()", needs=needs, hint=hint)
    nodata = np.nan if dtype.kind == "f" else fills.pop()
    assert grid.crs is not None
    crs = grid.crs.to_wkt()
    _check_profile(profile, bands, dtype)
    if web_optimized:
        _check_web(crs, grid, nodata)
    height, width = grid.shape
    colors = {"alpha": "no"}  # GDAL takes the fourth of four uint8 bands for alpha
    if dtype == "uint8" and tuple(bands) == RGBA and profile not in _LOSSY:
        colors = {"photometric": "rgb", "alpha": "yes"}
    return {
        "driver": "GTiff", "count": len(bands), "dtype": dtype, "nodata": nodata,
        "height": height, "width": width, "transform": grid.affine,
        "crs": crs, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "interleave": "band", "bigtiff": "IF_SAFER", **colors,
    }  # fmt: skip


def _write_one(
    file: RasterFile, layout: Mapping[str, Any], profile: str, *, web_optimized: bool
) -> None:
    from rasterio.shutil import copy

    bands = file.bands.values()
    classes = all(band.attrs.get("role") in CLASS_ROLES for band in bands)
    resampling: _Resampling = "nearest" if classes else "average"
    with _making(file.path) as made, _small_cache():
        plain = made.with_name("plain.tif")
        _write_plain(file, plain, layout)
        if (profile, web_optimized) == ("deflate", False):
            copy(
                plain, made, driver="COG", compress="deflate", predictor="yes",
                bigtiff="if_safer", blocksize=512, overview_resampling=resampling,
            )  # fmt: skip
        else:
            _copy_by_rio_cogeo(plain, made, profile, resampling, web_optimized=web_optimized)


def _check_profile(profile: str, bands: Mapping[str, xr.DataArray], dtype: np.dtype[Any]) -> None:
    """Refuse a profile that rio-cogeo does not have, or that cannot hold the bands."""
    if isinstance(profile, str) and profile == "deflate":  # needs no import
        return
    from rio_cogeo.profiles import cog_profiles

    expected = reason = ""
    if not isinstance(profile, str) or profile not in cog_profiles:
        expected = f"one of {', '.join(sorted(cog_profiles))}"
    elif profile in _LOSSY and (dtype != "uint8" or len(bands) not in _LOSSY[profile]):
        counts = " or ".join(str(each) for each in _LOSSY[profile])
        reason = f"it holds {counts} × uint8"
        expected = f"a profile for {len(bands)} × {dtype}"
    elif profile in _LOSSY and not all(map(can_average, bands.values())):
        reason = "it changes the numbers of classes and masks"
        expected = "a lossless profile"
    elif profile.startswith("lerc") and dtype in ("int64", "uint64"):
        reason = f"it does not hold {dtype}"
        expected = "another profile, such as 'deflate'"
    if expected:
        raise InvalidParameter(name="profile", value=profile, expected=expected, reason=reason)


def _check_web(crs: str, grid: GeoBox, nodata: float | None) -> None:
    """Refuse a grid beyond web mercator, and bands without nodata for the pixels around them."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(crs, 4326, *grid.boundingbox)
    expected = ""
    if nodata is None:
        expected = "bands with one _FillValue in attrs, for the pixels beyond their edges"
    elif west > east or max(-south, north) > _MERCATOR_ENDS:
        expected = (
            f"a grid between {_MERCATOR_ENDS}° S and {_MERCATOR_ENDS}° N that does not cross 180° E"
        )
    if expected:
        raise InvalidParameter(name="web_optimized", value=True, expected=expected)


def _write_plain(raster: RasterFile, path: Path, layout: Mapping[str, Any]) -> None:
    """Write the bands into a GeoTIFF, block by block."""
    import rasterio

    bands = raster.bands.values()
    with rasterio.open(path, "w", **layout) as file:
        file.update_tags(**raster.tags)
        packed = [band.attrs if band.dtype.kind in "iu" else {} for band in bands]
        file.scales = [float(attrs.get("scale_factor", 1)) for attrs in packed]
        file.offsets = [float(attrs.get("add_offset", 0)) for attrs in packed]
        for number, (name, band) in enumerate(raster.bands.items(), 1):
            file.set_band_description(number, name)
            file.set_band_unit(number, str(band.attrs.get("units", "")))
            fill = band.attrs.get("_FillValue")
            for rows, cols in blocks(file.shape, _BLOCK):
                values = band[rows, cols].values
                if file.nodata is not None and np.isnan(file.nodata) and fill is not None:
                    values = np.where(values == fill, np.nan, values)
                values = np.asarray(values, layout["dtype"])
                window = (rows.start, rows.stop), (cols.start, cols.stop)
                file.write(values, number, window=window)


def _copy_by_rio_cogeo(
    plain: Path, made: Path, profile: str, resampling: _Resampling, *, web_optimized: bool
) -> None:
    """Copy a GeoTIFF into a COG by a profile of rio-cogeo; nodata becomes a mask if it is lossy."""
    import morecantile
    import rasterio
    from rasterio.shutil import copy
    from rio_cogeo.cogeo import cog_translate
    from rio_cogeo.profiles import cog_profiles

    with rasterio.open(plain) as file:
        units, dtype = file.units, np.dtype(file.dtypes[0])
        scales, offsets = file.scales, file.offsets
        masked = profile in _LOSSY and file.nodata is not None
    side = 256 if web_optimized else 512  # tiles of web maps have 256
    tiles = {"blockxsize": side, "blockysize": side, "bigtiff": "IF_SAFER"}
    options = cog_profiles[profile] | tiles
    if profile in ("deflate", "lzw", "zstd"):
        options["predictor"] = 3 if dtype.kind == "f" else 2
    if profile.startswith("lerc"):
        options["interleave"] = "band"  # before libtiff 4.6.1, NaN in one band was NaN in all
    if len(units) != 3:
        options.pop("photometric", None)
    between = made.with_name("between.tif")
    config = {"GDAL_TIFF_INTERNAL_MASK": True, "GDAL_TIFF_OVR_BLOCKSIZE": side}
    with rasterio.Env(**config):
        cog_translate(
            plain, between, cog_profiles["raw"] | tiles, add_mask=masked, in_memory=False,
            overview_resampling=resampling, quiet=True,
            tms=morecantile.tms.get("WebMercatorQuad") if web_optimized else None,
        )  # fmt: skip
        plain.unlink()
        # rio-cogeo drops these, and editing a COG breaks its layout: a VRT adds them.
        view = made.with_name("view.vrt")
        copy(between, view, driver="VRT")
        with rasterio.open(view, "r+") as file:
            file.units, file.scales, file.offsets = units, scales, offsets
        copy(view, made, copy_src_overviews=True, **options)


def write_png(image: xr.DataArray, path: Path) -> Path:
    """Write an image of (y, x, band) with alpha."""
    if image.ndim != 3:
        needs = f"one image, not one along {image.dims[0]}"
        hint = f"Choose one, e.g. ds.isel({image.dims[0]}=0)."
        raise InvalidDataset(method="to_png()", needs=needs, hint=hint)
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    pixels = np.moveaxis(image.values, -1, 0)
    profile = {"driver": "PNG", "dtype": "uint8", "count": 4}
    height, width = pixels.shape[1:]
    # PNG has no georeference; without PAM, no .aux.xml is written.
    with (
        _making(path) as made,
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(made, "w", height=height, width=width, **profile) as file,
    ):
        file.write(pixels)
    return path


@contextmanager
def _small_cache() -> Iterator[None]:
    """Limit GDAL's block cache, which the process shares, while a file is written."""
    from rasterio.env import get_gdal_config, set_gdal_config

    before = get_gdal_config("GDAL_CACHEMAX")
    if before <= _CACHE:  # another thread writes too
        yield
        return
    set_gdal_config("GDAL_CACHEMAX", _CACHE)
    try:
        yield
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


@contextmanager
def _making(path: Path) -> Iterator[Path]:
    """Yield a temporary file, which replaces ``path`` once it is complete."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    reason = ""
    try:
        with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as folder:
            made = Path(folder, f"made{path.suffix}")
            yield made
            made.replace(path)
    except (OSError, RasterioError, CPLE_BaseError) as error:  # the last: a full disk
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise ConversionFailed(source=str(path), reason=reason, to="written") from None
