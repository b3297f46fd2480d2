"""Conversions awaited in the event loop, so that none blocks a thread of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import Limits, Progress
from astra_xr.conversion.stores import Store, StoredAsset
from astra_xr.errors import ConversionFailed
from astra_xr.net.retries import in_threads
from astra_xr.service.turns import Turn, Turns

_LOOKS = 8
"""Source files of one request that are checked concurrently."""

Outcome = StoredAsset | Exception
T = TypeVar("T")


class Unfinished(Exception):
    """Raised in the resolver for jobs that have to be converted first."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        super().__init__()
        self.jobs = tuple(jobs)


_outcomes: ContextVar[Mapping[Job, Outcome] | None] = ContextVar("outcomes", default=None)
"""Outcomes of the conversions that the current request has waited for."""


class PatientConverter(Converter):
    """A converter whose conversions are awaited by :meth:`awaited`.

    Within ``awaited``, an unfinished conversion raises `Unfinished` in the resolver. After the
    event loop has waited for it, the resolver runs again with its outcome, and can still
    pass over a catalog whose files are damaged. Outside of ``awaited``, it converts like its
    parent.

    For ``at_once``, ``per_key`` and ``in_all`` see :class:`~astra_xr.service.turns.Turns`.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        limits: Limits | None = None,
        at_once: int,
        per_key: int,
        in_all: int,
    ) -> None:
        super().__init__(store, folder, limits=limits)
        self._turns = Turns(at_once=at_once, per_key=per_key, in_all=in_all)
        self._pool = ThreadPoolExecutor(2 * at_once, "astra-conversion")

    def _threads(self) -> ThreadPoolExecutor:
        return self._pool

    async def awaited(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``ask``, which is called again after each wait for conversions.

        If it is canceled, conversions that no other request waits for are stopped.

        Raises
        ------
        ConversionsBusy
            Too many conversions are waiting, for this API key or in all.
        """
        outcomes: dict[Job, Outcome] = {}
        token = _outcomes.set(outcomes)
        try:
            while True:
                try:
                    return await ask()
                except Unfinished as unfinished:
                    jobs = unfinished.jobs
                outcomes.update(await self._finished(key, jobs))
        finally:
            _outcomes.reset(token)

    async def _finished(self, key: str, jobs: tuple[Job, ...]) -> dict[Job, Outcome]:
        turns = self._turns.join(key, jobs)
        try:
            results = await asyncio.gather(*map(self._made, jobs, turns), return_exceptions=True)
        finally:
            for turn in turns:
                self._turns.leave(turn)
        # A job that another request has finished has no result; the resolver finds it then.
        found = zip(jobs, results, strict=True)
        return {job: _outcome(job, value) for job, value in found if value}

    async def _made(self, job: Job, turn: Turn) -> StoredAsset | None:
        """Convert when it is its turn; return None if the store has it already."""
        await turn.coming
        try:
            with super().started([job]) as futures:
                for future in futures.values():
                    # Shielded, as other requests may wait for it too.
                    return await asyncio.shield(asyncio.wrap_future(future))
            return None
        finally:
            self._turns.leave(turn)

    @contextmanager
    def started(self, jobs: Iterable[Job]) -> Iterator[Mapping[Job, Future[StoredAsset]]]:
        """Raise `Unfinished` if some of the jobs are not done."""
        outcomes = _outcomes.get()
        if outcomes is None:
            with super().started(jobs) as futures:
                yield futures
            return
        left = [job for job in jobs if job not in outcomes]
        looked = in_threads(self.find, left, _LOOKS)
        missing = [job for job, found in zip(left, looked, strict=True) if found is None]
        if missing:
            raise Unfinished(missing)
        yield {}

    def convert(self, job: Job, progress: Progress | None = None) -> StoredAsset:
        """Return the converted asset, or raise the error of its conversion."""
        outcomes = _outcomes.get()
        if outcomes is None:
            return super().convert(job, progress)
        outcome = outcomes.get(job) or self.find(job)
        if outcome is None:
            raise Unfinished([job])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _outcome(job: Job, value: StoredAsset | BaseException) -> Outcome:
    if isinstance(value, asyncio.CancelledError):
        return ConversionFailed(source=job.label, reason="it was interrupted; repeat the request")
    if isinstance(value, BaseException) and not isinstance(value, Exception):
        raise value
    return value
