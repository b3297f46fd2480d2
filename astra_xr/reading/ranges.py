"""Read byte ranges of one file, local or over HTTP, through a URL that is signed when needed."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import re
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import HTTPStore

from astra_xr.errors import ReadError, redact
from astra_xr.model import SignedUrl, UrlSource, local_path
from astra_xr.reading.loop import in_thread

_TRIES = 4
_TIMEOUT = timedelta(seconds=30)
_FIRST_WAIT = timedelta(milliseconds=100)
"""Wait between the first two tries; doubled each time."""

_AT_ONCE = 32
"""Concurrent requests for one file."""


@dataclass
class Traffic:
    """Requests and bytes read so far by this process."""

    requests: int = 0
    """Byte ranges requested, including those of local files."""

    bytes: int = 0
    """Bytes received."""


_traffic = Traffic()
_traffic_lock = threading.Lock()


def traffic() -> Traffic:
    """Return a copy of this process's counters."""
    with _traffic_lock:
        return Traffic(_traffic.requests, _traffic.bytes)


def _count(size: int) -> None:
    with _traffic_lock:
        _traffic.requests += 1
        _traffic.bytes += size


class _Refused(Exception):
    """One request failed, with an HTTP status or, without one (0), a reason."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason


_PLAIN = re.compile(r"(https?://[^/?#@]+/)([\w-][\w.-]*(?:/[\w-][\w.-]*)*)")


def _locate(url: str) -> tuple[str, str]:
    """Split a URL into the root of a store and the path in it.

    Files of one host share a store and its connections. A URL with a query, or with characters
    that the store would escape again, gets a store of its own.
    """
    match = _PLAIN.fullmatch(url)
    return (match[1], match[2]) if match else (url, "")


@functools.lru_cache(maxsize=128)
def _http(url: str, headers: tuple[tuple[str, str], ...], pid: int) -> HTTPStore:
    # Its connections stay open from read to read. obstore's own retries cover connections and
    # 5xx; the rest is ours. A redirect to another host leaves `Authorization` behind.
    return HTTPStore.from_url(
        url,
        client_options={
            "allow_http": True,
            "timeout": _TIMEOUT,
            "connect_timeout": _TIMEOUT / 3,
            "default_headers": dict(headers),
        },
        retry_config={
            "max_retries": 2,
            "retry_timeout": _TIMEOUT,
            "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": 8 * _FIRST_WAIT, "base": 2},
        },
    )


class RangeFile:
    """One file as random-access bytes, for one read; lives on the background loop.

    Parameters
    ----------
    source : UrlSource
        Signs another URL when the storage refuses the first.
    signed : SignedUrl
        The first URL.
    label : str
        Scene and band, for messages.

    Raises
    ------
    ReadError
        From all reading methods: the bytes cannot be read, or the file changed between two
        requests.
    """

    def __init__(self, source: UrlSource, signed: SignedUrl, label: str) -> None:
        self.signed = signed
        self.size: int | None = None
        self.etag: str | None = None
        self._source = source
        self._label = label
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._renewing = asyncio.Lock()
        self._head: memoryview = memoryview(b"")

    async def get(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start:stop``, fewer at the end of the file."""
        if stop <= len(self._head):
            return self._head[start:stop]
        if self.size is not None:
            stop = min(stop, self.size)
            if start >= stop:
                return memoryview(b"")
        scheme = urlsplit(self.signed.url).scheme
        async with self._slots:
            if scheme in ("http", "https"):
                body = await self._get_http(start, stop)
            elif scheme in ("file", ""):
                body = await self._get_file(start, stop)
            else:
                hint = "Use a catalog with https hrefs."
                raise self.error(f"{scheme}:// URLs are not supported", hint)
        _count(len(body))
        if start == 0:
            self._head = body
        return body

    async def unchanged(self, size: int, etag: str | None) -> bool:
        """Return True if a local file is unchanged; a remote one is checked as it is read."""
        if urlsplit(self.signed.url).scheme in ("http", "https"):
            return True
        try:
            current = await in_thread(_stat, local_path(self.signed.url))
        except OSError:
            return False
        return current == (size, etag)

    async def _get_file(self, start: int, stop: int) -> memoryview:
        reason = ""
        try:
            path = local_path(self.signed.url)
            size, stamp, body = await in_thread(_pread, path, start, stop)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        if reason:
            raise self.error(reason, "Check that the file still exists.")
        self._note(size, stamp)
        return memoryview(body)

    async def _get_http(self, start: int, stop: int) -> memoryview:
        renewed = False
        last = _Refused(0)
        for attempt in range(_TRIES):
            signed = self.signed
            try:
                return await self._ask(signed, start, stop)
            except _Refused as refused:
                last = refused
            if last.status in (401, 403) and not renewed:
                await self._renew(signed)
                renewed = True
            elif last.status in (0, 206, 429) and attempt + 1 < _TRIES:
                # Full jitter, so that the requests of a read are not all repeated at once.
                wait = 2 * _FIRST_WAIT.total_seconds() * 2**attempt
                await asyncio.sleep(random.uniform(0, wait))  # noqa: S311
            else:
                break
        raise self.error(*_explain(last))

    async def _ask(self, signed: SignedUrl, start: int, stop: int) -> memoryview:
        base, path = _locate(signed.url)
        failure: _Refused | None = None
        try:
            store = _http(base, signed.headers, os.getpid())
            answer = await obstore.get_async(store, path, options={"range": (start, stop)})
            meta, got = answer.meta, answer.range
            body = memoryview(await answer.bytes_async())
        except (BaseError, OSError, ValueError) as error:
            failure = _classify(error)
        # Raised outside the handler: obstore's message holds the URL.
        if failure:
            raise failure
        self._note(meta["size"], meta.get("e_tag") or str(meta.get("last_modified")))
        if got != (start, min(stop, meta["size"])) or len(body) != got[1] - got[0]:
            raise _Refused(206)
        return body

    async def _renew(self, refused: SignedUrl) -> None:
        """Sign another URL, once for all requests that were refused together."""
        async with self._renewing:
            if self.signed is refused:
                self.signed = await in_thread(functools.partial(self._source, refused=refused))

    def _note(self, size: int, etag: str | None) -> None:
        """Keep size and ETag of the first response; later ones must have the same."""
        if self.size is None:
            self.size, self.etag = size, etag
        elif (size, etag) != (self.size, self.etag):
            raise self.error("the file changed while it was being read", "Read it again.")

    def error(self, reason: str, hint: str) -> ReadError:
        """Return the error for a failed read of this file."""
        return ReadError(source=self._label, href=redact(self.signed), reason=reason, hint=hint)


