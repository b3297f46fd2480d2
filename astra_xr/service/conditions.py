"""Conditional requests and byte ranges of a file: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime

_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rb"[ \t,]*%b(?:[ \t]*,[ \t,]*%b)*[ \t,]*" % (_TAG, _TAG))
_RANGE = re.compile(rb"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Version:
    """The version of a file that is served."""

    etag: bytes
    """Strong ETag, with its quotes."""

    modified: int
    """Time of the last change, in seconds since 1970."""

    size: int
    """Size in bytes."""

    @property
    def last_modified(self) -> bytes:
        """Return the value of ``Last-Modified``."""
        return formatdate(self.modified, usegmt=True).encode()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The status of a response, and its half-open range of the file's bytes."""

    status: int
    start: int = 0
    stop: int = 0


def judged(method: str, headers: Iterable[tuple[bytes, bytes]], version: Version) -> Verdict:
    """Return the status and range of the response to a GET or HEAD of a file.

    412 if ``If-Match`` or ``If-Unmodified-Since`` fails, 304 if ``If-None-Match`` or
    ``If-Modified-Since`` does, 416 for a range beyond the end; else 206, or 200 for the whole
    file. HEAD ignores ranges. Invalid dates and ranges are ignored, as the RFC requires.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b"," + value if name in fields else value
    status = _failed(fields, version)
    if status:
        return Verdict(status=status)
    whole = Verdict(status=200, stop=version.size)
    match = _RANGE.fullmatch(fields.get(b"range", b"").strip()) if method == "GET" else None
    if not match or not (match[1] or match[2]) or not _same(fields.get(b"if-range"), version):
        return whole
    if match[1] and match[2] and int(match[1]) > int(match[2]):
        return whole
    start, stop = _bounds(match[1], match[2], version.size)
    if start >= stop:
        return Verdict(status=416)
    return Verdict(status=206, start=start, stop=stop)


def _failed(fields: dict[bytes, bytes], version: Version) -> int | None:
    """Return the status of the first condition that fails, in the order of section 13.2.2."""
    wanted, known = fields.get(b"if-match"), fields.get(b"if-none-match")
    if wanted is not None:
        if wanted.strip() != b"*" and version.etag not in _tags(wanted):
            return 412
    elif _seconds(fields.get(b"if-unmodified-since"), version.modified) < version.modified:
        return 412
    if known is not None:
        # A weak comparison, as proxies that compress make tags weak.
        weak = {tag.removeprefix(b"W/") for tag in _tags(known)}
        return 304 if known.strip() == b"*" or version.etag in weak else None
    if _seconds(fields.get(b"if-modified-since"), version.modified - 1) >= version.modified:
        return 304
    return None


def _tags(value: bytes) -> list[bytes]:
    """Return the tags of a list, weak ones with their ``W/``; none if the list is malformed."""
    return re.findall(_TAG, value) if _TAGS.fullmatch(value) else []


def _seconds(value: bytes | None, otherwise: int) -> int:
    """Return a date in seconds since 1970; ``otherwise`` if it is missing or invalid."""
    commas = value.count(b",") if value else 0
    # In GMT, or as asctime writes it. Two headers of one name were joined by a further comma.
    if not value or commas > 1 or (commas and not value.strip().endswith(b"GMT")):
        return otherwise
    try:
        date = parsedate_to_datetime(value.decode("ascii")).replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter of a number of many digits
        return otherwise
    return int(date.timestamp())


def _same(given: bytes | None, version: Version) -> bool:
    """Return True if ``If-Range`` is absent or matches exactly, by tag or date."""
    return given is None or given.strip() in (version.etag, version.last_modified)


def _bounds(first: bytes, last: bytes, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    return int(first), min(int(last) + 1, size) if last else size
