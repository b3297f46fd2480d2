"""A pixel with values but no class or probability is never clear; averaged classes are refused.

xarray fills in NaN where it joins scenes of which one lacks the band, beyond the edges of a raster,
and for nodata in files. Whether arrays are in memory, unread or of dask, the outcome is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from scipy import ndimage

import astra_xr
from astra_xr.errors import InvalidDataset
from astra_xr.reading.cache import tile_cache
from astra_xr.testing import RangeServer
from tests.stacks import add, s2_item

ROWS, COLS = 70, 60
BANDS = ["red", "nir", "SCL"]
HIDDEN = (3, 8, 9, 10)
DISC = np.add.outer(np.arange(-2, 3) ** 2, np.arange(-2, 3) ** 2) <= 4


@pytest.fixture(scope="module")
def ids() -> list[str]:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return sorted(list(found)[:2], key=lambda name: name.split("_")[2])


@pytest.fixture(scope="module")
def likely(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Scenes with cloud probabilities, which the sample has not."""
    folder, rng, scenes = tmp_path_factory.mktemp("likely"), np.random.default_rng(1), []
    for day in ("20250703", "20250713"):
        red, nir = rng.integers(1500, 3000, (2, 192, 192)).astype("uint16")
        item = s2_item(folder, day, B04=red, B08=nir)
        chance = np.maximum(rng.integers(-400, 101, (96, 96)), 0)
        add(item, folder, "cloud", chance.astype("uint8"), gsd=20)
        scenes.append(item)
    return scenes


def opened(scenes: list[Any], bands: list[str], chunks: int | None = None) -> xr.Dataset:
    catalog = "sample" if isinstance(scenes[0], str) else None
    stack = astra_xr.open_scenes(scenes, bands, catalog=catalog)
    # A graph of the whole stack would have thousands of tasks.
    part = stack.isel(x=slice(100, 100 + COLS), y=slice(100, 100 + ROWS))
    return part.chunk(time=1, y=chunks, x=chunks) if chunks else part


def joined(scenes: list[Any], band: str = "SCL", chunks: int | None = None) -> xr.Dataset:
    """Join a scene and one that was opened without its classes, as xarray does."""
    bands = BANDS[:2]
    parts = [opened(scenes[:1], [*bands, band], chunks), opened(scenes[1:], bands, chunks)]
    return xr.concat(parts, "time", coords="different", compat="equals", join="outer")


