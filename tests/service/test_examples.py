"""The examples of the OpenAPI document are what the service answers.

``ASTRA_EXAMPLES=write pytest tests/service/test_examples.py`` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

import astra_xr.service
from astra_xr import errors
from astra_xr.service.problems import PLAIN, STATUS, problem
from astra_xr.service.signing import FIELDS
from conftest import Loopback
from tests.service.conftest import SCENE, Served, serving
from tests.service.test_table import ROWS, two_a_minute
from tests.service.wire import send

FILE = Path(astra_xr.service.__path__[0]) / "examples.json"

# Of another time, machine or release these differ.
VARYING = [
    (r"http://127\.0\.0\.1:\d+", "https://resolver.example"),
    (r"(?<=sig=)[\w-]{43}", "KVtMt9xBbJoFzUCqM9TNFJvYhBXmJqZ1uT0bJ6gM4Dk"),
    (r"(?<=exp=)\d+", "1736971200"),
    (r'(?<="expires_at": ")[^"]+', "2025-01-15T20:00:00Z"),
    (r"(?<=for )\d+(?= s)|(?<=after )\d+(?= s)", "57"),
    (r'(?<="retry_after": )[\d.]+', "57.0"),
    (r"/sample/[\w.-]+/", "/sample/v1/"),
    (r'(?<="file:size": )\d+', "262144"),
    (r"127\.0\.0\.1", "earth-search.aws.element84.com"),
]
WRITE = os.environ.get("ASTRA_EXAMPLES") == "write"
REQUEST_ID = "5f2b1c0d9e8a7b6c"

RARE: list[errors.AstraError] = [
    errors.ConversionsBusy(
        service="The resolver service",
        reason="100 conversions of this key are waiting",
        retry_after=57.0,
        hint="Finished conversions are kept: repeat the request.",
    ),
    errors.InvalidItem(item="S2B_10SEG_20250115_0_L2A", reason="it has no assets"),
    errors.SigningError(
        href="https://zipper.dataspace.copernicus.eu/odata/v1/B04.jp2",
        reason="reading it needs the service's own account",
        hint="Use format=geotiff, which the service converts and serves itself.",
    ),
    errors.ReadError(
        source="S2B_10SEG_20250115_0_L2A, B04",
        href="https://storage.example/B04.tif",
        reason="its storage answered HTTP 404",
    ),
    errors.MissingExtra(extra="aws", purpose="reading AWS profiles", package="boto3"),
]
"""What takes much to bring about."""


def same(told: Any) -> Any:
    """Return an answer without what differs each time."""
    text = json.dumps(told, ensure_ascii=False)
    if isinstance(told, dict) and "request_id" in told:
        text = text.replace(told["request_id"], REQUEST_ID)
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return json.loads(text)


def of_rows(folder: Path, network: Loopback) -> dict[str, Any]:
    """Return problems from their real causes."""
    found: dict[str, Any] = {}
    for number, row in enumerate(ROWS):
        if row.raised.code not in found:
            (own := folder / str(number)).mkdir()
            with row.setting(own, network) as changes, serving(**changes) as served:
                found[row.raised.code] = served.ask(f"scene_id={row.scene}&{row.query}").json()
    with two_a_minute(folder, network) as changes, serving(**changes) as served:
        answers = [served.ask("scene_id=x") for _ in range(3)]
        found["rate-limited"] = answers[-1].json()
    return found


def of_files(served: Served, href: str) -> dict[str, Any]:
    """Return problems that need no cause but an odd request."""
    answers = [
        served.ask(headers={"Authorization": "Bearer x"}),
        httpx.get(href + "x"),
        httpx.post(href),
        httpx.get(f"{served.url}/nowhere"),
        httpx.get(href, headers={"If-Match": '"x"'}),
        httpx.get(href, headers={"Range": "bytes=999999999-"}),
    ]
    raw = [send(served.url, each).raw for each in (b"\r\n\r\nx\r\n\r\n", b"GET /" + b"a" * 70_000)]
    bodies = [answer.json() for answer in answers]
    bodies += [json.loads(each.partition(b"\r\n\r\n")[2]) for each in raw]
    return {each["code"]: each for each in bodies}


@pytest.fixture
def made(tmp_path: Path, network: Loopback, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Examples as the service answers now."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    problems = {each.code: json.loads(bytes(problem(each, REQUEST_ID).body)) for each in RARE}
    problems |= of_rows(tmp_path, network)
    with serving() as served:
        answer = served.ask({"scene_id": SCENE, "bands": "red,nir"}).json()
        href = answer["assets"]["B04"]["href"]
        problems |= of_files(served, href)
        ready, alive = (httpx.get(f"{served.url}/{name}").json() for name in ("readyz", "healthz"))
    query = dict(parse_qsl(urlsplit(same({"href": href})["href"]).query))
    return {
        "answer": same(answer),
        "signature": [query[name] for name in FIELDS],
        "alive": alive,
        "ready": ready,
        "unready": ready | {"ready": False, "store": False},
        "problems": {code: same(problems[code]) for code in sorted(problems)},
    }


def test_examples_are_real(made: dict[str, Any]) -> None:
    if WRITE:
        FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    written = json.loads(FILE.read_text("utf-8"))
    for code, each in written["problems"].items():
        assert made["problems"][code] == each
    assert written == made
    codes = {cls.code for cls in STATUS} | {code for code, _ in PLAIN.values()}
    assert set(made["problems"]) == codes
