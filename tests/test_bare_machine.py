"""Machines that lack something: a home that can be written, git, a compiler, ``PATH``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import astra_xr
from astra_xr.cli import main
from astra_xr.errors import AstraError
from astra_xr.testing import RangeServer, write_cog
from tests import items

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing can be created, even by root: its parent is a file."""
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ASTRA_CACHE_DIR", "ASTRA_KEPT_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    return home


def test_files_are_read_without_a_home(home: Path, tmp_path: Path) -> None:
    write_cog(tmp_path / "red.tif", np.full((700, 700), 7, np.uint16))
    with RangeServer(tmp_path) as server:
        ds = astra_xr.open_scene(items.plain(server.url("red.tif")), ["red"])
        assert (ds.red == 7).all()


def test_errors_without_a_home_name_the_setting(home: Path) -> None:
    with pytest.raises(AstraError, match=r"ASTRA_CACHE_DIR.*Set it to a writable folder"):
        astra_xr.open_scene(SCENE, ["red"], catalog="sample").red[0, 0].load()


@pytest.mark.parametrize("command", ["keys add alice", "demo --out {out}"])
def test_commands_end_in_one_line(
    command: str, home: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(cache_dir))
    assert main(command.format(out=home / "out").split()) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"astra-xr: {home}")


def test_it_runs_with_no_other_program_and_no_environment(cache_dir: Path) -> None:
    code = (
        "import astra_xr\n"
        f"ds = astra_xr.open_scene({SCENE!r}, ['red', 'nir'], catalog='sample')\n"
        "print(ds.astra.index('NDVI')[:2, :2].shape)"
    )
    environ = {"ASTRA_CACHE_DIR": str(cache_dir), "PATH": ""}
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environ | kept, capture_output=True, text=True, check=True
    )
    assert out.stdout == "(2, 2)\n"
