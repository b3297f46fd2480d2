"""The HTTP client of the process, and the mapping of its failures to our errors."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

import httpx

from astra_xr.errors import AstraError, UpstreamError, redact
from astra_xr.model import SignedUrl
from astra_xr.net.failures import (
    host_of,
    http_date,
    lasts,
    refusal,
    retry_after,
    upstream_error,
)
from astra_xr.net.hosts import why_refused
from astra_xr.net.proxies import Proxied
from astra_xr.net.retries import Retryable, time_left, with_retries
from astra_xr.secret import Secret, plain
from astra_xr.version import __version__

T = TypeVar("T")

PASSING = {429, 500, 502, 503, 504}
"""Statuses after which a request is retried."""

_EXPLAINED_PASSING = {429, 503}
"""The same, at a service that explains its failures."""

_LARGEST = 64 << 20
"""Largest answer in bytes; no valid answer is larger."""

_PROGRESS = 1 << 16
"""Bytes of an answer after which its time limit starts again."""

_PROBE_TIMEOUT = 5.0
_CONNECT_TIMEOUT = 10.0


class _InTime(httpx.BaseTransport):
    """Limits each request of an attempt (redirects take several) to the time that is left."""

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
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _left(until: float, request: httpx.Request) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout("no time left", request=request)
    return left


_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_ANSWER = re.compile(r"(return_value=\(b'[^']*', \d+|return_value=\(\d+).*", re.DOTALL)


class _RedactUrls(logging.Filter):
    """Removes signatures from the HTTP stack's logs: queries of URLs, and response headers.

    The headers contain cookies and the targets of redirects.
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


def _transport() -> httpx.BaseTransport:
    """Return the transport of the client, which tests replace."""
    return Proxied()


@functools.cache
def _client_of(pid: int) -> httpx.Client:
    # A forked process must not share its parent's sockets.
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_RedactUrls())
    return httpx.Client(
        transport=_InTime(_transport()),
        headers={"User-Agent": f"astra-xr/{__version__}"},
        follow_redirects=True,
        event_hooks={"response": [_guard_redirect]},
    )


def _guard_redirect(response: httpx.Response) -> None:
    """Refuse a redirect to another host that is not public."""
    if not response.request.extensions.get("guarded") or not response.has_redirect_location:
        return
    target = response.url.join(response.headers["Location"])
    reason = target.host != response.url.host and why_refused(str(target))
    if reason:
        raise httpx.UnsupportedProtocol(f"it redirects elsewhere, and {reason}")


