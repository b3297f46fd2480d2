"""Formulas over windows of several files, computed tile by tile; only the results are full-size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from astra_xr.reading.decoding import decode_into, warn_of_offset
from astra_xr.reading.engine import stream, tile_pixels
from astra_xr.reading.headers import confirm, find_layout, tags_of
from astra_xr.reading.item_check import Elsewhere
from astra_xr.reading.loop import in_decode_thread, together
from astra_xr.reading.plan import Job, TileBytes
from astra_xr.reading.ranges import RangeFile, Stale
from astra_xr.reading.tiles import overlap
from astra_xr.reading.window import Window
from astra_xr.tiff.codecs import scratch
from astra_xr.tiff.directories import Unsupported

_STRIP = 1 << 14
"""Pixels computed at once: a formula's temporaries stay in the processor's cache."""

Formula = Callable[[Mapping[str, npt.NDArray[Any]]], Any]
"""Works pixel by pixel: takes arrays by name, returns an array of their shape."""

Outputs = Sequence[tuple[Formula, npt.NDArray[Any]]]
"""Formulas, each with the array of its values, which is filled in place."""


async def read_formulas(windows: Mapping[str, Window], outputs: Outputs) -> bool:
    """Compute formulas over windows of several files, reading each file once.

    Parameters
    ----------
    windows : mapping of str to Window
        Keyed by the names that the formulas use; one plane each, the same rows and columns.
    outputs : sequence of (callable, ndarray)
        The arrays are (rows, columns) of the windows.

    Returns
    -------
    bool
        False if nothing was read, or not all: a file needs GDAL, has a mask or another position
        than its item describes, its kept header is outdated, or the files are tiled differently.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        As of :func:`astra_xr.reading.engine.read`.
    """
    files = await together(RangeFile.open(w.source, w.label) for w in windows.values())
    try:
        find = functools.partial(find_layout, kept=True)
        layouts = await together(map(find, files, windows.values()))
    except (Unsupported, Elsewhere, Stale):
        return False
    same_tiling = len({layout.levels[0].tile for layout in layouts}) == 1
    if not same_tiling or any(layout.mask or layout.alpha is not None for layout in layouts):
        return False
    own = [
        window.with_tags(tags_of(layout, window))
        for window, layout in zip(windows.values(), layouts, strict=True)
    ]
    jobs = list(map(Job, files, own, layouts))
    names = dict(zip(map(id, jobs), windows, strict=True))
    # Row and column of a tile -> its bands that have arrived.
    arrived: dict[tuple[int, int], dict[str, tuple[Job, TileBytes]]] = {}

    def compute(complete: Sequence[dict[str, tuple[Job, TileBytes]]]) -> None:
        for bands in complete:
            values = {name: _values(name, job, part) for name, (job, part) in bands.items()}
            job, (tile, _) = next(iter(bands.values()))
            target = overlap(job.level, tile, job.window)[1]
            _fill(values, [(formula, out[target]) for formula, out in outputs])

    async def use(job: Job, parts: Sequence[TileBytes]) -> None:
        complete = []
        for tile, data in parts:
            bands = arrived.setdefault((tile.row, tile.col), {})
            bands[names[id(job)]] = (job, (tile, data))
            if len(bands) == len(jobs):
                complete.append(arrived.pop((tile.row, tile.col)))
        if complete:
            await in_decode_thread(compute, complete)

    try:
        await stream(jobs, use)
        await together(map(confirm, files, windows.values()))
    except Stale:
        return False
    return True


def _fill(values: Mapping[str, npt.NDArray[Any]], outputs: Outputs) -> None:
    height, width = outputs[0][1].shape
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        part = {name: array[strip] for name, array in values.items()}
        for formula, out in outputs:
            out[strip] = formula(part)


def _values(name: str, job: Job, part: TileBytes) -> npt.NDArray[Any]:
    tile, data = part
    cut, _ = overlap(job.level, tile, job.window)
    plane = 0 if job.layout.planar else job.window.indexes[0] - 1
    stored = tile_pixels(job, tile, data)[(*cut, plane)]
    values = scratch(f"band {name}", stored.shape, job.window.dtype_of(stored.dtype))
    radiometry = job.window.plane_radiometry(0)
    decode_into(stored, radiometry, values)
    warn_of_offset(values, radiometry, job.window.label)
    return values
