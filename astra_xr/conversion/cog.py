"""Write a cloud-optimized GeoTIFF while its source is being decoded, once.

Threads read the source in blocks, and compress the tiles of the image and of the first overview.
The coarser overviews are compressed at the end, and the levels are written in the order of a COG.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from isal import isal_zlib
from rasterio.windows import Window

from astra_xr.conversion.geotiff import described
from astra_xr.conversion.opened import opened
from astra_xr.conversion.pyramid import halve
from astra_xr.conversion.recipe import Limits, Progress, Recipe
from astra_xr.tiff.codecs import predict
from astra_xr.tiff.directories import Tag, read_tags
from astra_xr.tiff.writer import WrittenLevel, head_of

TILE = 512
_BLOCK = 2 * TILE
"""Rows, and smallest number of columns, of a block: whole tiles of the first overview too."""

_LEVEL = 2
"""Level of ISA-L's deflate. On predicted reflectance it is 1 % larger than libdeflate's best level,
in 0.4 of the time of its fastest."""

_AHEAD = 4
"""Maximum number of blocks that wait to be written."""

Pixels = npt.NDArray[Any]
Tiles = list[tuple[tuple[int, int], bytes]]
"""Position (row, column) and bytes of each tile."""


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A block of the source, compressed."""

    tiles: tuple[Tiles, Tiles]
    """Tiles of the image and of the first overview."""

    at: tuple[int, int]
    """Row and column of its first pixel in the second overview."""

    rest: Pixels
    """Its part of the second overview: (planes, rows, columns)."""


def write_cog(
    source: Path, target: Path, recipe: Recipe, limits: Limits, progress: Progress
) -> None:
    """Convert a source to a COG."""
    with opened(source, limits) as dataset:
        cog = _Cog(dataset, recipe)
    pool = ThreadPoolExecutor(limits.threads, "astra-convert")
    try:
        with (
            tempfile.TemporaryFile(dir=target.parent) as image,
            tempfile.TemporaryFile(dir=target.parent) as overview,
        ):
            for block, share in cog.blocks(source, limits, pool):
                for level, file, tiles in zip(
                    cog.levels, (image, overview), block.tiles, strict=False
                ):
                    for at, body in tiles:
                        level.add(at, len(body))
                        file.write(body)
                cog.keep(block)
                progress(0.95 * share)
            coarse = [cog.compress(level, pool) for level in range(2, len(cog.levels))]
            with target.open("wb") as out:
                out.write(head_of(cog.tags, cog.levels))
                for bodies in reversed(coarse):
                    out.writelines(bodies)
                for file in (overview, image):
                    file.seek(0)
                    shutil.copyfileobj(file, out, 4 << 20)
    finally:
        pool.shutdown(cancel_futures=True)
    progress(1.0)


