"""The log: what it contains for operators and auditors, and what it never contains."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import httpx
import pytest

from astra_xr.errors import InvalidParameter
from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import KeyFile
from astra_xr.service.logs import JsonLines
from tests.service.conftest import SCENE, Served, serving
from tests.service.wire import send


def lines(served: Served, count: int) -> list[dict[str, Any]]:
    """Return the lines of all requests: each is written once its answer is sent."""
    for _ in range(6000):
        told = [json.loads(line) for line in served.lines]
        found = [each for each in told if each["event"] == "request"]
        if len(found) >= count:
            break
        time.sleep(0.01)
    return found


def test_a_line_for_each_request(tmp_path: Any) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key = file.add("alice of team 7").reveal()
    with serving(keys_file=file.path) as served:
        url = f"{served.url}/api/v1/assets?scene_id={SCENE}&bands=red"
        headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "of-the-proxy"}
        headers["traceparent"] = f"00-{'ab' * 16}-{'cd' * 8}-01"
        asset = httpx.get(url, headers=headers, timeout=60)
        href = asset.json()["assets"]["B04"]["href"]
        answers = [
            asset,
            httpx.get(url, headers={"Authorization": "Bearer x", "traceparent": "00-x-y-01"}),
            httpx.get(href),
            httpx.get(href, headers={"Range": "bytes=10-19"}),
            httpx.head(href),
            httpx.get(href, headers={"If-None-Match": "*"}),
            httpx.get(f"{served.url}/nowhere?secret={key}"),
        ]
        malformed = send(served.url, b"GET /\x00 HTTP/1.1\r\n\r\n").raw
        told = lines(served, 8)
        everything = "\n".join(served.lines)
    for line, answer in zip(told[:-1], answers, strict=True):
        assert line["id"] == answer.headers["x-request-id"]
        assert (line["status"], line["bytes"]) == (answer.status_code, len(answer.content))
        assert (line["level"], line["client"], line["path"]) == (
            "info", "127.0.0.1", answer.request.url.path)  # fmt: skip
        assert line["ms"] > 0
        assert line["time"].endswith("Z")
    assert told[0]["id"] == "of-the-proxy"
    assert [line.get("trace_id") for line in told] == ["ab" * 16, *[None] * 7]
    assert [line["status"] for line in told] == [200, 401, 200, 206, 200, 304, 404, 400]
    owners = [(line["key"], line["key_name"]) for line in told]
    assert owners == [(file.read()[0].id, "alice of team 7"), *[(None, None)] * 7]
    assert told[-1]["id"] in malformed.decode()
    for secret in (key, key[-64:], href.partition("sig=")[2], "secret="):
        assert secret not in everything


def test_lines_of_others_say_no_secret() -> None:
    record = logging.LogRecord(
        "httpx", logging.WARNING, "x.py", 1, "GET %s", ("https://h/a.tif?sig=hUsH0123",), None
    )
    record.url = record.color_message = "https://h/a.tif?sig=hUsH0123"
    try:
        raise ValueError("https://h/b.tif?token=hUsH0123")
    except ValueError:
        record.exc_info = sys.exc_info()
    text = JsonLines().format(record)
    told = json.loads(text)
    assert "hUsH0123" not in text
    assert (told["level"], told["logger"]) == ("warning", "httpx")
    assert "h/a.tif" in told["event"]
    assert told["error"].startswith("ValueError: ")
    assert "Traceback" not in text
    assert "\n" not in text


def test_the_level() -> None:
    assert ServiceSettings.from_env({"ASTRA_LOG_LEVEL": "WARNING"}).log_level == "warning"
    with pytest.raises(InvalidParameter, match="ASTRA_LOG_LEVEL.*info, warning, error"):
        ServiceSettings.from_env({"ASTRA_LOG_LEVEL": "loud"})
