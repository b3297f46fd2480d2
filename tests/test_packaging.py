"""What installs the package: its extras, its recipe for conda, its workflows."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from astra_xr.version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
CI = (ROOT / ".ci" / "run").read_text()
USERS = set(EXTRAS) - set(PROJECT["tool"]["deptry"]["optional_dependencies_dev_groups"]) - {"all"}
"""Extras for users, and not for work on the package."""


def test_all_has_each_extra_for_users_and_each_is_installed_alone_in_ci() -> None:
    (line,) = EXTRAS["all"]
    assert set(re.findall(r"[\w-]+", line.split("[")[1])) == USERS
    (alone,) = re.findall(r"for extra in ([\w ]+); do", CI)
    assert set(alone.split()) == USERS
    guide = (ROOT / "docs" / "getting-started.md").read_text()
    assert all(f"`{extra}`" in guide for extra in USERS)


CONDA = {"dask": "dask-core", "isal": "python-isal"}
"""Names at conda-forge where they are not those of PyPI; extras of a requirement are its parts."""


@pytest.fixture(scope="module")
def recipe() -> Any:
    return yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())


def test_the_recipe_requires_what_the_package_does(recipe: Any) -> None:
    project, needs = PROJECT["project"], recipe["requirements"]
    lowest = project["requires-python"].removeprefix(">=")
    assert recipe["context"] == {"version": __version__, "python_min": lowest}
    wanted = [Requirement(text) for text in project["dependencies"]]
    assert not any(each.marker for each in wanted)
    names = [CONDA.get(each.name, each.name.lower()) for each in wanted]
    rows = [f"{name} {each.specifier}" for name, each in zip(names, wanted, strict=True)]
    assert needs["run"] == ["python >=${{ python_min }}", *sorted(rows)]
    (build,) = (Requirement(text) for text in PROJECT["build-system"]["requires"])
    host = ["python ${{ python_min }}.*", "pip", f"{build.name} {build.specifier}"]
    assert needs["host"] == host


def test_the_recipe_installs_the_command_and_tests_it(recipe: Any) -> None:
    scripts = [f"{name} = {target}" for name, target in PROJECT["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    imports = [
        name for test in recipe["tests"] for name in test.get("python", {}).get("imports", ())
    ]
    assert all(importlib.import_module(name) for name in imports)
    commands = [line for test in recipe["tests"] for line in test.get("script", ())]
    assert "astra-xr --version" in commands
    files = [name for test in recipe["tests"] for name in test.get("files", {}).get("source", ())]
    assert all((ROOT / name).is_file() for name in files)
    urls = PROJECT["project"]["urls"]
    about = recipe["about"]
    assert (about["repository"], about["documentation"]) == (urls["Source"], urls["Documentation"])
    assert about["license"] == PROJECT["project"]["license"]


def workflows() -> dict[str, Any]:
    folder = ROOT / ".github" / "workflows"
    return {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yml")}


def runs(workflow: Any) -> set[str]:
    """Return the parts of ``.ci/run`` that a workflow runs."""
    found: set[str] = set()
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for part in re.findall(r"\.ci/run (\S+)", step.get("run", "")):
                of_matrix = job["strategy"]["matrix"]["part"] if part == '"$PART"' else [part]
                found.update(of_matrix)
    return found


def test_workflows_run_parts_that_are_there_and_all_of_them() -> None:
    cases = set(re.findall(r"^  ([\w.-]+)\)(?: |$)", CI, re.MULTILINE))
    by_default = set(re.findall(r"^parts=\((.*)\)$", CI, re.MULTILINE)[0].split())
    asked = {name: runs(workflow) for name, workflow in workflows().items()}
    assert by_default < cases
    assert asked["tests"] == by_default
    assert asked["weekly"] == cases - by_default == {"prereleases", "live"}
    assert asked["release"] == {"packages"}
    assert asked["docs"] == {"docs"}


def test_every_python_is_tested_on_each_system_that_the_package_names() -> None:
    told = PROJECT["project"]["classifiers"]
    versions = {each.rpartition(" ")[2] for each in told if re.search(r":: 3\.\d+$", each)}
    others = workflows()["tests"]["jobs"]["others"]["strategy"]["matrix"]
    of_parts = {("ubuntu-24.04", "3.11"), ("ubuntu-24.04", "3.13")}
    left_out = {(each["os"], each["python"]) for each in others["exclude"]}
    ran = {(system, python) for system in others["os"] for python in others["python"]}
    ran = (ran - left_out) | of_parts
    assert {system.partition("-")[0] for system, _ in ran} == {"ubuntu", "macos"}
    assert {python for system, python in ran if system == "ubuntu-24.04"} >= versions
    assert {min(others["python"]), max(others["python"])} < {
        python for system, python in ran if system == "macos-15"
    }


def test_only_actions_of_github_are_used_with_no_more_rights_than_needed() -> None:
    for name, workflow in workflows().items():
        assert workflow["permissions"] == {"contents": "read"}, name
        for job in workflow["jobs"].values():
            used = [step["uses"] for step in job["steps"] if "uses" in step]
            assert all(action.startswith("actions/") for action in used), used
            assert job.keys() & {"timeout-minutes", "needs"}, name


def test_the_changelog_has_the_version_or_says_that_it_is_to_come() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    links = dict(re.findall(r"^\[(.+?)\]: (https://\S+)$", text, re.MULTILINE))
    assert list(links) == [name for name, _ in versions]
    assert all(link.startswith(PROJECT["project"]["urls"]["Source"]) for link in links.values())
    if len(versions) == 1:
        assert f"what follows will be {__version__}." in text
    else:
        assert versions[1][0] == __version__
        assert versions[1][1]
        assert links["Unreleased"].endswith(f"/compare/v{__version__}...HEAD")
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
