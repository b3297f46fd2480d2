"""API keys: a file of their hashes, and their verification.

A key is ``astra_sk_live_<id>_<secret>``, where the secret is 32 random bytes in hex. The file has
only its SHA-256, which reveals no key.
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
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import filelock

from astra_xr.arguments import read_path, read_text
from astra_xr.errors import InvalidParameter
from astra_xr.model import utc_now
from astra_xr.secret import Secret
from astra_xr.service.rates import check_rate

_KEY = re.compile(r"astra_sk_live_([a-z0-9]{8})_([0-9a-f]{64})", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NONE = "0" * 64
_LONG = timedelta(days=365_000)
_UNREAD = object()

log = logging.getLogger("astra_xr.service")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """The record of a key, without the key itself."""

    id: str
    """Public id, as in logs."""

    name: str
    """Its owner."""

    sha256: str
    """Hash of the whole key, in hex."""

    created_at: str
    """ISO 8601, UTC."""

    expires_at: str | None = None
    """ISO 8601, UTC; None if it does not expire."""

    rate: str | None = None
    """Rate limit, e.g. ``600/minute`` or ``none``; None for that of the service."""

    def expired(self, now: datetime) -> bool:
        """Return True if the key has expired."""
        return self.expires_at is not None and now >= datetime.fromisoformat(self.expires_at)


class KeyFile:
    """A file of API keys, which several processes may read and change.

    Parameters
    ----------
    path : str or Path
        The file; it need not exist yet.

    Examples
    --------
    >>> import tempfile
    >>> keys = KeyFile(tempfile.mkdtemp() + "/keys.json")
    >>> key = keys.add("alice")
    >>> key, [each.name for each in keys.read()]
    (***, ['alice'])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = read_path("path", path)

    def read(self) -> list[ApiKey]:
        """Return all keys; none if the file does not exist.

        Raises
        ------
        InvalidParameter
            It is not a file of keys, or cannot be read.
        """
        try:
            document = json.loads(self.path.read_text("utf-8"))
            return [_checked(ApiKey(**entry)) for entry in document["keys"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            pass
        expected = "a readable file written by `astra-xr keys add`"
        raise InvalidParameter(name="keys_file", value=str(self.path), expected=expected)

    def add(
        self,
        name: str,
        *,
        life: timedelta | None = None,
        rate: str | None = None,
    ) -> Secret[str]:
        """Create a key and return it; it cannot be read again.

        Parameters
        ----------
        name : str
            Its owner.
        life : timedelta, optional
            Time until it expires; default: never.
        rate : str, optional
            Its rate limit, e.g. ``600/minute``; default: that of the service.
        """
        made, key = new_key(name, life=life, rate=check_rate(rate))
        with self._locked():
            self._write([*self.read(), made])
        return key

    def revoke(self, key_id: str) -> None:
        """Delete a key.

        Raises
        ------
        InvalidParameter
            There is no such key.
        """
        with self._locked():
            keys = self.read()
            kept = [key for key in keys if key.id != key_id]
            if len(kept) == len(keys):
                known = ", ".join(key.id for key in keys)
                expected = f"one of {known}" if known else "a key of this file, which has none"
                raise InvalidParameter(name="key_id", value=key_id, expected=expected)
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
) -> tuple[ApiKey, Secret[str]]:
    """Create a key; return its record and the key."""
    now = utc_now()
    name = read_text("name", name, "the name of its owner")
    if life is not None and (not isinstance(life, timedelta) or not timedelta(0) < life < _LONG):
        expected = "a timedelta above 0 and below 1000 years, or None"
        raise InvalidParameter(name="life", value=life, expected=expected)
    key_id = secrets.token_hex(4)
    key = Secret(f"astra_sk_live_{key_id}_{secrets.token_hex(32)}")
    kept = ApiKey(
        id=key_id,
        name=name[:100],
        sha256=_hash(key.reveal()),
        created_at=f"{now:%Y-%m-%dT%H:%M:%S+00:00}",
        expires_at=f"{now + life:%Y-%m-%dT%H:%M:%S+00:00}" if life else None,
        rate=rate,
    )
    return kept, key


class Keyring:
    """The valid API keys.

    Parameters
    ----------
    path : Path, optional
        File of keys, read again whenever it changes.
    keys : iterable of Secret
        Further keys.
    """

    def __init__(self, path: Path | None = None, keys: Iterable[Secret[str]] = ()) -> None:
        self._records: dict[str, ApiKey] = {}  # in case repr is called early
        self._file = KeyFile(path) if path else None
        self._given = {k.id: k for k in map(_given, keys)}
        self._records |= self._given
        self._stamp: Any = _UNREAD
        self._lock = threading.Lock()
        self._look()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._records)})"

    def holder(self, header: Secret[str]) -> ApiKey | None:
        """Return the record of the key in an ``Authorization`` header; None without a valid one."""
        self._look()
        return self._holder(header)

    def _holder(self, header: Secret[str]) -> ApiKey | None:
        # Raises nothing, as the key is plain text here.
        scheme, _, text = header.reveal().partition(" ")
        text = text.strip(" ")
        match = _KEY.fullmatch(text) if scheme.lower() == "bearer" else None
        record = self._records.get(match[1]) if match else None
        # Always hashed and compared, so that the time taken reveals nothing.
        same = hmac.compare_digest(_hash(text[:200]), record.sha256 if record else _NONE)
        return record if record and match and same and not record.expired(utc_now()) else None

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
                records = {key.id: key for key in self._file.read()}
                self._records = {**records, **self._given}
            except InvalidParameter as error:
                if self._stamp is _UNREAD:
                    raise
                # The last valid keys stay valid until the file is repaired.
                log.warning("%s", error)
            self._stamp = stamp


def _checked(key: ApiKey) -> ApiKey:
    """Return a record from a file; raise ValueError or TypeError if it is invalid."""
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
        expected = "keys printed by `astra-xr keys add`, comma-separated"
        raise InvalidParameter(name="ASTRA_API_KEYS", value="***", expected=expected)
    return ApiKey(id=key_id, name="environment", sha256=_hash(key.reveal()), created_at="")


def _id_of(key: Secret[str]) -> str | None:
    """Return the id in a key; None if it is not a key."""
    match = _KEY.fullmatch(key.reveal())
    return match[1] if match else None
