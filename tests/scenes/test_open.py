"""open_scene, of ids and items, over the whole way: catalog, signing, storage, pixels."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pystac
import pytest
import xarray as xr

import astra_xr
from astra_xr import errors, warned
from astra_xr.testing import Reply
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, World

PRODUCT = f"sentinel-2:{items.PRODUCT}"
LANDSAT = "landsat:LC08_L2SP_044034_20250115_02_T1"


def truth(world: World, band: str) -> np.ndarray:
    dn = world.dn[band].astype(np.float64)
    return np.where(dn == 0, np.nan, dn * 1e-4 - 0.1)


@pytest.mark.parametrize(
    ("scene", "catalog", "reason"),
    [
        (PRODUCT, None, "offset -0.1: baseline 05.11"),  # c1 is preferred to l2a
        ("sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG", "earth-search", "offset -0.1"),
        ("sentinel-2:S2B_T10SEG_20250115T184927_L2A", "earth-search", "offset -0.1"),
        ("S2B_10SEG_20250115_0_L2A", "earth-search", "offset 0: already applied by earth-search"),
        (PRODUCT, "planetary-computer", "offset -0.1: baseline 05.11"),
        ("sentinel-2:S2B_10SEG_20250115_0_L2A", "planetary-computer", "offset -0.1: baseline"),
        ("sentinel-2:S2B_MSIL2A_20250115T184929", "planetary-computer", "offset -0.1: baseline"),
    ],
)
def test_same_ground_gives_the_same_reflectance_from_every_catalog(
    world: World, scene: str, catalog: str | None, reason: str
) -> None:
    ds = astra_xr.open_scene(scene, bands=["red", "B08"], catalog=catalog)
    for name, band in (("red", "B04"), ("B08", "B08")):
        assert ds[name].dtype == np.float32
        np.testing.assert_allclose(ds[name].values, truth(world, band), rtol=0, atol=3e-7)
        assert ds[name].attrs["radiometry"].startswith(reason)
    assert ds.attrs["scene_id"] == PRODUCT


def test_opening_queries_the_catalog_once_and_reads_no_file(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red", "nir"])
    assert world.earth_search.asked == ["POST /v1/search"]
    assert world.storage.requests == []
    ds.red[:10, :10].load()
    assert world.storage.requests
    astra_xr.open_scene(PRODUCT, bands=["red"], catalog="planetary-computer")
    assert len(world.planetary_computer.asked) == 1  # no token either


def test_grid_is_exact_and_read_by_rioxarray_and_odc(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red"])
    assert ds.rio.crs.to_epsg() == 32610
    assert tuple(ds.rio.transform())[:6] == (10, 0, 499980, 0, -10, 4200000)
    assert ds.odc.geobox.shape == (SIZE, SIZE)
    assert tuple(ds.odc.geobox.affine)[:6] == (10, 0, 499980, 0, -10, 4200000)
    assert ds.odc.geobox.crs.to_epsg() == 32610
    np.testing.assert_array_equal(ds.x, 499980 + 10 * (np.arange(SIZE) + 0.5))
    np.testing.assert_array_equal(ds.y, 4200000 - 10 * (np.arange(SIZE) + 0.5))
    assert ds.red.rio.crs.to_epsg() == 32610


def test_the_attrs_of_a_variable(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red", "B08"])
    assert list(ds) == ["red", "B08"]
    told = ds.red.attrs
    assert (told["native_name"], told["common_name"]) == ("B04", "red")
    assert (told["center_wavelength"], told["gsd"], told["units"]) == (0.665, 10, "1")
    assert (told["scale"], told["offset"]) == (1e-4, -0.1)
    assert ds.red.encoding["source"] == PRODUCT


def test_stored_numbers_on_request(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red"], mask_and_scale=False)
    assert ds.red.dtype == np.uint16
    np.testing.assert_array_equal(ds.red, world.dn["B04"])
    assert ds.red.attrs["scale_factor"] == 1e-4
    assert ds.red.attrs["add_offset"] == -0.1
    assert ds.red.attrs["_FillValue"] == 0
    decoded = xr.decode_cf(ds)
    np.testing.assert_allclose(decoded.red, truth(world, "B04"), atol=3e-7)


@pytest.mark.parametrize("chunks", ["auto", {"x": 256, "y": 300}, 128])
def test_dask_chunks_hold_the_same_values(world: World, chunks: object) -> None:
    plain = astra_xr.open_scene(PRODUCT, bands=["red"])
    chunked = astra_xr.open_scene(PRODUCT, bands=["red"], chunks=chunks)  # type: ignore[arg-type]
    assert chunked.red.chunks is not None
    assert plain.red.chunks is None
    xr.testing.assert_identical(chunked.compute(), plain.load())


def test_odd_chunks_are_refused(world: World) -> None:
    with pytest.raises(errors.InvalidParameter, match="chunks="):
        astra_xr.open_scene(PRODUCT, bands=["red"], chunks={"row": 5})


def test_landsat_by_its_names(world: World) -> None:
    ds = astra_xr.open_scene(LANDSAT, bands=["red", "nir", "ST_B10", "qa_pixel"])
    assert [ds[name].attrs["native_name"] for name in ds] == ["B04", "B05", "B10", "QA_PIXEL"]
    assert ds["ST_B10"].attrs["units"] == "K"
    thermal = ds["ST_B10"].values
    assert np.nanmin(thermal) >= 149
    assert ds.qa_pixel.dtype == np.uint16
    assert "cloud_shadow" in ds.qa_pixel.attrs["flag_meanings"].split()
    flags = ds.qa_pixel.attrs
    assert len(flags["flag_values"]) == len(flags["flag_masks"])
    assert len(flags["flag_values"]) == len(flags["flag_meanings"].split())


def test_an_item_of_pystac_or_json_needs_no_catalog(world: World, network: Loopback) -> None:
    raw = items.planetary_computer(SIZE)
    for item in (raw, pystac.Item.from_dict(raw)):
        ds = astra_xr.open_scene(item, bands="nir")
        np.testing.assert_allclose(ds.nir.values, truth(world, "B08"), atol=3e-7)
    asked = {url.split("/")[2] for _, url in network.log}
    assert asked == {"planetarycomputer.microsoft.com", items.BLOB_HOST}
    assert set(world.planetary_computer.asked) == {"token"}


def test_item_of_no_known_mission(world: World, storage_folder: object) -> None:
    raw = items.earth_search_l2a(SIZE)
    asset = raw["assets"]["red"] | {"href": f"{storage_folder}/B04.tif"}
    asset |= {"raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 0.5, "offset": 7}]}
    properties = {"datetime": None, "proj:epsg": 32610}
    item = raw | {"id": "mine", "properties": properties, "assets": {"data": asset, "bare": {
        "href": f"{storage_folder}/B08.tif", "type": items.COG}}}  # fmt: skip
    ds = astra_xr.open_scene(item, bands=["red"])  # the item's own band name
    np.testing.assert_allclose(
        ds.red, np.where(world.dn["B04"] == 0, np.nan, world.dn["B04"] * 0.5 + 7)
    )
    bare = astra_xr.open_scene(item, bands=["bare"])  # nothing told: the file decides
    expected = np.where(world.dn["B08"] == 0, np.nan, world.dn["B08"])
    np.testing.assert_array_equal(bare.bare, expected)
    assert bare.bare.attrs["radiometry"].startswith(
        "digital numbers: neither the item nor the file"
    )
    assert bare.rio.crs.to_epsg() == 32610


@pytest.mark.parametrize(
    ("bands", "error", "words"),
    [
        (["redd"], errors.UnknownBand, r"no band 'redd'. Did you mean 'red'"),
        (["rededge"], errors.UnknownBand, r"Bands, native \(common\): B04 \(red\), B08 \(nir\)"),
        (["red", "B04"], errors.InvalidParameter, "'red' and 'B04' are both B04"),
        ([], errors.InvalidParameter, "at least one band"),
    ],
)
def test_bad_bands(world: World, bands: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        astra_xr.open_scene(PRODUCT, bands=bands)


def test_what_a_file_lacks_of_its_item_is_nan(world: World) -> None:
    ds = astra_xr.open_scene(items.earth_search_c1(SIZE + 1), bands=["red"])
    warned._seen.clear()
    with pytest.warns(
        UserWarning, match=f"its item describes {SIZE + 1} x .* the file has {SIZE} x"
    ):
        ds.red.load()
    assert ds.red.sizes == {"y": SIZE + 1, "x": SIZE + 1}
    assert ds.red[-1].isnull().all()
    whole = astra_xr.open_scene(items.earth_search_c1(SIZE), bands=["red"]).red
    np.testing.assert_array_equal(ds.red[:-1, :-1], whole)


def test_no_secret_anywhere(world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    ds = astra_xr.open_scene(PRODUCT, bands=["red", "nir"], catalog="planetary-computer")
    loaded = ds.load()
    ds = astra_xr.open_scene(PRODUCT, bands=["red"], catalog="planetary-computer", chunks=256)
    ds.red.mean().compute()
    assert world.tokens == ["SECRET0"]
    path = tmp_path / "scene.nc"
    loaded.to_netcdf(path)
    answer = astra_xr.resolve(PRODUCT, "red", catalog="planetary-computer")
    assert "SECRET0" in answer.to_dict()["assets"]["B04"]["href"]  # where it belongs
    places = {
        "repr": f"{ds!r} {ds._repr_html_()} {ds.red.attrs} {ds.red.encoding} {loaded.red.encoding}",
        "accessor": f"{ds.astra!r} {ds.astra._repr_html_()}",
        "resolution": repr(answer),
        "pickles": str(pickle.dumps(ds) + pickle.dumps(answer) + pickle.dumps(loaded)),
        "graph": str(pickle.dumps(dict(ds.red.__dask_graph__()))),
        "log": caplog.text,
        "file": str(path.read_bytes()),
    }
    for where, text in places.items():
        assert "SECRET" not in text, where
    assert "HTTP Request" in caplog.text  # the log was on


def test_netcdf_round_trip_keeps_values_and_crs(world: World, tmp_path: object) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red"]).isel(x=slice(50), y=slice(200))
    ds.to_netcdf(f"{tmp_path}/scene.nc")
    with xr.open_dataset(f"{tmp_path}/scene.nc", decode_coords="all") as back:
        np.testing.assert_allclose(back.red, ds.red, atol=1e-6)
        assert back.rio.crs.to_epsg() == 32610
        assert back.red.encoding["dtype"] == np.float32  # scaled, as every other writer has it


def test_a_pickled_dataset_reads_in_another_process(world: World) -> None:
    ds = pickle.loads(pickle.dumps(astra_xr.open_scene(PRODUCT, bands=["red"])))
    np.testing.assert_allclose(ds.red.values, truth(world, "B04"), atol=3e-7)


def test_an_expired_signature_is_renewed_once(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red"], catalog="planetary-computer", chunks=100)
    ds.red[:10, :10].compute()
    world.tokens.append("SECRET-rotated")  # what was given out before is refused from now on
    np.testing.assert_allclose(ds.red.values, truth(world, "B04"), atol=3e-7)
    assert world.planetary_computer.asked.count("token") == 2  # one renewal for all the chunks


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "also after signing it again"),
        (404, "no such file"),
        (409, "requires a signed URL"),
        (500, "HTTP 500"),
        (200, "does not support byte ranges"),
    ],
)
def test_storage_failures_raise_and_say_so(
    world: World, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ds = astra_xr.open_scene(PRODUCT, bands=["red"])
    world.storage.rule = lambda request: Reply(status=status, body=b"no sig=SECRET9")
    with pytest.raises(errors.ReadError, match=words) as caught:
        ds.red.load()
    text = str(caught.value)
    assert "B04.tif" in text
    assert f"{PRODUCT} red" in text
    assert "SECRET" not in text


def test_href_that_is_no_raster(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["nir"])
    page = b"<html>not found</html>"
    world.storage.rule = lambda request: Reply(
        status=206, body=page, headers={"Content-Range": f"bytes 0-{len(page) - 1}/{len(page)}"}
    )
    with pytest.raises(errors.ReadError, match="not a TIFF or JPEG 2000"):
        ds.nir.load()


def test_chunks_leave_coordinates_in_memory(world: World) -> None:
    ds = astra_xr.open_scene("sentinel-2:S2B_MSIL2A_20250115T184929", ["red"], chunks={"y": 256})
    assert ds.red.chunks is not None
    assert {name for name, each in ds.coords.items() if each.chunks} == set()
