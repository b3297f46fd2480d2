"""The sample scene: its files, what they show, and how they come to be."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.warp import transform_bounds
from rio_cogeo.cogeo import cog_validate

from astra_xr.sample import SCENE_ID, ensure_sample, item, landscape, scene, spectra

# The pixels of SCL and of B04, the same on every machine.
SCL_SHA256 = "72402af4dca31d52342d94df48a9d3314aca4cd0bfc1faabd78339287b17a5ce"
B04_SHA256 = "79812db33735771a0b2fe49398e1adf2afb4af56f85aaf44153830ca0f352b64"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The item of a scene made once for all tests."""
    return ensure_sample(tmp_path_factory.mktemp("sample"), progress=False)


@pytest.fixture(scope="session")
def document(made: Path) -> dict[str, Any]:
    """The item as plain data."""
    loaded: dict[str, Any] = json.loads(made.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def painted() -> landscape.Landscape:
    """The scene painted again."""
    return landscape.paint()


def read(made: Path, key: str) -> NDArray[Any]:
    with rasterio.open(made.parent / item.FILES[key]) as dataset:
        values: NDArray[Any] = dataset.read()
    return values if len(values) > 1 else values[0]


def reflectance(made: Path, key: str, factor: int = 1) -> NDArray[np.float32]:
    """Reflectance, as means over blocks of `factor` pixels."""
    value = read(made, key) * np.float32(0.0001) - np.float32(0.1)
    side = len(value) // factor
    means: NDArray[np.float32] = value.reshape(side, factor, side, factor).mean(axis=(1, 3))
    return means


# The files


def test_the_folder_holds_the_scene_and_nothing_else(made: Path) -> None:
    names = {f"{SCENE_ID}.json", *item.FILES.values()}
    assert {path.name for path in made.parent.iterdir()} == names
    assert [path.name for path in made.parent.parent.iterdir()] == [made.parent.name]
    assert sum(path.stat().st_size for path in made.parent.iterdir()) < 46e6


@pytest.mark.parametrize("key", item.FILES)
def test_every_file_is_a_valid_cog(made: Path, key: str) -> None:
    valid, errors, warnings = cog_validate(made.parent / item.FILES[key], strict=True, quiet=True)
    assert valid, (errors, warnings)


@pytest.mark.parametrize("key", item.FILES)
def test_the_item_matches_its_files(made: Path, document: dict[str, Any], key: str) -> None:
    asset = document["assets"][key]
    path = made.parent / asset["href"]
    assert path.stat().st_size == asset["file:size"]
    with rasterio.open(path) as dataset:
        assert list(dataset.shape) == asset["proj:shape"]
        assert list(dataset.transform)[:6] == asset["proj:transform"]
        assert dataset.crs.to_epsg() == document["properties"]["proj:epsg"] == 32610
        assert dataset.res == (asset["gsd"], asset["gsd"])
        assert dataset.overviews(1)
        assert dataset.profile["compress"] == "deflate"
        assert dataset.block_shapes[0] == ((256, 256) if asset["gsd"] == 60 else (512, 512))
        assert "SYNTHETIC" in dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        bands = zip(dataset.dtypes, dataset.nodatavals, asset["raster:bands"], strict=True)
        for dtype, nodata, band in bands:
            assert (dtype, nodata) == (band["data_type"], band["nodata"])
            assert ("scale" in band) == ("offset" in band) == (dtype == "uint16")
        # The scene has no gaps, the last row at 60 m included.
        assert dataset.read().min() > 0


def test_the_grids_are_those_of_the_tile(document: dict[str, Any]) -> None:
    shapes = {a["gsd"]: a["proj:shape"] for a in document["assets"].values()}
    assert shapes == {10: [2048, 2048], 20: [1024, 1024], 60: [342, 342]}
    assert (item.EAST - 499980) % 60 == 0
    assert (4200000 - item.NORTH) % 60 == 0


def test_the_item_is_stac(made: Path, document: dict[str, Any]) -> None:
    stac = pystac.Item.from_file(str(made))
    assert stac.id == SCENE_ID
    assert set(stac.assets) == set(item.FILES) == {*spectra.GSD, "SCL", "visual"}
    for asset in stac.assets.values():
        assert Path(str(asset.get_absolute_href())).is_file()
    west, south, east, north = document["bbox"]
    for longitude, latitude in document["geometry"]["coordinates"][0]:
        assert west <= longitude <= east
        assert south <= latitude <= north
    with rasterio.open(made.parent / "B02.tif") as dataset:
        box = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    assert document["bbox"] == pytest.approx(box, abs=1e-6)


def test_the_item_says_that_it_is_synthetic(document: dict[str, Any]) -> None:
    assert "SYNTHETIC" in document["properties"]["description"]


# What they show


def test_the_same_pixels_come_out_again(made: Path, painted: landscape.Landscape) -> None:
    assert np.array_equal(painted.scl, read(made, "SCL"))
    for key, band in painted.reflectance.items():
        assert band.dtype == np.float32
        value = read(made, key)
        assert np.array_equal(np.clip(np.rint(band * 10000) + 1000, 1, 65535), value), key


def test_the_pixels_are_the_same_on_every_machine(made: Path) -> None:
    assert hashlib.sha256(read(made, "SCL").tobytes()).hexdigest() == SCL_SHA256
    assert hashlib.sha256(read(made, "B04").astype("<u2").tobytes()).hexdigest() == B04_SHA256


def test_the_classes_agree_with_the_spectra(made: Path) -> None:
    scl = read(made, "SCL")
    blue, red, nir = (reflectance(made, key, 2) for key in ("B02", "B04", "B08"))
    ndvi = (nir - red) / (nir + red)
    assert set(np.unique(scl)) == {2, 3, 4, 5, 6, 7, 8, 9, 10}
    assert np.median(ndvi[scl == 4]) > 0.4
    assert np.median(ndvi[scl == 5]) < 0.35
    assert np.median(nir[scl == 6]) < 0.05
    assert np.median(reflectance(made, "B11")[scl == 6]) < 0.02
    assert np.median(blue[scl == 9]) > 0.3
    assert np.median(blue[scl == 8]) > np.median(blue[scl == 4]) + 0.1


def test_shadows_are_darker_than_the_land_around(made: Path) -> None:
    scl, nir = read(made, "SCL"), reflectance(made, "B08", 2)
    ratio = []
    for row in range(0, 1024, 64):
        for column in range(0, 1024, 64):
            place = (slice(row, row + 64), slice(column, column + 64))
            shadow, lit = nir[place][scl[place] == 3], nir[place][scl[place] == 4]
            if min(shadow.size, lit.size) > 200:
                ratio.append(np.median(shadow) / np.median(lit))
    assert len(ratio) > 10
    assert np.median(ratio) < 0.6
    assert max(ratio) < 1


def test_cloud_cover_is_counted(made: Path, document: dict[str, Any]) -> None:
    cover = np.isin(read(made, "SCL"), (8, 9, 10)).mean() * 100
    assert document["properties"]["eo:cloud_cover"] == pytest.approx(cover, abs=1e-5)
    assert 5 < cover < 8


def test_true_colours_are_those_of_the_bands(made: Path) -> None:
    colours = read(made, "visual")
    for number, key in enumerate(("B04", "B03", "B02")):
        expected = np.clip(reflectance(made, key) / 0.3558 * 255, 1, 255)
        # Bands and colours are rounded each on their own.
        assert np.abs(expected - colours[number]).max() < 0.6


def test_bands_of_all_resolutions_agree(made: Path) -> None:
    wide = reflectance(made, "B08", 2)
    near = reflectance(made, "B8A")
    assert np.corrcoef(wide.ravel(), near.ravel())[0, 1] > 0.98
    # The 60 m grid reaches beyond: 341 of its pixels lie within the 10 m one.
    coast = reflectance(made, "B01")[:341, :341]
    blue = read(made, "B02")[:2046, :2046].reshape(341, 6, 341, 6).mean(axis=(1, 3))
    assert np.corrcoef(coast.ravel(), blue.ravel())[0, 1] > 0.98


# How they come to be


def test_importing_is_light() -> None:
    heavy = ["rasterio", "tqdm", "astra_xr.sample.landscape", "astra_xr.sample.spectra"]
    code = f"import sys, astra_xr.sample; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_second_call_makes_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.parent.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert ensure_sample(folder) == made
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_run_leaves_nothing(
    tmp_path: Path,
    painted: landscape.Landscape,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
) -> None:
    write = scene._write
    written = []

    def fail_in_the_middle(work: Path, key: str, *rest: Any) -> None:
        if key == "B03":
            raise failure
        write(work, key, *rest)
        written.append(work / item.FILES[key])
        assert written[-1].is_file()

    monkeypatch.setattr(landscape, "paint", lambda **_: painted)
    monkeypatch.setattr(scene, "_write", fail_in_the_middle)
    with pytest.raises(type(failure)):
        ensure_sample(tmp_path)
    assert written
    assert list(tmp_path.iterdir()) == []
    assert "synthetic" in capsys.readouterr().err


def pretend(before: Callable[[], object] = lambda: None) -> Callable[..., None]:
    """A stand-in for the making that writes a word into each file."""

    def make(_: object, work: Path, __: bool) -> None:
        assets = {}
        for key, name in item.FILES.items():
            (work / name).write_text("made")
            assets[key] = {"href": f"./{name}", "file:size": 4}
        (work / f"{SCENE_ID}.json").write_text(json.dumps({"assets": assets}))
        before()

    return make


def test_several_processes_that_make_it_at_once_keep_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4)
    monkeypatch.setattr(scene, "_make", pretend(lambda: together.wait(60)))
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(ensure_sample(tmp_path / "new")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == [found[0].parent.name]


@pytest.mark.parametrize("left", [None, "", "ma"])
def test_a_scene_with_a_missing_or_cut_file_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str | None
) -> None:
    monkeypatch.setattr(scene, "_make", pretend())
    home = ensure_sample(tmp_path).parent
    (home / "B04.tif").unlink()
    if left is not None:
        (home / "B04.tif").write_text(left)
    ensure_sample(tmp_path)
    assert (home / "B04.tif").read_text() == "made"
    assert list(tmp_path.iterdir()) == [home]
