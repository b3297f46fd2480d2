"""Stores of converted files: a local folder, or an object store.

A stored asset is the file, its world file if there is one, and ``about.json``, which is written
last and without which the asset does not exist.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import filelock
import obstore
from isal import isal_zlib
from obstore.exceptions import BaseError

from astra_xr.conversion.disk import CACHE_FOLDER, disk_errors
from astra_xr.errors import ConversionFailed, SigningError, redact
from astra_xr.model import SignedUrl

_ABOUT = "about.json"
_TAG = "e_tag"
"""Field of the file's ETag in the ``about.json`` of an object store."""

_TRIES = 5
"""Attempts to rename a folder."""

_LIFE = timedelta(hours=1)
_SHORTEST = timedelta(minutes=5)
"""Assumed remaining life of temporary credentials without a known end, which stores renew then."""

_TEMPORARY = "X-Amz-Security-Token="
_STALE = 24 * 3600.0
"""Seconds after which unfinished work is deleted."""

_POLL = 0.05
"""Seconds between attempts to take a lock, as in filelock."""

_KEY = re.compile(r"[\w.-]{1,120}(?:/[\w.-]{1,120}){0,5}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class StoredAsset:
    """A converted file in a store."""

    key: str
    """Its folder in the store."""

    name: str
    """Name of the file, e.g. ``B04.tif``."""

    size: int
    """Size in bytes."""

    media_type: str

    crc32: int | None = None
    """Checksum of the file; None if it was not computed."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """Results of the conversion: CRS, and for images shape, transform and stretch."""


def crc32_of(path: Path) -> int:
    """Return the checksum of a file."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found = isal_zlib.crc32(part, found)
    return found


class Store(Protocol):
    """A store of converted files; thread-safe and picklable."""

    def find(self, key: str) -> StoredAsset | None:
        """Return the asset of a key; None if there is none, or it is incomplete."""
        ...

    def put(self, asset: StoredAsset, folder: Path) -> None:
        """Store the files of a folder; a second call does nothing.

        Raises
        ------
        ConversionFailed
            The store is full, cannot be reached or refuses access.
        """
        ...

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a URL of the file that needs no further authentication.

        Raises
        ------
        SigningError
        """
        ...


def check_key(key: str) -> str:
    """Return a key that is valid in every store, unchanged.

    Raises
    ------
    ValueError
        It is invalid, e.g. as it leads out of the store.
    """
    if not _KEY.fullmatch(key) or any(part.strip(".") == "" for part in key.split("/")):
        raise ValueError(f"{key!r} is not a key")
    return key


@dataclass(frozen=True, kw_only=True)
class LocalStore:
    """A local folder, which several processes may share.

    Files are written elsewhere and moved there by renaming, so that they are never incomplete.
    """

    root: Path

    max_bytes: int = 20 << 30
    """Largest size in bytes; beyond it, the least recently used assets are deleted."""

    def find(self, key: str) -> StoredAsset | None:
        """Return the asset of a key, or None."""
        folder = self.root / "assets" / check_key(key)
        try:
            asset = StoredAsset(**json.loads((folder / _ABOUT).read_text("utf-8")))
            if (folder / asset.name).stat().st_size != asset.size:
                return None
            os.utime(folder / _ABOUT)
        except (OSError, ValueError, TypeError):
            return None
        return asset

    def put(self, asset: StoredAsset, folder: Path) -> None:
        """Store the files of a folder by moving it."""
        target = self.root / "assets" / check_key(asset.key)
        with disk_errors(asset.name, CACHE_FOLDER):
            (folder / _ABOUT).write_text(json.dumps(asdict(asset)), encoding="utf-8")
            target.parent.mkdir(parents=True, exist_ok=True)
            for left in reversed(range(_TRIES)):
                if target.exists() and self.find(asset.key) is None:
                    self._remove(target)
                try:
                    folder.rename(target)
                    break
                except OSError:
                    # Another process was quicker, with the same files; these may have been deleted
                    # since, to make room.
                    if self.find(asset.key):
                        break
                    if not left:
                        raise
            self._evict(keep=target)

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a ``file://`` URL, valid as long as the file exists."""
        return SignedUrl(url=(self.root / "assets" / asset.key / asset.name).as_uri())

    def is_whole(self, path: Path) -> bool:
        """Return True if a file is undamaged; otherwise delete it, and it is made again."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            asset = StoredAsset(**json.loads((path.parent / _ABOUT).read_text("utf-8")))
            same = (path.name, path.stat().st_size) == (asset.name, asset.size)
            if same and asset.crc32 in (None, crc32_of(path)):
                return True
        with contextlib.suppress(OSError):
            self._remove(path.parent)
        return False

    def _evict(self, keep: Path) -> None:
        with filelock.FileLock(self.root / "evict.lock"):
            kept = []
            for about in (self.root / "assets").rglob(_ABOUT):
                with contextlib.suppress(OSError):
                    files = [path.stat() for path in about.parent.iterdir()]
                    used = about.stat().st_mtime
                    kept.append((used, sum(file.st_size for file in files), about.parent))
            total = sum(size for _, size, _ in kept)
            for _, size, folder in sorted(kept):
                if total <= self.max_bytes:
                    return
                if folder != keep:
                    self._remove(folder)
                    total -= size

    def _remove(self, folder: Path) -> None:
        """Delete a folder, which disappears at once by renaming."""
        trash = Path(tempfile.mkdtemp(prefix="gone-", dir=workroom(self.root)))
        with contextlib.suppress(OSError):
            folder.rename(trash / folder.name)
        shutil.rmtree(trash, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Objects under a prefix of any store of obstore: S3, Azure, Google Cloud, memory.

    An upload is read back once and compared with the local file. From then on it is identified by
    size and ETag; with others, the asset does not exist.

    Its pickle contains the credentials of the store.
    """

    store: Any = field(repr=False)
    prefix: str = "astra-xr"

    credentials_end: Callable[[], datetime | None] | None = None
    """Returns when the credentials expire, and with them the URLs that they sign; None if they
    are valid for more than an hour."""

    def find(self, key: str) -> StoredAsset | None:
        """Return the asset of a key, or None.

        Raises
        ------
        ConversionFailed
            The store cannot be reached, or refuses access.
        """
        path, reason = self._path(key, _ABOUT), ""
        try:
            about = json.loads(bytes(obstore.get(self.store, path).bytes()))
            tag = about.pop(_TAG, None)
            asset = StoredAsset(**about)
            head = obstore.head(self.store, self._path(key, asset.name))
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
        except (BaseError, OSError) as error:
            reason = redact(error)
        else:
            same = head["size"] == asset.size and tag in (None, head["e_tag"])
            return asset if same else None
        raise ConversionFailed(source=key, reason=f"the store cannot be read: {reason[:200]}")

    def put(self, asset: StoredAsset, folder: Path) -> None:
        """Upload the files of a folder, and ``about.json`` last."""
        reason = ""
        try:
            for path in sorted(folder.iterdir()):
                obstore.put(self.store, self._path(asset.key, path.name), path)
            stored, tag = self._read_back(self._path(asset.key, asset.name))
            made = crc32_of(folder / asset.name) if asset.crc32 is None else asset.crc32
            if stored == (asset.size, made):
                about = json.dumps(asdict(asset) | {_TAG: tag}).encode()
                obstore.put(self.store, self._path(asset.key, _ABOUT), about)
            else:
                reason = "the uploaded file has different bytes"
        except (BaseError, OSError) as error:
            reason = redact(error)
        if reason:
            reason = f"the store cannot be written to: {reason[:200]}"
            raise ConversionFailed(source=asset.name, reason=reason)

    def _read_back(self, path: str) -> tuple[tuple[int, int], str | None]:
        """Return size and checksum of an object, and the ETag of the same response."""
        got = obstore.get(self.store, path)
        size = found = 0
        for part in got.stream():
            size += len(part)
            found = isal_zlib.crc32(part, found)
        return (size, found), got.meta["e_tag"]

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a signed URL, valid for an hour or as long as the credentials."""
        now = datetime.now(UTC)
        path = self._path(asset.key, asset.name)
        reason = "its credentials have expired"
        try:
            url, ends = self._signed(path)
            if ends is None:
                ends = now + (_SHORTEST if _TEMPORARY in url.url else _LIFE)
            if ends > now:
                ends = min(ends, now + _LIFE)
                return SignedUrl(url=url.url, expires_at=ends, headers=url.headers)
        except (BaseError, TypeError, ValueError) as error:
            reason = redact(error)[:200]
        raise SigningError(href=path, reason=reason, hint="Check the store's credentials.")

    def _signed(self, path: str) -> tuple[SignedUrl, datetime | None]:
        """Return a signed URL, and the time at which its credentials expire."""
        end = self.credentials_end or (lambda: None)
        while True:
            before = end()
            signed = SignedUrl(url=obstore.sign(self.store, "GET", path, _LIFE))
            # Signing may have renewed them.
            if end() == before:
                return signed, before

    def _path(self, key: str, name: str) -> str:
        return f"{self.prefix}/{check_key(key)}/{name}"


def workroom(root: Path) -> Path:
    """Return the folder of unfinished work in ``root``; delete what is old in it."""
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True)
    for path in work.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return work


@contextlib.contextmanager
def only_one(root: Path, key: str) -> Iterator[None]:
    """Lock a key, for one thread of one process at a time.

    The lock file is deleted afterwards. Lock files are opened and deleted only within the gate, so
    that no process has a lock on a deleted file.
    """
    locks = root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    gate = filelock.FileLock(root / "locks.lock")
    lock = filelock.FileLock(locks / f"{check_key(key).replace('/', '_')[-150:]}.lock")
    while True:
        with gate:
            if _taken(lock):
                break
        time.sleep(_POLL)
    try:
        yield
    finally:
        with gate:
            _drop(lock)
            # Left by killed processes.
            for path in locks.glob("*.lock"):
                left = filelock.FileLock(path)
                if _taken(left):
                    _drop(left)


def _taken(lock: filelock.BaseFileLock) -> bool:
    with contextlib.suppress(filelock.Timeout):
        lock.acquire(timeout=0)
    return lock.is_locked


def _drop(lock: filelock.BaseFileLock) -> None:
    lock.release()
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
