"""Requests that no decent client sends, each with its one right answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from astra_xr.service import serve
from astra_xr.service.keys import new_key
from tests.service.conftest import SCENE, Served, serving
from tests.service.wire import send

API = "/api/v1/assets"


@dataclass(frozen=True)
class Odd:
    """A request, and its answer.

    In path and headers ``{scene}`` is a scene's id, ``{key}`` a good key, ``{unknown}`` one of
    nobody, ``{path}`` and ``{query}`` those of a signed URL, ``{folder}`` where its file lies.
    """

    path: str
    status: int

    code: str | None = None
    """Of the problem document; None: of a 400 or 431 that the parser gives, its own."""

    method: str = "GET"
    headers: tuple[str, ...] = ("Host: h",)
    body: bytes = b""
    version: str = " HTTP/1.1"
    keyed: bool = False
    words: str = ""

    def __str__(self) -> str:
        """Return the name of the test."""
        told = f"{self.method} {self.path} {'|'.join(self.headers)}{self.version}"
        return told.replace("Host: h", "").encode("unicode_escape").decode()[:90]


def asked(query: str, status: int, code: str | None = None, words: str = "", **more: Any) -> Odd:
    return Odd(f"{API}?{query}", status, code, keyed=True, words=words, **more)


def keyless(value: str | None) -> Odd:
    """Return a request with a bad ``Authorization``, or none."""
    given = ("Host: h",) if value is None else ("Host: h", f"Authorization: {value}")
    return Odd(f"{API}?scene_id={{scene}}", 401, "authentication-required", headers=given)


def file(path: str, status: int, code: str | None = None, **more: Any) -> Odd:
    return Odd(path, status, code, **more)


def altered(pattern: str, new: str) -> Odd:
    """Return a request with a signed URL whose query was changed."""
    return Odd("{path}?{query}", 403, "forbidden", words=f"{pattern}→{new}")


def head(*lines: str, status: int, code: str | None = None, **more: Any) -> Odd:
    """Return a request of something harmless with odd headers."""
    return Odd("/healthz", status, code, headers=("Host: h", *lines), **more)


PARAMETERS = [
    asked("", 400, "invalid-parameter", "an id such as"),
    asked("scene_id=", 400, "invalid-parameter", "an id such as"),
    asked("scene_id", 400, "invalid-parameter", "an id such as"),
    asked("bands=red", 400, "invalid-parameter", "an id such as"),
    asked("scene_id=%20", 400, "invalid-scene-id", "Forms that work"),
    asked("scene_id=nonsense", 400, "invalid-scene-id", "Forms that work"),
    asked("scene_id=sentinel-2:", 400, "invalid-scene-id"),
    asked("scene_id=sentinel-2:*", 400, "invalid-scene-id"),
    asked("scene_id=sentinel-9:x", 400, "invalid-scene-id"),
    asked("scene_id=..%2F..%2Fetc%2Fpasswd", 400, "invalid-scene-id"),
    asked("scene_id=%2Fetc%2Fpasswd", 400, "invalid-scene-id"),
    asked("scene_id=file:///etc/passwd", 400, "invalid-scene-id"),
    asked("scene_id=http://169.254.169.254/latest/meta-data/", 400, "invalid-scene-id"),
    asked("scene_id=/vsicurl/http://127.0.0.1:1/", 400, "invalid-scene-id"),
    asked("scene_id=%7B%22id%22:%22x%22%7D", 400, "invalid-scene-id"),
    asked("scene_id=%24%7Bjndi:ldap://127.0.0.1:1/a%7D", 400, "invalid-scene-id"),
    asked("scene_id=%27%20OR%201=1%20--", 400, "invalid-scene-id"),
    asked("scene_id=%EF%BC%93", 400, "invalid-scene-id"),
    asked("scene_id={scene}%00", 400, "invalid-parameter", "printable characters"),
    asked("scene_id={scene}%0d%0aSet-Cookie:%20a=b", 400, "invalid-parameter", "printable"),
    asked("scene_id={scene}%E2%80%AE", 400, "invalid-parameter", "printable"),
    asked("scene_id=%EF%BB%BF{scene}", 400, "invalid-parameter", "printable"),
    asked("scene_id={scene}%ff", 400, "invalid-parameter", "percent-encoded UTF-8"),
    asked("scene_id=%ED%A0%80", 400, "invalid-parameter", "percent-encoded UTF-8"),
    asked("scene_id=%C0%AE", 400, "invalid-parameter", "percent-encoded UTF-8"),
    asked("scene_id={scene}%zz", 400, "invalid-scene-id"),
    asked(f"scene_id={'a' * 501}", 400, "invalid-parameter", "at most 500"),
    asked(f"scene_id={'a' * 9000}", 400, "invalid-parameter", "at most 8000"),
    asked("&".join(["scene_id={scene}"] * 30), 400, "invalid-parameter", "at most 8000"),
    asked("scene_id=sentinel-2:S2A_MSIL2A_20200101T000000", 404, "scene-not-found", "found in the"),
    asked("scene_id={scene}&scene_id={scene}", 400, "invalid-parameter", "expected one value"),
    asked("scene_id={scene}&bands=red&bands=nir", 400, "invalid-parameter", "one value"),
    asked("scene_id={scene}&band=red", 400, "invalid-parameter", "scene_id, bands, format"),
    asked("scene_id[]={scene}", 400, "invalid-parameter", "scene_id, bands, format"),
    asked("Scene_Id={scene}", 400, "invalid-parameter", "scene_id, bands, format"),
    asked("scene_id={scene}&=x", 400, "invalid-parameter", "scene_id, bands, format"),
    asked("scene_id={scene}&sig=x", 400, "invalid-parameter", "scene_id, bands, format"),
    asked("scene_id={scene}&__class__=x", 400, "invalid-parameter"),
    asked("scene_id={scene}&Authorization=Bearer%20{key}", 400, "invalid-parameter"),
    asked("scene_id={scene};bands=red", 400, "invalid-scene-id"),
    asked("scene_id={scene}&bands=nirr", 422, "unknown-band", "Did you mean 'nir'"),
    asked("scene_id={scene}&bands=rededge", 422, "ambiguous-band", "B05"),
    asked("scene_id={scene}&bands=../B04", 422, "unknown-band"),
    asked("scene_id={scene}&bands=B04%2500", 422, "unknown-band"),
    asked("scene_id={scene}&bands=-1", 422, "unknown-band"),
    asked("scene_id={scene}&bands=" + "9" * 400, 422, "unknown-band"),
    asked("scene_id={scene}&bands=red%00", 400, "invalid-parameter", "printable"),
    asked("scene_id={scene}&bands=" + "red," * 300, 400, "invalid-parameter", "at most 200"),
    asked("scene_id={scene}&bands=" + "a" * 4001, 400, "invalid-parameter", "at most 4000"),
    asked("scene_id={scene}&bands=,", 400, "invalid-parameter", "at least one band"),
    asked("scene_id={scene}&bands=red,red", 400, "invalid-parameter", "each band once"),
    asked("scene_id={scene}&bands=red,B04", 400, "invalid-parameter", "each band once"),
    asked("scene_id={scene}&format=gif", 400, "invalid-format", "one of cog, geotiff, png, jpeg"),
    asked("scene_id={scene}&format=", 400, "invalid-format"),
    asked("scene_id={scene}&format=cog%00", 400, "invalid-parameter"),
    asked("scene_id={scene}&catalog=http://10.0.0.1/", 400, "invalid-parameter", "earth-search"),
    asked("scene_id={scene}&catalog=/etc", 400, "invalid-parameter", "earth-search"),
    asked("scene_id={scene}&catalog=Sample", 400, "invalid-parameter", "earth-search"),
    asked("scene_id={scene}&catalog=", 400, "invalid-parameter", "earth-search"),
    asked("scene_id={scene}&radiometry=best", 400, "invalid-parameter", "auto"),
    asked("scene_id={scene}&sign=maybe", 400, "invalid-parameter", "true, false"),
    asked("scene_id={scene}&sign=True", 400, "invalid-parameter", "true, false"),
    asked("scene_id={scene}&detail=everything", 400, "invalid-parameter", "full"),
    # What is odd, and still right.
    asked("scene_id={scene}&bands=", 200),
    asked("scene_id={scene}&bands=red,,nir", 200),
    asked("scene_id={scene}&bands=%20red%20", 200),
    asked("&&scene_id={scene}&bands=red&", 200),
    asked("scene_id={scene}&bands=red", 200, method="HEAD"),
    asked("scene_id={scene}&bands=red", 200, headers=("Host: h", "Content-Length: 3"), body=b"abc"),
    asked("scene_id={scene}&bands=red", 200, headers=("Host: h", "X-Forwarded-Host: evil.example",
          "X-Forwarded-Proto: gopher", "Forwarded: host=evil.example", "X-Original-URL: /metrics",
          "X-HTTP-Method-Override: DELETE", "X-Request-ID: a b", "traceparent: x")),
]  # fmt: skip

KEYS = [
    keyless(value)
    for value in (
        None, "", "Bearer", "Bearer ", "Bearer x", "Basic abc", "Bearer {key}0", "Bearer {key}0x",
        "Bearer {key} x", "Bearer  Bearer {key}", "{key}", "Token {key}", "Bearer, {key}",
        "Bearer {unknown}", "Bearer astra_sk_live_00000000_" + "0" * 64, "Bearer " + "a" * 5000,
        "Bearer \xff\xfe", 'Digest username="a"', "Bearer null", "Bearer *",
    )
] + [
    Odd(f"{API}?scene_id={{scene}}&api_key={{key}}", 401, "authentication-required"),
    Odd(f"{API}?scene_id={{scene}}", 401, "authentication-required",
        headers=("Host: h", "Cookie: key={key}", "X-API-Key: {key}")),
    Odd(f"{API}?scene_id={{scene}}", 401, "authentication-required",
        headers=("Host: h", "Authorization: x", "Authorization: Bearer {key}")),
    # The scheme's case does not matter, and space before the key neither.
    Odd(f"{API}?scene_id=x", 400, "invalid-scene-id",
        headers=("Host: h", "authorization: bEARER {key}")),
    Odd(f"{API}?scene_id=x", 400, "invalid-scene-id",
        headers=("Host: h", "Authorization: Bearer   {key}")),
]  # fmt: skip

HOSTS = [
    *(asked("scene_id={scene}", 400, "invalid-parameter", headers=(f"Host: {host}",))
      for host in ("", "a b", "h/x", "h?x", "u@h", "h:x", "h:99999999", "[::1", "<script>", "h#x",
                   "h\\x", "[::1]x", "a" * 300)),
    Odd("/healthz", 400, "invalid-parameter", headers=()),
    Odd("/healthz", 400, "invalid-parameter", headers=("Host: a", "Host: b")),
    Odd("/healthz", 400, "invalid-parameter", headers=("Host: a", "Host: a")),
    Odd("/healthz", 200, headers=(), version=" HTTP/1.0"),
    asked("scene_id=x", 400, "invalid-scene-id", headers=("Host: [::1]:8000",)),
]  # fmt: skip

PATHS = [
    *(Odd(path, 404, "not-found")
      for path in ("/", "/x", "//", "/docs/", "/DOCS", "/readyz/", "/api/v1/assets/", "/api/v1",
                   "/api/v2/assets", "/metrics", "/favicon.ico", "/robots.txt", "/.env",
                   "/.git/config", "/openapi.json/", "//evil.example/%2e%2e", "/docs%2f",
                   "//evil.example/docs/", "/\\evil.example/", "/.//evil.example/", "/docs%00",
                   "/healthz%0d%0aX:y", "/%", "/%zz", "/%ff", "/docs;x=1", "/../docs", "/{key}",
                   "/" + "a" * 5000, "/%2568ealthz", "/assets", "/cgi-bin/../../bin/sh",
                   "/api/v1/assets/../../../etc/passwd")),
    Odd("/%68ealthz", 200),
    Odd("/healthz?x=1&x=2", 200),
    Odd("/docs#x", 200),
    Odd("/metrics", 405, "method-not-allowed", method="TRACE"),
    *(Odd("/healthz", 405, "method-not-allowed", method=method)
      for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")),
    asked("scene_id={scene}", 405, "method-not-allowed", method="POST"),
    Odd(API, 405, "method-not-allowed", method="OPTIONS",
        headers=("Host: h", "Origin: https://evil.example", "Access-Control-Request-Method: GET")),
    Odd("/healthz", 200, method="HEAD"),
    *(Odd("/healthz", 400, method=method)
      for method in ("get", "BREW", "GETT", "G\x00", "", " GET", "GET\t", "GET /x", "ИЗ")),
]  # fmt: skip

FILES = [
    *(file(path, 403, "forbidden")
      for path in ("{path}", "{path}?", "{path}?x", "{path}?{query}&sig=x",
                   "{path}?{query}&v=1", "{path}?{query}%00", "{path}x?{query}",
                   "{path}/?{query}", "{path}%00?{query}", "{path}?v=1&exp=9999999999&kid=t&sig=",
                   "{folder}/?{query}", "{folder}?{query}", "{folder}/B08.tif?{query}",
                   "/assets/?{query}", "/assets/x",
                   "/assets//{path}?{query}", "/assets/converted/x?{query}",
                   "{folder}/../outside/secret.txt?{query}", "{folder}/..%2foutside?{query}",
                   "{folder}/%2e%2e/outside/x?{query}", "{folder}/%252e%252e/x?{query}",
                   "{folder}/..\\outside\\secret.txt?{query}", "{folder}/..;/x?{query}",
                   "{folder}//etc/passwd?{query}", "/assets/..%2f..%2fetc%2fpasswd?{query}",
                   "/assets/" + "a" * 5000 + "?{query}", "{path}?{query}&" + "a=b&" * 300)),
    *(altered(*change)
      for change in (("exp=\\d+", "exp="), ("exp=\\d+", "exp=-1"), ("exp=\\d+", "exp=1000"),
                     ("exp=\\d+", "exp=1e12"), ("exp=\\d+", "exp=" + "9" * 900),
                     ("exp=\\d+", "exp=%EF%BC%99"), ("exp=(\\d)", r"exp=0\1"),
                     ("v=1", "v=2"), ("v=1", "v="), ("v=1", "v=1&v=1"), ("kid=t", "kid=u"),
                     ("kid=t", "kid="), ("kid=t", "kid=T"), ("sig=.", "sig="), ("sig=", "sig=A"),
                     ("sig=.*", "sig="), ("sig=", "Sig="), (".$", ""), ("$", "A"), ("$", "="),
                     ("^", "&"), ("&", ";"))),
    *(file("{path}?{query}", 405, "method-not-allowed", method=method)
      for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")),
    file("{path}?{query}", 200, method="HEAD"),
    # What is not signed has no effect.
    file("{path}?{query}&x=y", 200),
    file("{path}?{query}#x", 200),
    file("{path}?{query}", 416, "range-not-satisfiable",
         headers=("Host: h", "Range: bytes=99999999999-")),
    file("{path}?{query}", 206, headers=("Host: h", "Range: bytes=0-0")),
    file("{path}?{query}", 412, "precondition-failed", headers=("Host: h", 'If-Match: "x"')),
    file("{path}?{query}", 200, headers=("Host: h", "Range: bytes=" + "0-1," * 2000)),
]  # fmt: skip

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"

FRAMES = [
    head("Content-Length: 5", "Content-Length: 6", status=400, body=b"hello"),
    head("Content-Length: 5, 6", status=400, body=b"hello"),
    head("Content-Length: +5", status=400, body=b"hello"),
    head("Content-Length: -5", status=400, body=b"hello"),
    head("Content-Length: 0x5", status=400, body=b"hello"),
    head("Content-Length: 99999999999999999999999", status=400),
    head("Content-Length : 5", status=400, body=b"hello"),
    head("Transfer-Encoding: chunked", "Content-Length: 4", status=400, body=SMUGGLED),
    head("Content-Length: 4", "Transfer-Encoding: chunked", status=400, body=b"0\r\n\r\n"),
    head("Transfer-Encoding: xchunked", "Content-Length: 4", status=400, body=SMUGGLED),
    head("Transfer-Encoding: chunked, identity", status=400, body=b"0\r\n\r\n" + SMUGGLED),
    head("Transfer-Encoding:\x0bchunked", status=400, body=b"0\r\n\r\n"),
    head("Transfer-Encoding: chunked", status=400, body=b"zz\r\nhello\r\n0\r\n\r\n"),
    head("X-A: b\r\n folded", status=400),
    head("X-A: b\r\n\tfolded", status=400),
    head("X-A: b\x00c", status=400),
    head("X-A: b\rc", status=400),
    head("X\x00A: b", status=400),
    head(": b", status=400),
    head("no colon", status=400),
    head("X A: b", status=400),
    head("X-A: \xff\xfe", status=200),
    head("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x", status=200),
    head("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", status=200),
    head("Expect: 100-continue", "Content-Length: 5", status=200),
    head("Content-Length: 1000000000", status=200, body=b"x" * 10_000),
    head("Connection: close, X-Request-ID", status=200),
    head("Accept: application/xml;q=1", "Accept-Encoding: zstd;q=x", status=200),
    head("Cookie: " + "a" * 60_000, status=200),
    head("X-A: " + "a" * 70_000, status=431),
    head(*["X-A: b"] * 12_000, status=431),
    Odd("/?" + "a" * 70_000, 431),
    Odd("/healthz", 400, headers=("Host: h\nX: y",)),
    Odd(" /healthz ", 200),
    Odd("/health\x00z", 400),
    Odd("http://evil.example/healthz", 200),
    Odd("ftp://evil.example/healthz", 200),
    Odd("healthz", 400),
    Odd("*", 404, "not-found"),
    Odd("*", 404, "not-found", method="OPTIONS"),
    Odd("evil.example:443", 400, method="CONNECT"),
    Odd("/healthz", 400, version=" HTTP/9.9"),
    Odd("/healthz", 400, version=" HTTP/1.1 x"),
    Odd("/healthz", 400, version=" http/1.1"),
    Odd("/healthz", 400, version=""),
    Odd("*", 400, method="PRI", version=" HTTP/2.0", body=b"SM\r\n\r\n"),
    Odd("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, method="", headers=(), version=""),
]  # fmt: skip

ODD = [*PARAMETERS, *KEYS, *HOSTS, *PATHS, *FILES, *FRAMES]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Served, dict[str, str]]]:
    """The service, and the values for the placeholders of the rows."""
    with pytest.MonkeyPatch.context() as patch, serving(rate="none") as served:
        patch.setattr(serve, "_HEAD_SECONDS", 2.0)
        assets = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]
        path, _, query = assets["B04"]["href"].removeprefix(served.url).partition("?")
        folder = path.rpartition("/")[0]
        yield served, {"scene": SCENE, "key": served.key, "path": path, "query": query,
                       "folder": folder, "unknown": new_key("nobody")[1].reveal()}  # fmt: skip


def test_there_are_many() -> None:
    assert len(ODD) > 200
    assert len({(each, each.words) for each in ODD}) == len(ODD)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_request(odd: Odd, service: tuple[Served, dict[str, str]]) -> None:
    served, words = service
    path, says = odd.path, odd.words
    if "→" in says:
        pattern, new = says.split("→")
        words, says = words | {"query": re.sub(pattern, new, words["query"], count=1)}, ""
        assert words != service[1]
    lines = [*odd.headers, *(("Authorization: Bearer {key}",) if odd.keyed else ())]
    fill = lambda text: re.sub(r"\{(\w+)\}", lambda m: words[m[1]], text)  # noqa: E731
    text = "\r\n".join(map(fill, (f"{odd.method} {path}{odd.version}", *lines, "", "")))
    answers = send(served.url, text.encode("latin-1", "replace") + odd.body)
    told = answers.raw
    assert answers.statuses[:1] == [odd.status], told
    # What one reader takes for a second request is none for another.
    assert len(answers.statuses) <= 1 + (b"100 Continue" in told), told
    for hidden in (b"Traceback", b"\r\nserver:", b"\r\nlocation:", b"\r\nset-cookie:", b"root:",
                   served.key.encode(), b"site-packages", b"evil.example/assets"):  # fmt: skip
        assert hidden not in told, told
    headers, _, body = told.partition(b"\r\n\r\n")
    code = odd.code or {400: "malformed-request", 431: "head-too-long"}.get(odd.status)
    if code:
        assert b"\r\ncontent-type: application/problem+json" in headers.lower()
        problem = json.loads(body)
        assert (problem["status"], problem["code"]) == (odd.status, code), problem
        assert says in problem["detail"], problem
    else:
        assert b"problem+json" not in headers, told


def test_it_lives_on(service: tuple[Served, dict[str, str]]) -> None:
    assert httpx.get(f"{service[0].url}/healthz").status_code == 200
    assert urlsplit(service[0].url).port
