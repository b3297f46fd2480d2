"""Binder's files: a Python and versions that fit the package, and a sample that is made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lines(name: str) -> list[str]:
    text = (BINDER / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_python_is_one_that_the_package_supports() -> None:
    (line,) = lines("runtime.txt")
    name, _, version = line.partition("-")
    assert name == "python"
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_every_dependency_has_a_version_that_the_package_takes() -> None:
    constraints, package = lines("requirements.txt")
    assert constraints == "-c constraints.txt"
    extras = package.removeprefix(".[").removesuffix("]").split(",")
    pins = {}
    for line in lines("constraints.txt"):
        pinned = Requirement(line)
        assert re.fullmatch(r"==[\d.]+", str(pinned.specifier)), line
        pins[canonicalize_name(pinned.name)] = str(pinned.specifier).removeprefix("==")
    wanted = PROJECT["dependencies"]
    for extra in extras:
        wanted = wanted + PROJECT["optional-dependencies"][extra]
    for text in wanted:
        requirement = Requirement(text)
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin, f"binder/constraints.txt takes a line for {text}"
        assert pin in requirement.specifier, text


def test_the_sample_is_made_while_the_image_is_built(cache_dir: Path) -> None:
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([script], cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    assert list(cache_dir.glob("sample/*/B04.tif"))


def test_repo2docker_makes_a_build_of_it() -> None:
    pytest.importorskip("repo2docker", reason="pip install jupyter-repo2docker")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = out.stdout + out.stderr
    assert out.returncode == 0, told[-2000:]
    assert "python=3.13" in told or "environment.py-3.13" in told
    assert "binder/requirements.txt" in told
    assert "binder/postBuild" in told
