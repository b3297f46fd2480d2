"""A storage that signs and verifies URLs, and a source of them: over real HTTP."""

from __future__ import annotations

import json
import threading
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astra_xr.model import SignedUrl
from astra_xr.testing import RangeServer, Reply, Request

_at_hand: dict[str, SignedUrl] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class AskedUrl:
    """A URL signed by ``/sign`` of the storage; the signature at hand stays in its process."""

    base: str
    name: str

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        with _lock:
            kept = _at_hand.get(self.base)
            if kept is None or kept.url == (refused.url if refused else None):
                told = json.load(urllib.request.urlopen(f"{self.base}sign"))
                until = datetime.now(UTC) + timedelta(hours=1)
                url = f"{self.base}{self.name}?sig={told['sig']}"
                kept = _at_hand[self.base] = SignedUrl(url=url, expires_at=until)
            return kept


class SigningStorage:
    """Serves a folder to URLs of a signature that is refused after some requests."""

    def __init__(self, folder: Path, *, lasts: int) -> None:
        self.given = 0
        self.refused = 0
        self._lasts = lasts
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()
        self.server = RangeServer(folder)
        self.server.rule = self._check

    def _check(self, request: Request) -> Reply | None:
        with self._lock:
            if request.path == "/sign":
                self.given += 1
                return Reply(status=200, body=json.dumps({"sig": f"S{self.given}"}).encode())
            signature = request.params.get("sig", "")
            self._used[signature] = self._used.get(signature, 0) + 1
            if not signature or self._used[signature] > self._lasts:
                self.refused += 1
                return Reply(status=403, body=b"AuthenticationFailed")
            return None
