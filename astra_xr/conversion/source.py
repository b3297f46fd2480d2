"""A source file: checked, then downloaded in concurrent pieces, resumed after interruptions."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from astra_xr.conversion.disk import disk_errors
from astra_xr.conversion.recipe import Limits, Progress
from astra_xr.errors import ConversionFailed, UpstreamUnavailable, redact
from astra_xr.locks import Lock
from astra_xr.model import SignedUrl, UrlSource, local_path
from astra_xr.net.client import PASSING, client
from astra_xr.net.failures import host_of, retry_after
from astra_xr.net.hosts import redirect_target, why_refused
from astra_xr.net.retries import Retryable, with_retries

_PIECE = 8 << 20
"""Bytes of one request."""

_SMALL = 1 << 20
"""Bytes of one request if only parts of a file are needed."""

_CONNECTIONS = 4
"""Connections of this process to one host, as many as the Copernicus Data Space allows."""

_REDIRECTS = 5
_TIMEOUT = 30.0
_QUICK = 5.0
_HEAD = 4096

_slots: dict[str, Lock] = {}
_slots_lock = Lock()


class Source:
    """A local or remote source file, checked by one small request.

    Parameters
    ----------
    urls : UrlSource
        Returns its URL, and a new one if the storage refuses it.
    label : str
        Scene and band, for messages.
    trusted : bool
        True if the user gave the source, which may then be anywhere. Otherwise its URL and all
        redirects must pass :func:`check_url`.
    allowed : collection of str
        Private hosts that a catalog may refer to.
    patient : bool
        False to check it without retries, within a few seconds.

    Attributes
    ----------
    size : int
        Bytes; negative if the storage does not report it.
    version : str
        Its ETag, else its date or size.
    head : bytes
        Its first bytes, enough for the directory at the beginning of a COG.
    ranged : bool
        False if the storage ignores ranges and sends the whole file.

    Raises
    ------
    ConversionFailed, UpstreamError, SigningError
        It does not exist, or may not be read.
    """

    size: int
    version: str
    head: bytes
    ranged: bool = True

    def __init__(
        self,
        urls: UrlSource,
        label: str,
        *,
        trusted: bool,
        allowed: Collection[str] = (),
        patient: bool = True,
    ) -> None:
        self._urls = urls
        self._label = label
        self._trusted = trusted
        self._allowed = allowed
        self._signed = urls()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        if path := self.local:
            self._look_at(path)
        else:
            self._look(patient)

    @property
    def local(self) -> Path | None:
        """Return the path of a local file, which only the user may give; None for a URL.

        Raises
        ------
        ConversionFailed
            A catalog refers to a local file.
        """
        if self._signed.url.startswith(("https://", "http://")):
            return None
        if not self._trusted:
            check_url(self._signed, label=self._label)  # raises
        scheme = urlsplit(self._signed.url).scheme
        if scheme not in ("", "file"):
            raise self._failed(f"{scheme}:// cannot be read")
        return local_path(self._signed.url)

    def _look(self, patient: bool) -> None:
        failure = ""
        try:
            with self._get(0, _HEAD, patient) as response:
                if response.status_code == 416:
                    raise self._failed("it is empty")
                self.head = b"".join(_up_to(response, _HEAD))
                self.size, self.version = _size(response), _version(response)
                self.ranged = response.status_code == 206
                self._check_range(response, 0)
                return
        except httpx.HTTPError as error:
            failure = type(error).__name__
        raise UpstreamUnavailable(service=self._label, reason=f"its storage failed ({failure})")

    def _look_at(self, path: Path) -> None:
        with disk_errors(self._label), path.open("rb") as file:
            status = os.fstat(file.fileno())
            self.head = file.read(_HEAD)
        self.size = status.st_size
        self.version = f"{status.st_mtime_ns:x}-{status.st_size:x}"

    def fetch(
        self,
        folder: Path,
        limits: Limits,
        progress: Progress,
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> Path:
        """Download the source into a folder, and return its path; resume an earlier attempt there.

        Parameters
        ----------
        ranges : sequence of (start, stop), optional
            Bytes that are needed. The new file has the size of the source in any case. Default:
            all bytes.

        Raises
        ------
        ConversionFailed
            It is too large, was changed meanwhile, or the disk is full.
        UpstreamError, SigningError
            The storage is down, or refuses access.
        """
        if self.size > limits.source_bytes:
            most = limits.source_bytes
            raise self._failed(f"it has {self.size} bytes, and the limit is {most}")
        if self.size < 0:
            raise self._failed("its storage does not report its size")
        path, journal = folder / "source", folder / "source.pieces"
        with disk_errors(self._label, "the downloaded file cannot be stored: "):
            step, numbers = self._pieces(ranges)
            first = f"{self.size} {step} {self.version}"
            known = journal.read_text().split("\n") if journal.exists() else []
            if known[:1] != [first]:
                path.unlink(missing_ok=True)
                journal.write_text(f"{first}\n")
                known = []
            path.touch()
            os.truncate(path, self.size)
            # Without the last line, which is empty or incomplete.
            missing = [n for n in numbers if n not in set(map(int, known[1:-1]))]
            self._fetch(
                path, journal, step, missing, lambda left: progress(1 - left / len(numbers))
            )
        return path

    def _pieces(self, ranges: Sequence[tuple[int, int]] | None) -> tuple[int, Sequence[int]]:
        """Return the bytes of a request, and the numbers of the pieces to request, from 0."""
        if not self.ranged:
            return max(self.size, 1), range(min(self.size, 1))
        if ranges is None:
            return _PIECE, range(-(-self.size // _PIECE))
        inside = ((start, min(stop, self.size)) for start, stop in ranges)
        return _SMALL, sorted({n for a, b in inside for n in range(a // _SMALL, -(-b // _SMALL))})

    def _fetch(
        self,
        path: Path,
        journal: Path,
        step: int,
        numbers: Sequence[int],
        left: Callable[[int], None],
    ) -> None:
        """Write pieces into a file and their numbers into a journal; report how many are left."""
        pool = ThreadPoolExecutor(_CONNECTIONS, "astra-fetch")
        with path.open("r+b") as file, journal.open("a") as log:
            try:
                pieces = pool.map(partial(self._piece, file.fileno(), step), numbers)
                for done, (number, _) in enumerate(zip(numbers, pieces, strict=True), start=1):
                    log.write(f"{number}\n")
                    log.flush()
                    left(len(numbers) - done)
            finally:
                pool.shutdown(cancel_futures=True)

    def _piece(self, file: int, step: int, number: int) -> None:
        start = number * step
        stop = min(start + step, self.size)
        host = str(urlsplit(self._signed.url).hostname)

        def once() -> Retryable | None:
            failure = "the answer ended early"
            try:
                with self._get(start, stop) as response:
                    if (_size(response), _version(response)) != (self.size, self.version):
                        raise self._failed("it was changed during the download")
                    if self.ranged and response.status_code != 206:
                        raise self._failed("its storage no longer sends byte ranges")
                    self._check_range(response, start)
                    at = start
                    for chunk in _up_to(response, stop - start):
                        at += self._write(file, chunk, at)
                    if at == stop:
                        return None
            except httpx.HTTPError as error:
                failure = type(error).__name__
            reason = f"{self._label}: {failure}"
            return Retryable(error=UpstreamUnavailable(service=host, reason=reason))

        with_retries(host, once)

    def _write(self, file: int, chunk: bytes, at: int) -> int:
        # Several threads write to the file, and Windows has no os.pwrite.
        with self._writing:
            os.lseek(file, at, os.SEEK_SET)
            return os.write(file, chunk)

    @contextmanager
    def _get(self, start: int, stop: int, patient: bool = True) -> Iterator[httpx.Response]:
        """Request a range; renew the URL once, and check each redirect."""
        signed = self._signed
        with _slot(signed.url):
            response = self._follow(signed, start, stop, patient)
            if response.status_code in (401, 403, 409):
                response.close()
                signed = self._renewed(signed)
                response = self._follow(signed, start, stop, patient)
            try:
                if response.status_code not in (200, 206, 416):
                    raise self._refused(response.status_code)
                yield response
            finally:
                response.close()

    def _check_range(self, response: httpx.Response, start: int) -> None:
        sent = response.headers.get("content-range", "")
        if response.status_code == 206 and not sent.startswith(f"bytes {start}-"):
            raise self._failed("its storage sent a different range than requested")

    def _renewed(self, refused: SignedUrl) -> SignedUrl:
        with self._lock:
            if self._signed is refused:
                self._signed = self._urls(refused=refused)
            return self._signed

    def _follow(self, signed: SignedUrl, start: int, stop: int, patient: bool) -> httpx.Response:
        at: SignedUrl | None = signed
        for _ in range(_REDIRECTS):
            if at is None:
                raise self._failed("it is redirected to an invalid URL")
            if not self._trusted:
                check_url(at, label=self._label, allowed=self._allowed)
            response = self._send(at, start, stop, patient)
            if not response.is_redirect:
                return response
            response.close()
            at = _redirected(at, response)
        raise self._failed("it has too many redirects")

    def _send(self, signed: SignedUrl, start: int, stop: int, patient: bool) -> httpx.Response:
        """Send a request; repeat it while the storage has a temporary failure."""

        def once() -> httpx.Response | Retryable:
            response = self._sent(signed, start, stop, _TIMEOUT if patient else _QUICK)
            if isinstance(response, UpstreamUnavailable) and patient:
                return Retryable(error=response, answered=False)
            if isinstance(response, UpstreamUnavailable | KeyboardInterrupt):
                raise response
            status = response.status_code
            if status not in PASSING or not patient:
                return response
            response.close()
            return Retryable(error=self._refused(status), retry_after=retry_after(response.headers))

        return with_retries(host_of(signed.url), once)

    def _refused(self, status: int) -> ConversionFailed | UpstreamUnavailable:
        reason = f"its storage answers HTTP {status}"
        if status not in PASSING:
            return self._failed(reason)
        # Temporary: the file itself may be fine.
        return UpstreamUnavailable(service=self._label, reason=reason)

    def _sent(
        self, signed: SignedUrl, start: int, stop: int, timeout: float
    ) -> httpx.Response | UpstreamUnavailable | KeyboardInterrupt:
        # Raises nothing, as URL and headers are plain text here.
        headers = {
            **dict(signed.headers),
            "Range": f"bytes={start}-{stop - 1}",
            "Accept-Encoding": "identity",
        }
        try:
            request = client().build_request("GET", signed.url, headers=headers, timeout=timeout)
            return client().send(request, stream=True, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            reason = f"{host_of(signed.url)} cannot be reached ({type(error).__name__})"
        except KeyboardInterrupt:
            return KeyboardInterrupt()
        return UpstreamUnavailable(service=self._label, reason=reason)

    def _failed(self, reason: str) -> ConversionFailed:
        return ConversionFailed(source=self._label, reason=redact(reason))


def check_url(signed: SignedUrl, *, label: str, allowed: Collection[str] = ()) -> None:
    """Raise if :func:`~astra_xr.net.hosts.why_refused` refuses a URL.

    Raises
    ------
    ConversionFailed
        The URL is of a local file, a private address, or a host without an address.
    """
    reason = why_refused(signed.url, allowed)
    if reason:
        hint = "Add a host of your own to ASTRA_ALLOW_HOSTS."
        raise ConversionFailed(source=label, reason=reason, hint=hint)


def _redirected(signed: SignedUrl, response: httpx.Response) -> SignedUrl | None:
    """Return the target of a redirect; None if it is not a URL."""
    target = redirect_target(signed.url, response.headers.get("location", ""))
    if target is None:
        return None
    # Headers are secrets, for their own host only.
    same = urlsplit(target).netloc == urlsplit(signed.url).netloc
    return SignedUrl(url=target, headers=signed.headers if same else ())


def _slot(url: str) -> Lock:
    host = url.split("/")[2]
    with _slots_lock:
        return _slots.setdefault(host, Lock(partial(threading.BoundedSemaphore, _CONNECTIONS)))


def _up_to(response: httpx.Response, most: int) -> Iterator[bytes]:
    """Yield a body, up to a number of bytes."""
    left = most
    for chunk in response.iter_raw():
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _size(response: httpx.Response) -> int:
    match = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("content-range", ""))
    if match:
        return int(match[1])
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == 200 and length.isdigit() else -1


def _version(response: httpx.Response) -> str:
    headers = response.headers
    validator = headers.get("etag") or headers.get("last-modified") or str(_size(response))
    return str(validator).strip()
