"""Live tests have the network, the user's accounts and a cache folder of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def network() -> None:
    """The network as it is, in place of loopback; skip unless it was asked for."""
    if os.environ.get("ASTRA_LIVE") != "1":
        pytest.skip("asks live catalogs, over the network, with ASTRA_LIVE=1 alone")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's own settings, but for what is kept."""
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("ASTRA_CATALOG", raising=False)
    monkeypatch.delenv("ASTRA_API_URL", raising=False)
