"""Read and describe a raster file with GDAL, over byte ranges and with our errors."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.abc import MultiByteRangeResourceContainer
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from astra_xr.errors import AstraError, ReadError, redact
from astra_xr.geometry import map_crs
from astra_xr.model import DIGITAL_NUMBERS, Grid, Radiometry, UrlSource
from astra_xr.reading.cache import header_cache
from astra_xr.reading.decoding import decode_part, hide
from astra_xr.reading.item_check import Image, check_item
from astra_xr.reading.loop import run, together
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.window import Pyramid, Window, rectangles
from astra_xr.tiff.layout import LARGEST_TILE, usable
from astra_xr.tiff.signatures import MAGIC_BYTES, NO_RASTER, driver_of

_HEAD = 32 * 1024
"""Bytes of the first request: GDAL reads headers number by number, which would each be one."""

_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    # GDAL's own worker threads cannot call the opener, and then silently decode garbage.
    "GDAL_NUM_THREADS": "1",
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """Metadata of a raster file."""

    grid: Grid
    count: int
    """Number of planes."""

    radiometries: tuple[Radiometry, ...]
    """One per plane."""

    palette: bool
    """True if there is a color table: the numbers are classes."""


class _GdalFile:
    """A :class:`RangeFile` with the methods that rasterio's ``opener`` needs.

    Exceptions do not pass through GDAL: a failure is kept for the caller, and GDAL receives fewer
    bytes than requested, which it treats as an error.
    """

    def __init__(self, file: RangeFile, failures: list[Exception]) -> None:
        self._file = file
        self._failures = failures
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        """Return the next ``count`` bytes."""
        stop = self._size() if count < 0 else self._position + count
        body = self.get_byte_ranges([self._position], [stop - self._position])[0]
        self._position += len(body)
        return body

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position and return it."""
        base = (0, self._position, self._size())[whence] if whence else 0
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def get_byte_ranges(self, offsets: Iterable[int], sizes: Iterable[int]) -> list[bytes]:
        """Return several ranges."""
        wanted = [(start, start + size) for start, size in zip(offsets, sizes, strict=True)]
        try:
            return run(self._read(wanted))
        except Exception as error:  # noqa: BLE001  (see the class)
            self._failures.append(error)
            return [b"" for _ in wanted]

    async def _read(self, wanted: list[tuple[int, int]]) -> list[bytes]:
        parts = await together(self._file.get(start, stop) for start, stop in wanted)
        return [bytes(part) for part in parts]

    def _size(self) -> int:
        return self._file.size or 0

    def close(self) -> None:
        """Do nothing: the opener owns the file."""

    def __enter__(self) -> _GdalFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Opener:
    """Opens the same file for GDAL, whatever the name."""

    def __init__(self, file: RangeFile, failures: list[Exception]) -> None:
        self._file = file
        self._failures = failures

    def open(self, path: str, mode: str = "r", **options: Any) -> _GdalFile:
        return _GdalFile(self._file, self._failures)

    def isfile(self, path: str) -> bool:
        return True

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return []

    def mtime(self, path: str) -> int:
        return 0

    def size(self, path: str) -> int:
        return self._file.size or 0


MultiByteRangeResourceContainer.register(_Opener)


@contextmanager
def _opened(file: RangeFile, **options: Any) -> Iterator[rasterio.io.DatasetReader]:
    magic = bytes(run(file.get(0, _HEAD))[:MAGIC_BYTES])
    driver = driver_of(magic)
    if driver is None:
        raise file.error(
            NO_RASTER.format(magic[:8]),
            "Choose another asset, or open the scene from another catalog with catalog=….",
        )
    failures: list[Exception] = []
    reason = ""
    try:
        with (
            rasterio.Env(**_GDAL),
            rasterio.open(
                "scene.tif", opener=_Opener(file, failures), driver=driver, **options
            ) as dataset,
        ):
            _check_blocks(file, dataset)
            yield dataset
    except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
        # GDAL's message may hold the URL.
        reason = redact(error)
    failure = next((f for f in failures if isinstance(f, AstraError)), None)
    if failure:
        raise failure
    if reason or failures:
        raise file.error(
            f"GDAL reports: {reason or redact(failures[0])}",
            "The file may be damaged; try another catalog with catalog=.",
        )


