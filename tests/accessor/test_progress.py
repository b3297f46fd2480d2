"""Progress bars of reads: they end, and say whom a read waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

import astra_xr
from astra_xr.testing import RangeServer, Reply
from tests import items
from tests.conftest import SIZE


def test_bars_say_whom_a_read_waits_for(
    storage_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    monkeypatch.setattr("astra_xr.accessor.progress._EACH", 0.02)
    monkeypatch.setattr("astra_xr.net.retries._waits", {})  # of other tests
    busy = Reply(status=503, headers={"Retry-After": "1"})
    with RangeServer(storage_folder) as server:
        server.rule = lambda request: busy if request.number == 0 else None
        item = items.planetary_computer(SIZE)
        item["assets"]["B04"]["href"] = server.url("B04.tif")
        ds = astra_xr.open_scene(item, ["B04"])
        ds.astra.load()
    assert "waiting for 127.0.0.1, asked to wait 1 s" in capsys.readouterr().err
