"""The client of a resolver service: where its key goes, when it tries again, what it keeps."""

from __future__ import annotations

import copy
import json
import os
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr import LocalResolver, RemoteResolver, Settings, errors
from astra_xr.errors import InvalidParameter, UpstreamError
from astra_xr.resolver import remote
from astra_xr.resolver.resolution_json import detail_of
from astra_xr.secret import Secret
from astra_xr.settings import config_file
from conftest import Loopback
from tests import faulty

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
HOST = "resolver.example"
URL = f"https://{HOST}"
KEY = "astra_sk_live_0a1b2c3d_hUsH"
BUSY = {"code": "rate-limited", "detail": "The resolver service: more than 1 a hour with this key."}


@pytest.fixture(autouse=True)
def fresh() -> None:
    remote._signed.clear()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would sleep between attempts; nothing really sleeps."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    return slept


@pytest.fixture(scope="module")
def right() -> dict[str, Any]:
    """What a service answers, as it is on the wire."""
    answer = LocalResolver(Settings(catalog="sample")).resolve(SCENE, "red", catalog="sample")
    told = answer.to_dict() | {"detail": detail_of(answer)}
    told["assets"]["B04"] |= {"href": f"{URL}/B04.tif?sig=SECRET", "expires_at": in_(hours=1)}
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]


def in_(**time: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**time):%Y-%m-%dT%H:%M:%SZ}"


class Service:
    """Answers for ``resolver.example``: the given ones first, then correct ones."""

    def __init__(self, network: Loopback, right: dict[str, Any]) -> None:
        self.right = copy.deepcopy(right)
        self.asked: list[httpx.Request] = []
        self.first: list[httpx.Response | Exception] = []
        network.routes[HOST] = self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if not self.first:
            return httpx.Response(200, json=self.right)
        told = self.first.pop(0)
        if isinstance(told, Exception):
            raise told
        return httpx.Response(told.status_code, headers=told.headers, content=told.content)

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.asked]


@pytest.fixture
def service(network: Loopback, right: dict[str, Any]) -> Service:
    return Service(network, right)


