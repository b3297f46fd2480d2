"""The service in a process beside this program, for notebooks, tests and trials."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from astra_xr.catalogs import catalog_name
from astra_xr.errors import AstraError, InvalidParameter, redact
from astra_xr.extras import require
from astra_xr.secret import Secret
from astra_xr.service.keys import new_key
from astra_xr.settings import Settings

if TYPE_CHECKING:
    from astra_xr.resolver.remote import RemoteResolver


class RunningService:
    """A service that :func:`running` started; leaving its ``with`` block ends it."""

    def __init__(self, url: str, key: Secret[str], process: subprocess.Popen[str]) -> None:
        self._url, self._key, self._process = url, key, process

    @property
    def url(self) -> str:
        """Root of the service, e.g. ``http://127.0.0.1:43211``."""
        return self._url

    @property
    def key(self) -> Secret[str]:
        """An API key of this service; ``key.reveal()`` is its text."""
        return self._key

    @property
    def resolver(self) -> RemoteResolver:
        """For ``resolver=`` of :func:`astra_xr.open_scene`."""
        from astra_xr.resolver.remote import RemoteResolver

        return RemoteResolver(self._url, self._key)

    def close(self) -> None:
        """End the service; requests under way are answered first."""
        _end(self._process)

    def __enter__(self) -> RunningService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self._process.poll() is None else "ended"
        return f"<RunningService {self._url}, {state}>"


def running(*, catalog: str | None = None, keys_file: str | Path | None = None) -> RunningService:
    """Run the service beside this program, on a free port of loopback, with a key of its own.

    It is a process of its own, which ends with this one. ``astra-xr serve`` runs a service for
    other users.

    Parameters
    ----------
    catalog : str, optional
        The only catalog that it asks, e.g. ``"sample"``; default: that of the settings, if any,
        else those of each mission.
    keys_file : str or Path, optional
        A file of further API keys, see :class:`KeyFile`; default: ``ASTRA_KEYS_FILE``. Changes
        of it apply at once. Other settings are read from the environment and ``config.toml``.

    Returns
    -------
    RunningService
        It has ``url``, ``key`` and ``resolver``, and runs until ``close()`` or the end of its
        ``with`` block.

    Raises
    ------
    InvalidParameter
        There is no such catalog, or the service did not start.
    MissingExtra
        The extra ``service`` is not installed.

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
    _, key = new_key("running")
    catalog = catalog_name(catalog) or settings.catalog
    changed = {
        "ASTRA_CACHE_DIR": str(settings.cache_dir),
        "ASTRA_CATALOG": catalog,
        "ASTRA_KEYS_FILE": str(keys_file) if keys_file else os.environ.get("ASTRA_KEYS_FILE"),
        "ASTRA_PUBLIC_URL": None,  # of another service, as these are:
        "ASTRA_API_URL": None,
        "ASTRA_API_KEY": None,
    }
    return _start({name: text for name, text in changed.items() if text}, tuple(changed), key)


def _start(given: dict[str, str], changed: tuple[str, ...], key: Secret[str]) -> RunningService:
    kept = {name: text for name, text in os.environ.items() if name not in changed}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        # A process and not a thread: rasterio.open of the service's URL holds the GIL, so that
        # a thread could not answer it.
        process = subprocess.Popen(
            [sys.executable, "-m", "astra_xr.service.beside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**kept, **given, "ASTRA_API_KEYS": key.reveal()},
        )
        assert process.stdout
        with process.stdout as lines:
            url = lines.readline().strip()
        if url:
            return RunningService(url, key, process)
        _end(process)
        log.seek(0)
        said = (log.read().strip().splitlines() or ["it ended"])[-1]
    expected = f"settings that the service starts with ({redact(said)[:300]})"
    raise InvalidParameter(name="settings", value="those of the environment", expected=expected)


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
    """Serve until the program that started this process closes our standard input, or ends."""
    from astra_xr.service.config import ServiceSettings
    from astra_xr.service.serve import running as in_thread

    # Jupyter interrupts a cell by a signal to all processes of the kernel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with in_thread(ServiceSettings.from_env()) as url:
            print(url, flush=True)  # noqa: T201
            sys.stdin.read()
    except AstraError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
