"""Conversions that are awaited: none keeps a thread of the service waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import Progress
from astra_xr.conversion.stores import StoredAsset
from astra_xr.errors import ConversionFailed

_LOOKS = 8
"""Sources that are looked at side by side for one request."""

Outcome = StoredAsset | Exception
T = TypeVar("T")


class Unfinished(Exception):
    """These have to be converted first."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        super().__init__()
        self.jobs = tuple(jobs)


_outcomes: ContextVar[Mapping[Job, Outcome] | None] = ContextVar("outcomes", default=None)
"""What became of the conversions that the request at hand waited for."""


class PatientConverter(Converter):
    """Converts while :meth:`awaited` waits for it; where nobody does, as its parent.

    Within ``awaited`` a conversion that is not done yet raises `Unfinished` out of the resolver.
    It is waited for in the event loop, and the resolver is asked again with its outcome: so it
    may still pass over a catalog whose files turn out to be damaged.
    """

    async def awaited(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what ``ask`` gives in the end; it is called in this context each time.

        Cancelled, it leaves what it waits for to others; what nobody waits for is stopped.
        """
        outcomes: dict[Job, Outcome] = {}
        token = _outcomes.set(outcomes)
        try:
            while True:
                try:
                    return await ask()
                except Unfinished as unfinished:
                    jobs = unfinished.jobs
                outcomes.update(await self._finished(jobs))
        finally:
            _outcomes.reset(token)

    async def _finished(self, jobs: Iterable[Job]) -> dict[Job, Outcome]:
        with super().started(jobs) as futures:
            # Shielded: whoever stops to wait cancels nothing that others wait for.
            coming = (asyncio.shield(asyncio.wrap_future(future)) for future in futures.values())
            told = await asyncio.gather(*coming, return_exceptions=True)
        return {job: _outcome(job, value) for job, value in zip(futures, told, strict=True)}

    @contextmanager
    def started(self, jobs: Iterable[Job]) -> Iterator[Mapping[Job, Future[StoredAsset]]]:
        """Raise `Unfinished` where some of several jobs are not done."""
        outcomes = _outcomes.get()
        if outcomes is None:
            with super().started(jobs) as futures:
                yield futures
            return
        left = [job for job in jobs if job not in outcomes]
        missing = [job for job, there in zip(left, self._there(left), strict=True) if not there]
        if missing:
            raise Unfinished(missing)
        yield {}

    def convert(self, job: Job, progress: Progress | None = None) -> StoredAsset:
        """Return the converted asset, or raise what became of it."""
        outcomes = _outcomes.get()
        if outcomes is None:
            return super().convert(job, progress)
        outcome = outcomes.get(job) or self.find(job)
        if outcome is None:
            raise Unfinished([job])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _there(self, jobs: list[Job]) -> list[bool]:
        if len(jobs) < 2:
            return [self.find(job) is not None for job in jobs]
        with ThreadPoolExecutor(min(_LOOKS, len(jobs)), "astra-look") as pool:
            return [found is not None for found in pool.map(self.find, jobs)]


def _outcome(job: Job, value: StoredAsset | BaseException) -> Outcome:
    if isinstance(value, asyncio.CancelledError):
        return ConversionFailed(source=job.label, reason="it was broken off; ask for it again")
    if isinstance(value, BaseException) and not isinstance(value, Exception):
        raise value
    return value