class TestWhereTheKeyGoes:
    def test_to_its_service(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        RemoteResolver(URL, KEY).resolve(SCENE, "red")
        monkeypatch.setenv("ASTRA_API_KEY", "from-the-environment")
        RemoteResolver(URL).resolve(SCENE, "red")
        RemoteResolver(URL, KEY).resolve(SCENE, "red")
        assert service.keys == [f"Bearer {KEY}", "Bearer from-the-environment", f"Bearer {KEY}"]

    def test_to_no_other(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ASTRA_API_URL", "https://ours.example")
        monkeypatch.setenv("ASTRA_API_KEY", KEY)
        RemoteResolver(URL).resolve(SCENE, "red")
        try:
            astra_xr.configure(api_url=URL)
            astra_xr.resolve(SCENE, "red")
            there = pickle.loads(pickle.dumps(RemoteResolver()))
            there.resolve(SCENE, "red")
        finally:
            astra_xr.configure(api_url=None)
        assert service.keys == [None] * 3
        # A worker elsewhere has a key for what its own environment names.
        monkeypatch.setenv("ASTRA_API_URL", f"{URL}/")
        there.resolve(SCENE, "red")
        pickle.loads(pickle.dumps(there)).resolve(SCENE, "red")
        assert service.keys[3:] == [None, f"Bearer {KEY}"]

    def test_to_none_where_a_url_makes_no_sense(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ASTRA_API_URL", "https://[")
        monkeypatch.setenv("ASTRA_API_KEY", KEY)
        assert RemoteResolver(URL).settings.api_key is None
        with pytest.raises(InvalidParameter, match="the service's root"):
            RemoteResolver()

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_across_no_redirect(self, service: Service, network: Loopback, status: int) -> None:
        elsewhere: list[httpx.Request] = []

        def act(request: httpx.Request) -> httpx.Response:
            elsewhere.append(request)
            return httpx.Response(200, json=service.right)

        network.routes["elsewhere.example"] = act
        for place in ("https://elsewhere.example/api/v1/assets", f"http://{HOST}/", "/other"):
            service.first = [httpx.Response(status, headers={"Location": place})]
            with pytest.raises(UpstreamError, match=f"HTTP {status}"):
                RemoteResolver(URL, KEY).resolve(SCENE, "red")
        assert elsewhere == []
        assert len(service.asked) == 3

    def test_nowhere_that_shows(self, service: Service, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        resolver = RemoteResolver(URL, KEY)
        answer = resolver.resolve(SCENE, "red")
        source = answer.assets["red"].source
        service.first = [httpx.Response(403, json={"detail": f"{KEY} is bad", "code": "forbidden"})]
        with pytest.raises(errors.Forbidden) as caught:
            resolver.resolve(SCENE, "red")
        shown = [
            repr(resolver), str(resolver), repr(source), repr(answer), repr(resolver.settings),
            str(caught.value), caplog.text, str(pickle.dumps(resolver)), str(pickle.dumps(source)),
        ]  # fmt: skip
        assert not any("hUsH" in text or "SECRET" in text for text in shown)


class TestConfigFile:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    @staticmethod
    def write(text: str, mode: int = 0o600) -> Path:
        path = config_file()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def test_is_read(self, service: Service, tmp_path: Path) -> None:
        assert Settings.from_env().api_url is None
        path = self.write(f'api_url = "{URL}"\napi_key = "{KEY}"\n')
        if os.name == "posix":
            assert path == tmp_path / "astra-xr" / "config.toml"
        astra_xr.resolve(SCENE, "red")
        assert service.keys == [f"Bearer {KEY}"]
        assert KEY not in repr(Settings.from_env())
        self.write('api_url = "https://other.example"')
        assert RemoteResolver().settings.api_url == "https://other.example"
        assert Settings.from_env({}).api_url is None

    def test_others_win(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(f'api_url = "{URL}"\napi_key = "{KEY}"\n')
        monkeypatch.setenv("ASTRA_API_KEY", "env")
        assert RemoteResolver().settings.api_key == Secret("env")
        assert RemoteResolver(api_key="argument").settings.api_key == Secret("argument")
        try:
            astra_xr.configure(api_key="session")
            assert RemoteResolver().settings.api_key == Secret("session")
        finally:
            astra_xr.configure(api_key=None)

    def test_its_key_is_for_its_url(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(f'api_url = "{URL}"\napi_key = "{KEY}"\n')
        monkeypatch.setenv("ASTRA_API_URL", "https://other.example")
        assert Settings.from_env().api_key is None
        monkeypatch.setenv("ASTRA_API_URL", f"{URL}/team")
        assert Settings.from_env().api_key == Secret(KEY)

    @pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_a_key_that_others_can_read(self, mode: int) -> None:
        path = self.write(f'api_key = "{KEY}"', mode)
        with pytest.raises(
            InvalidParameter, match=f"others can read it.*chmod 600 {path}"
        ) as caught:
            Settings.from_env()
        assert KEY not in str(caught.value)
        path.chmod(0o600)
        assert Settings.from_env().api_key == Secret(KEY)
        # Where a service is, all may know.
        self.write(f'api_url = "{URL}"', mode)
        assert Settings.from_env().api_url == URL

    @pytest.mark.parametrize(
        "text", ["api_url", f"api_key = {KEY}", "api_key = 1", "apikey = 'x'", "\x00", "[api]\na=1"]
    )
    def test_what_is_none(self, text: str) -> None:
        self.write(text)
        with pytest.raises(InvalidParameter, match="TOML that can be read") as caught:
            RemoteResolver()
        assert "hUsH" not in str(caught.value)
        assert caught.value.__context__ is None


class TestTries:
    def test_what_passes(self, service: Service, naps: list[float]) -> None:
        service.first = [
            httpx.Response(503, json={"code": "upstream-unavailable", "detail": "x"}),
            httpx.ConnectError("refused"),
        ]
        assert RemoteResolver(URL, KEY).resolve(SCENE, "red").assets["red"].name == "B04"
        assert len(service.asked) == 3
        assert 0 <= naps[0] <= 0.5  # jitter
        assert 0 <= naps[1] <= 1

    def test_a_wait_by_retry_after(self, service: Service, naps: list[float]) -> None:
        service.first = [httpx.Response(429, headers={"Retry-After": "2"}, json=BUSY)]
        RemoteResolver(URL, KEY).resolve(SCENE, "red")
        assert 2 <= naps[0] <= 2.4

    @pytest.mark.parametrize("sign", [True, False])
    def test_a_wait_that_is_too_long(self, service: Service, naps: list[float], sign: bool) -> None:
        error = {"service": "x", "retry_after": 3600.0}
        busy = httpx.Response(429, headers={"Retry-After": "3600"}, json=BUSY | {"error": error})
        service.first = [busy]
        with pytest.raises(errors.RateLimited, match="more than 1 a hour") as caught:
            RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=sign)
        assert caught.value.retry_after == 3600
        assert (naps, len(service.asked)) == ([], 1)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 502, 504])
    def test_what_is_well_considered(
        self, service: Service, naps: list[float], status: int
    ) -> None:
        service.first = [httpx.Response(status, json={"code": "invalid-item", "detail": "odd"})]
        with pytest.raises(errors.AstraError):
            RemoteResolver(URL, KEY).resolve(SCENE, "red")
        assert len(service.asked) == 1

    def test_a_service_that_is_silent(self) -> None:
        settings = Settings(timeout=0.05)
        with faulty.serve(faulty.hang) as url:
            resolver = RemoteResolver(url, KEY, settings=settings)
            with pytest.raises(errors.UpstreamTimeout, match="did not answer in time"):
                resolver.resolve(SCENE, "red", sign=False)

    def test_one_connection(self, right: dict[str, Any]) -> None:
        body = json.dumps(right).encode()
        with counting(body) as (url, connections):
            resolver = RemoteResolver(url, KEY)
            for _ in range(5):
                resolver.resolve(SCENE, "red")
            assert len(connections) == 1


class TestAnswers:
    """What a service must not make this process do, whoever runs it."""

    @pytest.mark.parametrize(
        "href",
        ["file:///etc/passwd", "/etc/passwd", "s3://b/k", "ftp://h/x", "vsicurl/x", "", None],
    )
    def test_no_file_of_ours_is_believed(self, service: Service, href: str | None) -> None:
        source = RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=False).assets["red"].source
        service.right["assets"]["B04"]["href"] = href
        with pytest.raises(UpstreamError, match="an unexpected form"):
            RemoteResolver(URL, KEY).resolve(SCENE, "red")
        with pytest.raises(UpstreamError, match="an unexpected form"):
            source()

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda told: told.clear(),
            lambda told: told.pop("detail"),
            lambda told: told.update(assets=[]),
            lambda told: told["detail"].update(assets=None),
            lambda told: told["detail"]["assets"]["red"].pop("band"),
            lambda told: told["assets"]["B04"].update(expires_at="soon"),
            lambda told: told["assets"]["B04"].update(expires_at=None),
            lambda told: told.update(format=["cog"]),
            lambda told: told["detail"].update(mission=5),
            lambda told: told["detail"].update(passed_over={"usgs": None}),
            lambda told: told["detail"]["assets"]["red"].update(size="large"),
            lambda told: told["detail"]["assets"]["red"].update(size=True),
            lambda told: told["detail"]["assets"]["red"].update(indexes="1"),
            lambda told: told["detail"]["assets"]["red"].update(stretch=[[1]]),
            lambda told: told["detail"]["assets"]["red"]["band"].update(spellings=[5]),
            lambda told: told["detail"]["assets"]["red"]["band"].update(classes=[{"value": 1}]),
            lambda told: told["detail"]["assets"]["red"]["radiometry"].update(scale="1"),
            lambda told: told["detail"]["assets"]["red"]["radiometry"].update(scale=10**400),
            lambda told: told["detail"]["assets"]["red"]["radiometry"].update(as_is=1),
            lambda told: told["detail"]["assets"]["red"]["grid"].update(shape=[1, 2, 3]),
            lambda told: told["detail"]["assets"]["red"]["grid"].update(shape=[1.5, 2]),
            lambda told: told["detail"]["assets"]["red"]["grid"].update(transform=["nan"] * 6),
        ],
    )
    def test_other_forms(self, service: Service, spoil: Callable[[dict[str, Any]], None]) -> None:
        spoil(service.right)
        with pytest.raises(UpstreamError, match="an astra-xr service of the same version"):
            RemoteResolver(URL, KEY).resolve(SCENE, "red")


