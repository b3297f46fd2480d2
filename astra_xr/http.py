"""The one HTTP client of the process, and the one place where its failures become our errors."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from astra_xr.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable, redact

_RETRIES = 3
_WAIT_AT_MOST = 8.0
"""Seconds that one request may spend waiting between tries; a ``Retry-After`` beyond that is
told to the caller at once."""


class _RetryTooLate(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:g} s")
        self.seconds = seconds


class _Patience(Retry):
    """Full-jitter retries that give up at once where the service asks for a long wait."""

    def sleep(self, response: httpx.Response | Exception) -> None:
        if isinstance(response, httpx.Response):
            seconds = retry_after(response)
            if seconds is not None and seconds > _WAIT_AT_MOST - self.elapsed_sleep:
                raise _RetryTooLate(seconds)
        super().sleep(response)


class _RedactUrls(logging.Filter):
    """httpx and httpx-retries log each URL, signature and all: drop the queries."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact(arg) if isinstance(arg, httpx.URL | httpx.Request) else arg
                for arg in record.args
            )
        return True


def _transport() -> httpx.BaseTransport:
    """Return what carries the requests; tests put a transport that leads to loopback here."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    return httpx.HTTPTransport(limits=limits)


@functools.cache
def _client_of(pid: int) -> httpx.Client:
    # A forked process must not share its parent's sockets.
    for name in ("httpx", "httpx_retries.transport", "httpx_retries.retry"):
        logging.getLogger(name).addFilter(_RedactUrls())
    retry = _Patience(
        total=_RETRIES,
        backoff_factor=0.25,
        backoff_jitter=1.0,
        total_timeout=_WAIT_AT_MOST,
        status_forcelist=[429, 500, 502, 503, 504],
        allowed_methods=["GET", "HEAD", "POST"],
    )
    return httpx.Client(
        transport=RetryTransport(_transport(), retry=retry),
        headers={"User-Agent": f"astra-xr/{version('astra-xr')}"},
        follow_redirects=True,
    )


def client() -> httpx.Client:
    """Return the process's HTTP client: pooled, retrying, following redirects."""
    return _client_of(os.getpid())


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a response asks to wait, from its header or its text."""
    header = response.headers.get("Retry-After", "").strip()
    if header.isdigit():
        return float(header)
    try:
        text = response.text
    except httpx.ResponseNotRead:
        return None
    match = re.search(r"[Tt]ry again in (\d+) seconds", text)
    return float(match[1]) if match else None


def fetch_json(
    service: str,
    url: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float,
) -> Any:
    """Get (or, with a body, post to) a URL and return the JSON it answers; None for 404.

    Parameters
    ----------
    service : str
        Who is asked, in words, for error messages.
    url : str
        The whole URL.
    body : mapping, optional
        JSON to post.
    headers : mapping, optional
        Further request headers.
    timeout : float
        Seconds for each step of the exchange.

    Raises
    ------
    UpstreamTimeout, UpstreamUnavailable, UpstreamError
        There was no usable answer after the retries.
    """
    try:
        response = client().request(
            "GET" if body is None else "POST",
            url,
            json=body,
            headers=headers,
            timeout=timeout,
            # A key in the headers must not follow a redirect to another host.
            follow_redirects=headers is None,
        )
    except (httpx.HTTPError, httpx.InvalidURL, _RetryTooLate) as error:
        failure = upstream_error(service, error, url)
    else:
        if response.status_code == 404:
            return None
        if response.is_success:
            try:
                return response.json()
            except ValueError:
                failure = UpstreamError(service=service, reason="the answer is not JSON")
        else:
            failure = _refusal(service, response)
    # Raised outside the handler, so that no exception with a URL in it hangs on as context.
    raise failure


def upstream_error(service: str, error: Exception, url: str) -> UpstreamError:
    """Map an exception of the HTTP client to one of ours."""
    host = httpx.URL(url).host if not isinstance(error, httpx.InvalidURL) else redact(url)
    if isinstance(error, _RetryTooLate):
        return UpstreamUnavailable(
            service=service, reason="too many requests", retry_after=error.seconds
        )
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(service=service, reason=f"{host} did not answer in time")
    if isinstance(error, httpx.TransportError):
        return UpstreamUnavailable(
            service=service,
            reason=f"{host} cannot be reached ({type(error).__name__}: {error})",
            hint="Check the network connection, or name another catalogue with catalog=.",
        )
    return UpstreamError(service=service, reason=f"{type(error).__name__} from {host}")


def _refusal(service: str, response: httpx.Response) -> UpstreamError:
    status = f"HTTP {response.status_code}"
    wait = retry_after(response)
    if response.status_code == 429:
        return UpstreamUnavailable(
            service=service, reason=f"too many requests ({status})", retry_after=wait
        )
    if response.status_code in (502, 503, 504):
        return UpstreamUnavailable(service=service, reason=f"down ({status})", retry_after=wait)
    return UpstreamError(service=service, reason=f"it refused the request ({status})")
