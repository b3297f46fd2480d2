"""Local files, served by signed URLs and byte ranges."""

from __future__ import annotations

import contextlib
import functools
import mimetypes
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import anyio.to_thread
from cachetools import LRUCache
from starlette.types import Receive, Scope, Send

from astra_xr.conversion.recipe import COG_TYPE
from astra_xr.errors import Forbidden, SigningError
from astra_xr.model import Asset, SignedUrl, local_path
from astra_xr.resolver.resolution import Resolution
from astra_xr.service.conditions import Verdict, Version, judged
from astra_xr.service.problems import plain_problem, problem
from astra_xr.service.signing import UrlSigner

PREFIX = "/assets/"
_AT_ONCE = 1 << 20
"""Most bytes read in the event loop, if they are in the page cache. Longer responses, and bytes
that are only on disk, are read in threads, in pieces of this size."""

_OPENING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags that refuse symbolic links, and do not wait for the writer of a pipe."""

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_OPEN = 128
"""Number of files kept open."""

_LONGEST_PATH = 4096
_LONGEST_QUERY = 1000


@dataclass(frozen=True)
class _File:
    descriptor: int
    path: str
    stamp: tuple[int, ...]
    """Changes if the file is replaced or modified."""

    version: Version
    headers: tuple[tuple[bytes, bytes], ...]


class _OpenFiles(LRUCache[str, _File]):
    """Open files, by the path of their URL."""

    def popitem(self) -> tuple[str, _File]:
        path, file = super().popitem()
        os.close(file.descriptor)
        return path, file


class LocalFiles:
    """Sign URLs of files in some folders, and serve them (an ASGI app).

    Parameters
    ----------
    roots : mapping
        Name in the URL → folder. Files outside are not served, also not through links.
    signer : UrlSigner
    whole : mapping, optional
        Name in the URL → function that returns True if a file of that folder is undamaged. It is
        called in a thread when a file is opened; damaged files are not served.
    """

    def __init__(
        self,
        roots: Mapping[str, Path],
        signer: UrlSigner,
        whole: Mapping[str, Callable[[Path], bool]] | None = None,
    ) -> None:
        self._whole = whole or {}
        self._roots = {name: Path(os.path.realpath(root)) for name, root in roots.items()}
        self._signer = signer
        self._files = _OpenFiles(_OPEN)

    def published(self, answer: Resolution, base: str) -> Resolution:
        """Return a resolution whose local files have signed URLs of the service at ``base``.

        Raises
        ------
        SigningError
            A file is outside of the served folders, or needs request headers.
        """
        assets = {name: self._published(asset, base) for name, asset in answer.assets.items()}
        raw = answer.item.get("assets", {})
        if any(str(entry.get("href", "")).startswith("file:") for entry in raw.values()):
            shown = {
                key: {**entry, "href": self._bare(str(entry.get("href", "")), base)}
                for key, entry in raw.items()
            }
            return replace(answer, assets=assets, item={**answer.item, "assets": shown})
        return replace(answer, assets=assets)

    def _published(self, asset: Asset, base: str) -> Asset:
        signed = asset.signed
        if signed and signed.headers:
            raise SigningError(
                href=asset.href,
                reason="reading it needs the service's own account",
                hint="Use format=geotiff, which the service converts and serves itself.",
            )
        href = self._bare(asset.href, base)
        if signed is None or not signed.url.startswith("file:"):
            return replace(asset, href=href)
        path = self._path_of(signed.url)
        if path is None:
            reason = "it is outside of the folders that the service serves"
            raise SigningError(href=href, reason=reason, hint="Ask the service's operator.")
        query, expires_at = self._signer.sign("GET", path)
        fresh = SignedUrl(url=f"{base}{path}?{query}", expires_at=expires_at)
        size = asset.size or local_path(signed.url).stat().st_size
        return replace(asset, href=href, signed=fresh, size=size)

    def _bare(self, href: str, base: str) -> str:
        """Return an href that does not reveal local folders."""
        if urlsplit(href).scheme not in ("file", ""):
            return href
        path = self._path_of(href)
        return base + (path or f"{PREFIX}{quote(href.rpartition('/')[2])}")

    def _path_of(self, url: str) -> str | None:
        real = Path(os.path.realpath(local_path(url)))
        for name, root in self._roots.items():
            if real.is_relative_to(root):
                return f"{PREFIX}{name}/{quote(real.relative_to(root).as_posix())}"
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = scope.get("request_id", "")
        if scope["method"] not in ("GET", "HEAD"):
            response = plain_problem(405, request_id, {"Allow": "GET, HEAD"})
            await response(scope, receive, send)
            return
        raw = scope["raw_path"].decode("latin-1").partition("?")[0]
        opens = self._opens(scope["method"], raw, scope["query_string"])
        scope["query_string"] = b""  # a secret, and every stack frame has the scope
        if not opens:
            reason = "The signature of this URL is invalid or has expired. Resolve the scene again."
            await problem(Forbidden(reason=reason), request_id)(scope, receive, send)
            return
        file = await self._file(unquote(raw))
        if file is None:
            await plain_problem(404, request_id)(scope, receive, send)
            return
        verdict = judged(scope["method"], scope["headers"], file.version)
        if verdict.status in (412, 416):
            size = {"Content-Range": f"bytes */{file.version.size}"}
            more = size if verdict.status == 416 else None
            await plain_problem(verdict.status, request_id, more)(scope, receive, send)
            return
        await _serve(file, verdict, scope["method"], send)

    def _opens(self, method: str, raw: str, query: bytes) -> bool:
        short = len(raw) <= _LONGEST_PATH and len(query) <= _LONGEST_QUERY
        return short and self._signer.accepts(method, raw, _fields(query))

    async def _file(self, path: str) -> _File | None:
        """Return an open file; None if it does not exist or is not served."""
        kept = self._files.get(path)
        if kept is not None:
            with contextlib.suppress(OSError):
                # Compared by its real path, where it was allowed.
                if _stamp(os.stat(kept.path, follow_symlinks=False)) == kept.stamp:  # noqa: PTH116
                    return kept
            os.close(self._files.pop(path).descriptor)
        file = self._open(path)
        if file is None:
            return None
        whole = self._whole.get(path.removeprefix(PREFIX).partition("/")[0])
        good = False
        try:
            good = not whole or await anyio.to_thread.run_sync(whole, Path(file.path))
        finally:
            if not good:
                os.close(file.descriptor)
        if not good:
            return None
        if path in self._files:  # opened by another request meanwhile
            os.close(self._files.pop(path).descriptor)
        self._files[path] = file
        return file

    def _open(self, path: str) -> _File | None:
        name, _, rest = path.removeprefix(PREFIX).partition("/")
        root = self._roots.get(name)
        if root is None:
            return None
        real = os.path.realpath(root / rest)
        if not Path(real).is_relative_to(root):
            return None
        try:
            descriptor = os.open(real, _OPENING)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return None
        tiff = real.endswith((".tif", ".tiff"))
        kind = COG_TYPE if tiff else mimetypes.guess_type(real)[0] or "application/octet-stream"
        version = Version(
            etag=f'"{status.st_mtime_ns:x}-{status.st_size:x}"'.encode(),
            modified=int(status.st_mtime),
            size=status.st_size,
        )
        return _File(
            descriptor=descriptor,
            path=real,
            stamp=_stamp(status),
            version=version,
            headers=(
                (b"content-type", kind.encode()),
                (b"accept-ranges", b"bytes"),
                (b"etag", version.etag),
                (b"last-modified", version.last_modified),
                (b"cache-control", b"private, max-age=3600"),
            ),
        )


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=512)
def _fields(query: bytes) -> Mapping[str, str]:
    """Return a query's parameters; none if it is malformed or repeats one."""
    try:
        pairs = parse_qsl(query.decode("ascii"), strict_parsing=True, max_num_fields=8)
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


