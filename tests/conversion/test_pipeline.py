"""From a remote source to a kept file: once for all who ask, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.conversion.convert import convert
from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import ConvertedUrl, Converter
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.conversion.source import check_url
from astra_xr.conversion.stores import LocalStore, StoredAsset
from astra_xr.errors import AstraError, ConversionFailed, UpstreamUnavailable
from astra_xr.model import ClassValue, SignedUrl, UrlSource
from astra_xr.testing import RangeServer, Reply, Request, require_query
from conftest import Loopback
from tests.conversion.rasters import numbers, write

HOST = "storage.example"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write(folder / "B04.jp2", numbers((900, 700)), driver="JP2OpenJPEG")
    return folder


@pytest.fixture(scope="module")
def cogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A band and its classes, each larger than its overviews by much."""
    folder = tmp_path_factory.mktemp("cogs")
    noise = np.random.default_rng(2).integers(1, 9000, (3000, 3000), dtype="uint16")
    convert(write(folder / "a.tif", noise), folder / "B04.tif", Recipe(nodata=0))
    classes = np.kron(noise[::300, ::300] % 2 + 8, np.ones((300, 300))).astype("uint8")
    convert(write(folder / "b.tif", classes), folder / "SCL.tif", Recipe(categorical=True))
    return folder


@pytest.fixture
def server(sources: Path) -> Iterator[RangeServer]:
    with RangeServer(sources) as running:
        yield running


@pytest.fixture
def converter(tmp_path: Path) -> Converter:
    return make_converter(tmp_path)


def make_converter(folder: Path, **options: object) -> Converter:
    root = folder / "store"
    return Converter(LocalStore(root=root), root, **options)  # type: ignore[arg-type]


def job(source: UrlSource | str, *, trusted: bool = True, **recipe: object) -> Job:
    return Job(
        mission="sentinel-2",
        item="S2B",
        asset="B04",
        source=FixedUrl(source) if isinstance(source, str) else source,
        recipe=Recipe(nodata=0, **recipe),  # type: ignore[arg-type]
        label="sentinel-2:S2B B04",
        trusted=trusted,
    )


def kept(converter: Converter, asset: StoredAsset) -> Path:
    return Path(urlsplit(converter.store.url(asset).url).path)


def assert_whole(path: Path) -> None:
    assert cog_validate(path, strict=True, quiet=True)[0]
    with rasterio.open(path) as made:
        np.testing.assert_array_equal(made.read(1), numbers((900, 700)))


def leftovers(converter: Converter) -> list[str]:
    return sorted(path.name for path in (converter.folder / "work").iterdir())


