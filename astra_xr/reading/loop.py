"""The background event loop of the process, and its threads."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import math
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

from astra_xr.errors import ReadError
from astra_xr.locks import Lock
from astra_xr.net.connections import close_connections
from astra_xr.tiff.codecs import prepare

T = TypeVar("T")

_COMPUTING = 16
"""Concurrent functions of :func:`in_own_thread` per read; those that they start are not counted."""

_ENDING = 2.0
"""Seconds to wait for canceled reads to end, which takes milliseconds unless the loop is stuck."""

_lock = Lock()
_started: _Threads | None = None
_ended = False


def _serve(made: Future[asyncio.AbstractEventLoop]) -> None:
    """Make and run the loop; made in the main thread, a signal could interrupt its creation."""
    loop = asyncio.new_event_loop()
    made.set_result(loop)
    loop.run_forever()


class DaemonPool:
    """Threads that are started when needed, reused, and not joined when the process ends.

    Parameters
    ----------
    name : str
        Of the threads.
    most : float
        Maximum number; by default as many as there are concurrent functions.
    """

    def __init__(self, name: str, most: float = math.inf) -> None:
        self._name = name
        self._most = most
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = Lock()
        self._idle = 0
        self._count = 0

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Call a function in one of the threads."""
        with self._lock:
            another = not self._idle and self._count < self._most
            self._count += another
            self._idle -= bool(self._idle)
        if another:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        future: Future[Any] = Future()
        self._work.put((future, partial(function, *args)))
        return future

    def _run(self) -> None:
        while True:
            future, function = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001  (raised where it is awaited)
                    future.set_exception(error)
            del future, function  # so that the result is not kept until the next one
            with self._lock:
                self._idle += 1


class _Threads:
    """The loop and the pools, started at the first read."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        made: Future[asyncio.AbstractEventLoop] = Future()
        self.thread = threading.Thread(
            target=_serve, args=[made], name="astra-xr loop", daemon=True
        )
        self.thread.start()
        self.loop = made.result()
        self.decode = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="astra-xr decode")
        # Separate, so that a slow disk does not delay decoding.
        self.wait = ThreadPoolExecutor(8, thread_name_prefix="astra-xr wait")
        # Separate, since GDAL waits for ranges, which may be read in the threads above; and few,
        # since each may hold a whole strip of a file in memory.
        self.gdal = ThreadPoolExecutor(4, thread_name_prefix="astra-xr gdal")
        # Unlimited, since functions may wait for others; each read limits its own.
        self.own = DaemonPool("astra-xr computes")
        # While the first header is being fetched.
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.02, self._prepare)

    def _prepare(self) -> None:
        with contextlib.suppress(RuntimeError):  # the process is ending already
            self.decode.submit(prepare)


def _end() -> None:
    """Cancel all reads when the process ends, and close all connections."""
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
                if not _is_shutdown(error):
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
    reason, hint = "the process is ending", "Read it before the end."
    return ReadError(source="a scene", href="", reason=reason, hint=hint)


def _is_shutdown(error: RuntimeError) -> bool:
    """Return True if Python starts no thread and accepts no work because the process is ending."""
    return "shutdown" in str(error)


async def in_pool(
    pool: ThreadPoolExecutor | DaemonPool, function: Callable[..., T], *args: object
) -> T:
    """Run a function in a pool of threads."""
    try:
        coming: Future[T] = pool.submit(function, *args)
    except RuntimeError as error:
        if not _is_shutdown(error):
            raise
    else:
        return await asyncio.wrap_future(coming)
    raise _too_late()


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function, such as a disk read, off the loop."""
    return await in_pool(_threads().wait, function, *args)


class _Reads:
    """What one caller reads, which ends at once if the caller fails."""

    def __init__(self) -> None:
        self.any = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    def add(self, task: asyncio.Task[Any]) -> None:
        """Add a task, or cancel it if the caller has failed already; called on the loop."""
        if self._over:
            task.cancel()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Cancel all tasks, and wait until they have ended; runs on the loop."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


_readers: ContextVar[tuple[_Reads, ...]] = ContextVar("readers", default=())
"""The callers for whom is read, the outermost first."""


@contextlib.contextmanager
def reads_of_one() -> Iterator[None]:
    """If the block fails or is interrupted (Ctrl-C), end the reads that it started.

    When the exception leaves the block, no further requests are sent.
    """
    mine = _Reads()
    token = _readers.set((*_readers.get(), mine))
    try:
        yield
    except BaseException:
        if mine.any:
            with contextlib.suppress(Exception):  # the process is ending, which cancels all
                loop = _threads().loop
                asyncio.run_coroutine_threadsafe(mine.end(), loop).result(_ENDING)
        raise
    finally:
        _readers.reset(token)


async def _in_pool_with_reads(
    pool: ThreadPoolExecutor | DaemonPool, function: Callable[..., T], *args: object
) -> T:
    """Run a function that may wait for reads; if this task is cancelled, they end too."""
    mine, context = _Reads(), copy_context()
    context.run(_readers.set, (*_readers.get(), mine))
    try:
        return await in_pool(pool, context.run, function, *args)
    except asyncio.CancelledError:
        await mine.end()
        raise


_Turns = contextlib.AbstractAsyncContextManager[None]

_turns: ContextVar[_Turns | None] = ContextVar("turns", default=None)
"""What limits the functions of :func:`in_own_thread`: None outside of reads, and nothing in
functions and in what they start."""


async def in_own_thread(function: Callable[..., T], *args: object, **options: object) -> T:
    """Run a function that may itself wait for reads, in a thread of its own.

    In a bounded pool, such functions could occupy all threads that the reads they wait for need.
    So one never waits for those of another read: that may be a read which waits for this one, in
    threads that do not know for whom they read, as of a dask cluster or of the user's pool.
    """
    async with _turns.get() or contextlib.nullcontext():
        token = _turns.set(contextlib.nullcontext())
        try:
            return await _in_pool_with_reads(_threads().own, partial(function, *args, **options))
        finally:
            _turns.reset(token)


async def in_decode_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function in the pool that decodes tiles: one thread per core."""
    return await in_pool(_threads().decode, function, *args)


async def in_gdal_thread(function: Callable[..., T], *args: object) -> T:
    """Run a function that calls GDAL in the pool for GDAL."""
    return await _in_pool_with_reads(_threads().gdal, function, *args)


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


_unawaited: set[asyncio.Task[None]] = set()
"""Tasks that nothing else refers to: the loop keeps only weak references."""


def start_unawaited(coroutine: Coroutine[Any, Any, None]) -> None:
    """Start a coroutine whose result is not needed; called on the background loop."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for reader in _readers.get():
        reader.add(task)
    _unawaited.add(task)
    task.add_done_callback(_unawaited.discard)


def start(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the background loop from another thread."""
    try:
        loop = _threads().loop
    except ReadError:
        coroutine.close()
        raise
    for reader in _readers.get():
        reader.any = True
    return asyncio.run_coroutine_threadsafe(_unlogged(coroutine), loop)


async def _unlogged(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine; a failure is raised to the caller that waits, and never logged."""
    task = asyncio.current_task()
    assert task
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    for reader in _readers.get():
        reader.add(task)
    if _turns.get() is None:
        _turns.set(asyncio.Semaphore(_COMPUTING))
    if task.cancelling():
        coroutine.close()
        raise asyncio.CancelledError
    return await coroutine


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop from another thread, and wait for it.

    An interrupt (Ctrl-C) cancels it.
    """
    with reads_of_one():
        try:
            return start(coroutine).result()
        except CancelledError:
            if not _ended:
                raise
        raise _too_late()
