"""A storm of faults: the same pixels or an error of ours, never other pixels."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.errors import ReadError
from astra_xr.net import connections, retries, storage
from astra_xr.reading.cache import header_cache, tile_cache
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from tests.pixels import read

SIZE = 600


def fault(rng: random.Random, request: Request) -> Reply | None:
    size = request.range[1] - request.range[0] if request.range else 0
    return rng.choice(
        [
            Reply(status=500),
            Reply(status=503, headers={"Retry-After": "0"}),
            Reply(status=429),
            Reply(status=403, body=b"sig=SECRET"),
            Reply(status=404),
            Reply(status=200, body=b"<html>"),
            Reply(status=206, body=b"short", headers={"Content-Range": "bytes 0-99/100"}),
            Reply(reset=True),
            Reply(truncate_at=0),
            Reply(truncate_at=size // 2),
            Reply(headers={"Content-Range": "bytes 5-9/600000"}),
            Reply(headers={"Content-Range": "nonsense"}),
            Reply(headers={"ETag": '"another"'}),
            Reply(corrupt=True),
            Reply(trickle=1e7),
        ]
    )


@pytest.mark.parametrize(("odds", "count"), [(0.05, 100), (0.3, 450), (0.9, 450)])
def test_never_other_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odds: float, count: int
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.001)
    monkeypatch.setenv("ASTRA_PATIENCE", "0.05")
    rng = random.Random(f"storm {odds}")
    truth = np.random.default_rng(0).integers(1, 9000, (SIZE, SIZE)).astype(np.uint16)
    write_cog(tmp_path / "a.tif", truth, blocksize=128)
    faults = answers = errors = 0

    def rule(request: Request) -> Reply | None:
        nonlocal faults
        if rng.random() < odds:
            faults += 1
            return fault(rng, request)
        return None

    with RangeServer(tmp_path) as server:
        server.rule = rule
        while faults < count:
            if rng.random() < 0.5:
                header_cache.clear()
            tile_cache.clear()
            top, left = rng.randrange(SIZE - 100), rng.randrange(SIZE - 100)
            rows, cols = (top, top + 100), (left, left + 100)
            try:
                got = read(
                    source=FixedUrl(server.url("a.tif")), label="scene red", shape=(SIZE, SIZE),
                    indexes=(1,), rows=rows, cols=cols, radiometry=None,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001  (which kinds come is what is tested)
                told = error
                assert type(told).__module__ == "astra_xr.errors", repr(told)
                assert "SECRET" not in str(told)
                errors += 1
            else:
                np.testing.assert_array_equal(got[0], truth[slice(*rows), slice(*cols)])
                answers += 1
    assert answers > 0 or odds > 0.5
    assert errors > 0


def test_a_slow_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "NO_PROGRESS", 0.3)
    monkeypatch.setattr(connections, "NO_PROGRESS", 0.3)
    write_cog(tmp_path / "a.tif", np.ones((64, 64), np.uint8))
    with RangeServer(tmp_path) as server:
        server.rule = lambda request: Reply(trickle=10)
        with pytest.raises(ReadError):
            read(source=FixedUrl(server.url("a.tif")), label="scene red", shape=(64, 64),
                 indexes=(1,), rows=(0, 64), cols=(0, 64), radiometry=None)  # fmt: skip
