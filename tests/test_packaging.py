"""What installs the package: its extras, its recipe for conda, its workflows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

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
