"""From fields to a table, over a link like a user's: ``python -m tests.benchmarks.fields``.

The mean NDVI of polygons over many dates, of the scenes of ``peers``, with the pixels weighted by
the part that a polygon covers. Readers, links and results are as there, and so is what to install.
The peers read what the fields need: the box around them where they are close to each other, else
each field's own; exactextract does the weights for all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from tests.benchmarks.bare import Part, fetch
from tests.benchmarks.readers import grid_of, ndvi
from tests.benchmarks.running import LIMIT, OURS, Reader, main
from tests.benchmarks.scenes import EPSG, SIZE, TRANSFORM, file_of, href_of, items

BANDS = ("B04", "B08")
_THREADS = 32


@dataclass(frozen=True, kw_only=True)
class Row:
    """Which fields or points, and how many dates."""

    count: int
    side: int
    """Of the square, in pixels, that they lie in."""

    dates: int
    points: bool = False
    """True: values of red at points."""

    rounds: int = 9
    readers: tuple[str, ...] = (OURS, LIMIT, "odc-stac + exactextract", "stackstac + xvec")

    @property
    def clustered(self) -> bool:
        return self.side <= 1000

    def places(self) -> npt.NDArray[np.float64]:
        """Return columns and rows, (count, 2), from the north-west corner of the scene."""
        left = 5120 if self.clustered else 1000
        rng = np.random.default_rng(self.count)
        return left + 30 + rng.random((self.count, 2)) * (self.side - 60)

    def fields(self) -> npt.NDArray[Any]:
        """Return rectangles of 100 to 300 m that lie askew, in the scene's CRS."""
        rng, found = np.random.default_rng(1), []
        for col, row in self.places():
            width, height = rng.uniform(100, 300, 2)
            x, y = TRANSFORM[2] + 10 * col, TRANSFORM[5] - 10 * row
            box = shapely.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append(shapely.affinity.rotate(box, rng.uniform(0, 90)))
        return np.array(found)

    def windows(self) -> list[tuple[slice, slice]]:
        """Return rows and columns of each field."""
        bounds = shapely.bounds(self.fields())
        cols = (bounds[:, ::2] - TRANSFORM[2]) / 10
        rows = (TRANSFORM[5] - bounds[:, :0:-2]) / 10
        return [
            tuple(slice(int(np.floor(low)), int(np.ceil(high))) for low, high in pair)  # type: ignore[misc]
            for pair in zip(rows, cols, strict=True)
        ]

    def loads(self) -> list[tuple[tuple[slice, slice], list[int]]]:
        """Return the windows that peers load, and the numbers of the fields in each."""
        windows = self.windows()
        if not self.clustered:
            return [(window, [number]) for number, window in enumerate(windows)]
        rows, cols = (
            slice(min(each.start for each in axis), max(each.stop for each in axis))
            for axis in zip(*windows, strict=True)
        )
        return [((rows, cols), list(range(len(windows))))]


ROWS = {
    "30 fields within 10 km × 40 dates": Row(count=30, side=1000, dates=40),
    "300 fields within 10 km × 40 dates": Row(count=300, side=1000, dates=40),
    "30 fields over the scene × 10 dates": Row(count=30, side=SIZE - 1100, dates=10),
    "1,000 points × 500 dates": Row(
        count=1000, side=1000, dates=500, points=True, rounds=1, readers=(OURS, LIMIT)
    ),
}
LINKS = {"40,200,signed": list(ROWS)[:3], "120,400,signed": list(ROWS)}


def with_astra(row: Row, base: str) -> Any:
    import geopandas

    import astra_xr

    found = items(base, row.dates)
    if row.points:
        cols, rows = np.floor(row.places().T) + 0.5
        points = geopandas.points_from_xy(TRANSFORM[2] + 10 * cols, TRANSFORM[5] - 10 * rows)
        places = geopandas.GeoSeries(points, crs=EPSG)
        return astra_xr.open_scenes(found, ["red"]).astra.sample(places).red.values
    fields = geopandas.GeoSeries(row.fields(), crs=EPSG)
    table = astra_xr.open_scenes(found, ["red", "nir"]).astra.index("NDVI").astra.zonal(
        fields, "mean", progress=False
    )  # fmt: skip
    return table.NDVI.values


