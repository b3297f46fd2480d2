"""Those who would abuse the service, and what stops them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from astra_xr.errors import InvalidParameter
from astra_xr.secret import Secret
from astra_xr.service import serve
from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import KeyFile, Keyring
from astra_xr.service.signing import UrlSigner
from astra_xr.testing import RangeServer, write_cog
from conftest import Loopback
from tests import items
from tests.conftest import make_dn
from tests.servers import free_port
from tests.service.conftest import SCENE, Served, core_settings, serving
from tests.service.wire import send
from tests.stac_api import StacApi

HEAD = b"GET /healthz HTTP/1.1\r\nHost: h\r\n"


def signed(served: Served, path: str, *, made: timedelta = timedelta(), method: str = "GET") -> str:
    """Return a URL as the service signs it, made some time ago."""
    clock = lambda: datetime.now(UTC) - made  # noqa: E731
    query, _ = UrlSigner({"t": Secret(served.url_key)}, clock).sign(method, path)
    return f"{served.url}{path}?{query}"


def href_of(served: Served, band: str = "red") -> str:
    answer = served.ask({"scene_id": SCENE, "bands": band}).json()
    return str(next(iter(answer["assets"].values()))["href"])


class TestSignedUrls:
    def test_past_its_hour(self, served: Served) -> None:
        path = urlsplit(href_of(served)).path
        hour = timedelta(hours=1)
        # Two machines' clocks may differ by half a minute.
        for made, status in (
            (timedelta(), 200),
            (hour + timedelta(seconds=2), 200),
            (hour + timedelta(seconds=40), 403),
            (timedelta(days=30), 403),
        ):
            assert httpx.head(signed(served, path, made=made)).status_code == status, made

    def test_another_method(self, served: Served) -> None:
        path = urlsplit(href_of(served)).path
        assert httpx.head(signed(served, path)).status_code == 200
        for method in ("HEAD", "GET"):
            assert httpx.request(method, signed(served, path)).status_code == 200
            assert httpx.request(method, signed(served, path, method="PUT")).status_code == 403
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            response = httpx.request(method, signed(served, path, method=method))
            assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")

    def test_another_key(self, served: Served) -> None:
        path = urlsplit(href_of(served)).path
        other = Served(served.url, served.key, [], b"x" * 32)
        assert httpx.head(signed(other, path)).status_code == 403

    def test_rotation_with_overlap(self) -> None:
        old, new = b"o" * 32, b"n" * 32
        told = ",".join(f"{k}:{base64.b64encode(s).decode()}" for k, s in (("b", new), ("a", old)))
        both = ServiceSettings.from_env({"ASTRA_URL_KEYS": told}).url_keys
        assert list(both) == ["b", "a"]
        with serving(url_keys={"a": old}) as before:
            path = urlsplit(href_of(before)).path
            query = urlsplit(href_of(before)).query
        with serving(url_keys=both) as during:
            assert httpx.head(f"{during.url}{path}?{query}").status_code == 200
            fresh = urlsplit(href_of(during)).query
            assert "kid=b" in fresh
        with serving(url_keys={"b": new}) as after:
            assert httpx.head(f"{after.url}{path}?{query}").status_code == 403
            assert httpx.head(f"{after.url}{path}?{fresh}").status_code == 200

    @pytest.mark.parametrize("text", ["a", "a:", "a:AAAA", ":" + "A" * 44, "a:%", "é/:AAAA"])
    def test_url_keys_that_are_none(self, text: str) -> None:
        with pytest.raises(InvalidParameter, match="at least 32 bytes") as caught:
            ServiceSettings.from_env({"ASTRA_URL_KEYS": text})
        assert text not in str(caught.value) or len(text) < 3


class TestFolders:
    """A service of one's own files."""

    @pytest.fixture
    def service_settings(self, tmp_path: Path) -> dict[str, Any]:
        inside, outside = tmp_path / "inside", tmp_path / "outside"
        for folder in (inside, outside):
            folder.mkdir()
            write_cog(folder / "red.tif", make_dn(1))
        (outside / "secret.txt").write_text("hUsH0123")
        (inside / "link.tif").symlink_to(outside / "red.tif")
        (inside / "within.tif").symlink_to("red.tif")
        (inside / "folder").symlink_to(outside)
        os.mkfifo(inside / "pipe.tif")
        for name in ("red", "link", "within"):
            item = items.plain(f"./{name}.tif") | {"id": name}
            (inside / f"{name}.json").write_text(json.dumps(item))
        return {"core": core_settings(catalog=str(inside))}

    def test_no_link_leads_out(self, served: Served, tmp_path: Path) -> None:
        assert served.ask({"scene_id": "red"}).status_code == 200
        assert served.ask({"scene_id": "within"}).status_code == 200
        response = served.ask({"scene_id": "link"})
        assert (response.status_code, response.json()["code"]) == (502, "signing-failed")
        assert "outside of the folders" in response.json()["detail"]
        assert str(tmp_path) not in response.text
        # Rightly signed, as if the link had been a file when it was signed.
        for path in ("link.tif", "folder/secret.txt", "folder", "pipe.tif", "nothing.tif"):
            response = httpx.get(signed(served, f"/assets/own/{path}"), timeout=60)
            assert response.status_code in (403, 404), path
            assert "hUsH0123" not in response.text
        assert httpx.get(signed(served, "/assets/own/within.tif")).status_code == 200


