"""``astra_xr.service.running``: the service beside a notebook."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio

import astra_xr
from astra_xr.errors import AstraError, InvalidParameter, MissingExtra
from astra_xr.service import beside

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


def test_it_serves_until_the_block_ends_and_shows_no_key() -> None:
    with astra_xr.service.running(catalog="sample") as service:
        ds = astra_xr.open_scene(SCENE, ["red"], resolver=service.resolver)
        values = ds.red[:4, :4].values
        assert "running" in repr(service)
        # rasterio.open holds the GIL, so that a service in a thread would not answer.
        url = service.resolver.resolve(SCENE, "red").assets["red"].source().url
        with rasterio.open(url) as file:
            assert file.shape == ds.red.shape
        assert service.key.reveal() not in f"{service!r} {service.key} {service.resolver!r}"
    here = astra_xr.open_scene(SCENE, ["red"], catalog="sample")
    assert (values == here.red[:4, :4].values).all()
    assert "ended" in repr(service)
    assert not _listens(service.url)


def test_keys_of_a_file_are_valid_too_until_they_are_revoked(tmp_path: Path) -> None:
    keys = astra_xr.service.KeyFile(tmp_path / "keys.json")
    key = keys.add("alice")
    with astra_xr.service.running(catalog="sample", keys_file=keys.path) as service:
        alice = astra_xr.RemoteResolver(service.url, key.reveal())
        assert "red" in alice.resolve(SCENE, "red").assets
        keys.revoke(keys.read()[0].id)
        with pytest.raises(astra_xr.errors.AuthenticationRequired):
            alice.resolve(SCENE, "red")
        assert "red" in service.resolver.resolve(SCENE, "red").assets


def test_its_urls_are_its_own_in_any_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRA_PUBLIC_URL", "https://resolver.example")
    monkeypatch.setenv("ASTRA_API_URL", "https://other.example")
    with astra_xr.service.running(catalog="sample") as service:
        resolution = service.resolver.resolve(SCENE, "red")
        assert resolution.assets["red"].source().url.startswith(service.url)


def test_its_public_names() -> None:
    assert astra_xr.service.__all__ == ["KeyFile", "RunningService", "running"]
    assert dir(astra_xr.service) == astra_xr.service.__all__
    for name in astra_xr.service.__all__:
        assert getattr(astra_xr.service, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'runing'"):
        _ = astra_xr.service.runing


def test_importing_it_loads_no_server_and_lacking_one_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import sys, astra_xr.service;"
        "print([m for m in ('uvicorn', 'starlette', 'httpx') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'astra-xr\[service\]'"):
        astra_xr.service.running()


def test_what_keeps_it_from_starting_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.json").write_text("no keys")
    with pytest.raises(InvalidParameter, match=r"Invalid keys_file=.*astra-xr keys add"):
        astra_xr.service.running(keys_file=tmp_path / "keys.json")
    with pytest.raises(InvalidParameter, match="smaple"):
        astra_xr.service.running(catalog="smaple")
    monkeypatch.setenv("ASTRA_RATE", "often")
    with pytest.raises(InvalidParameter, match="Invalid rate='often': .*600/minute") as caught:
        astra_xr.service.running()
    assert caught.value.name == "rate"


@pytest.mark.parametrize(
    ("program", "seconds", "words"),
    [
        ("exec sleep 60", 0.5, r"The service did not start: no answer within 0.5 s\."),
        ("echo no room >&2; exit 1", 60, r"The service did not start: no room\."),
        ("exit 1", 60, "The service did not start: its process ended"),
    ],
)
def test_a_process_that_prints_no_url_is_not_waited_for(
    program: str, seconds: float, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(path))
    monkeypatch.setattr(beside, "_START", seconds)
    with pytest.raises(AstraError, match=words):
        astra_xr.service.running()


def test_it_ends_with_its_program_and_not_with_a_cell() -> None:
    code = f"""
import astra_xr, os, signal
service = astra_xr.service.running(catalog="sample")
os.kill(service._process.pid, signal.SIGINT)
assert "red" in service.resolver.resolve({SCENE!r}, "red").assets
print(service.url)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    deadline = time.monotonic() + 120
    while _listens(out.stdout.strip()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _listens(url: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0
