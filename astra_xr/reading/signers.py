"""Sign URLs in threads of each signer, so that one that is dead delays no reads of others."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from astra_xr.model import SignedUrl, UrlSource
from astra_xr.reading.loop import in_pool

_MOST = 8
"""Threads of one signer."""


class _Threads:
    """Threads of one signer, for whom the end of the process does not wait."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Call a function in one of the threads; called on the background loop."""
        if not self._idle.acquire(blocking=False) and self._count < _MOST:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
            self._count += 1
        future: Future[Any] = Future()
        self._work.put((future, function))
        return future

    def _run(self) -> None:
        while True:
            future, function = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
                    future.set_exception(error)
            del future, function  # what was signed is not kept until the next
            self._idle.release()


_signers: dict[tuple[type, str], _Threads] = {}
"""Lives on the background loop; a signer is a class of sources, and the catalog of its own."""


async def sign(source: UrlSource, *, refused: SignedUrl | None = None) -> SignedUrl:
    """Return a URL of a source; ``refused`` is one that the storage did not accept."""
    signer = type(source), str(getattr(source, "catalog", ""))
    if signer not in _signers:
        _signers[signer] = _Threads(f"astra-xr signs {signer[1]}".rstrip())
    how = functools.partial(source, refused=refused) if refused else source
    return await in_pool(_signers[signer], how)