class TestKeys:
    def test_a_key_that_ends(self, tmp_path: Path) -> None:
        file = KeyFile(tmp_path / "keys.json")
        day = timedelta(days=1)
        over = file.add("over", life=timedelta(microseconds=1)).reveal()
        good = file.add("good", life=day).reveal()
        with serving(api_keys=(), keys_file=file.path) as served:
            url = f"{served.url}/api/v1/assets?scene_id={SCENE}&bands=red"
            told = [
                httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
                for key in (over, good)
            ]
            assert [response.status_code for response in told] == [401, 200]
            assert told[0].headers["www-authenticate"] == "Bearer"

    def test_rotation_with_overlap_while_it_runs(self, tmp_path: Path) -> None:
        file = KeyFile(tmp_path / "keys.json")
        old = file.add("alice").reveal()
        with serving(api_keys=(), keys_file=file.path) as served:

            def statuses(*keys: str) -> list[int]:
                url = f"{served.url}/api/v1/assets?scene_id={SCENE}&bands=red"
                return [
                    httpx.get(
                        url, headers={"Authorization": f"Bearer {key}"}, timeout=60
                    ).status_code
                    for key in keys
                ]

            assert statuses(old) == [200]
            new = file.add("alice").reveal()
            assert statuses(old, new) == [200, 200]
            file.revoke(file.read()[0].id)
            assert statuses(old, new) == [401, 200]
            # Half a file is no reason to let nobody in, nor to say where it lies.
            whole = file.path.read_text()
            file.path.write_text(whole[:40])
            assert statuses(old, new) == [401, 200]
            assert any("keys_file" in line for line in served.lines)
            file.path.write_text(whole)
            file.revoke(file.read()[0].id)
            assert statuses(old, new) == [401, 401]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rate": "fast"},
            {"rate": 9},
            {"expires_at": "2030-01-01T00:00:00"},
            {"expires_at": "x"},
            {"sha256": 1},
            {"sha256": "é"},
        ],
    )
    def test_a_file_that_was_edited_into_nonsense(
        self, wrong: dict[str, Any], tmp_path: Path
    ) -> None:
        file = KeyFile(tmp_path / "keys.json")
        key = file.add("alice")
        ring = Keyring(file.path)
        held = json.loads(file.path.read_text())
        held["keys"][0] |= wrong
        file.path.write_text(json.dumps(held))
        with pytest.raises(InvalidParameter, match="keys_file"):
            file.read()
        # Whoever was let in still is.
        assert ring.holder(Secret(f"Bearer {key.reveal()}"))

    def test_each_key_has_its_own_rate(self, tmp_path: Path) -> None:
        file = KeyFile(tmp_path / "keys.json")
        slow, quick = file.add("slow", rate="1/hour").reveal(), file.add("quick").reveal()
        with serving(api_keys=(), keys_file=file.path, rate="50/hour") as served:
            url = f"{served.url}/api/v1/assets?scene_id={SCENE}&bands=red"
            for key, expected in ((slow, [200, 429, 429]), (quick, [200, 200, 200])):
                headers = {"Authorization": f"Bearer {key}"}
                told = [httpx.get(url, headers=headers, timeout=60).status_code for _ in range(3)]
                assert told == expected

    def test_no_key_is_printed_without_a_terminal(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"

        def started(level: str) -> tuple[list[str], int, list[str]]:
            """Start it for a moment; return what it printed, how the key does, and its log."""
            port = free_port()
            command = [sys.executable, "-m", "astra_xr.cli", "serve", "--port", str(port)]
            command += ["--catalog", "sample", "--keys-file", str(path)]
            pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            environ = os.environ | {"ASTRA_LOG_LEVEL": level}
            with subprocess.Popen(command, env=environ, **pipes) as process:
                assert process.stdout
                assert process.stderr
                lines = [process.stdout.readline()]
                while "/docs" not in lines[-1]:
                    lines.append(process.stdout.readline())
                    assert lines[-1], "it ended"
                headers = {"Authorization": f"Bearer {keys[0]}"}
                url = f"http://127.0.0.1:{port}/api/v1/assets?scene_id=x"
                for _ in range(2400):
                    with contextlib.suppress(httpx.TransportError):
                        status = httpx.get(url, headers=headers).status_code
                        break
                    time.sleep(0.05)
                process.send_signal(signal.SIGTERM)
                log = process.stderr.read().splitlines()
            return lines, status, log

        keys = ["none"]
        lines, status, log = started("info")
        # This is no terminal: a key would stay in a journal.
        assert "There is no API key yet: `astra-xr keys add NAME`" in lines[0]
        assert (status, keys) == (401, ["none"])
        told = [json.loads(line) for line in log]
        assert [each["status"] for each in told if each["event"] == "request"] == [401]
        assert any("Uvicorn running on" in each["event"] for each in told)
        assert {each["logger"] for each in told if "logger" in each} == {"uvicorn.error"}
        keys = [KeyFile(path).add("me").reveal()]
        lines, status, log = started("warning")
        assert log == []
        assert status == 400  # no scene id, but a key that is known
        assert not any("astra_sk_live_" in line for line in lines)
        assert keys[0] not in path.read_text()


class TestPagesOfOtherSites:
    ORIGIN = "https://maps.example"

    @pytest.fixture
    def service_settings(self) -> dict[str, Any]:
        return {"cors_origins": (self.ORIGIN,)}

    def test_one_that_may(self, served: Served) -> None:
        ask = {
            "Origin": self.ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        before = httpx.options(f"{served.url}/api/v1/assets", headers=ask)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == self.ORIGIN
        assert "authorization" in before.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in before.headers
        href = href_of(served)
        for response in (
            served.ask(headers={"Origin": self.ORIGIN}),
            served.ask("scene_id=x", headers={"Origin": self.ORIGIN}),
            httpx.get(href, headers={"Origin": self.ORIGIN, "Range": "bytes=0-9"}),
            httpx.get(href[:-1], headers={"Origin": self.ORIGIN}),
        ):
            assert response.headers["access-control-allow-origin"] == self.ORIGIN
            assert "Content-Range" in response.headers["access-control-expose-headers"]
            assert "Origin" in response.headers["vary"]

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "https://maps.example.evil"]
    )
    def test_others_may_not(self, served: Served, origin: str) -> None:
        ask = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        before = httpx.options(f"{served.url}/api/v1/assets", headers=ask)
        assert before.status_code == 400
        assert "access-control-allow-origin" not in before.headers
        told = served.ask(headers={"Origin": origin})
        assert "access-control-allow-origin" not in told.headers


