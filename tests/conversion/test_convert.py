"""Files of every format from sources of every kind: pixels, place and description."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp, MaskFlags
from rio_cogeo.cogeo import cog_validate

from astra_xr.conversion.convert import Made, convert
from astra_xr.conversion.image_ranges import fit
from astra_xr.conversion.pyramid import halve
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.errors import InvalidFormat, InvalidParameter
from astra_xr.model import ClassValue
from tests.conversion.rasters import PLACE, numbers, write


def make(source: Path, recipe: Recipe, name: str = "made.tif") -> tuple[Path, Made]:
    target = source.parent / name if source.parent.stat().st_mode & 0o200 else Path(name)
    made = convert(source, target, recipe, limits=Limits(threads=2))
    assert made.path == target
    assert made.size == target.stat().st_size
    return target, made


def assert_cog(path: Path) -> None:
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    assert (valid, errors, warnings) == (True, [], [])
    assert not path.with_name(path.name + ".aux.xml").exists()


def assert_same(source: Path, target: Path) -> None:
    """Pixels, CRS and place are exactly the source's."""
    with rasterio.open(source) as a, rasterio.open(target) as b:
        np.testing.assert_array_equal(a.read(), b.read())
        np.testing.assert_array_equal(a.dataset_mask(), b.dataset_mask())
        assert (a.crs, a.transform, a.dtypes, a.shape) == (b.crs, b.transform, b.dtypes, b.shape)
        if a.gcps[0]:
            assert a.gcps[1] == b.gcps[1]
        assert [g.asdict()["row"] for g in a.gcps[0]] == [g.asdict()["row"] for g in b.gcps[0]]
        if ColorInterp.undefined not in a.colorinterp[:1]:
            assert a.colorinterp == b.colorinterp
        assert (a.scales, a.offsets, a.units) == (b.scales, b.offsets, b.units)
        assert a.descriptions == b.descriptions


