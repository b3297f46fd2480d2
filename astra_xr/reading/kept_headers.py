"""Headers of remote files in the cache folder, so that the next process need not wait for them.

A header's bytes are kept with the size and the version (ETag) of the file, which readers compare
with the first response.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from astra_xr.model import SignedUrl
from astra_xr.settings import Settings, on_configure

_MARK = b"astra-xr header 1\n"
_LARGEST = 1 << 20
_OFTEN = 64
"""Headers written until old ones are deleted."""

_written = itertools.count()


@dataclass(frozen=True, kw_only=True)
class KeptHeader:
    """The beginning of a file, as :class:`astra_xr.tiff.directories.Bytes`."""

    size: int
    """Bytes of the whole file."""

    version: str
    """Its ETag, or the time of its last change."""

    head: bytes

    async def get(self, start: int, stop: int) -> memoryview:
        """Return bytes ``start:stop``, fewer where they are not kept."""
        return memoryview(self.head)[start:stop]


def find(signed: SignedUrl) -> KeptHeader | None:
    """Return the kept header of a file; None: there is none, or it is damaged."""
    path = _path(signed)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
        mark, about, head = data.split(b"\n", 2)
        size, version, check = json.loads(about)
        whole = mark + b"\n" == _MARK and check == zlib.crc32(head)
        return KeptHeader(size=int(size), version=str(version), head=head) if whole else None
    except (OSError, ValueError, TypeError):
        return None


def keep(signed: SignedUrl, kept: KeptHeader) -> None:
    """Write a header into the cache folder, if that is enabled and possible."""
    path = _path(signed)
    if path is None or len(kept.head) > _LARGEST // 2:
        return
    about = json.dumps([kept.size, kept.version, zlib.crc32(kept.head)])
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Renamed when complete: other processes may read it at any time.
        number, name = tempfile.mkstemp(dir=path.parent, prefix="new-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(_MARK + about.encode() + b"\n" + kept.head)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink()
        if next(_written) % _OFTEN == 0:
            _make_room(path.parent)


def _make_room(folder: Path) -> None:
    """If there are too many headers, delete the oldest until a quarter of the limit is free."""
    limit = _room()[1]
    with os.scandir(folder) as entries:
        found = [
            (status.st_mtime, status.st_size, e.path) for e in entries for status in [e.stat()]
        ]
    total = sum(size for _, size, _ in found)
    if total <= limit:
        return
    for _, size, path in sorted(found):
        if total <= limit * 3 // 4:
            return
        Path(path).unlink(missing_ok=True)
        total -= size


def _path(signed: SignedUrl) -> Path | None:
    """Return where the header of a file is kept; None: nowhere."""
    folder, limit = _room()
    url = urlsplit(signed.url)
    # The query of other URLs may choose the file; here it is a signature, and stays out.
    by_path = url.path.lower().endswith((".tif", ".tiff"))
    if not limit or url.scheme not in ("http", "https") or not by_path:
        return None
    name = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    return folder / hashlib.sha256(name.encode()).hexdigest()


@functools.cache
def _room() -> tuple[Path, int]:
    """Return the folder of headers, and its limit in bytes."""
    settings = Settings.from_env()
    return settings.cache_dir / "headers", settings.kept_headers


on_configure(_room.cache_clear)
