"""ds.astra: names, table, indices, pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import spyndex
import xarray as xr

import astra_xr
from astra_xr import errors
from tests import items
from tests.conftest import World

PRODUCT = f"sentinel-2:{items.PRODUCT}"


def scene(**bands: tuple[str, str | None]) -> xr.Dataset:
    """Make a Dataset as open_scene does: variable → (native, common name)."""
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            name: (
                ("y", "x"),
                rng.uniform(0.01, 0.5, (40, 50)).astype("float32"),
                {"native_name": native} | ({"common_name": common} if common else {}),
            )
            for name, (native, common) in bands.items()
        },
        attrs={"mission": "sentinel-2", "scene_id": PRODUCT},
    )


@pytest.fixture
def ds() -> xr.Dataset:
    return scene(red=("B04", "red"), B08=("B08", "nir"), green=("B03", "green"))


@pytest.mark.parametrize("name", ["red", "B04", "b4", "RED"])
def test_a_band_by_any_of_its_names(ds: xr.Dataset, name: str) -> None:
    assert ds.astra[name].name == "red"
    assert ds.astra["nir"].name == "B08"


def test_unknown_and_ambiguous_names(ds: xr.Dataset) -> None:
    with pytest.raises(errors.UnknownBand, match=r"no band 'grene'. Did you mean 'green'"):
        ds.astra["grene"]
    edges = scene(B05=("B05", "rededge071"), e2=("B06", "rededge075"))
    with pytest.raises(errors.AmbiguousBand, match="'rededge' fits several bands.*B05.*e2"):
        edges.astra["rededge"]
    assert edges.astra["rededge2"].name == "e2"


def test_an_index_of_two_bands_with_one_letter_is_refused() -> None:
    ds = scene(B08=("B08", "nir"), before=("B04", "red"), after=("B04", "red"))
    with pytest.raises(errors.AmbiguousBand, match="'R' fits several bands.*before.*after"):
        ds.astra.index("NDVI")
    with pytest.raises(errors.InvalidParameter, match="'R' fits several bands"):
        ds.astra.index("N/R")
    np.testing.assert_allclose(ds.astra.index("nir/after"), ds.B08 / ds.after, rtol=1e-5)
    np.testing.assert_allclose(ds.astra.index("NDVI", R=0.1), (ds.B08 - 0.1) / (ds.B08 + 0.1), 1e-5)
    known = astra_xr.indices.available(ds).index
    assert "NDVI" not in known
    # A copy beside the band is no doubt.
    copied = ds.rename(before="red")
    expected = (ds.B08 - ds.before) / (ds.B08 + ds.before)
    np.testing.assert_allclose(copied.astra.index("NDVI"), expected, rtol=1e-4, atol=1e-6)
    assert "NDVI" in astra_xr.indices.available(copied).index


def test_any_dataset_with_band_names_will_do() -> None:
    plain = xr.Dataset({"nir": (("y", "x"), [[0.5]]), "red": (("y", "x"), [[0.1]])})
    assert plain.astra["NIR"].name == "nir"
    assert plain.astra.index("NDVI").item() == pytest.approx(0.4 / 0.6)
    assert "unknown origin" in repr(plain.astra)


def test_the_table_of_bands(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red", "B08"])
    table = ds.astra.bands
    assert list(table.index) == ["red", "B08"]
    assert table.loc["B08", "common_name"] == "nir"
    assert table.loc["red", "center_wavelength"] == 0.665
    assert table.loc["red", "radiometry"] == "offset -0.1: baseline 05.11"


def test_reprs_show_bands_and_escape_what_is_foreign(ds: xr.Dataset) -> None:
    ds.attrs["scene_id"] = "<script>x</script>"
    assert "<script>" not in ds.astra._repr_html_()
    assert "B08" in ds.astra._repr_html_()
    assert repr(ds.astra).splitlines()[1].split() == ["red", "B04"]


def test_the_repr_of_attrs_that_are_not_numbers(ds: xr.Dataset) -> None:
    ds.red.attrs |= {"gsd": "10 m", "center_wavelength": np.float32(0.665)}
    line = repr(ds.astra).splitlines()[1]
    assert "10 m" in line
    assert "0.665 µm" in line


def test_indices_in_any_case_have_spyndexs_names(ds: xr.Dataset) -> None:
    assert ds.astra.index("ndvi").name == "NDVI"
    assert list(ds.astra.index(["ndvi", "evi2"])) == ["NDVI", "EVI2"]


def on_a_grid(ds: xr.Dataset) -> xr.Dataset:
    ds = ds.assign_coords(y=10.0 * np.arange(40), x=10.0 * np.arange(50)).rio.write_crs(32610)
    return ds.assign(red=ds.red.drop_attrs().astype("u1"))


ODD: dict[str, Callable[[xr.Dataset], object]] = {
    "ds.astra[…]": lambda ds: ds.astra[["red", "B08"]],
    "index": lambda ds: ds.astra.index(5),
    "index of": lambda ds: ds.astra.index(["NDVI", None]),
    "a constant": lambda ds: ds.astra.index("SAVI", L=None),
    "mask": lambda ds: ds.astra.mask(None),
    "mask of": lambda ds: ds.astra.mask([["clouds"]]),
    "mask by": lambda ds: ds.astra.mask(by=["SCL"]),
    "above": lambda ds: ds.astra.mask(by="probability", above="40 %"),
    "dilate": lambda ds: ds.astra.mask(dilate=None),
    "mask_clouds": lambda ds: ds.astra.index("NDVI", mask_clouds="SCL"),
    "plot": lambda ds: ds.astra.plot(["red", "green", "blue"]),
    "rgb": lambda ds: ds.astra.rgb(5),
    "rgb of": lambda ds: ds.astra.rgb(["red", "green", 3]),
    "limits": lambda ds: ds.astra.rgb(["red"] * 3, limits="auto"),
    "gamma": lambda ds: ds.astra.rgb(["red"] * 3, gamma="2"),
    "thumbnail": lambda ds: ds.astra.thumbnail(5),
    "size": lambda ds: ds.astra.thumbnail(size="small"),
    "classes": lambda ds: ds.astra.classes(5),
    "sample": lambda ds: on_a_grid(ds).astra.sample(5),
    "zonal": lambda ds: on_a_grid(ds).astra.zonal(5),
    "cloud_cover": lambda ds: on_a_grid(ds).rename(red="SCL").astra.cloud_cover(5),
    "composite": lambda ds: ds.astra.composite(5),
    "pick": lambda ds: ds.astra.pick(5),
}


@pytest.mark.parametrize("call", ODD)
def test_odd_values_are_refused_by_their_parameter(ds: xr.Dataset, call: str) -> None:
    with pytest.raises(errors.InvalidParameter, match=r"^Invalid \w+=.*expected .*\.$") as caught:
        ODD[call](ds)
    assert "\n" not in str(caught.value)


def test_variables_whose_names_are_numbers() -> None:
    da = xr.DataArray(np.ones((2, 4, 5)), {"band": [1, 2]}, ("band", "y", "x"))
    ds = da.to_dataset("band")
    assert "unknown origin" in repr(ds.astra)
    for call in (ds.astra.plot, ds.astra.mask, lambda: ds.astra["red"], lambda: ds.astra.bands):
        with pytest.raises(errors.InvalidDataset, match=r"are str, not 1. Rename.*\{1: 'red'\}"):
            call()


def test_bands_with_planes_are_no_part_of_an_image(ds: xr.Dataset) -> None:
    ds["visual"] = ds.red.expand_dims(band=3)
    with pytest.raises(errors.InvalidDataset, match="without a dimension band"):
        ds.astra.rgb(["visual"] * 3)


def test_ndvi_is_the_formula_on_reflectance(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["B04", "nir"])
    ndvi = ds.astra.index("NDVI")
    red, nir = (world.dn[b].astype(float) * 1e-4 - 0.1 for b in ("B04", "B08"))
    valid = (world.dn["B04"] > 0) & (world.dn["B08"] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(valid, (nir - red) / (nir + red), np.nan)
    # Near nir + red = 0 the quotient has no meaning in any precision.
    usual = ~valid | (nir + red > 0.01)
    np.testing.assert_allclose(ndvi.values[usual], expected[usual], rtol=2e-4, atol=1e-5)
    assert ndvi.name == "NDVI"
    assert ndvi.dtype == np.float32
    assert ndvi.attrs["bands"] == "N=nir, R=B04"
    assert ndvi.attrs["long_name"] == "Normalized Difference Vegetation Index"
    assert ndvi.rio.crs.to_epsg() == 32610


def test_an_index_of_stored_numbers_is_of_reflectance(world: World) -> None:
    masked = astra_xr.open_scene(PRODUCT, bands=["red", "nir"]).astra.index("NDVI")
    stored = astra_xr.open_scene(PRODUCT, bands=["red", "nir"], mask_and_scale=False)
    np.testing.assert_allclose(stored.astra.index("NDVI"), masked, rtol=1e-4, atol=1e-4)


def test_an_index_of_dask_arrays_stays_lazy(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, bands=["red", "nir"], chunks=256)
    assert ds.astra.index("NDVI").chunks is not None


def test_an_index_keeps_its_grid_whatever_xarray_does_with_attrs(world: World) -> None:
    ds = astra_xr.open_scene(PRODUCT, ["red", "nir"], mask_and_scale=False)
    # False was the default before xarray 2025.11.
    with xr.set_options(keep_attrs=False):  # type: ignore[no-untyped-call, unused-ignore]
        for each in (ds, ds.chunk(), ds.load()):
            found = each.astra.index(["NDVI", "SAVI"])
            assert found.odc.geobox == found.NDVI.odc.geobox == ds.odc.geobox


def test_every_index_equals_spyndex() -> None:
    """In memory, of dask, and of what is not read yet; all that these bands are enough for."""
    natives = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
    letters = ["A", "B", "G", "R", "RE1", "RE2", "RE3", "N", "N2", "WV", "S1", "S2"]
    ds = scene(**{native: (native, None) for native in natives})
    inputs: dict[str, Any] = {
        letter: ds[native].values for letter, native in zip(letters, natives, strict=True)
    }
    names = [
        name
        for name in astra_xr.indices.available(ds).index
        if not any(s[0] == "k" and s != "k" for s in spyndex.indices[name].bands)
    ]
    assert len(names) > 200
    nm = {"lambdaG": 560, "lambdaR": 665, "lambdaN": 842, "lambdaN2": 865, "lambdaS1": 1610,
          "lambdaS2": 2190, "k": 0.0, "slb": 0.0}  # fmt: skip
    chunked = ds.chunk(20).astra.index(names).compute()
    for name in names:
        params = {
            k: inputs[k] if k in inputs else spyndex.constants[k].default or nm[k]
            for k in spyndex.indices[name].bands
        }
        with np.errstate(all="ignore"):
            expected = spyndex.computeIndex(name, params=params)
        got = ds.astra.index(name)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected, err_msg=name)
        np.testing.assert_array_equal(chunked[name], got, err_msg=name)


def test_kernel_indices_equal_spyndex(ds: xr.Dataset) -> None:
    nir, red = ds.B08.values.astype(float), ds.red.values.astype(float)
    near = spyndex.computeKernel("RBF", {"a": nir, "b": red, "sigma": (nir + red) / 2})
    kndvi = ds.astra.index("kNDVI")
    np.testing.assert_allclose(kndvi, (1 - near) / (1 + near), rtol=1e-5, atol=1e-6)
    # Camps-Valls et al. 2021, equation 4.
    np.testing.assert_allclose(kndvi, np.tanh(((nir - red) / (nir + red)) ** 2), atol=1e-6)
    assert kndvi.attrs["bands"] == "N=B08, R=red"
    near = spyndex.computeKernel("RBF", {"a": nir, "b": red, "sigma": 0.2})
    got = ds.astra.index("kNDVI", sigma=0.2)
    np.testing.assert_allclose(got, (1 - near) / (1 + near), rtol=1e-4, atol=1e-6)
    assert got.attrs["constants"] == "sigma=0.2"
    nn, nr = (
        spyndex.computeKernel("poly", {"a": nir, "b": b, "p": 3.0, "c": 1.0}) for b in (nir, red)
    )
    got = ds.astra.index("kNDVI", kernel="poly", p=3.0)
    np.testing.assert_allclose(got, (nn - nr) / (nn + nr), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        ds.astra.index("kRVI", kernel="linear"), nir**2 / (nir * red), rtol=1e-5
    )
    with pytest.raises(errors.InvalidParameter, match="no sigma in kNDVI.*; expected one of N, R"):
        ds.astra.index("kNDVI", kernel="linear", sigma=1)
    assert "kNDVI" in astra_xr.indices.available(ds).index


def test_thermal_indices_and_wavelengths(world: World) -> None:
    landsat = astra_xr.open_scene(
        "landsat:LC08_L2SP_044034_20250115_02_T1", bands=["red", "nir", "lwir11"]
    )
    kelvin = landsat.lwir11.values.astype(float)
    nir = landsat.nir.values.astype(float)
    got = landsat.astra.index("VI6T")
    assert got.attrs["bands"] == "N=nir, T=lwir11"
    with np.errstate(all="ignore"):
        expected = np.clip((nir - kelvin / 10000) / (nir + kelvin / 10000), -1, 1)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
    ds = scene(red=("B04", "red"), nir=("B08", "nir"), B11=("B11", "swir16"))
    ds.red.attrs["center_wavelength"] = 0.66
    fai = ds.astra.index("FAI")
    assert fai.attrs["constants"] == "lambdaN=842, lambdaR=660, lambdaS1=1610"
    expected = ds.nir - (ds.red + (ds.B11 - ds.red) * (842 - 660) / (1610 - 660))
    np.testing.assert_allclose(fai, expected, rtol=1e-4, atol=1e-6)


def test_bounded_indices_stay_within_their_bounds(ds: xr.Dataset) -> None:
    ds.red[0, :4] = [-0.02, -0.1, 0.0, 0.1]
    ds.B08[0, :4] = [0.019, 0.1, 0.0, -0.05]
    ndvi = ds.astra.index("NDVI")
    assert ndvi.attrs["valid_range"] == [-1.0, 1.0]
    np.testing.assert_array_equal(ndvi[0, :4], [-1, 1, np.nan, -1])
    assert (float(ndvi.min()), float(ndvi.max())) == (-1, 1)
    chunked = ds.chunk(10).astra.index(["NDVI", "IPVI", "EVI2"])
    np.testing.assert_array_equal(chunked.NDVI, ndvi)
    assert chunked.IPVI.attrs["valid_range"] == [0.0, 1.0]
    assert "valid_range" not in chunked.EVI2.attrs


def test_constants_can_be_set(ds: xr.Dataset) -> None:
    half, one = ds.astra.index("SAVI", L=0.5), ds.astra.index("SAVI", L=1.0)
    red, nir = ds.red, ds.B08
    np.testing.assert_allclose(half, 1.5 * (nir - red) / (nir + red + 0.5), rtol=1e-5)
    assert not np.allclose(half, one)


def test_the_narrow_nir_serves_where_the_wide_one_is_not_opened() -> None:
    ds = scene(red=("B04", "red"), nir08=("B8A", "nir08"))
    assert ds.astra.index("NDVI").attrs["bands"] == "N=nir08, R=red"


def test_bad_indices(ds: xr.Dataset) -> None:
    with pytest.raises(errors.UnknownIndex, match="'NVDI'. Did you mean 'NDVI'"):
        ds.astra.index("NVDI")
    with pytest.raises(errors.MissingIndexBand, match=r"S1 \(swir16\).*with bands=\[…, 'swir16'\]"):
        ds.astra.index("NDMI")
    with pytest.raises(errors.MissingIndexBand, match=r"T \(Thermal Infrared\).*no band for T;"):
        ds.astra.index("NDBaI")
    with pytest.raises(errors.MissingIndexBand, match="Open the scene with these bands too"):
        ds.drop_attrs().astra.index("NDMI")
    with pytest.raises(errors.InvalidParameter, match="Invalid L='a': expected a finite number"):
        ds.astra.index("SAVI", L="a")
    with pytest.raises(errors.InvalidParameter, match="one of RBF, poly, linear"):
        ds.astra.index("kNDVI", kernel="rbf")
    with pytest.raises(errors.InvalidParameter, match="names of indices"):
        ds.astra.index([])
    with pytest.raises(
        errors.MissingIndexBand, match="at least one band, not only constants. Leave"
    ):
        ds.astra.index("NDVI", N=0.5, R=0.1)


def test_a_picture_with_given_limits(ds: xr.Dataset) -> None:
    ds.red[0, 0] = np.nan
    ds.green[0, 1], ds.green[0, 2] = 0.1, 0.3
    picture = ds.astra.rgb(["B08", "red", "green"], limits=(0.1, 0.3))
    assert picture.dims == ("y", "x", "band")
    assert picture.dtype == np.uint8
    assert list(picture.band.values) == ["red", "green", "blue", "alpha"]
    assert list(picture.to_dataset("band")) == ["red", "green", "blue", "alpha"]
    assert picture.to_dataset().rgb.dims == ("y", "x", "band")
    assert picture[0, 0, 3] == 0
    assert picture[1, 0, 3] == 255
    assert (picture[0, 1, 2], picture[0, 2, 2]) == (0, 255)
    expected = np.clip((ds.B08.values - 0.1) / 0.2, 0, 1) * 255
    np.testing.assert_allclose(picture[..., 0], expected, atol=0.51)


def test_gamma_lightens(ds: xr.Dataset) -> None:
    plain = ds.astra.rgb(["red"] * 3, limits=(0, 0.6))
    light = ds.astra.rgb(["red"] * 3, limits=[(0, 0.6)] * 3, gamma=2.0)
    assert int(light[..., 0].mean()) > int(plain[..., 0].mean())


def test_the_default_stretch_leaves_clouds_and_nodata_out(ds: xr.Dataset) -> None:
    for name in ds:
        ds[name][:] = np.linspace(0.02, 0.2, ds[name].size, dtype="float32").reshape(40, 50)
        ds[name][:4] = 0.9  # a tenth is cloud
        ds[name][4:8] = np.nan
    low, high = ds.astra.rgb(["red", "B08", "green"]).attrs["limits"][:2]
    assert 0.02 <= low < 0.07
    assert 0.19 < high <= 0.2


def test_a_bright_or_empty_scene_still_has_a_picture(ds: xr.Dataset) -> None:
    for name in ds:
        ds[name][:] = np.float32(0.8)
    assert ds.astra.rgb(["red"] * 3).shape == (40, 50, 4)
    for name in ds:
        ds[name][:] = np.float32("nan")
    assert int(ds.astra.rgb(["red"] * 3)[..., 3].max()) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bands": ["red", "green"]}, "three band names"),
        ({"bands": "red"}, "three band names"),
        ({"bands": ["red"] * 3, "limits": (0.3, 0.1)}, "low < high"),
        ({"bands": ["red"] * 3, "limits": [(0, 1)] * 2}, "three of them"),
        ({"bands": ["red"] * 3, "gamma": 0}, "0.1 to 10"),
    ],
)
def test_bad_pictures(ds: xr.Dataset, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(errors.InvalidParameter, match=words):
        ds.astra.rgb(**arguments)


def test_integers_of_elsewhere_do_not_wrap_around() -> None:
    red, nir = np.full((4, 4), 200, np.uint16), np.full((4, 4), 100, np.uint16)
    ds = xr.Dataset({"red": (("y", "x"), red), "nir": (("y", "x"), nir)})
    for each in (ds, ds.chunk(2)):
        np.testing.assert_allclose(each.astra.index("NDVI").values, -1 / 3, rtol=1e-6)


def test_a_constant_that_the_formula_lacks_is_refused(ds: xr.Dataset) -> None:
    with pytest.raises(errors.InvalidParameter, match="Invalid l=5.0: there is no l in SAVI = "):
        ds.astra.index("SAVI", l=5.0)


def test_a_lazy_index_travels(world: World) -> None:
    import pickle

    ndvi = astra_xr.open_scene(PRODUCT, bands=["red", "nir"]).astra.index("NDVI")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ndvi)), ndvi)
