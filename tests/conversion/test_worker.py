"""Conversion apart: bad files, limits, interrupts and pools."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio

from astra_xr.conversion.convert import convert
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.conversion.worker import convert_apart
from astra_xr.errors import ConversionFailed
from astra_xr.testing import RangeServer
from tests.conversion.rasters import numbers, write


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that takes seconds."""
    path = tmp_path_factory.mktemp("slow") / "a.jp2"
    return write(path, numbers((4000, 4000)), driver="JP2OpenJPEG")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_the_same_as_in_this_process(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "a.jp2", numbers((900, 700)), driver="JP2OpenJPEG")
    told: list[float] = []
    made = convert_apart(source, out / "a.tif", Recipe(nodata=0), progress=told.append)
    here = convert(source, out / "b.tif", Recipe(nodata=0))
    assert (out / "a.tif").read_bytes() == (out / "b.tif").read_bytes()
    assert (made.size, made.crs) == (here.size, here.crs)
    assert told[-1] == 1.0
    picture = convert_apart(source, out / "a.png", Recipe(format="png", nodata=0))
    assert picture.drawn == convert(source, out / "b.png", Recipe(format="png", nodata=0)).drawn


def truncated_jp2(path: Path) -> None:
    write(path, numbers((900, 700)), driver="JP2OpenJPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def corrupt_jp2(path: Path) -> None:
    write(path, numbers((900, 700)), driver="JP2OpenJPEG")
    body = bytearray(path.read_bytes())
    body[400:] = bytes(len(body) - 400)
    path.write_bytes(body)


def truncated_tiff(path: Path) -> None:
    write(path, numbers((900, 700)), options={"COMPRESS": "DEFLATE", "TILED": "YES"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def corrupt_tiff(path: Path) -> None:
    write(path, numbers((900, 700)), options={"COMPRESS": "DEFLATE", "TILED": "YES"})
    body = bytearray(path.read_bytes())
    body[2000:200000] = bytes(len(body[2000:200000]))
    path.write_bytes(body)


def not_a_raster(path: Path) -> None:
    path.write_text("<html>404</html>")


def empty(path: Path) -> None:
    path.touch()


def only_magic(path: Path) -> None:
    path.write_bytes(b"II*\0\x08\0\0\0")


def complex_numbers(path: Path) -> None:
    write(path, np.ones((9, 9), "complex64"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncated_jp2, "GDAL reports|pixels"),
        (corrupt_jp2, "GDAL reports"),
        (truncated_tiff, "GDAL reports"),
        (corrupt_tiff, "GDAL reports"),
        (not_a_raster, "it is not a TIFF or JPEG 2000 file"),
        (empty, "it is not a TIFF or JPEG 2000 file"),
        (only_magic, "GDAL reports"),
        (complex_numbers, "its pixels are of type complex64"),
    ],
)
def test_bad_files(tmp_path: Path, out: Path, spoil: Callable[[Path], None], reason: str) -> None:
    source = tmp_path / "B04.tif"
    spoil(source)
    with pytest.raises(ConversionFailed, match=reason) as caught:
        convert_apart(source, out / "made.tif", Recipe(), label="scene B04")
    assert str(caught.value).startswith("scene B04 cannot be converted")
    assert str(tmp_path) not in str(caught.value)
    assert list(out.iterdir()) == []


def test_real_corrupt_file(shared: Path, out: Path) -> None:
    with pytest.raises(ConversionFailed, match="GDAL reports"):
        convert_apart(shared / "rasters/odd/corrupt.tif", out / "made.tif", Recipe())
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.vrt", "a.jp2"])
def test_a_vrt_reads_nothing(tmp_path: Path, out: Path, name: str) -> None:
    secret = write(tmp_path / "secret.tif", numbers((50, 50)))
    with RangeServer(tmp_path) as server:
        sources = [secret, f"/vsicurl/{server.url('secret.tif')}"]
        bands = "".join(
            f'<VRTRasterBand dataType="UInt16" band="{n}"><SimpleSource>'
            f"<SourceFilename>{path}</SourceFilename></SimpleSource></VRTRasterBand>"
            for n, path in enumerate(sources, start=1)
        )
        dressed = f'<VRTDataset rasterXSize="50" rasterYSize="50">{bands}</VRTDataset>'
        (tmp_path / name).write_text(dressed)
        with pytest.raises(ConversionFailed, match="it is not a TIFF or JPEG 2000 file"):
            convert_apart(tmp_path / name, out / "made.tif", Recipe())
        assert server.requests == []
    assert list(out.iterdir()) == []


def test_files_beside_the_source_are_not_read(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "a.tif", numbers((50, 50)))
    other = write(tmp_path / "a.tif.ovr", numbers((25, 25), seed=1))
    other.with_name("a.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    convert_apart(source, out / "made.tif", Recipe())
    with rasterio.open(out / "made.tif") as made:
        assert made.crs.to_epsg() == 32610


def jp2_bomb(path: Path) -> None:
    """A few kilobytes that decode to 134 MB as one tile."""
    options = {"BLOCKXSIZE": 8192, "BLOCKYSIZE": 8192, "RESOLUTIONS": 6}
    write(path, np.zeros((8192, 8192), "uint16"), driver="JP2OpenJPEG", options=options)


def tiff_bomb(path: Path) -> None:
    """All tiles are one and the same few bytes of the file."""
    from astra_xr.tiff.directories import read_tags
    from astra_xr.tiff.writer import WrittenLevel, head_of

    size = 30_000
    small = write(path.with_name("small.tif"), np.zeros((512, 512), "uint8"),
                  options={"COMPRESS": "DEFLATE", "TILED": "YES", "BLOCKXSIZE": 512,
                           "BLOCKYSIZE": 512})  # fmt: skip
    body = zlib.compress(bytes(512 * 512))
    level = WrittenLevel(shape=(size, size), tile=512)
    down, across = level.tiles
    level.places = {(r, c): (0, len(body)) for r in range(down) for c in range(across)}
    path.write_bytes(head_of(read_tags(small.read_bytes())[0], [level]) + body)


@pytest.mark.parametrize("make", [jp2_bomb, tiff_bomb])
def test_bombs_are_not_decoded(tmp_path: Path, out: Path, make: Callable[[Path], None]) -> None:
    source = tmp_path / "B04.tif"
    make(source)
    assert source.stat().st_size < 30_000
    with pytest.raises(ConversionFailed, match="which suggests a malicious file"):
        convert_apart(source, out / "made.tif", Recipe())
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(pixels=1000), "it has 630000 pixels, and the limit is 1000"),
        (Limits(source_bytes=1000), "bytes, and the limit is 1000"),
        (Limits(block_bytes=1000), "decodes to 131072 bytes, and the limit is 1000"),
        (Limits(wall_seconds=0.01), "it took longer than 0.01 s"),
        (Limits(memory=1 << 20), "memory|thread"),
        (Limits(output_bytes=100_000), "file too large"),
    ],
)
def test_limits(tmp_path: Path, out: Path, limits: Limits, reason: str) -> None:
    options = {"TILED": "YES", "BLOCKXSIZE": 256, "BLOCKYSIZE": 256}
    source = write(tmp_path / "a.tif", numbers((900, 700)), options=options)
    with pytest.raises(ConversionFailed, match=reason):
        convert_apart(source, out / "made.tif", Recipe(), limits=limits)


