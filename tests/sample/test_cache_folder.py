"""A cache folder that cannot be used has a clear error."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

import astra_xr
from astra_xr.errors import AstraError, ConversionFailed
from astra_xr.sample import scene

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(AstraError, match="sample cannot be written.*ASTRA_CACHE_DIR"):
        astra_xr.open_scene(SAMPLE, ["red"], catalog="sample")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can mount a disk")
def test_a_disk_that_is_read_only(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = astra_xr.resolve(SAMPLE, "red", catalog="sample").to_item()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path / "cache"))
    try:
        with pytest.raises(AstraError, match="sample cannot be written.*: read-only"):
            astra_xr.open_scene(SAMPLE, ["red"], catalog="sample")
        with pytest.raises(ConversionFailed, match="cannot be written.*: read-only"):
            astra_xr.resolve(red, "red", format="png").to_dict()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scene, "_make", full)
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path))
    with pytest.raises(AstraError, match="no space left on device"):
        astra_xr.open_scene(SAMPLE, ["red"], catalog="sample")
    assert list((tmp_path / "sample").iterdir()) == []


def test_a_folder_of_conversions_that_cannot_be_made(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = astra_xr.resolve(SAMPLE, "red", catalog="sample").to_item()
    (tmp_path / "converted").touch()
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path))
    with pytest.raises(ConversionFailed, match="cannot be written.*ASTRA_CACHE_DIR"):
        astra_xr.resolve(red, "red", format="png").to_dict()
