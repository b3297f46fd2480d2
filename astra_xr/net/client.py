"""The HTTP client of the process, and the mapping of its failures to our errors."""

from __future__ import annotations

import functools
import json
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, TypeVar

import httpx
from httpx_retries import Retry, RetryTransport

from astra_xr.errors import AstraError, UpstreamError, redact
from astra_xr.model import SignedUrl
from astra_xr.net.endurance import http_date
from astra_xr.net.failures import refusal, retry_after, upstream_error
from astra_xr.net.hosts import proxy_of, why_refused
from astra_xr.secret import Secret, plain

T = TypeVar("T")

_RETRIES = 3
_LARGEST = 64 << 20
"""Largest answer in bytes; no valid answer is larger."""

_PROBE_TIMEOUT = 5.0
_CONNECT_TIMEOUT = 10.0


class _Patience(Retry):
    """Full-jitter retries until a deadline; none if the service asks for a longer wait."""

    until: float = math.inf
    """Deadline, on the clock of ``time.monotonic``."""

    asked: list[float]
    """Seconds that the last answer asked to wait, if any; shared by all tries of an exchange."""

    def increment(self) -> _Patience:
        again = super().increment()
        assert isinstance(again, _Patience)
        again.until, again.asked = self.until, self.asked
        return again

    def is_exhausted(self) -> bool:
        # The service's answer is worth more than a last try that has no time left.
        wait = self.backoff_factor * 2 ** (self.attempts_made + 1)
        if self.asked:
            wait = self.asked[-1]
        return super().is_exhausted() or time.monotonic() + wait >= self.until

    def sleep(self, response: httpx.Response | Exception) -> None:
        left = self.until - time.monotonic()
        seconds = retry_after(response) if isinstance(response, httpx.Response) else None
        time.sleep(max(0.0, min(self.backoff_strategy() if seconds is None else seconds, left)))


class _InTime(httpx.BaseTransport):
    """Limits each try to the time that the exchange has left, and records requested waits."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = request.extensions.get("until")
        if until is not None:
            left = _left(until, request)
            request.extensions["timeout"] = {
                **dict.fromkeys(("read", "write", "pool"), left),
                "connect": min(left, _CONNECT_TIMEOUT),
            }
        patience = request.extensions.get("retry")
        asked = patience.asked if isinstance(patience, _Patience) else []
        asked.clear()
        response = self._inner.handle_request(request)
        seconds = retry_after(response)
        if seconds is not None:
            asked.append(seconds)
        return response

    def close(self) -> None:
        self._inner.close()


def _left(until: float, request: httpx.Request) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout("no time left", request=request)
    return left


_LOGGERS = (
    "httpx",
    "httpx_retries.transport",
    "httpx_retries.retry",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_ANSWER = re.compile(r"(return_value=\(b'[^']*', \d+|return_value=\(\d+).*", re.DOTALL)


class _RedactUrls(logging.Filter):
    """Drop signatures from what the HTTP stack logs: queries of URLs, and headers of answers.

    Such headers hold cookies and the targets of redirects.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("httpcore."):
            record.msg = redact(_ANSWER.sub(r"\1, …)", str(record.msg)))
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact(arg) if isinstance(arg, httpx.URL | httpx.Request) else arg
                for arg in record.args
            )
        return True


class _Proxied(httpx.BaseTransport):
    """Sends requests through the proxies of the environment or the system, and else directly.

    httpx does so only where it makes the transport itself.
    """

    def __init__(self) -> None:
        self._transports: dict[str | None, httpx.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = proxy_of(request.url.scheme, request.url.host)
        with self._lock:
            if proxy not in self._transports:
                self._transports[proxy] = _through(proxy)
        return self._transports[proxy].handle_request(request)

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()


def _through(proxy: str | None) -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    try:
        return httpx.HTTPTransport(proxy=proxy, limits=limits)
    except (ImportError, ValueError) as error:
        # SOCKS without the package that it needs, or a scheme that is none of a proxy.
        reason = redact(error)
    raise httpx.ProxyError(reason)


def _transport() -> httpx.BaseTransport:
    """Return the transport of the client; tests replace it by one that leads to loopback."""
    return _Proxied()


@functools.cache
def _client_of(pid: int) -> httpx.Client:
    # A forked process must not share its parent's sockets.
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_RedactUrls())
    return httpx.Client(
        transport=RetryTransport(_InTime(_transport()), retry=_patience(math.inf)),
        headers={"User-Agent": f"astra-xr/{version('astra-xr')}"},
        follow_redirects=True,
        event_hooks={"response": [_guard_redirect]},
    )


