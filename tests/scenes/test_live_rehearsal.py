"""The live tests' own code, against catalogs on loopback: what it finds, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from astra_xr.errors import AstraError
from tests.conftest import World
from tests.live.scenes import Case, compare, read_one

ROOT = Path(__file__).parents[2]
CASE = Case(
    mission="sentinel-2", area=(-122.98, 37.88, -122.95, 37.90), days="2025-01", between=(0, 2)
)


@pytest.mark.parametrize("catalog", ["earth-search", "planetary-computer"])
def test_a_scene_is_found_opened_and_read(world: World, catalog: str) -> None:
    assert read_one(CASE, catalog).startswith("sentinel-2:S2B_MSIL2A_20250115T184929")


def test_pixels_are_compared(world: World) -> None:
    found = compare(CASE, ["earth-search", "planetary-computer"])
    assert [check.same for check in found.checks] == [True, True]


def test_catalogs_that_differ_or_lack_it_fail(world: World) -> None:
    with pytest.raises(AssertionError, match="no scene is at all of"):
        compare(CASE, ["earth-search", "planetary-computer", "cdse"])
    with pytest.raises((AssertionError, AstraError)):
        read_one(CASE, "cdse")
    # Files that are not shifted, whose item says that they are.
    for item in world.earth_search.items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("/shifted/", "/")
    world.earth_search.items = world.earth_search.items[:1]
    with pytest.raises(AssertionError, match="one of the two offsets is wrong"):
        compare(CASE, ["earth-search", "planetary-computer"])


def test_they_are_skipped_by_default() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    # Without the options of this run, such as coverage, which fails where little is reached.
    environ = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    out = subprocess.run(
        [*command, "tests/live"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert "ASTRA_LIVE=1" in out.stdout
    assert "passed" not in out.stdout
