"""Values of settings, read from text, as in the environment, or from their own types. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astra_xr.errors import InvalidParameter


def read_value(name: str, value: Any, *, shown: str) -> Any:
    """Return the value of a field of ``Settings``, from text or its own type.

    ``shown`` is its name in errors: that of the field, or its environment variable.

    Examples
    --------
    >>> read_value("timeout", "5", shown="ASTRA_TIMEOUT"), read_value("timeout", 5, shown="timeout")
    (5.0, 5.0)
    """
    reader: Callable[[Any], Any] = _READERS.get(name, _text)
    try:
        return reader(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidParameter(name=shown, value=value, expected=_EXPECTED.get(reader, "text"))


_YES = ("1", "on", "true", "yes")
_NO = ("", "0", "off", "false", "no")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path(value: Any) -> Path:
    path = Path(value)
    if "\0" in str(path):
        raise ValueError
    return path.expanduser()


def _seconds(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise ValueError
    return number


def _bytes(value: Any) -> int:
    if isinstance(value, bool | float) or (isinstance(value, str) and not value.strip().isdigit()):
        raise ValueError
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _hosts(value: Any) -> tuple[str, ...]:
    hosts = value.split(",") if isinstance(value, str) else value
    return tuple(host.strip() for host in map(_text, hosts) if host.strip())


def _time(value: Any) -> datetime:
    time = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    if time != time:  # NaT of pandas  # noqa: PLR0124
        raise ValueError
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _flag(value: Any) -> bool:
    word = _text(str(value) if isinstance(value, bool) else value).strip().lower()
    if word not in (*_YES, *_NO):
        raise ValueError
    return word in _YES


def _sas_url(value: Any) -> str:
    # The Planetary Computer's own tools have the path of the tokens in this variable.
    return _text(value).rstrip("/").removesuffix("/token")


_READERS: dict[str, Callable[[Any], Any]] = {
    "cache_dir": _path,
    "netrc": _path,
    "timeout": _seconds,
    "patience": _seconds,
    "header_cache": _bytes,
    "kept_headers": _bytes,
    "tile_cache": _bytes,
    "cache_bytes": _bytes,
    "allow_hosts": _hosts,
    "aws_no_sign_request": _flag,
    "aws_credential_expiration": _time,
    "planetary_computer_sas_url": _sas_url,
}
"""Setting → the function that reads it; the others are text."""

_EXPECTED: dict[Callable[[Any], Any], str] = {
    _path: "a path",
    _seconds: "a positive number of seconds",
    _bytes: "a number of bytes",
    _hosts: "hosts, as a list or comma-separated text",
    _time: "a time such as 2025-01-31T12:00:00Z",
    _flag: "True, False or text such as YES",
}
