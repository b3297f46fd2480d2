"""What a notebook of ours may hold; that they run, and print what they say, nbval checks in CI."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, TypeGuard

import pytest

import astra_xr
from astra_xr.errors import redact
from tests.notebooks import nbformat, solutions, with_solutions

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
def test_it_begins_with_text_and_says_that_the_sample_is_synthetic(path: Path) -> None:
    first = read(path)[0]
    assert first["cell_type"] == "markdown"
    assert first["source"].startswith("# ")
    assert "offline" in first["source"]
    assert "**synthetic**" in first["source"]


@each
def test_it_says_what_is_learned_in_what_time_and_what_it_takes(path: Path) -> None:
    _, goal, words, *_ = read(path)[0]["source"].split("\n\n")
    assert re.fullmatch(r"You will [^.]+\.", goal)
    assert re.match(r"\d\d minutes · needs `astra-xr\[all\]`", words)


@each
def test_its_last_section_is_live_data_and_says_that_it_was_not_run(path: Path) -> None:
    cells = read(path)
    assert cells[-1]["source"].startswith("## With live data\n")
    assert "has not been run against the live catalogs" in cells[-1]["source"]
    (block,) = re.findall(r"^```python\n(.*?)^```", cells[-1]["source"], re.DOTALL | re.MULTILINE)
    called = {f"{node.value.id}.{node.attr}" for node in ast.walk(ast.parse(block)) if plain(node)}
    assert called & {"astra_xr.search", "astra_xr.timeline"}
    assert all(
        hasattr(astra_xr, name.removeprefix("astra_xr.")) for name in called if "xr." in name
    )
    assert "sample" not in block
    code = "".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
    assert "LIVE" not in code


def plain(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


@each
def test_exercises_have_solutions_that_nbval_runs(path: Path) -> None:
    (text,) = (cell["source"] for cell in read(path) if cell["source"].startswith("## Exercises"))
    asked = re.findall(r"^(\d)\. ", text, re.MULTILINE)
    assert 2 <= len(asked) <= 3
    assert re.findall(r"<summary>Solution (\d)</summary>", text) == asked
    notebook = nbformat.read(path, as_version=4)
    found = solutions(notebook)
    assert len(found) == len(asked)
    assert [cell.source for cell in with_solutions(notebook).cells[-len(found) :]] == found


@each
def test_it_holds_no_secret_and_no_place_of_the_machine_it_was_made_on(path: Path) -> None:
    for cell in read(path):
        text = cell["source"] + json.dumps(cell.get("outputs", []))
        assert not re.search(r"astra_sk_\w+_\w{8}", text)
        assert not re.search(r"[?&](sig|se|X-Amz-\w+|token|expires)=", text, re.IGNORECASE)
        assert not re.search(r"/(tmp|home|root|Users|work|mnt)/|[A-Z]:\\\\", text)
        assert not re.search(r"(127\.0\.0\.1|localhost|0\.0\.0\.0):\d", text)
        said = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
        assert redact(said) == said


@each
def test_its_outputs_are_small_and_shown_by_github(path: Path) -> None:
    assert path.stat().st_size < (1_000_000 if path.name.startswith("01") else 300_000)
    cells = [cell for cell in read(path) if cell["cell_type"] == "code"]
    checked = [cell for cell in cells if CHECKED in cell["metadata"].get("tags", [])]
    assert checked
    assert all(cell["outputs"] for cell in checked)
    # nbval takes a cell with output and no number as one that was never run.
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    for cell in cells:
        picker = "picker" in cell["metadata"].get("tags", [])
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                assert output["name"] == "stdout"
                continue
            assert output["output_type"] in ("display_data", "execute_result")
            kinds = set(output["data"]) - {"text/plain"}
            assert kinds in ({"image/png"}, {"image/jpeg"}, {"text/html"}, set())
            assert not picker or kinds <= {"image/png", "image/jpeg"}


def test_all_of_them_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 3_000_000


@each
def test_its_links_lead_somewhere(path: Path) -> None:
    for cell in read(path):
        for target in re.findall(r"\]\((?!https://)([^)]+)\)", cell["source"]):
            assert (path.parent / target).is_file(), target


def test_they_are_numbered_and_the_readme_lists_them() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i:02}" for i in range(len(NOTEBOOKS))]
    listed = re.findall(r"\]\(notebooks/([\w-]+\.ipynb)\)", (ROOT / "README.md").read_text())
    assert listed == [path.name for path in NOTEBOOKS]