def with_odc(row: Row, base: str) -> Any:
    import odc.stac
    import pystac

    found = [pystac.Item.from_dict(each) for each in items(base, row.dates)]
    fields = row.fields()

    def one(load: tuple[Any, list[int]], pool: int | None) -> Any:
        window, numbers = load
        grid = grid_of(window)
        ds = odc.stac.load(found, bands=BANDS, geobox=grid, pool=pool)
        values = ndvi(ds.B04.values, ds.B08.values).clip(-1, 1)  # as astra-xr does
        return means(values, grid.boundingbox, fields[numbers])

    loads = row.loads()
    if len(loads) == 1:
        return one(loads[0], _THREADS)
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda load: one(load, None), loads))


def means(values: Any, box: Any, fields: npt.NDArray[Any]) -> Any:
    """Return the mean of each date in each field, (fields, dates)."""
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    rasters = [NumPyRasterSource(each, *box, name=str(n)) for n, each in enumerate(values)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)}
        for each in fields
    ]
    answers = exact_extract(rasters, features, ["mean"])
    return np.array([list(each["properties"].values()) for each in answers])


def with_stackstac(row: Row, base: str) -> Any:
    import dask
    import geopandas
    import stackstac
    import xvec  # noqa: F401
    from dask.base import compute

    fields, stacks = geopandas.GeoSeries(row.fields(), crs=EPSG), list[Any]()
    loads = row.loads()
    for window, _ in loads:
        stack = stackstac.stack(
            items(base, row.dates), assets=list(BANDS), epsg=EPSG, resolution=10, rescale=False,
            bounds=tuple(grid_of(window).boundingbox), dtype="uint16", fill_value=np.uint16(0),
            chunksize=2048,
        )  # fmt: skip
        red, nir = (stack.sel(band=band, drop=True) for band in BANDS)
        stacks.append(ndvi(red, nir).clip(-1, 1))
    with dask.config.set(num_workers=_THREADS):
        loaded: Any = compute(*stacks)  # type: ignore[no-untyped-call]
    tables = []
    for stack, (_, numbers) in zip(loaded, loads, strict=True):
        # Its coordinates are the corners of pixels, where exactextract takes their centers.
        plain = stack.drop_vars([name for name in stack.coords if name not in ("time", "x", "y")])
        plain = plain.assign_coords(x=stack.x + 5, y=stack.y - 5)
        tables.append(plain.xvec.zonal_stats(fields.iloc[numbers], "x", "y", method="exactextract"))
    return [table.values for table in tables]


def bare(row: Row, base: str) -> None:
    parts = []
    for date in range(row.dates):
        for band in BANDS[: 1 if row.points else 2]:
            url, name = href_of(base, band, date), file_of(band, date)
            if row.points:
                cols, rows = np.floor(row.places().T).astype(int)
                parts.append(Part(url, name, rows, cols))
            else:
                spans = (((r.start, r.stop), (c.start, c.stop)) for r, c in row.windows())
                parts += [Part(url, name, *span) for span in spans]
    fetch(parts)


READERS = {
    OURS: Reader(
        "astra_xr.scenes.stack astra_xr.accessor.indices astra_xr.accessor.zonal exactextract "
        "geopandas rioxarray odc.geo.xr spyndex",
        with_astra,
    ),
    LIMIT: Reader("aiohttp astra_xr.reading.engine", bare),
    "odc-stac + exactextract": Reader("odc.stac pystac exactextract", with_odc),
    "stackstac + xvec": Reader("stackstac xvec dask.array exactextract geopandas", with_stackstac),
}  # fmt: skip

if __name__ == "__main__":
    main("tests.benchmarks.fields", ROWS, READERS, LINKS)
