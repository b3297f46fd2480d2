"""Byte ranges of remote files."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from astra_xr.errors import redact
from astra_xr.model import SignedUrl
from astra_xr.net.connections import NO_PROGRESS, host_at
from astra_xr.net.failures import retry_after
from astra_xr.net.hosts import redirect_target, why_refused
from astra_xr.settings import Settings

_FEW = 1024

_STALLED = "the server sent nothing for {:g} s"
_SHORT = "the answer ended early"
_REDIRECTS = 5
_SMALL = 1 << 16
_PASSING = {0, 206, 408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a request returned no bytes, or only some of them."""

    status: int = 0
    """HTTP status; 0 if there was none, 206 if the answer contradicts itself or the request."""

    reason: str = ""
    """In words, if the status is not enough."""

    retry_after: float | None = None
    """Seconds to wait, by the host's ``Retry-After``."""

    lasting: bool = False
    """True: a retry does not help, whatever the status."""

    first: bool = False
    """True: the host has never answered yet, and may not exist."""

    web_page: bool = False
    """True: the answer is a web page, such as that of a login."""

    @property
    def passing(self) -> bool:
        """Return True if a retry may help."""
        return self.status in _PASSING and not self.lasting


class ByteRange:
    """Bytes ``start:stop`` of a file as they arrive; a retry requests only those missing."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop
        self.data = bytearray()
        self.size: int | None = None
        """Bytes of the whole file; None if the host does not report it."""
        self.version: str | None = None
        """ETag, else the time of the last change; None if the host reports neither."""
        self.requested_at = 0.0
        """When the last request was sent, on the clock of ``time.monotonic``."""

    @property
    def complete(self) -> bool:
        """Return True if all bytes have arrived."""
        end = self.stop if self.size is None else min(self.stop, self.size)
        return bool(self.data) and self.at >= end

    @property
    def at(self) -> int:
        """Return the position of the first missing byte."""
        return self.start + len(self.data)

    async def receive(self, answer: aiohttp.ClientResponse) -> Failure | None:
        """Receive the body of a 206 response."""
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        length = self._length(answer, found) if found else None
        if found is None or length is None:
            return Failure(status=206)
        size = None if found[3] == "*" else int(found[3])
        stamp = size, answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if self.data and (stamp != (self.size, self.version) or stamp[1] is None):
            self.data.clear()
            return Failure(reason="the file changed between two tries")
        self.size, self.version = stamp
        left = length
        mark, due = left, time.monotonic() + NO_PROGRESS
        async for chunk in answer.content.iter_any():
            left -= len(chunk)
            if left < 0:
                self.data.clear()
                return Failure(status=206)
            self.data += chunk
            if left and time.monotonic() > due:
                if mark - left < _FEW:
                    return Failure(reason=_STALLED.format(NO_PROGRESS))
                mark, due = left, time.monotonic() + NO_PROGRESS
        return Failure(reason=_SHORT) if left else None

    def _length(self, answer: aiohttp.ClientResponse, found: re.Match[str]) -> int | None:
        """Return how many bytes follow; None if they are not exactly the missing ones."""
        first, last = int(found[1]), int(found[2])
        end = self.stop if found[3] == "*" else min(self.stop, int(found[3]))
        length = last + 1 - first
        exact = first == self.at and first <= last < end and (last + 1 == end or found[3] == "*")
        plain = answer.headers.get("Content-Encoding", "identity") == "identity"
        return length if exact and plain and answer.content_length in (None, length) else None


async def fetch(signed: SignedUrl, part: ByteRange) -> Failure | None:
    """Request the missing bytes of a range; redirects to public hosts are followed.

    Returns
    -------
    Failure or None
        None if all bytes are there. Nothing is raised: a traceback would hold the URL.
    """
    url, headers = signed.url, dict(signed.headers)
    for _ in range(_REDIRECTS):
        found = await _exchange(url, headers, part)
        if not isinstance(found, str):
            return found
        target = redirect_target(url, found)
        if target is None:
            return Failure(reason="it is redirected to an invalid URL", lasting=True)
        refused = await asyncio.to_thread(_why_not_to, target, signed)
        if refused:
            return Failure(reason=f"it is redirected, but {refused}", lasting=True)
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            # Keys are sent only to their own host.
            headers = {}
        url = target
    return Failure(reason="it is redirected in a circle", lasting=True)


async def size_of(signed: SignedUrl) -> int | None:
    """Return the size of a file by a HEAD request; None if the host does not report it."""
    try:
        host = host_at(signed.url)
        async with host.connection() as lease:
            request = lease.client.head(
                URL(signed.url, encoded=True), headers=dict(signed.headers), proxy=host.proxy
            )
            async with request as answer:
                return answer.content_length if answer.ok else None
    except Exception:  # noqa: BLE001  (its traceback would hold the URL)
        return None


def _why_not_to(target: str, signed: SignedUrl) -> str | None:
    """Return why a redirect is not followed; None if it is."""
    first = urlsplit(signed.url)
    if first.scheme == "https" and urlsplit(target).scheme != "https":
        return "not to https"
    # A private host that the user named may redirect to itself.
    return why_refused(target, {first.hostname or "", *Settings.from_env().allow_hosts})


async def _exchange(url: str, headers: dict[str, str], part: ByteRange) -> Failure | str | None:
    """Send one request and receive its answer; return the target of a redirect."""
    host = None
    try:
        host = host_at(url)
        async with host.connection() as lease:
            part.requested_at = time.monotonic()
            wanted = {"Range": f"bytes={part.at}-{part.stop - 1}"}
            request = lease.client.get(
                URL(url, encoded=True),
                headers={**headers, **wanted, **lease.headers},
                allow_redirects=False,
                proxy=host.proxy,
            )
            async with request as answer:
                host.answered = True
                lease.begin(answer)
                return await _received(answer, part)
    except Exception as error:  # noqa: BLE001  (its traceback would hold the URL)
        # ValueError: an invalid URL, or an untrusted certificate.
        passing = isinstance(error, aiohttp.ClientError | OSError)
        lasting = not passing or isinstance(error, ValueError)
        first = host is None or not host.answered
        return Failure(reason=_reason(error), lasting=lasting, first=first)


async def _received(answer: aiohttp.ClientResponse, part: ByteRange) -> Failure | str | None:
    """Receive the body of an answer."""
    if answer.status == 206:
        return await part.receive(answer)
    if 300 <= answer.status < 400 and answer.headers.get("Location"):
        return answer.headers["Location"]
    if (answer.content_length or 0) < _SMALL:
        # Read to its end, so that the connection can be reused.
        await answer.content.read(_SMALL)
    web_page = answer.status == 200 and answer.content_type == "text/html"
    after = retry_after(answer.headers)
    return Failure(status=answer.status, retry_after=after, web_page=web_page)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _STALLED.format(NO_PROGRESS)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not (
        isinstance(error, aiohttp.ClientConnectorError)
    ):
        return "the server closed the connection"
    if isinstance(error, aiohttp.ClientPayloadError):
        return _SHORT
    return redact(error) or type(error).__name__