def test_processor_time(slow: Path, out: Path) -> None:
    with pytest.raises(ConversionFailed, match="more than 0.1 s of processor time"):
        convert_apart(slow, out / "made.tif", Recipe(), limits=Limits(cpu_seconds=0.1))


def test_no_room(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", numbers((90, 70)))
    with pytest.raises(ConversionFailed, match="no such file or directory"):
        convert_apart(source, tmp_path / "nowhere/made.tif", Recipe())


def test_the_process_has_no_credentials(
    slow: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    seen: list[bytes] = []

    def look(share: float) -> None:
        for child in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                command = child.with_name("cmdline").read_bytes()
                if b"from astra_xr.conversion.worker import main" in command:
                    seen.append(child.read_bytes())

    convert_apart(slow, out / "made.tif", Recipe(), progress=look)
    if not seen:
        pytest.skip("no /proc here")
    assert all(b"SECRET" not in environ for environ in seen)


class Enough(Exception):
    pass


def test_a_callback_that_raises_ends_it(slow: Path, out: Path) -> None:
    def stop(share: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        convert_apart(slow, out / "made.tif", Recipe(), progress=stop)
    assert list(out.iterdir()) == []


_SCRIPT = """
import sys
from pathlib import Path
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.conversion.worker import convert_apart
source, target = map(Path, sys.argv[1:])
convert_apart(source, target, Recipe(), progress=lambda share: print(share, flush=True))
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_the_process_ends_with_its_caller(slow: Path, out: Path, kind: signal.Signals) -> None:
    command = [sys.executable, "-c", _SCRIPT, str(slow), str(out / "made.tif")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as caller:
        assert caller.stdout is not None
        caller.stdout.readline()
        caller.send_signal(kind)
    assert caller.returncode != 0
    deadline = time.monotonic() + 120
    while _workers_on(slow) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _workers_on(slow)
    assert kind == signal.SIGKILL or list(out.iterdir()) == []
    assert not (out / "made.tif").exists()


def _workers_on(source: Path) -> list[str]:
    """Processes that have the source open."""
    held = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == str(source):
                held.append(str(link))
        except OSError:
            continue
    return held


def test_in_a_process_pool(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "a.tif", numbers((90, 70)))
    (tmp_path / "bad.tif").write_bytes(b"II*\0")
    job = partial(convert_apart, recipe=Recipe())
    with ProcessPoolExecutor(1) as pool:
        bad = pool.submit(job, tmp_path / "bad.tif", out / "bad.tif")
        good = pool.submit(job, source, out / "good.tif")
        with pytest.raises(ConversionFailed, match="bad.tif cannot be converted"):
            bad.result()
        assert good.result().path == out / "good.tif"


def test_threads_do_not_wait_for_each_other(tmp_path: Path, out: Path) -> None:
    """A conversion that is stuck ends by its own clock, and others go on beside it."""
    source = write(tmp_path / "a.tif", numbers((90, 70)))

    def wait() -> None:
        with pytest.raises(ConversionFailed, match="longer than 2 s"):
            convert_apart(tmp_path / "fifo.tif", out / "stuck.tif", Recipe(), limits=limits)

    limits = Limits(wall_seconds=2)
    stuck = threading.Thread(target=wait)
    os.mkfifo(tmp_path / "fifo.tif")
    stuck.start()
    convert_apart(source, out / "made.tif", Recipe())
    stuck.join()
    assert {path.name for path in out.iterdir()} == {"made.tif"}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")
@pytest.mark.parametrize("times", [1, 2])
def test_what_the_system_kills_is_tried_once_more(slow: Path, out: Path, times: int) -> None:
    killed: list[int] = []

    def kill(share: float) -> None:
        for told in Path("/proc/self/task").glob("*/children"):
            # Other threads of the tests may just have ended.
            with contextlib.suppress(OSError):
                for child in map(int, told.read_text().split()):
                    command = Path(f"/proc/{child}/cmdline").read_bytes()
                    ours = b"worker import main" in command and child not in killed
                    if ours and len(killed) < times:
                        killed.append(child)
                        os.kill(child, signal.SIGKILL)

    if times == 1:
        assert convert_apart(slow, out / "made.tif", Recipe(), progress=kill).path.exists()
    else:
        with pytest.raises(ConversionFailed, match="killed its process twice.*lack of memory"):
            convert_apart(slow, out / "made.tif", Recipe(), progress=kill)
        assert list(out.iterdir()) == []
    assert len(killed) == times
