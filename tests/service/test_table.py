"""Each row of the error table, from a real cause, over the wire and through the client."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from astra_xr import errors
from astra_xr.errors import AstraError
from astra_xr.resolver.remote import RemoteResolver
from astra_xr.service.keys import new_key
from astra_xr.settings import Settings
from conftest import Loopback
from tests import faulty, items
from tests.service.conftest import SCENE, Served, core_settings, serving
from tests.stac_api import StacApi

PRODUCT = f"sentinel-2:{items.PRODUCT}"
SECRET = "hUsH0123"

Setting = Callable[[Path, Loopback], AbstractContextManager[dict[str, Any]]]


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow each other at once."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def catalog(misbehave: faulty.Misbehave, timeout: float = 30) -> Setting:
    """Have a service whose one catalog is a server that misbehaves."""

    @contextmanager
    def setting(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
        with faulty.serve(misbehave) as url:
            core = core_settings(catalog="earth-search", earth_search_url=url, timeout=timeout)
            yield {"core": core}

    return setting


@contextmanager
def sample(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    yield {}


@contextmanager
def nobody_listens(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        yield {"core": core_settings(catalog="earth-search", earth_search_url=url)}


@contextmanager
def two_tiles(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    found = [items.earth_search_c1(700, tile) for tile in ("10SEG", "10SEH")]
    network.routes["earth-search.aws.element84.com"] = StacApi(found)
    yield {"core": core_settings(catalog="earth-search")}


@contextmanager
def two_a_minute(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    yield {"rate": "2/minute"}


@contextmanager
def no_redis(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"redis://:{SECRET}@127.0.0.1:{bound.getsockname()[1]}"
        yield {"rate": "2/minute", "limits_url": url}


@contextmanager
def store_in_the_way(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    """Have a file where converted files should be kept."""
    sample_folder = Settings.from_env().cache_dir / "sample"
    (folder / "sample").symlink_to(sample_folder)
    (folder / "converted").mkdir()
    (folder / "converted" / "assets").write_text("in the way")
    yield {"core": Settings(catalog="sample", cache_dir=folder)}


@contextmanager
def sample_in_the_way(folder: Path, network: Loopback) -> Iterator[dict[str, Any]]:
    """Have a file where the sample should be made."""
    (folder / "sample").write_text("in the way")
    yield {"core": Settings(catalog="sample", cache_dir=folder)}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cause and what is said of it."""

    name: str
    setting: Setting = sample
    scene: str = SCENE
    query: str = ""
    status: int
    raised: type[AstraError]
    words: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()

    def asked(self) -> dict[str, Any]:
        """Return the query for the client."""
        return dict(pair.split("=", 1) for pair in self.query.split("&") if pair)


BUSY = faulty.answer(429, f"sig={SECRET}".encode(), Retry_After="57")
DOWN = faulty.answer(503, f"sig={SECRET}".encode(), Retry_After="40")

ROWS = [
    Row(
        name="no id",
        scene="sentinel-9:x",
        status=400,
        raised=errors.InvalidSceneId,
        words=("sentinel-9:x", "Forms that work", "sentinel-2:"),
    ),
    Row(
        name="format",
        query="format=gif",
        status=400,
        raised=errors.InvalidFormat,
        words=("'gif'", "one of cog, geotiff, png, jpeg"),
    ),
    Row(
        name="parameter",
        query="radiometry=odd",
        status=400,
        raised=errors.InvalidParameter,
        words=("radiometry='odd'", "file"),
    ),
    Row(
        name="no such scene",
        setting=catalog(faulty.answer(200, b'{"type":"FeatureCollection","features":[]}')),
        scene=PRODUCT,
        status=404,
        raised=errors.SceneNotFound,
        words=(items.PRODUCT, "found in Earth Search"),
    ),
    Row(
        name="several scenes",
        setting=two_tiles,
        scene="sentinel-2:S2B_MSIL2A_20250115T184929",
        status=409,
        raised=errors.AmbiguousSceneId,
        words=("matches 2 scenes", "T10SEG", "T10SEH"),
    ),
    Row(
        name="no such band",
        query="bands=nirr",
        status=422,
        raised=errors.UnknownBand,
        words=("Did you mean 'nir'", "B08 (nir)"),
    ),
    Row(
        name="several bands",
        query="bands=rededge",
        status=422,
        raised=errors.AmbiguousBand,
        words=("B05", "B06", "B07"),
    ),
    Row(
        name="failing",
        setting=catalog(faulty.answer(500, f"Traceback sig={SECRET}".encode())),
        scene=PRODUCT,
        status=502,
        raised=errors.UpstreamError,
        words=("Earth Search", "HTTP 500"),
    ),
    Row(
        name="garbage",
        setting=catalog(faulty.answer(200, f"<html>{SECRET}".encode())),
        scene=PRODUCT,
        status=502,
        raised=errors.UpstreamError,
        words=("Earth Search", "not JSON"),
    ),
    Row(
        name="an odd item",
        setting=catalog(faulty.answer(200, b'{"features":[{"id":"x","assets":null}]}')),
        scene=PRODUCT,
        status=502,
        raised=errors.UpstreamError,
        words=("Earth Search", "not a STAC item"),
    ),
    Row(
        name="closed to us",
        setting=catalog(faulty.answer(401, SECRET.encode(), WWW_Authenticate="Basic")),
        scene=PRODUCT,
        status=502,
        raised=errors.UpstreamError,
        words=("Earth Search", "HTTP 401"),
    ),
    Row(
        name="too busy",
        setting=catalog(BUSY),
        scene=PRODUCT,
        status=503,
        raised=errors.UpstreamUnavailable,
        words=("Earth Search", "too many requests", "retry after 57 s"),
        headers=(("retry-after", "57"),),
    ),
    Row(
        name="down",
        setting=catalog(DOWN),
        scene=PRODUCT,
        status=503,
        raised=errors.UpstreamUnavailable,
        words=("Earth Search", "40 s"),
        headers=(("retry-after", "40"),),
    ),
    Row(
        name="nobody listens",
        setting=nobody_listens,
        scene=PRODUCT,
        status=503,
        raised=errors.UpstreamUnavailable,
        words=("Earth Search", "cannot be reached"),
    ),
    Row(
        name="silent",
        setting=catalog(faulty.hang, timeout=0.5),
        scene=PRODUCT,
        status=504,
        raised=errors.UpstreamTimeout,
        words=("Earth Search", "did not answer in time"),
    ),
    Row(
        name="no counter",
        setting=no_redis,
        status=503,
        raised=errors.UpstreamUnavailable,
        words=("ASTRA_LIMITS_URL", "cannot be reached"),
    ),
    Row(
        name="broken store",
        setting=store_in_the_way,
        query="bands=red&format=png",
        status=500,
        raised=errors.ConversionFailed,
        words=("cannot be converted", "ASTRA_CACHE_DIR"),
    ),
    Row(
        name="broken sample",
        setting=sample_in_the_way,
        status=500,
        raised=AstraError,
        words=("log has details under",),
    ),
]


