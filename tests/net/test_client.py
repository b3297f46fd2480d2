"""The HTTP client: retries, time, and every failure as one of our errors."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from astra_xr.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json, redirect_of
from astra_xr.testing import RangeServer, Reply
from conftest import Loopback
from tests import faulty

HOST = "catalog.example"
URL = f"https://{HOST}/search?sig=SECRET"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it slept between tries; nobody really sleeps."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def script(network: Loopback, *answers: httpx.Response | Exception) -> list[str]:
    """Answer one by one, the last one for ever; returns who was asked with which method."""
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


def test_tries_are_counted(network: Loopback, naps: list[float]) -> None:
    asked = script(network, httpx.Response(503))
    with pytest.raises(UpstreamUnavailable, match=r"The catalog: down \(HTTP 503\)"):
        fetch()
    assert len(asked) == 4


def test_a_short_wait_that_is_asked_for_is_kept(network: Loopback, naps: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    for header, least, most in (("3", 3, 3), (soon, 2, 4)):
        naps.clear()
        script(network, httpx.Response(429, headers={"Retry-After": header}), GOOD)
        assert fetch() == {"id": 1}
        (slept,) = naps
        assert least <= slept <= most


@pytest.mark.parametrize("header", ["57", "later", "99999999999999999999", "²"])
def test_a_long_wait_is_told_at_once(network: Loopback, naps: list[float], header: str) -> None:
    asked = script(network, httpx.Response(429, headers=[(b"Retry-After", header.encode())]))
    with pytest.raises(UpstreamUnavailable, match="too many requests") as caught:
        fetch()
    told = header.isascii() and header.isdigit()
    assert caught.value.retry_after == (float(header) if told else None)
    assert len(asked) == (1 if told else 4)


def test_a_wait_that_is_told_in_the_text(network: Loopback, naps: list[float]) -> None:
    text = "Rate limit is exceeded. Try again in 23 seconds."
    script(network, httpx.Response(429, json={"message": text}))
    with pytest.raises(UpstreamUnavailable, match="It asks to wait 23 s"):
        fetch()


@pytest.mark.parametrize("misbehave", [faulty.hang, faulty.trickle])
def test_the_whole_exchange_is_in_time(network: Loopback, misbehave: faulty.Misbehave) -> None:
    with faulty.serve(misbehave) as url:
        network.routes[HOST] = url
        begun = time.monotonic()
        with pytest.raises(UpstreamTimeout, match=f"{HOST} did not answer in time"):
            fetch(timeout=0.2)
        # Far below what four tries of its own would take.
        assert time.monotonic() - begun < 20
    assert len(network.log) == 1


def test_an_answer_that_breaks_off(network: Loopback) -> None:
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
