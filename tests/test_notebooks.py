"""What a notebook of ours may hold; that they run, and print what they say, nbval sees to in CI."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from astra_xr.errors import redact

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECKED = "nbval-check-output"

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


@each
def test_it_opens_anywhere(path: Path) -> None:
    raw = json.loads(path.read_text())
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert raw["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)


@each
def test_it_begins_with_words_and_says_that_the_sample_is_made_up(path: Path) -> None:
    first = read(path)[0]
    assert first["cell_type"] == "markdown"
    assert first["source"].startswith("# ")
    assert "offline" in first["source"]
    assert "**synthetic**" in first["source"]


@each
def test_one_marked_cell_switches_to_live_data(path: Path) -> None:
    live = [cell for cell in read(path) if "live" in cell["metadata"].get("tags", [])]
    (cell,) = live
    assert "LIVE = False  # True: " in cell["source"]
    switches = [cell for cell in read(path) if re.search(r"^LIVE =", cell["source"], re.M)]
    assert len(switches) == 1


@each
def test_live_data_binds_all_names_that_the_sample_does(path: Path) -> None:
    def bound(body: list[ast.stmt]) -> set[str]:
        names = [node for each in body for node in ast.walk(each) if isinstance(node, ast.Name)]
        return {node.id for node in names if isinstance(node.ctx, ast.Store)}

    (cell,) = (cell for cell in read(path) if "live" in cell["metadata"].get("tags", []))
    (switch,) = (node for node in ast.parse(cell["source"]).body if isinstance(node, ast.If))
    assert bound(switch.orelse) <= bound(switch.body)


@each
def test_it_holds_no_secret_and_no_place_of_the_machine_it_was_made_on(path: Path) -> None:
    for cell in read(path):
        text = cell["source"] + json.dumps(cell.get("outputs", []))
        assert not re.search(r"astra_sk_\w+_\w{8}", text)
        assert not re.search(r"[?&](sig|se|X-Amz-\w+|token|expires)=", text, re.IGNORECASE)
        assert not re.search(r"/(tmp|home|root|Users|work|mnt)/|[A-Z]:\\\\", text)
        said = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
        assert redact(said) == said


@each
def test_what_is_kept_of_its_output_is_checked_or_a_small_picture(path: Path) -> None:
    assert path.stat().st_size < 300_000
    checked = [cell for cell in read(path) if CHECKED in cell["metadata"].get("tags", [])]
    assert checked
    assert all(cell["outputs"] for cell in checked)
    for cell in read(path):
        # nbval takes a cell with output and no number as one that was never run.
        assert bool(cell.get("execution_count")) == bool(cell.get("outputs"))
        for output in cell.get("outputs", []):
            if CHECKED not in cell["metadata"].get("tags", []):
                assert set(output["data"]) == {"image/jpeg", "text/plain"}


@each
def test_its_links_lead_somewhere(path: Path) -> None:
    for cell in read(path):
        for target in re.findall(r"\]\((?!https://)([^)]+)\)", cell["source"]):
            assert (path.parent / target).is_file(), target


def test_they_are_numbered_and_the_readme_lists_them() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i:02}" for i in range(len(NOTEBOOKS))]
    listed = re.findall(r"\]\(notebooks/([\w-]+\.ipynb)\)", (ROOT / "README.md").read_text())
    assert listed == [path.name for path in NOTEBOOKS]
