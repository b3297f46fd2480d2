"""Conversions in threads of this process, each done once for all callers."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cachetools import TTLCache

from astra_xr.conversion.job import Job, perform
from astra_xr.conversion.recipe import Limits, Progress
from astra_xr.conversion.stores import Store, StoredAsset
from astra_xr.errors import ConversionFailed
from astra_xr.locks import Lock, renew_in_child
from astra_xr.model import SignedUrl

_REMEMBERED = 600.0
"""Seconds for which sources are not checked for changes."""

AT_ONCE = max(2, (os.cpu_count() or 2) // 4)
"""Concurrent conversions of a process."""


class Stopped(Exception):
    """Raised in a conversion that no caller waits for any more."""


@dataclass
class _Flight:
    """A running conversion, and the number of callers that wait for it."""

    future: Future[StoredAsset]
    callbacks: list[Progress] = field(default_factory=list)
    waiting: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def progress(self, share: float) -> None:
        if self.stop.is_set():
            raise Stopped
        for callback in list(self.callbacks):
            callback(share)


class Converter:
    """Convert assets, each once for all callers, and keep them in a store.

    Parameters
    ----------
    store : Store
        Store of the converted files.
    folder : Path
        Folder of unfinished work and locks. Processes that share it do not convert the same asset
        twice. For a local store it must be the store's own folder.
    limits : Limits, optional
        Limits of one conversion.
    """

    def __init__(self, store: Store, folder: Path, *, limits: Limits | None = None) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits or Limits()
        # Reentrant: a future that is done at once runs its callback in the same thread.
        self._lock = Lock(threading.RLock)
        self._flights: dict[Job, _Flight] = {}
        renew_in_child(self)
        self._known: TTLCache[Job, StoredAsset] = TTLCache(4096, _REMEMBERED)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Converter, limits=self.limits), (self.store, self.folder)

    def renew(self) -> None:
        """Forget the conversions that threads of the parent process were doing."""
        self._flights = {}

    @contextmanager
    def started(self, jobs: Iterable[Job]) -> Iterator[Mapping[Job, Future[StoredAsset]]]:
        """Start several jobs, so that they run concurrently while :meth:`convert` waits for one.

        Yields those that are not done yet. At the end of the context, those that no caller waits
        for are stopped.
        """
        with self._lock:
            flights = {job: self._board(job, None) for job in jobs if job not in self._known}
        try:
            yield {job: flight.future for job, flight in flights.items()}
        finally:
            for flight in flights.values():
                self._leave(flight)

    def convert(self, job: Job, progress: Progress | None = None) -> StoredAsset:
        """Return the converted asset; convert it if the store does not have it.

        Parameters
        ----------
        job : Job
        progress : callable, optional
            Called with the share that is done, 0 to 1, in another thread; not called if the asset
            is known to be in the store.

        Raises
        ------
        ConversionFailed
            The source is damaged, too large or at a forbidden place, or the store is full.
        UpstreamError, SigningError
            The source's storage is down, or refuses access.
        """
        known = self._remembered(job)
        if known is not None:
            return known
        flight = self._board(job, progress)
        try:
            return flight.future.result()
        finally:
            self._leave(flight)

    def find(self, job: Job) -> StoredAsset | None:
        """Return the asset if the store has it; None if it has to be converted.

        Raises
        ------
        ConversionFailed, UpstreamError, SigningError
            The source cannot be checked.
        """
        known = self._remembered(job)
        if known is not None:
            return known
        found = self.store.find(job.look()[1])
        if found is not None:
            with self._lock:
                self._known[job] = found
        return found

    def _remembered(self, job: Job) -> StoredAsset | None:
        with self._lock:
            known = self._known.get(job)
        if known is None or self.store.find(known.key) is not None:
            return known
        with self._lock:
            self._known.pop(job, None)
        return None

    def _leave(self, flight: _Flight) -> None:
        with self._lock:
            flight.waiting -= 1
            if not flight.waiting:
                flight.stop.set()
                flight.future.cancel()

    def _board(self, job: Job, progress: Progress | None) -> _Flight:
        with self._lock:
            flight = self._flights.get(job)
            if flight is None or flight.stop.is_set():
                flight = _Flight(future=Future())
                flight.future = self._submitted(job, flight.progress)
                self._flights[job] = flight
                flight.future.add_done_callback(lambda future: self._land(job, future))
            flight.waiting += 1
            if progress:
                flight.callbacks.append(progress)
            return flight

    def _submitted(self, job: Job, progress: Progress) -> Future[StoredAsset]:
        try:
            return self._threads().submit(
                perform, job, self.store, self.folder, self.limits, progress
            )
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise
        raise ConversionFailed(source=job.label, reason="the process is ending")

    def _threads(self) -> ThreadPoolExecutor:
        """Return the thread pool of this process; a forked process has its own."""
        process = os.getpid()
        if process not in _pools:
            _pools.setdefault(process, ThreadPoolExecutor(AT_ONCE, "astra-conversion"))
        return _pools[process]

    def _land(self, job: Job, future: Future[StoredAsset]) -> None:
        with self._lock:
            flight = self._flights.get(job)
            if flight is not None and flight.future is future:
                del self._flights[job]
            if not future.cancelled() and future.exception() is None:
                self._known[job] = future.result()


_pools: dict[int, ThreadPoolExecutor] = {}


@dataclass(frozen=True, kw_only=True)
class ConvertedUrl:
    """The `UrlSource` of a converted file, which is made when its URL is first needed."""

    job: Job
    converter: Converter = field(compare=False, repr=False)

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is valid for minutes at least."""
        return self.converter.store.url(self.asset())

    def asset(self) -> StoredAsset:
        """Return the stored asset; convert it if the store does not have it."""
        bar = _Bar(self.job.label)
        try:
            return self.converter.convert(self.job, bar)
        finally:
            bar.close()


class _Bar:
    """A progress bar in terminals and notebooks, shown after a second."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None

    def __call__(self, share: float) -> None:
        seen = "ipykernel" in sys.modules or sys.stderr.isatty()
        if self._bar is None and seen:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=100, desc=f"converting {self._label}", unit="%", delay=1, leave=False
            )
        if self._bar is not None:
            self._bar.update(100 * share - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
