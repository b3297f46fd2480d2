"""Results that do not fit: an estimate and a refusal, before memory is filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import astra_xr
from astra_xr import errors
from astra_xr.reading import memory
from astra_xr.sample import SCENE_ID


def scene(bands: Any = ("red", "nir"), **options: Any) -> xr.Dataset:
    return astra_xr.open_scene(SCENE_ID, bands=bands, catalog="sample", **options)


def test_a_giant_grid_is_refused_at_opening() -> None:
    words = (
        r"A grid of 409600 x 409600 pixels at resolution=0.05 would take 671 GB per band.*allow_"
    )
    with pytest.raises(errors.TooLarge, match=words):
        scene(resolution=0.05)
    window = scene(["red"], resolution=0.05, allow_large=True).isel(x=3, y=4)
    assert float(window.red) == float(scene(["red"]).red[0, 0])
    assert scene(resolution=0.1).sizes["x"] == 204_800  # 42 times 10^9 pixels, and lazy
    with pytest.raises(errors.InvalidParameter, match="larger pixels or a smaller area"):
        scene(resolution=0.001, allow_large=True)


def stack(**options: Any) -> xr.Dataset:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    return astra_xr.open_scenes(found, ["red"], **options)


def test_a_giant_grid_over_time_is_refused_at_opening() -> None:
    words = (
        r"A grid of 300000 x 300000 pixels at resolution=0.02 would take 360 GB per band.*allow_"
    )
    with pytest.raises(errors.TooLarge, match=words):
        stack(resolution=0.02)
    ds = stack(resolution=0.02, allow_large=True)
    window = ds.isel(x=3, y=4)
    assert window.red[0].values == stack().red[0, 0, 0].values
    # What is opened later on the same grid was allowed with it.
    assert ds.astra.mask().shape == ds.red.shape
    assert scene(["red"], like=ds).red.shape == ds.red.shape[1:]


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 20 MB of free memory, to which a megabyte is much."""
    monkeypatch.setattr(memory, "available", lambda: 20_000_000)
    monkeypatch.setattr(memory, "_SMALL", 1_000_000)


@pytest.mark.usefixtures("little")
def test_what_does_not_fit_into_memory_is_refused() -> None:
    ds = scene()
    words = "would take 0.0336 GB, and 0.02 GB of memory are free. Take"
    with pytest.raises(errors.TooLarge, match=f"Loading 2 variables {words} a window"):
        ds.astra.load(progress=False)
    fine = scene(resolution=5)
    with pytest.raises(errors.TooLarge, match="red would take 0.0671 GB.*resolution=.*chunks="):
        _ = fine.red.values
    with pytest.raises(errors.TooLarge, match="a formula of bands would take"):
        fine.astra.index("NDVI").load()
    with pytest.raises(errors.TooLarge, match=r"The image would take.*thumbnail\(\)"):
        ds.astra.rgb(["red", "nir", "red"])
    with pytest.raises(errors.TooLarge, match="The image"):
        ds.astra.to_png("a.png", ["red", "nir", "red"])
    assert ds.astra.thumbnail(size=64).shape == (64, 64, 4)
    assert ds.isel(x=slice(500)).astra.load(progress=False).red.variable._in_memory


@pytest.mark.usefixtures("little")
def test_what_does_not_fit_over_time_is_refused() -> None:
    ds = stack(resolution=5)
    words = (
        "red of 5 time steps would take 0.0288 GB, and 0.02 GB of memory are free.*chunks=.*allow_"
    )
    with pytest.raises(errors.TooLarge, match=words):
        _ = ds.red.values
    with pytest.raises(errors.TooLarge, match="Loading 1 variables would take 0.0288 GB"):
        ds.astra.load(progress=False)
    assert ds.red[0].values.shape == (1200, 1200)
    assert ds.red[:, 7, 7].values.shape == (5,)
    allowed = stack(resolution=5, allow_large=True)
    assert allowed.red.values.shape == (5, 1200, 1200)


@pytest.mark.usefixtures("little")
def test_unless_it_is_allowed() -> None:
    ds = scene(["red"])
    picture = ds.astra.rgb(["red"] * 3, limits=(0, 1), allow_large=True)
    assert picture.shape == (2048, 2048, 4)
    two = scene()
    assert two.astra.load(progress=False, allow_large=True).nir.variable._in_memory
    fine = scene(resolution=5, allow_large=True)
    assert fine.astra.index("NDVI").isel(y=slice(1500)).values.shape == (1500, 4096)


def test_free_memory_is_that_of_the_container(tmp_path: Path) -> None:
    assert (memory.available() or 0) > 10_000_000
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    assert memory.available(tmp_path) == 5_120_000
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert memory.available(tmp_path) == 5_120_000
    (group / "memory.max").write_text("4000000\n")
    (group / "memory.current").write_text("3000000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    assert memory.available(tmp_path) == 1_500_000
