"""A cache folder on a disk that is full and has room later, or whose files are gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import astra_xr
from astra_xr.errors import AstraError
from astra_xr.sample import SCENE_ID


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.parametrize("size", ["4m", "30m"])
def test_the_sample_is_made_where_there_is_room(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    pixels = astra_xr.open_scene(SCENE_ID, catalog="sample", mask_and_scale=False).load()

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")

    mount(f"size={size}")
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path))
    try:
        with pytest.raises(AstraError, match="sample cannot be written.*free space"):
            astra_xr.open_scene(SCENE_ID, catalog="sample")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        mount("remount,size=100m")
        made = astra_xr.open_scene(SCENE_ID, catalog="sample", mask_and_scale=False)
        for name, band in made.items():
            np.testing.assert_array_equal(band, pixels[name])
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_files_that_are_deleted_or_cut_short_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Datasets that are open, and of scenes that are known to be there."""
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path))
    found = astra_xr.search("sentinel-2", datetime="2025-07", catalog="sample")[0]
    opened = astra_xr.open_scene(found, ["red"], catalog="sample")
    pixels = astra_xr.open_scene(found, ["red"], catalog="sample").red.values
    (path,) = tmp_path.rglob("B04.tif")
    os.truncate(path, 20_000)
    np.testing.assert_array_equal(opened.red, pixels)
    path.unlink()
    again = astra_xr.open_scene(found, ["red"], catalog="sample")
    np.testing.assert_array_equal(again.red, pixels)