class TestKept:
    """Signed URLs, by when they end."""

    def test_until_shortly_before_the_end(self, service: Service) -> None:
        source = RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=False).assets["red"].source
        assert source().url == source().url == f"{URL}/B04.tif?sig=SECRET"
        assert len(service.asked) == 2
        # The same band of another Dataset is the same URL.
        again = RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=False).assets["red"].source
        assert again() == source()
        assert len(service.asked) == 3

    def test_one_that_expires_soon_is_requested_again(self, service: Service) -> None:
        source = RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=False).assets["red"].source
        service.right["assets"]["B04"]["expires_at"] = in_(seconds=90)
        source()
        source()
        assert len(service.asked) == 3

    def test_one_that_storage_refused(self, service: Service) -> None:
        source = RemoteResolver(URL, KEY).resolve(SCENE, "red", sign=False).assets["red"].source
        first = source()
        service.right["assets"]["B04"]["href"] += "2"
        assert source(refused=first).url.endswith("SECRET2")
        assert source().url.endswith("SECRET2")
        assert len(service.asked) == 3


class counting:
    """A server that keeps connections open, and counts them."""

    def __init__(self, body: bytes) -> None:
        connections: list[object] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                connections.append(self.client_address)

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._connections = connections

    def __enter__(self) -> tuple[str, list[object]]:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}", self._connections

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
