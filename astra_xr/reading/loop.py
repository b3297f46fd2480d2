"""The background event loop of the process, and its thread pools."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Protocol, TypeVar

from astra_xr.errors import ReadError
from astra_xr.locks import Lock
from astra_xr.net.connections import close_connections
from astra_xr.tiff.codecs import prepare

T = TypeVar("T")

_lock = Lock()
_started: _Threads | None = None


_COMPUTING = 16
"""Threads that compute what is not of this package, and what they themselves wait for besides."""


def _serve(made: Future[asyncio.AbstractEventLoop]) -> None:
    """Make the loop and run it: in the main thread, a signal's exception could leave half of it."""
    loop = asyncio.new_event_loop()
    made.set_result(loop)
    loop.run_forever()


class _Threads:
    """The loop and the pools, started at the first read."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.decode = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="astra-xr decode")
        made: Future[asyncio.AbstractEventLoop] = Future()
        self.thread = threading.Thread(
            target=_serve, args=[made], name="astra-xr loop", daemon=True
        )
        self.thread.start()
        self.loop = made.result()
        # While the first header is being fetched.
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.02, self._prepare)
        self.computing = asyncio.Semaphore(_COMPUTING)
        # Separate, so that a slow disk does not delay decoding.
        self.wait = ThreadPoolExecutor(8, thread_name_prefix="astra-xr wait")
        # Separate: GDAL waits for ranges, which may come through the threads above.
        self.gdal = ThreadPoolExecutor(4, thread_name_prefix="astra-xr gdal")

    def _prepare(self) -> None:
        with contextlib.suppress(RuntimeError):  # the process is ending already
            self.decode.submit(prepare)


_ended = False


def _end() -> None:
    """Cancel what is still read when the process ends, and close all connections."""
    global _ended  # noqa: PLW0603
    with _lock:
        _ended = True
        ending = _started
    if ending is None or ending.pid != os.getpid():
        return

    async def close() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await close_connections()

    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(close(), ending.loop).result(2)
    ending.loop.call_soon_threadsafe(ending.loop.stop)
    ending.thread.join(2)


atexit.register(_end)


def _threads() -> _Threads:
    global _started  # noqa: PLW0603  (one per process, made when first needed)
    with _lock:
        if _ended:
            raise _too_late()
        if _started is None:
            try:
                _started = _Threads()
            except RuntimeError as error:
                if not _is_of_the_end(error):
                    raise
        if _started is None:
            raise _too_late()
    if _started.pid != os.getpid():
        # Neither the loop nor its threads survive a fork: a read would hang.
        raise ReadError(
            source="a scene in a forked process",
            href="",
            reason="the process was forked from one that had already read pixels",
            hint='Start processes with multiprocessing\'s "spawn" or "forkserver" method.',
        )
    return _started


def _too_late() -> ReadError:
    return ReadError(
        source="a scene",
        href="",
        reason="the process is ending",
        hint="Read it before the end.",
    )


def _is_of_the_end(error: RuntimeError) -> bool:
    """Return True if Python starts no thread and takes no work any more, as it is ending."""
    return "shutdown" in str(error)


class _Pool(Protocol):
    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]: ...


async def in_pool(pool: _Pool, function: Callable[..., T], *args: object) -> T:
    """Run a function in a pool of threads."""
    try:
        coming: Future[T] = pool.submit(function, *args)
    except RuntimeError as error:
        if not _is_of_the_end(error):
            raise
    else:
        return await asyncio.wrap_future(coming)
    raise _too_late()


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function, such as a disk read, off the loop."""
    return await in_pool(_threads().wait, function, *args)


_computing: ContextVar[bool] = ContextVar("computing", default=False)


async def in_own_thread(function: Callable[..., T], *args: object, **options: object) -> T:
    """Run a function that may itself wait for reads, in a thread of its own.

    In a pool, functions that wait for reads could take all threads that these reads need. What is
    read for such a function therefore waits for no other's end.
    """
    inside = _computing.get()
    async with contextlib.nullcontext() if inside else _threads().computing:
        coming: Future[T] = Future()
        context = copy_context()
        context.run(_computing.set, True)

        def work() -> None:
            if not coming.set_running_or_notify_cancel():
                return
            try:
                coming.set_result(context.run(partial(function, *args, **options)))
            except BaseException as error:  # noqa: BLE001  (raised where it is awaited)
                coming.set_exception(error)

        try:
            threading.Thread(target=work, name="astra-xr computes", daemon=True).start()
        except RuntimeError as error:
            if not _is_of_the_end(error):
                raise
            raise _too_late() from None
        return await asyncio.wrap_future(coming)


async def in_decode_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function in the pool that decodes tiles, which has one thread per core."""
    return await in_pool(_threads().decode, function, *args)


async def in_gdal_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function that calls GDAL in the pool for GDAL."""
    return await in_pool(_threads().gdal, function, *args)


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently; raise the first failure and cancel the rest."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
        return [task.result() for task in tasks]
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0]
    raise failure


_beside: set[asyncio.Task[None]] = set()
"""The loop itself holds no task."""


def beside(coroutine: Coroutine[Any, Any, None]) -> None:
    """Start a coroutine for which nobody waits; called on the background loop."""
    task = asyncio.get_running_loop().create_task(coroutine)
    _beside.add(task)
    task.add_done_callback(_beside.discard)


def start(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the background loop from another thread."""
    try:
        loop = _threads().loop
    except ReadError:
        coroutine.close()
        raise
    return asyncio.run_coroutine_threadsafe(_heard(coroutine), loop)


async def _heard(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine; its failure is not logged, but raised where somebody still waits."""
    task = asyncio.current_task()
    assert task
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await coroutine


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop from another thread, and wait for it.

    An interrupt (Ctrl-C) cancels it.
    """
    future = start(coroutine)
    try:
        return future.result()
    except CancelledError:
        if not _ended:
            raise
    except BaseException:
        future.cancel()
        raise
    raise _too_late()