class _Cog:
    """The new file: metadata, and the levels written so far."""

    def __init__(self, dataset: rasterio.io.DatasetReader, recipe: Recipe) -> None:
        self.dtype = np.dtype(dataset.dtypes[0])
        self.planes = dataset.count
        self.nodata = dataset.nodata if recipe.nodata is None else recipe.nodata
        self.nearest = recipe.categorical or any(i.name == "palette" for i in dataset.colorinterp)
        self.tags = _template(dataset, recipe)
        shape = dataset.shape
        self.levels = [WrittenLevel(shape=shape, tile=TILE)]
        while max(shape) > TILE:
            shape = (-(-shape[0] // 2), -(-shape[1] // 2))
            self.levels.append(WrittenLevel(shape=shape, tile=TILE))
        # Source blocks that straddle our blocks would be decoded twice.
        wide = dataset.block_shapes[0][1]
        self.columns = _BLOCK if _BLOCK % wide == 0 else -(-dataset.width // _BLOCK) * _BLOCK
        small = [(self.planes, *level.shape) for level in self.levels[2:3]]
        self.rest: Pixels | None = np.empty(small[0], self.dtype) if small else None

    def blocks(
        self, source: Path, limits: Limits, pool: Executor
    ) -> Iterator[tuple[_Block, float]]:
        """Yield the blocks in order, each with the share of the source that is done."""

        def block(window: Window) -> _Block:
            # GDAL's datasets are not thread-safe; opening one takes 2 ms.
            with opened(source, limits) as dataset:
                return self._block(dataset.read(window=window), window)

        windows = self._windows()
        waiting: deque[Future[_Block]] = deque()
        for number, window in enumerate(windows, start=1):
            waiting.append(pool.submit(block, window))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result(), (number - len(waiting)) / len(windows)
        while waiting:
            yield waiting.popleft().result(), 1 - len(waiting) / len(windows)

    def _windows(self) -> list[Window]:
        rows, cols = self.levels[0].shape
        return [
            Window(col, row, min(self.columns, cols - col), min(_BLOCK, rows - row))
            for row in range(0, rows, _BLOCK)
            for col in range(0, cols, self.columns)
        ]

    def _block(self, pixels: Pixels, window: Window) -> _Block:
        half = self._halve(pixels)
        return _Block(
            tiles=(
                self._tiles(pixels, window.row_off, window.col_off),
                self._tiles(half, window.row_off // 2, window.col_off // 2),
            ),
            at=(window.row_off // 4, window.col_off // 4),
            rest=self._halve(half),
        )

    def keep(self, block: _Block) -> None:
        """Insert a block's part of the second overview."""
        if self.rest is not None:
            (row, col), (_, rows, cols) = block.at, block.rest.shape
            self.rest[:, row : row + rows, col : col + cols] = block.rest

    def compress(self, number: int, pool: Executor) -> list[bytes]:
        """Compress one of the coarser overviews, each made of the one before."""
        assert self.rest is not None
        parts = dict(_cut(self.rest, 0, 0))
        bodies = list(pool.map(self._tile, parts.values()))
        for at, body in zip(parts, bodies, strict=True):
            self.levels[number].add(at, len(body))
        self.rest = self._halve(self.rest)
        return bodies

    def _halve(self, pixels: Pixels) -> Pixels:
        return halve(pixels, nodata=self.nodata, nearest=self.nearest)

    def _tiles(self, pixels: Pixels, row: int, col: int) -> Tiles:
        """Compress (planes, rows, columns) whose first pixel is at (row, col) of a level."""
        return [(at, self._tile(part)) for at, part in _cut(pixels, row, col)]

    def _tile(self, part: Pixels) -> bytes:
        _, rows, cols = part.shape
        if (rows, cols) != (TILE, TILE):
            # Repeated edges compress best; readers ignore them.
            part = np.pad(part, ((0, 0), (0, TILE - rows), (0, TILE - cols)), mode="edge")
        tile = np.ascontiguousarray(part.transpose(1, 2, 0))
        return isal_zlib.compress(predict(tile), _LEVEL)


def _cut(pixels: Pixels, row: int, col: int) -> Iterator[tuple[tuple[int, int], Pixels]]:
    _, rows, cols = pixels.shape
    for top in range(0, rows, TILE):
        for left in range(0, cols, TILE):
            at = ((row + top) // TILE, (col + left) // TILE)
            yield at, pixels[:, top : top + TILE, left : left + TILE]


def _template(dataset: rasterio.io.DatasetReader, recipe: Recipe) -> dict[int, Tag]:
    """Return the tags that GDAL writes for such an image, from a tiny file."""
    options = {
        "driver": "GTiff",
        "width": TILE,
        "height": TILE,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
        "predictor": 3 if np.dtype(dataset.dtypes[0]).kind == "f" else 2,
        "interleave": "pixel",
        "endianness": "little",
        "bigtiff": "no",
        "sparse_ok": True,
    }
    with rasterio.MemoryFile() as memory:
        with described(memory.open, dataset, recipe, options):
            pass
        return read_tags(bytes(memory.getbuffer()))[0]
