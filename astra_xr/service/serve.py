"""Run the service: ``astra-xr serve``, or in a thread of this process."""

from __future__ import annotations

import asyncio
import base64
import math
import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from astra_xr.arguments import read_count
from astra_xr.catalogs import catalog_name
from astra_xr.errors import InvalidParameter
from astra_xr.service import logs
from astra_xr.service.app import check_system, create_app
from astra_xr.service.config import ServiceSettings, default_keys_file
from astra_xr.service.keys import KeyFile, Keyring
from astra_xr.service.metrics import MANY
from astra_xr.service.problems import PLAIN, PROBLEM_TYPE, document

_MOST_HEAD = 64 << 10
"""Largest size of a request's line and headers, in bytes."""

_HEAD_SECONDS = 15.0
"""Seconds in which a request's headers have to arrive."""


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with limits of size and time for a request's head, which uvicorn does not have.

    Requests that it refuses are answered with a problem document and logged, like all others.
    """

    _read = 0
    _whole = False
    _due = 0.0
    _timer: asyncio.TimerHandle
    _since = 0.0
    _refused = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._begin()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Parse bytes; refuse a head that is too long."""
        if not self._whole:
            self._read += len(data)
        super().data_received(data)
        if not self._whole and self._read > _MOST_HEAD and not self.transport.is_closing():
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Restart the timer for a further request."""
        super().on_message_begin()
        if self._whole:
            self._begin()

    def on_headers_complete(self) -> None:
        """Stop the timer; raising an exception refuses the request."""
        self._whole = True
        if self._read > _MOST_HEAD:
            # The bytes may include a part of the body.
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > _MOST_HEAD:
                self._refused = 431
                raise ValueError("the head is too long")
        if self.parser.get_http_version() == "0.9":
            raise ValueError("it has no headers and no version")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that the parser rejected."""
        self._refuse(self._refused)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._timer.cancel()
        super().connection_lost(exc)

    def _refuse(self, status: int) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                # The previous request is answered completely, then the connection is closed.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            # The error is in the body of this request.
            cycle.disconnected = True
        request_id = secrets.token_hex(8)
        body = document(status, *PLAIN[status], request_id)
        head = (
            f"HTTP/1.1 {status} {PLAIN[status][0]}\r\nContent-Type: {PROBLEM_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        scope = {"request_id": request_id, "client": self.client, "method": None, "path": ""}
        logs.log_request(scope, status, self.loop.time() - self._since, len(body))

    def _begin(self) -> None:
        self._read, self._whole = 0, False
        self._since = self.loop.time()
        self._due = self._since + _HEAD_SECONDS

    def _watch(self) -> None:
        # One timer per connection: one per request costs more than parsing the request.
        now = self.loop.time()
        if self._whole or now < self._due:
            after = now + _HEAD_SECONDS if self._whole else self._due
            self._timer = self.loop.call_at(after, self._watch)
        else:
            self.transport.close()


_OPTIONS: dict[str, Any] = {
    "http": Protocol,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "ws": "none",
    "lifespan": "on",
    "timeout_keep_alive": 30,
}


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    catalog: str | None = None,
    keys_file: Path | None = None,
) -> None:
    """Run the service until a signal ends it; open requests are answered first.

    If there is no API key and this is a terminal, a first key is created and printed.

    Raises
    ------
    InvalidParameter
        An argument or a setting is invalid, or the address is in use.
    AstraError
        This is Windows.
    """
    check_system()
    read_count("workers", workers, "a number of processes, from 1 to 1000", most=1000)
    _check_address(host, port)
    if catalog:
        os.environ["ASTRA_CATALOG"] = catalog
    path = keys_file or ServiceSettings.from_env().keys_file or default_keys_file()
    os.environ["ASTRA_KEYS_FILE"] = str(path.absolute())
    # Workers must accept each other's signatures.
    os.environ.setdefault(
        "ASTRA_URL_KEYS", f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    )
    settings = ServiceSettings.from_env()
    catalog_name(settings.core.catalog)  # else each request would fail
    Keyring(settings.keys_file, settings.api_keys)
    if not settings.api_keys and not KeyFile(path).read():
        # Without a terminal, the output may be a journal, which would keep the key.
        note = "There is no API key yet: `astra-xr keys add NAME` creates one."
        if sys.stdout.isatty():
            key = KeyFile(path).add("first")
            note = f"A first API key, shown only now: {key.reveal()}"
        print(note, flush=True)  # noqa: T201
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/docs", flush=True)  # noqa: T201
    with ExitStack() as at_end:
        if settings.metrics and workers > 1 and MANY not in os.environ:
            folder = tempfile.TemporaryDirectory("", "astra-metrics-", ignore_cleanup_errors=True)
            os.environ[MANY] = at_end.enter_context(folder)
        uvicorn.run(
            "astra_xr.service.app:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=logs.settings(settings.log_level),
            timeout_graceful_shutdown=_drain(settings),
            **_OPTIONS,
        )


def _check_address(host: str, port: int) -> None:
    # Checked before a key is created; uvicorn would only log an errno.
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    else:
        return
    expected = "another host or port"
    raise InvalidParameter(
        name="host, port", value=f"{host}:{port}", expected=expected, reason=reason
    )


def _drain(settings: ServiceSettings) -> int:
    return max(1, math.ceil(settings.drain))


@contextmanager
def running_in_thread(settings: ServiceSettings) -> Iterator[str]:
    """Run the service in a thread, on a free loopback port; yield its root URL."""
    with socket.socket() as listening:
        # Requests that arrive before the thread runs wait for it.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(
            create_app(settings), log_config=None, timeout_graceful_shutdown=_drain(settings),
            **_OPTIONS,
        )  # fmt: skip
        server = uvicorn.Server(config)
        run = threading.Thread(target=server.run, args=([listening],), daemon=True)
        run.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            run.join(30)
