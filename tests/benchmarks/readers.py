"""Who reads: a function a reader, each in its best known configuration."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmarks.running import clock
from tests.benchmarks.scenes import (
    EPSG,
    FOLDER,
    HIDDEN,
    SIZE,
    TRANSFORM,
    href_of,
    items,
)  # fmt: skip

Window = tuple[slice, slice]
Array = Any
_THREADS = 32
"""Of peers that read a file or a chunk in each."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What to read."""

    what: str = "ndvi"
    """``ndvi``; ``bands``, as they are; or the cloud-masked ``median`` of red."""

    bands: tuple[str, ...] = ("B04", "B08")
    windows: list[Window]
    """All at once."""

    dates: int = 1
    factor: int = 1
    """Pixels of the full image in one that is asked for, along a side; ``windows`` are in these."""

    points: npt.NDArray[np.int64] | None = None
    """Rows and columns within the window, (2, points), of which alone values are asked for."""

    chunked: bool = False
    """True: by dask with as many threads as cores, as Datasets are opened by default elsewhere."""

    rounds: int = 9
    """At most."""

    readers: tuple[str, ...]
    """Their names."""


def ndvi(red: Array, nir: Array) -> Array:
    """Return NDVI of stored numbers, NumPy's, xarray's or dask's; NaN without data."""
    found = (nir.astype("f4") - red) / (red.astype("f4") + nir - 2000)
    seen = (red != 0) & (nir != 0)
    return np.where(seen, found, np.nan) if isinstance(found, np.ndarray) else found.where(seen)


def answer(row: Row, bands: list[Array]) -> Array:
    """Return what a row asks for, from the stored numbers of its bands, (time, rows, columns)."""
    if row.points is not None:
        bands = [band[..., *row.points] for band in map(np.asarray, bands)]
    return ndvi(*bands) if row.what == "ndvi" else bands


def with_astra(row: Row, base: str) -> Array:
    import astra_xr

    found = items(base, row.dates)
    names = [{"B04": "red", "B08": "nir"}.get(band, band) for band in row.bands]
    chunks: Any = {} if row.chunked else None
    if row.dates > 1:
        ds = astra_xr.open_scenes(found, names, chunks=chunks)
    else:
        resolution = 10 * row.factor if row.factor > 1 else None
        ds = astra_xr.open_scene(found[0], bands=names, resolution=resolution)
    cuts = [ds.isel(y=rows, x=cols) for rows, cols in row.windows]
    if row.points is not None:
        return ds.astra.sample(lonlat(row)).astra.index("NDVI").values
    if row.what == "median":
        return cuts[0].astra.composite("median", dilate=0).red.values
    if row.what == "ndvi":
        return [cut.astra.index("NDVI").values for cut in cuts]
    if len(cuts) == 1:
        loaded = cuts[0].astra.load(progress=False)
        return [loaded[name].values for name in loaded.data_vars]

    async def together() -> list[Array]:
        loaded = await asyncio.gather(*(cut.load_async() for cut in cuts))
        return [cut[names[0]].values for cut in loaded]

    return asyncio.run(together())


def lonlat(row: Row) -> Any:
    """Return the centers of the pixels that are the points of a row, in degrees."""
    from pyproj import Transformer

    assert row.points is not None
    rows, cols = (row.points.T + [each.start for each in row.windows[0]]).T + 0.5
    turn = Transformer.from_crs(EPSG, "OGC:CRS84", always_xy=True)
    return list(
        zip(*turn.transform(TRANSFORM[2] + 10 * cols, TRANSFORM[5] - 10 * rows), strict=True)
    )


def with_load(row: Row, base: str) -> Array:
    """Load a stack's bands, and compute afterwards."""
    import astra_xr

    rows, cols = row.windows[0]
    ds = astra_xr.open_scenes(items(base, row.dates), ["red", "nir"])
    ds = ds.isel(y=rows, x=cols).astra.load(progress=False)
    return ((ds.nir - ds.red) / (ds.nir + ds.red)).values


def grid_of(window: Window, factor: int = 1) -> Any:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    side = SIZE // factor
    whole = GeoBox((side, side), Affine(*TRANSFORM) @ Affine.scale(factor), f"EPSG:{EPSG}")
    return whole[window]


def masked_median(ds: Any) -> Array:
    """Return the median of red, without clouds, of the bands of odc-stac or stackstac."""
    clear = (ds["B04"] != 0) & ~ds["SCL"].isin(HIDDEN)
    red = ds["B04"].where(clear).astype("f4") * np.float32(1e-4) - np.float32(0.1)
    return red.chunk(time=-1).median("time").values if red.chunks else red.median("time").values


