"""All methods return the same for every lazy array as for the same array after ``.load()``.

What is compared, and how closely:

- values, cuts, points, indices and masks: exactly those of the loaded Dataset, which equal numpy's
  from the stored numbers (to 1e-6; to 6e-5 where an average of 2 x 2 pixels comes from an
  overview, whose numbers are rounded), in another CRS too;
- maps of few pixels (thumbnail, plot, pick) of files with averaged overviews: measured values are
  the mean of the valid full-resolution pixels under each pixel of the map, to 3e-4 of reflectance
  and 1.5 of an 8-bit image, since each overview rounds; classes and masks are exactly the pixel
  at the center. Computed arrays are computed from such means and picks: NDVI of mean bands (to
  3e-3), the median of mean bands, the clearest-first rule on picked classes. Clouds' margins of 2
  pixels may be 0 or 1 larger pixels wide;
- the same without overviews (memory, dask, unknown wrappers): that, or the mean of all values
  under each pixel of the map, or the one at its center;
- maps of grids in another CRS: the median error is below 0.03; single pixels would have 0.1.

`tests.arrays.subjects` lists the arrays, and the same values by numpy.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import dask
import matplotlib as mpl
import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import Transformer

from astra_xr.errors import AstraError
from tests.arrays.conftest import Loaded, Traffic
from tests.arrays.maps import check_grid, check_map, classes_in, drawn, flat, limits_of
from tests.arrays.strips import Pixels, Source, cuts
from tests.arrays.subjects import SUBJECTS

each_subject = pytest.mark.parametrize("name", SUBJECTS)

IN_MEMORY = ("read before", "half in memory", "in memory")

STRANGER = "a stranger's Dataset"
"""xarray's own indexing of such files fails on empty backward slices."""


@pytest.fixture(autouse=True)
def pyplot() -> Iterator[Any]:
    mpl.use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def same(name: str, found: xr.Dataset, expected: xr.Dataset) -> None:
    """Check that two Datasets are the same, to the last bit and attribute."""
    found = found.compute()
    xr.testing.assert_identical(found, expected)
    for each, band in expected.data_vars.items():
        assert found[each].dtype == band.dtype


def small(ds: xr.Dataset) -> xr.Dataset:
    """Take a window, and every other row and column of it."""
    return ds.isel(y=slice(100, 500, 2), x=slice(5, 31, 2))


def few(ds: xr.Dataset) -> xr.Dataset:
    """Take the first band and the classes; near infrared is like red."""
    names = [str(each) for each in ds.data_vars]
    return ds[[names[0], *(["SCL"] if "SCL" in names else [])]]


# Values


@each_subject
def test_values(name: str, source: Source, traffic: Traffic, loaded: Loaded) -> None:
    subject = SUBJECTS[name]
    ds = subject.open(source)
    assert name in IN_MEMORY or not traffic.requests
    found = {str(each): ds[each].values for each in ds.data_vars}
    for each, values in found.items():
        np.testing.assert_array_equal(values, loaded(name)[each].values)
    if subject.truth is not None:
        truth = subject.truth(Pixels(reach=2))
        assert truth.keys() == found.keys()
        for each, values in truth.items():
            np.testing.assert_allclose(found[each], values, rtol=0, atol=subject.near)


@each_subject
def test_cuts(name: str, source: Source, loaded: Loaded) -> None:
    ds, expected = few(SUBJECTS[name].open(source)), few(loaded(name))
    sizes = {str(dim): size for dim, size in ds.sizes.items()}
    for told, key in cuts(sizes, turned=name == "raster upside down"):
        if (name, told) == (STRANGER, "nothing, backwards"):
            continue
        try:
            same(name, ds.isel(key), expected.isel(key))
        except AssertionError as error:
            error.add_note(f"cut: {told} {key}")
            raise


def one_index(length: int) -> st.SearchStrategy[Any]:
    if not length:
        return st.slices(length)
    arrays = hnp.arrays(np.intp, st.integers(0, 4), elements=st.integers(0, length - 1))
    return st.one_of(st.integers(-length, length - 1), st.slices(length), arrays)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name != STRANGER])
