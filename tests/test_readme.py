"""The README's Python blocks run, and its commands are those that are there."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from astra_xr.missions import MISSIONS
from astra_xr.resolver.ids import parse_scene_id

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_blocks_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    exec(compile(block, "README.md", "exec"), {})
    mpl.pyplot.close("all")


def test_its_ids_are_ids() -> None:
    table = README.split("| mission | an id of it |")[1].split("\n\n")[0]
    missions = {parse_scene_id(name).mission for name in re.findall(r"`([^`]+)`", table)}
    assert missions == set(MISSIONS)


def test_contributing_maps_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    package = ROOT / "astra_xr"
    rooms = {p.name for p in package.iterdir() if p.name[0] not in "_." and p.name != "py.typed"}
    for room in rooms:
        assert f"`{room.removesuffix('.py')}" in text, room
