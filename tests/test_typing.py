"""The public types as a user's type checker sees them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER = ROOT / "tests" / "typing_user.py"


@pytest.mark.parametrize("checker", ["mypy --strict", "pyright"])
def test_a_users_code_checks(checker: str) -> None:
    command = checker.split()
    if find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: pip install '{command[0]}'")
    out = subprocess.run(
        [sys.executable, "-m", *command, str(USER)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