def test_the_table_is_all_of_the_pages() -> None:
    """Every code of the contract has a row here, or a test of its own below."""
    own = {"authentication-required", "forbidden", "rate-limited", "conversions-busy"}
    assert {row.raised.code for row in ROWS} | own == {
        "invalid-scene-id", "invalid-format", "invalid-parameter", "authentication-required",
        "forbidden", "scene-not-found", "ambiguous-scene-id", "unknown-band", "ambiguous-band",
        "rate-limited", "upstream-error", "upstream-unavailable", "upstream-timeout",
        "conversion-failed", "internal-error", "conversions-busy",
    }  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row(row: Row, tmp_path: Path, network: Loopback) -> None:
    with row.setting(tmp_path, network) as changes, serving(**changes) as served:
        response = served.ask(f"scene_id={row.scene}&{row.query}".rstrip("&"))
        told = response.json()
        assert (response.status_code, told["status"]) == (row.status, row.status), told
        assert told["code"] == row.raised.code
        assert response.headers["content-type"] == "application/problem+json"
        assert told["type"] == "about:blank"
        assert told["request_id"] == response.headers["x-request-id"]
        for words in row.words:
            assert words in told["detail"]
        waits = dict(row.headers).get("retry-after")
        assert response.headers.get("retry-after") == waits
        assert "www-authenticate" not in response.headers
        text = "\n".join([response.text, *served.lines])
        for hidden in (SECRET, "Traceback", served.key):
            assert hidden not in text
        assert str(tmp_path) not in response.text
        if row.status >= 500:
            ours = [json.loads(line) for line in served.lines]
            failed = [e for e in ours if e["event"] == "failure" and e["id"] == told["request_id"]]
            assert failed, "the log tells nothing of it"
        with pytest.raises(AstraError) as caught:
            _client(served).resolve(row.scene, **row.asked())
        assert type(caught.value) is row.raised
        assert caught.value.__context__ is None
        if row.raised is not AstraError:
            assert str(caught.value) == told["detail"]
        if waits:
            assert getattr(caught.value, "retry_after", None) == float(waits)


def _client(served: Served) -> RemoteResolver:
    return RemoteResolver(served.url, served.key)


def test_no_key(served: Served) -> None:
    unknown = new_key("nobody")[1].reveal()
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {unknown}"}):
        url = f"{served.url}/api/v1/assets?scene_id={SCENE}"
        response = httpx.get(url, headers=header)
        told = response.json()
        assert (response.status_code, told["code"]) == (401, "authentication-required")
        assert response.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in told["detail"]
    for client in (RemoteResolver(served.url), RemoteResolver(served.url, unknown)):
        with pytest.raises(errors.AuthenticationRequired, match="ASTRA_API_KEY"):
            client.resolve(SCENE)


def test_a_closed_url(served: Served) -> None:
    href = served.ask(f"scene_id={SCENE}&bands=red").json()["assets"]["B04"]["href"]
    response = httpx.get(href.replace("sig=", "sig=A"))
    told = response.json()
    assert (response.status_code, told["code"]) == (403, "forbidden")
    assert response.headers["content-type"] == "application/problem+json"
    assert "invalid or has expired" in told["detail"]
    assert type(errors.revived(told["code"], told["detail"], told["error"])) is errors.Forbidden


def test_too_many_requests(tmp_path: Path, network: Loopback) -> None:
    with two_a_minute(tmp_path, network) as changes, serving(**changes) as served:
        for _ in range(2):
            assert served.ask().status_code == 200
        response = served.ask()
        told = response.json()
        assert (response.status_code, told["code"]) == (429, "rate-limited")
        assert "2 requests in 60 s" in told["detail"]
        assert 1 <= int(response.headers["retry-after"]) <= 61
        # What is wrong with a request is counted too, and the client tells of the wait.
        with pytest.raises(errors.RateLimited, match="2 requests in 60 s") as caught:
            _client(served).resolve(SCENE)
        assert 1 <= (caught.value.retry_after or 0) <= 61
