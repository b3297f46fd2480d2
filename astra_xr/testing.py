"""Fakes for tests: a byte-range server with faults on demand, a clock, and small real COGs.

For the tests of astra-xr and of programs that use it. The server listens only on the loopback
address.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

if TYPE_CHECKING:
    import numpy.typing as npt
    from rasterio import Affine

__all__ = ["FakeClock", "RangeServer", "Reply", "Request", "require_query", "write_cog"]

_MEDIA_TYPES = {".jp2": "image/jp2", ".json": "application/json", ".tif": "image/tiff"}
#: The most that is read into memory for one write to a connection.
_PIECE = 1 << 20
_date = lru_cache(formatdate)
_INVERTED = bytes(range(255, -1, -1))


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, as in the server's log and as passed to a rule."""

    number: int
    """Number since the start or the last ``reset()``, from 0."""
    method: str
    path: str
    """Decoded, with its leading slash."""
    query: str
    """As sent, without the question mark."""
    headers: Mapping[str, str]
    """Names in lower case."""
    range: tuple[int, int] | None = None
    """Half-open ``(start, stop)`` of the requested bytes, resolved against the file's size; None
    without a range, or with one that does not apply."""
    status: int = 0
    """Status of the answer; 0 in a rule, and for a connection that a rule resets."""
    sent: int = 0
    """Bytes of the answer's body that were sent, without headers; 0 in a rule."""

    @property
    def params(self) -> dict[str, str]:
        """Return the query's parameters, decoded."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Changes to one answer; fields with their default leave the file's answer unchanged.

    Examples
    --------
    >>> busy = Reply(status=503, headers={"Retry-After": "1"})
    >>> fail_twice = lambda request: busy if request.number < 2 else None
    """

    status: int | None = None
    """If set, `body` is the answer, and no file is read."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the answer's headers, or replace them: ``{"Content-Range": "bytes 7-9/10"}`` is a
    server that sends bytes other than requested."""
    delay: float = 0.0
    """Seconds before the answer, in addition to the server's latency."""
    reset: bool = False
    """Sends nothing and ends the connection with a TCP reset."""
    truncate_at: int | None = None
    """Closes the connection after this many bytes of the body; the headers announce all of it."""
    trickle: float | None = None
    """Bytes of the body per second."""
    corrupt: bool = False
    """Inverts every byte of the body."""


Rule = Callable[[Request], Reply | None]


def require_query(
    name: str,
    valid: Callable[[str], bool],
    *,
    status: int = 403,
    body: bytes = b"The signature is missing or not valid.",
) -> Rule:
    """Return a rule that refuses requests whose query parameter is missing or invalid.

    Examples
    --------
    >>> rule = require_query("sig", lambda value: value == "good")
    >>> rule(Request(number=0, method="GET", path="/a", query="sig=good", headers={})) is None
    True
    >>> rule(Request(number=1, method="GET", path="/a", query="", headers={})).status
    403
    """

    def rule(request: Request) -> Reply | None:
        value = request.params.get(name)
        accepted = value is not None and valid(value)
        return None if accepted else Reply(status=status, body=body)

    return rule


