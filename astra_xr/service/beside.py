"""The service in a process beside this program, for notebooks and tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from astra_xr.arguments import read_path
from astra_xr.catalogs import catalog_name
from astra_xr.errors import AstraError, redact, revived
from astra_xr.extras import require
from astra_xr.secret import Secret
from astra_xr.service.keys import new_key
from astra_xr.settings import Settings

if TYPE_CHECKING:
    from astra_xr.resolver.remote import RemoteResolver

_START = 60.0
"""Seconds that the service has to start."""


@dataclass(frozen=True, eq=False, repr=False)
class RunningService:
    """A service started by :func:`running`; it ends with its ``with`` block."""

    url: str
    """Root of the service, e.g. ``http://127.0.0.1:43211``."""

    key: Secret[str]
    """An API key of this service; ``key.reveal()`` is its text."""

    _process: subprocess.Popen[str]

    @property
    def resolver(self) -> RemoteResolver:
        """A resolver for ``resolver=`` of :func:`astra_xr.open_scene`."""
        from astra_xr.resolver.remote import RemoteResolver

        return RemoteResolver(self.url, self.key)

    def close(self) -> None:
        """End the service after it has answered its open requests."""
        _end(self._process)

    def __enter__(self) -> RunningService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self._process.poll() is None else "ended"
        return f"<RunningService {self.url}, {state}>"


def running(*, catalog: str | None = None, keys_file: str | Path | None = None) -> RunningService:
    """Run the service in a process beside this program, on a free loopback port, with a new key.

    The process ends with this one. ``astra-xr serve`` runs a service for other users.

    Parameters
    ----------
    catalog : str, optional
        The only catalog to use, e.g. ``"sample"``; default: that of the settings, if any, else
        those of each mission.
    keys_file : str or Path, optional
        A file of further API keys, see :class:`KeyFile`; default: ``ASTRA_KEYS_FILE``. Changes
        to it apply at once. Other settings are read from the environment and ``config.toml``.

    Returns
    -------
    RunningService
        It has ``url``, ``key`` and ``resolver``, and runs until ``close()`` or the end of its
        ``with`` block.

    Raises
    ------
    InvalidParameter
        There is no such catalog, or a setting of the service is invalid.
    MissingExtra
        The extra ``service`` is not installed.
    AstraError
        The service did not start within a minute, or ended.

    Examples
    --------
    >>> import astra_xr
    >>> with astra_xr.service.running(catalog="sample") as service:
    ...     ds = astra_xr.open_scene(
    ...         "sentinel-2:S2B_MSIL2A_20250115T184929", ["red"], resolver=service.resolver
    ...     )
    ...     ds.red[0, :2].shape
    (2,)
    """
    require("uvicorn", extra="service", purpose="a service")
    settings = Settings.from_env()
    changed = {
        "ASTRA_CACHE_DIR": str(settings.cache_dir),
        "ASTRA_CATALOG": catalog_name(catalog) or settings.catalog,
        "ASTRA_PUBLIC_URL": None,  # of another service, as these are:
        "ASTRA_API_URL": None,
        "ASTRA_API_KEY": None,
    }
    if keys_file is not None:
        changed["ASTRA_KEYS_FILE"] = str(read_path("keys_file", keys_file))
    return _start(changed, new_key("running")[1])


def _start(changed: Mapping[str, str | None], key: Secret[str]) -> RunningService:
    """Start the service; ``changed`` are environment variables, None to unset one."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        # A process and not a thread: rasterio.open of the service's URL holds the GIL, so that
        # a thread could not answer it.
        process = subprocess.Popen(
            [sys.executable, "-m", "astra_xr.service.beside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environ(changed, key),
        )
        line = _first_line(process)
        if line.startswith("http"):
            return RunningService(line, key, process)
        _end(process)
        log.seek(0)
        last = (line or log.read().strip() or "its process ended").splitlines()[-1]
    raise _failure(last)


def _environ(changed: Mapping[str, str | None], key: Secret[str]) -> dict[str, str]:
    new = {**os.environ, **changed, "ASTRA_API_KEYS": key.reveal()}
    return {name: text for name, text in new.items() if text is not None}


def _first_line(process: subprocess.Popen[str]) -> str:
    """Return the URL or the error that the process prints; it is killed if it takes too long."""
    assert process.stdout
    until = time.monotonic() + _START
    clock = threading.Timer(_START, process.kill)
    clock.start()
    try:
        with process.stdout as lines:
            line = lines.readline().strip()
    finally:
        clock.cancel()
    late = not line and time.monotonic() >= until
    return f"no answer within {_START:g} s" if late else line


def _failure(last: str) -> AstraError:
    """Return the error of a service that did not start, by the last line that it printed."""
    with contextlib.suppress(ValueError, TypeError):
        code, message, state = json.loads(last)
        error = revived(code, message, state)
        if error is not None:
            return error
    return AstraError(f"The service did not start: {redact(last)[:300]}.")


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _main() -> int:
    """Serve until the program that started this process ends, or closes our standard input."""
    from astra_xr.service.config import ServiceSettings
    from astra_xr.service.serve import running_in_thread

    # Jupyter interrupts a cell by a signal to all processes of the kernel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with running_in_thread(ServiceSettings.from_env()) as url:
            print(url, flush=True)  # noqa: T201
            sys.stdin.read()
    except AstraError as error:
        state = json.dumps([error.code, str(error), error.__dict__], default=str)
        print(state, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