def _stat(path: Path) -> tuple[int, str]:
    status = path.stat()
    return status.st_size, f"{status.st_mtime_ns}"


def _pread(path: Path, start: int, stop: int) -> tuple[int, str, bytes]:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        file.seek(start)
        return status.st_size, f"{status.st_mtime_ns}", file.read(stop - start)


def _classify(error: Exception) -> _Refused:
    """Read the HTTP status from an obstore exception; 0 if there is none."""
    if isinstance(error, FileNotFoundError):
        return _Refused(404)
    text = str(error)
    match = re.search(r"status code: (\d{3})", text)
    if match:
        return _Refused(int(match[1]))
    if "Range request not supported" in text:
        return _Refused(200)
    first = redact(text.split("Debug source:", maxsplit=1)[0]).strip()
    return _Refused(0, first)


def _explain(refused: _Refused) -> tuple[str, str]:
    known = {
        200: ("the server does not support byte ranges (HTTP 200)", "Download the file first."),
        206: ("the server repeatedly sent a different range than requested", "Try again."),
        401: ("the storage refuses the URL (HTTP 401)", "Check the credentials."),
        403: (
            "the storage refuses the URL, also after signing it again (HTTP 403)",
            "The file may be gone, or the credentials may not give access to it.",
        ),
        404: ("there is no such file (HTTP 404)", "Try another catalog with catalog=."),
        409: (
            "the storage requires a signed URL (HTTP 409)",
            "Open the scene by its id, or the item with catalog='planetary-computer'.",
        ),
        416: ("the file is empty", "Try another catalog with catalog=."),
        429: ("too many requests (HTTP 429)", "Wait a minute, then read again."),
    }
    if refused.status == 0:
        return refused.reason or "the connection failed repeatedly", "Try again."
    default = f"the storage answered HTTP {refused.status}", "Try again."
    return known.get(refused.status, default)
