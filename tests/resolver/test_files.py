"""Scenes whose files are made for the caller: when, from what, and what the answer says of them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

import astra_xr
from astra_xr import LocalResolver, Settings
from astra_xr.errors import ConversionFailed, UpstreamUnavailable
from astra_xr.testing import RangeServer, write_cog
from conftest import Loopback
from tests import items
from tests.conversion.rasters import PLACE, numbers, write
from tests.items import COG
from tests.stac_api import StacApi

ID = f"sentinel-2:{items.PRODUCT}"
SIZE = 700
PRODUCT = f"eodata/Sentinel-2/{items.PRODUCT}.SAFE"
HOST = "eodata.dataspace.copernicus.eu"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Storage as of the Copernicus Data Space: JPEG 2000 alone."""
    folder = tmp_path_factory.mktemp("eodata")
    for name in ("B04", "B08"):
        path = folder / f"{PRODUCT}/{name}_10m.jp2"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, numbers((SIZE, SIZE), seed=int(name[1:])), driver="JP2OpenJPEG")
    return folder


@pytest.fixture
def storage(folder: Path, network: Loopback) -> Any:
    network.routes["stac.dataspace.copernicus.eu"] = StacApi([items.cdse(SIZE)])
    with RangeServer(folder) as server:
        network.routes[HOST] = server.url()
        yield server


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalResolver:
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "KEY")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "HUSH")
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path / "cache"))
    return LocalResolver()


def path_of(href: str) -> Path:
    return Path(urlsplit(href).path)


def test_opening_converts_nothing_reading_does(
    storage: RangeServer, resolver: LocalResolver
) -> None:
    ds = astra_xr.open_scene(ID, ["red", "nir"], catalog="cdse", resolver=resolver)
    assert storage.requests == []
    values = ds.red[10:20, 300:320].values
    expected = numbers((SIZE, SIZE), seed=4)[10:20, 300:320] * 1e-4 - 0.1
    np.testing.assert_allclose(values, expected.astype(np.float32), atol=1e-6)
    assert {request.path for request in storage.requests} == {f"/{PRODUCT}/B04_10m.jp2"}
    assert all("authorization" in request.headers for request in storage.requests)
    asked = len(storage.requests)
    assert np.isnan(ds.red[0, 0].item())
    assert len(storage.requests) == asked
    again = pickle.loads(pickle.dumps(ds))
    np.testing.assert_array_equal(again.red[10:20, 300:320].values, values)
    assert "HUSH" not in str(ds.red.attrs) + repr(ds)


def test_an_answer_holds_the_file_itself(storage: RangeServer, resolver: LocalResolver) -> None:
    answer = resolver.resolve(ID, "B04,nir", catalog="cdse")
    wire = answer.to_dict()
    assert (wire["metadata"]["routing"], wire["metadata"]["source_provider"]) == (
        "converted",
        "copernicus",
    )
    for name, told in wire["assets"].items():
        path = path_of(told["href"])
        assert (told["type"], told["routing"]) == (COG, "converted")
        assert told["file:size"] == path.stat().st_size
        assert told["source_href"].endswith(f"{name}_10m.jp2")
        assert cog_validate(path, strict=True, quiet=True)[0]
        with rasterio.open(path) as made:
            np.testing.assert_array_equal(made.read(1), numbers((SIZE, SIZE), seed=int(name[1:])))
            assert (made.nodata, made.descriptions) == (0, (name,))
            assert (made.scales, made.offsets) == ((1e-4,), (-0.1,))
    storage.reset()
    again = resolver.resolve(ID, "B04", catalog="cdse").to_dict()["assets"]["B04"]
    assert again["href"] == wire["assets"]["B04"]["href"]
    assert storage.requests == []


def item(href: str, media_type: str | None = None, **told: Any) -> dict[str, Any]:
    asset = {"href": href, "roles": ["data"], **told} | ({"type": media_type} if media_type else {})
    return {"type": "Feature", "id": "mine", "properties": {}, "assets": {"data": asset}}


class TestLooking:
    """What an item does not say, the header does."""

    @pytest.mark.parametrize("media_type", [None, "image/tiff; application=geotiff"])
    def test_a_cog_stays_where_it_is(
        self, tmp_path: Path, resolver: LocalResolver, media_type: str | None
    ) -> None:
        path = write_cog(tmp_path / "a.tif", numbers((SIZE, SIZE)))
        (asset,) = resolver.resolve(item(str(path), media_type)).to_dict()["assets"].values()
        assert (asset["routing"], asset["href"]) == ("direct", str(path))
        assert asset["file:size"] == path.stat().st_size

    def test_a_tiff_that_is_no_cog(self, tmp_path: Path, resolver: LocalResolver) -> None:
        path = write(tmp_path / "a.tif", numbers((SIZE, SIZE)))
        assert resolver.resolve(item(str(path)), sign=False).assets["data"].routing == "direct"
        (asset,) = resolver.resolve(item(str(path))).to_dict()["assets"].values()
        assert asset["routing"] == "converted"
        assert cog_validate(path_of(asset["href"]), strict=True, quiet=True)[0]

    def test_a_jp2_that_is_a_cog(self, tmp_path: Path, resolver: LocalResolver) -> None:
        path = write_cog(tmp_path / "a.jp2", numbers((60, 60)))
        (asset,) = resolver.resolve(item(str(path))).to_dict()["assets"].values()
        with rasterio.open(path_of(asset["href"])) as made:
            np.testing.assert_array_equal(made.read(1), numbers((60, 60)))

    def test_sizes_are_requested_once(self, tmp_path: Path, world: Any) -> None:
        resolver = LocalResolver(Settings(cache_dir=tmp_path))
        for _ in range(2):
            answer = resolver.resolve(ID, "red,nir", catalog="earth-search").to_dict()
            for told in answer["assets"].values():
                assert told["file:size"] > 0
                assert told["routing"] == "direct"
        assert len(world.storage.requests) <= 2

    def test_a_storage_that_is_down_takes_nothing_but_the_size(
        self, resolver: LocalResolver, network: Loopback
    ) -> None:
        network.routes["h.example"] = "http://127.0.0.1:9"
        answer = resolver.resolve(item("https://h.example/a.tif", COG)).to_dict()
        assert answer["assets"]["data"]["file:size"] is None
        with pytest.raises(UpstreamUnavailable):
            resolver.resolve(item("https://h.example/a.jp2", "image/jp2"))


