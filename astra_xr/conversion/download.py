"""Fetch a remote source whole: in pieces side by side, resumed where it was left, checked."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
from httpx_retries import Retry

from astra_xr.conversion.limits import Limits, Progress
from astra_xr.errors import AstraError, ConversionFailed, UpstreamUnavailable, redact
from astra_xr.model import SignedUrl, UrlSource, local_path
from astra_xr.net.client import client
from astra_xr.net.hosts import why_refused

_PIECE = 8 << 20
"""Bytes of one request."""

_SMALL = 1 << 20
"""The same, where parts of a file are fetched."""

_CONNECTIONS = 4
"""To one host, of this process: what the Copernicus Data Space allows."""

_TRIES = 4
_REDIRECTS = 5
_TIMEOUT = 30.0
_QUICK = 5.0
_HEAD = 4096

_slots: dict[str, threading.BoundedSemaphore] = {}
_slots_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Remote:
    """What the storage says of a source."""

    size: int
    """Bytes."""

    version: str
    """Its ETag, else what else changes with it."""

    head: bytes
    """Its first bytes, enough for the directory that a COG begins with."""

    ranged: bool = True
    """False where the storage sends the whole file whatever is asked for."""


@dataclass(frozen=True)
class _Pieces:
    """How a source is cut into requests."""

    size: int
    """Bytes of each."""

    numbers: Sequence[int]
    """Those to fetch, from 0."""

    @classmethod
    def of(cls, remote: Remote, ranges: Sequence[tuple[int, int]] | None) -> _Pieces:
        if not remote.ranged:
            # It sends all at once.
            return cls(max(remote.size, 1), range(min(remote.size, 1)))
        if ranges is None:
            return cls(_PIECE, range(-(-remote.size // _PIECE)))
        inside = ((start, min(stop, remote.size)) for start, stop in ranges)
        wanted = {n for a, b in inside for n in range(a // _SMALL, -(-b // _SMALL))}
        return cls(_SMALL, sorted(wanted))


class Source:
    """One source, local or remote, through the `UrlSource` that signs its URLs.

    Parameters
    ----------
    source : UrlSource
        Is asked for a URL, and for another one where the storage refuses it.
    label : str
        What the user knows it by, for messages.
    trusted : bool
        True where the user named it: it may lie anywhere. Else see
        :func:`check_url`, for each redirect too.
    allowed : collection of str
        Hosts that a catalogue may name though they are private.
    """

    def __init__(
        self, source: UrlSource, label: str, *, trusted: bool, allowed: Collection[str] = ()
    ) -> None:
        self._source = source
        self._label = label
        self._trusted = trusted
        self._allowed = allowed
        self._signed = source()
        self._lock = threading.Lock()

    @property
    def local(self) -> Path | None:
        """The file itself, where the source is one that the user named.

        Raises
        ------
        ConversionFailed
            A catalogue named a file.
        """
        url = self._signed.url
        if url.startswith(("https://", "http://")):
            return None
        if not self._trusted:
            # It says why not.
            check_url(url, label=self._label)
        scheme = urlsplit(url).scheme
        if scheme not in ("", "file"):
            raise self._failed(f"{scheme}:// cannot be read")
        return local_path(url)

    def look(self, *, patient: bool = True) -> Remote:
        """Return size, version and first bytes, at the price of one small request.

        Parameters
        ----------
        patient : bool
            False: one try, of a few seconds.

        Raises
        ------
        ConversionFailed, UpstreamError, SigningError
            It is not there, or may not be read.
        """
        path = self.local
        if path is not None:
            return self._look_local(path)
        failure = ""
        try:
            with self._get(0, _HEAD, patient) as response:
                if response.status_code == 416:
                    raise self._failed("it is empty")
                head = b"".join(_up_to(response, _HEAD))
                return Remote(
                    size=_size(response),
                    version=_version(response),
                    head=head,
                    ranged=response.status_code == 206,
                )
        except httpx.HTTPError as error:
            failure = type(error).__name__
        raise UpstreamUnavailable(service=self._label, reason=f"its storage fails ({failure})")

    def _look_local(self, path: Path) -> Remote:
        reason = ""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                version = f"{status.st_mtime_ns:x}-{status.st_size:x}"
                return Remote(size=status.st_size, version=version, head=file.read(_HEAD))
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
        raise self._failed(reason)

    def fetch(
        self,
        remote: Remote,
        folder: Path,
        limits: Limits,
        progress: Progress,
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> Path:
        """Bring the source into a folder; what a broken attempt left there is not fetched again.

        Parameters
        ----------
        ranges : sequence of (start, stop), optional
            Bytes to fetch at least, of a file that has its whole size all the same; all of them
            when left out.

        Raises
        ------
        ConversionFailed
            It is too large, changed meanwhile, or there is no room.
        UpstreamError, SigningError
            The storage is down or refuses.
        """
        if remote.size > limits.source_bytes:
            most = limits.source_bytes
            raise self._failed(f"it has {remote.size} bytes, and {most} are the limit")
        if remote.size < 0:
            raise self._failed("its storage does not say how large it is")
        path, journal = folder / "source", folder / "source.pieces"
        reason = ""
        try:
            pieces = _Pieces.of(remote, ranges)
            first = f"{remote.size} {pieces.size} {remote.version}"
            known = journal.read_text().split("\n") if journal.exists() else []
            if known[:1] != [first]:
                path.unlink(missing_ok=True)
                journal.write_text(f"{first}\n")
                known = []
            path.touch()
            os.truncate(path, remote.size)
            # A last line without its end was cut off in the writing.
            missing = [n for n in pieces.numbers if n not in set(map(int, known[1:-1]))]
            self._fetch(remote, path, journal, pieces, missing, progress)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
        if reason:
            raise self._failed(f"what is fetched of it cannot be kept: {reason}")
        return path

    def _fetch(
        self, remote: Remote, path: Path, journal: Path, pieces: _Pieces, missing: Sequence[int],
        progress: Progress,
    ) -> None:  # fmt: skip
        with path.open("r+b") as file, journal.open("a") as log:

            def bring(piece: int) -> None:
                start = piece * pieces.size
                stop = min(start + pieces.size, remote.size)
                self._piece(remote, start, stop, file.fileno())

            pool = ThreadPoolExecutor(_CONNECTIONS, "astra-download")
            try:
                left = len(missing)
                for piece, _ in zip(missing, pool.map(bring, missing), strict=True):
                    log.write(f"{piece}\n")
                    log.flush()
                    left -= 1
                    progress(1 - left / len(pieces.numbers))
            finally:
                pool.shutdown(cancel_futures=True)

    def _piece(self, remote: Remote, start: int, stop: int, file: int) -> None:
        failure = ""
        for _ in range(_TRIES):
            try:
                with self._get(start, stop) as response:
                    if (_size(response), _version(response)) != (remote.size, remote.version):
                        raise self._failed("it changed while it was fetched")
                    if remote.ranged and response.status_code != 206:
                        raise self._failed("its storage sends no ranges any more")
                    at = start
                    for chunk in _up_to(response, stop - start):
                        at += os.pwrite(file, chunk, at)
            except httpx.HTTPError as error:
                failure = type(error).__name__
                continue
            if at == stop:
                return
            failure = "the answer ended early"
        host = urlsplit(self._signed.url).hostname
        raise UpstreamUnavailable(service=str(host), reason=f"{self._label}: {failure}")

    @contextmanager
    def _get(self, start: int, stop: int, patient: bool = True) -> Iterator[httpx.Response]:
        """Ask for a range; the URL is renewed once, redirects are looked at one by one."""
        signed = self._signed
        with _slot(signed.url):
            response = self._follow(signed, start, stop, patient)
            if response.status_code in (401, 403, 409):
                response.close()
                signed = self._renewed(signed)
                response = self._follow(signed, start, stop, patient)
            try:
                if response.status_code not in (200, 206, 416):
                    raise self._failed(f"its storage answers HTTP {response.status_code}")
                yield response
            finally:
                response.close()

    def _renewed(self, refused: SignedUrl) -> SignedUrl:
        with self._lock:
            if self._signed is refused:
                self._signed = self._source(refused=refused)
            return self._signed

    def _follow(self, signed: SignedUrl, start: int, stop: int, patient: bool) -> httpx.Response:
        url, headers = signed.url, dict(signed.headers)
        failure: AstraError | None = None
        for _ in range(_REDIRECTS):
            if not self._trusted:
                check_url(url, label=self._label, allowed=self._allowed)
            asked = {**headers, "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
            try:
                request = client().build_request("GET", url, headers=asked, timeout=_TIMEOUT)
                if not patient:
                    quick = httpx.Timeout(_QUICK).as_dict()
                    request.extensions |= {"retry": Retry(total=0), "timeout": quick}
                response = client().send(request, stream=True, follow_redirects=False)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                host = urlsplit(url).hostname
                reason = f"{host} cannot be reached ({type(error).__name__})"
                failure = UpstreamUnavailable(service=self._label, reason=reason)
                break
            if not response.is_redirect:
                return response
            response.close()
            target = urljoin(url, response.headers.get("location", ""))
            if urlsplit(target).netloc != urlsplit(url).netloc:
                # Keys are for the host that they were made for.
                headers = {}
            url = target
        raise failure or self._failed("it is redirected again and again")

    def _failed(self, reason: str) -> ConversionFailed:
        return ConversionFailed(source=self._label, reason=redact(reason))


def check_url(url: str, *, label: str, allowed: Collection[str] = ()) -> None:
    """Let pass only what :func:`~astra_xr.net.hosts.why_refused` has nothing against.

    Raises
    ------
    ConversionFailed
        The URL leads to a file, a private address, or a host that has none.
    """
    reason = why_refused(url, allowed)
    if reason:
        hint = "A host of your own can be named in ASTRA_ALLOW_HOSTS."
        raise ConversionFailed(source=label, reason=reason, hint=hint)


def _slot(url: str) -> threading.BoundedSemaphore:
    host = url.split("/")[2]
    with _slots_lock:
        return _slots.setdefault(host, threading.BoundedSemaphore(_CONNECTIONS))


def _up_to(response: httpx.Response, most: int) -> Iterator[bytes]:
    """Give at most so many bytes of a body, whatever the storage sends."""
    left = most
    for chunk in response.iter_raw():
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _size(response: httpx.Response) -> int:
    told = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("content-range", ""))
    if told:
        return int(told[1])
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == 200 and length.isdigit() else -1


def _version(response: httpx.Response) -> str:
    headers = response.headers
    told = headers.get("etag") or headers.get("last-modified") or str(_size(response))
    return str(told).strip()
