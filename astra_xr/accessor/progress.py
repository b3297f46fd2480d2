"""Progress bars of reads, with the hosts that the reads wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from tqdm.auto import tqdm

from astra_xr.errors import ReadError
from astra_xr.net.retries import waiting
from astra_xr.reading.loop import start

_EACH = 0.5
"""Seconds between updates."""


@contextlib.contextmanager
def bar(total: int, *, show: bool, **options: Any) -> Iterator[tqdm[Any]]:
    """Yield a progress bar, which shows the hosts that throttle or fail.

    ``show=False`` yields one that shows nothing; ``options`` are those of :class:`tqdm.tqdm`.
    """
    with tqdm(total=total, disable=not show, **options) as shown:
        reporting = None
        # If nothing can be read any more, the read itself raises.
        with contextlib.suppress(ReadError):
            reporting = start(_report(shown)) if show else None
        try:
            yield shown
        finally:
            if reporting:
                reporting.cancel()


async def _report(shown: tqdm[Any]) -> None:
    before = ""
    while True:
        await asyncio.sleep(_EACH)
        now = waiting()
        if now != before:
            shown.set_postfix_str(now)
            before = now