def with_odc(row: Row, base: str, pool: int) -> Array:
    """Load the window itself, without dask."""
    import odc.stac
    import pystac

    found = [pystac.Item.from_dict(each) for each in items(base, row.dates)]

    def load(window: Window, threads: int | None) -> Any:
        return odc.stac.load(
            found, bands=row.bands, geobox=grid_of(window, row.factor), pool=threads,
            resampling={"SCL": "nearest"},
        )  # fmt: skip

    if len(row.windows) > 1:
        with ThreadPoolExecutor(pool) as threads:
            loaded = threads.map(lambda window: load(window, None), row.windows)
            return [ds[row.bands[0]].values for ds in loaded]
    ds = load(row.windows[0], pool)
    if row.what == "median":
        return masked_median(ds)
    return answer(row, [ds[band].values for band in row.bands])


def with_odc_dask(row: Row, base: str) -> Array:
    import dask
    import odc.stac
    import pystac

    found = [pystac.Item.from_dict(each) for each in items(base, row.dates)]
    ds = odc.stac.load(
        found, bands=row.bands, geobox=grid_of(row.windows[0]), chunks={"x": 2048, "y": 2048},
        resampling={"SCL": "nearest"},
    )  # fmt: skip
    with dask.config.set(workers(row)):
        return masked_median(ds) if row.what == "median" else ndvi(ds.B04, ds.B08).values


def workers(row: Row) -> dict[str, int]:
    """Return dask's threads: as many as cores, its default, where a row is of that."""
    return {} if row.chunked else {"num_workers": _THREADS}


def with_stackstac(row: Row, base: str) -> Array:
    import dask
    import stackstac
    from dask.base import compute
    from rasterio.enums import Resampling

    def load(window: Window) -> Any:
        box = grid_of(window, row.factor).boundingbox
        return stackstac.stack(
            items(base, row.dates), assets=list(row.bands), epsg=EPSG, resolution=10 * row.factor,
            bounds=tuple(box), dtype="uint16", fill_value=np.uint16(0), rescale=False,
            resampling=Resampling.nearest, chunksize=2048,
        )  # fmt: skip

    stacks = [load(window) for window in row.windows]
    with dask.config.set(workers(row)):
        if row.what == "median":
            return masked_median({b: stacks[0].sel(band=b, drop=True) for b in row.bands})
        if len(stacks) > 1:
            loaded: Any = compute(*stacks)  # type: ignore[no-untyped-call]
            return [each.values for each in loaded]
        if row.what == "ndvi" and row.points is None:
            red, nir = (stacks[0].sel(band=band, drop=True) for band in row.bands)
            return ndvi(red, nir).values
        values = stacks[0].values
    return answer(row, [values[:, number] for number in range(len(row.bands))])