class TestOnce:
    def test_a_local_file(self, converter: Converter, sources: Path) -> None:
        told: list[float] = []
        asset = converter.convert(job(str(sources / "B04.jp2")), told.append)
        assert (asset.name, asset.size) == ("B04.tif", kept(converter, asset).stat().st_size)
        assert_whole(kept(converter, asset))
        assert told == sorted(told)
        assert told[-1] == 1.0
        assert leftovers(converter) == []

    def test_a_remote_file_is_fetched_whole_and_once(
        self, converter: Converter, server: RangeServer, sources: Path
    ) -> None:
        size = (sources / "B04.jp2").stat().st_size
        wanted = job(server.url("B04.jp2"))
        asset = converter.convert(wanted)
        assert_whole(kept(converter, asset))
        assert server.bytes_sent == size + 4096
        assert converter.convert(wanted) == asset
        assert len(server.requests) == 2
        # Another process looks whether the source is still the same.
        assert make_converter(converter.folder.parent).convert(wanted) == asset
        assert len(server.requests) == 3
        assert leftovers(converter) == []

    def test_a_hundred_callers(self, converter: Converter, server: RangeServer) -> None:
        server.latency = 0.05
        url = server.url("B04.jp2")
        told: list[float] = []
        with ThreadPoolExecutor(100) as callers:
            ask = lambda _: converter.convert(job(url), told.append)  # noqa: E731
            assets = list(callers.map(ask, range(100)))
        assert len(set(map(repr, assets))) == 1
        assert len(server.requests) == 2

    def test_processes_that_share_a_store(self, tmp_path: Path, server: RangeServer) -> None:
        server.latency = 0.05
        wanted = job(server.url("B04.jp2"))
        with ProcessPoolExecutor(3) as pool:
            futures = [pool.submit(make_converter(tmp_path).convert, wanted) for _ in range(6)]
            assets = [future.result() for future in futures]
        assert len(set(map(repr, assets))) == 1
        fetched = [request for request in server.requests if request.sent > 4096]
        assert len(fetched) == 1

    def test_another_source_or_recipe_is_another_file(
        self, converter: Converter, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "B04.tif", numbers((60, 50)))
        first = converter.convert(job(str(path)))
        assert converter.convert(job(str(path), categorical=True)).key != first.key
        write(path, numbers((60, 50), seed=1))
        again = make_converter(tmp_path).convert(job(str(path)))
        assert again.key != first.key
        with rasterio.open(kept(converter, again)) as made:
            np.testing.assert_array_equal(made.read(1), numbers((60, 50), seed=1))

    def test_an_evicted_file_is_made_again(self, converter: Converter, sources: Path) -> None:
        source = ConvertedUrl(job=job(str(sources / "B04.jp2")), converter=converter)
        path = Path(urlsplit(source().url).path)
        path.unlink()
        assert Path(urlsplit(source().url).path) == path
        assert_whole(path)
        arrived = pickle.loads(pickle.dumps(source))
        assert arrived == source
        assert hash(arrived) == hash(source)
        assert arrived().url == path.as_uri()

    def test_pictures_bring_their_world_file(self, converter: Converter, sources: Path) -> None:
        asset = converter.convert(job(str(sources / "B04.jp2"), format="png", max_size=500))
        assert asset.media_type == "image/png"
        assert asset.details["shape"] in ([450, 350], (450, 350))
        assert kept(converter, asset).with_suffix(".pgw").exists()
        assert make_converter(converter.folder.parent).store.find(asset.key) is not None


class TestPictures:
    """A picture of a remote COG takes the overview that it shows, and no more of it."""

    @pytest.mark.parametrize("size", [800, 4096])
    def test_reads_the_overview_alone(self, tmp_path: Path, cogs: Path, size: int) -> None:
        recipe: Any = {"format": "png", "max_size": size}
        whole = (cogs / "B04.tif").stat().st_size
        here = make_converter(tmp_path / "here")
        expected = here.convert(job(str(cogs / "B04.tif"), **recipe))
        there = make_converter(tmp_path / "there")
        with RangeServer(cogs) as server:
            asset = there.convert(job(server.url("B04.tif"), **recipe))
            sent = server.bytes_sent
        assert kept(there, asset).read_bytes() == kept(here, expected).read_bytes()
        assert asset.details == expected.details
        if size == 800:
            assert sent < (1 << 20) + whole / 16 + (2 << 20)
        else:
            assert sent >= whole

    def test_clouds_of_a_remote_class_band(self, tmp_path: Path, cogs: Path) -> None:
        converter = make_converter(tmp_path)
        cloud = ClassValue(value=9, name="cloud")
        with RangeServer(cogs) as server:
            wanted = job(server.url("B04.tif"), format="jpeg", max_size=800, left_out=(cloud,))
            wanted = replace(wanted, classes=FixedUrl(server.url("SCL.tif")))
            asset = converter.convert(wanted)
            assert {request.path for request in server.requests} == {"/B04.tif", "/SCL.tif"}
        assert asset.details["without"] in (["nodata", "clouds"], ("nodata", "clouds"))
        assert leftovers(converter) == []

    def test_a_class_band_that_cannot_be_had_is_no_picture_without_it(
        self, tmp_path: Path, cogs: Path
    ) -> None:
        """A file that is kept for long holds no makeshift."""
        converter = make_converter(tmp_path)
        wanted = job(str(cogs / "B04.tif"), format="jpeg")
        with pytest.raises(ConversionFailed, match="no such file"):
            converter.convert(replace(wanted, classes=FixedUrl(str(tmp_path / "none.tif"))))


