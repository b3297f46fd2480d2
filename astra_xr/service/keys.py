"""API keys: a file of their hashes, and who may ask.

A key is ``astra_sk_live_<id>_<secret>``, the secret 32 random bytes in hex. The file holds its
SHA-256, so that whoever reads the file holds no key.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock

from astra_xr.errors import InvalidParameter
from astra_xr.model import utc_now
from astra_xr.secret import Secret
from astra_xr.service.rates import check_rate

_KEY = re.compile(r"astra_sk_live_([a-z0-9]{8})_([0-9a-f]{64})", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NONE = "0" * 64
_UNREAD = object()

log = logging.getLogger("astra_xr.service")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """What is kept of a key; the key itself is not."""

    id: str
    """Public: logs name a key by it."""

    name: str
    """Whose it is, in words."""

    sha256: str
    """Of the whole key, in hex."""

    created_at: str
    """ISO 8601, UTC."""

    expires_at: str | None = None
    """ISO 8601, UTC; None: it does not end."""

    rate: str | None = None
    """Requests that it may make, e.g. ``600/minute`` or ``none``; None: the service's own rule."""

    def expired(self, now: datetime) -> bool:
        """Return True if its time is over."""
        return self.expires_at is not None and now >= datetime.fromisoformat(self.expires_at)


class KeyFile:
    """A file of API keys that several processes may share, and change.

    Parameters
    ----------
    path : str or Path
        It need not exist yet.

    Examples
    --------
    >>> import tempfile
    >>> keys = KeyFile(tempfile.mkdtemp() + "/keys.json")
    >>> key = keys.add("alice")
    >>> key, [each.name for each in keys.read()]
    (***, ['alice'])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> list[ApiKey]:
        """Return all keys; none where there is no file.

        Raises
        ------
        InvalidParameter
            The file is none of keys.
        """
        try:
            held = json.loads(self.path.read_text("utf-8"))
            return [_checked(ApiKey(**entry)) for entry in held["keys"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            pass
        expected = "a file that `astra-xr keys add` made and that can be read"
        raise InvalidParameter(name="keys-file", value=str(self.path), expected=expected)

    def add(
        self,
        name: str,
        *,
        life: timedelta | None = None,
        rate: str | None = None,
        now: datetime | None = None,
    ) -> Secret[str]:
        """Add a key and return it; it cannot be read again.

        Parameters
        ----------
        name : str
            Its owner, in words.
        life : timedelta, optional
            Time until it expires; default: never.
        rate : str, optional
            Requests that it may make, e.g. ``600/minute``.
        now : datetime, optional
            Time of its making; default: the clock's.
        """
        made, key = new_key(name, life=life, rate=check_rate(rate), now=now)
        with self._locked():
            self._write([*self.read(), made])
        return key

    def revoke(self, key_id: str) -> None:
        """Take a key away.

        Raises
        ------
        InvalidParameter
            There is no such key.
        """
        with self._locked():
            held = self.read()
            kept = [key for key in held if key.id != key_id]
            if len(kept) == len(held):
                known = ", ".join(key.id for key in held) or "none is there"
                raise InvalidParameter(name="id", value=key_id, expected=f"one of: {known}")
            self._write(kept)

    def _locked(self) -> filelock.BaseFileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(f"{self.path}.lock")

    def _write(self, keys: list[ApiKey]) -> None:
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=1)
        fresh.replace(self.path)


def new_key(
    name: str,
    *,
    life: timedelta | None = None,
    rate: str | None = None,
    now: datetime | None = None,
) -> tuple[ApiKey, Secret[str]]:
    """Make up a key; return what is kept of it, and the key."""
    now = now or utc_now()
    key_id = secrets.token_hex(4)
    key = Secret(f"astra_sk_live_{key_id}_{secrets.token_hex(32)}")
    kept = ApiKey(
        id=key_id,
        name=name[:100],
        sha256=_hash(key.reveal()),
        created_at=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
        expires_at=f"{now.astimezone(UTC) + life:%Y-%m-%dT%H:%M:%S+00:00}" if life else None,
        rate=rate,
    )
    return kept, key


class Keyring:
    """Tells whose a key is.

    Parameters
    ----------
    path : Path, optional
        File of keys, looked at again whenever it changes.
    keys : iterable of Secret
        Further keys, whole.
    """

    def __init__(
        self,
        path: Path | None = None,
        keys: Iterable[Secret[str]] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._held: dict[str, ApiKey] = {}
        self._file = KeyFile(path) if path else None
        self._clock = clock
        self._given = {k.id: k for k in map(_given, keys)}
        self._held = dict(self._given)
        self._stamp: Any = _UNREAD
        self._lock = threading.Lock()
        self._look()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._held)})"

    def holder(self, header: Secret[str]) -> ApiKey | None:
        """Return the key of an ``Authorization`` header; None if it has no valid key."""
        self._look()
        return self._holder(header)

    def _holder(self, header: Secret[str]) -> ApiKey | None:
        # Raises nothing: the key is plain here.
        scheme, _, text = header.reveal().partition(" ")
        text = text.strip(" ")
        match = _KEY.fullmatch(text) if scheme.lower() == "bearer" else None
        held = self._held.get(match[1]) if match else None
        # Hashed and compared whatever is wrong, so that the time it takes tells nothing.
        same = hmac.compare_digest(_hash(text[:200]), held.sha256 if held else _NONE)
        return held if held and match and same and not held.expired(self._clock()) else None

    def _look(self) -> None:
        if self._file is None:
            return
        stamp = None
        with contextlib.suppress(OSError):
            status = self._file.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp == self._stamp:
            return
        with self._lock:
            try:
                held = {key.id: key for key in self._file.read()}
                self._held = {**held, **self._given}
            except InvalidParameter as error:
                if self._stamp is _UNREAD:
                    raise
                # The keys that were good stay good until the file is mended.
                log.warning("%s", error)
            self._stamp = stamp


def _checked(key: ApiKey) -> ApiKey:
    """Return a key of a file; a ValueError or TypeError tells that somebody else wrote it."""
    check_rate(key.rate)
    key.expired(utc_now())
    if not _HASH.fullmatch(key.sha256):
        raise ValueError
    return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _given(key: Secret[str]) -> ApiKey:
    key_id = _id_of(key)
    if key_id is None:
        expected = "keys that `astra-xr keys add` made, comma-separated"
        raise InvalidParameter(name="ASTRA_API_KEYS", value="***", expected=expected)
    return ApiKey(id=key_id, name="environment", sha256=_hash(key.reveal()), created_at="")


def _id_of(key: Secret[str]) -> str | None:
    """Return the public part of a key; None if it has not the form of one."""
    match = _KEY.fullmatch(key.reveal())
    return match[1] if match else None