@settings(max_examples=4)
@given(data=st.data())
def test_any_cut_of_a_cut(data: st.DataObject, name: str, source: Source, loaded: Loaded) -> None:
    ds, expected = few(SUBJECTS[name].open(source)), few(loaded(name))
    for _ in range(2):
        dims = [str(dim) for dim in expected.dims if data.draw(st.booleans())]
        key = {dim: data.draw(one_index(expected.sizes[dim])) for dim in dims}
        ds, expected = ds.isel(key), expected.isel(key)
    same(name, ds, expected)


@each_subject
def test_transposed(name: str, source: Source, loaded: Loaded) -> None:
    part = {"y": slice(100), "x": slice(31)}
    ds = few(SUBJECTS[name].open(source)).isel(part).transpose("x", "y", ...)
    expected = few(loaded(name)).isel(part).transpose("x", "y", ...)
    same(name, ds, expected)
    same(name, ds.isel(x=slice(5, 20), y=7), expected.isel(x=slice(5, 20), y=7))
    same(name, ds.isel(x=[4, 2]).transpose(..., "x"), expected.isel(x=[4, 2]).transpose(..., "x"))


@each_subject
def test_points(name: str, source: Source, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source)
    key = {"y": xr.Variable("p", [5, 1020, 5, -1]), "x": xr.Variable("p", [0, 30, 17, 0])}
    same(name, ds.isel(key), loaded(name).isel(key))
    for dim in {"time", "band"} & set(map(str, ds.dims)):
        key[dim] = xr.Variable("p", [1, 0, -1, 1])
        same(name, ds.isel(key), loaded(name).isel(key))
    key = {"y": xr.Variable(("a", "b"), [[5, 1020], [7, 8]]), "x": xr.Variable("b", [3, 20])}
    same(name, ds.isel(key), loaded(name).isel(key))


@each_subject
def test_sampled(name: str, source: Source, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source)
    rows, cols = [3, 1000, -1], [1, 25, -1]
    lonlat = Transformer.from_crs(ds.rio.crs, "EPSG:4326", always_xy=True)
    points = list(zip(*lonlat.transform(ds.x[cols], ds.y[rows]), strict=True))
    found = ds.astra.sample(points)
    same(name, found, loaded(name).astra.sample(points))
    pixels = {"y": xr.Variable("point", rows), "x": xr.Variable("point", cols)}
    for each in ds.data_vars:
        np.testing.assert_array_equal(found[each], loaded(name)[each].isel(pixels))
    beyond = [*points, (10.0, 50.0)]
    same(name, ds.astra.sample(beyond), loaded(name).astra.sample(beyond))


# Computed of them


def outcome(work: Callable[[xr.Dataset], xr.DataArray], ds: xr.Dataset) -> Any:
    """Return the result, or the error."""
    try:
        return work(ds).compute()
    except AstraError as error:
        return type(error), str(error)


def compare(
    name: str, work: Callable[[xr.Dataset], xr.DataArray], source: Source, loaded: Loaded, able: str
) -> None:
    """Check that a subject and the same one loaded have the same outcome."""
    found = outcome(work, SUBJECTS[name].open(source))
    expected = outcome(work, loaded(name))
    if able not in SUBJECTS[name].able.split():
        assert isinstance(expected, tuple)
        assert found == expected
        return
    assert isinstance(expected, xr.DataArray), expected
    assert isinstance(found, xr.DataArray), found
    xr.testing.assert_identical(found, expected)
    assert found.dtype == expected.dtype


@each_subject
def test_index(name: str, source: Source, loaded: Loaded) -> None:
    compare(name, lambda ds: ds.astra.index("NDVI"), source, loaded, "index")
    if "mask" in SUBJECTS[name].able:
        masked: Any = lambda ds: small(ds).astra.index("EVI2", mask_clouds=True)  # noqa: E731
        compare(name, masked, source, loaded, "index")


@each_subject
def test_mask(name: str, source: Source, loaded: Loaded) -> None:
    compare(name, lambda ds: ds.astra.mask(), source, loaded, "mask")
    compare(name, lambda ds: small(ds).astra.mask(dilate=0), source, loaded, "mask")