class TestThreads:
    @pytest.mark.parametrize("end", ["ctrl-c", "timeout"])
    def test_what_nobody_waits_for_is_stopped(
        self,
        converter: Converter,
        server: RangeServer,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        end: str,
    ) -> None:
        """What was fetched of the source is kept, to go on from; nothing is converted."""
        monkeypatch.setattr("astra_xr.conversion.source._PIECE", 100_000)
        monkeypatch.setenv("ASTRA_PATIENCE", "60")
        begun, ended = threading.Event(), threading.Event()

        def hold(request: Request) -> Reply | None:
            # Not by number: the requests of several threads arrive in any order.
            if ended.is_set() or request.range is None or request.range[0] < 100_000:
                return None
            begun.set()
            return Reply(status=503, headers={"Retry-After": "1"})

        server.rule = hold
        wanted = job(server.url("B04.jp2"))
        if end == "ctrl-c":
            with pytest.raises(KeyboardInterrupt):
                converter.convert(wanted, interrupt_after(0.0))
        else:
            with converter.started([wanted]) as futures:
                future = futures[wanted]
                assert begun.wait(60)
                with pytest.raises(TimeoutError):
                    future.result(timeout=0.01)
        ended.set()
        until(lambda: not converter._flights)
        assert [name[:7] for name in leftovers(converter)] == ["source-"]
        assert not list((tmp_path / "store").rglob("*.tif"))
        assert_whole(kept(converter, converter.convert(wanted)))
        assert leftovers(converter) == []

    def test_many_at_once_are_all_served_a_few_at_a_time(
        self, converter: Converter, tmp_path: Path
    ) -> None:
        paths = [write(tmp_path / f"{n}.tif", numbers((60, 50), seed=n)) for n in range(8)]
        most = 0

        def count(share: float) -> None:
            nonlocal most
            most = max(most, len(workers()))

        with ThreadPoolExecutor(8) as callers:
            ask = lambda path: converter.convert(job(str(path)), count)  # noqa: E731
            assets = list(callers.map(ask, paths))
        assert len({asset.key for asset in assets}) == 8
        # Each takes up to two gigabytes.
        assert most <= max(2, (os.cpu_count() or 2) // 4)


def interrupt_after(least: float) -> Callable[[float], None]:
    """Press Ctrl-C once more than a share, and not all, is done."""
    waits = threading.get_ident()

    def progress(share: float) -> None:
        if least < share < 1:
            # In the thread that tells of progress it would wake nobody.
            signal.pthread_kill(waits, signal.SIGINT)

    return progress


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers() -> list[Path]:
    """Running conversions that this process started, by /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            command = status.with_name("cmdline").read_bytes()
            ours = f"\nPPid:\t{os.getpid()}\n" in status.read_text()
            if ours and b"from astra_xr.conversion.worker import main" in command:
                found.append(status.parent)
    return found


class TestDownload:
    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("astra_xr.conversion.source._PIECE", 100_000)

    def test_resumes(self, converter: Converter, server: RangeServer, sources: Path) -> None:
        size = (sources / "B04.jp2").stat().st_size
        last = size // 100_000 * 100_000
        server.rule = lambda r: (
            Reply(status=404) if r.headers.get("range", "").startswith(f"bytes={last}") else None
        )
        with pytest.raises(ConversionFailed, match="its storage answers HTTP 404"):
            converter.convert(job(server.url("B04.jp2")))
        assert len(leftovers(converter)) == 1
        server.rule = None
        server.reset()
        asset = make_converter(converter.folder.parent).convert(job(server.url("B04.jp2")))
        assert_whole(kept(converter, asset))
        assert server.bytes_sent == size - last + 4096
        assert leftovers(converter) == []

    def test_at_most_four_connections(self, converter: Converter, server: RangeServer) -> None:
        open_now = most = 0

        def count(request: Request) -> Reply:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            # On the server's loop it comes before the answer, however busy the machine is.
            asyncio.get_running_loop().call_later(0.05, leave)
            return Reply(delay=0.06)

        def leave() -> None:
            nonlocal open_now
            open_now -= 1

        server.rule = count
        converter.convert(job(server.url("B04.jp2")))
        assert 1 < most <= 4

    @pytest.mark.parametrize(
        ("reply", "error", "reason"),
        [
            (Reply(truncate_at=10), UpstreamUnavailable, "RemoteProtocolError|ended early"),
            (Reply(reset=True), UpstreamUnavailable, "cannot be reached"),
            (Reply(status=503), UpstreamUnavailable, "its storage answers HTTP 503"),
            (Reply(headers={"ETag": '"other"'}), ConversionFailed, "it was changed during"),
            (Reply(headers={"Content-Range": "bytes 0-9/10"}), ConversionFailed, "it was changed"),
            (Reply(status=403), AstraError, "refuses it"),
        ],
    )
    def test_faults_in_the_middle(
        self, converter: Converter, server: RangeServer, reply: Reply, error: type[AstraError],
        reason: str,
    ) -> None:  # fmt: skip
        server.rule = lambda request: reply if request.number == 3 or request.number > 4 else None
        with pytest.raises(error, match=reason) as caught:
            converter.convert(job(server.url("B04.jp2", sig="SECRET")))
        assert "SECRET" not in str(caught.value)
        assert not list((converter.folder).rglob("*.tif"))

    def test_expired_urls_are_renewed(self, converter: Converter, server: RangeServer) -> None:
        source = Renewing(server.url("B04.jp2"))
        server.rule = require_query("sig", lambda sig: sig == "2")
        assert_whole(kept(converter, converter.convert(job(source))))
        assert source.given == 2

    def test_headers_are_for_their_host(self, converter: Converter, server: RangeServer) -> None:
        with RangeServer(server._root) as other:
            target = other.url("B04.jp2").replace("127.0.0.1", "localhost")
            server.rule = lambda request: Reply(status=302, headers={"Location": target})
            url = SignedUrl(url=server.url("B04.jp2"), headers=(("Authorization", "SECRET"),))
            with pytest.raises(UpstreamUnavailable, match="localhost cannot be reached"):
                converter.convert(job(Given(url)))
        assert server.requests[0].headers["authorization"] == "SECRET"

    @pytest.mark.parametrize("body", [b"", b"<html>", b"<VRTDataset>"])
    def test_what_is_no_raster_is_not_fetched(
        self, converter: Converter, tmp_path: Path, body: bytes
    ) -> None:
        (tmp_path / "B04.tif").write_bytes(body and body + bytes(1 << 20))
        with RangeServer(tmp_path) as server:
            with pytest.raises(ConversionFailed, match="not a TIFF or JPEG 2000|it is empty"):
                converter.convert(job(server.url("B04.tif")))
            assert server.bytes_sent <= 4096

    def test_too_large_is_not_fetched(self, tmp_path: Path, server: RangeServer) -> None:
        converter = make_converter(tmp_path, limits=Limits(source_bytes=100))
        with pytest.raises(ConversionFailed, match="and the limit is 100"):
            converter.convert(job(server.url("B04.jp2")))
        assert server.bytes_sent <= 4096

    def test_a_server_without_ranges(self, converter: Converter, server: RangeServer) -> None:
        server.rule = lambda request: Reply(
            status=200, body=(server._root / "B04.jp2").read_bytes(), headers={"ETag": '"1"'}
        )
        assert_whole(kept(converter, converter.convert(job(server.url("B04.jp2")))))


class Given:
    """A source that gives one URL."""

    def __init__(self, url: SignedUrl) -> None:
        self.url = url

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        return self.url


class Renewing:
    """A source whose first URL is refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.given = 0

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        self.given += 1
        return SignedUrl(url=f"{self.url}?sig={self.given}")


class TestWhatACatalogMayName:
    @pytest.mark.parametrize(
        "url",
        [
            "file:///etc/passwd",
            "/etc/passwd",
            "/vsicurl/http://127.0.0.1/a.tif",
            "vsis3://bucket/a.tif",
            "http://127.0.0.1/a.tif",
            "https://127.0.0.1/a.tif",
            "https://[::1]/a.tif",
            "https://[::ffff:127.0.0.1]/a.tif",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/a.tif",
            "https://192.168.1.1/a.tif",
            "https://100.64.0.1/a.tif",
            "https://0.0.0.0/a.tif",
            "https://intern.example/a.tif",
            "https://half.example/a.tif",
            "https://unknown.example/a.tif",
            "http://storage.example/a.tif",
            "https://storage.example:22/a.tif",
            "https://user:pw@storage.example/a.tif",
            "https://[bad/a.tif",
        ],
    )
    def test_not_these(
        self, converter: Converter, network: Loopback, url: str, sources: Path
    ) -> None:
        network.names = {
            "intern.example": ["10.1.2.3"],
            "half.example": ["93.184.215.14", "127.0.0.1"],
            "::1": ["::1"],
            "::ffff:127.0.0.1": ["::ffff:127.0.0.1"],
        }
        network.routes[HOST] = "http://127.0.0.1:9"
        with pytest.raises(ConversionFailed, match="ASTRA_ALLOW_HOSTS") as caught:
            converter.convert(job(url, trusted=False))
        assert "pw" not in str(caught.value)
        assert network.log == []

    def test_public_hosts(
        self, converter: Converter, network: Loopback, server: RangeServer
    ) -> None:
        network.routes[HOST] = server.url()
        asset = converter.convert(job(f"https://{HOST}/B04.jp2", trusted=False))
        assert_whole(kept(converter, asset))

    @pytest.mark.parametrize(
        "target", ["http://127.0.0.1:{port}/B04.jp2", "file:///etc/passwd", "https://10.0.0.1/"]
    )
    def test_redirects_are_checked(
        self, converter: Converter, network: Loopback, server: RangeServer, target: str
    ) -> None:
        network.routes[HOST] = server.url()
        location = target.format(port=urlsplit(server.url()).port)
        server.rule = lambda request: Reply(status=302, headers={"Location": location})
        with pytest.raises(ConversionFailed, match="ASTRA_ALLOW_HOSTS"):
            converter.convert(job(f"https://{HOST}/B04.jp2", trusted=False))
        assert len(server.requests) == 1

    def test_hosts_that_settings_allow(self) -> None:
        check_url(SignedUrl(url="http://127.0.0.1:8/a.tif"), label="B04", allowed=["127.0.0.1"])
        with pytest.raises(ConversionFailed):
            check_url(SignedUrl(url="http://127.0.0.2:8/a.tif"), label="B04", allowed=["127.0.0.1"])
        with pytest.raises(ConversionFailed):
            check_url(SignedUrl(url="file://127.0.0.1/a.tif"), label="B04", allowed=["127.0.0.1"])


_SCRIPT = """
import sys
from pathlib import Path
from astra_xr.catalogs.urls import FixedUrl
from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.conversion.stores import LocalStore
root = Path(sys.argv[2])
job = Job(mission="sentinel-2", item="S2B", asset="B04", source=FixedUrl(sys.argv[1]),
          recipe=Recipe(nodata=0), label="B04", trusted=True)
print("ready", flush=True)
Converter(LocalStore(root=root), root).convert(job, lambda share: print(share, flush=True))
print("done", flush=True)
"""


def start(source: Path, root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _SCRIPT, str(source), str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class TestCrash:
    def test_killed_at_any_moment(self, tmp_path: Path, sources: Path) -> None:
        """The store never serves a part of a file, and the next call succeeds."""
        rng = random.Random(5)
        wanted = job(str(sources / "B04.jp2"))
        kills = int(os.environ.get("KILLS", "3"))
        for turn in range(kills):
            root = tmp_path / f"{turn}/store"
            with start(sources / "B04.jp2", root) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(rng.uniform(0, 0.6))
                process.kill()
            for about in root.rglob("assets/**/about.json"):
                assert_whole(about.with_name("B04.tif"))
            assert not [p for p in root.rglob("*.tif") if "assets" in p.parts
                        and not p.with_name("about.json").exists()]  # fmt: skip
            converter = make_converter(tmp_path / str(turn))
            assert_whole(kept(converter, converter.convert(wanted)))

    def test_ctrl_c_leaves_nothing(self, tmp_path: Path) -> None:
        slow = write(tmp_path / "slow.jp2", numbers((3000, 3000)), driver="JP2OpenJPEG")
        with start(slow, tmp_path / "store") as process:
            assert process.stdout is not None
            # The first share that is told, with most still to do.
            assert process.stdout.readline() == b"ready\n"
            assert float(process.stdout.readline()) < 0.5
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert b"done" not in rest
        assert process.returncode != 0
        assert list((tmp_path / "store/work").iterdir()) == []
        assert not list((tmp_path / "store").rglob("*.tif"))

    @pytest.mark.parametrize("damage", [lambda body: body[:2000], lambda body: body[:400]])
    def test_a_damaged_source_is_not_stored(
        self, tmp_path: Path, sources: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        (tmp_path / "B04.jp2").write_bytes(damage((sources / "B04.jp2").read_bytes()))
        converter = make_converter(tmp_path)
        with (
            RangeServer(tmp_path) as server,
            pytest.raises(ConversionFailed, match="sentinel-2:S2B B04 cannot be converted"),
        ):
            converter.convert(job(server.url("B04.jp2")))
        assert leftovers(converter) == []
