"""Where converted files live: a folder of this machine, or any object store.

A stored asset is the file, a world file where the format has one, and ``about.json``, which is
written last: what has none is not there.
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
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import filelock
import obstore
from isal import isal_zlib
from obstore.exceptions import BaseError

from astra_xr.errors import ConversionFailed, SigningError, redact
from astra_xr.model import SignedUrl

_ABOUT = "about.json"
_TAG = "e_tag"
"""In the ``about.json`` of an object store: the ETag of the file."""

_TRIES = 5
"""To put a folder in its place."""

_LIFE = timedelta(hours=1)
_SHORTEST = timedelta(minutes=5)
"""What temporary credentials of unknown end live at least: stores renew them then."""

_TEMPORARY = "X-Amz-Security-Token="
_STALE = 24 * 3600.0
"""Seconds after which work that nobody finished is swept away."""

_POLL = 0.05
"""Seconds between looks whether a lock is free, as of filelock."""

_KEY = re.compile(r"[\w.-]{1,120}(?:/[\w.-]{1,120}){0,5}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class StoredAsset:
    """A converted file that a store has."""

    key: str
    """Where in the store, without the file's name."""

    name: str
    """Name of the file, e.g. ``B04.tif``."""

    size: int
    """Bytes."""

    media_type: str

    crc32: int | None = None
    """Of the file; None: nobody counted it."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """What the conversion reported: CRS, and of images shape, transform and stretch."""


def crc32_of(path: Path) -> int:
    """Return the checksum of a file."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found = isal_zlib.crc32(part, found)
    return found


