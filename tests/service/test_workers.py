"""Several workers that share store, rates and counts, as a team would run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rasterio

from astra_xr.catalogs import s3
from astra_xr.cli import main
from astra_xr.conversion.stores import StoredAsset
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.net.memo import Memo
from astra_xr.secret import Secret
from astra_xr.service.app import create_app
from astra_xr.service.config import ServiceSettings, converter_of
from astra_xr.service.keys import new_key
from astra_xr.settings import Settings
from tests.conversion.rasters import numbers
from tests.operate import written
from tests.operate.scene import ITEM, SHAPE, write_catalog
from tests.servers import free_port, redis_missing, s3_missing, serve_redis, serve_s3
from tests.service.conftest import Served, core_settings, serving


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "catalog")


@contextmanager
def command(
    folder: Path, catalog: str, environ: dict[str, str], *, workers: int = 1
) -> Iterator[Served]:
    """Run ``astra-xr serve`` with a cache folder of its own."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    told = os.environ | {"ASTRA_CACHE_DIR": str(folder)} | environ
    run = subprocess.Popen(
        [sys.executable, "-m", "astra_xr.cli", "serve", "--catalog", catalog, "--port", str(port),
         "--workers", str(workers), "--keys-file", str(folder / "keys.json")],
        env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url))
        yield Served(url, environ["ASTRA_API_KEYS"], [], b"")
        run.terminate()
        run.wait(60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def until(happens: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_two_services_share_store_and_rates(catalog: Path, tmp_path: Path) -> None:
    """What one converts the other serves, and a key's rate is of both together."""
    missing = s3_missing() or redis_missing()
    if missing:
        pytest.skip(missing)
    key = new_key("team")[1].reveal()
    with serve_redis() as limits, serve_s3("team") as (s3, access, secret):
        here = {
            "ASTRA_STORE": f"s3://team/converted?endpoint={s3}&region=us-east-1",
            "ASTRA_LIMITS_URL": limits,
            "ASTRA_RATE": "6/hour",
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
        }
        # Those of docs/operating.md, with the servers of this test.
        told = written.settings("Settings") | written.settings("Object store")
        assert here.keys() < told.keys()
        for of_a_machine in ("ASTRA_KEYS_FILE", "ASTRA_CACHE_DIR"):
            del told[of_a_machine]
        shared = told | here | {"ASTRA_API_KEYS": key}
        with (
            command(tmp_path / "one", str(catalog), shared) as one,
            command(tmp_path / "two", str(catalog), shared) as two,
        ):
            made, found = (
                served.ask({"scene_id": ITEM}).json()["assets"]["red"] for served in (one, two)
            )
            assert httpx.get(f"{one.url}/readyz").json()["store"] is True
            # Signed by the store itself, each time anew; it is the same file.
            assert made["href"].startswith(f"{s3}/team/converted/")
            assert found["href"].split("?")[0] == made["href"].split("?")[0]
            assert not list((tmp_path / "two/converted").rglob("made-*"))
            body = httpx.get(found["href"]).content
            assert len(body) == made["file:size"]
            (tmp_path / "got.tif").write_bytes(body)
            with rasterio.open(tmp_path / "got.tif") as file:
                np.testing.assert_array_equal(file.read(1), numbers(SHAPE))
            statuses = [
                served.ask({"scene_id": ITEM}).status_code
                for served in (one, two)
                for _ in range(4)
            ]
            assert statuses == [200] * 4 + [429] * 4


def test_workers_of_one_service_count_together(tmp_path: Path) -> None:
    key = new_key("team")[1].reveal()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ = {"ASTRA_METRICS": "1", "ASTRA_API_KEYS": key, "TMPDIR": str(temporary)}
    with command(tmp_path / "c", "sample", environ, workers=2) as served:
        assert list(temporary.glob("astra-metrics-*"))
        # Connections of their own: whichever worker is free takes each.
        for _ in range(30):
            httpx.get(f"{served.url}/docs")
        # Each is counted when its answer is sent, which may have arrived before.
        until(lambda: _count(served, 'route="/docs",status="200"') >= 30)
        assert _count(served, 'route="/docs",status="200"') == 30
    assert not list(temporary.glob("astra-metrics-*"))


def test_metrics_tell_no_secret_and_no_path(tmp_path: Path) -> None:
    with serving() as served:
        assert httpx.get(f"{served.url}/metrics").status_code == 404
    with serving(metrics=True) as served:
        assert served.ask("scene_id=nonsense").status_code == 400
        httpx.get(f"{served.url}/a/path/of/mine?sig=secret")
        httpx.get(f"{served.url}/assets/sample/x.tif?sig=secret")
        httpx.request("PROPFIND", f"{served.url}/docs")
        page = httpx.get(f"{served.url}/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        assert _count(served, 'route="/api/v1/assets",status="400"') == 1
        assert _count(served, 'route="other",status="404"') == 1
        assert _count(served, 'route="/assets/",status="403"') == 1
        assert 'method="other",route="/docs"' in page.text
        for hidden in ("mine", "x.tif", "secret", served.key, "PROPFIND"):
            assert hidden not in page.text


def _count(served: Served, labels: str) -> float:
    lines = httpx.get(f"{served.url}/metrics").text.splitlines()
    found = [line for line in lines if "astra_requests_total" in line and labels in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"store": "bucket"}, "ASTRA_STORE"),
        ({"store": "file:///etc"}, "ASTRA_STORE"),
        ({"store": "s3://bucket?colour=red"}, "ASTRA_STORE"),
    ],
)
def test_settings_that_cannot_work(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        create_app(ServiceSettings(core=core_settings(catalog="sample"), **setting))


@pytest.mark.parametrize(
    ("environ", "minutes"),
    [
        ({}, 20),  # of boto3
        ({"AWS_SESSION_TOKEN": "T", "AWS_CREDENTIAL_EXPIRATION": "+20"}, 20),
        ({"AWS_SESSION_TOKEN": "T"}, 5),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, 60),
    ],
)
def test_urls_of_a_store_die_with_its_credentials(
    environ: dict[str, str], minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("boto3")
    from botocore.credentials import Credentials

    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=20)
    found = Credentials("AKID", "HUSH", "TOKEN")
    found._expiry_time = ends
    monkeypatch.setattr(s3, "_found", Memo[Any, Any](size=1, life=60))
    monkeypatch.setattr(s3, "_boto3_credentials", lambda: found)
    if environ:
        environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", **environ}
    for name, text in environ.items():
        monkeypatch.setenv(name, text.replace("+20", ends.isoformat()))
    settings = ServiceSettings(
        core=core_settings() if not environ else Settings.from_env(),
        store=Secret("s3://bucket/prefix?region=eu-west-1"),
    )
    asset = StoredAsset(key="a/b", name="B04.tif", size=1, media_type="image/tiff")
    signed = converter_of(settings).store.url(asset)
    assert signed.url.startswith("https://s3.eu-west-1.amazonaws.com/bucket/prefix/a/b/B04.tif?")
    assert signed.expires_at is not None
    left = signed.expires_at - datetime.now(UTC)
    assert timedelta(minutes=minutes - 1) < left <= timedelta(minutes=minutes)


def test_settings_from_the_environment() -> None:
    environ = {"ASTRA_STORE": "s3://b", "ASTRA_METRICS": "on", "ASTRA_DRAIN": "2.5"}
    told = ServiceSettings.from_env(environ)
    assert (told.store, told.metrics, told.drain) == (Secret("s3://b"), True, 2.5)
    with pytest.raises(InvalidParameter, match="ASTRA_DRAIN"):
        ServiceSettings.from_env({"ASTRA_DRAIN": "-1"})


def test_windows_has_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("os.pread")
    keys = tmp_path / "keys.json"
    assert main(["serve", "--port", "0", "--keys-file", str(keys)]) == 1
    assert "does not run on Windows" in capsys.readouterr().err
    assert not keys.exists()
    with pytest.raises(AstraError, match="in WSL or a container"):
        create_app(ServiceSettings())