def client() -> httpx.Client:
    """Return the process's HTTP client: pooled, following redirects."""
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
        The whole URL; a signed one has headers of its own.
    body : mapping, optional
        JSON to post.
    form : mapping, optional
        Fields of a form to post, instead.
    headers : mapping, optional
        Further request headers.
    timeout : float
        Seconds without an answer after which an attempt has failed. Failed attempts are retried
        for ``ASTRA_PATIENCE``, or as long as :class:`astra_xr.net.retries.TimeLimit` allows.
    explain : callable, optional
        Takes the status and the JSON of an error response (None if it is not JSON), and returns
        the error to raise, or None. With it, only 429 and 503 are retried.

    Raises
    ------
    UpstreamTimeout, UpstreamUnavailable, UpstreamError
        There was no usable answer after all retries.
    """
    method = "GET" if body is None and form is None else "POST"
    # A key in the headers or a password in the form must not follow a redirect elsewhere.
    follow = headers is None and form is None and not (isinstance(url, SignedUrl) and url.headers)
    content = {"json": body, "data": form, "headers": headers}
    read = functools.partial(_dated_json, service, explain)
    passing = _EXPLAINED_PASSING if explain else PASSING
    return _exchange(
        service, method, url, timeout, read, follow=follow, passing=passing, **content
    )[0]


def fetch_dated_json(
    service: str,
    url: str,
    *,
    headers: Mapping[str, str | Secret[str]] | None = None,
    timeout: float,
) -> tuple[Any, datetime | None]:
    """Return the JSON at a URL as :func:`fetch_json` does, and the server's time.

    The time is UTC, or None if the server does not report it. Compare an expiry with the time of
    the server that set it, since the local clock may be wrong.
    """
    read = functools.partial(_dated_json, service, None)
    return _exchange(service, "GET", url, timeout, read, follow=headers is None, headers=headers)


_Read = Callable[[httpx.Response, float], T | AstraError]
"""Takes a response and the deadline, and returns the result, or the error to raise."""


def _exchange(
    service: str,
    method: str,
    url: str | SignedUrl,
    timeout: float,
    read: _Read[T],
    *,
    follow: bool,
    passing: Collection[int] = PASSING,
    **content: Any,
) -> T:
    """Send a request with content for httpx, with retries, and return what ``read`` returns.

    Errors are raised here, so that no frame of a traceback holds a secret as plain text.
    """

    def once() -> T | Retryable:
        outcome = _sent(service, method, url, timeout, read, follow, passing, **content)
        if isinstance(outcome, AstraError | KeyboardInterrupt):
            raise outcome
        return outcome

    return with_retries(host_of(url.url if isinstance(url, SignedUrl) else url), once)


def _sent(
    service: str,
    method: str,
    url: str | SignedUrl,
    timeout: float,
    read: _Read[T],
    follow: bool,
    passing: Collection[int],
    *,
    headers: Mapping[str, str | Secret[str]] | None = None,
    data: Mapping[str, str | Secret[str]] | None = None,
    json: Any = None,
) -> T | Retryable | AstraError | KeyboardInterrupt:
    """Send a request once; errors are returned, in :class:`Retryable` if a retry may help."""
    until = time.monotonic() + min(timeout, time_left())
    own = dict(url.headers) if isinstance(url, SignedUrl) else {}
    where = url.url if isinstance(url, SignedUrl) else url
    try:
        request = client().build_request(
            method,
            where,
            headers={name: plain(value) for name, value in {**(headers or {}), **own}.items()},
            data={name: plain(value) for name, value in data.items()} if data else data,
            json=json,
            extensions={"until": until, "guarded": follow},
        )
        response = client().send(request, stream=True, follow_redirects=follow)
        try:
            outcome = read(response, until)
        finally:
            response.close()
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # header is not ASCII
        failure = upstream_error(service, error, where)
        return failure if lasts(error) else Retryable(error=failure, answered=False)
    except KeyboardInterrupt as stop:
        return stop.with_traceback(None)
    if response.status_code not in passing or not isinstance(outcome, AstraError):
        return outcome
    wait = retry_after(response.headers) or getattr(outcome, "retry_after", None)
    # Some services answer 500 each time to the same request.
    return Retryable(error=outcome, retry_after=wait, doubtful=response.status_code == 500)


def _dated_json(
    service: str,
    explain: Callable[[int, Any], AstraError | None] | None,
    response: httpx.Response,
    until: float,
) -> tuple[Any, datetime | None] | AstraError:
    """Return the JSON of a response and its date, or the error that it means."""
    body = _content(response, until)
    document, valid = None, True
    try:
        document = json.loads(body or b"")
    except (ValueError, RecursionError):
        valid = False
    ours = explain and not response.is_success and explain(response.status_code, document)
    if ours:
        return ours
    if response.status_code == 404:
        return None, None
    if not response.is_success:
        return refusal(service, response, body or b"")
    if body is None:
        reason = f"the answer is larger than {_LARGEST >> 20} MiB"
        return UpstreamError(service=service, reason=reason)
    if valid:
        return document, http_date(response.headers.get("Date", ""))
    kind = "not JSON but HTML" if body.lstrip()[:1] == b"<" else "not JSON"
    return UpstreamError(service=service, reason=f"the answer is {kind}")


def _content(response: httpx.Response, until: float) -> bytes | None:
    """Read a response as long as it makes progress; None if it is too large."""
    content = bytearray()
    due, allowed = _PROGRESS, until - time.monotonic()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _LARGEST:
            return None
        _left(until, response.request)
        if len(content) >= due:
            due, until = len(content) + _PROGRESS, time.monotonic() + allowed
    return bytes(content)


def probe(url: str) -> Mapping[str, str]:
    """Return the headers of the answer to a HEAD request, whatever its status; empty on failure."""
    until = time.monotonic() + _PROBE_TIMEOUT
    try:
        return client().head(url, follow_redirects=False, extensions={"until": until}).headers
    except (httpx.HTTPError, httpx.InvalidURL):
        return {}


def redirect_of(service: str, signed: SignedUrl, *, timeout: float) -> tuple[int, SignedUrl | None]:
    """Request the first byte of a file, and return the status and the target of a redirect.

    Raises
    ------
    UpstreamTimeout, UpstreamUnavailable, UpstreamError
        There was no answer after all retries.
    """

    def read(response: httpx.Response, _: float) -> tuple[int, SignedUrl | None] | AstraError:
        if response.status_code == 429 or response.status_code >= 500:
            return refusal(service, response, b"")
        target = response.headers.get("Location")
        return response.status_code, SignedUrl(url=target) if target else None

    first = {"Range": "bytes=0-0"}
    return _exchange(service, "GET", signed, timeout, read, follow=False, headers=first)