@dataclass
class _Answer:
    """The body is a part of a file, ``(path, start, stop)``, or else bytes."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    part: tuple[Path, int, int] | None = None


class RangeServer:
    """A byte-range server for one folder, on loopback, in its own thread.

    It keeps connections open, answers GET and HEAD with strong ETags, honors ``Range``,
    ``If-Range`` and ``If-Match``, and logs each request. Symbolic links in the folder are followed.

    Parameters
    ----------
    root
        The folder.
    latency
        Seconds before each answer. Can be changed at any time.

    Attributes
    ----------
    rule
        Called with each request; returns a `Reply` that changes the answer, or None. It runs in
        the server's thread. If it raises, the answer has status 500 and the error's text.

    Examples
    --------
    >>> import tempfile, urllib.request
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.bin").write_bytes(b"0123456789")
    >>> with RangeServer(folder) as server:
    ...     ask = urllib.request.Request(server.url("a.bin"), headers={"Range": "bytes=2-4"})
    ...     with urllib.request.urlopen(ask) as answer:
    ...         answer.status, answer.read()
    ...     server.requests[0].range, server.bytes_sent
    (206, b'234')
    ((2, 5), 3)
    """

    def __init__(self, root: str | os.PathLike[str], latency: float = 0.0) -> None:
        self.latency = latency
        self.rule: Rule | None = None
        self._root = Path(root).resolve()
        self._lock = threading.Lock()
        self._log: list[Request] = []
        self._count = 0

    def __enter__(self) -> Self:
        """Start the server on a free port."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="RangeServer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        # A server stopped while it starts would leave its socket open.
        self._started.wait()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, path: str = "", **query: str) -> str:
        """Return the URL of a file, with optional query parameters."""
        tail = f"?{urlencode(query)}" if query else ""
        return f"http://127.0.0.1:{self._port}/{quote(path.lstrip('/'))}{tail}"

    @property
    def requests(self) -> list[Request]:
        """Return a copy of the log; requests are logged before their answer is sent."""
        with self._lock:
            return list(self._log)

    @property
    def bytes_sent(self) -> int:
        """Return the bytes of all bodies, without headers."""
        return sum(request.sent for request in self.requests)

    def reset(self) -> None:
        """Clear the log, and number requests from 0 again."""
        with self._lock:
            self._log.clear()
            self._count = 0

    def _run(self) -> None:
        # When the runner ends, it cancels open connections.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            server = runner.run(asyncio.start_server(self._converse, sock=self._listener))
            self._started.set()
            self._loop.run_forever()
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            keep = True
            while keep:
                head = await reader.readuntil(b"\r\n\r\n")
                request, answer = self._parse(head[:-4].decode("latin-1"))
                # The body of a POST: read only so that the next request is found.
                await reader.readexactly(int(request.headers.get("content-length", 0)))
                keep = await self._answer(writer, request, answer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    def _parse(self, head: str) -> tuple[Request, _Answer]:
        """Return a request, and its answer if no rule changes it."""
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        path, _, query = target.partition("?")
        path = unquote(path)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        answer = _file_answer(Path(f"{self._root}/{path}"), method, headers)
        with self._lock:
            number, self._count = self._count, self._count + 1
        return Request(
            number=number,
            method=method,
            path=path,
            query=query,
            headers=headers,
            range=answer.part[1:] if answer.part and answer.status == 206 else None,
        ), answer

    async def _answer(
        self, writer: asyncio.StreamWriter, request: Request, answer: _Answer
    ) -> bool:
        """Answer one request; return True if the connection stays open."""
        reply = self._ask_rule(request)
        if wait := self.latency + reply.delay:
            await asyncio.sleep(wait)
        if reply.reset:
            self._record(request, status=0, sent=0)
            # Lingering for zero seconds makes the end of the connection a reset.
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if reply.status is not None:
            headers = {"content-length": str(len(reply.body))}
            answer = _Answer(reply.status, headers, reply.body)
        answer.headers |= {name.lower(): value for name, value in reply.headers.items()}
        if request.method == "HEAD":
            answer.body, answer.part = b"", None
        await self._send(writer, request, answer, reply)
        return reply.truncate_at is None and request.headers.get("connection") != "close"

    def _ask_rule(self, request: Request) -> Reply:
        try:
            reply = self.rule(request) if self.rule else None
        except Exception as error:  # noqa: BLE001 - whatever a test's rule raises
            # Raised here, it would only end the connection.
            return Reply(status=500, body=f"The rule raised {error!r}".encode())
        return reply or Reply()

    async def _send(
        self, writer: asyncio.StreamWriter, request: Request, answer: _Answer, reply: Reply
    ) -> None:
        path, start, stop = answer.part or (None, 0, len(answer.body))
        if reply.truncate_at is not None:
            stop = min(stop, start + reply.truncate_at)
        step = _PIECE if reply.trickle is None else max(1, int(reply.trickle / 50))
        # Logged before it is sent: a client that has the answer finds it in the log.
        logged = self._record(request, status=answer.status, sent=stop - start)
        head, at = _head(answer), start
        file = path.open("rb", buffering=0) if path else None
        try:
            if file is not None:
                file.seek(start)
            while head or at < stop:
                until = min(at + step, stop)
                piece = answer.body[at:until] if file is None else file.read(until - at)
                if reply.corrupt:
                    piece = piece.translate(_INVERTED)
                writer.write(head + piece)
                await writer.drain()
                head, at = b"", until
                if reply.trickle is not None:
                    await asyncio.sleep(len(piece) / reply.trickle)
        finally:
            if file is not None:
                file.close()
            if at < stop:
                self._correct(logged, sent=at - start)

    def _record(self, request: Request, *, status: int, sent: int) -> Request:
        entry = replace(request, status=status, sent=sent)
        with self._lock:
            self._log.append(entry)
        return entry

    def _correct(self, entry: Request, *, sent: int) -> None:
        """Log how much of a body was sent before the client closed the connection."""
        with self._lock:
            if entry in self._log:
                self._log[self._log.index(entry)] = replace(entry, sent=sent)


def _file_answer(path: Path, method: str, fields: Mapping[str, str]) -> _Answer:
    """Return the correct answer to a request, by RFC 9110."""
    if method not in ("GET", "HEAD"):
        return _Answer(405, {"allow": "GET, HEAD", "content-length": "0"})
    try:
        status = path.stat()
    except (OSError, ValueError):
        status = None
    # With no step upwards in its text, a path stays below the root.
    if status is None or ".." in path.parts or not stat.S_ISREG(status.st_mode):
        return _Answer(404, {"content-length": "0"})
    size = status.st_size
    etag = f'"{status.st_mtime_ns:x}-{size:x}"'
    modified = _date(status.st_mtime, usegmt=True)
    if fields.get("if-match", etag) not in (etag, "*"):
        return _Answer(412, {"etag": etag, "content-length": "0"})
    headers = {
        "accept-ranges": "bytes",
        "content-type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "etag": etag,
        "last-modified": modified,
        "content-length": str(size),
    }
    ranged = method == "GET" and fields.get("if-range", etag) in (etag, modified)
    part = _resolve(fields.get("range", ""), size) if ranged else None
    if part is None:
        return _Answer(200, headers, part=(path, 0, size))
    start, stop = part
    if start >= stop:
        return _Answer(416, {"content-range": f"bytes */{size}", "content-length": "0"})
    headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["content-length"] = str(stop - start)
    return _Answer(206, headers, part=(path, start, stop))


def _resolve(header: str, size: int) -> tuple[int, int] | None:
    """Return the half-open range of a Range header; empty if it cannot be satisfied.

    None means the whole file: no range, several ranges, or an invalid header.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _head(answer: _Answer) -> bytes:
    known = answer.status in HTTPStatus.__members__.values()
    phrase = HTTPStatus(answer.status).phrase if known else "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class FakeClock:
    """A clock that only moves by :meth:`advance`; call it for the time.

    Examples
    --------
    >>> clock = FakeClock(datetime(2025, 7, 31, 12, tzinfo=UTC))
    >>> clock.advance(timedelta(minutes=45), seconds=1.5)
    >>> clock().isoformat()
    '2025-07-31T12:45:01.500000+00:00'
    """

    def __init__(self, start: datetime = datetime(2025, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("start needs a time zone: datetime(..., tzinfo=UTC)")
        self._now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        """Return the time, in UTC."""
        return self._now

    def seconds(self) -> float:
        """Return the time as ``time.monotonic`` does."""
        return self._now.timestamp()

    def advance(self, by: timedelta = timedelta(0), *, seconds: float = 0.0) -> None:
        """Move the clock forward."""
        self._now += by + timedelta(seconds=seconds)


def write_cog(
    path: str | os.PathLike[str],
    array: npt.NDArray[Any],
    *,
    crs: str = "EPSG:32610",
    transform: Affine | None = None,
    nodata: float | None = 0,
    blocksize: int = 512,
    compress: str = "deflate",
    predictor: int = 2,
    overviews: str | None = "average",
    scales: tuple[float, ...] | None = None,
    offsets: tuple[float, ...] | None = None,
) -> Path:
    """Write a cloud-optimized GeoTIFF with GDAL's COG driver.

    Parameters
    ----------
    path
        The file. No ``.aux.xml`` is written.
    array
        ``(bands, rows, columns)``, or one band as ``(rows, columns)``.
    crs, transform
        Georeferencing; by default 10 m pixels, north up, in UTM zone 10.
    nodata, scales, offsets
        Metadata of the file; the values are written unchanged.
    blocksize, compress, predictor
        Tile size in pixels, GDAL's name of the compression, TIFF's number of the predictor.
    overviews
        Resampling of the overviews; None for a file without overviews.

    Returns
    -------
    Path
        `path`.

    Examples
    --------
    >>> import tempfile, numpy, rasterio
    >>> ramp = numpy.arange(1024 * 1024, dtype="uint16").reshape(1024, 1024)
    >>> path = write_cog(tempfile.mkdtemp() + "/B04.tif", ramp)
    >>> with rasterio.open(path) as dataset:
    ...     dataset.block_shapes, dataset.overviews(1), dataset.res
    ([(512, 512)], [2], (10.0, 10.0))
    """
    import rasterio
    from rasterio.shutil import copy

    bands = array if array.ndim == 3 else array[None]
    profile = {
        "driver": "MEM",
        "dtype": bands.dtype,
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "crs": crs,
        "transform": transform or rasterio.Affine(10, 0, 499980, 0, -10, 4200000),
        "nodata": nodata,
    }
    options = {
        "BLOCKSIZE": blocksize,
        "COMPRESS": compress,
        "PREDICTOR": {1: "NO", 2: "STANDARD", 3: "FLOATING_POINT"}[predictor],
        "OVERVIEWS": "AUTO" if overviews else "NONE",
        "RESAMPLING": overviews or "nearest",
    }
    with (
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open("", "w", **profile) as dataset,
    ):
        dataset.write(bands)
        dataset.scales = scales or dataset.scales
        dataset.offsets = offsets or dataset.offsets
        copy(dataset, os.fspath(path), driver="COG", **options)
    return Path(path)
