"""The process's one background event loop, and the threads that decode."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


@functools.cache
def _loop_of(pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="astra-xr reading", daemon=True).start()
    return loop


@functools.cache
def _pool_of(pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="astra-xr decode")


def decode_pool() -> ThreadPoolExecutor:
    """Return the threads that decode tiles: one a core."""
    return _pool_of(os.getpid())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it, from any other thread.

    An interrupt (Ctrl-C) cancels it: nothing goes on behind the caller's back.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop_of(os.getpid()))
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and await it on the caller's."""
    loop = _loop_of(os.getpid())
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))
