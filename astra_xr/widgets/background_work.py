"""Background work of a picker: reads, and messages from a thread of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from astra_xr.errors import redact
from astra_xr.reading.loop import start

_log = logging.getLogger(__name__)

T = TypeVar("T")
K = TypeVar("K")

# One thread, so that messages are sent in order and no read waits for the connection; shared by
# all pickers, as each thread that draws keeps some memory.
_post = ThreadPoolExecutor(1, thread_name_prefix="astra-xr picker")


class BackgroundWork:
    """Reads and messages of a picker, which end with it."""

    def __init__(self) -> None:
        self.reads: set[Future[Any]] = set()
        self._closed = False
        self._lock = threading.Lock()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the background loop; closing stops it."""
        future = start(work)
        with self._lock:
            if not self._closed:
                self.reads.add(future)
        future.add_done_callback(self.reads.discard)
        return future

    def wait(
        self, work: Mapping[K, Coroutine[Any, Any, T]], spare: Callable[[K], bool]
    ) -> dict[K, T]:
        """Wait for several reads; continue without spare ones that fail."""
        found = {}
        for key, future in {each: self.start(work[each]) for each in work}.items():
            try:
                found[key] = future.result()
            except Exception as error:
                if not spare(key):
                    raise
                _log.info("continuing without %s: %s", key, redact(error))
        return found

    def soon(self, act: Callable[..., Any], *args: Any) -> None:
        """Call a function in the thread that sends, unless the picker is closed by then."""
        with contextlib.suppress(RuntimeError):  # the process is ending
            _post.submit(self._do, act, *args)

    def _do(self, act: Callable[..., Any], *args: Any) -> None:
        if not self._closed:
            act(*args)

    def close(self) -> None:
        """Stop all reads, and send nothing more."""
        with self._lock:
            self._closed = True
            reads = list(self.reads)
        for read in reads:
            read.cancel()