def in_memory(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    return joined(scenes, band).load()


def unread(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    return beside(opened(scenes, BANDS[:2]), joined(scenes, band)[band])


def beside(bands: xr.Dataset, classes: xr.DataArray) -> xr.Dataset:
    named = classes.assign_attrs(scene_id=bands.red.attrs["scene_id"])
    return bands.assign({classes.name: named})


def of_dask(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    return joined(scenes, band, 32)


def beside_dask(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    return beside(opened(scenes, BANDS[:2], 32), joined(scenes, band)[band])


def of_netcdf(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    joined(scenes, band).to_netcdf(folder / "stack.nc")
    return xr.open_dataset(folder / "stack.nc", decode_coords="all")


def of_zarr(scenes: list[Any], band: str, folder: Path) -> xr.Dataset:
    joined(scenes, band).to_zarr(folder / "stack.zarr", zarr_format=2, consolidated=False)
    found: xr.Dataset = xr.open_zarr(folder / "stack.zarr", consolidated=False, decode_coords="all")
    return found


FILES = [of_netcdf, of_zarr]
KINDS = [in_memory, unread, of_dask, beside_dask, *FILES]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[Any], str], xr.Dataset]:
    """Return how two scenes are joined, of which the second lacks a band."""

    def made(scenes: list[Any], band: str) -> xr.Dataset:
        found: xr.Dataset = request.param(scenes, band, tmp_path)
        return found.assign_coords({name: each.load() for name, each in found.coords.items()})

    return made


@pytest.fixture
def stack(kind: Callable[[list[Any], str], xr.Dataset], ids: list[str]) -> xr.Dataset:
    return kind(ids, "SCL")


def whole(ds: xr.Dataset, like: xr.Dataset) -> xr.Dataset:
    return ds


def part(ds: xr.Dataset, like: xr.Dataset) -> xr.Dataset:
    """Give the second scene classes, but not in 20 columns."""
    (band,) = {"SCL", "cloud"} & {*ds.data_vars}
    there = (ds.x < ds.x[40]) | (ds.time < ds.time[1])
    return ds.assign({band: ds[band].fillna(like[band]).where(there)})


def rim(ds: xr.Dataset, like: xr.Dataset) -> xr.Dataset:
    """Leave ten columns without data, and the second scene without classes."""
    return ds.where(ds.x >= ds.x[10])


def beyond(ds: xr.Dataset, like: xr.Dataset) -> xr.Dataset:
    """Leave three rows beyond the raster."""
    return ds.reindex(y=[*ds.y.values, *(ds.y.values[-1] - 10 * np.arange(1, 4))])


GAPS: list[Callable[[xr.Dataset, xr.Dataset], xr.Dataset]] = [whole, part, rim, beyond]


def masks(ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return what is masked, by numpy, and where there are values."""
    has_values = (ds.red.notnull() | ds.nir.notnull()).values
    known = ds.SCL.values if "SCL" in ds else ds.cloud.values
    bare = np.isin(known, HIDDEN) if "SCL" in ds else known > 40
    clouds = [ndimage.binary_dilation(each, DISC) for each in bare]
    return np.stack(clouds) | (np.isnan(known) & has_values), has_values


PAIRS = [(kind, gap) for kind in KINDS for gap in GAPS if gap is part or kind not in FILES]


@pytest.fixture(scope="module")
def loaded_of(ids: list[str], likely: list[Any]) -> dict[str, tuple[xr.Dataset, xr.Dataset]]:
    """Return, by band, two scenes with all bands, and joined without those of the second."""
    return {
        band: (opened(scenes, [*BANDS[:2], band]).load(), joined(scenes, band).load())
        for band, scenes in (("SCL", ids), ("cloud", likely))
    }


@pytest.mark.parametrize(("kind", "gap"), PAIRS, indirect=["kind"])
@pytest.mark.parametrize("band", ["SCL", "cloud"])
def test_every_use_of_a_mask(
    kind: Callable[[list[Any], str], xr.Dataset],
    ids: list[str],
    likely: list[Any],
    loaded_of: dict[str, tuple[xr.Dataset, xr.Dataset]],
    band: str,
    gap: Callable[[xr.Dataset, xr.Dataset], xr.Dataset],
) -> None:
    scenes: list[Any] = ids if band == "SCL" else likely
    options = {} if band == "SCL" else {"by": "probability"}
    clouds: Any = options or True
    all_bands, both_scenes = loaded_of[band]
    ds, loaded = gap(kind(scenes, band), all_bands), gap(both_scenes, all_bands)
    masked, has_values = masks(loaded)
    clear = has_values & ~masked
    assert masked[1].any()
    assert clear[0].any()
    with dask.config.set(scheduler=_refuses):  # nothing is computed yet
        mask, ndvi = ds.astra.mask(**options), ds.astra.index("NDVI", mask_clouds=clouds)
        median = ds.astra.composite("median", mask_clouds=clouds, count=True)
    red, nir = loaded.red.values, loaded.nir.values
    expected = np.where(clear, (nir - red) / (nir + red), np.nan)

    np.testing.assert_array_equal(mask, masked)
    np.testing.assert_array_equal(ds.red.where(~mask).notnull(), clear)
    np.testing.assert_allclose(ndvi, expected, rtol=1e-5)
    np.testing.assert_array_equal(median["count"], clear.sum(axis=0))
    both = np.nanmedian(np.where(clear, red, np.nan)[:, clear.any(axis=0)], axis=0)
    np.testing.assert_allclose(median.red.values[clear.any(axis=0)], both, rtol=1e-6)
    # An image of one scene is transparent where nothing is clear.
    for step in range(2):
        image = ds.isel(time=step).astra.rgb(["nir", "red", "red"], mask_clouds=clouds)
        np.testing.assert_array_equal(image.sel(band="alpha") > 0, clear[step])

    field = gpd.GeoSeries([shapely.box(*loaded.rio.bounds())], crs=loaded.rio.crs)
    table = ndvi.astra.zonal(field, stats=["mean", "count"]).NDVI.squeeze()
    np.testing.assert_allclose(table.sel(stat="count"), clear.sum(axis=(1, 2)), rtol=1e-6)
    places = [(5, 5), (30, 30), (60, 50)]
    points = gpd.GeoSeries(
        [shapely.Point(loaded.x[col], loaded.y[row]) for row, col in places], crs=loaded.rio.crs
    )
    sampled = ndvi.to_dataset(name="NDVI").astra.sample(points).NDVI
    for number, (row, col) in enumerate(places):
        found = sampled.isel(point=number).transpose("time", ...).squeeze()
        np.testing.assert_allclose(found, expected[:, row, col], rtol=1e-5)
    # The picker masks by classes.
    times = loaded.time.dt.strftime("%Y-%m-%d").values if band == "SCL" else []
    for step, time in enumerate(times):
        picker = ds.astra.pick("NDVI", mask=True, time=str(time))
        np.testing.assert_array_equal(picker.image.sel(band="alpha") > 0, clear[step])
        picker.close()


def _refuses(*args: Any, **options: Any) -> Any:
    raise AssertionError("dask computes")


@pytest.mark.parametrize("average", ["mean of 3 x 3", "interpolated"])
def test_averaged_classes_are_refused(stack: xr.Dataset, ids: list[str], average: str) -> None:
    if average == "interpolated":
        ds = stack.interp(x=stack.x.values[:-1] + 5)
    else:
        ds = stack.coarsen(x=3, y=3, boundary="trim").mean(keep_attrs=True)
    field = gpd.GeoSeries([shapely.box(*ds.rio.bounds())], crs="EPSG:32610")
    first = str(ds.time.dt.strftime("%Y-%m-%d").values[0])
    uses: list[Callable[[], Any]] = [
        lambda: ds.astra.mask().values,
        lambda: ds.astra.index("NDVI", mask_clouds=True).values,
        lambda: ds.astra.composite().red.values,
        lambda: ds.astra.index("NDVI", mask_clouds=True).astra.zonal(field).to_dataframe(),
        lambda: ds.isel(time=0).astra.rgb(["nir", "red", "red"], mask_clouds=True),
        lambda: ds.astra.pick("NDVI", mask=True, time=first).image,
        ds.astra.cloud_cover,
    ]
    for use in uses:
        with pytest.raises(InvalidDataset, match=r"whole numbers, and SCL has \d+\.\d.* averaged"):
            use()


BITS = {"QA_PIXEL": ("landsat", "uint16", 1, 1 << 3), "Fmask": ("hls", "uint8", 255, 1 << 1)}
"""Mission, type, nodata and a bit of clouds."""


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("chunks", [None, 5])
def test_bits_that_xarray_made_floats(name: str, chunks: int | None) -> None:
    mission, dtype, nodata, cloud = BITS[name]
    stored = np.arange(256, dtype=dtype).reshape(16, 16)
    red = np.where(stored == nodata, np.nan, 0.1).astype("float32")
    attrs = {"_FillValue": np.dtype(dtype).type(nodata), "native_name": name}
    ds = xr.Dataset(
        {"red": (("y", "x"), red), name: (("y", "x"), stored, attrs)}, attrs={"mission": mission}
    )
    ds = ds.chunk(chunks) if chunks else ds
    decoded = xr.decode_cf(ds)
    assert decoded[name].dtype == np.float32
    for what in ("clouds", "water"):
        expected = ds.astra.mask(what)
        assert expected.any()
        np.testing.assert_array_equal(decoded.astra.mask(what), expected)
        # Beside a scene that lacks the band.
        both = xr.concat([ds, ds[["red"]]], "time", join="outer").assign_coords(
            time=np.array(["2025-01-01", "2025-01-02"], "datetime64[ns]")
        )
        mask = both.astra.mask(what)
        np.testing.assert_array_equal(mask[0], expected)
        np.testing.assert_array_equal(mask[1], np.isfinite(red))
    bare = ds.astra.mask("clouds", dilate=0).values
    assert bare[stored == cloud].all()
    assert not bare[stored == nodata].any()


def test_without_other_bands_no_class_is_not_clear(stack: xr.Dataset) -> None:
    mask = stack[["SCL"]].astra.mask()
    np.testing.assert_array_equal(mask, stack.astra.mask())
    assert mask[1].all()
    assert not stack.where(~mask).red[1].notnull().any()


def test_an_image_of_a_mask(stack: xr.Dataset, ids: list[str]) -> None:
    ds = part(stack, opened(ids, BANDS).load())
    mask = ds.isel(time=1).astra.mask(dilate=0)
    small = np.asarray(mask.astra.plot(max_pixels=35).get_array())
    np.testing.assert_array_equal(small, mask[1::2, 1::2])
    assert small[:, 20:].all()


def test_cloud_cover_is_of_known_classes(stack: xr.Dataset) -> None:
    assert stack.astra.cloud_cover() == stack.isel(time=[0]).astra.cloud_cover()
    assert np.isnan(stack.isel(time=[1]).astra.cloud_cover())


def test_classes_that_were_averaged_are_drawn_as_values(ids: list[str]) -> None:
    pytest.importorskip("matplotlib")
    scl = opened(ids, BANDS).SCL
    drawn = scl.mean("time", keep_attrs=True).astra.plot()
    np.testing.assert_allclose(np.ma.filled(drawn.get_array(), np.nan), scl.mean("time"))


@pytest.mark.parametrize("chunks", [None, 32])
def test_a_clear_day_by_probability(tmp_path: Path, chunks: int | None) -> None:
    # Nodata of these files is 0, which is a value.
    scenes = []
    for day, most in (("20250701", 101), ("20250711", 1)):
        chance = np.random.default_rng(1).integers(0, most, (64, 64)).astype("uint8")
        item = s2_item(tmp_path, day, B04=np.full((128, 128), 2000, "uint16"))
        add(item, tmp_path, "cloud", chance, gsd=20)
        scenes.append(item)
    options: dict[str, Any] = {} if chunks is None else {"chunks": chunks}
    ds = astra_xr.open_scenes(scenes, ["red", "cloud"], resolution=20, **options)
    for each in (ds, ds.compute()):
        mask = each.astra.mask(by="probability", dilate=0)
        assert mask[0].any()
        assert not mask[1].any()


SIDE = 1024

Served = tuple[RangeServer, Path, list[Any]]
"""Who counts what is read, its folder, and scenes."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two scenes of three bands and cloud probabilities."""
    folder, rng, scenes = tmp_path_factory.mktemp("served"), np.random.default_rng(1), []
    for day in ("20250801", "20250811"):
        numbers = rng.integers(1500, 3000, (3, SIDE, SIDE)).astype("uint16")
        item = s2_item(folder, day, B03=numbers[0], B04=numbers[1], B08=numbers[2])
        add(item, folder, "cloud", rng.integers(0, 101, (SIDE // 2,) * 2).astype("uint8"), gsd=20)
        scenes.append(item)
    with RangeServer(folder) as server:
        yield server, folder, json.loads(json.dumps(scenes).replace(f"{folder}/", server.url("")))


@pytest.mark.parametrize("chunks", [None, 256])
def test_bands_are_read_only_where_there_is_no_class(
    served: Served, chunks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_cache, "put", lambda *rest: None)  # as of workers on many machines
    server, folder, scenes = served
    bands = ["green", "red", "nir"]

    def read(work: Callable[[], xr.DataArray]) -> dict[str, float]:
        """Return the days' bands that are read, in parts of a file."""
        start, sent = len(server.requests), dict[str, float]()
        work().load()
        for each in server.requests[start:]:
            file = folder / each.path.lstrip("/")
            key = f"{file.stem.split('_')[2][6:8]} {file.stem.rsplit('-')[-1]}"
            sent[key] = sent.get(key, 0) + each.sent / file.stat().st_size
        return sent

    def opened(number: int, bands: list[str]) -> xr.Dataset:
        return astra_xr.open_scenes([scenes[number]], bands, chunks=chunks)

    def masked(ds: xr.Dataset) -> xr.DataArray:
        found: xr.DataArray = ds.red.where(~ds.astra.mask(by="probability"))
        return found

    whole = pytest.approx(1, abs=0.2)  # of the file
    one = opened(0, [*bands, "cloud"])
    assert read(lambda: one.astra.mask(by="probability")) == {"01 cloud": whole}
    assert read(lambda: masked(one)) == {"01 B04": whole, "01 cloud": whole}
    other = opened(1, bands)
    both = xr.concat([one, other], "time", coords="different", compat="equals", join="outer")
    sent = read(lambda: both.astra.mask(by="probability"))
    if chunks:  # without, all of a part that has such pixels
        assert sent == {"01 cloud": whole} | dict.fromkeys(("11 B03", "11 B04", "11 B08"), whole)
        # A mean of all pixels is not computed again for each chunk.
        moved = both.assign(nir=both.nir - both.nir.mean())
        assert read(lambda: moved.astra.mask(by="probability"))["11 B08"] <= 2.2
