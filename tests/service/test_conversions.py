"""Conversions of the service: awaited by many requests, without blocking others."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import rasterio
import xarray as xr

import astra_xr
from astra_xr.catalogs import lpdaac
from astra_xr.model import SignedUrl
from astra_xr.resolver.remote import RemoteResolver
from astra_xr.service.keys import new_key
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from conftest import Loopback
from tests import items
from tests.conversion.rasters import PLACE, numbers, write
from tests.servers import free_port
from tests.service.conftest import Served, core_settings, serving
from tests.stac_api import StacApi

ITEM = "field-1"
SHAPE = (300, 400)


def until(happens: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources are requested again as long as a gate is shut."""
    monkeypatch.setenv("ASTRA_PATIENCE", "60")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[RangeServer]:
    folder = tmp_path / "storage"
    folder.mkdir()
    write(folder / "B04.jp2", numbers(SHAPE), driver="JP2OpenJPEG")
    with RangeServer(folder) as server:
        yield server


@pytest.fixture
def catalog(tmp_path: Path, storage: RangeServer) -> Path:
    """A user's own folder: an item with a file beside it, and one that has to be converted."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    write(folder / "B08.tif", numbers(SHAPE, seed=1), driver="COG")
    item = items.plain("./B08.tif", size=400)
    grid = {"proj:code": "EPSG:32610", "proj:shape": SHAPE, "proj:transform": tuple(PLACE)[:6]}
    item["id"] = ITEM
    item["assets"] = {
        "nir": {"href": "./B08.tif", "type": "image/tiff", **grid},
        "red": {"href": storage.url("B04.jp2"), "type": "image/jp2", **grid},
    }
    (folder / f"{ITEM}.json").write_text(json.dumps(item))
    return folder


class Gate:
    """A rule for a range server: more than a file's head comes only when it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.waiting = 0

    def __call__(self, request: Request) -> Reply | None:
        start, stop = request.range or (0, 0)
        if stop - start <= 4096 or self.open.is_set():
            return None
        self.waiting += 1
        # Asked again at once: the source's retries are what waits.
        return Reply(status=503, headers={"Retry-After": "1"}, delay=0.2)


