"""Read byte ranges of one file, local or over HTTP, through a URL that is signed when needed."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from astra_xr.errors import ReadError, redact
from astra_xr.locks import Lock
from astra_xr.model import SignedUrl, UrlSource, local_path
from astra_xr.net.budget import Budget
from astra_xr.net.connections import host_at
from astra_xr.net.retries import Patience, note_wait
from astra_xr.net.storage import ByteRange, Failure, fetch, size_of
from astra_xr.reading.loop import in_thread
from astra_xr.reading.signers import sign

_log = logging.getLogger(__name__)

_OTHER_ETAG = Failure(reason="the server sent another version of the file", lasting=True)

_local = Budget("this machine", 8)
"""Budget of local files."""


@dataclass
class Traffic:
    """Requests and bytes read so far by this process."""

    requests: int = 0
    """Byte ranges requested, including those of local files."""

    bytes: int = 0
    """Bytes received."""


_traffic = Traffic()
_traffic_lock = Lock()


def traffic() -> Traffic:
    """Return a copy of this process's counters."""
    with _traffic_lock:
        return Traffic(_traffic.requests, _traffic.bytes)


def _count(size: int) -> None:
    with _traffic_lock:
        _traffic.requests += 1
        _traffic.bytes += size


class Stale(ReadError):
    """The stored header is of another version; see :attr:`RangeFile.unconfirmed`."""


class RangeFile:
    """One file as random-access bytes, for one read; lives on the background loop.

    Parameters
    ----------
    source : UrlSource
        Signs another URL if the storage refuses the first.
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
        """ETag, or the time of the last change; None if the host reports neither."""
        self.unconfirmed = False
        """True until a response shows that ``size`` and ``etag``, kept by another process, are
        still those of the file."""
        self.other_etags: set[str] = set()
        """Further ETags of the same bytes, if servers behind one name report different ones."""
        self.has_same_header: Callable[[str], Awaitable[bool]] | None = None
        """Takes another ETag; returns True if the file has the same header under it."""
        self.requests = 0
        self._source = source
        self._label = label
        self._renewing = asyncio.Lock()
        self._comparing = asyncio.Lock()
        self._head: memoryview = memoryview(b"")

    @classmethod
    async def open(cls, source: UrlSource, label: str) -> RangeFile:
        """Return a file with a URL that is signed now."""
        return cls(source, await sign(source), label)

    def reopened(self) -> RangeFile:
        """Return the same file, without its size, version and header."""
        return RangeFile(self._source, self.signed, self._label)

    async def get(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start:stop``, fewer at the end of the file."""
        async with self.borrowed(start, stop) as body:
            return body

    @asynccontextmanager
    async def borrowed(self, start: int, stop: int) -> AsyncIterator[memoryview]:
        """Yield bytes ``start:stop``, as :meth:`get` returns them.

        They count against the host's budget until the context ends, so bytes that arrive faster
        than they are decoded do not pile up in memory.
        """
        if self.size is not None:
            stop = min(stop, self.size)
        if start >= stop or stop <= len(self._head):
            yield self._head[start:stop]
            return
        scheme = _scheme(self.signed)
        if scheme in ("http", "https"):
            budget, body = await self._get_http(start, stop)
        elif scheme in ("file", ""):
            budget, body = _local, await self._get_file(start, stop)
        elif scheme is None:
            raise self.error("its URL is invalid", "Check the item's href.")
        else:
            hint = "Use a catalog with https hrefs."
            raise self.error(f"{scheme}:// URLs are not supported", hint)
        try:
            self.requests += 1
            _count(len(body))
            if start == 0:
                self._head = body
            yield body
        finally:
            budget.release(stop - start)

    async def unchanged(self, size: int, etag: str | None) -> bool:
        """Return True if a local file is unchanged; a remote one is compared as it is read."""
        if _scheme(self.signed) in ("http", "https"):
            return True
        try:
            current = await in_thread(_stat, local_path(self.signed.url))
        except OSError:
            return False
        return current == (size, etag)

    async def _get_file(self, start: int, stop: int) -> memoryview:
        await _local.enter(stop - start)
        works = False
        try:
            path = local_path(self.signed.url)
            size, stamp, body = await in_thread(_pread, path, start, stop)
            if not self._note(size, stamp):
                raise self.changed()
            works = True
            return memoryview(body)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        finally:
            _local.leave()
            if not works:
                _local.release(stop - start)
        hint = "Check that the file still exists."
        if self.signed.url.startswith("/vsi"):
            hint = "Drop GDAL's prefix: https://… for /vsicurl/https://…, s3://… for /vsis3/…."
        raise self.error(reason, hint)

    async def _get_http(self, start: int, stop: int) -> tuple[Budget, memoryview]:
        """Return bytes, and the budget that they count against."""
        part = ByteRange(start, stop)
        renewed = False
        patience: Patience | None = None
        while True:
            signed = self.signed
            budget, failure, seconds = await self._try(signed, part)
            if failure is None:
                return budget, memoryview(part.data)
            if failure is _OTHER_ETAG:
                await self._compare(str(part.version))
                continue
            if failure.status in (401, 403) and not renewed:
                await self._renew(signed)
                renewed = True
                continue
            if self.unconfirmed and failure.status in (206, 416):
                raise self.stale()
            if self.size and failure.status == 416:
                raise self.changed()
            if not failure.passing:
                raise self.error(*_explain(failure))
            if patience is None:
                patience = Patience.set(doubtful=failure.first)
            patience.spend(seconds)
            wait = patience.wait(failure.retry_after)
            if wait is None:
                raise self.error(*_explain(failure, patience))
            _log.debug("retrying %s in %.1f s: %s", budget.host, wait, _explain(failure)[0])
            note_wait(budget.host, wait, failure.retry_after)
            await asyncio.sleep(wait)

    async def _try(
        self, signed: SignedUrl, part: ByteRange
    ) -> tuple[Budget, Failure | None, float]:
        """Request once, and return the seconds that it took; on success the bytes stay counted."""
        budget, size = host_at(signed.url).budget, part.stop - part.start
        await budget.enter(size)
        began, works = time.monotonic(), False
        try:
            failure = None if part.complete else await fetch(signed, part)
            began = max(began, part.requested_at)
            if failure is None:
                if part.size is None and self.size is None:
                    part.size = await size_of(signed)
                works = self._note(part.size or self.size, part.version)
                if not works:
                    return budget, _OTHER_ETAG, 0.0
                budget.worked(began, size)
            elif failure.status in (429, 503):
                budget.refused(began, failure.retry_after)
            elif failure.passing:
                budget.stalled(began)
            return budget, failure, time.monotonic() - began
        finally:
            budget.leave()
            if not works:
                budget.release(size)

    async def _renew(self, refused: SignedUrl) -> None:
        """Sign another URL, once for all requests that were refused together."""
        async with self._renewing:
            if self.signed is refused:
                self.signed = await sign(self._source, refused=refused)

    async def _compare(self, etag: str) -> None:
        """Compare the header under another ETag with the one that was read, once for all."""
        async with self._comparing:
            if etag not in self.other_etags:
                if self.has_same_header is None or not await self.has_same_header(etag):
                    raise self.changed()
                self.other_etags.add(etag)

    def _note(self, size: int | None, etag: str | None) -> bool:
        """Keep size and ETag of the first response; later ones must have the same.

        Returns
        -------
        bool
            False if the ETag differs, and the header must be compared.
        """
        if size is None:
            raise self.error("the server does not report its size", "Download the file first.")
        if self.size is None:
            self.size, self.etag = size, etag
        elif size == self.size and (etag == self.etag or etag in self.other_etags):
            self.unconfirmed = False
        elif self.unconfirmed:
            raise self.stale()
        elif size == self.size and etag and self.has_same_header:
            return False
        else:
            raise self.changed()
        return True

    def changed(self) -> ReadError:
        """Return the error for a file that is of another version than before."""
        return self.error("the file changed while it was being read", "Read it again.")

    async def open_ahead(self, count: int) -> None:
        """Open connections to the file's host for requests that will follow."""
        if _scheme(self.signed) in ("http", "https"):
            await host_at(self.signed.url).open_ahead(count)

    def stale(self) -> Stale:
        """Return the error for a kept header of another version."""
        return Stale(source=self._label, href=redact(self.signed), reason="the file changed")

    def error(self, reason: str, hint: str) -> ReadError:
        """Return the error for a failed read of this file."""
        return ReadError(source=self._label, href=redact(self.signed), reason=reason, hint=hint)


