"""What a picker does behind its back: reads, and messages from a thread of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from astra_xr.reading.loop import start

T = TypeVar("T")


class Work:
    """Reads and messages of a picker, which end with it."""

    def __init__(self) -> None:
        self.reads: set[Future[Any]] = set()
        self._closed = False
        self._lock = threading.Lock()
        # One thread: answers are sent in order, and no read waits for the connection.
        self._post = ThreadPoolExecutor(1, thread_name_prefix="astra-xr picker")

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the engine's loop; closing stops it."""
        future = start(work)
        with self._lock:
            if not self._closed:
                self.reads.add(future)
        future.add_done_callback(self.reads.discard)
        return future

    def soon(self, act: Callable[..., Any], *args: Any) -> None:
        """Do something in the thread that sends; nothing after closing."""
        with contextlib.suppress(RuntimeError):
            self._post.submit(act, *args)

    def close(self) -> None:
        """Stop all reads, and send nothing more."""
        with self._lock:
            self._closed = True
            reads = list(self.reads)
        for read in reads:
            read.cancel()
        self._post.shutdown(wait=False, cancel_futures=True)
