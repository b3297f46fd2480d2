"""The process's one background event loop, and its threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from astra_xr.errors import ReadError
from astra_xr.tiff.codecs import prepare

T = TypeVar("T")

_lock = threading.Lock()
_started: _Threads | None = None


class _Threads:
    """What is started at the first read."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.decode = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="astra-xr decode")
        # While the first header is on its way.
        self.loop.call_later(0.02, self._prepare)
        threading.Thread(target=self.loop.run_forever, name="astra-xr loop", daemon=True).start()
        # Apart, so that a slow disk or signing service holds no decoding up.
        self.wait = ThreadPoolExecutor(8, thread_name_prefix="astra-xr wait")
        # Apart again: GDAL waits for ranges, which may come through the threads above.
        self.gdal = ThreadPoolExecutor(4, thread_name_prefix="astra-xr gdal")
        # One: rasterio silences a warning while it warps, which other threads may undo.
        self.warp = ThreadPoolExecutor(1, thread_name_prefix="astra-xr warp")

    def _prepare(self) -> None:
        with contextlib.suppress(RuntimeError):  # the process is ending already
            self.decode.submit(prepare)


def _threads() -> _Threads:
    global _started  # noqa: PLW0603  (one a process, made when first needed)
    with _lock:
        if _started is None:
            _started = _Threads()
    if _started.pid != os.getpid():
        # Threads do not survive a fork, nor does the runtime beneath obstore: a read would hang.
        raise ReadError(
            source="a scene in a forked process",
            href="",
            reason="the process was forked from one that had read pixels already",
            hint='Start processes with multiprocessing\'s "spawn" or "forkserver" method.',
        )
    return _started


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Run what blocks, such as reading a disk or asking for a signature, beside the loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads().wait, function, *args)


async def in_decode_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function in the pool that decodes tiles, which has one thread a core."""
    return await asyncio.get_running_loop().run_in_executor(_threads().decode, function, *args)


async def in_gdal_thread(function: Callable[..., T], *args: object) -> T:
    """Run what calls GDAL in the pool kept for it."""
    return await asyncio.get_running_loop().run_in_executor(_threads().gdal, function, *args)


async def in_warp_thread(function: Callable[..., T], *args: object) -> T:
    """Run GDAL's warper beside the loop, on one array after the other."""
    return await asyncio.get_running_loop().run_in_executor(_threads().warp, function, *args)


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines side by side; at the first failure the rest is cancelled, and it is raised."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
        return [task.result() for task in tasks]
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0]
    raise failure


def start(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the background loop, from any other thread."""
    try:
        loop = _threads().loop
    except ReadError:
        coroutine.close()
        raise
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it, from any other thread.

    An interrupt (Ctrl-C) cancels it: nothing goes on behind the caller's back.
    """
    future = start(coroutine)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
