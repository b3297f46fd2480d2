"""The log: one line of JSON per request, failure or other event."""

from __future__ import annotations

import functools
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from astra_xr.errors import redact

log = logging.getLogger("astra_xr.service")


def settings(level: str) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`, for all loggers."""
    ours = {"level": level.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "astra_xr.service.logs.JsonLines"}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["lines"], "level": "ERROR" if level == "error" else "WARNING"},
        "loggers": {"astra_xr.service": ours, "uvicorn.error": ours},
    }


def log_request(scope: Mapping[str, Any], status: int, seconds: float, sent: int) -> None:
    """Log one request; ``sent`` are the bytes of the body.

    The ASGI scope has a ``request_id``, and the ``key`` if it is known.
    """
    if not log.isEnabledFor(logging.INFO):
        return
    key = scope.get("key")
    line = {
        "id": scope["request_id"],
        "client": (scope.get("client") or [None])[0],
        "key": key and key.id,
        "key_name": key and key.name,
        "method": scope["method"],
        "path": _redacted(scope["path"][:1000])[:200],
        "status": status,
        "ms": round(seconds * 1000, 2),
        "bytes": sent,
    }
    if scope.get("trace_id"):
        line["trace_id"] = scope["trace_id"]
    log.info("request", extra=line)


def log_failure(error: BaseException, request_id: str) -> None:
    """Log an error and its stack, without values."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    line = {
        "id": request_id,
        "error": type(error).__name__,
        "detail": redact(error)[:2000],
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    log.error("failure", extra=line)


class JsonLines(JsonFormatter):
    """Format each record as a line of JSON, with foreign text redacted."""

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "message"],
            datefmt="%Y-%m-%dT%H:%M:%SZ",
            rename_fields={"asctime": "time", "levelname": "level", "message": "event",
                           "exc_info": "error"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
            json_default=str,
        )  # fmt: skip
        self.converter = time.gmtime

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Keep the fields of our own records; of others, only the message."""
        super().add_fields(log_data, record, message_dict)
        log_data["level"] = record.levelname.lower()
        if record.name != log.name:
            for name in log_data.keys() - {"time", "level", "event", "error"}:
                del log_data[name]
            log_data["logger"] = record.name
        log_data["event"] = _redacted(record.getMessage())[:2000]

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the exception without its traceback, whose lines may contain values."""
        return f"{ei[0].__name__}: {redact(ei[1])[:2000]}" if ei and ei[1] else ""


# Most paths repeat.
_redacted = functools.lru_cache(maxsize=256)(redact)