def _scheme(signed: SignedUrl) -> str | None:
    """Return the scheme of a URL; None if it is invalid. Raises nothing: the URL may be secret."""
    try:
        scheme = urlsplit(signed.url).scheme
        if scheme in ("http", "https"):
            host_at(signed.url)
    except ValueError:
        return None
    return scheme


def _stat(path: Path) -> tuple[int, str]:
    status = path.stat()
    return status.st_size, f"{status.st_mtime_ns}"


def _pread(path: Path, start: int, stop: int) -> tuple[int, str, bytes]:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        file.seek(start)
        return status.st_size, f"{status.st_mtime_ns}", file.read(stop - start)


_REASONS = {
    200: ("the server does not support byte ranges (HTTP 200)", "Download the file first."),
    206: ("the server repeatedly sent a different range than requested", "Try another catalog."),
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

_WEB_PAGE = (
    "the server sent a web page instead of the file (HTTP 200)",
    "Open its URL in a browser: it may require a login, or the file may be gone.",
)


def _explain(failure: Failure, patience: Patience | None = None) -> tuple[str, str]:
    """Return what went wrong, and what would help."""
    default = failure.reason or f"the storage answered HTTP {failure.status}", "Try again later."
    reason, hint = _WEB_PAGE if failure.web_page else _REASONS.get(failure.status, default)
    if patience and failure.retry_after and failure.retry_after > patience.left:
        return (
            f"{reason}, retry after {failure.retry_after:.0f} s",
            f"Read again then, or set ASTRA_PATIENCE to more than the {patience.left:.0f} s left.",
        )
    return reason, hint