def ask(served: Served, headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
    return served.ask({"scene_id": ITEM, **query}, headers=headers or {})


def hold(served: Served, host: str, query: str) -> socket.socket:
    """Ask over a connection of its own, and wait for no answer."""
    parts = urlsplit(served.url)
    wire = socket.create_connection((parts.hostname, parts.port), timeout=60)
    head = f"GET /api/v1/assets?{query} HTTP/1.1\r\nHost: {host}\r\n"
    wire.sendall(f"{head}Authorization: Bearer {served.key}\r\n\r\n".encode())
    return wire


def test_open_scene_cannot_tell_a_folder_behind_the_service(catalog: Path, tmp_path: Path) -> None:
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with serving(core=core) as served:
        remote = RemoteResolver(served.url, served.key)
        here = astra_xr.open_scene(ITEM, ["red", "nir"], catalog=str(catalog))
        there = astra_xr.open_scene(ITEM, ["red", "nir"], resolver=remote)
        told = {name: dict(asset) for name, asset in ask(served).json()["assets"].items()}
        # Whoever asks the service learns the folder's name, not where on the machine it lies.
        assert (here.attrs.pop("catalog"), there.attrs.pop("catalog")) == (str(catalog), "catalog")
        for each in (*here.values(), *there.values()):
            assert each.attrs.pop("catalog") in (str(catalog), "catalog")
            assert each.attrs.pop("resolved_at")
        xr.testing.assert_identical(there.load(), here.load())
        np.testing.assert_array_equal(
            astra_xr.open_scene(ITEM, ["red"], resolver=remote, mask_and_scale=False).red,
            numbers(SHAPE),
        )
        assert {name: asset["routing"] for name, asset in told.items()} == {
            "nir": "direct",
            "red": "converted",
        }
        for asset in told.values():
            assert asset["href"].startswith(f"{served.url}/assets/")
            assert len(httpx.get(asset["href"]).content) == asset["file:size"]
        assert str(tmp_path) not in ask(served, detail="full").text


def test_no_picture_brings_a_world_file(catalog: Path, tmp_path: Path) -> None:
    """Nobody could read it: a signed URL leads to one file."""
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with serving(core=core) as served:
        asset = ask(served, bands="nir", format="png").json()["assets"]["nir"]
        assert httpx.get(asset["href"]).headers["content-type"] == "image/png"
    made = (tmp_path / "service/converted/assets").rglob("*.*")
    assert sorted(path.name for path in made if path.is_file()) == ["about.json", "nir.png"]


def test_conversions_do_not_block_other_requests(
    catalog: Path, storage: RangeServer, tmp_path: Path
) -> None:
    gate = storage.rule = Gate()
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with serving(core=core) as served:
        # By other hosts, so that each is an answer of its own: many more than there are threads.
        held = [hold(served, f"h{n}", f"scene_id={ITEM}&bands=red") for n in range(100)]
        until(lambda: gate.waiting)
        assert ask(served, bands="nir").status_code == 200
        gate.open.set()
        with ThreadPoolExecutor(8) as pool:
            heads = list(pool.map(lambda wire: wire.recv(12), held))
        assert heads == [b"HTTP/1.1 200"] * 100
        for wire in held:
            wire.close()


def test_keys_take_turns_and_too_many_conversions_are_refused(
    catalog: Path, storage: RangeServer, tmp_path: Path
) -> None:
    gate = storage.rule = Gate()
    keys = [new_key(name)[1].reveal() for name in ("much", "little")]
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with (
        serving(core=core, api_keys=tuple(keys), conversions=1, conversions_per_key=2) as served,
        ThreadPoolExecutor(4) as pool,
    ):
        much, little = ({"Authorization": f"Bearer {key}"} for key in keys)
        held = [
            pool.submit(ask, served, bands="red", format=form, headers=much)
            for form in ("cog", "geotiff", "png", "jpeg")
        ]
        # One is under way, two wait: the fourth is one too many.
        until(lambda: any(each.done() for each in held))
        (refused,) = (each.result() for each in held if each.done())
        assert (refused.status_code, refused.json()["code"]) == (503, "conversions-busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert ask(served, bands="nir", format="png", headers=little).status_code == 200
        gate.open.set()
        assert sorted(each.result(60).status_code for each in held) == [200, 200, 200, 503]


def test_who_hangs_up_stops_no_conversion_that_others_wait_for(
    catalog: Path, storage: RangeServer, tmp_path: Path
) -> None:
    gate = storage.rule = Gate()
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with serving(core=core) as served, ThreadPoolExecutor(1) as pool:
        hasty = hold(served, "hasty", f"scene_id={ITEM}&bands=red")
        until(lambda: gate.waiting)
        patient = pool.submit(ask, served, bands="red")
        hasty.close()
        until(lambda: any(json.loads(line).get("status") == 499 for line in served.lines))
        gate.open.set()
        assert patient.result(60).status_code == 200


def test_what_nobody_waits_for_is_stopped(
    catalog: Path, storage: RangeServer, tmp_path: Path
) -> None:
    gate = storage.rule = Gate()
    core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
    with serving(core=core) as served:
        hold(served, "h", f"scene_id={ITEM}&bands=red").close()
        until(lambda: any(json.loads(line).get("status") == 499 for line in served.lines))
        # It may be asked for again, and then it is made.
        gate.open.set()
        assert ask(served, bands="red").status_code == 200


class TestStoredFiles:
    """Of a disk that loses what was written to it."""

    @pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
    def test_they_are_made_again_and_never_served(
        self, catalog: Path, tmp_path: Path, damage: str
    ) -> None:
        core = core_settings(catalog=str(catalog), cache_dir=tmp_path / "service")
        with serving(core=core) as served:
            href = ask(served, bands="nir", format="png").json()["assets"]["nir"]["href"]
            content = httpx.get(href).content
            (path,) = (tmp_path / "service").rglob("nir.png")
            if damage == "gone":
                path.unlink()
            elif damage == "cut":
                os.truncate(path, 100)
            else:
                body = bytearray(content)
                body[len(body) // 2] ^= 1
                path.write_bytes(body)
            assert httpx.get(href).status_code == 404
            href = ask(served, bands="nir", format="png").json()["assets"]["nir"]["href"]
            assert httpx.get(href).content == content


class TestHeaders:
    """Files that take the service's own account to be read."""

    def test_they_are_fetched_and_served(
        self, tmp_path: Path, network: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_cog(tmp_path / "B04.tif", numbers((700, 700), "int16"))
        item = items.lpdaac_hls(700)
        token = "t0ken-of-the-service"
        network.routes["cmr.earthdata.nasa.gov"] = StacApi([item])
        with RangeServer(tmp_path) as server:
            refuse = Reply(status=401)
            header = ("Authorization", f"Bearer {token}")
            server.rule = lambda r: None if r.headers.get("authorization") == header[1] else refuse

            def sign(self: Any, href: str, *, refused: SignedUrl | None = None) -> SignedUrl:
                return SignedUrl(url=server.url("B04.tif"), headers=(header,))

            monkeypatch.setattr(lpdaac.LpDaac, "sign", sign)
            core = core_settings(
                catalog="lpdaac", cache_dir=tmp_path / "service", allow_hosts=("127.0.0.1",)
            )
            with serving(core=core) as served:
                scene = f"hls:{item['id']}"
                answer = served.ask({"scene_id": scene, "bands": "red"})
                assert answer.status_code == 200, answer.text
                (asset,) = answer.json()["assets"].values()
                assert (asset["routing"], token in answer.text) == ("converted", False)
                assert asset["href"].startswith(f"{served.url}/assets/converted/")
                (tmp_path / "got.tif").write_bytes(httpx.get(asset["href"]).content)
                with rasterio.open(tmp_path / "got.tif") as file:
                    np.testing.assert_array_equal(file.read(1), numbers((700, 700), "int16"))
                assert not any(token in line for line in served.lines)


class TestShutdown:
    @contextmanager
    def command(self, catalog: Path, folder: Path, drain: float) -> Iterator[tuple[Served, Any]]:
        key = new_key("tests")[1].reveal()
        port = free_port()
        environ = os.environ | {
            "ASTRA_API_KEYS": key, "ASTRA_CACHE_DIR": str(folder), "ASTRA_DRAIN": str(drain),
        }  # fmt: skip
        command = [sys.executable, "-m", "astra_xr.cli", "serve", "--catalog", str(catalog)]
        command += ["--port", str(port), "--keys-file", str(folder / "keys.json")]
        run = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{url}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        try:
            until(answers)
            yield Served(url, key, [], b""), run
        finally:
            run.kill()
            run.wait()

    def test_what_is_under_way_is_answered(
        self, catalog: Path, storage: RangeServer, tmp_path: Path
    ) -> None:
        gate = storage.rule = Gate()
        with (
            self.command(catalog, tmp_path / "service", 60) as (served, run),
            ThreadPoolExecutor(1) as pool,
        ):
            answer = pool.submit(ask, served, bands="red")
            until(lambda: gate.waiting)
            run.send_signal(signal.SIGTERM)
            until(lambda: not _listens(served))
            gate.open.set()
            told = answer.result(60).json()["assets"]["red"]
            run.wait(60)
        made = tmp_path / "service/converted/assets"
        (path,) = made.rglob("*.tif")
        assert path.stat().st_size == told["file:size"]

    def test_a_conversion_that_takes_too_long_is_an_error(
        self, catalog: Path, storage: RangeServer, tmp_path: Path
    ) -> None:
        gate = storage.rule = Gate()
        with (
            self.command(catalog, tmp_path / "service", 1) as (served, run),
            ThreadPoolExecutor(1) as pool,
        ):
            answer = pool.submit(ask, served, bands="red")
            until(lambda: gate.waiting)
            run.send_signal(signal.SIGTERM)
            response = answer.result(60)
            gate.open.set()
            run.wait(60)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["code"] == "upstream-unavailable"
        assert "shut down" in response.json()["detail"]
        assert not list((tmp_path / "service/converted").rglob("*.tif"))


def _listens(served: Served) -> bool:
    parts = urlsplit(served.url)
    with socket.socket() as wire:
        return wire.connect_ex((parts.hostname, parts.port)) == 0