def _guard_redirect(response: httpx.Response) -> None:
    """Refuse a redirect to another host that is not public, where redirects are followed."""
    if not response.request.extensions.get("guarded") or not response.has_redirect_location:
        return
    target = response.url.join(response.headers["Location"])
    reason = target.host != response.url.host and why_refused(str(target))
    if reason:
        raise httpx.RemoteProtocolError(f"it redirects elsewhere, and {reason}")


def _patience(until: float, *, considered: bool = False) -> _Patience:
    patience = _Patience(
        total=_RETRIES,
        backoff_factor=0.25,
        backoff_jitter=1.0,
        status_forcelist=[429, 503] if considered else [429, 500, 502, 503, 504],
        allowed_methods=["GET", "HEAD", "POST"],
    )
    patience.until, patience.asked = until, []
    return patience


def client() -> httpx.Client:
    """Return the process's HTTP client: pooled, retrying, following redirects."""
    return _client_of(os.getpid())


def fetch_json(
    service: str,
    url: str | SignedUrl,
    *,
    body: Mapping[str, Any] | None = None,
    form: Mapping[str, str | Secret[str]] | None = None,
    headers: Mapping[str, str | Secret[str]] | None = None,
    timeout: float,
    explain: Callable[[int, Any], AstraError | None] | None = None,
) -> Any:
    """Return the JSON at a URL, by GET, or by POST if there is a body or form; None for 404.

    Parameters
    ----------
    service : str
        Name of the service, for error messages.
    url : str or SignedUrl
        The whole URL; a signed one brings headers of its own.
    body : mapping, optional
        JSON to post.
    form : mapping, optional
        Fields of a form to post, instead.
    headers : mapping, optional
        Further request headers.
    timeout : float
        Seconds for the whole exchange, with its retries and their waits.
    explain : callable, optional
        Takes the status and the JSON of an error response (None if it is not JSON), and returns
        the error to raise, or None. With it, only 429 and 503 are retried.

    Raises
    ------
    UpstreamTimeout, UpstreamUnavailable, UpstreamError
        There was no usable answer after the retries.
    """
    method = "GET" if body is None and form is None else "POST"
    # A key in the headers or a password in the form must not follow a redirect elsewhere.
    follow = headers is None and form is None and not (isinstance(url, SignedUrl) and url.headers)
    content = {"json": body, "data": form, "headers": headers}
    read = functools.partial(_dated_json, service, explain)
    few = explain is not None
    return _exchange(service, method, url, timeout, read, follow=follow, few=few, **content)[0]


def fetch_dated_json(
    service: str,
    url: str,
    *,
    headers: Mapping[str, str | Secret[str]] | None = None,
    timeout: float,
) -> tuple[Any, datetime | None]:
    """Return the JSON at a URL as :func:`fetch_json` does, and the server's time.

    It is UTC, and None if the server did not say it. The local clock may be wrong; an expiry is
    compared with the time of the server that set it.
    """
    read = functools.partial(_dated_json, service, None)
    return _exchange(service, "GET", url, timeout, read, follow=headers is None, headers=headers)


_Read = Callable[[httpx.Response, float], T | AstraError]
"""Takes a response and the deadline, and returns what is asked for, or the error to raise."""


