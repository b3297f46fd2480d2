"""The HTTP client: retries, time, and every failure as one of our errors."""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from astra_xr.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.model import SignedUrl
from astra_xr.net import retries
from astra_xr.net.client import fetch_json, redirect_of
from astra_xr.net.retries import TimeLimit, in_threads, time_left, time_limited, waiting
from astra_xr.testing import RangeServer, Reply
from conftest import Loopback
from tests import faulty

HOST = "catalog.example"
URL = f"https://{HOST}/search?sig=SECRET"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would sleep between attempts; nothing really sleeps."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setenv("ASTRA_PATIENCE", "30")
    return slept


def script(network: Loopback, *answers: httpx.Response | Exception) -> list[str]:
    """Answer one by one, the last one repeatedly; returns the hosts and methods of the requests."""
    asked: list[str] = []

    def act(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        now = answers[min(len(asked), len(answers)) - 1]
        if isinstance(now, Exception):
            raise now
        return httpx.Response(now.status_code, headers=now.headers, content=now.content)

    network.routes[HOST] = act
    return asked


def fetch(timeout: float = 10, **kwargs: Any) -> Any:
    return fetch_json("The catalog", URL, timeout=timeout, **kwargs)


GOOD = httpx.Response(200, json={"id": 1})


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx.Response(status) for status in (429, 500, 502, 503, 504)),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("hung up"),
    ],
)
@pytest.mark.parametrize("body", [None, {"ids": []}])
def test_what_passes_is_tried_again(
    network: Loopback, naps: list[float], fault: Any, body: Any
) -> None:
    asked = script(network, fault, fault, GOOD)
    assert fetch(body=body) == {"id": 1}
    assert asked == ["POST" if body else "GET"] * 3
    assert len(naps) == 2
    # Full jitter: anything up to a bound that doubles.
    assert 0 <= naps[0] <= 0.5
    assert 0 <= naps[1] <= 1


@pytest.mark.parametrize("status", [400, 401, 403, 405, 501])
def test_a_refusal_is_not_tried_again(network: Loopback, naps: list[float], status: int) -> None:
    asked = script(network, httpx.Response(status, text="sig=SECRET"))
    with pytest.raises(UpstreamError, match=rf"refused the request \(HTTP {status}\)") as caught:
        fetch()
    assert len(asked) == 1
    assert "SECRET" not in str(caught.value)


def test_a_failure_that_lasts_is_raised_when_patience_ends(
    network: Loopback, naps: list[float]
) -> None:
    asked = script(network, httpx.Response(503))
    with pytest.raises(UpstreamUnavailable, match=r"The catalog: down \(HTTP 503\)"):
        fetch()
    assert len(asked) > 4
    assert 20 < sum(naps) <= 30


def test_a_failure_that_is_likely_to_last_is_raised_soon(
    network: Loopback, naps: list[float]
) -> None:
    script(network, httpx.Response(500))
    with pytest.raises(UpstreamError, match="HTTP 500"):
        fetch()
    network.routes["nowhere.example"] = lambda _: httpx.Response(200)
    script(network, httpx.ConnectError("unknown name"))
    retries._answered.discard(HOST)
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        fetch()
    assert sum(naps) <= 2 * 5


@pytest.mark.parametrize("count", [1, 3])
def test_a_time_limit_holds_in_the_threads_of_its_requests_too(count: int) -> None:
    with time_limited(TimeLimit(until=time.monotonic() + 5)):
        found = in_threads(lambda number: (number, time_left() <= 5), range(count), 2)
    assert found == [(number, True) for number in range(count)]
    assert in_threads(lambda _: time_left(), range(count), 2) == [math.inf] * count


def test_within_a_time_limit_failures_cost_no_more(network: Loopback) -> None:
    script(network, httpx.Response(503))
    troubles: list[Exception] = []
    limit = TimeLimit(until=time.monotonic() + 3, troubled=troubles.append)
    with pytest.MonkeyPatch.context() as patch, time_limited(limit):
        patch.setenv("ASTRA_PATIENCE", "3600")
        with pytest.raises(UpstreamUnavailable, match="HTTP 503"):
            fetch()
        limit.over.set()
        script(network, httpx.Response(429, headers={"Retry-After": "0"}))
        with pytest.raises(UpstreamUnavailable, match="HTTP 429"):
            fetch()
    assert troubles
    assert all("HTTP 503" in str(error) for error in troubles)


