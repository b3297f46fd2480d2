"""The browser's half of the picker, by node; and that Python and JavaScript make the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from astra_xr.widgets import picker as module
from tests.widgets.vectors import TARGET, vectors

ROOT = Path(__file__).parents[2]


def close(made: Any, kept: Any) -> bool:
    """Return whether two are the same, but for the last digits of numbers."""
    if isinstance(kept, dict):
        return made.keys() == kept.keys() and all(close(made[key], kept[key]) for key in kept)
    if isinstance(kept, list):
        return len(made) == len(kept) and all(map(close, made, kept))
    if isinstance(kept, float) and not isinstance(made, str):
        return bool(made == pytest.approx(kept, rel=1e-9))
    return bool(made == kept)


def test_python_makes_what_the_vectors_say() -> None:
    kept, made = json.loads(TARGET.read_text()), vectors()
    for each in (*kept["wire"], *made["wire"]):
        if each["packing"] == "deflate":
            del each["data"]  # another zlib may deflate otherwise
    for part in kept:
        assert close(made[part], kept[part]), f"{part}: python -m tests.widgets.vectors"


def test_units_in_node() -> None:
    node = shutil.which("node")
    if node is None or int(subprocess.check_output([node, "--version"])[1:].split(b".")[0]) < 20:
        pytest.skip("node 20 is not here")
    done = subprocess.run(
        [node, "--test", "tests/widgets/js/"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_types() -> None:
    tsc = ROOT / "node_modules/.bin/tsc"
    if not tsc.exists():
        pytest.skip("typescript is not here: npm install")
    done = subprocess.run([tsc], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_bundle_is_that_of_its_sources(tmp_path: Path) -> None:
    esbuild = ROOT / "node_modules/.bin/esbuild"
    if not esbuild.exists():
        pytest.skip("esbuild is not here: npm install")
    script = json.loads((ROOT / "package.json").read_text())["scripts"]["build"]
    built = Path(module.__file__).with_name("picker.js")
    command = script.replace("esbuild ", f"{esbuild} ", 1)
    command = command.replace(
        f"--outfile={built.relative_to(ROOT)}", f"--outfile={tmp_path}/picker.js"
    )
    subprocess.run(command, shell=True, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "picker.js").read_text() == built.read_text(), "npm run build"