class TestSlowAndLarge:
    def test_a_head_that_never_ends(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(serve, "_HEAD_SECONDS", 1.0)
        parts = urlsplit(served.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as wire:
            wire.sendall(HEAD)
            ended = False
            for _ in range(200):  # a header now and then, so that no single wait is long
                try:
                    wire.sendall(b"X-A: b\r\n")
                except OSError:
                    ended = True
                    break
                time.sleep(0.05)
            assert ended
        # The second request of a connection is no different.
        answers = send(served.url, HEAD + b"\r\n" + HEAD)
        assert answers.statuses == [200]

    @pytest.mark.parametrize("start", [HEAD + b"X-A: ", b"GET /?", b""])
    def test_a_head_without_end(self, served: Served, start: bytes) -> None:
        answers = send(served.url, start + b"a" * (1 << 20), to_the_end=True)
        # It hangs up on what it did not read: the answer may get lost.
        assert answers.statuses in ([431], [400] if not start else [431], [])
        assert answers.closed
        assert httpx.get(f"{served.url}/healthz").status_code == 200

    def test_nothing_is_written_into_an_answer(self, served: Served) -> None:
        """What comes after a request and is none is not answered within that one's answer."""
        target = href_of(served).removeprefix(served.url)
        ask = f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        whole = send(served.url, ask).raw.partition(b"\r\n\r\n")[2]
        assert len(whole) > 1 << 20
        answers = send(served.url, ask + b"garbage\x00\r\n\r\n", to_the_end=True)
        assert (answers.closed, answers.statuses) == (True, [200])
        assert answers.raw.partition(b"\r\n\r\n")[2] == whole

    def test_a_body_is_not_stored(self, served: Served) -> None:
        head = HEAD + b"Content-Length: 1000000000\r\n\r\n"
        answers = send(served.url, head, *[b"x" * (1 << 20)] * 4)
        assert answers.statuses[:1] == [200]
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        answers = send(served.url, head, *[b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"] * 4)
        assert answers.statuses[:1] == [200]


class TestRequestsOfItsOwn:
    """The service sends no request to a host that a caller names, and no redirect."""

    def test_no_parameter_is_fetched(self, served: Served, tmp_path: Path) -> None:
        (tmp_path / "item.json").write_text("{}")
        with RangeServer(tmp_path) as canary:
            url = canary.url("item.json")
            odd = [url, url.replace("http:", ""), f"sentinel-2:{url}", "file:///etc/passwd",
                   f"/vsicurl/{url}", f"landsat:../{url}", "http://169.254.169.254/"]  # fmt: skip
            for text in odd:
                for name in ("scene_id", "bands", "format", "catalog", "radiometry", "sign"):
                    query = {"scene_id": SCENE, name: text}
                    response = served.ask(query)
                    assert response.status_code in (400, 404, 422), (name, text)
                    assert "root:" not in response.text
            names = ("Referer", "Origin", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded",
                     "X-Original-URL", "X-Rewrite-URL", "Destination")  # fmt: skip
            told = served.ask(
                {"scene_id": SCENE, "bands": "red"}, headers=dict.fromkeys(names, url)
            )
            assert told.json()["assets"]["B04"]["href"].startswith(f"{served.url}/assets/sample/")
            assert canary.requests == []

    def test_no_item_url_is_fetched(self, tmp_path: Path, network: Loopback) -> None:
        """The URL of an item says which scene is meant; the catalog is asked at its own place."""
        network.routes["earth-search.aws.element84.com"] = asked = StacApi([])
        with RangeServer(tmp_path) as canary:
            url = canary.url("collections/sentinel-2-l2a/items/S2B_10SEG_20250115_0_L2A")
            with serving(core=core_settings(catalog="earth-search")) as served:
                for text in (url, f"sentinel-2:{url}", url.replace("http://", "s3://")):
                    assert served.ask({"scene_id": text}).status_code in (400, 404)
                right = (
                    "https://earth-search.aws.element84.com/v1/collections/sentinel-2-l2a/items/"
                )
                told = served.ask({"scene_id": f"{right}S2B_10SEG_20250115_0_L2A"})
                assert told.json()["code"] == "scene-not-found"
            assert canary.requests == []
            assert asked.asked