class TestFormats:
    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize(("format", "magic"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff")])
    def test_pictures(
        self, tmp_path: Path, resolver: LocalResolver, format: str, magic: bytes
    ) -> None:
        path = write_cog(tmp_path / "a.tif", numbers((SIZE, SIZE)))
        told = {"proj:code": "EPSG:32610", "proj:shape": [SIZE, SIZE],
                "proj:transform": list(PLACE)[:6]}  # fmt: skip
        answer = resolver.resolve(item(str(path), COG, **told), format=format).to_dict()
        (asset,) = answer["assets"].values()
        assert answer["format"] == format
        assert asset["type"] == f"image/{format}"
        with urlopen(asset["href"]) as picture:
            body = picture.read()
        assert body.startswith(magic)
        assert asset["file:size"] == len(body)
        ((low, high),) = asset["astra:stretch"]
        assert 0 < low < high
        assert asset["proj:shape"] == [SIZE, SIZE]
        assert "raster:bands" not in asset

    def test_clouds_are_left_out_if_a_band_has_them(
        self, storage: RangeServer, folder: Path, network: Loopback, resolver: LocalResolver
    ) -> None:
        classes = np.full((SIZE // 2, SIZE // 2), 4, "uint8")
        classes[:, :50] = 9
        path = write(folder / f"{PRODUCT}/SCL_20m.jp2", classes, driver="JP2OpenJPEG",
                     options={"NBITS": 8})  # fmt: skip
        told = items.cdse(SIZE)
        red = told["assets"]["B04_10m"]
        href = red["alternate"]["https"]["href"].replace("B04_10m", "SCL_20m")
        told["assets"]["SCL_20m"] = {
            "href": f"s3://{PRODUCT}/{path.name}", "type": "image/jp2",
            "roles": ["data", "sampling:original"], "bands": [{"name": "SCL"}],
            "alternate": {"https": {"href": href}},
        }  # fmt: skip
        bare = resolver.resolve(ID, "B04", "png", catalog="cdse").to_dict()["assets"]["B04"]
        assert bare["astra:stretch_without"] == ["nodata"]
        network.routes["stac.dataspace.copernicus.eu"] = StacApi([told])
        fresh = LocalResolver()
        clear = fresh.resolve(ID, "B04", "png", catalog="cdse").to_dict()["assets"]["B04"]
        assert clear["astra:stretch_without"] == ["nodata", "clouds"]
        assert clear["href"] != bare["href"]
        assert f"/{PRODUCT}/SCL_20m.jp2" in {request.path for request in storage.requests}
        drawn = fresh.resolve(ID, "SCL", "png", catalog="cdse").to_dict()["assets"]["SCL"]
        assert "astra:stretch" not in drawn

    def test_geotiff(self, tmp_path: Path, resolver: LocalResolver) -> None:
        path = write_cog(tmp_path / "a.tif", numbers((SIZE, SIZE)))
        answer = resolver.resolve(item(str(path), COG), format="geotiff").to_dict()
        with rasterio.open(path_of(answer["assets"]["data"]["href"])) as made:
            assert made.overviews(1) == []
            np.testing.assert_array_equal(made.read(1), numbers((SIZE, SIZE)))


class TestWhatACatalogNames:
    @pytest.mark.parametrize("href", ["file:///etc/passwd", "http://127.0.0.1:9/a.jp2"])
    def test_is_not_read(self, network: Loopback, resolver: LocalResolver, href: str) -> None:
        evil = items.cdse(SIZE)
        evil["assets"]["B04_10m"]["href"] = href
        evil["assets"]["B04_10m"].pop("alternate", None)
        network.routes["stac.dataspace.copernicus.eu"] = StacApi([evil])
        with pytest.raises(Exception, match="neither https nor s3|private address") as caught:
            resolver.resolve(ID, "B04", catalog="cdse")
        assert isinstance(caught.value, astra_xr.AstraError)

    def test_a_damaged_file_says_which(
        self, folder: Path, tmp_path: Path, resolver: LocalResolver
    ) -> None:
        body = (folder / f"{PRODUCT}/B04_10m.jp2").read_bytes()
        (tmp_path / "a.jp2").write_bytes(body[: len(body) // 3])
        with pytest.raises(ConversionFailed, match="mine data cannot be converted"):
            resolver.resolve(item(str(tmp_path / "a.jp2"), "image/jp2"))