# Maps of few pixels


def full(loaded: Loaded, name: str, band: str) -> Any:
    """Return a band of a loaded subject in full resolution."""
    return np.asarray(flat(loaded(name))[band].values, float)


def coarse(ds: xr.Dataset) -> int:
    """Return the size of a map with pixels of eight by eight."""
    return -(-max(ds.sizes["y"], ds.sizes["x"]) // 8)


@each_subject
def test_thumbnail(name: str, source: Source, loaded: Loaded) -> None:
    ds = flat(SUBJECTS[name].open(source))
    bands = ([str(each) for each in ds.data_vars] * 3)[:3]
    limits = [limits_of(name, band) for band in bands]
    image = ds.astra.thumbnail(bands, size=coarse(ds), limits=limits)
    assert image.shape == (ds.sizes["y"] // 8, ds.sizes["x"] // 8, 4)
    check_grid(image, ds)
    clear = image.values[..., 3] == 0
    for channel, (band, (low, high)) in enumerate(zip(bands, limits, strict=True)):
        found = image.values[..., channel] / 255 * (high - low) + low
        if band != "SCL" or ds.SCL.dtype.kind == "f":
            found = np.where(clear, np.nan, found)
        step = 0.51 * (high - low) / 255
        check_map(name, band, found, step=step, full=full(loaded, name, band))


@each_subject
def test_plot(name: str, source: Source, loaded: Loaded) -> None:
    ds = flat(SUBJECTS[name].open(source))
    for band in drawn(ds):
        if band == "SCL" and ds.SCL.dtype.kind == "f":
            continue  # no classes any more, despite its attributes
        image = ds.astra.plot(band, max_pixels=coarse(ds))
        found = np.ma.filled(image.get_array().astype(float), np.nan)
        if band == "SCL":
            found = classes_in(image.to_rgba(image.get_array(), bytes=True), ds.SCL)
        check_map(name, band, found, step=1e-6, full=full(loaded, name, band))


def test_plot_of_an_image(source: Source, loaded: Loaded) -> None:
    visual = SUBJECTS["planes"].open(source).visual
    image = np.asarray(visual.astra.plot(max_pixels=256).get_array(), float)
    for number, band in enumerate(("red", "green", "blue")):
        check_map("planes", band, image[..., number], step=0.0, full=full(loaded, "planes", band))


@each_subject
def test_pick(name: str, source: Source, loaded: Loaded) -> None:
    ds = flat(SUBJECTS[name].open(source))
    pixels = [(17, 3), (1000, 20), (-1, -1)]
    pins = [(float(ds.x[col]), float(ds.y[row])) for row, col in pixels]
    north_up = -1 if ds.y[0] < ds.y[-1] else 1
    for band in drawn(ds):
        low, high = limits_of(name, band)
        shown: Any = {"mode": "single", "band": band, "limits": {band: (low, high)}}
        picker = ds.astra.pick(**shown, cmap="gray", pins=pins)
        image, spectra = picker.image.values[::north_up], picker.spectra
        picker.close()
        found = np.where(image[..., 3] == 0, np.nan, image[..., 0] / 255 * (high - low) + low)
        if band == "SCL" and ds.SCL.dtype.kind == "u":
            found = classes_in(image, ds.SCL)
        step = 2 * (high - low) / 255
        check_map(name, band, found, step=step, full=full(loaded, name, band))
        if band != "SCL" and not name.startswith("planes") and not SUBJECTS[name].stored:
            there = [full(loaded, name, band)[pixel] for pixel in pixels]
            np.testing.assert_array_equal(spectra[band].to_numpy(float), there)


MOST = {"thumbnail": 1_000_000, "plot": 1_000_000, "pick": 4_000_000}
"""Bytes of a file of 10 MB, 2048 x 2048 pixels, for a map: those of its overview of 512 pixels, and
for a pick also that of 1024."""


def look(kind: str, ds: xr.Dataset) -> None:
    """Make a map of the first band."""
    first = str(next(iter(ds.data_vars)))
    if kind == "thumbnail":
        ds.astra.thumbnail([first] * 3, size=256)
    elif kind == "plot":
        ds.astra.plot(first, max_pixels=256)
    else:
        picker = ds.astra.pick(mode="single", band=first)
        picker.image  # noqa: B018  (reads)
        picker.close()


@pytest.mark.parametrize("kind", MOST)
@pytest.mark.parametrize("name", [name for name, each in SUBJECTS.items() if each.overviews])
def test_maps_take_overviews(name: str, kind: str, large: Source, traffic: Traffic) -> None:
    look(kind, flat(SUBJECTS[name].open(large)))
    planes = 3 if name.startswith("planes") else 1
    sent: dict[str, int] = defaultdict(int)
    for request in traffic.requests:
        sent[request.path] += request.sent
    assert sent
    assert max(sent.values()) <= MOST[kind] * planes
    if name == "stack":  # one band of one time step, and its classes for the picker's limits
        assert sum(sent.values()) <= MOST[kind]


@pytest.mark.parametrize("name", [name for name, each in SUBJECTS.items() if each.overviews])
def test_views_take_the_same_overviews(name: str, large: Source, traffic: Traffic) -> None:
    ds = flat(SUBJECTS[name].open(large))
    look("thumbnail", ds)
    sent = traffic.bytes
    look("thumbnail", ds.isel(y=slice(1, None), x=slice(1, -2)))
    look("thumbnail", ds.isel(y=slice(None, None, -1), x=slice(None, None, -1)))
    look("thumbnail", ds.sortby(["y", "x"]))
    look("thumbnail", ds.transpose("x", "y").isel(y=slice(3, None)))
    assert traffic.bytes == sent


# Reading


@each_subject
@pytest.mark.parametrize("of", ["one", "all"])
def test_explained(name: str, of: str, source: Source, traffic: Traffic) -> None:
    subject = SUBJECTS[name]
    ds = subject.open(source)
    if of == "one":
        ds = ds[[next(iter(ds.data_vars))]]
    cost = ds.astra.explain()
    strange = {each.split()[0] for each in cost.unknown}
    assert not (subject.files and strange)
    known = [each for each in ds.data_vars if each not in strange]
    traffic.reset()
    ds[known].astra.load(progress=False)
    if strange:
        assert cost.bytes >= traffic.bytes
    else:
        # Blocks that are read concurrently share tiles: timing decides which of them requests one,
        # and with which others in one request. Between tiles are gaps of 8 bytes.
        requests = len(traffic.requests)
        assert abs(cost.requests - requests) <= 4
        assert abs(cost.bytes - traffic.bytes) <= 8 * abs(cost.requests - requests)
    assert ds[known].astra.explain().bytes == 0


@each_subject
def test_explained_cut(name: str, source: Source, traffic: Traffic) -> None:
    ds = SUBJECTS[name].open(source).isel(y=slice(300, 700), x=slice(10, 30))
    cost = ds.astra.explain()
    if cost.unknown:
        assert not SUBJECTS[name].files
        return
    traffic.reset()
    ds.astra.load(progress=False)
    assert (cost.bytes, cost.requests) == (traffic.bytes, len(traffic.requests))


@each_subject
def test_load(name: str, source: Source, traffic: Traffic, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source)
    assert ds.astra.load(progress=False) is ds
    traffic.reset()
    same(name, ds, loaded(name))
    assert not traffic.requests


@each_subject
def test_load_async(name: str, source: Source, traffic: Traffic, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source)
    if not SUBJECTS[name].awaited:
        with pytest.raises(NotImplementedError):
            asyncio.run(ds[["red"]].load_async())
        return
    ds = asyncio.run(ds.load_async())
    traffic.reset()
    same(name, ds, loaded(name))
    assert not traffic.requests


@each_subject
def test_pickled(name: str, source: Source, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source)
    same(name, pickle.loads(pickle.dumps(ds)), loaded(name))
    same(name, pickle.loads(pickle.dumps(small(ds))), small(loaded(name)))
    if "index" in SUBJECTS[name].able:
        index = pickle.loads(pickle.dumps(small(ds).astra.index("NDVI"))).compute()
        xr.testing.assert_identical(index, small(loaded(name)).astra.index("NDVI"))


@each_subject
def test_chunked(name: str, source: Source, loaded: Loaded) -> None:
    ds = SUBJECTS[name].open(source).chunk({"y": 1500, "x": 50})
    (found,) = dask.compute(ds)  # type: ignore[attr-defined, no-untyped-call]
    same(name, found, loaded(name))
    part, expected = small(ds), small(loaded(name))
    if "index" in SUBJECTS[name].able:
        index = part.astra.index(["NDVI"])
        same(name, index, expected.astra.index(["NDVI"]))
    if "mask" in SUBJECTS[name].able:
        mask = part.astra.mask().to_dataset()
        same(name, mask, expected.astra.mask().to_dataset())


# Further


@pytest.mark.parametrize(
    "name", ["raster", "warped to 20 m", "stack", "mosaic", "median", "best-pixel"]
)
def test_bands_are_loaded_side_by_side(name: str, source: Source, traffic: Traffic) -> None:
    ds = SUBJECTS[name].open(source)[["red", "nir"]]
    both = {"B04", "B08"}

    def asked() -> set[str]:
        return {each.path[-7:-4] for each in traffic.asked}

    # Neither is answered before both are asked for.
    traffic.server.held = lambda request: request.path[-7:-4] in both and not both <= asked()
    ds.astra.load(progress=False)
    assert both <= asked()
    assert {each.status for each in traffic.requests} == {206}


def test_what_was_read_is_not_read_again(source: Source, traffic: Traffic) -> None:
    ds = SUBJECTS["read before"].open(source)
    traffic.reset()
    ds.astra.index("NDVI").load()
    ds.astra.mask().load()
    ds.astra.thumbnail(["red", "nir", "SCL"], size=100)
    assert ds.astra.explain().bytes == 0
    assert not traffic.requests


WAYS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "astype": lambda ds: ds.astype("float64"),
    "fillna": lambda ds: ds.fillna(0),
    "where": lambda ds: ds.where(ds.red > 0.2),
    "xr.where": lambda ds: ds.assign(
        red=xr.where(ds.SCL == 4, ds.red, 0.5, keep_attrs=True)  # type: ignore[no-untyped-call]
    ),
    "where, other": lambda ds: ds.assign(red=ds.red.where(ds.SCL == 4, 0.5)),
    "arithmetic": lambda ds: ds.assign(red=ds.red * 0.5),
    "rename": lambda ds: ds.rename(red="B04", nir="near"),
    "attributes": lambda ds: ds.map(lambda each: each.assign_attrs(note=1), keep_attrs=True),
    "drop_isel": lambda ds: ds.drop_isel(y=[0, 5]),
    "sel": lambda ds: ds.sel(y=slice(3_999_000, 3_990_000)),
    "broadcast": lambda ds: ds.assign(red=ds.red.broadcast_like(ds.nir)),
    "expand_dims": lambda ds: ds.expand_dims("step"),
    "concat": lambda ds: xr.concat([ds, ds], "step"),
}
"""Operations of users; some keep a Dataset lazy."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["raster", "stack", "decode_cf"])
def test_through_xarray(name: str, way: str, source: Source, loaded: Loaded) -> None:
    expected = WAYS[way](loaded(name))
    ds = WAYS[way](SUBJECTS[name].open(source))
    found = ds.astra.index("NDVI").compute()
    xr.testing.assert_identical(found, expected.astra.index("NDVI"))
    same(name, ds, expected)
    ds = flat(WAYS[way](SUBJECTS[name].open(source)))
    images = []
    for each in (ds, flat(expected)):
        part = each.isel(y=slice(300), x=slice(31), missing_dims="ignore")
        part = part.isel(step=0, missing_dims="ignore")
        first = str(next(iter(part)))
        images.append(part.astra.thumbnail([first] * 3, size=300, limits=(0, 1)))
    xr.testing.assert_identical(*images)