def test_a_short_retry_after_is_respected(network: Loopback, naps: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    for header, least, most in (("3", 3, 3), (soon, 2, 4)):
        naps.clear()
        script(network, httpx.Response(429, headers={"Retry-After": header}), GOOD)
        assert fetch() == {"id": 1}
        (slept,) = naps
        # No earlier, and not all at once.
        assert least <= slept <= 1.2 * most


@pytest.mark.parametrize("header", ["57", "later", "99999999999999999999", "²"])
def test_a_long_retry_after_is_an_error_at_once(
    network: Loopback, naps: list[float], header: str
) -> None:
    asked = script(network, httpx.Response(429, headers=[(b"Retry-After", header.encode())]))
    with pytest.raises(UpstreamUnavailable, match="too many requests") as caught:
        fetch()
    told = header.isascii() and header.isdigit()
    assert caught.value.retry_after == (float(header) if told else None)
    assert (len(asked) == 1) is told
    assert told is ("ASTRA_PATIENCE" in str(caught.value))


def test_a_wait_in_the_text_of_an_answer_is_respected(network: Loopback, naps: list[float]) -> None:
    for seconds in (23, 33):
        text = f"Rate limit is exceeded. Try again in {seconds} seconds."
        script(network, httpx.Response(429, json={"message": text}), GOOD)
        if seconds == 23:
            assert fetch() == {"id": 1}
        else:
            with pytest.raises(UpstreamUnavailable, match=", retry after 33 s"):
                fetch()
    assert 23 <= naps[0] <= 28


def test_a_wait_is_logged_once(
    network: Loopback, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    script(network, busy, busy, GOOD)
    assert fetch() == {"id": 1}
    assert caplog.text.count(f"waiting for {HOST}, asked to wait 7 s") == 1
    assert f"waiting for {HOST}" in waiting()


@pytest.mark.parametrize("misbehave", [faulty.hang, faulty.trickle])
def test_each_try_is_in_time(
    network: Loopback, misbehave: faulty.Misbehave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "2")
    with faulty.serve(misbehave) as url:
        network.routes[HOST] = url
        with pytest.raises(UpstreamTimeout, match=f"{HOST} did not answer in time"):
            fetch(timeout=0.2)
    assert 1 < len(network.log) <= 2 / 0.2 + 1


def test_an_answer_that_makes_progress_is_not_cut_off(network: Loopback) -> None:
    def slow(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        body = b'"' + b" " * (8 << 16) + b'"'
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for at in range(0, len(body), 1 << 16):
            handler.wfile.write(body[at : at + (1 << 16)])
            over.wait(0.4)

    with faulty.serve(slow) as url:
        network.routes[HOST] = url
        assert len(fetch(timeout=3)) == 8 << 16
    assert len(network.log) == 1


def test_an_answer_that_breaks_off(network: Loopback) -> None:
    tries: list[int] = []

    def once(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        tries.append(1)
        good = faulty.answer(200, b'{"id": 1}')
        (faulty.reset if len(tries) == 1 else good)(handler, over)

    with faulty.serve(once) as url:
        network.routes[HOST] = url
        assert fetch() == {"id": 1}
    with faulty.serve(faulty.reset) as url:
        network.routes[HOST] = url
        with pytest.raises(UpstreamUnavailable, match=f"{HOST} cannot be reached"):
            fetch()


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a":']
)
def test_what_is_no_json(network: Loopback, content: bytes) -> None:
    script(network, httpx.Response(200, content=content))
    with pytest.raises(UpstreamError, match="the answer is not JSON"):
        fetch()


def test_an_answer_that_never_ends(network: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astra_xr.net.client._LARGEST", 1 << 20)
    script(network, httpx.Response(200, content=b" " * (2 << 20)))
    with pytest.raises(UpstreamError, match="larger than 1 MiB"):
        fetch()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": URL}),
        httpx.Response(302, headers={"Location": "http://["}),
        httpx.Response(302, headers={"Location": "ftp://x/"}),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"odd")),
    ],
)
def test_odd_answers(network: Loopback, naps: list[float], answer: httpx.Response) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    network.routes[HOST] = act
    with pytest.raises(UpstreamError) as caught:
        fetch()
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


def test_nothing_there(network: Loopback) -> None:
    script(network, httpx.Response(404, json={"code": "NotFound"}))
    assert fetch() is None


def test_what_the_transport_logs_holds_no_signature(
    tmp_path: Path, network: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    to = "https://cdn.example/B04.tif?Signature=HUSH"
    caplog.set_level(logging.DEBUG)
    with RangeServer(tmp_path) as server:
        server.rule = lambda _: Reply(status=303, headers={"Location": to, "Set-Cookie": "HUSH"})
        url = SignedUrl(url=server.url("a.tif", sig="HUSH"))
        status, target = redirect_of("store", url, timeout=5)
    assert (status, target) == (303, SignedUrl(url=to))
    assert "receive_response_headers.complete" in caplog.text
    assert "HUSH" not in caplog.text
