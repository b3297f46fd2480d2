"""Requests as bytes, for what no decent client sends."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came back over one connection."""

    raw: bytes
    """All of it."""

    closed: bool
    """True where the service hung up."""

    @property
    def statuses(self) -> list[int]:
        """Return the status of each answer, in order."""
        lines = self.raw.split(b"\r\n")
        return [int(line.split()[1]) for line in lines if line.startswith(b"HTTP/1.1 ")]


def send(url: str, *pieces: bytes, patience: float = 60.0, to_the_end: bool = False) -> Answers:
    """Send bytes, and read until an answer is whole, the service hangs up, or time is over.

    Answers are taken as whole where the bytes end as ``Content-Length`` says; all that comes in
    the same moment is kept, so that an answer too many shows. With ``to_the_end``, all is read
    until the service hangs up.
    """
    parts = urlsplit(url)
    raw, closed = bytearray(), False
    with socket.create_connection((parts.hostname, parts.port), timeout=patience) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
        except OSError:
            pass  # refused before it was all sent; what was said of it is read below
        try:
            while to_the_end or not _whole(raw, bare=pieces[0].startswith(b"HEAD ")):
                data = wire.recv(1 << 16)
                if not data:
                    closed = True
                    break
                raw += data
            if not closed:
                wire.settimeout(0.01)
                while data := wire.recv(1 << 16):
                    raw += data
                closed = True
        except (TimeoutError, BlockingIOError):
            pass
        except OSError:
            closed = True
    return Answers(raw=bytes(raw), closed=closed)


def _whole(raw: bytearray, *, bare: bool) -> bool:
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank or bare or b" 304 " in head[:20]:
        return bool(blank)
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False