def _exchange(
    service: str,
    method: str,
    url: str | SignedUrl,
    timeout: float,
    read: _Read[T],
    *,
    follow: bool,
    few: bool = False,
    **content: Any,
) -> T:
    """Send a request, whose content is as httpx takes it, and return what is read of the answer.

    Errors are raised here: a traceback holds no frame in which a secret is plain.
    """
    outcome = _sent(service, method, url, timeout, read, follow=follow, few=few, **content)
    if isinstance(outcome, AstraError | KeyboardInterrupt):
        raise outcome
    return outcome


def _sent(
    service: str,
    method: str,
    url: str | SignedUrl,
    timeout: float,
    read: _Read[T],
    *,
    follow: bool,
    few: bool,
    headers: Mapping[str, str | Secret[str]] | None = None,
    data: Mapping[str, str | Secret[str]] | None = None,
    json: Any = None,
) -> T | AstraError | KeyboardInterrupt:
    """Do the same, and return the error."""
    until = time.monotonic() + timeout
    extensions = {"until": until, "retry": _patience(until, considered=few), "guarded": follow}
    own = dict(url.headers) if isinstance(url, SignedUrl) else {}
    where = url.url if isinstance(url, SignedUrl) else url
    try:
        request = client().build_request(
            method,
            where,
            headers={name: plain(value) for name, value in {**(headers or {}), **own}.items()},
            data={name: plain(value) for name, value in data.items()} if data else data,
            json=json,
            extensions=extensions,
        )
        response = client().send(request, stream=True, follow_redirects=follow)
        try:
            return read(response, until)
        finally:
            response.close()
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # no ASCII in a header
        return upstream_error(service, error, where)
    except KeyboardInterrupt as stop:
        return stop.with_traceback(None)


def _dated_json(
    service: str,
    explain: Callable[[int, Any], AstraError | None] | None,
    response: httpx.Response,
    until: float,
) -> tuple[Any, datetime | None] | AstraError:
    """Return the JSON of a response and its date, or the error that it is."""
    body = _content(response, until)
    ours = explain and not response.is_success and explain(response.status_code, _json(body))
    if ours:
        return ours
    if response.status_code == 404:
        return None, None
    if not response.is_success:
        return refusal(service, response, body or b"")
    if body is None:
        reason = f"the answer is larger than {_LARGEST >> 20} MiB"
        return UpstreamError(service=service, reason=reason)
    try:
        return json.loads(body), http_date(response.headers.get("Date", ""))
    except (ValueError, RecursionError):
        kind = "not JSON but HTML" if body.lstrip()[:1] == b"<" else "not JSON"
        return UpstreamError(service=service, reason=f"the answer is {kind}")


def _json(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def _content(response: httpx.Response, until: float) -> bytes | None:
    """Read an answer before the deadline; None if it is too large."""
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _LARGEST:
            return None
        _left(until, response.request)
    return bytes(content)


def probe(url: str) -> Mapping[str, str]:
    """Return the headers of the answer to a HEAD request, whatever its status; empty on failure."""
    until = time.monotonic() + _PROBE_TIMEOUT
    extensions = {"until": until, "retry": Retry(total=0)}
    try:
        return client().head(url, follow_redirects=False, extensions=extensions).headers
    except (httpx.HTTPError, httpx.InvalidURL):
        return {}


def redirect_of(service: str, signed: SignedUrl, *, timeout: float) -> tuple[int, SignedUrl | None]:
    """Request the first byte of a file, and return the status and the target of a redirect.

    Raises
    ------
    UpstreamTimeout, UpstreamUnavailable, UpstreamError
        There was no answer after the retries.
    """

    def read(response: httpx.Response, _: float) -> tuple[int, SignedUrl | None] | AstraError:
        if response.status_code == 429 or response.status_code >= 500:
            return refusal(service, response, b"")
        target = response.headers.get("Location")
        return response.status_code, SignedUrl(url=target) if target else None

    first = {"Range": "bytes=0-0"}
    return _exchange(service, "GET", signed, timeout, read, follow=False, headers=first)