class TestCog:
    @pytest.mark.parametrize(
        ("dtype", "planes", "shape"),
        [
            ("uint8", 3, (700, 1101)),
            ("uint16", 1, (1300, 2101)),
            ("int16", 2, (512, 512)),
            ("int32", 1, (513, 40)),
            ("float32", 1, (1030, 700)),
            ("float32", 3, (600, 600)),
            ("float64", 1, (7, 5)),
        ],
    )
    def test_pixels_and_form(
        self, tmp_path: Path, dtype: str, planes: int, shape: tuple[int, int]
    ) -> None:
        source = write(tmp_path / "a.tif", numbers((planes, *shape), dtype), nodata=0)
        target, _ = make(source, Recipe())
        assert_cog(target)
        assert_same(source, target)
        with rasterio.open(target) as made:
            structure = made.tags(ns="IMAGE_STRUCTURE")
            assert structure["COMPRESSION"] == "DEFLATE"
            assert structure["PREDICTOR"] == ("3" if dtype.startswith("float") else "2")
            assert made.block_shapes[0] == (512, 512)
            levels = [2**n for n in range(1, 4) if max(shape) > 512 * 2 ** (n - 1)]
            assert made.overviews(1) == levels
            assert made.nodata == 0

    @pytest.mark.parametrize("block", [256, 192, 1024])
    def test_sentinel_2_jpeg_2000(self, tmp_path: Path, block: int) -> None:
        options = {"BLOCKXSIZE": block, "BLOCKYSIZE": block}
        pixels = numbers((1830, 1100))
        source = write(tmp_path / "a.jp2", pixels, driver="JP2OpenJPEG", options=options)
        recipe = Recipe(nodata=0, name="B04", scale=0.0001, offset=-0.1, unit="1")
        target, _ = make(source, recipe)
        assert_cog(target)
        with rasterio.open(target) as made:
            np.testing.assert_array_equal(made.read(1), pixels)
            assert (made.crs.to_epsg(), made.transform) == (32610, PLACE)
            assert (made.scales, made.offsets, made.units) == ((0.0001,), (-0.1,), ("1",))
            assert (made.descriptions, made.nodata) == (("B04",), 0)
            assert "NBITS" not in made.tags(1, ns="IMAGE_STRUCTURE")

    def test_overviews_are_means_without_nodata_and_no_wavelets(self, tmp_path: Path) -> None:
        pixels = numbers((1024, 1200))
        source = write(tmp_path / "a.jp2", pixels, driver="JP2OpenJPEG")
        target, _ = make(source, Recipe(nodata=0))
        blocks = pixels.reshape(512, 2, 600, 2).astype(float)
        blocks[blocks == 0] = np.nan
        with np.errstate(all="ignore"):
            count = np.isfinite(blocks).sum((1, 3))
            mean = np.nan_to_num(np.nansum(blocks, (1, 3)) / count)
        with rasterio.open(target, overview_level=0) as overview:
            np.testing.assert_array_equal(overview.read(1), np.floor(mean + 0.5))

    def test_classes_keep_their_numbers_in_overviews(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        source = write(tmp_path / "a.tif", rng.choice([3, 8, 200], (700, 700)).astype("uint8"))
        target, _ = make(source, Recipe(categorical=True))
        assert_cog(target)
        with rasterio.open(target, overview_level=0) as overview:
            assert set(np.unique(overview.read())) == {3, 8, 200}

    def test_same_bytes_each_time(self, tmp_path: Path) -> None:
        source = write(tmp_path / "a.tif", numbers((2, 1500, 2600)))
        first, _ = make(source, Recipe())
        second = tmp_path / "second.tif"
        convert(source, second, Recipe(), limits=Limits(threads=1))
        assert first.read_bytes() == second.read_bytes()

    def test_progress_rises_to_one(self, tmp_path: Path) -> None:
        source = write(tmp_path / "a.tif", numbers((2100, 2100)))
        for form, name in (("cog", "b.tif"), ("geotiff", "c.tif"), ("png", "d.png")):
            told: list[float] = []
            convert(source, tmp_path / name, Recipe(format=form), progress=told.append)
            assert told == sorted(told)
            assert told[-1] == 1.0

    @pytest.mark.parametrize(
        "name",
        ["RGBA.uint16", "cog_dateline", "cog_gcps_ovr", "cog_nodata_nan", "cog_rgb_mask",
         "cog_scale", "cog_uint8_rgba", "image_colormap", "image_rgb_mask", "image_webp",
         "image_with_offsets", "inverted_lat", "nocog", "rgb_lzw", "rotated"],
    )  # fmt: skip
    @pytest.mark.parametrize("form", ["cog", "geotiff"])
    def test_real_odd_files(self, shared: Path, tmp_path: Path, name: str, form: str) -> None:
        source = shared / f"rasters/odd/{name}.tif"
        target = tmp_path / "made.tif"
        convert(source, target, Recipe(format=form))
        assert_same(source, target)
        if form == "cog":
            assert_cog(target)

    @pytest.mark.parametrize("name", ["SR_B4", "QA_PIXEL", "ST_B10"])
    def test_real_landsat(self, shared: Path, tmp_path: Path, name: str) -> None:
        (folder,) = (shared / "rasters").glob("landsat-*")
        (source,) = folder.glob(f"*_{name}.TIF")
        convert(source, tmp_path / "made.tif", Recipe(categorical=name.startswith("QA")))
        assert_cog(tmp_path / "made.tif")
        assert_same(source, tmp_path / "made.tif")

    def test_real_jpeg_2000(self, shared: Path, tmp_path: Path) -> None:
        (source,) = (shared / "rasters/jp2").glob("*.jp2")
        for form in ("cog", "geotiff"):
            target = tmp_path / f"{form}.tif"
            convert(source, target, Recipe(format=form))
            assert_same(source, target)
        assert_cog(tmp_path / "cog.tif")


class TestGeotiff:
    def test_plain(self, tmp_path: Path) -> None:
        source = write(tmp_path / "a.jp2", numbers((1830, 1100)), driver="JP2OpenJPEG")
        target, _ = make(source, Recipe(format="geotiff", nodata=0, name="B04", scale=0.0001))
        with rasterio.open(target) as made:
            assert not made.profile["tiled"]
            assert made.overviews(1) == []
            assert (made.nodata, made.descriptions, made.scales) == (0, ("B04",), (0.0001,))
            np.testing.assert_array_equal(made.read(1), numbers((1830, 1100)))


class TestPictures:
    def open(self, path: Path) -> Any:
        logging.getLogger("rasterio").setLevel(logging.ERROR)
        return rasterio.open(path)

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    def test_png_is_stretched_and_transparent_without_data(self, tmp_path: Path) -> None:
        pixels = numbers((600, 600))
        source = write(tmp_path / "a.tif", pixels, nodata=0)
        target, made = make(source, Recipe(format="png"), "made.png")
        low, high = np.percentile(pixels[pixels > 0], [2, 98])
        assert made.drawn is not None
        np.testing.assert_allclose(made.drawn.stretch, [(low, high)], rtol=0.02)
        with self.open(target) as picture:
            assert picture.colorinterp == (ColorInterp.gray, ColorInterp.alpha)
            gray, alpha = picture.read()
        np.testing.assert_array_equal(alpha, np.where(pixels > 0, 255, 0))
        expected = np.clip((pixels - made.drawn.stretch[0][0]) / np.ptp(made.drawn.stretch), 0, 1)
        np.testing.assert_allclose(gray[pixels > 0], 255 * expected[pixels > 0], atol=0.51)

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize(("form", "name"), [("png", "made.png"), ("jpeg", "made.jpg")])
    def test_size_and_world_file(self, tmp_path: Path, form: str, name: str) -> None:
        source = write(tmp_path / "a.tif", numbers((1001, 600)))
        target, made = make(source, Recipe(format=form, max_size=300), name)
        assert made.drawn is not None
        assert made.drawn.shape == (251, 150)
        world = target.with_suffix(".pgw" if form == "png" else ".jgw")
        a, d, b, e, x, y = map(float, world.read_text().split())
        assert (a, d, b) == (40, 0, 0)
        assert e == pytest.approx(-10 * 1001 / 251)
        assert (x, y) == (499980 + 20, 4200000 + e / 2)
        assert made.crs is not None
        assert "UTM zone 10N" in made.crs
        with self.open(target) as picture:
            # GDAL finds the world file by itself.
            assert picture.transform.a == 40
            assert picture.shape == (251, 150)

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    def test_classes_have_their_colours(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        pixels = rng.choice([0, 4, 9], (40, 50)).astype("uint8")
        source = write(tmp_path / "a.tif", pixels)
        classes = (
            ClassValue(value=4, name="vegetation", color="#00a000"),
            ClassValue(value=9, name="cloud", color="#ffffff"),
        )
        recipe = Recipe(format="png", categorical=True, classes=classes, nodata=0)
        target, _ = make(source, recipe, "made.png")
        with self.open(target) as picture:
            np.testing.assert_array_equal(picture.read(1), pixels)
            colors = picture.colormap(1)
        assert (colors[4], colors[9]) == ((0, 160, 0, 255), (255, 255, 255, 255))
        assert colors[0][3] == 0
        recipe = Recipe(format="jpeg", categorical=True, classes=classes, nodata=0)
        target, _ = make(source, recipe, "made.jpg")
        with self.open(target) as picture:
            assert picture.count == 3

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    def test_true_colour_stays_as_it_is(self, tmp_path: Path) -> None:
        pixels = numbers((3, 90, 80), "uint8")
        source = write(tmp_path / "a.tif", pixels, options={"PHOTOMETRIC": "RGB"})
        target, made = make(source, Recipe(format="png"), "made.png")
        assert made.drawn is not None
        assert made.drawn.stretch == ()
        with self.open(target) as picture:
            np.testing.assert_array_equal(picture.read([1, 2, 3]), pixels)

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize("value", [0, 5])
    def test_a_source_of_one_value(self, tmp_path: Path, value: int) -> None:
        source = write(tmp_path / "a.tif", np.full((20, 20), value, "uint16"), nodata=0)
        target, _ = make(source, Recipe(format="png"), "made.png")
        with self.open(target) as picture:
            assert (picture.read(2) == (255 if value else 0)).all()


class TestOverview:
    def test_rounding_is_half_up_also_below_zero(self) -> None:
        pixels = np.array([[[-1, -2, 1, 2], [-1, -2, 1, 2]]], "int16")
        assert halve(pixels, nodata=None).tolist() == [[[-1, 2]]]

    def test_no_overflow(self) -> None:
        for dtype in ("uint8", "int8", "uint16", "int16", "uint32", "int32"):
            most = np.iinfo(dtype).max
            assert halve(np.full((1, 2, 2), most, dtype), nodata=None).item() == most

    def test_nan(self) -> None:
        nan = np.nan
        pixels = np.array([[[1, nan, nan], [3, nan, nan]]], "float32")
        assert halve(pixels, nodata=nan)[0, 0, 0] == 2
        assert np.isnan(halve(pixels, nodata=nan)[0, 0, 1])

    def test_nodata_that_the_type_cannot_hold(self) -> None:
        assert halve(np.ones((1, 2, 2), "uint8"), nodata=-9999).item() == 1


class TestRecipe:
    def test_checked(self) -> None:
        with pytest.raises(InvalidFormat, match="cog, geotiff, png, jpeg"):
            Recipe(format="gif")
        with pytest.raises(InvalidParameter, match="max_size"):
            Recipe(max_size=0)

    def test_digest_changes_with_each_field(self) -> None:
        some = [Recipe(), Recipe(format="png"), Recipe(nodata=0), Recipe(scale=2.0),
                Recipe(max_size=5), Recipe(categorical=True)]  # fmt: skip
        assert len({recipe.digest for recipe in some}) == len(some)
        assert Recipe(nodata=0).digest == Recipe(nodata=0).digest


def test_masks_stay_internal(shared: Path, tmp_path: Path) -> None:
    convert(shared / "rasters/odd/image_rgb_mask.tif", tmp_path / "made.tif", Recipe())
    assert {path.name for path in tmp_path.iterdir()} == {"made.tif"}
    with rasterio.open(tmp_path / "made.tif") as made:
        assert MaskFlags.per_dataset in made.mask_flag_enums[0]


class TestClouds:
    """A picture of a cloudy scene shows the ground."""

    CLOUD = ClassValue(value=9, name="cloud_high_probability")

    def scene(self, folder: Path, share: float) -> tuple[Path, Path]:
        """Dark ground of 200 to 1000 with a bright cloud over a share of it, and its classes."""
        ground = numbers((600, 600)).astype(float)
        pixels = np.where(ground > 0, 200 + ground / 10, 0).astype("uint16")
        classes = np.full((300, 300), 4, "uint8")
        cloudy = int(300 * share)
        classes[:, 300 - cloudy :] = 9
        pixels[:, 600 - 2 * cloudy :] = 9000
        return (
            write(folder / "B04.tif", pixels, nodata=0),
            write(folder / "SCL.tif", classes, transform=PLACE * PLACE.scale(2)),
        )

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize("form", ["png", "jpeg"])
    def test_clouds_take_no_part_in_the_stretch(self, tmp_path: Path, form: str) -> None:
        band, classes = self.scene(tmp_path, 0.06)
        recipe = Recipe(format=form, left_out=(self.CLOUD,))
        bare = convert(band, tmp_path / "bare", recipe).drawn
        clear = convert(band, tmp_path / "clear", recipe, classes=classes).drawn
        assert bare is not None
        assert clear is not None
        assert (bare.without, clear.without) == (("nodata",), ("nodata", "clouds"))
        assert bare.stretch[0][1] == 9000
        assert 800 < clear.stretch[0][1] < 1000
        with rasterio.open(tmp_path / "bare") as a, rasterio.open(tmp_path / "clear") as b:
            ground = np.s_[300:, :500]
            assert np.median(a.read(1)[ground]) < 30
            assert np.median(b.read(1)[ground]) > 100
            assert (b.read(1)[:, 570:] >= 250).all()

    def test_under_a_closed_cover_clouds_are_all_there_is(self, tmp_path: Path) -> None:
        band, classes = self.scene(tmp_path, 1)
        recipe = Recipe(format="png", left_out=(self.CLOUD,))
        drawn = convert(band, tmp_path / "a.png", recipe, classes=classes).drawn
        assert drawn is not None
        assert drawn.without == ("nodata",)

    def test_bits(self, tmp_path: Path) -> None:
        """As of Landsat's QA_PIXEL: bit 3 is a cloud, among others."""
        band, _ = self.scene(tmp_path, 0.06)
        classes = np.where(np.arange(600) < 564, 21824, 22280).astype("uint16")
        quality = write(tmp_path / "QA.tif", np.tile(classes, (600, 1)))
        cloud = ClassValue(value=8, mask=8, name="cloud")
        recipe = Recipe(format="png", left_out=(cloud,))
        drawn = convert(band, tmp_path / "a.png", recipe, classes=quality).drawn
        assert drawn is not None
        assert drawn.without == ("nodata", "clouds")
        assert drawn.stretch[0][1] < 1000


class TestPng:
    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize("shape", [(3, 1, 1), (1, 7, 5), (3, 40, 30), (3, 3, 900)])
    def test_others_read_it(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
        options = {"PHOTOMETRIC": "RGB"} if shape[0] == 3 else {}
        source = write(tmp_path / "a.tif", pixels, options=options)
        target, _ = make(source, Recipe(format="png"), "made.png")
        expected = np.concatenate([pixels, np.full_like(pixels[:1], 255)])
        with rasterio.open(target) as picture:
            np.testing.assert_array_equal(picture.read(), expected)
        read = imagecodecs.png_decode(target.read_bytes())
        np.testing.assert_array_equal(read.transpose(2, 0, 1), expected)

    @given(rows=st.integers(2, 5000), cols=st.integers(2, 5000), largest=st.integers(1, 5000))
    def test_sizes(self, rows: int, cols: int, largest: int) -> None:
        shape = fit((rows, cols), largest)
        assert max(shape) <= largest
        assert max(shape) * 2 > min(largest, max(rows, cols))
