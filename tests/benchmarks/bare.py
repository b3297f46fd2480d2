"""The limit of a row: a bare loop over the same byte ranges, with as many connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.running import clock
from tests.benchmarks.scenes import FOLDER

CONNECTIONS = 64
_HEADER = 16384


@dataclass(frozen=True)
class Part:
    """A window, or points, of a file."""

    url: str
    name: str
    """Of the file in the folder."""

    rows: Any
    """``(start, stop)``, or an array of one row a point; so are ``cols``."""

    cols: Any
    factor: int = 1


def fetch(parts: Iterable[Part]) -> None:
    """Fetch the header and then the tiles of each file, whose places are known, and inflate them.

    The clock starts when the places are known.
    """
    import aiohttp
    from yarl import URL

    from astra_xr.tiff.codecs import decode_tile

    found = _ranges(list(parts))
    clock.restart()

    async def everything() -> None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 18) as session:

            async def get(url: str, start: int, stop: int) -> bytes:
                headers = {"Range": f"bytes={start}-{stop - 1}"}
                async with session.get(URL(url, encoded=True), headers=headers) as answer:
                    return await answer.read()

            def inflate(body: bytes, run: Any, layout: Any) -> None:
                rows, cols = layout.levels[0].tile
                for tile in run.tiles:
                    data = memoryview(body)[tile.start - run.start : tile.stop - run.start]
                    decode_tile(data, (rows, cols, 1), layout.dtype, layout.codec, layout.predictor)

            async def tiles(url: str, run: Any, layout: Any) -> None:
                async with slots:
                    body = await get(url, run.start, run.stop)
                    await asyncio.to_thread(inflate, body, run, layout)

            async def one(url: str, runs: list[Any], layout: Any) -> None:
                async with slots:
                    await get(url, 0, _HEADER)
                await asyncio.gather(*(tiles(url, run, layout) for run in runs))

            slots = asyncio.Semaphore(CONNECTIONS)
            await asyncio.gather(*(one(url, *each) for url, each in found.items()))

    asyncio.run(everything())


def _ranges(parts: list[Part]) -> dict[str, tuple[list[Any], Any]]:
    """Return the byte ranges of each URL, and the layout of its file, from the file itself."""
    from astra_xr.catalogs.urls import FixedUrl
    from astra_xr.reading.loop import run
    from astra_xr.reading.ranges import RangeFile
    from astra_xr.reading.tiles import runs_of, tiles_of
    from astra_xr.reading.window import Window
    from astra_xr.tiff.layout import read_layout

    layouts = {}
    tiles: dict[str, set[Any]] = {}
    for part in parts:
        if part.name not in layouts:
            source = FixedUrl(str(FOLDER / part.name))
            layouts[part.name] = run(read_layout(RangeFile(source, source(), part.name)))
        layout = layouts[part.name]
        window = Window(
            source=FixedUrl(""), label="", shape=layout.levels[0].shape, indexes=(1,),
            rows=part.rows, cols=part.cols, level=part.factor.bit_length() - 1, radiometry=None,
            pointwise=not isinstance(part.rows, tuple),
        )  # fmt: skip
        tiles.setdefault(part.url, set()).update(tiles_of(layout, [0], window))
    names = {part.url: part.name for part in parts}
    return {url: (runs_of(list(each)), layouts[names[url]]) for url, each in tiles.items()}
