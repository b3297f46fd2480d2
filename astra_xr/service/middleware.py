"""The outermost layer of every request: ids, security headers and the last exception handler."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astra_xr.errors import AstraError, UpstreamUnavailable
from astra_xr.secret import Secret
from astra_xr.service.logs import log_failure, log_request
from astra_xr.service.problems import problem

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_CLOSED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_UNKEPT = (b"cache-control", b"no-store")

_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,100}")
"""Request ids that are accepted from clients."""

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_LAST_SECONDS = 5.0
"""Seconds to answer interrupted requests when the service ends; clients are to wait as long."""

_ENDING = UpstreamUnavailable(
    service="The resolver service",
    reason="it is being shut down",
    retry_after=_LAST_SECONDS,
    hint="Repeat the request: finished conversions are kept.",
)


class Shell:
    """Add request ids, headers, logging and error handling to an ASGI app.

    ``count`` is called with scope, status and seconds of each request.
    """

    def __init__(
        self, app: ASGIApp, count: Callable[[Scope, int, float], None] | None = None
    ) -> None:
        self._app = app
        self._count = count
        self._open = 0
        # Numbered from a random start, so that ids of several workers differ.
        self._ids = itertools.count(secrets.randbits(63))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and log one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        start, status, sent = time.perf_counter(), 0, 0
        self._open += 1
        request_id = scope["request_id"] = _asked_id(scope) or f"{next(self._ids):016x}"
        scope["trace_id"] = _trace_id(scope)
        _hide_key(scope)

        async def sending(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
                names = {name for name, _ in headers}
                headers.extend(h for h in (_CLOSED, _UNKEPT) if h[0] not in names)
                headers.extend(scope.get("quota", ()))
                message = {**message, "headers": headers}
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            # The service is ending, and the time for open requests is over.
            if status:
                raise
            await problem(_ENDING, request_id)(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - nothing of it may reach the client
            log_failure(error, request_id)
            if not status:
                await problem(AstraError(), request_id)(scope, receive, sending)
        finally:
            self._open -= 1
        seconds = time.perf_counter() - start
        if self._count:
            self._count(scope, status, seconds)
        log_request(scope, status, seconds, sent)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Handle start and end of the server; wait for interrupted requests to be answered."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        until = time.monotonic() + _LAST_SECONDS
        while self._open and time.monotonic() < until:
            await asyncio.sleep(0.01)
        await send({"type": "lifespan.shutdown.complete"})


def _hide_key(scope: Scope) -> None:
    """Move the API key out of the headers, as every stack frame of a request has the scope."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    scope["headers"] = [each for each in scope["headers"] if each[0] != b"authorization"]
    scope["authorization"] = Secret(sent[0].decode("latin-1") if sent else "")


def _asked_id(scope: Scope) -> str | None:
    """Return the request id sent by a proxy or client; None without a valid one."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    return given[0].decode() if len(given) == 1 and _ID.fullmatch(given[0]) else None


def _trace_id(scope: Scope) -> str | None:
    """Return the trace id sent by a proxy or client (W3C Trace Context), or None."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    match = _TRACE.fullmatch(given[0]) if len(given) == 1 else None
    return match[1].decode() if match else None
