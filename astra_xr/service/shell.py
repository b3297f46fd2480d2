"""What stands around every request: its id, its log line, security headers, and the last catch."""

from __future__ import annotations

import json
import logging
import secrets
import time
import traceback
from typing import Any

from astra_xr.errors import AstraError, redact
from astra_xr.service.problems import PROBLEM_TYPE, problem

log = logging.getLogger("astra_xr.service")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_CLOSED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_UNKEPT = (b"cache-control", b"no-store")


class Shell:
    """Wraps an ASGI app."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, and log a line about it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        request_id = scope["request_id"] = secrets.token_hex(8)

        async def told(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                names = {name for name, _ in headers}
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(_HEADERS)
                headers.extend(h for h in (_CLOSED, _UNKEPT) if h[0] not in names)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as error:  # noqa: BLE001 - the last catch: nothing of it may get out
            log_failure(error, request_id)
            if not status:
                code, body, _ = problem(AstraError(), request_id)
                head = [(b"content-type", PROBLEM_TYPE.encode())]
                await told({"type": "http.response.start", "status": code, "headers": head})
                await told({"type": "http.response.body", "body": body})
        if log.isEnabledFor(logging.INFO):
            line = {
                "id": request_id,
                "method": scope["method"],
                "path": redact(scope["path"])[:200],
                "status": status,
                "ms": round((time.perf_counter() - start) * 1000, 2),
                "key": scope.get("key_id"),
            }
            log.info("request", extra={"told": line})


def log_failure(error: BaseException, request_id: str) -> None:
    """Log where an error comes from, without the values that it may hold."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    line = {
        "id": request_id,
        "error": type(error).__name__,
        "detail": redact(error)[:2000],
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    log.error("failure", extra={"told": line})


class JsonLines(logging.Formatter):
    """One line of JSON a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; text from elsewhere in it is redacted."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": redact(record.getMessage())[:2000],
            **getattr(record, "told", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["detail"] = redact(record.exc_info[1])[:2000]
        return json.dumps(line, default=str)