def threaded(row: Row, base: str, pixels: Callable[[str, Window], Array]) -> Array:
    """Read each window of each file in a thread."""
    jobs = [
        (href_of(base, band, date), window)
        for window in row.windows
        for band in row.bands
        for date in range(row.dates)
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        arrays = list(pool.map(lambda job: pixels(*job), jobs))
    if len(row.windows) > 1:
        return arrays
    stacks = [np.stack(arrays[n : n + row.dates]) for n in range(0, len(arrays), row.dates)]
    return answer(row, stacks)


def with_rioxarray(row: Row, base: str) -> Array:
    """Read by GDAL, whose own threads decode; large windows by dask, each thread its own files."""
    import dask
    import rioxarray

    options: dict[str, Any] = {"lock": False}
    if row.factor > 1:
        options["overview_level"] = row.factor.bit_length() - 2

    def pixels(url: str, window: Window) -> Array:
        rows, cols = window
        file: Any = rioxarray.open_rasterio(url, **options)
        return file[0].isel(y=rows, x=cols).values

    rows, cols = row.windows[0]
    if rows.stop - rows.start < 4096 or row.what != "ndvi":
        return threaded(row, base, pixels)
    options["chunks"] = {"x": 2048, "y": 2048}
    files = (rioxarray.open_rasterio(href_of(base, b, 0), **options)[0] for b in row.bands)
    red, nir = (file.isel(y=rows, x=cols) for file in files)
    with dask.config.set(workers(row)):
        return ndvi(red, nir).values


def with_xarray_spatial(row: Row, base: str) -> Array:
    from xrspatial.geotiff import open_geotiff

    level = row.factor.bit_length() - 1

    def pixels(url: str, window: Window) -> Array:
        rows, cols = window
        box = rows.start, cols.start, rows.stop, cols.stop
        return open_geotiff(url, window=box, overview_level=level, max_cloud_bytes=None).values

    return threaded(row, base, pixels)


def with_async_geotiff(row: Row, base: str) -> Array:
    """Read plain pixels; one store for all files, as with a container's signature."""
    from async_geotiff import GeoTIFF
    from async_geotiff import Window as Box
    from obstore.store import HTTPStore

    root = base.partition("?")[0]
    store = HTTPStore.from_url(root, client_options={"allow_http": True})

    async def one(band: str, date: int) -> list[npt.NDArray[Any]]:
        path = href_of(root, band, date).removeprefix(root).lstrip("/")
        file: Any = await GeoTIFF.open(path, store=store)
        if row.factor > 1:
            file = file.overviews[row.factor.bit_length() - 2]
        boxes = (
            Box(col_off=c.start, row_off=r.start, width=c.stop - c.start, height=r.stop - r.start)
            for r, c in row.windows
        )
        parts = await asyncio.gather(*(file.read(window=box) for box in boxes))
        return [part.data[0] for part in parts]

    async def everything() -> list[list[npt.NDArray[Any]]]:
        jobs = (one(band, date) for band in row.bands for date in range(row.dates))
        return await asyncio.gather(*jobs)

    arrays = asyncio.run(everything())
    if len(row.windows) > 1:
        return arrays[0]
    firsts = [parts[0] for parts in arrays]
    return answer(
        row, [np.stack(firsts[n : n + row.dates]) for n in range(0, len(firsts), row.dates)]
    )


def with_lazycogs(row: Row, base: str) -> Array:
    """One store for all files, as with a container's signature; items from a file, as it wants."""
    import duckdb_extension_icu
    import duckdb_extension_parquet
    import duckdb_extension_spatial
    import lazycogs
    import rustac

    home, path = FOLDER / "duckdb", FOLDER / f"items-{row.dates}.parquet"
    for module in (duckdb_extension_icu, duckdb_extension_parquet, duckdb_extension_spatial):
        source = next(Path(module.__path__[0]).rglob("*.duckdb_extension"))
        target = home / source.parent.name / "linux_amd64" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(source)

    async def write() -> None:
        await rustac.write(str(path), items(base.partition("?")[0], row.dates))

    asyncio.run(write())
    client = rustac.DuckdbClient(extension_directory=home, install_extensions=False)
    clock.restart()

    def opened(window: Window) -> Any:
        return lazycogs.open(
            str(path), bbox=tuple(grid_of(window, row.factor).boundingbox), crs=f"EPSG:{EPSG}",
            resolution=10 * row.factor, bands=list(row.bands), dtype="uint16", nodata=0,
            duckdb_client=client, max_concurrent_reads=64,
        )  # fmt: skip

    async def together() -> list[Any]:
        return await asyncio.gather(*(opened(window).load_async() for window in row.windows))

    loaded = [each.values for each in asyncio.run(together())]
    return loaded if len(loaded) > 1 else answer(row, list(loaded[0]))


def with_rasteret(row: Row, base: str) -> Array:
    """Read by an index of all headers, which it makes once; making it is not counted."""
    import rasteret
    import shapely

    name = hashlib.sha256(f"{base} {row.dates} {row.bands}".encode()).hexdigest()[:12]
    index = FOLDER / f"rasteret-{name}"
    if not index.exists():
        # In a process of its own, whose connections are gone with it.
        with ProcessPoolExecutor(1) as pool:
            pool.submit(_index, row, base, index).result()
    clock.restart()
    collection = rasteret.load(index)
    ids = [each["id"] for each in items(base, row.dates)]

    def read(window: Window) -> Any:
        box = grid_of(window, row.factor).boundingbox
        return collection.read_window(
            record_ids=ids, bounds=tuple(box), res=(10, 10), bands=list(row.bands),
            target_crs=EPSG, max_concurrent=64, group_by="id",
        )  # fmt: skip

    if row.points is not None:
        points = [shapely.Point(*point) for point in lonlat(row)]
        table = collection.sample_points(points, list(row.bands), max_concurrent=64)
        frame = table.to_pandas().pivot_table("value", ["record_id", "point_index"], "band")
        return ndvi(*(frame[band].to_numpy() for band in row.bands))
    if len(row.windows) > 1:
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(read, row.windows))
    values = read(row.windows[0])
    return answer(row, [values[:, number] for number in range(len(row.bands))])


def _index(row: Row, base: str, folder: Path) -> None:
    import pandas as pd
    import pyarrow as pa
    import rasteret
    import shapely

    found = items(base, row.dates)
    table = pa.table(
        {
            "id": [each["id"] for each in found],
            "datetime": pa.array([pd.Timestamp(each["properties"]["datetime"]) for each in found]),
            "geometry": [
                shapely.to_wkb(shapely.geometry.shape(each["geometry"])) for each in found
            ],
            "proj:epsg": [EPSG] * len(found),
            "assets": [
                {band: {"href": each["assets"][band]["href"]} for band in row.bands}
                for each in found
            ],
        }
    )
    rasteret.build_from_table(
        table, name="benchmark", workspace_dir=folder, enrich_cog=True, band_codes=list(row.bands)
    )