def _check_blocks(file: RangeFile, dataset: rasterio.io.DatasetReader) -> None:
    """Refuse large tiles or strips, which GDAL decodes into memory as a whole."""
    planes = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    sizes = (
        rows * cols * np.dtype(_COMPLEX.get(dtype, dtype)).itemsize
        for (rows, cols), dtype in zip(dataset.block_shapes, dataset.dtypes, strict=True)
    )
    largest = max(sizes, default=0) * planes
    if largest > LARGEST_TILE:
        raise file.error(
            f"a tile takes {largest} bytes of memory, and the limit is {LARGEST_TILE}",
            "Try another catalog with catalog=.",
        )


def read_header(
    source: UrlSource, label: str, *, described: Grid | None = None, crs: str | None = None
) -> Header:
    """Read grid, planes, dtypes, nodata, scales and offsets from a file.

    Parameters
    ----------
    described : Grid, optional
        For a file of this shape that is not georeferenced.
    crs : str, optional
        For a file without a CRS.

    Raises
    ------
    ReadError
        The file cannot be read, or has no grid.
    """
    file = RangeFile(source, source(), label)
    with _opened(file) as dataset:
        return Header(
            grid=_grid_of(file, dataset, described, crs),
            count=dataset.count,
            radiometries=tuple(_tags_of(dataset)),
            palette=ColorInterp.palette in dataset.colorinterp,
        )


def _grid_of(
    file: RangeFile, dataset: rasterio.io.DatasetReader, described: Grid | None, crs: str | None
) -> Grid:
    """Return a file's own grid, else the described one."""
    own, nowhere = _crs_of(dataset), dataset.transform.is_identity
    if own or (crs and not nowhere):
        a, b, c, d, e, f = tuple(dataset.transform)[:6]
        return Grid(crs=own or str(crs), shape=dataset.shape, transform=(a, b, c, d, e, f))
    if described and described.shape == dataset.shape and nowhere:
        return described
    if dataset.gcps[0]:
        reason, hint = "the file has ground control points instead of a grid", "Warp it first."
    else:
        reason = "the file has no coordinate reference system that PROJ supports"
        hint = "Only georeferenced rasters can be opened."
    raise file.error(reason, hint)


_COMPLEX = {"complex_int16": "complex64", "complex_int32": "complex128"}
"""rasterio's names of types that NumPy lacks → the dtypes that they are read as."""


def _tags_of(dataset: rasterio.io.DatasetReader) -> Iterator[Radiometry]:
    """Yield the radiometry of each plane, by the file's tags."""
    factors = map(usable, dataset.scales, dataset.offsets)
    facts = (factors, dataset.nodatavals, dataset.units)
    for dtype, (scale, offset), nodata, unit in zip(dataset.dtypes, *facts, strict=True):
        yield Radiometry(
            dtype=_COMPLEX.get(dtype, dtype),
            scale=scale,
            offset=offset,
            nodata=nodata,
            unit=unit,
            reason=_reason(dtype, scale, offset),
        )


def _reason(dtype: str, scale: float, offset: float) -> str:
    if (scale, offset) == (1.0, 0.0) and dtype.startswith(("int", "uint")):
        return f"{DIGITAL_NUMBERS}: neither the item nor the file's own tags give scale or offset"
    return f"offset {offset:g}: the file's own tags"


def _crs_of(dataset: rasterio.io.DatasetReader) -> str | None:
    """Return the CRS by its EPSG code, else as WKT; None if it is missing or unknown to PROJ."""
    return _crs_by_wkt(dataset.crs.to_wkt()) if dataset.crs else None


@functools.lru_cache(maxsize=256)
def _crs_by_wkt(wkt: str) -> str | None:
    found = rasterio.CRS.from_wkt(wkt)
    code = found.to_epsg()
    return map_crs(f"EPSG:{code}" if code else found.to_wkt(version="WKT2_2019"))


def gdal_crs(file: RangeFile) -> str | None:
    """Return the CRS of a file, which reads only its header."""
    try:
        with _opened(file) as dataset:
            return _crs_of(dataset)
    except ReadError:
        return None