async def _serve(file: _File, verdict: Verdict, method: str, send: Send) -> None:
    headers, start, stop = list(file.headers), verdict.start, verdict.stop
    if verdict.status == 206:
        part = b"bytes %d-%d/%d" % (start, stop - 1, file.version.size)
        headers.append((b"content-range", part))
    if verdict.status != 304:
        headers.append((b"content-length", b"%d" % (stop - start)))
    empty = method == "HEAD" or verdict.status == 304
    data = b"" if empty else _in_memory(file.descriptor, stop - start, start)
    if data is None:
        await _stream(file, verdict, headers, send)
        return
    await send({"type": "http.response.start", "status": verdict.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def _in_memory(descriptor: int, length: int, start: int) -> bytes | bytearray | None:
    """Return bytes if they are in the page cache; None if reading them could block."""
    if length > _AT_ONCE:
        return None
    if _NOWAIT is None:
        data = os.pread(descriptor, length, start)
        return data if len(data) == length else None
    buffer = bytearray(length)
    with contextlib.suppress(OSError):
        if os.preadv(descriptor, [buffer], start, _NOWAIT) == length:
            return buffer
    return None


async def _stream(
    file: _File, part: Verdict, headers: list[tuple[bytes, bytes]], send: Send
) -> None:
    # A descriptor of its own, as the file may be closed meanwhile.
    descriptor = os.dup(file.descriptor)
    start, stop = part.start, part.stop
    try:
        await send({"type": "http.response.start", "status": part.status, "headers": headers})
        while start < stop:
            length = min(_AT_ONCE, stop - start)
            data = await anyio.to_thread.run_sync(os.pread, descriptor, length, start)
            if not data:
                raise OSError("the file became shorter while it was sent")
            start += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": start < stop})
    finally:
        os.close(descriptor)
