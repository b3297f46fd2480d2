"""Many odd requests: nothing but documented answers, no traceback, and no secret anywhere.

``ASTRA_FUZZ=10000`` is the full length; some hundred by default.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, urlsplit

import httpx
import pytest

from astra_xr.service import serve
from astra_xr.service.keys import KeyFile
from astra_xr.service.openapi import openapi
from astra_xr.service.problems import PROBLEM_TYPE
from tests.service.conftest import SCENE, Served, serving
from tests.service.wire import Answers, send

COUNT = int(os.environ.get("ASTRA_FUZZ", "300"))
EXPECTED = {200, 206, 304, 400, 401, 403, 404, 405, 409, 412, 416, 422, 431}
"""No catalog is queried here, so no 5xx has a cause."""

DOCUMENTED = {
    (int(status), code)
    for path in openapi()["paths"].values()
    for operation in path.values()
    for status, answer in operation["responses"].items()
    for code in answer.get("content", {}).get(PROBLEM_TYPE, {}).get("examples", ())
}

ODD = [
    "", " ", "\x00", "%00", "%", "%zz", "%c0%ae", "\ufeff", "\u202e", "\u0000A", "\ud7ff", "é" * 40,
    "İ", "ﬁ", "\U0001d7d8", "a\u0300" * 20,
    "\uff07", "\u2024\u2024\uff0f", "../../etc/passwd", "..%2f..%2fetc/passwd",
    "/etc/passwd", "file:///etc/passwd", "/vsicurl/http://127.0.0.1:1/", "http://127.0.0.1:1/",
    "<VRTDataset>", "${jndi:ldap://127.0.0.1:1/a}", "{{7*7}}", "' OR 1=1 --", "$(id)", "`id`",
    "\r\nSet-Cookie: a=b", "%0d%0aSet-Cookie:%20a=b", "-1", "1e309", "NaN", "9" * 400, "[]", "{}",
    "true", "None", "__class__", "red," * 300, ",", "red,,nir", "sentinel-2:", ":", "sentinel-2:*",
    "sentinel-2:" + "A" * 480, "landsat:LC08_L2SP_044034_20171020_02_T1", SCENE, SCENE.lower(),
    SCENE[:-1], "red", "B04", "cog", "png", "sample", "full", "false",
]  # fmt: skip
TAGS = ["*", 'W/"x"', '"', *ODD]
NAMES = [
    "scene_id",
    "bands",
    "format",
    "catalog",
    "radiometry",
    "sign",
    "detail",
    "x",
    "scene_id[]",
]
METHODS = ["GET"] * 12 + [
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
    "G\x00",
]
PATHS = ["/api/v1/assets"] * 6 + ["/assets/", "/healthz", "/docs", "/openapi.json", "/", "/x"]


class Fuzzer:
    """Makes requests up, each from its number, so that a failure can be repeated."""

    def __init__(self, served: Served, href: str) -> None:
        self._key = served.key
        parts = urlsplit(href)
        self._file, self._query = parts.path, parts.query

    def request(self, number: int) -> bytes:
        """Return the bytes of one request."""
        rng = random.Random(number)
        raw = self._file_request(rng) if rng.random() < 0.3 else self._page_request(rng)
        return self._spoiled(raw, rng) if rng.random() < 0.4 else raw

    def _page_request(self, rng: random.Random) -> bytes:
        pairs = [("scene_id", SCENE), ("catalog", "sample")] if rng.random() < 0.5 else []
        pairs += [(rng.choice(NAMES), rng.choice(ODD)) for _ in range(rng.randrange(4))]
        rng.shuffle(pairs)
        query = "&".join(f"{n}={v if rng.random() < 0.2 else quote(v)}" for n, v in pairs)
        # Nothing is converted here: that has tests of its own.
        query = query.replace("png", "cog") if "sign=false" not in query else query
        path = rng.choice(PATHS) + (quote(rng.choice(ODD)) if rng.random() < 0.1 else "")
        return self._whole(rng, f"{path}?{query}")

    def _file_request(self, rng: random.Random) -> bytes:
        path, query = self._file, self._query
        what = rng.random()
        if what < 0.3:
            path = path.rpartition("/")[0] + "/" + rng.choice(ODD)
        elif what < 0.6:
            at = rng.randrange(len(query))
            query = query[:at] + rng.choice(ODD) + query[at + rng.randrange(5) :]
        ranges = ["bytes=0-9", "bytes=-1", "bytes=9-0", "bytes=99999999999-", "bytes=a-b", "=", "",
                  "bytes=" + "0-1," * 2000, "bytes=-" + "9" * 40, "rows=1-2"]  # fmt: skip
        conditions = "".join(
            f"{name}: {rng.choice(TAGS)}\r\n"
            for name in ("If-Match", "If-None-Match", "If-Range", "If-Modified-Since")
            if rng.random() < 0.1
        )
        extra = f"Range: {rng.choice(ranges)}\r\n{conditions}"
        return self._whole(rng, f"{path}?{query}", extra)

    def _whole(self, rng: random.Random, target: str, extra: str = "") -> bytes:
        key = (
            self._key if rng.random() < 0.9 else rng.choice([*ODD, self._key[:-1], f"{self._key}0"])
        )
        host = rng.choice(["h", "h", "h", "127.0.0.1:1", *ODD[:20]])
        if rng.random() < 0.2:
            extra += f"{rng.choice(['X-A', 'Origin', 'Accept', 'Cookie'])}: {rng.choice(ODD)}\r\n"
        head = f"{rng.choice(METHODS)} {target} HTTP/1.1\r\nHost: {host}\r\n"
        text = f"{head}Authorization: Bearer {key}\r\n{extra}\r\n"
        return text.encode("utf-8", "replace")

    @staticmethod
    def _spoiled(raw: bytes, rng: random.Random) -> bytes:
        data = bytearray(raw)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            what = rng.randrange(4)
            if what == 0:
                data[at] = rng.randrange(256)
            elif what == 1:
                data[at:at] = rng.randbytes(rng.randrange(1, 6))
            elif what == 2:
                del data[at : at + rng.randrange(1, 8)]
            else:
                data[at:at] = rng.choice([b"\r\n", b"\n", b"\x00", b" ", b"\t", b":", b"\r\n\r\n"])
        return bytes(data)


def check(number: int, raw: bytes, answers: Answers) -> None:
    told = (number, raw[:300], answers.raw[:600])
    assert set(answers.statuses) <= EXPECTED, told
    head, _, body = answers.raw.partition(b"\r\n\r\n")
    if len(answers.statuses) == 1 and answers.statuses[0] >= 400 and body:
        assert f"content-type: {PROBLEM_TYPE}".encode() in head.lower(), told
        problem = json.loads(body)
        assert problem["status"] == answers.statuses[0], told
        assert (problem["status"], problem["code"]) in DOCUMENTED, told
    assert len(answers.statuses) <= 1 + raw.count(b"HTTP/"), told
    for odd in (b"Traceback", b"\r\nserver:", b"\r\nset-cookie", b"root:x:0", b"site-packages"):
        assert odd not in answers.raw.lower(), told


def test_fuzzed_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_HEAD_SECONDS", 0.1)
    file = KeyFile(tmp_path / "keys.json")
    from_file = file.add("from the file").reveal()
    with serving(keys_file=file.path, rate="none") as served:
        answer = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]
        fuzzer = Fuzzer(served, answer["href"])
        said: list[bytes] = []
        for number in range(COUNT):
            raw = fuzzer.request(number)
            answers = send(served.url, raw, patience=2)
            check(number, raw, answers)
            said.append(answers.raw)
        assert httpx.get(f"{served.url}/healthz").status_code == 200
        assert served.ask({"scene_id": SCENE, "bands": "red"}).status_code == 200
        lines = served.lines
    assert any(b" 200 " in one[:20] for one in said)
    assert any(b" 206 " in one[:20] for one in said)
    assert all(json.loads(line)["event"] for line in lines)
    # Signed URLs stand in answers of 200 alone, and are new each time.
    told = b"".join(one for one in said if b" 200 OK" not in one[:40]).decode("latin-1")
    sweep(told + "\n".join(lines), signatures=re.findall(r"sig=([\w-]{43})", str(said)))
    sweep(b"".join(said).decode("latin-1") + "\n".join(lines), served=served, keys=[from_file])


def sweep(
    text: str,
    *,
    served: Served | None = None,
    keys: list[str] | None = None,
    signatures: list[str] | None = None,
) -> None:
    """Assert that a text contains no secret in any encoding."""
    secrets = set(signatures or ())
    for key in [*(keys or ()), *([served.key] if served else ())]:
        secrets |= {key, key[-64:], key[-64:][:40]}
    if served:
        secrets |= {served.url_key.decode(), served.url_key.hex(), quote_from_bytes(served.url_key)}
        secrets.add(base64.b64encode(served.url_key).decode().rstrip("="))
    assert secrets
    assert not [secret for secret in secrets if secret in text]