def _image_of(dataset: rasterio.io.DatasetReader) -> Image:
    return Image(
        shape=dataset.shape,
        count=dataset.count,
        alphas=dataset.colorinterp.count(ColorInterp.alpha),
        names=tuple(name or "" for name in dataset.descriptions),
        dtype=_COMPLEX.get(dataset.dtypes[0], dataset.dtypes[0]),
        transform=None if dataset.transform.is_identity else tuple(dataset.transform)[:6],
        crs=_crs_of(dataset),
    )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The header of a file, and the version that it was read from."""

    image: Image
    pyramid: Pyramid
    size: int
    etag: str | None


def gdal_pyramid(window: Window, file: RangeFile) -> Pyramid:
    """Return the image and the overviews of a file.

    Raises
    ------
    ReadError
        The file cannot be read, or differs from its item.
    Elsewhere
        It has another position than its item describes.
    """
    known: _Known | None = header_cache.get(("GDAL", window.source))
    if known is None or not run(file.unchanged(known.size, known.etag)):
        with _opened(file) as dataset:
            image, shapes = _image_of(dataset), [dataset.shape]
            count = len(dataset.overviews(1))
            nodata, palette = dataset.nodata, ColorInterp.palette in dataset.colorinterp
        for level in range(count):
            with _opened(file, overview_level=level) as dataset:
                shapes.append(dataset.shape)
        pyramid = Pyramid(shapes=tuple(shapes), nodata=nodata, palette=palette)
        known = _Known(image=image, pyramid=pyramid, size=file.size or 0, etag=file.etag)
        if file.etag:  # else a new version would go unnoticed
            header_cache.put(("GDAL", window.source), known, 1000)
    check_item(file, window, known.image)
    return known.pyramid


def read_by_gdal(window: Window, file: RangeFile) -> npt.NDArray[Any]:
    """Read a window.

    Returns
    -------
    ndarray
        Of ``window.size``: values if the window has a radiometry, NaN where the file's mask or
        alpha plane marks missing data; else the stored numbers, with nodata there if it is
        ``masked``.

    Raises
    ------
    ReadError
        The file cannot be read, or differs from its item.
    Elsewhere
        It has another position than its item describes.
    """
    options = {"overview_level": window.level - 1} if window.level else {}
    try:
        with _opened(file, **options) as dataset:
            known: _Known | None = header_cache.get(("GDAL", window.source))
            if window.level and known and (known.size, known.etag) != (file.size or 0, file.etag):
                raise file.changed()
            return _read(file, dataset, window)
    except ReadError:
        # The file may have changed.
        header_cache.drop(("GDAL", window.source))
        raise


def _read(file: RangeFile, dataset: rasterio.io.DatasetReader, window: Window) -> npt.NDArray[Any]:
    image = _image_of(dataset)
    if window.level:
        # That of the full image was compared when the overview was chosen.
        image = replace(image, shape=window.shape, transform=window.transform)
    check_item(file, window, image)
    tags = list(_tags_of(dataset))
    window = window.with_tags([tags[index - 1] for index in window.indexes])
    mask = any(
        MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        for flags in dataset.mask_flag_enums
    )
    # GDAL's own masks are not of alpha if there is a nodata value, or not two or four planes.
    alpha = dataset.colorinterp.index(ColorInterp.alpha) + 1 if image.alphas else 0
    out = np.empty(window.size, window.dtype_of(np.dtype(image.dtype)))
    masked = (mask or alpha) and window.hides
    valid = np.ones(out.shape[1:], np.bool_) if masked else None
    for (top, bottom), (left, right), take, target in rectangles(window, dataset.block_shapes[0]):
        part = RasterioWindow(left, top, right - left, bottom - top)
        pixels = dataset.read(list(window.indexes), window=part)
        for plane, stored in enumerate(pixels):
            decode_part(stored[take], window.plane_radiometry(plane), out[plane], target)
        if valid is not None:
            read, plane = (dataset.read_masks, 1) if mask else (dataset.read, alpha)
            valid[target] = read(plane, window=part)[take] != 0
    if valid is not None:
        hide(out, valid, window.hidden_as(dataset.nodata), window.label)
    return out