class Store(Protocol):
    """Keeps converted files. One instance serves many threads, and pickles."""

    def find(self, key: str) -> StoredAsset | None:
        """Return what is kept under a key; None: nothing, or nothing whole."""
        ...

    def put(self, asset: StoredAsset, folder: Path) -> None:
        """Take the files of a folder; a second time is harmless.

        Raises
        ------
        ConversionFailed
            There is no room, no permission, or the store cannot be reached.
        """
        ...

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a URL that reads the file with no further authentication.

        Raises
        ------
        SigningError
        """
        ...


def check_key(key: str) -> str:
    """Return a key that is good in every store.

    Raises
    ------
    ValueError
        It is not, e.g. since it leads out of the store.
    """
    if not _KEY.fullmatch(key) or any(part.strip(".") == "" for part in key.split("/")):
        raise ValueError(f"{key!r} is no key")
    return key


@dataclass(frozen=True, kw_only=True)
class LocalStore:
    """A folder, which processes of one machine may share.

    Files are made in a folder beside it and published by renaming, so that each is there as a
    whole or not at all.
    """

    root: Path

    max_bytes: int = 20 << 30
    """Bytes to keep; beyond, what was not used for longest goes."""

    def find(self, key: str) -> StoredAsset | None:
        """Return what is kept under a key."""
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
        """Take the files of a folder, which is gone then."""
        target = self.root / "assets" / check_key(asset.key)
        reason = ""
        try:
            (folder / _ABOUT).write_text(json.dumps(asdict(asset)), encoding="utf-8")
            target.parent.mkdir(parents=True, exist_ok=True)
            for left in reversed(range(_TRIES)):
                if target.exists() and self.find(asset.key) is None:
                    self._remove(target)
                try:
                    folder.rename(target)
                    break
                except OSError:
                    # Somebody was quicker, and what they put is the same; but it may have had to
                    # make room for others since.
                    if self.find(asset.key):
                        break
                    if not left:
                        raise
            self._evict(keep=target)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
        if reason:
            # Answers of the service carry this: it names no folder of the machine.
            raise ConversionFailed(
                source=asset.name,
                reason=f"it cannot be written to the cache folder (ASTRA_CACHE_DIR): {reason}",
            )

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a ``file://`` URL, good as long as the file is there."""
        return SignedUrl(url=(self.root / "assets" / asset.key / asset.name).as_uri())

    def is_whole(self, path: Path) -> bool:
        """Return True if a file is what was put; if not, it is taken away, to be made anew."""
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
        """Take a folder away at once, then delete it."""
        trash = Path(tempfile.mkdtemp(prefix="gone-", dir=workroom(self.root)))
        with contextlib.suppress(OSError):
            folder.rename(trash / folder.name)
        shutil.rmtree(trash, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Objects under a prefix of any store of obstore: S3, Azure, Google Cloud, memory.

    An upload is read back once and compared with what was made. From then on its ETag stands for
    its content: an object of another size or ETag is not there.

    A pickle of it holds the credentials that its store was given.
    """

    store: Any = field(repr=False)
    prefix: str = "astra-xr"

    credentials_end: Callable[[], datetime | None] | None = None
    """Returns when the credentials that sign stop working, and with them the URLs; None: they
    outlive an hour."""

    def find(self, key: str) -> StoredAsset | None:
        """Return what is kept under a key.

        Raises
        ------
        ConversionFailed
            The store cannot be reached, or refuses.
        """
        path, reason = self._path(key, _ABOUT), ""
        try:
            about = json.loads(bytes(obstore.get(self.store, path).bytes()))
            tag = about.pop(_TAG, None)
            asset = StoredAsset(**about)
            held = obstore.head(self.store, self._path(key, asset.name))
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
        except (BaseError, OSError) as error:
            reason = redact(error)
        else:
            same = held["size"] == asset.size and tag in (None, held["e_tag"])
            return asset if same else None
        raise ConversionFailed(source=key, reason=f"the store cannot be read ({reason[:200]})")

    def put(self, asset: StoredAsset, folder: Path) -> None:
        """Upload the files of a folder, and last what says that they are there."""
        reason = ""
        try:
            for path in sorted(folder.iterdir()):
                obstore.put(self.store, self._path(asset.key, path.name), path)
            held, tag = self._read_back(self._path(asset.key, asset.name))
            made = crc32_of(folder / asset.name) if asset.crc32 is None else asset.crc32
            if held == (asset.size, made):
                about = json.dumps(asdict(asset) | {_TAG: tag}).encode()
                obstore.put(self.store, self._path(asset.key, _ABOUT), about)
            else:
                reason = "it holds other bytes than were made"
        except (BaseError, OSError) as error:
            reason = redact(error)
        if reason:
            said = f"the store cannot be written to ({reason[:200]})"
            raise ConversionFailed(source=asset.name, reason=said)

    def _read_back(self, path: str) -> tuple[tuple[int, int], str | None]:
        """Return the size and checksum of an object, and the ETag of the very bytes."""
        got = obstore.get(self.store, path)
        size = found = 0
        for part in got.stream():
            size += len(part)
            found = isal_zlib.crc32(part, found)
        return (size, found), got.meta["e_tag"]

    def url(self, asset: StoredAsset) -> SignedUrl:
        """Return a URL that the store signs: for an hour, or as long as the credentials live."""
        now = datetime.now(UTC)
        path = self._path(asset.key, asset.name)
        reason = "its credentials have expired"
        try:
            url, ends = self._signed(path)
            if ends is None:
                ends = now + (_SHORTEST if _TEMPORARY in url.url else _LIFE)
            if ends > now:
                return replace(url, expires_at=min(ends, now + _LIFE))
        except (BaseError, TypeError, ValueError) as error:
            reason = redact(error)[:200]
        raise SigningError(href=path, reason=reason, hint="Check the store's credentials.")

    def _signed(self, path: str) -> tuple[SignedUrl, datetime | None]:
        """Return a URL, and when the credentials that signed it end."""
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
    """Return the folder of unfinished work below ``root``, swept of what others left behind."""
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True)
    for path in work.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return work


@contextlib.contextmanager
def only_one(root: Path, key: str) -> Iterator[None]:
    """Let one thread of one process at a time work on a key.

    Its lock is a file that is gone afterwards. Locks are opened, and their files deleted, by
    whoever holds the gate alone: nobody is left with a lock on a file that is no more there.
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
            # Of processes that were killed.
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
